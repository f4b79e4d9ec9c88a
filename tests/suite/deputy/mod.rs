//! deputy: every row of its protocol text, on TCP and on the UNIX socket.

mod errors;
mod jobs;
mod lines;
mod metrics;
mod program;
mod workers;

use crate::support::server::{command, free_ports, run_command};
use crate::support::{Deputy, Heard, PATIENCE, Process, Server, TempDir, eventually, json, nested};
use serde_json::Value;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A server with both of deputy's doors.
struct Doors {
    server: Server,
    socket: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Door {
    Tcp,
    Unix,
}

impl Doors {
    #[track_caller]
    fn open() -> Doors {
        Doors::with(&[])
    }

    #[track_caller]
    fn with(flags: &[&str]) -> Doors {
        let dir = TempDir::new();
        let socket = dir.join("deputy.sock");
        let path = socket.to_str().expect("a temporary path is UTF-8").to_owned();
        let mut all = vec!["--store", "memory:", "--deputy-socket", &path];
        all.extend(flags);
        let server = Server::with_store(dir, &all);
        Doors { server, socket }
    }

    #[track_caller]
    fn client(&self, door: Door) -> Deputy {
        match door {
            Door::Tcp => self.server.deputy_client(),
            Door::Unix => Deputy::connect_unix(&self.socket),
        }
    }

    /// A worker that the server knows as such.
    #[track_caller]
    fn worker(&self, door: Door, types: &str) -> Deputy {
        let mut worker = self.client(door);
        worker.send(&format!(r#"{{"cmd":"can_do","types":{types}}}"#));
        worker.expect_all_accepted();
        worker
    }
}

/// Runs a conversation on each door of a server of its own.
fn on_each_door(conversation: impl Fn(&Doors, Door)) {
    for door in [Door::Tcp, Door::Unix] {
        println!("on {door:?}");
        conversation(&Doors::open(), door);
    }
}

impl Deputy {
    /// The next line is an error with this code, and with this id where one is given.
    #[track_caller]
    fn expect_error(&mut self, code: &str, id: Option<&str>) {
        let line = self.receive();
        assert!(
            line.starts_with(&format!(r#"{{"cmd":"error","error":"{code}","reason":"#)),
            "expected the error {code}, got {line}"
        );
        if let Some(id) = id {
            assert_eq!(json(&line)["id"], json(id), "expected the id {id} in {line}");
        }
    }
}

/// The metrics after `up_since`, and `up_since` itself.
#[track_caller]
fn counters(line: &str) -> (u64, String) {
    let rest = line
        .strip_prefix(r#"{"cmd":"metrics","metrics":{"up_since":"#)
        .unwrap_or_else(|| panic!("expected metrics, got {line}"));
    let (up_since, counters) = rest.split_once(',').expect("metrics have more than one member");
    (up_since.parse().expect("up_since is an integer"), counters.to_owned())
}

#[track_caller]
fn expect_counters(client: &mut Deputy, expected: [u64; 6]) {
    let [connections, workers, added, dispatched, done, reassigned] = expected;
    let expected = format!(
        r#""connections":{connections},"workers_added":{workers},"jobs_added":{added},"jobs_dispatched":{dispatched},"jobs_done":{done},"jobs_reassigned":{reassigned}}}}}"#
    );
    let mut last = String::new();
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        last = counters(&client.metrics()).1;
        if last == expected {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("expected {expected}, got {last}");
}
