//! What a reader sees instead of a page that can't be shown.

use maud::html;

use super::icons::icon;
use super::layout::head;
use super::text;
use super::view::{Page, Place};

/// There is no such thing.
pub fn unknown(place: Place, what: &str, why: &str) -> Page {
    let body = html! {
        (head(html! { "Not found" }, html! { (text::line(what)) }, html! {}))
        p.note { (icon("info")) span { (why) } }
        p.actions { a.button href=(place.path()) { (place.title()) } }
    };
    Page { title: "Not found".to_owned(), place, body, regions: Vec::new(), has_fields: false }
}

/// What was asked can't be done.
pub fn refused(place: Place, why: &str, back: &str) -> Page {
    let body = html! {
        (head(html! { "That can't be done" }, html! {}, html! {}))
        p.note.bad role="alert" { (icon("failed")) span { (text::line(why)) } }
        p.actions { a.button href=(back) { "Go back" } }
    };
    Page { title: "That can't be done".to_owned(), place, body, regions: Vec::new(), has_fields: false }
}
