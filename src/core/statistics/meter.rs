//! The queue's side of the statistics: it counts, the [`super::Book`] adds up.
//!
//! A time costs a few nanoseconds. Memory is there from the first time to the next [`Meter::take`], so a quiet queue has none.

use super::histogram::{Bucket, Histogram};
use super::tally::Tally;
use crate::core::job::Outcome;

/// What a queue measures between two reports.
#[derive(Default, Debug)]
pub struct Meter {
    wait: Gathered,
    run: Gathered,
    retried: Retried,
}

/// Times as they come: a few are listed, more are counted. With thousands of queues each has but a few, and emptying and searching
/// two histograms of 1.2 KB for each of them each second would cost more than all else that reports do.
#[derive(Default, Debug)]
struct Gathered {
    few: Vec<Bucket>,
    few_us: u64,
    many: Option<Box<Histogram>>,
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
        self.wait.add(us);
    }

    /// An attempt ended after so many microseconds.
    #[inline]
    pub fn ran(&mut self, us: u64) {
        self.run.add(us);
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
        Times { wait: self.wait.take(), run: self.run.take() }
    }
}

impl Gathered {
    #[inline]
    fn add(&mut self, us: u64) {
        match &mut self.many {
            Some(many) => many.record(us),
            None if self.few.len() < FEW => {
                self.few.push(Bucket::of(us));
                self.few_us = self.few_us.saturating_add(us);
            }
            None => self.begin_to_count(us),
        }
    }

    /// Once a second at most, so it is kept out of the way of the others.
    #[cold]
    fn begin_to_count(&mut self, us: u64) {
        let mut many = Histogram::default();
        many.add(&self.take());
        many.record(us);
        self.many = Some(Box::new(many));
    }

    fn take(&mut self) -> Tally {
        let Gathered { mut few, few_us, many } = std::mem::take(self);
        if let Some(many) = many {
            return many.tally();
        }
        few.sort_unstable();
        let alike = few.chunk_by(|one, other| one == other);
        Tally::new(alike.map(|times| (times[0], times.len() as u32)), few_us)
    }
}

/// So many times are listed.
const FEW: usize = 64;

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
        assert!(meter.wait.many.is_none() && meter.run.few.capacity() == 0);
        assert_eq!(meter.take(), Times::default());
        assert_eq!(meter.retried(), Retried { failed: 1, cancelled: 0 });
    }

    /// Listed or counted, the times are the same.
    #[test]
    fn few_times_and_many_are_told_alike() {
        for count in [0, 1, FEW - 1, FEW, FEW + 1, 3 * FEW] {
            let (mut meter, mut histogram) = (Meter::default(), Histogram::default());
            for number in 0..count as u64 {
                let us = (number * 7_919) % 1_000;
                meter.waited(us);
                histogram.record(us);
            }
            let times = meter.take();
            assert_eq!(times.wait, histogram.tally(), "of {count} times");
            assert_eq!(times.run, Tally::default());
        }
    }
}
