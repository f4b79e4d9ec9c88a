//! `/system`: the server itself. Its settings and where each came from, what it listens on, its store, its log.

use maud::{Markup, html};

use crate::core::statistics::Percentiles;
use crate::logging::Line;

use super::layout::{empty, head};
use super::overview::server_pairs;
use super::server::ServerFigures;
use super::table::micros;
use super::text;
use super::view::{Page, Place, Region};
use super::words;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct System<'a> {
    /// The server.
    pub server: &'a ServerFigures,
    /// How long an actor took to answer just now, in microseconds; none where it didn't.
    pub answers: &'a [(&'static str, Option<u64>)],
    /// What listens where.
    pub listeners: &'a [(String, String)],
    /// The settings.
    pub settings: &'a [SettingLine],
    /// The newest lines of the log, the newest first.
    pub log: &'a [Line],
}

/// A setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SettingLine {
    /// Its name.
    pub name: String,
    /// Its value; a token is never in here.
    pub value: String,
    /// Where it came from.
    pub origin: String,
    /// Whether nobody said anything else.
    pub is_default: bool,
}

/// The page.
pub fn page(data: System<'_>) -> Page {
    let regions = vec![Region::new("server", server_card(data)), Region::new("log", log_card(data.log))];
    let body = html! {
        (head(html! { "System" }, html! { "The server itself." }, html! {}))
        @if data.server.draining { p.note.warn { (super::icons::icon("warn")) span { "It is draining: it takes no more jobs and stops when those that run have ended." } } }
        div.grid {
            (regions[0])
            section.card aria-labelledby="listeners-title" {
                header { h2 id="listeners-title" { "Listens on" } }
                div.inner {
                    dl.pairs { @for (name, address) in data.listeners { dt { (name) } dd.mono { (text::line(address)) } } }
                }
            }
        }
        (regions[1])
        (settings(data.settings))
    };
    Page { title: "System".to_owned(), place: Place::System, body, regions, has_fields: false }
}

fn server_card(data: System<'_>) -> Markup {
    html! {
        section.card aria-labelledby="server-title" {
            header { h2 id="server-title" { "Server" } }
            div.inner { (server_pairs(data.server)) }
            @if let Some(store) = &data.server.store { (commits(&store.commit)) }
            div.scroll tabindex="0" role="region" aria-label="How fast actors answer" {
                table {
                    caption { "How long each actor took to answer just now" }
                    thead { tr { th scope="col" { "Actor" } th.num scope="col" { "Answered in" } } }
                    tbody {
                        @for (name, us) in data.answers {
                            tr { th scope="row" { (name) } td.num { @match us { Some(us) => (words::micros(*us)), None => { span.bad-text { "no answer" } } } } }
                        }
                    }
                }
            }
        }
    }
}

fn commits(times: &Percentiles) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="How long commits take" {
            table {
                caption { "How long a commit of the store took, its sync included, last 5 minutes" }
                thead { tr { th scope="col" { "p50" } th scope="col" { "p95" } th scope="col" { "p99" } } }
                tbody { tr { td { (micros(times.p50)) } td { (micros(times.p95)) } td { (micros(times.p99)) } } }
            }
        }
    }
}

fn log_card(log: &[Line]) -> Markup {
    html! {
        section.card aria-labelledby="log-title" {
            header { h2 id="log-title" { "Log" } span.soft.small { "the newest first; deeds of operators are in it" } }
            @if log.is_empty() {
                (empty("Nothing was logged", html! {}))
            } @else {
                ol.log tabindex="0" aria-label="Log" {
                    @for line in log {
                        li { (words::moment(line.at_ms)) " " span class=(level(line.level)) { (level(line.level)) } " " (text::line(&line.text)) }
                    }
                }
            }
        }
    }
}

fn level(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "error",
        log::Level::Warn => "warn",
        log::Level::Info => "info",
        log::Level::Debug => "debug",
        log::Level::Trace => "trace",
    }
}

fn settings(settings: &[SettingLine]) -> Markup {
    html! {
        section.card aria-labelledby="settings-title" {
            header { h2 id="settings-title" { "Settings" } }
            div.scroll tabindex="0" role="region" aria-label="Settings" {
                table {
                    caption { "Each with where it came from. A flag goes before the environment, and that before the file. " code { "procession check" } " shows the same." }
                    thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
                    tbody {
                        @for setting in settings {
                            tr {
                                th scope="row" { code { (setting.name) } }
                                td.name.mono { (text::line(&setting.value)) }
                                td { @if setting.is_default { span.soft { "default" } } @else { (text::line(&setting.origin)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
