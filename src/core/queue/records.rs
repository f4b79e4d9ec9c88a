//! What the store has to know of a durable job, and what it gives back at start (`spec/jobs.md`, guarantees 1 and 6).
//!
//! Records tell where a job is, not how it came there: within a commit the last word on a job holds, so a job that is
//! submitted, handed out and answered within one commit is written once.

use std::collections::{HashSet, VecDeque};

use super::super::command::{Held, IdEvent, Notice, Outbox, Receipt, Refusal};
use super::super::deadlines::{Moment, Now};
use super::super::job::{Attempt, AttemptEnd, Body, Job, JobId, Links, Outcome, Peer, Request, State};
use super::super::record::{Progress, Record, StoredAttempt, StoredJob, StoredState};
use super::endings::{archived, freed};
use super::{Queue, Run};

/// How a job ended that was retried out of the archive, which has it still as it was until the retry is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revived {
    outcome: Outcome,
    /// This queue had counted that end.
    was_counted: bool,
}

impl Queue {
    /// The sequence number of a job that a store keeps.
    pub(super) fn stored(&self, key: u32) -> Option<u64> {
        let job = &self.jobs[key as usize];
        (self.stores && job.policy.durable).then_some(job.sequence)
    }

    /// A job is new to the store.
    pub(super) fn record_put(&self, now: Now, key: u32, out: &mut Outbox) {
        let Some(sequence) = self.stored(key) else { return };
        let job = &self.jobs[key as usize];
        out.records.push(Record::Put(Box::new(StoredJob {
            sequence,
            id: job.id.clone(),
            kind: self.kind.clone(),
            priority: job.priority,
            body: job.body.clone().expect("a new job has its body"),
            policy: job.policy.clone(),
            created_ms: wall(now, job.accepted),
            born_ms: wall(now, job.born),
            master: job.master_name.clone(),
            progress: self.progress(now, job),
        })));
    }

    /// A job has moved on; nothing happens if it ended meanwhile, which is recorded by itself.
    pub(super) fn record_change(&self, now: Now, key: u32, out: &mut Outbox) {
        if !self.jobs.contains(key as usize) {
            return;
        }
        let Some(sequence) = self.stored(key) else { return };
        out.records.push(Record::Change { sequence, progress: self.progress(now, &self.jobs[key as usize]) });
    }

    /// A job has ended, and the archive keeps its record.
    pub(super) fn record_end(
        &self,
        now: Now,
        key: u32,
        outcome: Outcome,
        detail: Option<Body>,
        keep_ms: u64,
        out: &mut Outbox,
    ) {
        let Some(sequence) = self.stored(key) else { return };
        let forget_ms = now.wall_ms.saturating_add(keep_ms);
        let state = StoredState::Finished { outcome, detail, at_ms: now.wall_ms, forget_ms };
        let progress = progress(now, &self.jobs[key as usize], state);
        out.records.push(Record::Change { sequence, progress });
    }

    /// A job's record goes.
    pub(super) fn record_removal(&self, key: u32, out: &mut Outbox) {
        if let Some(sequence) = self.stored(key) {
            out.records.push(Record::Remove { sequence });
        }
    }

    /// What these words tell of is on disk.
    pub fn kept(&mut self, held: Vec<Held>, out: &mut Outbox) {
        for Held { peer, notice, sequence } in held {
            if !self.revived.is_empty() {
                self.revived.remove(&sequence);
            }
            out.notices.push((peer, notice));
        }
    }

    /// The disk was full: these jobs were never accepted, or retried. The words about them that wait for commits, in `held`
    /// and in `out`, are never said, and the store hears nothing of what became of them meanwhile; but for their removal,
    /// which is true in any case.
    pub fn retract(&mut self, refused: &[(JobId, u64)], held: &mut VecDeque<Vec<Held>>, out: &mut Outbox) {
        let numbers: HashSet<u64> = refused.iter().map(|(_, sequence)| *sequence).collect();
        out.records.retain(|record| match record {
            Record::Change { sequence, .. } => !numbers.contains(sequence),
            Record::Put(_) | Record::Remove { .. } | Record::Note { .. } => true,
        });
        let (mut told, mut unseen) = (HashSet::new(), Vec::new());
        for (id, sequence) in refused {
            unseen.extend(self.watchers.remove(sequence).unwrap_or_default());
            let was = self.revived.remove(sequence);
            if let Some(key) = self.find(id).filter(|key| self.jobs[*key as usize].sequence == *sequence) {
                self.take_back(key, was, out);
            } else if was.is_none() {
                // It has ended meanwhile, but no archive has it: its id is free.
                out.ids.push(IdEvent::Freed { id: id.clone(), sequence: *sequence, bytes: 0 });
            }
        }
        let Outbox { notices, held: new, .. } = out;
        for words in held.iter_mut().chain([new]) {
            for Held { peer, notice, .. } in words.extract_if(.., |held| numbers.contains(&held.sequence)) {
                match notice {
                    Notice::Done { request, .. } => {
                        told.insert((peer, request));
                        notices.push((peer, Notice::Refused { request, refusal: Refusal::DiskFull }));
                    }
                    Notice::Report { request, .. } => unseen.push((peer, request)),
                    Notice::Ended { .. }
                    | Notice::Refused { .. }
                    | Notice::Assigned(_)
                    | Notice::Withdrawn { .. }
                    | Notice::Lost { .. } => {}
                }
            }
        }
        // Who watches what it submitted has one answer.
        for (peer, request) in unseen.into_iter().filter(|unseen| !told.contains(unseen)) {
            notices.push((peer, Notice::Refused { request, refusal: Refusal::DiskFull }));
        }
    }

    /// Out of the books as if it had never been accepted, or back into the archive, as it `was` there.
    fn take_back(&mut self, key: u32, was: Option<Revived>, out: &mut Outbox) {
        let job = &self.jobs[key as usize];
        match job.state {
            State::Scheduled(_) | State::Queued(_) => self.leave_waiting(key),
            State::Running(run) => {
                let receipt = Receipt { queue: self.number, key, sequence: job.sequence, delivery: job.deliveries };
                self.void(run, receipt);
                let run = self.take_run(run, AttemptEnd::Cancelled);
                out.notices.push((run.worker, Notice::Withdrawn { receipt }));
            }
            State::Finished(_) => return,
        }
        match was {
            Some(Revived { outcome, was_counted: true }) => *self.census.of(outcome) += 1,
            Some(Revived { was_counted: false, .. }) | None => self.census.accepted -= 1,
        }
        self.masters.unlink(&mut self.jobs, key);
        let job = self.remove(key);
        out.ids.push(if was.is_some() { archived(job) } else { freed(job) });
    }

    /// A job that the store gave back at start. What a connection held goes back at once; what others held stays theirs for
    /// a full new lease. A body of `body_bytes` that it comes without stays in the store until it is needed.
    pub fn restore(&mut self, now: Now, stored: StoredJob, body_bytes: usize, out: &mut Outbox) {
        let (sequence, state) = (stored.sequence, stored.progress.state.clone());
        let key = self.take_in(now, stored, body_bytes);
        self.arrivals.add(sequence, key);
        self.census.accepted += 1;
        let job = &mut self.jobs[key as usize];
        if job.body.is_none() {
            job.stowed = true;
            out.ids.push(IdEvent::Stowed { bytes: body_bytes });
        } else {
            self.stow(key, out);
        }
        match state {
            StoredState::Queued => self.wait(now, key, 0, out),
            StoredState::Scheduled { at_ms } => self.wait(now, key, at_ms.saturating_sub(now.wall_ms), out),
            StoredState::Running { worker, started_ms, lease_ms } => {
                self.census.running += 1;
                let started = moment(now, started_ms);
                let lease = lease_ms.unwrap_or(0);
                let ends = self.leases.add(now.at, lease, self.runs.vacant_key() as u32, sequence);
                let worker_name = worker;
                let outlives = lease_ms.is_some();
                let run = Run {
                    job: key,
                    sequence,
                    worker: Peer::NONE,
                    worker_name,
                    lease_ms: lease,
                    ends,
                    started,
                    progress: None,
                    note: None,
                    outlives,
                };
                let run = self.runs.insert(run) as u32;
                self.jobs[key as usize].state = State::Running(run);
                if lease_ms.is_none() {
                    self.give_back(now, run, AttemptEnd::WorkerGone, out);
                }
            }
            StoredState::Finished { .. } => unreachable!("the store gives back live jobs"),
        }
    }

    /// A job of this type is in the archive: it counts.
    pub fn adopt_finished(&mut self, outcome: Outcome) {
        self.census.accepted += 1;
        *self.census.of(outcome) += 1;
    }

    /// FAILED or CANCELLED → QUEUED for a job that the archive had, with fresh attempts.
    pub fn revive(&mut self, now: Now, peer: Peer, request: Request, stored: StoredJob, out: &mut Outbox) {
        if let StoredState::Finished { outcome, .. } = stored.progress.state {
            let ended = self.census.of(outcome);
            // It may have ended in a queue that has died since, which counted it.
            let was_counted = *ended > 0;
            if was_counted {
                *ended -= 1;
                self.meter.begins_again(outcome);
            } else {
                self.census.accepted += 1;
            }
            self.revived.insert(stored.sequence, Revived { outcome, was_counted });
        }
        let (sequence, body_bytes) = (stored.sequence, stored.body.len());
        let key = self.take_in(now, stored, body_bytes);
        self.arrivals.add_returned(sequence, key);
        let job = &mut self.jobs[key as usize];
        (job.attempt, job.born) = (0, now.at);
        out.tell(peer, Notice::Done { request, lease_ms: 0 }, self.stored(key));
        self.record_put(now, key, out);
        self.stow(key, out);
        self.wait(now, key, 0, out);
    }

    /// Into the books, in no state yet.
    fn take_in(&mut self, now: Now, stored: StoredJob, body_bytes: usize) -> u32 {
        let StoredJob { sequence, id, priority, body, policy, created_ms, born_ms, master, progress, .. } = stored;
        let Progress { attempt, deliveries, priority: changed, history, .. } = progress;
        let history: Vec<Attempt> = history.into_iter().map(|attempt| restored(now, attempt)).collect();
        let job = Job {
            id,
            sequence,
            priority: changed.unwrap_or(priority),
            reprioritized: changed.is_some(),
            body_bytes: body_bytes as u32,
            body: (body.len() == body_bytes).then_some(body),
            policy,
            master: Peer::NONE,
            master_name: master,
            accepted: moment(now, created_ms),
            born: moment(now, born_ms),
            state: State::Queued(now.at),
            attempt,
            deliveries,
            chain: Links::ALONE,
            history: (!history.is_empty()).then(|| Box::new(history)),
            orphaned: false,
            notify: false,
            stowed: false,
        };
        let hash = job.id.hash_value();
        let key = self.jobs.insert(job) as u32;
        self.by_id.insert_unique(hash, key, |key| self.jobs[*key as usize].id.hash_value());
        key
    }

    pub(super) fn progress(&self, now: Now, job: &Job) -> Progress {
        let state = match &job.state {
            State::Scheduled(at) => StoredState::Scheduled { at_ms: wall(now, *at) },
            State::Queued(_) => StoredState::Queued,
            State::Running(run) => {
                let run = &self.runs[*run as usize];
                let (worker, started_ms) = (run.worker_name.clone(), wall(now, run.started));
                // Whoever has a job over a connection loses it with the connection.
                let lease_ms = run.outlives.then_some(run.lease_ms);
                StoredState::Running { worker, started_ms, lease_ms }
            }
            State::Finished(finished) => StoredState::Finished {
                outcome: finished.outcome,
                detail: finished.detail.clone(),
                at_ms: wall(now, finished.at),
                forget_ms: wall(now, finished.forget_at),
            },
        };
        progress(now, job, state)
    }
}

pub(super) fn progress(now: Now, job: &Job, state: StoredState) -> Progress {
    let history = job.history.iter().flat_map(|history| history.iter()).map(|attempt| stored(now, attempt)).collect();
    let priority = job.reprioritized.then_some(job.priority);
    Progress { state, attempt: job.attempt, deliveries: job.deliveries, priority, history }
}

/// The wall's time of a moment: the same whenever it is asked for, unless the wall's clock jumps.
pub(super) fn wall(now: Now, moment: Moment) -> u64 {
    let (now_ms, moment_ms) = (now.at.0 / 1_000, moment.0 / 1_000);
    now.wall_ms.saturating_sub(now_ms.saturating_sub(moment_ms)).saturating_add(moment_ms.saturating_sub(now_ms))
}

/// The moment of a wall's time that has passed; before this clock began, its beginning.
fn moment(now: Now, wall_ms: u64) -> Moment {
    Moment(now.at.0.saturating_sub(now.wall_ms.saturating_sub(wall_ms).saturating_mul(1_000)))
}

fn stored(now: Now, attempt: &Attempt) -> StoredAttempt {
    let Attempt { number, worker, started, ended, end, error } = attempt;
    StoredAttempt {
        number: *number,
        worker: worker.clone(),
        started_ms: wall(now, *started),
        ended_ms: wall(now, *ended),
        end: *end,
        error: error.clone(),
    }
}

fn restored(now: Now, attempt: StoredAttempt) -> Attempt {
    let StoredAttempt { number, worker, started_ms, ended_ms, end, error } = attempt;
    Attempt { number, worker, started: moment(now, started_ms), ended: moment(now, ended_ms), end, error }
}
