//! Who submitted what, and what became of it: the checks, the counts and the clock of a measurement.
//!
//! A round trip counts when its submit was accepted and its result was read, each exactly once, with the right id and
//! the right body. Where jobs go one way, the result is that the worker's answer was acknowledged; where they are only
//! submitted, there is none. The ledger knows no dialect and no socket.

use std::collections::VecDeque;
use std::time::Instant;

use hdrhistogram::Histogram;

use crate::flaw::Flaw;
use crate::job::{Job, JobId, SLOTS, TypeName};
use crate::peer::News;

/// The books of all masters.
pub struct Ledger {
    accounts: Vec<Account>,
    types: u32,
    next_type: u32,
    /// Round trips in nanoseconds, since the last `start_clock`.
    pub latency: Histogram<u64>,
    /// Jobs accepted so far.
    pub accepted: u64,
    /// Jobs whose round trip is complete.
    pub answered: u64,
}

/// How a master goes about it.
#[derive(Clone, Copy)]
pub enum Pace {
    /// A closed loop with this many outstanding, while the loops are on.
    Loop { outstanding: u32 },
    /// The same, but a job is done when it is accepted.
    Submits { outstanding: u32 },
    /// `jobs` in all, as fast as they are accepted, with at most `window` of them not yet accepted, whatever becomes of
    /// them.
    Fill { jobs: u32, window: u32, aside: bool, low: bool },
}

impl Ledger {
    /// Empty books. The jobs of loops are dealt over `types`.
    pub fn new(types: u32) -> Ledger {
        Ledger {
            accounts: Vec::new(),
            types,
            next_type: 0,
            // 1 ns to 10 min at three digits.
            latency: Histogram::new_with_max(600_000_000_000, 3).expect("the bounds are valid"),
            accepted: 0,
            answered: 0,
        }
    }

    /// A new master. `strict`: in its dialect no result may come before its submit is accepted.
    pub fn open(&mut self, pace: Pace, strict: bool) -> u16 {
        let number = u16::try_from(self.accounts.len()).expect("there are a few masters");
        self.accounts.push(Account {
            number,
            pace,
            strict,
            slots: Vec::new(),
            free: Vec::new(),
            submitted: 0,
            unaccepted: VecDeque::new(),
        });
        number
    }

    /// The next job this master should submit now, if any. It counts as submitted.
    pub fn next(&mut self, master: u16, looping: bool, now: Instant) -> Option<Job> {
        let account = &mut self.accounts[usize::from(master)];
        let (kind, low) = match account.pace {
            Pace::Loop { outstanding } | Pace::Submits { outstanding } => {
                if !looping || account.outstanding() >= outstanding as usize {
                    return None;
                }
                let kind = self.next_type;
                self.next_type = (kind + 1) % self.types;
                (kind, false)
            }
            Pace::Fill { jobs, window, aside, low } => {
                if account.submitted >= jobs || account.unaccepted.len() >= window as usize {
                    return None;
                }
                (if aside { account.submitted + 1 } else { 0 }, low)
            }
        };
        Some(Job { id: account.submit(now), kind: TypeName::numbered(kind), low })
    }

    /// Books what a master learned.
    pub fn note(&mut self, master: u16, news: News) -> Result<(), Flaw> {
        let account = self.accounts.get_mut(usize::from(master));
        let account = account.ok_or_else(|| Flaw::Content(format!("there is no master {master}")))?;
        let complete = match news {
            News::Ready => return Ok(()),
            News::Accepted(id) => {
                self.accepted += 1;
                account.accept(id)?
            }
            News::Result(id) => account.result(id)?,
        };
        if let Some(submitted) = complete {
            self.answered += 1;
            // A standing job that a worker got in a dry moment is work like any other, but nobody waited for it.
            if account.is_loop() {
                let nanos = u64::try_from(submitted.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.latency.saturating_record(nanos);
            }
        }
        Ok(())
    }

    /// Forgets the latencies so far.
    pub fn start_clock(&mut self) {
        self.latency.reset();
    }

    /// All that the fillers should submit is accepted.
    pub fn filled(&self) -> bool {
        self.accounts.iter().all(|account| match account.pace {
            Pace::Fill { jobs, .. } => account.submitted == jobs && account.unaccepted.is_empty(),
            Pace::Loop { .. } | Pace::Submits { .. } => true,
        })
    }

    /// No loop waits for anything.
    pub fn loops_at_rest(&self) -> bool {
        self.accounts.iter().filter(|account| account.is_loop()).all(|account| account.outstanding() == 0)
    }

    /// Nobody waits for anything.
    pub fn at_rest(&self) -> bool {
        self.accounts.iter().all(|account| account.outstanding() == 0)
    }

    /// For a message about a wait that was too long.
    pub fn summary(&self) -> String {
        let outstanding: usize = self.accounts.iter().map(Account::outstanding).sum();
        format!("{} accepted, {} answered, {outstanding} outstanding", self.accepted, self.answered)
    }
}

/// One master's jobs.
struct Account {
    number: u16,
    pace: Pace,
    strict: bool,
    slots: Vec<Slot>,
    free: Vec<u32>,
    submitted: u32,
    unaccepted: VecDeque<JobId>,
}

/// A place for one outstanding job. Its generation tells the job from its predecessors.
struct Slot {
    id: JobId,
    submitted: Instant,
    stage: Stage,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Submitted,
    Accepted,
    /// The result came first: the two travel on different connections.
    Answered,
    Free,
}

impl Account {
    fn is_loop(&self) -> bool {
        match self.pace {
            Pace::Loop { .. } | Pace::Submits { .. } => true,
            Pace::Fill { .. } => false,
        }
    }

    fn outstanding(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn submit(&mut self, now: Instant) -> JobId {
        let place = self.free.pop().unwrap_or_else(|| {
            let place = self.slots.len();
            assert!(place < SLOTS, "an id has room for this many places");
            let place = place as u32;
            let id = JobId { master: self.number, slot: place, generation: 0 };
            self.slots.push(Slot { id, submitted: now, stage: Stage::Free });
            place
        });
        let slot = &mut self.slots[place as usize];
        slot.id = slot.id.next();
        slot.submitted = now;
        slot.stage = Stage::Submitted;
        self.submitted += 1;
        self.unaccepted.push_back(slot.id);
        slot.id
    }

    /// When the job was submitted, if that completes it.
    fn accept(&mut self, id: Option<JobId>) -> Result<Option<Instant>, Flaw> {
        let oldest = self.unaccepted.pop_front();
        let oldest = oldest.ok_or_else(|| Flaw::Content("an ok to a submit that nobody made".into()))?;
        if id.is_some_and(|id| id != oldest) {
            return Err(Flaw::Content(format!("the ok to {oldest:?} names {id:?}")));
        }
        let slot = &mut self.slots[oldest.slot as usize];
        match slot.stage {
            Stage::Submitted if matches!(self.pace, Pace::Submits { .. }) => return Ok(Some(self.complete(oldest))),
            Stage::Submitted => slot.stage = Stage::Accepted,
            Stage::Answered => return Ok(Some(self.complete(oldest))),
            Stage::Accepted | Stage::Free => unreachable!("only submitted jobs wait for their ok"),
        }
        Ok(None)
    }

    /// When the job was submitted, if that completes it.
    fn result(&mut self, id: JobId) -> Result<Option<Instant>, Flaw> {
        let slot = self.slots.get_mut(id.slot as usize).filter(|slot| slot.id == id);
        let slot = slot.ok_or_else(|| Flaw::Content(format!("a result of {id:?}, which is not outstanding")))?;
        match slot.stage {
            Stage::Accepted => return Ok(Some(self.complete(id))),
            Stage::Submitted if !self.strict => slot.stage = Stage::Answered,
            Stage::Submitted => return Err(Flaw::Content(format!("the result of {id:?} came before its ok"))),
            Stage::Answered | Stage::Free => return Err(Flaw::Content(format!("a second result of {id:?}"))),
        }
        Ok(None)
    }

    fn complete(&mut self, id: JobId) -> Instant {
        let slot = &mut self.slots[id.slot as usize];
        slot.stage = Stage::Free;
        self.free.push(id.slot);
        slot.submitted
    }
}
