//! The order of ready jobs: larger priority first, then older acceptance first.
//!
//! One first-in-first-out lane per priority, each sorted by sequence number: new jobs go to its end, a job that comes back
//! goes to its old place. A job that is cancelled, expires or gets another priority leaves its slot behind; `holds` tells those that still count.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

/// A ready job's slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slot {
    /// Its sequence number.
    pub sequence: u64,
    /// Its key.
    pub key: u32,
}

/// Empty lanes are kept while there are this few lanes: most queues use one priority, over and over.
const FEW_LANES: usize = 4;

/// Below this many slots a sweep isn't worth its walk.
const SWEEP_ABOVE: usize = 64;

/// The ready jobs of a queue.
#[derive(Default, Debug)]
pub struct Waiting {
    lanes: BTreeMap<i64, VecDeque<Slot>>,
    slots: usize,
}

impl Waiting {
    /// Puts a job to its place.
    pub fn put(&mut self, priority: i64, slot: Slot) {
        let lane = self.lanes.entry(priority).or_default();
        self.slots += 1;
        if lane.back().is_none_or(|last| last.sequence < slot.sequence) {
            lane.push_back(slot);
        } else {
            let place = lane.partition_point(|other| other.sequence < slot.sequence);
            lane.insert(place, slot);
        }
    }

    /// Takes the first job that still counts.
    pub fn pop(&mut self, holds: impl Fn(i64, Slot) -> bool) -> Option<Slot> {
        let (priority, slot) = self.lead(holds)?;
        self.lanes.get_mut(&priority)?.pop_front();
        self.slots -= 1;
        Some(slot)
    }

    /// The first job that still counts.
    pub fn first(&mut self, holds: impl Fn(i64, Slot) -> bool) -> Option<Slot> {
        self.lead(holds).map(|(_, slot)| slot)
    }

    /// The same with its priority. What doesn't count goes on the way, and with it lanes, unless there are few.
    fn lead(&mut self, holds: impl Fn(i64, Slot) -> bool) -> Option<(i64, Slot)> {
        loop {
            let few = self.lanes.len() <= FEW_LANES;
            let (&priority, lane) = self.lanes.iter_mut().rev().find(|(_, lane)| !few || !lane.is_empty())?;
            while let Some(slot) = lane.front().copied() {
                if holds(priority, slot) {
                    return Some((priority, slot));
                }
                lane.pop_front();
                self.slots -= 1;
            }
            if !few {
                self.lanes.remove(&priority);
            }
        }
    }

    /// The first job that still counts of each of the first `most` priorities that have one.
    pub fn firsts(&mut self, most: usize, holds: impl Fn(i64, Slot) -> bool) -> Vec<Slot> {
        let (mut firsts, mut empty) = (Vec::new(), Vec::new());
        for (priority, lane) in self.lanes.iter_mut().rev() {
            if firsts.len() == most {
                break;
            }
            let dead = lane.iter().take_while(|slot| !holds(*priority, **slot)).count();
            lane.drain(..dead);
            self.slots -= dead;
            match lane.front() {
                Some(slot) => firsts.push(*slot),
                None => empty.push(*priority),
            }
        }
        // Or the next look would step over them again.
        if self.lanes.len() > FEW_LANES {
            empty.iter().for_each(|priority| drop(self.lanes.remove(priority)));
        }
        firsts
    }

    /// The jobs in order with their priorities, also slots that no longer count.
    pub fn iter(&self) -> impl Iterator<Item = (i64, Slot)> + '_ {
        self.lanes.iter().rev().flat_map(|(priority, lane)| lane.iter().map(|slot| (*priority, *slot)))
    }

    /// How many slots are before this job's, also such that no longer count.
    pub fn ahead(&self, priority: i64, sequence: u64) -> usize {
        let above: usize =
            self.lanes.range((Bound::Excluded(priority), Bound::Unbounded)).map(|(_, lane)| lane.len()).sum();
        let within = self.lanes.get(&priority).map_or(0, |lane| lane.partition_point(|slot| slot.sequence < sequence));
        above + within
    }

    /// Drops slots that no longer count, and empty lanes, once they are the majority; `held` slots count. A job that left and came back while
    /// its old slot was still there has two; one of them goes.
    pub fn sweep(&mut self, held: usize, holds: impl Fn(i64, Slot) -> bool) {
        if self.slots.max(self.lanes.len()) <= SWEEP_ABOVE + 2 * held {
            return;
        }
        for (priority, lane) in &mut self.lanes {
            let mut last = None;
            lane.retain(|slot| holds(*priority, *slot) && last.replace(slot.sequence) != Some(slot.sequence));
            lane.shrink_to(2 * lane.len());
        }
        self.lanes.retain(|_, lane| !lane.is_empty());
        self.slots = self.lanes.values().map(VecDeque::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn larger_priority_then_older_first(
            jobs in prop::collection::vec((prop::sample::select(vec![i64::MIN, -5, 0, 0, 0, 7, 8, 9, i64::MAX]), any::<bool>()), 0..200),
            returns in prop::collection::vec(0usize..200, 0..50),
        ) {
            let mut waiting = Waiting::default();
            let holds = |priority: i64, slot: Slot| jobs[slot.key as usize] == (priority, true);
            for (number, (priority, _)) in jobs.iter().enumerate() {
                waiting.put(*priority, Slot { sequence: number as u64, key: number as u32 });
            }
            // Some are taken and come back.
            let taken: Vec<Slot> = returns.iter().filter_map(|_| waiting.pop(holds)).collect();
            for slot in taken.iter().rev() {
                waiting.put(jobs[slot.key as usize].0, *slot);
            }
            waiting.sweep(jobs.iter().filter(|(_, counts)| *counts).count(), holds);
            let mut expected: Vec<usize> = (0..jobs.len()).filter(|number| jobs[*number].1).collect();
            expected.sort_by_key(|number| (std::cmp::Reverse(jobs[*number].0), *number));
            let got: Vec<usize> = std::iter::from_fn(|| waiting.pop(holds)).map(|slot| slot.key as usize).collect();
            prop_assert_eq!(got, expected);
            prop_assert_eq!(waiting.slots, 0);
        }
    }

    /// As where every job gets a larger priority than the one before, and ends elsewhere.
    #[test]
    fn lanes_go_with_their_jobs() {
        let mut waiting = Waiting::default();
        let slot = Slot { sequence: 7, key: 7 };
        waiting.put(-1, slot);
        for number in 0..2_000_u32 {
            waiting.put(i64::from(number), Slot { sequence: u64::from(number), key: number });
        }
        assert_eq!(waiting.firsts(10, |priority, _| priority < 0), [slot]);
        assert_eq!(waiting.lanes.len(), 1);
        // One look after the other empties lanes by their first slot.
        for number in 0..2_000_u32 {
            waiting.put(i64::from(number), Slot { sequence: u64::from(number), key: number });
            assert_eq!(waiting.first(|priority, _| priority < 0), Some(slot));
            waiting.sweep(1, |priority, _| priority < 0);
        }
        assert!(waiting.lanes.len() <= SWEEP_ABOVE);
        assert_eq!(waiting.slots, 1);
    }
}
