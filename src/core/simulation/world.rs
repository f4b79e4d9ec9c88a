//! A small server without sockets: sessions, the router, queues, and mail between them that takes its time.
//!
//! Every message waits in a mailbox until the dice choose its reader, so that everything that can overtake something does;
//! only what one sends to another stays in order.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::dice::Dice;
use super::ledger::Ledger;
use super::session::{Manners, Rumours, Session, kind};
use crate::core::command::{Batch, Command, Held, Introduction, Notice};
use crate::core::record::{Record, StoredState};
use crate::core::router::{Router, Routes};
use crate::core::{IdEvent, JobId, Limits, Moment, Now, Peer, Queue, QueueNo};

/// A server and everybody who is connected to it.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) now: Now,
    pub(super) router: Router,
    /// What the router has not read.
    pub(super) in_tray: VecDeque<Letter>,
    pub(super) queues: Vec<Office>,
    /// The living.
    pub(super) sessions: BTreeMap<Peer, Session>,
    pub(super) ledger: Ledger,
    pub(super) manners: Manners,
    /// Everybody who ever lived: mail from the dead is still read.
    pub(super) introductions: HashMap<Peer, Introduction>,
    pub(super) rumours: Rumours,
    pub(super) posted: u64,
    /// Durable jobs have a store.
    pub(super) stores: bool,
    /// What the store was told and has not written, each with the words that wait for it.
    pub(super) commits: VecDeque<(Vec<Record>, Vec<Held>)>,
    /// What the store has written of finished jobs: which, and until when.
    pub(super) archive: Vec<(u64, Moment)>,
    pub(super) loud: bool,
}

/// A queue and its mailbox.
pub(super) struct Office {
    pub(super) queue: Queue,
    pub(super) paused: bool,
    pub(super) mailbox: VecDeque<Mail>,
    /// When its oldest mail came.
    pub(super) oldest: u64,
}

/// Mail for a queue.
pub(super) enum Mail {
    Batch(Batch),
    Gone(Peer),
}

/// Mail for the router.
pub(super) enum Letter {
    Batch(Batch),
    Gone(Peer),
    Ids(QueueNo, Vec<IdEvent>),
    /// The archive has let go of this job's record.
    Forgot(JobId, u64),
}

impl World {
    pub(super) fn new(seed: u64, loud: bool) -> World {
        let mut dice = Dice::new(seed);
        let stores = dice.percent(50);
        let manners = Manners { wild: true, types: 1 + dice.below(4), ids: dice.of(&[10, 40, 1_000]) };
        World {
            dice,
            now: Now { at: Moment(1_000), wall_ms: 1 },
            router: Router::new(Arc::new(Limits::default())),
            in_tray: VecDeque::new(),
            queues: Vec::new(),
            sessions: BTreeMap::new(),
            ledger: Ledger::default(),
            manners,
            introductions: HashMap::new(),
            rumours: Rumours::default(),
            posted: 0,
            stores,
            commits: VecDeque::new(),
            archive: Vec::new(),
            loud,
        }
    }

    /// A peer connects.
    pub(super) fn connect(&mut self, types: &[u64], credit: u32, is_master: bool) -> Peer {
        let peer = Peer(1 + self.introductions.len() as u64);
        let mut session = Session::new(peer, &mut self.dice);
        session.is_master = is_master;
        self.introductions.insert(peer, session.who.clone());
        let mut commands = Vec::new();
        session.want(credit, &mut self.ledger, &mut commands);
        if !types.is_empty() {
            commands.push(session.join(types.iter().map(|number| kind(*number)).collect()));
        }
        self.sessions.insert(peer, session);
        self.send(peer, commands);
        peer
    }

    /// A peer dies: what it has not read is lost, what it has sent is not.
    pub(super) fn disconnect(&mut self, peer: Peer) {
        self.say(|| format!("{peer:?} dies"));
        let session = self.sessions.remove(&peer).expect("only the living die");
        session.who.demand.close();
        self.ledger.died(peer);
        self.in_tray.push_back(Letter::Gone(peer));
    }

    /// A peer reads its mail and does one thing or another.
    pub(super) fn act(&mut self, peer: Peer) -> bool {
        let session = self.sessions.get_mut(&peer).expect("only the living act");
        session.read();
        let commands = session.act(self.manners, &mut self.dice, &mut self.ledger, &self.rumours);
        let acted = !commands.is_empty();
        self.send(peer, commands);
        acted
    }

    /// Onto the router's office.
    pub(super) fn send(&mut self, peer: Peer, commands: Vec<Command>) {
        if !commands.is_empty() {
            self.say(|| format!("{peer:?} says {commands:?}"));
            self.in_tray.push_back(Letter::Batch(Batch { peer, commands }));
        }
    }

    /// The router reads some of its mail.
    pub(super) fn route(&mut self, most: usize) {
        for _ in 0..most {
            match self.in_tray.pop_front() {
                None => break,
                Some(Letter::Batch(batch)) => self.route_batch(batch),
                Some(Letter::Gone(peer)) => {
                    for queue in self.router.peer_gone(peer) {
                        self.post(queue, Mail::Gone(peer));
                    }
                }
                Some(Letter::Ids(queue, events)) => {
                    for event in events {
                        self.router.hear(queue, event);
                    }
                }
                Some(Letter::Forgot(id, sequence)) => self.router.archive_forgot(&id, sequence),
            }
        }
    }

    fn route_batch(&mut self, batch: Batch) {
        let mut routes = Routes::default();
        self.router.route(batch, &mut routes);
        for (number, kind) in routes.opened {
            assert_eq!(number as usize, self.queues.len());
            self.queues.push(Office {
                queue: Queue::new(number, kind, self.stores),
                paused: false,
                mailbox: VecDeque::new(),
                oldest: 0,
            });
        }
        for (queue, batch) in routes.batches {
            self.post(queue, Mail::Batch(batch));
        }
        self.deliver(routes.notices);
    }

    /// The store writes some of what it was told, and what waited for that is said.
    pub(super) fn commit(&mut self, most: usize) {
        for _ in 0..most {
            let Some((records, held)) = self.commits.pop_front() else { break };
            for record in records {
                if let Record::Change { sequence, progress } = record
                    && let StoredState::Finished { forget_ms, .. } = progress.state
                {
                    self.archive.push((sequence, Moment(forget_ms * 1_000)));
                }
            }
            self.deliver(held.into_iter().map(|held| (held.peer, held.notice)).collect());
        }
    }

    /// The queue whose mail has waited longest takes its turn, as actors do; false if there is no mail.
    pub(super) fn turn_in_order(&mut self) -> bool {
        self.route(usize::MAX);
        let with_mail = self.queues.iter().enumerate().filter(|(_, office)| !office.mailbox.is_empty());
        let Some((place, _)) = with_mail.min_by_key(|(_, office)| office.oldest) else { return false };
        self.turn(place as QueueNo, usize::MAX);
        true
    }

    /// Everybody takes turns until there is no mail.
    pub(super) fn read_all_mail(&mut self) {
        self.route(usize::MAX);
        for number in 0..self.queues.len() as QueueNo {
            self.turn(number, usize::MAX);
        }
        self.commit(usize::MAX);
        self.route(usize::MAX);
    }

    /// Time goes by.
    pub(super) fn pass(&mut self, at: Moment) {
        let at = at.max(self.now.at);
        self.now = Now { at, wall_ms: at.0 / 1_000 };
        self.say(|| "time passes".to_owned());
        let (over, kept) = std::mem::take(&mut self.archive).into_iter().partition(|(_, until)| *until <= at);
        self.archive = kept;
        for (sequence, _) in over {
            let id = self.ledger.archive_forgot(sequence);
            self.in_tray.push_back(Letter::Forgot(id, sequence));
        }
    }

    /// When something is due next, in whatever queue.
    pub(super) fn next_alarm(&mut self) -> Option<Moment> {
        let queues = self.queues.iter_mut().filter_map(|office| office.queue.next_alarm()).min();
        queues.into_iter().chain(self.archive.iter().map(|(_, until)| *until)).min()
    }

    /// With no mail on its way, a ready job and a free hand that could work on it don't exist together.
    pub(super) fn nobody_waits_in_vain(&mut self) {
        self.read_all_mail();
        for number in 0..self.queues.len() {
            let office = &self.queues[number];
            if office.paused || self.ledger.ready(self.now.at, number as QueueNo) == 0 {
                continue;
            }
            let mut workers = self.sessions.values().filter(|session| session.types.contains(office.queue.kind()));
            let idle = workers.find(|session| session.who.demand.is_free());
            assert!(idle.is_none(), "{:?} has a free hand for queue {number}", idle.map(|session| session.peer));
        }
    }

    fn post(&mut self, number: QueueNo, mail: Mail) {
        self.posted += 1;
        let office = &mut self.queues[number as usize];
        if office.mailbox.is_empty() {
            office.oldest = self.posted;
        }
        office.mailbox.push_back(mail);
    }

    pub(super) fn of(&mut self, number: QueueNo) -> &mut Office {
        &mut self.queues[number as usize]
    }

    pub(super) fn deliver(&mut self, notices: Vec<(Peer, Notice)>) {
        for (peer, notice) in notices {
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.inbox.push(notice);
            }
        }
    }

    pub(super) fn say(&self, words: impl FnOnce() -> String) {
        if self.loud {
            eprintln!("{:>9} µs  {}", self.now.at.0, words());
        }
    }
}
