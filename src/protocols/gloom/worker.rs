//! The slave port: join a type, get jobs one at a time, respond.

use std::sync::Arc;

use bytes::BytesMut;

use super::super::{Read, Session, Turn, length_prefixed};
use super::{Line, Refused, error, quoted};
use crate::core::job::or_null;
use crate::core::{Answer, Assignment, Body, Command, Demand, JobId, Limits, Notice, Receipt, Refusal, TypeName};
use crate::json::{self, fields};

/// A slave's session.
#[derive(Debug)]
pub struct Worker {
    line: Line<Asked>,
    limits: Arc<Limits>,
    demand: Arc<Demand>,
    joined: Option<TypeName>,
    in_hand: Option<(JobId, Receipt)>,
}

/// A request without an answer yet.
#[derive(Debug)]
enum Asked {
    Join,
    Respond {
        id: JobId,
        receipt: Receipt,
    },
    /// The session did it by itself: the slave hears nothing. Here a job of a type that it has just left goes back unseen.
    GivenBack {
        receipt: Receipt,
    },
    /// And here a new queue of its type gets to know it.
    Rejoin,
}

impl Session for Worker {
    type Shared = ();
    const NAME: &'static str = "gloom-worker";
    const HANDS: u32 = 1;

    fn new((): &(), limits: &Arc<Limits>, demand: &Arc<Demand>) -> Self {
        Worker { line: Line::new(limits), limits: limits.clone(), demand: demand.clone(), joined: None, in_hand: None }
    }

    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read {
        let mut read = Read { consumed: 0, needed: 0 };
        while let Some(payload) = self.line.next(input, &mut read, turn) {
            match json::object(payload, self.limits.max_depth, &["action", "body", "type"]) {
                Ok(members) => match self.request(members, turn) {
                    Ok(()) => self.line.patience.good(),
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
            Notice::Assigned(job) if self.joined.as_ref() != Some(&job.kind) => self.give_back(job.receipt, turn),
            Notice::Assigned(job) => {
                replies.say(turn.out, |out| assignment(out, &job));
                self.in_hand = Some((job.id, job.receipt));
            }
            Notice::Done { request, .. } => replies.answer(request, turn.out, |asked, out| match asked {
                Asked::Join | Asked::Respond { .. } => ok(out),
                Asked::GivenBack { .. } | Asked::Rejoin => {}
            }),
            Notice::Refused { request, refusal } => {
                replies.answer(request, turn.out, |asked, out| refuse(out, &asked, refusal))
            }
            Notice::Lost { queue, kind, .. } => {
                let lost = |asked: &Asked| matches!(asked, Asked::Respond { receipt, .. } | Asked::GivenBack { receipt } if receipt.queue == queue);
                for request in replies.awaiting(lost) {
                    replies.answer(request, turn.out, |asked, out| refuse(out, &asked, Refusal::Restarted));
                }
                // The new queue of this type doesn't know its workers.
                if self.joined.as_ref() == Some(&kind) {
                    let request = replies.expect(Asked::Rejoin);
                    turn.commands.push(Command::Join { request, types: vec![kind] });
                }
            }
            // The slave hears of it when it responds; its jobs are its own to submit elsewhere.
            Notice::Withdrawn { .. } | Notice::Ended { .. } | Notice::Report { .. } => {}
        }
    }

    fn outstanding(&self) -> usize {
        self.line.replies.awaited()
    }

    fn is_over(&self) -> bool {
        self.line.patience.over
    }
}

impl Worker {
    fn request(&mut self, members: [Option<&str>; 3], turn: &mut Turn<'_>) -> Result<(), Refused> {
        let [action, body, kind] = members;
        let raw_action = action.ok_or(Refused::missing("type"))?;
        match json::string(raw_action).as_deref() {
            Some("respond") => self.respond(body.ok_or(Refused::missing("body"))?, turn),
            Some("join") => {
                let kind = fields::type_name(kind.ok_or(Refused::missing("job_type"))?)
                    .map_err(|_| Refused::wrong("job_type"))?;
                self.join(kind, turn);
                Ok(())
            }
            Some("submit") => Err(Refused::because("invalid_action", "not_a_master")),
            _ => Err(Refused::unknown("unknown_type", raw_action)),
        }
    }

    fn join(&mut self, kind: TypeName, turn: &mut Turn<'_>) {
        if let Some(left) = self.joined.replace(kind.clone())
            && left != kind
        {
            turn.commands.push(Command::Leave { types: vec![left] });
        }
        let request = self.line.replies.expect(Asked::Join);
        turn.commands.push(Command::Join { request, types: vec![kind] });
    }

    fn respond(&mut self, body: &str, turn: &mut Turn<'_>) -> Result<(), Refused> {
        let (id, receipt) = self.in_hand.take().ok_or(Refused::because("invalid_state", "not_processing"))?;
        let request = self.line.replies.expect(Asked::Respond { id, receipt });
        self.free_hand(receipt, turn);
        turn.commands.push(Command::Answer { request, receipt, answer: Answer::Complete(Body::from(body.as_bytes())) });
        Ok(())
    }

    /// A job that was on its way when the slave switched to another type.
    fn give_back(&mut self, receipt: Receipt, turn: &mut Turn<'_>) {
        let request = self.line.replies.expect(Asked::GivenBack { receipt });
        self.free_hand(receipt, turn);
        turn.commands.push(Command::Answer { request, receipt, answer: Answer::Release { delay_ms: 0 } });
    }

    fn free_hand(&mut self, receipt: Receipt, turn: &mut Turn<'_>) {
        // The answered queue looks by itself; the others first, or it would always be the one that gets the hand.
        self.demand.free(1, Some(receipt.queue), turn.commands);
    }
}

fn ok(out: &mut BytesMut) {
    let mark = length_prefixed::begin(out);
    out.extend_from_slice(b"{\"ok\":true}");
    length_prefixed::finish(out, mark);
}

fn assignment(out: &mut BytesMut, job: &Assignment) {
    out.reserve(job.body.len() + job.id.token().len() + job.kind.token().len() + 64);
    let mark = length_prefixed::begin(out);
    out.extend_from_slice(b"{\"action\":\"job\",\"id\":");
    out.extend_from_slice(job.id.token().as_bytes());
    out.extend_from_slice(b",\"type\":");
    out.extend_from_slice(job.kind.token().as_bytes());
    out.extend_from_slice(b",\"body\":");
    out.extend_from_slice(or_null(&job.body));
    out.extend_from_slice(b"}");
    length_prefixed::finish(out, mark);
}

fn refuse(out: &mut BytesMut, asked: &Asked, refusal: Refusal) {
    match asked {
        Asked::Respond { id, .. } => error(out, refusal.code(), id.token()),
        Asked::Join => error(out, "unavailable", &quoted(refusal.code())),
        Asked::GivenBack { .. } | Asked::Rejoin => {}
    }
}
