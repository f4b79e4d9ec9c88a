//! The shapes beside words: drawn once a page, used by reference.
//!
//! Each state has a shape of its own, so that no meaning hangs on a colour.

use maud::{Markup, PreEscaped, html};

/// Name and drawing, in a field of 16 by 16.
const SHAPES: [(&str, &str); 29] = [
    ("scheduled", "<circle cx='8' cy='8' r='6.2'/><path d='M8 4.6V8l2.4 1.6'/>"),
    ("queued", "<path d='M2.5 4h11M2.5 8h11M2.5 12h7'/>"),
    ("running", "<circle cx='8' cy='8' r='6.2'/><path class='solid' d='M6.6 5.4v5.2L10.8 8z'/>"),
    ("completed", "<circle cx='8' cy='8' r='6.2'/><path d='M5.2 8.2l2 2 3.6-4.2'/>"),
    (
        "failed",
        "<path d='M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z'/><path d='M5.8 5.8l4.4 4.4m0-4.4l-4.4 4.4'/>",
    ),
    ("cancelled", "<circle cx='8' cy='8' r='6.2'/><path d='M3.8 12.2l8.4-8.4'/>"),
    (
        "expired",
        "<path d='M4 1.8h8M4 14.2h8M4.8 1.8c0 3.4 6.4 4 6.4 6.2s-6.4 2.8-6.4 6.2M11.2 1.8c0 3.4-6.4 4-6.4 6.2s6.4 2.8 6.4 6.2'/>",
    ),
    ("dropped", "<path d='M8 2v8M4.8 7L8 10.2 11.2 7M2.5 13.5h11' stroke-dasharray='2 1.6'/>"),
    ("paused", "<path d='M5.5 3v10M10.5 3v10' stroke-width='2.4'/>"),
    ("warn", "<path d='M8 2l6.3 11.5H1.7z'/><path d='M8 6.5v3.2M8 11.6v.1'/>"),
    ("good", "<path d='M2.5 8.5l3.5 3.5 7.5-8'/>"),
    ("up", "<circle cx='8' cy='8' r='6.2'/><path d='M5.2 8.2l2 2 3.6-4.2'/>"),
    (
        "down",
        "<path d='M5.4 1.8h5.2l3.6 3.6v5.2l-3.6 3.6H5.4l-3.6-3.6V5.4z'/><path d='M5.8 5.8l4.4 4.4m0-4.4l-4.4 4.4'/>",
    ),
    ("info", "<circle cx='8' cy='8' r='6.2'/><path d='M8 7.4v3.6M8 5v.1'/>"),
    ("search", "<circle cx='7' cy='7' r='4.6'/><path d='M10.5 10.5L14 14'/>"),
    ("arrived", "<path d='M2 8h8.5M7.2 4.5L10.7 8l-3.5 3.5M13.8 2.5v11'/>"),
    ("person", "<circle cx='8' cy='5' r='2.8'/><path d='M2.6 14c.4-3.2 2.5-4.6 5.4-4.6s5 1.4 5.4 4.6'/>"),
    ("lease", "<path d='M4.5 7V5a3.5 3.5 0 0 1 7 0v2'/><rect x='3' y='7' width='10' height='7' rx='1.5'/>"),
    ("skipped", "<path d='M3 4l5 4-5 4zM9 4l5 4-5 4z'/>"),
    ("pending", "<circle cx='8' cy='8' r='6.2' stroke-dasharray='2.4 2'/>"),
    (
        "overview",
        "<rect x='2' y='2' width='5' height='7' rx='1'/><rect x='9' y='2' width='5' height='4' rx='1'/><rect x='2' y='11' width='5' height='3' rx='1'/><rect x='9' y='8' width='5' height='6' rx='1'/>",
    ),
    ("queues", "<path d='M2 4.5h9M2 8h9M2 11.5h9M13.5 3v10'/>"),
    ("jobs", "<rect x='2.5' y='2.5' width='11' height='11' rx='1.5'/><path d='M5.5 6h5M5.5 8.5h5M5.5 11h3'/>"),
    ("failures", "<path d='M8 2l6.3 11.5H1.7z'/><path d='M8 6.5v3.2M8 11.6v.1'/>"),
    (
        "workers",
        "<rect x='4' y='4' width='8' height='8' rx='1'/><path d='M6 1.8V4m4-2.2V4M6 12v2.2m4-2.2v2.2M1.8 6H4m-2.2 4H4m8-4h2.2M12 10h2.2'/>",
    ),
    ("masters", "<path d='M8 10V2.5M4.8 5.5L8 2.3l3.2 3.2M2.5 10v3.5h11V10'/>"),
    (
        "actions",
        "<circle cx='3.5' cy='8' r='1.8'/><circle cx='12.5' cy='4' r='1.8'/><circle cx='12.5' cy='12' r='1.8'/><path d='M5.2 7.2l5.6-2.5M5.2 8.8l5.6 2.5'/>",
    ),
    (
        "system",
        "<path d='M2 4.5h5m3.5 0H14M2 11.5h2.5M8 11.5h6'/><circle cx='8.8' cy='4.5' r='1.7'/><circle cx='6.2' cy='11.5' r='1.7'/>",
    ),
    ("docs", "<path d='M3 2.5h7.5L13 5v8.5H3z'/><path d='M5.5 7h5M5.5 10h5'/>"),
];

/// The shape of this name, hidden from those who listen: a word is always beside it.
pub fn icon(name: &str) -> Markup {
    html! { svg class={ "icon i-" (name) } aria-hidden="true" { use href={ "#" (name) "-shape" } {} } }
}

/// All shapes, for the top of a document.
pub fn sheet() -> Markup {
    html! {
        // Not hidden from the renderer: a pattern that is not rendered fills nothing.
        svg.visually-hidden aria-hidden="true" {
            @for (name, drawing) in SHAPES {
                symbol id={ (name) "-shape" } viewBox="0 0 16 16" { (PreEscaped(drawing)) }
            }
            pattern id="hatch" width="4" height="4" patternUnits="userSpaceOnUse" {
                path class="c-hatch" d="M0 4L4 0" {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_name_of_its_own() {
        let mut names: Vec<&str> = SHAPES.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SHAPES.len());
    }
}
