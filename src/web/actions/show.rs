//! An action as people see it: `GET /action/ID`.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::BytesMut;
use futures_util::future::join_all;

use super::action::{Account, data_of};
use super::plan::{End, How};
use crate::core::action::OnFailure;
use crate::core::record::{Outcome, StoredState};
use crate::core::{Body, JobId, JobState, Report};
use crate::web::object::Object;
use crate::web::outside::Hall;
use crate::web::processors::error_text;

/// So many jobs are looked at at a time.
const LOOKED_AT_ONCE: usize = 32;

/// A step of an action.
struct Step {
    processor: String,
    state: &'static str,
    attempts: u32,
    started_ms: Option<u64>,
    finished_ms: Option<u64>,
    data: Option<Body>,
    error: Option<Body>,
}

/// The action, as JSON. The data of its steps is left out, and said to be, where it is more than `at_most` bytes together.
pub async fn show(hall: &Rc<Hall>, account: &Rc<RefCell<Account>>, at_most: usize) -> BytesMut {
    let (jobs, on_failure) = {
        let account = account.borrow();
        let jobs: Vec<JobId> = (0..=account.step).map(|step| account.plan.job_of(step)).collect();
        (jobs, account.plan.on_failure)
    };
    let mut steps = Vec::with_capacity(jobs.len());
    let mut bytes = 0;
    for some in jobs.chunks(LOOKED_AT_ONCE) {
        for report in join_all(some.iter().map(|job| hall.desk.look(job.clone()))).await {
            let processor = account.borrow().plan.steps[steps.len()].text().into_owned();
            let mut step = report.map_or_else(|_| Step::unknown(), |report| Step::of(report, on_failure));
            step.processor = processor;
            bytes += step.data.as_ref().map_or(0, |data| data.len());
            if bytes > at_most {
                // The same for all later ones: what comes first says where it stops.
                step.data = None;
            }
            steps.push(step);
        }
    }
    let end = account.borrow().end.clone();
    let outcome = match end.as_ref().map(|end| &end.how) {
        None => (None, None),
        Some(How::Completed { data }) => match data_of(hall, account, *data).await {
            Ok(data) => (Some(data), None),
            Err(_) => (None, None),
        },
        Some(How::Failed { error: Some(error), .. }) => (None, Some(error.clone())),
        Some(How::Failed { step, error: None }) => (None, Some(error_of(hall, account, *step).await)),
    };
    let account = account.borrow();
    for kind in &account.plan.steps[steps.len()..] {
        steps.push(Step { processor: kind.text().into_owned(), ..Step::pending() });
    }
    write(&account, end.as_ref(), &steps, outcome, bytes > at_most)
}

fn write(
    account: &Account,
    end: Option<&End>,
    steps: &[Step],
    (data, error): (Option<Body>, Option<Body>),
    omitted: bool,
) -> BytesMut {
    let mut out = BytesMut::with_capacity(256 + 128 * steps.len());
    let mut object = Object::begin(&mut out);
    object
        .raw("id", account.plan.id.token().as_bytes())
        .text("state", end.map_or("running", End::state))
        .integer("step", account.step as u64)
        .array("steps", steps, Step::write)
        .raw("data", data.as_deref().unwrap_or_default())
        .raw("error", error.as_deref().unwrap_or_default());
    match &account.plan.response_url {
        Some(_) => object.flag("delivered", end.is_some_and(|end| end.is_delivered)),
        None => object.raw("delivered", b"null"),
    };
    object
        .integer("priority", account.plan.priority)
        .text("on_failure", account.plan.on_failure.as_str())
        .maybe_time("created_at", Some(account.plan.created_ms))
        .maybe_time("finished_at", end.map(|end| end.at_ms));
    if omitted {
        object.flag("data_omitted", true);
    }
    object.end();
    out
}

impl Step {
    fn pending() -> Step {
        Step {
            processor: String::new(),
            state: "pending",
            attempts: 0,
            started_ms: None,
            finished_ms: None,
            data: None,
            error: None,
        }
    }

    /// One whose record somebody removed.
    fn unknown() -> Step {
        Step { state: "unknown", ..Step::pending() }
    }

    fn of(report: Report, on_failure: OnFailure) -> Step {
        let attempts = report.job.progress.attempt;
        let state = match (report.state(), on_failure) {
            (JobState::Completed, _) => "completed",
            (JobState::Failed | JobState::Cancelled | JobState::Expired, OnFailure::Fail) => "failed",
            (JobState::Failed | JobState::Cancelled | JobState::Expired, OnFailure::Skip) => "skipped",
            (JobState::Running, _) => "running",
            // Between two attempts.
            (JobState::Scheduled | JobState::Queued, _) if attempts > 0 => "running",
            (JobState::Scheduled | JobState::Queued, _) => "pending",
        };
        let started_ms = report.job.progress.history.first().map(|first| first.started_ms).or(report.started_ms());
        let error = error_in(&report);
        let (data, finished_ms) = match report.job.progress.state {
            StoredState::Finished { outcome: Outcome::Completed, detail, at_ms, .. } => {
                (Some(detail.unwrap_or_default()), Some(at_ms))
            }
            StoredState::Finished { at_ms, .. } => (None, Some(at_ms)),
            StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => (None, None),
        };
        Step { processor: String::new(), state, attempts, started_ms, finished_ms, data, error }
    }

    fn write(out: &mut BytesMut, step: &Step) {
        let mut object = Object::begin(out);
        object
            .text("processor", &step.processor)
            .text("state", step.state)
            .integer("attempts", step.attempts)
            .maybe_time("started_at", step.started_ms)
            .maybe_time("finished_at", step.finished_ms)
            .raw("data", step.data.as_deref().unwrap_or_default())
            .raw("error", step.error.as_deref().unwrap_or_default());
        object.end();
    }
}

/// Why a job has no result: its error, or that of its last attempt.
fn error_in(report: &Report) -> Option<Body> {
    match &report.job.progress.state {
        StoredState::Finished { outcome: Outcome::Completed, .. } => None,
        StoredState::Finished { outcome: Outcome::Failed, detail, .. } => detail.clone(),
        StoredState::Finished { outcome: Outcome::Cancelled, .. } => Some(error_text("cancelled")),
        StoredState::Finished { outcome: Outcome::Expired, .. } => Some(error_text("expired")),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => {
            report.job.progress.history.last().and_then(|last| last.error.clone())
        }
    }
}

/// Why a step has failed.
pub async fn error_of(hall: &Hall, account: &Rc<RefCell<Account>>, step: usize) -> Body {
    let job = account.borrow().plan.job_of(step);
    let report = hall.desk.look(job).await.ok();
    report.as_ref().and_then(error_in).unwrap_or_else(|| error_text("the step's record was removed"))
}
