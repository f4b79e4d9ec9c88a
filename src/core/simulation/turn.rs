//! The turn of a queue, every word of it held against the ledger.

use super::ledger::{Entry, Place, Said};
use super::world::{Letter, Mail, World};
use crate::core::command::{Batch, Command, Deed, Notice, Outbox, Receipt, Submission};
use crate::core::{Answer, JobId, Moment, Peer, QueueNo, Request};

/// What of a command the ledger has to know once it was answered.
enum Asked {
    Submit(Request, Box<Entry>),
    Answer(Request, Receipt, Said),
    Deed(Request, JobId, Deed),
    Nothing,
}

impl World {
    /// A queue takes its turn: what is due, some of its mail, then it hands out jobs.
    pub(super) fn turn(&mut self, number: QueueNo, most: usize) {
        let mut out = Outbox::default();
        let now = self.now;
        let mut said = Outbox::default();
        self.of(number).queue.tick(now, &mut out);
        self.ledger.ticked(now.at, number);
        self.hear(number, &mut out, &mut said);
        for _ in 0..most {
            let Some(mail) = self.of(number).mailbox.pop_front() else { break };
            match mail {
                Mail::Gone(peer) => {
                    self.of(number).queue.peer_gone(now, peer, &mut out);
                    self.ledger.gone(now.at, number, peer);
                    self.hear(number, &mut out, &mut said);
                }
                Mail::Batch(Batch { peer, commands }) => {
                    let who = self.introductions[&peer].clone();
                    for command in commands {
                        let asked = asked(number, peer, &command, now.at);
                        self.of(number).queue.apply(now, peer, &who, command, &mut out);
                        self.granted(number, asked, &out);
                        self.hear(number, &mut out, &mut said);
                    }
                }
            }
        }
        self.of(number).queue.settle(now, &mut out);
        self.hear(number, &mut out, &mut said);
        let census = self.of(number).queue.census();
        self.ledger.audit(number, census);
        self.in_tray.push_back(Letter::Ids(number, said.ids));
        self.deliver(said.notices);
        assert!(said.held.is_empty() || !said.records.is_empty(), "words wait for a commit that never comes");
        if !said.records.is_empty() {
            self.commits.push_back((said.records, said.held));
        }
    }

    /// Tells the ledger how a command was answered.
    fn granted(&mut self, number: QueueNo, asked: Asked, out: &Outbox) {
        let at = self.now.at;
        let granted = |asked: Request| {
            let said = out.notices.iter().map(|(_, notice)| notice).chain(out.held.iter().map(|held| &held.notice));
            let mut answers = said.filter_map(|notice| match notice {
                Notice::Done { request, lease_ms } if *request == asked => Some(Some(*lease_ms)),
                Notice::Refused { request, .. } if *request == asked => Some(None),
                _ => None,
            });
            let answer = answers.next().expect("every request is answered");
            assert_eq!(answers.next(), None, "a request is answered once");
            answer
        };
        match asked {
            Asked::Submit(request, entry) => {
                assert!(granted(request).is_some(), "a queue takes what the router lets through");
                self.rumours.ids.push(entry.id.clone());
                self.ledger.accepted(at, *entry);
            }
            Asked::Answer(request, receipt, said) => self.ledger.answered(at, receipt, said, granted(request)),
            Asked::Deed(request, id, deed) => self.ledger.managed(at, number, &id, deed, granted(request).is_some()),
            Asked::Nothing => {}
        }
    }

    /// What a queue says goes to the ledger at once; to its readers, behind the id events, when the turn ends.
    fn hear(&mut self, number: QueueNo, out: &mut Outbox, said: &mut Outbox) {
        let held = out.held.iter().map(|held| (&held.peer, &held.notice));
        for (peer, notice) in out.notices.iter().map(|(peer, notice)| (peer, notice)).chain(held) {
            self.say(|| format!("queue {number} tells {peer:?}: {notice:?}"));
            match notice {
                Notice::Assigned(assignment) => {
                    self.ledger.assigned(self.now.at, number, *peer, assignment);
                    self.rumours.receipts.push(assignment.receipt);
                    self.rumours.ids.push(assignment.id.clone());
                }
                Notice::Ended { id, .. } => self.ledger.told(number, *peer, id),
                Notice::Done { .. }
                | Notice::Refused { .. }
                | Notice::Withdrawn { .. }
                | Notice::Lost { .. }
                | Notice::Report { .. } => {}
            }
        }
        for event in &out.ids {
            self.ledger.id_event(event);
        }
        said.notices.append(&mut out.notices);
        said.ids.append(&mut out.ids);
        said.held.append(&mut out.held);
        said.records.append(&mut out.records);
    }
}

fn asked(queue: QueueNo, peer: Peer, command: &Command, now: Moment) -> Asked {
    match command {
        Command::Submit(submission) => Asked::Submit(submission.request, Box::new(entry(queue, peer, submission, now))),
        Command::Answer { request, receipt, answer } => {
            let said = match answer {
                Answer::Complete(_) => Said::Complete,
                Answer::Fail { retry, delay_ms, .. } => Said::Fail { retry: *retry, delay_ms: *delay_ms },
                Answer::Touch { .. } => Said::Touch,
                Answer::Release { delay_ms } => Said::Release { delay_ms: *delay_ms },
            };
            Asked::Answer(*request, *receipt, said)
        }
        Command::Manage { request, id, deed } => Asked::Deed(*request, id.clone(), *deed),
        Command::Join { .. }
        | Command::Leave { .. }
        | Command::Ready { .. }
        | Command::Forget { .. }
        | Command::AnswerById { .. }
        | Command::Look { .. }
        | Command::Watch { .. }
        | Command::Unwatch { .. }
        | Command::Name { .. } => Asked::Nothing,
    }
}

fn entry(queue: QueueNo, peer: Peer, submission: &Submission, now: Moment) -> Entry {
    Entry {
        id: submission.id.clone(),
        sequence: submission.sequence,
        queue,
        priority: submission.priority,
        policy: submission.policy.clone(),
        master: peer,
        notify: submission.notify,
        weight: submission.weight(),
        place: Place::Waiting(now.after_ms(submission.delay_ms)),
        born: now,
        attempts: 0,
        endings: 0,
        told: 0,
        orphaned: false,
        archived: false,
        freed: false,
    }
}
