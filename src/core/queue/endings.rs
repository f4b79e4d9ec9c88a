//! Into a terminal state, and out of the books.

use super::super::command::{Ending, IdEvent, Notice, Outbox, weight};
use super::super::deadlines::Now;
use super::super::job::{Body, Finished, Job, JobId, Outcome, State};
use super::{MAX_KEPT_FAILURES, Queue};

impl Queue {
    /// Into a terminal state: its master is told, its record stays as long as its policy says.
    pub(super) fn finish(&mut self, now: Now, key: u32, outcome: Outcome, detail: Option<Body>, out: &mut Outbox) {
        *self.census.of(outcome) += 1;
        self.show(now, key, outcome, detail.as_ref(), out);
        self.masters.unlink(&mut self.jobs, key);
        let job = &self.jobs[key as usize];
        if job.orphaned {
            self.record_removal(key, out);
            self.remove(key);
            return;
        }
        let keep_ms = if outcome == Outcome::Failed { job.policy.keep_failed_ms } else { job.policy.keep_ms };
        if job.notify {
            let ending = match (outcome, &detail) {
                (Outcome::Completed, Some(result)) => Ending::Completed(result.clone()),
                (Outcome::Failed, Some(error)) => Ending::Failed(error.clone()),
                (Outcome::Completed | Outcome::Failed, None) => unreachable!("a result or an error was given"),
                (Outcome::Cancelled, _) => Ending::Cancelled,
                (Outcome::Expired, _) => Ending::Expired,
            };
            out.tell(job.master, Notice::Ended { id: job.id.clone(), ending }, self.stored(key));
        }
        if keep_ms == 0 {
            self.record_removal(key, out);
            let job = self.remove(key);
            out.ids.push(freed(job));
        } else if self.stored(key).is_some() {
            self.record_end(now, key, outcome, detail, keep_ms, out);
            let job = self.remove(key);
            out.ids.push(archived(job));
        } else {
            self.keep(now, key, outcome, detail, keep_ms, out);
        }
    }

    /// Keeps the record of a job that has just ended.
    fn keep(&mut self, now: Now, key: u32, outcome: Outcome, detail: Option<Body>, keep_ms: u64, out: &mut Outbox) {
        let sequence = self.jobs[key as usize].sequence;
        let forget_at = self.records.add(now.at, keep_ms, key, sequence);
        let job = &mut self.jobs[key as usize];
        job.state = State::Finished(Box::new(Finished { outcome, detail, at: now.at, forget_at }));
        self.kept += 1;
        let gives_way = !job.policy.durable;
        out.ids.push(IdEvent::Ended { id: job.id.clone(), sequence, gives_way, bytes: job.detail_bytes() });
        if gives_way && outcome == Outcome::Failed {
            self.kept_failures.insert((now.at, sequence), key);
            if self.kept_failures.len() > MAX_KEPT_FAILURES
                && let Some((_, oldest)) = self.kept_failures.pop_first()
            {
                self.forget(oldest, out);
            }
        }
    }

    /// Its master has left while it runs: its id is free at once, its result will be discarded.
    pub(super) fn orphan(&mut self, key: u32, out: &mut Outbox) {
        self.masters.unlink(&mut self.jobs, key);
        self.unindex(key);
        let job = &mut self.jobs[key as usize];
        job.orphaned = true;
        let bytes = weight_of(job);
        out.ids.push(IdEvent::Freed { id: job.id.clone(), sequence: job.sequence, bytes });
    }

    /// A job without its master goes.
    pub(super) fn discard(&mut self, key: u32, out: &mut Outbox) {
        self.census.dropped += 1;
        self.disappoint(self.jobs[key as usize].sequence, out);
        self.masters.unlink(&mut self.jobs, key);
        self.record_removal(key, out);
        let job = self.remove(key);
        if !job.orphaned {
            out.ids.push(freed(job));
        }
    }

    /// The record of a finished job goes.
    pub(super) fn forget(&mut self, key: u32, out: &mut Outbox) {
        self.stop_keeping(key);
        let job = self.remove(key);
        out.ids.push(freed(job));
    }

    /// The record of a finished job is no longer among those that are kept.
    pub(super) fn stop_keeping(&mut self, key: u32) {
        self.kept -= 1;
        let job = &self.jobs[key as usize];
        if let State::Finished(finished) = &job.state {
            self.kept_failures.remove(&(finished.at, job.sequence));
        }
    }

    /// The record of a finished job gives way to a new job of its id, which has the id already.
    pub(super) fn give_way(&mut self, id: &JobId, out: &mut Outbox) {
        if let Some(key) = self.find(id)
            && matches!(self.jobs[key as usize].state, State::Finished(_))
        {
            self.forget(key, out);
        }
    }

    /// How a finished job ended.
    #[cfg(test)]
    pub(crate) fn record_of(&self, id: &JobId) -> Option<(Outcome, Option<Body>)> {
        match &self.jobs[self.find(id)? as usize].state {
            State::Finished(finished) => Some((finished.outcome, finished.detail.clone())),
            State::Scheduled(_) | State::Queued(_) | State::Running(_) => None,
        }
    }

    pub(super) fn remove(&mut self, key: u32) -> Job {
        if !self.jobs[key as usize].orphaned {
            self.unindex(key);
        }
        let job = self.jobs.remove(key as usize);
        self.arrivals.remove(job.sequence);
        self.unload(&job);
        job
    }

    fn unindex(&mut self, key: u32) {
        let hash = self.jobs[key as usize].id.hash_value();
        let entry = self.by_id.find_entry(hash, |other| *other == key).expect("every job with an id is indexed");
        entry.remove();
    }
}

pub(super) fn archived(job: Job) -> IdEvent {
    let bytes = weight_of(&job);
    IdEvent::Archived { id: job.id, sequence: job.sequence, bytes }
}

pub(super) fn freed(job: Job) -> IdEvent {
    let bytes = weight_of(&job);
    IdEvent::Freed { id: job.id, sequence: job.sequence, bytes }
}

/// What the index still counts for it.
fn weight_of(job: &Job) -> usize {
    weight(&job.id, if job.stowed { 0 } else { job.body_bytes as usize }) + job.detail_bytes()
}
