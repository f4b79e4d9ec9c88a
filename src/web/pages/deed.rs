//! `/deeds`: what an operator can do, in two steps. First a page that says how many, which and what then happens; the second
//! step touches only what the first one showed.

use maud::{Markup, html};

use crate::core::{JobState, Report};

use super::doors::Doors;
use super::form::{as_call, hidden};
use super::icons::icon;
use super::job_cells::{state_of, subject};
use super::layout::head;
use super::link::{self, Link};
use super::text;
use super::view::{Page, Place, View};
use super::words;

/// What can be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deed {
    /// Hand out nothing of these types.
    Pause,
    /// Hand out again.
    Resume,
    /// Take back all jobs of these types that wait.
    Purge,
    /// Queue all failed jobs of these types again.
    RetryFailed,
    /// Take jobs back.
    Cancel,
    /// Queue ended jobs again, with fresh attempts.
    Retry,
    /// Remove the records of ended jobs.
    Delete,
    /// Don't let jobs wait for their time.
    RunNow,
    /// Larger or smaller priority.
    Reprioritize,
    /// Close a connection.
    Disconnect,
}

impl Deed {
    /// All of them.
    pub const ALL: [Deed; 10] = [
        Deed::Pause,
        Deed::Resume,
        Deed::Purge,
        Deed::RetryFailed,
        Deed::Cancel,
        Deed::Retry,
        Deed::Delete,
        Deed::RunNow,
        Deed::Reprioritize,
        Deed::Disconnect,
    ];

    /// Its name in addresses and forms.
    pub fn key(self) -> &'static str {
        match self {
            Deed::Pause => "pause",
            Deed::Resume => "resume",
            Deed::Purge => "purge",
            Deed::RetryFailed => "retry-failed",
            Deed::Cancel => "cancel",
            Deed::Retry => "retry",
            Deed::Delete => "delete",
            Deed::RunNow => "run-now",
            Deed::Reprioritize => "priority",
            Deed::Disconnect => "disconnect",
        }
    }

    /// The deed of this name.
    pub fn parse(key: &str) -> Option<Deed> {
        Deed::ALL.into_iter().find(|deed| deed.key() == key)
    }

    /// Its name on a button.
    pub fn word(self) -> &'static str {
        match self {
            Deed::Pause => "Pause",
            Deed::Resume => "Resume",
            Deed::Purge => "Purge",
            Deed::RetryFailed => "Retry failed",
            Deed::Cancel => "Cancel",
            Deed::Retry => "Retry",
            Deed::Delete => "Delete",
            Deed::RunNow => "Run now",
            Deed::Reprioritize => "Change priority",
            Deed::Disconnect => "Disconnect",
        }
    }

    /// What was done, after a number and a noun.
    pub fn done(self) -> &'static str {
        match self {
            Deed::Pause => "paused",
            Deed::Resume => "resumed",
            Deed::Purge | Deed::Cancel => "cancelled",
            Deed::RetryFailed | Deed::Retry => "queued again",
            Deed::Delete => "deleted",
            Deed::RunNow => "queued now",
            Deed::Reprioritize => "changed",
            Deed::Disconnect => "disconnected",
        }
    }

    /// What it is done to.
    pub fn things(self) -> Things {
        match self {
            Deed::Pause | Deed::Resume => Things::Queues,
            Deed::Purge
            | Deed::RetryFailed
            | Deed::Cancel
            | Deed::Retry
            | Deed::Delete
            | Deed::RunNow
            | Deed::Reprioritize => Things::Jobs,
            Deed::Disconnect => Things::Peers,
        }
    }

    /// What it means for those it is done to.
    pub fn meaning(self) -> &'static str {
        match self {
            Deed::Pause => {
                "Nothing of these types is handed out until they are resumed, also over a restart. What runs goes on; submits are taken."
            }
            Deed::Resume => "Jobs of these types are handed out again.",
            Deed::Purge => {
                "Their scheduled and queued jobs are cancelled. What runs goes on. A cancelled job can be retried as long as its record is kept."
            }
            Deed::RetryFailed => "Their failed jobs are queued again, each with fresh attempts.",
            Deed::Cancel => {
                "They are not worked any more; a worker that has one is told. A cancelled job can be retried as long as its record is kept. Those that have ended are left alone."
            }
            Deed::Retry => {
                "They are queued again, each with fresh attempts. Those that have not ended, and completed ones, are left alone."
            }
            Deed::Delete => {
                "Their records are removed, with their bodies, results and errors. This can't be undone. Those that have not ended are left alone."
            }
            Deed::RunNow => {
                "They no longer wait for their time, but for a worker. Those that are not scheduled are left alone."
            }
            Deed::Reprioritize => {
                "Larger goes first. One that a worker has takes its new priority along when it comes back. Those that have ended are left alone."
            }
            Deed::Disconnect => {
                "What it has in hand goes back to be worked by others. It may connect again. Waiting jobs of a gloom master are dropped, unless they are durable."
            }
        }
    }

    /// Whether it can be done to a job in this state.
    pub fn fits(self, state: JobState) -> bool {
        let is_waiting = matches!(state, JobState::Scheduled | JobState::Queued);
        let has_ended = state.outcome().is_some();
        match self {
            Deed::Purge => is_waiting,
            Deed::RetryFailed => state == JobState::Failed,
            Deed::Cancel | Deed::Reprioritize => !has_ended,
            Deed::Retry => matches!(state, JobState::Failed | JobState::Cancelled),
            Deed::Delete => has_ended,
            Deed::RunNow => state == JobState::Scheduled,
            Deed::Pause | Deed::Resume | Deed::Disconnect => false,
        }
    }

    /// It can't be undone.
    fn is_grave(self) -> bool {
        match self {
            Deed::Purge | Deed::Delete | Deed::Cancel | Deed::Disconnect => true,
            Deed::Pause | Deed::Resume | Deed::RetryFailed | Deed::Retry | Deed::RunNow | Deed::Reprioritize => false,
        }
    }

    /// The call that does it to the job in a shell's `$id`.
    pub fn call_of_id(self, doors: &Doors) -> String {
        let data =
            if self == Deed::Reprioritize { " -H 'content-type: application/json' -d '{\"priority\":10}'" } else { "" };
        let (verb, rest) =
            if self == Deed::Delete { ("DELETE", String::new()) } else { ("POST", format!("/{}", self.key())) };
        format!("curl -sS -X {verb} \"{}/api/v1/jobs/$id{rest}\"{}{data}", doors.origin(), doors.proof())
    }

    /// The call that does it to one thing.
    pub fn call(self, doors: &Doors, name: &str) -> String {
        let name = link::encode(name);
        match self {
            Deed::Pause | Deed::Resume | Deed::Purge | Deed::RetryFailed => {
                doors.curl("POST", &format!("/queues/{name}/{}", self.key()), None)
            }
            Deed::Cancel | Deed::Retry | Deed::RunNow => {
                doors.curl("POST", &format!("/jobs/{name}/{}", self.key()), None)
            }
            Deed::Reprioritize => doors.curl("POST", &format!("/jobs/{name}/priority"), Some("{\"priority\":10}")),
            Deed::Delete => doors.curl("DELETE", &format!("/jobs/{name}"), None),
            Deed::Disconnect => doors.curl("POST", &format!("/workers/{name}/disconnect"), None),
        }
    }
}

/// What deeds are done to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Things {
    /// Types.
    Queues,
    /// Jobs.
    Jobs,
    /// Connections.
    Peers,
}

impl Things {
    /// So many of them, in words.
    pub fn counted(self, count: u64) -> String {
        match self {
            Things::Queues => words::counted(count, "queue", "queues"),
            Things::Jobs => words::counted(count, "job", "jobs"),
            Things::Peers => words::counted(count, "connection", "connections"),
        }
    }
}

/// What the number of a question is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All there are.
    Exact,
    /// The newest of more: the deed is done to these.
    Newest,
    /// There may be more, and the deed is done to them, too.
    AtLeast,
}

/// What the first step shows.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is to be done.
    pub deed: Deed,
    /// To how many.
    pub count: u64,
    /// How sure that number is.
    pub extent: Extent,
    /// So many of what was chosen are in no state for it.
    pub left_alone: u64,
    /// Which, in words.
    pub scope: String,
    /// Some of the jobs.
    pub sample: Vec<Report>,
    /// Or names, where it isn't jobs.
    pub names: Vec<String>,
    /// What the second step needs to touch only these.
    pub bound: Vec<(String, String)>,
    /// Where the reader came from.
    pub back: String,
    /// The same as a call.
    pub call: String,
}

/// The page of the first step.
pub fn page(question: &Question) -> Page {
    let Question { deed, count, .. } = question;
    let things = match question.extent {
        Extent::Exact | Extent::Newest => deed.things().counted(*count),
        Extent::AtLeast => format!("{} or more", deed.things().counted(*count)),
    };
    let title = format!("{}?", button_words(*deed, &things));
    let body = html! {
           (head(html! { (title) }, html! { (text::line(&question.scope)) }, html! {}))
           @if *count == 0 {
               section.card {
                   div.inner.stack {
                       p {
                           @if question.extent == Extent::Newest {
                               "There is nothing to do this to among the newest. Older ones were not looked at: name a type or a state, or go to older ones in the list and do it there."
                           } @else {
                               "There is nothing to do this to. It may have been done, or what you chose has moved on."
                           }
                       }
                       (left_alone(question))
    p.actions { a.button href=(question.back) { "Go back" } } } }
           } @else {
               section.card aria-label="What happens" {
                   form.inner.stack method="post" action="/deeds" {
                       p { (deed.meaning()) }
                       (left_alone(question))
                       @if question.extent == Extent::Newest {
                           p.note.warn { (icon("warn")) span { "There are older ones that were not looked at. These are the newest " (words::count(*count)) ": do it again for the rest." } }
                       }
                       @if *deed == Deed::Reprioritize {
                           label.field { "New priority" input name="priority" value="0" inputmode="numeric" required pattern="-?[0-9]+" aria-label="New priority"; }
                       }
                       (hidden(&question.bound))
                       input type="hidden" name="deed" value=(deed.key());
                       input type="hidden" name="back" value=(question.back);
                       div.actions {
                           button class=(if deed.is_grave() { "danger" } else { "main" }) { (button_words(*deed, &things)) }
                           a.button href=(question.back) { "Go back" }
                       }
                   }
                   (as_call(&question.call))
               }
               (sample(question))
           }
       };
    Page { title, place: place(*deed), body, regions: Vec::new(), has_fields: true }
}

/// How many of what was chosen are not meant, and why.
fn left_alone(question: &Question) -> Markup {
    let fitting: Vec<&str> =
        JobState::ALL.into_iter().filter(|state| question.deed.fits(*state)).map(JobState::as_str).collect();
    html! {
        @if question.left_alone > 0 {
            p.soft {
                (words::counted(question.left_alone, "other is", "others are")) " left alone: this is for "
                @for (at, state) in fitting.iter().enumerate() {
                    @if at > 0 { (if at + 1 == fitting.len() { " and " } else { ", " }) }
                    (state)
                }
                " jobs."
            }
        }
    }
}

/// `Cancel 3 jobs`.
fn button_words(deed: Deed, things: &str) -> String {
    match deed {
        Deed::Purge => format!("Purge {things}"),
        Deed::RetryFailed => format!("Retry {things}"),
        Deed::Reprioritize => format!("Change the priority of {things}"),
        Deed::RunNow => format!("Run {things} now"),
        Deed::Pause | Deed::Resume | Deed::Cancel | Deed::Retry | Deed::Delete | Deed::Disconnect => {
            format!("{} {things}", deed.word())
        }
    }
}

fn place(deed: Deed) -> Place {
    match deed.things() {
        Things::Queues => Place::Queues,
        Things::Jobs => Place::Jobs,
        Things::Peers => Place::Workers,
    }
}

fn sample(question: &Question) -> Markup {
    html! {
        @if !question.sample.is_empty() {
            section.card aria-label="Some of them" {
                div.scroll tabindex="0" role="region" aria-label="Some of them" {
                    table {
                        caption {
                            @if (question.sample.len() as u64) < question.count { (question.sample.len()) " of them" } @else { "All of them" }
                        }
                        thead { tr { th scope="col" { "State" } th scope="col" { "Job" } th scope="col" { "Type" } } }
                        tbody {
                            @for report in &question.sample {
                                tr {
                                    td { (state_of(report)) }
                                    (subject(report))
                                    td.name { (text::line(&report.job.kind.text())) }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !question.names.is_empty() {
            section.card aria-label="Which" {
                div.inner { ul { @for name in &question.names { li { (text::line(name)) } } } }
            }
        }
    }
}

/// The address of the first step of a deed on one thing.
pub fn ask(deed: Deed, id: &str, view: &View) -> Link {
    Link::to("/deeds").with("deed", deed.key()).with("id", id).with("back", view.here.href())
}
