//! A histogram in few bytes: only the buckets that hold something. What travels from a queue, and what is kept of the last
//! minutes.

use super::histogram::{self, Bucket};

/// Buckets and their counts, shortest first.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    counts: Vec<(Bucket, u32)>,
    sum_us: u64,
}

impl Tally {
    /// These buckets, which come shortest first, and the sum of the times in them, in microseconds.
    pub(super) fn new(counts: impl Iterator<Item = (Bucket, u32)>, sum_us: u64) -> Tally {
        Tally { counts: counts.collect(), sum_us }
    }

    /// Counts what another one counted.
    pub fn merge(&mut self, other: &Tally) {
        self.sum_us = self.sum_us.saturating_add(other.sum_us);
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        let mut from = 0;
        for &(bucket, times) in &other.counts {
            // Both are sorted: what comes next is not before what came last.
            match self.counts[from..].binary_search_by_key(&bucket, |(bucket, _)| *bucket) {
                Ok(place) => {
                    from += place;
                    let count = &mut self.counts[from].1;
                    *count = count.saturating_add(times);
                }
                Err(place) => {
                    from += place;
                    self.counts.insert(from, (bucket, times));
                }
            }
        }
    }

    /// Nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// How many buckets hold something.
    pub fn buckets(&self) -> usize {
        self.counts.len()
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// The times added up, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// The buckets and their counts, shortest first.
    pub fn counts(&self) -> impl Iterator<Item = (Bucket, u32)> + '_ {
        self.counts.iter().copied()
    }

    /// As [`histogram::Histogram::percentiles`].
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let [time] = histogram::percentiles(self.counts(), self.count(), [percent]);
        time
    }

    /// Counts from nothing again, with the memory it has.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.sum_us = 0;
    }
}
