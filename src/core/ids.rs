//! Which ids are taken, over all queues: one live job an id (`spec/jobs.md`).

use std::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smol_str::SmolStr;

use super::job::{JobId, QueueNo};

/// The top bit of [`Taken::mark`]: the job has ended and its record gives way to a new submit.
const GIVES_WAY: u32 = 1 << 31;

/// The one below: the job has ended, and its queue keeps the record.
const ENDED: u32 = 1 << 30;

/// The others are of the sequence number.
const SEQUENCE: u32 = ENDED - 1;

/// The queue of jobs that live in the store's archive.
pub const ARCHIVE: QueueNo = QueueNo::MAX;

/// 32 bytes: there is one for every job.
#[derive(Debug)]
struct Taken {
    token: SmolStr,
    queue: QueueNo,
    /// The low bits of the job's sequence number, so that a late word about it can't free a successor's id.
    mark: u32,
}

/// The index of ids.
#[derive(Default, Debug)]
pub struct Ids {
    table: HashTable<Taken>,
    /// How many of them are of jobs that have ended: the archive's, and those whose queue keeps their record.
    ended: usize,
}

impl Taken {
    fn is_of(&self, id: &JobId, sequence: u64) -> bool {
        id.is(&self.token) && self.mark & SEQUENCE == low(sequence)
    }

    fn has_ended(&self) -> bool {
        self.queue == ARCHIVE || self.mark & ENDED != 0
    }
}

/// What [`Ids::take`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Took {
    /// The id was free.
    Free,
    /// The record of a finished job in this queue gave way.
    GaveWay(QueueNo),
    /// The id belongs to another job.
    Exists,
}

impl Ids {
    /// Takes an id for a job.
    pub fn take(&mut self, id: &JobId, queue: QueueNo, sequence: u64) -> Took {
        let entry =
            self.table.entry(id.hash_value(), |taken| id.is(&taken.token), |taken| JobId::hash_of(&taken.token));
        match entry {
            Entry::Vacant(place) => {
                self.ended += usize::from(queue == ARCHIVE);
                place.insert(Taken { token: id.clone().into_token(), queue, mark: low(sequence) });
                Took::Free
            }
            Entry::Occupied(mut place) => {
                let taken = place.get_mut();
                if taken.mark & GIVES_WAY == 0 {
                    return Took::Exists;
                }
                let old =
                    std::mem::replace(taken, Taken { token: id.clone().into_token(), queue, mark: low(sequence) });
                self.ended -= usize::from(old.has_ended());
                self.ended += usize::from(queue == ARCHIVE);
                Took::GaveWay(old.queue)
            }
        }
    }

    /// These ids are about to be taken or freed: where the table is large it is looked at beforehand (see `queue::foresight`).
    pub fn look_for<'a>(&self, ids: impl Iterator<Item = &'a JobId>) {
        if are_far(self.table.len()) {
            for id in ids {
                black_box(self.table.find(id.hash_value(), |_| true).map(|taken| taken.mark));
            }
        }
    }

    /// Frees the id of this very job.
    pub fn free(&mut self, id: &JobId, sequence: u64) {
        if let Ok(place) = self.table.find_entry(id.hash_value(), |taken| taken.is_of(id, sequence)) {
            let (freed, _) = place.remove();
            self.ended -= usize::from(freed.has_ended());
        }
    }

    /// This very job has ended and its queue keeps the record, which may give way to a new submit.
    pub fn end(&mut self, id: &JobId, sequence: u64, gives_way: bool) {
        self.change(id, sequence, |taken| taken.mark |= ENDED | if gives_way { GIVES_WAY } else { 0 });
    }

    /// This very job, which had ended, is live again.
    pub fn revive(&mut self, id: &JobId, sequence: u64) {
        self.change(id, sequence, |taken| taken.mark &= SEQUENCE);
    }

    /// This very job has ended and lives in the archive: no queue knows it any more, its id stays taken.
    pub fn archive(&mut self, id: &JobId, sequence: u64) {
        self.move_to(id, sequence, ARCHIVE);
    }

    /// This very job lives in this queue from now on.
    pub fn move_to(&mut self, id: &JobId, sequence: u64, queue: QueueNo) {
        self.change(id, sequence, |taken| taken.queue = queue);
    }

    fn change(&mut self, id: &JobId, sequence: u64, change: impl FnOnce(&mut Taken)) {
        if let Some(taken) = self.table.find_mut(id.hash_value(), |taken| taken.is_of(id, sequence)) {
            let had_ended = taken.has_ended();
            change(taken);
            self.ended += usize::from(taken.has_ended());
            self.ended -= usize::from(had_ended);
        }
    }

    /// Whether this very job lives in this queue.
    pub fn is_at(&self, id: &JobId, sequence: u64, queue: QueueNo) -> bool {
        let found = self.table.find(id.hash_value(), |taken| taken.is_of(id, sequence));
        found.is_some_and(|taken| taken.queue == queue)
    }

    /// The sequence numbers below `next` that the job with this id may have, the likeliest first: its low bits are known.
    pub fn sequences_of(&self, id: &JobId, next: u64) -> Vec<u64> {
        let Some(taken) = self.table.find(id.hash_value(), |taken| id.is(&taken.token)) else { return Vec::new() };
        let span = u64::from(SEQUENCE) + 1;
        let first = u64::from(taken.mark & SEQUENCE);
        (0..=next / span).rev().map(|high| high * span + first).filter(|sequence| *sequence < next).collect()
    }

    /// The queue of the job with this id.
    pub fn queue_of(&self, id: &JobId) -> Option<QueueNo> {
        self.table.find(id.hash_value(), |taken| id.is(&taken.token)).map(|taken| taken.queue)
    }

    /// Whether no new job can have this id.
    pub fn is_taken(&self, id: &JobId) -> bool {
        let found = self.table.find(id.hash_value(), |taken| id.is(&taken.token));
        found.is_some_and(|taken| taken.mark & GIVES_WAY == 0)
    }

    /// Frees every id of a queue that died: a walk over all ids.
    pub fn free_queue(&mut self, queue: QueueNo) {
        let ended = &mut self.ended;
        self.table.retain(|taken| {
            let stays = taken.queue != queue;
            *ended -= usize::from(!stays && taken.has_ended());
            stays
        });
    }

    /// How many ids are taken.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many are taken by live jobs.
    pub fn live(&self) -> usize {
        self.table.len() - self.ended
    }

    /// Whether no id is taken.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

/// Whether a table of so many entries is too large to stay near the processor.
pub(super) fn are_far(entries: usize) -> bool {
    entries > 16 * 1_024
}

fn low(sequence: u64) -> u32 {
    sequence as u32 & SEQUENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> JobId {
        JobId::from_text(text).unwrap()
    }

    #[test]
    fn an_id_lives_once() {
        let mut ids = Ids::default();
        assert_eq!(ids.take(&id("a"), 1, 10), Took::Free);
        assert_eq!(ids.take(&id("a"), 2, 11), Took::Exists);
        assert_eq!(ids.queue_of(&id("a")), Some(1));
        ids.free(&id("a"), 10);
        assert_eq!(ids.take(&id("a"), 2, 12), Took::Free);
    }

    #[test]
    fn what_has_ended_is_counted_apart() {
        let mut ids = Ids::default();
        ids.take(&id("a"), 1, 10);
        ids.take(&id("b"), ARCHIVE, 11);
        assert_eq!((ids.len(), ids.live()), (2, 1));
        ids.archive(&id("a"), 10);
        ids.archive(&id("a"), 10);
        assert_eq!(ids.live(), 0);
        ids.move_to(&id("b"), 11, 1);
        assert_eq!(ids.live(), 1);
        ids.free(&id("a"), 10);
        ids.free(&id("b"), 11);
        assert_eq!((ids.len(), ids.live()), (0, 0));
        for (sequence, text) in (20..).zip(["c", "d", "e", "f"]) {
            ids.take(&id(text), 1, sequence);
            ids.end(&id(text), sequence, sequence > 20);
        }
        assert_eq!((ids.len(), ids.live()), (4, 0));
        ids.revive(&id("c"), 20);
        assert_eq!(ids.take(&id("d"), 1, 30), Took::GaveWay(1));
        ids.free(&id("e"), 22);
        assert_eq!((ids.len(), ids.live()), (3, 2));
        ids.free_queue(1);
        assert_eq!((ids.len(), ids.live()), (0, 0));
    }

    #[test]
    fn a_late_word_frees_no_successor() {
        let mut ids = Ids::default();
        ids.take(&id("a"), 1, 10);
        ids.end(&id("a"), 10, true);
        assert_eq!(ids.take(&id("a"), 2, 11), Took::GaveWay(1));
        ids.free(&id("a"), 10);
        assert_eq!(ids.take(&id("a"), 3, 12), Took::Exists);
        ids.free_queue(2);
        assert!(ids.is_empty());
    }
}
