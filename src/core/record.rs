//! What a store has to know of a durable job: written by the queue, kept by `store`, given back at start.
//!
//! Times are wall-clock milliseconds since 1970 here, since a monotonic clock means nothing to the next process.

use std::sync::Arc;

// What a record is made of: a store needs nothing else of the core.
pub use super::job::{AttemptEnd, Body, JobId, OnMasterGone, Outcome, PeerName, Policy, TypeName};

/// One change of what is kept. Within a batch the last word on a job holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Record {
    /// A job was accepted (or, for one that was taken out of the archive, is live again).
    Put(Box<StoredJob>),
    /// A job that was put before has moved on.
    Change {
        /// Which.
        sequence: u64,
        /// To where.
        progress: Progress,
    },
    /// A job's record goes.
    Remove {
        /// Which.
        sequence: u64,
    },
    /// A small value beside the jobs: what is paused, what was registered.
    Note {
        /// Its name.
        key: Arc<str>,
        /// None: it goes.
        value: Option<Body>,
    },
}

impl Record {
    /// The job it is about, if it is about one.
    pub fn sequence(&self) -> Option<u64> {
        match self {
            Record::Put(job) => Some(job.sequence),
            Record::Change { sequence, .. } | Record::Remove { sequence } => Some(*sequence),
            Record::Note { .. } => None,
        }
    }
}

/// A durable job as the store keeps it.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredJob {
    /// Its place in the order of acceptance: unique, and larger than all before it.
    pub sequence: u64,
    /// Its id, unique among the stored jobs.
    pub id: JobId,
    /// Its type.
    pub kind: TypeName,
    /// Its priority when it was accepted.
    pub priority: i64,
    /// Its body.
    pub body: Body,
    /// Its policy.
    pub policy: Arc<Policy>,
    /// When it was accepted.
    pub created_ms: u64,
    /// What its time to live is counted from.
    pub born_ms: u64,
    /// Who submitted it.
    pub master: PeerName,
    /// How far it is.
    pub progress: Progress,
}

impl StoredJob {
    /// Whether its id, type, master, a worker, an error, its result or its body contains this text. JSON is searched as it
    /// was sent: an escape is not what it stands for.
    pub fn contains(&self, text: &str) -> bool {
        let detail = match &self.progress.state {
            StoredState::Finished { detail, .. } => detail.as_deref(),
            StoredState::Scheduled { .. } | StoredState::Queued => None,
            StoredState::Running { worker, .. } => Some(worker.as_bytes()),
        };
        let of_attempts = self.progress.history.iter().any(|attempt| {
            attempt.worker.contains(text) || attempt.error.as_ref().is_some_and(|error| has(error, text))
        });
        of_attempts
            || self.id.text().contains(text)
            || self.kind.text().contains(text)
            || self.master.contains(text)
            || detail.is_some_and(|detail| has(detail, text))
            || has(&self.body, text)
    }
}

fn has(json: &[u8], text: &str) -> bool {
    // JSON is UTF-8; what isn't can't contain a text.
    std::str::from_utf8(json).is_ok_and(|json| json.contains(text))
}

/// How far a durable job is.
#[derive(Clone, PartialEq, Debug)]
pub struct Progress {
    /// Where it is.
    pub state: StoredState,
    /// Deliveries that count.
    pub attempt: u32,
    /// Deliveries ever.
    pub deliveries: u32,
    /// Its priority, where that was changed since.
    pub priority: Option<i64>,
    /// The attempts that have ended.
    pub history: Vec<StoredAttempt>,
}

/// Where a durable job is.
#[derive(Clone, PartialEq, Debug)]
pub enum StoredState {
    /// Not offered before.
    Scheduled {
        /// Then.
        at_ms: u64,
    },
    /// Waiting for a worker.
    Queued,
    /// In the hands of a worker.
    Running {
        /// Whose.
        worker: PeerName,
        /// Since when.
        started_ms: u64,
        /// The lease, for one whose holder outlives the server's connections (a long-poller, a processor); none where it
        /// went with the connection.
        lease_ms: Option<u64>,
    },
    /// In a terminal state.
    Finished {
        /// Which.
        outcome: Outcome,
        /// The result or the error.
        detail: Option<Body>,
        /// Since when.
        at_ms: u64,
        /// When its record goes.
        forget_ms: u64,
    },
}

/// An attempt that has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredAttempt {
    /// Its number, from 1.
    pub number: u32,
    /// Who had it.
    pub worker: PeerName,
    /// When it began.
    pub started_ms: u64,
    /// When it ended.
    pub ended_ms: u64,
    /// Why.
    pub end: AttemptEnd,
    /// What the worker said, JSON.
    pub error: Option<Body>,
}
