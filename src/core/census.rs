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

    /// Only those that have ended, which were accepted too.
    pub fn ended(&self) -> Census {
        let Census { completed, failed, cancelled, expired, dropped, .. } = *self;
        let accepted = completed + failed + cancelled + expired + dropped;
        Census { accepted, completed, failed, cancelled, expired, dropped, ..Census::default() }
    }

    /// How many more have ended so than `other` knows.
    pub fn beyond(&self, other: &Census) -> Census {
        let more = Census {
            completed: self.completed.saturating_sub(other.completed),
            failed: self.failed.saturating_sub(other.failed),
            cancelled: self.cancelled.saturating_sub(other.cancelled),
            expired: self.expired.saturating_sub(other.expired),
            dropped: self.dropped.saturating_sub(other.dropped),
            ..Census::default()
        };
        more.ended()
    }

    /// Those that have ended, as a text for the store.
    pub fn to_note(&self) -> String {
        let Census { completed, failed, cancelled, expired, dropped, .. } = self;
        format!("[{completed},{failed},{cancelled},{expired},{dropped}]")
    }

    /// As [`Census::to_note`] wrote it; nothing where it can't have been this.
    pub fn from_note(note: &[u8]) -> Option<Census> {
        let note = std::str::from_utf8(note).ok()?.strip_prefix('[')?.strip_suffix(']')?;
        let numbers: Vec<u64> = note.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        let [completed, failed, cancelled, expired, dropped] = numbers[..] else { return None };
        Some(Census { completed, failed, cancelled, expired, dropped, ..Census::default() }.ended())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_kept_and_told_apart() {
        let census = Census {
            accepted: 21,
            completed: 1,
            failed: 2,
            cancelled: 3,
            expired: 4,
            dropped: 5,
            queued: 6,
            ..Census::default()
        };
        let ended = census.ended();
        assert!(census.is_balanced() && ended.is_balanced());
        assert_eq!((ended.accepted, ended.live()), (15, 0));
        assert_eq!(Census::from_note(census.to_note().as_bytes()), Some(ended));
        for other in ["", "[]", "[1,2,3,4]", "[1,2,3,4,5,6]", "[1,2,3,4,-5]", "1,2,3,4,5"] {
            assert_eq!(Census::from_note(other.as_bytes()), None, "{other}");
        }
        // What the store shows by itself is not counted twice, and what it shows beyond is not taken away.
        let shown = Census { accepted: 5, completed: 1, failed: 4, ..Census::default() };
        let beyond = ended.beyond(&shown);
        assert_eq!(beyond, Census { accepted: 12, cancelled: 3, expired: 4, dropped: 5, ..Census::default() });
    }
}
