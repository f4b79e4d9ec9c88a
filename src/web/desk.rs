//! Where requests meet the actors: one desk per thread that serves HTTP. It speaks to the supervisor as one peer, gathers
//! what all requests of a turn ask into one message, and gives each its own answer.
//!
//! A long poll is a peer of its own, since its demand is: the queues see a worker with so many free hands. It leaves when it
//! was answered, and what it was given stays leased to whoever has the receipts. A job on its way to a poll that has left, or
//! whose caller has, goes back at once: no job is lost between a poll and a caller that has gone (`spec/http.md`).
//!
//! Futures made here may be dropped at any time: nothing is lost, nothing is kept for them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext, Context, Handler, Message};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use crate::actors::browsing::List;
use crate::actors::inbox::Inbox;
use crate::actors::keeper::{Keeper, Unearth};
use crate::actors::listener::Doorman;
use crate::actors::questions::{Disconnect, LookedAround, PeerFigures, Role, Roll, SetPaused};
use crate::actors::supervisor::{Letter, PeerCame, Supervisor};
use crate::actors::turn::{self, Settle};
use crate::actors::{Close, Contact};
use crate::core::job::PeerMap;
use crate::core::{
    Answer, Assignment, Batch, Body, Browse, Command, Deed, Demand, Found, Introduction, JobId, Notice, Peer, PeerName,
    Policy, Receipt, Refusal, Report, Request, Submission, Ticket, TypeName,
};

/// The lease of a long-poller's job that names none, in milliseconds (`spec/jobs.md`).
const POLL_LEASE_MS: u64 = 60_000;

/// Within less than this, a question may not have reached the queues.
const ROUND_TRIP: Duration = Duration::from_secs(1);

/// How long a poll whose time is over waits for a job that was already given to it.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// What a desk needs to reach the others.
#[derive(Clone)]
pub struct Reach {
    /// Who routes …
    pub supervisor: Addr<Supervisor>,
    /// … and where peers write to it.
    pub letters: Arc<Inbox<Letter>>,
    /// Who keeps the store, if there is one.
    pub keeper: Option<Addr<Keeper>>,
    /// Who numbers peers.
    pub doorman: Doorman,
}

/// A job to be submitted.
#[derive(Debug)]
pub struct Draft {
    /// Its id.
    pub id: JobId,
    /// Its type.
    pub kind: TypeName,
    /// Larger first.
    pub priority: i64,
    /// Any JSON.
    pub body: Body,
    /// How it wants to be treated.
    pub policy: Arc<Policy>,
    /// Not offered before this many milliseconds from now.
    pub delay_ms: u64,
    /// Who submits it.
    pub master: PeerName,
}

/// The desk of this thread; a clone is the same desk.
#[derive(Clone)]
pub struct Desk {
    reach: Reach,
    clerk: Addr<Clerk>,
    contact: Arc<Contact>,
    books: Rc<RefCell<Books>>,
}

/// What is under way.
#[derive(Default)]
struct Books {
    /// What goes to the supervisor at the end of this turn.
    commands: Vec<Command>,
    last_request: Request,
    waiting: HashMap<Request, Waiting>,
    polls: PeerMap<Poll>,
}

/// Who waits for the answer to a request.
enum Waiting {
    /// For a grant, one of several that are told together.
    Grant { together: Rc<RefCell<Together>>, place: usize },
    /// To see a job.
    Sight(oneshot::Sender<Result<Box<Report>, Refusal>>),
    /// For a job to be accepted, and then to see it when it has ended.
    Both {
        accepted: Option<oneshot::Sender<Result<(), Refusal>>>,
        ended: oneshot::Sender<Result<Box<Report>, Refusal>>,
    },
}

/// Answers that are told together.
struct Together {
    answers: Vec<Result<u64, Refusal>>,
    left: usize,
    told: Option<oneshot::Sender<Vec<Result<u64, Refusal>>>>,
}

/// A long poll.
struct Poll {
    demand: Arc<Demand>,
    given: Option<oneshot::Sender<Result<Vec<Assignment>, Refusal>>>,
}

impl Desk {
    /// A desk for this thread.
    pub fn start(reach: Reach) -> Desk {
        let books = Rc::new(RefCell::new(Books::default()));
        let (peer, demand) = (reach.doorman.number(), Arc::new(Demand::new(0)));
        let letters = reach.letters.clone();
        let who = Introduction { name: "http:".into(), demand, lease_ms: POLL_LEASE_MS, outlives: true };
        let mut contact = None;
        let clerk = Clerk::create(|ctx| {
            let contact = contact.insert(Contact::of(ctx.address().recipient())).clone();
            Clerk { letters, contact, peer, books: books.clone() }
        });
        let contact = contact.expect("it was made with its clerk");
        let came = PeerCame { peer, who, address: None, contact: contact.clone() };
        reach.letters.put(Letter::Came(Box::new(came)));
        Desk { reach, clerk, contact, books }
    }

    /// Submits jobs; answers in order, durable ones once they are on disk.
    pub async fn submit(&self, drafts: Vec<Draft>) -> Vec<Result<(), Refusal>> {
        let submissions =
            drafts.into_iter().map(|draft| move |request| Command::Submit(submission(request, draft, false)));
        self.grants(submissions.collect()).await.into_iter().map(|answer| answer.map(drop)).collect()
    }

    /// Submits a job and waits for its end; none when the time was over before.
    ///
    /// # Errors
    /// Where it is refused.
    pub async fn submit_and_wait(&self, draft: Draft, wait: Duration) -> Result<Option<Report>, Refusal> {
        let until = Instant::now() + wait;
        let id = draft.id.clone();
        let (accepted, is_accepted) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        let waiting = Waiting::Both { accepted: Some(accepted), ended };
        let request = self.ask(waiting, |request| Command::Submit(submission(request, draft, true)));
        let guard = Watching { desk: self, request, id };
        is_accepted.await.unwrap_or(Err(Refusal::Restarted))?;
        let Ok(ended) = timeout_at(until, has_ended).await else { return Ok(None) };
        drop(guard);
        Ok(Some(self.with_body(*ended.unwrap_or(Err(Refusal::Restarted))?).await))
    }

    /// A job as it is.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`].
    pub async fn look(&self, id: JobId) -> Result<Report, Refusal> {
        match self.look_once(id.clone()).await {
            Err(Refusal::UnknownJob) => self.look_once(id).await,
            seen => seen,
        }
    }

    /// A job that goes into the archive at this very moment may be unknown to its queue, which the question reached, and known
    /// to the store. The queue tells the supervisor so before it answers, so a second question goes to the store.
    async fn look_once(&self, id: JobId) -> Result<Report, Refusal> {
        let (seen, is_seen) = oneshot::channel();
        self.ask(Waiting::Sight(seen), |request| Command::Look { request, id });
        Ok(self.with_body(*is_seen.await.unwrap_or(Err(Refusal::Restarted))?).await)
    }

    /// A job when it has ended, or as it is when the time is over.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`].
    pub async fn wait(&self, id: JobId, wait: Duration) -> Result<Report, Refusal> {
        let until = Instant::now() + wait;
        let (seen, is_seen) = oneshot::channel();
        let request = self.ask(Waiting::Sight(seen), |request| Command::Watch { request, id: id.clone() });
        let guard = Watching { desk: self, request, id: id.clone() };
        match timeout_at(until, is_seen).await {
            // It may have ended at this very moment.
            Ok(Ok(Err(Refusal::UnknownJob))) => self.look_once(id).await,
            Ok(seen) => Ok(self.with_body(*seen.unwrap_or(Err(Refusal::Restarted))?).await),
            Err(_) => {
                drop(guard);
                self.look(id).await
            }
        }
    }

    /// Does the same to several jobs; answers in order, for durable ones once it is on disk.
    pub async fn manage(&self, ids: Vec<JobId>, deed: Deed) -> Vec<Result<(), Refusal>> {
        let deeds = ids.into_iter().map(|id| move |request| Command::Manage { request, id, deed });
        self.grants(deeds.collect()).await.into_iter().map(|answer| answer.map(drop)).collect()
    }

    /// A worker's word on an attempt; gives the lease of a touched one in milliseconds.
    ///
    /// # Errors
    /// [`Refusal::StaleReceipt`], [`Refusal::Cancelled`], [`Refusal::UnknownJob`].
    pub async fn answer(&self, id: JobId, ticket: Ticket, answer: Answer) -> Result<u64, Refusal> {
        // A repeat may meet its job on the way into the archive; see `look_once`.
        match self.answer_once(&id, ticket, answer.clone()).await {
            Err(Refusal::UnknownJob) => self.answer_once(&id, ticket, answer).await,
            answered => answered,
        }
    }

    async fn answer_once(&self, id: &JobId, ticket: Ticket, answer: Answer) -> Result<u64, Refusal> {
        let id = id.clone();
        let answers = self.grants(vec![move |request| Command::AnswerById { request, id, ticket, answer }]).await;
        answers.into_iter().next().expect("one was asked")
    }

    /// Takes up to `max` jobs of these types; none when the time is over. However short that is, the queues are asked.
    ///
    /// # Errors
    /// [`Refusal::QueueFull`] where there would be too many types.
    pub async fn poll(
        &self,
        name: PeerName,
        address: Option<SocketAddr>,
        types: Vec<TypeName>,
        max: u32,
        wait: Duration,
    ) -> Result<Vec<Assignment>, Refusal> {
        let (peer, demand) = (self.reach.doorman.number(), Arc::new(Demand::new(max)));
        let (given, gift) = oneshot::channel();
        self.books.borrow_mut().polls.insert(peer, Poll { demand: demand.clone(), given: Some(given) });
        let mut polling = Polling { desk: self, peer, gift };
        let who = Introduction { name, demand: demand.clone(), lease_ms: POLL_LEASE_MS, outlives: true };
        let came = PeerCame { peer, who, address, contact: self.contact.clone() };
        self.reach.letters.put(Letter::Came(Box::new(came)));
        let asked = if wait < ROUND_TRIP { types.clone() } else { Vec::new() };
        let commands = vec![Command::Join { request: 0, types }];
        self.reach.letters.put(Letter::Asks(Batch { peer, commands }));
        if let Ok(gift) = timeout_at(Instant::now() + wait, &mut polling.gift).await {
            return gift.unwrap_or_else(|_| Ok(Vec::new()));
        }
        if !asked.is_empty() {
            // Each of its queues has looked at the poll when this is answered. Where nobody answers, nothing comes.
            let _ = self.reach.supervisor.send(LookedAround { types: asked }).await;
        }
        if demand.withdraw(max) == max {
            return Ok(Vec::new());
        }
        // A hand was taken: what is for it is on its way, behind a sync perhaps.
        match timeout(ON_ITS_WAY, &mut polling.gift).await {
            Ok(gift) => gift.unwrap_or_else(|_| Ok(Vec::new())),
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Jobs, newest first: those in memory and those in the archive together.
    pub async fn browse(&self, kind: Option<TypeName>, browse: Browse) -> Found {
        let mut found = self.reach.supervisor.send(List { kind, browse }).await.unwrap_or_default();
        let missing: Vec<usize> = (0..found.jobs.len()).filter(|place| found.jobs[*place].is_body_stored).collect();
        if let (Some(keeper), false) = (&self.reach.keeper, missing.is_empty()) {
            let sequences = missing.iter().map(|place| found.jobs[*place].job.sequence).collect();
            let stored = keeper.send(Unearth { sequences }).await.unwrap_or_default();
            for (place, stored) in missing.into_iter().zip(stored) {
                let report = &mut found.jobs[place];
                report.job.body = stored.map(|job| job.body).unwrap_or_default();
                report.is_body_stored = false;
            }
        }
        found
    }

    /// Hands out nothing of this type, or hands out again; false where there is no such queue.
    pub async fn set_paused(&self, kind: TypeName, paused: bool) -> bool {
        self.reach.supervisor.send(SetPaused { kind, paused }).await.unwrap_or(false)
    }

    /// Who is connected, by number; and after whom the list goes on, if it does.
    pub async fn peers(&self, role: Role, after: Peer, limit: usize) -> (Vec<PeerFigures>, Option<Peer>) {
        let roll = Roll { role, after, limit: limit + 1 };
        let mut peers = self.reach.supervisor.send(roll).await.unwrap_or_default();
        let goes_on = peers.len() > limit;
        peers.truncate(limit);
        // Nothing follows those of the last process, who have no number.
        let last = peers.last().map(|last| last.peer).filter(|last| goes_on && *last > after);
        (peers, last)
    }

    /// Closes the connection of this peer; false where there is none.
    pub async fn disconnect(&self, peer: Peer) -> bool {
        self.reach.supervisor.send(Disconnect { peer }).await.unwrap_or(false)
    }

    /// A report with its body, also where only the store has it.
    async fn with_body(&self, mut report: Report) -> Report {
        if let (true, Some(keeper)) = (report.is_body_stored, &self.reach.keeper) {
            let sequences = vec![report.job.sequence];
            let stored = keeper.send(Unearth { sequences }).await.unwrap_or_default();
            report.job.body = stored.into_iter().flatten().next().map(|job| job.body).unwrap_or_default();
            report.is_body_stored = false;
        }
        report
    }

    /// Asks for grants and gives them together.
    async fn grants(&self, makers: Vec<impl FnOnce(Request) -> Command>) -> Vec<Result<u64, Refusal>> {
        if makers.is_empty() {
            return Vec::new();
        }
        let (told, is_told) = oneshot::channel();
        let count = makers.len();
        let answers = vec![Err(Refusal::Restarted); count];
        let together = Rc::new(RefCell::new(Together { answers, left: count, told: Some(told) }));
        for (place, make) in makers.into_iter().enumerate() {
            self.ask(Waiting::Grant { together: together.clone(), place }, make);
        }
        is_told.await.unwrap_or_else(|_| vec![Err(Refusal::Restarted); count])
    }

    fn ask(&self, waiting: Waiting, make: impl FnOnce(Request) -> Command) -> Request {
        let mut books = self.books.borrow_mut();
        books.last_request += 1;
        let request = books.last_request;
        books.waiting.insert(request, waiting);
        self.post(&mut books, make(request));
        request
    }

    fn post(&self, books: &mut Books, command: Command) {
        if books.commands.is_empty() {
            self.clerk.do_send(Flush);
        }
        books.commands.push(command);
    }

    /// Gives back jobs that nobody took.
    fn release(&self, jobs: Vec<Assignment>) {
        let mut books = self.books.borrow_mut();
        for job in jobs {
            let command = books.release(job.receipt);
            self.post(&mut books, command);
        }
    }
}

fn submission(request: Request, draft: Draft, watch: bool) -> Submission {
    let Draft { id, kind, priority, body, policy, delay_ms, master } = draft;
    Submission {
        request,
        id,
        kind,
        priority,
        body,
        policy,
        delay_ms,
        notify: false,
        watch,
        master: Some(master),
        sequence: 0,
    }
}

/// Somebody waits for the end of a job; dropped, nobody does.
struct Watching<'a> {
    desk: &'a Desk,
    request: Request,
    id: JobId,
}

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut books = self.desk.books.borrow_mut();
        if books.waiting.remove(&self.request).is_some() {
            let command = Command::Unwatch { request: self.request, id: self.id.clone() };
            self.desk.post(&mut books, command);
        }
    }
}

/// A poll that waits; dropped, it has left.
struct Polling<'a> {
    desk: &'a Desk,
    peer: Peer,
    gift: oneshot::Receiver<Result<Vec<Assignment>, Refusal>>,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        if let Some(poll) = self.desk.books.borrow_mut().polls.remove(&self.peer) {
            poll.demand.close();
        }
        self.desk.reach.letters.put(Letter::Gone(self.peer));
        self.gift.close();
        if let Ok(Ok(jobs)) = self.gift.try_recv() {
            self.desk.release(jobs);
        }
    }
}

impl Books {
    fn hear(&mut self, notice: Notice) {
        match notice {
            Notice::Done { request, lease_ms } => self.granted(request, Ok(lease_ms)),
            Notice::Refused { request, refusal } => self.granted(request, Err(refusal)),
            Notice::Report { request, report } => match self.waiting.remove(&request) {
                // A caller that has gone doesn't need to know.
                Some(Waiting::Sight(seen) | Waiting::Both { ended: seen, .. }) => drop(seen.send(Ok(report))),
                Some(Waiting::Grant { .. }) | None => {}
            },
            // Nobody knows which queue a request went to, so it may have been this one. Who asks again is told right.
            Notice::Lost { .. } => {
                let requests: Vec<Request> = self.waiting.keys().copied().collect();
                for request in requests {
                    self.granted(request, Err(Refusal::Restarted));
                }
            }
            Notice::Assigned(_) | Notice::Withdrawn { .. } | Notice::Ended { .. } => {}
        }
    }

    fn granted(&mut self, request: Request, answer: Result<u64, Refusal>) {
        match (self.waiting.remove(&request), answer) {
            (Some(Waiting::Grant { together, place }), answer) => {
                let mut together = together.borrow_mut();
                together.answers[place] = answer;
                together.left -= 1;
                if together.left == 0
                    && let Some(told) = together.told.take()
                {
                    // A caller that has gone doesn't need to know.
                    let _ = told.send(std::mem::take(&mut together.answers));
                }
            }
            (Some(Waiting::Both { accepted: Some(accepted), ended }), answer) => {
                let is_accepted = answer.is_ok();
                let _ = accepted.send(answer.map(drop));
                if is_accepted {
                    self.waiting.insert(request, Waiting::Both { accepted: None, ended });
                }
            }
            (Some(Waiting::Sight(seen) | Waiting::Both { accepted: None, ended: seen }), Err(refusal)) => {
                let _ = seen.send(Err(refusal));
            }
            (Some(Waiting::Sight(_) | Waiting::Both { .. }), Ok(_)) | (None, _) => {}
        }
    }

    /// What a poll hears. The first jobs are the answer; it wants no more.
    fn hear_for(&mut self, peer: Peer, notices: Vec<Notice>) {
        let (mut jobs, mut refused) = (Vec::new(), None);
        for notice in notices {
            match notice {
                Notice::Assigned(job) => jobs.push(*job),
                Notice::Refused { refusal, .. } => refused = Some(refusal),
                Notice::Withdrawn { receipt } => jobs.retain(|job| job.receipt != receipt),
                Notice::Done { .. } | Notice::Report { .. } | Notice::Ended { .. } => {}
                // It may have been the only type of the poll: its caller asks again.
                Notice::Lost { .. } => refused = Some(Refusal::Restarted),
            }
        }
        if jobs.is_empty() && refused.is_none() {
            return;
        }
        let given = self.polls.get_mut(&peer).and_then(|poll| {
            poll.demand.close();
            poll.given.take()
        });
        let gift = match refused {
            Some(refusal) if jobs.is_empty() => Err(refusal),
            Some(_) | None => Ok(jobs),
        };
        let rejected = match given {
            Some(given) => given.send(gift).err(),
            None => Some(gift),
        };
        for job in rejected.into_iter().flatten().flatten() {
            let command = self.release(job.receipt);
            self.commands.push(command);
        }
    }

    fn release(&mut self, receipt: Receipt) -> Command {
        // Nobody waits for the answer.
        self.last_request += 1;
        Command::Answer { request: self.last_request, receipt, answer: Answer::Release { delay_ms: 0 } }
    }
}

/// The actor behind a desk: hears what the queues say, and sends on what the requests of a turn ask.
pub struct Clerk {
    letters: Arc<Inbox<Letter>>,
    contact: Arc<Contact>,
    peer: Peer,
    books: Rc<RefCell<Books>>,
}

impl Actor for Clerk {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
    }
}

impl Settle for Clerk {
    fn settle(&mut self, _: &mut Context<Self>, wake: &mut std::task::Context<'_>) {
        let notices = self.contact.notices.read(wake);
        self.hear(notices);
        let commands = std::mem::take(&mut self.books.borrow_mut().commands);
        if !commands.is_empty() {
            self.letters.put(Letter::Asks(Batch { peer: self.peer, commands }));
        }
    }
}

/// There is something to send on.
#[derive(Message)]
#[rtype(result = "()")]
struct Flush;

impl Handler<Flush> for Clerk {
    type Result = ();

    fn handle(&mut self, _: Flush, _: &mut Self::Context) {}
}

impl Clerk {
    fn hear(&mut self, mut notices: Vec<(Peer, Notice)>) {
        let mut books = self.books.borrow_mut();
        // What one poll hears is heard together: its first jobs are its answer.
        notices.sort_by_key(|(peer, _)| *peer);
        let mut rest = notices.drain(..).peekable();
        while let Some((peer, notice)) = rest.next() {
            if peer == self.peer {
                books.hear(notice);
            } else {
                let others = std::iter::from_fn(|| rest.next_if(|(other, _)| *other == peer)).map(|(_, notice)| notice);
                books.hear_for(peer, std::iter::once(notice).chain(others).collect());
            }
        }
        drop(rest);
        self.contact.notices.put_back(notices);
    }
}

impl Handler<Close> for Clerk {
    type Result = ();

    /// A poll is answered that there is nothing; the desk itself leaves with the server.
    fn handle(&mut self, Close { peer, .. }: Close, _: &mut Self::Context) {
        self.hear(self.contact.notices.take());
        let mut books = self.books.borrow_mut();
        if peer == self.peer {
            self.letters.put(Letter::Gone(peer));
        } else if let Some(given) = books.polls.get_mut(&peer).and_then(|poll| poll.given.take()) {
            let _ = given.send(Ok(Vec::new()));
        }
    }
}
