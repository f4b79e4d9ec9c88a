//! Which ids are taken, over all queues: one live job an id (`spec/jobs.md`).

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use smol_str::SmolStr;

use super::job::{JobId, QueueNo};

/// The top bit of [`Taken::mark`]: the job has ended and its record gives way to a new submit.
const GIVES_WAY: u32 = 1 << 31;

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
    /// How many of them are the archive's.
    archived: usize,
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
                self.archived += usize::from(queue == ARCHIVE);
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
                Took::GaveWay(old.queue)
            }
        }
    }

    /// Frees the id of this very job.
    pub fn free(&mut self, id: &JobId, sequence: u64) {
        let same = |taken: &Taken| id.is(&taken.token) && taken.mark & !GIVES_WAY == low(sequence);
        if let Ok(place) = self.table.find_entry(id.hash_value(), same) {
            let (freed, _) = place.remove();
            self.archived -= usize::from(freed.queue == ARCHIVE);
        }
    }

    /// Says whether this very job's record gives way to a new submit.
    pub fn set_gives_way(&mut self, id: &JobId, sequence: u64, gives_way: bool) {
        let same = |taken: &Taken| id.is(&taken.token) && taken.mark & !GIVES_WAY == low(sequence);
        if let Some(taken) = self.table.find_mut(id.hash_value(), same) {
            taken.mark = low(sequence) | if gives_way { GIVES_WAY } else { 0 };
        }
    }

    /// This very job has ended and lives in the archive: no queue knows it any more, its id stays taken.
    pub fn archive(&mut self, id: &JobId, sequence: u64) {
        self.move_to(id, sequence, ARCHIVE);
    }

    /// This very job lives in this queue from now on.
    pub fn move_to(&mut self, id: &JobId, sequence: u64, queue: QueueNo) {
        let same = |taken: &Taken| id.is(&taken.token) && taken.mark & !GIVES_WAY == low(sequence);
        if let Some(taken) = self.table.find_mut(id.hash_value(), same) {
            let before = std::mem::replace(&mut taken.queue, queue);
            self.archived += usize::from(queue == ARCHIVE);
            self.archived -= usize::from(before == ARCHIVE);
        }
    }

    /// Whether this very job lives in this queue.
    pub fn is_at(&self, id: &JobId, sequence: u64, queue: QueueNo) -> bool {
        let same = |taken: &Taken| id.is(&taken.token) && taken.mark & !GIVES_WAY == low(sequence);
        self.table.find(id.hash_value(), same).is_some_and(|taken| taken.queue == queue)
    }

    /// The sequence numbers below `next` that the job with this id may have, the likeliest first: its low bits are known.
    pub fn sequences_of(&self, id: &JobId, next: u64) -> Vec<u64> {
        let Some(taken) = self.table.find(id.hash_value(), |taken| id.is(&taken.token)) else { return Vec::new() };
        let span = u64::from(GIVES_WAY);
        let first = u64::from(taken.mark & !GIVES_WAY);
        (0..=next / span).rev().map(|high| high * span + first).filter(|sequence| *sequence < next).collect()
    }

    /// The queue of the job with this id.
    pub fn queue_of(&self, id: &JobId) -> Option<QueueNo> {
        self.table.find(id.hash_value(), |taken| id.is(&taken.token)).map(|taken| taken.queue)
    }

    /// Frees every id of a queue that died: a walk over all ids.
    pub fn free_queue(&mut self, queue: QueueNo) {
        self.table.retain(|taken| taken.queue != queue);
    }

    /// How many ids are taken.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// How many are taken by jobs that are not in the archive.
    pub fn in_queues(&self) -> usize {
        self.table.len() - self.archived
    }

    /// Whether no id is taken.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

fn low(sequence: u64) -> u32 {
    sequence as u32 & !GIVES_WAY
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
    fn what_is_in_the_archive_is_counted_apart() {
        let mut ids = Ids::default();
        ids.take(&id("a"), 1, 10);
        ids.take(&id("b"), ARCHIVE, 11);
        assert_eq!((ids.len(), ids.in_queues()), (2, 1));
        ids.archive(&id("a"), 10);
        ids.archive(&id("a"), 10);
        assert_eq!(ids.in_queues(), 0);
        ids.move_to(&id("b"), 11, 1);
        assert_eq!(ids.in_queues(), 1);
        ids.free(&id("a"), 10);
        ids.free(&id("b"), 11);
        assert_eq!((ids.len(), ids.in_queues()), (0, 0));
    }

    #[test]
    fn a_late_word_frees_no_successor() {
        let mut ids = Ids::default();
        ids.take(&id("a"), 1, 10);
        ids.set_gives_way(&id("a"), 10, true);
        assert_eq!(ids.take(&id("a"), 2, 11), Took::GaveWay(1));
        ids.free(&id("a"), 10);
        assert_eq!(ids.take(&id("a"), 3, 12), Took::Exists);
        ids.free_queue(2);
        assert!(ids.is_empty());
    }
}
