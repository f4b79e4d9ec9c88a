//! The queue's side of the statistics: it counts, the [`super::Book`] adds up.
//!
//! A time costs a few nanoseconds. Memory is there from the first time to the next [`Meter::take`], so a quiet queue has none.

use super::histogram::Histogram;
use super::tally::Tally;
use crate::core::job::Outcome;

/// What a queue measures between two reports.
#[derive(Default, Debug)]
pub struct Meter {
    counted: Option<Box<Counted>>,
    retried: Retried,
}

#[derive(Default, Debug)]
struct Counted {
    wait: Histogram,
    run: Histogram,
}

/// The times that a queue measured since its last report.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Times {
    /// How long jobs were in line before they were handed out.
    pub wait: Tally,
    /// How long attempts ran that have ended, however they ended.
    pub run: Tally,
}

/// Jobs that ended and that a retry took out of their end again, since the start. With them, what the census counts as failed
/// and cancelled becomes a number that only grows.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Retried {
    /// Out of FAILED.
    pub failed: u64,
    /// Out of CANCELLED.
    pub cancelled: u64,
}

impl std::ops::SubAssign for Retried {
    fn sub_assign(&mut self, other: Retried) {
        self.failed -= other.failed;
        self.cancelled -= other.cancelled;
    }
}

impl Times {
    /// Nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.wait.is_empty() && self.run.is_empty()
    }

    /// As if nothing had been measured, with the memory it has.
    pub fn clear(&mut self) {
        self.wait.clear();
        self.run.clear();
    }
}

impl Meter {
    /// A job left the line for a worker after so many microseconds.
    #[inline]
    pub fn waited(&mut self, us: u64) {
        self.counted().wait.record(us);
    }

    /// An attempt ended after so many microseconds.
    #[inline]
    pub fn ran(&mut self, us: u64) {
        self.counted().run.record(us);
    }

    /// A job that had ended so begins again.
    pub fn begins_again(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Failed => self.retried.failed += 1,
            Outcome::Cancelled => self.retried.cancelled += 1,
            Outcome::Completed | Outcome::Expired => {}
        }
    }

    /// How many jobs began again since the start.
    pub fn retried(&self) -> Retried {
        self.retried
    }

    /// The times since the last call.
    pub fn take(&mut self) -> Times {
        match self.counted.take() {
            Some(counted) => Times { wait: counted.wait.tally(), run: counted.run.tally() },
            None => Times::default(),
        }
    }

    #[inline]
    fn counted(&mut self) -> &mut Counted {
        if self.counted.is_none() {
            self.begin();
        }
        self.counted.as_mut().expect("it has just begun")
    }

    /// Once a second at most, so it is kept out of the way of the others.
    #[cold]
    fn begin(&mut self) {
        self.counted = Some(Box::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_once_and_cost_nothing_then() {
        let mut meter = Meter::default();
        (0..100).for_each(|us| meter.waited(us));
        meter.ran(7);
        meter.begins_again(Outcome::Failed);
        let times = meter.take();
        assert_eq!((times.wait.count(), times.run.percentile(50)), (100, Some(7)));
        assert!(meter.counted.is_none());
        assert_eq!(meter.take(), Times::default());
        assert_eq!(meter.retried(), Retried { failed: 1, cancelled: 0 });
    }
}
