//! What a page shows is gathered here, from the published snapshot where it can be, so that looking costs the queues nothing.
//!
//! The same function loads a page for a request and for its stream.

use actix_web::http::StatusCode;
use utoipa::OpenApi;

use super::actions::ActionFigures;
use super::failures::{Failures, group_of};
use super::goal::Goal;
use super::jobs::{Filter, Jobs};
use super::json::SHOWN_BYTES;
use super::masters::Masters;
use super::overview::Overview;
use super::queue::Queue;
use super::submit::Form;
use super::system::System;
use super::view::{Page, Place, View};
use super::vitals::{answers, vitals};
use super::workers::Workers;
use super::{docs, failures, fault, job, jobs, masters, overview, queue, queues, system, workers};
use crate::actors::browsing::List;
use crate::actors::questions::{PeerFigures, Role};
use crate::actors::statistics::History;
use crate::core::record::StoredState;
use crate::core::statistics::{Point, QueueFigures, Range, Snapshot};
use crate::core::{Body, Browse, Found, JobId, JobState, Peer, Report, TypeName};
use crate::web::Site;
use crate::web::actions::{ListNewest, Listing, Peek};
use crate::web::api::figures::queue_now;
use crate::web::document::Document;

/// A page, and how it is answered.
#[derive(Debug)]
pub struct Loaded {
    /// 200, or why there is no such page.
    pub status: StatusCode,
    /// The page, or one that says why there is none.
    pub page: Page,
}

/// The rows of a list of jobs.
const JOBS: usize = 50;
/// So many jobs are looked at for a page of a list; the page says so, and can be asked to look further.
const LOOK_AT: usize = 100_000;
/// So many bytes of bodies and results are held for a list.
const BYTES: usize = 4 * 1024 * 1024;
/// The rows of a list of peers.
const PEERS: usize = 100;
/// So many failed jobs are grouped.
const FAILURES: usize = 10_000;
/// So many of them on the page of a queue.
const FAILURES_OF_A_QUEUE: usize = 500;
/// A page of the lists that are gone through as a whole.
pub(super) const CHUNK: usize = 1_000;
/// The rows of the list of actions, and so many steps of one are shown with their data.
const ACTIONS: usize = 100;
const STEPS: usize = 100;
/// So many bytes of what an action was given and its steps returned are shown, in all.
const DATA_OF_AN_ACTION: usize = 256 * 1024;
/// So many workers are looked through for those of a queue, and so many of them are shown.
const WORKERS_OF_A_QUEUE: (usize, usize) = (1_000, 20);

/// The page at an address.
pub async fn load(site: &Site, view: &View, goal: &Goal) -> Loaded {
    match goal {
        Goal::Overview => found(overview(site, view).await),
        Goal::Queues => found(queues::page(view, &site.snapshots.borrow().clone())),
        Goal::Queue(kind) => queue_page(site, view, kind, &prefilled(site, view).await).await,
        Goal::Jobs => found(jobs(site, view).await),
        Goal::Job(id) => job(site, view, id).await,
        Goal::Failures => found(failed(site, view).await),
        Goal::Workers => found(workers(site, view).await),
        Goal::Masters => found(masters(site, view).await),
        Goal::Actions => found(action_list(site, view).await),
        Goal::Action(id) => action(site, view, id).await,
        Goal::System => found(system_page(site).await),
        Goal::Docs => {
            let document = serde_json::to_value(Document::openapi()).unwrap_or_default();
            found(docs::page(view, &document))
        }
    }
}

fn found(page: Page) -> Loaded {
    Loaded { status: StatusCode::OK, page }
}

fn missing(place: Place, what: &str, why: &str) -> Loaded {
    Loaded { status: StatusCode::NOT_FOUND, page: fault::unknown(place, what, why) }
}

async fn overview(site: &Site, view: &View) -> Page {
    let points = history(site, None, Range::FiveMinutes).await;
    let (server, processors) = vitals(site).await;
    let snapshot = site.snapshots.borrow().clone();
    overview::page(view, Overview { snapshot: &snapshot, points: &points, server: &server, processors: &processors })
}

async fn history(site: &Site, queue: Option<TypeName>, range: Range) -> Vec<Point> {
    site.statistics.send(History { queue, range }).await.unwrap_or_default()
}

/// The page of a queue, with this form in it.
pub(super) async fn queue_page(site: &Site, view: &View, name: &str, form: &Form) -> Loaded {
    let queue = match TypeName::from_text(name) {
        // As it is now: what was just done to it shows.
        Ok(kind) => queue_now(site, &kind).await,
        Err(_) => None,
    };
    let Some(queue) = queue else {
        let why = "No job of this type was submitted and no worker joined it since the server started.";
        return missing(Place::Queues, name, why);
    };
    let range = Range::parse(view.here.value("range")).unwrap_or(Range::FiveMinutes);
    let points = history(site, Some(queue.kind.clone()), range).await;
    let workers = workers_of(site, &queue).await;
    let failed = all_failed(site, vec![queue.kind.clone()], FAILURES_OF_A_QUEUE).await;
    let failures = Failures::of(&failed.jobs, failed.next.is_some());
    let points = (!points.is_empty()).then_some(&points[..]);
    found(queue::page(view, &Queue { queue: &queue, range, points, workers: &workers, failures: &failures, form }))
}

/// The queue of this type.
pub(super) fn of_kind<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a QueueFigures> {
    snapshot.queues.iter().map(AsRef::as_ref).find(|queue| queue.kind.text() == name)
}

/// The form of a queue; with the body and the priority of a job that is to be submitted again.
async fn prefilled(site: &Site, view: &View) -> Form {
    let Ok(id) = JobId::from_text(view.here.value("again")) else { return Form::default() };
    match site.desk.look(id).await {
        Ok(report) => Form::again(&report.job),
        Err(_) => Form::default(),
    }
}

async fn workers_of(site: &Site, queue: &QueueFigures) -> Vec<PeerFigures> {
    if queue.workers == 0 {
        return Vec::new();
    }
    let (looked_at, shown) = WORKERS_OF_A_QUEUE;
    let (mut peers, _) = site.desk.peers(Role::Worker, Peer(0), looked_at).await;
    peers.retain(|peer| peer.types.contains(&queue.kind));
    peers.truncate(shown);
    peers
}

async fn jobs(site: &Site, view: &View) -> Page {
    let filter = Filter::of(&view.here);
    let before = view.here.value("before").parse().ok();
    let (jobs, next, looked_at) = match filter.group {
        Some(group) => of_group(site, &filter, group, before).await,
        None => {
            let browse = Browse {
                state: filter.state,
                text: Some(filter.text.clone()).filter(|text| !text.is_empty()),
                before,
                limit: JOBS,
                look_at: LOOK_AT,
                bytes: BYTES,
            };
            let found = match kind_of(&filter) {
                Ok(kind) => site.desk.browse(kind, browse).await,
                // What can't be a type has no jobs.
                Err(()) => Found::default(),
            };
            (found.jobs, found.next, found.looked_at as u64)
        }
    };
    let named = match JobId::from_text(&filter.text) {
        Ok(id) => site.desk.look(id).await.ok(),
        Err(_) => None,
    };
    let snapshot = site.snapshots.borrow().clone();
    let census = if filter.kind.is_empty() {
        Some(&snapshot.total.census)
    } else {
        of_kind(&snapshot, &filter.kind).map(|queue| &queue.figures.census)
    };
    let jobs = Jobs { filter: &filter, jobs: &jobs, next, looked_at, named: named.as_ref(), census };
    jobs::page(view, jobs)
}

/// The type that a filter names, if it names one.
pub(super) fn kind_of(filter: &Filter) -> Result<Option<TypeName>, ()> {
    match filter.kind.as_str() {
        "" => Ok(None),
        kind => TypeName::from_text(kind).map(Some).map_err(|_| ()),
    }
}

/// Failed jobs of a group: which group a job is in is known here only.
async fn of_group(site: &Site, filter: &Filter, group: u64, before: Option<u64>) -> (Vec<Report>, Option<u64>, u64) {
    let Ok(kind) = kind_of(filter) else { return (Vec::new(), None, 0) };
    let (mut jobs, mut before, mut looked_at) = (Vec::new(), before, 0);
    while jobs.len() < JOBS && looked_at < LOOK_AT as u64 {
        let found = list(site, kind.clone(), Browse { state: Some(JobState::Failed), before, ..whole_chunk() }).await;
        looked_at += found.looked_at as u64;
        jobs.extend(found.jobs.into_iter().filter(|report| group_of(report) == Some(group)));
        before = found.next.filter(|next| before.is_none_or(|before| *next < before));
        if before.is_none() {
            break;
        }
    }
    if jobs.len() > JOBS {
        jobs.truncate(JOBS);
        before = jobs.last().map(|last| last.job.sequence);
    }
    (jobs, before, looked_at)
}

/// What a list that is gone through as a whole asks for at a time.
pub(super) fn whole_chunk() -> Browse {
    Browse { limit: CHUNK, look_at: LOOK_AT, bytes: BYTES, ..Browse::default() }
}

/// Jobs without the bodies that only the store has.
pub(super) async fn list(site: &Site, kind: Option<TypeName>, browse: Browse) -> Found {
    site.supervisor.send(List { kind, browse }).await.unwrap_or_default()
}

/// Failed jobs of these types, of each the newest first; at most about so many.
async fn all_failed(site: &Site, kinds: Vec<TypeName>, most: usize) -> Found {
    let mut all = Found::default();
    for kind in kinds {
        let mut before = None;
        loop {
            if all.jobs.len() >= most || all.looked_at >= LOOK_AT {
                all.next = Some(0);
                return all;
            }
            let limit = CHUNK.min(most - all.jobs.len());
            let browse = Browse { state: Some(JobState::Failed), before, limit, ..whole_chunk() };
            let mut found = list(site, Some(kind.clone()), browse).await;
            all.looked_at += found.looked_at.max(1);
            all.jobs.append(&mut found.jobs);
            // Each chunk ends before the last one did.
            match found.next.filter(|next| before.is_none_or(|before| *next < before)) {
                Some(next) => before = Some(next),
                None => break,
            }
        }
    }
    all
}

/// The queues with failed jobs, the most first: no other one needs to be asked.
fn failing(snapshot: &Snapshot) -> Vec<&QueueFigures> {
    let mut failing: Vec<&QueueFigures> =
        snapshot.queues.iter().map(AsRef::as_ref).filter(|queue| queue.figures.census.failed > 0).collect();
    failing.sort_by_key(|queue| std::cmp::Reverse(queue.figures.census.failed));
    failing
}

async fn failed(site: &Site, view: &View) -> Page {
    let name = view.here.value("type");
    let part = view.here.value("q").to_lowercase();
    let is_meant = |kind: &str| (name.is_empty() || kind == name) && kind.to_lowercase().contains(&part);
    let snapshot = site.snapshots.borrow().clone();
    let mut failing = failing(&snapshot);
    failing.retain(|queue| is_meant(&queue.kind.text()));
    let total = failing.iter().map(|queue| queue.figures.census.failed).sum();
    let kinds = match TypeName::from_text(name) {
        // Records of it may be older than the figures.
        Ok(kind) if !name.is_empty() => vec![kind],
        Ok(_) | Err(_) => failing.iter().map(|queue| queue.kind.clone()).collect(),
    };
    let failed = all_failed(site, kinds, FAILURES).await;
    let failures = Failures::of(&failed.jobs, failed.next.is_some());
    failures::page(view, &failures, total)
}

async fn job(site: &Site, view: &View, name: &str) -> Loaded {
    let why = "There is no such job, or its record is forgotten: a finished job is kept for its keep_ms.";
    let Ok(id) = JobId::from_text(name) else { return missing(Place::Jobs, name, why) };
    match site.desk.look(id).await {
        Ok(report) => found(job::page(view, &report, site.store.is_some())),
        Err(_) => missing(Place::Jobs, name, why),
    }
}

async fn action_list(site: &Site, view: &View) -> Page {
    let Listing { total, actions } = site.outside.actions.send(ListNewest { most: ACTIONS }).await.unwrap_or_default();
    let actions: Vec<ActionFigures> = actions.iter().map(ActionFigures::of).collect();
    super::actions::list(view, &actions, total)
}

async fn action(site: &Site, view: &View, name: &str) -> Loaded {
    let why = "There is no such action, or its record is forgotten: an ended one is kept for its keep_ms.";
    let Ok(id) = JobId::from_text(name) else { return missing(Place::Actions, name, why) };
    let Ok(Some(listed)) = site.outside.actions.send(Peek { id }).await else {
        return missing(Place::Actions, name, why);
    };
    let begun = (listed.step + 1).min(listed.plan.steps.len()).min(STEPS);
    let mut jobs = vec![None; begun];
    let mut room = Room(DATA_OF_AN_ACTION);
    let mut has_all = true;
    // The last one first: its data is the result.
    for step in (0..begun).rev() {
        if let Ok(report) = site.desk.look(listed.plan.job_of(step)).await {
            let (report, is_whole) = room.fit(report, step == 0);
            jobs[step] = Some(report);
            has_all &= is_whole;
        }
    }
    found(super::actions::one(view, &ActionFigures::with_jobs(&listed, &jobs, view.now_ms), has_all))
}

/// So many bytes can still be shown.
struct Room(usize);

impl Room {
    /// A step's job without the data that nobody is shown, or that doesn't fit. False where something didn't.
    fn fit(&mut self, mut report: Report, has_input: bool) -> (Report, bool) {
        let progress = &mut report.job.progress;
        progress.history.iter_mut().for_each(|attempt| attempt.error = None);
        let mut is_whole = true;
        if let StoredState::Finished { detail, .. } = &mut progress.state
            && detail.take_if(|detail| !self.has(detail.len())).is_some()
        {
            is_whole = false;
        }
        // Any other step was given what the one before returned.
        if !has_input || !self.has(report.job.body.len()) {
            is_whole &= !has_input;
            report.job.body = Body::default();
        }
        (report, is_whole)
    }

    /// Takes the room for so many bytes, or for as many of them as are shown, if there is.
    fn has(&mut self, bytes: usize) -> bool {
        let left = self.0.checked_sub(bytes.min(SHOWN_BYTES));
        self.0 = left.unwrap_or(self.0);
        left.is_some()
    }
}

async fn peers(site: &Site, view: &View, role: Role) -> (Vec<PeerFigures>, Option<u64>) {
    let after = view.here.number("after", 0, 0, u64::MAX);
    let (peers, next) = site.desk.peers(role, Peer(after), PEERS).await;
    (peers, next.map(|last| last.0))
}

async fn workers(site: &Site, view: &View) -> Page {
    let (peers, next) = peers(site, view, Role::Worker).await;
    let (_, processors) = vitals(site).await;
    workers::page(view, Workers { peers: &peers, next, processors: &processors })
}

async fn masters(site: &Site, view: &View) -> Page {
    let (peers, next) = peers(site, view, Role::Master).await;
    masters::page(view, Masters { peers: &peers, next })
}

async fn system_page(site: &Site) -> Page {
    let (server, _) = vitals(site).await;
    let log = crate::logging::recent();
    let answers = answers(site).await;
    let about = &site.about;
    system::page(System {
        server: &server,
        answers: &answers,
        listeners: &about.listeners,
        settings: &about.settings,
        log: &log,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures;
    use super::*;
    use crate::core::record::Outcome;

    fn step(given: usize, returned: usize) -> Report {
        let mut report = fixtures::job(1, "a/0", "t", "null");
        report.job.body = vec![b'1'; given].as_slice().into();
        let detail = Some(vec![b'2'; returned].as_slice().into());
        report.job.progress.state =
            StoredState::Finished { outcome: Outcome::Completed, at_ms: 0, forget_ms: 0, detail };
        report
    }

    #[test]
    fn the_page_of_an_action_has_room_for_so_much_data() {
        let mut room = Room(DATA_OF_AN_ACTION);
        let mut held = 0;
        for at in (0..100).rev() {
            let (report, is_whole) = room.fit(step(40_000, 40_000), at == 0);
            let StoredState::Finished { detail, .. } = &report.job.progress.state else { panic!("{report:?}") };
            let returned = detail.as_ref().map_or(0, |detail| detail.len());
            assert_eq!(is_whole, returned > 0, "the first ones that are looked at fit");
            held += report.job.body.len() + returned;
        }
        assert_eq!(held, 6 * 40_000);
        // What was given is shown of the first step alone.
        let (report, is_whole) = Room(100).fit(step(60, 40), true);
        assert!(is_whole && report.job.body.len() == 60);
        let (report, is_whole) = Room(100).fit(step(61, 40), true);
        assert!(!is_whole && report.job.body.is_empty());
        let (report, is_whole) = Room(100).fit(step(61, 40), false);
        assert!(is_whole && report.job.body.is_empty());
    }
}
