//! What operators do: to one thing, to selected ones, to all that match. Whether it was done is asked of the API and the log.

use super::*;
use crate::support::{Reply, gloom_master, gloom_worker, native};

/// The button of the second step.
const CONFIRM: &str = "main form[action='/deeds'] .actions button";

/// What was said after a deed that was done.
#[track_caller]
fn expect_done(browser: &mut Browser, begin: &str) {
    let said = eventually_in(browser, "a word after the deed", |browser| browser.find_text("main > .note"));
    assert!(
        browser.count("main > .note.good") == 1 && said.trim().starts_with(begin),
        "expected {begin:?}, got {said:?}"
    );
    expect_silent_console(browser);
    // It is said once.
    browser.reload();
    assert_eq!(browser.count("main > .note.good"), 0);
}

/// The question names so many, and is answered with yes.
#[track_caller]
fn confirm(browser: &mut Browser, count: &str) {
    expect(browser, "location.pathname === '/deeds'");
    let heading = browser.text("h1");
    assert!(heading.contains(count), "expected the question to name {count}, got {heading:?}");
    browser.click(CONFIRM);
}

/// Ticks the rows of these, and presses the button of a deed.
#[track_caller]
fn with_selected(browser: &mut Browser, ids: &[&str], deed: &str) {
    for id in ids {
        browser.click(&format!("input[name=id][value={}]", value!(id)));
    }
    browser.click(&format!("button[name=deed][value={deed}]"));
}

#[test]
fn one_job() {
    let Some(mut browser) = browser("one_job") else { return };
    let mut site = Site::new();
    site.submit("later", "mail", r#","delay_ms":3600000"#);
    browser.open(&site.at("/jobs/later"));
    browser.click_saying("main button", "Run now");
    expect_done(&mut browser, "1 job queued now");
    site.expect_state(&["later"], "queued");
    site.expect_deed("run-now", "later");

    browser.click_saying("main summary", "Change its priority");
    browser.fill("main input[name=priority]", "-12");
    browser.click_saying("main button", "Change priority");
    expect_done(&mut browser, "1 job changed");
    assert_eq!(site.job("later").expect("it is there")["priority"], -12);
    site.expect_deed("priority", "later");

    browser.click_saying("main button", "Cancel");
    expect_done(&mut browser, "1 job cancelled");
    site.expect_state(&["later"], "cancelled");
    site.expect_deed("cancel", "later");

    browser.click_saying("main button", "Retry");
    expect_done(&mut browser, "1 job queued again");
    site.expect_state(&["later"], "queued");
    site.expect_deed("retry", "later");

    let job = site.take("mail");
    site.say(&job, "fail", r#","error":"no","retry":false"#);
    browser.open(&site.at("/jobs/later"));
    browser.click_saying("main button", "Delete…");
    confirm(&mut browser, "1 job");
    // Its page is no more, so the list says so.
    expect_done(&mut browser, "1 job deleted");
    assert_eq!(browser.path(), "/jobs");
    site.expect_state(&["later"], "gone");
    site.expect_deed("delete", "later");
}

#[test]
fn what_can_no_longer_be_done_is_said() {
    let Some(mut browser) = browser("what_can_no_longer_be_done_is_said") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    browser.open(&site.at("/jobs/1"));
    // Nothing moves while the page is paused, so its button is of a moment that has passed.
    browser.click_saying("#live button", "Pause");
    let job = site.take("mail");
    site.say(&job, "complete", r#","body":0"#);
    follow_saying(&mut browser, "main button", "Cancel");
    let said = eventually_in(&mut browser, "a word after the deed", |browser| browser.find_text("main > .note.bad"));
    assert!(said.contains("0 jobs cancelled") && said.contains("1 left alone"), "got {said:?}");
    site.expect_state(&["1"], "completed");
}

#[test]
fn selected_jobs() {
    let Some(mut browser) = browser("selected_jobs") else { return };
    let mut site = Site::new();
    for id in ["1", "2", "3"] {
        site.submit(id, "mail", r#","delay_ms":3600000"#);
    }
    browser.open(&site.at("/jobs"));
    with_selected(&mut browser, &["1", "3"], "run-now");
    confirm(&mut browser, "2 jobs");
    expect_done(&mut browser, "2 jobs queued now");
    assert_eq!(browser.path(), "/jobs");
    site.expect_state(&["1", "3"], "queued");
    site.expect_state(&["2"], "scheduled");

    with_selected(&mut browser, &["1", "2"], "priority");
    expect(&mut browser, "location.pathname === '/deeds'");
    browser.fill("main input[name=priority]", "9");
    confirm(&mut browser, "2 jobs");
    expect_done(&mut browser, "2 jobs changed");
    for (id, priority) in [("1", 9), ("2", 9), ("3", 0)] {
        assert_eq!(site.job(id).expect("it is there")["priority"], priority, "the priority of {id}");
    }

    with_selected(&mut browser, &["2", "3"], "cancel");
    confirm(&mut browser, "2 jobs");
    expect_done(&mut browser, "2 jobs cancelled");
    site.expect_state(&["2", "3"], "cancelled");
    site.expect_state(&["1"], "queued");

    // Only those that it can be done to are counted.
    with_selected(&mut browser, &["1", "3"], "retry");
    expect(&mut browser, "location.pathname === '/deeds'");
    assert!(browser.text("main").contains("1 other is left alone"), "got {}", browser.text("main"));
    assert_eq!(browser.count("main tbody tr"), 1);
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job queued again");
    site.expect_state(&["1", "3"], "queued");

    with_selected(&mut browser, &["2"], "delete");
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job deleted");
    site.expect_state(&["2"], "gone");
    site.expect_deed("delete", "2");
}

#[test]
fn nothing_selected_is_nothing_done() {
    let Some(mut browser) = browser("nothing_selected_is_nothing_done") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    browser.open(&site.at("/jobs"));
    with_selected(&mut browser, &[], "cancel");
    expect(&mut browser, "location.pathname === '/deeds'");
    assert_eq!((browser.count(CONFIRM), browser.count("main .note.bad")), (0, 1));
    browser.click("main .actions a");
    expect(&mut browser, "location.pathname === '/jobs'");
    site.expect_state(&["1"], "queued");
}

#[test]
fn all_that_match_are_those_that_were_seen() {
    let Some(mut browser) = browser("all_that_match_are_those_that_were_seen") else { return };
    let mut site = Site::new();
    // More than a page of the list has.
    let jobs: Vec<String> = (0..70).map(|n| format!(r#"{{"id":"m{n}","type":"mail","body":{n}}}"#)).collect();
    site.http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).expect(200);
    site.submit("other", "report", "");
    browser.open(&site.at("/jobs?type=mail&state=queued"));
    browser.script("document.querySelector('select[name=scope]').value = 'match'", value!([]));
    browser.click("button[name=deed][value=cancel]");
    expect(&mut browser, "location.pathname === '/deeds'");
    site.submit("came-later", "mail", "");
    assert_eq!(browser.count("main tbody tr"), 5);
    confirm(&mut browser, "70 jobs");
    expect_done(&mut browser, "70 jobs cancelled");
    site.expect_state(&["m0", "m35", "m69"], "cancelled");
    site.expect_state(&["came-later", "other"], "queued");
    site.expect_deed("cancel", "queued jobs of type mail");
}

#[test]
fn queues() {
    let Some(mut browser) = browser("queues") else { return };
    let mut site = Site::new();
    for kind in ["mail", "report", "sms"] {
        site.submit(kind, kind, "");
    }
    site.fail("sad", "push", "\"no\"");
    site.wait_for_queue("push");
    browser.open(&site.at("/queues"));
    with_selected(&mut browser, &["mail", "sms"], "pause");
    confirm(&mut browser, "2 queues");
    expect_done(&mut browser, "2 queues paused");
    site.expect_deed("pause", "mail");
    site.http.get("/assignments?type=mail&wait=0").expect(204);
    site.http.get("/assignments?type=sms&wait=0").expect(204);
    expect_text(&mut browser, "#queue-mail .pill", "paused");

    with_selected(&mut browser, &["mail"], "resume");
    confirm(&mut browser, "1 queue");
    expect_done(&mut browser, "1 queue resumed");
    site.expect_deed("resume", "mail");
    assert_eq!(site.take("mail")["id"], "mail");

    with_selected(&mut browser, &["report"], "purge");
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job cancelled");
    site.expect_state(&["report"], "cancelled");
    site.expect_state(&["sms"], "queued");
    site.expect_deed("purge", "report");

    with_selected(&mut browser, &["push"], "retry-failed");
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job queued again");
    site.expect_state(&["sad"], "queued");
    site.expect_deed("retry-failed", "push");
}

#[test]
fn one_queue() {
    let Some(mut browser) = browser("one_queue") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    site.wait_for_queue("mail");
    browser.open(&site.at("/queues/mail"));
    browser.click_saying("main button", "Pause");
    expect_done(&mut browser, "1 queue paused");
    site.http.get("/assignments?type=mail&wait=0").expect(204);
    assert_eq!(browser.text("#head .pill").trim(), "paused");
    // Somebody else's deed is seen, too.
    browser.script("window.mark = 1", value!([]));
    site.http.post("/queues/mail/resume", "").expect(200);
    expect_text(&mut browser, "#head button", "Pause");
    site.http.post("/queues/mail/pause", "").expect(200);
    expect_text(&mut browser, "#head button", "Resume");
    assert!(browser.is("window.mark === 1"));
    browser.click_saying("main button", "Resume");
    expect_done(&mut browser, "1 queue resumed");
    assert_eq!((browser.text("#head button").trim(), browser.count("#head .i-paused")), ("Pause", 1));

    let job = site.take("mail");
    site.say(&job, "fail", r#","error":"no","retry":false"#);
    site.submit("2", "mail", "");
    eventually_in(&mut browser, "the failed job in the figures", |browser| {
        browser.open(&site.at("/deeds?deed=retry-failed&id=mail"));
        browser.text("h1").contains("1 job").then_some(())
    });
    browser.open(&site.at("/queues/mail"));
    browser.click_saying("main a", "Retry failed…");
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job queued again");
    site.expect_state(&["1"], "queued");
    eventually_in(&mut browser, "both jobs in the figures", |browser| {
        browser.open(&site.at("/deeds?deed=purge&id=mail"));
        browser.text("h1").contains("2 jobs").then_some(())
    });
    browser.open(&site.at("/queues/mail"));
    browser.click_saying("main a", "Purge…");
    confirm(&mut browser, "2 jobs");
    expect_done(&mut browser, "2 jobs cancelled");
    site.expect_state(&["1", "2"], "cancelled");
}

#[test]
fn what_a_deed_is_not_for_is_not_counted() {
    let Some(mut browser) = browser("what_a_deed_is_not_for_is_not_counted") else { return };
    let mut site = Site::new();
    for n in 0..14 {
        site.submit(&format!("done-{n}"), "mail", "");
        site.http.post(&format!("/jobs/done-{n}/cancel"), "").expect(200);
    }
    site.submit("waits", "mail", "");
    browser.open(&site.at("/deeds?deed=cancel&scope=match&type=mail&back=/jobs"));
    assert!(browser.text("main").contains("14 others are left alone"), "got {}", browser.text("main"));
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job cancelled.");
    browser.open(&site.at("/deeds?deed=run-now&scope=match&type=mail&back=/jobs"));
    assert_eq!(browser.count(CONFIRM), 0);
}

#[test]
fn failures_alike() {
    let Some(mut browser) = browser("failures_alike") else { return };
    let mut site = Site::new();
    for n in 0..3 {
        site.fail(&format!("slow-{n}"), "mail", &format!("\"timeout after {n} s\""));
    }
    site.fail("other", "mail", "\"no such user\"");
    // Where to look for failures is known from figures that are made once a second.
    eventually_in(&mut browser, "two groups of failures", |browser| {
        browser.open(&site.at("/failures"));
        (browser.count("main tbody tr") == 2).then_some(())
    });
    assert!(browser.text("main tbody tr th").contains("timeout after # s"));
    browser.click_saying("main tbody tr:first-child a", "Retry… this group");
    confirm(&mut browser, "3 jobs");
    expect_done(&mut browser, "3 jobs queued again");
    site.expect_state(&["slow-0", "slow-1", "slow-2"], "queued");
    site.expect_state(&["other"], "failed");
    browser.open(&site.at("/failures"));
    browser.click_saying("main tbody tr:first-child a", "Discard… this group");
    confirm(&mut browser, "1 job");
    expect_done(&mut browser, "1 job deleted");
    site.expect_state(&["other"], "gone");
}

#[test]
fn a_job_is_submitted() {
    let Some(mut browser) = browser("a_job_is_submitted") else { return };
    let mut site = Site::new();
    site.submit("first", "mail", "");
    site.wait_for_queue("mail");
    browser.open(&site.at("/queues/mail"));
    // What can't be taken is shown again as it was typed, with the reason.
    browser.fill("textarea[name=body]", "{\"to\": \"it's <b>me</b>\"");
    browser.fill("#submit input[name=id]", "by hand");
    follow_saying(&mut browser, "#submit button", "Submit job");
    // The page says so on top, and the field has the focus.
    expect(&mut browser, "document.querySelector('main > .note.bad a')?.hash === '#field-body'");
    expect(&mut browser, "document.activeElement.id === 'field-body'");
    assert_eq!(browser.count("#submit .bad-text"), 1);
    assert_eq!(browser.say("document.querySelector('textarea[name=body]').value"), "{\"to\": \"it's <b>me</b>\"");
    assert_eq!(browser.say("document.querySelector('#submit input[name=id]').value"), "by hand");
    let complaints = complaints(&mut browser);
    assert!(complaints.iter().all(|line| line.source == "network"), "got {complaints:?}");
    site.expect_state(&["by hand"], "gone");

    browser.fill("textarea[name=body]", "{\"to\":\n  1.0}");
    browser.fill("#submit input[name=priority]", "3");
    follow_saying(&mut browser, "#submit button", "Submit job");
    expect(&mut browser, "location.pathname === '/jobs/by%20hand'");
    expect_done(&mut browser, "Submitted");
    site.expect_deed("submit", "by hand");
    let job = site.http.get("/jobs/by%20hand").raw_json(200);
    assert_eq!(job.member(&["body"]), "{\"to\":\n  1.0}");
    assert_eq!(job.value()["priority"], 3);

    // The same once more, under an id of its own.
    browser.click_saying("main summary", "Submit it again");
    browser.click_saying("main a", "Open the form");
    expect(&mut browser, "location.hash === '#submit'");
    assert_eq!(browser.say("document.querySelector('textarea[name=body]').value"), "{\"to\":\n  1.0}");
    follow_saying(&mut browser, "#submit button", "Submit job");
    expect(&mut browser, "location.pathname.startsWith('/jobs/') && location.pathname !== '/jobs/by%20hand'");
    let list = site.http.get("/jobs?type=mail").json(200);
    assert_eq!(list["items"].as_array().expect("a list").len(), 3);
}

#[test]
fn peers_are_disconnected() {
    let Some(mut browser) = browser("peers_are_disconnected") else { return };
    let site = Site::new();
    let mut worker = gloom_worker(&site.server, "mail");
    let mut both = native(&site.server);
    both.call(r#"{"action":"join","types":["mail"]}"#);
    let mut master = gloom_master(&site.server);
    master.submit("1", "none", "0");
    browser.open(&site.at("/workers"));
    assert_eq!(browser.count("#worker-rows tr"), 2);
    let gloom = "[...document.querySelectorAll('#worker-rows tr')].find(row => row.cells[1].textContent === 'gloom')";
    browser.script(&format!("{gloom}.querySelector('a.button').dataset.here = ''"), value!([]));
    browser.click("[data-here]");
    expect(&mut browser, "location.pathname === '/deeds'");
    let which = browser.text("section[aria-label=Which]");
    assert!(which.contains("gloom worker 127.0.0.1:") && which.contains("nothing in hand"), "got {which:?}");
    confirm(&mut browser, "1 connection");
    expect_done(&mut browser, "1 connection disconnected");
    worker.expect_closed();
    expect(&mut browser, "document.querySelectorAll('#worker-rows tr:not(.gone)').length === 1");
    site.expect_deed("disconnect", "");

    browser.open(&site.at("/masters"));
    expect(&mut browser, "document.querySelectorAll('#master-rows tr').length > 0");
    let gloom = "[...document.querySelectorAll('#master-rows tr')].find(row => row.cells[1].textContent === 'gloom')";
    browser.script(&format!("{gloom}.querySelector('a.button').dataset.here = ''"), value!([]));
    browser.click("[data-here]");
    confirm(&mut browser, "1 connection");
    expect_done(&mut browser, "1 connection disconnected");
    master.expect_closed();
    // The other worker still works.
    let mut site = site;
    site.submit("2", "mail", "");
    both.receive();
    let mut poll = crate::support::http(&site.server);
    poll.start_get("/assignments?type=mail&wait=0");
    assert!(matches!(poll.listen(crate::support::PATIENCE), Reply::Answer(answer) if answer.status == 204));
}
