//! What forms send: deeds, a job, how the reader likes the pages. Each ends with an address to look at (303).
//!
//! A deed touches what its question showed and nothing that came later, and it is written to the log.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use tokio::time::timeout;

use super::deed::{self, Deed};
use super::goal::Goal;
use super::jobs::{Filter, counted};
use super::link::{self, Link};
use super::load::queue_page;
use super::question::{Search, newest, question, states};
use super::serve::{LIVE, THEME, YEAR, answer, local, see_other, set_cookie, view};
use super::submit::Form;
use super::view::{Place, Theme, View, Word};
use super::{fault, words};
use crate::core::{self, JobId, JobState, Peer, Refusal, TypeName};
use crate::web::api::jobs::new_id;
use crate::web::api::reading::Submissions;
use crate::web::api::{caller, log_deed, queues};
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::{Site, body};

/// A deed on all that match goes on for so long; then it says that there are more.
const ROUND: Duration = Duration::from_secs(20);
/// The next page shows what was done to a queue when the figures do, which are made once a second.
const SHOWN_WITHIN: Duration = Duration::from_millis(1_500);

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

/// The address of a form that was refused, asked for again: the forms are on the pages of the queues.
pub async fn forms() -> HttpResponse {
    see_other(Place::Queues.path(), None)
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
    match question(&site, &view).await {
        Ok(question) => answer(StatusCode::OK, &view, &deed::page(&question)),
        Err(why) => {
            let page = fault::refused(Place::Jobs, why, local(view.here.value("back")));
            answer(StatusCode::UNPROCESSABLE_ENTITY, &view, &page)
        }
    }
}

/// The second step, or the only one for one thing: it is done.
pub async fn act(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let sent = sent(&site, &request, payload).await?;
    let word = match Deed::parse(sent.value("deed")) {
        Some(deed) => done(&site, &request, deed, &sent).await,
        None => Word { is_good: false, text: "There is no such deed.".to_owned() },
    };
    Ok(see_other(back(&sent, &word), Some(&word)))
}

/// Where the reader goes on: where they came from, unless that was the page of a job that is no more.
fn back<'a>(sent: &'a Link, word: &Word) -> &'a str {
    let back = sent.value("back");
    let is_gone = word.is_good && Deed::parse(sent.value("deed")) == Some(Deed::Delete);
    let (path, query) = back.split_once('?').unwrap_or((back, ""));
    let is_of_a_job = matches!(Goal::of(&Link::parse(path, query)), Some(Goal::Job(_)));
    if is_gone && is_of_a_job { Place::Jobs.path() } else { back }
}

/// What became of a deed.
#[derive(Default)]
struct Outcome {
    done: u64,
    left_alone: u64,
    why: Option<Refusal>,
    /// There was no time for all.
    goes_on: bool,
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
        if self.goes_on {
            text.push_str(" There are more: do it again.");
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
            jobs_managed(site, &ids, (deed, managed), sent).await
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
    let mut changed = HashSet::new();
    for kind in names.iter().filter_map(|name| TypeName::from_text(name).ok()) {
        if site.desk.set_paused(kind.clone(), paused).await {
            outcome.done += 1;
            changed.insert(kind.text().into_owned());
        } else {
            outcome.left_alone += 1;
        }
    }
    let mut snapshots = site.snapshots.clone();
    let is_shown = snapshots.wait_for(|snapshot| {
        let mut touched = snapshot.queues.iter().filter(|queue| changed.contains(&*queue.kind.text()));
        touched.all(|queue| queue.paused == paused)
    });
    // Else the page catches up by itself.
    let _ = timeout(SHOWN_WITHIN, is_shown).await;
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

async fn jobs_managed(site: &Site, ids: &[&str], deed: (Deed, core::Deed), sent: &Link) -> Outcome {
    let mut outcome = Outcome::default();
    if let ("match", Ok(seen)) = (sent.value("scope"), sent.value("upto").parse()) {
        let filter = Filter::of(sent);
        let until = Instant::now() + ROUND;
        match sent.value("from").parse() {
            Ok(from) => matching_from(site, &filter, deed, (from, seen), until, &mut outcome).await,
            Err(_) => matching_by_type(site, &filter, deed, seen, until, &mut outcome).await,
        }
        return outcome;
    }
    let ids = ids.iter().filter_map(|id| JobId::from_text(id).ok()).collect();
    outcome.add(site.desk.manage(ids, deed.1).await);
    outcome
}

/// Those that were counted one by one, between these sequence numbers.
async fn matching_from(
    site: &Site,
    filter: &Filter,
    (deed, managed): (Deed, core::Deed),
    (from, seen): (u64, u64),
    until: Instant,
    outcome: &mut Outcome,
) {
    let mut search = Search::new(site, filter, filter.state, seen);
    while let Some(reports) = search.next().await {
        let meant = reports.into_iter().filter(|report| report.job.sequence >= from && deed.fits(report.state()));
        outcome.add(site.desk.manage(meant.map(|report| report.job.id).collect(), managed).await);
        if search.before.is_some_and(|before| before <= from) {
            break;
        }
        if search.before.is_some() && Instant::now() > until {
            outcome.goes_on = true;
            break;
        }
    }
}

/// All that match, type after type: a list over thousands of queues would ask each of them again for every chunk.
async fn matching_by_type(
    site: &Site,
    filter: &Filter,
    (deed, managed): (Deed, core::Deed),
    seen: u64,
    until: Instant,
    outcome: &mut Outcome,
) {
    let snapshot = site.snapshots.borrow().clone();
    for queue in snapshot.queues.iter().filter(|queue| filter.kind.is_empty() || queue.kind.text() == filter.kind) {
        for state in states(deed, filter) {
            if counted(&queue.figures.census, state) == 0 {
                continue;
            }
            let mut search = Search::new(site, filter, Some(state), seen).of(queue.kind.clone());
            while let Some(reports) = search.next().await {
                let ids = reports.into_iter().map(|report| report.job.id).collect();
                outcome.add(site.desk.manage(ids, managed).await);
                if Instant::now() > until {
                    outcome.goes_on = true;
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_deletes_the_job_of_a_page_is_led_to_the_list() {
        let after = |deed: &str, from: &str, is_good: bool| {
            let sent = Link::default().with("deed", deed).with("back", from);
            back(&sent, &Word { is_good, text: String::new() }).to_owned()
        };
        assert_eq!(after("delete", "/jobs/7?x=y", true), "/jobs");
        assert_eq!(after("delete", "/jobs/7", false), "/jobs/7");
        assert_eq!(after("delete", "/jobs?state=failed", true), "/jobs?state=failed");
        assert_eq!(after("retry", "/jobs/7", true), "/jobs/7");
    }
}
