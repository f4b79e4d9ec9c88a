//! The actor that knows all actions: takes new ones, finds them, forgets them.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorFutureExt, Addr, AsyncContext, Context, Handler, Message, ResponseActFuture, ResponseFuture, WrapFuture,
};
use actix_web::http::StatusCode;
use bytes::BytesMut;
use futures_util::future::join;
use log::{info, warn};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::action::{Account, Action, Begin, Ended, Told, draft, forget};
use super::plan::{End, How, Plan};
use super::show::show;
use crate::core::{Body, Deed, JobId, Policy, Refusal};
use crate::web::outgoing::Url;
use crate::web::outside::{ACTION, ACTION_END, Hall, key, wall_ms};
use crate::web::problem::Problem;
use crate::web::processors::{FindStranger, Registry, invalid_url, unknown_processor};

/// The most actions, with those that have ended and are kept.
pub const MAX_ACTIONS: usize = 1_000_000;

/// The most bytes that what is known of them takes: their data is not in it, that is the jobs'.
const MAX_WEIGHT: usize = 512 * 1024 * 1024;

/// How often is looked for actions that can be forgotten, and how many are at a time.
const FORGET_EVERY: Duration = Duration::from_secs(1);
const FORGOTTEN_AT_ONCE: usize = 256;

/// So many may wait for one action's end.
const MAX_WAITING: usize = 1_000;

/// All actions.
pub struct Actions {
    hall: Rc<Hall>,
    registry: Addr<Registry>,
    actions: HashMap<JobId, Rc<RefCell<Account>>>,
    weight: usize,
    /// Which have ended and been told, by the time at which they are forgotten.
    ended: BTreeSet<(u64, String)>,
    /// Of the last process: not started yet.
    recalled: Vec<(Rc<RefCell<Account>>, Begin)>,
}

impl Actions {
    /// The actions that the last process knew.
    pub fn new(hall: Rc<Hall>, registry: Addr<Registry>, notes: &[(Arc<str>, Body)]) -> Actions {
        let mut actions = Actions {
            hall,
            registry,
            actions: HashMap::new(),
            weight: 0,
            ended: BTreeSet::new(),
            recalled: Vec::new(),
        };
        let ends: HashMap<&str, &Body> =
            notes.iter().filter_map(|(key, value)| Some((key.strip_prefix(ACTION_END)?, value))).collect();
        for (key, value) in notes {
            let Some(id) = key.strip_prefix(ACTION) else { continue };
            match Plan::from_note(value) {
                Some(plan) => actions.recall(plan, ends.get(id).and_then(|end| End::from_note(end))),
                None => warn!(key = &**key; "a note of an action can't be read"),
            }
        }
        actions
    }

    fn recall(&mut self, plan: Plan, end: Option<End>) {
        let begin = match &end {
            None => Some(Begin::Resume),
            Some(end) if plan.response_url.is_some() && !end.is_delivered => Some(Begin::Ended),
            Some(_) => None,
        };
        let step = match end.as_ref().map(|end| &end.how) {
            None => 0,
            Some(How::Completed { .. }) => plan.steps.len() - 1,
            Some(How::Failed { step, .. }) => *step,
        };
        let account = self.add(Account { step, end, ..Account::new(plan) });
        match begin {
            Some(begin) => self.recalled.push((account, begin)),
            None => self.plan_to_forget(&account),
        }
    }

    fn add(&mut self, account: Account) -> Rc<RefCell<Account>> {
        self.weight += account.plan.weight();
        let id = account.plan.id.clone();
        let account = Rc::new(RefCell::new(account));
        self.actions.insert(id, account.clone());
        account
    }

    fn remove(&mut self, id: &JobId) -> Option<Rc<RefCell<Account>>> {
        let account = self.actions.remove(id)?;
        self.weight -= account.borrow().plan.weight();
        Some(account)
    }

    fn plan_to_forget(&mut self, account: &Rc<RefCell<Account>>) {
        let account = account.borrow();
        if let Some(end) = &account.end {
            self.ended.insert((forget_at(&account.plan, end), account.plan.id.text().into_owned()));
        }
    }

    fn send_off(&self, account: Rc<RefCell<Account>>, begin: Begin, me: Addr<Actions>) {
        let told: Told = Rc::new(move |id, ended| me.do_send(Over { id: id.clone(), ended }));
        Action::new(self.hall.clone(), account, begin, told).start();
    }

    fn forget_some(&mut self) {
        let now_ms = wall_ms();
        for _ in 0..FORGOTTEN_AT_ONCE {
            if self.ended.first().is_none_or(|(at_ms, _)| *at_ms > now_ms) {
                break;
            }
            let id = self.ended.pop_first().and_then(|(_, id)| JobId::from_text(&id).ok());
            if let Some(account) = id.and_then(|id| self.remove(&id)) {
                let plan = account.borrow().plan.clone();
                actix_rt::spawn(forget(self.hall.clone(), plan));
            }
        }
    }
}

/// When an action is forgotten: a while after its end, as a durable job's record.
fn forget_at(plan: &Plan, end: &End) -> u64 {
    let usual = Policy::durable();
    let keep_ms = match end.how {
        How::Completed { .. } => plan.keep_ms.unwrap_or(usual.keep_ms),
        How::Failed { .. } => usual.keep_failed_ms,
    };
    end.at_ms.saturating_add(keep_ms)
}

impl Actor for Actions {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let recalled = std::mem::take(&mut self.recalled);
        if !recalled.is_empty() {
            info!(actions = recalled.len(); "actions recovered; they go on");
        }
        for (account, begin) in recalled {
            self.send_off(account, begin, ctx.address());
        }
        ctx.run_interval(FORGET_EVERY, |actions, _| actions.forget_some());
    }
}

/// An action has come to its end, and nothing remains to be done for it.
#[derive(Message)]
#[rtype(result = "()")]
struct Over {
    id: JobId,
    ended: Ended,
}

impl Handler<Over> for Actions {
    type Result = ();

    fn handle(&mut self, Over { id, ended }: Over, _: &mut Self::Context) {
        match ended {
            Ended::Done => {
                if let Some(account) = self.actions.get(&id).cloned() {
                    self.plan_to_forget(&account);
                }
            }
            Ended::NeverBegan => {
                if let Some(account) = self.remove(&id) {
                    let plan = account.borrow().plan.clone();
                    actix_rt::spawn(forget(self.hall.clone(), plan));
                }
            }
        }
    }
}

/// Somebody wants something done.
#[derive(Message)]
#[rtype(result = "Result<(), Problem>")]
pub struct Begun {
    /// What.
    pub plan: Plan,
    /// With what.
    pub data: Body,
}

impl Handler<Begun> for Actions {
    type Result = ResponseActFuture<Self, Result<(), Problem>>;

    /// Accepted is what is on disk: the action, and the job of its first step, which has the data.
    fn handle(&mut self, Begun { plan, data }: Begun, _: &mut Self::Context) -> Self::Result {
        if let Err(problem) = self.check(&plan) {
            return Box::pin(async { Err(problem) }.into_actor(self));
        }
        let id = plan.id.clone();
        let account = self.add(Account::new(plan));
        let (hall, registry, own) = (self.hall.clone(), self.registry.clone(), account.clone());
        let accepted = async move { accept(&hall, &registry, &own, data).await };
        Box::pin(accepted.into_actor(self).map(move |accepted, actions, ctx| {
            match &accepted {
                Ok(()) => actions.send_off(account, Begin::First, ctx.address()),
                Err(_) => drop(actions.remove(&id)),
            }
            accepted
        }))
    }
}

impl Actions {
    /// What is known of each.
    pub(super) fn accounts(&self) -> &HashMap<JobId, Rc<RefCell<Account>>> {
        &self.actions
    }
}

impl Actions {
    fn check(&self, plan: &Plan) -> Result<(), Problem> {
        if self.actions.contains_key(&plan.id) {
            return Err(Problem::new(StatusCode::CONFLICT, "id_exists", "an action has this id"));
        }
        if self.actions.len() >= MAX_ACTIONS || self.weight + plan.weight() > MAX_WEIGHT {
            return Err(Refusal::QueueFull.into());
        }
        // A name is judged when it is called; an address can be judged now.
        match plan.response_url.as_ref().and_then(Url::address).map(|address| self.hall.rules.check(address)) {
            Some(Err(refused)) => Err(invalid_url("response_url", &refused.to_string())),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

async fn accept(
    hall: &Hall,
    registry: &Addr<Registry>,
    account: &Rc<RefCell<Account>>,
    data: Body,
) -> Result<(), Problem> {
    let names = account.borrow().plan.steps.iter().cloned().collect();
    let stranger = registry.send(FindStranger { names }).await.map_err(|_| Refusal::Draining)?;
    if let Some(name) = stranger {
        let text = name.text();
        let step = account.borrow().plan.steps.iter().position(|step| *step == name).unwrap_or_default();
        let detail =
            format!("step {step} names {text:.64?}: no processor is called so, and this type never had a worker");
        return Err(unknown_processor(StatusCode::UNPROCESSABLE_ENTITY, detail).with("field", "processors"));
    }
    let (note, draft) = {
        let plan = &account.borrow().plan;
        ((key(ACTION, &plan.id.text()), Some(plan.to_note())), draft(plan, 0, data))
    };
    let (note_key, job) = (note.0.clone(), draft.id.clone());
    // Its first step may be sent out before this returns.
    let action = account.borrow().plan.id.clone();
    hall.steps.borrow_mut().insert(job.clone(), (action, 0));
    let (kept, submitted) = join(hall.keep(vec![note]), hall.desk.submit(vec![draft])).await;
    let submitted = submitted.into_iter().next().unwrap_or(Err(Refusal::Restarted));
    if let Err(refusal) = kept.and(submitted) {
        hall.steps.borrow_mut().remove(&job);
        if submitted.is_ok() {
            // There was room for one and not for the other: nothing of it stays.
            hall.desk.manage(vec![job.clone()], Deed::Cancel).await;
            hall.desk.manage(vec![job], Deed::Delete).await;
        }
        if kept.is_ok() {
            hall.keep(vec![(note_key, None)]).await?;
        }
        return Err(refusal.into());
    }
    Ok(())
}

/// What has become of an action?
#[derive(Message)]
#[rtype(result = "Result<BytesMut, Problem>")]
pub struct LookAt {
    /// Its id.
    pub id: JobId,
    /// Wait so long for its end.
    pub wait: Duration,
}

impl Handler<LookAt> for Actions {
    type Result = ResponseFuture<Result<BytesMut, Problem>>;

    fn handle(&mut self, LookAt { id, wait }: LookAt, _: &mut Self::Context) -> Self::Result {
        let Some(account) = self.actions.get(&id).cloned() else {
            let problem = Problem::new(StatusCode::NOT_FOUND, "unknown_action", "no action has this id");
            return Box::pin(async { Err(problem) });
        };
        let has_ended = wait_for(&account, wait);
        let hall = self.hall.clone();
        Box::pin(async move {
            if let Some(has_ended) = has_ended {
                // Over or not, it is shown as it is then.
                let _ = timeout(wait, has_ended).await;
            }
            Ok(show(&hall, &account, hall.limits.max_body).await)
        })
    }
}

/// A word when an action ends; none where there is nothing to wait for.
fn wait_for(account: &Rc<RefCell<Account>>, wait: Duration) -> Option<oneshot::Receiver<()>> {
    let mut account = account.borrow_mut();
    if wait.is_zero() || account.end.is_some() {
        return None;
    }
    account.waiting.retain(|waiting| !waiting.is_closed());
    if account.waiting.len() >= MAX_WAITING {
        return None;
    }
    let (told, is_told) = oneshot::channel();
    account.waiting.push(told);
    Some(is_told)
}
