//! `/system`: the server itself. Its settings and where each came from, what it listens on, its store, its log.

use maud::{Markup, html};

use crate::core::statistics::Percentiles;

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
    /// How long actors let others wait, each with its name.
    pub lags: &'a [(&'static str, Percentiles)],
    /// What listens where.
    pub listeners: &'a [(String, String)],
    /// The settings.
    pub settings: &'a [SettingLine],
    /// The newest lines of the log, the newest first.
    pub log: &'a [LogLine],
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

/// A line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogLine {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// What.
    pub text: String,
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
            @if data.server.store.is_some() || !data.lags.is_empty() {
                div.scroll {
                    table {
                        caption { "How long the parts of the server take, last 5 minutes" }
                        thead { tr { th scope="col" { "What" } th.num scope="col" { "p50" } th.num scope="col" { "p95" } th.num scope="col" { "p99" } } }
                        tbody {
                            @if let Some(store) = &data.server.store { (times("A sync of the store", &store.sync)) }
                            @for (name, lag) in data.lags { (times(name, lag)) }
                        }
                    }
                }
            }
        }
    }
}

fn times(name: &str, times: &Percentiles) -> Markup {
    html! {
        tr {
            th scope="row" { (name) }
            td.num { (micros(times.p50)) } td.num { (micros(times.p95)) } td.num { (micros(times.p99)) }
        }
    }
}

fn log_card(log: &[LogLine]) -> Markup {
    html! {
        section.card aria-labelledby="log-title" {
            header { h2 id="log-title" { "Log" } span.soft.small { "the newest first; deeds of operators are in it" } }
            @if log.is_empty() {
                (empty("Nothing was logged", html! {}))
            } @else {
                ol.log tabindex="0" aria-label="Log" {
                    @for line in log {
                        li { (words::moment(line.at_ms)) " " span class=(line.level) { (line.level) } " " (text::line(&line.text)) }
                    }
                }
            }
        }
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
