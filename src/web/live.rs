//! Pages that keep themselves current: one stream of Server-Sent Events for each open tab.
//!
//! Each address that somebody watches is loaded once a tick for all who watch it, and compared with what it was; only regions
//! that changed are sent, and of a table only the rows that did. Nothing is queued for a viewer: whoever is slow gets the
//! newest of each region when it reads again, and memory stays flat. Nobody is sent what is older than the page that they have.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::Site;
use super::outside::wall_ms;
use super::pages::doors::Doors;
use super::pages::goal::Goal;
use super::pages::link::Link;
use super::pages::load::load;
use super::pages::view::{Region, Theme, View};
use super::problem::Problem;

/// The most streams at a time; who is refused still has pages that can be loaded again.
const MOST_STREAMS: usize = 256;
/// A page is not loaded more often than this.
const TICK: Duration = Duration::from_secs(1);
/// A stream that has nothing to say says that, so that both sides know of each other.
const SILENCE: Duration = Duration::from_secs(15);
/// The clock of a watched page goes in such steps, in milliseconds: the script lets times pass by itself, and a page on which
/// nothing else changed is not sent. That of a single job or action goes in smaller ones, for the bar of its time.
const CLOCK_MS: (u64, u64) = (60_000, 5_000);

/// The pages of this thread that somebody watches.
#[derive(Default)]
pub struct Live {
    channels: RefCell<HashMap<String, Rc<Channel>>>,
    streams: Cell<usize>,
}

/// A page that somebody watches.
struct Channel {
    state: RefCell<State>,
    /// When the newest load began, in milliseconds since 1970. The channel goes when nobody has a receiver any more.
    loaded_ms: watch::Sender<u64>,
    /// Somebody has a page that is younger than the newest load.
    is_wanted: Notify,
}

/// What a page was when it was last loaded.
#[derive(Default)]
struct State {
    version: u64,
    /// As they were, to compare with.
    regions: Vec<Region>,
    /// By id, regions and rows: the version that changed it, and what it is now, as JSON.
    parts: Vec<Part>,
    /// What the newest version says to those who have the one before: made once for all of them.
    step: Bytes,
}

/// Something that is sent as one.
struct Part {
    id: String,
    version: u64,
    /// `"id":"…"`
    json: String,
}

/// The stream of a page. `page` is its address, `since` when the reader got it, in milliseconds since 1970.
pub async fn events(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = Link::parse("", request.query_string());
    let (path, query) = asked.value("page").split_once('?').unwrap_or((asked.value("page"), ""));
    let link = Link::parse(path, query);
    let goal = Goal::of(&link).ok_or_else(Problem::not_found)?;
    if site.live.streams.get() >= MOST_STREAMS {
        let detail = "too many pages are watched: this one can be loaded again";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail));
    }
    let viewer = Viewer::new(&site, link, goal, asked.number("since", 0, 0, wall_ms()));
    let site_of_end = site.clone();
    let ended = async move { site_of_end.drained().await };
    let events = stream::unfold((viewer, Box::pin(ended)), |(mut viewer, mut ended)| async move {
        let event = tokio::select! {
            event = viewer.next() => event,
            () = &mut ended => None,
        };
        event.map(|event| (Ok::<Bytes, Infallible>(event), (viewer, ended)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

/// Somebody who watches a page.
struct Viewer {
    site: web::Data<Site>,
    channel: Rc<Channel>,
    loaded_ms: watch::Receiver<u64>,
    /// What was loaded before is older than the page.
    since_ms: u64,
    /// The newest version that was sent.
    seen: u64,
    has_begun: bool,
}

impl Viewer {
    fn new(site: &web::Data<Site>, link: Link, goal: Goal, since_ms: u64) -> Viewer {
        site.live.streams.set(site.live.streams.get() + 1);
        let channel = site.live.channel(site, link, goal);
        let mut loaded_ms = channel.loaded_ms.subscribe();
        loaded_ms.mark_changed();
        if *loaded_ms.borrow() < since_ms {
            channel.is_wanted.notify_one();
        }
        Viewer { site: site.clone(), channel, loaded_ms, since_ms, seen: 0, has_begun: false }
    }

    /// The next event; none when the page is no longer watched over.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.has_begun, true) {
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        let silence = Instant::now() + SILENCE;
        loop {
            match timeout_at(silence, self.loaded_ms.changed()).await {
                Err(_) => return Some(Bytes::from_static(b": nothing new\n\n")),
                Ok(Err(_)) => return None,
                Ok(Ok(())) => {}
            }
            let loaded_ms = *self.loaded_ms.borrow_and_update();
            let state = self.channel.state.borrow();
            if loaded_ms >= self.since_ms && state.version > self.seen {
                let event = state.since(self.seen);
                self.seen = state.version;
                return Some(event);
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.site.live.streams.set(self.site.live.streams.get() - 1);
    }
}

impl Live {
    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.streams.get()
    }

    /// The channel of an address, begun where nobody has watched it yet.
    fn channel(&self, site: &web::Data<Site>, link: Link, goal: Goal) -> Rc<Channel> {
        let href = link.href();
        if let Some(channel) = self.channels.borrow().get(&href) {
            return channel.clone();
        }
        let loaded_ms = watch::Sender::new(0);
        let channel = Rc::new(Channel { state: RefCell::default(), loaded_ms, is_wanted: Notify::new() });
        self.channels.borrow_mut().insert(href.clone(), channel.clone());
        // It is begun before its first viewer waits, and looks for viewers only after its first load.
        actix_rt::spawn(keep_current(site.clone(), channel.clone(), href, link, goal));
        channel
    }
}

/// Loads a page as often as it may have changed, until nobody watches it any more.
async fn keep_current(site: web::Data<Site>, channel: Rc<Channel>, href: String, link: Link, goal: Goal) {
    let mut snapshots = site.snapshots.clone();
    let (tick, idle) = pace(&goal, &link);
    let clock_ms = if matches!(goal, Goal::Job(_) | Goal::Action(_)) { CLOCK_MS.1 } else { CLOCK_MS.0 };
    loop {
        let (begun, begun_ms) = (Instant::now(), wall_ms());
        snapshots.borrow_and_update();
        let now_ms = begun_ms / clock_ms * clock_ms;
        let view =
            View { now_ms, here: link.clone(), theme: Theme::Auto, live: true, word: None, doors: Doors::default() };
        let loaded = load(&site, &view, &goal).await;
        channel.state.borrow_mut().become_of(loaded.page.regions);
        channel.loaded_ms.send_replace(begun_ms);
        sleep_until(begun + tick).await;
        tokio::select! {
            // The sender lives as long as the statistics, and so do we.
            _ = snapshots.changed() => {}
            () = sleep(idle) => {}
            () = channel.is_wanted.notified() => {}
            () = channel.loaded_ms.closed() => {}
            () = site.drained() => {}
        }
        if channel.loaded_ms.is_closed() || site.is_draining() {
            break;
        }
    }
    site.live.channels.borrow_mut().remove(&href);
}

/// How often a page may be loaded, and how often it is though the figures are as they were: who is connected and what a job
/// says of itself is not among them. What has to search goes slower.
fn pace(goal: &Goal, link: &Link) -> (Duration, Duration) {
    let seconds = Duration::from_secs;
    let searches = ["q", "group"].iter().any(|name| !link.value(name).is_empty());
    match goal {
        Goal::Jobs if searches => (seconds(15), seconds(60)),
        Goal::Failures => (seconds(5), seconds(60)),
        Goal::Jobs | Goal::Workers | Goal::Masters | Goal::Queue(_) => (seconds(2), seconds(5)),
        Goal::Overview | Goal::Queues => (TICK, seconds(10)),
        Goal::Job(_) | Goal::Actions | Goal::Action(_) | Goal::System => (TICK, seconds(3)),
        Goal::Docs => (seconds(60), seconds(3_600)),
    }
}

impl State {
    /// Takes over what the page is now. It is another version only where something changed.
    fn become_of(&mut self, regions: Vec<Region>) {
        let version = self.version + 1;
        let mut changed = Vec::new();
        for region in &regions {
            let before = self.regions.iter().find(|before| before.id == region.id);
            match before {
                Some(before) if before.content.0 == region.content.0 => {}
                Some(before) if is_same_table(before, region) => {
                    let rows = region.rows.iter().zip(&before.rows).filter(|(row, before)| row != before);
                    changed.extend(rows.map(|(row, _)| (row.id.clone(), row.cells.as_str(), false)));
                }
                Some(_) | None => changed.push((region.id.to_owned(), region.content.0.as_str(), true)),
            }
        }
        if changed.is_empty() {
            return;
        }
        let changed: Vec<Part> = changed
            .into_iter()
            .map(|(id, html, is_region)| {
                if is_region {
                    self.forget_rows_of(&id);
                }
                let json = format!("{}:{}", serde_json::Value::from(id.as_str()), serde_json::Value::from(html));
                Part { id, version, json }
            })
            .collect();
        for part in changed {
            match self.parts.iter_mut().find(|known| known.id == part.id) {
                Some(known) => *known = part,
                None => self.parts.push(part),
            }
        }
        self.version = version;
        self.regions = regions;
        self.step = self.event(version - 1);
    }

    /// A region that is sent as a whole has its rows in it.
    fn forget_rows_of(&mut self, id: &str) {
        if let Some(region) = self.regions.iter().find(|region| region.id == id) {
            let rows: std::collections::HashSet<&str> = region.rows.iter().map(|row| row.id.as_str()).collect();
            self.parts.retain(|part| !rows.contains(part.id.as_str()));
        }
    }

    /// What whoever has seen this version doesn't know yet. Who has seen none has just come, and is told what time it is now.
    fn since(&self, seen: u64) -> Bytes {
        if seen > 0 && seen + 1 == self.version { self.step.clone() } else { self.event(seen) }
    }

    /// Regions go before rows, since a row may be in a region that goes with it.
    fn event(&self, seen: u64) -> Bytes {
        let mut text = format!("event: patch\ndata: {{\"at\":{},\"regions\":{{", wall_ms());
        let is_region = |part: &&Part| self.regions.iter().any(|region| region.id == part.id);
        let news = || self.parts.iter().filter(move |part| part.version > seen);
        let in_order = news().filter(is_region).chain(news().filter(|part| !is_region(part)));
        for (at, part) in in_order.enumerate() {
            if at > 0 {
                text.push(',');
            }
            text.push_str(&part.json);
        }
        text.push_str("}}\n\n");
        Bytes::from(text)
    }
}

/// Whether nothing but cells differs.
fn is_same_table(before: &Region, now: &Region) -> bool {
    !now.rows.is_empty()
        && before.shell.0 == now.shell.0
        && before.rows.len() == now.rows.len()
        && before.rows.iter().zip(&now.rows).all(|(before, now)| before.id == now.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::view::Row;
    use maud::{Markup, PreEscaped, html};
    use serde_json::Value;

    fn text(text: &str) -> Region {
        Region::new("text", html! { (text) })
    }

    fn table(caption: &str, rows: &[(&str, &str)]) -> Region {
        let rows = rows.iter().map(|(id, cell)| Row::new("row", id, html! { td { (cell) } })).collect();
        Region::of_rows("table", rows, |rows: Markup| html! { table { caption { (caption) } tbody { (rows) } } })
    }

    /// The ids in an event, in order.
    fn ids(event: &Bytes) -> Vec<String> {
        let text = std::str::from_utf8(event).unwrap();
        let data = text.strip_prefix("event: patch\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
        assert!(!data.contains('\n'), "an event's data is one line");
        let value: Value = serde_json::from_str(data).unwrap();
        value["regions"].as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn only_what_changed_is_sent() {
        let mut state = State::default();
        state.become_of(vec![text("a\nb"), table("2", &[("x", "1"), ("y", "1")])]);
        assert_eq!(ids(&state.since(0)), ["table", "text"]);
        state.become_of(vec![text("a\nb"), table("2", &[("x", "1"), ("y", "1")])]);
        assert_eq!(state.version, 1);
        state.become_of(vec![text("a\nb"), table("2", &[("x", "1"), ("y", "2")])]);
        assert_eq!(ids(&state.since(1)), ["row-y"]);
        state.become_of(vec![text("c"), table("2", &[("x", "1"), ("y", "2")])]);
        assert_eq!(ids(&state.since(2)), ["text"]);
    }

    #[test]
    fn who_was_slow_gets_the_newest_of_each_part() {
        let mut state = State::default();
        state.become_of(vec![text("a"), table("2", &[("x", "1"), ("y", "1")])]);
        state.become_of(vec![text("a"), table("2", &[("x", "2"), ("y", "1")])]);
        state.become_of(vec![text("a"), table("2", &[("x", "3"), ("y", "1")])]);
        state.become_of(vec![text("b"), table("2", &[("x", "3"), ("y", "1")])]);
        let event = state.since(1);
        assert_eq!(ids(&event), ["row-x", "text"]);
        assert!(std::str::from_utf8(&event).unwrap().contains("<td>3</td>"));
        // Whoever comes now gets the table as it was first, and the row on top.
        let all = String::from_utf8(state.since(0).to_vec()).unwrap();
        assert!(all.find("\"table\"").unwrap() < all.find("\"row-x\"").unwrap(), "{all}");
    }

    #[test]
    fn a_table_with_other_rows_is_sent_as_a_whole() {
        let mut state = State::default();
        state.become_of(vec![table("2", &[("x", "1"), ("y", "1")])]);
        state.become_of(vec![table("2", &[("x", "2"), ("y", "1")])]);
        state.become_of(vec![table("2", &[("y", "1"), ("x", "2")])]);
        assert_eq!(ids(&state.since(2)), ["table"]);
        assert_eq!(ids(&state.since(0)), ["table"], "no row on top of the table that has it");
        state.become_of(vec![table("3", &[("y", "1"), ("x", "2")])]);
        assert_eq!(ids(&state.since(3)), ["table"], "what is around the rows changed");
    }

    #[test]
    fn what_is_sent_is_one_line_whatever_is_in_it() {
        let mut state = State::default();
        state.become_of(vec![Region::new("text", PreEscaped("a\r\nb\u{2028}\"</script>\0".to_owned()))]);
        assert_eq!(ids(&state.since(0)), ["text"]);
    }
}
