//! The first step of a deed: to how many things it will be done, which, and some of them to look at.
//!
//! It is a page like any other, so it takes no longer. Jobs are counted one by one while that is quick. Where it isn't, the
//! figures say how many there are, if they can; else the deed is bound to what was counted, and the page says so.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::deed::{Deed, Extent, Question, Things};
use super::doors::Doors;
use super::failures::group_of;
use super::jobs::{Filter, counted};
use super::link::Link;
use super::load::{kind_of, list, of_kind, whole_chunk};
use super::peers::in_words;
use super::serve::local;
use super::view::View;
use super::words;
use crate::actors::questions::{PeerFigures, Role};
use crate::core::{Browse, JobId, JobState, Peer, Report, TypeName};
use crate::web::Site;

/// Jobs are counted one by one for so long.
const PATIENCE: Duration = Duration::from_millis(30);
/// So many are looked at at a time: with thousands of queues, more take too long for a page.
const LOOK_AT: usize = 2_000;
/// A text is looked for further, but not for more of it at a time.
const LOOK_FOR_TEXT: (usize, usize) = (10_000, 200);
/// So many selected jobs are looked at at a time.
const LOOKED_AT_ONCE: usize = 16;
/// So many of the jobs are shown.
const SAMPLE: usize = 5;

/// What an address asks for.
///
/// # Errors
/// Why nothing can be asked.
pub async fn question(site: &Site, view: &View) -> Result<Question, &'static str> {
    let asked = &view.here;
    let deed = Deed::parse(asked.value("deed")).ok_or("There is no such deed.")?;
    let ids: Vec<&str> = asked.values("id").collect();
    let is_match = asked.value("scope") == "match" || (ids.is_empty() && !asked.value("group").is_empty());
    if ids.is_empty() && !is_match {
        return Err("Nothing was selected.");
    }
    let question = match deed.things() {
        Things::Queues => {
            let names = known_queues(site, &ids);
            let scope = words::counted(names.len() as u64, "queue", "queues");
            named(deed, &view.doors, &names.clone(), names, scope)
        }
        Things::Peers => peers(site, deed, &view.doors, &ids).await,
        Things::Jobs if matches!(deed, Deed::Purge | Deed::RetryFailed) => {
            whole_queues(site, deed, &view.doors, &ids).await
        }
        Things::Jobs if is_match => matching(site, deed, view).await,
        Things::Jobs => selected(site, deed, &view.doors, &ids).await,
    };
    Ok(Question { back: local(asked.value("back")).to_owned(), ..question })
}

/// A deed to things that have names.
fn named(deed: Deed, doors: &Doors, ids: &[String], names: Vec<String>, scope: String) -> Question {
    Question {
        deed,
        count: ids.len() as u64,
        extent: Extent::Exact,
        left_alone: 0,
        scope,
        sample: Vec::new(),
        names,
        bound: ids.iter().map(|id| ("id".to_owned(), id.clone())).collect(),
        back: String::new(),
        call: deed.call(doors, ids.first().map_or("ID", String::as_str)),
    }
}

async fn peers(site: &Site, deed: Deed, doors: &Doors, ids: &[&str]) -> Question {
    let numbers = ids.iter().filter_map(|id| id.parse().ok());
    let found: Vec<PeerFigures> =
        join_all(numbers.map(|number| peer(site, number))).await.into_iter().flatten().collect();
    let ids: Vec<String> = found.iter().map(|peer| peer.peer.0.to_string()).collect();
    let scope = if found.len() == 1 {
        "This connection, and what it has in hand."
    } else {
        "These connections, and what they have in hand."
    };
    named(deed, doors, &ids, found.iter().map(in_words).collect(), scope.to_owned())
}

async fn peer(site: &Site, number: u64) -> Option<PeerFigures> {
    for role in [Role::Worker, Role::Master] {
        let (found, _) = site.desk.peers(role, Peer(number.saturating_sub(1)), 1).await;
        if let Some(found) = found.into_iter().find(|found| found.peer == Peer(number)) {
            return Some(found);
        }
    }
    None
}

/// All jobs of some queues that the deed is for.
async fn whole_queues(site: &Site, deed: Deed, doors: &Doors, ids: &[&str]) -> Question {
    let names = known_queues(site, ids);
    let seen = newest(site).await;
    let until = Instant::now() + PATIENCE;
    let (mut count, mut sample, mut is_sure) = (0, Vec::new(), true);
    for name in &names {
        let filter = Filter { kind: name.clone(), ..Filter::default() };
        let tally = tally(site, deed, &filter, seen, until).await;
        let figures = tally.goes_on.is_some().then(|| figures(site, deed, &filter)).flatten();
        is_sure &= tally.goes_on.is_none() || figures.is_some();
        count += tally.count.max(figures.unwrap_or(0));
        sample.extend(tally.sample);
    }
    sample.truncate(SAMPLE);
    let what = if deed == Deed::Purge { "All scheduled and queued jobs of" } else { "All failed jobs of" };
    let mut question = named(deed, doors, &names, Vec::new(), format!("{what} {}.", names.join(", ")));
    question.bound.push(("upto".to_owned(), seen.to_string()));
    Question { count, sample, extent: if is_sure { Extent::Exact } else { Extent::AtLeast }, ..question }
}

async fn selected(site: &Site, deed: Deed, doors: &Doors, ids: &[&str]) -> Question {
    let (mut meant, mut sample, mut left_alone) = (Vec::new(), Vec::new(), 0);
    // Some at a time, since each comes with its body and result.
    for some in ids.chunks(LOOKED_AT_ONCE) {
        let looked_at = some.iter().filter_map(|id| JobId::from_text(id).ok()).map(|id| site.desk.look(id));
        for report in join_all(looked_at).await.into_iter().flatten() {
            if !deed.fits(report.state()) {
                left_alone += 1;
                continue;
            }
            meant.push(report.job.id.text().into_owned());
            if sample.len() < SAMPLE {
                sample.push(report);
            }
        }
    }
    let scope = if meant.len() == 1 { "The job that was selected." } else { "The jobs that were selected." };
    Question { left_alone, sample, ..named(deed, doors, &meant, Vec::new(), scope.to_owned()) }
}

/// What matches a filter, up to what was seen.
async fn matching(site: &Site, deed: Deed, view: &View) -> Question {
    let filter = Filter::of(&view.here);
    let seen = match view.here.value("upto").parse() {
        Ok(seen) => seen,
        Err(_) => newest(site).await,
    };
    let tally = tally(site, deed, &filter, seen, Instant::now() + PATIENCE).await;
    let figures = tally.goes_on.is_some().then(|| figures(site, deed, &filter)).flatten();
    let mut bound = filter.pairs();
    bound.extend([("scope".to_owned(), "match".to_owned()), ("upto".to_owned(), seen.to_string())]);
    let extent = match (tally.goes_on, figures) {
        (Some(from), None) => {
            bound.push(("from".to_owned(), from.to_string()));
            Extent::Newest
        }
        (Some(_), Some(_)) => Extent::Exact,
        (None, _) => {
            bound.push(("from".to_owned(), "0".to_owned()));
            Extent::Exact
        }
    };
    Question {
        deed,
        count: tally.count.max(figures.unwrap_or(0)),
        extent,
        // Where figures say how many there are, the others were not counted.
        left_alone: if figures.is_some() { 0 } else { tally.left_alone },
        scope: format!("All {}, up to the newest that you have seen.", filter.in_words()),
        sample: tally.sample,
        names: Vec::new(),
        bound,
        back: String::new(),
        call: for_each(deed, &view.doors, &filter),
    }
}

/// How many jobs a deed would be done to, as the figures say: of those that have not ended, where nothing but type and state
/// is asked for. Of ended ones they count also those whose records are gone.
fn figures(site: &Site, deed: Deed, filter: &Filter) -> Option<u64> {
    let states = states(deed, filter);
    if !filter.text.is_empty() || filter.group.is_some() || states.iter().any(|state| state.outcome().is_some()) {
        return None;
    }
    let snapshot = site.snapshots.borrow().clone();
    let census = match filter.kind.as_str() {
        "" => Some(snapshot.total.census),
        kind => of_kind(&snapshot, kind).map(|queue| queue.figures.census),
    };
    census.map(|census| states.iter().map(|state| counted(&census, *state)).sum())
}

/// The states in which the deed can be done to what matches.
pub(super) fn states(deed: Deed, filter: &Filter) -> Vec<JobState> {
    let is_asked = |state: &JobState| filter.state.is_none_or(|asked| asked == *state);
    JobState::ALL.into_iter().filter(|state| deed.fits(*state)).filter(is_asked).collect()
}

/// Jobs that were counted one by one.
#[derive(Default)]
struct Tally {
    count: u64,
    left_alone: u64,
    sample: Vec<Report>,
    /// The oldest that was looked at, where there are older ones.
    goes_on: Option<u64>,
}

/// Counts until the time is over, though at least one look is taken. What ends a queue as a whole looks only at what it is for.
async fn tally(site: &Site, deed: Deed, filter: &Filter, seen: u64, until: Instant) -> Tally {
    let mut tally = Tally::default();
    let meant = states(deed, filter);
    let is_whole = matches!(deed, Deed::Purge | Deed::RetryFailed);
    let looks = if is_whole { meant.iter().copied().map(Some).collect() } else { vec![filter.state] };
    for state in looks {
        let mut search = Search::new(site, filter, state, seen).for_a_page();
        while let Some(reports) = search.next().await {
            for report in reports {
                if !meant.contains(&report.state()) {
                    tally.left_alone += 1;
                    continue;
                }
                tally.count += 1;
                if tally.sample.len() < SAMPLE {
                    tally.sample.push(report);
                }
            }
            if Instant::now() > until {
                break;
            }
        }
        tally.goes_on = tally.goes_on.max(search.before);
    }
    // A few that match among many that don't are found by their state, in a queue that has such.
    if tally.sample.is_empty() && tally.goes_on.is_some() && filter.text.is_empty() && !is_whole {
        for state in meant {
            let mut search = Search::new(site, filter, Some(state), seen).for_a_page();
            if search.kind.is_none() {
                let Some(kind) = kind_with(site, state) else { continue };
                search = search.of(kind);
            }
            tally.sample.extend(search.next().await.unwrap_or_default().into_iter().take(SAMPLE));
        }
        tally.sample.truncate(SAMPLE);
    }
    tally
}

/// The type of a queue that has jobs in this state.
fn kind_with(site: &Site, state: JobState) -> Option<TypeName> {
    let snapshot = site.snapshots.borrow().clone();
    snapshot.queues.iter().find(|queue| counted(&queue.figures.census, state) > 0).map(|queue| queue.kind.clone())
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

/// The sequence number of the newest job.
pub(super) async fn newest(site: &Site) -> u64 {
    let found = list(site, None, Browse { limit: 1, ..whole_chunk() }).await;
    found.jobs.first().map_or(0, |report| report.job.sequence)
}

/// The calls that do it to all that match.
fn for_each(deed: Deed, doors: &Doors, filter: &Filter) -> String {
    let asked = Link::to("/jobs")
        .with("type", filter.kind.as_str())
        .with("q", filter.text.as_str())
        .with("state", filter.state.map_or("", JobState::as_str))
        .with("limit", "1000");
    format!(
        "{} |\n  jq -r '.items[].id | @uri' |\n  while read -r id; do {}; done",
        doors.curl("GET", &asked.href(), None),
        deed.call_of_id(doors)
    )
}

/// Jobs that match a filter, newest first, a chunk at a time.
pub(super) struct Search<'a> {
    site: &'a Site,
    filter: &'a Filter,
    kind: Option<TypeName>,
    state: Option<JobState>,
    look_at: usize,
    limit: usize,
    /// Where to go on; none at the end.
    pub(super) before: Option<u64>,
}

impl<'a> Search<'a> {
    /// Those in a state, or in any; from the newest that was seen.
    pub(super) fn new(site: &'a Site, filter: &'a Filter, state: Option<JobState>, seen: u64) -> Search<'a> {
        let kind = kind_of(filter);
        let before = kind.is_ok().then(|| seen.saturating_add(1));
        let Browse { look_at, limit, .. } = whole_chunk();
        Search { site, filter, kind: kind.unwrap_or_default(), state, look_at, limit, before }
    }

    /// No more at a time than a page has time for.
    fn for_a_page(self) -> Search<'a> {
        let (look_at, limit) = if self.filter.text.is_empty() { (LOOK_AT, self.limit) } else { LOOK_FOR_TEXT };
        Search { look_at, limit, ..self }
    }

    /// Only those of this type.
    pub(super) fn of(self, kind: TypeName) -> Search<'a> {
        Search { kind: Some(kind), ..self }
    }

    /// The next chunk; it may be empty, and still something may come.
    pub(super) async fn next(&mut self) -> Option<Vec<Report>> {
        let before = self.before?;
        let filter = self.filter;
        let state = if filter.group.is_some() { Some(JobState::Failed) } else { self.state };
        let text = Some(filter.text.clone()).filter(|text| !text.is_empty());
        let browse =
            Browse { state, text, before: Some(before), look_at: self.look_at, limit: self.limit, ..whole_chunk() };
        let mut found = list(self.site, self.kind.clone(), browse).await;
        if let Some(group) = filter.group {
            found.jobs.retain(|report| group_of(report) == Some(group));
        }
        // Each chunk ends before the last one did.
        self.before = found.next.filter(|next| *next < before);
        Some(found.jobs)
    }
}
