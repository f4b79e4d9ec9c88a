//! The native TCP protocol: every row of its text, but for what needs the HTTP API.

mod replies;
mod submitting;
mod working;

use crate::support::{Framed, Heard, PATIENCE, Server, TempDir, assert_error, eventually, frame, json, native, nested};
use serde_json::{Value, json as value};
use std::time::{Duration, Instant};

const OK: &str = r#"{"ok":true}"#;

/// A worker of one type.
#[track_caller]
fn worker(server: &Server, job_type: &str, credit: u32) -> Framed {
    let mut worker = native(server);
    worker.ask(&join(job_type, credit), OK);
    worker
}

fn join(job_type: &str, credit: u32) -> String {
    format!(r#"{{"action":"join","types":["{job_type}"],"credit":{credit}}}"#)
}

fn submit(id: &str, job_type: &str, more: &str) -> String {
    format!(r#"{{"action":"submit","id":{id},"type":"{job_type}","body":{id}{more}}}"#)
}

fn accepted(id: &str) -> String {
    format!(r#"{{"ok":true,"id":{id}}}"#)
}

fn respond(id: &str, body: &str) -> String {
    format!(r#"{{"action":"respond","id":{id},"body":{body}}}"#)
}

fn result(id: &str, body: &str) -> String {
    format!(r#"{{"action":"result","id":{id},"body":{body}}}"#)
}

impl Framed {
    /// The next frame is this job, at this attempt; gives its lease.
    #[track_caller]
    fn expect_attempt(&mut self, id: &str, attempt: u32) -> u64 {
        let job = self.receive();
        let value = json(&job);
        assert_eq!(
            (&value["action"], &value["id"], &value["attempt"]),
            (&value!("job"), &json(id), &value!(attempt)),
            "expected attempt {attempt} of the job {id}, got {job}"
        );
        value["lease_ms"].as_u64().unwrap_or_else(|| panic!("expected a lease, got {job}"))
    }
}
