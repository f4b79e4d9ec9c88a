//! All times since the start, coarsely: what scrapers want, who keep a history of their own and take differences.

use super::tally::Tally;

/// How many edges there are.
pub const EDGES: usize = 12;

/// The lowest edge is `1 << LOWEST_BITS` microseconds: about a millisecond.
const LOWEST_BITS: u32 = 10;

/// The longest times below each edge, in microseconds: powers of four, from about a millisecond to somewhat over an hour. They
/// are edges of [`super::histogram::Bucket`]s too, so the counts are exact.
pub const EDGES_US: [u64; EDGES] = {
    let mut edges = [0; EDGES];
    let mut number = 0;
    while number < EDGES {
        edges[number] = 1 << (LOWEST_BITS as usize + 2 * number);
        number += 1;
    }
    edges
};

/// How many times were below which edge.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Spread {
    /// How many there were.
    pub count: u64,
    /// The times added up, in microseconds.
    pub sum_us: u64,
    /// How many were below each of [`EDGES_US`], but not below the one before it.
    pub below: [u64; EDGES],
}

impl Spread {
    /// Counts what a tally counted.
    pub fn add(&mut self, tally: &Tally) {
        for (bucket, times) in tally.counts() {
            self.count += u64::from(times);
            if let Some(below) = self.below.iter_mut().zip(EDGES_US).find(|(_, edge)| bucket.longest() < *edge) {
                *below.0 += u64::from(times);
            }
        }
        self.sum_us = self.sum_us.saturating_add(tally.sum_us());
    }
}

impl std::ops::SubAssign for Spread {
    fn sub_assign(&mut self, other: Spread) {
        self.count -= other.count;
        self.sum_us = self.sum_us.saturating_sub(other.sum_us);
        for (below, less) in self.below.iter_mut().zip(other.below) {
            *below -= less;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Histogram;
    use super::*;

    #[test]
    fn each_time_is_below_its_edge() {
        let (mut histogram, mut spread) = (Histogram::default(), Spread::default());
        for edge in EDGES_US {
            histogram.record(edge - 1);
            histogram.record(edge);
        }
        spread.add(&histogram.tally());
        let mut below = [2; EDGES];
        below[0] = 1;
        assert_eq!((spread.count, spread.below), (2 * EDGES as u64, below));
        assert_eq!(spread.sum_us, EDGES_US.iter().map(|edge| 2 * edge - 1).sum::<u64>());
    }
}
