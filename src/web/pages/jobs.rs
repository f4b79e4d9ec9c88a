//! `/jobs`: a list of jobs, the newest first, and how to find one. It says what it has searched.

use maud::{Markup, html};

use crate::core::census::Census;
use crate::core::{JobState, Report};

use super::deed::Deed;
use super::form::as_call;
use super::icons::icon;
use super::job_cells::{COLUMNS, row};
use super::layout::{empty, head};
use super::link::{self, Link};
use super::state::capital;
use super::table::headings;
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct Jobs<'a> {
    /// What is searched for.
    pub filter: &'a Filter,
    /// What was found, the newest first.
    pub jobs: &'a [Report],
    /// Where to go on.
    pub next: Option<u64>,
    /// How many jobs were looked at.
    pub looked_at: u64,
    /// The job whose id is the text that is searched for.
    pub named: Option<&'a Report>,
    /// How many jobs there are, of the type or of all.
    pub census: Option<&'a Census>,
}

/// Which jobs.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Filter {
    /// Only of this type; empty: of all.
    pub kind: String,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only where this text is in the id, the type, the master, a worker, the body, the result or an error.
    pub text: String,
    /// Only failures of this group.
    pub group: Option<u64>,
}

impl Filter {
    /// What an address, or a form, asks for. The text may name a type or a state: `type:mail state:failed timeout`.
    pub fn of(link: &Link) -> Filter {
        let mut filter = Filter {
            kind: link.values("type").next().unwrap_or("").to_owned(),
            state: JobState::parse(link.value("state")),
            text: String::new(),
            group: u64::from_str_radix(link.value("group"), 16).ok(),
        };
        let mut words = Vec::new();
        for word in link.value("q").split_whitespace() {
            match word.split_once(':') {
                Some(("type", kind)) if !kind.is_empty() => filter.kind = kind.to_owned(),
                Some(("state", state)) if JobState::parse(state).is_some() => filter.state = JobState::parse(state),
                Some(("id", id)) if !id.is_empty() => words.push(id),
                _ => words.push(word),
            }
        }
        // A text without qualifiers is searched for as it is, spaces included.
        filter.text = if words.len() == link.value("q").split_whitespace().count() && !link.value("q").contains("id:") {
            link.value("q").to_owned()
        } else {
            words.join(" ")
        };
        filter
    }

    /// As pairs of an address.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let link = Link::default()
            .with("type", self.kind.as_str())
            .with("state", self.state.map_or("", JobState::as_str))
            .with("q", self.text.as_str())
            .with("group", self.group.map_or_else(String::new, |group| format!("{group:016x}")));
        link.pairs
    }

    /// In words: `failed jobs of type mail that contain “timeout”`.
    pub fn in_words(&self) -> String {
        let mut words = self.state.map_or_else(|| "jobs".to_owned(), |state| format!("{} jobs", state.as_str()));
        if !self.kind.is_empty() {
            words.push_str(&format!(" of type {}", self.kind));
        }
        if !self.text.is_empty() {
            words.push_str(&format!(" that contain “{}”", self.text));
        }
        if self.group.is_some() {
            words.push_str(" that failed alike");
        }
        words
    }

    /// Whether all jobs are meant.
    pub fn is_all(&self) -> bool {
        *self == Filter::default()
    }
}

/// The deeds of the list.
const DEEDS: [Deed; 5] = [Deed::Cancel, Deed::Retry, Deed::Delete, Deed::RunNow, Deed::Reprioritize];

/// The page.
pub fn page(view: &View, data: Jobs<'_>) -> Page {
    let table = table(view, data);
    let filter = data.filter;
    let call = Link { path: "/jobs".to_owned(), pairs: Filter { group: None, ..filter.clone() }.pairs() };
    let body = html! {
        (head(html! { "Jobs" }, html! { "All jobs whose records are kept, the newest first." }, html! {}))
        @if let Some(report) = data.named {
            p.note {
                (icon("info"))
                span { "There is a job with this id: " a href=(link::job(&report.job.id.text()).href()) { (text::line(&report.job.id.text())) } }
            }
        }
        section.card aria-label="Jobs" {
            (search(filter))
            (states(view, data))
            form method="get" action="/deeds" {
                (super::form::hidden(&filter.pairs()))
                input type="hidden" name="back" value=(view.here.href());
                (table)
                @if !data.jobs.is_empty() { (bulk(data)) }
            }
            (as_call(&view.doors.curl("GET", &call.href(), None)))
        }
    };
    Page { title: "Jobs".to_owned(), place: Place::Jobs, body, regions: vec![table], has_fields: false }
}

fn search(filter: &Filter) -> Markup {
    html! {
        form.filters method="get" action="/jobs" role="search" {
            input type="search" name="q" value=(filter.text) placeholder="Text in id, body, result, error, master, worker"
                aria-label="Text in id, body, result, error, master or worker" autocomplete="off" spellcheck="false";
            input type="text" name="type" value=(filter.kind) placeholder="Type" aria-label="Type" autocomplete="off" spellcheck="false" size="16";
            select name="state" aria-label="State" {
                option value="" selected[filter.state.is_none()] { "Any state" }
                @for state in JobState::ALL {
                    option value=(state.as_str()) selected[filter.state == Some(state)] { (capital(state.as_str())) }
                }
            }
            button { "Search" }
            @if !filter.is_all() { a href="/jobs" { "Clear" } }
            button.fresh.small-button type="button" id="fresh-jobs" hidden {}
        }
    }
}

/// The states as a row of links, with how many there are where nothing else is asked for.
fn states(view: &View, data: Jobs<'_>) -> Markup {
    let filter = data.filter;
    let census = data.census.filter(|_| filter.text.is_empty() && filter.group.is_none());
    let to = |state: &str| {
        let link =
            Link { path: view.here.path.clone(), pairs: Filter { state: None, group: None, ..filter.clone() }.pairs() };
        link.with("state", state).href()
    };
    html! {
        div.inner {
            nav.views aria-label="State" {
                a href=(to("")) aria-current=[filter.state.is_none().then_some("true")] { "All" }
                @for state in JobState::ALL {
                    a href=(to(state.as_str())) aria-current=[(filter.state == Some(state)).then_some("true")] {
                        (capital(state.as_str()))
                        @if let Some(census) = census { " " small { (words::count(counted(census, state))) } }
                    }
                }
            }
            @if census.is_some_and(|census| census.accepted > census.live()) {
                p.soft.small { "Of ended jobs, all so far are counted; the list has those whose records are kept." }
            }
        }
    }
}

/// How many there are in a state.
pub(super) fn counted(census: &Census, state: JobState) -> u64 {
    match state {
        JobState::Scheduled => census.scheduled,
        JobState::Queued => census.queued,
        JobState::Running => census.running,
        JobState::Completed => census.completed,
        JobState::Failed => census.failed,
        JobState::Cancelled => census.cancelled,
        JobState::Expired => census.expired,
    }
}

fn table(view: &View, data: Jobs<'_>) -> Region {
    let rows: Vec<Row> = data.jobs.iter().map(|report| row(report, view.now_ms)).collect();
    let (count, next, looked_at) = (rows.len() as u64, data.next, data.looked_at);
    let (here, what) = (view.here.clone(), data.filter.in_words());
    let (is_all, is_first) = (data.filter.is_all(), view.here.value("before").is_empty());
    Region::of_rows("jobs", rows, move |rows| {
        html! {
            @if count == 0 && next.is_none() {
                @if is_all && is_first {
                    (empty("No jobs", html! { "None has been submitted, or all records are forgotten: a finished job is kept for its " code { "keep_ms" } ". " a href="/docs" { "How to submit a job" } "." }))
                } @else {
                    (empty("Nothing found", html! { "Searched all " (words::counted(looked_at, "job", "jobs")) " that are kept" @if !is_first { " and older than the page before" } ". Completed jobs that are not durable leave no record." }))
                }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Jobs" {
                    table {
                        caption {
                            (words::count(count)) " " (text::line(&what))
                            @if is_first { ", the newest" } @else { ", older ones" }
                            ". Looked at " (words::counted(looked_at, "job", "jobs"))
                            @if next.is_some() { "; there are older ones." } @else { ", which is all." }
                        }
                        (headings(&here, &COLUMNS, None))
                        tbody id="job-rows" data-hold { (rows) }
                    }
                }
                @if next.is_some() || !is_first {
                    div.pager {
                        @if count == 0 { span { "Nothing among these: look further." } }
                        nav aria-label="Pages" {
                            @if !is_first { a.button.small-button href=(here.clone().with("before", "").href()) { "← Newest" } }
                            @if let Some(next) = next {
                                a.button.small-button rel="next" href=(here.clone().with("before", next.to_string()).href()) { "Older →" }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn bulk(data: Jobs<'_>) -> Markup {
    let newest = data.jobs.iter().map(|report| report.job.sequence).max().unwrap_or(0);
    html! {
        div.bulk {
            label.row {
                span.visually-hidden { "Which jobs" }
                select name="scope" aria-label="Which jobs" {
                    option value="selected" { "The selected" }
                    option value="match" { "All that match" }
                }
            }
            // What came after this page was made is not meant.
            input type="hidden" name="upto" value=(newest);
            @for deed in DEEDS { button name="deed" value=(deed.key()) { (deed.word()) "…" } }
            label.row data-script { input type="checkbox" data-all aria-label="Select all on this page"; " all here" }
            span.soft data-chosen {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(query: &str) -> Filter {
        Filter::of(&Link::parse("/jobs", query))
    }

    #[test]
    fn a_search_is_read_with_its_qualifiers() {
        let found = filter("q=type%3Amail+state%3Afailed+time++out");
        assert_eq!(
            (found.kind.as_str(), found.state, found.text.as_str()),
            ("mail", Some(JobState::Failed), "time out")
        );
        let found = filter("q=a++b&type=x+y&state=queued");
        assert_eq!((found.kind.as_str(), found.state, found.text.as_str()), ("x y", Some(JobState::Queued), "a  b"));
        assert_eq!(filter("q=id:7").text, "7");
        assert_eq!(filter("q=http://x state:no").text, "http://x state:no");
        assert_eq!(filter("group=ff&state=x").group, Some(255));
        assert!(filter("").is_all());
    }

    #[test]
    fn a_filter_survives_its_address() {
        let found = filter("q=a+b&type=x%2Fy&state=failed&group=00ff");
        assert_eq!(Filter::of(&Link { path: String::new(), pairs: found.pairs() }), found);
        assert_eq!(found.in_words(), "failed jobs of type x/y that contain “a b” that failed alike");
    }
}
