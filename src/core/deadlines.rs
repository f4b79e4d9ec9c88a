//! What happens at a time: leases, delays, expiry, forgetting.
//!
//! Equal spans end in the order they began, so each common length has a plain first-in-first-out lane; only odd lengths
//! pay for a heap. Entries are never taken out: one that no longer holds is stepped over, and swept when such entries are
//! the majority. Whether one holds is the caller's knowledge, so every verb that looks takes `holds`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Microseconds of a clock that never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment this many milliseconds later; the end of time where that can't be said.
    pub fn after_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms.saturating_mul(1_000)))
    }

    /// Milliseconds since an earlier moment, 0 if it is later.
    pub fn ms_since(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000
    }
}

/// The time of a turn: read once, by the shell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For everything that decides.
    pub at: Moment,
    /// Milliseconds since 1970, for what people read.
    pub wall_ms: u64,
}

/// One thing that will happen, if it still holds then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    /// When.
    pub at: Moment,
    /// To which job: its sequence number …
    pub sequence: u64,
    /// … and where that is to be found: a key.
    pub key: u32,
}

/// Lanes for at most this many lengths; further lengths go to the heap.
const MAX_LANES: usize = 8;

/// Below this many entries a sweep isn't worth its walk.
const SWEEP_ABOVE: usize = 64;

/// A set of things due.
#[derive(Default, Debug)]
pub struct Deadlines {
    lanes: Vec<Lane>,
    heap: BinaryHeap<Reverse<Due>>,
    entries: usize,
}

#[derive(Debug)]
struct Lane {
    length_ms: u64,
    dues: VecDeque<Due>,
}

impl Deadlines {
    /// Adds something due `length_ms` after `now`, and says when that is. `now` never goes back from call to call.
    pub fn add(&mut self, now: Moment, length_ms: u64, key: u32, sequence: u64) -> Moment {
        let at = now.after_ms(length_ms);
        let due = Due { at, sequence, key };
        self.entries += 1;
        if let Some(lane) = self.lanes.iter_mut().find(|lane| lane.length_ms == length_ms) {
            lane.dues.push_back(due);
        } else if self.lanes.len() < MAX_LANES {
            self.lanes.push(Lane { length_ms, dues: VecDeque::from([due]) });
        } else {
            self.heap.push(Reverse(due));
        }
        at
    }

    /// Adds something due at a moment that isn't a usual length away.
    pub fn add_at(&mut self, at: Moment, key: u32, sequence: u64) {
        self.entries += 1;
        self.heap.push(Reverse(Due { at, sequence, key }));
    }

    /// Takes the earliest entry that is due at `now` and holds.
    pub fn pop(&mut self, now: Moment, holds: impl Fn(&Due) -> bool) -> Option<Due> {
        self.step_over(&holds);
        let earliest = self.earliest()?;
        if earliest.at > now {
            return None;
        }
        let lane = self.lanes.iter_mut().find(|lane| lane.dues.front() == Some(&earliest));
        match lane {
            Some(lane) => lane.dues.pop_front(),
            None => self.heap.pop().map(|Reverse(due)| due),
        };
        self.entries -= 1;
        Some(earliest)
    }

    /// When the earliest entry that holds is due.
    pub fn next(&mut self, holds: impl Fn(&Due) -> bool) -> Option<Moment> {
        self.step_over(&holds);
        self.earliest().map(|due| due.at)
    }

    /// Drops what no longer holds once it is the majority; `held` entries hold. Of equal ones in the heap (a job came back to
    /// an old deadline) one stays.
    pub fn sweep(&mut self, held: usize, holds: impl Fn(&Due) -> bool) {
        if self.entries <= SWEEP_ABOVE + 2 * held {
            return;
        }
        for lane in &mut self.lanes {
            lane.dues.retain(&holds);
            lane.dues.shrink_to(2 * lane.dues.len());
        }
        let mut heap = std::mem::take(&mut self.heap).into_vec();
        heap.retain(|Reverse(due)| holds(due));
        heap.sort_unstable();
        heap.dedup();
        self.heap = heap.into();
        self.lanes.retain(|lane| !lane.dues.is_empty());
        self.entries = self.heap.len() + self.lanes.iter().map(|lane| lane.dues.len()).sum::<usize>();
    }

    /// How many entries there are, also such that no longer hold.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries
    }

    fn step_over(&mut self, holds: &impl Fn(&Due) -> bool) {
        for lane in &mut self.lanes {
            while lane.dues.front().is_some_and(|due| !holds(due)) {
                lane.dues.pop_front();
                self.entries -= 1;
            }
        }
        while self.heap.peek().is_some_and(|Reverse(due)| !holds(due)) {
            self.heap.pop();
            self.entries -= 1;
        }
    }

    fn earliest(&self) -> Option<Due> {
        let lanes = self.lanes.iter().filter_map(|lane| lane.dues.front());
        lanes.chain(self.heap.peek().map(|Reverse(due)| due)).min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spans_add_up_without_overflow() {
        assert_eq!(Moment(5).after_ms(u64::MAX), Moment(u64::MAX));
        assert_eq!(Moment(5).ms_since(Moment(9)), 0);
        assert_eq!(Moment(9_000).ms_since(Moment(2_000)), 7);
    }

    proptest! {
        /// Whatever the mix of lengths and of entries that stopped holding: those that hold come out in order, each once,
        /// not before their time.
        #[test]
        fn everything_that_holds_comes_out_in_order(
            steps in prop::collection::vec((0u64..5_000, prop::sample::select(vec![1u64, 10, 100, 1_000, 7, 13, 17, 23, 29, 31, 37, 41]), any::<bool>()), 1..300)
        ) {
            let mut deadlines = Deadlines::default();
            let mut now = Moment(0);
            let mut expected = Vec::new();
            let mut gone = std::collections::HashSet::new();
            for (number, (wait, length, stays)) in steps.into_iter().enumerate() {
                now.0 += wait;
                let at = deadlines.add(now, length, number as u32, number as u64);
                if stays { expected.push((at, number as u64)); } else { gone.insert(number as u64); }
                deadlines.sweep(expected.len(), |due| !gone.contains(&due.sequence));
            }
            expected.sort();
            let holds = |due: &Due| !gone.contains(&due.sequence);
            for (at, sequence) in expected {
                prop_assert_eq!(deadlines.next(holds), Some(at));
                prop_assert_eq!(deadlines.pop(Moment(at.0 - 1), holds), None);
                let due = deadlines.pop(at, holds).unwrap();
                prop_assert_eq!((due.at, due.sequence), (at, sequence));
            }
            prop_assert_eq!(deadlines.next(holds), None);
            prop_assert_eq!(deadlines.entries, 0);
        }
    }
}
