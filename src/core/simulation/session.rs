//! A peer as its connection knows it: a master, a worker, or both. It keeps the rules of a session, in particular those of
//! [`Demand`](crate::core::Demand): whoever frees a hand tells the queues that wait for it, before it answers.

use std::sync::Arc;

use super::dice::Dice;
use super::ledger::{Ledger, Said};
use crate::core::command::Deed;
use crate::core::{
    Answer, Body, Command, Demand, Introduction, JobId, Notice, OnMasterGone, Peer, Policy, Receipt, Submission,
    TypeName,
};

/// How the peers of this world behave.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// They submit, cancel, retry, dawdle, steal receipts. Else they only work, and well.
    pub(super) wild: bool,
    pub(super) types: u64,
    pub(super) ids: u64,
}

/// What peers know of the jobs of others.
#[derive(Default)]
pub(super) struct Rumours {
    pub(super) receipts: Vec<Receipt>,
    pub(super) ids: Vec<JobId>,
}

/// A peer.
pub(super) struct Session {
    pub(super) peer: Peer,
    pub(super) who: Introduction,
    pub(super) inbox: Vec<Notice>,
    /// It submits jobs.
    pub(super) is_master: bool,
    /// The types it works on.
    pub(super) types: Vec<TypeName>,
    pub(super) in_hand: Vec<Receipt>,
    /// How often it was told of an ending.
    pub(super) told: u32,
    on_master_gone: OnMasterGone,
    next_request: u64,
}

/// What somebody does to a job, most often what moves it most.
const DEEDS: [Deed; 9] = [
    Deed::Cancel,
    Deed::Cancel,
    Deed::Retry,
    Deed::Retry,
    Deed::Delete,
    Deed::Find,
    Deed::CancelWaiting,
    Deed::Reprioritize(1),
    Deed::RunNow,
];

impl Session {
    pub(super) fn new(peer: Peer, dice: &mut Dice) -> Session {
        let demand = Arc::new(Demand::new(0));
        let lease_ms = dice.of(&[20, 50, 1_000]);
        Session {
            peer,
            who: Introduction { name: format!("{peer:?}").into(), demand, lease_ms, outlives: false },
            inbox: Vec::new(),
            is_master: false,
            types: Vec::new(),
            in_hand: Vec::new(),
            told: 0,
            on_master_gone: dice.of(&[OnMasterGone::Drop, OnMasterGone::Keep]),
            next_request: 0,
        }
    }

    /// Reads what it was sent.
    pub(super) fn read(&mut self) {
        for notice in std::mem::take(&mut self.inbox) {
            match notice {
                Notice::Assigned(assignment) => self.in_hand.push(assignment.receipt),
                Notice::Ended { .. } => self.told += 1,
                // It learns of it when it next speaks.
                Notice::Withdrawn { .. } => {}
                Notice::Done { .. } | Notice::Refused { .. } | Notice::Lost { .. } | Notice::Report { .. } => {}
            }
        }
    }

    /// From now on it works on these types.
    pub(super) fn join(&mut self, types: Vec<TypeName>) -> Command {
        self.types.extend(types.iter().cloned());
        Command::Join { request: self.request(), types }
    }

    /// Wants more jobs at a time.
    pub(super) fn want(&mut self, hands: u32, ledger: &mut Ledger, commands: &mut Vec<Command>) {
        ledger.credit(self.peer, i64::from(hands));
        self.who.demand.free(hands, None, commands);
    }

    /// Does one thing or another.
    pub(super) fn act(
        &mut self,
        manners: Manners,
        dice: &mut Dice,
        ledger: &mut Ledger,
        rumours: &Rumours,
    ) -> Vec<Command> {
        let mut commands = Vec::new();
        if !manners.wild {
            while let Some(receipt) = self.in_hand.pop() {
                self.answer(receipt, Said::Complete, ledger, &mut commands);
            }
            return commands;
        }
        if self.is_master && dice.percent(50) {
            for _ in 0..=dice.below(3) {
                commands.push(self.submit(manners, dice));
            }
        }
        if dice.percent(60)
            && let Some(place) = dice.place(self.in_hand.len())
        {
            let said = word(dice);
            let receipt = self.in_hand[place];
            if !matches!(said, Said::Touch) {
                self.in_hand.swap_remove(place);
            }
            self.answer(receipt, said, ledger, &mut commands);
        }
        match dice.below(100) {
            0..10 => {
                if let Some(id) = late(&rumours.ids, dice) {
                    let deed = dice.of(&DEEDS);
                    commands.push(Command::Manage { request: self.request(), id: id.clone(), deed });
                }
            }
            10..13 => {
                if let Some(receipt) = late(&rumours.receipts, dice) {
                    commands.push(self.speak(*receipt, word(dice)));
                }
            }
            13..15 if !self.types.is_empty() => {
                let kind = self.types.swap_remove(dice.below(self.types.len() as u64) as usize);
                commands.push(Command::Leave { types: vec![kind] });
            }
            15..18 if self.who.lease_ms > 20 => {
                let kind = kind(dice.below(manners.types));
                if !self.types.contains(&kind) {
                    commands.push(self.join(vec![kind]));
                }
            }
            18..20 => self.want(1, ledger, &mut commands),
            20..22 => ledger.credit(self.peer, -i64::from(self.who.demand.withdraw(1))),
            _ => {}
        }
        commands
    }

    /// Its word on an attempt in its hands. The last one frees the hand: first the queues that wait for that are told, those
    /// that waited longest before the others, then the answer goes out. So the queue that was served last is asked last.
    fn answer(&mut self, receipt: Receipt, said: Said, ledger: &mut Ledger, commands: &mut Vec<Command>) {
        if !matches!(said, Said::Touch) {
            ledger.hand_freed(self.peer);
            self.who.demand.free(1, Some(receipt.queue), commands);
        }
        commands.push(self.speak(receipt, said));
    }

    fn speak(&mut self, receipt: Receipt, said: Said) -> Command {
        let body = || Body::from(&b"null"[..]);
        let answer = match said {
            Said::Complete => Answer::Complete(body()),
            Said::Fail { retry, delay_ms } => Answer::Fail { error: body(), retry, delay_ms },
            Said::Touch => Answer::Touch { lease_ms: None, progress: Some(0.5), note: None },
            Said::Release { delay_ms } => Answer::Release { delay_ms },
        };
        Command::Answer { request: self.request(), receipt, answer }
    }

    pub(super) fn submit(&mut self, manners: Manners, dice: &mut Dice) -> Command {
        let policy = Policy {
            lease_ms: dice.of(&[None, Some(10), Some(30), Some(100_000)]),
            max_attempts: 1 + dice.below(4) as u32,
            backoff_ms: dice.of(&[0, 3, 20]),
            ttl_ms: dice.of(&[None, None, None, None, None, Some(0), Some(15), Some(60)]),
            keep_ms: dice.of(&[0, 0, 10, 1_000]),
            keep_failed_ms: dice.of(&[0, 10, 10_000]),
            durable: dice.percent(30),
            on_master_gone: self.on_master_gone,
        };
        Command::Submit(Submission {
            request: self.request(),
            id: id(manners, dice),
            kind: kind(dice.below(manners.types)),
            priority: dice.of(&[0, 0, 0, 1, 2, -1, i64::MIN, i64::MAX]),
            body: Body::from(vec![b'1'; dice.below(20) as usize]),
            policy: Arc::new(policy),
            delay_ms: dice.of(&[0, 0, 0, 5, 25]),
            notify: dice.percent(70),
            watch: false,
            master: None,
            sequence: 0,
        })
    }

    fn request(&mut self) -> u64 {
        self.next_request += 1;
        self.next_request
    }
}

/// The type with this number.
pub(super) fn kind(number: u64) -> TypeName {
    TypeName::from_text(&format!("type {number}")).expect("it is a name")
}

/// Few ids, so that they meet again.
fn id(manners: Manners, dice: &mut Dice) -> JobId {
    JobId::from_text(&format!("job {}", dice.below(manners.ids))).expect("it is a name")
}

/// One of the last few.
fn late<'a, T>(all: &'a [T], dice: &mut Dice) -> Option<&'a T> {
    let few = &all[all.len().saturating_sub(15)..];
    dice.place(few.len()).map(|place| &few[place])
}

fn word(dice: &mut Dice) -> Said {
    match dice.below(10) {
        0..5 => Said::Complete,
        5..7 => Said::Fail { retry: dice.percent(80), delay_ms: dice.of(&[None, Some(0), Some(12)]) },
        7..9 => Said::Touch,
        _ => Said::Release { delay_ms: dice.of(&[0, 0, 9]) },
    }
}
