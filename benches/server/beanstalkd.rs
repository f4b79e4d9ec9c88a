//! beanstalkd, with a minimal client: a tube per type, and a result tube per master.
//!
//! It has no results of its own, so a worker puts its answer on the master's tube and deletes the job in the same
//! write. A waiting `reserve` blocks its connection, hence the master's second connection. One way there is no answer, and
//! every change is synced before it is acknowledged.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{Job, JobId, Pattern, TypeName, Way};
use crate::peer::{BEANSTALKD, Line, News, Peer, Session};
use crate::process::{Server, find_program, free_port};
use crate::shape::Shape;

/// The Debian package `beanstalkd`.
pub struct Beanstalkd;

impl Peer for Beanstalkd {
    fn name(&self) -> &'static str {
        BEANSTALKD
    }

    fn program(&self) -> Option<PathBuf> {
        find_program("beanstalkd")
    }

    fn version_flag(&self) -> Option<&'static str> {
        Some("-v")
    }

    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let address = free_port()?;
        let mut command = Command::new(self.program().expect("it was looked for before"));
        command.args(["-l", "127.0.0.1", "-p", &address.port().to_string()]);
        // The default limit is a byte less than the largest body of the shapes.
        command.args(["-z", "1048576"]);
        if shape.durable {
            command.args(["-f", "0", "-b"]).arg(folder);
        }
        Server::start_on(command, folder, address)
    }

    fn master(&self, server: &Server, number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        let submitter = Submitter { pattern: Arc::clone(pattern), used: TypeName::numbered(0), opened: false };
        let mut lines = vec![Line { address: server.masters, session: Box::new(submitter) }];
        if !shape.durable {
            let collector = Collector { pattern: Arc::clone(pattern), tube: result_tube(number) };
            lines.push(Line { address: server.masters, session: Box::new(collector) });
        }
        lines
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        let pattern = Arc::clone(pattern);
        let worker = Worker { pattern, kind, one_way: shape.durable, used: None, deleting: None };
        Line { address: server.workers, session: Box::new(worker) }
    }
}

struct Submitter {
    pattern: Arc<Pattern>,
    used: TypeName,
    opened: bool,
}

struct Collector {
    pattern: Arc<Pattern>,
    tube: String,
}

struct Worker {
    pattern: Arc<Pattern>,
    kind: TypeName,
    one_way: bool,
    /// The master whose result tube was used last.
    used: Option<u16>,
    /// The job that is done, but not acknowledged.
    deleting: Option<JobId>,
}

impl Session for Submitter {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        write_words(out, &["use", self.used.as_str()]);
        false
    }

    fn submit(&mut self, job: &Job, out: &mut Vec<u8>) {
        if self.used != job.kind {
            self.used = job.kind;
            write_words(out, &["use", self.used.as_str()]);
        }
        put(&self.pattern, Way::ToWorker, job.id, job.low, out);
    }

    fn hear(
        &mut self,
        input: &[u8],
        _out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Line(line) if line.starts_with(b"INSERTED ") => tell(News::Accepted(None)),
            // One greeting, and one for each change of the tube.
            Reply::Line(line) if line.starts_with(b"USING ") => {
                if std::mem::replace(&mut self.opened, true) {
                    Ok(())
                } else {
                    tell(News::Ready)
                }
            }
            Reply::Line(line) => Err(Flaw::unexpected("beanstalkd", line)),
            Reply::Reserved { body, .. } => Err(Flaw::unexpected("beanstalkd", body)),
        })
    }
}

impl Session for Collector {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        watch(&self.tube, out);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Reserved { id, body } => {
                tell(News::Result(self.pattern.check(Way::ToMaster, body)?))?;
                write_words(out, &["delete", id]);
                write_words(out, &["reserve"]);
                Ok(())
            }
            Reply::Line(b"WATCHING 1") => tell(News::Ready),
            Reply::Line(b"DELETED" | b"WATCHING 2") => Ok(()),
            Reply::Line(line) => Err(Flaw::unexpected("beanstalkd", line)),
        })
    }
}

impl Session for Worker {
    fn open(&mut self, out: &mut Vec<u8>) -> bool {
        watch(self.kind.as_str(), out);
        false
    }

    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw> {
        each_reply(input, |reply| match reply {
            Reply::Reserved { id, body } => {
                let job = self.pattern.check(Way::ToWorker, body)?;
                if !self.one_way {
                    if self.used != Some(job.master) {
                        self.used = Some(job.master);
                        write_words(out, &["use", &result_tube(job.master)]);
                    }
                    put(&self.pattern, Way::ToMaster, job, false, out);
                } else if self.deleting.replace(job).is_some() {
                    return Err(Flaw::unexpected("beanstalkd", body));
                }
                write_words(out, &["delete", id]);
                write_words(out, &["reserve"]);
                Ok(())
            }
            Reply::Line(b"WATCHING 1") => tell(News::Ready),
            Reply::Line(b"DELETED") => self.deleting.take().map_or(Ok(()), |id| tell(News::Result(id))),
            Reply::Line(b"WATCHING 2") => Ok(()),
            Reply::Line(line) if line.starts_with(b"USING ") || line.starts_with(b"INSERTED ") => Ok(()),
            Reply::Line(line) => Err(Flaw::unexpected("beanstalkd", line)),
        })
    }
}

enum Reply<'a> {
    Line(&'a [u8]),
    Reserved { id: &'a str, body: &'a [u8] },
}

fn each_reply(input: &[u8], mut take: impl FnMut(Reply<'_>) -> Result<(), Flaw>) -> Result<usize, Flaw> {
    let mut used = 0;
    while let Some(length) = input[used..].windows(2).position(|pair| pair == b"\r\n") {
        let line = &input[used..used + length];
        let after = &input[used + length + 2..];
        used += length + 2;
        let Some(reserved) = line.strip_prefix(b"RESERVED ") else {
            take(Reply::Line(line))?;
            continue;
        };
        let words = std::str::from_utf8(reserved).ok().and_then(|words| words.split_once(' '));
        let (id, bytes) = words.ok_or_else(|| Flaw::unexpected("beanstalkd", line))?;
        let bytes: usize = bytes.parse().map_err(|_| Flaw::unexpected("beanstalkd", line))?;
        if after.len() < bytes + 2 {
            return Ok(used - length - 2);
        }
        take(Reply::Reserved { id, body: &after[..bytes] })?;
        used += bytes + 2;
    }
    Ok(used)
}

fn put(pattern: &Pattern, way: Way, id: JobId, low: bool, out: &mut Vec<u8>) {
    // Less is more urgent; the third figure is the lease in seconds.
    write_words(out, &["put", if low { "2000" } else { "1000" }, "0", "600", &pattern.len().to_string()]);
    pattern.write(way, id, out);
    out.extend_from_slice(b"\r\n");
}

fn watch(tube: &str, out: &mut Vec<u8>) {
    write_words(out, &["watch", tube]);
    write_words(out, &["ignore", "default"]);
    write_words(out, &["reserve"]);
}

fn write_words(out: &mut Vec<u8>, words: &[&str]) {
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn result_tube(master: u16) -> String {
    format!("results-{master}")
}
