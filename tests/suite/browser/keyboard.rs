//! Keys: everything can be reached and done without a pointer.

use super::*;

/// The visible name of what has the focus.
const FOCUSED: &str = "document.activeElement.textContent.trim()";

/// A server with three queues, and its page of queues, by name.
#[track_caller]
fn open_queues(browser: &mut Browser) -> Site {
    let mut site = Site::new();
    for kind in ["a", "b", "c"] {
        site.submit(kind, kind, "");
    }
    site.wait_for_queue("c");
    browser.open(&site.at("/queues?sort=type&order=asc"));
    site
}

#[test]
fn places_are_two_keys_away() {
    let Some(mut browser) = browser("places_are_two_keys_away") else { return };
    let site = Site::new();
    browser.open(&site.at("/"));
    for (keys, path) in [
        ("gq", "/queues"),
        ("gj", "/jobs"),
        ("gf", "/failures"),
        ("gw", "/workers"),
        ("gm", "/masters"),
        ("ga", "/actions"),
        ("gs", "/system"),
        ("gd", "/docs"),
        ("go", "/"),
    ] {
        browser.press(keys);
        expect(&mut browser, &format!("location.pathname === '{path}' && document.readyState === 'complete'"));
        let key = browser.say("document.querySelector('.places [aria-current=page]').dataset.key");
        assert_eq!(key, keys[1..], "{path}");
    }
    expect_silent_console(&mut browser);
}

#[test]
fn rows_are_walked_selected_and_opened() {
    let Some(mut browser) = browser("rows_are_walked_selected_and_opened") else { return };
    let _site = open_queues(&mut browser);
    for (key, expected) in
        [("j", "a"), ("j", "b"), ("j", "c"), ("j", "c"), ("k", "b"), ("k", "a"), ("k", "a"), ("j", "b")]
    {
        browser.press(key);
        assert_eq!(browser.say(FOCUSED), expected);
    }
    browser.press("x");
    assert_eq!(browser.say("[...document.querySelectorAll('input[name=id]:checked')].map(one => one.value)"), "b");
    assert_eq!(browser.text("[data-chosen]"), "1 selected");
    browser.press("x");
    assert_eq!(browser.count("input[name=id]:checked"), 0);
    browser.press(key::ENTER);
    expect(&mut browser, "location.pathname === '/queues/b'");
}

#[test]
fn a_search_is_one_key_away_and_takes_all_keys() {
    let Some(mut browser) = browser("a_search_is_one_key_away_and_takes_all_keys") else { return };
    let mut site = open_queues(&mut browser);
    site.submit("needle-gqx", "a", "");
    browser.press("/");
    assert!(browser.is("document.activeElement.id === 'search'"));
    browser.press("gq?p");
    assert_eq!(browser.say("document.activeElement.value"), "gq?p");
    assert!(browser.is("location.pathname === '/queues' && !document.querySelector('#help').open"));
    assert_eq!(browser.text("#live .word"), "live");
    browser.press(key::ESCAPE);
    assert!(browser.is("document.activeElement === document.body"));
    browser.fill("#search", "needle");
    browser.press(key::ENTER);
    expect(&mut browser, "location.pathname === '/jobs' && location.search === '?q=needle'");
    assert_eq!(browser.count("#job-rows tr"), 1);
}

#[test]
fn help_opens_and_closes_and_turns_keys_off() {
    let Some(mut browser) = browser("help_opens_and_closes_and_turns_keys_off") else { return };
    let _site = open_queues(&mut browser);
    browser.press("?");
    assert!(browser.is("document.querySelector('#help').open"));
    for key in ["/", "j", "p", "t", "?"] {
        assert!(browser.is(&format!(
            "[...document.querySelectorAll('#help kbd')].some(one => one.textContent.includes('{key}'))"
        )));
    }
    // No key reaches the page behind it.
    browser.press("gqp");
    assert_eq!(browser.text("#live .word"), "live");
    browser.press(key::ESCAPE);
    assert!(browser.is("!document.querySelector('#help').open"));
    browser.press("?");
    browser.click("#keys");
    browser.click_saying("#help button", "Close");
    assert!(browser.is("!document.querySelector('#help').open"));
    for key in ["?", "p", "j", "/"] {
        browser.press(key);
    }
    assert!(browser.is("!document.querySelector('#help').open && document.activeElement.id !== 'search'"));
    assert_eq!(browser.text("#live .word"), "live");
    // They stay off on the next page, until somebody wants them.
    browser.reload();
    browser.press("?");
    assert!(browser.is("!document.querySelector('#help').open"));
    browser.click("[data-help]");
    browser.click("#keys");
    browser.press(key::ESCAPE);
    browser.press("?");
    assert!(browser.is("document.querySelector('#help').open"));
    expect_silent_console(&mut browser);
}

#[test]
fn pausing_and_colours_are_keys_too() {
    let Some(mut browser) = browser("pausing_and_colours_are_keys_too") else { return };
    let site = open_queues(&mut browser);
    browser.press("p");
    expect_text(&mut browser, "#live .word", "paused");
    browser.press("p");
    expect_text(&mut browser, "#live .word", "live");
    let background = "getComputedStyle(document.body).backgroundColor";
    let light = browser.say(background);
    for (theme, is_dark) in [("light", false), ("dark", true), ("auto", false), ("light", false), ("dark", true)] {
        browser.press("t");
        assert_eq!(browser.say("document.documentElement.dataset.theme"), theme);
        assert_eq!(browser.say(background) != light, is_dark, "{theme}");
        let pressed = "document.querySelector('.theme [aria-pressed=true]').value";
        assert_eq!(browser.say(pressed), theme);
    }
    // The server knows on the next page.
    browser.allow_scripts(false);
    browser.open(&site.at("/jobs"));
    assert_eq!(browser.say("document.documentElement.dataset.theme"), "dark");
    assert_ne!(browser.say(background), light);
}

#[test]
fn tab_reaches_everything_and_is_seen() {
    let Some(mut browser) = browser("tab_reaches_everything_and_is_seen") else { return };
    let site = open_queues(&mut browser);
    browser.press(key::TAB);
    assert_eq!(browser.say(FOCUSED), "Skip to the page");
    browser.press(key::ENTER);
    assert!(browser.is("document.activeElement.id === 'main'"));
    for path in ["/queues", "/jobs", "/queues/a"] {
        browser.open(&site.at(path));
        let reachable =
            "[...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex=\"0\"]')]
            .filter(one => one.checkVisibility() && one.type !== 'hidden' && one.tabIndex >= 0)";
        let expected: usize = browser.say(&format!("{reachable}.length")).parse().expect("a number");
        browser.script("window.reached = new Set(); window.unseen = [];", value!([]));
        for _ in 0..expected {
            browser.press(key::TAB);
            browser.script(
                "const one = document.activeElement, style = getComputedStyle(one);
                 reached.add(one);
                 if (style.outlineStyle === 'none' || parseFloat(style.outlineWidth) < 1) unseen.push(one.outerHTML.slice(0, 120));",
                value!([]),
            );
        }
        let missed = browser.say(&format!(
            "{reachable}.filter(one => !reached.has(one)).map(one => one.outerHTML.slice(0, 120)).join('\\n')"
        ));
        assert_eq!(missed, "", "{path}: never reached");
        assert_eq!(browser.say("unseen.join('\\n')"), "", "{path}: without a visible focus");
    }
}

#[test]
fn a_range_is_selected_with_shift() {
    let Some(mut browser) = browser("a_range_is_selected_with_shift") else { return };
    let mut site = Site::new();
    for n in 0..6 {
        site.submit(&format!("job-{n}"), "mail", "");
    }
    browser.open(&site.at("/jobs"));
    browser.click("[value=job-4]");
    browser.script(
        "document.querySelector('[value=job-1]').dispatchEvent(new MouseEvent('click', { bubbles: true, shiftKey: true }))",
        value!([]),
    );
    assert_eq!(browser.count("input[name=id]:checked"), 4);
    assert_eq!(browser.text("[data-chosen]"), "4 selected");
    browser.click("[data-all]");
    assert_eq!(browser.text("[data-chosen]"), "6 selected");
}
