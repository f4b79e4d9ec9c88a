//! How a client command fails: one line on stderr and an exit code.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::config::EXIT_USAGE;

/// Why a command did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    code: u8,
    message: String,
    is_final: bool,
}

impl Failure {
    /// The command was asked for something wrong: exit code 2.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self { code: EXIT_USAGE, message: message.to_string(), is_final: true }
    }

    /// The command was right and failed: exit code 1.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self { code: 1, message: message.to_string(), is_final: false }
    }

    /// The server answered, and its answer will not change by asking again: exit code 1.
    pub(super) fn refused(message: impl fmt::Display) -> Self {
        Self { is_final: true, ..Self::failed(message) }
    }

    /// Whether trying again is useless.
    pub(super) fn is_final(&self) -> bool {
        self.is_final
    }

    /// Writes the message to stderr.
    pub fn report(&self) -> ExitCode {
        eprintln!("procession: {}", printable(&self.message));
        ExitCode::from(self.code)
    }
}

/// Writes to stdout and flushes it.
pub(super) fn print(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        // `procession stats | head -1` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// Text from the network, safe for a terminal. Line breaks stay: the stderr of somebody's worker has them.
pub(super) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' && c != '\t' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}
