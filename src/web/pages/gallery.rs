//! Every page with made-up data: what must hold for all of them, and, for looking at them, files.
//!
//! `PROCESSION_GALLERY=DIR cargo test gallery` writes each page to DIR; serve it with `python3 -m http.server`.

use std::path::Path;

use maud::Markup;

use crate::core::Report;
use crate::core::statistics::{Point, Range, Snapshot};

use super::deed::{Deed, Extent, Question};
use super::doors::Doors;
use super::failures::Failures;
use super::fixtures::{self, NOW_MS};
use super::jobs::{Filter, Jobs};
use super::link::Link;
use super::masters::Masters;
use super::overview::{self, Overview};
use super::server::{ProcessorFigures, ServerFigures};
use super::system::{SettingLine, System};
use super::view::{Page, Place, Theme, View, Word};
use super::workers::Workers;
use super::{
    actions, deed, docs, failures, fault, job, jobs, layout, link, masters, queue, queues, submit, system, workers,
};
use crate::logging::Line;

fn doors() -> Doors {
    Doors::of("127.0.0.1:3000", &[("tcp".to_owned(), "0.0.0.0:3001".to_owned())], false)
}

fn view(address: &str) -> View {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    View { now_ms: NOW_MS, here: Link::parse(path, query), theme: Theme::Auto, live: true, word: None, doors: doors() }
}

/// A name, a view and its page.
type Picture = (&'static str, View, Page);

fn pictures() -> Vec<Picture> {
    let mut pictures = Vec::new();
    let points = fixtures::points(300, 1_000);
    let (server, processors) = (fixtures::server(), fixtures::processors());
    let snapshots: [(&str, Snapshot); 3] =
        [("nothing", fixtures::nothing()), ("little", fixtures::little()), ("much", fixtures::much())];
    for (size, snapshot) in &snapshots {
        let is_empty = *size == "nothing";
        let seen = view("/");
        let data = Overview {
            snapshot,
            points: if is_empty { &[] } else { &points },
            server: if is_empty { &ServerFigures::default() } else { &server },
            processors: if is_empty { &[] } else { &processors },
        };
        let page = overview::page(&seen, data);
        pictures.push((named("overview", size), seen, page));
        let seen = view("/queues");
        let page = queues::page(&seen, snapshot);
        pictures.push((named("queues", size), seen, page));
    }
    let seen = view("/queues?show=unattended&q=e&sort=type");
    let page = queues::page(&seen, &snapshots[1].1);
    pictures.push(("queues-filtered", seen, page));
    pictures.extend(of_a_queue(&snapshots[1].1, &points));
    pictures.extend(of_jobs(&snapshots[1].1));
    pictures.extend(of_the_others(&server, &processors));
    pictures
}

fn of_a_queue(snapshot: &Snapshot, points: &[Point]) -> Vec<Picture> {
    let failed = fixtures::failed(60);
    let failures = Failures::of(&failed, false);
    let day = fixtures::points(1_440, 60_000);
    let flaw = Some(("body", "This is not JSON: it ends too early".to_owned()));
    let flawed = submit::Form { body: "{\"a\":".to_owned(), flaw, ..submit::Form::default() };
    let (plain, none) = (submit::Form::default(), Failures::default());
    let peers = fixtures::peers(7);
    let queue = |place: usize, range: Range, form, points, failures, workers| {
        let queue = &snapshot.queues[place];
        let seen = view(&link::queue(&queue.kind.text()).href());
        let page = queue::page(&seen, &queue::Queue { queue, range, points, workers, failures, form });
        (seen, page)
    };
    let pictures = [
        ("queue", queue(0, Range::FiveMinutes, &plain, Some(points), &failures, &peers[..])),
        ("queue-day", queue(2, Range::Day, &flawed, Some(&day), &none, &peers[..2])),
        ("queue-alone", queue(1, Range::FiveMinutes, &plain, None, &none, &[])),
        ("queue-evil", queue(8, Range::FiveMinutes, &plain, Some(&[]), &failures, &peers[..1])),
    ];
    pictures.into_iter().map(|(name, (seen, page))| (name, seen, page)).collect()
}

fn of_jobs(snapshot: &Snapshot) -> Vec<Picture> {
    let jobs = fixtures::jobs();
    let mut pictures = Vec::new();
    let list = |address: &str, jobs: &[Report], next: Option<u64>, looked_at: u64| {
        let seen = view(address);
        let filter = Filter::of(&seen.here);
        let named = jobs.first().filter(|_| !filter.text.is_empty());
        let census = Some(&snapshot.total.census);
        let page = jobs::page(&seen, Jobs { filter: &filter, jobs, next, looked_at, named, census });
        (seen, page)
    };
    let mut many = Vec::new();
    for at in 0..5 {
        many.extend(jobs.iter().cloned().map(|mut report| {
            report.job.sequence += at * 100;
            report
        }));
    }
    for (name, (seen, page)) in [
        ("jobs-little", list("/jobs", &jobs, None, 10)),
        ("jobs-much", list("/jobs?before=900&q=image&type=mail&state=failed", &many, Some(7), 100_000)),
        ("jobs-nothing", list("/jobs", &[], None, 0)),
        ("jobs-not-found", list("/jobs?q=%3Cscript%3E&type=mail", &[], Some(3), 100_000)),
    ] {
        pictures.push((name, seen, page));
    }
    for (at, report) in jobs.iter().enumerate() {
        let seen = view(&link::job(&report.job.id.text()).href());
        let page = job::page(&seen, report, true);
        pictures.push((named("job", &format!("{at}-{}", report.state().as_str())), seen, page));
    }
    pictures.extend(of_deeds(&jobs[5..8]));
    pictures
}

fn of_deeds(sample: &[Report]) -> Vec<Picture> {
    let question = Question {
        deed: Deed::Delete,
        count: 4_838,
        scope: "All failed jobs of type mail that contain “timeout”, up to the newest that you saw".to_owned(),
        extent: Extent::Newest,
        left_alone: 14,
        sample: sample.to_vec(),
        names: Vec::new(),
        bound: vec![("upto".to_owned(), "77".to_owned())],
        back: "/jobs".to_owned(),
        call: Deed::Delete.call(&doors(), "ID"),
    };
    let other =
        Question { deed: Deed::Reprioritize, count: 1, extent: Extent::Exact, left_alone: 0, ..question.clone() };
    let names = vec!["mail".to_owned(), fixtures::EVIL[0].to_owned()];
    let queues = Question {
        deed: Deed::Pause,
        count: 2,
        extent: Extent::Exact,
        left_alone: 0,
        sample: Vec::new(),
        names,
        ..question.clone()
    };
    let nothing = Question { count: 0, ..question.clone() };
    [("deed-delete", question), ("deed-priority", other), ("deed-pause", queues), ("deed-nothing", nothing)]
        .into_iter()
        .map(|(name, question)| (name, view("/deeds"), deed::page(&question)))
        .collect()
}

fn of_the_others(server: &ServerFigures, processors: &[ProcessorFigures]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    for (size, peers, processors, mut actions) in [
        ("nothing", fixtures::peers(0), &[][..], Vec::new()),
        ("little", fixtures::peers(9), processors, fixtures::actions()),
        ("much", fixtures::peers(200), processors, fixtures::actions().into_iter().cycle().take(90).collect()),
    ] {
        let next = (size == "much").then_some(99);
        let seen = view("/workers");
        let page = workers::page(&seen, Workers { peers: &peers, next, processors });
        pictures.push((named("workers", size), seen, page));
        let seen = view("/masters");
        let page = masters::page(&seen, Masters { peers: &peers, next });
        pictures.push((named("masters", size), seen, page));
        for (at, action) in actions.iter_mut().enumerate().skip(3) {
            action.id = format!("action-{at}");
        }
        let seen = view("/actions");
        let page = actions::list(&seen, &actions, actions.len() as u64);
        pictures.push((named("actions", size), seen, page));
        let failed = fixtures::failed(peers.len() as u64 * 50);
        let seen = view("/failures");
        let page = failures::page(&seen, &Failures::of(&failed, size == "much"), failed.len() as u64 * 3);
        pictures.push((named("failures", size), seen, page));
    }
    for action in fixtures::actions() {
        let seen = view(&link::action(&action.id).href());
        let page = actions::one(&seen, &action, true);
        pictures.push((named("action", action.state), seen, page));
    }
    pictures.push(("system", view("/system"), system_page(server)));
    let document = serde_json::to_value(<crate::web::document::Document as utoipa::OpenApi>::openapi()).unwrap();
    let seen = view("/docs");
    let page = docs::page(&seen, &document);
    pictures.push(("docs", seen, page));
    let why = "No job of this type was ever submitted and no worker joined it.";
    pictures.push(("unknown", view("/queues/x"), fault::unknown(Place::Queues, "<b>x</b>", why)));
    let mut said = view("/");
    said.word = Some(Word { is_good: false, text: "<b>no</b>".to_owned() });
    pictures.push(("refused", said, fault::refused(Place::Jobs, "no room on disk", "/jobs")));
    pictures
}

fn system_page(server: &ServerFigures) -> Page {
    let line = |level| Line {
        at_ms: NOW_MS,
        level,
        text: "an operator's deed deed=cancel what=\"<b>all</b>\" by=http:127.0.0.1".to_owned(),
    };
    let levels = [log::Level::Info, log::Level::Warn, log::Level::Error, log::Level::Debug];
    let log: Vec<Line> = levels.into_iter().cycle().take(40).map(line).collect();
    let setting = |name: &str, value: &str, origin: &str| SettingLine {
        name: name.to_owned(),
        value: value.to_owned(),
        origin: origin.to_owned(),
        is_default: origin == "default",
    };
    let settings = [
        setting("http", "127.0.0.1:3000", "default"),
        setting("max-body", "16 MiB", "flag --max-body"),
        setting("store", "file:<b>/data</b>", "environment PROCESSION_STORE"),
    ];
    let listeners =
        [("http".to_owned(), "127.0.0.1:3000".to_owned()), ("gloom-masters".to_owned(), "127.0.0.1:9998".to_owned())];
    let answers = [("Supervisor", Some(132)), ("Keeper of the store", None)];
    system::page(System { server, answers: &answers, listeners: &listeners, settings: &settings, log: &log })
}

fn named(page: &str, size: &str) -> &'static str {
    format!("{page}-{size}").leak()
}

fn documents() -> Vec<(&'static str, Page, Markup)> {
    pictures()
        .into_iter()
        .map(|(name, view, page)| {
            let document = layout::document(&view, &page);
            (name, page, document)
        })
        .collect()
}

#[test]
fn gallery() {
    let Some(folder) = std::env::var_os("PROCESSION_GALLERY") else { return };
    let folder = Path::new(&folder);
    for asset in ["app.css", "app.js", "mark.svg"] {
        let href = crate::web::assets::href(asset);
        let path = folder.join(&href[1..]);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, crate::web::assets::find(href).unwrap().bytes).unwrap();
    }
    for (name, _, document) in documents() {
        std::fs::write(folder.join(format!("{name}.html")), document.0).unwrap();
    }
}

/// The opening tags of a document, with their attributes.
fn tags(document: &str) -> Vec<&str> {
    document
        .split('<')
        .skip(1)
        .filter(|tag| tag.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .map(|tag| &tag[..tag.find('>').unwrap_or(tag.len())])
        .collect()
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let from = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    Some(&tag[from..from + tag[from..].find('"')?])
}

#[test]
fn every_page_keeps_the_content_security_policy() {
    for (name, _, document) in documents() {
        for tag in tags(&document.0) {
            // What is between quotes is a value, whatever it looks like.
            let bare: String = tag.split('"').step_by(2).collect();
            assert!(!bare.contains(" style="), "{name}: {tag}");
            assert!(!bare.contains(" on"), "{name}: {tag}");
            assert!(!tag.starts_with("script") || tag.contains(" src=\"/static/"), "{name}: {tag}");
            assert!(!tag.starts_with("img"), "{name}: {tag}");
            for link in ["href", "src", "action"].into_iter().filter_map(|link| attribute(tag, link)) {
                assert!(link.starts_with('/') && !link.starts_with("//") || link.starts_with('#'), "{name}: {tag}");
            }
        }
    }
}

#[test]
fn every_page_can_be_read_without_eyes() {
    for (name, _, document) in documents() {
        let tags = tags(&document.0);
        let mut ids: Vec<&str> = tags.iter().filter_map(|tag| attribute(tag, "id")).collect();
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{name}: an id twice");
        let count = |start: &str| tags.iter().filter(|tag| tag.split(' ').next() == Some(start)).count();
        assert_eq!(count("h1"), 1, "{name}");
        assert_eq!(count("table"), count("caption"), "{name}");
        for tag in tags {
            let what = tag.split(' ').next().unwrap();
            assert!(what != "th" || attribute(tag, "scope").is_some(), "{name}: {tag}");
            let is_hidden = attribute(tag, "type") == Some("hidden");
            let is_field = ["input", "select", "textarea"].contains(&what) && !is_hidden;
            let is_labelled = attribute(tag, "aria-label").is_some() || attribute(tag, "id").is_some();
            assert!(!is_field || is_labelled, "{name}: {tag}");
        }
    }
}

#[test]
fn no_page_is_large() {
    for (name, _, document) in documents() {
        assert!(document.0.len() < 1 << 20, "{name}: {}", document.0.len());
    }
}

#[test]
fn the_regions_of_a_page_are_in_it() {
    for (name, page, document) in documents() {
        for region in page.regions {
            assert!(
                document.0.contains(&format!("<div id=\"{}\" data-live>{}</div>", region.id, region.content.0)),
                "{name}: {}",
                region.id
            );
            assert!(region.rows.is_empty() || region.shell.0.len() < region.content.0.len(), "{name}: {}", region.id);
        }
    }
}
