//! What every test needs: the server as a process, and clients written from the protocol texts.
//!
//! Nothing in here uses the server's own code. Every read has a deadline, so no test can hang.

pub mod deputy;
pub mod framed;
pub mod gloom;
pub mod http;
pub mod native;
pub mod process;
pub mod random;
pub mod server;
pub mod sources;
pub mod webdriver;

use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use deputy::Deputy;
pub use framed::{Framed, frame};
pub use gloom::{gloom_master, gloom_worker};
pub use http::{Http, Reply, http};
pub use native::native;
pub use process::{Process, TempDir};
pub use random::Random;
pub use server::Server;

/// How long a client waits for something that must come. Generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How long a client listens to be fairly sure that nothing comes.
pub const A_MOMENT: Duration = Duration::from_millis(150);

/// What a read with a deadline saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A whole message.
    Message(String),
    /// The peer closed or reset the connection.
    Closed,
    /// Nothing until the deadline.
    Silence,
}

/// Polls until `probe` gives something, and fails with `what` when the deadline has passed.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, &mut probe)
}

/// As [`eventually`], with a deadline of its own.
#[track_caller]
pub fn eventually_within<T>(patience: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(start.elapsed() < patience, "expected within {patience:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The JSON value of a text that must be JSON.
#[track_caller]
pub fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("expected JSON, got {text:?}: {error}"))
}

/// Fails unless `message` is an error of this code.
#[track_caller]
pub fn assert_error(message: &str, code: &str) {
    assert_eq!(json(message)["error"], *code, "expected an error with the code {code}, got {message}");
}

/// A connection with TCP_NODELAY, so that the segments are ours to choose.
#[track_caller]
pub fn dial(address: SocketAddr) -> std::net::TcpStream {
    let stream = std::net::TcpStream::connect_timeout(&address, PATIENCE)
        .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"));
    stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
    stream
}

/// Says on the real stderr, past the capture of the test runner, that something was not tested and why.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// Whether a program can be started here.
pub fn has_program(name: &str) -> bool {
    std::process::Command::new(name)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// The soft limit of open files of this process.
pub fn open_files_limit() -> usize {
    std::fs::read_to_string("/proc/self/limits")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(1024)
}

/// An array nested `depth` deep: `[[…]]`.
pub fn nested(depth: usize) -> String {
    let mut text = "[".repeat(depth);
    text.push_str(&"]".repeat(depth));
    text
}
