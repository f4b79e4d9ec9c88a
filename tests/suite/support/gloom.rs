//! gloom: masters and workers on a port each.

use super::{Framed, Server};

/// A connection to the port for masters.
#[track_caller]
pub fn gloom_master(server: &Server) -> Framed {
    Framed::connect(server.gloom_masters())
}

/// A connection to the port for workers, joined to a type.
#[track_caller]
pub fn gloom_worker(server: &Server, job_type: &str) -> Framed {
    let mut worker = gloom_stranger(server);
    worker.join(job_type);
    worker
}

/// A connection to the port for workers that has not joined anything.
#[track_caller]
pub fn gloom_stranger(server: &Server) -> Framed {
    Framed::connect(server.gloom_workers())
}

impl Framed {
    /// A worker joins a type, while it has nothing in hand.
    #[track_caller]
    pub fn join(&mut self, job_type: &str) {
        self.ask(&format!(r#"{{"action":"join","type":"{job_type}"}}"#), r#"{"ok":true}"#);
    }

    /// A master submits a job; id and body are JSON texts.
    #[track_caller]
    pub fn submit(&mut self, id: &str, job_type: &str, body: &str) {
        self.ask(
            &format!(r#"{{"action":"submit","id":{id},"type":"{job_type}","body":{body}}}"#),
            &format!(r#"{{"ok":true,"id":{id}}}"#),
        );
    }

    /// A worker is given exactly this job; id and body are JSON texts.
    #[track_caller]
    pub fn expect_job(&mut self, id: &str, job_type: &str, body: &str) {
        self.expect(&format!(r#"{{"action":"job","id":{id},"type":"{job_type}","body":{body}}}"#));
    }

    /// A worker answers the job in its hand.
    #[track_caller]
    pub fn respond(&mut self, body: &str) {
        self.ask(&format!(r#"{{"action":"respond","body":{body}}}"#), r#"{"ok":true}"#);
    }

    /// A master gets exactly this result; id and body are JSON texts.
    #[track_caller]
    pub fn expect_result(&mut self, id: &str, body: &str) {
        self.expect(&format!(r#"{{"id":{id},"body":{body}}}"#));
    }
}
