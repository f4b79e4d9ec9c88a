//! The table of the settings: a new setting is a field of [`Settings`] and a row here.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::limits::MAX_BODY_CEILING;

use super::error::quoted;
use super::memory;
use super::secret::Secret;
use super::settings::Settings;
use super::units;

/// One setting: everything that the command line, the environment, the file, `--help` and `check` need to know.
pub(super) struct Setting {
    /// The flag without its dashes, and the key in the file.
    pub name: &'static str,
    /// What the help calls its value.
    pub metavar: &'static str,
    /// Which subcommands have it as a flag.
    pub scope: Scope,
    /// In the spelling that `set` accepts.
    pub default: &'static str,
    /// One line.
    pub help: &'static str,
    /// Reads a value; the error says what would be right.
    pub set: fn(&mut Settings, &str) -> Result<(), String>,
    /// Shows the value as `set` would accept it.
    pub show: fn(&Settings) -> String,
}

/// Which subcommands have a setting as a flag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// `serve` and `check`; `deputy` fixes these itself.
    House,
    /// All that start a server.
    Server,
    /// All subcommands.
    All,
    /// None, nor the file: the environment only, because command lines are public and files are copied.
    Environment,
}

impl Setting {
    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("PROCESSION_{}", self.name.replace('-', "_").to_uppercase())
    }
}

/// The value of a setting that has none.
pub(super) const NONE: &str = "none";

/// The settings, in the order of the help text.
pub(super) const TABLE: &[Setting] = &[
    Setting {
        name: "http",
        metavar: "ADDR",
        scope: Scope::House,
        default: "127.0.0.1:3000",
        help: "Browser UI, HTTP API, processors, metrics: IP:PORT, PORT or off",
        set: |settings, text| put(&mut settings.http, text.parse()),
        show: |settings| settings.http.to_string(),
    },
    Setting {
        name: "tcp",
        metavar: "ADDR",
        scope: Scope::House,
        default: "127.0.0.1:3001",
        help: "Native TCP protocol",
        set: |settings, text| put(&mut settings.tcp, text.parse()),
        show: |settings| settings.tcp.to_string(),
    },
    Setting {
        name: "gloom-masters",
        metavar: "ADDR",
        scope: Scope::House,
        default: "127.0.0.1:9998",
        help: "gloom, for masters",
        set: |settings, text| put(&mut settings.gloom_masters, text.parse()),
        show: |settings| settings.gloom_masters.to_string(),
    },
    Setting {
        name: "gloom-workers",
        metavar: "ADDR",
        scope: Scope::House,
        default: "127.0.0.1:9999",
        help: "gloom, for workers",
        set: |settings, text| put(&mut settings.gloom_workers, text.parse()),
        show: |settings| settings.gloom_workers.to_string(),
    },
    Setting {
        name: "deputy",
        metavar: "ADDR",
        scope: Scope::House,
        default: "127.0.0.1:11746",
        help: "deputy, on TCP",
        set: |settings, text| put(&mut settings.deputy, text.parse()),
        show: |settings| settings.deputy.to_string(),
    },
    Setting {
        name: "deputy-socket",
        metavar: "PATH",
        scope: Scope::House,
        default: NONE,
        help: "deputy, on a UNIX socket",
        set: |settings, text| put(&mut settings.deputy_socket, path(text)),
        show: |settings| show_path(&settings.deputy_socket),
    },
    Setting {
        name: "http-names",
        metavar: "NAMES",
        scope: Scope::Server,
        default: NONE,
        help: "Host names, separated by commas, that HTTP answers to besides localhost and its own address",
        set: |settings, text| put(&mut settings.http_names, names(text)),
        show: |settings| show_names(&settings.http_names),
    },
    Setting {
        name: "store",
        metavar: "URL",
        scope: Scope::House,
        default: "file:procession-data",
        help: "Where durable jobs live: file:DIR, or memory: to keep nothing",
        set: |settings, text| put(&mut settings.store, text.parse()),
        show: |settings| settings.store.to_string(),
    },
    Setting {
        name: "ports-file",
        metavar: "FILE",
        scope: Scope::Server,
        default: NONE,
        help: "Write the addresses here, as JSON, when all listen",
        set: |settings, text| put(&mut settings.ports_file, path(text)),
        show: |settings| show_path(&settings.ports_file),
    },
    Setting {
        name: "threads",
        metavar: "N",
        scope: Scope::Server,
        default: "1",
        help: "Threads for connections",
        set: |settings, text| put(&mut settings.threads, units::count(text, 1..=256)),
        show: |settings| settings.threads.to_string(),
    },
    Setting {
        name: "drain",
        metavar: "SECONDS",
        scope: Scope::Server,
        default: "25s",
        help: "On SIGTERM or SIGINT, how long running jobs may take to answer",
        set: |settings, text| put(&mut settings.drain, units::time(text, Duration::ZERO..=DAY)),
        show: |settings| units::show_time(settings.drain),
    },
    Setting {
        name: "outgoing-allow",
        metavar: "CIDRS",
        scope: Scope::Server,
        default: "auto",
        help: "Where processors and response URLs may be: CIDRs, separated by commas; auto: loopback, or private ranges where others can reach a listener",
        set: |settings, text| put(&mut settings.outgoing_allow, text.parse()),
        show: |settings| settings.outgoing_allow.to_string(),
    },
    Setting {
        name: "health-interval",
        metavar: "TIME",
        scope: Scope::Server,
        default: "5s",
        help: "How often processors are asked for /meta",
        set: |settings, text| put(&mut settings.health_interval, units::time(text, TIMEOUT)),
        show: |settings| units::show_time(settings.health_interval),
    },
    Setting {
        name: "insecure-no-auth",
        metavar: SWITCH,
        scope: Scope::Server,
        default: "false",
        help: "Accept anybody, also on addresses that are not loopback",
        set: |settings, text| put(&mut settings.insecure_no_auth, units::switch(text)),
        show: |settings| settings.insecure_no_auth.to_string(),
    },
    Setting {
        name: "token",
        metavar: "TOKEN",
        scope: Scope::Environment,
        default: NONE,
        help: "What a peer has to know",
        set: |settings, text| put(&mut settings.token, Secret::parse(text).map(Some).map_err(str::to_owned)),
        show: |settings| settings.token.as_ref().map_or(NONE, |_| "***").to_owned(),
    },
    Setting {
        name: "token-file",
        metavar: "FILE",
        scope: Scope::All,
        default: NONE,
        help: "A file with the token that a peer has to know; or PROCESSION_TOKEN",
        set: |settings, text| put(&mut settings.token_file, path(text)),
        show: |settings| show_path(&settings.token_file),
    },
    Setting {
        name: "log-format",
        metavar: "FORMAT",
        scope: Scope::All,
        default: "text",
        help: "Log lines on stderr: text or json; RUST_LOG sets the level",
        set: |settings, text| put(&mut settings.log_format, text.parse()),
        show: |settings| settings.log_format.to_string(),
    },
    Setting {
        name: "max-body",
        metavar: "SIZE",
        scope: Scope::Server,
        default: "16MiB",
        help: "Largest body and frame, at most 256MiB",
        set: |settings, text| {
            let size = units::bytes(text, 64..=MAX_BODY_CEILING as u64)?;
            put(&mut settings.limits.max_body, Ok(usize::try_from(size).expect("at most 256 MiB")))
        },
        show: |settings| units::show_bytes(settings.limits.max_body as u64),
    },
    Setting {
        name: "max-depth",
        metavar: "N",
        scope: Scope::Server,
        default: "128",
        help: "Deepest nesting of a body",
        set: |settings, text| put(&mut settings.limits.max_depth, units::count(text, 1..=1_000)),
        show: |settings| settings.limits.max_depth.to_string(),
    },
    Setting {
        name: "max-connections",
        metavar: "N",
        scope: Scope::Server,
        default: "10000",
        help: "Most connections at a time",
        set: |settings, text| put(&mut settings.limits.max_connections, units::count(text, 1..=1_000_000)),
        show: |settings| settings.limits.max_connections.to_string(),
    },
    Setting {
        name: "max-types",
        metavar: "N",
        scope: Scope::Server,
        default: "10000",
        help: "Most types of jobs",
        set: |settings, text| put(&mut settings.limits.max_types, units::count(text, 1..=1_000_000)),
        show: |settings| settings.limits.max_types.to_string(),
    },
    Setting {
        name: "max-jobs",
        metavar: "N",
        scope: Scope::Server,
        default: "10000000",
        help: "Most live jobs; past it submits are refused",
        set: |settings, text| put(&mut settings.limits.max_jobs, units::count(text, 1..=1_000_000_000)),
        show: |settings| settings.limits.max_jobs.to_string(),
    },
    Setting {
        name: "max-bytes",
        metavar: "SIZE",
        scope: Scope::Server,
        default: "75%",
        help: "Most memory for live jobs, a size or a share of the memory; past it submits are refused",
        set: |settings, text| put(&mut settings.limits.max_bytes, memory::size_or_share(text)),
        show: |settings| units::show_bytes(settings.limits.max_bytes),
    },
    Setting {
        name: "max-outstanding",
        metavar: "N",
        scope: Scope::Server,
        default: "1024",
        help: "Most unanswered requests per connection; past it the connection is not read",
        set: |settings, text| put(&mut settings.limits.max_outstanding, units::count(text, 1..=1_000_000)),
        show: |settings| settings.limits.max_outstanding.to_string(),
    },
    Setting {
        name: "frame-timeout",
        metavar: "TIME",
        scope: Scope::Server,
        default: "30s",
        help: "How long a peer may take to send one frame",
        set: |settings, text| put(&mut settings.limits.frame_timeout, units::time(text, TIMEOUT)),
        show: |settings| units::show_time(settings.limits.frame_timeout),
    },
    Setting {
        name: "write-timeout",
        metavar: "TIME",
        scope: Scope::Server,
        default: "30s",
        help: "How long a peer may not read what it is sent",
        set: |settings, text| put(&mut settings.limits.write_timeout, units::time(text, TIMEOUT)),
        show: |settings| units::show_time(settings.limits.write_timeout),
    },
    Setting {
        name: "keepalive",
        metavar: "TIME",
        scope: Scope::Server,
        default: "30s",
        help: "How long a connection may be silent before TCP looks after its peer",
        set: |settings, text| put(&mut settings.limits.keepalive, units::time(text, KEEPALIVE)),
        show: |settings| units::show_time(settings.limits.keepalive),
    },
];

/// The metavar of a flag that needs no value.
pub(super) const SWITCH: &str = "";

const DAY: Duration = Duration::from_secs(24 * 3600);
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(10)..=DAY;
// The kernel counts in whole seconds, and up to 32,767 of them.
const KEEPALIVE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

fn put<T>(field: &mut T, value: Result<T, String>) -> Result<(), String> {
    *field = value?;
    Ok(())
}

/// `none` takes back what a weaker source gave.
fn path(text: &str) -> Result<Option<PathBuf>, String> {
    match text {
        "" => Err("an empty path: give a path, or none".to_owned()),
        NONE => Ok(None),
        path => Ok(Some(path.into())),
    }
}

/// Names that a `Host` header may have: lower case, without port.
fn names(text: &str) -> Result<Vec<String>, String> {
    if text == NONE {
        return Ok(Vec::new());
    }
    let is_name = |name: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (1..=MAX_HOST_NAME).contains(&name.len()) && name.bytes().all(letters)
    };
    match text.split(',').map(str::trim).find(|name| !is_name(name)) {
        Some(wrong) => Err(format!("{} is not a host name: give names without port, or none", quoted(wrong))),
        None => Ok(text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect()),
    }
}

fn show_names(names: &[String]) -> String {
    if names.is_empty() { NONE.to_owned() } else { names.join(",") }
}

/// The longest name that DNS has.
const MAX_HOST_NAME: usize = 253;

fn show_path(path: &Option<PathBuf>) -> String {
    path.as_ref().map_or_else(|| NONE.to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::limits::Limits;

    #[test]
    fn what_a_setting_shows_it_accepts() {
        let settings = Settings::default();
        for setting in TABLE.iter().filter(|setting| setting.scope != Scope::Environment) {
            let shown = (setting.show)(&settings);
            let mut again = Settings::default();
            (setting.set)(&mut again, &shown).unwrap_or_else(|error| panic!("{}: {error}", setting.name));
            assert_eq!((setting.show)(&again), shown, "{}", setting.name);
        }
    }

    #[test]
    fn names_are_flags_and_are_unique() {
        for (index, setting) in TABLE.iter().enumerate() {
            assert!(setting.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", setting.name);
            assert!(TABLE[..index].iter().all(|earlier| earlier.name != setting.name), "{}", setting.name);
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_core() {
        let limits = Settings::default().limits;
        assert!(limits.max_bytes < u64::MAX, "a share of the memory");
        assert_eq!(limits, Limits { max_bytes: limits.max_bytes, ..Limits::default() });
    }
}
