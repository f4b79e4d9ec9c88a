//! What is asked of jobs that live in the store's archive: the store is asked, and its answer carried out here.

use std::time::Duration;

use actix::{Addr, AsyncContext, Context, Handler, Message};

use super::keeper::{Discard, Keeper, Unearth};
use super::queue::Revive;
use super::supervisor::Supervisor;
use crate::core::job::Outcome;
use crate::core::record::{StoredJob, StoredState};
use crate::core::router::Shelved;
use crate::core::{Batch, Command, Deed, Notice, Peer, Refusal, Report, Request, Routes};

/// Who watches a job whose end has no room on the disk is looked after so often.
const LOOKED_AGAIN: Duration = Duration::from_millis(100);

impl Supervisor {
    /// Asks the store for the jobs of these commands.
    pub(super) fn unearth(&mut self, shelved: &mut Vec<Shelved>, ctx: &mut Context<Self>) {
        if shelved.is_empty() {
            return;
        }
        let keeper = self.keeper.clone().expect("only a store has an archive");
        let asked = std::mem::take(shelved);
        let sequences = asked.iter().flat_map(|asked| asked.candidates.iter().copied()).collect();
        let supervisor = ctx.address();
        actix_rt::spawn(async move {
            // Without an answer the process is about to end.
            if let Ok(jobs) = keeper.send(Unearth { sequences }).await {
                supervisor.do_send(Unearthed { asked, jobs });
            }
        });
    }

    fn carry_on(&mut self, asked: Shelved, job: Option<StoredJob>, ctx: &mut Context<Self>) {
        let Shelved { peer, request, id, command, candidates } = asked;
        let Some(job) = job else {
            // Its time was over meanwhile; if it was retried then, and that found no room, nobody else says so.
            candidates.into_iter().for_each(|sequence| self.router.archive_forgot(&id, sequence));
            return self.tell(peer, refused(request, Refusal::UnknownJob));
        };
        if !self.router.is_archived(&id, job.sequence) {
            return self.ask_again(peer, command, ctx);
        }
        // None: it has ended, but there is no room on the disk to say so. To everybody else it is as the disk has it.
        let outcome = match job.progress.state {
            StoredState::Finished { outcome, .. } => Some(outcome),
            StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => None,
        };
        match command {
            Command::Watch { .. } if outcome.is_none() => {
                ctx.run_later(LOOKED_AGAIN, move |supervisor, ctx| supervisor.ask_again(peer, command, ctx));
            }
            Command::Look { .. } | Command::Watch { .. } => {
                self.tell(peer, Notice::Report { request, report: Box::new(Report::archived(job)) });
            }
            Command::AnswerById { .. } | Command::Manage { deed: Deed::Delete, .. } if outcome.is_none() => {
                self.tell(peer, refused(request, Refusal::DiskFull));
            }
            Command::AnswerById { ticket, answer, .. } => match ticket.judge(&job, &answer) {
                Ok(()) => self.tell(peer, done(request)),
                Err(refusal) => self.tell(peer, refused(request, refusal)),
            },
            Command::Manage { deed: Deed::Delete, .. } => self.discard(peer, request, &job, ctx),
            Command::Manage { .. } => match outcome {
                Some(Outcome::Failed | Outcome::Cancelled) => self.requeue(peer, request, job, ctx),
                Some(Outcome::Completed) => self.tell(peer, refused(request, Refusal::AlreadyCompleted)),
                Some(Outcome::Expired) => self.tell(peer, refused(request, Refusal::AlreadyFinished)),
                None => self.tell(peer, refused(request, Refusal::DiskFull)),
            },
            Command::Submit(_)
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::Ready { .. }
            | Command::Answer { .. }
            | Command::Unwatch { .. }
            | Command::Name { .. }
            | Command::Forget { .. } => unreachable!("the router shelves only what asks of one job by its id"),
        }
    }

    /// The job moved while the store was asked.
    fn ask_again(&mut self, peer: Peer, command: Command, ctx: &mut Context<Self>) {
        // Whoever has left is not to be introduced to a queue again.
        if !self.peers.contains_key(&peer) {
            return;
        }
        self.route(Batch { peer, commands: vec![command] }, ctx);
    }

    fn requeue(&mut self, peer: Peer, request: Request, job: StoredJob, ctx: &mut Context<Self>) {
        if !self.peers.contains_key(&peer) {
            return;
        }
        let mut routes = Routes::default();
        let queue = self.router.revive(&job, &mut routes).expect("it was in the archive a moment ago");
        self.router.introduce(peer, queue, &mut routes);
        self.open_queues(&mut routes, ctx);
        self.send_introductions(&mut routes);
        if let Some(address) = self.address_of(queue) {
            address.do_send(Revive { peer, request, job: Box::new(job) });
        }
    }

    fn discard(&self, peer: Peer, request: Request, job: &StoredJob, ctx: &mut Context<Self>) {
        let keeper: Addr<Keeper> = self.keeper.clone().expect("only a store has an archive");
        let jobs = vec![(job.id.clone(), job.sequence)];
        let supervisor = ctx.address();
        actix_rt::spawn(async move {
            if let Ok(discarded) = keeper.send(Discard { jobs }).await {
                let refusal = if discarded.is_err() { Refusal::DiskFull } else { Refusal::UnknownJob };
                let notice = if discarded == Ok(1) { done(request) } else { refused(request, refusal) };
                supervisor.do_send(Tell { peer, notice });
            }
        });
    }
}

fn done(request: Request) -> Notice {
    Notice::Done { request, lease_ms: 0 }
}

fn refused(request: Request, refusal: Refusal) -> Notice {
    Notice::Refused { request, refusal }
}

/// What the store has of the jobs of some commands.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unearthed {
    /// The commands.
    pub asked: Vec<Shelved>,
    /// The jobs of their candidates, in order.
    pub jobs: Vec<Option<StoredJob>>,
}

impl Handler<Unearthed> for Supervisor {
    type Result = ();

    fn handle(&mut self, Unearthed { asked, jobs }: Unearthed, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        let mut jobs = jobs.into_iter();
        for asked in asked {
            let candidates = jobs.by_ref().take(asked.candidates.len()).flatten();
            let found: Vec<StoredJob> = candidates.filter(|job| job.id == asked.id).collect();
            self.carry_on(asked, found.into_iter().next(), ctx);
        }
    }
}

/// A word for a peer.
#[derive(Message)]
#[rtype(result = "()")]
struct Tell {
    peer: Peer,
    notice: Notice,
}

impl Handler<Tell> for Supervisor {
    type Result = ();

    fn handle(&mut self, Tell { peer, notice }: Tell, ctx: &mut Self::Context) {
        self.catch_up(ctx);
        self.tell(peer, notice);
    }
}
