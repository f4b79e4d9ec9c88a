//! `/queues`: every type, sorted, filtered and in pages. It reads one snapshot and asks no queue.

use maud::{Markup, html};

use crate::core::statistics::{QueueFigures, Snapshot};

use super::attention::{TOO_OLD_MS, age_ms, is_failing, is_unattended};
use super::chart::spark;
use super::form::as_call;
use super::layout::{empty, head};
use super::link::{self, Link};
use super::state::pill;
use super::table::{Column, Part, Sort, headings, micros, number, pager, rate};
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// The rows of a page.
const PER_PAGE: usize = 100;

const COLUMNS: [Column; 13] = [
    Column::new("", "").class("check"),
    Column::new("type", "Type"),
    Column::number("queued", "Queued").hint("Jobs that wait for a worker"),
    Column::number("running", "Running").hint("Jobs in the hands of a worker"),
    Column::number("scheduled", "Scheduled").hint("Jobs that wait for a time").class("num wide"),
    Column::number("failed", "Failed").hint("Jobs that ended without a result so far and were not retried"),
    Column::number("in", "In").hint("Jobs accepted per second, last 10 s").class("num wide"),
    Column::number("out", "Out").hint("Jobs ended per second, last 10 s").class("num wide"),
    Column::number("oldest", "Oldest").hint("How long the oldest queued job has waited"),
    Column::number("wait", "Wait p95").hint("95 of 100 jobs waited at most so long, last 5 min").class("num wide"),
    Column::number("run", "Run p95").hint("95 of 100 attempts ran at most so long, last 5 min").class("num wide"),
    Column::number("workers", "Workers").hint("Workers that joined this type"),
    Column::new("", "Last minute").hint("Jobs ended in each of the last 60 seconds").class("wide"),
];

/// Which queues are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Show {
    All,
    Live,
    Unattended,
    Old,
    Failing,
    Paused,
}

impl Show {
    const ALL: [Show; 6] = [Show::All, Show::Live, Show::Unattended, Show::Old, Show::Failing, Show::Paused];

    fn key(self) -> &'static str {
        match self {
            Show::All => "",
            Show::Live => "live",
            Show::Unattended => "unattended",
            Show::Old => "old",
            Show::Failing => "failing",
            Show::Paused => "paused",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Show::All => "All",
            Show::Live => "With jobs",
            Show::Unattended => "Jobs, no workers",
            Show::Old => "Waiting long",
            Show::Failing => "Failing",
            Show::Paused => "Paused",
        }
    }

    fn has(self, queue: &QueueFigures, now_ms: u64) -> bool {
        match self {
            Show::All => true,
            Show::Live => queue.figures.census.live() > 0,
            Show::Unattended => is_unattended(queue),
            Show::Old => !queue.paused && queue.workers > 0 && age_ms(queue, now_ms) > TOO_OLD_MS,
            Show::Failing => is_failing(queue),
            Show::Paused => queue.paused,
        }
    }
}

/// The page.
pub fn page(view: &View, snapshot: &Snapshot) -> Page {
    let here = &view.here;
    let show = Show::ALL.into_iter().find(|show| show.key() == here.value("show")).unwrap_or(Show::All);
    let sort = Sort::of(here, &COLUMNS, "queued");
    let found = found(snapshot, here.value("q"), show, sort, view.now_ms);
    let part = Part::of(here, found.len(), PER_PAGE);
    let rows = found[part.from..part.to].iter().map(|queue| row(queue, view.now_ms)).collect();
    let total = snapshot.queues.len() as u64;
    let is_filtered = show != Show::All || !here.value("q").is_empty();
    let table = Region::of_rows("queues", rows, |rows| {
        html! {
            @if part.of == 0 && !is_filtered {
                (empty("No queues yet", html! {
                    "A queue is made when its type is first named, by a master or a worker. "
                    a href="/docs" { "How to submit a job" } "."
                }))
            } @else if part.of == 0 {
                (empty("No queue is like this", html! { a href="/queues" { "Show all " (words::counted(total, "queue", "queues")) } }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Queues" {
                    table {
                        caption {
                            @if is_filtered { (words::count(part.of as u64)) " of " }
                            (words::counted(total, "queue", "queues"))
                        }
                        (headings(here, &COLUMNS, Some(sort)))
                        tbody id="queue-rows" { (rows) }
                    }
                }
                (pager(here, part))
            }
        }
    });
    let body = html! {
        (head(html! { "Queues" }, html! { "One for each type of job." }, html! {}))
        section.card aria-label="Queues" {
            (filters(here, show))
            form method="get" action="/deeds" {
                input type="hidden" name="back" value=(here.href());
                (table)
                @if total > 0 {
                    div.bulk {
                        span.soft data-chosen { "With the selected" }
                        button name="deed" value="pause" { "Pause" }
                        button name="deed" value="resume" { "Resume" }
                        button name="deed" value="purge" { "Purge…" }
                        button name="deed" value="retry-failed" { "Retry failed…" }
                    }
                }
            }
            (as_call(&view.doors.curl("GET", "/queues", None)))
        }
    };
    Page { title: "Queues".to_owned(), place: Place::Queues, body, regions: vec![table], has_fields: false }
}

fn filters(here: &Link, show: Show) -> Markup {
    html! {
        form.filters method="get" action="/queues" role="search" {
            input type="search" name="q" value=(here.value("q")) placeholder="Type contains" aria-label="Type contains" autocomplete="off" spellcheck="false";
            @for name in ["show", "sort", "order"] {
                @if !here.value(name).is_empty() { input type="hidden" name=(name) value=(here.value(name)); }
            }
            button { "Filter" }
            nav.views aria-label="Which queues" {
                @for other in Show::ALL {
                    a href=(here.clone().with("show", other.key()).with("page", "").href()) aria-current=[(other == show).then_some("true")] { (other.word()) }
                }
            }
            button.fresh.small-button type="button" id="fresh-queues" hidden {}
        }
    }
}

fn found<'a>(snapshot: &'a Snapshot, text: &str, show: Show, sort: Sort, now_ms: u64) -> Vec<&'a QueueFigures> {
    let text = text.to_lowercase();
    let mut queues: Vec<&QueueFigures> = snapshot
        .queues
        .iter()
        .map(AsRef::as_ref)
        .filter(|queue| show.has(queue, now_ms))
        .filter(|queue| text.is_empty() || queue.kind.text().to_lowercase().contains(&text))
        .collect();
    match sort.key {
        "type" => queues.sort_by(|a, b| a.kind.token().cmp(b.kind.token())),
        // Equal ones keep the order of their names, so that rows don't dance.
        key => queues.sort_by(|a, b| {
            measure(key, a, now_ms).total_cmp(&measure(key, b, now_ms)).then_with(|| b.kind.token().cmp(a.kind.token()))
        }),
    }
    if sort.is_descending {
        queues.reverse();
    }
    queues
}

fn measure(key: &str, queue: &QueueFigures, now_ms: u64) -> f64 {
    let (figures, census) = (&queue.figures, &queue.figures.census);
    match key {
        "running" => census.running as f64,
        "scheduled" => census.scheduled as f64,
        "failed" => census.failed as f64,
        "in" => figures.rate_in,
        "out" => figures.rate_out,
        "oldest" => age_ms(queue, now_ms) as f64,
        "wait" => figures.wait.p95.unwrap_or(0) as f64,
        "run" => figures.run.p95.unwrap_or(0) as f64,
        "workers" => f64::from(queue.workers),
        _ => census.queued as f64,
    }
}

fn row(queue: &QueueFigures, now_ms: u64) -> Row {
    let kind = queue.kind.text();
    let (figures, census) = (&queue.figures, &queue.figures.census);
    let jobs = |state: &str| Link::to("/jobs").with("type", kind.as_ref()).with("state", state).href();
    let counted = |state: &str, count: u64| {
        html! {
            @if count == 0 { (number(0)) } @else { a href=(jobs(state)) { (words::count(count)) } }
        }
    };
    Row::new(
        "queue",
        &kind,
        html! {
            td.check { label { input type="checkbox" name="id" value=(kind) aria-label={ "Select " (text::flat(&kind)) }; } }
            th.name scope="row" {
                a href=(link::queue(&kind).href()) { (text::line(&kind)) }
                @if queue.paused { " " (pill("paused", "paused")) }
                @else if is_unattended(queue) { " " (pill("warn", "no workers")) }
            }
            td.num { (counted("queued", census.queued)) }
            td.num { (counted("running", census.running)) }
            td.num.wide { (counted("scheduled", census.scheduled)) }
            td.num { (counted("failed", census.failed)) }
            td.num.wide { (rate(figures.rate_in)) }
            td.num.wide { (rate(figures.rate_out)) }
            td.num { @match figures.oldest_ms { Some(oldest_ms) => (words::since(now_ms, oldest_ms)), None => (words::dash()) } }
            td.num.wide { (micros(figures.wait.p95)) }
            td.num.wide { (micros(figures.run.p95)) }
            td.num { (number(u64::from(queue.workers))) }
            td.wide { (spark(&figures.spark)) }
        },
    )
}
