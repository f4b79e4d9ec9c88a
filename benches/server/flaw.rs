//! What can go wrong in a measurement. Any flaw fails the run: a figure without its check is not a figure.

use std::io;
use std::time::Duration;

/// Why a measurement does not count.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// A peer said something that the dialect or the job in question does not allow.
    #[error("wrong content: {0}")]
    Content(String),
    /// A wait reached its deadline.
    #[error("{wait}: not done after {after:?}; {state}")]
    Late {
        /// What was waited for.
        wait: &'static str,
        /// How long.
        after: Duration,
        /// How far the run had come.
        state: String,
    },
    /// A connection ended that should be open.
    #[error("the server closed a connection")]
    Closed,
    /// The server could not be started, or died.
    #[error("{0}")]
    Start(String),
    /// The operating system refused something.
    #[error("cannot {0}: {1}")]
    System(&'static str, #[source] io::Error),
}

impl Flaw {
    /// Names what was being done when the operating system refused.
    pub fn system(doing: &'static str) -> impl FnOnce(io::Error) -> Flaw {
        move |error| Flaw::System(doing, error)
    }

    /// An unexpected message, shown by its first bytes.
    pub fn unexpected(whose: &str, message: &[u8]) -> Flaw {
        let head = &message[..message.len().min(EXCERPT_BYTES)];
        Flaw::Content(format!("{whose} said \"{}\"", head.escape_ascii()))
    }
}

const EXCERPT_BYTES: usize = 160;
