//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// The place that decided a setting. Shown by `check`, and the subject of every message about a bad value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default(&'static str),
    /// A flag of the command line: `--max-body`.
    Flag(String),
    /// An environment variable: `PROCESSION_MAX_BODY`.
    Environment(String),
    /// A key of the config file.
    File {
        /// The file.
        path: PathBuf,
        /// The key.
        key: &'static str,
    },
    /// Fixed by the subcommand that was called.
    Subcommand(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default(name) => write!(f, "default of {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::File { path, key } => write!(f, "file {}: {key}", path.display()),
            Self::Subcommand(name) => write!(f, "subcommand {name}"),
        }
    }
}
