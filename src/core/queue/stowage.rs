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

    /// The bodies of the last fetch, in its order. Jobs that ended meanwhile don't need theirs, and the store may have none.
    ///
    /// # Errors
    /// The sequence number of a job that waits, but that the store doesn't have: it has lost what it was given.
    pub fn fetched(&mut self, bodies: Vec<Option<Body>>) -> Result<(), u64> {
        for (slot, body) in std::mem::take(&mut self.stowage.fetching).into_iter().zip(bodies) {
            let waits = |job: &Job| matches!(job.state, State::Queued(_)) && job.body.is_none();
            if job_of(&self.jobs, slot.key, slot.sequence).is_some_and(waits) {
                let body = body.ok_or(slot.sequence)?;
                self.stowage.loaded += body.len();
                self.jobs[slot.key as usize].body = Some(body);
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::command::{Command, Deed, Introduction};
    use crate::core::record::{Progress, StoredJob, StoredState};
    use crate::core::{Demand, JobId, Now, Peer, Policy, TypeName};

    /// A queue whose only job is being fetched for a worker, and who that is.
    fn fetching() -> (Queue, Introduction) {
        let (now, mut out) = (Now::default(), Outbox::default());
        let mut queue = Queue::new(0, TypeName::unnamed(), true);
        let progress =
            Progress { state: StoredState::Queued, attempt: 0, deliveries: 0, priority: None, history: Vec::new() };
        let job = StoredJob {
            sequence: 1,
            id: JobId::from_text("a").expect("a good id"),
            kind: TypeName::unnamed(),
            priority: 0,
            body: Body::default(),
            policy: Arc::new(Policy::durable()),
            created_ms: 0,
            born_ms: 0,
            master: "m".into(),
            progress,
        };
        queue.restore(now, job, 4, &mut out);
        let demand = Arc::new(Demand::new(1));
        let who = Introduction { name: "w".into(), demand, lease_ms: 1_000, outlives: false };
        queue.apply(now, Peer(1), &who, Command::Join { request: 0, types: Vec::new() }, &mut out);
        queue.settle(now, &mut out);
        assert_eq!(queue.bodies_to_fetch(), [1]);
        (queue, who)
    }

    #[test]
    fn a_job_that_ended_meanwhile_needs_no_body() {
        let (mut queue, who) = fetching();
        let id = JobId::from_text("a").expect("a good id");
        let cancel = Command::Manage { request: 1, id, deed: Deed::Cancel };
        queue.apply(Now::default(), Peer(1), &who, cancel, &mut Outbox::default());
        assert_eq!(queue.fetched(vec![None]), Ok(()));
    }

    #[test]
    fn a_job_that_waits_can_not_have_lost_its_body() {
        assert_eq!(fetching().0.fetched(vec![None]), Err(1));
        assert_eq!(fetching().0.fetched(vec![Some(b"true"[..].into())]), Ok(()));
    }
}
