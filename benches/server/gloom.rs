//! gloom, as the load program speaks it: length-prefixed JSON from templates, both ports.
//!
//! It expects the compact spelling that `spec/gloom.md` prescribes, member by member, so that a reply is known by its
//! first bytes. The floor and the native dialect use the same constants.

use std::sync::Arc;

use crate::flaw::Flaw;
use crate::frame::{self, HEADER_BYTES, Template, frame};
use crate::job::{ID_BYTES, Job, JobId, Pattern, TypeName, Way};
use crate::peer::{News, Session};

/// A master's only connection.
pub struct Master {
    pattern: Arc<Pattern>,
    plain: Template,
    low: Template,
}

/// A slave: one job at a time. From the floor, which can, it takes as many as `credit`.
pub struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    credit: u32,
    state: State,
}

/// What a worker waits for.
#[derive(PartialEq, Eq)]
enum State {
    Joining,
    /// Jobs, and the ok to so many answers.
    Working {
        owed: u32,
    },
}

impl Master {
    pub fn new(pattern: &Arc<Pattern>) -> Master {
        Master {
            pattern: Arc::clone(pattern),
            plain: Template::new(pattern, SUBMIT, b"").framed(),
            low: Template::new(pattern, SUBMIT, b"\"priority\":-1,").framed(),
        }
    }
}

impl Session for Master {
    fn open(&mut self, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        let template = if job.low { &self.low } else { &self.plain };
        template.write(job, out);
    }

    fn hear(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        let mut used = 0;
        while let Some(payload) = frame(&input[used..]) {
            used += HEADER_BYTES + payload.len();
            if let Some((id, b"\"}")) = payload.strip_prefix(ACCEPTED).and_then(|rest| rest.split_at_checked(ID_BYTES))
            {
                tell(News::Accepted(Some(JobId::parse(id)?)))?;
            } else if let Some((id, rest)) =
                payload.strip_prefix(RESULT).and_then(|rest| rest.split_at_checked(ID_BYTES))
                && let Some(body) = rest.strip_prefix(b"\",\"body\":").and_then(|rest| rest.strip_suffix(b"}"))
            {
                let body_id = self.pattern.check(Way::ToMaster, body)?;
                tell(News::result(JobId::parse(id)?, body_id)?)?;
            } else {
                return Err(Flaw::unexpected("the master port", payload));
            }
        }
        Ok(used)
    }
}

impl Worker {
    pub fn new(pattern: &Arc<Pattern>, kind: TypeName, credit: u32) -> Worker {
        Worker { pattern: Arc::clone(pattern), kind, credit, state: State::Joining }
    }

    fn work(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
        let unexpected = || Flaw::unexpected("the worker port", payload);
        let rest = payload.strip_prefix(JOB).ok_or_else(unexpected)?;
        let (id, rest) = rest.split_at_checked(ID_BYTES).ok_or_else(unexpected)?;
        let rest = rest.strip_prefix(b"\",\"type\":\"").ok_or_else(unexpected)?;
        let rest = rest.strip_prefix(&self.kind.0).ok_or_else(unexpected)?;
        let rest = rest.strip_prefix(b"\",\"body\":").ok_or_else(unexpected)?;
        let body = rest.strip_suffix(b"}").ok_or_else(unexpected)?;
        let id = JobId::parse(id)?;
        let State::Working { owed } = &mut self.state else { return Err(unexpected()) };
        if *owed >= self.credit || self.pattern.check(Way::ToWorker, body)? != id {
            return Err(unexpected());
        }
        *owed += 1;
        frame::write_header(out, RESPOND.len() + self.pattern.len() + 1);
        out.extend_from_slice(RESPOND);
        self.pattern.write(Way::ToMaster, id, out);
        out.push(b'}');
        Ok(())
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        frame::write(out, &[JOIN, &self.kind.0, b"\"}"]);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        let mut used = 0;
        while let Some(payload) = frame(&input[used..]) {
            used += HEADER_BYTES + payload.len();
            match &mut self.state {
                State::Joining if payload == OK => {
                    tell(News::Ready)?;
                    self.state = State::Working { owed: 0 };
                }
                State::Working { owed } if *owed > 0 && payload == OK => *owed -= 1,
                State::Joining | State::Working { .. } => self.work(payload, out)?,
            }
        }
        Ok(used)
    }
}

/// How a submit starts; its id follows.
pub const SUBMIT: &[u8] = b"{\"action\":\"submit\",\"id\":\"";
/// How a job starts; its id follows.
pub const JOB: &[u8] = b"{\"action\":\"job\",\"id\":\"";
/// How a join starts; its type follows.
pub const JOIN: &[u8] = b"{\"action\":\"join\",\"type\":\"";
/// How an answer starts; its body follows.
pub const RESPOND: &[u8] = b"{\"action\":\"respond\",\"body\":";
/// The reply to a join and to an answer.
pub const OK: &[u8] = b"{\"ok\":true}";
/// How the reply to a submit starts; its id follows.
pub const ACCEPTED: &[u8] = b"{\"ok\":true,\"id\":\"";
/// How a result starts; its id follows.
pub const RESULT: &[u8] = b"{\"id\":\"";
