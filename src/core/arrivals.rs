//! The jobs of a queue in the order of their acceptance, so that lists go newest first without a sort.
//!
//! Four bytes a job: its key. Nothing is taken out when a job goes; what no longer counts is stepped over, and swept when it
//! is the majority. A key that was used again is known by its sequence number, which must fall from entry to entry.

use std::collections::{BTreeMap, VecDeque};

/// The sequence number of one in so many entries is known; in tests of more, so that lists of few jobs meet them.
const MARK_EVERY: usize = if cfg!(test) { 4 } else { 256 };

/// Below this many entries a sweep isn't worth its walk.
const SWEEP_ABOVE: usize = 64;

/// The keys of jobs, oldest acceptance first.
#[derive(Default, Debug)]
pub(crate) struct Arrivals {
    keys: VecDeque<u32>,
    /// Sequence numbers and places of some of them, so that a list that begins far back isn't led there from the newest.
    marks: Vec<(u64, usize)>,
    /// Jobs that came back from the archive: accepted before what is last in line.
    returned: BTreeMap<u64, u32>,
}

impl Arrivals {
    /// A job newer than all before it.
    pub(crate) fn add(&mut self, sequence: u64, key: u32) {
        if self.keys.len().is_multiple_of(MARK_EVERY) {
            self.marks.push((sequence, self.keys.len()));
        }
        self.keys.push_back(key);
    }

    /// A job that was here before.
    pub(crate) fn add_returned(&mut self, sequence: u64, key: u32) {
        self.returned.insert(sequence, key);
    }

    /// A job has gone.
    pub(crate) fn remove(&mut self, sequence: u64) {
        if !self.returned.is_empty() {
            self.returned.remove(&sequence);
        }
    }

    /// The jobs older than `before`, newest first: sequence numbers and keys. `sequence_of` says which job a key holds.
    pub(crate) fn newest_first<'a>(
        &'a self,
        before: Option<u64>,
        sequence_of: impl Fn(u32) -> Option<u64> + 'a,
    ) -> impl Iterator<Item = (u64, u32)> + 'a {
        let before = before.unwrap_or(u64::MAX);
        // What is at this mark or later came as `before` or later.
        let newer = self.marks.partition_point(|(sequence, _)| *sequence < before);
        let end = self.marks.get(newer).map_or(self.keys.len(), |(_, place)| *place);
        let mut last = before;
        let mut line = self
            .keys
            .range(..end)
            .rev()
            .filter_map(move |key| {
                let sequence = sequence_of(*key)?;
                let counts = sequence < last && !self.returned.contains_key(&sequence);
                counts.then(|| {
                    last = sequence;
                    (sequence, *key)
                })
            })
            .peekable();
        let mut returned = self.returned.range(..before).rev().map(|(sequence, key)| (*sequence, *key)).peekable();
        std::iter::from_fn(move || match (line.peek(), returned.peek()) {
            (Some(one), Some(other)) if one.0 < other.0 => returned.next(),
            (Some(_), _) => line.next(),
            (None, _) => returned.next(),
        })
    }

    /// Drops what no longer counts once it is the majority; `held` jobs are there.
    pub(crate) fn sweep(&mut self, held: usize, sequence_of: impl Fn(u32) -> Option<u64>) {
        if self.keys.len() <= SWEEP_ABOVE + 2 * held {
            return;
        }
        let mut last = u64::MAX;
        let mut kept: Vec<(u64, u32)> = Vec::with_capacity(held);
        for key in self.keys.iter().rev() {
            if let Some(sequence) = sequence_of(*key)
                && sequence < last
                && !self.returned.contains_key(&sequence)
            {
                last = sequence;
                kept.push((sequence, *key));
            }
        }
        self.keys.clear();
        self.marks.clear();
        kept.into_iter().rev().for_each(|(sequence, key)| self.add(sequence, key));
        self.keys.shrink_to(2 * self.keys.len());
    }

    /// How many entries there are, also such that no longer count.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.keys.len() + self.returned.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_job_is_listed_once_and_newest_first(
            steps in prop::collection::vec((0..10_u8, any::<prop::sample::Index>()), 0..600),
            before in prop::option::of(0..700_u64),
        ) {
            let mut arrivals = Arrivals::default();
            // Which job is at which key, and which have gone and may return.
            let mut slots: Vec<Option<u64>> = Vec::new();
            let mut gone: Vec<u64> = Vec::new();
            let mut next = 1;
            for (step, pick) in steps {
                let free = |slots: &mut Vec<Option<u64>>| {
                    slots.iter().position(Option::is_none).unwrap_or_else(|| {
                        slots.push(None);
                        slots.len() - 1
                    })
                };
                match step {
                    0..5 => {
                        let key = free(&mut slots);
                        slots[key] = Some(next);
                        arrivals.add(next, key as u32);
                        next += 1;
                    }
                    5..9 if !slots.is_empty() => {
                        let key = pick.index(slots.len());
                        if let Some(sequence) = slots[key].take() {
                            arrivals.remove(sequence);
                            gone.push(sequence);
                        }
                    }
                    _ if !gone.is_empty() => {
                        let sequence = gone.swap_remove(pick.index(gone.len()));
                        let key = free(&mut slots);
                        slots[key] = Some(sequence);
                        arrivals.add_returned(sequence, key as u32);
                    }
                    _ => {}
                }
                let held = slots.iter().flatten().count();
                arrivals.sweep(held, |key| slots[key as usize]);
                prop_assert!(arrivals.len() <= SWEEP_ABOVE + 3 * held + 1);
            }
            let mut expected: Vec<u64> = slots.iter().flatten().copied().collect();
            expected.sort_unstable();
            expected.reverse();
            expected.retain(|sequence| before.is_none_or(|before| *sequence < before));
            let listed: Vec<u64> =
                arrivals.newest_first(before, |key| slots[key as usize]).map(|(sequence, _)| sequence).collect();
            prop_assert_eq!(listed, expected);
        }
    }

    #[test]
    fn a_list_that_begins_far_back_looks_at_what_it_lists() {
        let mut arrivals = Arrivals::default();
        (0..1_000).for_each(|number| arrivals.add(number, number as u32));
        let looks = std::cell::Cell::new(0);
        let sequence_of = |key| {
            looks.set(looks.get() + 1);
            Some(u64::from(key))
        };
        assert!(arrivals.newest_first(Some(50), sequence_of).take(3).eq([(49, 49), (48, 48), (47, 47)]));
        assert!(looks.get() <= 3 + MARK_EVERY, "it looked at {}", looks.get());
    }
}
