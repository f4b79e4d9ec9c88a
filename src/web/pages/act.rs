//! What forms send: deeds, a job, how the reader likes the pages. Each ends with an address to look at (303).
//!
//! A deed touches what its question showed and nothing that came later, and it is written to the log.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::join_all;

use super::deed::{self, Deed, Question, Things};
use super::failures::group_of;
use super::form::curl;
use super::jobs::Filter;
use super::link::{self, Link};
use super::load::{kind_of, list, of_kind, queue_page, whole_chunk};
use super::serve::{LIVE, THEME, YEAR, answer, local, see_other, set_cookie, view};
use super::submit::Form;
use super::view::{Place, Theme, View, Word};
use super::{fault, words};
use crate::core::{self, Browse, JobId, JobState, Peer, Refusal, Report, TypeName};
use crate::web::api::jobs::new_id;
use crate::web::api::reading::Submissions;
use crate::web::api::{caller, log_deed, queues};
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::{Site, body};

/// A deed on all that match touches so many jobs at most; the question says so.
const MOST: usize = 100_000;
/// A question counts for so long at most.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many of the jobs are shown.
const SAMPLE: usize = 5;

/// What forms sent, as pairs.
async fn sent(site: &Site, request: &HttpRequest, payload: web::Payload) -> Result<Link, Problem> {
    let bytes = body::read(request, payload, &site.limits).await?;
    Ok(Link::parse(request.uri().path(), &String::from_utf8_lossy(&bytes)))
}

/// How the reader likes the pages.
pub async fn prefer(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let sent = sent(&site, &request, payload).await?;
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header(("location", local(sent.value("back"))));
    if !sent.value(THEME).is_empty() {
        set_cookie(&mut answer, THEME, Theme::parse(sent.value(THEME)).as_str(), YEAR);
    }
    if !sent.value(LIVE).is_empty() {
        set_cookie(&mut answer, LIVE, if sent.value(LIVE) == "off" { "off" } else { "on" }, YEAR);
    }
    Ok(answer.finish())
}

/// A job from the form of its queue.
pub async fn submit(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let sent = sent(&site, &request, payload).await?;
    let kind = sent.values("type").next().unwrap_or("").to_owned();
    let mut form = Form::read(&sent);
    match submitted(&site, &request, &kind, &form).await {
        Ok(id) => {
            log_deed(&request, "submit", &id.text());
            let word = Word { is_good: true, text: "Submitted.".to_owned() };
            Ok(see_other(&link::job(&id.text()).href(), Some(&word)))
        }
        Err(flaw) => {
            form.flaw = Some(flaw);
            let view = View { here: link::queue(&kind), ..view(&request) };
            let loaded = queue_page(&site, &view, &kind, &form).await;
            let status = if loaded.status == StatusCode::OK { StatusCode::UNPROCESSABLE_ENTITY } else { loaded.status };
            Ok(answer(status, &view, &loaded.page))
        }
    }
}

async fn submitted(
    site: &Site,
    request: &HttpRequest,
    kind: &str,
    form: &Form,
) -> Result<JobId, (&'static str, String)> {
    let text = form.to_json(kind)?;
    let master = caller(request);
    let draft = Submissions::new(&master, site.limits.max_depth, wall_ms(), &new_id).one(text.as_bytes());
    let draft = draft.map_err(|problem| (Form::field_of(problem.field()), problem.detail().to_owned()))?;
    let id = draft.id.clone();
    let granted = site.desk.submit(vec![draft]).await.into_iter().next();
    match granted.expect("each job has an answer") {
        Ok(()) => Ok(id),
        Err(refusal @ Refusal::IdExists) => Err(("id", refusal.reason().to_owned())),
        Err(refusal) => Err(("body", refusal.reason().to_owned())),
    }
}

/// The first step of a deed: how many, which, and what then happens.
pub async fn ask(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let view = view(&request);
    match question(&site, &view.here).await {
        Ok(question) => answer(StatusCode::OK, &view, &deed::page(&question)),
        Err(why) => {
            let page = fault::refused(Place::Jobs, why, local(view.here.value("back")));
            answer(StatusCode::UNPROCESSABLE_ENTITY, &view, &page)
        }
    }
}

async fn question(site: &Site, asked: &Link) -> Result<Question, &'static str> {
    let deed = Deed::parse(asked.value("deed")).ok_or("There is no such deed.")?;
    let ids: Vec<&str> = asked.values("id").collect();
    let back = local(asked.value("back")).to_owned();
    let by_ids = |count: usize, scope: String, names: Vec<String>, bound: Vec<(String, String)>| Question {
        deed,
        count: count as u64,
        scope,
        is_cut: false,
        sample: Vec::new(),
        call: deed.call(names.first().map_or("ID", String::as_str)),
        names,
        bound,
        back: back.clone(),
    };
    let is_match = asked.value("scope") == "match" || (ids.is_empty() && !asked.value("group").is_empty());
    if ids.is_empty() && !is_match {
        return Err("Nothing was selected.");
    }
    match deed.things() {
        Things::Queues => {
            let names = known_queues(site, &ids);
            let bound = names.iter().map(|name| ("id".to_owned(), name.clone())).collect();
            Ok(by_ids(names.len(), words::counted(names.len() as u64, "queue", "queues"), names, bound))
        }
        Things::Peers => {
            let bound: Vec<(String, String)> = ids.iter().map(|id| ("id".to_owned(), (*id).to_owned())).collect();
            let names = ids.iter().map(|id| format!("number {id}")).collect();
            let mut question = by_ids(ids.len(), "One connection and what it has in hand.".to_owned(), names, bound);
            question.call = deed.call(ids[0]);
            Ok(question)
        }
        Things::Jobs if matches!(deed, Deed::Purge | Deed::RetryFailed) => {
            let names = known_queues(site, &ids);
            let snapshot = site.snapshots.borrow().clone();
            let census = names.iter().filter_map(|name| of_kind(&snapshot, name)).map(|queue| &queue.figures.census);
            let count: u64 = census
                .map(|census| if deed == Deed::Purge { census.scheduled + census.queued } else { census.failed })
                .sum();
            let what = if deed == Deed::Purge { "All scheduled and queued jobs of" } else { "All failed jobs of" };
            let scope = format!("{what} {}.", names.join(", "));
            let mut bound: Vec<(String, String)> = names.iter().map(|name| ("id".to_owned(), name.clone())).collect();
            bound.push(("upto".to_owned(), newest(site).await.to_string()));
            Ok(by_ids(count as usize, scope, names, bound))
        }
        Things::Jobs if is_match => Ok(Question { back, ..matching(site, deed, asked).await }),
        Things::Jobs => {
            let reports = looked_at(site, &ids).await;
            let bound = reports.iter().map(|report| ("id".to_owned(), report.job.id.text().into_owned())).collect();
            let first = ids[0].to_owned();
            let mut question = by_ids(reports.len(), "The jobs that were selected.".to_owned(), Vec::new(), bound);
            question.call = deed.call(&first);
            question.sample = reports.into_iter().take(SAMPLE).collect();
            Ok(question)
        }
    }
}

fn known_queues(site: &Site, names: &[&str]) -> Vec<String> {
    let snapshot = site.snapshots.borrow().clone();
    let wanted: HashSet<&str> = names.iter().copied().collect();
    snapshot
        .queues
        .iter()
        .map(|queue| queue.kind.text().into_owned())
        .filter(|name| wanted.contains(name.as_str()))
        .collect()
}

async fn looked_at(site: &Site, ids: &[&str]) -> Vec<Report> {
    let ids = ids.iter().filter_map(|id| JobId::from_text(id).ok());
    join_all(ids.map(|id| site.desk.look(id))).await.into_iter().flatten().collect()
}

/// The sequence number of the newest job.
async fn newest(site: &Site) -> u64 {
    let found = list(site, None, Browse { limit: 1, ..whole_chunk() }).await;
    found.jobs.first().map_or(0, |report| report.job.sequence)
}

/// What matches a filter, up to what was seen: counted one by one.
async fn matching(site: &Site, deed: Deed, asked: &Link) -> Question {
    let filter = Filter::of(asked);
    let seen = match asked.value("upto").parse() {
        Ok(seen) => seen,
        Err(_) => newest(site).await,
    };
    let patience = Instant::now() + PATIENCE;
    let (mut count, mut sample, mut last) = (0_usize, Vec::new(), seen);
    let mut search = Search::new(site, &filter, seen);
    while let Some(reports) = search.next().await {
        for report in reports {
            last = report.job.sequence;
            count += 1;
            if sample.len() < SAMPLE {
                sample.push(report);
            }
        }
        if count >= MOST || Instant::now() > patience {
            break;
        }
    }
    let is_cut = search.before.is_some();
    let mut bound = filter.pairs();
    bound.extend([
        ("scope".to_owned(), "match".to_owned()),
        ("upto".to_owned(), seen.to_string()),
        ("from".to_owned(), last.to_string()),
    ]);
    Question {
        deed,
        count: count as u64,
        scope: format!("All {}, up to the newest that you have seen.", filter.in_words()),
        is_cut,
        sample,
        names: Vec::new(),
        bound,
        back: String::new(),
        call: for_each(deed, &filter),
    }
}

/// The calls that do it to all that match.
fn for_each(deed: Deed, filter: &Filter) -> String {
    let asked = Link::to("/jobs")
        .with("type", filter.kind.as_str())
        .with("q", filter.text.as_str())
        .with("state", filter.state.map_or("", JobState::as_str))
        .with("limit", "1000");
    format!(
        "{} |\n  jq -r '.items[].id | @uri' |\n  while read -r id; do {}; done",
        curl("GET", &asked.href(), None),
        deed.call_of_id()
    )
}

/// Jobs that match a filter, newest first, a chunk at a time.
struct Search<'a> {
    site: &'a Site,
    filter: &'a Filter,
    kind: Option<TypeName>,
    /// Where to go on; none at the end.
    before: Option<u64>,
}

impl<'a> Search<'a> {
    fn new(site: &'a Site, filter: &'a Filter, seen: u64) -> Search<'a> {
        let kind = kind_of(filter);
        let before = kind.is_ok().then(|| seen.saturating_add(1));
        Search { site, filter, kind: kind.unwrap_or_default(), before }
    }

    async fn next(&mut self) -> Option<Vec<Report>> {
        let before = self.before?;
        let filter = self.filter;
        let state = if filter.group.is_some() { Some(JobState::Failed) } else { filter.state };
        let text = Some(filter.text.clone()).filter(|text| !text.is_empty());
        let browse = Browse { state, text, before: Some(before), ..whole_chunk() };
        let mut found = list(self.site, self.kind.clone(), browse).await;
        if let Some(group) = filter.group {
            found.jobs.retain(|report| group_of(report) == Some(group));
        }
        // Each chunk ends before the last one did.
        self.before = found.next.filter(|next| *next < before);
        Some(found.jobs)
    }
}

/// The second step, or the only one for one thing: it is done.
pub async fn act(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let sent = sent(&site, &request, payload).await?;
    let back = sent.value("back").to_owned();
    let word = match Deed::parse(sent.value("deed")) {
        Some(deed) => done(&site, &request, deed, &sent).await,
        None => Word { is_good: false, text: "There is no such deed.".to_owned() },
    };
    Ok(see_other(&back, Some(&word)))
}

/// What became of a deed.
#[derive(Default)]
struct Outcome {
    done: u64,
    left_alone: u64,
    why: Option<Refusal>,
}

impl Outcome {
    fn add(&mut self, answers: Vec<Result<(), Refusal>>) {
        for answer in answers {
            match answer {
                Ok(()) => self.done += 1,
                Err(refusal) => {
                    self.left_alone += 1;
                    self.why = Some(refusal);
                }
            }
        }
    }

    fn word(&self, deed: Deed) -> Word {
        let mut text = format!("{} {}.", deed.things().counted(self.done), deed.done());
        if self.left_alone > 0 {
            let why = self.why.map_or("", Refusal::reason);
            text.push_str(&format!(" {} left alone: {why}.", words::count(self.left_alone)));
        }
        Word { is_good: self.done > 0, text }
    }
}

async fn done(site: &Site, request: &HttpRequest, deed: Deed, sent: &Link) -> Word {
    let ids: Vec<&str> = sent.values("id").collect();
    let outcome = match deed {
        Deed::Pause | Deed::Resume => queues_paused(site, &ids, deed == Deed::Pause).await,
        Deed::Purge | Deed::RetryFailed => queues_emptied(site, &ids, deed, sent).await,
        Deed::Disconnect => disconnected(site, &ids).await,
        Deed::Cancel | Deed::Retry | Deed::Delete | Deed::RunNow | Deed::Reprioritize => {
            let Ok(managed) = managed(deed, sent) else {
                return Word { is_good: false, text: "The priority must be an integer.".to_owned() };
            };
            jobs_managed(site, &ids, managed, sent).await
        }
    };
    let what = if sent.value("scope") == "match" { Filter::of(sent).in_words() } else { ids.join(", ") };
    let shown: String = what.chars().take(200).collect();
    log_deed(request, deed.key(), &format!("{shown} ({} done)", outcome.done));
    outcome.word(deed)
}

/// The deed as the core knows it.
fn managed(deed: Deed, sent: &Link) -> Result<core::Deed, ()> {
    match deed {
        Deed::Cancel => Ok(core::Deed::Cancel),
        Deed::Retry => Ok(core::Deed::Retry),
        Deed::Delete => Ok(core::Deed::Delete),
        Deed::RunNow => Ok(core::Deed::RunNow),
        Deed::Reprioritize => sent.value("priority").parse().map(core::Deed::Reprioritize).map_err(|_| ()),
        Deed::Pause | Deed::Resume | Deed::Purge | Deed::RetryFailed | Deed::Disconnect => Err(()),
    }
}

async fn queues_paused(site: &Site, names: &[&str], paused: bool) -> Outcome {
    let mut outcome = Outcome::default();
    for kind in names.iter().filter_map(|name| TypeName::from_text(name).ok()) {
        if site.desk.set_paused(kind, paused).await {
            outcome.done += 1;
        } else {
            outcome.left_alone += 1;
        }
    }
    outcome
}

async fn queues_emptied(site: &Site, names: &[&str], deed: Deed, sent: &Link) -> Outcome {
    let mut outcome = Outcome::default();
    let (states, managed): (&[JobState], _) = match deed {
        Deed::Purge => (&[JobState::Scheduled, JobState::Queued], core::Deed::CancelWaiting),
        _ => (&[JobState::Failed], core::Deed::Retry),
    };
    let seen: Option<u64> = sent.value("upto").parse().ok();
    let end = match seen {
        Some(seen) => seen.saturating_add(1),
        None => newest(site).await.saturating_add(1),
    };
    for kind in names.iter().filter_map(|name| TypeName::from_text(name).ok()) {
        for state in states {
            outcome.done += queues::touch_those(site, &kind, *state, end, managed).await;
        }
    }
    outcome
}

async fn disconnected(site: &Site, ids: &[&str]) -> Outcome {
    let mut outcome = Outcome::default();
    for peer in ids.iter().filter_map(|id| id.parse().ok()) {
        if site.desk.disconnect(Peer(peer)).await {
            outcome.done += 1;
        } else {
            outcome.left_alone += 1;
        }
    }
    outcome
}

async fn jobs_managed(site: &Site, ids: &[&str], deed: core::Deed, sent: &Link) -> Outcome {
    let mut outcome = Outcome::default();
    let (seen, first) = (sent.value("upto").parse(), sent.number("from", 0, 0, u64::MAX));
    if let ("match", Ok(seen)) = (sent.value("scope"), seen) {
        let filter = Filter::of(sent);
        let mut search = Search::new(site, &filter, seen);
        while let Some(reports) = search.next().await {
            let shown = reports.into_iter().filter(|report| report.job.sequence >= first);
            let ids = shown.map(|report| report.job.id).collect();
            outcome.add(site.desk.manage(ids, deed).await);
            if search.before.is_some_and(|before| before <= first) {
                break;
            }
        }
        return outcome;
    }
    let ids = ids.iter().filter_map(|id| JobId::from_text(id).ok()).collect();
    outcome.add(site.desk.manage(ids, deed).await);
    outcome
}
