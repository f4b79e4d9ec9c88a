//! What an observer of all words writes down, and the laws that it sees broken.
//!
//! It knows no queue from inside. Of each job it keeps where it must be, from what was asked, what was granted and what time
//! it is; every word of a queue is held against that. All checks are in here; a broken one panics.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::core::command::{Deed, IdEvent, Receipt};
use crate::core::retry::backoff_ms;
use crate::core::{Assignment, Census, JobId, Moment, OnMasterGone, Peer, Policy, QueueNo};

/// Everything that was seen.
#[derive(Default)]
pub(super) struct Ledger {
    /// By sequence number.
    entries: BTreeMap<u64, Entry>,
    /// What each worker has in hand, and how much it may.
    hands: HashMap<Peer, Hands>,
    /// Bytes that submits brought and that ids took along.
    bytes: i64,
}

/// A job that was accepted.
pub(super) struct Entry {
    pub(super) id: JobId,
    pub(super) sequence: u64,
    pub(super) queue: QueueNo,
    pub(super) priority: i64,
    pub(super) policy: Arc<Policy>,
    pub(super) master: Peer,
    pub(super) notify: bool,
    pub(super) weight: usize,
    pub(super) place: Place,
    pub(super) born: Moment,
    pub(super) attempts: u32,
    /// How often it came to an end that its master has to hear of (a retried job ends again), and how often that was told.
    pub(super) endings: u32,
    pub(super) told: u32,
    pub(super) orphaned: bool,
    /// Only the store's archive knows it.
    pub(super) archived: bool,
    pub(super) freed: bool,
}

/// Where a job must be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Place {
    /// With its queue, to be offered from this moment on.
    Waiting(Moment),
    /// With a worker.
    Held { by: Peer, delivery: u32, ends: Moment },
    /// In a terminal state.
    Over,
    /// Gone with its master.
    Dropped,
}

#[derive(Default)]
struct Hands {
    full: u32,
    credit: u32,
}

/// A granted word of a worker.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    Complete,
    Fail { retry: bool, delay_ms: Option<u64> },
    Touch,
    Release { delay_ms: u64 },
}

impl Ledger {
    /// A submit was granted.
    pub(super) fn accepted(&mut self, now: Moment, entry: Entry) {
        let rival = self.entries.values().find(|other| other.id == entry.id && other.keeps_its_id());
        assert!(rival.is_none(), "{} is the id of two jobs", entry.id);
        self.bytes += entry.weight as i64;
        let sequence = entry.sequence;
        let twin = self.entries.insert(sequence, entry);
        assert!(twin.is_none(), "sequence number {sequence} was given twice");
        self.entry(sequence).expire(now);
    }

    /// A queue went through what was due.
    pub(super) fn ticked(&mut self, now: Moment, queue: QueueNo) {
        for entry in self.of(queue) {
            entry.expire(now);
            if matches!(entry.place, Place::Held { ends, .. } if ends <= now) {
                entry.give_back(now, now);
            }
        }
    }

    /// A worker was given a job.
    pub(super) fn assigned(&mut self, now: Moment, queue: QueueNo, by: Peer, assignment: &Assignment) {
        let Receipt { sequence, delivery, .. } = assignment.receipt;
        let ready = |entry: &Entry| matches!(entry.place, Place::Waiting(from) if from <= now);
        let entry = self.entry(sequence);
        assert!(ready(entry), "{} goes to {by:?} but is {:?}", entry.id, entry.place);
        assert_eq!((&entry.id, entry.queue, entry.priority), (&assignment.id, queue, assignment.priority));
        entry.attempts += 1;
        assert_eq!(entry.attempts, assignment.attempt, "{}: its attempts are counted", entry.id);
        assert!(entry.attempts <= entry.policy.max_attempts, "{} has no attempt left", entry.id);
        entry.place = Place::Held { by, delivery, ends: now.after_ms(assignment.lease_ms) };
        let rank = entry.rank();
        for other in self.of(queue).filter(|entry| ready(entry)) {
            assert!(other.rank() > rank, "{} was ready and goes before {}", other.id, assignment.id);
        }
        let hands = self.hands.get_mut(&by).expect("only the living work");
        hands.full += 1;
        assert!(hands.full <= hands.credit, "{by:?} holds more than its credit of {}", hands.credit);
    }

    /// A word on an attempt was granted (with this lease, if it asked for one) or refused.
    pub(super) fn answered(&mut self, now: Moment, receipt: Receipt, said: Said, granted_ms: Option<u64>) {
        let entry = self.entry(receipt.sequence);
        let id = &entry.id;
        let valid = matches!(entry.place, Place::Held { delivery, .. } if delivery == receipt.delivery);
        assert_eq!(
            granted_ms.is_some(),
            valid,
            "{id}, delivery {}: {said:?} while {:?}",
            receipt.delivery,
            entry.place
        );
        let Some(granted_ms) = granted_ms else { return };
        match said {
            Said::Complete => entry.end(),
            Said::Fail { retry, delay_ms } => {
                let wait_ms = delay_ms.unwrap_or_else(|| backoff_ms(&entry.policy, entry.attempts, entry.sequence));
                if retry { entry.give_back(now, now.after_ms(wait_ms)) } else { entry.end() }
            }
            Said::Release { delay_ms } => {
                entry.attempts -= 1;
                entry.give_back(now, now.after_ms(delay_ms));
            }
            Said::Touch => {
                if let Place::Held { ends, .. } = &mut entry.place {
                    *ends = now.after_ms(granted_ms);
                }
            }
        }
    }

    /// A deed was granted or refused.
    pub(super) fn managed(&mut self, now: Moment, queue: QueueNo, id: &JobId, deed: Deed, granted: bool) {
        let current = self.of(queue).find(|entry| entry.id == *id && !entry.freed && !entry.archived);
        let Some(entry) = current else {
            assert!(!granted, "{deed:?} of {id}, which is not there");
            return;
        };
        match deed {
            Deed::Cancel => {
                assert_eq!(granted, entry.lives(), "cancel {id} while {:?}", entry.place);
                if granted {
                    entry.end();
                }
            }
            Deed::Retry if granted => {
                assert_eq!(entry.place, Place::Over, "retry {id}");
                entry.place = Place::Waiting(now);
                entry.attempts = 0;
                entry.born = now;
                entry.expire(now);
            }
            Deed::Retry => {}
            Deed::Find => assert!(granted, "find {id}"),
            Deed::CancelWaiting => {
                assert_eq!(granted, matches!(entry.place, Place::Waiting(_)), "cancel waiting {id}");
                if granted {
                    entry.end();
                }
            }
            Deed::Reprioritize(priority) => {
                assert_eq!(granted, entry.lives(), "reprioritize {id} while {:?}", entry.place);
                if granted {
                    entry.priority = priority;
                }
            }
            Deed::RunNow => {
                if granted {
                    assert!(matches!(entry.place, Place::Waiting(at) if at >= now), "run {id} now");
                    entry.place = Place::Waiting(now);
                }
            }
            Deed::Delete => assert_eq!(granted, !entry.lives(), "delete {id} while {:?}", entry.place),
        }
    }

    /// A queue heard that a peer has left.
    pub(super) fn gone(&mut self, now: Moment, queue: QueueNo, peer: Peer) {
        for entry in self.of(queue) {
            if matches!(entry.place, Place::Held { by, .. } if by == peer) {
                entry.give_back(now, now);
            }
            if entry.master == peer && entry.policy.on_master_gone == OnMasterGone::Drop {
                match entry.place {
                    Place::Waiting(_) => entry.place = Place::Dropped,
                    Place::Held { .. } => entry.orphaned = true,
                    Place::Over | Place::Dropped => {}
                }
            }
        }
    }

    /// A master was told that a job has ended.
    pub(super) fn told(&mut self, queue: QueueNo, master: Peer, id: &JobId) {
        let waits = |entry: &&mut Entry| entry.id == *id && entry.told < entry.endings;
        let entry = self.of(queue).find(waits).unwrap_or_else(|| panic!("{master:?} is told of {id} once too often"));
        assert_eq!(entry.master, master, "{id} is told to its master");
        entry.told += 1;
    }

    /// Something became of an id.
    pub(super) fn id_event(&mut self, event: &IdEvent) {
        match event {
            IdEvent::Freed { id, sequence, bytes } => {
                self.bytes -= *bytes as i64;
                let entry = self.entry(*sequence);
                assert_eq!(entry.id, *id);
                assert!(!entry.lives() || entry.orphaned, "{id} is free but its job is {:?}", entry.place);
                assert!(!std::mem::replace(&mut entry.freed, true), "{id} is freed twice");
            }
            IdEvent::Ended { sequence, bytes, .. } => {
                self.bytes += *bytes as i64;
                assert!(!self.entry(*sequence).freed, "an event after the last");
            }
            IdEvent::Revived { sequence, bytes, .. } => {
                self.bytes -= *bytes as i64;
                assert!(!self.entry(*sequence).freed, "an event after the last");
            }
            IdEvent::RetryDecided { .. } => {}
            IdEvent::Archived { id, sequence, bytes } => {
                self.bytes -= *bytes as i64;
                let entry = self.entry(*sequence);
                assert!(!entry.lives() && !entry.freed, "{id} goes into the archive but is {:?}", entry.place);
                assert!(!std::mem::replace(&mut entry.archived, true), "{id} goes into the archive twice");
            }
            IdEvent::Stowed { .. } => unreachable!("bodies are small"),
        }
    }

    /// The archive has let go of a job's record.
    pub(super) fn archive_forgot(&mut self, sequence: u64) -> JobId {
        let entry = self.entry(sequence);
        assert!(entry.archived && !std::mem::replace(&mut entry.freed, true), "{} is freed twice", entry.id);
        entry.id.clone()
    }

    /// After a turn: what a queue counts is what was seen, and whoever has to be told was told.
    pub(super) fn audit(&mut self, queue: QueueNo, census: Census) {
        assert!(census.is_balanced(), "{census:?}");
        let (mut accepted, mut waiting, mut held, mut dropped) = (0, 0, 0, 0);
        for entry in self.of(queue) {
            accepted += 1;
            match entry.place {
                Place::Waiting(_) => waiting += 1,
                Place::Held { .. } => held += 1,
                Place::Dropped => dropped += 1,
                Place::Over => {}
            }
            assert_eq!(entry.told, entry.endings, "{}: its master is told of every ending", entry.id);
        }
        let counted = (census.accepted, census.scheduled + census.queued, census.running, census.dropped);
        assert_eq!(counted, (accepted, waiting, held, dropped), "accepted, waiting, held and dropped of queue {queue}");
    }

    /// At the end of time.
    pub(super) fn close(&self) {
        for entry in self.entries.values() {
            assert!(!entry.lives(), "{} was lost: {:?}", entry.id, entry.place);
            assert!(entry.freed, "{} is never freed", entry.id);
        }
        assert_eq!(self.bytes, 0, "bytes that no job holds");
    }

    /// The jobs that were ready now, were anybody there.
    pub(super) fn ready(&mut self, now: Moment, queue: QueueNo) -> usize {
        self.of(queue).filter(|entry| matches!(entry.place, Place::Waiting(from) if from <= now)).count()
    }

    /// How often this master must have been told in all.
    pub(super) fn endings_for(&self, master: Peer) -> u32 {
        self.entries.values().filter(|entry| entry.master == master).map(|entry| entry.endings).sum()
    }

    /// How many jobs there ever were.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A worker wants so many jobs more, or less.
    pub(super) fn credit(&mut self, peer: Peer, change: i64) {
        let credit = &mut self.hands.entry(peer).or_default().credit;
        *credit = credit.checked_add_signed(change as i32).expect("credit is never negative");
    }

    /// A worker has spoken its last word on an attempt.
    pub(super) fn hand_freed(&mut self, peer: Peer) {
        self.hands.get_mut(&peer).expect("only the living work").full -= 1;
    }

    /// A peer has died.
    pub(super) fn died(&mut self, peer: Peer) {
        self.hands.remove(&peer);
    }

    fn entry(&mut self, sequence: u64) -> &mut Entry {
        self.entries.get_mut(&sequence).expect("only accepted jobs are spoken of")
    }

    /// The jobs of a queue.
    fn of(&mut self, queue: QueueNo) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut().filter(move |entry| entry.queue == queue)
    }
}

impl Entry {
    fn lives(&self) -> bool {
        matches!(self.place, Place::Waiting(_) | Place::Held { .. })
    }

    fn keeps_its_id(&self) -> bool {
        (self.lives() && !self.orphaned) || (self.policy.durable && !self.freed)
    }

    /// Smaller goes first.
    fn rank(&self) -> (std::cmp::Reverse<i64>, u64) {
        (std::cmp::Reverse(self.priority), self.sequence)
    }

    fn end(&mut self) {
        self.place = Place::Over;
        self.endings += u32::from(self.notify && !self.orphaned);
    }

    fn expire(&mut self, now: Moment) {
        let expires = self.policy.ttl_ms.map(|ttl_ms| self.born.after_ms(ttl_ms));
        if matches!(self.place, Place::Waiting(_)) && expires.is_some_and(|expires| expires <= now) {
            self.end();
        }
    }

    /// An attempt ended without a result: another one from then on, or none.
    fn give_back(&mut self, now: Moment, from: Moment) {
        if self.attempts >= self.policy.max_attempts {
            self.end();
        } else if self.orphaned {
            self.place = Place::Dropped;
        } else {
            self.place = Place::Waiting(from);
            self.expire(now);
        }
    }
}
