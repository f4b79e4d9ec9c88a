//! A worker's word on an attempt. The receipt is the right to speak; the first valid answer wins.

use super::super::command::{Answer, Notice, Outbox, Receipt, Refusal};
use super::super::deadlines::Now;
use super::super::job::{Attempt, AttemptEnd, Body, JobId, Outcome, Peer, Request, State};
use super::super::retry::backoff_ms;
use super::super::ticket::Ticket;
use super::said::Word;
use super::{Job, Queue, Run, job_of};

/// A job's history keeps at most this many attempts, the latest.
const MAX_HISTORY: usize = 100;

/// The error of a job whose last worker never spoke, as JSON.
fn silent_end(end: AttemptEnd) -> Body {
    let text: &[u8] = match end {
        AttemptEnd::Completed => unreachable!("its worker spoke"),
        AttemptEnd::Failed => b"\"failed\"",
        AttemptEnd::Released => b"\"released\"",
        AttemptEnd::WorkerGone => b"\"worker_gone\"",
        AttemptEnd::LeaseOver => b"\"lease_over\"",
        AttemptEnd::Cancelled => b"\"cancelled\"",
    };
    Body::from(text)
}

impl Queue {
    pub(super) fn answer(
        &mut self,
        now: Now,
        peer: Peer,
        request: u64,
        receipt: Receipt,
        answer: Answer,
        out: &mut Outbox,
    ) {
        let frees_a_hand = !matches!(answer, Answer::Touch { .. });
        match self.running(receipt) {
            Some(run) => self.accept(now, peer, request, run, answer, out),
            None => out.refuse(peer, request, self.why_void(peer, receipt, frees_a_hand)),
        }
        if frees_a_hand {
            self.workers.ready(peer, self.number);
            self.workers.forget_if_done(peer);
        }
    }

    /// The word of a worker that has no connection: it may be said again, since its answer may have been lost.
    #[expect(clippy::too_many_arguments, reason = "as `answer`")]
    pub(super) fn answer_by_id(
        &mut self,
        now: Now,
        peer: Peer,
        request: Request,
        id: &JobId,
        ticket: Ticket,
        answer: Answer,
        out: &mut Outbox,
    ) {
        let Ticket { sequence, delivery, .. } = ticket;
        let found = self.find(id);
        let held =
            found.filter(|key| self.jobs[*key as usize].sequence == sequence).or_else(|| self.orphan_of(id, sequence));
        let receipt = Receipt { queue: self.number, key: held.unwrap_or_default(), sequence, delivery };
        if held.is_some() && self.running(receipt).is_some() {
            return self.answer(now, peer, request, receipt, answer, out);
        }
        match (self.said.of(sequence, delivery), Word::of(&answer)) {
            (Some(Word::Cancelled), _) => out.refuse(peer, request, Refusal::Cancelled),
            (Some(said), Some(word)) if said == word => {
                // Its first answer may not be on disk yet: then this one waits for the same.
                let stored = held.and_then(|key| self.stored(key));
                if let Some(key) = held.filter(|_| stored.is_some()) {
                    self.record_change(now, key, out);
                }
                out.tell(peer, Notice::Done { request, lease_ms: 0 }, stored);
            }
            _ if found.is_some() => out.refuse(peer, request, Refusal::StaleReceipt),
            _ => out.refuse(peer, request, Refusal::UnknownJob),
        }
    }

    /// The running job whose master has left: its id is not its own any more, but its worker may still finish it.
    fn orphan_of(&self, id: &JobId, sequence: u64) -> Option<u32> {
        let is_it = |job: &Job| job.orphaned && job.sequence == sequence && job.id == *id;
        self.runs.iter().map(|(_, run)| run.job).find(|key| is_it(&self.jobs[*key as usize]))
    }

    /// The run that this receipt may finish.
    fn running(&self, receipt: Receipt) -> Option<u32> {
        let job = job_of(&self.jobs, receipt.key, receipt.sequence)?;
        match job.state {
            State::Running(run) if job.deliveries == receipt.delivery => Some(run),
            State::Scheduled(_) | State::Queued(_) | State::Running(_) | State::Finished(_) => None,
        }
    }

    fn why_void(&mut self, peer: Peer, receipt: Receipt, frees_a_hand: bool) -> Refusal {
        if let Some(worker) = self.workers.of(peer) {
            let void = (receipt.sequence, receipt.delivery);
            if let Some(place) = worker.cancelled.iter().position(|cancelled| *cancelled == void) {
                if frees_a_hand {
                    worker.cancelled.swap_remove(place);
                }
                return Refusal::Cancelled;
            }
        }
        if self.said.of(receipt.sequence, receipt.delivery) == Some(Word::Cancelled) {
            return Refusal::Cancelled;
        }
        // The record may be gone, but whoever has a receipt once had the job.
        Refusal::StaleReceipt
    }

    fn accept(&mut self, now: Now, peer: Peer, request: Request, run: u32, answer: Answer, out: &mut Outbox) {
        let done = Notice::Done { request, lease_ms: 0 };
        let key = self.runs[run as usize].job;
        let stored = self.stored(key);
        if let Some(word) = Word::of(&answer)
            && self.runs[run as usize].outlives
        {
            let job = &self.jobs[key as usize];
            self.said.note(job.sequence, job.deliveries, word);
        }
        match answer {
            Answer::Complete(result) => {
                out.tell(peer, done, stored);
                let run = self.end_run(now, run, AttemptEnd::Completed);
                let job = &self.jobs[key as usize];
                if job.policy.keep_ms > 0 || self.is_watched(job.sequence) {
                    self.remember(now, &run, AttemptEnd::Completed, None);
                }
                self.finish(now, key, Outcome::Completed, Some(result), out);
            }
            Answer::Fail { error, retry, delay_ms } => {
                out.tell(peer, done, stored);
                self.fail(now, run, error, retry, delay_ms, out);
            }
            Answer::Release { delay_ms } => {
                out.tell(peer, done, stored);
                let run = self.end_run(now, run, AttemptEnd::Released);
                self.jobs[run.job as usize].attempt -= 1;
                self.wait_again(now, run.job, delay_ms, out);
            }
            Answer::Touch { lease_ms, progress, note } => {
                let attempt = &mut self.runs[run as usize];
                // After a restart it has its lease anew, so the store knows which one.
                let is_recorded = attempt.outlives && lease_ms.is_some_and(|lease_ms| lease_ms != attempt.lease_ms);
                attempt.lease_ms = lease_ms.unwrap_or(attempt.lease_ms);
                attempt.progress = progress.or(attempt.progress);
                attempt.note = note.or(attempt.note.take());
                // Touched twice at one moment it ends once.
                if attempt.ends != now.at.after_ms(attempt.lease_ms) {
                    attempt.ends = self.leases.add(now.at, attempt.lease_ms, run, attempt.sequence);
                }
                out.notices.push((peer, Notice::Done { request, lease_ms: attempt.lease_ms }));
                if is_recorded {
                    self.record_change(now, key, out);
                }
            }
        }
    }

    fn fail(&mut self, now: Now, run: u32, error: Body, retry: bool, delay_ms: Option<u64>, out: &mut Outbox) {
        let run = self.end_run(now, run, AttemptEnd::Failed);
        self.remember(now, &run, AttemptEnd::Failed, Some(error.clone()));
        let job = &self.jobs[run.job as usize];
        if retry && job.attempt < job.policy.max_attempts {
            let delay_ms = delay_ms.unwrap_or_else(|| backoff_ms(&job.policy, job.attempt, job.sequence));
            self.wait_again(now, run.job, delay_ms, out);
        } else {
            self.finish(now, run.job, Outcome::Failed, Some(error), out);
        }
    }

    /// RUNNING → QUEUED without the worker's word, or FAILED where the attempts are used up.
    pub(super) fn give_back(&mut self, now: Now, run: u32, end: AttemptEnd, out: &mut Outbox) {
        let run = self.end_run(now, run, end);
        self.remember(now, &run, end, None);
        let job = &self.jobs[run.job as usize];
        if job.attempt < job.policy.max_attempts {
            self.wait_again(now, run.job, 0, out);
        } else {
            self.finish(now, run.job, Outcome::Failed, Some(silent_end(end)), out);
        }
    }

    /// Back among the waiting; a job without its master has nobody to wait for and is dropped.
    fn wait_again(&mut self, now: Now, key: u32, delay_ms: u64, out: &mut Outbox) {
        if self.jobs[key as usize].orphaned {
            self.discard(key, out);
        } else {
            self.wait(now, key, delay_ms, out);
            self.record_change(now, key, out);
        }
    }

    /// Out of RUNNING; the caller says where to.
    pub(super) fn end_run(&mut self, now: Now, run: u32, end: AttemptEnd) -> Run {
        let ended = self.take_run(run, end);
        self.meter.ran(now.at.0.saturating_sub(ended.started.0));
        ended
    }

    /// The same for an attempt that counts as if it had never been.
    #[inline]
    pub(super) fn take_run(&mut self, run: u32, end: AttemptEnd) -> Run {
        let ended = self.runs.remove(run as usize);
        self.census.running -= 1;
        if let Some(worker) = self.workers.of(ended.worker) {
            let place = worker.runs.iter().position(|other| *other == run).expect("a worker knows its runs");
            worker.runs.swap_remove(place);
            match end {
                AttemptEnd::Completed => worker.completed += 1,
                AttemptEnd::Failed | AttemptEnd::LeaseOver => worker.failed += 1,
                AttemptEnd::Released | AttemptEnd::WorkerGone | AttemptEnd::Cancelled => {}
            }
            self.workers.forget_if_done(ended.worker);
        }
        ended
    }

    /// Writes an attempt that has ended into its job's history.
    pub(super) fn remember(&mut self, now: Now, run: &Run, end: AttemptEnd, error: Option<Body>) {
        let job = &mut self.jobs[run.job as usize];
        let history = job.history.get_or_insert_default();
        if history.len() == MAX_HISTORY {
            history.remove(0);
        }
        let worker = run.worker_name.clone();
        history.push(Attempt { number: job.attempt, worker, started: run.started, ended: now.at, end, error });
    }
}
