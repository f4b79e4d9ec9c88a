//! The command line: the flags of the table, and the subcommands.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use super::error::ConfigError;
use super::invocation::{Submission, Work};
use super::table::{NONE, SWITCH, Scope, Setting, TABLE};
use super::units;

/// A command line that is well formed; the values of its settings are still text.
pub(super) enum CommandLine {
    /// It asks for the help or the version.
    Print(String),
    /// It asks for a subcommand.
    Run(Request),
}

/// A subcommand, and the flags that were given to it.
pub(super) struct Request {
    pub subcommand: Subcommand,
    /// The innermost first: `procession --tcp 1 serve --tcp 2` means 2.
    matches: Vec<ArgMatches>,
}

/// The subcommands, with what is theirs alone.
pub(super) enum Subcommand {
    Serve,
    Check,
    Submit(Submission),
    Work(Work),
    Stats,
    Healthcheck,
    Deputy { addr: SocketAddr, socket: Option<PathBuf>, verbose: bool },
}

/// Reads a command line. The first argument is the name of the program.
pub(super) fn parse(args: impl Iterator<Item = OsString>) -> Result<CommandLine, ConfigError> {
    let mut root = match root().try_get_matches_from(args) {
        Ok(matches) => matches,
        Err(error) => {
            return match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ok(CommandLine::Print(error.to_string())),
                _ => Err(ConfigError::Usage(one_line(&error.to_string()))),
            };
        }
    };
    let Some((name, matches)) = root.remove_subcommand() else {
        return Ok(CommandLine::Run(Request { subcommand: Subcommand::Serve, matches: vec![root] }));
    };
    let subcommand = match name.as_str() {
        "serve" => Subcommand::Serve,
        "check" => Subcommand::Check,
        "submit" => Subcommand::Submit(Submission {
            job_type: text(&matches, "type"),
            body: text(&matches, "body"),
            wait: matches.get_flag("wait"),
            id: matches.get_one("id").cloned(),
            priority: matches.get_one("priority").copied(),
            timeout: matches.get_one("timeout").copied(),
        }),
        "work" => Subcommand::Work(Work {
            job_type: text(&matches, "type"),
            exec: text(&matches, "exec"),
            concurrency: usize::from(*matches.get_one::<u16>("concurrency").expect("has a default")),
        }),
        "stats" => Subcommand::Stats,
        "healthcheck" => Subcommand::Healthcheck,
        "deputy" => {
            let ip = *matches.get_one::<IpAddr>("host").expect("has a default");
            let port = *matches.get_one::<u16>("port").expect("has a default");
            Subcommand::Deputy {
                addr: (ip, port).into(),
                socket: matches.get_one("socket").cloned(),
                verbose: matches.get_flag("verbose"),
            }
        }
        unknown => unreachable!("clap knows no subcommand {unknown}"),
    };
    Ok(CommandLine::Run(Request { subcommand, matches: vec![matches, root] }))
}

impl Request {
    /// The text of a setting's flag.
    pub fn flag(&self, name: &str) -> Option<&OsString> {
        // A subcommand without this flag is an error to clap, and no answer to us.
        self.matches.iter().find_map(|matches| matches.try_get_one::<OsString>(name).ok().flatten())
    }
}

/// The flag of the config file; it is not a setting, because it cannot be in the file.
pub(super) const CONFIG: &str = "config";

fn root() -> Command {
    Command::new("procession")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .after_help(SOURCES)
        .args(settings(&[Scope::House, Scope::Server, Scope::All], &[]))
        .subcommand(
            Command::new("serve")
                .about("Run the server (the default)")
                .args(settings(&[Scope::House, Scope::Server, Scope::All], &[])),
        )
        .subcommand(
            Command::new("check")
                .about("Show the settings and where each came from")
                .args(settings(&[Scope::House, Scope::Server, Scope::All], &[])),
        )
        .subcommand(submit())
        .subcommand(work())
        .subcommand(
            Command::new("stats")
                .about("Show the figures of a server; with --deputy, only the counters that deputy tells")
                .args(settings(&[Scope::All], &["http", "deputy"])),
        )
        .subcommand(
            Command::new("healthcheck")
                .about("Exit with 0 if a server answers, else with 1")
                .args(settings(&[Scope::All], &["http", "tcp"])),
        )
        .subcommand(deputy())
}

fn submit() -> Command {
    Command::new("submit")
        .about("Submit a job; prints its id, or with --wait its result")
        .arg(Arg::new("type").value_name("TYPE").required(true).help("The type of the job"))
        .arg(
            Arg::new("body")
                .value_name("BODY")
                .required(true)
                .allow_negative_numbers(true)
                .help("The body, JSON (a string needs its quotes: '\"hello\"'), or - for stdin"),
        )
        .arg(Arg::new("wait").long("wait").action(ArgAction::SetTrue).help("Wait for the result and print it"))
        .arg(Arg::new("id").long("id").value_name("ID").help("The id; the server makes one if there is none"))
        .arg(
            Arg::new("priority")
                .long("priority")
                .value_name("N")
                .allow_negative_numbers(true)
                .value_parser(value_parser!(i64))
                .help("Larger first [default: 0]"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .value_parser(|text: &str| {
                    units::time(text, Duration::from_millis(1)..=Duration::from_secs(365 * 24 * 3600))
                })
                .help("How long to wait for the result [default: as long as it takes]"),
        )
        .args(settings(&[Scope::All], &["tcp"]))
}

fn work() -> Command {
    Command::new("work")
        .about("Work on jobs: run a shell command for each")
        .arg(Arg::new("type").value_name("TYPE").required(true).help("The type to work on"))
        .arg(
            Arg::new("exec")
                .long("exec")
                .value_name("CMD")
                .required(true)
                .help("Run by sh -c: body on stdin, result on stdout; not exiting with 0 fails the attempt, with stderr as the error"),
        )
        .arg(
            Arg::new("concurrency")
                .long("concurrency")
                .value_name("N")
                .default_value("1")
                .value_parser(value_parser!(u16).range(1..=1000))
                .help("How many at a time"),
        )
        .args(settings(&[Scope::All], &["tcp"]))
}

fn deputy() -> Command {
    Command::new("deputy")
        .about("Run a server that only speaks deputy, with deputy's own flags and no store")
        .disable_help_flag(true)
        .arg(Arg::new("help").long("help").action(ArgAction::Help).help("Print help"))
        .arg(
            Arg::new("host")
                .short('h')
                .value_name("IP")
                .value_parser(value_parser!(IpAddr))
                .default_value("127.0.0.1")
                .help("The address to listen on"),
        )
        .arg(
            Arg::new("port")
                .short('p')
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .default_value("11746")
                .help("The port to listen on"),
        )
        .arg(
            Arg::new("socket")
                .short('s')
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .help("A UNIX socket to listen on, too"),
        )
        .arg(Arg::new("verbose").short('v').action(ArgAction::SetTrue).help("Write the metrics to stderr every 5 s"))
        .args(settings(&[Scope::Server, Scope::All], &[]))
}

/// The flags of the settings of some scopes, and of some more by name.
fn settings(scopes: &[Scope], names: &[&str]) -> Vec<Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .value_parser(ValueParser::os_string())
        .help("A TOML file with settings");
    let rows = TABLE.iter().filter(|setting| scopes.contains(&setting.scope) || names.contains(&setting.name));
    std::iter::once(config).chain(rows.map(flag)).collect()
}

fn flag(setting: &'static Setting) -> Arg {
    // The default stays out of clap: a value that clap has is one that somebody gave.
    let help = match setting.default {
        NONE => setting.help.to_owned(),
        "false" if setting.metavar == SWITCH => setting.help.to_owned(),
        default => format!("{} [default: {default}]", setting.help),
    };
    let arg = Arg::new(setting.name).long(setting.name).value_parser(ValueParser::os_string()).help(help);
    match setting.metavar {
        SWITCH => arg.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOL"),
        metavar => arg.value_name(metavar).allow_hyphen_values(true),
    }
}

fn text(matches: &ArgMatches, name: &str) -> String {
    matches.get_one::<String>(name).cloned().expect("clap requires it")
}

/// clap explains over many lines; what matters of it on one.
fn one_line(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|line| !line.is_empty());
    let kept = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let kept: Vec<String> =
        kept.map(|line| line.strip_prefix("tip: ").map_or_else(|| line.to_owned(), |tip| format!("({tip})"))).collect();
    let kept = kept.join(" ");
    let kept = kept.strip_prefix("error: ").unwrap_or(&kept);
    kept.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

const SOURCES: &str = "A setting comes from its flag, else from its variable (--max-body: PROCESSION_MAX_BODY), else from the \
config file (max-body = \"16MiB\"), else it has its default.";
