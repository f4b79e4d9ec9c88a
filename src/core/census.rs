//! The conservation law of `spec/jobs.md`, counted: every accepted job is in exactly one place.

use super::job::Outcome;

/// How many jobs a queue (or, added up, a server) ever accepted, and where they are.
///
/// `accepted = completed + failed + cancelled + expired + dropped + scheduled + queued + running`, at every moment.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// Jobs ever accepted.
    pub accepted: u64,
    /// Ended with a result.
    pub completed: u64,
    /// Ended without.
    pub failed: u64,
    /// Taken back.
    pub cancelled: u64,
    /// Waited too long.
    pub expired: u64,
    /// Went with their master.
    pub dropped: u64,
    /// Wait for a time.
    pub scheduled: u64,
    /// Wait for a worker.
    pub queued: u64,
    /// In the hands of a worker.
    pub running: u64,
}

impl Census {
    /// Whether the law holds.
    pub fn is_balanced(&self) -> bool {
        self.accepted == self.completed + self.failed + self.cancelled + self.expired + self.dropped + self.live()
    }

    /// The jobs that ended so.
    pub fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Completed => &mut self.completed,
            Outcome::Failed => &mut self.failed,
            Outcome::Cancelled => &mut self.cancelled,
            Outcome::Expired => &mut self.expired,
        }
    }

    /// Jobs that have not ended.
    pub fn live(&self) -> u64 {
        self.scheduled + self.queued + self.running
    }
}

impl std::ops::AddAssign for Census {
    fn add_assign(&mut self, other: Census) {
        self.accepted += other.accepted;
        self.completed += other.completed;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.dropped += other.dropped;
        self.scheduled += other.scheduled;
        self.queued += other.queued;
        self.running += other.running;
    }
}

impl std::ops::SubAssign for Census {
    fn sub_assign(&mut self, other: Census) {
        self.accepted -= other.accepted;
        self.completed -= other.completed;
        self.failed -= other.failed;
        self.cancelled -= other.cancelled;
        self.expired -= other.expired;
        self.dropped -= other.dropped;
        self.scheduled -= other.scheduled;
        self.queued -= other.queued;
        self.running -= other.running;
    }
}
