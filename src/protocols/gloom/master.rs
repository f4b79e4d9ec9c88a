//! The master port: submit, and get results back.

use std::sync::Arc;

use bytes::BytesMut;

use super::super::{Read, Session, Turn, length_prefixed};
use super::{Line, Refused, error};
use crate::core::job::{OnMasterGone, or_null};
use crate::core::{Body, Command, Demand, Ending, JobId, Limits, Notice, Policy, Refusal, Submission, TypeName};
use crate::json::{
    self,
    fields::{self, Defaults, RawPolicy},
};

/// A master's session.
#[derive(Debug)]
pub struct Master {
    line: Line<Submit>,
    limits: Arc<Limits>,
    defaults: Arc<Defaults>,
    last_type: Option<TypeName>,
    last_policy: Option<Arc<Policy>>,
}

/// A submit without an answer yet.
#[derive(Debug)]
struct Submit {
    id: JobId,
    kind: TypeName,
}

/// What the sessions of a listener share.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Defaults>);

impl Default for Shared {
    fn default() -> Self {
        Shared(Arc::new(Defaults::transient(Policy::transient(OnMasterGone::Drop))))
    }
}

impl Session for Master {
    type Shared = Shared;
    const NAME: &'static str = "gloom-master";
    const HANDS: u32 = 0;

    fn new(shared: &Shared, limits: &Arc<Limits>, _: &Arc<Demand>) -> Self {
        Master {
            line: Line::new(limits),
            limits: limits.clone(),
            defaults: shared.0.clone(),
            last_type: None,
            last_policy: None,
        }
    }

    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read {
        let mut read = Read { consumed: 0, needed: 0 };
        while let Some(payload) = self.line.next(input, &mut read, turn) {
            let names = &[
                "action",
                "id",
                "type",
                "body",
                "priority",
                "durable",
                "delay_ms",
                "lease_ms",
                "max_attempts",
                "ttl_ms",
            ];
            match json::object(payload, self.limits.max_depth, names) {
                Ok(members) => match self.request(members) {
                    Ok(submission) => {
                        self.line.patience.good();
                        turn.commands.push(Command::Submit(submission));
                    }
                    Err(refused) => self.line.refuse(&refused, turn),
                },
                Err(flaw) => self.line.flaw(flaw, payload, turn),
            }
        }
        read
    }

    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>) {
        let replies = &mut self.line.replies;
        match notice {
            Notice::Done { request, .. } => replies.answer(request, turn.out, |submit, out| ok(out, &submit.id)),
            Notice::Refused { request, refusal } => {
                replies.answer(request, turn.out, |submit, out| refuse(out, &submit.id, refusal))
            }
            Notice::Ended { id, ending } => replies.say(turn.out, |out| match ending {
                Ending::Completed(body) => result(out, &id, &body),
                Ending::Failed(_) | Ending::Cancelled | Ending::Expired => error(out, "job_failed", id.token()),
            }),
            Notice::Lost { kind, jobs, .. } => {
                for request in replies.awaiting(|submit| submit.kind == kind) {
                    replies.answer(request, turn.out, |submit, out| refuse(out, &submit.id, Refusal::Restarted));
                }
                for id in jobs {
                    replies.say(turn.out, |out| error(out, "job_failed", id.token()));
                }
            }
            // A master works on nothing.
            Notice::Assigned(_) | Notice::Withdrawn { .. } | Notice::Report { .. } => {}
        }
    }

    fn outstanding(&self) -> usize {
        self.line.replies.awaited()
    }

    fn is_over(&self) -> bool {
        self.line.patience.over
    }
}

impl Master {
    fn request(&mut self, members: [Option<&str>; 10]) -> Result<Submission, Refused> {
        let [action, id, kind, body, priority, durable, delay_ms, lease_ms, max_attempts, ttl_ms] = members;
        let raw_action = action.ok_or(Refused::missing("type"))?;
        match json::string(raw_action).as_deref() {
            Some("submit") => {}
            Some("join" | "respond") => return Err(Refused::because("invalid_action", "not_a_slave")),
            _ => return Err(Refused::unknown("unknown_action", raw_action)),
        }
        let id = fields::id(id.ok_or(Refused::missing("id"))?).map_err(|_| Refused::wrong("id"))?;
        let body = body.ok_or(Refused::missing("body"))?;
        let kind = fields::type_or_default(kind, &mut self.last_type).map_err(|_| Refused::wrong("type"))?;
        let priority = fields::priority(priority).map_err(Refused::wrong)?;
        let policy = RawPolicy { durable, delay_ms, lease_ms, max_attempts, ttl_ms, ..RawPolicy::default() };
        let (policy, delay_ms) = policy.read(&self.defaults, &mut self.last_policy).map_err(Refused::wrong)?;
        let request = self.line.replies.expect(Submit { id: id.clone(), kind: kind.clone() });
        let body = Body::from(body.as_bytes());
        Ok(Submission {
            request,
            id,
            kind,
            priority,
            body,
            policy,
            delay_ms,
            notify: true,
            watch: false,
            master: None,
            sequence: 0,
        })
    }
}

fn ok(out: &mut BytesMut, id: &JobId) {
    let mark = length_prefixed::begin(out);
    out.extend_from_slice(b"{\"ok\":true,\"id\":");
    out.extend_from_slice(id.token().as_bytes());
    out.extend_from_slice(b"}");
    length_prefixed::finish(out, mark);
}

fn result(out: &mut BytesMut, id: &JobId, body: &[u8]) {
    out.reserve(body.len() + id.token().len() + 32);
    let mark = length_prefixed::begin(out);
    out.extend_from_slice(b"{\"id\":");
    out.extend_from_slice(id.token().as_bytes());
    out.extend_from_slice(b",\"body\":");
    out.extend_from_slice(or_null(body));
    out.extend_from_slice(b"}");
    length_prefixed::finish(out, mark);
}

/// The one refusal that the original knew names the id; the others are the server's state.
fn refuse(out: &mut BytesMut, id: &JobId, refusal: Refusal) {
    match refusal {
        Refusal::IdExists => error(out, "id_exists", id.token()),
        Refusal::QueueFull
        | Refusal::DiskFull
        | Refusal::Draining
        | Refusal::Restarted
        | Refusal::UnknownJob
        | Refusal::StaleReceipt
        | Refusal::Cancelled
        | Refusal::AlreadyFinished
        | Refusal::NotFinished
        | Refusal::AlreadyCompleted
        | Refusal::NotWaiting
        | Refusal::NotScheduled => error(out, "unavailable", &super::quoted(refusal.code())),
    }
}
