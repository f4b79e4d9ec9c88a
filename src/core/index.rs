//! What is taken, over all queues: ids, and the bytes that jobs hold.
//!
//! The router takes; each queue gives back what its own jobs no longer need, at the end of its turn and before it says a word to
//! peers: a master that hears of its job's end may use the id at once.

use std::collections::{HashMap, hash_map};

use super::command::IdEvent;
use super::ids::{Ids, Took};
use super::job::{JobId, QueueNo};

/// Which ids are taken, and what each queue holds.
#[derive(Default, Debug)]
pub struct Index {
    /// The ids.
    pub ids: Ids,
    /// Retries on their way: until a queue has decided, the record doesn't give way.
    retries: HashMap<(QueueNo, JobId), usize>,
    /// By the queue's number.
    loads: Vec<Load>,
    /// Bytes of all queues.
    bytes: usize,
}

/// What a queue holds.
#[derive(Default, Debug)]
struct Load {
    bytes: usize,
    /// No job in it has a larger sequence number.
    newest: u64,
    has_died: bool,
}

impl Index {
    /// A queue with the next number.
    pub fn open(&mut self) {
        self.loads.push(Load::default());
    }

    /// Takes an id for a job that comes to a queue with its bytes.
    pub fn take(&mut self, id: &JobId, queue: QueueNo, sequence: u64, bytes: usize) -> Took {
        let took = self.ids.take(id, queue, sequence);
        if took != Took::Exists {
            self.load_up(queue, bytes, sequence);
        }
        took
    }

    /// A job that the store gave back comes to a queue with its bytes. It holds them also where its id is another's.
    pub fn adopt(&mut self, id: &JobId, queue: QueueNo, sequence: u64, bytes: usize) {
        self.ids.take(id, queue, sequence);
        self.load_up(queue, bytes, sequence);
    }

    /// A job of the archive comes back to a queue, with its bytes.
    pub fn bring_back(&mut self, id: &JobId, queue: QueueNo, sequence: u64, bytes: usize) {
        self.ids.move_to(id, sequence, queue);
        self.load_up(queue, bytes, sequence);
    }

    fn load_up(&mut self, queue: QueueNo, bytes: usize, sequence: u64) {
        let load = &mut self.loads[queue as usize];
        load.bytes += bytes;
        load.newest = load.newest.max(sequence);
        self.bytes += bytes;
    }

    fn lighten(&mut self, queue: QueueNo, bytes: usize) {
        let load = &mut self.loads[queue as usize];
        if !load.has_died {
            load.bytes -= bytes;
            self.bytes -= bytes;
        }
    }

    /// What a queue says of its jobs' ids.
    pub fn hear(&mut self, queue: QueueNo, event: IdEvent) {
        match event {
            IdEvent::Freed { id, sequence, bytes } => {
                self.ids.free(&id, sequence);
                self.lighten(queue, bytes);
            }
            IdEvent::Stowed { bytes } => self.lighten(queue, bytes),
            IdEvent::Archived { id, sequence, bytes } => {
                self.ids.archive(&id, sequence);
                self.lighten(queue, bytes);
            }
            IdEvent::RetryDecided { id } => {
                if let hash_map::Entry::Occupied(mut count) = self.retries.entry((queue, id)) {
                    *count.get_mut() -= 1;
                    if *count.get() == 0 {
                        count.remove();
                    }
                }
            }
            IdEvent::Ended { id, sequence, gives_way, bytes } => {
                self.ids.end(&id, sequence, gives_way);
                self.load_up(queue, bytes, sequence);
            }
            IdEvent::Revived { id, sequence, bytes } => {
                self.ids.revive(&id, sequence);
                self.lighten(queue, bytes);
            }
        }
    }

    /// A retry is on its way to a queue.
    pub fn begin_retry(&mut self, queue: QueueNo, id: &JobId) {
        *self.retries.entry((queue, id.clone())).or_default() += 1;
    }

    /// Whether a retry of the job with this id is on its way.
    pub fn is_being_retried(&self, id: &JobId) -> bool {
        let holder = || self.ids.queue_of(id);
        !self.retries.is_empty() && holder().is_some_and(|queue| self.retries.contains_key(&(queue, id.clone())))
    }

    /// A queue has died with all its jobs.
    pub fn queue_died(&mut self, queue: QueueNo) {
        let load = &mut self.loads[queue as usize];
        self.bytes -= std::mem::take(&mut load.bytes);
        load.has_died = true;
        self.ids.free_queue(queue);
        self.retries.retain(|(other, _), _| *other != queue);
    }

    /// Whether there is such a queue.
    pub fn is_alive(&self, queue: QueueNo) -> bool {
        self.loads.get(queue as usize).is_some_and(|load| !load.has_died)
    }

    /// The bytes of all jobs.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The queues that have jobs in memory, the one with the newest job first: what no job of it is newer than, and its number.
    pub fn by_newest(&self) -> Vec<(u64, QueueNo)> {
        let numbered = self.loads.iter().zip(0..);
        let mut queues: Vec<(u64, QueueNo)> =
            numbered.filter(|(load, _)| load.bytes > 0).map(|(load, queue)| (load.newest, queue)).collect();
        queues.sort_unstable_by(|one, other| other.cmp(one));
        queues
    }
}
