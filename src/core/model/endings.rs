//! The naive queue, continued: how attempts and jobs end.

use super::naive::{Job, Model, Outcome, Place};
use crate::core::command::{Answer, Deed, Ending, IdEvent, Notice, Outbox, Receipt, Refusal};
use crate::core::job::AttemptEnd;
use crate::core::retry::backoff_ms;
use crate::core::{Body, JobId, Now, Peer, Request};

impl Model {
    pub(super) fn answer(
        &mut self,
        now: Now,
        peer: Peer,
        request: Request,
        receipt: Receipt,
        answer: &Answer,
        out: &mut Outbox,
    ) {
        let names = |job: &Job| (job.sequence, job.deliveries) == (receipt.sequence, receipt.delivery);
        let found = self.jobs.iter().position(|job| names(job) && matches!(job.place, Place::Running { .. }));
        let speaks_last = !matches!(answer, Answer::Touch { .. });
        if let Some(at) = found {
            self.accept(now, peer, request, at, answer, out);
        } else {
            let refusal = self.why_void(peer, (receipt.sequence, receipt.delivery), speaks_last);
            out.notices.push((peer, Notice::Refused { request, refusal }));
        }
        if speaks_last {
            self.ready(peer);
        }
    }

    pub(super) fn manage(&mut self, now: Now, peer: Peer, request: Request, id: &JobId, deed: Deed, out: &mut Outbox) {
        let found = self.jobs.iter().position(|job| job.id == *id && !job.orphaned);
        // To look is not to change: that needs no disk.
        let stored = found.filter(|_| deed != Deed::Find).and_then(|at| self.stored(&self.jobs[at]));
        let refusal = match found {
            None => Some(Refusal::UnknownJob),
            Some(at) => match deed {
                Deed::Cancel => self.cancel(now, at, out),
                Deed::Retry => self.retry(now, at, out),
                Deed::Delete => self.delete(at, out),
                Deed::Find => None,
                Deed::CancelWaiting => match self.jobs[at].place {
                    Place::Running { .. } => Some(Refusal::NotWaiting),
                    Place::Scheduled(_) | Place::Queued | Place::Finished { .. } => self.cancel(now, at, out),
                },
                Deed::Reprioritize(priority) => match self.jobs[at].place {
                    Place::Finished { .. } => Some(Refusal::AlreadyFinished),
                    Place::Scheduled(_) | Place::Queued | Place::Running { .. } => {
                        self.jobs[at].priority = priority;
                        None
                    }
                },
                Deed::RunNow => match self.jobs[at].place {
                    Place::Scheduled(_) => {
                        self.jobs[at].place = Place::Queued;
                        None
                    }
                    Place::Queued | Place::Running { .. } => Some(Refusal::NotScheduled),
                    Place::Finished { .. } => Some(Refusal::AlreadyFinished),
                },
            },
        };
        match refusal {
            None => out.tell(peer, Notice::Done { request, lease_ms: 0 }, stored),
            Some(refusal) => out.notices.push((peer, Notice::Refused { request, refusal })),
        }
        if deed == Deed::Retry {
            out.ids.push(IdEvent::RetryDecided { id: id.clone() });
        }
    }

    pub(super) fn give_way(&mut self, id: &JobId, out: &mut Outbox) {
        let ended = |job: &Job| matches!(job.place, Place::Finished { .. });
        if let Some(at) = self.jobs.iter().position(|job| job.id == *id && ended(job)) {
            self.forget(at, out);
        }
    }

    /// An attempt ended without the worker's word.
    pub(super) fn give_back(&mut self, now: Now, at: usize, end: AttemptEnd, out: &mut Outbox) {
        if self.jobs[at].attempts_left() {
            self.wait_again(now, at, 0, out);
        } else {
            let error = format!("\"{}\"", end.as_str());
            self.finish(now, at, Outcome::Failed, Some(error.into_bytes().into()), out);
        }
    }

    pub(super) fn finish(&mut self, now: Now, at: usize, outcome: Outcome, detail: Option<Body>, out: &mut Outbox) {
        match outcome {
            Outcome::Completed => self.ended.completed += 1,
            Outcome::Failed => self.ended.failed += 1,
            Outcome::Cancelled => self.ended.cancelled += 1,
            Outcome::Expired => self.ended.expired += 1,
        }
        let job = &mut self.jobs[at];
        if job.orphaned {
            self.jobs.remove(at);
            return;
        }
        if job.notify {
            let ending = match (outcome, detail.clone()) {
                (Outcome::Completed, Some(result)) => Ending::Completed(result),
                (Outcome::Failed, Some(error)) => Ending::Failed(error),
                (Outcome::Cancelled, None) => Ending::Cancelled,
                (Outcome::Expired, None) => Ending::Expired,
                (outcome, detail) => unreachable!("{outcome:?} with {detail:?}"),
            };
            let (master, notice) = (job.master, Notice::Ended { id: job.id.clone(), ending });
            out.tell(master, notice, self.stored(&self.jobs[at]));
        }
        let job = &mut self.jobs[at];
        let keep_ms = if outcome == Outcome::Failed { job.policy.keep_failed_ms } else { job.policy.keep_ms };
        if keep_ms == 0 {
            return self.forget(at, out);
        }
        job.place = Place::Finished { outcome, detail, forget_at: now.at.after_ms(keep_ms) };
        if self.stores && job.policy.durable {
            out.ids.push(self.jobs.remove(at).archived());
        } else {
            let (gives_way, bytes) = (!job.policy.durable, job.detail_bytes());
            out.ids.push(IdEvent::Ended { id: job.id.clone(), sequence: job.sequence, gives_way, bytes });
        }
    }

    /// The job's record goes, and its id is free.
    pub(super) fn forget(&mut self, at: usize, out: &mut Outbox) {
        out.ids.push(self.jobs.remove(at).freed());
    }

    /// The job goes with its master.
    pub(super) fn discard(&mut self, at: usize, out: &mut Outbox) {
        self.ended.dropped += 1;
        let job = self.jobs.remove(at);
        if !job.orphaned {
            out.ids.push(job.freed());
        }
    }

    fn accept(&mut self, now: Now, peer: Peer, request: Request, at: usize, answer: &Answer, out: &mut Outbox) {
        let job = &mut self.jobs[at];
        let Place::Running { lease_ms, ends, .. } = &mut job.place else { unreachable!("the job runs") };
        let mut granted_ms = 0;
        if let Answer::Touch { lease_ms: wish_ms, .. } = answer {
            *lease_ms = wish_ms.unwrap_or(*lease_ms);
            *ends = now.at.after_ms(*lease_ms);
            granted_ms = *lease_ms;
        }
        let done = Notice::Done { request, lease_ms: granted_ms };
        match answer {
            Answer::Touch { .. } => out.notices.push((peer, done)),
            Answer::Complete(_) | Answer::Release { .. } | Answer::Fail { .. } => {
                out.tell(peer, done, self.stored(&self.jobs[at]))
            }
        }
        let job = &mut self.jobs[at];
        match answer {
            Answer::Touch { .. } => {}
            Answer::Complete(result) => self.finish(now, at, Outcome::Completed, Some(result.clone()), out),
            Answer::Release { delay_ms } => {
                job.attempt -= 1;
                self.wait_again(now, at, *delay_ms, out);
            }
            Answer::Fail { error, retry, delay_ms } => {
                if *retry && job.attempts_left() {
                    let wait_ms = delay_ms.unwrap_or_else(|| backoff_ms(&job.policy, job.attempt, job.sequence));
                    self.wait_again(now, at, wait_ms, out);
                } else {
                    self.finish(now, at, Outcome::Failed, Some(error.clone()), out);
                }
            }
        }
    }

    /// Back among the waiting, unless nobody waits for it.
    fn wait_again(&mut self, now: Now, at: usize, delay_ms: u64, out: &mut Outbox) {
        if self.jobs[at].orphaned {
            self.discard(at, out);
        } else {
            self.wait(now, at, delay_ms, out);
        }
    }

    fn why_void(&mut self, peer: Peer, attempt: (u64, u32), speaks_last: bool) -> Refusal {
        let Some(worker) = self.worker(peer).filter(|worker| worker.cancelled.contains(&attempt)) else {
            return Refusal::StaleReceipt;
        };
        if speaks_last {
            worker.cancelled.retain(|other| *other != attempt);
        }
        Refusal::Cancelled
    }

    fn cancel(&mut self, now: Now, at: usize, out: &mut Outbox) -> Option<Refusal> {
        let job = &self.jobs[at];
        let (sequence, delivery) = (job.sequence, job.deliveries);
        match job.place {
            Place::Scheduled(_) | Place::Queued => {}
            Place::Running { worker, .. } => {
                self.worker(worker).expect("who holds a job is known").cancelled.push((sequence, delivery));
                let receipt = Receipt { queue: self.number, key: 0, sequence, delivery };
                out.notices.push((worker, Notice::Withdrawn { receipt }));
            }
            Place::Finished { .. } => return Some(Refusal::AlreadyFinished),
        }
        self.finish(now, at, Outcome::Cancelled, None, out);
        None
    }

    fn retry(&mut self, now: Now, at: usize, out: &mut Outbox) -> Option<Refusal> {
        let job = &mut self.jobs[at];
        let Place::Finished { outcome, .. } = job.place else { return Some(Refusal::NotFinished) };
        match outcome {
            Outcome::Completed => return Some(Refusal::AlreadyCompleted),
            Outcome::Expired => return Some(Refusal::AlreadyFinished),
            Outcome::Failed => self.ended.failed -= 1,
            Outcome::Cancelled => self.ended.cancelled -= 1,
        }
        job.attempt = 0;
        job.born = now.at;
        out.ids.push(IdEvent::Revived { id: job.id.clone(), sequence: job.sequence, bytes: job.detail_bytes() });
        self.wait(now, at, 0, out);
        None
    }

    fn delete(&mut self, at: usize, out: &mut Outbox) -> Option<Refusal> {
        if !matches!(self.jobs[at].place, Place::Finished { .. }) {
            return Some(Refusal::NotFinished);
        }
        self.forget(at, out);
        None
    }
}

impl Job {
    /// Its id is free, and so are its bytes.
    pub(super) fn freed(&self) -> IdEvent {
        let bytes = crate::core::command::weight(&self.id, self.body.len()) + self.detail_bytes();
        IdEvent::Freed { id: self.id.clone(), sequence: self.sequence, bytes }
    }

    /// Memory has let go of it, its id has not.
    fn archived(&self) -> IdEvent {
        let bytes = crate::core::command::weight(&self.id, self.body.len());
        IdEvent::Archived { id: self.id.clone(), sequence: self.sequence, bytes }
    }

    fn detail_bytes(&self) -> usize {
        match &self.place {
            Place::Finished { detail, .. } => detail.as_ref().map_or(0, |detail| detail.len()),
            Place::Scheduled(_) | Place::Queued | Place::Running { .. } => 0,
        }
    }

    fn attempts_left(&self) -> bool {
        self.attempt < self.policy.max_attempts
    }
}
