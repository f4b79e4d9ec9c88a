//! `/masters`: who submits jobs.

use maud::html;

use crate::actors::questions::PeerFigures;

use super::form::as_call;
use super::layout::{empty, head};
use super::peers::{MASTER_COLUMNS, master_row};
use super::table::headings;
use super::view::{Page, Place, Region, Row, View};
use super::words;
use super::workers::more;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Masters<'a> {
    /// Masters, in the order in which they came.
    pub peers: &'a [PeerFigures],
    /// Where the list goes on, if it does: the number of its last master.
    pub next: Option<u64>,
}

/// The page.
pub fn page(view: &View, data: Masters<'_>) -> Page {
    let rows: Vec<Row> = data.peers.iter().map(|peer| master_row(view, peer)).collect();
    let (count, is_first) = (rows.len() as u64, view.here.value("after").is_empty());
    let (here, next) = (view.here.clone(), data.next);
    let region = Region::of_rows("masters", rows, move |rows| {
        html! {
            @if count == 0 && is_first {
                (empty("No master is connected", html! { "Who submits over HTTP is one for the length of a request: " a href="/docs" { "how to submit" } "." }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Masters" {
                    table {
                        caption { (words::counted(count, "master", "masters")) @if next.is_some() { " of more, those that came first" } }
                        (headings(&here, &MASTER_COLUMNS, None))
                        tbody id="master-rows" { (rows) }
                    }
                }
                (more(&here, next))
            }
        }
    });
    let lead = html! { "Who submits jobs and is connected. The jobs of a gloom master that leaves are dropped, unless they are durable." };
    let body = html! {
        (head(html! { "Masters" }, lead, html! {}))
        section.card aria-label="Masters" {
            (region)
            (as_call(&view.doors.curl("GET", "/masters", None)))
        }
    };
    Page { title: "Masters".to_owned(), place: Place::Masters, body, regions: vec![region], has_fields: false }
}
