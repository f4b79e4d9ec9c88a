//! `work TYPE --exec CMD`: the worker for any language, a shell command per job.
//!
//! [`session`] decides, in plain values; [`command`] runs one command; this file is the loop between them: one thread
//! that reads the socket, one per running command, and this one, which owns the rest.
//!
//! When the connection is lost, the server gives our jobs to others at once, so their commands are stopped: what they
//! would still do, somebody else does again. They count as busy until they are gone.

mod command;
mod session;

use std::collections::HashMap;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use log::{info, warn};

use crate::config::{Client, Work};

use super::Failure;
use super::signals;
use super::wire::{CONNECT_PATIENCE, Deadline, Message, Sender, Wire, WireError};
use command::{Group, Outcome};
use session::{Do, End, Session};

/// Works until SIGTERM or SIGINT: then takes nothing more, finishes, and leaves. A second signal stops at once.
pub(super) fn run(client: &Client, work: &Work) -> Result<(), Failure> {
    let (events, inbox) = mpsc::channel();
    let stop = events.clone();
    signals::listen(move || stop.send(Event::Signal).is_ok())
        .map_err(|error| Failure::failed(format!("cannot wait for signals: {error}")))?;
    let mut shop = Shop { client, work, events, inbox, running: HashMap::new(), signals: 0, connections: 0, runs: 0 };
    let mut backoff = FIRST_BACKOFF;
    while shop.signals == 0 {
        let connected = Instant::now();
        match shop.serve() {
            Err(failure) => {
                // Nobody would hear of what they do.
                shop.abandon();
                return Err(failure);
            }
            Ok(Over::Left) => break,
            Ok(Over::Lost(reason)) => {
                if connected.elapsed() > LONGEST_BACKOFF {
                    backoff = FIRST_BACKOFF;
                }
                warn!(retry_ms = backoff.as_millis() as u64; "{reason}");
                shop.pause(backoff);
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }
    shop.abandon();
    Ok(())
}

/// What the loop waits for.
enum Event {
    Message { connection: u64, message: Box<Message> },
    Closed { connection: u64, error: WireError },
    Done { run: u64, outcome: Outcome },
    Signal,
}

/// How a connection ended.
enum Over {
    /// We left, as we were told to.
    Left,
    /// Try again.
    Lost(String),
}

struct Shop<'a> {
    client: &'a Client,
    work: &'a Work,
    events: mpsc::Sender<Event>,
    inbox: Receiver<Event>,
    running: HashMap<u64, Running>,
    signals: usize,
    connections: u64,
    runs: u64,
}

struct Running {
    group: Group,
    /// When a command that was asked to stop is no longer asked.
    kill_at: Option<Instant>,
}

impl Shop<'_> {
    /// One connection, from its hello to its end.
    fn serve(&mut self) -> Result<Over, Failure> {
        let name = format!("procession-work-{}", std::process::id());
        let wire = match Wire::connect(self.client, &name, Deadline::after(CONNECT_PATIENCE)) {
            Ok(wire) => wire,
            Err(failure) if failure.is_final() => return Err(failure),
            Err(failure) => return Ok(Over::Lost(failure.to_string())),
        };
        info!(addr:% = self.client.addr, "type" = self.work.job_type.as_str(), concurrency = self.work.concurrency; "connected");
        let max_frame = wire.max_frame;
        let (mut frames, mut sender) = wire.split();
        self.connections += 1;
        let connection = self.connections;
        let events = self.events.clone();
        let reader = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            loop {
                let event = match frames.next(Deadline::NEVER) {
                    Ok(message) => Event::Message { connection, message: Box::new(message) },
                    Err(error) => Event::Closed { connection, error },
                };
                let last = matches!(event, Event::Closed { .. });
                if events.send(event).is_err() || last {
                    break;
                }
            }
        });
        if let Err(error) = reader {
            return Err(Failure::failed(format!("cannot start a thread: {error}")));
        }
        let mut session = Session::new(&self.work.job_type, self.work.concurrency, self.running.len(), max_frame);
        let end = self.converse(&mut session, &mut sender, connection);
        drop(sender);
        // Whatever still runs belongs to nobody now.
        self.stop_commands();
        match end {
            End::Left => Ok(Over::Left),
            End::Lost(reason) => Ok(Over::Lost(reason)),
            End::Refused(reason) => Err(Failure::failed(format!("{} refused us: {reason}", self.client.addr))),
        }
    }

    fn converse(&mut self, session: &mut Session, sender: &mut Sender, connection: u64) -> End {
        let mut todo = session.begin(Instant::now());
        loop {
            for act in todo.drain(..) {
                match act {
                    Do::Send(frame) => {
                        if let Err(error) = sender.send(&frame) {
                            return End::Lost(format!("lost the connection: {error}"));
                        }
                    }
                    Do::Start(job) => {
                        self.runs += 1;
                        session.started(&job, self.runs, Instant::now());
                        self.start(self.runs, job, session.max_output());
                    }
                    Do::Stop(run) => self.stop_command(run),
                    Do::End(end) => return end,
                }
            }
            let now = Instant::now();
            self.kill_the_stubborn(now);
            let event = self.next_event(session.alarm(now).min(now + TICK));
            let now = Instant::now();
            todo = match event {
                Some(Event::Message { connection: of, message }) if of == connection => session.hear(*message, now),
                Some(Event::Closed { connection: of, error }) if of == connection => {
                    return End::Lost(format!("lost the connection: {error}"));
                }
                // An earlier connection's last words.
                Some(Event::Message { .. } | Event::Closed { .. }) => Vec::new(),
                Some(Event::Done { run, outcome }) => {
                    self.running.remove(&run);
                    session.done(run, outcome, now)
                }
                Some(Event::Signal) => {
                    self.signals += 1;
                    if self.signals > 1 {
                        info!("second signal: stopping at once");
                        self.abandon();
                        return End::Left;
                    }
                    info!(running = self.running.len(); "finishing what is running, then leaving");
                    session.leave(now)
                }
                None => session.tick(now),
            };
        }
    }

    /// Waits without a connection: commands that were told to stop may end, and a signal ends the wait.
    fn pause(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && self.signals == 0 {
            self.kill_the_stubborn(Instant::now());
            match self.next_event(until.min(Instant::now() + TICK)) {
                Some(Event::Done { run, .. }) => drop(self.running.remove(&run)),
                Some(Event::Signal) => self.signals += 1,
                Some(Event::Message { .. } | Event::Closed { .. }) | None => {}
            }
        }
    }

    fn next_event(&self, until: Instant) -> Option<Event> {
        match self.inbox.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender ourselves"),
        }
    }

    fn start(&mut self, run: u64, job: session::Job, max_output: u64) {
        let group = Group::default();
        self.running.insert(run, Running { group: group.clone(), kill_at: None });
        let (events, exec) = (self.events.clone(), self.work.exec.clone());
        let thread = thread::Builder::new().name("command".to_owned()).spawn(move || {
            let outcome = command::run(&exec, &job, max_output, &group);
            // Nobody waits for it when the program ends.
            let _ = events.send(Event::Done { run, outcome });
        });
        if let Err(error) = thread {
            let outcome = Outcome::Failed(format!("the worker cannot start a thread: {error}"));
            self.events.send(Event::Done { run, outcome }).expect("we hold the receiver");
        }
    }

    fn stop_command(&mut self, run: u64) {
        if let Some(running) = self.running.get_mut(&run).filter(|running| running.kill_at.is_none()) {
            running.group.signal("TERM");
            running.kill_at = Some(Instant::now() + MERCY);
        }
    }

    fn stop_commands(&mut self) {
        let runs: Vec<u64> = self.running.keys().copied().collect();
        runs.into_iter().for_each(|run| self.stop_command(run));
    }

    fn kill_the_stubborn(&mut self, now: Instant) {
        for running in self.running.values_mut() {
            if running.kill_at.is_some_and(|at| at <= now) {
                running.group.signal("KILL");
                // Again, should it have been forking just now.
                running.kill_at = Some(now + MERCY);
            }
        }
    }

    /// The program ends: its commands must not outlive it.
    fn abandon(&mut self) {
        self.running.drain().for_each(|(_, running)| running.group.signal("KILL"));
    }
}

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Between SIGTERM and SIGKILL.
const MERCY: Duration = Duration::from_secs(5);
const TICK: Duration = Duration::from_secs(1);
