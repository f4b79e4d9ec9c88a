//! What deputy counts, with the meaning that the original gave it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since start, of this protocol's traffic.
#[derive(Debug)]
pub struct Metrics {
    up_since_ms: u64,
    /// Connections ever accepted.
    pub(super) connections: Counter,
    /// Each `can_do`.
    pub(super) workers_added: Counter,
    /// Jobs queued, and queued again.
    pub(super) jobs_added: Counter,
    /// Jobs told to a worker.
    pub(super) jobs_dispatched: Counter,
    /// Answers that were accepted.
    pub(super) jobs_done: Counter,
    /// Jobs put back because their worker left.
    pub(super) jobs_reassigned: Counter,
}

impl Metrics {
    /// All at zero; the server is up since `up_since_ms`, in milliseconds since 1970.
    pub fn new(up_since_ms: u64) -> Arc<Metrics> {
        Arc::new(Metrics {
            up_since_ms,
            connections: Counter::default(),
            workers_added: Counter::default(),
            jobs_added: Counter::default(),
            jobs_dispatched: Counter::default(),
            jobs_done: Counter::default(),
            jobs_reassigned: Counter::default(),
        })
    }

    /// The counters as a JSON object on one line.
    pub fn to_json(&self) -> String {
        format!(
            "{{\"up_since\":{},\"connections\":{},\"workers_added\":{},\"jobs_added\":{},\"jobs_dispatched\":{},\"jobs_done\":{},\"jobs_reassigned\":{}}}",
            self.up_since_ms,
            self.connections.value(),
            self.workers_added.value(),
            self.jobs_added.value(),
            self.jobs_dispatched.value(),
            self.jobs_done.value(),
            self.jobs_reassigned.value(),
        )
    }
}

/// A number that only grows.
#[derive(Default, Debug)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, more: usize) {
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
