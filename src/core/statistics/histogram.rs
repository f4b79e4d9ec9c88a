//! How many times were how long: eight buckets per octave of microseconds, so that a time is told with an error of at most an
//! eighth, from one microsecond to twelve days, in 1.2 KB.
//!
//! It never keeps a time itself, and it never samples: every time counts.

use super::tally::Tally;

/// How many buckets there are.
pub const BUCKETS: usize = 304;

/// Longer times count as this one: almost 13 days.
pub const LONGEST_US: u64 = (1 << 40) - 1;

/// Each octave is cut in `1 << PARTS_BITS` buckets.
const PARTS_BITS: u32 = 3;

/// A range of times that are counted as one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of a time in microseconds.
    pub fn of(us: u64) -> Bucket {
        let us = us.min(LONGEST_US);
        // The leading bit says the octave, the three bits behind it the part. Below 16 each time has its own bucket.
        let octave = (us | 1 << PARTS_BITS).ilog2() - PARTS_BITS;
        Bucket(((octave << PARTS_BITS) as u64 + (us >> octave)) as u16)
    }

    /// The longest time in it, in microseconds.
    pub fn longest(self) -> u64 {
        let (octave, part) = (u32::from(self.0) >> PARTS_BITS, u64::from(self.0) & PARTS_MASK);
        match octave {
            0 => part,
            _ => ((part + PARTS_MASK + 2) << (octave - 1)) - 1,
        }
    }
}

const PARTS_MASK: u64 = (1 << PARTS_BITS) - 1;

/// A count for each bucket.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: [u32; BUCKETS],
    sum_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: [0; BUCKETS], sum_us: 0 }
    }
}

impl Histogram {
    /// Counts a time, in microseconds.
    #[inline]
    pub fn record(&mut self, us: u64) {
        let count = &mut self.counts[usize::from(Bucket::of(us).0)];
        *count = count.saturating_add(1);
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Counts what a tally counted.
    pub fn add(&mut self, tally: &Tally) {
        for (bucket, times) in tally.counts() {
            let count = &mut self.counts[usize::from(bucket.0)];
            *count = count.saturating_add(times);
        }
        self.sum_us = self.sum_us.saturating_add(tally.sum_us());
    }

    /// The buckets that hold something, shortest first, and their counts.
    pub fn tally(&self) -> Tally {
        let counted = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        Tally::new(counted.map(|(index, count)| (Bucket(index as u16), *count)), self.sum_us)
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().map(|count| u64::from(*count)).sum()
    }

    /// So long were at most `percents` of 100 times, which are asked for in growing order: none where nothing was counted, else at
    /// least the true time and at most an eighth more.
    pub fn percentiles<const N: usize>(&self, percents: [u64; N]) -> [Option<u64>; N] {
        let counts = self.counts.iter().enumerate().map(|(index, count)| (Bucket(index as u16), *count));
        percentiles(counts, self.count(), percents)
    }

    /// Counts from nothing again.
    pub fn clear(&mut self) {
        *self = Histogram::default();
    }
}

/// With which time `percents` of 100 of `all` times are reached. The buckets come shortest first, the percents smallest first.
pub(super) fn percentiles<const N: usize>(
    mut buckets: impl Iterator<Item = (Bucket, u32)>,
    all: u64,
    percents: [u64; N],
) -> [Option<u64>; N] {
    let (mut reached, mut longest) = (0, None);
    percents.map(|percent| {
        let wanted = (all * percent).div_ceil(100).max(1);
        while reached < wanted {
            let (bucket, count) = buckets.next()?;
            reached += u64::from(count);
            longest = Some(bucket.longest());
        }
        longest
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_a_gap() {
        let mut from = 0;
        for index in 0..BUCKETS as u16 {
            let longest = Bucket(index).longest();
            assert_eq!((Bucket::of(from), Bucket::of(longest)), (Bucket(index), Bucket(index)));
            assert!(longest - from <= from / 8, "{from} to {longest}");
            from = longest + 1;
        }
        assert_eq!(from, LONGEST_US + 1);
        assert_eq!(Bucket::of(u64::MAX), Bucket(BUCKETS as u16 - 1));
    }

    #[test]
    fn nothing_counted_has_no_percentile() {
        assert_eq!(Histogram::default().percentiles([50, 100]), [None, None]);
        assert_eq!(Tally::default().percentile(50), None);
    }

    proptest! {
        /// Merged from parts or not: the percentiles are those of the sorted times, or a little more.
        #[test]
        fn percentiles_are_those_of_the_sorted_times(
            mut times in prop::collection::vec((0u32..40).prop_flat_map(|bits| 0u64..2 << bits), 1..300),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut parts = [Histogram::default(), Histogram::default()];
            let cut = cut.index(times.len());
            for (place, time) in times.iter().enumerate() {
                parts[usize::from(place < cut)].record(*time);
            }
            let mut tally = parts[0].tally();
            tally.merge(&parts[1].tally());
            let mut all = Histogram::default();
            all.add(&tally);
            times.sort_unstable();
            let percents = [1, 50, 95, 99, 100];
            for (percent, told) in percents.into_iter().zip(all.percentiles(percents)) {
                prop_assert_eq!(tally.percentile(percent), told);
                let rank = (times.len() * percent as usize).div_ceil(100);
                let (exact, told) = (times[rank - 1].min(LONGEST_US), told.unwrap());
                prop_assert!(exact <= told && told <= exact + exact / 8, "{percent}: {told} for {exact}");
            }
            prop_assert_eq!((all.count(), tally.count()), (times.len() as u64, times.len() as u64));
            prop_assert_eq!(tally.sum_us(), times.iter().sum::<u64>());
        }
    }
}
