//! The actor of one processor: a worker whose transport is outgoing HTTP.
//!
//! To its queues it is a peer with so many hands, like a connection. An item that it is given goes out as `POST /process`; the
//! answer, or a later `/complete`, goes back as the worker's word. A timer asks for `/meta`; when the processor is down it leaves
//! its types, and what it holds goes back to be sent again.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context as Wake;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseFuture, WrapFuture,
};
use awc::http::Method;
use log::{debug, info, warn};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::card::{Card, Counts, Meta, Registration};
use super::registry::{Left, Registry, orphans};
use super::verdict::{Setback, Verdict, error_text, verdict};
use crate::actors::alarm::Alarm;
use crate::actors::supervisor::{Letter, PeerCame};
use crate::actors::turn::{self, Settle};
use crate::actors::{Close, Contact};
use crate::core::health::{Health, Turn};
use crate::core::job::or_null;
use crate::core::{
    Answer, Assignment, Batch, Command, Demand, Introduction, JobId, Notice, Peer, PeerName, QueueNo, Receipt, Refusal,
    Request, Ticket, TypeName,
};
use crate::web::outgoing::{self, Call, Client, Failure, Payload};
use crate::web::outside::{Hall, PROCESSOR, key, wall_ms};

/// A whole answer to an item must be here in this time (`spec/processors.md`).
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The lease of an item until its call is answered: a little longer than that can take. One that is accepted has the lease that
/// the processor registered with; so after a restart of the server both can be told apart.
const CALLS_LEASE_MS: u64 = 35_000;

/// A whole answer to `/meta`, but no longer than until the next check, nor shorter than a second.
const META_WITHIN: Duration = Duration::from_secs(5);
const META_WITHIN_LEAST: Duration = Duration::from_secs(1);

/// An answer to `/meta` has so many bytes at most.
pub(super) const META_AT_MOST: usize = 64 * 1024;

/// An item without any answer is a reason to look after the processor, but no more often than this.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// How long a processor that has left waits for items that were on their way to it.
const LINGER: Duration = Duration::from_millis(500);

/// How long the call of an item that was completed meanwhile may still be answered: a processor that is quicker to complete than
/// to accept must not find its connection cut.
const LATE_ANSWER: Duration = Duration::from_secs(2);

/// Connections beside those for items: the check, and one that is closing.
const MORE_CONNECTIONS: usize = 2;

/// What people may know of a processor; its actor writes it, the registry shows it.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Standing {
    /// It gets items.
    pub is_up: bool,
    /// What it said of itself last.
    pub meta: Meta,
    /// What it has done.
    pub counts: Counts,
    /// Items that it has.
    pub in_hand: usize,
    /// Those of them that it has accepted, and will speak of.
    pub accepted: usize,
    /// When it last answered a check well, in milliseconds since 1970.
    pub last_seen_ms: Option<u64>,
}

/// One processor.
pub struct Processor {
    hall: Rc<Hall>,
    registry: Addr<Registry>,
    registration: Registration,
    client: Client,
    standing: Rc<RefCell<Standing>>,
    health: Health,
    peer: Peer,
    /// How it is reached, once it is there.
    contact: Option<Arc<Contact>>,
    demand: Arc<Demand>,
    in_hand: HashMap<JobId, Item>,
    /// Items of the last process for which there was no hand: theirs don't become free.
    overdrawn: u32,
    /// What goes to the supervisor at the end of this turn.
    commands: Vec<Command>,
    last_request: Request,
    /// Whom an answer is for.
    asked: HashMap<Request, oneshot::Sender<Result<(), Refusal>>>,
    last_call: u64,
    /// It gets nothing more, and waits for what was on its way.
    has_left: bool,
    check: Option<JoinHandle<()>>,
    checked_at: Instant,
    /// None: not before it has adopted what it held, nor after it has left.
    next_check: Option<Instant>,
    alarm: Alarm,
}

/// An item in the processor's hands.
struct Item {
    claim: Claim,
    attempt: u32,
    since: Instant,
    /// Then the queue takes it back.
    until: Instant,
    /// Its lease is that of a call.
    has_calls_lease: bool,
    /// The call, until it is answered: its number, and its task.
    call: Option<(u64, JoinHandle<()>)>,
}

/// The right to speak of an item.
#[derive(Clone, Copy)]
enum Claim {
    Receipt(Receipt),
    /// Of the last process.
    Ticket(Ticket),
}

impl Processor {
    /// A processor that has just registered and answered, or one that the last process knew.
    pub fn new(
        hall: Rc<Hall>,
        registry: Addr<Registry>,
        registration: Registration,
        health: Health,
        standing: Rc<RefCell<Standing>>,
    ) -> Processor {
        let connections = registration.card.concurrency as usize + MORE_CONNECTIONS;
        let now = Instant::now();
        // Where the last process knew it, it is checked once it knows what it held then: what it gets later is another matter.
        let next_check = health.is_up().then(|| now + hall.check_every);
        Processor {
            client: Client::to_one_place(hall.rules.clone(), connections),
            peer: hall.reach.doorman.number(),
            contact: None,
            demand: Arc::new(Demand::new(registration.card.concurrency)),
            hall,
            registry,
            registration,
            standing,
            health,
            in_hand: HashMap::new(),
            overdrawn: 0,
            commands: Vec::new(),
            last_request: 0,
            asked: HashMap::new(),
            last_call: 0,
            has_left: false,
            check: None,
            checked_at: now,
            next_check,
            alarm: Alarm::default(),
        }
    }

    fn card(&self) -> &Card {
        &self.registration.card
    }

    /// The types that it works on: its id, and its name.
    fn types(&self) -> Vec<TypeName> {
        let mut types = vec![self.card().id.clone(), self.card().name.clone()];
        types.dedup();
        types
    }

    fn request(&mut self) -> Request {
        self.last_request += 1;
        self.last_request
    }

    fn join(&mut self, types: Vec<TypeName>) {
        let request = self.request();
        self.commands.push(Command::Join { request, types });
    }

    /// An item for the processor.
    fn assigned(&mut self, assignment: Assignment, ctx: &mut Context<Self>) {
        if !self.health.is_up() {
            // It was on its way while the processor went down.
            let Assignment { receipt, id, .. } = assignment;
            self.say(&id, Claim::Receipt(receipt), Answer::Release { delay_ms: 0 });
            return self.free_hand(Some(receipt.queue));
        }
        let now = Instant::now();
        self.last_call += 1;
        let call = Some((self.last_call, self.send_item(&assignment, ctx.address())));
        let Assignment { receipt, id, attempt, lease_ms, .. } = assignment;
        let until = now + Duration::from_millis(lease_ms);
        // A job may have a lease of its own.
        let has_calls_lease = lease_ms == self.calls_lease_ms();
        let item = Item { claim: Claim::Receipt(receipt), attempt, since: now, until, has_calls_lease, call };
        if let Some(older) = self.in_hand.insert(id, item) {
            // The queue took it back before its time was over here.
            self.let_go(older, None);
        }
    }

    /// Sends an item out; what comes of it is told by [`Called`].
    fn send_item(&self, assignment: &Assignment, me: Addr<Processor>) -> JoinHandle<()> {
        let Assignment { id, attempt, body, lease_ms, .. } = assignment;
        let step = self.hall.steps.borrow().get(id).cloned();
        let (action, step) = match &step {
            Some((action, step)) => (action.token().to_owned(), step.to_string()),
            None => ("null".to_owned(), "null".to_owned()),
        };
        let head =
            format!("{{\"id\":{},\"action\":{action},\"step\":{step},\"attempt\":{attempt},\"data\":", id.token());
        let data = if body.is_empty() { or_null(body).into() } else { body.clone() };
        let call = Call {
            method: Method::POST,
            url: self.card().url.join("/process"),
            body: Some(Payload::default().text(head).body(&data).text("}")),
            within: ANSWER_WITHIN.min(Duration::from_millis(*lease_ms)),
            at_most: self.hall.limits.max_body,
        };
        let (client, id, number) = (self.client.clone(), id.clone(), self.last_call);
        actix_rt::spawn(async move {
            let came = client.call(call).await;
            me.do_send(Called { id, number, came });
        })
    }

    /// A word on an item; gives the number under which it will be answered.
    fn say(&mut self, id: &JobId, claim: Claim, answer: Answer) -> Request {
        let request = self.request();
        self.commands.push(match claim {
            Claim::Receipt(receipt) => Command::Answer { request, receipt, answer },
            Claim::Ticket(ticket) => Command::AnswerById { request, id: id.clone(), ticket, answer },
        });
        request
    }

    /// The last word on an item that is no longer in hand.
    fn finish(&mut self, id: &JobId, item: Item, answer: Answer) {
        self.standing.borrow_mut().counts += Counts::of(&answer, item.since.elapsed());
        self.finish_uncounted(id, item, answer);
    }

    /// The same where it counts only once it is taken.
    fn finish_uncounted(&mut self, id: &JobId, item: Item, answer: Answer) -> Request {
        let claim = item.claim;
        let request = self.say(id, claim, answer);
        self.let_go(item, claim.queue());
        request
    }

    /// The hand that held an item is free; a call that is under way ends. The queue that hears a word on it knows by itself.
    fn let_go(&mut self, item: Item, answered: Option<QueueNo>) {
        if let Some((_, call)) = item.call {
            call.abort();
        }
        self.free_hand(answered);
    }

    /// Whatever the call of an item is answered now, nobody listens; it ends by itself, or soon.
    fn let_end(item: &mut Item) {
        if let Some((_, mut call)) = item.call.take() {
            actix_rt::spawn(async move {
                if timeout(LATE_ANSWER, &mut call).await.is_err() {
                    call.abort();
                }
            });
        }
    }

    fn free_hand(&mut self, answered: Option<QueueNo>) {
        if self.overdrawn > 0 {
            self.overdrawn -= 1;
            return;
        }
        self.demand.free(1, answered, &mut self.commands);
    }

    /// What came of a call.
    fn judge(&mut self, id: &JobId, item: Item, came: Result<outgoing::Answer, Failure>) {
        match verdict(came, self.hall.limits.max_depth) {
            Verdict::Completed(data) => self.finish(id, item, Answer::Complete(data)),
            Verdict::Accepted => self.accepted(id, item),
            Verdict::Failed(Setback { error, retry, delay_ms, is_silence }) => {
                debug!(processor = &*self.card().id.text(), retry, delay_ms; "an attempt failed");
                self.finish(id, item, Answer::Fail { error, retry, delay_ms });
                if is_silence {
                    self.next_check = self.next_check.map(|next| next.min(self.checked_at + LOOK_AFTER));
                }
            }
        }
    }

    /// The processor has the item and will speak of it: it has its own lease from now on.
    fn accepted(&mut self, id: &JobId, item: Item) {
        let until = if item.has_calls_lease {
            let lease_ms = self.card().lease_ms;
            self.say(id, item.claim, Answer::Touch { lease_ms: Some(lease_ms), progress: None, note: None });
            Instant::now() + Duration::from_millis(lease_ms)
        } else {
            item.until
        };
        self.in_hand.insert(id.clone(), Item { call: None, until, ..item });
    }

    /// Takes over what the processor held when the last process ended, perhaps nothing; then its first check begins.
    ///
    /// What it had accepted stays its own. The others were on their way, or it was answering on connections that are gone: they are
    /// delivered again, which is another attempt, as with any worker whose connection was lost.
    fn adopt(&mut self, items: Vec<Orphan>) {
        let now = Instant::now();
        for Orphan { id, ticket, attempt, lease_ms, left } in items {
            let claim = Claim::Ticket(ticket);
            let was_on_its_way = lease_ms == Some(CALLS_LEASE_MS) && self.card().lease_ms != CALLS_LEASE_MS;
            if was_on_its_way {
                self.say(&id, claim, lost("the server was restarted before the processor had answered"));
                continue;
            }
            if !self.demand.take() {
                self.overdrawn += 1;
            }
            let item = Item { claim, attempt, since: now, until: now + left, has_calls_lease: false, call: None };
            self.in_hand.insert(id, item);
        }
        self.next_check = Some(now);
    }

    /// The lease of an item until the processor has accepted it.
    fn calls_lease_ms(&self) -> u64 {
        self.card().lease_ms.min(CALLS_LEASE_MS)
    }

    /// The queues have taken back what was not answered in time.
    fn drop_late_items(&mut self, now: Instant) {
        let late: Vec<JobId> =
            self.in_hand.iter().filter(|(_, item)| item.until <= now).map(|(id, _)| id.clone()).collect();
        for id in late {
            if let Some(item) = self.in_hand.remove(&id) {
                self.standing.borrow_mut().counts.failed += 1;
                self.let_go(item, None);
            }
        }
    }

    /// Everything in hand goes back.
    fn give_back(&mut self, answer: impl Fn() -> Answer) {
        for (id, item) in std::mem::take(&mut self.in_hand) {
            self.finish(&id, item, answer());
        }
    }

    /// Keeps what it has done, for the next process. Without room it is kept another time.
    fn keep_counts(&mut self) {
        let counts = self.standing.borrow().counts;
        if std::mem::replace(&mut self.registration.counts, counts) != counts {
            let note = (key(PROCESSOR, &self.card().id.text()), Some(self.registration.to_note()));
            let hall = self.hall.clone();
            actix_rt::spawn(async move {
                if let Err(refusal) = hall.keep(vec![note]).await {
                    debug!(why = refusal.code(); "what a processor has done could not be kept");
                }
            });
        }
    }

    fn begin_check(&mut self, now: Instant, me: Addr<Processor>) {
        self.keep_counts();
        self.checked_at = now;
        self.next_check = Some(now + self.hall.check_every);
        if self.check.as_ref().is_some_and(|check| !check.is_finished()) {
            return;
        }
        let call = Call {
            method: Method::GET,
            url: self.card().url.join("/meta"),
            body: None,
            within: META_WITHIN.min(self.hall.check_every.max(META_WITHIN_LEAST)),
            at_most: META_AT_MOST,
        };
        let (client, card, max_depth) = (self.client.clone(), self.card().clone(), self.hall.limits.max_depth);
        self.check = Some(actix_rt::spawn(async move {
            me.do_send(Checked(meta_of(client.call(call).await, max_depth, &card)));
        }));
    }

    fn turned(&mut self, turn: Turn) {
        self.standing.borrow_mut().is_up = self.health.is_up();
        let id = self.card().id.text().into_owned();
        match turn {
            Turn::Up => {
                info!(processor = id; "a processor is up");
                let types = self.types();
                self.join(types);
            }
            Turn::Down => {
                info!(processor = id, in_hand = self.in_hand.len(); "a processor is down; what it holds goes back");
                let types = self.types();
                self.commands.push(Command::Leave { types });
                self.give_back(|| lost("the processor is down"));
            }
        }
    }

    fn flush(&mut self) {
        if !self.commands.is_empty() {
            let commands = std::mem::take(&mut self.commands);
            self.hall.reach.letters.put(Letter::Asks(Batch { peer: self.peer, commands }));
        }
    }

    fn hear_all(&mut self, contact: &Contact, mut notices: Vec<(Peer, Notice)>, ctx: &mut Context<Self>) {
        for (_, notice) in notices.drain(..) {
            self.hear(notice, ctx);
        }
        contact.notices.put_back(notices);
    }

    fn hear(&mut self, notice: Notice, ctx: &mut Context<Self>) {
        match notice {
            Notice::Assigned(assignment) => self.assigned(*assignment, ctx),
            Notice::Done { request, .. } => self.answered(request, Ok(())),
            Notice::Refused { request, refusal } => self.answered(request, Err(refusal)),
            Notice::Withdrawn { receipt } => {
                let withdrawn = |item: &Item| matches!(item.claim, Claim::Receipt(held) if held == receipt);
                self.drop_items(withdrawn);
            }
            Notice::Lost { queue, kind, .. } => {
                self.drop_items(|item| item.claim.queue() == Some(queue));
                // Nobody knows which of them went to that queue. Who asks again is told right.
                self.asked.clear();
                if self.health.is_up() && self.types().contains(&kind) {
                    self.join(vec![kind]);
                }
            }
            Notice::Report { .. } | Notice::Ended { .. } => {}
        }
    }

    fn answered(&mut self, request: Request, answer: Result<(), Refusal>) {
        match self.asked.remove(&request) {
            // Whoever asked may have gone.
            Some(asked) => drop(asked.send(answer)),
            None => {
                if answer == Err(Refusal::QueueFull) {
                    warn!(processor = &*self.card().id.text(); "a processor gets no items: too many types (--max-types)");
                }
            }
        }
    }

    /// Items that are void: nothing is to be said of them.
    fn drop_items(&mut self, void: impl Fn(&Item) -> bool) {
        let dropped: Vec<JobId> =
            self.in_hand.iter().filter(|(_, item)| void(item)).map(|(id, _)| id.clone()).collect();
        for id in dropped {
            if let Some(item) = self.in_hand.remove(&id) {
                self.let_go(item, None);
            }
        }
    }
}

impl Claim {
    fn queue(self) -> Option<QueueNo> {
        match self {
            Claim::Receipt(receipt) => Some(receipt.queue),
            Claim::Ticket(_) => None,
        }
    }
}

/// A lost worker costs an attempt and no wait (`spec/jobs.md`).
fn lost(why: &str) -> Answer {
    Answer::Fail { error: error_text(why), retry: true, delay_ms: Some(0) }
}

/// What an answer to `GET /meta` says.
///
/// # Errors
/// Why it says nothing.
pub(super) fn meta_of(came: Result<outgoing::Answer, Failure>, max_depth: usize, card: &Card) -> Result<Meta, NoMeta> {
    let answer = came.map_err(NoMeta::Failed)?;
    if answer.status != awc::http::StatusCode::OK {
        return Err(NoMeta::Wrong(format!("its /meta answers {}", answer.status)));
    }
    Meta::parse(&answer.body, max_depth, card).map_err(NoMeta::Wrong)
}

/// Why a processor has no `/meta`.
#[derive(Debug)]
pub(super) enum NoMeta {
    /// There was no answer.
    Failed(Failure),
    /// It is not what it should be.
    Wrong(String),
}

impl std::fmt::Display for NoMeta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoMeta::Failed(failure) => failure.fmt(f),
            NoMeta::Wrong(why) => f.write_str(why),
        }
    }
}

impl Actor for Processor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
        let who = Introduction {
            name: peer_name(&self.card().id),
            demand: self.demand.clone(),
            lease_ms: self.calls_lease_ms(),
            outlives: true,
        };
        let contact = self.contact.insert(Contact::of(ctx.address().recipient())).clone();
        let came = PeerCame { peer: self.peer, who, address: self.card().url.address(), contact };
        self.hall.reach.letters.put(Letter::Came(Box::new(came)));
        let types = self.types();
        if self.health.is_up() {
            self.join(types);
        } else {
            // Whatever comes meanwhile waits: a word on an item that is about to be adopted would end the item without this actor,
            // which would hold it, and a hand with it, until its lease is over.
            let held = orphans(self.hall.clone(), self.card().id.clone(), types, wall_ms());
            ctx.wait(held.into_actor(self).map(|items, processor, _| processor.adopt(items)));
        }
    }
}

/// How a processor is called in histories and lists.
pub(super) fn peer_name(id: &TypeName) -> PeerName {
    format!("processor:{}", id.text()).into()
}

impl Settle for Processor {
    fn settle(&mut self, ctx: &mut Context<Self>, wake: &mut Wake<'_>) {
        if let Some(contact) = self.contact.clone() {
            self.hear_all(&contact, contact.notices.read(wake), ctx);
        }
        loop {
            let now = Instant::now();
            let next = self.in_hand.values().map(|item| item.until).chain(self.next_check).min();
            if !self.alarm.rings(next, now, wake) {
                break;
            }
            self.drop_late_items(now);
            if self.next_check.is_some_and(|next| next <= now) {
                self.begin_check(now, ctx.address());
            }
        }
        self.flush();
        let mut standing = self.standing.borrow_mut();
        standing.in_hand = self.in_hand.len();
        standing.accepted = self.in_hand.values().filter(|item| item.call.is_none()).count();
    }
}

impl Handler<Close> for Processor {
    type Result = ();

    /// The server ends, or an operator doesn't want the processor until it registers again: calls that wait for an answer end and
    /// their items go back. What it has accepted stays its own in the next process; an operator's is taken back by the registry.
    fn handle(&mut self, Close { is_the_end, .. }: Close, ctx: &mut Self::Context) {
        if let Some(contact) = self.contact.clone() {
            self.hear_all(&contact, contact.notices.take(), ctx);
        }
        let calls: Vec<JobId> =
            self.in_hand.iter().filter(|(_, item)| item.call.is_some()).map(|(id, _)| id.clone()).collect();
        for id in calls {
            if let Some(item) = self.in_hand.remove(&id) {
                self.finish(&id, item, Answer::Release { delay_ms: 0 });
            }
        }
        self.keep_counts();
        self.registry.do_send(Left { id: self.card().id.clone(), processor: ctx.address(), is_the_end });
        self.leave(ctx);
    }
}

impl Processor {
    /// Works no more. It stays for a moment, to give back what was on its way to it: nobody else would, before its lease ends.
    fn leave(&mut self, ctx: &mut Context<Self>) {
        self.health = Health::open();
        self.has_left = true;
        self.next_check = None;
        if let Some(check) = self.check.take() {
            check.abort();
        }
        self.standing.borrow_mut().is_up = false;
        // First of all: what is given back must not come here again.
        let types = self.types();
        self.commands.insert(0, Command::Leave { types });
        self.flush();
        ctx.run_later(LINGER, |processor, ctx| {
            processor.flush();
            processor.hall.reach.letters.put(Letter::Gone(processor.peer));
            if let Some(contact) = &processor.contact {
                contact.notices.close();
            }
            ctx.stop();
        });
    }
}

/// Something came of a call.
#[derive(Message)]
#[rtype(result = "()")]
struct Called {
    id: JobId,
    /// Which call.
    number: u64,
    came: Result<outgoing::Answer, Failure>,
}

impl Handler<Called> for Processor {
    type Result = ();

    fn handle(&mut self, Called { id, number, came }: Called, _: &mut Self::Context) {
        let is_waited_for = |item: &Item| matches!(&item.call, Some((waited_for, _)) if *waited_for == number);
        // The item may have gone meanwhile, and even have come again.
        if self.in_hand.get(&id).is_some_and(is_waited_for)
            && let Some(item) = self.in_hand.remove(&id)
        {
            self.judge(&id, item, came);
        }
    }
}

/// A check has ended.
#[derive(Message)]
#[rtype(result = "()")]
struct Checked(Result<Meta, NoMeta>);

impl Handler<Checked> for Processor {
    type Result = ();

    fn handle(&mut self, Checked(meta): Checked, _: &mut Self::Context) {
        if self.has_left {
            return;
        }
        let turn = match meta {
            Ok(meta) => {
                let mut standing = self.standing.borrow_mut();
                standing.meta = meta;
                standing.last_seen_ms = Some(wall_ms());
                drop(standing);
                self.health.good()
            }
            Err(why) => {
                debug!(processor = &*self.card().id.text(), why:%; "a check failed");
                self.health.bad()
            }
        };
        if let Some(turn) = turn {
            self.turned(turn);
        }
    }
}

/// The processor's word on an item that it has accepted.
#[derive(Message)]
#[rtype(result = "Result<(), NotTaken>")]
#[derive(Debug)]
pub struct Complete {
    /// The item.
    pub id: JobId,
    /// Which attempt it means; none: the one it holds.
    pub attempt: Option<u32>,
    /// The word.
    pub answer: Answer,
}

/// Why a word on an item was not taken.
#[derive(Debug)]
pub enum NotTaken {
    /// The processor doesn't hold it; the word comes back.
    NotHeld(Box<Complete>),
    /// It holds another attempt of it.
    OtherAttempt,
    /// The queue refuses it.
    Refused(Refusal),
}

impl Handler<Complete> for Processor {
    type Result = ResponseFuture<Result<(), NotTaken>>;

    fn handle(&mut self, complete: Complete, _: &mut Self::Context) -> Self::Result {
        let Some(item) = self.in_hand.get(&complete.id) else {
            return Box::pin(async { Err(NotTaken::NotHeld(Box::new(complete))) });
        };
        if complete.attempt.is_some_and(|attempt| attempt != item.attempt) {
            return Box::pin(async { Err(NotTaken::OtherAttempt) });
        }
        let Complete { id, answer, .. } = complete;
        let mut item = self.in_hand.remove(&id).expect("it was just there");
        Self::let_end(&mut item);
        let (standing, counts) = (self.standing.clone(), Counts::of(&answer, item.since.elapsed()));
        let request = self.finish_uncounted(&id, item, answer);
        let (told, is_told) = oneshot::channel();
        self.asked.insert(request, told);
        Box::pin(async move {
            is_told.await.unwrap_or(Err(Refusal::Restarted)).map_err(NotTaken::Refused)?;
            standing.borrow_mut().counts += counts;
            Ok(())
        })
    }
}

/// An item of the last process.
#[derive(Debug)]
pub struct Orphan {
    /// Its job's id.
    pub id: JobId,
    /// The right to speak of it.
    pub ticket: Ticket,
    /// Which attempt it is.
    pub attempt: u32,
    /// Its lease, in milliseconds.
    pub lease_ms: Option<u64>,
    /// How long the processor still has for it.
    pub left: Duration,
}

/// The processor goes: what it holds goes back.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub enum Retire {
    /// It was removed: that costs no attempt.
    Removed,
    /// It registered anew, so what it held died with what it was.
    Replaced,
}

impl Handler<Retire> for Processor {
    type Result = ();

    fn handle(&mut self, retire: Retire, ctx: &mut Self::Context) {
        self.give_back(|| match retire {
            Retire::Removed => Answer::Release { delay_ms: 0 },
            Retire::Replaced => lost("the processor registered anew"),
        });
        self.leave(ctx);
    }
}
