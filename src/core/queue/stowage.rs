//! Bodies that only the store holds: the bodies of a long line of durable jobs leave memory, and come back in the order in
//! which they will be needed.

use super::super::command::{IdEvent, Outbox};
use super::super::job::{Body, Job, State};
use super::super::waiting::Slot;
use super::{Queue, is_queued, job_of};

/// A queue keeps so many bytes of durable waiting bodies; what comes then stays in the store.
const KEPT_BYTES: usize = 8 * 1024 * 1024;

/// A fetch asks for at most so many bodies …
const FETCH_JOBS: usize = 256;

/// … and bytes (but at least for one body).
const FETCH_BYTES: usize = 4 * 1024 * 1024;

/// What a queue knows of bodies in memory.
#[derive(Default, Debug)]
pub(super) struct Stowage {
    /// Bytes of durable bodies in memory.
    loaded: usize,
    /// The jobs whose bodies are being fetched.
    fetching: Vec<Slot>,
}

impl Queue {
    /// A durable job has come: its body stays in memory if there is room.
    pub(super) fn stow(&mut self, key: u32, out: &mut Outbox) {
        if self.stored(key).is_none() {
            return;
        }
        let job = &mut self.jobs[key as usize];
        let waits = matches!(job.state, State::Queued(_) | State::Scheduled(_));
        if waits && self.stowage.loaded + job.body_bytes as usize > KEPT_BYTES && job.body.take().is_some() {
            job.stowed = true;
            out.ids.push(IdEvent::Stowed { bytes: job.body_bytes as usize });
        } else if job.body.is_some() {
            self.stowage.loaded += job.body_bytes as usize;
        }
    }

    /// Which bodies have to be fetched from the store before anything more can be handed out, by sequence number. Asked once
    /// for each fetch; [`Queue::fetched`] ends it.
    pub fn bodies_to_fetch(&mut self) -> Vec<u64> {
        let idle = !self.hands_out() || self.census.queued == 0 || !self.workers.is_anyone_idle();
        if idle || !self.stowage.fetching.is_empty() || self.is_first_body_here() {
            return Vec::new();
        }
        let mut bytes = 0;
        let jobs = &self.jobs;
        let line = self
            .waiting
            .iter()
            .filter(|(priority, slot)| is_queued(jobs, *priority, *slot))
            .map(|(_, slot)| slot)
            .take(FETCH_JOBS);
        let wanted = line.take_while(|slot| {
            let job = &jobs[slot.key as usize];
            let fits = bytes == 0 || bytes + job.body_bytes as usize <= FETCH_BYTES;
            bytes += job.body_bytes as usize;
            job.body.is_none() && fits
        });
        self.stowage.fetching = wanted.collect();
        self.stowage.fetching.iter().map(|slot| slot.sequence).collect()
    }

    /// The bodies of the last fetch, in its order. Jobs that ended meanwhile don't need theirs.
    pub fn fetched(&mut self, bodies: Vec<Body>) {
        for (slot, body) in std::mem::take(&mut self.stowage.fetching).into_iter().zip(bodies) {
            let waits = |job: &Job| matches!(job.state, State::Queued(_)) && job.body.is_none();
            if job_of(&self.jobs, slot.key, slot.sequence).is_some_and(waits) {
                let job = &mut self.jobs[slot.key as usize];
                self.stowage.loaded += body.len();
                job.body = Some(body);
            }
        }
    }

    /// Whether the job that goes next has its body in memory.
    pub(super) fn is_first_body_here(&mut self) -> bool {
        if !self.stores {
            return true;
        }
        let jobs = &self.jobs;
        let first = self.waiting.first(|priority, slot| is_queued(jobs, priority, slot));
        first.is_none_or(|slot| self.jobs[slot.key as usize].body.is_some())
    }

    /// A job goes, and with it what memory held.
    pub(super) fn unload(&mut self, job: &Job) {
        if self.stores && job.policy.durable && job.body.is_some() {
            self.stowage.loaded -= job.body_bytes as usize;
        }
    }
}
