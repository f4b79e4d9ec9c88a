//! Crashes that lose everything not yet synced: durable jobs over many lives of a server.
//!
//! A disk takes commits in order, later than they were made. A crash drops what it has not taken, every queue, every
//! connection; the next life is made by [`Recovery`] from what the disk has. The laws: what was acknowledged is on disk
//! from then on; an acknowledged end never runs again; nobody holds what another holds; in the end all of it has ended.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::dice::Dice;
use crate::core::record::{Record, StoredJob, StoredState};
use crate::core::{
    Answer, Assignment, Batch, Body, Command, Demand, Held, Introduction, JobId, Limits, Moment, Notice, Now, Outbox,
    Peer, Policy, Queue, Receipt, Recovery, Refusal, Router, Routes, Submission, TypeName,
};

const SEEDS: u64 = 150;
const STEPS: usize = 400;
const TYPES: [&str; 2] = ["a", "b"];

#[test]
fn what_was_acknowledged_survives_every_crash() {
    let only: Option<u64> = std::env::var("SIM_SEED").ok().map(|seed| seed.parse().expect("a seed is a number"));
    for seed in only.map_or(0..SEEDS, |seed| seed..seed + 1) {
        eprintln!("SIM_SEED={seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.misfortune();
        }
        world.end();
    }
}

/// What was asked, by the number of the request.
enum Asked {
    Submit(String),
    Complete(String),
    Other,
}

/// A worker of one life.
struct Worker {
    demand: Arc<Demand>,
    hands: Vec<Assignment>,
}

struct World {
    dice: Dice,
    now: Now,
    /// What is synced, and what was sent to be.
    disk: BTreeMap<u64, StoredJob>,
    commits: VecDeque<(usize, Vec<Record>, Vec<Held>)>,
    router: Router,
    queues: Vec<Queue>,
    workers: HashMap<Peer, Worker>,
    master: Peer,
    next_peer: u64,
    next_request: u64,
    next_job: u64,
    asked: HashMap<u64, Asked>,
    /// Acknowledged submits, and acknowledged completions.
    accepted: HashSet<String>,
    ended: HashSet<String>,
}

impl World {
    fn new(seed: u64) -> World {
        let mut world = World {
            dice: Dice::new(seed),
            now: Now { at: Moment(1_000_000), wall_ms: 1_700_000_000_000 },
            disk: BTreeMap::new(),
            commits: VecDeque::new(),
            router: Router::new(Arc::new(Limits::default())),
            queues: Vec::new(),
            workers: HashMap::new(),
            master: Peer(1),
            next_peer: 2,
            next_request: 0,
            next_job: 0,
            asked: HashMap::new(),
            accepted: HashSet::new(),
            ended: HashSet::new(),
        };
        world.hire();
        world
    }

    fn misfortune(&mut self) {
        match self.dice.below(100) {
            0..35 => self.submit(),
            35..65 => self.answer(),
            65..85 => self.sync(1),
            85..90 => self.wait(),
            90..94 => self.bury_a_worker(),
            94..98 => self.hire(),
            _ => self.crash(),
        }
        let live = |job: &StoredJob| !matches!(job.progress.state, StoredState::Finished { .. });
        for id in &self.accepted {
            assert!(
                self.disk.values().any(|job| job.id.text() == id.as_str()),
                "{id} was acknowledged and is not on disk"
            );
        }
        for id in &self.ended {
            assert!(
                !self.disk.values().any(|job| job.id.text() == id.as_str() && live(job)),
                "{id} has ended and lives"
            );
        }
    }

    /// No more faults: everything comes to its end.
    fn end(&mut self) {
        self.hire();
        for _ in 0..10_000 {
            self.sync(usize::MAX);
            if self.queues.iter().all(|queue| queue.census().live() == 0) && self.commits.is_empty() {
                break;
            }
            self.answer_all();
            self.wait();
        }
        for queue in &self.queues {
            assert!(queue.census().is_balanced() && queue.census().live() == 0, "{:?}", queue.census());
        }
        for job in self.disk.values() {
            assert!(matches!(job.progress.state, StoredState::Finished { .. }), "{} never ended", job.id);
        }
    }

    fn submit(&mut self) {
        // Now and then an id that was used before: alive, ended, or lost with a crash.
        let reused = self.dice.percent(10) && self.next_job > 0;
        let number = if reused { self.dice.below(self.next_job) } else { self.next_job };
        self.next_job += u64::from(!reused);
        let id = format!("job-{number}");
        let policy = Policy { max_attempts: 3, backoff_ms: 50, ..Policy::durable() };
        let submission = Submission {
            request: self.next_request,
            id: JobId::from_text(&id).unwrap(),
            kind: TypeName::from_text(self.dice.of(&TYPES)).unwrap(),
            priority: self.dice.below(3) as i64,
            body: Body::from(id.as_bytes()),
            policy: Arc::new(policy),
            delay_ms: if self.dice.percent(20) { 100 } else { 0 },
            notify: true,
            watch: false,
            master: None,
            sequence: 0,
        };
        self.asked.insert(self.next_request, Asked::Submit(id));
        self.next_request += 1;
        self.ask(self.master, vec![Command::Submit(submission)]);
    }

    fn answer(&mut self) {
        let mut busy: Vec<Peer> =
            self.workers.iter().filter(|(_, worker)| !worker.hands.is_empty()).map(|(peer, _)| *peer).collect();
        busy.sort();
        let Some(place) = self.dice.place(busy.len()) else { return };
        let peer = busy[place];
        let worker = self.workers.get_mut(&peer).unwrap();
        let job = worker.hands.swap_remove(self.dice.below(worker.hands.len() as u64) as usize);
        let receipt: Receipt = job.receipt;
        let id = job.id.text().into_owned();
        let (answer, asked) = match self.dice.below(10) {
            0..7 => (Answer::Complete(Body::from(&b"1"[..])), Asked::Complete(id)),
            7..9 => (Answer::Fail { error: Body::from(&b"\"no\""[..]), retry: true, delay_ms: None }, Asked::Other),
            _ => (Answer::Release { delay_ms: 0 }, Asked::Other),
        };
        let request = self.next_request;
        self.next_request += 1;
        self.asked.insert(request, asked);
        let mut commands = vec![Command::Answer { request, receipt, answer }];
        worker.demand.free(1, Some(receipt.queue), &mut commands);
        self.ask(peer, commands);
    }

    fn answer_all(&mut self) {
        while self.workers.values().any(|worker| !worker.hands.is_empty()) {
            self.answer();
        }
    }

    fn hire(&mut self) {
        let peer = Peer(self.next_peer);
        self.next_peer += 1;
        let demand = Arc::new(Demand::new(1 + self.dice.below(3) as u32));
        self.workers.insert(peer, Worker { demand, hands: Vec::new() });
        let types = TYPES.map(|kind| TypeName::from_text(kind).unwrap()).to_vec();
        self.asked.insert(self.next_request, Asked::Other);
        self.ask(peer, vec![Command::Join { request: self.next_request, types }]);
        self.next_request += 1;
    }

    fn bury_a_worker(&mut self) {
        let mut peers: Vec<Peer> = self.workers.keys().copied().collect();
        peers.sort();
        let Some(place) = self.dice.place(peers.len()) else { return };
        self.workers.remove(&peers[place]).unwrap().demand.close();
        for queue in self.router.peer_gone(peers[place]) {
            let mut out = Outbox::default();
            self.queues[queue as usize].peer_gone(self.now, peers[place], &mut out);
            self.turn(queue as usize, out);
        }
    }

    fn wait(&mut self) {
        let ms = 1 + self.dice.below(400);
        self.now = Now { at: self.now.at.after_ms(ms), wall_ms: self.now.wall_ms + ms };
        for number in 0..self.queues.len() {
            let mut out = Outbox::default();
            self.queues[number].tick(self.now, &mut out);
            self.turn(number, out);
        }
    }

    /// Everything that is not synced goes; the disk makes the next life.
    fn crash(&mut self) {
        self.commits.clear();
        self.workers.clear();
        self.asked.clear();
        let mut recovery = Recovery::new(self.now, Arc::new(Limits::default()));
        for job in self.disk.values() {
            match job.progress.state {
                StoredState::Finished { outcome, .. } => {
                    recovery.archived(&job.id, job.sequence, &job.kind, outcome);
                }
                _ => recovery.live(job.clone(), job.body.len()),
            }
        }
        let next = self.disk.keys().last().map_or(1, |last| last + 1);
        let (router, queues, records) = recovery.finish(next);
        (self.router, self.queues) = (router, queues);
        self.write(records);
        self.master = Peer(self.next_peer);
        self.next_peer += 1;
        self.hire();
    }

    fn ask(&mut self, peer: Peer, commands: Vec<Command>) {
        let mut routes = Routes::default();
        self.router.route(Batch { peer, commands }, &mut routes);
        for (number, kind) in routes.opened {
            assert_eq!(number as usize, self.queues.len());
            self.queues.push(Queue::new(number, kind, true));
        }
        for (peer, notice) in routes.notices {
            self.hear(peer, notice);
        }
        for (queue, batch) in routes.batches {
            let demand =
                self.workers.get(&batch.peer).map_or_else(|| Arc::new(Demand::new(0)), |worker| worker.demand.clone());
            let who = Introduction { name: "somebody".into(), demand, lease_ms: 60_000, outlives: false };
            let mut out = Outbox::default();
            for command in batch.commands {
                self.queues[queue as usize].apply(self.now, batch.peer, &who, command, &mut out);
            }
            self.turn(queue as usize, out);
        }
    }

    /// The end of a queue's turn: what can be said is said, the rest waits for the disk.
    fn turn(&mut self, number: usize, mut out: Outbox) {
        self.queues[number].settle(self.now, &mut out);
        for event in out.ids.drain(..) {
            self.router.hear(number as u32, event);
        }
        if out.records.is_empty() {
            assert!(out.held.is_empty(), "words wait for nothing");
        } else {
            self.commits.push_back((number, out.records, out.held));
        }
        for (peer, notice) in out.notices {
            self.hear(peer, notice);
        }
    }

    fn sync(&mut self, most: usize) {
        for _ in 0..most {
            let Some((_, records, held)) = self.commits.pop_front() else { return };
            self.write(records);
            for Held { peer, notice, .. } in held {
                self.hear(peer, notice);
            }
        }
    }

    fn write(&mut self, records: Vec<Record>) {
        for record in records {
            match record {
                Record::Put(job) => {
                    let before = self.disk.insert(job.sequence, *job);
                    assert!(before.is_none(), "a sequence number was used twice");
                }
                Record::Change { sequence, progress } => {
                    self.disk.get_mut(&sequence).expect("only a job on disk changes").progress = progress;
                }
                Record::Remove { sequence } => {
                    self.disk.remove(&sequence);
                }
                Record::Note { key, .. } => panic!("a queue notes {key}"),
            }
        }
    }

    fn hear(&mut self, peer: Peer, notice: Notice) {
        match notice {
            Notice::Assigned(job) => {
                let id = job.id.text().into_owned();
                assert!(!self.ended.contains(&id), "{id} was completed and acknowledged, and runs again");
                let held = self.workers.values().flat_map(|worker| &worker.hands).any(|other| other.id == job.id);
                assert!(!held, "{id} is held twice");
                assert_eq!(&*job.body, id.as_bytes());
                assert!(job.attempt <= job.max_attempts);
                if let Some(worker) = self.workers.get_mut(&peer) {
                    worker.hands.push(*job);
                }
            }
            Notice::Done { request, .. } => match self.asked.remove(&request) {
                Some(Asked::Submit(id)) => assert!(self.accepted.insert(id.clone()), "{id} was accepted twice"),
                Some(Asked::Complete(id)) => assert!(self.ended.insert(id.clone()), "{id} was completed twice"),
                Some(Asked::Other) | None => {}
            },
            Notice::Refused { request, refusal } => match self.asked.remove(&request) {
                Some(Asked::Submit(id)) => {
                    assert_eq!(refusal, Refusal::IdExists);
                    let known = self.accepted.contains(&id)
                        || self.asked.values().any(|asked| matches!(asked, Asked::Submit(other) if *other == id));
                    assert!(known || self.disk.values().any(|job| job.id.text() == id.as_str()), "{id} exists nowhere");
                }
                _ => assert_eq!(refusal, Refusal::StaleReceipt),
            },
            Notice::Ended { .. } | Notice::Withdrawn { .. } | Notice::Lost { .. } | Notice::Report { .. } => {}
        }
    }
}
