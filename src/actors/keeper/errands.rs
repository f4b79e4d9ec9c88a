//! What people ask of the store: jobs by number, pages of the archive, records that should go.
//!
//! An errand is done in small pieces between commits: a search through a long archive holds nobody's `ok` up for longer than
//! [`EACH_TURN`] and one piece. All errands take their turns; one whose asker has left is forgotten, unless it
//! changes something.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::{Addr, Handler, Message};

use super::super::supervisor::{ArchiveForgot, Supervisor};
use super::reply::{Later, Reply};
use super::{Keeper, NoRoom};
use crate::core::JobId;
use crate::core::record::StoredJob;
use crate::store::{self, Page, Query, Store, StoreError};

/// After so long in one turn the next commit comes first.
const EACH_TURN: Duration = Duration::from_millis(2);

/// A piece of [`Unearth`] looks up so many jobs.
const UNEARTHED: usize = 16;

/// A piece of [`Dig`] looks at so many records.
const DUG: usize = 128;

/// A piece of either reads so many bytes of bodies and results, or one job.
const READ: usize = 1 << 20;

/// A piece of [`Discard`] removes so many records: they share a sync.
const DISCARDED: usize = 128;

/// Errands under way.
#[derive(Default)]
pub(super) struct Errands {
    waiting: VecDeque<Errand>,
}

impl Errands {
    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Does a turn's worth of them.
    ///
    /// # Errors
    /// As [`Store::find`], [`Store::page`] and [`Store::discard`], but for a full disk, which the asker is told.
    pub(super) fn run(&mut self, store: &mut dyn Store, supervisor: &Addr<Supervisor>) -> Result<(), StoreError> {
        let begin = Instant::now();
        while let Some(errand) = self.waiting.pop_front() {
            self.waiting.extend(errand.go_on(store, supervisor)?);
            if begin.elapsed() >= EACH_TURN {
                break;
            }
        }
        Ok(())
    }
}

enum Errand {
    Unearth(Unearthing),
    Dig(Digging),
    Discard(Discarding),
}

impl Errand {
    /// Does a piece of it. None: it is done.
    fn go_on(self, store: &mut dyn Store, supervisor: &Addr<Supervisor>) -> Result<Option<Errand>, StoreError> {
        Ok(match self {
            Errand::Unearth(errand) => errand.go_on(store)?.map(Errand::Unearth),
            Errand::Dig(errand) => errand.go_on(store)?.map(Errand::Dig),
            Errand::Discard(errand) => errand.go_on(store, supervisor)?.map(Errand::Discard),
        })
    }
}

struct Unearthing {
    sequences: std::vec::IntoIter<u64>,
    found: Vec<Option<StoredJob>>,
    reply: Reply<Vec<Option<StoredJob>>>,
}

impl Unearthing {
    fn go_on(mut self, store: &mut dyn Store) -> Result<Option<Unearthing>, StoreError> {
        if !self.reply.is_awaited() {
            return Ok(None);
        }
        let mut bytes = 0;
        for sequence in self.sequences.by_ref().take(UNEARTHED) {
            let job = store.find(sequence)?;
            bytes += job.as_ref().map_or(0, store::weight);
            self.found.push(job);
            if bytes >= READ {
                break;
            }
        }
        if !self.sequences.as_slice().is_empty() {
            return Ok(Some(self));
        }
        self.reply.send(self.found);
        Ok(None)
    }
}

struct Digging {
    /// What is still to be found.
    query: Query,
    page: Page,
    reply: Reply<Page>,
}

impl Digging {
    fn go_on(mut self, store: &mut dyn Store) -> Result<Option<Digging>, StoreError> {
        if !self.reply.is_awaited() {
            return Ok(None);
        }
        let (look_at, look_at_bytes) = (self.query.look_at.min(DUG), self.query.look_at_bytes.min(READ));
        let piece = store.page(&Query { look_at, look_at_bytes, ..self.query.clone() })?;
        if self.take(piece) {
            self.reply.send(self.page);
            return Ok(None);
        }
        Ok(Some(self))
    }

    /// Adds a piece to the page. True: the page is whole.
    fn take(&mut self, piece: Page) -> bool {
        let Page { jobs, next, looked_at, looked_at_bytes, total } = piece;
        self.page.looked_at += looked_at;
        self.page.looked_at_bytes = self.page.looked_at_bytes.saturating_add(looked_at_bytes);
        (self.page.next, self.page.total) = (next, total);
        self.query.before = next;
        self.query.look_at -= looked_at;
        self.query.look_at_bytes = self.query.look_at_bytes.saturating_sub(looked_at_bytes);
        for job in jobs {
            let bytes = store::weight(&job);
            // A piece has one job at least, however long, a page only if that is its first.
            if bytes > self.query.bytes && !self.page.jobs.is_empty() {
                self.page.next = Some(job.sequence + 1);
                return true;
            }
            self.query.bytes = self.query.bytes.saturating_sub(bytes);
            self.query.limit -= 1;
            self.page.jobs.push(job);
        }
        next.is_none() || self.query.limit == 0 || self.query.look_at == 0 || self.query.look_at_bytes == 0
    }
}

struct Discarding {
    jobs: std::vec::IntoIter<(JobId, u64)>,
    gone: u64,
    reply: Reply<Result<u64, NoRoom>>,
}

impl Discarding {
    fn go_on(mut self, store: &mut dyn Store, supervisor: &Addr<Supervisor>) -> Result<Option<Discarding>, StoreError> {
        let mut jobs: Vec<(JobId, u64)> = self.jobs.by_ref().take(DISCARDED).collect();
        let sequences: Vec<u64> = jobs.iter().map(|(_, sequence)| *sequence).collect();
        let gone = match store.discard(&sequences) {
            Ok(gone) => gone,
            Err(StoreError::Full(_)) => {
                self.reply.send(if self.gone == 0 { Err(NoRoom) } else { Ok(self.gone) });
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        self.gone += gone.len() as u64;
        jobs.retain(|(_, sequence)| gone.contains(sequence));
        if !jobs.is_empty() {
            supervisor.do_send(ArchiveForgot { jobs });
        }
        if !self.jobs.as_slice().is_empty() {
            return Ok(Some(self));
        }
        self.reply.send(Ok(self.gone));
        Ok(None)
    }
}

/// Look up these jobs, live or finished. Answered with what the store has of each, in this order.
#[derive(Message)]
#[rtype(result = "Vec<Option<StoredJob>>")]
pub struct Unearth {
    /// Their sequence numbers.
    pub sequences: Vec<u64>,
}

impl Handler<Unearth> for Keeper {
    type Result = Later<Vec<Option<StoredJob>>>;

    fn handle(&mut self, Unearth { sequences }: Unearth, _: &mut Self::Context) -> Self::Result {
        let (reply, later) = Reply::new();
        let found = Vec::with_capacity(sequences.len());
        let errand = Unearthing { sequences: sequences.into_iter(), found, reply };
        self.errands.waiting.push_back(Errand::Unearth(errand));
        later
    }
}

/// Look through the archive of finished jobs, newest first.
///
/// While it looks, jobs end and records go: the page is right for every job that was there all the time.
#[derive(Message)]
#[rtype(result = "Page")]
pub struct Dig {
    /// For these.
    pub query: Query,
}

impl Handler<Dig> for Keeper {
    type Result = Later<Page>;

    fn handle(&mut self, Dig { query }: Dig, _: &mut Self::Context) -> Self::Result {
        let (reply, later) = Reply::new();
        self.errands.waiting.push_back(Errand::Dig(Digging { query, page: Page::default(), reply }));
        later
    }
}

/// Remove the records of these jobs, where they have ended. Answered when that is on disk, with how many there were.
#[derive(Message)]
#[rtype(result = "Result<u64, NoRoom>")]
pub struct Discard {
    /// Their ids and sequence numbers.
    pub jobs: Vec<(JobId, u64)>,
}

impl Handler<Discard> for Keeper {
    type Result = Later<Result<u64, NoRoom>>;

    fn handle(&mut self, Discard { jobs }: Discard, _: &mut Self::Context) -> Self::Result {
        let (reply, later) = Reply::new();
        self.errands.waiting.push_back(Errand::Discard(Discarding { jobs: jobs.into_iter(), gone: 0, reply }));
        later
    }
}
