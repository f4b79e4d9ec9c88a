//! What a native client asks and hears.

use std::sync::Arc;

use bytes::BytesMut;

use super::super::framed::{Line, Refused};
use super::super::working::Working;
use super::super::{Read, Turn};
use super::submit::{Fate, JOB_MEMBERS, Results};
use super::{Shared, says};
use crate::core::{Command, Demand, JobId, Limits, Notice, Policy, Receipt, Refusal, Request, TypeName};
use crate::json::{self, Flaw, fields};

/// A native client's session: it may submit, work, or both, with many jobs in flight.
#[derive(Debug)]
pub struct Session {
    pub(super) shared: Shared,
    pub(super) limits: Arc<Limits>,
    pub(super) line: Line<Asked>,
    pub(super) working: Working,
    pub(super) last_type: Option<TypeName>,
    pub(super) last_policy: Option<Arc<Policy>>,
    /// It may ask for something: it has said the token, or there is none.
    is_known: bool,
}

/// A request without an answer yet.
#[derive(Debug)]
pub(super) enum Asked {
    Submit {
        id: JobId,
        kind: TypeName,
    },
    /// A job of the batch with that number, at this place.
    Element {
        batch: Request,
        place: usize,
        kind: TypeName,
    },
    Batch(Results),
    Join {
        types: Vec<TypeName>,
    },
    Touch {
        id: JobId,
        receipt: Receipt,
    },
    /// Respond, fail, release.
    Answer {
        id: JobId,
        receipt: Receipt,
    },
    /// A word on a job that isn't in hand: does it exist?
    NotHeld {
        id: JobId,
    },
    /// The session did it by itself: the client hears nothing. Here a job of a type that it has just left goes back unseen.
    GivenBack {
        receipt: Receipt,
    },
    /// And here a new queue of one of its types gets to know it.
    Rejoin,
}

/// The members of a request: `action`, those of a job ([`JOB_MEMBERS`]), and others.
const MEMBERS: [&str; 1 + JOB_MEMBERS.len() + 8] = [
    "action",
    "id",
    "type",
    "body",
    "priority",
    "notify",
    "durable",
    "delay_ms",
    "run_at",
    "lease_ms",
    "max_attempts",
    "backoff_ms",
    "ttl_ms",
    "keep_ms",
    "keep_failed_ms",
    "on_master_gone",
    "types",
    "credit",
    "jobs",
    "error",
    "retry",
    "progress",
    "name",
    "token",
];

/// Their raw values.
type RawRequest<'a> = [Option<&'a str>; MEMBERS.len()];

impl super::super::Session for Session {
    type Shared = Shared;
    const NAME: &'static str = "native";
    const HANDS: u32 = 0;

    fn new(shared: &Shared, limits: &Arc<Limits>, demand: &Arc<Demand>) -> Self {
        Session {
            shared: shared.clone(),
            limits: limits.clone(),
            line: Line::new(limits),
            working: Working::new(demand, Self::HANDS),
            last_type: None,
            last_policy: None,
            is_known: shared.token.is_none(),
        }
    }

    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read {
        let mut read = Read { consumed: 0, needed: 0 };
        while let Some(payload) = self.line.next(input, &mut read, turn) {
            match scan(payload, self.limits.max_depth) {
                Ok(members) => match self.request(members, turn) {
                    Ok(()) => self.line.patience.good(),
                    Err(refused) => self.line.refuse(&refused.about(members[1]), turn),
                },
                Err(Flaw::TooDeep) => {
                    let refused = Refused::flaw(Flaw::TooDeep, payload);
                    self.line.refuse(&refused.about(json::member_of_deep(payload, "id")), turn);
                }
                Err(flaw) => self.line.flaw(flaw, payload, turn),
            }
        }
        read
    }

    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>) {
        match notice {
            Notice::Done { request, lease_ms } => self.done(request, lease_ms, turn.out),
            Notice::Refused { request, refusal } => self.refused(request, refusal, turn.out),
            Notice::Assigned(job) => self.assigned(*job, turn),
            Notice::Withdrawn { receipt } => {
                // It stays in hand until the worker speaks of it: until then the worker is busy with it.
                if let Some(id) = self.working.with_receipt(receipt) {
                    self.line.replies.say(turn.out, |out| says::cancelled(out, id));
                }
            }
            Notice::Report { .. } => {}
            Notice::Ended { id, ending } => self.line.replies.say(turn.out, |out| says::ended(out, &id, &ending)),
            Notice::Lost { queue, kind, jobs } => {
                let lost = |asked: &Asked| match asked {
                    Asked::Submit { kind: submitted, .. } | Asked::Element { kind: submitted, .. } => {
                        *submitted == kind
                    }
                    Asked::Touch { receipt, .. } | Asked::Answer { receipt, .. } | Asked::GivenBack { receipt } => {
                        receipt.queue == queue
                    }
                    // Nobody knows which queue was asked; so it may have been this one.
                    Asked::NotHeld { .. } => true,
                    Asked::Batch(_) | Asked::Join { .. } | Asked::Rejoin => false,
                };
                for request in self.line.replies.awaiting(lost) {
                    self.refused(request, Refusal::Restarted, turn.out);
                }
                for id in jobs {
                    self.line.replies.say(turn.out, |out| says::failed(out, &id, b"\"lost\""));
                }
                if self.working.works_on(&kind) {
                    let request = self.line.replies.expect(Asked::Rejoin);
                    turn.commands.push(Command::Join { request, types: vec![kind] });
                }
            }
        }
    }

    fn outstanding(&self) -> usize {
        self.line.replies.awaited()
    }

    fn is_over(&self) -> bool {
        self.line.patience.over
    }
}

impl Session {
    fn request(&mut self, members: RawRequest<'_>, turn: &mut Turn<'_>) -> Result<(), Refused> {
        let [action, job @ .., types, credit, jobs, error, retry, progress, name, token] = members;
        let [id, _, body, _, _, _, delay_ms, _, lease_ms, ..] = job;
        let raw_action = action.ok_or(Refused::missing("action"))?;
        let action = json::string(raw_action);
        if !self.is_known && action.as_deref() != Some("hello") {
            return Err(unauthorized());
        }
        match action.as_deref() {
            Some("submit") => match jobs {
                Some(jobs) => self.submit_batch(jobs, turn),
                None => self.submit(job, turn),
            },
            Some("respond") => self.respond(id, body, turn),
            Some("fail") => self.fail(id, [error, retry, delay_ms], turn),
            Some("touch") => self.touch(id, lease_ms, progress, turn),
            Some("release") => self.release(id, delay_ms, turn),
            Some("join") => self.join(types, credit, turn),
            Some("hello") => self.hello(name, token, turn),
            _ => Err(Refused::unknown("unknown_action", raw_action)),
        }
    }

    fn hello(&mut self, name: Option<&str>, token: Option<&str>, turn: &mut Turn<'_>) -> Result<(), Refused> {
        if let Some(expected) = &self.shared.token {
            let said = token.and_then(json::string);
            self.is_known = said.is_some_and(|said| expected.is(&said));
            if !self.is_known {
                return Err(unauthorized());
            }
        }
        if let Some(raw) = fields::given(name) {
            let name = fields::name(raw).map_err(|_| Refused::wrong("name"))?;
            turn.commands
                .push(Command::Name { name: format!("{}:{name}", <Session as super::super::Session>::NAME).into() });
        }
        let max_frame = self.limits.max_body;
        self.line.replies.say(turn.out, |out| says::welcome(out, max_frame));
        Ok(())
    }

    fn done(&mut self, request: Request, lease_ms: u64, out: &mut BytesMut) {
        let working = &mut self.working;
        let mut element = None;
        self.line.replies.answer(request, out, |asked, out| match asked {
            Asked::Submit { id, .. } => says::accepted(out, &id),
            Asked::Element { batch, place, .. } => element = Some((batch, place)),
            Asked::Join { types } => {
                working.granted(request, &types);
                says::ok(out);
            }
            Asked::Touch { .. } => says::leased(out, lease_ms),
            Asked::Answer { .. } => says::ok(out),
            // It exists, so it is somebody else's by now.
            Asked::NotHeld { id } => says::refused(out, Refusal::StaleReceipt, Some(&id)),
            Asked::Batch(_) | Asked::GivenBack { .. } | Asked::Rejoin => {}
        });
        if let Some((batch, place)) = element {
            self.decide(batch, place, Fate::Accepted, out);
        }
    }

    fn refused(&mut self, request: Request, refusal: Refusal, out: &mut BytesMut) {
        let working = &mut self.working;
        let mut element = None;
        self.line.replies.answer(request, out, |asked, out| match asked {
            Asked::Element { batch, place, .. } => element = Some((batch, place)),
            Asked::Submit { id, .. } | Asked::Touch { id, .. } | Asked::Answer { id, .. } | Asked::NotHeld { id } => {
                says::refused(out, refusal, Some(&id));
            }
            Asked::Join { types } => {
                working.refused(request, &types);
                says::refused(out, refusal, None);
            }
            Asked::Batch(_) | Asked::GivenBack { .. } | Asked::Rejoin => {}
        });
        if let Some((batch, place)) = element {
            self.decide(batch, place, Fate::of(refusal), out);
        }
    }

    /// What became of a job of a batch.
    fn decide(&mut self, batch: Request, place: usize, fate: Fate, out: &mut BytesMut) {
        if let Some(Asked::Batch(results)) = self.line.replies.asked_mut(batch)
            && results.decide(place, fate)
        {
            self.tell_batch(batch, out);
        }
    }

    pub(super) fn tell_batch(&mut self, batch: Request, out: &mut BytesMut) {
        self.line.replies.answer(batch, out, |asked, out| {
            if let Asked::Batch(results) = asked {
                says::results(out, &results);
            }
        });
    }
}

/// Scans a request. In a batch, bodies are two levels further in than elsewhere: one that is too deep is told of its job.
fn scan(payload: &[u8], max_depth: usize) -> Result<RawRequest<'_>, Flaw> {
    match json::object(payload, max_depth, &MEMBERS) {
        Err(Flaw::TooDeep) => match json::object(payload, json::MAX_DEPTH, &MEMBERS) {
            Ok(members @ [.., Some(_jobs), _, _, _, _, _]) => Ok(members),
            _ => Err(Flaw::TooDeep),
        },
        scanned => scanned,
    }
}

fn unauthorized() -> Refused {
    Refused::because("unauthorized", "say hello with the token first")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_the_members_of_a_job() {
        assert_eq!(MEMBERS[1..=JOB_MEMBERS.len()], JOB_MEMBERS);
    }
}
