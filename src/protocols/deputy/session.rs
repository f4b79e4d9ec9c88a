//! What a deputy client asks and hears.

use std::sync::{Arc, LazyLock};

use bytes::BytesMut;

use super::super::lines::{self, Next};
use super::super::replies::Replies;
use super::super::working::{Held, ID_IN_USE_MS, NotHeld, Working};
use super::super::{Patience, Read, Turn};
use super::{Metrics, says};
use crate::core::job::{OnMasterGone, or_null};
use crate::core::{
    Answer, Assignment, Body, Command, Demand, Ending, JobId, Limits, Notice, Policy, Receipt, Refusal, Request,
    Submission, TypeName,
};
use crate::json::{self, Flaw, fields};

/// A client may hold at most so many jobs at a time.
const MAX_JOBS: u64 = 1_000;

/// All jobs of this protocol are alike: in memory only, and they outlive their submitter.
static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::transient(OnMasterGone::Keep)));

/// A deputy client's session.
#[derive(Debug)]
pub struct Session {
    metrics: Arc<Metrics>,
    limits: Arc<Limits>,
    replies: Replies<Asked>,
    patience: Patience,
    /// How much of the incomplete line is known to have no end.
    scanned: usize,
    working: Working,
    last_type: Option<TypeName>,
}

/// A request without an answer yet. Most are answered with silence.
#[derive(Debug)]
enum Asked {
    Do {
        id: JobId,
        kind: TypeName,
        ack: bool,
    },
    Did {
        id: JobId,
        receipt: Receipt,
    },
    CanDo {
        types: Vec<TypeName>,
    },
    /// The session answers, once everything before it is decided: so the counters have it.
    Metrics,
    /// The session did it by itself: a new queue of this type gets to know the client.
    Rejoin,
    /// And here a job that it can't have beside another of the same id goes back unseen.
    GivenBack {
        receipt: Receipt,
    },
}

/// What is wrong with a message.
struct Wrong {
    code: &'static str,
    reason: &'static str,
    id: Option<JobId>,
}

impl Wrong {
    fn member(name: &'static str) -> Wrong {
        Wrong { code: "invalid_message", reason: name, id: None }
    }

    fn of(self, id: &JobId) -> Wrong {
        Wrong { id: Some(id.clone()), ..self }
    }
}

impl super::super::Session for Session {
    type Shared = Arc<Metrics>;
    const NAME: &'static str = "deputy";
    const HANDS: u32 = 1;

    fn new(metrics: &Arc<Metrics>, limits: &Arc<Limits>, demand: &Arc<Demand>) -> Self {
        metrics.connections.add(1);
        Session {
            metrics: metrics.clone(),
            limits: limits.clone(),
            replies: Replies::default(),
            patience: Patience::default(),
            scanned: 0,
            working: Working::new(demand, Self::HANDS),
            last_type: None,
        }
    }

    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read {
        let mut read = Read { consumed: 0, needed: 0 };
        while !self.patience.over && self.replies.awaited() < self.limits.max_outstanding {
            match lines::next(&input[read.consumed..], &mut self.scanned, self.limits.max_body) {
                Ok(Next::Line { line, consumed }) => {
                    read.consumed += consumed;
                    self.line(line, turn);
                }
                Ok(Next::Incomplete { consumed }) => {
                    read.consumed += consumed;
                    read.needed = input.len() - read.consumed + 1;
                    break;
                }
                Err(lines::TooLong) => self.end("line_too_long", "line too long", turn),
            }
        }
        read
    }

    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>) {
        match notice {
            Notice::Done { request, .. } => self.done(request, turn.out),
            Notice::Refused { request, refusal } => self.refused(request, refusal, turn.out),
            Notice::Assigned(job) => self.assigned(*job, turn),
            Notice::Ended { id, ending } => self.replies.say(turn.out, |out| match ending {
                Ending::Completed(result) => says::did(out, &id, &result),
                Ending::Failed(error) => says::failed(out, &id, or_null(&error)),
                Ending::Cancelled => says::failed(out, &id, b"\"cancelled\""),
                Ending::Expired => says::failed(out, &id, b"\"expired\""),
            }),
            Notice::Lost { queue, kind, jobs } => {
                let lost = |asked: &Asked| match asked {
                    Asked::Do { kind: submitted, .. } => *submitted == kind,
                    Asked::Did { receipt, .. } | Asked::GivenBack { receipt } => receipt.queue == queue,
                    Asked::CanDo { .. } | Asked::Metrics | Asked::Rejoin => false,
                };
                for request in self.replies.awaiting(lost) {
                    self.refused(request, Refusal::Restarted, turn.out);
                }
                for id in jobs {
                    self.replies.say(turn.out, |out| says::failed(out, &id, b"\"lost\""));
                }
                if self.working.works_on(&kind) {
                    let request = self.replies.expect(Asked::Rejoin);
                    turn.commands.push(Command::Join { request, types: vec![kind] });
                }
            }
            // The client hears of it when it says that it did the job.
            Notice::Withdrawn { .. } | Notice::Report { .. } => {}
        }
        self.tell_metrics(turn.out);
    }

    fn outstanding(&self) -> usize {
        self.replies.awaited()
    }

    fn is_over(&self) -> bool {
        self.patience.over
    }

    fn gone(&mut self) {
        let put_back = self.working.would_be_put_back();
        self.metrics.jobs_reassigned.add(put_back);
        self.metrics.jobs_added.add(put_back);
    }
}

impl Session {
    fn line(&mut self, line: &[u8], turn: &mut Turn<'_>) {
        let names = &["cmd", "id", "type", "arg", "res", "types", "priority", "ack", "jobs"];
        match json::object(line, self.limits.max_depth, names) {
            Ok([cmd, id, kind, arg, res, types, priority, ack, jobs]) => {
                let done = match cmd.and_then(json::string).as_deref() {
                    Some("do") => self.submit([id, kind, arg, priority, ack], turn),
                    Some("did") => self.did(id, res, turn),
                    Some("can_do") => self.can_do(types, jobs, turn),
                    Some("metrics") => {
                        self.replies.expect(Asked::Metrics);
                        self.tell_metrics(turn.out);
                        Ok(())
                    }
                    // As the original does with what it doesn't know.
                    _ => return,
                };
                match done {
                    Ok(()) => self.patience.good(),
                    Err(wrong) => self.tell(&wrong, turn.out),
                }
            }
            Err(Flaw::NotAnObject) => {}
            Err(Flaw::TooDeep) => {
                let id = json::member_of_deep(line, "id").and_then(|raw| fields::id(raw).ok());
                self.tell(&Wrong { id, ..Wrong::member("too_deep") }, turn.out);
            }
            Err(Flaw::DuplicateMember { name, .. }) => self.tell(&Wrong::member(name), turn.out),
            Err(flaw @ Flaw::Syntax { .. }) => self.end("invalid_json", &flaw.describe(line), turn),
        }
    }

    fn submit(&mut self, [id, kind, arg, priority, ack]: [Option<&str>; 5], turn: &mut Turn<'_>) -> Result<(), Wrong> {
        let id = id.and_then(|raw| fields::id(raw).ok()).ok_or(Wrong::member("id"))?;
        let kind = kind.and_then(|raw| fields::cached_type(raw, &mut self.last_type).ok());
        let kind = kind.ok_or_else(|| Wrong::member("type").of(&id))?;
        let priority = fields::priority(priority).map_err(|name| Wrong::member(name).of(&id))?;
        let ack = fields::flag(ack, false, "ack").map_err(|name| Wrong::member(name).of(&id))?;
        let body = arg.map_or_else(Body::default, |raw| Body::from(raw.as_bytes()));
        let request = self.replies.expect(Asked::Do { id: id.clone(), kind: kind.clone(), ack });
        let policy = POLICY.clone();
        turn.commands.push(Command::Submit(Submission {
            request,
            id,
            kind,
            priority,
            body,
            policy,
            delay_ms: 0,
            notify: true,
            watch: false,
            master: None,
            sequence: 0,
        }));
        Ok(())
    }

    fn did(&mut self, id: Option<&str>, res: Option<&str>, turn: &mut Turn<'_>) -> Result<(), Wrong> {
        let Held { id, receipt, .. } =
            self.working.take(id.ok_or(Wrong::member("id"))?).map_err(|not_held| match not_held {
                NotHeld::Bad(_) => Wrong::member("id"),
                NotHeld::Unknown(id) => unknown_job(id),
            })?;
        let result = res.map_or_else(Body::default, |raw| Body::from(raw.as_bytes()));
        let request = self.replies.expect(Asked::Did { id, receipt });
        self.working.free_hand(Some(receipt.queue), turn.commands);
        turn.commands.push(Command::Answer { request, receipt, answer: Answer::Complete(result) });
        Ok(())
    }

    fn can_do(&mut self, types: Option<&str>, jobs: Option<&str>, turn: &mut Turn<'_>) -> Result<(), Wrong> {
        let jobs = match fields::number(jobs, 1, "jobs").map_err(Wrong::member)? {
            Some(jobs @ ..=MAX_JOBS) => Some(jobs as u32),
            Some(_) => return Err(Wrong::member("jobs")),
            None => None,
        };
        let types =
            types.and_then(|raw| fields::type_names(raw, self.limits.max_types)).ok_or(Wrong::member("types"))?;
        let types = self.working.not_granted(types);
        if self.working.types() + types.len() > self.limits.max_types {
            return Err(Wrong { code: Refusal::QueueFull.code(), reason: Refusal::QueueFull.reason(), id: None });
        }
        self.metrics.workers_added.add(1);
        if let Some(jobs) = jobs {
            self.working.want(jobs, turn.commands);
        }
        if !types.is_empty() {
            let request = self.replies.expect(Asked::CanDo { types: types.clone() });
            self.working.asked(request, &types);
            turn.commands.push(Command::Join { request, types });
        }
        Ok(())
    }

    fn done(&mut self, request: Request, out: &mut BytesMut) {
        let (working, metrics) = (&mut self.working, &self.metrics);
        self.replies.answer(request, out, |asked, out| match asked {
            Asked::Do { id, ack, .. } => {
                metrics.jobs_added.add(1);
                if ack {
                    says::ok(out, &id);
                }
            }
            Asked::Did { .. } => metrics.jobs_done.add(1),
            Asked::CanDo { types } => working.granted(request, &types),
            Asked::Metrics | Asked::Rejoin | Asked::GivenBack { .. } => {}
        });
    }

    fn refused(&mut self, request: Request, refusal: Refusal, out: &mut BytesMut) {
        let working = &mut self.working;
        self.replies.answer(request, out, |asked, out| match asked {
            Asked::Did { id, .. } if refusal == Refusal::StaleReceipt => {
                let wrong = unknown_job(id);
                says::error(out, wrong.code, wrong.reason, wrong.id.as_ref());
            }
            Asked::Do { id, .. } | Asked::Did { id, .. } => {
                says::error(out, refusal.code(), refusal.reason(), Some(&id))
            }
            Asked::CanDo { types } => {
                working.refused(request, &types);
                says::error(out, refusal.code(), refusal.reason(), None);
            }
            Asked::Metrics | Asked::Rejoin | Asked::GivenBack { .. } => {}
        });
    }

    fn assigned(&mut self, job: Assignment, turn: &mut Turn<'_>) {
        if self.working.holds_another(&job) {
            let request = self.replies.expect(Asked::GivenBack { receipt: job.receipt });
            self.working.free_hand(Some(job.receipt.queue), turn.commands);
            let answer = Answer::Release { delay_ms: ID_IN_USE_MS };
            turn.commands.push(Command::Answer { request, receipt: job.receipt, answer });
            return;
        }
        self.metrics.jobs_dispatched.add(1);
        self.replies.say(turn.out, |out| says::job(out, &job));
        self.working.hold(job, turn.commands);
    }

    /// Answers the requests for metrics that have come to the front.
    fn tell_metrics(&mut self, out: &mut BytesMut) {
        while let Some((request, Asked::Metrics)) = self.replies.front() {
            let counters = self.metrics.to_json();
            self.replies.answer(request, out, |_, out| says::metrics(out, &counters));
        }
    }

    /// A minor flaw: told, and the conversation goes on.
    fn tell(&mut self, wrong: &Wrong, out: &mut BytesMut) {
        self.patience.flawed();
        self.replies.say(out, |out| says::error(out, wrong.code, wrong.reason, wrong.id.as_ref()));
    }

    /// A fatal flaw: told, and the conversation ends.
    fn end(&mut self, code: &str, reason: &str, turn: &mut Turn<'_>) {
        self.patience.end();
        self.replies.say(turn.out, |out| says::error(out, code, reason, None));
    }
}

/// Nobody but the worker that holds a job may say that it did it; one whose time was over doesn't any more.
fn unknown_job(id: JobId) -> Wrong {
    Wrong { code: "unknown_job", reason: "this client does not hold the job", id: Some(id) }
}
