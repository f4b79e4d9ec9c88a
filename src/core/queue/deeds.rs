//! What is done to jobs from outside: cancel, retry, delete, and what follows when a peer leaves.

use super::super::command::{Deed, IdEvent, Notice, Outbox, Receipt, Refusal};
use super::super::deadlines::Now;
use super::super::job::{AttemptEnd, JobId, OnMasterGone, Outcome, Peer, Request, State};
use super::super::waiting::Slot;
use super::Queue;
use super::said::Word;

impl Queue {
    pub(super) fn manage(&mut self, now: Now, peer: Peer, request: Request, id: &JobId, deed: Deed, out: &mut Outbox) {
        let found = self.find(id);
        // To look is not to change: that needs no disk.
        let stored = found.filter(|_| deed != Deed::Find).and_then(|key| self.stored(key));
        let done = match found {
            None => Err(Refusal::UnknownJob),
            Some(key) => match deed {
                Deed::Cancel => self.cancel(now, key, out),
                Deed::CancelWaiting => self.cancel_waiting(now, key, out),
                Deed::Retry => self.retry(now, key, out),
                Deed::Delete => self.delete(key, out),
                Deed::Find => Ok(()),
                Deed::Reprioritize(priority) => self.reprioritize(now, key, priority, out),
                Deed::RunNow => self.run_now(now, key, out),
            },
        };
        if deed == Deed::Retry {
            out.ids.push(IdEvent::RetryDecided { id: id.clone() });
        }
        match done {
            Ok(()) => out.tell(peer, Notice::Done { request, lease_ms: 0 }, stored),
            Err(refusal) => out.refuse(peer, request, refusal),
        }
    }

    /// A peer has left: what it held goes back, its jobs follow their policy.
    pub fn peer_gone(&mut self, now: Now, peer: Peer, out: &mut Outbox) {
        if let Some(worker) = self.workers.remove(peer) {
            self.note_leaving(now);
            if !worker.outlives {
                for run in worker.runs {
                    self.give_back(now, run, AttemptEnd::WorkerGone, out);
                }
            }
        }
        for key in self.masters.jobs_of(&self.jobs, peer) {
            match self.jobs[key as usize].state {
                State::Scheduled(_) | State::Queued(_) => {
                    self.leave_waiting(key);
                    self.discard(key, out);
                }
                State::Running(_) => self.orphan(key, out),
                State::Finished(_) => unreachable!("a finished job is in no chain"),
            }
        }
    }

    /// SCHEDULED, QUEUED or RUNNING → CANCELLED; the worker is told.
    fn cancel(&mut self, now: Now, key: u32, out: &mut Outbox) -> Result<(), Refusal> {
        let job = &self.jobs[key as usize];
        match job.state {
            State::Scheduled(_) | State::Queued(_) => self.leave_waiting(key),
            State::Running(run) => {
                let receipt = Receipt { queue: self.number, key, sequence: job.sequence, delivery: job.deliveries };
                self.void(run, receipt);
                let run = self.end_run(now, run, AttemptEnd::Cancelled);
                self.remember(now, &run, AttemptEnd::Cancelled, None);
                out.notices.push((run.worker, Notice::Withdrawn { receipt }));
            }
            State::Finished(_) => return Err(Refusal::AlreadyFinished),
        }
        self.finish(now, key, Outcome::Cancelled, None, out);
        Ok(())
    }

    /// Its worker will be told when it next speaks of this attempt.
    pub(super) fn void(&mut self, run: u32, receipt: Receipt) {
        let run = &self.runs[run as usize];
        if run.outlives {
            self.said.note(receipt.sequence, receipt.delivery, Word::Cancelled);
        } else if let Some(worker) = self.workers.of(run.worker) {
            worker.cancelled.push((receipt.sequence, receipt.delivery));
        }
    }

    fn cancel_waiting(&mut self, now: Now, key: u32, out: &mut Outbox) -> Result<(), Refusal> {
        match self.jobs[key as usize].state {
            State::Scheduled(_) | State::Queued(_) => self.cancel(now, key, out),
            State::Running(_) => Err(Refusal::NotWaiting),
            State::Finished(_) => Err(Refusal::AlreadyFinished),
        }
    }

    /// To another place in the line; a running job takes it when it comes back.
    fn reprioritize(&mut self, now: Now, key: u32, priority: i64, out: &mut Outbox) -> Result<(), Refusal> {
        let job = &mut self.jobs[key as usize];
        let is_queued = match job.state {
            State::Finished(_) => return Err(Refusal::AlreadyFinished),
            State::Queued(_) => true,
            State::Scheduled(_) | State::Running(_) => false,
        };
        let is_new = job.priority != priority;
        (job.priority, job.reprioritized) = (priority, true);
        if is_queued && is_new {
            self.waiting.put(priority, Slot { sequence: job.sequence, key });
        }
        self.record_change(now, key, out);
        Ok(())
    }

    /// SCHEDULED → QUEUED.
    fn run_now(&mut self, now: Now, key: u32, out: &mut Outbox) -> Result<(), Refusal> {
        match self.jobs[key as usize].state {
            State::Scheduled(_) => {
                self.census.scheduled -= 1;
                self.enqueue(key, now.at);
                self.record_change(now, key, out);
                Ok(())
            }
            State::Queued(_) | State::Running(_) => Err(Refusal::NotScheduled),
            State::Finished(_) => Err(Refusal::AlreadyFinished),
        }
    }

    /// FAILED or CANCELLED → QUEUED, with fresh attempts and at its old place.
    fn retry(&mut self, now: Now, key: u32, out: &mut Outbox) -> Result<(), Refusal> {
        let State::Finished(finished) = &self.jobs[key as usize].state else { return Err(Refusal::NotFinished) };
        match finished.outcome {
            Outcome::Failed => self.census.failed -= 1,
            Outcome::Cancelled => self.census.cancelled -= 1,
            Outcome::Completed => return Err(Refusal::AlreadyCompleted),
            Outcome::Expired => return Err(Refusal::AlreadyFinished),
        }
        self.meter.begins_again(finished.outcome);
        self.stop_keeping(key);
        let job = &mut self.jobs[key as usize];
        job.attempt = 0;
        job.born = now.at;
        out.ids.push(IdEvent::Revived { id: job.id.clone(), sequence: job.sequence, bytes: job.detail_bytes() });
        if job.policy.on_master_gone == OnMasterGone::Drop {
            self.masters.link(&mut self.jobs, key);
        }
        self.wait(now, key, 0, out);
        self.record_change(now, key, out);
        Ok(())
    }

    fn delete(&mut self, key: u32, out: &mut Outbox) -> Result<(), Refusal> {
        if !matches!(self.jobs[key as usize].state, State::Finished(_)) {
            return Err(Refusal::NotFinished);
        }
        self.forget(key, out);
        Ok(())
    }
}
