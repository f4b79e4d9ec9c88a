//! `/workers`: who works, over every protocol, and the processors that work is pushed to.

use maud::{Markup, html};

use crate::actors::questions::PeerFigures;

use super::form::as_call;
use super::layout::{empty, head};
use super::peers::{WORKER_COLUMNS, worker_row};
use super::server::ProcessorFigures;
use super::state::state;
use super::table::{Column, headings, number};
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Workers<'a> {
    /// Workers, in the order in which they came.
    pub peers: &'a [PeerFigures],
    /// Where the list goes on, if it does: the number of its last worker.
    pub next: Option<u64>,
    /// The processors.
    pub processors: &'a [ProcessorFigures],
}

const PROCESSOR_COLUMNS: [Column; 9] = [
    Column::new("", "Processor"),
    Column::new("", "State"),
    Column::new("", "Address").class("wide"),
    Column::number("", "CPU").hint("As it says").class("num wide"),
    Column::number("", "Memory").hint("As it says").class("num wide"),
    Column::number("", "Average").hint("How long an item takes"),
    Column::number("", "Processed"),
    Column::number("", "Failed"),
    Column::number("", "In hand"),
];

/// The page.
pub fn page(view: &View, data: Workers<'_>) -> Page {
    let regions = vec![workers(view, data), processors(view, data.processors)];
    let body = html! {
        (head(html! { "Workers" }, html! { "Who takes jobs, over every protocol. Over HTTP it is one while its poll waits and while it has jobs." }, html! {}))
        section.card aria-label="Workers" {
            (regions[0])
            (as_call(&view.doors.curl("GET", "/workers", None)))
        }
        section.card aria-labelledby="processors-title" {
            header { h2 id="processors-title" { "Processors" } }
            (regions[1])
        }
    };
    Page { title: "Workers".to_owned(), place: Place::Workers, body, regions, has_fields: false }
}

fn workers(view: &View, data: Workers<'_>) -> Region {
    let rows: Vec<Row> = data.peers.iter().map(|peer| worker_row(view, peer)).collect();
    let (count, is_first) = (rows.len() as u64, view.here.value("after").is_empty());
    let (here, next) = (view.here.clone(), data.next);
    Region::of_rows("workers", rows, move |rows| {
        html! {
            @if count == 0 && is_first {
                (empty("No worker is connected", html! { "A worker joins a type and gets its jobs: " a href="/docs" { "how to be one" } "." }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Workers" {
                    table {
                        caption {
                            @if is_first && next.is_none() { (words::counted(count, "worker", "workers")) }
                            @else { (words::counted(count, "worker", "workers")) " of more, those that came first" }
                        }
                        (headings(&here, &WORKER_COLUMNS, None))
                        tbody id="worker-rows" { (rows) }
                    }
                }
                (more(&here, next))
            }
        }
    })
}

/// The line below a list that goes on.
pub(super) fn more(here: &super::link::Link, next: Option<u64>) -> Markup {
    let first = here.clone().with("after", "");
    html! {
        @if next.is_some() || first != *here {
            div.pager {
                nav aria-label="Pages" {
                    @if first != *here { a.button.small-button href=(first.href()) { "← First" } }
                    @if let Some(next) = next {
                        a.button.small-button rel="next" href=(first.with("after", next.to_string()).href()) { "Next →" }
                    }
                }
            }
        }
    }
}

fn processors(view: &View, processors: &[ProcessorFigures]) -> Region {
    let rows: Vec<Row> = processors.iter().map(|processor| processor_row(view, processor)).collect();
    let count = rows.len() as u64;
    let here = view.here.clone();
    Region::of_rows("processors", rows, move |rows| {
        html! {
            @if count == 0 {
                (empty("No processor is registered", html! {
                    "A processor is an HTTP server that jobs are pushed to. It registers with " code { "POST /register" } ": "
                    a href="/docs#processors" { "how" } "."
                }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Processors" {
                    table {
                        caption { (words::counted(count, "processor", "processors")) }
                        (headings(&here, &PROCESSOR_COLUMNS, None))
                        tbody id="processor-rows" { (rows) }
                    }
                }
            }
        }
    })
}

fn processor_row(view: &View, processor: &ProcessorFigures) -> Row {
    let average = processor.average_ms.map(|ms| (ms * 1e3) as u64);
    Row::new(
        "processor",
        &processor.id,
        html! {
            th.name scope="row" {
                (text::line(&processor.name)) br; small.soft { (text::line(&processor.id)) }
            }
            td {
                (state(if processor.is_up { "up" } else { "down" }))
                br;
                small.soft.nowrap {
                    @match processor.last_seen_ms {
                        Some(seen_ms) => { "seen " (words::since(view.now_ms, seen_ms)) " ago" }
                        None => "never seen",
                    }
                }
            }
            td.name.wide { (text::line(&processor.url)) }
            td.num.wide { @match processor.cpu.filter(|_| processor.is_up) { Some(cpu) => (words::percent(cpu)), None => (words::dash()) } }
            td.num.wide { @match processor.memory.filter(|_| processor.is_up) { Some(bytes) => (words::bytes(bytes)), None => (words::dash()) } }
            td.num { (super::table::micros(average)) }
            td.num { (number(processor.processed)) }
            td.num { (number(processor.failed)) }
            td.num { (number(processor.in_hand)) }
        },
    )
}
