//! Merging the sources, and the checks that need more than one setting.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::command_line::{self, CONFIG, CommandLine, Request, Subcommand};
use super::error::{ConfigError, quoted};
use super::file;
use super::invocation::{Client, Door, Invocation};
use super::listen::Listen;
use super::origin::Origin;
use super::secret::Secret;
use super::settings::Settings;
use super::table::{NONE, Scope, Setting, TABLE};

/// Turns a command line (the program's name first) and an environment into what is to be done.
pub fn load(
    args: impl Iterator<Item = OsString>,
    env: impl Fn(&str) -> Option<OsString>,
) -> Result<Invocation, ConfigError> {
    let request = match command_line::parse(args)? {
        CommandLine::Print(text) => return Ok(Invocation::Print(text)),
        CommandLine::Run(request) => request,
    };
    let mut settings = merge(&request, &env)?;
    find_token(&mut settings)?;
    Ok(match request.subcommand {
        Subcommand::Serve => Invocation::Serve(servable(settings)?),
        Subcommand::Check => Invocation::Check(servable(settings)?),
        Subcommand::Deputy { verbose, .. } => {
            settings.deputy_verbose = verbose;
            Invocation::Deputy(servable(settings)?)
        }
        Subcommand::Submit(submission) => {
            Invocation::Submit { client: client(&settings, "tcp", settings.tcp)?, submission }
        }
        Subcommand::Work(work) => Invocation::Work { client: client(&settings, "tcp", settings.tcp)?, work },
        Subcommand::Healthcheck => {
            let (client, door) = question(&settings, "tcp", settings.tcp)?;
            Invocation::Healthcheck { client, door }
        }
        Subcommand::Stats => {
            let (client, door) = question(&settings, "deputy", settings.deputy)?;
            Invocation::Stats { client, door }
        }
    })
}

fn merge(request: &Request, env: &impl Fn(&str) -> Option<OsString>) -> Result<Settings, ConfigError> {
    let config = config_file(request, env)?;
    let values = config.as_deref().map(file::read).transpose()?.unwrap_or_default();
    let mut settings = Settings::default();
    for setting in TABLE {
        let given = fixed(&request.subcommand, setting)
            .or_else(|| from_flag(request, setting))
            .or_else(|| from_environment(env, setting));
        let (origin, text) = match given {
            Some((origin, text)) => (origin, unicode(&text)),
            None => match (&config, values.get(setting.name)) {
                (Some(path), Some(text)) => (Origin::File { path: path.clone(), key: setting.name }, Ok(text.clone())),
                _ => continue,
            },
        };
        match text.and_then(|text| (setting.set)(&mut settings, &text)) {
            Ok(()) => settings.origins.insert(setting.name, origin),
            Err(problem) => return Err(ConfigError::Value { origin, problem }),
        };
    }
    Ok(settings)
}

fn config_file(request: &Request, env: &impl Fn(&str) -> Option<OsString>) -> Result<Option<PathBuf>, ConfigError> {
    let (origin, path) = match (request.flag(CONFIG), variable(env, "PROCESSION_CONFIG")) {
        (Some(path), _) => (Origin::Flag("--config".to_owned()), path.clone()),
        (None, Some(path)) => (Origin::Environment("PROCESSION_CONFIG".to_owned()), path),
        (None, None) => return Ok(None),
    };
    if path.is_empty() {
        return Err(ConfigError::Value { origin, problem: "an empty path: give the path of a TOML file".to_owned() });
    }
    Ok(Some(path.into()))
}

/// deputy's own command line says all about the listeners and the store, whatever file and environment say.
fn fixed(subcommand: &Subcommand, setting: &Setting) -> Option<(Origin, OsString)> {
    let Subcommand::Deputy { addr, socket, .. } = subcommand else { return None };
    let text = match (setting.scope, setting.name) {
        (Scope::House, "deputy") => addr.to_string().into(),
        (Scope::House, "deputy-socket") => socket.clone().map_or_else(|| NONE.into(), PathBuf::into_os_string),
        (Scope::House, "store") => "memory:".into(),
        (Scope::House, _) => "off".into(),
        (Scope::Server | Scope::All | Scope::Environment, _) => return None,
    };
    Some((Origin::Subcommand("deputy"), text))
}

fn from_flag(request: &Request, setting: &Setting) -> Option<(Origin, OsString)> {
    let text = request.flag(setting.name)?;
    Some((Origin::Flag(format!("--{}", setting.name)), text.clone()))
}

fn from_environment(env: &impl Fn(&str) -> Option<OsString>, setting: &Setting) -> Option<(Origin, OsString)> {
    let name = setting.variable();
    Some((Origin::Environment(name.clone()), variable(env, &name)?))
}

/// An empty variable counts as none: compose files and unit files cannot unset one.
fn variable(env: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<OsString> {
    env(name).filter(|text| !text.is_empty())
}

fn unicode(text: &OsString) -> Result<String, String> {
    match text.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("{} is not valid UTF-8", quoted(&text.to_string_lossy()))),
    }
}

/// The token comes from its variable or from its file; the stronger source wins, and a tie is a mistake.
fn find_token(settings: &mut Settings) -> Result<(), ConfigError> {
    if let Some(path) = settings.token_file.clone() {
        let origin = settings.origin("token-file");
        match (&settings.token, &origin) {
            (Some(_), Origin::Environment(_)) => {
                let problem = "PROCESSION_TOKEN is set, too: keep one of them".to_owned();
                return Err(ConfigError::Value { origin, problem });
            }
            (Some(_), Origin::File { .. }) => {}
            (Some(_), Origin::Flag(_) | Origin::Default(_) | Origin::Subcommand(_)) | (None, _) => {
                settings.token = Some(read_token(settings, &path).map_err(|problem| ConfigError::Value {
                    origin: origin.clone(),
                    problem: format!("{}: {problem}", quoted(&path.to_string_lossy())),
                })?);
                settings.origins.insert("token", origin);
            }
        }
    }
    if settings.token.as_ref().is_some_and(Secret::is_weak) {
        settings.warnings.push("the token has fewer than 16 characters and can be guessed".to_owned());
    }
    Ok(())
}

fn read_token(settings: &mut Settings, path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mode = file.metadata().map_err(|error| error.to_string())?.permissions().mode();
    file.take(MAX_TOKEN_FILE_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if mode & 0o004 != 0 {
        // Not refused: mounted secrets of containers are often like this.
        settings.warnings.push(format!("anybody may read the token file {path:?}: chmod 600 it"));
    }
    Secret::parse(&text).map_err(str::to_owned)
}

/// What a server needs beyond good single values.
fn servable(mut settings: Settings) -> Result<Box<Settings>, ConfigError> {
    let listeners = settings.listeners().into_iter();
    let bound: Vec<(&str, SocketAddr)> = listeners.filter_map(|(name, at)| Some((name, at.addr()?))).collect();
    for (index, &(name, address)) in bound.iter().enumerate() {
        if let Some(&(first, _)) = bound[..index].iter().find(|(_, other)| clash(*other, address)) {
            let (first, second) = (settings.origin(first), settings.origin(name));
            return Err(ConfigError::AddressTwice { first, second, address });
        }
        if is_loopback(address) {
            continue;
        }
        if settings.token.is_none() && !settings.insecure_no_auth {
            return Err(ConfigError::Exposed { origin: settings.origin(name), address });
        }
        if settings.insecure_no_auth {
            settings.warnings.push(format!("anybody who reaches {address} ({name}) may use it: --insecure-no-auth"));
        } else if !HAVE_TOKENS.contains(&name) {
            settings
                .warnings
                .push(format!("anybody who reaches {address} ({name}) may use it: its protocol has no tokens"));
        }
    }
    Ok(Box::new(settings))
}

/// The listeners whose peers say the token.
const HAVE_TOKENS: [&str; 2] = ["http", "tcp"];

/// Two listeners that the kernel would not have side by side.
fn clash(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip();
    let same_family = one.is_ipv4() == other.is_ipv4();
    let wildcard = same_family && (one.ip().is_unspecified() || other.ip().is_unspecified());
    one.port() != 0 && one.port() == other.port() && (same_ip || wildcard)
}

fn is_loopback(address: SocketAddr) -> bool {
    // `::ffff:127.0.0.1` is loopback, too.
    address.ip().to_canonical().is_loopback()
}

/// The address that a client connects to: the one that the server would listen on.
fn client(settings: &Settings, setting: &'static str, listen: Listen) -> Result<Client, ConfigError> {
    let problem = match listen {
        Listen::Addr(addr) if addr.port() != 0 => {
            return Ok(Client {
                addr: reachable(addr),
                token: settings.token.clone(),
                log_format: settings.log_format,
            });
        }
        Listen::Addr(_) => "port 0 is any free port",
        Listen::Off => "this listener is off",
    };
    Err(ConfigError::NoServer { origin: settings.origin(setting), setting, problem })
}

/// Where a question goes: to HTTP, unless that is off or the command line names only the other listener.
fn question(settings: &Settings, other: &'static str, listen: Listen) -> Result<(Client, Door), ConfigError> {
    let names = |setting| matches!(settings.origin(setting), Origin::Flag(_));
    if settings.http == Listen::Off || (names(other) && !names("http")) {
        return Ok((client(settings, other, listen)?, Door::Other));
    }
    Ok((client(settings, "http", settings.http)?, Door::Http))
}

/// A server that listens everywhere is reached on loopback.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr
}

const MAX_TOKEN_FILE_BYTES: u64 = 8 * 1024;

#[cfg(test)]
mod tests;
