//! Without scripts: links and forms do everything, and pages are loaded again by themselves.

use super::*;

/// What loads a page again by itself.
const REFRESH: &str = "noscript meta[http-equiv=refresh]";

/// A browser whose pages run no scripts.
#[track_caller]
fn plain_browser(test: &str) -> Option<Borrowed> {
    let mut browser = browser(test)?;
    browser.allow_scripts(false);
    Some(browser)
}

#[test]
fn every_page_is_complete() {
    let Some(mut browser) = plain_browser("every_page_is_complete") else { return };
    let everything = Everything::new();
    for path in everything.addresses() {
        browser.open(&everything.at(&path));
        assert_eq!(browser.count("h1"), 1, "{path}");
        let shown =
            "[...document.querySelectorAll('[data-script], .fresh')].filter(one => one.checkVisibility()).length";
        assert_eq!(browser.say(shown), "0", "{path}: a button without a script behind it");
        // A page that changes is loaded again, unless something may be typed there; then there is a link.
        let changes = browser.count("[data-live]") > 0;
        let has_fields = browser.count("main form[method=post] :is(input:not([type=hidden]), textarea)") > 0;
        let (refreshes, links) = (browser.count(REFRESH), browser.count("#live noscript a"));
        match (changes, has_fields) {
            (false, _) => assert_eq!((refreshes, links), (0, 0), "{path}"),
            (true, true) => assert_eq!((refreshes, links), (0, 1), "{path}"),
            (true, false) => assert_eq!(refreshes + links, 1, "{path}"),
        }
        expect_silent_console(&mut browser);
    }
}

#[test]
fn a_page_is_loaded_again_by_itself_unless_paused() {
    let Some(mut browser) = plain_browser("a_page_is_loaded_again_by_itself_unless_paused") else { return };
    let mut site = Site::new();
    browser.open(&site.at("/queues"));
    site.submit("1", "mail", "");
    expect(&mut browser, "document.querySelector('#queue-mail')");
    follow_saying(&mut browser, "#live button", "Pause");
    assert_eq!((browser.count(REFRESH), browser.text("#live .word").as_str()), (0, "paused"));
    assert_eq!(browser.path(), "/queues");
    follow_saying(&mut browser, "#live button", "Resume");
    assert_eq!((browser.count(REFRESH), browser.text("#live .word").as_str()), (1, "live"));
}

#[test]
fn links_and_filters_lead_everywhere() {
    let Some(mut browser) = plain_browser("links_and_filters_lead_everywhere") else { return };
    let mut site = Site::new();
    let jobs: Vec<String> = (0..120).map(|n| format!(r#"{{"id":"job-{n}","type":"kind-{n}","body":{n}}}"#)).collect();
    site.http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).expect(200);
    site.wait_for_queue("kind-0");
    browser.open(&site.at("/"));
    follow(&mut browser, ".places a[href='/queues']");
    assert_eq!(browser.count("#queue-rows tr"), 100);
    follow(&mut browser, "a[rel=next]");
    assert_eq!(browser.count("#queue-rows tr"), 20);
    follow(&mut browser, "a[rel=prev]");
    follow_saying(&mut browser, "thead a", "Type");
    assert_eq!(browser.text("#queue-rows th a"), "kind-0");
    follow(&mut browser, "th[aria-sort] a");
    assert_eq!(browser.text("#queue-rows th a"), "kind-99");
    browser.fill("main input[name=q]", "kind-11");
    follow_saying(&mut browser, "main form button", "Filter");
    assert_eq!(browser.count("#queue-rows tr"), 11);
    follow(&mut browser, "#queue-rows th a");
    assert_eq!(browser.text("h1").split_whitespace().next(), Some("kind-119"));

    browser.fill("#search", "job-77");
    browser.press(key::ENTER);
    expect(&mut browser, "location.pathname === '/jobs'");
    assert_eq!(browser.count("#job-rows tr"), 1);
    follow(&mut browser, "#job-rows a.cut");
    assert_eq!(browser.path(), "/jobs/job-77");

    browser.open(&site.at("/jobs"));
    assert_eq!(browser.count("#job-rows tr"), 50);
    follow(&mut browser, "a[rel=next]");
    follow(&mut browser, "a[rel=next]");
    assert_eq!(browser.count("#job-rows tr"), 20);
    browser.script("document.querySelector('select[name=state]').value = 'cancelled'", value!([]));
    follow_saying(&mut browser, "main form button", "Search");
    assert_eq!((browser.count("#job-rows tr"), browser.count("main .empty")), (0, 1));
}

#[test]
fn forms_do_everything() {
    let Some(mut browser) = plain_browser("forms_do_everything") else { return };
    let mut site = Site::new();
    for id in ["1", "2", "3"] {
        site.submit(id, "mail", "");
    }
    site.wait_for_queue("mail");
    browser.open(&site.at("/jobs"));
    browser.click("input[name=id][value='1']");
    browser.click("input[name=id][value='2']");
    follow(&mut browser, "button[name=deed][value=cancel]");
    assert!(browser.text("h1").contains("2 jobs"));
    follow(&mut browser, "main form[action='/deeds'] .actions button");
    assert_eq!((browser.path().as_str(), browser.count("main > .note.good")), ("/jobs", 1));
    site.expect_state(&["1", "2"], "cancelled");
    site.expect_state(&["3"], "queued");

    browser.open(&site.at("/queues/mail"));
    follow_saying(&mut browser, "main .head button", "Pause");
    site.http.get("/assignments?type=mail&wait=0").expect(204);
    browser.fill("textarea[name=body]", "[1,2]");
    browser.fill("#submit input[name=id]", "4");
    follow_saying(&mut browser, "#submit button", "Submit job");
    assert_eq!(browser.path(), "/jobs/4");
    site.expect_state(&["4"], "queued");
    browser.click_saying("main summary", "Change its priority");
    browser.fill("main input[name=priority]", "5");
    follow_saying(&mut browser, "main button", "Change priority");
    assert_eq!(site.job("4").expect("it is there")["priority"], 5);
    follow_saying(&mut browser, "main button", "Cancel");
    site.expect_state(&["4"], "cancelled");

    follow(&mut browser, ".theme button[value=dark]");
    assert_eq!(
        (browser.path().as_str(), browser.say("document.documentElement.dataset.theme").as_str()),
        ("/jobs/4", "dark")
    );
    follow(&mut browser, ".theme button[value=auto]");
    assert_eq!(browser.say("document.documentElement.dataset.theme"), "auto");
    expect_silent_console(&mut browser);
}
