//! The actor that knows all processors: registers them, finds them, shows them, takes their words on items.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, MessageResult, ResponseActFuture,
    ResponseFuture, WrapFuture,
};
use actix_web::http::StatusCode;
use awc::http::Method;
use bytes::BytesMut;
use log::{info, warn};
use tokio::time::Instant;

use super::card::{Card, Counts, Meta, Registration, invalid_url};
use super::processor::{
    Complete, META_AT_MOST, NoMeta, NotTaken, Orphan, Processor, Retire, Standing, meta_of, peer_name,
};
use super::usage::Usage;
use crate::actors::browsing::List;
use crate::actors::questions::HaveWorked;
use crate::core::health::Health;
use crate::core::record::{AttemptEnd, StoredState};
use crate::core::{Body, Browse, JobState, Refusal, Report, Ticket, TypeName};
use crate::web::object::Object;
use crate::web::outgoing::{Call, Failure};
use crate::web::outside::{Hall, MANAGER, PROCESSOR, WORKED, key, wall_ms};
use crate::web::problem::Problem;

/// The most processors.
pub const MAX_PROCESSORS: usize = 1_000;

/// So many registrations are called back at a time.
const MAX_CALL_BACKS: usize = 64;

/// A registration's `/meta` must be here in this time (`spec/processors.md`). Checks, which come every few seconds, wait less.
const CALL_BACK_WITHIN: Duration = Duration::from_secs(30);

/// All processors.
pub struct Registry {
    hall: Rc<Hall>,
    processors: BTreeMap<TypeName, Entry>,
    /// Of the last process: not started yet.
    recalled: Vec<Registration>,
    /// Registrations that are being called back.
    call_backs: usize,
    /// Types that have had workers, as far as somebody asked.
    worked: HashSet<TypeName>,
    /// This manager's id.
    id: String,
    started: Instant,
    usage: Usage,
}

struct Entry {
    registration: Registration,
    address: Addr<Processor>,
    standing: Rc<RefCell<Standing>>,
}

impl Registry {
    /// The processors that the last process knew.
    pub fn new(hall: Rc<Hall>, notes: &[(Arc<str>, Body)]) -> Registry {
        let (mut recalled, mut worked, mut id) = (Vec::new(), HashSet::new(), None);
        for (key, value) in notes {
            if key.starts_with(PROCESSOR) {
                match Registration::from_note(value) {
                    Some(registration) => recalled.push(registration),
                    None => warn!(key = &**key; "a note of a processor can't be read"),
                }
            } else if let Some(kind) = key.strip_prefix(WORKED) {
                worked.extend(TypeName::from_text(kind));
            } else if let Some(known) = key.strip_prefix(MANAGER) {
                id = Some(known.to_owned());
            }
        }
        let id = id.unwrap_or_else(|| {
            let id = uuid::Uuid::now_v7().to_string();
            let (hall, note) = (hall.clone(), (key(MANAGER, &id), Some(Body::from(&b"true"[..]))));
            actix_rt::spawn(async move {
                if let Err(refusal) = hall.keep(vec![note]).await {
                    warn!(why = refusal.code(); "the manager's id could not be kept: it will have another one");
                }
            });
            id
        });
        Registry {
            hall,
            processors: BTreeMap::new(),
            recalled,
            call_backs: 0,
            worked,
            id,
            started: Instant::now(),
            usage: Usage::new(),
        }
    }

    /// A processor is there from now on; one of the same id makes room.
    fn install(&mut self, me: Addr<Registry>, registration: Registration, health: Health, meta: Meta) -> &Entry {
        let id = registration.card.id.clone();
        self.remove(&id, Retire::Replaced);
        let last_seen_ms = health.is_up().then(wall_ms);
        let counts = registration.counts;
        let standing = Standing { is_up: health.is_up(), meta, last_seen_ms, counts, ..Standing::default() };
        let standing = Rc::new(RefCell::new(standing));
        let address = Processor::new(self.hall.clone(), me, registration.clone(), health, standing.clone()).start();
        for name in names_of(&registration.card) {
            *self.hall.processors.borrow_mut().entry(name).or_default() += 1;
        }
        self.processors.entry(id).insert_entry(Entry { registration, address, standing }).into_mut()
    }

    fn remove(&mut self, id: &TypeName, retire: Retire) -> bool {
        let Some(entry) = self.forget(id) else { return false };
        entry.address.do_send(retire);
        true
    }

    fn forget(&mut self, id: &TypeName) -> Option<Entry> {
        let entry = self.processors.remove(id)?;
        for name in names_of(&entry.registration.card) {
            let mut processors = self.hall.processors.borrow_mut();
            if let Some(count) = processors.get_mut(&name) {
                *count -= 1;
                if *count == 0 {
                    processors.remove(&name);
                }
            }
        }
        Some(entry)
    }
}

/// What steps may call a processor.
fn names_of(card: &Card) -> Vec<TypeName> {
    let mut names = vec![card.id.clone(), card.name.clone()];
    names.dedup();
    names
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        for registration in std::mem::take(&mut self.recalled) {
            self.install(ctx.address(), registration, Health::open(), Meta::default());
        }
        if !self.processors.is_empty() {
            info!(processors = self.processors.len(); "processors recovered; they are checked now");
        }
    }
}

/// So many running jobs are looked through at a time for those that a processor held.
const RUNNING_AT_ONCE: usize = 1_000;

/// The items of these types that a processor held when the last process ended, before this time: what was given to it later is
/// of an actor that has taken the place of the one that asks.
pub(super) async fn orphans(hall: Rc<Hall>, id: TypeName, types: Vec<TypeName>, before_ms: u64) -> Vec<Orphan> {
    let name = peer_name(&id);
    let is_held = |report: &Report| match &report.job.progress.state {
        StoredState::Running { worker, started_ms, .. } => **worker == *name && *started_ms <= before_ms,
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Finished { .. } => false,
    };
    let mut items: Vec<Orphan> = Vec::new();
    for kind in types {
        let mut before = None;
        loop {
            let browse = Browse {
                state: Some(JobState::Running),
                before,
                limit: RUNNING_AT_ONCE,
                look_at: usize::MAX,
                bytes: usize::MAX,
                ..Browse::default()
            };
            // Without the bodies that only the store has, which nobody needs here.
            let list = List { kind: Some(kind.clone()), browse };
            let found = hall.reach.supervisor.send(list).await.unwrap_or_default();
            let now_ms = wall_ms();
            items.extend(found.jobs.into_iter().filter(is_held).map(|report| Orphan {
                ticket: ticket(&report),
                attempt: report.job.progress.attempt,
                lease_ms: lease_of(&report),
                left: Duration::from_millis(report.lease_ends_ms.unwrap_or(now_ms).saturating_sub(now_ms)),
                id: report.job.id,
            }));
            // Each chunk ends before the last one did.
            match found.next.filter(|next| before.is_none_or(|before| *next < before)) {
                Some(next) => before = Some(next),
                None => break,
            }
        }
    }
    items
}

/// Who has a job in hand.
fn holder(report: &Report) -> Option<&str> {
    match &report.job.progress.state {
        StoredState::Running { worker, .. } => Some(worker),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Finished { .. } => None,
    }
}

/// The lease of a running job's attempt.
fn lease_of(report: &Report) -> Option<u64> {
    match &report.job.progress.state {
        StoredState::Running { lease_ms, .. } => *lease_ms,
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Finished { .. } => None,
    }
}

/// The right to speak of a running job's attempt.
fn ticket(report: &Report) -> Ticket {
    // Which queue it was matters only where the queue remembers what it was told.
    Ticket { queue: 0, sequence: report.job.sequence, delivery: report.job.progress.deliveries }
}

/// Somebody wants to be a processor.
#[derive(Message)]
#[rtype(result = "Result<Registered, Problem>")]
pub struct Register {
    /// Who.
    pub card: Card,
}

/// A processor that is there now.
#[derive(Debug)]
pub struct Registered {
    /// No processor had its id.
    pub is_new: bool,
    /// The processor, as JSON.
    pub json: BytesMut,
}

impl Handler<Register> for Registry {
    type Result = ResponseActFuture<Self, Result<Registered, Problem>>;

    fn handle(&mut self, Register { card }: Register, _: &mut Self::Context) -> Self::Result {
        let is_full = self.processors.len() >= MAX_PROCESSORS && !self.processors.contains_key(&card.id);
        if is_full || self.call_backs >= MAX_CALL_BACKS {
            let detail = if is_full { "there are 1000 processors" } else { "many others register at this moment" };
            let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_processors", detail);
            return Box::pin(async { Err(problem) }.into_actor(self));
        }
        self.call_backs += 1;
        let hall = self.hall.clone();
        let called_back = async move {
            let meta = call_back(&hall, &card).await?;
            let registration = Registration { card, connected_ms: wall_ms(), counts: Counts::default() };
            let id = registration.card.id.text().into_owned();
            hall.keep(vec![(key(PROCESSOR, &id), Some(registration.to_note()))]).await?;
            Ok::<_, Problem>((registration, meta))
        };
        Box::pin(called_back.into_actor(self).map(|called_back, registry, ctx| {
            registry.call_backs -= 1;
            let (registration, meta) = called_back?;
            let is_new = !registry.processors.contains_key(&registration.card.id);
            info!(processor = &*registration.card.id.text(), name = &*registration.card.name.text(), is_new; "a processor registered");
            let note = (key(PROCESSOR, &registration.card.id.text()), Some(registration.to_note()));
            if !is_new {
                // The one whose place it takes may have kept its counts meanwhile, under its own registration.
                let hall = registry.hall.clone();
                actix_rt::spawn(async move {
                    if let Err(refusal) = hall.keep(vec![note]).await {
                        warn!(why = refusal.code(); "a processor may come back as it registered before");
                    }
                });
            }
            let entry = registry.install(ctx.address(), registration, Health::up(), meta);
            let mut json = BytesMut::new();
            write_processor(&mut json, entry);
            Ok(Registered { is_new, json })
        }))
    }
}

/// Asks the URL that was given whose it is.
async fn call_back(hall: &Hall, card: &Card) -> Result<Meta, Problem> {
    let call = Call {
        method: Method::GET,
        url: card.url.join("/meta"),
        body: None,
        within: CALL_BACK_WITHIN,
        at_most: META_AT_MOST,
    };
    let unprocessable = |code, why: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, why);
    match meta_of(hall.client.call(call).await, hall.limits.max_depth, card) {
        Ok(meta) => Ok(meta),
        Err(NoMeta::Wrong(why)) => Err(unprocessable("meta_mismatch", why)),
        Err(NoMeta::Failed(Failure::BadUrl(why))) => Err(invalid_url("url", &why.to_string())),
        Err(NoMeta::Failed(Failure::Refused(why))) => Err(invalid_url("url", &why.to_string())),
        Err(NoMeta::Failed(Failure::TooLarge(most))) => {
            Err(unprocessable("meta_mismatch", format!("its /meta has more than {most} bytes")))
        }
        Err(NoMeta::Failed(
            failure @ (Failure::Unresolved | Failure::Unreachable(_) | Failure::Late | Failure::Broken(_)),
        )) => Err(unprocessable("unreachable", format!("its /meta can't be had: {failure}"))),
    }
}

/// A processor doesn't want to be one any more.
#[derive(Message)]
#[rtype(result = "Result<(), Problem>")]
pub struct Unregister {
    /// Its id.
    pub id: TypeName,
}

impl Handler<Unregister> for Registry {
    type Result = ResponseFuture<Result<(), Problem>>;

    fn handle(&mut self, Unregister { id }: Unregister, _: &mut Self::Context) -> Self::Result {
        if !self.remove(&id, Retire::Removed) {
            return Box::pin(async { Err(unknown_processor(StatusCode::NOT_FOUND, "no processor has this id")) });
        }
        info!(processor = &*id.text(); "a processor was removed");
        let hall = self.hall.clone();
        Box::pin(async move { Ok(hall.keep(vec![(key(PROCESSOR, &id.text()), None)]).await?) })
    }
}

/// A processor was disconnected: it is known again when it registers again, or after a restart.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Left {
    pub(super) id: TypeName,
    pub(super) processor: Addr<Processor>,
    /// The server ends: what it has accepted stays its own in the next process.
    pub(super) is_the_end: bool,
}

impl Handler<Left> for Registry {
    type Result = ();

    fn handle(&mut self, Left { id, processor, is_the_end }: Left, _: &mut Self::Context) {
        // Another one may have its id by now.
        if self.processors.get(&id).is_none_or(|entry| entry.address != processor) {
            return;
        }
        if is_the_end {
            self.forget(&id);
        } else {
            self.remove(&id, Retire::Removed);
        }
    }
}

/// Nobody is called so.
pub fn unknown_processor(status: StatusCode, detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(status, "unknown_processor", detail)
}

/// What is there to know of the manager and its processors?
#[derive(Message)]
#[rtype(result = "BytesMut")]
pub struct ShowMeta;

impl Handler<ShowMeta> for Registry {
    type Result = MessageResult<ShowMeta>;

    fn handle(&mut self, _: ShowMeta, _: &mut Self::Context) -> Self::Result {
        let now = self.usage.now();
        let mut out = BytesMut::with_capacity(256 + 256 * self.processors.len());
        let mut object = Object::begin(&mut out);
        object
            .text("name", env!("CARGO_PKG_NAME"))
            .text("version", env!("CARGO_PKG_VERSION"))
            .text("id", &self.id)
            .integer("uptime_ms", self.started.elapsed().as_millis() as u64)
            .maybe_number("cpu", now.cpu)
            .maybe_number("memory", now.memory.map(|bytes| bytes as f64))
            .array("processors", self.processors.values(), write_processor);
        object.end();
        MessageResult(out)
    }
}

fn write_processor(out: &mut BytesMut, entry: &Entry) {
    let Entry { registration: Registration { card, connected_ms, .. }, standing, .. } = entry;
    let standing = standing.borrow();
    let mut object = Object::begin(out);
    object
        .text("id", &card.id.text())
        .text("name", &card.name.text())
        .text("url", &card.spelling)
        .text("state", if standing.is_up { "up" } else { "down" })
        .maybe_number("cpu", standing.meta.cpu)
        .maybe_number("memory", standing.meta.memory.map(|bytes| bytes as f64))
        .maybe_number("average_ms", standing.counts.average_ms())
        .integer("processed", standing.counts.processed)
        .integer("failed", standing.counts.failed)
        .integer("in_hand", standing.in_hand as u64)
        .integer("accepted", standing.accepted as u64)
        .integer("concurrency", card.concurrency)
        .integer("lease_ms", card.lease_ms)
        .maybe_time("connected_on", Some(*connected_ms))
        .maybe_time("last_seen", standing.last_seen_ms);
    object.end();
}

/// Which of these names can't be a step: nobody is called so, and no worker has ever had such a type?
#[derive(Message)]
#[rtype(result = "Option<TypeName>")]
pub struct FindStranger {
    /// The names.
    pub names: HashSet<TypeName>,
}

impl Handler<FindStranger> for Registry {
    type Result = ResponseActFuture<Self, Option<TypeName>>;

    fn handle(&mut self, FindStranger { mut names }: FindStranger, _: &mut Self::Context) -> Self::Result {
        names.retain(|name| !self.hall.processors.borrow().contains_key(name) && !self.worked.contains(name));
        let hall = self.hall.clone();
        let asked = async move {
            if names.is_empty() {
                return (None, Vec::new());
            }
            let kinds: Vec<TypeName> = names.into_iter().collect();
            let worked = hall.reach.supervisor.send(HaveWorked { kinds: kinds.clone() }).await.unwrap_or_default();
            let stranger = kinds.into_iter().find(|kind| !worked.contains(kind));
            // Whoever names a type now may name it after a restart too, before its workers are back.
            let notes = worked.iter().map(|kind| (key(WORKED, &kind.text()), Some(Body::from(&b"true"[..]))));
            if let Err(refusal) = hall.keep(notes.collect()).await {
                warn!(why = refusal.code(); "which types have workers could not be kept");
            }
            (stranger, worked)
        };
        Box::pin(asked.into_actor(self).map(|(stranger, worked), registry, _| {
            registry.worked.extend(worked);
            stranger
        }))
    }
}

/// A processor's word on an item: `POST /complete`.
#[derive(Message)]
#[rtype(result = "Result<(), Problem>")]
pub struct TakeWord {
    /// Whose.
    pub processor: TypeName,
    /// The word.
    pub word: Complete,
}

impl Handler<TakeWord> for Registry {
    type Result = ResponseFuture<Result<(), Problem>>;

    fn handle(&mut self, TakeWord { processor, word }: TakeWord, _: &mut Self::Context) -> Self::Result {
        let address = self.processors.get(&processor).map(|entry| entry.address.clone());
        let hall = self.hall.clone();
        Box::pin(async move {
            let word = match address {
                None => word,
                Some(address) => match address.send(word).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(NotTaken::OtherAttempt)) => return Err(Refusal::StaleReceipt.into()),
                    Ok(Err(NotTaken::Refused(refusal))) => return Err(refusal.into()),
                    Ok(Err(NotTaken::NotHeld(word))) => *word,
                    // It has just gone, and what it held went back.
                    Err(_) => return Err(not_yours()),
                },
            };
            take_late_word(&hall, &processor, word).await
        })
    }
}

/// A word on an item that the processor's actor doesn't hold: one of the last process, one said twice, or one too late.
async fn take_late_word(hall: &Hall, processor: &TypeName, word: Complete) -> Result<(), Problem> {
    let Complete { id, attempt, answer } = word;
    let report = hall.desk.look(id.clone()).await?;
    let name = peer_name(processor);
    let is_meant = |number: u32| attempt.is_none_or(|attempt| attempt == number);
    if holder(&report).is_some_and(|holder| holder == &*name) {
        if !is_meant(report.job.progress.attempt) {
            return Err(Refusal::StaleReceipt.into());
        }
        hall.desk.answer(id, ticket(&report), answer).await?;
        return Ok(());
    }
    let history = &report.job.progress.history;
    let completed = history.last().filter(|attempt| attempt.end == AttemptEnd::Completed);
    if completed.is_some_and(|last| *last.worker == *name && is_meant(last.number)) {
        // It didn't hear that it was heard.
        return Ok(());
    }
    let was_its_own = history.iter().any(|past| *past.worker == *name && is_meant(past.number));
    Err(if was_its_own { Refusal::StaleReceipt.into() } else { not_yours() })
}

/// 409: the item is another's.
fn not_yours() -> Problem {
    Problem::new(StatusCode::CONFLICT, "not_yours", "this processor doesn't hold this item")
}
