//! `/queues/TYPE`: one type. How deep, how fast, who works on it, what fails, and how to use it.

use maud::{Markup, html};

use crate::actors::questions::PeerFigures;
use crate::core::statistics::{Point, QueueFigures, Range};

use super::attention::is_unattended;
use super::chart::spark;
use super::deed::{Deed, ask};
use super::doors::Doors;
use super::failures::{self, Failures};
use super::form::{button, copyable};
use super::icons::icon;
use super::layout::{crumbs, empty, head};
use super::link::{self, Link};
use super::overview::{SO_FAR, depth_chart, rates_chart, times_chart};
use super::peers::{WORKER_COLUMNS, worker_row};
use super::state::{capital, pill};
use super::submit::Form;
use super::table::{headings, micros, number};
use super::text;
use super::view::{Page, Place, Region, View};
use super::words;

/// What the page shows.
#[derive(Clone, Debug)]
pub struct Queue<'a> {
    /// The queue.
    pub queue: &'a QueueFigures,
    /// Which time the charts show.
    pub range: Range,
    /// Its history over that time; none where the server keeps none of it, since there are too many queues.
    pub points: Option<&'a [Point]>,
    /// Workers of its type, the first ones.
    pub workers: &'a [PeerFigures],
    /// What has failed in it, the newest.
    pub failures: &'a Failures,
    /// The form.
    pub form: &'a Form,
}

/// So many groups of failures are shown; the page of failures has all.
const SHOWN_GROUPS: usize = 5;

/// The page.
pub fn page(view: &View, data: &Queue<'_>) -> Page {
    let kind = data.queue.kind.text();
    let title = html! {
        (text::line(&kind))
        @if data.queue.paused { " " (pill("paused", "paused")) }
        @else if is_unattended(data.queue) { " " (pill("warn", "no workers")) }
    };
    let regions = vec![
        Region::new("head", head(title, html! { "A type of job and its queue." }, deeds(view, data.queue))),
        Region::new("state", totals(view, data.queue)),
        Region::new("charts", charts(data)),
        workers(view, data),
        Region::new("failures", failed(view, data)),
    ];
    let body = html! {
        (crumbs(&[("Queues", Link::to("/queues"))]))
        (data.form.note())
        (regions[0])
        (regions[1])
        section.card aria-label="History" {
            div.filters { (ranges(view, data.range)) }
            (regions[2])
        }
        section.card aria-labelledby="workers-title" {
            header { h2 id="workers-title" { "Workers" } }
            (regions[3])
        }
        section.card aria-labelledby="failures-title" {
            header {
                h2 id="failures-title" { "Failures" }
                a.more href=(Link::to("/failures").with("type", kind.as_ref()).href()) { "All of this type" }
            }
            (regions[4])
        }
        div.grid {
            section.card id="submit" aria-labelledby="submit-title" {
                header { h2 id="submit-title" { "Submit a job" } }
                div.inner { (data.form.markup(&kind)) }
            }
            section.card aria-labelledby="use-title" {
                header { h2 id="use-title" { "Use this queue" } }
                div.inner.stack.tight { (how_to(&view.doors, &kind)) }
            }
        }
    };
    Page { title: text::flat(&kind), place: Place::Queues, body, regions, has_fields: true }
}

fn deeds(view: &View, queue: &QueueFigures) -> Markup {
    let kind = queue.kind.text();
    html! {
        @if queue.paused {
            (button(&ask(Deed::Resume, &kind, view), None, html! { (icon("running")) "Resume" }))
        } @else {
            (button(&ask(Deed::Pause, &kind, view), None, html! { (icon("paused")) "Pause" }))
        }
        a.button href=(ask(Deed::RetryFailed, &kind, view).href()) { "Retry failed…" }
        a.button href=(ask(Deed::Purge, &kind, view).href()) { "Purge…" }
        a.button href="#submit" { "Submit a job" }
    }
}

fn totals(view: &View, queue: &QueueFigures) -> Markup {
    let (figures, census) = (&queue.figures, &queue.figures.census);
    let kind = queue.kind.text();
    let states = [
        ("scheduled", census.scheduled),
        ("queued", census.queued),
        ("running", census.running),
        ("completed", census.completed),
        ("failed", census.failed),
        ("cancelled", census.cancelled),
        ("expired", census.expired),
    ];
    html! {
        section.card aria-label="Jobs by state" {
            ul.totals {
                @for (name, count) in states {
                    li {
                        a href=(Link::to("/jobs").with("type", kind.as_ref()).with("state", name).href()) {
                            span.label { (icon(name)) (capital(name)) }
                            span class=(if count > 9_999_999 { "value long" } else { "value" }) { (words::count(count)) }
                            @if name == "queued" {
                                span.hint {
                                    @if let Some(oldest_ms) = figures.oldest_ms { "oldest " (words::since(view.now_ms, oldest_ms)) }
                                    @else { "none waits" }
                                }
                            } @else if name == "running" {
                                span.hint { (words::counted(u64::from(queue.workers), "worker", "workers")) }
                            } @else if name != "scheduled" {
                                span.hint { (SO_FAR) }
                            }
                        }
                    }
                }
                @if census.dropped > 0 {
                    li { div { span.label { (icon("dropped")) "Dropped" } span.value { (words::count(census.dropped)) } } }
                }
            }
            ul.totals.more-totals {
                li { div { span.label { "In, 10 s" } span.value { (words::rate(figures.rate_in)) } } }
                li { div { span.label { "Out, 10 s" } span.value { (words::rate(figures.rate_out)) } } }
                li { div { span.label { "Wait p50" } span.value { (micros(figures.wait.p50)) } } }
                li { div { span.label { "Wait p95" } span.value { (micros(figures.wait.p95)) } } }
                li { div { span.label { "Run p50" } span.value { (micros(figures.run.p50)) } } }
                li { div { span.label { "Run p95" } span.value { (micros(figures.run.p95)) } } }
                li { div { span.label { "Last minute" } span.value { (spark(&figures.spark)) } } }
            }
        }
    }
}

fn ranges(view: &View, range: Range) -> Markup {
    let word = |range: Range| match range {
        Range::FiveMinutes => "5 minutes",
        Range::Day => "24 hours",
    };
    html! {
        nav.views aria-label="Time" {
            @for other in Range::ALL {
                a href=(view.here.clone().with("range", other.as_str()).href()) aria-current=[(other == range).then_some("true")] { (word(other)) }
            }
        }
    }
}

fn charts(data: &Queue<'_>) -> Markup {
    html! {
        @match data.points {
            Some(points) => {
                div.grid.charts {
                    (depth_chart(points, data.range))
                    (rates_chart(points, data.range))
                    (times_chart(points, data.range))
                }
            }
            None => (empty("No history", html! { "The server keeps the histories of the busiest queues, and this is none of them." })),
        }
    }
}

fn workers(view: &View, data: &Queue<'_>) -> Region {
    let rows = data.workers.iter().map(|peer| worker_row(view, peer)).collect();
    let (listed, all) = (data.workers.len() as u64, u64::from(data.queue.workers));
    let left_ms = data.queue.last_worker_left_ms;
    let (here, now_ms) = (view.here.clone(), view.now_ms);
    Region::of_rows("workers", rows, move |rows| {
        html! {
            @if all == 0 {
                (empty("No worker", html! {
                    @match left_ms {
                        Some(left_ms) => { "The last one left " (words::since(now_ms, left_ms)) " ago." }
                        None => "None has come since the server started.",
                    }
                }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Workers of this type" {
                    table {
                        caption {
                            @if listed < all { (words::count(listed)) " of " }
                            (words::counted(all, "worker", "workers"))
                        }
                        (headings(&here, &WORKER_COLUMNS, None))
                        tbody id="worker-rows" { (rows) }
                    }
                }
            }
        }
    })
}

fn failed(view: &View, data: &Queue<'_>) -> Markup {
    let kind = data.queue.kind.text();
    let jobs = |fingerprint: u64| {
        Link::to("/jobs")
            .with("type", kind.as_ref())
            .with("state", "failed")
            .with("group", format!("{fingerprint:016x}"))
    };
    html! {
        @if data.failures.groups.is_empty() {
            (empty("Nothing has failed", html! {}))
        } @else {
            div.scroll tabindex="0" role="region" aria-labelledby="failures-title" {
                table {
                    caption { "Of the newest " (words::counted(data.failures.looked_at, "failed job", "failed jobs")) }
                    thead { tr { th scope="col" { "Error" } th.num scope="col" { "Jobs" } th.num scope="col" { "Last" } } }
                    tbody {
                        @for group in data.failures.groups.iter().take(SHOWN_GROUPS) {
                            tr {
                                th.name scope="row" { a href=(jobs(group.fingerprint).href()) { (text::clipped(&group.pattern, failures::SHOWN_PATTERN)) } }
                                td.num { (number(group.count)) }
                                td.num { (words::since(view.now_ms, group.last_ms)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// How to submit to a type and how to work it, from a shell and from Python.
fn how_to(doors: &Doors, kind: &str) -> Markup {
    let json = serde_json::Value::from(kind).to_string();
    let submit =
        doors.curl("POST", "/jobs?wait=30", Some(&format!("{{\"type\":{json},\"body\":{{\"hello\":\"world\"}}}}")));
    let take = doors.curl("GET", &format!("/assignments?type={}&wait=30", link::encode(kind)), None);
    let complete = doors.curl("POST", "/jobs/ID/complete", Some("{\"receipt\":\"RECEIPT\",\"body\":\"done\"}"));
    let python = format!(
        "{begins}from procession import Client, Worker    # examples/python\n\n\
         worker = Worker({doors})\n\n\
         @worker.handler({json})\ndef handle(job):\n    return {{\"got\": job.body}}\n\n\
         worker.start()\n\
         with Client({doors}) as client:\n    print(client.submit({json}, {{\"hello\": \"world\"}}).result(timeout=10))\n",
        begins = doors.python_begins(),
        doors = doors.of_python()
    );
    let figures = doors.curl("GET", &path_of(kind), None);
    let pause = doors.curl("POST", &format!("{}/pause", path_of(kind)), None);
    html! {
        h3 { "Submit, and wait for the result" }
        (copyable(text::lines(&submit), true))
        h3 { "Work: take a job, then answer it" }
        (copyable(text::lines(&format!("{take}\n\n{complete}")), true))
        h3 { "Both in Python" }
        (copyable(text::lines(&python), false))
        h3 { "This page as an API call, and a deed" }
        (copyable(text::lines(&format!("{figures}\n\n{pause}")), true))
    }
}

/// The path of a queue below the API, for commands.
pub(super) fn path_of(kind: &str) -> String {
    format!("/queues/{}", link::encode(kind))
}
