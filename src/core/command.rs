//! What is asked of queues, and what they say: the words between dialects and the job model.
//!
//! Commands travel connection → supervisor → queue in batches; notices travel queue → connection.

use std::sync::Arc;

use super::demand::Demand;
use super::job::{Body, JobId, Peer, PeerName, Policy, QueueNo, Request, TypeName};
use super::record::Record;
use super::report::Report;
use super::ticket::Ticket;

/// What one peer asks, in the order it asked.
#[derive(Debug)]
pub struct Batch {
    /// Who asks.
    pub peer: Peer,
    /// What.
    pub commands: Vec<Command>,
}

/// One request.
#[derive(Debug)]
pub enum Command {
    /// Queue this job. Answered by [`Notice::Done`] or [`Notice::Refused`].
    Submit(Submission),
    /// From now on the peer also works on these types. Answered by [`Notice::Done`] or [`Notice::Refused`], by the supervisor.
    Join {
        /// The number to answer with.
        request: Request,
        /// The types.
        types: Vec<TypeName>,
    },
    /// From now on the peer doesn't work on these types; what it holds stays valid.
    Leave {
        /// The types.
        types: Vec<TypeName>,
    },
    /// The peer has free hands again, and this queue had last seen it without.
    Ready {
        /// The queue.
        queue: QueueNo,
    },
    /// The worker's word on an attempt. Answered by [`Notice::Done`] or [`Notice::Refused`].
    Answer {
        /// The number to answer with.
        request: Request,
        /// The attempt.
        receipt: Receipt,
        /// The word.
        answer: Answer,
    },
    /// The word of a worker that has no connection on an attempt of the job with this id. Answered as [`Command::Answer`];
    /// a repeat of what was accepted is accepted again.
    AnswerById {
        /// The number to answer with.
        request: Request,
        /// The job.
        id: JobId,
        /// The attempt.
        ticket: Ticket,
        /// The word.
        answer: Answer,
    },
    /// What is to know of this job? Answered by [`Notice::Report`] or [`Notice::Refused`].
    Look {
        /// The number to answer with.
        request: Request,
        /// The job.
        id: JobId,
    },
    /// The same once it has ended.
    Watch {
        /// The number to answer with.
        request: Request,
        /// The job.
        id: JobId,
    },
    /// The peer gave up an earlier [`Command::Watch`]. Not answered.
    Unwatch {
        /// The number of the request.
        request: Request,
        /// The job.
        id: JobId,
    },
    /// The peer is called this from now on. Not answered.
    Name {
        /// The name.
        name: PeerName,
    },
    /// Do something to a job by its id. Answered by [`Notice::Done`] or [`Notice::Refused`].
    Manage {
        /// The number to answer with.
        request: Request,
        /// The job.
        id: JobId,
        /// What.
        deed: Deed,
    },
    /// The record of this finished transient job gives way: its id was submitted again.
    Forget {
        /// The job.
        id: JobId,
    },
}

impl Command {
    /// The id of the job that is to be queued, if one is.
    pub(crate) fn new_id(&self) -> Option<&JobId> {
        if let Command::Submit(submission) = self { Some(&submission.id) } else { None }
    }
}

/// A job to be queued.
#[derive(Debug)]
pub struct Submission {
    /// The number to answer with.
    pub request: Request,
    /// Its id.
    pub id: JobId,
    /// Its type, and so its queue.
    pub kind: TypeName,
    /// Larger first.
    pub priority: i64,
    /// Any JSON.
    pub body: Body,
    /// How it wants to be treated.
    pub policy: Arc<Policy>,
    /// Not offered before this many milliseconds from now.
    pub delay_ms: u64,
    /// Whether the peer wants to hear how it ended: [`Notice::Ended`].
    pub notify: bool,
    /// Whether the peer wants to see it when it has ended: [`Notice::Report`] with the same request.
    pub watch: bool,
    /// Who submits it, where that is not the peer itself.
    pub master: Option<PeerName>,
    /// Its place in the order of acceptance: given by the supervisor.
    pub sequence: u64,
}

/// What a job with this id and so many bytes of body in memory takes of `--max-bytes`: what it holds and, roughly, what it
/// costs besides.
pub(crate) fn weight(id: &JobId, body_bytes: usize) -> usize {
    const BESIDES: usize = 256;
    BESIDES + id.token().len() + body_bytes
}

impl Submission {
    /// What it takes of `--max-bytes`.
    pub fn weight(&self) -> usize {
        weight(&self.id, self.body.len())
    }
}

/// A worker's word on an attempt.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is done; this is the result.
    Complete(Body),
    /// It failed.
    Fail {
        /// Any JSON.
        error: Body,
        /// Whether another attempt makes sense.
        retry: bool,
        /// How long to wait before it, in milliseconds; none: the policy's back-off.
        delay_ms: Option<u64>,
    },
    /// Still at it: the lease starts anew.
    Touch {
        /// Its new length in milliseconds; none: as before.
        lease_ms: Option<u64>,
        /// How far, 0 to 1.
        progress: Option<f64>,
        /// What there is to say of it.
        note: Option<Arc<str>>,
    },
    /// Given back; doesn't count as an attempt.
    Release {
        /// Not offered again before this many milliseconds.
        delay_ms: u64,
    },
}

/// What can be done to a job by its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Take it back.
    Cancel,
    /// Take it back if it still waits.
    CancelWaiting,
    /// Queue a failed or cancelled one again, with fresh attempts.
    Retry,
    /// Remove a finished one's record.
    Delete,
    /// Nothing: the question is whether there is such a job.
    Find,
    /// Larger or smaller priority from now on.
    Reprioritize(i64),
    /// Don't let it wait for its time any longer.
    RunNow,
}

/// The right to finish one attempt.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Receipt {
    /// The job's queue.
    pub queue: QueueNo,
    /// Where the job is in it.
    pub key: u32,
    /// Which job that must be: keys are used again, sequence numbers never.
    pub sequence: u64,
    /// Which delivery.
    pub delivery: u32,
}

/// A job for a worker.
#[derive(Clone, PartialEq, Debug)]
pub struct Assignment {
    /// The right to finish it.
    pub receipt: Receipt,
    /// Its id.
    pub id: JobId,
    /// Its type.
    pub kind: TypeName,
    /// Its priority.
    pub priority: i64,
    /// Its body.
    pub body: Body,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How many there can be.
    pub max_attempts: u32,
    /// How long the worker has, in milliseconds.
    pub lease_ms: u64,
}

/// What a queue, or the supervisor, says to a peer.
#[derive(Clone, PartialEq, Debug)]
pub enum Notice {
    /// The request is granted. For a durable job: it is on disk.
    Done {
        /// Which.
        request: Request,
        /// The new lease of a touched attempt in milliseconds, else 0.
        lease_ms: u64,
    },
    /// The request is refused.
    Refused {
        /// Which.
        request: Request,
        /// Why.
        refusal: Refusal,
    },
    /// A job to work on. Boxed: it is by far the largest notice, and lists of notices are long.
    Assigned(Box<Assignment>),
    /// An attempt in the peer's hands is void: its job was cancelled.
    Withdrawn {
        /// The attempt.
        receipt: Receipt,
    },
    /// What the peer asked to see.
    Report {
        /// Which request.
        request: Request,
        /// The job.
        report: Box<Report>,
    },
    /// A job that the peer submitted has ended.
    Ended {
        /// The job.
        id: JobId,
        /// How.
        ending: Ending,
    },
    /// A queue died and with it what only memory had.
    Lost {
        /// The queue.
        queue: QueueNo,
        /// Its type: requests to it that have no answer yet get none.
        kind: TypeName,
        /// The peer's jobs that went with it.
        jobs: Vec<JobId>,
    },
}

/// How a job ended, for its master.
#[derive(Clone, PartialEq, Debug)]
pub enum Ending {
    /// With this result.
    Completed(Body),
    /// With this error.
    Failed(Body),
    /// Somebody cancelled it.
    Cancelled,
    /// Its `ttl_ms` was over.
    Expired,
}

/// Why a request is refused. The codes are the same in every dialect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// A live job has this id.
    IdExists,
    /// Too many jobs, bytes or types.
    QueueFull,
    /// No room on disk.
    DiskFull,
    /// The server is about to stop.
    Draining,
    /// The queue of this type died with the request; nothing of it was kept.
    Restarted,
    /// No such job.
    UnknownJob,
    /// The attempt is not the caller's any more.
    StaleReceipt,
    /// The job was cancelled.
    Cancelled,
    /// It has ended already.
    AlreadyFinished,
    /// It has not ended yet.
    NotFinished,
    /// It was completed: there is nothing to retry.
    AlreadyCompleted,
    /// It doesn't wait any more.
    NotWaiting,
    /// It doesn't wait for a time.
    NotScheduled,
}

impl Refusal {
    /// Its stable code.
    pub fn code(self) -> &'static str {
        match self {
            Refusal::IdExists => "id_exists",
            Refusal::QueueFull => "queue_full",
            Refusal::DiskFull => "disk_full",
            Refusal::Draining => "draining",
            Refusal::Restarted => "restarted",
            Refusal::UnknownJob => "unknown_job",
            Refusal::StaleReceipt => "stale_receipt",
            Refusal::Cancelled => "cancelled",
            Refusal::AlreadyFinished => "already_finished",
            Refusal::NotFinished => "not_finished",
            Refusal::AlreadyCompleted => "already_completed",
            Refusal::NotWaiting => "not_waiting",
            Refusal::NotScheduled => "not_scheduled",
        }
    }

    /// What it means, for people.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::IdExists => "a live job has this id",
            Refusal::QueueFull => "too many jobs, bytes or types",
            Refusal::DiskFull => "no room on disk",
            Refusal::Draining => "the server is about to stop",
            Refusal::Restarted => "the queue was restarted, nothing of this request was kept",
            Refusal::UnknownJob => "no such job",
            Refusal::StaleReceipt => "the attempt is not yours any more",
            Refusal::Cancelled => "the job was cancelled",
            Refusal::AlreadyFinished => "the job has ended already",
            Refusal::NotFinished => "the job has not ended yet",
            Refusal::AlreadyCompleted => "the job was completed",
            Refusal::NotWaiting => "the job doesn't wait any more",
            Refusal::NotScheduled => "the job doesn't wait for a time",
        }
    }
}

/// What became of an id, for whoever keeps ids unique.
#[derive(Clone, PartialEq, Debug)]
pub enum IdEvent {
    /// It is free; this many bytes of body and id went with it.
    Freed {
        /// The id.
        id: JobId,
        /// Which job of that id: a late word must not free its successor's.
        sequence: u64,
        /// The bytes.
        bytes: usize,
    },
    /// Its job has ended; the queue keeps the record.
    Ended {
        /// The id.
        id: JobId,
        /// Which job of that id.
        sequence: u64,
        /// The record gives way to a new submit.
        gives_way: bool,
        /// The bytes of its result or error, which memory holds from now on.
        bytes: usize,
    },
    /// A retry was decided, granted or not. Until then a record that it might bring back to life gives way to nobody.
    RetryDecided {
        /// The id.
        id: JobId,
    },
    /// Its job has ended and lives in the store's archive, where its record keeps the id taken.
    Archived {
        /// The id.
        id: JobId,
        /// Which job of that id.
        sequence: u64,
        /// The bytes that memory no longer holds.
        bytes: usize,
    },
    /// A body has left memory: the store holds it.
    Stowed {
        /// Its bytes.
        bytes: usize,
    },
    /// A job whose record the queue kept is live again (it was retried).
    Revived {
        /// The id.
        id: JobId,
        /// Which job of that id.
        sequence: u64,
        /// The bytes of its error, which memory no longer holds.
        bytes: usize,
    },
}

/// What a turn of a queue leads to. The caller empties it.
#[derive(Default, Debug)]
pub struct Outbox {
    /// Words to peers, in order.
    pub notices: Vec<(Peer, Notice)>,
    /// Words that must wait until `records` are on disk.
    pub held: Vec<Held>,
    /// What the store has to know.
    pub records: Vec<Record>,
    /// What became of ids. To be told before the notices leave: a master that hears of its job's end may use the id at once.
    pub ids: Vec<IdEvent>,
}

/// A word that waits for the store.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// To whom.
    pub peer: Peer,
    /// The word.
    pub notice: Notice,
    /// The job it is about.
    pub sequence: u64,
}

impl Outbox {
    /// Says a word about a job: at once, or where the job is on disk when what it tells of is there too.
    pub(crate) fn tell(&mut self, peer: Peer, notice: Notice, stored: Option<u64>) {
        match stored {
            None => self.notices.push((peer, notice)),
            Some(sequence) => self.held.push(Held { peer, notice, sequence }),
        }
    }

    pub(crate) fn refuse(&mut self, peer: Peer, request: Request, refusal: Refusal) {
        self.notices.push((peer, Notice::Refused { request, refusal }));
    }
}

/// A peer as a queue needs to know it.
#[derive(Clone, Debug)]
pub struct Introduction {
    /// How it is called in histories and lists.
    pub name: PeerName,
    /// How many jobs it wants.
    pub demand: Arc<Demand>,
    /// The lease of jobs that name none, in milliseconds.
    pub lease_ms: u64,
    /// Its peer is no connection that it lives by (a long poll, a processor): when the peer leaves, what it holds stays its
    /// own under the lease, also over a restart of the server (`spec/jobs.md`, guarantee 6).
    pub outlives: bool,
}
