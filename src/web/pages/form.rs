//! Forms: every deed is a form that posts, so that it works without a script and never follows from a link.

use maud::{Markup, html};

use super::link::Link;

/// A button that posts an address's pairs to its path.
pub fn button(link: &Link, class: Option<&str>, label: Markup) -> Markup {
    html! {
        form method="post" action=(link.path) {
            (hidden(&link.pairs))
            button class=[class] { (label) }
        }
    }
}

/// Pairs that a form sends along.
pub fn hidden(pairs: &[(String, String)]) -> Markup {
    html! {
        @for (name, value) in pairs { input type="hidden" name=(name) value=(value); }
    }
}

/// Text to copy: a command, a body. The button is the script's.
pub fn copyable(text: Markup, is_wrapped: bool) -> Markup {
    html! {
        div.code {
            pre tabindex="0" class=[is_wrapped.then_some("wrap")] { (text) }
            button.copy.small-button type="button" data-copy="" data-script { "Copy" }
        }
    }
}

/// The API call that does the same as a page's forms.
pub fn as_call(command: &str) -> Markup {
    html! {
        details {
            summary { "As an API call" }
            div.inner { (copyable(super::text::lines(command), true)) }
        }
    }
}

/// A text as one word of a shell.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_button_sends_what_it_stands_for() {
        let markup = button(&Link::to("/deeds").with("deed", "pause").and("id", "<a>"), None, html! { "Pause" }).0;
        assert!(markup.contains("method=\"post\" action=\"/deeds\""), "{markup}");
        assert!(markup.contains("name=\"id\" value=\"&lt;a&gt;\""), "{markup}");
    }
}
