//! One queue, written a second time from `spec/jobs.md`: plain lists, and everything found by looking at everything.
//!
//! It shares words with the core (commands, notices), and the jitter of the back-off, but no structure: no keys, no chains,
//! no lanes, no counters that have to agree with something. Receipts carry key 0 here.

use std::sync::Arc;

use crate::core::command::{Command, Introduction, Notice, Outbox, Receipt, Submission};
use crate::core::job::AttemptEnd;
use crate::core::{Assignment, Body, Census, JobId, Moment, Now, OnMasterGone, Peer, Policy, QueueNo, TypeName};

pub(super) use crate::core::job::Outcome;

/// A job and everything about it.
pub(super) struct Job {
    pub(super) id: JobId,
    pub(super) sequence: u64,
    pub(super) priority: i64,
    pub(super) body: Body,
    pub(super) policy: Arc<Policy>,
    pub(super) master: Peer,
    pub(super) notify: bool,
    /// Its master went while it ran.
    pub(super) orphaned: bool,
    /// What its time to live is counted from.
    pub(super) born: Moment,
    pub(super) attempt: u32,
    pub(super) deliveries: u32,
    pub(super) place: Place,
}

/// Where a job is.
pub(super) enum Place {
    Scheduled(Moment),
    Queued,
    Running { worker: Peer, lease_ms: u64, ends: Moment },
    Finished { outcome: Outcome, detail: Option<Body>, forget_at: Moment },
}

/// A worker, its free hands included.
pub(super) struct Worker {
    pub(super) peer: Peer,
    pub(super) lease_ms: u64,
    pub(super) joined: bool,
    /// Attempts that were cancelled under it and that it has not spoken of.
    pub(super) cancelled: Vec<(u64, u32)>,
}

/// One queue.
pub(super) struct Model {
    pub(super) number: QueueNo,
    kind: TypeName,
    pub(super) jobs: Vec<Job>,
    pub(super) workers: Vec<Worker>,
    /// Idle workers, longest-waiting first.
    line: Vec<Peer>,
    /// The free hands of each peer, known to the queue or not.
    pub(super) hands: Vec<(Peer, u32)>,
    /// Peers whose next free hand must be told to this queue.
    pub(super) looks_away_from: Vec<Peer>,
    /// How jobs ended; what lives is counted when asked.
    pub(super) ended: Census,
    paused: bool,
    /// Durable jobs are on disk: words about them wait for it, and finished ones live in the archive.
    pub(super) stores: bool,
}

impl Model {
    pub(super) fn new(number: QueueNo, kind: TypeName, stores: bool) -> Model {
        Model {
            number,
            kind,
            jobs: Vec::new(),
            workers: Vec::new(),
            line: Vec::new(),
            hands: Vec::new(),
            looks_away_from: Vec::new(),
            ended: Census::default(),
            paused: false,
            stores,
        }
    }

    pub(super) fn apply(&mut self, now: Now, peer: Peer, who: &Introduction, command: &Command, out: &mut Outbox) {
        match command {
            Command::Submit(submission) => self.submit(now, peer, submission, out),
            Command::Join { .. } => {
                if self.worker(peer).is_none() {
                    self.workers.push(Worker { peer, lease_ms: who.lease_ms, joined: true, cancelled: Vec::new() });
                }
                self.worker(peer).expect("it was just made").joined = true;
                self.ready(peer);
            }
            Command::Leave { .. } => {
                if let Some(worker) = self.worker(peer) {
                    worker.joined = false;
                }
                self.line.retain(|other| *other != peer);
                self.looks_away_from.retain(|other| *other != peer);
            }
            Command::Ready { .. } => self.ready(peer),
            Command::Answer { request, receipt, answer } => self.answer(now, peer, *request, *receipt, answer, out),
            Command::Manage { request, id, deed } => self.manage(now, peer, *request, id, *deed, out),
            Command::Forget { id } => self.give_way(id, out),
            Command::AnswerById { .. }
            | Command::Look { .. }
            | Command::Watch { .. }
            | Command::Unwatch { .. }
            | Command::Name { .. } => unreachable!("the steps have none of these"),
        }
        self.forget_workers_that_are_done();
    }

    /// While there is a ready job and a free hand, they meet: best job, longest-waiting worker.
    pub(super) fn settle(&mut self, now: Now, out: &mut Outbox) {
        while !self.paused && self.count(|place| matches!(place, Place::Queued)) > 0 && !self.line.is_empty() {
            let peer = self.line.remove(0);
            if *self.hands_of(peer) > 0 {
                *self.hands_of(peer) -= 1;
                self.assign(now, peer, out);
            }
            self.ready(peer);
        }
    }

    pub(super) fn tick(&mut self, now: Now, out: &mut Outbox) {
        while let Some(at) =
            self.jobs.iter().position(|job| job.waits() && job.expires().is_some_and(|expires| expires <= now.at))
        {
            self.finish(now, at, Outcome::Expired, None, out);
        }
        for job in &mut self.jobs {
            if matches!(job.place, Place::Scheduled(due) if due <= now.at) {
                job.place = Place::Queued;
            }
        }
        while let Some(at) =
            self.jobs.iter().position(|job| matches!(job.place, Place::Running { ends, .. } if ends <= now.at))
        {
            self.give_back(now, at, AttemptEnd::LeaseOver, out);
        }
        while let Some(at) = self
            .jobs
            .iter()
            .position(|job| matches!(job.place, Place::Finished { forget_at, .. } if forget_at <= now.at))
        {
            self.forget(at, out);
        }
        self.forget_workers_that_are_done();
    }

    pub(super) fn next_alarm(&self) -> Option<Moment> {
        let alarms = self.jobs.iter().flat_map(|job| match job.place {
            Place::Scheduled(due) => [Some(due), job.expires()],
            Place::Queued => [None, job.expires()],
            Place::Running { ends, .. } => [Some(ends), None],
            Place::Finished { forget_at, .. } => [Some(forget_at), None],
        });
        alarms.flatten().min()
    }

    pub(super) fn peer_gone(&mut self, now: Now, peer: Peer, out: &mut Outbox) {
        self.workers.retain(|worker| worker.peer != peer);
        self.line.retain(|other| *other != peer);
        while let Some(at) =
            self.jobs.iter().position(|job| matches!(job.place, Place::Running { worker, .. } if worker == peer))
        {
            self.give_back(now, at, AttemptEnd::WorkerGone, out);
        }
        let its_own = |job: &Job| job.master == peer && job.policy.on_master_gone == OnMasterGone::Drop;
        while let Some(at) = self.jobs.iter().position(|job| its_own(job) && job.waits()) {
            self.discard(at, out);
        }
        let running = |job: &Job| matches!(job.place, Place::Running { .. });
        while let Some(at) = self.jobs.iter().position(|job| its_own(job) && running(job) && !job.orphaned) {
            self.jobs[at].orphaned = true;
            out.ids.push(self.jobs[at].freed());
        }
    }

    pub(super) fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    pub(super) fn census(&self) -> Census {
        Census {
            scheduled: self.count(|place| matches!(place, Place::Scheduled(_))),
            queued: self.count(|place| matches!(place, Place::Queued)),
            running: self.count(|place| matches!(place, Place::Running { .. })),
            ..self.ended
        }
    }

    /// What names the job to the store, if it is there.
    pub(super) fn stored(&self, job: &Job) -> Option<u64> {
        (self.stores && job.policy.durable).then_some(job.sequence)
    }

    /// The free hands of a peer.
    pub(super) fn hands_of(&mut self, peer: Peer) -> &mut u32 {
        &mut self.hands.iter_mut().find(|(other, _)| *other == peer).expect("every peer was introduced").1
    }

    pub(super) fn worker(&mut self, peer: Peer) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.peer == peer)
    }

    /// With a free hand it goes to the end of the line; without one it has to say so when it has one again.
    pub(super) fn ready(&mut self, peer: Peer) {
        let joined = self.worker(peer).is_some_and(|worker| worker.joined);
        if !joined || self.line.contains(&peer) {
            return;
        }
        if *self.hands_of(peer) > 0 {
            self.line.push(peer);
        } else if !self.looks_away_from.contains(&peer) {
            self.looks_away_from.push(peer);
        }
    }

    fn submit(&mut self, now: Now, peer: Peer, submission: &Submission, out: &mut Outbox) {
        self.ended.accepted += 1;
        self.jobs.push(Job {
            id: submission.id.clone(),
            sequence: submission.sequence,
            priority: submission.priority,
            body: submission.body.clone(),
            policy: submission.policy.clone(),
            master: peer,
            notify: submission.notify,
            orphaned: false,
            born: now.at,
            attempt: 0,
            deliveries: 0,
            place: Place::Queued,
        });
        let stored = self.jobs.last().and_then(|job| self.stored(job));
        out.tell(peer, Notice::Done { request: submission.request, lease_ms: 0 }, stored);
        self.wait(now, self.jobs.len() - 1, submission.delay_ms, out);
    }

    /// Among the waiting: later, now, or not any more.
    pub(super) fn wait(&mut self, now: Now, at: usize, delay_ms: u64, out: &mut Outbox) {
        let job = &mut self.jobs[at];
        if job.expires().is_some_and(|expires| expires <= now.at) {
            self.finish(now, at, Outcome::Expired, None, out);
        } else {
            job.place = if delay_ms > 0 { Place::Scheduled(now.at.after_ms(delay_ms)) } else { Place::Queued };
        }
    }

    /// The best ready job goes to this worker.
    fn assign(&mut self, now: Now, peer: Peer, out: &mut Outbox) {
        let default_ms = self.worker(peer).expect("who stands in line is known").lease_ms;
        let ready = self.jobs.iter_mut().filter(|job| matches!(job.place, Place::Queued));
        let job = ready.reduce(|best, job| if job.goes_before(best) { job } else { best }).expect("a job is ready");
        let lease_ms = job.policy.lease_ms.unwrap_or(default_ms);
        job.attempt += 1;
        job.deliveries += 1;
        job.place = Place::Running { worker: peer, lease_ms, ends: now.at.after_ms(lease_ms) };
        let assignment = Assignment {
            receipt: Receipt { queue: self.number, key: 0, sequence: job.sequence, delivery: job.deliveries },
            id: job.id.clone(),
            kind: self.kind.clone(),
            priority: job.priority,
            body: job.body.clone(),
            attempt: job.attempt,
            max_attempts: job.policy.max_attempts,
            lease_ms,
        };
        out.notices.push((peer, Notice::Assigned(Box::new(assignment))));
    }

    fn count(&self, is: impl Fn(&Place) -> bool) -> u64 {
        self.jobs.iter().filter(|job| is(&job.place)).count() as u64
    }

    /// A worker is known while it works on this type, holds something, or has yet to hear that something was cancelled.
    fn forget_workers_that_are_done(&mut self) {
        let holds = |peer: Peer| {
            self.jobs.iter().any(|job| matches!(job.place, Place::Running { worker, .. } if worker == peer))
        };
        self.workers.retain(|worker| worker.joined || !worker.cancelled.is_empty() || holds(worker.peer));
    }
}

impl Job {
    pub(super) fn waits(&self) -> bool {
        matches!(self.place, Place::Scheduled(_) | Place::Queued)
    }

    pub(super) fn expires(&self) -> Option<Moment> {
        self.policy.ttl_ms.map(|ttl_ms| self.born.after_ms(ttl_ms))
    }

    fn goes_before(&self, other: &Job) -> bool {
        self.priority > other.priority || (self.priority == other.priority && self.sequence < other.sequence)
    }
}
