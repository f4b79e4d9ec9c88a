//! Memory that outlives the process: the contract between the keeper (`actors::keeper`) and a store engine.
//!
//! The contract knows nothing of SQL or files: recover, commit a batch durably, read bodies back, look into the archive of
//! finished jobs, tidy. One suite (`contract`) runs against every engine. An engine may block: the keeper has its own thread.
//!
//! | kept | how long | looked at |
//! |---|---|---|
//! | a live job | until it ends, or goes without a trace | by its number |
//! | a finished job: *the archive* | until its time is over, or somebody discards it | by its number, and in pages by type, outcome and text |
//! | a note: a small value under a key, as which queues are paused | until it is taken back | at start only |
//!
//! All three travel in the same commits, so what belongs together is kept together. The `catalogue` has the numbers of the
//! finished jobs in memory, so lists and counts of millions of them cost no index on disk.
//!
//! A job is addressed by its sequence number, which appends, never by its id, which may be random: an index over random
//! keys costs a tree more than all else together, and the supervisor knows every id anyway. So recovery and [`Store::tidy`]
//! name ids and sequence numbers together ([`Archived`]).

use std::sync::Arc;

use crate::core::record::{Body, JobId, Outcome, TypeName};
use crate::core::record::{Progress, Record, StoredJob, StoredState};

mod catalogue;
#[cfg(test)]
mod contract;
pub mod memory;
pub mod sqlite;

pub use memory::Memory;
pub use sqlite::Sqlite;

/// A place where durable jobs are kept. Used by one thread.
pub trait Store: Send {
    /// Everything that is kept: the notes by key, then the jobs, oldest acceptance first. To be called once, first.
    ///
    /// A live job whose body is longer than `bodies_up_to` bytes comes without it (see [`Recalled::Live`]): so that
    /// millions of jobs can come back into less memory than they take on disk.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names what is damaged; nothing damaged is ever given as if it were good.
    fn recover(&mut self, bodies_up_to: usize, each: &mut dyn FnMut(Recalled)) -> Result<Recovered, StoreError>;

    /// Keeps all of these, durably and as a whole: when it returns, they are on disk.
    ///
    /// A batch without a [`Record::Put`] and without a [`Record::Note`] that has a value may use room that is held back for it, so on
    /// a full disk running work can still end when it is committed apart from new work. Removing what isn't there is
    /// fine (it may just have been tidied).
    ///
    /// # Errors
    /// [`StoreError::Full`]: none of them is kept and the store is as before; a later commit may succeed. Anything else: the
    /// process must stop, nothing is certain.
    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError>;

    /// The bodies of these jobs, in this order; none where there is no such job.
    ///
    /// # Errors
    /// [`StoreError::Damaged`], [`StoreError::Failed`].
    fn bodies(&mut self, sequences: &[u64]) -> Result<Vec<Option<Body>>, StoreError>;

    /// The job with this number, live or finished.
    ///
    /// # Errors
    /// As [`Store::bodies`].
    fn find(&mut self, sequence: u64) -> Result<Option<StoredJob>, StoreError>;

    /// Finished jobs, newest first. Records of another type or with another outcome than asked for cost nothing.
    ///
    /// # Errors
    /// As [`Store::bodies`].
    fn page(&mut self, query: &Query) -> Result<Page, StoreError>;

    /// How many finished jobs there are of each type that has any, in no order. Exact as of the last commit, and cheap.
    fn tallies(&self) -> Vec<(TypeName, Tally)>;

    /// Removes the records of those of these jobs that have ended, durably, and gives their numbers in this order; the others
    /// stay.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn discard(&mut self, sequences: &[u64]) -> Result<Vec<u64>, StoreError>;

    /// Removes finished jobs whose time is over at `now_ms` (milliseconds since 1970), at most `most` of them, and names
    /// them; then does a bounded piece of the housekeeping that would be in the way of a commit. To be called every second
    /// or so, best when there is nothing to commit, and again at once while it names `most`.
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn tidy(&mut self, now_ms: u64, most: usize) -> Result<Vec<Archived>, StoreError>;

    /// Bytes on disk.
    fn bytes(&self) -> u64;

    /// Bytes that are left on its disk for us; none where that can't be known.
    fn free_bytes(&self) -> Option<u64>;
}

/// What recovery found, one by one.
#[derive(Clone, PartialEq, Debug)]
pub enum Recalled {
    /// A note.
    Note {
        /// Its name.
        key: Arc<str>,
        /// Its value.
        value: Body,
    },
    /// A job that has not ended.
    Live {
        /// The job. Its body is empty, which no JSON is, where it was too long: [`Store::bodies`] has it.
        job: Box<StoredJob>,
        /// How long its body is.
        body_bytes: usize,
    },
    /// A job that has.
    Archived(Archived),
}

/// A finished job, as little of it as an index needs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archived {
    /// Its id.
    pub id: JobId,
    /// What [`Store::find`] finds it by.
    pub sequence: u64,
    /// Its type.
    pub kind: TypeName,
    /// How it ended.
    pub outcome: Outcome,
}

/// What recovery found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Recovered {
    /// The next sequence number: larger than any ever used.
    pub next_sequence: u64,
    /// Live jobs.
    pub live: u64,
    /// Finished jobs in the archive.
    pub archived: u64,
    /// Notes.
    pub notes: u64,
    /// A torn tail was cut off: the last commit before a power cut.
    pub repaired: bool,
    /// That commit had been acknowledged, as far as the store can tell: the disk lied, or somebody cut the file. To be logged as
    /// an error.
    pub lost: bool,
}

/// How many finished jobs there are, by how they ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// A worker answered them.
    pub completed: u64,
    /// Their attempts are used up.
    pub failed: u64,
    /// Somebody took them back.
    pub cancelled: u64,
    /// They waited too long.
    pub expired: u64,
}

impl Tally {
    /// How many ended like this.
    pub fn of(&self, outcome: Outcome) -> u64 {
        match outcome {
            Outcome::Completed => self.completed,
            Outcome::Failed => self.failed,
            Outcome::Cancelled => self.cancelled,
            Outcome::Expired => self.expired,
        }
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.completed + self.failed + self.cancelled + self.expired
    }
}

/// Which finished jobs to page through. By default all of them, a screen at a time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// Only of this type.
    pub kind: Option<TypeName>,
    /// Only with this outcome.
    pub outcome: Option<Outcome>,
    /// Only where the id, the type, the master's name, a worker's, an error, the result or the body contains this text.
    ///
    /// Letter by letter, case and all, in the JSON as it was sent: `é` doesn't find `\u00e9`, and a quotation mark in a
    /// string is found as `\"`.
    pub text: Option<String>,
    /// Only older than this sequence number (the cursor).
    pub before: Option<u64>,
    /// At most so many.
    pub limit: usize,
    /// Look at most at so many records of the type and outcome …
    pub look_at: usize,
    /// … and until their bodies and results have come to so many bytes, though at one record at least.
    pub look_at_bytes: usize,
    /// At most so many bytes of bodies and results of the jobs that are found, though always one job.
    pub bytes: usize,
}

impl Default for Query {
    fn default() -> Query {
        Query {
            kind: None,
            outcome: None,
            text: None,
            before: None,
            limit: 50,
            look_at: 20_000,
            look_at_bytes: 256 << 20,
            bytes: 4 << 20,
        }
    }
}

impl Query {
    /// Whether `job` is asked for, wherever the page begins.
    pub fn matches(&self, job: &StoredJob) -> bool {
        self.kind.as_ref().is_none_or(|kind| *kind == job.kind)
            && self.outcome.is_none_or(|outcome| outcome_of(&job.progress) == Some(outcome))
            && self.text.as_ref().is_none_or(|text| job.contains(text))
    }
}

/// How it ended, if it has.
fn outcome_of(progress: &Progress) -> Option<Outcome> {
    match &progress.state {
        StoredState::Finished { outcome, .. } => Some(*outcome),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => None,
    }
}

/// The result or error it ended with.
fn detail_of(progress: &Progress) -> Option<&Body> {
    match &progress.state {
        StoredState::Finished { detail, .. } => detail.as_ref(),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => None,
    }
}

/// What a job counts of [`Query::bytes`] and [`Query::look_at_bytes`]: the bytes of its body and of its result or error.
pub fn weight(job: &StoredJob) -> usize {
    job.body.len() + detail_of(&job.progress).map_or(0, |detail| detail.len())
}

/// A page of finished jobs.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Page {
    /// The jobs.
    pub jobs: Vec<StoredJob>,
    /// Where the next page begins, if there is more.
    pub next: Option<u64>,
    /// How many records were looked at.
    pub looked_at: usize,
    /// How many bytes their bodies and results had.
    pub looked_at_bytes: usize,
    /// How many finished jobs there are of the type and outcome that was asked for, whatever their text and wherever the page
    /// begins.
    pub total: u64,
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no room; the store is as before.
    #[error("the disk is full ({0})")]
    Full(String),
    /// Another server has it open.
    #[error("{0} is in use by another server: stop that one, or name another folder with --store file:DIR")]
    InUse(String),
    /// It was written by a version before the first release.
    #[error(
        "{folder} has format {found}, from before the first release, which this version doesn't read: move the folder away to start empty, or name another with --store file:DIR"
    )]
    Older {
        /// The folder.
        folder: String,
        /// Its format.
        found: i64,
    },
    /// It was written by a newer version.
    #[error(
        "{folder} has format {found}, this version reads up to {known}: use a newer procession, or another folder with --store file:DIR"
    )]
    Newer {
        /// The folder.
        folder: String,
        /// Its format.
        found: i64,
        /// What this version knows.
        known: i64,
    },
    /// It isn't what was written.
    #[error(
        "{place} is damaged: {what}. Nothing was changed; restore the folder from a backup, or move it away to start empty"
    )]
    Damaged {
        /// Which file and where in it.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// It can't be opened, read or written.
    #[error("{place}: {what}")]
    Failed {
        /// Which file.
        place: String,
        /// What the system or the library said.
        what: String,
    },
}
