//! `/jobs/ID`: one job. What became of it, step by step, what is in it, and, where it isn't running, why not.

use maud::{Markup, html};

use crate::core::job::{AttemptEnd, OnMasterGone};
use crate::core::record::{StoredAttempt, StoredState};
use crate::core::{JobState, Report, job};

use super::deed::{Deed, ask};
use super::form::{as_call, copyable, hidden};
use super::icons::icon;
use super::json;
use super::layout::{crumbs, head};
use super::link::{self, Link};
use super::peers::protocol;
use super::state::big_state;
use super::text;
use super::view::{Page, Place, Region, View};
use super::words;

/// The page. Without a store nothing is `kept_on_disk`, whatever the job asked for.
pub fn page(view: &View, report: &Report, kept_on_disk: bool) -> Page {
    let job = &report.job;
    let (id, kind) = (job.id.text(), job.kind.text());
    let why = why(report, view.now_ms);
    let regions = vec![
        Region::new(
            "state",
            html! {
                div.actions { (big_state(report.state().as_str())) (deeds(view, report)) }
            },
        ),
        Region::new("why", why_card(&why)),
        Region::new("life", life(report, view.now_ms)),
        Region::new("facts", facts(report, view.now_ms, kept_on_disk)),
        Region::new("outcome", outcome(report)),
        Region::new("priority", priority(view, report)),
    ];
    let lead = html! { "Job of type " a href=(link::queue(&kind).href()) { (text::line(&kind)) } };
    let body = html! {
        (crumbs(&[("Jobs", Link::to("/jobs")), (&text::flat(&kind), Link::to("/jobs").with("type", kind.as_ref()))]))
        (head(html! { (text::line(&id)) }, lead, html! {
            button.small-button type="button" data-copy=(id) data-script { "Copy id" }
        }))
        (regions[0])
        (regions[1])
        div.grid.wide-first {
            div.stack {
                section.card aria-labelledby="life-title" {
                    header { h2 id="life-title" { "What happened" } }
                    (regions[2])
                }
                section.card aria-label="Body" { (data("Body", &job.body, true, &whole(report))) }
                (regions[4])
            }
            div.stack {
                (regions[3])
                section.card aria-label="More" {
                    (regions[5])
                    details {
                        summary { "Submit it again" }
                        div.inner.stack.tight {
                            p { "The form of its queue, with this body and priority. The new job has an id of its own." }
                            p.actions { a.button href={ (link::queue(&kind).with("again", id.as_ref()).href()) "#submit" } { "Open the form" } }
                        }
                    }
                    (as_call(&view.doors.curl("GET", &format!("/jobs/{}", link::encode(&id)), None)))
                }
            }
        }
    };
    Page { title: text::flat(&id), place: Place::Jobs, body, regions, has_fields: true }
}

/// What can be done, each in a place of its own: whatever becomes of the job, no other deed comes under the pointer.
fn deeds(view: &View, report: &Report) -> Markup {
    let id = report.job.id.text();
    html! {
        @for deed in [Deed::RunNow, Deed::Cancel, Deed::Retry, Deed::Delete] {
            @let asks_first = deed == Deed::Delete;
            form method=(if asks_first { "get" } else { "post" }) action="/deeds" {
                (hidden(&ask(deed, &id, view).pairs))
                button disabled[!deed.fits(report.state())] { (deed.word()) @if asks_first { "…" } }
            }
        }
    }
}

fn priority(view: &View, report: &Report) -> Markup {
    let is_over = !Deed::Reprioritize.fits(report.state());
    html! {
        details {
            summary { "Change its priority" }
            form.inner method="post" action="/deeds" {
                fieldset.stack.tight disabled[is_over] {
                    (hidden(&ask(Deed::Reprioritize, &report.job.id.text(), view).pairs))
                    label.field { "Priority" input name="priority" value=(report.job.priority) inputmode="numeric" aria-label="Priority"; }
                    p.actions { button { "Change priority" } @if is_over { span.soft { "It has ended." } } }
                }
            }
        }
    }
}

/// A reason why a job isn't done yet.
#[derive(Clone, Debug)]
pub struct Reason {
    shape: &'static str,
    says: Markup,
}

/// Why it isn't running, or for whom it is; nothing where it has ended.
pub fn why(report: &Report, now_ms: u64) -> Vec<Reason> {
    let job = &report.job;
    let reason = |shape: &'static str, says: Markup| Reason { shape, says };
    let mut reasons = Vec::new();
    match &job.progress.state {
        StoredState::Finished { .. } => return reasons,
        StoredState::Running { worker, started_ms, .. } => {
            let (kind, name) = worker.parts();
            reasons.push(reason("running", html! {
                "It is running: " (protocol(kind)) " worker " strong { (named(name)) } " has it since " (words::since(now_ms, *started_ms)) "."
            }));
            if let Some(ends_ms) = report.lease_ends_ms {
                reasons.push(reason("lease", html! {
                    "It may keep it for another " (words::until(now_ms, ends_ms)) ", until " (words::moment(ends_ms)) ". Then its lease is over and another worker gets the job."
                }));
            }
            return reasons;
        }
        StoredState::Scheduled { at_ms } => {
            let has_failed = job.progress.history.last().is_some_and(|attempt| attempt.end == AttemptEnd::Failed);
            reasons.push(if has_failed {
                reason("scheduled", html! {
                    "It failed and is tried again in " (words::until(now_ms, *at_ms)) ", at " (words::moment(*at_ms)) ": attempt " (job.progress.attempt + 1) " of " (job.policy.max_attempts) "."
                })
            } else {
                reason("scheduled", html! { "It waits for its time: not before " (words::moment(*at_ms)) ", in " (words::until(now_ms, *at_ms)) "." })
            });
        }
        StoredState::Queued => match report.why.ahead {
            0 => reasons.push(reason("queued", html! { "It is the next of its type." })),
            ahead => reasons.push(reason("queued", html! {
                "It is at place " strong { (words::count(ahead + 1)) } " of its queue: " (words::counted(ahead, "job goes", "jobs go")) " first: older, or of a larger priority."
            })),
        },
    }
    if report.why.paused {
        reasons.push(reason(
            "paused",
            html! { "The queue is paused: nothing of this type is handed out until somebody resumes it." },
        ));
    }
    reasons.push(match (report.why.workers, report.why.last_worker_left_ms) {
        (0, Some(left_ms)) => reason(
            "warn",
            html! { "There is no worker of this type. The last one left " (words::since(now_ms, left_ms)) " ago." },
        ),
        (0, None) => {
            reason("warn", html! { "There is no worker of this type, and none has come since the server started." })
        }
        (workers, _) => reason(
            "workers",
            html! { (words::counted(u64::from(workers), "worker takes", "workers take")) " jobs of this type." },
        ),
    });
    if let Some(ttl_ms) = job.policy.ttl_ms {
        let expires_ms = job.born_ms.saturating_add(ttl_ms);
        reasons.push(reason(
            "expired",
            html! { "It expires in " (words::until(now_ms, expires_ms)) " if it still waits then." },
        ));
    }
    reasons
}

fn why_card(reasons: &[Reason]) -> Markup {
    html! {
        @if !reasons.is_empty() {
            section.card.why aria-labelledby="why-title" {
                div.inner {
                    h2.visually-hidden id="why-title" { "Why it is not done" }
                    (listed(reasons))
                }
            }
        }
    }
}

/// Reasons, a line each.
pub(super) fn listed(reasons: &[Reason]) -> Markup {
    html! { ul.reasons { @for reason in reasons { li { (icon(reason.shape)) span { (reason.says) } } } } }
}

/// The states and attempts of a job, and a bar of its time.
fn life(report: &Report, now_ms: u64) -> Markup {
    let job = &report.job;
    let mut before_ms = job.created_ms;
    html! {
        div.inner {
            (bar(report, now_ms))
            ol.life {
                li {
                    (icon("arrived"))
                    div.what { "Accepted" @if !job.master.is_empty() { " from " (person(&job.master)) } }
                    div.when { (words::moment(job.created_ms)) }
                }
                @for attempt in &job.progress.history {
                    (attempt_item(attempt, before_ms, &whole(report)))
                    ({ before_ms = attempt.ended_ms; "" })
                }
                (present(report, before_ms, now_ms))
            }
        }
    }
}

/// So many bytes of an attempt's error are shown: there may be a hundred of them.
const ERROR_OF_AN_ATTEMPT: usize = 4 * 1024;

fn attempt_item(attempt: &StoredAttempt, before_ms: u64, whole: &str) -> Markup {
    let (shape, what) = match attempt.end {
        AttemptEnd::Completed => ("completed", "completed it"),
        AttemptEnd::Failed => ("failed", "failed"),
        AttemptEnd::Released => ("skipped", "gave it back"),
        AttemptEnd::WorkerGone => ("warn", "was lost: its connection closed"),
        AttemptEnd::LeaseOver => ("expired", "was too slow: its lease ended"),
        AttemptEnd::Cancelled => ("cancelled", "was told that the job is cancelled"),
    };
    html! {
        li {
            (icon(shape))
            div.what { "Attempt " (attempt.number) ": " (person(&attempt.worker)) " " (what) }
            div.when {
                (words::moment(attempt.started_ms))
                " · waited " (words::duration(attempt.started_ms.saturating_sub(before_ms)))
                " · ran " (words::duration(attempt.ended_ms.saturating_sub(attempt.started_ms)))
            }
            @if let Some(error) = &attempt.error {
                @if attempt.end != AttemptEnd::Completed {
                    div { (json::line(error, 300)) }
                    @if error.len() > ERROR_OF_AN_ATTEMPT {
                        details {
                            summary { "The beginning of the error" }
                            p { "The whole is at the API: " a href=(whole) { "GET " (whole) } }
                            (copyable(json::error_upto(error, ERROR_OF_AN_ATTEMPT), true))
                        }
                    } @else if error.len() > 120 {
                        details { summary { "The whole error" } (copyable(json::error(error), true)) }
                    }
                }
            }
        }
    }
}

/// What it is doing now, or how it ended.
fn present(report: &Report, before_ms: u64, now_ms: u64) -> Markup {
    let job = &report.job;
    html! {
        @match &job.progress.state {
            StoredState::Scheduled { at_ms } => li {
                (icon("scheduled"))
                div.what { "Waits for its time" }
                div.when { "until " (words::moment(*at_ms)) ", in " (words::until(now_ms, *at_ms)) }
            },
            StoredState::Queued => li {
                (icon("queued"))
                div.what { "Waits for a worker" }
                div.when { "for " (words::since(now_ms, before_ms)) }
            },
            StoredState::Running { worker, started_ms, .. } => li {
                (icon("running"))
                div.what { "Attempt " (job.progress.attempt) " of " (job.policy.max_attempts) ": " (person(worker)) " works on it" }
                div.when {
                    (words::moment(*started_ms))
                    " · waited " (words::duration(started_ms.saturating_sub(before_ms)))
                    " · runs for " (words::since(now_ms, *started_ms))
                }
                @if let Some(progress) = report.progress {
                    div { meter min="0" max="1" value=(progress) aria-label="Progress" {} " " (words::percent(progress)) }
                }
                @if let Some(note) = &report.note { div { (text::line(note)) } }
            },
            StoredState::Finished { outcome, at_ms, forget_ms, .. } => li {
                @let name = JobState::from(*outcome).as_str();
                (icon(name))
                div.what { (super::state::capital(name)) }
                div.when {
                    (words::moment(*at_ms))
                    " · " (words::duration(at_ms.saturating_sub(job.created_ms))) " after it was accepted"
                    " · its record is kept until " (words::moment(*forget_ms))
                }
            },
        }
    }
}

/// Its time as one line: how much of it waited, ran, and ran in vain.
fn bar(report: &Report, now_ms: u64) -> Markup {
    const WIDTH: f64 = 1_000.0;
    let parts = spans(report, now_ms);
    let total = parts.iter().map(|(_, ms)| ms).sum::<u64>().max(1) as f64;
    let sum = |class: &str| parts.iter().filter(|(other, _)| *other == class).map(|(_, ms)| ms).sum::<u64>();
    let mut x = 0.0;
    html! {
        @if parts.iter().any(|(_, ms)| *ms > 0) {
            svg.bar viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true" {
                @for (class, ms) in &parts {
                    @let width = *ms as f64 / total * WIDTH;
                    rect class=(class) x=(format!("{x:.1}")) y="0" width=(format!("{width:.1}")) height="10" {}
                    ({ x += width; "" })
                }
            }
            p.small.keys {
                @for (class, word) in [("f-wait", "waited"), ("f-run", "runs"), ("f-good", "ran"), ("f-bad", "ran in vain")] {
                    @if sum(class) > 0 {
                        span.key { svg viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" {} } (word) " " (words::duration(sum(class))) }
                    }
                }
            }
        }
    }
}

/// The parts of a job's time: a class and milliseconds, in order.
fn spans(report: &Report, now_ms: u64) -> Vec<(&'static str, u64)> {
    let job = &report.job;
    let mut parts = Vec::new();
    let mut at_ms = job.created_ms;
    for attempt in &job.progress.history {
        let class = match attempt.end {
            AttemptEnd::Completed => "f-good",
            AttemptEnd::Failed
            | AttemptEnd::WorkerGone
            | AttemptEnd::LeaseOver
            | AttemptEnd::Released
            | AttemptEnd::Cancelled => "f-bad",
        };
        parts.push(("f-wait", attempt.started_ms.saturating_sub(at_ms)));
        parts.push((class, attempt.ended_ms.saturating_sub(attempt.started_ms)));
        at_ms = attempt.ended_ms;
    }
    match &job.progress.state {
        StoredState::Scheduled { .. } | StoredState::Queued => parts.push(("f-wait", now_ms.saturating_sub(at_ms))),
        StoredState::Running { started_ms, .. } => {
            parts.push(("f-wait", started_ms.saturating_sub(at_ms)));
            parts.push(("f-run", now_ms.saturating_sub(*started_ms)));
        }
        StoredState::Finished { at_ms: end_ms, .. } => parts.push(("f-wait", end_ms.saturating_sub(at_ms))),
    }
    parts
}

fn facts(report: &Report, now_ms: u64, kept_on_disk: bool) -> Markup {
    let job = &report.job;
    let policy = &job.policy;
    html! {
        section.card aria-label="Facts" {
            div.inner {
                dl.pairs {
                    dt { "Priority" } dd { (job.priority) }
                    dt { "Attempts" } dd { (job.progress.attempt) " of " (policy.max_attempts) }
                    dt { "Accepted" } dd { (words::moment(job.created_ms)) " (" (words::since(now_ms, job.created_ms)) " ago)" }
                    dt { "Master" } dd { @if job.master.is_empty() { (words::dash()) } @else { (person(&job.master)) } }
                    dt { "Kept" } dd { @if policy.durable && kept_on_disk { "on disk" } @else { "in memory" } }
                    dt { "Lease" } dd { @match policy.lease_ms { Some(ms) => (words::duration(ms)), None => "as the worker's kind has it" } }
                    dt { "Back-off" } dd { "from " (words::duration(policy.backoff_ms)) ", doubling" }
                    dt { "Expires" } dd { @match policy.ttl_ms { Some(ms) => { "after " (words::duration(ms)) }, None => "never" } }
                    dt { "Record" } dd { "kept " (words::duration(policy.keep_ms)) ", failed " (words::duration(policy.keep_failed_ms)) }
                    dt { "If its master leaves" } dd {
                        @match policy.on_master_gone { OnMasterGone::Drop => "it is dropped", OnMasterGone::Keep => "it stays" }
                    }
                    dt { "Number" } dd { (words::count(job.sequence)) }
                }
            }
        }
    }
}

/// Where all of it is.
fn whole(report: &Report) -> String {
    format!("/api/v1/jobs/{}", link::encode(&report.job.id.text()))
}

/// The result of a completed job, the error of a failed one.
fn outcome(report: &Report) -> Markup {
    html! {
        @match &report.job.progress.state {
            StoredState::Finished { detail: Some(detail), .. } => {
                @let title = if report.state() == JobState::Completed { "Result" } else { "Error" };
                section.card aria-label=(title) { @if title == "Result" { (data(title, detail, true, &whole(report))) } @else { (error(title, detail, &whole(report))) } }
            }
            StoredState::Finished { .. } | StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => {}
        }
    }
}

/// A body that opens and closes. The whole of a long one is at this address.
pub(super) fn data(title: &str, json: &[u8], is_open: bool, whole: &str) -> Markup {
    let json = job::or_null(json);
    folded(title, json, json::body(json), is_open, whole)
}

/// The same of an error, open.
pub(super) fn error(title: &str, json: &[u8], whole: &str) -> Markup {
    let json = job::or_null(json);
    folded(title, json, json::error(json), true, whole)
}

fn folded(title: &str, json: &[u8], shown: Markup, is_open: bool, whole: &str) -> Markup {
    let is_cut = json.len() > json::SHOWN_BYTES;
    html! {
        details open[is_open] {
            summary { strong { (title) } " " span.soft { (words::bytes(json.len() as u64)) @if is_cut { ", its beginning" } } }
            div.inner.stack.tight {
                @if is_cut {
                    p { "This is the beginning, also what is copied. The whole is at the API: " a href=(whole) { "GET " (whole) } }
                }
                (copyable(shown, true))
            }
        }
    }
}

fn person(name: &job::PeerName) -> Markup {
    let (kind, name) = name.parts();
    html! { (protocol(kind)) " " (named(name)) }
}

fn named(name: &str) -> Markup {
    html! { @if name.is_empty() { "(no name)" } @else { (text::line(name)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_error_the_beginning_is_shown() {
        let error = |text: &str| {
            let error = Some(format!("\"{text}\"").as_bytes().into());
            let attempt = StoredAttempt {
                number: 1,
                worker: "native:w".into(),
                started_ms: 0,
                ended_ms: 1,
                end: AttemptEnd::Failed,
                error,
            };
            attempt_item(&attempt, 0, "/api/v1/jobs/1").0
        };
        let short = error(&"é".repeat(500));
        assert!(short.contains("The whole error") && short.contains(&"é".repeat(500)));
        let long = error(&"é".repeat(100_000));
        assert!(long.len() < 2 * ERROR_OF_AN_ATTEMPT && long.contains("/api/v1/jobs/1"), "{}", long.len());
        assert!(!long.contains('\u{fffd}'), "it is cut between characters");
    }
}
