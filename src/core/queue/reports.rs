//! What people ask of a queue: a job, its end, lists of jobs, who works on what.

use std::collections::{BinaryHeap, HashMap};

use super::super::command::{Notice, Outbox, Refusal};
use super::super::deadlines::Now;
use super::super::job::{Body, Job, JobId, Outcome, Peer, PeerName, Request, State};
use super::super::record::{Progress, StoredJob, StoredState};
use super::super::report::{Browse, Found, JobState, Report, Why};
use super::records::{progress, wall};
use super::{Queue, Run, is_queued, sequence_at};

/// More priorities than this are not walked through for a figure.
const LANES_LOOKED_AT: usize = 1_000;

/// What a worker does in this queue.
#[derive(Clone, PartialEq, Debug)]
pub struct Holding {
    /// The worker.
    pub peer: Peer,
    /// Jobs of this type that it completed.
    pub completed: u64,
    /// Attempts that it failed.
    pub failed: u64,
    /// The jobs it has in hand, and since when (milliseconds since 1970).
    pub jobs: Vec<(JobId, u64)>,
}

/// A worker that holds jobs and is not connected, such as one between two polls.
#[derive(Clone, PartialEq, Debug)]
pub struct Away {
    /// The peer that it was when it got the first of them.
    pub peer: Peer,
    /// How it is called.
    pub name: PeerName,
    /// The jobs of this type that it has in hand, and since when (milliseconds since 1970).
    pub jobs: Vec<(JobId, u64)>,
}

impl Queue {
    /// The jobs that are asked for and in memory, newest first.
    pub fn browse(&self, now: Now, browse: &Browse) -> Found {
        let mut found = Found::default();
        // Where no record is kept, nobody is led past all that live.
        if self.kept == 0 && browse.state.is_some_and(|state| state.outcome().is_some()) {
            return found;
        }
        let why = self.why();
        for (sequence, key) in self.line(browse) {
            if found.jobs.len() == browse.limit || found.looked_at == browse.look_at || found.bytes > browse.bytes {
                // There is this one at least.
                return found;
            }
            found.looked_at += 1;
            found.next = Some(sequence);
            let job = &self.jobs[key as usize];
            if job.orphaned || browse.state.is_some_and(|state| state != state_of(job)) {
                continue;
            }
            let report = self.report(now, key, &why);
            if browse.text.as_ref().is_none_or(|text| report.contains(text)) {
                found.bytes += job.body_bytes as usize + job.detail_bytes();
                found.jobs.push(report);
            }
        }
        found.next = None;
        found
    }

    /// The jobs to look at, newest first: sequence numbers and keys. Who asks for running ones isn't led past all that wait.
    fn line(&self, browse: &Browse) -> Box<dyn Iterator<Item = (u64, u32)> + '_> {
        if browse.state != Some(JobState::Running) {
            return Box::new(self.arrivals.newest_first(browse.before, |key| sequence_at(&self.jobs, key)));
        }
        let before = browse.before.unwrap_or(u64::MAX);
        let running = self.runs.iter().map(|(_, run)| (self.jobs[run.job as usize].sequence, run.job));
        // Most of the time only the first few are wanted.
        let mut running: BinaryHeap<(u64, u32)> = running.filter(|(sequence, _)| *sequence < before).collect();
        Box::new(std::iter::from_fn(move || running.pop()))
    }

    /// What these workers do here; those that this queue doesn't know are left out.
    pub fn holdings(&self, now: Now, peers: &[Peer]) -> Vec<Holding> {
        let known = peers.iter().filter_map(|peer| Some((*peer, self.workers.get(*peer)?)));
        let holdings = known.map(|(peer, worker)| {
            let runs = worker.runs.iter().map(|run| &self.runs[*run as usize]);
            let jobs = runs.map(|run| (self.jobs[run.job as usize].id.clone(), wall(now, run.started)));
            Holding { peer, completed: worker.completed, failed: worker.failed, jobs: jobs.collect() }
        });
        holdings.collect()
    }

    /// The workers that hold jobs of this type and are not connected. A walk over what runs.
    pub fn away(&self, now: Now) -> Vec<Away> {
        let mut away: Vec<Away> = Vec::new();
        let mut places: HashMap<PeerName, usize> = HashMap::new();
        for (_, run) in self.runs.iter().filter(|(_, run)| self.is_away(run)) {
            let place = *places.entry(run.worker_name.clone()).or_insert_with(|| {
                away.push(Away { peer: run.worker, name: run.worker_name.clone(), jobs: Vec::new() });
                away.len() - 1
            });
            away[place].jobs.push((self.jobs[run.job as usize].id.clone(), wall(now, run.started)));
        }
        away
    }

    /// Whether the worker of this run is not connected, but lives by no connection.
    pub(super) fn is_away(&self, run: &Run) -> bool {
        run.outlives && !self.workers.has_joined(run.worker)
    }

    /// Since when the job that has been queued longest is, in milliseconds since 1970. With more than a thousand
    /// different priorities waiting, of those with the largest.
    pub fn oldest_queued_ms(&mut self, now: Now) -> Option<u64> {
        let jobs = &self.jobs;
        let firsts = self.waiting.firsts(LANES_LOOKED_AT, |priority, slot| is_queued(jobs, priority, slot));
        let since = firsts.into_iter().filter_map(|slot| match jobs[slot.key as usize].state {
            State::Queued(since) => Some(since),
            State::Scheduled(_) | State::Running(_) | State::Finished(_) => None,
        });
        since.min().map(|since| wall(now, since))
    }

    /// When the last worker left, where none is there: milliseconds since 1970.
    pub fn last_worker_left_ms(&self) -> Option<u64> {
        self.last_worker_left_ms
    }

    pub(super) fn look(&self, now: Now, peer: Peer, request: Request, id: &JobId, out: &mut Outbox) {
        match self.find(id) {
            Some(key) => {
                let report = Box::new(self.report(now, key, &self.why()));
                out.notices.push((peer, Notice::Report { request, report }));
            }
            None => out.refuse(peer, request, Refusal::UnknownJob),
        }
    }

    pub(super) fn watch(&mut self, now: Now, peer: Peer, request: Request, id: &JobId, out: &mut Outbox) {
        match self.find(id) {
            Some(key) if !matches!(self.jobs[key as usize].state, State::Finished(_)) => {
                let sequence = self.jobs[key as usize].sequence;
                self.watchers.entry(sequence).or_default().push((peer, request));
            }
            Some(_) | None => self.look(now, peer, request, id, out),
        }
    }

    pub(super) fn unwatch(&mut self, peer: Peer, request: Request, id: &JobId) {
        let Some(key) = self.find(id) else { return };
        let sequence = self.jobs[key as usize].sequence;
        if let Some(watchers) = self.watchers.get_mut(&sequence) {
            watchers.retain(|watcher| *watcher != (peer, request));
            if watchers.is_empty() {
                self.watchers.remove(&sequence);
            }
        }
    }

    /// Whether anybody wants to see this job when it has ended.
    pub(super) fn is_watched(&self, sequence: u64) -> bool {
        !self.watchers.is_empty() && self.watchers.contains_key(&sequence)
    }

    /// A job has just ended: shows it to those who wait for that.
    pub(super) fn show(&mut self, now: Now, key: u32, outcome: Outcome, detail: Option<&Body>, out: &mut Outbox) {
        let sequence = self.jobs[key as usize].sequence;
        if !self.is_watched(sequence) {
            return;
        }
        let job = &self.jobs[key as usize];
        let state =
            StoredState::Finished { outcome, detail: detail.cloned(), at_ms: now.wall_ms, forget_ms: now.wall_ms };
        let report = self.report_of(now, job, progress(now, job, state));
        let stored = self.stored(key);
        for (peer, request) in self.watchers.remove(&sequence).unwrap_or_default() {
            out.tell(peer, Notice::Report { request, report: Box::new(report.clone()) }, stored);
        }
    }

    /// A job has gone without an end that could be shown.
    pub(super) fn disappoint(&mut self, sequence: u64, out: &mut Outbox) {
        if self.is_watched(sequence) {
            for (peer, request) in self.watchers.remove(&sequence).unwrap_or_default() {
                out.refuse(peer, request, Refusal::UnknownJob);
            }
        }
    }

    /// A worker may have been the last.
    pub(super) fn note_leaving(&mut self, now: Now) {
        if self.workers.joined() == 0 && self.last_worker_left_ms.is_none() {
            self.last_worker_left_ms = Some(now.wall_ms);
        }
    }

    fn report(&self, now: Now, key: u32, why: &Why) -> Report {
        let job = &self.jobs[key as usize];
        let run = match &job.state {
            State::Running(run) => Some(&self.runs[*run as usize]),
            State::Scheduled(_) | State::Queued(_) | State::Finished(_) => None,
        };
        let ahead = match &job.state {
            State::Queued(_) => self.waiting.ahead(job.priority, job.sequence) as u64,
            State::Scheduled(_) | State::Running(_) | State::Finished(_) => 0,
        };
        Report {
            progress: run.and_then(|run| run.progress),
            note: run.and_then(|run| run.note.clone()),
            lease_ends_ms: run.map(|run| wall(now, run.ends)),
            why: Why { ahead, ..why.clone() },
            ..self.report_of(now, job, self.progress(now, job))
        }
    }

    fn report_of(&self, now: Now, job: &Job, progress: Progress) -> Report {
        Report {
            job: StoredJob {
                sequence: job.sequence,
                id: job.id.clone(),
                kind: self.kind.clone(),
                priority: job.priority,
                body: job.body.clone().unwrap_or_default(),
                policy: job.policy.clone(),
                created_ms: wall(now, job.accepted),
                born_ms: wall(now, job.born),
                master: job.master_name.clone(),
                progress,
            },
            is_body_stored: job.body.is_none(),
            progress: None,
            note: None,
            lease_ends_ms: None,
            // Nobody asks that of a job that has ended.
            why: Why::default(),
        }
    }

    /// Why nothing is handed out, for every job that waits. May be a walk over what runs.
    fn why(&self) -> Why {
        let joined = self.workers.joined() as u32;
        // Where somebody is there, nobody needs to know who is away.
        let workers = if joined == 0 { self.workers_away() } else { joined };
        let last_worker_left_ms = self.last_worker_left_ms.filter(|_| workers == 0);
        Why { ahead: 0, paused: self.paused, workers, last_worker_left_ms }
    }
}

fn state_of(job: &Job) -> JobState {
    match &job.state {
        State::Scheduled(_) => JobState::Scheduled,
        State::Queued(_) => JobState::Queued,
        State::Running(_) => JobState::Running,
        State::Finished(finished) => finished.outcome.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::job::{OnMasterGone, Policy, TypeName};

    fn job(sequence: u64, state: StoredState) -> StoredJob {
        StoredJob {
            sequence,
            id: JobId::from_text(&sequence.to_string()).expect("a good id"),
            kind: TypeName::unnamed(),
            priority: 0,
            body: b"1"[..].into(),
            policy: Arc::new(Policy::transient(OnMasterGone::Keep)),
            created_ms: 0,
            born_ms: 0,
            master: "m".into(),
            progress: Progress { state, attempt: 0, deliveries: 0, priority: None, history: Vec::new() },
        }
    }

    #[test]
    fn running_jobs_are_found_newest_first_and_without_a_look_at_others() {
        let (now, mut queue) = (Now::default(), Queue::new(0, TypeName::unnamed(), false));
        for sequence in 1..=100 {
            let state = match sequence {
                3 | 50 | 99 => StoredState::Running { worker: "w".into(), started_ms: 0, lease_ms: Some(1_000) },
                _ => StoredState::Queued,
            };
            queue.restore(now, job(sequence, state), 1, &mut Outbox::default());
        }
        let browse = |before, look_at| {
            let state = Some(JobState::Running);
            let found = queue.browse(now, &Browse { state, before, limit: 9, look_at, bytes: 99, ..Browse::default() });
            let sequences: Vec<u64> = found.jobs.iter().map(|report| report.job.sequence).collect();
            (sequences, found.next, found.looked_at)
        };
        assert_eq!(browse(None, 9), (vec![99, 50, 3], None, 3));
        assert_eq!(browse(None, 2), (vec![99, 50], Some(50), 2));
        assert_eq!(browse(Some(50), 2), (vec![3], None, 1));
    }

    #[test]
    fn who_asks_for_ended_jobs_is_not_led_past_all_that_live() {
        let (now, mut queue) = (Now::default(), Queue::new(0, TypeName::unnamed(), false));
        for sequence in 1..=100 {
            queue.restore(now, job(sequence, StoredState::Queued), 1, &mut Outbox::default());
        }
        let ended = Browse { limit: 9, look_at: 99, bytes: 99, ..Browse::default() };
        for state in [JobState::Completed, JobState::Failed, JobState::Cancelled, JobState::Expired] {
            let found = queue.browse(now, &Browse { state: Some(state), ..ended.clone() });
            assert_eq!(found, Found::default());
        }
    }
}
