//! Who is connected, in tables: parts of the pages of workers, masters and of a queue.

use maud::{Markup, html};

use crate::actors::questions::PeerFigures;

use super::link::{self, Link};
use super::table::{Column, number};
use super::text;
use super::view::{Row, View};
use super::words;

/// The columns of workers.
pub const WORKER_COLUMNS: [Column; 8] = [
    Column::new("", "Worker"),
    Column::new("", "Protocol"),
    Column::new("", "Types").class("wide"),
    Column::new("", "Works on"),
    Column::number("", "Completed"),
    Column::number("", "Failed"),
    Column::number("", "Here for").class("num wide"),
    Column::new("", "Do"),
];

/// The columns of masters.
pub const MASTER_COLUMNS: [Column; 5] = [
    Column::new("", "Master"),
    Column::new("", "Protocol"),
    Column::number("", "Submitted"),
    Column::number("", "Here for"),
    Column::new("", "Do"),
];

/// So many types and jobs of a worker are named; the rest are counted.
const NAMED: usize = 3;

/// The protocol of a peer, as people say it.
pub fn protocol(name: &str) -> &'static str {
    match name {
        "gloom-master" | "gloom-worker" => "gloom",
        "deputy" => "deputy",
        "native" => "native",
        "http" => "HTTP",
        "processor" => "processor",
        "action" => "action",
        _ => "–",
    }
}

/// A worker.
pub fn worker_row(view: &View, peer: &PeerFigures) -> Row {
    let (kind, name) = peer.name.parts();
    Row::new(
        "worker",
        &peer.peer.0.to_string(),
        html! {
            th.name scope="row" { (called(name, peer)) }
            td { (protocol(kind)) }
            td.name.wide { (types(peer)) }
            td.name { (in_hand(view, peer)) }
            td.num { (number(peer.completed)) }
            td.num { (number(peer.failed)) }
            td.num.wide { (words::since(view.now_ms, peer.since_ms)) }
            td { (disconnect(view, peer)) }
        },
    )
}

/// A master.
pub fn master_row(view: &View, peer: &PeerFigures) -> Row {
    let (kind, name) = peer.name.parts();
    Row::new(
        "master",
        &peer.peer.0.to_string(),
        html! {
            th.name scope="row" {
                a href=(Link::to("/jobs").with("q", &*peer.name).href()) { (called(name, peer)) }
            }
            td { (protocol(kind)) }
            td.num { (number(peer.submitted)) }
            td.num { (words::since(view.now_ms, peer.since_ms)) }
            td { (disconnect(view, peer)) }
        },
    )
}

fn called(name: &str, peer: &PeerFigures) -> Markup {
    html! { @if name.is_empty() { span.soft { "number " (peer.peer.0) } } @else { (text::line(name)) } }
}

/// Who it is and what it has in hand: `native worker render-farm-04 at 10.0.0.4:5001, has job-7 in hand`.
pub(super) fn in_words(peer: &PeerFigures) -> String {
    let (kind, name) = peer.name.parts();
    let mut said = format!("{} ", protocol(kind));
    said.push_str(if peer.types.is_empty() { "master" } else { "worker" });
    match name {
        "" => said.push_str(&format!(" number {}", peer.peer.0)),
        name => said.push_str(&format!(" {name}")),
    }
    if let Some(address) = peer.address {
        said.push_str(&format!(" at {address}"));
    }
    for (at, (id, _)) in peer.jobs.iter().take(NAMED).enumerate() {
        said.push_str(if at == 0 { ", has " } else { ", " });
        said.push_str(&id.text());
    }
    match peer.jobs.len() {
        0 => said.push_str(", has nothing in hand"),
        1..=NAMED => said.push_str(" in hand"),
        more => said.push_str(&format!(" and {} more in hand", words::count((more - NAMED) as u64))),
    }
    said
}

fn types(peer: &PeerFigures) -> Markup {
    html! {
        @for (at, kind) in peer.types.iter().take(NAMED).enumerate() {
            @if at > 0 { ", " }
            a href=(link::queue(&kind.text()).href()) { (text::line(&kind.text())) }
        }
        @if peer.types.len() > NAMED { " and " (words::count((peer.types.len() - NAMED) as u64)) " more" }
        @if peer.types.is_empty() { (words::dash()) }
    }
}

fn in_hand(view: &View, peer: &PeerFigures) -> Markup {
    html! {
        @for (at, (id, since_ms)) in peer.jobs.iter().take(NAMED).enumerate() {
            @if at > 0 { br; }
            a href=(link::job(&id.text()).href()) { (text::clipped(&id.text(), 40)) }
            " " span.soft.nowrap { "for " (words::since(view.now_ms, *since_ms)) }
        }
        @if peer.jobs.len() > NAMED { br; span.soft { "and " (words::count((peer.jobs.len() - NAMED) as u64)) " more" } }
        @if peer.jobs.is_empty() { span.zero { "waits" } }
    }
}

/// Only what has a connection can be disconnected: a poll, a processor and an action have none.
fn disconnect(view: &View, peer: &PeerFigures) -> Markup {
    let (kind, _) = peer.name.parts();
    let has_connection = matches!(kind, "gloom-master" | "gloom-worker" | "deputy" | "native");
    let link = Link::to("/deeds").with("deed", "disconnect").with("id", peer.peer.0.to_string());
    html! {
        @if has_connection {
            a.button.small-button href=(link.with("back", view.here.href()).href()) {
                "Disconnect…" span.visually-hidden { " " (peer.peer.0) }
            }
        } @else { (words::dash()) }
    }
}
