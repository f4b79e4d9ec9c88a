//! What a connection that works remembers: its types, its hands, the jobs in them.
//!
//! For dialects whose answers name a job by its id: here the id becomes the receipt again. A void attempt (its lease is
//! over, its job was cancelled) stays in hand until the worker speaks of it: until then the worker is busy with it.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use hashbrown::HashTable;

use crate::core::job::BadName;
use crate::core::{Assignment, Command, Demand, JobId, QueueNo, Receipt, Request, TypeName};
use crate::json::{self, fields};

/// A job whose id the worker has in hand already is offered again after so long.
pub(super) const ID_IN_USE_MS: u64 = 1_000;

/// The worker's side of a connection.
#[derive(Debug)]
pub(super) struct Working {
    demand: Arc<Demand>,
    /// How many jobs it wants at a time.
    hands: u32,
    /// Hands that were full when the worker wanted fewer: they don't become free again.
    surplus: u32,
    types: HashMap<TypeName, Joined>,
    /// It has worked on a type that it works on no more, so jobs of such a type may still be on their way.
    has_left: bool,
    in_hand: HashTable<Held>,
}

/// How far a join has got.
#[derive(Debug, PartialEq, Eq)]
enum Joined {
    /// This request asks for it: of several, the latest.
    Asked(Request),
    Granted,
}

/// A job in hand.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) id: JobId,
    pub(super) receipt: Receipt,
    /// If it is lost, it has failed.
    pub(super) is_last: bool,
}

/// Why there is no job in hand.
#[derive(Debug, PartialEq)]
pub(super) enum NotHeld {
    /// The id isn't one.
    Bad(BadName),
    /// None of this id.
    Unknown(JobId),
}

impl Working {
    /// A worker without types, who wants `hands` jobs at a time.
    pub(super) fn new(demand: &Arc<Demand>, hands: u32) -> Working {
        Working {
            demand: demand.clone(),
            hands,
            surplus: 0,
            types: HashMap::new(),
            has_left: false,
            in_hand: HashTable::new(),
        }
    }

    /// From now on it wants `hands` jobs at a time. Jobs in hand stay valid.
    pub(super) fn want(&mut self, hands: u32, commands: &mut Vec<Command>) {
        match hands.cmp(&self.hands) {
            Ordering::Equal => {}
            Ordering::Less => {
                let fewer = self.hands - hands;
                self.surplus += fewer - self.demand.withdraw(fewer);
            }
            Ordering::Greater => {
                let more = hands - self.hands;
                let kept = more.min(self.surplus);
                self.surplus -= kept;
                if more > kept {
                    self.demand.free(more - kept, None, commands);
                }
            }
        }
        self.hands = hands;
    }

    /// Which of `types` have to be asked for, each once.
    pub(super) fn not_granted(&self, mut types: Vec<TypeName>) -> Vec<TypeName> {
        let mut seen = HashSet::new();
        types.retain(|kind| self.types.get(kind) != Some(&Joined::Granted) && seen.insert(kind.clone()));
        types
    }

    /// A request asks to join `types`.
    pub(super) fn asked(&mut self, request: Request, types: &[TypeName]) {
        self.types.extend(types.iter().map(|kind| (kind.clone(), Joined::Asked(request))));
    }

    /// The request to join `types` was granted.
    pub(super) fn granted(&mut self, request: Request, types: &[TypeName]) {
        for kind in types {
            if let Some(joined) = self.types.get_mut(kind)
                && *joined == Joined::Asked(request)
            {
                *joined = Joined::Granted;
            }
        }
    }

    /// The request to join `types` was refused.
    pub(super) fn refused(&mut self, request: Request, types: &[TypeName]) {
        for kind in types {
            if self.types.get(kind) == Some(&Joined::Asked(request)) {
                self.types.remove(kind);
            }
        }
    }

    /// It works on nothing but `types` any more; gives the types that it leaves.
    pub(super) fn leave_all_but(&mut self, types: &[TypeName]) -> Vec<TypeName> {
        let types: HashSet<&TypeName> = types.iter().collect();
        let left: Vec<TypeName> =
            self.types.extract_if(|kind, _| !types.contains(kind)).map(|(kind, _)| kind).collect();
        self.has_left |= !left.is_empty();
        left
    }

    /// Whether it works on this type, as far as it has said.
    pub(super) fn works_on(&self, kind: &TypeName) -> bool {
        self.types.contains_key(kind)
    }

    /// Whether an assignment of this type comes too late: the worker has left the type. Usually nobody has left anything.
    pub(super) fn has_left(&self, kind: &TypeName) -> bool {
        self.has_left && !self.works_on(kind)
    }

    /// On how many types it works.
    pub(super) fn types(&self) -> usize {
        self.types.len()
    }

    /// Whether another job with the id of this one is in hand: one whose master has left, so that the id was free for the next.
    /// Answers name a job by its id, so the worker can't have both.
    pub(super) fn holds_another(&self, job: &Assignment) -> bool {
        let id = &job.id;
        let held = self.in_hand.find(id.hash_value(), |held| held.id == *id);
        held.is_some_and(|held| held.receipt.sequence != job.receipt.sequence)
    }

    /// A job was assigned. An older attempt of it is void from here on and its hand is free.
    pub(super) fn hold(&mut self, job: Assignment, commands: &mut Vec<Command>) {
        let held = Held { is_last: job.attempt >= job.max_attempts, id: job.id, receipt: job.receipt };
        let hash = held.id.hash_value();
        if let Some(older) = self.in_hand.find_mut(hash, |older| older.id == held.id) {
            *older = held;
            self.free_hand(None, commands);
        } else {
            self.in_hand.insert_unique(hash, held, |held| held.id.hash_value());
        }
    }

    /// The job in hand with this raw id.
    pub(super) fn held(&self, raw_id: &str) -> Result<&Held, NotHeld> {
        let found = match direct(raw_id) {
            Some(hash) => self.in_hand.find(hash, |held| held.id.is(raw_id)),
            None => None,
        };
        if let Some(held) = found {
            return Ok(held);
        }
        let id = fields::id(raw_id).map_err(NotHeld::Bad)?;
        self.in_hand.find(id.hash_value(), |held| held.id == id).ok_or(NotHeld::Unknown(id))
    }

    /// Takes the job with this raw id out of its hand; [`Working::free_hand`] tells that the hand is free.
    pub(super) fn take(&mut self, raw_id: &str) -> Result<Held, NotHeld> {
        if let Some(hash) = direct(raw_id)
            && let Ok(held) = self.in_hand.find_entry(hash, |held| held.id.is(raw_id))
        {
            return Ok(held.remove().0);
        }
        let id = fields::id(raw_id).map_err(NotHeld::Bad)?;
        match self.in_hand.find_entry(id.hash_value(), |held| held.id == id) {
            Ok(held) => Ok(held.remove().0),
            Err(_) => Err(NotHeld::Unknown(id)),
        }
    }

    /// The job in hand that this receipt is for.
    pub(super) fn with_receipt(&self, receipt: Receipt) -> Option<&JobId> {
        self.in_hand.iter().find(|held| held.receipt == receipt).map(|held| &held.id)
    }

    /// How many of the jobs in hand are put back if the worker leaves.
    pub(super) fn would_be_put_back(&self) -> usize {
        self.in_hand.iter().filter(|held| !held.is_last).count()
    }

    /// How many jobs are in hand.
    #[cfg(test)]
    fn holds(&self) -> usize {
        self.in_hand.len()
    }

    /// A hand is free: the queues that look away from the worker are told, but for `answered`, which looks by itself.
    pub(super) fn free_hand(&mut self, answered: Option<QueueNo>, commands: &mut Vec<Command>) {
        if self.surplus > 0 {
            self.surplus -= 1;
            return;
        }
        self.demand.free(1, answered, commands);
    }
}

/// The hash of a raw id that is spelled as we spell it: then nothing has to be built to find it.
fn direct(raw_id: &str) -> Option<u64> {
    let as_spelled = match raw_id.as_bytes() {
        [b'"', inner @ .., b'"'] => !inner.contains(&b'\\'),
        _ => json::is_integer_token(raw_id),
    };
    as_spelled.then(|| JobId::hash_of(raw_id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receipt(sequence: u64) -> Receipt {
        Receipt { queue: 0, key: 0, sequence, delivery: 1 }
    }

    fn job(id: JobId, receipt: Receipt) -> Assignment {
        let (kind, body) = (kind("t"), (*b"1").into());
        Assignment { receipt, id, kind, priority: 0, body, attempt: receipt.delivery, max_attempts: 2, lease_ms: 1_000 }
    }

    fn id(number: usize) -> JobId {
        JobId::from_integer(&number.to_string()).unwrap()
    }

    fn kind(text: &str) -> TypeName {
        TypeName::from_text(text).unwrap()
    }

    #[test]
    fn ids_are_found_however_they_are_spelled() {
        let mut working = Working::new(&Arc::new(Demand::new(3)), 3);
        let mut commands = Vec::new();
        working.hold(job(JobId::from_text("a\"b").unwrap(), receipt(1)), &mut commands);
        working.hold(job(JobId::from_text("null").unwrap(), receipt(2)), &mut commands);
        assert_eq!(working.held(r#""a\u0022b""#).unwrap().receipt, receipt(1));
        assert_eq!(working.held("null").unwrap_err(), NotHeld::Bad(BadName::Kind));
        assert_eq!(working.take(r#""n\u0075ll""#).unwrap().receipt, receipt(2));
        assert_eq!(working.take(r#""a\"b""#).unwrap().receipt, receipt(1));
        assert_eq!(working.take("7").unwrap_err(), NotHeld::Unknown(id(7)));
        assert_eq!(working.holds(), 0);
    }

    #[test]
    fn a_second_attempt_of_a_job_frees_the_hand_of_the_first() {
        let demand = Arc::new(Demand::new(2));
        let mut working = Working::new(&demand, 2);
        let mut commands = Vec::new();
        assert!(demand.take() && demand.take());
        let second = Receipt { delivery: 2, ..receipt(1) };
        working.hold(job(id(1), receipt(1)), &mut commands);
        assert_eq!(working.would_be_put_back(), 1);
        assert!(!working.holds_another(&job(id(1), second)));
        working.hold(job(id(1), second), &mut commands);
        assert!(demand.is_free());
        assert_eq!(working.would_be_put_back(), 0, "it is the last attempt");
        assert!(working.holds_another(&job(id(1), receipt(2))) && !working.holds_another(&job(id(2), receipt(2))));
        assert_eq!(working.take("1").unwrap().receipt, second);
    }

    #[test]
    fn the_latest_request_for_a_type_decides() {
        let mut working = Working::new(&Arc::new(Demand::new(1)), 1);
        let types = [kind("a")];
        working.asked(1, &types);
        assert_eq!(working.not_granted(vec![kind("a"), kind("a")]), types);
        working.asked(2, &types);
        working.refused(1, &types);
        assert!(working.works_on(&types[0]));
        working.granted(1, &types);
        assert_eq!(working.not_granted(types.to_vec()), types);
        working.granted(2, &types);
        assert!(working.not_granted(types.to_vec()).is_empty());
        assert_eq!(working.leave_all_but(&[]), types);
        assert!(working.has_left(&types[0]));
    }

    proptest! {
        /// Whatever the worker wants and whenever: it never gets more than it wants at that moment, and all its hands are
        /// used in the end.
        #[test]
        fn hands_are_neither_lost_nor_made(steps in prop::collection::vec((0..3u8, 1..6u32), 1..200)) {
            let demand = Arc::new(Demand::new(1));
            let mut working = Working::new(&demand, 1);
            let mut commands = Vec::new();
            let (mut wanted, mut next) = (1, 0);
            for (step, number) in steps {
                match step {
                    0 => {
                        working.want(number, &mut commands);
                        wanted = number as usize;
                    }
                    1 => {
                        if let Some(held) = working.in_hand.iter().next().map(|held| held.id.token().to_owned()) {
                            working.take(&held).unwrap();
                            working.free_hand(None, &mut commands);
                        }
                    }
                    _ => {
                        if demand.take() {
                            prop_assert!(working.holds() < wanted);
                            next += 1;
                            working.hold(job(id(next), receipt(next as u64)), &mut commands);
                        }
                    }
                }
            }
            while let Some(held) = working.in_hand.iter().next().map(|held| held.id.token().to_owned()) {
                working.take(&held).unwrap();
                working.free_hand(None, &mut commands);
            }
            prop_assert_eq!(std::iter::repeat_with(|| demand.take()).take_while(|taken| *taken).count(), wanted);
        }
    }
}
