//! What can be wrong with a command line or a setting: one line that says what, where, and what to do.

use std::path::PathBuf;

use super::origin::Origin;

/// Why the program does not start. `main` prints it as `procession: …` and exits with [`super::EXIT_USAGE`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line is not one of ours.
    #[error("{0}: see `procession --help`")]
    Usage(String),

    /// The config file cannot be read.
    #[error("{}: cannot read the config file: {problem}", .path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where in the file.
        problem: String,
    },

    /// The config file has a key that is not a setting.
    #[error("{}: {key:?} is not a setting: {hint}", .path.display())]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The key as written.
        key: String,
        /// What to write instead.
        hint: String,
    },

    /// A setting has a bad value.
    #[error("{origin}: {problem}")]
    Value {
        /// Where the value came from.
        origin: Origin,
        /// What is wrong with it, and what would be right.
        problem: String,
    },

    /// A listener that others can reach, and no token.
    #[error(
        "{origin}: {address} is not a loopback address and there is no token: \
         set PROCESSION_TOKEN or --token-file, or accept anybody with --insecure-no-auth"
    )]
    Exposed {
        /// Where the address came from.
        origin: Origin,
        /// The address.
        address: std::net::SocketAddr,
    },

    /// Two listeners on one address.
    #[error("{second}: {address} is already taken by {first}: give one of them another port, or `off`")]
    AddressTwice {
        /// Where the first listener's address came from.
        first: Origin,
        /// Where the second listener's address came from.
        second: Origin,
        /// The address of the second.
        address: std::net::SocketAddr,
    },

    /// A client command that has no address to connect to.
    #[error("{origin}: {problem}: give the address of the server with --{setting} IP:PORT")]
    NoServer {
        /// Where the address came from.
        origin: Origin,
        /// The setting that holds the address.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Text from outside, safe inside a one-line message: control characters escaped, cut at 80 characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_QUOTED).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

const MAX_QUOTED: usize = 80;
