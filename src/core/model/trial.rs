//! A trial: the queue and its model live through the same steps, and are compared after each.

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::naive::{Job, Model, Place};
use super::shelf::Shelf;
use super::steps::{By, Field, Jump, NewJob, PEERS, Step, Which, Word};
use crate::core::command::{Answer, Command, Introduction, Outbox, Receipt, Submission};
use crate::core::ids::{Ids, Took};
use crate::core::{Body, Demand, JobId, Moment, Now, Peer, Queue, TypeName};

/// The number of the queue: receipts and demands name it.
const NUMBER: u32 = 7;

/// An alarm further away than this isn't worth waiting for.
const FAR_MS: u64 = 1_000_000;

/// Whether both agree.
pub(super) type Checked = Result<(), TestCaseError>;

/// The queue, its model, and the sessions around them.
pub(super) struct Trial {
    pub(super) queue: Queue,
    pub(super) model: Model,
    pub(super) shelf: Shelf,
    pub(super) now: Now,
    pub(super) sessions: Vec<Session>,
    pub(super) ids: Ids,
    /// Every receipt that was ever handed out, and to whom.
    pub(super) receipts: Vec<(Receipt, Peer)>,
    /// The same by what names an attempt without a key.
    pub(super) by_attempt: HashMap<(u64, u32), Receipt>,
    pub(super) sequence: u64,
    pub(super) request: u64,
    pub(super) peers_born: u64,
}

/// A peer as its connection knows it.
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) who: Introduction,
    /// Attempts it was given and has not spoken its last word on.
    pub(super) in_hand: Vec<Receipt>,
    /// It owes the queue a word: a hand came free that the queue waits for.
    pub(super) owes_ready: bool,
}

impl Trial {
    pub(super) fn new(stores: bool) -> Trial {
        let kind = TypeName::from_text("kind").expect("it is a name");
        let mut trial = Trial {
            queue: Queue::new(NUMBER, kind.clone(), stores),
            model: Model::new(NUMBER, kind, stores),
            shelf: Shelf::default(),
            now: Now { at: Moment(1_000_000), wall_ms: 1_000 },
            sessions: Vec::new(),
            ids: Ids::default(),
            receipts: Vec::new(),
            by_attempt: HashMap::new(),
            sequence: 0,
            request: 0,
            peers_born: 0,
        };
        trial.sessions = (0..PEERS).map(|place| trial.new_session(place)).collect();
        trial
    }

    /// Lives through the steps, and half of the time to the end of all deadlines; then the server stops and starts again.
    pub(super) fn run(mut self, steps: &[(Step, bool)]) -> Checked {
        for (step, turn_ends) in steps {
            self.step(step)?;
            if *turn_ends {
                self.settle()?;
            }
        }
        for place in 0..PEERS {
            self.pay_ready(place)?;
        }
        self.settle()?;
        if steps.len().is_multiple_of(2) {
            self.outlive_everything()?;
        }
        self.obituary_names_everyone()?;
        std::mem::take(&mut self.shelf).restart(self.now, &self.model)
    }

    fn step(&mut self, step: &Step) -> Checked {
        match step {
            Step::Submit(job) => self.submit(job),
            Step::Join(place) => self.tell(*place, |request| Command::Join { request, types: Vec::new() }),
            Step::Leave(place) => {
                self.sessions[*place].owes_ready = false;
                self.tell(*place, |_| Command::Leave { types: Vec::new() })
            }
            Step::Ready(place) => {
                self.sessions[*place].owes_ready = false;
                self.tell(*place, |_| Command::Ready { queue: NUMBER })
            }
            Step::HandTaken(place) => {
                let hands = self.model.hands_of(self.sessions[*place].peer);
                let had_one = *hands > 0;
                *hands -= u32::from(had_one);
                prop_assert_eq!(self.sessions[*place].who.demand.take(), had_one);
                Ok(())
            }
            Step::HandFreed { peer, tell } => {
                self.free_a_hand(*peer)?;
                if *tell { self.pay_ready(*peer) } else { Ok(()) }
            }
            Step::Answer { receipt, by, word, tell_first } => self.answer(*receipt, *by, *word, *tell_first),
            Step::Manage { id, by, deed } => {
                let (id, deed) = (name(*id), *deed);
                self.tell(*by, |request| Command::Manage { request, id: id.clone(), deed })
            }
            Step::Gone { peer, late } => self.peer_gone(*peer, *late),
            Step::Pause => {
                self.queue.set_paused(true);
                self.model.set_paused(true);
                Ok(())
            }
            Step::Resume => {
                self.queue.set_paused(false);
                self.model.set_paused(false);
                Ok(())
            }
            Step::Time { jump, tick } => {
                self.pass_time(*jump);
                if *tick { self.tick() } else { Ok(()) }
            }
        }
    }

    /// What the supervisor does with a submit: it refuses a taken id itself.
    fn submit(&mut self, job: &NewJob) -> Checked {
        let id = name(job.id);
        self.sequence += 1;
        let sequence = self.sequence;
        match self.ids.take(&id, NUMBER, sequence) {
            Took::Exists => return Ok(()),
            Took::GaveWay(_) => self.tell(job.master, |_| Command::Forget { id: id.clone() })?,
            Took::Free => {}
        }
        self.tell(job.master, |request| {
            Command::Submit(Submission {
                request,
                id: id.clone(),
                kind: TypeName::unnamed(),
                priority: job.priority,
                body: Body::from(vec![b'7'; job.bytes]),
                policy: job.policy.clone(),
                delay_ms: job.delay_ms,
                notify: job.notify,
                watch: false,
                master: None,
                sequence,
            })
        })
    }

    fn answer(&mut self, which: Which, by: By, word: Word, tell_first: bool) -> Checked {
        let Some((receipt, holder)) = self.choose(which) else { return Ok(()) };
        let place = match by {
            By::Peer(place) => place,
            // One that is gone has no more to say.
            By::Holder => match self.sessions.iter().position(|session| session.peer == holder) {
                Some(place) => place,
                None => return Ok(()),
            },
        };
        let last_word = !matches!(word, Word::Touch { .. });
        if let Some(held) = self.sessions[place].in_hand.iter().position(|held| *held == receipt)
            && last_word
        {
            self.sessions[place].in_hand.remove(held);
            self.free_a_hand(place)?;
            if tell_first {
                self.pay_ready(place)?;
            }
            // The answer itself tells this queue.
            self.sessions[place].owes_ready = false;
        }
        self.tell(place, |request| Command::Answer { request, receipt, answer: answer(word, request) })
    }

    fn choose(&self, which: Which) -> Option<(Receipt, Peer)> {
        match which {
            Which::Any(index) => self.receipts.get(index.checked_rem(self.receipts.len())?).copied(),
            Which::Live(index) => {
                let running = self.model.jobs.iter().filter_map(|job| match job.place {
                    Place::Running { worker, .. } => Some((self.by_attempt[&(job.sequence, job.deliveries)], worker)),
                    Place::Scheduled(_) | Place::Queued | Place::Finished { .. } => None,
                });
                let running: Vec<(Receipt, Peer)> = running.collect();
                running.get(index.checked_rem(running.len())?).copied()
            }
            Which::Forged(index, field) => {
                let (mut receipt, holder) = self.choose(Which::Live(index))?;
                match field {
                    Field::Key => receipt.key += 1,
                    Field::Sequence => receipt.sequence += 1,
                    Field::Delivery => receipt.delivery += 1,
                }
                Some((receipt, holder))
            }
        }
    }

    fn peer_gone(&mut self, place: usize, late: bool) -> Checked {
        let gone = self.new_session(place);
        let gone = std::mem::replace(&mut self.sessions[place], gone);
        gone.who.demand.close();
        *self.model.hands_of(gone.peer) = 0;
        if late {
            self.settle()?;
        }
        let (mut got, mut wanted) = (Outbox::default(), Outbox::default());
        self.queue.peer_gone(self.now, gone.peer, &mut got);
        self.model.peer_gone(self.now, gone.peer, &mut wanted);
        self.compare(got, wanted, true)
    }

    fn pass_time(&mut self, jump: Jump) {
        let alarm = self.model.next_alarm().filter(|alarm| alarm.ms_since(self.now.at) < FAR_MS);
        let soon = self.now.at.after_ms(1);
        let at = match jump {
            Jump::Ms(ms) => self.now.at.after_ms(ms),
            Jump::JustBefore => alarm.map_or(soon, |alarm| Moment(alarm.0 - 1)),
            Jump::Exactly => alarm.unwrap_or(soon),
            Jump::JustAfter => alarm.map_or(soon, |alarm| Moment(alarm.0 + 1)),
        };
        let at = at.max(self.now.at);
        self.now = Now { at, wall_ms: at.0 / 1_000 };
    }

    /// A hand of the peer comes free: its demand names the queue exactly where the queue waits for that.
    fn free_a_hand(&mut self, place: usize) -> Checked {
        let session = &mut self.sessions[place];
        *self.model.hands_of(session.peer) += 1;
        let waiting = self.model.looks_away_from.iter().position(|peer| *peer == session.peer);
        waiting.map(|place| self.model.looks_away_from.remove(place));
        let wanted = if waiting.is_some() { vec![NUMBER] } else { Vec::new() };
        prop_assert_eq!(session.who.demand.free_one(None), wanted, "who has to hear of a free hand");
        session.owes_ready |= waiting.is_some();
        Ok(())
    }

    fn pay_ready(&mut self, place: usize) -> Checked {
        if std::mem::take(&mut self.sessions[place].owes_ready) {
            self.tell(place, |_| Command::Ready { queue: NUMBER })?;
        }
        Ok(())
    }

    /// Says the same to the queue and to the model.
    fn tell(&mut self, place: usize, command: impl Fn(u64) -> Command) -> Checked {
        self.request += 1;
        let (mut got, mut wanted) = (Outbox::default(), Outbox::default());
        let Session { peer, who, .. } = &self.sessions[place];
        let for_model = command(self.request);
        match &for_model {
            // Keys are the queue's own affair: that one is wrong the model has to be told.
            Command::Answer { request, receipt, answer } if self.has_wrong_key(receipt) => {
                let receipt = Receipt { sequence: 0, ..*receipt };
                self.model.answer(self.now, *peer, *request, receipt, answer, &mut wanted);
            }
            _ => self.model.apply(self.now, *peer, who, &for_model, &mut wanted),
        }
        self.queue.apply(self.now, *peer, who, command(self.request), &mut got);
        self.compare(got, wanted, false)
    }

    fn has_wrong_key(&self, receipt: &Receipt) -> bool {
        let attempt = (receipt.sequence, receipt.delivery);
        let runs = |job: &Job| (job.sequence, job.deliveries) == attempt && matches!(job.place, Place::Running { .. });
        self.by_attempt.get(&attempt) != Some(receipt) && self.model.jobs.iter().any(runs)
    }

    fn settle(&mut self) -> Checked {
        let (mut got, mut wanted) = (Outbox::default(), Outbox::default());
        self.queue.settle(self.now, &mut got);
        self.model.settle(self.now, &mut wanted);
        self.compare(got, wanted, false)
    }

    fn tick(&mut self) -> Checked {
        let (mut got, mut wanted) = (Outbox::default(), Outbox::default());
        self.queue.tick(self.now, &mut got);
        self.model.tick(self.now, &mut wanted);
        self.compare(got, wanted, true)
    }

    /// From alarm to alarm, until nothing is due any more.
    fn outlive_everything(&mut self) -> Checked {
        while self.model.next_alarm().is_some_and(|alarm| alarm.ms_since(self.now.at) < FAR_MS) {
            self.pass_time(Jump::Exactly);
            self.tick()?;
            self.settle()?;
        }
        Ok(())
    }

    fn new_session(&mut self, place: usize) -> Session {
        self.peers_born += 1;
        let peer = Peer(self.peers_born);
        let hands = self.peers_born as u32 % 4;
        self.model.hands.push((peer, hands));
        let who = Introduction {
            name: format!("peer {place}").into(),
            demand: Arc::new(Demand::new(hands)),
            lease_ms: 5 + 5 * place as u64,
            outlives: false,
        };
        Session { peer, who, in_hand: Vec::new(), owes_ready: false }
    }
}

fn name(id: u8) -> JobId {
    JobId::from_text(&format!("job {id}")).expect("it is a name")
}

fn answer(word: Word, number: u64) -> Answer {
    match word {
        Word::Complete => Answer::Complete(format!("{number}").into_bytes().into()),
        Word::Fail { retry, delay_ms } => {
            Answer::Fail { error: format!("-{number}").into_bytes().into(), retry, delay_ms }
        }
        Word::Touch { lease_ms } => Answer::Touch { lease_ms, progress: None, note: None },
        Word::Release { delay_ms } => Answer::Release { delay_ms },
    }
}
