//! What a server keeps on disk: the guarantees of `spec/jobs.md` from outside, of the real binary that is killed, starved and
//! lied to.
//!
//! | file | what happens |
//! |---|---|
//! | `kills` | kill -9 under load, again and again |
//! | `crash_points` | death at the n-th write, sync or rename, also while it starts |
//! | `acknowledgement` | slow syncs, failing syncs: what ok means |
//! | `full_disk` | no room |
//! | `damage` | cut and flipped files, folders that can't be used |
//! | `times` | delays, leases of time, kept records, over restarts |
//! | `long_line` | many more bytes than memory should have |
//! | `draining` | SIGTERM |
//!
//! `history` is what clients know, and what must hold of it; `load` makes such clients; `strace` lets system calls fail.

mod acknowledgement;
mod crash_points;
mod damage;
mod draining;
pub mod full_disk;
mod history;
mod kills;
mod load;
mod long_line;
pub mod strace;
mod times;

use crate::support::process::unique;
use crate::support::server::{command, free_ports, run_command};
use crate::support::{
    Framed, Heard, PATIENCE, Process, Random, Server, TempDir, assert_error, eventually, eventually_within,
    gloom_master, gloom_worker, has_program, json, native, skipped,
};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const OK: &str = r#"{"ok":true}"#;

/// How a server ends that can't keep its promises any more.
const EXIT_FAILED: i32 = 70;

/// A folder that outlives the servers which store in it.
pub struct Home {
    /// Where a server stores.
    data: PathBuf,
    _dir: TempDir,
}

impl Home {
    pub fn new() -> Home {
        let dir = TempDir::new();
        Home { data: dir.join("data"), _dir: dir }
    }

    /// A file of the store.
    fn file(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// A server on the folder.
    #[track_caller]
    pub fn start(&self) -> Server {
        self.start_with(&[])
    }

    /// A server on the folder, with more flags.
    #[track_caller]
    fn start_with(&self, flags: &[&str]) -> Server {
        let dir = TempDir::new();
        let mut command = self.command(dir.path());
        Server::spawn(dir, command.args(flags))
    }

    /// The command of a server on the folder, run in this place.
    pub fn command(&self, place: &Path) -> Command {
        let mut command = command(place);
        command.args(free_ports()).arg("--store").arg(format!("file:{}", self.data.display()));
        command
    }

    /// A folder with the same files.
    fn copy(&self) -> Home {
        let copy = Home::new();
        std::fs::create_dir(&copy.data).expect("a folder can be made");
        for (name, bytes) in self.contents() {
            std::fs::write(copy.file(&name), bytes).expect("a file can be written");
        }
        copy
    }

    /// Every file of the store and what is in it, by name.
    fn contents(&self) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(&self.data)
            .expect("the store is a folder")
            .map(|entry| {
                let entry = entry.expect("a folder can be listed");
                let bytes = std::fs::read(entry.path()).expect("a file of the store can be read");
                (entry.file_name().to_string_lossy().into_owned(), bytes)
            })
            .collect();
        files.sort();
        files
    }

    /// A server on the folder refuses to start: exit code 2 and one line on stderr with these words, which it gives.
    #[track_caller]
    fn expect_refusal(&self, says: &[&str]) -> String {
        let place = TempDir::new();
        expect_refusal_of(&mut self.command(place.path()), says)
    }
}

/// This command line is refused: exit code 2 and one line on stderr with these words, which it gives.
#[track_caller]
fn expect_refusal_of(command: &mut Command, says: &[&str]) -> String {
    let (code, stdout, stderr) = run_command(command);
    assert_eq!(code, Some(2), "expected exit code 2 from {command:?}, stdout: {stdout} stderr: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "expected one line, got {stderr}");
    for word in says {
        assert!(stderr.contains(word), "expected {word:?} in the line, got {stderr}");
    }
    stderr
}

fn submit(id: &str, more: &str) -> String {
    format!(r#"{{"action":"submit","id":"{id}","type":"t","body":"the body of {id}"{more}}}"#)
}

fn accepted(id: &str) -> String {
    format!(r#"{{"ok":true,"id":"{id}"}}"#)
}

fn respond(id: &str) -> String {
    format!(r#"{{"action":"respond","id":"{id}","body":"done"}}"#)
}

/// A worker of the type `t`.
#[track_caller]
fn worker(server: &Server, credit: u32) -> Framed {
    let mut worker = native(server);
    worker.ask(&format!(r#"{{"action":"join","types":["t"],"credit":{credit}}}"#), OK);
    worker
}

/// The next frame is this job at this attempt.
#[track_caller]
fn expect_job(worker: &mut Framed, id: &str, attempt: u32) {
    let job = worker.receive();
    let expected =
        format!(r#"{{"action":"job","id":"{id}","type":"t","body":"the body of {id}","attempt":{attempt},"lease_ms":"#);
    assert!(job.starts_with(&expected), "expected {expected}…, got {job}");
}

/// The ids of all jobs of the type `t` that can be handed out, in the order in which they are. They go back to their places.
#[track_caller]
fn line(server: &Server) -> Vec<String> {
    let mut worker = worker(server, 1_000);
    let mut ids = Vec::new();
    for job in until_marker(&mut worker) {
        ids.push(json(&job)["id"].as_str().expect("the ids of these tests are strings").to_owned());
    }
    ids
}

/// The frames of all jobs that can be handed out, for a worker with enough credit. They stay in its hands.
///
/// A job that is behind all others shows that they have come.
#[track_caller]
fn until_marker(worker: &mut Framed) -> Vec<String> {
    let marker = format!("marker-{}", unique());
    worker.send(format!(
        r#"{{"action":"submit","id":"{marker}","type":"t","body":0,"priority":{},"durable":false}}"#,
        i64::MIN
    ));
    let (mut jobs, mut submitted) = (Vec::new(), false);
    loop {
        let heard = worker.receive();
        if !heard.starts_with(r#"{"action":"job""#) {
            assert_eq!(heard, accepted(&marker));
            submitted = true;
        } else if heard.contains(&marker) {
            break;
        } else {
            jobs.push(heard);
        }
    }
    assert!(submitted, "expected the answer to a submit before its job");
    worker.ask(&respond(&marker), OK);
    jobs
}
