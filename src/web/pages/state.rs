//! The state of a thing: a shape and a word.

use maud::{Markup, html};

use super::icons::icon;

/// A state by its name, which is also the name of its shape.
pub fn state(name: &str) -> Markup {
    html! { span class={ "state is-" (name) } { (icon(name)) (capital(name)) } }
}

/// The same, larger, for the head of a page.
pub fn big_state(name: &str) -> Markup {
    html! { span class={ "state big is-" (name) } { (icon(name)) (capital(name)) } }
}

/// A word about a thing that is not as usual: `paused`, `no workers`.
pub fn pill(shape: &str, word: &str) -> Markup {
    html! { span class="pill" { (icon(shape)) (word) } }
}

/// A word with a capital.
pub fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
