//! The settings of a server, merged from every source.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::limits::Limits;
use crate::logging::LogFormat;
use crate::web::outgoing::Allowed;

use super::listen::Listen;
use super::origin::Origin;
use super::secret::Secret;
use super::store_url::StoreUrl;
use super::table::{self, TABLE};

/// What a server is told, and where each value came from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The browser UI, the HTTP API, processors and metrics.
    pub http: Listen,
    /// Names besides loopback and its own address that HTTP answers to.
    pub http_names: Vec<String>,
    /// Where outgoing calls may go.
    pub outgoing_allow: Allowed,
    /// How often processors are checked.
    pub health_interval: Duration,
    /// The native TCP protocol.
    pub tcp: Listen,
    /// gloom's port for masters.
    pub gloom_masters: Listen,
    /// gloom's port for workers.
    pub gloom_workers: Listen,
    /// deputy's TCP port.
    pub deputy: Listen,
    /// deputy's UNIX socket.
    pub deputy_socket: Option<PathBuf>,
    /// Write deputy's metrics to stderr every 5 s. Only `procession deputy -v` sets it.
    pub deputy_verbose: bool,
    /// Where durable jobs live.
    pub store: StoreUrl,
    /// Written when all listen, with the address of each.
    pub ports_file: Option<PathBuf>,
    /// Threads for connections.
    pub threads: usize,
    /// How long running jobs may take to answer after SIGTERM or SIGINT.
    pub drain: Duration,
    /// Accept anybody on addresses that others can reach.
    pub insecure_no_auth: bool,
    /// What a peer has to know.
    pub token: Option<Secret>,
    /// The file that the token is read from.
    pub token_file: Option<PathBuf>,
    /// The shape of log lines.
    pub log_format: LogFormat,
    /// The bounds.
    pub limits: Limits,
    /// Where each setting came from, by its name.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What is allowed but unwise: to be logged when the logger is up.
    pub warnings: Vec<String>,
}

/// One setting, as `check` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingRow {
    /// Its name: the flag without dashes, the key in the file.
    pub name: &'static str,
    /// Its value, in the spelling that the setting accepts; a token is `***`.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

impl Settings {
    /// All settings, in the order of the help text.
    pub fn table(&self) -> Vec<SettingRow> {
        TABLE
            .iter()
            .map(|setting| SettingRow {
                name: setting.name,
                value: (setting.show)(self),
                origin: self.origin(setting.name),
            })
            .collect()
    }

    /// Where a setting came from.
    pub fn origin(&self, name: &'static str) -> Origin {
        self.origins.get(name).cloned().unwrap_or(Origin::Default(name))
    }

    /// The TCP listeners, each with the name of its setting.
    pub fn listeners(&self) -> [(&'static str, Listen); 5] {
        [
            ("http", self.http),
            ("tcp", self.tcp),
            ("gloom-masters", self.gloom_masters),
            ("gloom-workers", self.gloom_workers),
            ("deputy", self.deputy),
        ]
    }
}

/// The defaults of the table.
impl Default for Settings {
    fn default() -> Self {
        let mut settings = Self {
            http: Listen::Off,
            http_names: Vec::new(),
            outgoing_allow: Allowed::default(),
            health_interval: Duration::ZERO,
            tcp: Listen::Off,
            gloom_masters: Listen::Off,
            gloom_workers: Listen::Off,
            deputy: Listen::Off,
            deputy_socket: None,
            deputy_verbose: false,
            store: StoreUrl::Memory,
            ports_file: None,
            threads: 1,
            drain: Duration::ZERO,
            insecure_no_auth: false,
            token: None,
            token_file: None,
            log_format: LogFormat::Text,
            limits: Limits::default(),
            origins: BTreeMap::new(),
            warnings: Vec::new(),
        };
        for setting in TABLE.iter().filter(|setting| setting.default != table::NONE) {
            (setting.set)(&mut settings, setting.default).expect("a test sets every default");
        }
        settings
    }
}
