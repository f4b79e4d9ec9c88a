//! No page is wider than its window: on a phone one reads up and down, and only tables and code go sideways.

use super::site::PLACES;
use super::*;

/// What is wider than the window, and where it begins.
const WIDER: &str = "
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    return [...document.querySelectorAll('body *')]
      .filter(one => one.getBoundingClientRect().right > width + 1 && !one.parentElement.closest('.scroll, pre'))
      .map(one => one.outerHTML.slice(0, 160));";

#[test]
fn no_page_is_wider_than_its_window() {
    let Some(mut browser) = browser("no_page_is_wider_than_its_window") else { return };
    let mut everything = Everything::new();
    let long = "a-name-without-a-space-that-goes-on-and-on-".repeat(5);
    everything.fail(&long, &long, &value!(long).to_string());
    everything.submit_body(&format!("{long}2"), &long, &value!({ "a": long }).to_string(), "");
    everything.wait_for_queue(&long);
    let mut paths = everything.addresses();
    paths.extend([format!("/jobs/{long}"), format!("/queues/{long}")]);
    for size in [NARROW, (320, 640), (700, 900), WIDE] {
        browser.resize(size);
        // The widths between are for the pages with the most beside each other.
        let few = ["/", "/queues", "/queues/mail", "/jobs", "/system", "/docs"].map(str::to_owned);
        for path in if size == NARROW { &paths[..] } else { &few[..] } {
            browser.open(&everything.at(path));
            browser.script("document.querySelectorAll('details').forEach(one => { one.open = true })", value!([]));
            let wider = browser.script(WIDER, value!([]));
            let is_wider = browser.is("document.documentElement.scrollWidth > document.documentElement.clientWidth");
            assert!(!is_wider, "{path} at {size:?}: {wider}");
        }
    }
}

#[test]
fn nothing_covers_what_is_to_be_clicked() {
    let Some(mut browser) = browser("nothing_covers_what_is_to_be_clicked") else { return };
    let everything = Everything::new();
    for size in [NARROW, WIDE] {
        browser.resize(size);
        for path in ["/", "/queues", "/jobs", "/queues/mail", "/jobs/failed", "/workers"] {
            browser.open(&everything.at(path));
            let covered = browser.script(
                "return [...document.querySelectorAll('main :is(a[href], button, summary)')]
                   .filter(one => one.checkVisibility())
                   .filter(one => {
                     one.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
                     const box = one.getClientRects()[0];
                     const top = document.elementFromPoint(box.x + Math.min(box.width, 40) / 2, box.y + box.height / 2);
                     return !one.contains(top);
                   })
                   .map(one => one.outerHTML.slice(0, 160))",
                value!([]),
            );
            assert_eq!(covered, value!([]), "{path} at {size:?}");
        }
    }
}

#[test]
fn a_phone_shows_where_one_is_and_what_tables_are_about() {
    let Some(mut browser) = browser("a_phone_shows_where_one_is_and_what_tables_are_about") else { return };
    let everything = Everything::new();
    browser.resize(NARROW);
    let is_in_view = |css: &str| {
        format!(
            "(one => {{ const box = one.getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; }})(document.querySelector({}))",
            value!(css)
        )
    };
    for path in PLACES {
        browser.open(&everything.at(path));
        for css in [".places [aria-current=page]", ".theme", "[data-help]"] {
            assert!(browser.is(&is_in_view(css)), "{css} on {path}");
        }
        let captions = browser.script(
            "return [...document.querySelectorAll('caption:not(.visually-hidden)')]
               .filter(one => one.getBoundingClientRect().right > innerWidth)
               .map(one => one.textContent)",
            value!([]),
        );
        assert_eq!(captions, value!([]), "{path}: captions that are cut");
        let unreachable =
            browser.script("return [...document.querySelectorAll('.scroll:not([tabindex])')].length", value!([]));
        assert_eq!(unreachable, value!(0), "{path}: what scrolls can't be reached with keys");
    }
}
