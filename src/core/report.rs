//! A job as people see it, and lists of jobs.

use std::sync::Arc;

use super::job::Outcome;
use super::record::{StoredJob, StoredState};

/// Where a job is, for people and programs (`spec/jobs.md`, states).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum JobState {
    /// Not offered before a time.
    Scheduled,
    /// Waiting for a worker.
    Queued,
    /// In the hands of a worker.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended without.
    Failed,
    /// Taken back.
    Cancelled,
    /// Waited too long.
    Expired,
}

impl JobState {
    /// All of them, in the order of a job's life.
    pub const ALL: [JobState; 7] = [
        JobState::Scheduled,
        JobState::Queued,
        JobState::Running,
        JobState::Completed,
        JobState::Failed,
        JobState::Cancelled,
        JobState::Expired,
    ];

    /// Its name in every dialect.
    pub fn as_str(self) -> &'static str {
        match self {
            JobState::Scheduled => "scheduled",
            JobState::Queued => "queued",
            JobState::Running => "running",
            JobState::Completed => "completed",
            JobState::Failed => "failed",
            JobState::Cancelled => "cancelled",
            JobState::Expired => "expired",
        }
    }

    /// The state of this name.
    pub fn parse(name: &str) -> Option<JobState> {
        JobState::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// How it ended, if it has.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            JobState::Scheduled | JobState::Queued | JobState::Running => None,
            JobState::Completed => Some(Outcome::Completed),
            JobState::Failed => Some(Outcome::Failed),
            JobState::Cancelled => Some(Outcome::Cancelled),
            JobState::Expired => Some(Outcome::Expired),
        }
    }
}

impl From<Outcome> for JobState {
    fn from(outcome: Outcome) -> JobState {
        match outcome {
            Outcome::Completed => JobState::Completed,
            Outcome::Failed => JobState::Failed,
            Outcome::Cancelled => JobState::Cancelled,
            Outcome::Expired => JobState::Expired,
        }
    }
}

/// A job and what else there is to know of it at this moment.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The job; its priority is the present one.
    pub job: StoredJob,
    /// Its body is not in here: only the store holds it.
    pub is_body_stored: bool,
    /// How far its worker says it is, 0 to 1.
    pub progress: Option<f64>,
    /// What its worker says of it.
    pub note: Option<Arc<str>>,
    /// When the lease of the running attempt ends, in milliseconds since 1970.
    pub lease_ends_ms: Option<u64>,
    /// What it waits for.
    pub why: Why,
}

/// Why a waiting job is not running.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Why {
    /// How many jobs of its type go first: at most so many, since those that were taken back may still be counted.
    pub ahead: u64,
    /// Its queue hands out nothing.
    pub paused: bool,
    /// Workers of its type.
    pub workers: u32,
    /// When the last of them left, where none is there: milliseconds since 1970.
    pub last_worker_left_ms: Option<u64>,
}

impl Report {
    /// A job in the archive.
    pub fn archived(job: StoredJob) -> Report {
        let job = StoredJob { priority: job.progress.priority.unwrap_or(job.priority), ..job };
        Report { job, is_body_stored: false, progress: None, note: None, lease_ends_ms: None, why: Why::default() }
    }

    /// Where it is.
    pub fn state(&self) -> JobState {
        match &self.job.progress.state {
            StoredState::Scheduled { .. } => JobState::Scheduled,
            StoredState::Queued => JobState::Queued,
            StoredState::Running { .. } => JobState::Running,
            StoredState::Finished { outcome, .. } => (*outcome).into(),
        }
    }

    /// When its last attempt began, in milliseconds since 1970.
    pub fn started_ms(&self) -> Option<u64> {
        match &self.job.progress.state {
            StoredState::Running { started_ms, .. } => Some(*started_ms),
            StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Finished { .. } => {
                self.job.progress.history.last().map(|attempt| attempt.started_ms)
            }
        }
    }

    /// Whether its id, type, master, a worker, an error, its result or its body contains this text.
    pub fn contains(&self, text: &str) -> bool {
        self.job.contains(text) || self.note.as_ref().is_some_and(|note| note.contains(text))
    }
}

/// Which jobs of a queue to list, newest first.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Browse {
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only where [`Report::contains`] this text.
    pub text: Option<String>,
    /// Only older than this sequence number.
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Look at most at so many.
    pub look_at: usize,
    /// At most so many bytes of bodies and results, though always one job.
    pub bytes: usize,
}

/// Jobs that were found.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Found {
    /// The jobs, newest first.
    pub jobs: Vec<Report>,
    /// Where to go on, if there is more: the sequence number of the last job that was looked at.
    pub next: Option<u64>,
    /// How many were looked at.
    pub looked_at: usize,
    /// How many bytes of bodies and results they have, also those that only the store holds.
    pub bytes: usize,
}
