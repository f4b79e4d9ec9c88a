//! Which finished jobs there are, by type and by how they ended: in memory, beside the rows of an engine.
//!
//! An index of types on disk would cost each commit a page for every type in it. Here a finished job costs a commit
//! some tens of nanoseconds, and memory a bit or two where jobs of a type come close together, about seventy bytes where
//! each lies alone among thousands of others. It is made anew at start, from rows that were verified. It knows numbers
//! only and never says that a row is there: whoever asks reads the row.

use std::collections::btree_map::Range;
use std::collections::{BTreeMap, HashMap};
use std::iter::{Peekable, Rev};

use super::{Query, Tally};
use crate::core::record::{Outcome, TypeName};

/// The numbers of the finished jobs.
#[derive(Default, Debug)]
pub(super) struct Catalogue {
    all: ByOutcome,
    kinds: HashMap<TypeName, ByOutcome>,
}

impl Catalogue {
    /// A job has ended.
    pub(super) fn add(&mut self, sequence: u64, kind: &TypeName, outcome: Outcome) {
        self.all.of(outcome).add(sequence);
        match self.kinds.get_mut(kind) {
            Some(known) => known.of(outcome).add(sequence),
            None => self.kinds.entry(kind.clone()).or_default().of(outcome).add(sequence),
        }
    }

    /// The record of a finished job has gone, or it is live again.
    pub(super) fn remove(&mut self, sequence: u64, kind: &TypeName, outcome: Outcome) {
        self.all.of(outcome).remove(sequence);
        if let Some(known) = self.kinds.get_mut(kind) {
            known.of(outcome).remove(sequence);
            if known.tally() == Tally::default() {
                self.kinds.remove(kind);
            }
        }
    }

    /// How this job has ended, if it has.
    pub(super) fn outcome_of(&self, sequence: u64) -> Option<Outcome> {
        OUTCOMES.into_iter().zip(&self.all.0).find(|(_, numbers)| numbers.has(sequence)).map(|(outcome, _)| outcome)
    }

    /// The jobs of the type and outcome that `query` asks for, newest first, from where its page begins.
    pub(super) fn page(&self, query: &Query) -> Older<'_> {
        let before = query.before.unwrap_or(u64::MAX);
        let asked = self.asked(query.kind.as_ref()).into_iter().flat_map(|by_outcome| by_outcome.of_any(query.outcome));
        Older::new(asked, before)
    }

    /// How many finished jobs there are, of this type.
    pub(super) fn tally(&self, kind: Option<&TypeName>) -> Tally {
        self.asked(kind).map(ByOutcome::tally).unwrap_or_default()
    }

    /// How many there are of each type.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&TypeName, Tally)> {
        self.kinds.iter().map(|(kind, by_outcome)| (kind, by_outcome.tally()))
    }

    fn asked(&self, kind: Option<&TypeName>) -> Option<&ByOutcome> {
        match kind {
            Some(kind) => self.kinds.get(kind),
            None => Some(&self.all),
        }
    }
}

const OUTCOMES: [Outcome; 4] = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired];

fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Completed => 0,
        Outcome::Failed => 1,
        Outcome::Cancelled => 2,
        Outcome::Expired => 3,
    }
}

/// In the order of [`OUTCOMES`].
#[derive(Default, Debug)]
struct ByOutcome([Numbers; OUTCOMES.len()]);

impl ByOutcome {
    fn of(&mut self, outcome: Outcome) -> &mut Numbers {
        &mut self.0[place(outcome)]
    }

    fn of_any(&self, outcome: Option<Outcome>) -> &[Numbers] {
        match outcome {
            Some(outcome) => std::slice::from_ref(&self.0[place(outcome)]),
            None => &self.0,
        }
    }

    fn tally(&self) -> Tally {
        let [completed, failed, cancelled, expired] = &self.0;
        Tally { completed: completed.count, failed: failed.count, cancelled: cancelled.count, expired: expired.count }
    }
}

/// A set of numbers, 64 neighbours to a word.
#[derive(Default, Debug)]
struct Numbers {
    words: BTreeMap<u64, u64>,
    count: u64,
}

impl Numbers {
    fn add(&mut self, number: u64) {
        let word = self.words.entry(number / 64).or_default();
        self.count += u64::from(*word & bit(number) == 0);
        *word |= bit(number);
    }

    fn remove(&mut self, number: u64) {
        let Some(word) = self.words.get_mut(&(number / 64)) else { return };
        self.count -= u64::from(*word & bit(number) != 0);
        *word &= !bit(number);
        if *word == 0 {
            self.words.remove(&(number / 64));
        }
    }

    fn has(&self, number: u64) -> bool {
        self.words.get(&(number / 64)).is_some_and(|word| word & bit(number) != 0)
    }
}

fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

/// Numbers of several sets together, from the largest below a bound to the smallest.
#[derive(Debug)]
pub(super) struct Older<'a> {
    sets: Vec<Peekable<Rev<Range<'a, u64, u64>>>>,
    /// The word that is being read.
    place: u64,
    /// What is left of it.
    bits: u64,
}

impl<'a> Older<'a> {
    fn new(sets: impl Iterator<Item = &'a Numbers>, before: u64) -> Older<'a> {
        let sets = sets.map(|numbers| numbers.words.range(..=before / 64).rev().peekable()).collect();
        let mut older = Older { sets, place: 0, bits: 0 };
        older.turn();
        if older.place == before / 64 {
            older.bits &= bit(before) - 1;
        }
        older
    }

    /// Goes on to the next word. False: there is none.
    fn turn(&mut self) -> bool {
        let next = self.sets.iter_mut().filter_map(|set| set.peek().map(|(place, _)| **place)).max();
        let Some(place) = next else { return false };
        self.place = place;
        self.bits = 0;
        for set in &mut self.sets {
            if let Some((_, bits)) = set.next_if(|(at, _)| **at == place) {
                self.bits |= bits;
            }
        }
        true
    }
}

impl Iterator for Older<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        while self.bits == 0 {
            if !self.turn() {
                return None;
            }
        }
        let highest = 63 - self.bits.leading_zeros();
        self.bits ^= 1 << highest;
        Some(self.place * 64 + u64::from(highest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn kind(number: u64) -> TypeName {
        TypeName::from_text(&format!("kind-{number}")).unwrap()
    }

    type Listed = (u64, TypeName, Outcome);

    fn jobs() -> impl Strategy<Value = Vec<Listed>> {
        let sequence = prop_oneof![0..300_u64, (0..9_u64).prop_map(|far| u64::MAX - 70 * far)];
        let job = (sequence, 0..4_u64, 0..4_usize);
        vec(job, 0..200).prop_map(|jobs| {
            let mut jobs: Vec<Listed> = jobs.into_iter().map(|(s, k, o)| (s, kind(k), OUTCOMES[o])).collect();
            jobs.sort_by_key(|(sequence, ..)| *sequence);
            jobs.dedup_by_key(|(sequence, ..)| *sequence);
            jobs
        })
    }

    proptest! {
        #[test]
        fn a_page_has_exactly_what_was_added_and_not_removed(
            jobs in jobs(),
            removed in vec(any::<prop::sample::Index>(), 0..100),
            asked in option::of(0..5_u64),
            outcome in option::of(0..4_usize),
            before in option::of(prop_oneof![0..320_u64, Just(u64::MAX - 70)]),
        ) {
            let mut catalogue = Catalogue::default();
            let mut left = jobs.clone();
            for (sequence, kind, outcome) in &jobs {
                catalogue.add(*sequence, kind, *outcome);
                catalogue.add(*sequence, kind, *outcome);
            }
            for index in removed.iter().filter(|_| !jobs.is_empty()) {
                let (sequence, kind, outcome) = index.get(&jobs);
                catalogue.remove(*sequence, kind, *outcome);
                left.retain(|(other, ..)| other != sequence);
            }
            let (asked, outcome) = (asked.map(kind), outcome.map(|place| OUTCOMES[place]));
            let is_asked = |job: &&Listed| {
                asked.as_ref().is_none_or(|asked| *asked == job.1) && outcome.is_none_or(|outcome| outcome == job.2)
            };
            let is_older = |sequence: &u64| before.is_none_or(|before| *sequence < before);
            let expected: Vec<u64> = left.iter().rev().filter(is_asked).map(|job| job.0).filter(is_older).collect();
            let query = Query { kind: asked.clone(), outcome, before, ..Query::default() };
            // Nothing has the very last number: it stands for no bound.
            let expected: Vec<u64> = expected.into_iter().filter(|sequence| *sequence < u64::MAX).collect();
            prop_assert_eq!(catalogue.page(&query).collect::<Vec<u64>>(), expected);

            for (sequence, ..) in &jobs {
                let known = left.iter().find(|job| job.0 == *sequence).map(|job| job.2);
                prop_assert_eq!(catalogue.outcome_of(*sequence), known);
            }
            for place in OUTCOMES {
                let count = |job: &&Listed| asked.as_ref().is_none_or(|asked| *asked == job.1) && job.2 == place;
                prop_assert_eq!(catalogue.tally(asked.as_ref()).of(place), left.iter().filter(count).count() as u64);
            }
            let kinds: u64 = catalogue.tallies().map(|(_, tally)| tally.total()).sum();
            prop_assert_eq!(kinds, left.len() as u64);
            prop_assert!(catalogue.tallies().all(|(_, tally)| tally.total() > 0), "a type without jobs is remembered");
        }
    }
}
