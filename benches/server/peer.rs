//! A server under test: how it is started, how a master submits to it, how a worker works for it.
//!
//! The load program knows nothing else about a peer. Another server is another `Peer` and one row in `all`; another
//! dialect of a server is two more `Session`s.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use crate::beanstalkd::Beanstalkd;
use crate::flaw::Flaw;
use crate::gearmand::Gearmand;
use crate::job::{Job, JobId, Pattern, TypeName};
use crate::process::Server;
use crate::procession::{self, Floor, HttpFloor};
use crate::redis::Redis;
use crate::shape::Shape;

/// A kind of server.
pub trait Peer {
    /// As it stands in the table and on the command line.
    fn name(&self) -> &'static str;

    /// The program to run; `None` if it is not installed.
    fn program(&self) -> Option<std::path::PathBuf>;

    /// How the program is asked for its version, if it is somebody else's.
    fn version_flag(&self) -> Option<&'static str> {
        None
    }

    /// A fresh server that listens. `folder` is empty and its own.
    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw>;

    /// The connections of one master. It submits on the first; results may come on any.
    fn master(&self, server: &Server, number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line>;

    /// The connection of one worker.
    fn worker(&self, server: &Server, number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line;
}

/// A connection to be made, and what is spoken on it.
pub struct Line {
    pub address: SocketAddr,
    pub session: Box<dyn Session>,
}

/// One connection's half of a dialect.
pub trait Session {
    /// What is sent first. True if no `Ready` will follow.
    fn open(&mut self, out: &mut Vec<u8>) -> bool;

    /// Submits a job. Only for the first connection of a master.
    fn submit(&mut self, _job: &Job, _out: &mut Vec<u8>) {
        unreachable!("this connection does not submit")
    }

    /// Nothing more is submitted this turn.
    fn flush(&mut self, _out: &mut Vec<u8>) {}

    /// Uses the whole messages of `input`, answers them, tells what they mean, and returns how many bytes they were.
    fn hear(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(News) -> Result<(), Flaw>,
    ) -> Result<usize, Flaw>;
}

/// What a master or a worker learned.
#[derive(Clone, Copy)]
pub enum News {
    /// The server knows this connection for what it is.
    Ready,
    /// The oldest unanswered submit is accepted; with its id if the dialect repeats it.
    Accepted(Option<JobId>),
    /// A job's result came, and its body was the right one; one way, the answer of this worker was acknowledged.
    Result(JobId),
}

impl News {
    /// A result, if the id in its envelope is that in its body.
    pub fn result(envelope: JobId, body: JobId) -> Result<News, Flaw> {
        if envelope == body {
            Ok(News::Result(body))
        } else {
            Err(Flaw::Content(format!("the result of {envelope:?} has the body of {body:?}")))
        }
    }
}

/// Every peer, ours first.
pub fn all() -> Vec<Box<dyn Peer>> {
    let [memory, file, native, http, polls] = procession::all();
    vec![
        Box::new(memory),
        Box::new(Floor),
        Box::new(file),
        Box::new(native),
        Box::new(http),
        Box::new(polls),
        Box::new(HttpFloor),
        Box::new(Beanstalkd),
        Box::new(Gearmand),
        Box::new(Redis),
    ]
}

/// Whose figures all others are divided by, but over HTTP.
pub const FLOOR: &str = "floor";
/// Over gloom's ports, keeping nothing on disk.
pub const SERVER: &str = "procession";
/// Over gloom's ports, with a store for durable jobs, of which there are none.
pub const FILE: &str = "procession-file";
/// Over the native port; in durable shapes with a store, and durable jobs.
pub const NATIVE: &str = "procession-native";
/// Over HTTP; stores and jobs as over the native port.
pub const HTTP: &str = "procession-http";
/// Over the native port, with bystanders over HTTP.
pub const POLLS: &str = "procession-polls";
/// A handler of actix-web that only reads the submits.
pub const HTTP_FLOOR: &str = "actix-web";
/// What always takes part.
pub const OURS: [&str; 7] = [SERVER, FLOOR, FILE, NATIVE, HTTP, POLLS, HTTP_FLOOR];
pub const BEANSTALKD: &str = "beanstalkd";
pub const GEARMAND: &str = "gearmand";
pub const REDIS: &str = "redis";
