//! gearmand, with a minimal client of its binary protocol: foreground jobs, a function per type.
//!
//! A worker sleeps after `NO_JOB` and is woken by `NOOP`; under load it grabs the next job in the write of its answer.

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{Job, JobId, Pattern, TypeName, Way};
use crate::peer::{GEARMAND, Line, News, Peer, Session};
use crate::process::{Server, find_program, free_port};
use crate::shape::{Measure, Shape};

/// The Debian package `gearman-job-server`.
pub struct Gearmand;

impl Peer for Gearmand {
    fn name(&self) -> &'static str {
        GEARMAND
    }

    fn program(&self) -> Option<PathBuf> {
        find_program("gearmand")
    }

    fn version_flag(&self) -> Option<&'static str> {
        Some("--version")
    }

    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let address = free_port()?;
        let mut command = Command::new(self.program().expect("it was looked for before"));
        command.args(["--listen", "127.0.0.1", "--port", &address.port().to_string(), "--log-file", "none"]);
        command.arg("--pid-file").arg(folder.join("pid"));
        // It will not run as root unless told to, and stays who it is if told nothing else.
        if let Ok(user) = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")) {
            command.args(["--user", &user]);
        }
        if shape.measure == Measure::Backlog {
            // With the 991 of the default, a million jobs do not go in within minutes.
            command.args(["--hashtable-buckets", "1000000"]);
        }
        Server::start_on(command, folder, address)
    }

    fn master(&self, server: &Server, _number: u16, _shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        let master = Master { pattern: Arc::clone(pattern), submitted: VecDeque::new(), handles: HashMap::new() };
        vec![Line { address: server.masters, session: Box::new(master) }]
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, _shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        let worker = Worker { pattern: Arc::clone(pattern), kind, state: State::Opening };
        Line { address: server.workers, session: Box::new(worker) }
    }
}

struct Master {
    pattern: Arc<Pattern>,
    /// Jobs whose handles are still to come, in order.
    submitted: VecDeque<JobId>,
    /// By the number at the end of a handle: the ids of gearmand are its handles.
    handles: HashMap<u64, JobId>,
}

struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    /// The first grab: its answer shows that the function is known.
    Opening,
    Grabbing,
    Sleeping,
}

impl Session for Master {
    fn open(&mut self, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        self.submitted.push_back(job.id);
        let kind = if job.low { SUBMIT_JOB_LOW } else { SUBMIT_JOB };
        // Function, an empty unique id (which is none), data.
        write_header(out, kind, job.kind.0.len() + 2 + self.pattern.len());
        out.extend_from_slice(&job.kind.0);
        out.extend_from_slice(b"\0\0");
        self.pattern.write(Way::ToWorker, job.id, out);
    }

    fn hear(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_packet(input, |kind, payload| match kind {
            JOB_CREATED => {
                let id = self.submitted.pop_front().ok_or_else(|| Flaw::unexpected("gearmand", payload))?;
                self.handles.insert(handle_number(payload)?, id);
                tell(News::Accepted(Some(id)))
            }
            WORK_COMPLETE => {
                let (handle, body) = split_at_zero(payload)?;
                let known = self.handles.remove(&handle_number(handle)?);
                let known = known.ok_or_else(|| Flaw::unexpected("gearmand", payload))?;
                tell(News::result(known, self.pattern.check(Way::ToMaster, body)?)?)
            }
            _ => Err(Flaw::unexpected("gearmand", payload)),
        })
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        write_header(out, CAN_DO, self.kind.0.len());
        out.extend_from_slice(&self.kind.0);
        write_header(out, GRAB_JOB, 0);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_packet(input, |kind, payload| {
            if self.state == State::Opening && kind != NOOP {
                self.state = State::Grabbing;
                tell(News::Ready)?;
            }
            match kind {
                NO_JOB => {
                    write_header(out, PRE_SLEEP, 0);
                    self.state = State::Sleeping;
                }
                NOOP => {
                    // One may come late, when the job it is about was grabbed already.
                    if self.state == State::Sleeping {
                        write_header(out, GRAB_JOB, 0);
                        self.state = State::Grabbing;
                    }
                }
                JOB_ASSIGN if self.state == State::Grabbing => {
                    let (handle, rest) = split_at_zero(payload)?;
                    let (function, body) = split_at_zero(rest)?;
                    if function != self.kind.0 {
                        return Err(Flaw::unexpected("gearmand", payload));
                    }
                    let id = self.pattern.check(Way::ToWorker, body)?;
                    write_header(out, WORK_COMPLETE, handle.len() + 1 + self.pattern.len());
                    out.extend_from_slice(handle);
                    out.push(0);
                    self.pattern.write(Way::ToMaster, id, out);
                    write_header(out, GRAB_JOB, 0);
                }
                _ => return Err(Flaw::unexpected("gearmand", payload)),
            }
            Ok(())
        })
    }
}

fn each_packet(input: &[u8], mut take: impl FnMut(u32, &[u8]) -> Result<(), Flaw>) -> Result<usize, Flaw> {
    let mut used = 0;
    while let Some((header, rest)) = input[used..].split_first_chunk::<HEADER_BYTES>() {
        let number = |at: usize| {
            let bytes = header[at..at + 4].try_into().expect("four bytes are four bytes");
            u32::from_be_bytes(bytes)
        };
        if !header.starts_with(b"\0RES") {
            return Err(Flaw::unexpected("gearmand", header));
        }
        let Some(payload) = rest.get(..number(8) as usize) else { break };
        take(number(4), payload)?;
        used += HEADER_BYTES + payload.len();
    }
    Ok(used)
}

fn write_header(out: &mut Vec<u8>, kind: u32, payload_bytes: usize) {
    let payload_bytes = u32::try_from(payload_bytes).expect("a packet is far smaller than 4 GiB");
    out.extend_from_slice(b"\0REQ");
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&payload_bytes.to_be_bytes());
}

fn split_at_zero(payload: &[u8]) -> Result<(&[u8], &[u8]), Flaw> {
    let at = payload.iter().position(|byte| *byte == 0);
    let at = at.ok_or_else(|| Flaw::unexpected("gearmand", payload))?;
    Ok((&payload[..at], &payload[at + 1..]))
}

/// 17 of `H:host:17`.
fn handle_number(handle: &[u8]) -> Result<u64, Flaw> {
    let digits = handle.rsplit(|byte| *byte == b':').next().unwrap_or_default();
    let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| Flaw::unexpected("gearmand", handle))
}

const HEADER_BYTES: usize = 12;

const CAN_DO: u32 = 1;
const PRE_SLEEP: u32 = 4;
const NOOP: u32 = 6;
const SUBMIT_JOB: u32 = 7;
const JOB_CREATED: u32 = 8;
const GRAB_JOB: u32 = 9;
const NO_JOB: u32 = 10;
const JOB_ASSIGN: u32 = 11;
const WORK_COMPLETE: u32 = 13;
const SUBMIT_JOB_LOW: u32 = 33;
