//! A server without actors: sessions, a router, queues, and a time that goes when it is told to.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, BytesMut};

use crate::core::{
    Batch, Command, Deed, Demand, Introduction, JobId, Limits, Moment, Notice, Now, Outbox, Peer, Queue, QueueNo,
    Router, Routes, TypeName,
};
use crate::protocols::{Read, Session, Turn, deputy, gloom, length_prefixed, native};

/// When the server of a transcript has started.
const UP_SINCE_MS: u64 = 1_700_000_000_000;

/// The secret of a native listener that has one.
const TOKEN: &str = "open sesame";

/// A dialect, as one side of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Language {
    GloomMaster,
    GloomWorker,
    Deputy,
    Native,
    /// Native, with a token.
    Locked,
}

impl Language {
    pub(super) fn named(name: &str) -> Option<Language> {
        Some(match name {
            "gloom-master" => Language::GloomMaster,
            "gloom-worker" => Language::GloomWorker,
            "deputy" => Language::Deputy,
            "native" => Language::Native,
            "locked" => Language::Locked,
            _ => return None,
        })
    }

    /// The text as a frame.
    pub(super) fn frame(self, text: &[u8]) -> Vec<u8> {
        match self {
            Language::GloomMaster | Language::GloomWorker | Language::Native | Language::Locked => {
                let mut frame = BytesMut::new();
                let mark = length_prefixed::begin(&mut frame);
                frame.extend_from_slice(text);
                length_prefixed::finish(&mut frame, mark);
                frame.to_vec()
            }
            Language::Deputy => [text, b"\r\n"].concat(),
        }
    }
}

/// A session of whatever dialect.
trait AnySession {
    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read;
    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>);
    fn outstanding(&self) -> usize;
    fn is_over(&self) -> bool;
    fn gone(&mut self);
}

impl<S: Session> AnySession for S {
    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read {
        Session::read(self, input, turn)
    }

    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>) {
        Session::hear(self, notice, turn);
    }

    fn outstanding(&self) -> usize {
        Session::outstanding(self)
    }

    fn is_over(&self) -> bool {
        Session::is_over(self)
    }

    fn gone(&mut self) {
        Session::gone(self);
    }
}

/// A connection: what `actors::connection` does, without a socket.
struct Line {
    peer: Peer,
    session: Box<dyn AnySession>,
    who: Introduction,
    tail: BytesMut,
    out: BytesMut,
    commands: Vec<Command>,
}

/// Ids that count up, and the time of the house.
#[derive(Default)]
struct Counted {
    ids: AtomicU64,
    wall_ms: AtomicU64,
}

impl native::World for Counted {
    fn new_id(&self) -> JobId {
        JobId::from_text(&format!("new-{}", self.ids.fetch_add(1, Ordering::Relaxed) + 1)).expect("a good id")
    }

    fn wall_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::Relaxed)
    }
}

/// The server.
pub(super) struct House {
    limits: Arc<Limits>,
    router: Router,
    queues: Vec<Option<Queue>>,
    lines: BTreeMap<String, Line>,
    now: Now,
    world: Arc<Counted>,
    metrics: Arc<deputy::Metrics>,
    peers: u64,
    /// The queue that loses what it is asked.
    failing: Option<usize>,
    /// What queues say doesn't arrive.
    pub(super) is_silent: bool,
    /// What hasn't arrived, with its queue; the router's own words have none.
    unheard: Vec<(Option<QueueNo>, Peer, Notice)>,
}

/// Who cancels jobs.
const MANAGER: Peer = Peer(u64::MAX);

impl House {
    pub(super) fn new(limits: &Limits) -> House {
        let limits = Arc::new(limits.clone());
        let world = Arc::new(Counted::default());
        world.wall_ms.store(UP_SINCE_MS, Ordering::Relaxed);
        House {
            limits: limits.clone(),
            router: Router::new(limits),
            queues: Vec::new(),
            lines: BTreeMap::new(),
            now: Now { at: Moment(0), wall_ms: UP_SINCE_MS },
            world,
            metrics: deputy::Metrics::new(UP_SINCE_MS),
            peers: 0,
            failing: None,
            is_silent: false,
            unheard: Vec::new(),
        }
    }

    pub(super) fn comes(&mut self, name: &str, language: Language) {
        match language {
            Language::GloomMaster => self.arrives::<gloom::Master>(name, &gloom::Shared::default()),
            Language::GloomWorker => self.arrives::<gloom::Worker>(name, &()),
            Language::Deputy => self.arrives::<deputy::Session>(name, &self.metrics.clone()),
            Language::Native => self.arrives::<native::Session>(name, &native::Shared::new(None, self.world.clone())),
            Language::Locked => {
                self.arrives::<native::Session>(name, &native::Shared::new(Some(TOKEN.into()), self.world.clone()));
            }
        }
    }

    fn arrives<S: Session>(&mut self, name: &str, shared: &S::Shared) {
        let demand = Arc::new(Demand::new(S::HANDS));
        let session = Box::new(S::new(shared, &self.limits, &demand));
        let who = Introduction { name: name.into(), demand, lease_ms: 1_800_000, outlives: false };
        self.peers += 1;
        let peer = Peer(self.peers);
        let line = Line { peer, session, who, tail: BytesMut::new(), out: BytesMut::new(), commands: Vec::new() };
        self.lines.insert(name.to_owned(), line);
    }

    pub(super) fn says(&mut self, name: &str, bytes: &[u8]) {
        let line = self.lines.get_mut(name).expect("it is there");
        line.tail.extend_from_slice(bytes);
        self.turn();
    }

    pub(super) fn hears(&mut self, number: usize, name: &str, frame: &[u8]) {
        let line = self.lines.get_mut(name).expect("it is there");
        let heard = &line.out[..frame.len().min(line.out.len())];
        assert!(
            heard == frame,
            "line {number}: {name} should hear\n  {}\nbut hears\n  {}",
            shown(frame),
            shown(&line.out)
        );
        line.out.advance(frame.len());
    }

    pub(super) fn expect_silence(&self, number: usize) {
        for (name, line) in &self.lines {
            assert!(line.out.is_empty(), "before line {number}: {name} hears also\n  {}", shown(&line.out));
        }
    }

    pub(super) fn is_over(&self, name: &str) -> bool {
        self.lines[name].session.is_over()
    }

    /// All that a peer has heard since somebody looked.
    pub(super) fn said(&mut self, name: &str) -> Vec<u8> {
        std::mem::take(&mut self.lines.get_mut(name).expect("it is there").out).to_vec()
    }

    pub(super) fn outstanding(&self, name: &str) -> usize {
        self.lines[name].session.outstanding()
    }

    pub(super) fn leaves(&mut self, name: &str) {
        let mut line = self.lines.remove(name).expect("it is there");
        line.session.gone();
        line.who.demand.close();
        for queue in self.router.peer_gone(line.peer) {
            let mut out = Outbox::default();
            if let Some(queue) = &mut self.queues[queue as usize] {
                queue.peer_gone(self.now, line.peer, &mut out);
            }
            self.tell(out, queue);
        }
        self.turn();
    }

    pub(super) fn speech(&mut self, backwards: bool) {
        self.is_silent = false;
        let mut unheard = std::mem::take(&mut self.unheard);
        if backwards {
            unheard.sort_by_key(|(queue, ..)| Reverse(*queue));
        }
        for (queue, peer, notice) in unheard {
            self.notify(queue, peer, notice);
        }
        self.turn();
    }

    pub(super) fn waits(&mut self, ms: u64) {
        self.now.at = self.now.at.after_ms(ms);
        self.now.wall_ms += ms;
        self.world.wall_ms.store(self.now.wall_ms, Ordering::Relaxed);
        for number in 0..self.queues.len() {
            let mut out = Outbox::default();
            if let Some(queue) = &mut self.queues[number] {
                queue.tick(self.now, &mut out);
            }
            self.tell(out, number as u32);
        }
        self.turn();
    }

    pub(super) fn cancels(&mut self, id: &JobId) {
        let command = Command::Manage { request: 0, id: id.clone(), deed: Deed::Cancel };
        self.route(Batch { peer: MANAGER, commands: vec![command] });
        self.turn();
    }

    /// The queue of this type is about to die: what it is asked is lost.
    pub(super) fn fails(&mut self, kind: &TypeName) {
        if self.failing.is_none() {
            self.failing =
                self.queues.iter().position(|queue| queue.as_ref().is_some_and(|queue| queue.kind() == kind));
        }
    }

    /// The queue of this type dies.
    pub(super) fn dies(&mut self, kind: &TypeName) {
        self.fails(kind);
        self.failing_dies();
    }

    /// The queue that is about to die does, as `actors::supervisor` sees it; nothing happens if none is.
    pub(super) fn failing_dies(&mut self) {
        let Some(place) = self.failing.take() else { return };
        let queue = self.queues[place].take().expect("it lives");
        for peer in self.router.queue_died(place as QueueNo) {
            let jobs = queue.obituary().into_iter().filter(|job| job.master == peer).map(|job| job.id).collect();
            let lost = Notice::Lost { queue: place as QueueNo, kind: queue.kind().clone(), jobs };
            self.notify(Some(place as QueueNo), peer, lost);
        }
        self.turn();
    }

    pub(super) fn drains(&mut self) {
        self.router.drain();
    }

    /// Reads, decides and tells until nothing happens any more.
    fn turn(&mut self) {
        loop {
            let limit = self.limits.max_outstanding;
            for line in self.lines.values_mut().filter(|line| !line.session.is_over()) {
                let mut turn = Turn { out: &mut line.out, commands: &mut line.commands };
                let read = line.session.read(&line.tail, &mut turn);
                line.tail.advance(read.consumed);
                assert!(
                    line.session.is_over() || line.session.outstanding() >= limit || read.needed > line.tail.len(),
                    "it stops reading for no reason"
                );
            }
            let asks = |line: &mut Line| {
                (!line.commands.is_empty())
                    .then(|| Batch { peer: line.peer, commands: std::mem::take(&mut line.commands) })
            };
            let batches: Vec<Batch> = self.lines.values_mut().filter_map(asks).collect();
            let is_quiet = batches.is_empty();
            for batch in batches {
                self.route(batch);
            }
            for number in 0..self.queues.len() {
                let mut out = Outbox::default();
                if let Some(queue) = &mut self.queues[number] {
                    queue.settle(self.now, &mut out);
                }
                self.tell(out, number as u32);
            }
            if is_quiet && self.lines.values().all(|line| line.commands.is_empty()) {
                return;
            }
        }
    }

    fn route(&mut self, batch: Batch) {
        let mut routes = Routes::default();
        self.router.route(batch, &mut routes);
        for (number, kind) in routes.opened {
            assert_eq!(number as usize, self.queues.len());
            self.queues.push(Some(Queue::new(number, kind, false)));
        }
        for (peer, notice) in routes.notices {
            self.notify(None, peer, notice);
        }
        for (number, batch) in routes.batches {
            if self.failing == Some(number as usize) {
                continue;
            }
            let nobody =
                Introduction { name: "nobody".into(), demand: Arc::new(Demand::new(0)), lease_ms: 1, outlives: false };
            let line = self.lines.values().find(|line| line.peer == batch.peer);
            let who = line.map_or(nobody, |line| line.who.clone());
            let mut out = Outbox::default();
            let queue = self.queues[number as usize].as_mut().expect("the router knows the living");
            for command in batch.commands {
                queue.apply(self.now, batch.peer, &who, command, &mut out);
            }
            self.tell(out, number);
        }
    }

    fn tell(&mut self, out: Outbox, queue: QueueNo) {
        for event in out.ids {
            self.router.hear(queue, event);
        }
        for (peer, notice) in out.notices {
            self.notify(Some(queue), peer, notice);
        }
    }

    fn notify(&mut self, queue: Option<QueueNo>, peer: Peer, notice: Notice) {
        if self.is_silent {
            self.unheard.push((queue, peer, notice));
            return;
        }
        if let Some(line) = self.lines.values_mut().find(|line| line.peer == peer) {
            let mut turn = Turn { out: &mut line.out, commands: &mut line.commands };
            line.session.hear(notice, &mut turn);
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if letter.is_control() {
                let _ = write!(text, "\\x{:02x}", u32::from(letter));
            } else {
                text.push(letter);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}
