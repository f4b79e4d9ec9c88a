//! The load: masters and workers of one peer on one thread, driven from goal to goal.
//!
//! A closed loop: a master submits again when a result is in, so that latency under load is that of full queues. One
//! read per ready connection, one write per connection and turn, so that the load program costs little more than the
//! relay it is compared with.

use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use crate::flaw::Flaw;
use crate::ledger::{Ledger, Pace};
use crate::peer::{Line, News, Session};
use crate::reactor::{Handler, Outputs, Reactor, Token};

/// The connections of a measurement, and its books.
pub struct Load {
    reactor: Reactor,
    crew: Crew,
}

/// What to wait for.
#[derive(Clone, Copy)]
pub enum Goal {
    /// Every connection is known to the server.
    Ready,
    /// Everything that should only be queued is.
    Filled,
    /// The loops have all their results. They submit nothing new.
    LoopsAtRest,
    /// So many jobs, from the beginning, have their results.
    Answered(u64),
    /// Every job has its result, or this moment.
    AtRestOr(Instant),
    /// This moment; the loops go on.
    Until(Instant),
}

impl Load {
    /// No connections yet.
    pub fn new(ledger: Ledger) -> Load {
        let crew =
            Crew { seats: Vec::new(), submitters: Vec::new(), ledger, greeting: 0, looping: false, goal: Goal::Ready };
        Load { reactor: Reactor::new(), crew }
    }

    /// Closes all connections.
    pub fn leave(self) -> Ledger {
        self.crew.ledger
    }

    /// The counts so far.
    pub fn ledger(&mut self) -> &mut Ledger {
        &mut self.crew.ledger
    }

    /// Connects a master. It starts to submit with the next goal. `one_way`: its workers hear that a job is done.
    pub fn add_master(&mut self, pace: Pace, one_way: bool, lines: impl FnOnce(u16) -> Vec<Line>) -> Result<(), Flaw> {
        let number = u16::try_from(self.crew.submitters.len()).expect("there are a few masters");
        let lines = lines(number);
        let opened = self.crew.ledger.open(pace, lines.len() == 1 && !one_way);
        assert_eq!(opened, number, "the ledger counts masters in the same order");
        for (at, line) in lines.into_iter().enumerate() {
            let token = self.add(line, Some(number))?;
            if at == 0 {
                self.crew.submitters.push(token);
            }
        }
        Ok(())
    }

    /// Connects a worker.
    pub fn add_worker(&mut self, line: Line) -> Result<(), Flaw> {
        self.add(line, None)?;
        Ok(())
    }

    /// The loops submit from now on.
    pub fn start_loops(&mut self) {
        self.crew.looping = true;
    }

    /// Works until the goal is reached.
    pub async fn reach(&mut self, goal: Goal, wait: &'static str, deadline: Duration) -> Result<(), Flaw> {
        if matches!(goal, Goal::LoopsAtRest) {
            self.crew.looping = false;
        }
        self.crew.goal = goal;
        let run = self.reactor.run(&mut self.crew);
        match tokio::time::timeout(deadline, run).await {
            Ok(done) => done,
            Err(_) => Err(Flaw::Late { wait, after: deadline, state: self.crew.ledger.summary() }),
        }
    }

    fn add(&mut self, mut line: Line, master: Option<u16>) -> Result<Token, Flaw> {
        let stream = connect(line.address).map_err(Flaw::system("connect to the server"))?;
        let token = self.reactor.add(stream).map_err(Flaw::system("use a connection"))?;
        assert_eq!(token, self.crew.seats.len(), "the reactor counts connections in the same order");
        if !line.session.open(self.reactor.outputs().to(token)) {
            self.crew.greeting += 1;
        }
        self.crew.seats.push(Seat { session: line.session, master });
        Ok(token)
    }
}

fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, CONNECT_DEADLINE)
}

/// Everything but the sockets.
struct Crew {
    /// By token.
    seats: Vec<Seat>,
    /// By master: where it submits.
    submitters: Vec<Token>,
    ledger: Ledger,
    /// Connections that are not ready.
    greeting: usize,
    looping: bool,
    goal: Goal,
}

struct Seat {
    session: Box<dyn Session>,
    /// `None` is a worker.
    master: Option<u16>,
}

impl Handler for Crew {
    fn hear(&mut self, token: Token, input: &[u8], outputs: &mut Outputs) -> Result<usize, Flaw> {
        let Seat { session, master } = &mut self.seats[token];
        let mut tell = |news| match (news, *master) {
            (News::Ready, _) => {
                self.greeting -= 1;
                Ok(())
            }
            (news, Some(master)) => self.ledger.note(master, news),
            (News::Result(id), None) => self.ledger.note(id.master, news),
            (News::Accepted(_), None) => unreachable!("workers submit nothing"),
        };
        session.hear(input, outputs.to(token), &mut tell)
    }

    fn closed(&mut self, _token: Token) -> Result<(), Flaw> {
        Err(Flaw::Closed)
    }

    fn settle(&mut self, outputs: &mut Outputs) -> ControlFlow<()> {
        let now = Instant::now();
        for (master, token) in (0..).zip(&self.submitters) {
            let mut submitted = false;
            while let Some(job) = self.ledger.next(master, self.looping, now) {
                self.seats[*token].session.submit(&job, outputs.to(*token));
                submitted = true;
            }
            if submitted {
                self.seats[*token].session.flush(outputs.to(*token));
            }
        }
        let reached = match self.goal {
            Goal::Ready => self.greeting == 0,
            Goal::Filled => self.ledger.filled(),
            Goal::LoopsAtRest => self.ledger.loops_at_rest(),
            Goal::Answered(jobs) => self.ledger.answered >= jobs,
            Goal::AtRestOr(end) => now >= end || self.ledger.at_rest(),
            Goal::Until(end) => now >= end,
        };
        if reached { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
