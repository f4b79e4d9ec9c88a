//! Names and bodies that try to be more than text: markup, scripts, quotes, controls, marks of direction.
//!
//! What is shown is what was sent, letter by letter; what can't be seen is shown as its number.

use super::*;
use crate::support::{Http, http};

/// Names, and how a page shows them.
const NAMES: [(&str, &str); 9] = [
    ("<script>hacked = 1; alert(1)</script>", "<script>hacked = 1; alert(1)</script>"),
    ("\"><img src=x onerror='hacked = 1; alert(2)'>", "\"><img src=x onerror='hacked = 1; alert(2)'>"),
    (
        "' onmouseover='hacked = 1' autofocus onfocus='hacked = 1",
        "' onmouseover='hacked = 1' autofocus onfocus='hacked = 1",
    ),
    ("</title></textarea></pre><svg onload=hacked=1>", "</title></textarea></pre><svg onload=hacked=1>"),
    ("javascript:hacked=1", "javascript:hacked=1"),
    ("&lt;b&gt; &amp;amp; &#60;", "&lt;b&gt; &amp;amp; &#60;"),
    ("right\u{202e}tfel\u{200b}", "right\\u{202e}tfel\\u{200b}"),
    ("👩‍👩‍👧 e\u{301} العربية 漢字 \u{1f1e9}\u{1f1ea}", "👩‍👩‍👧 e\u{301} العربية 漢字 \u{1f1e9}\u{1f1ea}"),
    ("a/b?c=d&e#f%2F%00+..", "a/b?c=d&e#f%2F%00+.."),
];

/// What no page of ours has, whatever names there are.
const FOREIGN: &str = "document.querySelectorAll('img, iframe, script:not([src]), object, embed, base, [onload], [onerror], [onfocus], \
                       [onmouseover], [style*=url]').length";

/// A server where everything has such a name.
#[track_caller]
fn hostile_site() -> (Site, Vec<Http>) {
    let mut site = Site::new();
    let mut polls = Vec::new();
    for (name, _) in NAMES {
        let error = value!({ "message": name, "type": name });
        site.fail(&format!("failed {name}"), name, &error.to_string());
        site.submit_body(name, name, &value!({ name: [name, 1.5, "\u{1b}[31m"] }).to_string(), "");
        let mut poll = http(&site.server);
        poll.start_get(&format!("/assignments?type=none&type={}x&wait=55&worker={}", escaped(name), escaped(name)));
        polls.push(poll);
    }
    // Whoever holds a job is named on its page.
    let path = format!("/assignments?type={}&worker={}", escaped(NAMES[0].0), escaped(NAMES[1].0));
    let mut job = site.http.get(&path).json(200);
    let note = format!(r#","progress":0.5,"note":{}"#, value!(NAMES[1].0));
    site.say(&job["jobs"][0].take(), "touch", &note);
    (site, polls)
}

/// Nothing of what was named has become a part of the page.
#[track_caller]
fn expect_harmless(browser: &mut Browser, page: &str) {
    assert_eq!(browser.dialog(), None, "{page}");
    assert!(!browser.is("'hacked' in window"), "{page}: a name was run");
    assert_eq!(browser.say(FOREIGN), "0", "{page}: a name became a part of the page");
    assert_eq!(browser.count("h1"), 1, "{page}");
    expect_silent_console(browser);
}

#[test]
fn names_and_bodies_stay_text() {
    let Some(mut browser) = browser("names_and_bodies_stay_text") else { return };
    let (mut site, _polls) = hostile_site();
    site.submit("last", "last", "");
    site.wait_for_queue("last");
    for path in ["/", "/queues", "/jobs", "/failures", "/workers", "/masters", "/actions", "/system"] {
        browser.open(&site.at(path));
        expect_harmless(&mut browser, path);
    }
    // Lists show each of them as it is.
    browser.open(&site.at("/queues"));
    for (name, shown) in NAMES {
        browser.element_saying("#queue-rows th a", shown);
        let values =
            browser.script("return [...document.querySelectorAll('input[name=id]')].map(one => one.value)", value!([]));
        assert!(values.as_array().expect("a list").contains(&value!(name)), "expected {name:?} among {values}");
    }
    browser.open(&site.at("/workers"));
    for (_, shown) in NAMES {
        browser.element_saying("#worker-rows th", shown);
    }
    for (name, shown) in NAMES {
        one_job(&mut browser, &mut site, name, shown);
        one_queue(&mut browser, &site, shown);
    }
}

/// Through the list to the page of the job of this name.
#[track_caller]
fn one_job(browser: &mut Browser, site: &mut Site, name: &str, shown: &str) {
    browser.open(&site.at("/jobs"));
    browser.click_saying("#job-rows a.cut", shown);
    assert_eq!(browser.text("h1").trim(), shown);
    expect_harmless(browser, &format!("the page of the job {name:?}"));
    let body = browser.text("section[aria-label=Body] pre");
    // A body is shown as it was sent, where JSON itself has not escaped what can't be seen.
    let key = value!(name).to_string();
    let key = key.replace('\u{202e}', "\\u{202e}").replace('\u{200b}', "\\u{200b}");
    assert!(body.contains(&key), "expected {key} in {body}");
    let copied = browser.say("document.querySelector('h1').closest('.head').querySelector('[data-copy]').dataset.copy");
    assert_eq!(copied, name);
    assert!(!browser.title().contains(['\u{202e}', '\u{200b}']), "got the title {:?}", browser.title());
    browser.open(&site.at("/jobs"));
    browser.click_saying("#job-rows a.cut", &format!("failed {shown}"));
    expect_harmless(browser, &format!("the page of the failed job {name:?}"));
    let error = browser.text("#life");
    assert!(error.contains(shown) || error.contains(&key), "expected {shown:?} in {error:?}");
}

/// Through the list to the page of the queue of this name.
#[track_caller]
fn one_queue(browser: &mut Browser, site: &Site, shown: &str) {
    browser.open(&site.at("/queues"));
    browser.click_saying("#queue-rows th a", shown);
    assert!(browser.text("h1").trim().starts_with(shown), "got {:?}", browser.text("h1"));
    expect_harmless(browser, &format!("the page of the queue {shown:?}"));
}

#[test]
fn deeds_reach_those_they_name() {
    let Some(mut browser) = browser("deeds_reach_those_they_name") else { return };
    let mut site = Site::new();
    for (name, _) in NAMES {
        site.submit(name, name, "");
    }
    site.submit("bystander", "bystander", "");
    site.wait_for_queue("bystander");
    browser.open(&site.at("/jobs"));
    browser.script(
        "document.querySelectorAll('input[name=id]').forEach(one => { one.checked = one.value !== 'bystander' })",
        value!([]),
    );
    browser.click("button[name=deed][value=cancel]");
    expect(&mut browser, "location.pathname === '/deeds'");
    expect_harmless(&mut browser, "the question");
    browser.click("main form[action='/deeds'] .actions button");
    expect(&mut browser, "document.querySelector('main > .note.good')");
    for (name, _) in NAMES {
        site.expect_state(&[name], "cancelled");
    }
    site.expect_state(&["bystander"], "queued");

    browser.open(&site.at("/queues"));
    browser.script(
        "document.querySelectorAll('input[name=id]').forEach(one => { one.checked = one.value !== 'bystander' })",
        value!([]),
    );
    browser.click("button[name=deed][value=pause]");
    expect(&mut browser, "location.pathname === '/deeds'");
    expect_harmless(&mut browser, "the question");
    browser.click("main form[action='/deeds'] .actions button");
    expect(&mut browser, "document.querySelector('main > .note.good')");
    expect_harmless(&mut browser, "the list");
    for (name, _) in NAMES {
        site.submit("new", name, "");
        site.http.get(&format!("/assignments?type={}&wait=0", escaped(name))).expect(204);
        site.http.post("/jobs/new/cancel", "").expect(200);
        site.http.delete("/jobs/new").expect(204);
    }
}

#[test]
fn names_that_come_while_a_page_is_open_stay_text() {
    let Some(mut browser) = browser("names_that_come_while_a_page_is_open_stay_text") else { return };
    let mut site = Site::new();
    site.submit("first", "first", "");
    site.wait_for_queue("first");
    browser.open(&site.at("/queues"));
    browser.script("window.mark = 1", value!([]));
    for (name, _) in NAMES {
        site.submit(name, name, "");
    }
    for (name, _) in NAMES {
        let there = "return [...document.querySelectorAll('input[name=id]')].some(one => one.value === arguments[0])";
        eventually_in(&mut browser, name, |browser| (browser.script(there, value!([name])) == true).then_some(()));
    }
    assert!(browser.is("window.mark === 1"));
    expect_harmless(&mut browser, "the list of queues");
}

#[test]
fn what_is_searched_for_stays_text() {
    let Some(mut browser) = browser("what_is_searched_for_stays_text") else { return };
    let site = Site::new();
    for (name, _) in NAMES {
        for path in ["/jobs?q=", "/jobs?type=", "/jobs?state=", "/queues?q=", "/queues?sort=", "/failures?type="] {
            browser.open(&site.at(&format!("{path}{}", escaped(name))));
            expect_harmless(&mut browser, &format!("{path}{name}"));
        }
    }
    // Nobody is sent elsewhere by an address that was made for them.
    for back in ["javascript:hacked=1", "//example.invalid/", "https://example.invalid/", "/\\example.invalid"] {
        browser.open(&site.at(&format!("/deeds?deed=pause&id=none&back={}", escaped(back))));
        let targets = browser
            .script("return [...document.querySelectorAll('main a')].map(one => one.getAttribute('href'))", value!([]));
        let is_ours =
            |target: &Value| target.as_str().is_some_and(|target| target.starts_with('/') && !target.starts_with("//"));
        assert!(targets.as_array().expect("a list").iter().all(is_ours), "{back}: {targets}");
    }
}
