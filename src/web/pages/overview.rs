//! `/`: the server at a glance. What needs attention stands first.

use maud::{Markup, html};

use crate::core::statistics::ring::{MINUTES, SECONDS};
use crate::core::statistics::{Figures, Percentiles, Point, QueueFigures, Range, Snapshot};

use super::attention::{Attention, Gravity, attention};
use super::chart::{Chart, Series, Unit, spark};
use super::icons::icon;
use super::layout::{empty, head};
use super::link::{self, Link};
use super::server::{ProcessorFigures, ServerFigures};
use super::state::pill;
use super::table::{Column, headings, micros, number, rate};
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Overview<'a> {
    /// All queues.
    pub snapshot: &'a Snapshot,
    /// The last five minutes, a point a second.
    pub points: &'a [Point],
    /// The server.
    pub server: &'a ServerFigures,
    /// The processors.
    pub processors: &'a [ProcessorFigures],
}

/// This many of the busiest queues are shown.
const BUSIEST: usize = 10;

/// The page.
pub fn page(view: &View, data: Overview<'_>) -> Page {
    let found = attention(data.snapshot, data.server, data.processors, view.now_ms);
    let regions = vec![
        Region::new("attention", attention_card(&found, data.snapshot)),
        Region::new("totals", totals(&data.snapshot.total)),
        Region::new("rates", charts(data.points)),
        busiest(view, data.snapshot),
        Region::new("times", times(&data.snapshot.total)),
        Region::new("server", server_card(data.server)),
    ];
    let [attention, totals, rates, busiest, times, server] = &regions[..] else { unreachable!("six were made") };
    let body = html! {
        (head(html! { "Overview" }, html! { "All types together. Rates are of the last 10 seconds, times of the last 5 minutes." }, html! {}))
        (attention)
        (totals)
        (rates)
        div.grid.wide-first {
            (busiest)
            div.stack { (times) (server) }
        }
    };
    Page { title: "Overview".to_owned(), place: Place::Overview, body, regions, has_fields: false }
}

fn attention_card(found: &[Attention], snapshot: &Snapshot) -> Markup {
    html! {
        section.card aria-labelledby="attention-title" {
            h2.visually-hidden id="attention-title" { "Needs attention" }
            ul.attention {
                @for attention in found {
                    li id={ "attention-" (link::encode(&attention.key)) } {
                        @match attention.gravity {
                            Gravity::Trouble => span.bad { (icon("failed")) span.visually-hidden { "Trouble: " } },
                            Gravity::Warning => span.warn { (icon("warn")) span.visually-hidden { "Warning: " } },
                        }
                        span { (text::line(&attention.what)) }
                        a.more href=(attention.link.href()) { "Look" span.visually-hidden { " at " (text::line(&attention.what)) } }
                    }
                }
                @if found.is_empty() {
                    li {
                        span.good { (icon("good")) }
                        @if snapshot.queues.is_empty() {
                            span { "Ready. No type of job has been named yet: " a href="/docs" { "submit the first one" } "." }
                        } @else {
                            span { "Nothing needs attention." }
                        }
                    }
                }
            }
        }
    }
}

fn totals(total: &Figures) -> Markup {
    let census = &total.census;
    let waiting = [
        ("scheduled", census.scheduled, "wait for a time"),
        ("queued", census.queued, "wait for a worker"),
        ("running", census.running, "with a worker"),
    ];
    let ended = [
        ("completed", census.completed, SO_FAR),
        ("failed", census.failed, SO_FAR),
        ("cancelled", census.cancelled, SO_FAR),
        ("expired", census.expired, SO_FAR),
    ];
    html! {
        section.card aria-label="Jobs by state" {
            ul.totals {
                @for (name, count, hint) in waiting.into_iter().chain(ended) {
                    li {
                        a href=(Link::to("/jobs").with("state", name).href()) {
                            span.label { (icon(name)) (super::state::capital(name)) }
                            (value(count))
                            span.hint { (hint) }
                        }
                    }
                }
                @if census.dropped > 0 {
                    li {
                        div {
                            span.label { (icon("dropped")) "Dropped" }
                            (value(census.dropped))
                            span.hint { "left with masters" }
                        }
                    }
                }
                li {
                    div {
                        span.label { (icon("arrived")) "Accepted" }
                        (value(census.accepted))
                        span.hint { (SO_FAR) }
                    }
                }
            }
        }
    }
}

/// Of what has ended, all that ever did is counted, though most records of it are gone.
pub(super) const SO_FAR: &str = "so far";

/// A total. Long ones are written smaller, so that they are whole.
fn value(count: u64) -> Markup {
    let text = words::count(count);
    html! { span class=(if text.len() > 9 { "value long" } else { "value" }) { (text) } }
}

fn charts(points: &[Point]) -> Markup {
    html! {
        div.grid {
            section.card aria-label="Rates" { (rates_chart(points, Range::FiveMinutes)) }
            section.card aria-label="Times" { (times_chart(points, Range::FiveMinutes)) }
        }
    }
}

/// Accepted, ended and failed jobs per second.
pub(super) fn rates_chart(points: &[Point], range: Range) -> Markup {
    let seconds = range.step_ms() as f64 / 1e3;
    let per_second = |of: fn(&Point) -> u32| series(points, range, |point| Some(f64::from(of(point)) / seconds));
    let lines = [
        ("accepted", per_second(|point| point.accepted)),
        ("ended", per_second(|point| point.ended)),
        ("failed", per_second(|point| point.failed)),
    ];
    chart("Rates", Unit::Rate, points, range, lines.into())
}

/// How long jobs waited and ran.
pub(super) fn times_chart(points: &[Point], range: Range) -> Markup {
    // A step in which nothing happened has no times.
    let measured = |of: fn(&Point) -> u64| {
        series(points, range, |point| (of(point) > 0 || point.ended > 0).then(|| of(point) as f64))
    };
    let lines = [("run p95", measured(|point| point.run_p95)), ("wait p95", measured(|point| point.wait_p95))];
    chart("Times", Unit::Time, points, range, lines.into())
}

/// How many jobs were queued and running.
pub(super) fn depth_chart(points: &[Point], range: Range) -> Markup {
    let counted = |of: fn(&Point) -> u32| series(points, range, |point| Some(f64::from(of(point))));
    let lines = [("queued", counted(|point| point.queued)), ("running", counted(|point| point.running))];
    chart("Depth", Unit::Count, points, range, lines.into())
}

/// A value for each step of a chart. Of the time before the server started there is none.
fn series(points: &[Point], range: Range, of: impl Fn(&Point) -> Option<f64>) -> Vec<Option<f64>> {
    let (steps, points_a_step) = shape(range);
    let wanted = steps * points_a_step;
    let missing = wanted.saturating_sub(points.len());
    let newest = &points[points.len().saturating_sub(wanted)..];
    let values: Vec<Option<f64>> = std::iter::repeat_n(None, missing).chain(newest.iter().map(of)).collect();
    values.chunks(points_a_step).map(mean).collect()
}

fn mean(values: &[Option<f64>]) -> Option<f64> {
    let known = values.iter().flatten();
    let count = known.clone().count();
    (count > 0).then(|| known.sum::<f64>() / count as f64)
}

/// How many steps a chart of this range has, and how many points are one of them: 1,440 minutes are more than a screen shows.
fn shape(range: Range) -> (usize, usize) {
    match range {
        Range::FiveMinutes => (SECONDS as usize, 1),
        Range::Day => (MINUTES as usize / 5, 5),
    }
}

fn chart(
    title: &'static str,
    unit: Unit,
    points: &[Point],
    range: Range,
    lines: Vec<(&'static str, Vec<Option<f64>>)>,
) -> Markup {
    let begins = match range {
        Range::FiveMinutes => "5 min ago",
        Range::Day => "24 h ago",
    };
    let (steps, points_a_step) = shape(range);
    let step_ms = range.step_ms() * points_a_step as u64;
    let last_ms = points.last().map_or(0, |point| point.at_ms);
    let at_ms = last_ms.saturating_sub(step_ms * (steps as u64 - 1));
    let series = lines.into_iter().map(|(name, values)| Series { name, values }).collect();
    Chart { title, unit, at_ms, step_ms, begins, series }.figure()
}

const COLUMNS: [Column; 6] = [
    Column::new("", "Type"),
    Column::number("", "Queued"),
    Column::number("", "Running").class("num wide"),
    Column::number("", "Ended"),
    Column::number("", "Wait p95").class("num wide"),
    Column::new("", "Ended, last minute"),
];

fn busiest(view: &View, snapshot: &Snapshot) -> Region {
    let mut queues: Vec<&QueueFigures> = snapshot.queues.iter().map(AsRef::as_ref).collect();
    let weight = |queue: &QueueFigures| (queue.figures.rate_out + queue.figures.rate_in, queue.figures.census.live());
    queues.sort_by(|a, b| {
        weight(b)
            .partial_cmp(&weight(a))
            .unwrap_or(std::cmp::Ordering::Equal)
            .then_with(|| a.kind.token().cmp(b.kind.token()))
    });
    let rows = queues
        .iter()
        .take(BUSIEST)
        .map(|queue| {
            let kind = queue.kind.text();
            let figures = &queue.figures;
            Row::new(
                "busy",
                &kind,
                html! {
                    th.name scope="row" {
                        a href=(link::queue(&kind).href()) { (text::line(&kind)) }
                        @if queue.paused { " " (pill("paused", "paused")) }
                        @else if super::attention::is_unattended(queue) { " " (pill("warn", "no workers")) }
                    }
                    td.num { (number(figures.census.queued)) }
                    td.num.wide { (number(figures.census.running)) }
                    td.num { (rate(figures.rate_out)) }
                    td.num.wide { (micros(figures.wait.p95)) }
                    td { (spark(&figures.spark)) }
                },
            )
        })
        .collect();
    let of = snapshot.queues.len() as u64;
    let here = view.here.clone();
    Region::of_rows("busiest", rows, move |rows| {
        html! {
            section.card aria-labelledby="busiest-title" {
                header {
                    h2 id="busiest-title" { "Busiest queues" }
                    a.more href="/queues" { "All " (words::counted(of, "queue", "queues")) }
                }
                @if of == 0 {
                    (empty("No queues", html! { "A queue is made when its type is first named." }))
                } @else {
                    div.scroll tabindex="0" role="region" aria-labelledby="busiest-title" {
                        table {
                            caption.visually-hidden { "The busiest of " (words::counted(of, "queue", "queues")) }
                            (headings(&here, &COLUMNS, None))
                            tbody id="busy" { (rows) }
                        }
                    }
                }
            }
        }
    })
}

fn times(total: &Figures) -> Markup {
    let row = |name: &str, times: &Percentiles| {
        html! {
            tr {
                th scope="row" { (name) }
                td.num { (micros(times.p50)) } td.num { (micros(times.p95)) } td.num { (micros(times.p99)) }
            }
        }
    };
    html! {
        section.card aria-labelledby="times-title" {
            header { h2 id="times-title" { "Times" } }
            div.scroll tabindex="0" role="region" aria-labelledby="times-title" {
                table {
                    caption.visually-hidden { "How long jobs waited and ran, last 5 minutes" }
                    thead { tr { th scope="col" { span.visually-hidden { "What" } } th.num scope="col" { "p50" } th.num scope="col" { "p95" } th.num scope="col" { "p99" } } }
                    tbody { (row("In line", &total.wait)) (row("In work", &total.run)) }
                }
            }
        }
    }
}

fn server_card(server: &ServerFigures) -> Markup {
    html! {
        section.card aria-labelledby="server-title" {
            header {
                h2 id="server-title" { "Server" }
                a.more href="/system" { "System" }
            }
            div.inner { (server_pairs(server)) }
        }
    }
}

/// What the server says of itself.
pub(super) fn server_pairs(server: &ServerFigures) -> Markup {
    html! {
        dl.pairs.right {
            dt { "Version" } dd { (server.version) }
            dt { "Up for" } dd { (words::whole_seconds(server.uptime_ms)) }
            @if let Some(connections) = server.connections { dt { "Connections" } dd { (words::count(connections)) } }
            @if let Some(bytes) = server.memory_bytes { dt { "Memory" } dd { (words::bytes(bytes)) } }
            @if let Some(cpu) = server.cpu { dt { "CPU" } dd { (words::percent(cpu)) } }
            @match &server.store {
                Some(store) => {
                    dt { "Store" } dd { (words::bytes(store.bytes)) }
                    @if let Some(free) = store.free_bytes { dt { "Disk left" } dd { (words::bytes(free)) } }
                    dt { "Commit p95" } dd { (words::micros_or_dash(store.commit.p95)) }
                    dt { "Commits" } dd { (words::count(store.commits)) }
                }
                None => { dt { "Store" } dd { "memory only" } }
            }
        }
    }
}
