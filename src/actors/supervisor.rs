//! The supervisor: routes every batch, starts queues and restarts them, knows who is connected, drains.
//!
//! It decides nothing by itself: [`Router`] does. What comes in a turn goes on at once, and each queue that gets something settles
//! behind it: so every hop is a batch. Letters go before messages: each handler reads them first (`catch_up`).

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message, ResponseFuture};
use log::{error, info};
use tokio::sync::oneshot;

use super::clock::Clock;
use super::inbox::Inbox;
use super::keeper::{Keeper, Recall};
use super::queue::{DrainQueue, Introduced, Order, QueueActor, SurveyQueue};
use super::shelf;
use super::statistics::{QueueDied, Reports, Statistics};
use super::turn::{self, Settle};
use super::{Close, Contact};
use crate::core::job::PeerMap;
use crate::core::record::{StoredJob, StoredState};
use crate::core::restarts::Restarts;
use crate::core::{
    Batch, Bereaved, Census, IdEvent, Introduction, JobId, Notice, Outbox, Peer, Queue, QueueNo, Router, Routes,
    TypeName,
};

/// Routes submit, join and respond between connections and queues.
pub struct Supervisor {
    inbox: Arc<Inbox<Letter>>,
    clock: Clock,
    pub(super) keeper: Option<Addr<Keeper>>,
    statistics: Option<(Addr<Statistics>, Arc<Reports>)>,
    /// Queues of the last process, until their actors are started.
    recovered: Vec<Queue>,
    pub(super) router: Router,
    routes: Routes,
    queues: Vec<QueueDesk>,
    pub(super) peers: PeerMap<PeerDesk>,
    restarts: Restarts,
    /// Queues that died, until the store has said what it has of them.
    dead: HashMap<QueueNo, Obituary>,
    /// Types whose queue died paused, until they have a new one.
    paused: HashSet<TypeName>,
    /// What became of the jobs of queues that died, and of those before this process.
    buried: Census,
    drain: Option<Draining>,
}

/// What the supervisor knows of a queue.
struct QueueDesk {
    /// None: it has died.
    address: Option<Addr<QueueActor>>,
    orders: Arc<Inbox<Order>>,
    drained: bool,
}

/// What the supervisor knows of a peer.
pub(super) struct PeerDesk {
    pub(super) who: Introduction,
    pub(super) address: Option<SocketAddr>,
    pub(super) contact: Arc<Contact>,
    /// Milliseconds since 1970.
    pub(super) since_ms: u64,
}

/// Who waits for the end.
struct Draining {
    /// Until no job is in the hands of a worker.
    idle: Option<oneshot::Sender<()>>,
    /// Until no peer is left.
    alone: Option<oneshot::Sender<()>>,
}

impl Supervisor {
    /// A supervisor over these queues, whose numbers are their places, and without peers.
    pub fn new(clock: Clock, router: Router, queues: Vec<Queue>, keeper: Option<Addr<Keeper>>) -> Supervisor {
        Supervisor {
            inbox: Arc::new(Inbox::new(&shelf::LETTERS)),
            clock,
            keeper,
            statistics: None,
            recovered: queues,
            router,
            routes: Routes::default(),
            queues: Vec::new(),
            peers: PeerMap::default(),
            restarts: Restarts::default(),
            dead: HashMap::new(),
            paused: HashSet::new(),
            buried: Census::default(),
            drain: None,
        }
    }

    /// The same, where `past` became of jobs that no queue knows any more.
    pub fn after(mut self, past: Census) -> Supervisor {
        self.buried = past;
        self
    }

    /// The same, whose queues report to these statistics.
    pub fn reporting_to(mut self, statistics: Addr<Statistics>, reports: Arc<Reports>) -> Supervisor {
        self.statistics = Some((statistics, reports));
        self
    }

    /// Where peers write to it.
    pub fn inbox(&self) -> Arc<Inbox<Letter>> {
        self.inbox.clone()
    }

    fn start_queue(&mut self, mut queue: Queue, outbox: Outbox, ctx: &mut Context<Self>) {
        assert_eq!(queue.number() as usize, self.queues.len(), "queues are numbered as they are opened");
        if self.paused.remove(queue.kind()) {
            queue.set_paused(true);
        }
        let (keeper, letters) = (self.keeper.clone(), self.inbox.clone());
        let reports = self.statistics.as_ref().map(|(_, reports)| reports.clone());
        let orders = Arc::new(Inbox::new(&shelf::ORDERS));
        let address =
            QueueActor::new(queue, outbox, orders.clone(), letters, self.clock, ctx.address(), keeper, reports).start();
        if self.drain.is_some() {
            address.do_send(DrainQueue);
        }
        self.queues.push(QueueDesk { address: Some(address), orders, drained: false });
    }

    /// Sees to it that whom the router names is there, and known to its queues by the names that it has now.
    fn prepare(&mut self, ctx: &mut Context<Self>) {
        let mut routes = std::mem::take(&mut self.routes);
        self.open_queues(&mut routes, ctx);
        for (peer, name) in routes.names.drain(..) {
            if let Some(desk) = self.peers.get_mut(&peer) {
                desk.who.name = name;
            }
        }
        self.send_introductions(&mut routes);
        self.unearth(&mut routes.shelved, ctx);
        self.routes = routes;
    }

    pub(super) fn tell(&self, peer: Peer, notice: Notice) {
        if let Some(desk) = self.peers.get(&peer) {
            desk.contact.notices.put((peer, notice));
        }
    }

    pub(super) fn open_queues(&mut self, routes: &mut Routes, ctx: &mut Context<Self>) {
        for (queue, kind) in routes.opened.drain(..) {
            self.start_queue(Queue::new(queue, kind, self.keeper.is_some()), Outbox::default(), ctx);
        }
    }

    pub(super) fn address_of(&self, queue: QueueNo) -> Option<Addr<QueueActor>> {
        self.queues[queue as usize].address.clone()
    }

    pub(super) fn send_introductions(&self, routes: &mut Routes) {
        for (queue, peer) in routes.introductions.drain(..) {
            if let Some(PeerDesk { who, contact, .. }) = self.peers.get(&peer) {
                let introduced = Introduced { peer, who: who.clone(), contact: contact.clone() };
                self.queues[queue as usize].orders.put(Order::Meet(Box::new(introduced)));
            }
        }
    }

    /// Tells whoever drains that nothing runs any more, or that everybody has left.
    fn check_drain(&mut self) {
        let Some(drain) = &mut self.drain else { return };
        // Whoever asked may have given up: then nobody needs to know.
        if self.queues.iter().all(|desk| desk.drained || desk.address.is_none()) {
            drain.idle.take().map(|told| told.send(()));
        }
        if self.peers.is_empty() {
            drain.alone.take().map(|told| told.send(()));
        }
    }
}

impl Actor for Supervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
        for queue in std::mem::take(&mut self.recovered) {
            self.start_queue(queue, Outbox::default(), ctx);
        }
    }
}

impl Settle for Supervisor {
    fn settle(&mut self, ctx: &mut Context<Self>, wake: &mut std::task::Context<'_>) {
        let letters = self.inbox.read(wake);
        self.open_letters(letters, ctx);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nothing works without it, and nobody could restart it with what it knew.
            error!("the supervisor has failed; stopping");
            std::process::exit(EXIT_FAILED);
        }
    }
}

/// The exit code of a server that can't go on.
pub(super) const EXIT_FAILED: i32 = 70;

/// What a peer writes to the supervisor.
pub enum Letter {
    /// It has come. Boxed: it is large, and comes once.
    Came(Box<PeerCame>),
    /// What it asks.
    Asks(Batch),
    /// It has gone.
    Gone(Peer),
    /// What became of ids in a turn of a queue.
    Ids {
        /// The queue.
        queue: QueueNo,
        /// The events.
        events: Vec<IdEvent>,
    },
}

/// A peer has come.
pub struct PeerCame {
    /// Its number.
    pub peer: Peer,
    /// How queues need to know it.
    pub who: Introduction,
    /// Where it is, if its name doesn't say so.
    pub address: Option<SocketAddr>,
    /// How it is reached.
    pub contact: Arc<Contact>,
}

impl Supervisor {
    fn open_letters(&mut self, mut letters: Vec<Letter>, ctx: &mut Context<Self>) {
        for letter in letters.drain(..) {
            match letter {
                Letter::Came(came) => self.welcome(*came),
                Letter::Asks(batch) => self.route(batch, ctx),
                Letter::Gone(peer) => self.lose(peer),
                Letter::Ids { queue, events } => self.hear_of_ids(queue, events),
            }
        }
        self.inbox.put_back(letters);
    }

    /// Reads the letters that came before a message: what they ask goes first.
    pub(super) fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let letters = self.inbox.take();
        self.open_letters(letters, ctx);
    }

    fn welcome(&mut self, came: PeerCame) {
        let PeerCame { peer, who, address, contact } = came;
        let since_ms = self.clock.now().wall_ms;
        self.peers.insert(peer, PeerDesk { who, address, contact, since_ms });
    }

    pub(super) fn route(&mut self, batch: Batch, ctx: &mut Context<Self>) {
        self.router.route(batch, &mut self.routes);
        if self.routes.have_more_than_work() {
            self.prepare(ctx);
        }
        for (queue, batch) in self.routes.batches.drain(..) {
            self.queues[queue as usize].orders.put(Order::Work(batch));
        }
        let mut notices = std::mem::take(&mut self.routes.notices);
        notices.drain(..).for_each(|(peer, notice)| self.tell(peer, notice));
        self.routes.notices = notices;
    }

    fn hear_of_ids(&mut self, queue: QueueNo, mut events: Vec<IdEvent>) {
        self.router.look_ahead(&events);
        for event in events.drain(..) {
            self.router.hear(queue, event);
        }
        shelf::ID_EVENTS.with(|shelf| shelf.put(events));
    }

    fn lose(&mut self, peer: Peer) {
        self.peers.remove(&peer);
        for queue in self.router.peer_gone(peer) {
            self.queues[queue as usize].orders.put(Order::Lose(peer));
        }
        self.check_drain();
    }
}

/// The store's archive has let go of these jobs.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ArchiveForgot {
    /// Their ids and sequence numbers.
    pub jobs: Vec<(JobId, u64)>,
}

impl Handler<ArchiveForgot> for Supervisor {
    type Result = ();

    fn handle(&mut self, ArchiveForgot { jobs }: ArchiveForgot, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        for (id, sequence) in jobs {
            self.router.archive_forgot(&id, sequence);
        }
    }
}

/// A queue has died.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Obituary {
    /// Its number.
    pub queue: QueueNo,
    /// Its type.
    pub kind: TypeName,
    /// Its live jobs.
    pub jobs: Vec<Bereaved>,
    /// What it had counted.
    pub census: Census,
    /// It handed out nothing: an operator said so, and means its type.
    pub paused: bool,
}

impl Handler<Obituary> for Supervisor {
    type Result = ();

    fn handle(&mut self, obituary: Obituary, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        let mut stored: Vec<u64> = obituary.jobs.iter().filter(|job| job.is_stored).map(|job| job.sequence).collect();
        // They come back in this order.
        stored.sort_unstable();
        error!(queue = obituary.kind.text().as_ref(), lost = obituary.jobs.len() - stored.len(), stored = stored.len(); "a queue has failed; what only memory had of it is lost");
        if !self.restarts.may_restart(self.clock.now().at) {
            error!("queues fail too often; stopping");
            std::process::exit(EXIT_FAILED);
        }
        let queue = obituary.queue;
        self.queues[queue as usize].address = None;
        match &self.keeper {
            Some(keeper) if !stored.is_empty() => {
                keeper.do_send(Recall { queue, sequences: stored });
                self.dead.insert(queue, obituary);
            }
            _ => self.bury(obituary, Vec::new(), ctx),
        }
    }
}

/// What the store has of a queue that died.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Recalled {
    /// Its number.
    pub queue: QueueNo,
    /// Its jobs, also those that have ended.
    pub jobs: Vec<StoredJob>,
}

impl Handler<Recalled> for Supervisor {
    type Result = ();

    fn handle(&mut self, Recalled { queue, jobs }: Recalled, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        if let Some(obituary) = self.dead.remove(&queue) {
            self.bury(obituary, jobs, ctx);
        }
    }
}

impl Supervisor {
    /// Ends what a dead queue began: its peers are told, what only memory had has failed, what the store has lives on in a
    /// new queue.
    fn bury(&mut self, obituary: Obituary, recalled: Vec<StoredJob>, ctx: &mut Context<Self>) {
        let Obituary { queue, kind, jobs, mut census, paused } = obituary;
        let (stored, lost): (Vec<Bereaved>, Vec<Bereaved>) = jobs.into_iter().partition(|job| job.is_stored);
        // The new queue counts again what it gets; the masters of the others are told that they have failed.
        let stored_count = stored.len() as u64;
        // The verb that failed may have counted half of what it did.
        census.accepted = census.accepted.saturating_sub(stored_count);
        census.failed += census.live().saturating_sub(stored_count);
        (census.scheduled, census.queued, census.running) = (0, 0, 0);
        self.buried += census;
        if let Some((statistics, _)) = &self.statistics {
            statistics.do_send(QueueDied { queue, buried: self.buried });
        }
        let mut told: HashMap<Peer, Vec<JobId>> = HashMap::new();
        for job in lost {
            told.entry(job.master).or_default().push(job.id);
        }
        for peer in self.router.queue_died(queue) {
            let jobs = told.remove(&peer).unwrap_or_default();
            self.tell(peer, Notice::Lost { queue, kind: kind.clone(), jobs });
        }
        if paused {
            self.paused.insert(kind);
        }
        self.revive(&stored, recalled, ctx);
        self.check_drain();
    }

    fn revive(&mut self, stored: &[Bereaved], recalled: Vec<StoredJob>, ctx: &mut Context<Self>) {
        let masters: HashMap<u64, Peer> = stored.iter().map(|job| (job.sequence, job.master)).collect();
        let (now, mut routes, mut outbox, mut revived) = (self.clock.now(), Routes::default(), Outbox::default(), None);
        for job in recalled {
            let (id, body_bytes) = (job.id.clone(), job.body.len());
            if let StoredState::Finished { .. } = job.progress.state {
                self.router.adopt_archived(&id, job.sequence);
                continue;
            }
            let number = self.router.adopt(&id, &job.kind, job.sequence, body_bytes, &mut routes);
            let queue = revived.get_or_insert_with(|| Queue::new(number, job.kind.clone(), true));
            let master = masters.get(&job.sequence).copied().filter(|master| self.peers.contains_key(master));
            queue.restore(now, job, body_bytes, &mut outbox);
            if let Some(master) = master {
                queue.expect_end(&id, master);
                self.router.introduce(master, number, &mut routes);
            }
        }
        if let Some(queue) = revived {
            routes.opened.clear();
            self.start_queue(queue, outbox, ctx);
            self.send_introductions(&mut routes);
        }
    }
}

/// Refuse submits, hand out nothing.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// Told when no job is in the hands of a worker.
    pub idle: oneshot::Sender<()>,
}

impl Handler<Drain> for Supervisor {
    type Result = ();

    fn handle(&mut self, Drain { idle }: Drain, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        info!("draining: submits are refused, running jobs may answer");
        self.router.drain();
        for desk in &self.queues {
            if let Some(address) = &desk.address {
                address.do_send(DrainQueue);
            }
        }
        self.drain = Some(Draining { idle: Some(idle), alone: None });
        self.check_drain();
    }
}

/// A draining queue has no running job.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueDrained {
    /// The queue.
    pub queue: QueueNo,
}

impl Handler<QueueDrained> for Supervisor {
    type Result = ();

    fn handle(&mut self, QueueDrained { queue }: QueueDrained, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        self.queues[queue as usize].drained = true;
        self.check_drain();
    }
}

/// Let every connection write what it has and close.
#[derive(Message)]
#[rtype(result = "()")]
pub struct CloseAll {
    /// Told when all have.
    pub alone: oneshot::Sender<()>,
}

impl Handler<CloseAll> for Supervisor {
    type Result = ();

    fn handle(&mut self, CloseAll { alone }: CloseAll, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        for (peer, desk) in &self.peers {
            desk.contact.close.do_send(Close { peer: *peer, is_the_end: true });
        }
        let drain = self.drain.get_or_insert(Draining { idle: None, alone: None });
        drain.alone = Some(alone);
        self.check_drain();
    }
}

/// How many jobs there are and were, in all.
#[derive(Message)]
#[rtype(result = "Census")]
pub struct Survey;

impl Handler<Survey> for Supervisor {
    type Result = ResponseFuture<Census>;

    fn handle(&mut self, _: Survey, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let queues: Vec<Addr<QueueActor>> = self.queues.iter().filter_map(|desk| desk.address.clone()).collect();
        let mut census = self.buried;
        Box::pin(async move {
            for queue in queues {
                // One that dies meanwhile has an obituary.
                census += queue.send(SurveyQueue).await.unwrap_or_default();
            }
            census
        })
    }
}

/// Let a queue die, to see what becomes of the others.
#[cfg(test)]
#[derive(Message)]
#[rtype(result = "()")]
pub struct KillQueue(pub QueueNo);

#[cfg(test)]
impl Handler<KillQueue> for Supervisor {
    type Result = ();

    fn handle(&mut self, KillQueue(queue): KillQueue, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        if let Some(address) = &self.queues[queue as usize].address {
            address.do_send(super::queue::Die);
        }
    }
}
