//! The frame of every page: places at the side, tools on top, the page, and what the script needs.
//!
//! No inline script, no inline style, nothing from elsewhere: the content security policy forbids all three.

use maud::{DOCTYPE, Markup, html};

use super::icons::{self, icon};
use super::link::{Link, encode};
use super::view::{Page, Place, Theme, View, Word};
use super::words;
use crate::web::assets::href;

/// A whole document.
pub fn document(view: &View, page: &Page) -> Markup {
    let events = || format!("/events?page={}&since={}", encode(&view.here.href()), view.now_ms);
    let events = (!page.regions.is_empty()).then(events);
    let is_live = events.is_some() && view.live;
    html! {
        (DOCTYPE)
        html lang="en" data-theme=(view.theme.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content=(color_scheme(view.theme));
                title { (page.title) " · procession" }
                link rel="icon" href=(href("mark.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(href("app.css"));
                script src=(href("app.js")) defer {}
                @if is_live && !page.has_fields {
                    noscript { meta http-equiv="refresh" content=(REFRESH_SECONDS); }
                }
            }
            body data-now=(view.now_ms) data-events=[&events] {
                a.skip href="#main" { "Skip to the page" }
                (icons::sheet())
                (side(view, page.place))
                div.stage {
                    (tools(view, page, events.is_some()))
                    main id="main" tabindex="-1" {
                        @if let Some(word) = &view.word { (said(word)) }
                        (page.body)
                    }
                }
                p.visually-hidden id="status" role="status" aria-live="polite" {}
                (help())
            }
        }
    }
}

/// Without a script, a page that shows what changes is loaded again this often.
const REFRESH_SECONDS: u32 = 10;

fn color_scheme(theme: Theme) -> &'static str {
    match theme {
        Theme::Auto => "light dark",
        Theme::Light => "light",
        Theme::Dark => "dark",
    }
}

fn side(view: &View, here: Place) -> Markup {
    html! {
        div.side {
            a.brand href="/" aria-label="procession, overview" {
                svg viewBox="0 0 22 22" aria-hidden="true" { path d="M3 4h5l5 7-5 7H3l5-7zM12 4h3l5 7-5 7h-3l5-7z" {} }
                span { "procession" }
            }
            nav.places aria-label="Places" {
                @for place in Place::ALL {
                    a href=(place.path()) data-key=(place.key()) class=[(place == Place::System).then_some("apart")]
                        aria-current=[(place == here).then_some("page")] {
                        (icon(place.icon())) (place.title())
                    }
                }
            }
            div.foot {
                form.theme method="post" action="/preferences" role="group" aria-label="Colours" {
                    input type="hidden" name="back" value=(view.here.href());
                    @for theme in Theme::ALL {
                        button name="theme" value=(theme.as_str()) aria-pressed=(if theme == view.theme { "true" } else { "false" }) {
                            (theme_word(theme))
                        }
                    }
                }
                button.small-button type="button" data-help data-script { "Keys " kbd { "?" } }
            }
        }
    }
}

fn theme_word(theme: Theme) -> &'static str {
    match theme {
        Theme::Auto => "Auto",
        Theme::Light => "Light",
        Theme::Dark => "Dark",
    }
}

fn tools(view: &View, page: &Page, changes: bool) -> Markup {
    let state = match (changes, view.live) {
        (false, _) => "off",
        (true, true) => "live",
        (true, false) => "paused",
    };
    html! {
        header.tools {
            form.search role="search" action="/jobs" {
                (icon("search"))
                input id="search" type="search" name="q" placeholder="Search jobs" aria-label="Search jobs: text, id, type:NAME, state:NAME"
                    autocomplete="off" spellcheck="false" enterkeyhint="search";
                kbd aria-hidden="true" { "/" }
            }
            form.live id="live" method="post" action="/preferences" data-state=(state) {
                input type="hidden" name="back" value=(view.here.href());
                span.dot {}
                span.word { @if view.live { "live" } @else { "paused" } }
                span.clock { (words::clock(view.now_ms)) }
                @if changes {
                    @if page.has_fields {
                        noscript { a href=(view.here.href()) { "Refresh" } }
                    }
                    button.small-button name="live" value=(if view.live { "off" } else { "on" }) {
                        @if view.live { "Pause" } @else { "Resume" }
                    }
                } @else {
                    button.small-button hidden {}
                }
            }
        }
    }
}

fn said(word: &Word) -> Markup {
    let (class, shape) = if word.is_good { ("note good", "good") } else { ("note bad", "failed") };
    html! {
        div class=(class) role=(if word.is_good { "status" } else { "alert" }) { (icon(shape)) p { (word.text) } }
    }
}

fn help() -> Markup {
    let keys = [
        ("/", "search jobs"),
        ("j k", "next, previous row"),
        ("Enter", "open the row"),
        ("x", "select the row (with Shift and a click: a range)"),
        ("p", "pause, resume"),
        ("t", "colours"),
        ("?", "this"),
        ("Esc", "leave a field, close this"),
    ];
    html! {
        dialog id="help" aria-labelledby="help-title" {
            h2 id="help-title" { "Keys" }
            dl.pairs {
                @for (key, what) in keys {
                    dt { kbd { (key) } }
                    dd { (what) }
                }
                @for place in Place::ALL {
                    dt { kbd { "g" } " " kbd { (place.key()) } }
                    dd { "go to " (place.title()) }
                }
            }
            p { label.nowrap { input type="checkbox" id="keys" checked; " Keys are on" } }
            form.actions method="dialog" { button.main { "Close" } }
        }
    }
}

/// The head of a page: its name, a sentence, and what can be done.
pub fn head(title: Markup, lead: Markup, actions: Markup) -> Markup {
    html! {
        div.head {
            div { h1 { (title) } p.lead { (lead) } }
            @if !actions.0.is_empty() { div.actions { (actions) } }
        }
    }
}

/// Where a page belongs, above its head.
pub fn crumbs(steps: &[(&str, Link)]) -> Markup {
    html! {
        nav.crumbs aria-label="Above this page" {
            @for (name, link) in steps { a href=(link.href()) { (name) } " / " }
        }
    }
}

/// What stands where there is nothing to show.
pub fn empty(what: &str, more: Markup) -> Markup {
    html! { div.empty { strong { (what) } (more) } }
}
