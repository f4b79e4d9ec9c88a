//! The keeper of the store, on a thread of its own: it may block.
//!
//! A turn gathers what all queues sent while the last commit was under way, and commits it at once: one sync for all, no
//! timer. Only then do the queues say what depends on it.
//!
//! | file | its noun |
//! |---|---|
//! | `errands` | what people ask of the store, done in pieces between commits |
//! | `figures` | what operators want to know of the store |
//! | `notes` | small values beside the jobs, kept in the same commits |
//! | `reply` | an answer that comes later |
//!
//! The keeper decides nothing about jobs, and nobody on the way of a job waits for an errand.

mod errands;
mod figures;
mod notes;
mod reply;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use actix::{Actor, ActorContext, Addr, Context, Handler, Message, MessageResult};
use log::{error, warn};
use tokio::time::Instant;

use self::errands::Errands;
pub use self::errands::{Dig, Discard, Unearth};
use self::figures::Gauge;
pub use self::figures::{Figures, StoreFigures, Tallies, WatchFigures};
pub use self::notes::KeepNotes;
use self::notes::Notes;
pub use self::reply::Later;
use super::alarm::Alarm;
use super::clock::Clock;
use super::queue::{Committed, Fetched, QueueActor, Refused};
use super::supervisor::{ArchiveForgot, EXIT_FAILED, Recalled, Supervisor};
use super::turn::{self, Settle};
use crate::core::record::Record;
use crate::core::{JobId, QueueNo};
use crate::store::{Store, StoreError};

/// How often the archive is tidied, and a commit that found no room is tried again.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// One tidying names at most so many jobs.
const TIDY_MOST: usize = 1_000;

/// Keeps durable jobs.
pub struct Keeper {
    store: Option<Box<dyn Store>>,
    clock: Clock,
    supervisor: Addr<Supervisor>,
    commits: Vec<Commit>,
    notes: Notes,
    fetches: Vec<Fetch>,
    recalls: Vec<Recall>,
    errands: Errands,
    gauge: Gauge,
    tidy_at: Instant,
    alarm: Alarm,
    /// The last commit found no room: once said.
    full: bool,
    /// There was no room even for the ends of jobs: they wait for the next tidying.
    stuck: bool,
    /// Jobs that were refused, until their queues have heard it and say nothing more of them.
    refused: HashSet<u64>,
}

impl Keeper {
    /// A keeper of a store that was recovered.
    pub fn new(store: Box<dyn Store>, clock: Clock, supervisor: Addr<Supervisor>) -> Keeper {
        let tidy_at = Instant::now() + TIDY_EVERY;
        Keeper {
            store: Some(store),
            clock,
            supervisor,
            commits: Vec::new(),
            notes: Notes::default(),
            fetches: Vec::new(),
            recalls: Vec::new(),
            errands: Errands::default(),
            gauge: Gauge::new(),
            tidy_at,
            alarm: Alarm::default(),
            full: false,
            stuck: false,
            refused: HashSet::new(),
        }
    }

    /// Commits what was gathered. Where there is no room, submits, retries and new notes are refused and the rest is tried by
    /// itself; if even that doesn't fit it waits, and with it the words that depend on it.
    fn commit(&mut self) {
        if self.commits.is_empty() && self.notes.is_empty() {
            return;
        }
        if self.stuck {
            self.refuse_new_work();
            self.notes.refuse_all();
            return;
        }
        let Err(why) = self.attempt() else {
            self.full = false;
            return;
        };
        if !std::mem::replace(&mut self.full, true) {
            warn!("the disk is full ({why}): durable submits are refused until there is room");
        }
        // What is left needs no more room than is held back for it.
        self.notes.refuse_new();
        self.refuse_new_work();
        if self.attempt().is_err() {
            self.notes.refuse_all();
            self.stuck = true;
        }
    }

    /// Commits all that waits and says so.
    ///
    /// # Errors
    /// Why there is no room; all waits as before.
    fn attempt(&mut self) -> Result<(), String> {
        let Some(store) = &mut self.store else { return Ok(()) };
        let lengths: Vec<usize> = self.commits.iter().map(|commit| commit.records.len()).collect();
        let mut records: Vec<Record> = self.commits.iter_mut().flat_map(|commit| commit.records.drain(..)).collect();
        records.extend(self.notes.records());
        let begin = std::time::Instant::now();
        match store.commit(&records) {
            Ok(()) => {
                self.gauge.committed(records.len(), begin.elapsed());
                self.notes.kept();
                for Commit { queue, .. } in self.commits.drain(..) {
                    queue.do_send(Committed);
                }
                Ok(())
            }
            Err(StoreError::Full(why)) => {
                let mut records = records.into_iter();
                for (commit, length) in self.commits.iter_mut().zip(lengths) {
                    commit.records.extend(records.by_ref().take(length));
                }
                Err(why)
            }
            Err(error) => give_up(&error),
        }
    }

    /// Takes jobs that are new to the store, or that were retried, out of what waits, with all that became of them since.
    fn refuse_new_work(&mut self) {
        for Commit { queue, records } in &mut self.commits {
            let jobs: Vec<(JobId, u64)> = puts(records).collect();
            if !jobs.is_empty() {
                self.refused.extend(jobs.iter().map(|(_, sequence)| *sequence));
                queue.do_send(Refused { jobs });
            }
            records.retain(|record| match record {
                Record::Put(_) => false,
                Record::Change { sequence, .. } => !self.refused.contains(sequence),
                // Whatever the store has of such a job goes: what it was before a retry, or nothing.
                Record::Remove { .. } | Record::Note { .. } => true,
            });
        }
    }

    fn fetch(&mut self) {
        let Some(store) = &mut self.store else { return };
        // A body may be in what waits for room.
        if !self.commits.is_empty() {
            return;
        }
        for Fetch { queue, sequences } in self.fetches.drain(..) {
            match store.bodies(&sequences) {
                Ok(bodies) => queue.do_send(Fetched { bodies }),
                Err(error) => give_up(&error),
            }
        }
    }

    fn recall(&mut self) {
        let Some(store) = &mut self.store else { return };
        // What became of a job may be in what waits for room.
        if !self.commits.is_empty() {
            return;
        }
        for Recall { queue, sequences } in self.recalls.drain(..) {
            let mut jobs = Vec::with_capacity(sequences.len());
            for sequence in sequences {
                match store.find(sequence) {
                    // It died with the turn that accepted it: nobody heard an ok.
                    Ok(None) => {}
                    Ok(Some(job)) => jobs.push(job),
                    Err(error) => give_up(&error),
                }
            }
            self.supervisor.do_send(Recalled { queue, jobs });
        }
    }

    /// A turn's worth of errands. True: there are more.
    fn run_errands(&mut self) -> bool {
        let Some(store) = &mut self.store else { return false };
        if let Err(error) = self.errands.run(&mut **store, &self.supervisor) {
            give_up(&error);
        }
        !self.errands.is_empty()
    }

    fn tidy(&mut self) {
        let Some(store) = &mut self.store else { return };
        match store.tidy(self.clock.now().wall_ms, TIDY_MOST) {
            Ok(forgotten) => {
                let more = forgotten.len() == TIDY_MOST;
                self.tidy_at = Instant::now() + if more { Duration::ZERO } else { TIDY_EVERY };
                if !forgotten.is_empty() {
                    let jobs = forgotten.into_iter().map(|archived| (archived.id, archived.sequence)).collect();
                    self.supervisor.do_send(ArchiveForgot { jobs });
                }
            }
            Err(StoreError::Full(_)) => self.tidy_at = Instant::now() + TIDY_EVERY,
            Err(error) => give_up(&error),
        }
    }
}

fn puts(records: &[Record]) -> impl Iterator<Item = (JobId, u64)> + '_ {
    records.iter().filter_map(|record| match record {
        Record::Put(job) => Some((job.id.clone(), job.sequence)),
        Record::Change { .. } | Record::Remove { .. } | Record::Note { .. } => None,
    })
}

/// After a failed sync nothing is certain: no answer that depends on it is ever sent, the server stops (`spec/jobs.md`,
/// guarantee 9).
fn give_up(error: &StoreError) -> ! {
    error!("the store has failed, nothing it was told last is certain: {error}; stopping");
    std::process::exit(EXIT_FAILED)
}

impl Actor for Keeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
    }
}

impl Settle for Keeper {
    fn settle(&mut self, _: &mut Context<Self>, wake: &mut std::task::Context<'_>) {
        self.commit();
        self.fetch();
        self.recall();
        if self.run_errands() {
            wake.waker().wake_by_ref();
        }
        if self.store.is_some() && self.alarm.rings(Some(self.tidy_at), Instant::now(), wake) {
            self.tidy();
            self.stuck = false;
            if let Some(store) = &self.store {
                self.gauge.publish_if_due(&**store, self.full);
            }
            wake.waker().wake_by_ref();
        }
    }
}

/// The disk is full: nothing of what was asked has happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the disk is full")]
pub struct NoRoom;

impl Drop for Keeper {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the keeper of the store has failed; stopping");
            std::process::exit(EXIT_FAILED);
        }
    }
}

/// Put these records on disk.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Commit {
    /// Who is told when they are.
    pub queue: Addr<QueueActor>,
    /// The records.
    pub records: Vec<Record>,
}

impl Handler<Commit> for Keeper {
    type Result = ();

    fn handle(&mut self, mut commit: Commit, _: &mut Self::Context) {
        if !self.refused.is_empty() {
            commit.records.retain(|record| match record {
                Record::Put(job) => {
                    // It was retried once more.
                    self.refused.remove(&job.sequence);
                    true
                }
                Record::Change { sequence, .. } => !self.refused.contains(sequence),
                Record::Remove { .. } | Record::Note { .. } => true,
            });
        }
        self.commits.push(commit);
    }
}

/// A queue has heard that these jobs were refused: what it sends from now on says nothing more of them.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Heard {
    /// Their numbers.
    pub sequences: Vec<u64>,
}

impl Handler<Heard> for Keeper {
    type Result = ();

    fn handle(&mut self, Heard { sequences }: Heard, _: &mut Self::Context) {
        for sequence in sequences {
            self.refused.remove(&sequence);
        }
    }
}

/// Read these bodies.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fetch {
    /// Who gets them.
    pub queue: Addr<QueueActor>,
    /// The jobs.
    pub sequences: Vec<u64>,
}

impl Handler<Fetch> for Keeper {
    type Result = ();

    fn handle(&mut self, fetch: Fetch, _: &mut Self::Context) {
        self.fetches.push(fetch);
    }
}

/// Look up the jobs of a queue that died.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Recall {
    /// The queue.
    pub queue: QueueNo,
    /// Its jobs.
    pub sequences: Vec<u64>,
}

impl Handler<Recall> for Keeper {
    type Result = ();

    fn handle(&mut self, recall: Recall, _: &mut Self::Context) {
        // Their queue says nothing more.
        for sequence in &recall.sequences {
            self.refused.remove(sequence);
        }
        self.recalls.push(recall);
    }
}

/// Commit what is there, close the store, stop. Answered when it is done.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CloseStore;

impl Handler<CloseStore> for Keeper {
    type Result = MessageResult<CloseStore>;

    fn handle(&mut self, _: CloseStore, ctx: &mut Self::Context) -> Self::Result {
        self.stuck = false;
        self.commit();
        self.store = None;
        ctx.stop();
        MessageResult(())
    }
}
