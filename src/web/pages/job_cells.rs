//! A job in a row of a table.

use maud::{Markup, html};

use crate::core::record::StoredState;
use crate::core::{JobState, Report};

use super::json;
use super::link;
use super::peers::protocol;
use super::state::state;
use super::table::Column;
use super::text;
use super::view::Row;
use super::words;

/// The columns of a list of jobs.
pub const COLUMNS: [Column; 8] = [
    Column::new("", "").class("check"),
    Column::new("", "State"),
    Column::new("", "Job"),
    Column::new("", "Type"),
    Column::number("", "Priority").class("num wide"),
    Column::number("", "Attempt").class("num wide"),
    Column::number("", "Accepted").class("num wide"),
    Column::new("", "Now"),
];

/// So many characters of a body are shown in a list.
const PREVIEW: usize = 120;

/// A job.
pub fn row(report: &Report, now_ms: u64) -> Row {
    let job = &report.job;
    let (id, kind) = (job.id.text(), job.kind.text());
    Row::new(
        "job",
        &job.sequence.to_string(),
        html! {
            td.check { label { input type="checkbox" name="id" value=(id) aria-label={ "Select job " (text::flat(&id)) }; } }
            td { (state_of(report)) }
            (subject(report))
            td.name { a href=(link::queue(&kind).href()) { (text::line(&kind)) } }
            td.num.wide { (job.priority) }
            td.num.wide { (job.progress.attempt) span.soft { "/" (job.policy.max_attempts) } }
            td.num.wide { (words::since(now_ms, job.created_ms)) }
            td.nowrap { (now(report, now_ms)) }
        },
    )
}

/// The state of a job.
pub fn state_of(report: &Report) -> Markup {
    state(report.state().as_str())
}

/// What a job is about: its id and the beginning of its body, or of its error.
pub fn subject(report: &Report) -> Markup {
    let id = report.job.id.text();
    let (label, text) = match &report.job.progress.state {
        StoredState::Finished { detail: Some(detail), .. } if report.state() == JobState::Failed => ("error: ", detail),
        StoredState::Finished { .. }
        | StoredState::Scheduled { .. }
        | StoredState::Queued
        | StoredState::Running { .. } => ("", &report.job.body),
    };
    html! {
        td.cut-cell {
            a.cut href=(link::job(&id).href()) { (text::line(&id)) }
            small.cut.soft { (label) (json::line(text, PREVIEW)) }
        }
    }
}

/// What it waits for, who has it, or how long it took.
fn now(report: &Report, now_ms: u64) -> Markup {
    html! {
        @match &report.job.progress.state {
            StoredState::Scheduled { at_ms } => { span.soft { "in " } (words::until(now_ms, *at_ms)) }
            StoredState::Queued => {
                @if report.why.paused { "paused" }
                @else if report.why.workers == 0 { "no worker" }
                @else { span.soft { (words::count(report.why.ahead)) " ahead" } }
            }
            StoredState::Running { worker, started_ms, .. } => {
                @let (kind, name) = worker.parts();
                span.soft { (protocol(kind)) " " } (text::clipped(name, 24)) " " span.soft { (words::since(now_ms, *started_ms)) }
            }
            StoredState::Finished { at_ms, .. } => {
                @if let Some(started_ms) = report.started_ms() {
                    span.soft { "took " } (words::duration(at_ms.saturating_sub(started_ms)))
                } @else { (words::dash()) }
            }
        }
    }
}
