//! gloom, as the load program speaks it: length-prefixed JSON from templates, both ports.
//!
//! It expects the compact spelling that `spec/gloom.md` prescribes, member by member, so that a reply is known by its
//! first bytes. The floor uses the same constants.

use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{ID_BYTES, Job, JobId, Pattern, TYPE_BYTES, TypeName, Way};
use crate::peer::{News, Session};

/// A master's only connection.
pub struct Master {
    pattern: Arc<Pattern>,
    plain: Template,
    low: Template,
}

/// A slave: one job at a time.
pub struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    state: State,
}

/// What a worker waits for.
#[derive(PartialEq, Eq)]
enum State {
    Joining,
    Idle,
    Responded,
}

impl Master {
    pub fn new(pattern: &Arc<Pattern>) -> Master {
        Master {
            pattern: Arc::clone(pattern),
            plain: Template::new(pattern, b""),
            low: Template::new(pattern, b"\"priority\":-1,"),
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
    pub fn new(pattern: &Arc<Pattern>, kind: TypeName) -> Worker {
        Worker { pattern: Arc::clone(pattern), kind, state: State::Joining }
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
        if self.state != State::Idle || self.pattern.check(Way::ToWorker, body)? != id {
            return Err(unexpected());
        }
        let length = RESPOND.len() + self.pattern.len() + 1;
        write_header(out, length);
        out.extend_from_slice(RESPOND);
        self.pattern.write(Way::ToMaster, id, out);
        out.push(b'}');
        self.state = State::Responded;
        Ok(())
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        write_frame(out, &[JOIN, &self.kind.0, b"\"}"]);
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
            match self.state {
                State::Joining | State::Responded if payload == OK => {
                    if self.state == State::Joining {
                        tell(News::Ready)?;
                    }
                    self.state = State::Idle;
                }
                State::Joining | State::Responded | State::Idle => self.work(payload, out)?,
            }
        }
        Ok(used)
    }
}

/// A submit frame with holes for the id (twice) and the type.
struct Template {
    frame: Vec<u8>,
    type_at: usize,
    body_at: usize,
}

impl Template {
    fn new(pattern: &Pattern, extra: &[u8]) -> Template {
        let id = JobId { master: 0, slot: 0, generation: 0 };
        let mut body = Vec::new();
        pattern.write(Way::ToWorker, id, &mut body);
        let mut frame = Vec::new();
        let head = [SUBMIT, &id.hex(), b"\",\"type\":\""].concat();
        let middle = [b"\",".as_slice(), extra, b"\"body\":"].concat();
        write_frame(&mut frame, &[&head, &TypeName::numbered(0).0, &middle, &body, b"}"]);
        let type_at = HEADER_BYTES + head.len();
        Template { frame, type_at, body_at: type_at + TYPE_BYTES + middle.len() }
    }

    fn write(&self, job: &Job, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        let frame = &mut out[start..];
        let id = job.id.hex();
        frame[HEADER_BYTES + SUBMIT.len()..][..ID_BYTES].copy_from_slice(&id);
        frame[self.type_at..][..TYPE_BYTES].copy_from_slice(&job.kind.0);
        frame[self.body_at + Pattern::ID_AT..][..ID_BYTES].copy_from_slice(&id);
    }
}

/// The payload of the first frame, if all of it is there.
pub fn frame(input: &[u8]) -> Option<&[u8]> {
    let (length, rest) = input.split_first_chunk()?;
    rest.get(..u32::from_be_bytes(*length) as usize)
}

/// Appends a frame made of `parts`.
pub fn write_frame(out: &mut Vec<u8>, parts: &[&[u8]]) {
    write_header(out, parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn write_header(out: &mut Vec<u8>, length: usize) {
    let length = u32::try_from(length).expect("a frame is far smaller than 4 GiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// Bytes of a frame's length.
pub const HEADER_BYTES: usize = size_of::<u32>();
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
