//! The actor of one queue: orders and mailbox → [`Queue`] → inboxes, one alarm, the peers it answers to.
//!
//! Orders go before messages of the supervisor's, and of those that it brought here: their handlers obey them first.

use std::collections::VecDeque;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use log::error;

use super::Contact;
use super::alarm::Alarm;
use super::clock::Clock;
use super::inbox::Inbox;
use super::keeper::{Commit, Fetch, Heard, Keeper};
use super::shelf::{self, Shelf};
use super::statistics::{Reporter, Reports};
use super::supervisor::{EXIT_FAILED, Letter, Obituary, QueueDrained, Supervisor};
use super::turn::{self, Settle};
use crate::core::job::PeerMap;
use crate::core::record::StoredJob;
use crate::core::{
    Away, Batch, Body, Browse, Census, Found, Held, Holding, Introduction, JobId, Notice, Now, Outbox, Peer, Queue,
    Request,
};

/// A queue and the peers it knows.
pub struct QueueActor {
    queue: Queue,
    clock: Clock,
    /// The time of this turn, once it was asked for.
    now: Option<Now>,
    alarm: Alarm,
    reporter: Reporter,
    peers: PeerMap<Desk>,
    outbox: Outbox,
    /// Peers that hear something at the end of this turn.
    told: Vec<Peer>,
    orders: Arc<Inbox<Order>>,
    /// Where it gives back ids.
    letters: Arc<Inbox<Letter>>,
    supervisor: Addr<Supervisor>,
    keeper: Option<Addr<Keeper>>,
    /// What each commit under way lets be said, in order.
    held: VecDeque<Vec<Held>>,
    /// Jobs that were taken back this turn, for want of room on the disk.
    retracted: Vec<u64>,
    draining: bool,
}

/// A peer and what it hears at the end of this turn: all at once, since the jobs that a poll hears of first are its answer.
struct Desk {
    who: Introduction,
    contact: Arc<Contact>,
    said: Vec<(Peer, Notice)>,
}

/// What the supervisor tells a queue of peers. Whatever else it is told or asked comes behind the orders before.
pub enum Order {
    /// This peer will speak, or be spoken to. Boxed: it is large, and comes once.
    Meet(Box<Introduced>),
    /// What a peer asks.
    Work(Batch),
    /// This peer has gone.
    Lose(Peer),
}

/// A peer that a queue meets.
pub struct Introduced {
    /// Its number.
    pub peer: Peer,
    /// How to know it.
    pub who: Introduction,
    /// How it is reached.
    pub contact: Arc<Contact>,
}

impl QueueActor {
    /// The actor of a queue with its orders, and what is to be said and kept of it first.
    #[expect(clippy::too_many_arguments, reason = "all that a queue speaks to")]
    pub fn new(
        queue: Queue,
        outbox: Outbox,
        orders: Arc<Inbox<Order>>,
        letters: Arc<Inbox<Letter>>,
        clock: Clock,
        supervisor: Addr<Supervisor>,
        keeper: Option<Addr<Keeper>>,
        statistics: Option<Arc<Reports>>,
    ) -> QueueActor {
        QueueActor {
            queue,
            clock,
            now: None,
            alarm: Alarm::default(),
            reporter: Reporter::new(statistics),
            peers: PeerMap::default(),
            outbox,
            told: Vec::new(),
            orders,
            letters,
            supervisor,
            keeper,
            held: VecDeque::new(),
            retracted: Vec::new(),
            draining: false,
        }
    }

    fn now(&mut self) -> Now {
        *self.now.get_or_insert_with(|| self.clock.now())
    }

    /// What depends on the store waits for it; jobs that were handed out don't.
    fn keep(&mut self, ctx: &mut Context<Self>) {
        let Some(keeper) = &self.keeper else { return };
        // Before what comes now, which may bring such a job again.
        if !self.retracted.is_empty() {
            keeper.do_send(Heard { sequences: std::mem::take(&mut self.retracted) });
        }
        if !self.outbox.records.is_empty() || !self.outbox.held.is_empty() {
            let records = std::mem::take(&mut self.outbox.records);
            keeper.do_send(Commit { queue: ctx.address(), records });
            self.held.push_back(std::mem::take(&mut self.outbox.held));
        }
        let sequences = self.queue.bodies_to_fetch();
        if !sequences.is_empty() {
            keeper.do_send(Fetch { queue: ctx.address(), sequences });
        }
    }

    /// Ids first: a master that hears of its job's end may use the id at once. Their letter also wakes the supervisor ahead of the
    /// peers, which matters: when queues freed ids in an index that they shared with it, the batches of masters fell apart, and 64
    /// masters with 16 workers took 1.50 writes a job instead of 1.19.
    fn speak(&mut self) {
        if !self.outbox.ids.is_empty() {
            let events = std::mem::replace(&mut self.outbox.ids, shelf::ID_EVENTS.with(Shelf::take));
            self.letters.put(Letter::Ids { queue: self.queue.number(), events });
        }
        for (peer, notice) in self.outbox.notices.drain(..) {
            // Whoever has left hears nothing.
            if let Some(desk) = self.peers.get_mut(&peer) {
                if desk.said.is_empty() {
                    self.told.push(peer);
                    desk.said = shelf::NOTICES.with(Shelf::take);
                }
                desk.said.push((peer, notice));
            }
        }
        for peer in self.told.drain(..) {
            if let Some(desk) = self.peers.get_mut(&peer) {
                desk.contact.notices.put_all(std::mem::take(&mut desk.said));
            }
        }
    }

    /// Does what the supervisor has ordered so far: first of all in a turn, and before whatever else it is told or asked.
    fn obey(&mut self, mut orders: Vec<Order>) {
        self.queue.look_ahead(orders.iter().filter_map(|order| match order {
            Order::Work(batch) => Some(batch),
            Order::Meet(_) | Order::Lose(_) => None,
        }));
        for order in orders.drain(..) {
            match order {
                Order::Meet(introduced) => {
                    let Introduced { peer, who, contact } = *introduced;
                    self.peers.insert(peer, Desk { who, contact, said: Vec::new() });
                }
                Order::Work(batch) => self.work(batch),
                Order::Lose(peer) => {
                    self.peers.remove(&peer);
                    let now = self.now();
                    self.queue.peer_gone(now, peer, &mut self.outbox);
                }
            }
        }
        self.orders.put_back(orders);
    }

    fn work(&mut self, Batch { peer, mut commands }: Batch) {
        let now = self.now();
        if let Some(desk) = self.peers.get(&peer) {
            for command in commands.drain(..) {
                self.queue.apply(now, peer, &desk.who, command, &mut self.outbox);
            }
        }
        shelf::COMMANDS.with(|shelf| shelf.put(commands));
    }

    fn catch_up(&mut self) {
        let orders = self.orders.take();
        self.obey(orders);
    }
}

impl Actor for QueueActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
        let now = self.now();
        self.reporter.introduce(now, &mut self.queue);
    }
}

impl Settle for QueueActor {
    fn settle(&mut self, ctx: &mut Context<Self>, wake: &mut std::task::Context<'_>) {
        let orders = self.orders.read(wake);
        self.obey(orders);
        let mut now = self.now();
        loop {
            self.queue.settle(now, &mut self.outbox);
            let alarms = [self.queue.next_alarm(), self.reporter.next(now, &self.queue)];
            let next = alarms.into_iter().flatten().min().map(|at| self.clock.instant(at));
            if !self.alarm.rings(next, self.clock.instant(now.at), wake) {
                break;
            }
            now = self.clock.now();
            self.queue.tick(now, &mut self.outbox);
        }
        self.keep(ctx);
        self.speak();
        self.reporter.report(now, &mut self.queue);
        self.now = None;
        if self.draining && self.queue.census().running == 0 && self.held.is_empty() {
            self.draining = false;
            self.supervisor.do_send(QueueDrained { queue: self.queue.number() });
        }
    }
}

impl Drop for QueueActor {
    fn drop(&mut self) {
        self.orders.close();
        if std::thread::panicking() {
            let jobs = self.queue.obituary();
            let (queue, kind, census) = (self.queue.number(), self.queue.kind().clone(), self.queue.census());
            let paused = self.queue.is_paused();
            self.supervisor.do_send(Obituary { queue, kind, jobs, census, paused });
        }
    }
}

/// What was sent to the keeper first is on disk, but for jobs that were refused before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Committed;

impl Handler<Committed> for QueueActor {
    type Result = ();

    fn handle(&mut self, Committed: Committed, _: &mut Self::Context) {
        let held = self.held.pop_front().expect("the keeper answers what it was sent");
        self.queue.kept(held, &mut self.outbox);
    }
}

/// There is no room on the disk for these jobs, which are new or were retried.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Refused {
    /// Their ids and sequence numbers.
    pub jobs: Vec<(JobId, u64)>,
}

impl Handler<Refused> for QueueActor {
    type Result = ();

    fn handle(&mut self, Refused { jobs }: Refused, _: &mut Self::Context) {
        self.queue.retract(&jobs, &mut self.held, &mut self.outbox);
        self.retracted.extend(jobs.iter().map(|(_, sequence)| *sequence));
    }
}

/// Bodies that only the store held.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Fetched {
    /// In the order they were asked for; none where the store has no such job any more.
    pub bodies: Vec<Option<Body>>,
}

impl Handler<Fetched> for QueueActor {
    type Result = ();

    fn handle(&mut self, Fetched { bodies }: Fetched, _: &mut Self::Context) {
        if let Err(sequence) = self.queue.fetched(bodies) {
            // Nothing that the store was given is certain then.
            error!("the store has lost job {sequence}, which it was given; stopping");
            std::process::exit(EXIT_FAILED);
        }
    }
}

/// Hand out nothing more, and say when nothing runs.
#[derive(Message)]
#[rtype(result = "()")]
pub struct DrainQueue;

impl Handler<DrainQueue> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: DrainQueue, _: &mut Self::Context) {
        self.catch_up();
        self.queue.drain();
        self.draining = true;
    }
}

/// How many jobs there are and were.
#[derive(Message)]
#[rtype(result = "Census")]
pub struct SurveyQueue;

impl Handler<SurveyQueue> for QueueActor {
    type Result = actix::MessageResult<SurveyQueue>;

    fn handle(&mut self, _: SurveyQueue, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        actix::MessageResult(self.queue.census())
    }
}

/// Hand out nothing, or hand out again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Pause {
    /// Which.
    pub paused: bool,
}

impl Handler<Pause> for QueueActor {
    type Result = ();

    fn handle(&mut self, Pause { paused }: Pause, _: &mut Self::Context) {
        self.catch_up();
        self.queue.set_paused(paused);
    }
}

/// Tell the statistics how it stands, however short the last report was ago.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ReportNow;

impl Handler<ReportNow> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: ReportNow, _: &mut Self::Context) {
        self.catch_up();
        let now = self.now();
        self.reporter.report_now(now, &mut self.queue);
    }
}

/// Has a worker ever been there?
#[derive(Message)]
#[rtype(result = "bool")]
pub struct HasWorked;

impl Handler<HasWorked> for QueueActor {
    type Result = bool;

    fn handle(&mut self, _: HasWorked, _: &mut Self::Context) -> bool {
        self.catch_up();
        self.queue.joined() > 0 || self.queue.last_worker_left_ms().is_some()
    }
}

/// Which jobs are there?
#[derive(Message)]
#[rtype(result = "Found")]
pub struct BrowseQueue(pub Browse);

impl Handler<BrowseQueue> for QueueActor {
    type Result = actix::MessageResult<BrowseQueue>;

    fn handle(&mut self, BrowseQueue(browse): BrowseQueue, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        let now = self.now();
        actix::MessageResult(self.queue.browse(now, &browse))
    }
}

/// What do these workers do?
#[derive(Message)]
#[rtype(result = "Vec<Holding>")]
pub struct Hold {
    /// Who.
    pub peers: Vec<Peer>,
}

impl Handler<Hold> for QueueActor {
    type Result = actix::MessageResult<Hold>;

    fn handle(&mut self, Hold { peers }: Hold, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        let now = self.now();
        actix::MessageResult(self.queue.holdings(now, &peers))
    }
}

/// Who holds jobs and is not connected?
#[derive(Message)]
#[rtype(result = "Vec<Away>")]
pub struct WhoIsAway;

impl Handler<WhoIsAway> for QueueActor {
    type Result = actix::MessageResult<WhoIsAway>;

    fn handle(&mut self, _: WhoIsAway, _: &mut Self::Context) -> Self::Result {
        self.catch_up();
        let now = self.now();
        actix::MessageResult(self.queue.away(now))
    }
}

/// A job of the archive is queued again.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Revive {
    /// Who asked for it.
    pub peer: Peer,
    /// Its number for that.
    pub request: Request,
    /// The job.
    pub job: Box<StoredJob>,
}

impl Handler<Revive> for QueueActor {
    type Result = ();

    fn handle(&mut self, Revive { peer, request, job }: Revive, _: &mut Self::Context) {
        self.catch_up();
        let now = self.now();
        self.queue.revive(now, peer, request, *job, &mut self.outbox);
    }
}

/// Die, to see what becomes of the others.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub struct Die;

#[cfg(test)]
impl Handler<Die> for QueueActor {
    type Result = ();

    fn handle(&mut self, _: Die, _: &mut Self::Context) {
        self.catch_up();
        panic!("told to die");
    }
}
