//! HTTP/1.1, as the load program speaks it: one request at a time on each connection, which stays open.
//!
//! Written by hand, so that the load program costs little beside the server, and shares no mistake with it. It knows
//! answers by their length, and their JSON by the compact spelling that the server uses. A master submits, and waits for
//! the result where there is one; a worker polls, completes what it was given one by one, and polls again.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::frame::Template;
use crate::job::{ID_BYTES, Job, JobId, Pattern, TYPE_BYTES, TypeName, Way};
use crate::peer::{News, Session};
use crate::shape::{Measure, Shape};

/// A connection that submits a job, and is answered when it is accepted or when it is done.
pub struct Master {
    pattern: Arc<Pattern>,
    template: Template,
    waits: bool,
}

/// A connection that works.
pub struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    poll: Vec<u8>,
    state: State,
    /// It asks for an answer first.
    greets: bool,
    /// What the last poll gave. The first is being completed.
    in_hand: VecDeque<Given>,
}

/// What a worker waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The answer to a poll that doesn't wait: then the server knows this connection.
    Greeting,
    Polling,
    Completing,
}

/// A job from a poll.
struct Given {
    id: JobId,
    receipt: Vec<u8>,
}

impl Master {
    pub fn new(pattern: &Arc<Pattern>, shape: &Shape) -> Master {
        let waits = shape.measure != Measure::Submits;
        let policy: &[u8] = if shape.durable { b"" } else { b"\"durable\":false," };
        let template = Template::new(pattern, ID, policy);
        let query = if waits { format!("?wait={WAIT_S}") } else { String::new() };
        let mut head = Vec::new();
        write_head(&mut head, format_args!("{JOBS}{query}"), template.len());
        Master { pattern: Arc::clone(pattern), template: template.behind(&head), waits }
    }

    /// The job that was submitted, and its result if it was waited for.
    fn read(&self, answer: &Answer<'_>) -> Result<(JobId, Option<JobId>), Flaw> {
        let unexpected = || Flaw::unexpected("the HTTP port", answer.body);
        if answer.status != if self.waits { 200 } else { 201 } {
            return Err(unexpected());
        }
        let Accepted { id, rest } = accepted(answer.body).ok_or_else(unexpected)?;
        let id = JobId::parse(id)?;
        if !self.waits {
            return if rest == b"queued\"}" { Ok((id, None)) } else { Err(unexpected()) };
        }
        let (body, result) = completed(rest, self.pattern.len()).ok_or_else(unexpected)?;
        News::result(id, self.pattern.check(Way::ToWorker, body)?)?;
        Ok((id, Some(self.pattern.check(Way::ToMaster, result)?)))
    }
}

impl Session for Master {
    fn open(&mut self, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        assert!(!job.low, "no shape asks for that here");
        self.template.write(job, out);
    }

    fn hear(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_answer(input, |answer| {
            let (id, result) = self.read(answer)?;
            tell(News::Accepted(Some(id)))?;
            result.map_or(Ok(()), |result| tell(News::result(id, result)?))
        })
    }
}

impl Worker {
    pub fn new(pattern: &Arc<Pattern>, kind: TypeName, shape: &Shape) -> Worker {
        let most = shape.credit;
        let poll = |wait| poll(kind, wait, most);
        Worker {
            pattern: Arc::clone(pattern),
            kind,
            poll: poll(WAIT_S),
            state: State::Greeting,
            greets: kind != TypeName::IDLE || shape.crowd_is_known,
            in_hand: VecDeque::new(),
        }
    }

    fn take(&mut self, answer: &Answer<'_>) -> Result<(), Flaw> {
        // The time was over.
        if answer.status == 204 && answer.body.is_empty() {
            return Ok(());
        }
        let unexpected = || Flaw::unexpected("a poll", answer.body);
        if answer.status != 200 {
            return Err(unexpected());
        }
        let mut rest = answer.body.strip_prefix(b"{\"jobs\":").ok_or_else(unexpected)?;
        let mut before: &[u8] = b"[";
        while rest != b"]}" {
            let job = rest.strip_prefix(before).and_then(|rest| assignment(rest, self.kind, self.pattern.len()));
            let Assignment { id, body, receipt, rest: after } = job.ok_or_else(unexpected)?;
            let id = JobId::parse(id)?;
            News::result(id, self.pattern.check(Way::ToWorker, body)?)?;
            self.in_hand.push_back(Given { id, receipt: receipt.to_vec() });
            (before, rest) = (b",", after);
        }
        Ok(())
    }

    /// Completes the first job in hand, or asks for more.
    fn go_on(&mut self, out: &mut Vec<u8>) {
        let Some(Given { id, receipt }) = self.in_hand.front() else {
            self.state = State::Polling;
            out.extend_from_slice(&self.poll);
            return;
        };
        self.state = State::Completing;
        let length = RECEIPT.len() + receipt.len() + BODY.len() + self.pattern.len() + 1;
        let id_text = id.hex();
        let id_text = std::str::from_utf8(&id_text).expect("an id is made of digits");
        write_head(out, format_args!("{JOBS}/{id_text}/complete"), length);
        for part in [RECEIPT, receipt, BODY] {
            out.extend_from_slice(part);
        }
        self.pattern.write(Way::ToMaster, *id, out);
        out.push(b'}');
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        if self.greets {
            out.extend_from_slice(&poll(self.kind, 0, 1));
        } else {
            self.go_on(out);
        }
        !self.greets
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_answer(input, |answer| {
            match self.state {
                State::Greeting => {
                    self.take(answer)?;
                    tell(News::Ready)?;
                }
                State::Polling => self.take(answer)?,
                State::Completing => {
                    if answer.status != 200 || answer.body != b"{\"state\":\"completed\"}" {
                        return Err(Flaw::unexpected("the HTTP port", answer.body));
                    }
                    self.in_hand.pop_front();
                }
            }
            self.go_on(out);
            Ok(())
        })
    }
}

/// An answer.
struct Answer<'a> {
    status: u16,
    body: &'a [u8],
}

/// Shows all whole answers, and gives how many bytes they were.
fn each_answer(input: &[u8], mut show: impl FnMut(&Answer<'_>) -> Result<(), Flaw>) -> Result<usize, Flaw> {
    let mut used = 0;
    while let Some(head) = until(&input[used..], b"\r\n\r\n") {
        let unexpected = || Flaw::unexpected("the HTTP port", head.found);
        let (status, length) = read_head(head.found).ok_or_else(unexpected)?;
        let Some(body) = head.rest.get(..length) else { break };
        show(&Answer { status, body })?;
        used = input.len() - head.rest.len() + length;
    }
    Ok(used)
}

/// Status and length of the body, which an answer without any, such as a 204, does not name.
fn read_head(head: &[u8]) -> Option<(u16, usize)> {
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    let length = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())
    });
    Some((status, length.unwrap_or(Some(0))?))
}

/// Begins a request with a JSON body of so many bytes.
fn write_head(out: &mut Vec<u8>, path: std::fmt::Arguments<'_>, length: usize) {
    let kind = "Content-Type: application/json";
    write!(out, "POST {path} HTTP/1.1\r\n{HOST}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n")
        .expect("memory can be written to");
}

fn poll(kind: TypeName, wait_s: u32, most: u32) -> Vec<u8> {
    let kind = kind.as_str();
    format!("GET /api/v1/assignments?type={kind}&wait={wait_s}&max={most} HTTP/1.1\r\n{HOST}\r\n\r\n").into_bytes()
}

/// How each answer about a job begins.
struct Accepted<'a> {
    id: &'a [u8],
    /// From its state on.
    rest: &'a [u8],
}

fn accepted(text: &[u8]) -> Option<Accepted<'_>> {
    let (id, rest) = text.strip_prefix(ID)?.split_at_checked(ID_BYTES)?;
    let (_, rest) = rest.strip_prefix(TYPE)?.split_at_checked(TYPE_BYTES)?;
    Some(Accepted { id, rest: rest.strip_prefix(b"\",\"state\":\"")? })
}

/// Body and result of a job that is done, from its state on.
fn completed(text: &[u8], body_bytes: usize) -> Option<(&[u8], &[u8])> {
    let (body, rest) = text.strip_prefix(b"completed\",\"priority\":0,\"body\":")?.split_at_checked(body_bytes)?;
    let rest = until(rest.strip_prefix(b",\"attempt\":1,")?, b",\"result\":")?.rest;
    let (result, rest) = rest.split_at_checked(body_bytes)?;
    rest.starts_with(b",\"error\":null,").then_some((body, result))
}

/// A job in the answer to a poll.
struct Assignment<'a> {
    id: &'a [u8],
    body: &'a [u8],
    receipt: &'a [u8],
    rest: &'a [u8],
}

fn assignment(text: &[u8], kind: TypeName, body_bytes: usize) -> Option<Assignment<'_>> {
    let (id, rest) = text.strip_prefix(ID)?.split_at_checked(ID_BYTES)?;
    let (body, rest) =
        rest.strip_prefix(TYPE)?.strip_prefix(&kind.0)?.strip_prefix(BODY)?.split_at_checked(body_bytes)?;
    let rest = until(rest.strip_prefix(b",\"priority\":0,\"attempt\":1,")?, b",\"receipt\":\"")?.rest;
    let receipt = until(rest, b"\"}")?;
    Some(Assignment { id, body, receipt: receipt.found, rest: receipt.rest })
}

/// What stands before a mark, and behind it.
struct Until<'a> {
    found: &'a [u8],
    rest: &'a [u8],
}

fn until<'a>(text: &'a [u8], mark: &[u8]) -> Option<Until<'a>> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(Until { found: &text[..at], rest: &text[at + mark.len()..] })
}

const JOBS: &str = "/api/v1/jobs";
const HOST: &str = "Host: 127.0.0.1";
/// As long as a poll may take: a worker that is idle asks again once a minute.
const WAIT_S: u32 = 55;

const ID: &[u8] = b"{\"id\":\"";
const TYPE: &[u8] = b"\",\"type\":\"";
const BODY: &[u8] = b"\",\"body\":";
const RECEIPT: &[u8] = b"{\"receipt\":\"";
