//! What operators, lists and scrapers read: figures of the whole server, gathered at most once a second.
//!
//! A snapshot is never changed: the next one takes its place. So whoever reads one sees numbers that belong together, and
//! reading costs the queues nothing, however many read.

use std::sync::Arc;

use super::meter::{Retried, Times};
use super::spread::Spread;
use crate::core::census::Census;
use crate::core::job::{QueueNo, TypeName};

/// How many seconds a sparkline shows.
pub const SPARK_SECONDS: usize = 60;

/// The server in one moment.
#[derive(Clone, Default, Debug)]
pub struct Snapshot {
    /// Counts up with each snapshot that differs from the one before.
    pub version: u64,
    /// When it was taken, milliseconds since 1970.
    pub at_ms: u64,
    /// The figures of all queues together, also of those that died.
    pub total: Figures,
    /// The queues, by type.
    pub queues: Vec<Arc<QueueFigures>>,
}

impl Snapshot {
    /// The queue of a type.
    pub fn queue(&self, kind: &TypeName) -> Option<&Arc<QueueFigures>> {
        let place = self.queues.binary_search_by(|queue| queue.kind.cmp(kind)).ok()?;
        Some(&self.queues[place])
    }
}

/// The figures of one queue.
#[derive(Clone, Debug)]
pub struct QueueFigures {
    /// Its number in this process.
    pub queue: QueueNo,
    /// Its type.
    pub kind: TypeName,
    /// Hands out nothing.
    pub paused: bool,
    /// Workers that joined this type.
    pub workers: u32,
    /// Those of them that wait for a job.
    pub idle: u32,
    /// When the last worker left, where none is there: milliseconds since 1970.
    pub last_worker_left_ms: Option<u64>,
    /// What all queues have.
    pub figures: Figures,
}

/// Counts and times of a queue, or of all.
#[derive(Clone, Default, Debug)]
pub struct Figures {
    /// How many jobs there are and were.
    pub census: Census,
    /// Since when the oldest queued job has been queued, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Jobs accepted per second, over the last ten.
    pub rate_in: f64,
    /// Jobs ended (completed, failed, cancelled, expired) per second, over the last ten.
    pub rate_out: f64,
    /// Jobs failed for good per second, over the last ten.
    pub rate_failed: f64,
    /// How long jobs waited in line, over the last five minutes.
    pub wait: Percentiles,
    /// How long attempts ran, over the last five minutes.
    pub run: Percentiles,
    /// Jobs ended in each of the last [`SPARK_SECONDS`], oldest first; empty where none did.
    pub spark: Vec<u32>,
    /// Jobs that ended and that a retry took out of their end again, since the start.
    pub retried: Retried,
    /// How long jobs waited in line, since the start.
    pub waited: Spread,
    /// How long attempts ran, since the start.
    pub ran: Spread,
}

/// Times in microseconds; none where nothing was measured.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Percentiles {
    /// Half of them were at most so long.
    pub p50: Option<u64>,
    /// 95 of 100.
    pub p95: Option<u64>,
    /// 99 of 100.
    pub p99: Option<u64>,
    /// How many were measured.
    pub count: u64,
}

/// One step of a history: a second, or a minute.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Point {
    /// When it began, milliseconds since 1970.
    pub at_ms: u64,
    /// Jobs accepted in it.
    pub accepted: u32,
    /// Jobs ended in it.
    pub ended: u32,
    /// Jobs failed for good in it.
    pub failed: u32,
    /// Jobs queued at its end.
    pub queued: u32,
    /// Jobs running at its end.
    pub running: u32,
    /// 95 of 100 jobs waited at most so long in line, in microseconds.
    pub wait_p95: u64,
    /// 95 of 100 attempts ran at most so long, in microseconds.
    pub run_p95: u64,
}

/// What a queue says of itself, at most once a second and only after something happened.
#[derive(Debug)]
pub struct Report {
    /// Its number.
    pub queue: QueueNo,
    /// Its type.
    pub kind: TypeName,
    /// Hands out nothing.
    pub paused: bool,
    /// Workers that joined this type.
    pub workers: u32,
    /// Those of them that wait for a job.
    pub idle: u32,
    /// When the last worker left, where none is there: milliseconds since 1970.
    pub last_worker_left_ms: Option<u64>,
    /// How many jobs there are and were.
    pub census: Census,
    /// Since when the oldest queued job has been queued, milliseconds since 1970.
    pub oldest_ms: Option<u64>,
    /// Jobs that ended and that a retry took out of their end again, since the start.
    pub retried: Retried,
    /// The times measured since the report before.
    pub times: Times,
    /// The first report of a queue that came out of the store: what it counts did not happen now.
    pub restored: bool,
}
