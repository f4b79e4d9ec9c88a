//! `/actions` and `/actions/ID`: data on its way through a list of processors (`spec/processors.md`).

use maud::{Markup, html};

use crate::core::action::{Carried, OnFailure};
use crate::core::record::StoredState;
use crate::core::{Body, JobState, Report};
use crate::web::actions::{End, How, Listed};

use super::docs::begin_action;
use super::form::as_call;
use super::job::{Reason, data, error, listed, why};
use super::layout::{crumbs, empty, head};
use super::link::{self, Link};
use super::state::{big_state, state};
use super::table::{Column, headings};
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// An action, as pages show it.
#[derive(Clone, Debug)]
pub struct ActionFigures {
    /// Its id.
    pub id: String,
    /// `running`, `completed` or `failed`.
    pub state: &'static str,
    /// Its steps, in order.
    pub steps: Vec<StepFigures>,
    /// What it was given; absent in lists.
    pub input: Option<Body>,
    /// Its result.
    pub data: Option<Body>,
    /// Why it failed.
    pub error: Option<Body>,
    /// When it came, milliseconds since 1970.
    pub created_ms: u64,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Where its result goes.
    pub response_url: Option<String>,
    /// Whether it got there.
    pub delivered: Option<bool>,
}

/// A step of an action.
#[derive(Clone, Debug)]
pub struct StepFigures {
    /// The processor's id, or its name, or a type of job.
    pub processor: String,
    /// `pending`, `scheduled`, `queued`, `running`, `completed`, `failed` or `skipped`.
    pub state: &'static str,
    /// Attempts so far.
    pub attempts: u32,
    /// The job that it is.
    pub job: Option<String>,
    /// When it began, milliseconds since 1970.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// What it returned.
    pub data: Option<Body>,
    /// Why it failed.
    pub error: Option<Body>,
    /// Why it waits, where its job does.
    pub why: Vec<Reason>,
}

impl ActionFigures {
    /// An action as its book knows it: without data, and of its steps no more than which one it is at.
    pub fn of(listed: &Listed) -> ActionFigures {
        ActionFigures::with_jobs(listed, &[], 0)
    }

    /// The same with the jobs of its first steps; a job that is gone is none.
    pub fn with_jobs(listed: &Listed, jobs: &[Option<Report>], now_ms: u64) -> ActionFigures {
        let Listed { plan, end, .. } = listed;
        let steps = plan.steps.iter().enumerate();
        let steps: Vec<StepFigures> = steps
            .map(|(at, kind)| {
                let known = StepFigures::at(listed, at, kind.text().into_owned());
                match jobs.get(at) {
                    Some(Some(report)) => known.with_job(report, plan.on_failure, now_ms),
                    Some(None) | None => known,
                }
            })
            .collect();
        let (mut data, mut error) = (None, None);
        match end.as_ref().map(|end| &end.how) {
            Some(How::Completed { data: Carried::Input }) => data = input_of(jobs),
            Some(How::Completed { data: Carried::ResultOf(step) }) => {
                data = steps.get(*step).and_then(|step| step.data.clone());
            }
            Some(How::Failed { step, error: said }) => {
                error = said.clone().or_else(|| steps.get(*step).and_then(|step| step.error.clone()));
            }
            None => {}
        }
        ActionFigures {
            id: plan.id.text().into_owned(),
            state: end.as_ref().map_or("running", End::state),
            steps,
            input: input_of(jobs),
            data,
            error,
            created_ms: plan.created_ms,
            ended_ms: end.as_ref().map(|end| end.at_ms),
            response_url: plan.response_url.as_ref().map(ToString::to_string),
            delivered: plan.response_url.as_ref().map(|_| end.as_ref().is_some_and(|end| end.is_delivered)),
        }
    }
}

fn input_of(jobs: &[Option<Report>]) -> Option<Body> {
    jobs.first().and_then(Option::as_ref).map(|report| report.job.body.clone())
}

impl StepFigures {
    /// A step of which no more is known than where the action is.
    fn at(listed: &Listed, at: usize, processor: String) -> StepFigures {
        let state = match listed.end.as_ref().map(|end| &end.how) {
            Some(How::Completed { .. }) => "completed",
            Some(How::Failed { step, .. }) if at == *step => "failed",
            Some(How::Failed { step, .. }) if at > *step => "pending",
            None if at == listed.step => "running",
            None if at > listed.step => "pending",
            Some(How::Failed { .. }) | None => "completed",
        };
        StepFigures {
            processor,
            state,
            attempts: 0,
            job: None,
            started_ms: None,
            ended_ms: None,
            data: None,
            error: None,
            why: Vec::new(),
        }
    }

    fn with_job(self, report: &Report, on_failure: OnFailure, now_ms: u64) -> StepFigures {
        let job = &report.job;
        let state = match (report.state(), on_failure) {
            (JobState::Completed, _) => "completed",
            (JobState::Failed | JobState::Cancelled | JobState::Expired, OnFailure::Fail) => "failed",
            (JobState::Failed | JobState::Cancelled | JobState::Expired, OnFailure::Skip) => "skipped",
            (JobState::Scheduled | JobState::Queued, _) => report.state().as_str(),
            (JobState::Running, _) => self.state,
        };
        let (ended_ms, detail) = match &job.progress.state {
            StoredState::Finished { at_ms, detail, .. } => (Some(*at_ms), detail.clone()),
            StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => (None, None),
        };
        let (data, error) = if state == "completed" { (detail, None) } else { (None, detail) };
        StepFigures {
            state,
            attempts: job.progress.attempt,
            job: Some(job.id.text().into_owned()),
            started_ms: Some(job.created_ms),
            ended_ms,
            data,
            error,
            why: if matches!(state, "scheduled" | "queued") { why(report, now_ms) } else { Vec::new() },
            ..self
        }
    }
}

const COLUMNS: [Column; 5] = [
    Column::new("", "State"),
    Column::new("", "Action"),
    Column::new("", "Steps"),
    Column::number("", "Took"),
    Column::number("", "Came"),
];

/// The list.
pub fn list(view: &View, actions: &[ActionFigures], total: u64) -> Page {
    let rows: Vec<Row> = actions.iter().map(|action| row(view, action)).collect();
    let (here, count) = (view.here.clone(), rows.len() as u64);
    let region = Region::of_rows("actions", rows, move |rows| {
        html! {
            @if count == 0 {
                (empty("No actions", html! {
                    "An action carries data through a list of processors, each getting what the one before returned. It comes with "
                    code { "POST /action" } ": " a href="/docs#processors" { "how" } "."
                }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Actions" {
                    table {
                        caption { @if count < total { "The newest " (words::count(count)) " of " } (words::counted(total, "action", "actions")) }
                        (headings(&here, &COLUMNS, None))
                        tbody id="action-rows" { (rows) }
                    }
                }
            }
        }
    });
    let body = html! {
        (head(html! { "Actions" }, html! { "Data on its way through a list of processors." }, html! {}))
        section.card aria-label="Actions" {
            (region)
            (as_call(&begin_action(&view.doors)))
        }
    };
    Page { title: "Actions".to_owned(), place: Place::Actions, body, regions: vec![region], has_fields: false }
}

fn row(view: &View, action: &ActionFigures) -> Row {
    let ended_ms = action.ended_ms.unwrap_or(view.now_ms);
    Row::new(
        "action",
        &action.id,
        html! {
            td { (state(action.state)) }
            th.name scope="row" { a href=(link::action(&action.id).href()) { (text::line(&action.id)) } }
            td.name {
                (steps_bar(action, view.now_ms, "bar"))
                small.soft {
                    @for (at, step) in action.steps.iter().enumerate() { @if at > 0 { " → " } (text::line(&step.processor)) }
                }
            }
            td.num { (words::duration(ended_ms.saturating_sub(action.created_ms))) }
            td.num { (words::since(view.now_ms, action.created_ms)) }
        },
    )
}

/// One action. Where it doesn't have all of its data, that is said.
pub fn one(view: &View, action: &ActionFigures, has_all: bool) -> Page {
    let regions = vec![
        Region::new("state", html! { div.actions { (big_state(action.state)) } }),
        Region::new("steps", steps(view, action)),
        Region::new("result", result(action)),
        Region::new(
            "more",
            html! {
                @if !has_all { p { "Some of its data is not shown: it is too much for a page. The whole is at the API: " a href=(whole(action)) { "GET " (whole(action)) } } }
            },
        ),
    ];
    let lead = html! {
        (words::counted(action.steps.len() as u64, "step", "steps")) ". It came " (words::since(view.now_ms, action.created_ms)) " ago."
    };
    let body = html! {
        (crumbs(&[("Actions", Link::to("/actions"))]))
        (head(html! { (text::line(&action.id)) }, lead, html! {}))
        (regions[0])
        @if let Some(input) = &action.input { section.card aria-label="Input" { (data("What it was given", input, action.steps.len() < 2, &whole(action))) } }
        (regions[1])
        (regions[2])
        (regions[3])
        section.card aria-label="The API" {
            (as_call(&view.doors.curl_at("GET", &format!("/action/{}", link::encode(&action.id)), None)))
        }
    };
    Page { title: text::flat(&action.id), place: Place::Actions, body, regions, has_fields: false }
}

fn steps(view: &View, action: &ActionFigures) -> Markup {
    html! {
        section.card aria-labelledby="steps-title" {
            header { h2 id="steps-title" { "Steps" } }
            div.inner { (steps_bar(action, view.now_ms, "bar tall")) (keys()) }
            div.scroll tabindex="0" role="region" aria-label="The steps" {
                table {
                    caption.visually-hidden { "The steps of the action, in order" }
                    thead { tr {
                        th.num scope="col" { "Step" } th scope="col" { "Processor" } th scope="col" { "State" }
                        th.num scope="col" { "Attempts" } th.num scope="col" { "Took" } th scope="col" { "Job" }
                    } }
                    tbody {
                        @for (at, step) in action.steps.iter().enumerate() {
                            tr {
                                td.num { (at) }
                                th.name scope="row" { (text::line(&step.processor)) }
                                td { (state(step.state)) }
                                td.num { (step.attempts) }
                                td.num { @match took(step, view.now_ms) { Some(ms) => (words::duration(ms)), None => (words::dash()) } }
                                td { @if let Some(job) = &step.job { a href=(link::job(job).href()) { "its job" } } }
                            }
                        }
                    }
                }
            }
            @for (at, step) in action.steps.iter().enumerate() {
                @if !step.why.is_empty() { div.inner { h3 { "Why step " (at) " waits" } (listed(&step.why)) } }
                @if let Some(json) = &step.data { (data(&format!("After step {at}"), json, false, &whole(action))) }
                @if let Some(json) = &step.error { (error(&format!("Error of step {at}"), json, &whole(action))) }
            }
        }
    }
}

/// Where all of it is.
fn whole(action: &ActionFigures) -> String {
    format!("/action/{}", link::encode(&action.id))
}

fn result(action: &ActionFigures) -> Markup {
    html! {
        @if action.data.is_some() || action.error.is_some() || action.response_url.is_some() {
            section.card aria-label="Result" {
                @if let Some(json) = &action.data { (data("Result", json, true, &whole(action))) }
                @if let Some(json) = &action.error { (error("Error", json, &whole(action))) }
                @if let Some(url) = &action.response_url {
                    div.inner {
                        dl.pairs {
                            dt { "Goes to" } dd { (text::line(url)) }
                            dt { "Delivered" } dd {
                                @match action.delivered { Some(true) => "yes", Some(false) => "not yet", None => (words::dash()) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn took(step: &StepFigures, now_ms: u64) -> Option<u64> {
    step.started_ms.map(|started_ms| step.ended_ms.unwrap_or(now_ms).saturating_sub(started_ms))
}

/// The steps side by side, each as wide as its share of the time; a step that took none is still seen.
fn steps_bar(action: &ActionFigures, now_ms: u64, class: &str) -> Markup {
    const WIDTH: f64 = 1_000.0;
    const LEAST: f64 = 20.0;
    let times: Vec<f64> = action.steps.iter().map(|step| took(step, now_ms).unwrap_or(0) as f64).collect();
    let total = times.iter().sum::<f64>().max(1.0);
    let spare = (WIDTH - LEAST * times.len() as f64).max(0.0);
    // Of the actions in a list no times are known: their steps are equally wide.
    let share = |time: f64| if total > 1.0 { time / total } else { 1.0 / times.len().max(1) as f64 };
    let mut x = 0.0;
    let spoken: Vec<String> =
        action.steps.iter().map(|step| format!("{} {}", text::flat(&step.processor), step.state)).collect();
    html! {
        svg class=(class) viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={ "Steps: " (spoken.join(", ")) } {
            @for (step, time) in action.steps.iter().zip(&times) {
                @let width = LEAST + share(*time) * spare;
                rect class=(fill(step.state)) x=(format!("{x:.1}")) y="0" width=(format!("{:.1}", (width - 4.0).max(1.0))) height="10" {}
                ({ x += width; "" })
            }
        }
    }
}

fn fill(state: &str) -> &'static str {
    match state {
        "completed" => "f-good",
        "failed" => "f-bad",
        "running" => "f-run",
        "skipped" => "f-skip",
        _ => "f-wait",
    }
}

fn keys() -> Markup {
    html! {
        p.small.keys {
            @for (state, word) in [("pending", "Waits"), ("running", "Running"), ("completed", "Completed"), ("failed", "Failed"), ("skipped", "Skipped")] {
                span.key { svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(fill(state)) width="10" height="10" {} } (word) }
            }
        }
    }
}
