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
}

/// A page of jobs from several sources, each newest first.
#[derive(Debug)]
pub struct Merge {
    limit: usize,
    jobs: Vec<Report>,
    /// From this sequence number on, every source was looked at.
    complete_from: u64,
    looked_at: usize,
}

impl Merge {
    /// A page of at most so many jobs.
    pub fn new(limit: usize) -> Merge {
        Merge { limit, jobs: Vec::new(), complete_from: 0, looked_at: 0 }
    }

    /// What a source has.
    pub fn add(&mut self, found: Found) {
        self.complete_from = self.complete_from.max(found.next.unwrap_or(0));
        self.looked_at += found.looked_at;
        self.jobs.extend(found.jobs);
        self.jobs.sort_unstable_by_key(|report| std::cmp::Reverse(report.job.sequence));
        // One that was on its way from one source to the other may be in both.
        self.jobs.dedup_by_key(|report| report.job.sequence);
        self.jobs.truncate(self.limit + 1);
    }

    /// A source that was not looked at; it has nothing newer than this.
    pub fn leave_out(&mut self, newest: u64) {
        self.complete_from = self.complete_from.max(newest + 1);
    }

    /// Whether a source with nothing newer than this can't add to the page.
    pub fn is_full_above(&self, newest: u64) -> bool {
        self.limit
            .checked_sub(1)
            .is_some_and(|last| self.jobs.get(last).is_some_and(|report| report.job.sequence > newest))
    }

    /// The page.
    pub fn finish(mut self) -> Found {
        let complete = self.jobs.partition_point(|report| report.job.sequence >= self.complete_from);
        let is_cut = complete > self.limit;
        self.jobs.truncate(complete.min(self.limit));
        let next = match self.jobs.last() {
            Some(last) if is_cut || self.jobs.len() == self.limit && self.complete_from > 0 => Some(last.job.sequence),
            Some(_) | None => (self.complete_from > 0).then_some(self.complete_from),
        };
        Found { jobs: self.jobs, next, looked_at: self.looked_at }
    }
}
