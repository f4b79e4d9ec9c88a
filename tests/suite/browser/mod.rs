//! The pages for operators in a real browser: Debian's chromium, driven over WebDriver.
//!
//! | file | what it asks |
//! |---|---|
//! | `driver` | the browser of these tests sees what they rely on |
//! | `site` | a server that has something of everything to show |
//! | `pages` | every page and every link on it answers, without a word in the console |
//! | `actions` | what operators do: to one, to selected ones, to all that match |
//! | `live` | pages that keep themselves current, and nothing else moves |
//! | `without_javascript` | links and forms do everything |
//! | `keyboard` | keys |
//! | `accessibility` | axe-core finds nothing serious, light and dark, wide and narrow |
//! | `layout` | no page is wider than its window |
//! | `hostile` | names and bodies that try to be more than text |
//! | `screenshots` | the pictures of the README, when they are asked for |
//!
//! Where there is no browser, each says so and is skipped.

mod accessibility;
mod actions;
mod driver;
mod hostile;
mod keyboard;
mod layout;
mod live;
mod pages;
mod screenshots;
mod site;
mod without_javascript;

use self::site::{Everything, Site};
use crate::support::http::escaped;
use crate::support::skipped;
use crate::support::webdriver::{Borrowed, Browser, Line, NARROW, WIDE, borrow, eventually_in, key, missing};
use serde_json::{Value, json as value};

/// A browser; or, said visibly, why this is not tested.
#[track_caller]
fn browser(test: &str) -> Option<Borrowed> {
    match missing() {
        None => Some(borrow()),
        Some(why) => {
            skipped(test, why);
            None
        }
    }
}

/// What the console has to complain of since it was last asked: errors of scripts, what did not load, what the content security
/// policy forbids.
#[track_caller]
fn complaints(browser: &mut Browser) -> Vec<Line> {
    let mut lines = browser.console();
    lines.retain(|line| line.level == "SEVERE" || line.level == "WARNING");
    lines
}

/// Nobody has complained.
#[track_caller]
fn expect_silent_console(browser: &mut Browser) {
    let complaints = complaints(browser);
    assert!(complaints.is_empty(), "expected a silent console on {}, got {complaints:?}", browser.path());
}

/// Waits until an expression is true in the page.
#[track_caller]
fn expect(browser: &mut Browser, expression: &str) {
    eventually_in(browser, expression, |browser| browser.is(expression).then_some(()));
}

/// Waits until the first element of this selector says this, spaces around it aside.
#[track_caller]
fn expect_text(browser: &mut Browser, css: &str, text: &str) {
    let what = format!("{css} to say {text:?}");
    eventually_in(browser, &what, |browser| (browser.find_text(css)?.trim() == text).then_some(()));
}

/// Clicks what leads to another page, and waits until that is there.
#[track_caller]
fn follow(browser: &mut Browser, css: &str) {
    let element = browser.element(css);
    browser.follow(&element);
}

/// As [`follow`], what says so.
#[track_caller]
fn follow_saying(browser: &mut Browser, css: &str, text: &str) {
    let element = browser.element_saying(css, text);
    browser.follow(&element);
}
