//! `/failures`: failed jobs by type and by what their errors have in common, so that 2,000 failures are the three errors that
//! they are.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use maud::{Markup, html};

use crate::core::record::{Outcome, StoredState};
use crate::core::{JobId, Report, TypeName};

use super::form::as_call;
use super::json;
use super::layout::{empty, head};
use super::link::{self, Link};
use super::table::{Column, headings};
use super::text;
use super::view::{Page, Place, Region, Row, View};
use super::words;

/// Failed jobs that failed alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// Their type.
    pub kind: TypeName,
    /// What their errors have in common.
    pub pattern: String,
    /// What names the group: a hash of type and pattern.
    pub fingerprint: u64,
    /// How many there are among those that were looked at.
    pub count: u64,
    /// When the first and the last of them failed, milliseconds since 1970.
    pub first_ms: u64,
    /// See `first_ms`.
    pub last_ms: u64,
    /// The one that failed last.
    pub sample: JobId,
}

/// The failed jobs that were looked at, in groups.
#[derive(Clone, Default, Debug)]
pub struct Failures {
    /// The groups, the largest first.
    pub groups: Vec<Group>,
    /// How many failed jobs were looked at.
    pub looked_at: u64,
    /// Whether there are older ones that were not.
    pub goes_on: bool,
}

/// So much of a pattern is shown: one long word is no reason for a long row.
pub const SHOWN_PATTERN: usize = 200;
/// The longest pattern, in characters.
const PATTERN: usize = 160;
/// The most groups that a page shows.
const SHOWN: usize = 200;

impl Failures {
    /// Groups what failed; anything else is left out.
    pub fn of<'a>(reports: impl IntoIterator<Item = &'a Report>, goes_on: bool) -> Failures {
        let mut groups: HashMap<u64, Group> = HashMap::new();
        let mut looked_at = 0;
        for report in reports {
            let Some((error, at_ms)) = failure(report) else { continue };
            looked_at += 1;
            let pattern = pattern(error);
            let fingerprint = fingerprint(&report.job.kind, &pattern);
            let group = groups.entry(fingerprint).or_insert_with(|| Group {
                kind: report.job.kind.clone(),
                pattern,
                fingerprint,
                count: 0,
                first_ms: at_ms,
                last_ms: at_ms,
                sample: report.job.id.clone(),
            });
            group.count += 1;
            group.first_ms = group.first_ms.min(at_ms);
            if at_ms > group.last_ms {
                group.last_ms = at_ms;
                group.sample = report.job.id.clone();
            }
        }
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| (std::cmp::Reverse((group.count, group.last_ms)), group.fingerprint));
        Failures { groups, looked_at, goes_on }
    }
}

/// The group that a failed job belongs to; none where it hasn't failed.
pub fn group_of(report: &Report) -> Option<u64> {
    failure(report).map(|(error, _)| fingerprint(&report.job.kind, &pattern(error)))
}

fn failure(report: &Report) -> Option<(&[u8], u64)> {
    match &report.job.progress.state {
        StoredState::Finished { outcome: Outcome::Failed, detail, at_ms, .. } => {
            Some((detail.as_deref().unwrap_or(b"null"), *at_ms))
        }
        StoredState::Finished { .. }
        | StoredState::Scheduled { .. }
        | StoredState::Queued
        | StoredState::Running { .. } => None,
    }
}

fn fingerprint(kind: &TypeName, pattern: &str) -> u64 {
    // Its keys are fixed: a link to a group is good after a restart, too.
    let mut hasher = DefaultHasher::new();
    kind.token().hash(&mut hasher);
    pattern.hash(&mut hasher);
    hasher.finish()
}

/// What an error has in common with others of its kind: its first line, without what differs from job to job. Numbers become
/// `#`, ids and other long hexadecimal words `…`, and what is quoted `"…"`.
fn pattern(error: &[u8]) -> String {
    let said = said(error);
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message").trim();
    let mut pattern = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        if pattern.chars().count() >= PATTERN {
            pattern.push('…');
            break;
        }
        let length = if let Some(length) = quoted(rest) {
            pattern.push_str("\"…\"");
            length
        } else if first.is_alphanumeric() {
            let length = word_length(rest);
            alike(&mut pattern, &rest[..length]);
            length
        } else {
            pattern.push(first);
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    pattern
}

/// What an error says: the text of a string, the message of an object, or the JSON itself.
fn said(error: &[u8]) -> String {
    let error = String::from_utf8_lossy(&error[..error.len().min(4 * 1024)]).into_owned();
    if let Some(text) = json::begun(&error) {
        return text;
    }
    match serde_json::from_str::<serde_json::Value>(&error) {
        Ok(serde_json::Value::Object(members)) => {
            let text =
                |name: &str| members.get(name).and_then(serde_json::Value::as_str).filter(|text| !text.is_empty());
            let message =
                text("message").or_else(|| text("error")).or_else(|| text("detail")).or_else(|| text("reason"));
            match (text("type").or_else(|| text("code")).or_else(|| text("class")), message) {
                (Some(class), Some(message)) => format!("{class}: {message}"),
                (Some(text), None) | (None, Some(text)) => text.to_owned(),
                (None, None) => error,
            }
        }
        _ => json::readable(&error),
    }
}

/// The bytes of the word at the start. An apostrophe inside of it belongs to it and quotes nothing.
fn word_length(rest: &str) -> usize {
    let mut letters = rest.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let goes_on = letters.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if !(letter.is_alphanumeric() || letter == '_' || letter == '-' || (letter == '\'' && goes_on)) {
            return at;
        }
    }
    rest.len()
}

/// The bytes of a quoted part at the start, if there is one. An apostrophe inside of a word is none.
fn quoted(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'))?;
    let length = rest[1..].find(quote)? + 2;
    (length > 2 && !rest[1..length - 1].contains('\n')).then_some(length)
}

/// A word, without what differs: a long one of hexadecimal digits is an id, in any other each number becomes a `#`.
fn alike(pattern: &mut String, word: &str) {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let hex = word.strip_prefix("0x").unwrap_or(word);
    let is_id = digits > 0 && hex.len() >= 8 && hex.chars().all(|letter| letter.is_ascii_hexdigit() || letter == '-');
    if is_id && digits < word.len() {
        pattern.push('…');
        return;
    }
    let mut was_digit = false;
    for letter in word.chars() {
        let is_digit = letter.is_ascii_digit();
        if !is_digit {
            pattern.push(letter);
        } else if !was_digit {
            pattern.push('#');
        }
        was_digit = is_digit;
    }
}

const COLUMNS: [Column; 6] = [
    Column::new("", "Error").hint("What the errors have in common: # is a number, … an id"),
    Column::new("", "Type"),
    Column::number("", "Jobs"),
    Column::number("", "First").class("num wide"),
    Column::number("", "Last").class("num"),
    Column::new("", "Do"),
];

/// The page. `total` is how many failed jobs there are, as far as is counted.
pub fn page(view: &View, failures: &Failures, total: u64) -> Page {
    let table = table(view, failures);
    let kind = view.here.value("type");
    let scope = html! {
        @if failures.goes_on {
            (words::counted(failures.looked_at, "failed job", "failed jobs"))
            @if total > failures.looked_at { " of " (words::count(total)) }
            ", in groups. The others are not in these counts."
        } @else {
            (words::counted(failures.looked_at, "failed job", "failed jobs")) " in "
            (words::counted(failures.groups.len() as u64, "group", "groups")) ": by type and by what the errors have in common."
        }
    };
    let body = html! {
        (head(html! { "Failures" }, scope, html! {}))
        section.card aria-label="Groups of failures" {
            form.filters method="get" action="/failures" {
                input type="search" name="q" value=(view.here.value("q")) placeholder="Type contains" aria-label="Type contains" autocomplete="off" spellcheck="false";
                button { "Filter" }
                @if !kind.is_empty() { span { "Only of the type " (text::line(kind)) } }
                @if view.here != Link::to("/failures") { a href="/failures" { "All types" } }
            }
            (table)
            (as_call(&view.doors.curl("GET", &Link::to("/jobs").with("state", "failed").with("type", kind).href(), None)))
        }
    };
    Page { title: "Failures".to_owned(), place: Place::Failures, body, regions: vec![table], has_fields: false }
}

fn table(view: &View, failures: &Failures) -> Region {
    let rows = failures.groups.iter().take(SHOWN).map(|group| row(view, group)).collect();
    let left_out = failures.groups.len().saturating_sub(SHOWN) as u64;
    let is_empty = failures.groups.is_empty();
    let here = view.here.clone();
    let nothing = match (here.value("type"), here.value("q")) {
        ("", "") => "Nothing has failed".to_owned(),
        ("", part) => format!("Nothing has failed of types that contain “{part}”"),
        (kind, _) => format!("Nothing has failed of the type “{kind}”"),
    };
    let wider = Link::to("/failures").with("q", here.value("type"));
    Region::of_rows("failures", rows, move |rows| {
        html! {
            @if is_empty {
                (empty(&nothing, html! {
                    @if !here.value("type").is_empty() { a href=(wider.href()) { "Look at all types that contain this" } ". " }
                    "Jobs whose attempts are used up, or whose worker says not to try again, are found here."
                }))
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Groups of failures" {
                    table {
                        caption.visually-hidden { "Groups of failed jobs, the largest first" }
                        (headings(&here, &COLUMNS, None))
                        tbody id="failure-rows" { (rows) }
                    }
                }
                @if left_out > 0 { p.pager { (words::counted(left_out, "smaller group is", "smaller groups are")) " not shown" } }
            }
        }
    })
}

fn row(view: &View, group: &Group) -> Row {
    let kind = group.kind.text();
    let id = format!("{:016x}", group.fingerprint);
    Row::new(
        "failure",
        &id,
        html! {
            th.name scope="row" {
                a.clamp href=(jobs_of(group).href()) { (text::clipped(&group.pattern, SHOWN_PATTERN)) }
                small { a.soft.near href=(link::job(&group.sample.text()).href()) { "the last one" } }
            }
            td.name { a.near href=(link::queue(&kind).href()) { (text::line(&kind)) } }
            td.num { (words::count(group.count)) }
            td.num.wide { (words::since(view.now_ms, group.first_ms)) }
            td.num { (words::since(view.now_ms, group.last_ms)) }
            td { (deeds(view, group)) }
        },
    )
}

/// The jobs of a group.
fn jobs_of(group: &Group) -> Link {
    Link::to("/jobs")
        .with("type", group.kind.text())
        .with("state", "failed")
        .with("group", format!("{:016x}", group.fingerprint))
}

/// What can be done to all of a group.
fn deeds(view: &View, group: &Group) -> Markup {
    let bulk = |deed: &str| {
        let mut link = jobs_of(group).with("deed", deed).with("back", view.here.href());
        link.path = "/deeds".to_owned();
        link.href()
    };
    html! {
        div.actions {
            a.button.small-button href=(bulk("retry")) { "Retry…" span.visually-hidden { " this group" } }
            a.button.small-button href=(bulk("delete")) { "Discard…" span.visually-hidden { " this group" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_that_differ_in_values_only_are_one() {
        let alike = [
            ("\"no user 17\"", "\"no user 4711\"", "no user #"),
            (
                "\"job 3f2504e0-4f89-11d3-9a0c-0305e82c3301 timed out after 30.5s\"",
                "\"job 6ba7b810-9dad-11d1-80b4-00c04fd430c8 timed out after 9.1s\"",
                "job … timed out after #.#s",
            ),
            ("\"can't open 'a b.png'\\n  at x\"", "\"can't open 'c'\\n  at y\"", "can't open \"…\""),
            ("\"at 0x7ffdeadbeef0\"", "\"at 0x7ffd00000001\"", "at …"),
            (
                "{\"type\":\"ValueError\",\"message\":\"row 3\"}",
                "{\"message\":\"row 99\",\"type\":\"ValueError\"}",
                "ValueError: row #",
            ),
        ];
        for (one, other, expected) in alike {
            assert_eq!(pattern(one.as_bytes()), pattern(other.as_bytes()));
            assert_eq!(pattern(one.as_bytes()), expected);
        }
        assert_ne!(pattern(b"\"timeout\""), pattern(b"\"refused\""));
        assert_eq!(pattern(b"\"added cafe facade\""), "added cafe facade");
        assert_eq!(pattern(b"\"\""), "no message");
        assert_eq!(pattern(b"{\"a\":1}"), "{\"…\":#}");
        assert_eq!(pattern(b"\"\\ud83d\\ude00 caf\\u00e9\""), "😀 café");
        let long = format!("\"first line\\n{}\"", "a".repeat(100_000));
        assert_eq!(pattern(long.as_bytes()), "first line");
        assert!(pattern(&[b'x'; 100_000]).chars().count() <= 4 * 1024);
    }
}
