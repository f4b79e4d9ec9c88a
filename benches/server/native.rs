//! The native protocol, as the load program speaks it: submits pipelined or in batches, workers with credit.
//!
//! In round trips the master hears the result (`notify`), and nothing is kept on disk. One way, jobs are durable, nobody
//! hears of their end, and a job is done when its worker's answer is acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::frame::{self, HEADER_BYTES, Template, frame};
use crate::gloom::{ACCEPTED, JOB, OK, SUBMIT};
use crate::job::{ID_BYTES, Job, JobId, Pattern, TypeName, Way};
use crate::peer::{News, Session};
use crate::shape::{Measure, Shape};

/// A connection that submits.
pub struct Master {
    pattern: Arc<Pattern>,
    template: Template,
    /// Jobs in a frame.
    batch: u32,
    /// The elements of the next batch.
    gathered: Vec<u8>,
    jobs: u32,
}

/// A connection that works.
pub struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    credit: u32,
    one_way: bool,
    is_joined: bool,
    /// Answers without an ok.
    answered: VecDeque<JobId>,
}

impl Master {
    pub fn new(pattern: &Arc<Pattern>, shape: &Shape) -> Master {
        // Durable and unheard is the default.
        let policy: &[u8] = match (shape.durable, shape.measure) {
            (true, _) => b"",
            (false, Measure::Submits) => b"\"durable\":false,",
            (false, _) => b"\"durable\":false,\"notify\":true,",
        };
        let template = match shape.batch {
            1 => Template::new(pattern, SUBMIT, policy).framed(),
            _ => Template::new(pattern, ELEMENT, policy),
        };
        Master { pattern: Arc::clone(pattern), template, batch: shape.batch, gathered: Vec::new(), jobs: 0 }
    }
}

impl Session for Master {
    fn open(&mut self, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        assert!(!job.low, "no shape asks for that here");
        if self.batch == 1 {
            self.template.write(job, out);
            return;
        }
        if self.jobs > 0 {
            self.gathered.push(b',');
        }
        self.template.write(job, &mut self.gathered);
        self.jobs += 1;
        if self.jobs == self.batch {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        if self.jobs > 0 {
            frame::write(out, &[BATCH, &self.gathered, b"]}"]);
            self.gathered.clear();
            self.jobs = 0;
        }
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
            let unexpected = || Flaw::unexpected("the native port", payload);
            if let Some(rest) = payload.strip_prefix(ACCEPTED) {
                let (id, b"\"}") = split_id(rest, unexpected)? else { return Err(unexpected()) };
                tell(News::Accepted(Some(id)))?;
            } else if let Some(rest) = payload.strip_prefix(RESULT) {
                let (id, rest) = split_id(rest, unexpected)?;
                let body = rest.strip_prefix(b"\",\"body\":").and_then(|rest| rest.strip_suffix(b"}"));
                let body_id = self.pattern.check(Way::ToMaster, body.ok_or_else(unexpected)?)?;
                tell(News::result(id, body_id)?)?;
            } else if let Some(rest) = payload.strip_prefix(RESULTS) {
                let results = rest.strip_suffix(b"]}").ok_or_else(unexpected)?;
                for result in results.chunks(ELEMENT.len() + ID_BYTES + b"\"},".len()) {
                    let (id, b"\"}" | b"\"},") =
                        split_id(result.strip_prefix(ELEMENT).ok_or_else(unexpected)?, unexpected)?
                    else {
                        return Err(unexpected());
                    };
                    tell(News::Accepted(Some(id)))?;
                }
            } else {
                return Err(unexpected());
            }
        }
        Ok(used)
    }
}

impl Worker {
    pub fn new(pattern: &Arc<Pattern>, kind: TypeName, shape: &Shape) -> Worker {
        Worker {
            pattern: Arc::clone(pattern),
            kind,
            credit: shape.credit,
            one_way: shape.durable,
            is_joined: false,
            answered: VecDeque::new(),
        }
    }

    fn work(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), Flaw> {
        let unexpected = || Flaw::unexpected("the native port", payload);
        let rest = payload.strip_prefix(JOB).ok_or_else(unexpected)?;
        let (id, rest) = split_id(rest, unexpected)?;
        let rest = rest.strip_prefix(b"\",\"type\":\"").ok_or_else(unexpected)?;
        let rest = rest.strip_prefix(&self.kind.0).ok_or_else(unexpected)?;
        let rest = rest.strip_prefix(b"\",\"body\":").ok_or_else(unexpected)?;
        let (body, rest) = rest.split_at_checked(self.pattern.len()).ok_or_else(unexpected)?;
        let is_first = rest.starts_with(b",\"attempt\":1,\"lease_ms\":");
        let is_allowed = self.is_joined && self.answered.len() < self.credit as usize;
        if !is_first || !is_allowed || self.pattern.check(Way::ToWorker, body)? != id {
            return Err(unexpected());
        }
        frame::write_header(out, RESPOND.len() + ID_BYTES + RESPOND_BODY.len() + self.pattern.len() + 1);
        out.extend_from_slice(RESPOND);
        out.extend_from_slice(&id.hex());
        out.extend_from_slice(RESPOND_BODY);
        self.pattern.write(Way::ToMaster, id, out);
        out.push(b'}');
        self.answered.push_back(id);
        Ok(())
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        let credit = format!("\"],\"credit\":{}}}", self.credit);
        frame::write(out, &[JOIN, &self.kind.0, credit.as_bytes()]);
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
            if payload != OK {
                self.work(payload, out)?;
            } else if !std::mem::replace(&mut self.is_joined, true) {
                tell(News::Ready)?;
            } else {
                let id = self.answered.pop_front().ok_or_else(|| Flaw::unexpected("the native port", payload))?;
                if self.one_way {
                    tell(News::Result(id))?;
                }
            }
        }
        Ok(used)
    }
}

fn split_id(text: &[u8], unexpected: impl Fn() -> Flaw) -> Result<(JobId, &[u8]), Flaw> {
    let (id, rest) = text.split_at_checked(ID_BYTES).ok_or_else(unexpected)?;
    Ok((JobId::parse(id)?, rest))
}

const ELEMENT: &[u8] = b"{\"id\":\"";
const BATCH: &[u8] = b"{\"action\":\"submit\",\"jobs\":[";
const RESULTS: &[u8] = b"{\"ok\":true,\"results\":[";
const RESULT: &[u8] = b"{\"action\":\"result\",\"id\":\"";
const JOIN: &[u8] = b"{\"action\":\"join\",\"types\":[\"";
const RESPOND: &[u8] = b"{\"action\":\"respond\",\"id\":\"";
const RESPOND_BODY: &[u8] = b"\",\"body\":";
