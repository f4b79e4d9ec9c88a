//! The actor of one action: a master without a socket. It submits one durable job per step, waits for its end, submits the
//! next; at the end it tells whoever asked to be told.
//!
//! What it has done is on disk before it goes on, since each step's job is; so after a restart it reads from the jobs where it
//! was (see [`Resume`]). The id of a step's job is made of the action's: a step is never submitted twice.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, WrapFuture};
use log::{debug, warn};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::callback;
use super::plan::{End, How, Plan};
use crate::core::action::{self, Carried, Next, Resume, StepEnd, Trace};
use crate::core::record::{Outcome, StoredState};
use crate::core::{Body, Deed, JobId, PeerName, Policy, Refusal, Report};
use crate::web::desk::Draft;
use crate::web::outside::{ACTION, ACTION_END, Hall, key, wall_ms};
use crate::web::processors::error_text;

/// What is known of an action; its actor writes it, others look.
#[derive(Debug)]
pub struct Account {
    /// What it is to do.
    pub plan: Plan,
    /// The step it is at.
    pub step: usize,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// Who waits for that.
    pub waiting: Vec<oneshot::Sender<()>>,
}

impl Account {
    /// An action at its first step.
    pub fn new(plan: Plan) -> Account {
        Account { plan, step: 0, end: None, waiting: Vec::new() }
    }
}

/// What came to an action's end, or turned out to have never begun.
pub type Told = Rc<dyn Fn(&JobId, Ended)>;

/// How an actor came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It has ended, and whoever wanted to know was told or could not be.
    Done,
    /// It was never accepted: the last process ended while it was asked for.
    NeverBegan,
}

/// One action.
pub struct Action {
    hall: Rc<Hall>,
    account: Rc<RefCell<Account>>,
    machine: action::Action,
    begin: Begin,
    /// The last result, until the next step has it.
    held: Option<(Carried, Body)>,
    told: Told,
}

/// Where an actor begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// Its first step was submitted just now.
    First,
    /// The last process knew it; how far it came is to be found out.
    Resume,
    /// The last process knew that it had ended, but not that this was told.
    Ended,
}

impl Action {
    /// An action that goes on by itself once it is started. Its end is told to `told`.
    pub fn new(hall: Rc<Hall>, account: Rc<RefCell<Account>>, begin: Begin, told: Told) -> Action {
        let machine = {
            let plan = &account.borrow().plan;
            action::Action::new(plan.steps.len(), plan.on_failure)
        };
        Action { hall, account, machine, begin, held: None, told }
    }

    fn find_out(&mut self, ctx: &mut Context<Self>) {
        let (hall, account) = (self.hall.clone(), self.account.clone());
        let found = async move { how_far(&hall, &account).await };
        ctx.spawn(found.into_actor(self).map(|found, action, ctx| match found {
            Some(machine) => {
                action.machine = machine;
                let next = action.machine.next();
                action.go_on(next, true, ctx);
            }
            None => action.stop(Ended::NeverBegan, ctx),
        }));
    }

    fn go_on(&mut self, next: Next, is_submitted: bool, ctx: &mut Context<Self>) {
        match next {
            Next::Step { step, data } => {
                self.account.borrow_mut().step = step;
                let (hall, account, held) = (self.hall.clone(), self.account.clone(), self.held.take());
                let seen = async move { see_to(&hall, &account, step, data, held, is_submitted).await };
                ctx.spawn(seen.into_actor(self).map(move |seen, action, ctx| action.step_ended(step, seen, ctx)));
            }
            Next::Completed { data } => self.end(How::Completed { data }, ctx),
            Next::Failed { step } => self.end(How::Failed { step, error: None }, ctx),
        }
    }

    fn step_ended(&mut self, step: usize, seen: Result<Box<Report>, Body>, ctx: &mut Context<Self>) {
        let job = self.account.borrow().plan.job_of(step);
        self.hall.steps.borrow_mut().remove(&job);
        let report = match seen {
            Ok(report) => report,
            // Nobody could say more than this of the step: skipping it would hide what is wrong.
            Err(error) => return self.end(How::Failed { step, error: Some(error) }, ctx),
        };
        let next = match result_of(*report) {
            Some(result) => {
                self.held = Some((Carried::ResultOf(step), result));
                self.machine.step_ended(StepEnd::Completed)
            }
            None => self.machine.step_ended(StepEnd::Failed),
        };
        self.go_on(next, false, ctx);
    }

    fn end(&mut self, how: How, ctx: &mut Context<Self>) {
        let end = End { how, at_ms: wall_ms(), is_delivered: false };
        debug!(action = &*self.account.borrow().plan.id.text(), state = end.state(); "an action has ended");
        self.held = None;
        self.account.borrow_mut().end = Some(end);
        let (hall, account) = (self.hall.clone(), self.account.clone());
        // Whoever waits is told when it is on disk: an action that was seen to end stays so.
        let kept = async move { keep_end(&hall, &account).await };
        ctx.spawn(kept.into_actor(self).map(|(), action, ctx| {
            for waiting in std::mem::take(&mut action.account.borrow_mut().waiting) {
                // It may have given up.
                let _ = waiting.send(());
            }
            action.deliver(ctx);
        }));
    }

    fn deliver(&mut self, ctx: &mut Context<Self>) {
        if self.account.borrow().plan.response_url.is_none() {
            return self.stop(Ended::Done, ctx);
        }
        let (hall, account) = (self.hall.clone(), self.account.clone());
        let delivered = async move {
            if callback::deliver(&hall, &account).await {
                if let Some(end) = &mut account.borrow_mut().end {
                    end.is_delivered = true;
                }
                keep_end(&hall, &account).await;
            }
        };
        ctx.spawn(delivered.into_actor(self).map(|(), action, ctx| action.stop(Ended::Done, ctx)));
    }

    fn stop(&mut self, ended: Ended, ctx: &mut Context<Self>) {
        let id = self.account.borrow().plan.id.clone();
        (self.told)(&id, ended);
        ctx.stop();
    }
}

impl Actor for Action {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        match self.begin {
            Begin::First => {
                let next = self.machine.next();
                self.go_on(next, true, ctx);
            }
            Begin::Resume => self.find_out(ctx),
            Begin::Ended => self.deliver(ctx),
        }
    }
}

/// The job of a step.
pub fn draft(plan: &Plan, step: usize, body: Body) -> Draft {
    // Its record is the action's memory: it goes when the action is forgotten, and by itself only long after.
    let policy = Policy { keep_ms: KEPT_MS, keep_failed_ms: KEPT_MS, ..Policy::durable() };
    Draft {
        id: plan.job_of(step),
        kind: plan.steps[step].clone(),
        priority: plan.priority,
        body,
        policy: Arc::new(policy),
        delay_ms: 0,
        master: master_of(plan),
    }
}

/// How an action is called as a master.
fn master_of(plan: &Plan) -> PeerName {
    format!("action:{}", plan.id.text()).into()
}

/// A step's record is kept for ten years, unless its action is forgotten before.
const KEPT_MS: u64 = 10 * 365 * 24 * 3_600_000;

/// One wait for a step's end; then comes the next.
const ONE_WAIT: Duration = Duration::from_secs(24 * 3_600);

/// How long to wait before a refused submit is tried again: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sees to it that a step's job is there, and waits for its end.
///
/// # Errors
/// Why there can't be such a job. JSON.
async fn see_to(
    hall: &Rc<Hall>,
    account: &Rc<RefCell<Account>>,
    step: usize,
    data: Carried,
    mut held: Option<(Carried, Body)>,
    is_submitted: bool,
) -> Result<Box<Report>, Body> {
    let (id, action) = {
        let plan = &account.borrow().plan;
        (plan.job_of(step), plan.id.clone())
    };
    hall.steps.borrow_mut().insert(id.clone(), (action, step));
    let mut pause = FIRST_PAUSE;
    let mut is_there = is_submitted;
    loop {
        let seen = if is_there {
            hall.desk.wait(id.clone(), ONE_WAIT).await.map(Some)
        } else {
            let body = match held.take().filter(|(carried, _)| *carried == data) {
                Some((_, body)) => body,
                None => data_of(hall, account, data).await?,
            };
            let draft = draft(&account.borrow().plan, step, body.clone());
            let seen = hall.desk.submit_and_wait(draft, ONE_WAIT).await;
            if seen.is_err() {
                // It may be needed again.
                held = Some((data, body));
            }
            seen
        };
        match seen {
            Ok(Some(report)) if report.state().outcome().is_some() => return Ok(Box::new(report)),
            Ok(_) => is_there = true,
            // A job of the last process, or one that stood for this step already when the action was asked for.
            Err(Refusal::IdExists) if is_ours(hall, account, step).await => is_there = true,
            Err(Refusal::IdExists) => return Err(error_text("another job has the id of this step's job")),
            Err(Refusal::UnknownJob) => return Err(error_text("the job of this step was removed")),
            Err(refusal) => {
                // The queue died, there is no room, the server is about to stop: it is tried again, and what was accepted
                // is there then.
                debug!(why = refusal.code(); "a step has to wait");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

/// Whether the job with the id of this step's is this step's.
async fn is_ours(hall: &Hall, account: &Rc<RefCell<Account>>, step: usize) -> bool {
    let (id, kind, master) = {
        let plan = &account.borrow().plan;
        (plan.job_of(step), plan.steps[step].clone(), master_of(plan))
    };
    hall.desk.look(id).await.is_ok_and(|report| report.job.kind == kind && report.job.master == master)
}

/// The data that goes into a step, or comes out of the action.
///
/// # Errors
/// It is gone. JSON.
pub async fn data_of(hall: &Hall, account: &Rc<RefCell<Account>>, data: Carried) -> Result<Body, Body> {
    let job = match data {
        Carried::Input => account.borrow().plan.job_of(0),
        Carried::ResultOf(step) => account.borrow().plan.job_of(step),
    };
    let gone = || error_text("the job that has the data was removed");
    let report = hall.desk.look(job).await.map_err(|_| gone())?;
    match data {
        Carried::Input => Ok(report.job.body),
        Carried::ResultOf(_) => result_of(report).ok_or_else(gone),
    }
}

/// The result of a completed job.
fn result_of(report: Report) -> Option<Body> {
    match report.job.progress.state {
        StoredState::Finished { outcome: Outcome::Completed, detail, .. } => Some(detail.unwrap_or_default()),
        StoredState::Finished { .. }
        | StoredState::Scheduled { .. }
        | StoredState::Queued
        | StoredState::Running { .. } => None,
    }
}

/// How far the last process came with an action; none where it was never accepted.
async fn how_far(hall: &Hall, account: &Rc<RefCell<Account>>) -> Option<action::Action> {
    let mut resume = {
        let plan = &account.borrow().plan;
        Resume::new(plan.steps.len(), plan.on_failure)
    };
    let mut was_found = false;
    loop {
        match resume.ask() {
            Err(machine) => return was_found.then_some(machine),
            Ok(step) => {
                let id = account.borrow().plan.job_of(step);
                let trace = match hall.desk.look(id).await {
                    Ok(report) if result_of_is_there(&report) => Trace::Completed,
                    Ok(_) => Trace::Other,
                    Err(Refusal::UnknownJob) => Trace::None,
                    // Its queue has just died: the store knows more in a moment.
                    Err(_) => {
                        sleep(FIRST_PAUSE).await;
                        continue;
                    }
                };
                was_found |= trace != Trace::None;
                resume.told(trace);
            }
        }
    }
}

fn result_of_is_there(report: &Report) -> bool {
    matches!(report.job.progress.state, StoredState::Finished { outcome: Outcome::Completed, .. })
}

/// Keeps how an action ended. Without room it is read from its jobs again after a restart.
async fn keep_end(hall: &Hall, account: &Rc<RefCell<Account>>) {
    let note = {
        let account = account.borrow();
        (key(ACTION_END, &account.plan.id.text()), account.end.as_ref().map(End::to_note))
    };
    if let Err(refusal) = hall.keep(vec![note]).await {
        warn!(why = refusal.code(); "the end of an action could not be kept");
    }
}

/// So many records are removed at a time.
const FORGOTTEN_AT_ONCE: usize = 64;

/// Removes what is kept of an action and of its steps. The notes go last: who has them finds the jobs, also after a restart.
pub async fn forget(hall: Rc<Hall>, plan: Plan) {
    let jobs: Vec<JobId> = (0..plan.steps.len()).map(|step| plan.job_of(step)).collect();
    for some in jobs.chunks(FORGOTTEN_AT_ONCE) {
        // Steps that were never reached have no job.
        let removed = hall.desk.manage(some.to_vec(), Deed::Delete).await;
        if removed.iter().any(|removed| matches!(removed, Err(Refusal::Draining | Refusal::Restarted))) {
            // The server ends: the next process knows the action and forgets it.
            return;
        }
    }
    let id = plan.id.text();
    if let Err(refusal) = hall.keep(vec![(key(ACTION, &id), None), (key(ACTION_END, &id), None)]).await {
        warn!(why = refusal.code(); "an action could not be forgotten");
    }
}
