//! The floor: a relay of gloom's frames that does nothing a job server is for.
//!
//! One thread, one event loop, batched reads and writes, first in first out. It knows the load program's own frames by
//! their first bytes, parses no JSON, keeps no ids, types, priorities, leases or counters, and loses the job of a
//! worker that leaves. What a server costs above it is the price of being one; it runs as a process of its own, so
//! that its CPU is counted like everybody's.

use std::collections::VecDeque;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::{fs, process};

use tokio::net::unix::pipe;

use crate::backlog::Backlog;
use crate::flaw::Flaw;
use crate::frame::{self, frame};
use crate::gloom;
use crate::job::{ID_BYTES, TypeName};
use crate::reactor::{Handler, Outputs, Reactor, Token};

/// Serves until standard input closes, which is when the load program ends, however it ends.
///
/// A worker may hold `credit` jobs, and answers them in order.
pub fn serve(ports_file: &Path, credit: u32) -> Result<(), Flaw> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(Flaw::system("start the runtime"))?;
    runtime.block_on(async {
        exit_with_input()?;
        let mut reactor = Reactor::new();
        let mut addresses = Vec::new();
        // Masters first, see `MASTERS`.
        for _ in 0..2 {
            let listener = TcpListener::bind("127.0.0.1:0").map_err(Flaw::system("listen"))?;
            addresses.push(listener.local_addr().map_err(Flaw::system("name the port"))?.to_string());
            reactor.listen(listener).map_err(Flaw::system("listen"))?;
        }
        let ports = serde_json::json!({ "gloom_masters": addresses[0], "gloom_workers": addresses[1] });
        fs::write(ports_file, ports.to_string()).map_err(Flaw::system("write the ports file"))?;
        reactor.run(&mut Relay { credit, ..Relay::default() }).await
    })
}

/// Ends this process with its standard input. A task, as a second thread would make every system call of libc a little slower.
pub fn exit_with_input() -> Result<(), Flaw> {
    let input = std::io::stdin().as_fd().try_clone_to_owned().map_err(Flaw::system("watch the input"))?;
    let input = pipe::Receiver::from_owned_fd(input).map_err(Flaw::system("watch the input"))?;
    tokio::spawn(async move {
        // Nobody writes to it: whatever happens to it is its end.
        let _ = input.readable().await;
        process::exit(0);
    });
    Ok(())
}

#[derive(Default)]
struct Relay {
    credit: u32,
    /// By token.
    peers: Vec<Peer>,
    /// A worker stands here once for each job it may still get.
    idle: VecDeque<Token>,
    waiting: Backlog,
}

enum Peer {
    Master,
    Worker(VecDeque<Held>),
    Gone,
}

/// A job a worker has in hand: all that is needed to send its answer to its master.
#[derive(Clone, Copy)]
struct Held {
    master: Token,
    id: [u8; ID_BYTES],
}

impl Handler for Relay {
    fn opened(&mut self, listener: usize, token: Token) {
        assert_eq!(token, self.peers.len(), "every connection is announced, in order");
        self.peers.push(if listener == MASTERS { Peer::Master } else { Peer::Worker(VecDeque::new()) });
    }

    fn hear(&mut self, token: Token, input: &[u8], outputs: &mut Outputs) -> Result<usize, Flaw> {
        let mut used = 0;
        while let Some(payload) = frame(&input[used..]) {
            used += frame::HEADER_BYTES + payload.len();
            if let Some(job) = payload.strip_prefix(gloom::SUBMIT) {
                self.submit(token, job, outputs);
            } else if let Some(rest) = payload.strip_prefix(gloom::RESPOND) {
                self.respond(token, rest, outputs)?;
            } else if let Some(kind) = payload.strip_prefix(gloom::JOIN) {
                self.join(token, kind, outputs);
            } else {
                return Err(Flaw::unexpected("the load program", payload));
            }
        }
        Ok(used)
    }

    fn closed(&mut self, token: Token) -> Result<(), Flaw> {
        self.peers[token] = Peer::Gone;
        self.idle.retain(|idle| *idle != token);
        Ok(())
    }
}

impl Relay {
    /// `job` is the frame from its id on: `ID","type":T,"body":B}`, which is how a job frame ends, too.
    fn submit(&mut self, master: Token, job: &[u8], outputs: &mut Outputs) {
        frame::write(outputs.to(master), &[gloom::ACCEPTED, &job[..ID_BYTES], b"\"}"]);
        match self.idle.pop_front() {
            Some(worker) => self.hand_out(worker, master, job, outputs),
            None => self.waiting.push([&master.to_ne_bytes(), job]),
        }
    }

    /// `rest` is the body and a closing brace.
    fn respond(&mut self, worker: Token, rest: &[u8], outputs: &mut Outputs) -> Result<(), Flaw> {
        let held = match &mut self.peers[worker] {
            Peer::Worker(held) => held.pop_front(),
            Peer::Master | Peer::Gone => None,
        };
        let held = held.ok_or_else(|| Flaw::unexpected("a worker without a job", rest))?;
        frame::write(outputs.to(worker), &[gloom::OK]);
        frame::write(outputs.to(held.master), &[gloom::RESULT, &held.id, b"\",\"body\":", rest]);
        self.ask(worker, outputs);
        Ok(())
    }

    fn join(&mut self, worker: Token, kind: &[u8], outputs: &mut Outputs) {
        frame::write(outputs.to(worker), &[gloom::OK]);
        // The bystanders of the idle shape are known by their type, the only one that the floor looks at.
        if !kind.starts_with(&TypeName::IDLE.0) {
            for _ in 0..self.credit {
                self.ask(worker, outputs);
            }
        }
    }

    fn ask(&mut self, worker: Token, outputs: &mut Outputs) {
        let mut waiting = std::mem::take(&mut self.waiting);
        let served = waiting.pop(|entry| {
            let (master, job) = entry.split_first_chunk().expect("an entry starts with its master");
            self.hand_out(worker, usize::from_ne_bytes(*master), job, outputs);
        });
        self.waiting = waiting;
        if served.is_none() {
            self.idle.push_back(worker);
        }
    }

    fn hand_out(&mut self, worker: Token, master: Token, job: &[u8], outputs: &mut Outputs) {
        let id = *job.first_chunk().expect("a submit starts with its id");
        if let Peer::Worker(held) = &mut self.peers[worker] {
            held.push_back(Held { master, id });
        }
        frame::write(outputs.to(worker), &[gloom::JOB, job]);
    }
}

/// The first listener.
const MASTERS: usize = 0;
