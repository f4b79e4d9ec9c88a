//! The queue of one type: the picture of states in `spec/jobs.md`, one small function per arrow.
//!
//! A turn is: any number of verbs, then [`Queue::settle`], which hands out jobs, then whatever is in the [`Outbox`].
//! It never waits, reads no clock and speaks to nobody.
//!
//! | file | the arrows |
//! |---|---|
//! | `mod` | submit, assign, what time does |
//! | `answers` | a worker's word on an attempt: complete, fail, touch, release |
//! | `deeds` | cancel, retry, delete, a peer that left |
//! | `endings` | into a terminal state, and out of the books |
//! | `said` | what was accepted of workers that have no connection |
//! | `reports` | what people ask of it |
//! | `figures` | what it tells the statistics |
//! | `foresight` | memory that is about to be needed |
//! | `records` | what the store has to know, and what it gives back at start |
//! | `stowage` | bodies that only the store holds |

mod answers;
mod deeds;
mod endings;
mod figures;
mod foresight;
mod records;
mod reports;
mod said;
mod stowage;

use std::collections::{BTreeMap, HashMap};

use std::sync::Arc;

use hashbrown::HashTable;
use slab::Slab;

use super::arrivals::Arrivals;
use super::census::Census;
use super::command::{Assignment, Command, Introduction, Notice, Outbox, Receipt, Submission};
use super::deadlines::{Deadlines, Due, Moment, Now};
use super::job::{
    AttemptEnd, Job, JobId, Links, OnMasterGone, Outcome, Peer, PeerName, QueueNo, Request, State, TypeName,
};
use super::masters::Masters;
use super::statistics::Meter;
use super::waiting::{Slot, Waiting};
use super::workers::Workers;
use records::Revived;
pub use reports::{Away, Holding};
use said::Said;
use stowage::Stowage;

pub use figures::Standing;

/// At most this many failed transient jobs stay readable per queue (`spec/jobs.md`, `keep_failed_ms`).
const MAX_KEPT_FAILURES: usize = 10_000;

/// One attempt in progress.
#[derive(Debug)]
struct Run {
    job: u32,
    /// The job's sequence number.
    sequence: u64,
    worker: Peer,
    worker_name: PeerName,
    lease_ms: u64,
    ends: Moment,
    started: Moment,
    progress: Option<f64>,
    note: Option<Arc<str>>,
    /// Its worker lives by no connection.
    outlives: bool,
}

/// The queue of one type.
#[derive(Debug)]
pub struct Queue {
    number: QueueNo,
    kind: TypeName,
    jobs: Slab<Job>,
    by_id: HashTable<u32>,
    arrivals: Arrivals,
    waiting: Waiting,
    runs: Slab<Run>,
    workers: Workers,
    masters: Masters,
    scheduled: Deadlines,
    leases: Deadlines,
    expiries: Deadlines,
    records: Deadlines,
    /// Finished jobs whose record is kept.
    kept: usize,
    /// Waiting jobs that can expire.
    mortal: usize,
    /// Failed transient ones among them: when and which, and its key.
    kept_failures: BTreeMap<(Moment, u64), u32>,
    census: Census,
    meter: Meter,
    paused: bool,
    draining: bool,
    /// What was accepted of workers that have no connection.
    said: Said,
    /// Who wants to see a job when it has ended, by sequence number.
    watchers: HashMap<u64, Vec<(Peer, Request)>>,
    /// When the last worker left, where none is there: milliseconds since 1970.
    last_worker_left_ms: Option<u64>,
    /// Durable jobs are written to a store.
    stores: bool,
    stowage: Stowage,
    /// Jobs that came back from the archive, until the store knows that.
    revived: HashMap<u64, Revived>,
}

/// A live job whose queue dies.
#[derive(Clone, PartialEq, Debug)]
pub struct Bereaved {
    /// The master that waits for it, or [`Peer::NONE`].
    pub master: Peer,
    /// Its id.
    pub id: JobId,
    /// Its place in the order of acceptance.
    pub sequence: u64,
    /// The store has it, or will not have heard of it.
    pub is_stored: bool,
}

impl Queue {
    /// An empty queue for jobs of this type. With `stores`, what happens to durable jobs is written into the outbox as
    /// records, and their ends are told when those are on disk; without, they are like others.
    pub fn new(number: QueueNo, kind: TypeName, stores: bool) -> Queue {
        Queue {
            number,
            kind,
            jobs: Slab::new(),
            by_id: HashTable::new(),
            arrivals: Arrivals::default(),
            waiting: Waiting::default(),
            runs: Slab::new(),
            workers: Workers::default(),
            masters: Masters::default(),
            scheduled: Deadlines::default(),
            leases: Deadlines::default(),
            expiries: Deadlines::default(),
            records: Deadlines::default(),
            kept: 0,
            mortal: 0,
            kept_failures: BTreeMap::new(),
            census: Census::default(),
            meter: Meter::default(),
            paused: false,
            draining: false,
            said: Said::default(),
            watchers: HashMap::new(),
            last_worker_left_ms: None,
            stores,
            stowage: Stowage::default(),
            revived: HashMap::new(),
        }
    }

    /// Does what a peer asks. `who` knows the peer where it joins.
    pub fn apply(&mut self, now: Now, peer: Peer, who: &Introduction, command: Command, out: &mut Outbox) {
        match command {
            Command::Submit(submission) => self.submit(now, peer, who, submission, out),
            Command::Join { .. } => {
                self.last_worker_left_ms = None;
                self.workers.join(peer, who);
                self.workers.ready(peer, self.number);
            }
            Command::Leave { .. } => {
                self.workers.leave(peer, self.number);
                self.note_leaving(now);
            }
            Command::Ready { .. } => self.workers.ready(peer, self.number),
            Command::Answer { request, receipt, answer } => self.answer(now, peer, request, receipt, answer, out),
            Command::AnswerById { request, id, ticket, answer } => {
                self.answer_by_id(now, peer, request, &id, ticket, answer, out);
            }
            Command::Look { request, id } => self.look(now, peer, request, &id, out),
            Command::Watch { request, id } => self.watch(now, peer, request, &id, out),
            Command::Unwatch { request, id } => self.unwatch(peer, request, &id),
            Command::Name { .. } => unreachable!("names are the supervisor's"),
            Command::Manage { request, id, deed } => self.manage(now, peer, request, &id, deed, out),
            Command::Forget { id } => self.give_way(&id, out),
        }
    }

    /// Hands out what can be handed out. To be called at the end of a turn.
    pub fn settle(&mut self, now: Now, out: &mut Outbox) {
        let jobs = &self.jobs;
        self.arrivals.sweep(jobs.len(), |key| sequence_at(jobs, key));
        self.waiting.sweep(self.census.queued as usize, |priority, slot| is_queued(jobs, priority, slot));
        self.leases.sweep(self.runs.len(), |due| is_leased(&self.runs, due));
        self.scheduled.sweep(self.census.scheduled as usize, |due| is_scheduled(jobs, due));
        self.expiries.sweep(self.mortal, |due| is_mortal(jobs, due));
        self.records.sweep(self.kept, |due| is_kept(jobs, due));
        self.workers.sweep();
        if self.hands_out() {
            self.look_down_the_line(self.workers.idle());
        }
        while self.hands_out() && self.census.queued > 0 && self.workers.is_anyone_idle() {
            if !self.is_first_body_here() {
                break;
            }
            let Some(worker) = self.workers.take(self.number) else { break };
            let jobs = &self.jobs;
            let slot = self
                .waiting
                .pop(|priority, slot| is_queued(jobs, priority, slot))
                .expect("the census counts queued jobs");
            self.assign(now, slot.key, worker, out);
        }
    }

    /// Does what time does: to be called at or after [`Queue::next_alarm`].
    pub fn tick(&mut self, now: Now, out: &mut Outbox) {
        while let Some(due) = self.expiries.pop(now.at, |due| is_mortal(&self.jobs, due)) {
            self.leave_waiting(due.key);
            self.finish(now, due.key, Outcome::Expired, None, out);
        }
        while let Some(due) = self.scheduled.pop(now.at, |due| is_scheduled(&self.jobs, due)) {
            self.census.scheduled -= 1;
            self.enqueue(due.key, due.at);
        }
        while let Some(due) = self.leases.pop(now.at, |due| is_leased(&self.runs, due)) {
            self.give_back(now, due.key, AttemptEnd::LeaseOver, out);
        }
        while let Some(due) = self.records.pop(now.at, |due| is_kept(&self.jobs, due)) {
            self.forget(due.key, out);
        }
    }

    /// When [`Queue::tick`] has something to do.
    pub fn next_alarm(&mut self) -> Option<Moment> {
        let jobs = &self.jobs;
        let alarms = [
            self.leases.next(|due| is_leased(&self.runs, due)),
            self.scheduled.next(|due| is_scheduled(jobs, due)),
            self.expiries.next(|due| is_mortal(jobs, due)),
            self.records.next(|due| is_kept(jobs, due)),
        ];
        alarms.into_iter().flatten().min()
    }

    /// Hands out nothing while it is paused.
    pub fn set_paused(&mut self, paused: bool) {
        self.paused = paused;
    }

    /// Whether it hands out nothing.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Hands out nothing more: the server is about to stop.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    fn hands_out(&self) -> bool {
        !self.paused && !self.draining
    }

    /// How many jobs there are and were.
    pub fn census(&self) -> Census {
        self.census
    }

    /// Its number.
    pub fn number(&self) -> QueueNo {
        self.number
    }

    /// Its type.
    pub fn kind(&self) -> &TypeName {
        &self.kind
    }

    /// How many peers work on this type.
    pub fn joined(&self) -> usize {
        self.workers.joined()
    }

    /// How many entries its lists have, also such that no longer count.
    #[cfg(test)]
    pub(crate) fn entries(&self) -> usize {
        let deadlines = [&self.scheduled, &self.leases, &self.expiries, &self.records];
        let due = deadlines.iter().map(|deadlines| deadlines.len()).sum::<usize>();
        self.waiting.iter().count() + self.workers.line_len() + due
    }

    /// How many peers it remembers as workers.
    #[cfg(test)]
    pub(crate) fn workers_known(&self) -> usize {
        self.workers.known()
    }

    /// The live jobs of a queue that dies.
    pub fn obituary(&self) -> Vec<Bereaved> {
        let live = self
            .jobs
            .iter()
            .map(|(_, job)| job)
            .filter(|job| !matches!(job.state, State::Finished(_)) && !job.orphaned);
        let bereaved = live.map(|job| Bereaved {
            master: if job.notify { job.master } else { Peer::NONE },
            id: job.id.clone(),
            sequence: job.sequence,
            is_stored: self.stores && job.policy.durable,
        });
        bereaved.collect()
    }

    /// This master waits for the end of this job, which the store gave back.
    pub fn expect_end(&mut self, id: &JobId, master: Peer) {
        if let Some(key) = self.find(id) {
            let job = &mut self.jobs[key as usize];
            (job.master, job.notify) = (master, true);
        }
    }

    fn submit(&mut self, now: Now, peer: Peer, who: &Introduction, submission: Submission, out: &mut Outbox) {
        let Submission { request, id, priority, body, policy, delay_ms, notify, watch, master, sequence, .. } =
            submission;
        let drop_with_master = policy.on_master_gone == OnMasterGone::Drop;
        let job = Job {
            id,
            sequence,
            priority,
            body_bytes: body.len() as u32,
            body: Some(body),
            master: if notify || drop_with_master { peer } else { Peer::NONE },
            master_name: master.unwrap_or_else(|| who.name.clone()),
            policy,
            accepted: now.at,
            born: now.at,
            state: State::Queued(now.at),
            attempt: 0,
            deliveries: 0,
            chain: Links::ALONE,
            history: None,
            orphaned: false,
            reprioritized: false,
            notify,
            stowed: false,
        };
        let hash = job.id.hash_value();
        let key = self.jobs.insert(job) as u32;
        self.by_id.insert_unique(hash, key, |key| self.jobs[*key as usize].id.hash_value());
        self.arrivals.add(sequence, key);
        if drop_with_master {
            self.masters.link(&mut self.jobs, key);
        }
        if watch {
            self.watchers.insert(sequence, vec![(peer, request)]);
        }
        self.census.accepted += 1;
        out.tell(peer, Notice::Done { request, lease_ms: 0 }, self.stored(key));
        // Before it waits, since one whose time to live is over at once ends there.
        self.record_put(now, key, out);
        self.stow(key, out);
        self.wait(now, key, delay_ms, out);
        if delay_ms > 0 {
            self.record_change(now, key, out);
        }
    }

    /// Into SCHEDULED or QUEUED, or out where its time to live is over.
    fn wait(&mut self, now: Now, key: u32, delay_ms: u64, out: &mut Outbox) {
        let job = &mut self.jobs[key as usize];
        if let Some(expires) = job.expires() {
            if expires <= now.at {
                self.finish(now, key, Outcome::Expired, None, out);
                return;
            }
            self.mortal += 1;
            self.expiries.add_at(expires, key, job.sequence);
        }
        if delay_ms > 0 {
            let at = self.scheduled.add(now.at, delay_ms, key, job.sequence);
            job.state = State::Scheduled(at);
            self.census.scheduled += 1;
        } else {
            self.enqueue(key, now.at);
        }
    }

    /// Into QUEUED, at its old place if it has one.
    fn enqueue(&mut self, key: u32, since: Moment) {
        let job = &mut self.jobs[key as usize];
        job.state = State::Queued(since);
        self.waiting.put(job.priority, Slot { sequence: job.sequence, key });
        self.census.queued += 1;
    }

    /// Out of SCHEDULED or QUEUED; the caller says where to.
    fn leave_waiting(&mut self, key: u32) {
        let job = &self.jobs[key as usize];
        match job.state {
            State::Scheduled(_) => self.census.scheduled -= 1,
            State::Queued(_) => self.census.queued -= 1,
            State::Running(_) | State::Finished(_) => unreachable!("the job waits"),
        }
        self.mortal -= usize::from(job.policy.ttl_ms.is_some());
    }

    /// QUEUED → RUNNING.
    fn assign(&mut self, now: Now, key: u32, peer: Peer, out: &mut Outbox) {
        let worker = self.workers.of(peer).expect("a worker in line is known");
        let job = &mut self.jobs[key as usize];
        if let State::Queued(since) = job.state {
            self.meter.waited(now.at.0.saturating_sub(since.0));
        }
        let lease_ms = job.policy.lease_ms.unwrap_or(worker.lease_ms);
        let ends = self.leases.add(now.at, lease_ms, self.runs.vacant_key() as u32, job.sequence);
        let run = Run {
            job: key,
            sequence: job.sequence,
            worker: peer,
            worker_name: worker.name.clone(),
            lease_ms,
            ends,
            started: now.at,
            progress: None,
            note: None,
            outlives: worker.outlives,
        };
        let run = self.runs.insert(run) as u32;
        worker.runs.push(run);
        job.attempt += 1;
        job.deliveries += 1;
        self.leave_waiting(key);
        let job = &mut self.jobs[key as usize];
        job.state = State::Running(run);
        self.census.running += 1;
        let assignment = Assignment {
            receipt: Receipt { queue: self.number, key, sequence: job.sequence, delivery: job.deliveries },
            id: job.id.clone(),
            kind: self.kind.clone(),
            priority: job.priority,
            body: job.body.clone().expect("its body was fetched before it was taken"),
            attempt: job.attempt,
            max_attempts: job.policy.max_attempts,
            lease_ms,
        };
        out.notices.push((peer, Notice::Assigned(Box::new(assignment))));
        self.record_change(now, key, out);
    }

    fn find(&self, id: &JobId) -> Option<u32> {
        self.by_id.find(id.hash_value(), |key| self.jobs[*key as usize].id == *id).copied()
    }
}

fn job_of(jobs: &Slab<Job>, key: u32, sequence: u64) -> Option<&Job> {
    jobs.get(key as usize).filter(|job| job.sequence == sequence)
}

fn sequence_at(jobs: &Slab<Job>, key: u32) -> Option<u64> {
    jobs.get(key as usize).map(|job| job.sequence)
}

/// A slot of another priority is one that its job has left.
fn is_queued(jobs: &Slab<Job>, priority: i64, slot: Slot) -> bool {
    job_of(jobs, slot.key, slot.sequence)
        .is_some_and(|job| matches!(job.state, State::Queued(_)) && job.priority == priority)
}

fn is_scheduled(jobs: &Slab<Job>, due: &Due) -> bool {
    job_of(jobs, due.key, due.sequence).is_some_and(|job| matches!(job.state, State::Scheduled(at) if at == due.at))
}

/// The key of a lease is its run's: runs are few and often looked at, jobs are neither.
fn is_leased(runs: &Slab<Run>, due: &Due) -> bool {
    runs.get(due.key as usize).is_some_and(|run| run.sequence == due.sequence && run.ends == due.at)
}

fn is_mortal(jobs: &Slab<Job>, due: &Due) -> bool {
    job_of(jobs, due.key, due.sequence)
        .is_some_and(|job| matches!(job.state, State::Queued(_) | State::Scheduled(_)) && job.expires() == Some(due.at))
}

fn is_kept(jobs: &Slab<Job>, due: &Due) -> bool {
    job_of(jobs, due.key, due.sequence)
        .is_some_and(|job| matches!(&job.state, State::Finished(finished) if finished.forget_at == due.at))
}
