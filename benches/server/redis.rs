//! Redis lists as a job queue, with a minimal client: what people build when they build one.
//!
//! A master pushes to the list of a type and waits on its own list of results. A worker moves a job to its own list
//! of jobs in hand, so that none is lost with it, and pushes the result and forgets the job in one write. One way there
//! is no result, and everything is on disk before it is acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{Job, JobId, Pattern, TypeName, Way};
use crate::peer::{Line, News, Peer, REDIS, Session};
use crate::process::{Server, find_program, free_port};
use crate::shape::Shape;

/// The Debian package `redis-server`, 7.0 or later.
pub struct Redis;

impl Peer for Redis {
    fn name(&self) -> &'static str {
        REDIS
    }

    fn program(&self) -> Option<PathBuf> {
        find_program("redis-server")
    }

    fn version_flag(&self) -> Option<&'static str> {
        Some("--version")
    }

    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let address = free_port()?;
        let mut command = Command::new(self.program().expect("it was looked for before"));
        command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
        command.args(["--save", "", "--maxclients", "15000"]);
        command.args(["--appendonly", if shape.durable { "yes" } else { "no" }, "--appendfsync", "always"]);
        Server::start_on(command, folder, address)
    }

    fn master(&self, server: &Server, number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        let submitter = Submitter { pattern: Arc::clone(pattern) };
        let mut lines = vec![Line { address: server.masters, session: Box::new(submitter) }];
        if !shape.durable {
            let collector = Collector { pattern: Arc::clone(pattern), list: result_list(number) };
            lines.push(Line { address: server.masters, session: Box::new(collector) });
        }
        lines
    }

    fn worker(&self, server: &Server, number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        let in_hand = format!("in-hand-{number}");
        let pattern = Arc::clone(pattern);
        let session: Box<dyn Session> = if shape.durable {
            Box::new(OneWayWorker { pattern, kind, in_hand, removing: None })
        } else {
            Box::new(Worker { pattern, kind, in_hand, owed: 0 })
        };
        Line { address: server.workers, session }
    }
}

struct Submitter {
    pattern: Arc<Pattern>,
}

struct Collector {
    pattern: Arc<Pattern>,
    list: String,
}

struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    in_hand: String,
    /// Replies to come before the next job.
    owed: u8,
}

struct OneWayWorker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    in_hand: String,
    /// The job that is done, but not acknowledged.
    removing: Option<JobId>,
}

impl Session for Submitter {
    fn open(&mut self, _out: &mut Vec<u8>) -> bool {
        true
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        assert!(!job.low, "a list has no priorities");
        push(&self.pattern, job.kind.as_str(), Way::ToWorker, job.id, out);
    }

    fn hear(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            // How long the list is now.
            Reply::Line(line) if line.starts_with(b":") => tell(News::Accepted(None)),
            other => Err(other.unexpected()),
        })
    }
}

impl Collector {
    fn wait(&self, out: &mut Vec<u8>) {
        command(out, &["BLMPOP", "0", "1", &self.list, "RIGHT", "COUNT", "64"]);
    }
}

impl Session for Collector {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        command(out, &["PING"]);
        self.wait(out);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Array(parts) if parts.first() == Some(&self.list.as_bytes()) => {
                for body in &parts[1..] {
                    tell(News::Result(self.pattern.check(Way::ToMaster, body)?))?;
                }
                self.wait(out);
                Ok(())
            }
            Reply::Line(b"+PONG") => tell(News::Ready),
            other => Err(other.unexpected()),
        })
    }
}

/// Takes the oldest job.
fn take(kind: TypeName, in_hand: &str, out: &mut Vec<u8>) {
    command(out, &["BLMOVE", kind.as_str(), in_hand, "RIGHT", "LEFT", "0"]);
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        command(out, &["PING"]);
        take(self.kind, &self.in_hand, out);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Bulk(body) if self.owed == 0 => {
                let id = self.pattern.check(Way::ToWorker, body)?;
                push(&self.pattern, &result_list(id.master), Way::ToMaster, id, out);
                command(out, &["DEL", &self.in_hand]);
                take(self.kind, &self.in_hand, out);
                self.owed = 2;
                Ok(())
            }
            Reply::Line(line) if line.starts_with(b":") && self.owed > 0 => {
                self.owed -= 1;
                Ok(())
            }
            Reply::Line(b"+PONG") => tell(News::Ready),
            other => Err(other.unexpected()),
        })
    }
}

impl Session for OneWayWorker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        command(out, &["PING"]);
        take(self.kind, &self.in_hand, out);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Bulk(body) if self.removing.is_none() => {
                self.removing = Some(self.pattern.check(Way::ToWorker, body)?);
                // The body is made of ASCII.
                let body = std::str::from_utf8(body).map_err(|_| Flaw::unexpected("redis", body))?;
                command(out, &["LREM", &self.in_hand, "1", body]);
                take(self.kind, &self.in_hand, out);
                Ok(())
            }
            Reply::Line(b"+PONG") => tell(News::Ready),
            other => match (other, self.removing.take()) {
                (Reply::Line(b":1"), Some(id)) => tell(News::Result(id)),
                (other, _) => Err(other.unexpected()),
            },
        })
    }
}

enum Reply<'a> {
    /// With its sign.
    Line(&'a [u8]),
    Bulk(&'a [u8]),
    /// Flattened.
    Array(Vec<&'a [u8]>),
}

impl<'a> Reply<'a> {
    /// The first reply and its length, if all of it is there.
    fn read(input: &'a [u8]) -> Result<Option<(Reply<'a>, usize)>, Flaw> {
        let Some(length) = input.windows(2).position(|pair| pair == b"\r\n") else { return Ok(None) };
        let line = &input[..length];
        let mut used = length + 2;
        let wrong = || Flaw::unexpected("redis", line);
        let count = || -> Result<usize, Flaw> {
            std::str::from_utf8(&line[1..]).ok().and_then(|count| count.parse().ok()).ok_or_else(wrong)
        };
        match line.first() {
            Some(b'$') => {
                let bytes = count()?;
                let whole = input.len() >= used + bytes + 2;
                Ok(whole.then(|| (Reply::Bulk(&input[used..used + bytes]), used + bytes + 2)))
            }
            Some(b'*') => {
                let mut parts = Vec::new();
                for _ in 0..count()? {
                    let Some((part, length)) = Reply::read(&input[used..])? else { return Ok(None) };
                    used += length;
                    match part {
                        Reply::Bulk(part) | Reply::Line(part) => parts.push(part),
                        Reply::Array(inner) => parts.extend(inner),
                    }
                }
                Ok(Some((Reply::Array(parts), used)))
            }
            Some(_) => Ok(Some((Reply::Line(line), used))),
            None => Err(wrong()),
        }
    }

    fn unexpected(&self) -> Flaw {
        match self {
            Reply::Line(said) | Reply::Bulk(said) => Flaw::unexpected("redis", said),
            Reply::Array(parts) => Flaw::unexpected("redis", &parts.concat()),
        }
    }
}

fn each_reply(input: &[u8], mut take: impl FnMut(Reply<'_>) -> Result<(), Flaw>) -> Result<usize, Flaw> {
    let mut used = 0;
    while let Some((reply, length)) = Reply::read(&input[used..])? {
        take(reply)?;
        used += length;
    }
    Ok(used)
}

fn push(pattern: &Pattern, list: &str, way: Way, id: JobId, out: &mut Vec<u8>) {
    out.extend_from_slice(b"*3\r\n$5\r\nLPUSH\r\n");
    bulk_header(out, list.len());
    out.extend_from_slice(list.as_bytes());
    out.extend_from_slice(b"\r\n");
    bulk_header(out, pattern.len());
    pattern.write(way, id, out);
    out.extend_from_slice(b"\r\n");
}

fn command(out: &mut Vec<u8>, words: &[&str]) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bulk_header(out, word.len());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

fn bulk_header(out: &mut Vec<u8>, length: usize) {
    out.push(b'$');
    out.extend_from_slice(length.to_string().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn result_list(master: u16) -> String {
    format!("results-{master}")
}
