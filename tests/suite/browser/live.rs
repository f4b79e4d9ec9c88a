//! Pages that keep themselves current: what changed is there without loading again, and nothing else moves.

use super::*;
use crate::support::Server;
use crate::support::server::command;

/// Lets a test see the streams of a page, whatever becomes of them.
const WATCH_STREAMS: &str = "const Real = EventSource; window.streams = [];
    window.EventSource = class extends Real { constructor(...all) { super(...all); streams.push(this); } };";

/// How many streams of the page are not closed.
const OPEN_STREAMS: &str = "streams.filter(stream => stream.readyState !== 2).length";

/// Opens a page and puts a mark on it, which goes when it is loaded again.
#[track_caller]
fn open_marked(browser: &mut Browser, url: &str) {
    browser.open(url);
    browser.script("window.mark = 1", value!([]));
    expect_text(browser, "#live .word", "live");
}

/// It is still the document that was opened, and nobody complained.
#[track_caller]
fn expect_marked(browser: &mut Browser) {
    assert!(browser.is("window.mark === 1"), "expected the page not to be loaded again");
    expect_silent_console(browser);
}

#[test]
fn what_changes_is_seen_without_loading_again() {
    let Some(mut browser) = browser("what_changes_is_seen_without_loading_again") else { return };
    let mut site = Site::new();
    open_marked(&mut browser, &site.at("/"));
    site.submit("1", "mail", "");
    expect_text(&mut browser, "#totals a[href='/jobs?state=queued'] .value", "1");
    expect_text(&mut browser, "#busiest tbody th a", "mail");
    expect_marked(&mut browser);

    open_marked(&mut browser, &site.at("/queues"));
    site.submit("2", "report", "");
    expect(&mut browser, "document.querySelector('#queue-report')");
    expect_marked(&mut browser);

    open_marked(&mut browser, &site.at("/jobs/1"));
    assert_eq!(browser.text("#state .state").trim(), "Queued");
    let job = site.take("mail");
    expect_text(&mut browser, "#state .state", "Running");
    site.say(&job, "touch", r#","progress":0.25,"note":"a quarter""#);
    expect(&mut browser, "document.querySelector('#life meter')?.value === 0.25");
    site.say(&job, "complete", r#","body":{"done":true}"#);
    expect_text(&mut browser, "#state .state", "Completed");
    expect(&mut browser, "document.querySelector('#outcome pre').textContent.includes('done')");
    expect_marked(&mut browser);
}

#[test]
fn no_other_deed_comes_under_the_pointer() {
    let Some(mut browser) = browser("no_other_deed_comes_under_the_pointer") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", r#","max_attempts":1"#);
    let job = site.take("mail");
    open_marked(&mut browser, &site.at("/jobs/1"));
    let deeds =
        "[...document.querySelectorAll('#state button')].map(one => [one.textContent, one.getBoundingClientRect().x])";
    let places = browser.say(&format!("JSON.stringify({deeds})"));
    browser.script(
        "[...document.querySelectorAll('#state button')].find(one => one.textContent === 'Cancel').focus()",
        value!([]),
    );
    site.say(&job, "fail", r#","error":"no""#);
    expect_text(&mut browser, "#state .state", "Failed");
    assert_eq!(browser.say(&format!("JSON.stringify({deeds})")), places, "(left: now, right: before)");
    let open = "[...document.querySelectorAll('#state button:enabled')].map(one => one.textContent).join()";
    assert_eq!(browser.say(open), "Retry,Delete…");
    assert_eq!(browser.say("document.activeElement.id || document.activeElement.outerHTML.slice(0, 200)"), "main");
    expect(&mut browser, "document.querySelector('#priority fieldset').disabled");
    // What only the script does is still there.
    assert!(browser.is("[...document.querySelectorAll('[data-copy]')].every(one => one.checkVisibility() || one.closest('details:not([open])'))"));
    expect_marked(&mut browser);
}

#[test]
fn what_is_under_the_pointer_stays_there() {
    let Some(mut browser) = browser("what_is_under_the_pointer_stays_there") else { return };
    let mut site = Site::new();
    for n in 0..8 {
        site.submit(&format!("{n}"), &format!("kind-{n}"), "");
    }
    site.wait_for_queue("kind-7");
    for n in 0..8 {
        site.http.post(&format!("/queues/kind-{n}/pause"), "").expect(200);
    }
    open_marked(&mut browser, &site.at("/"));
    expect(&mut browser, "document.querySelectorAll('#busiest .pill').length === 8");
    let lines = "document.querySelectorAll('#attention li').length";
    let before: usize = browser.say(lines).parse().expect("a number");
    browser.script("scrollTo(0, 300)", value!([]));
    let row = "document.querySelector('#busy tr:nth-child(2)')";
    browser.hover("#busy tr:nth-child(2)");
    let place = browser.say(&format!("Math.round({row}.getBoundingClientRect().top)"));
    site.http.post("/queues/kind-0/resume", "").expect(200);
    expect(&mut browser, &format!("{lines} > {before}"));
    assert_eq!(
        browser.say(&format!("Math.round({row}.getBoundingClientRect().top)")),
        place,
        "(left: now, right: before)"
    );
    expect_marked(&mut browser);
}

#[test]
fn the_steps_of_a_running_action_are_seen() {
    let Some(mut browser) = browser("the_steps_of_a_running_action_are_seen") else { return };
    let mut site = Site::new();
    let mut worker = crate::support::gloom_worker(&site.server, "shrink");
    let other = crate::support::gloom_worker(&site.server, "store");
    let asked = r#"{"id":"shop","processors":["shrink","store"],"data":{"size":[640,480]}}"#;
    let begun = site.http.ask("POST", "/action", &[("Content-Type", "application/json")], Some(asked.as_bytes()));
    assert!((200..300).contains(&begun.status), "got {}", begun.text());
    open_marked(&mut browser, &site.at("/actions/shop"));
    let step = |number: usize| format!("#steps tbody tr:nth-child({}) .state", number + 1);
    expect_text(&mut browser, &step(0), "Running");
    assert_eq!(browser.text(&step(1)).trim(), "Pending");
    assert_eq!(browser.count("#steps svg.bar rect"), 2);
    drop(other);
    worker.receive();
    worker.send(r#"{"action":"respond","body":{"size":[64,48]}}"#);
    expect_text(&mut browser, &step(0), "Completed");
    // Nobody takes the second step: it waits, and the page says for what.
    expect_text(&mut browser, &step(1), "Queued");
    expect(
        &mut browser,
        "document.querySelector('#steps .reasons')?.textContent.includes('There is no worker of this type')",
    );
    expect(
        &mut browser,
        "document.querySelector('#steps svg.bar .f-good') && document.querySelector('#steps svg.bar .f-wait')",
    );
    let job = site.take("store");
    expect_text(&mut browser, &step(1), "Running");
    site.say(&job, "complete", r#","body":{"stored":true}"#);
    expect_text(&mut browser, "#state .state", "Completed");
    expect(&mut browser, "document.querySelector('#result pre')?.textContent.includes('stored')");
    expect_marked(&mut browser);
}

#[test]
fn new_rows_wait_until_they_are_asked_for() {
    let Some(mut browser) = browser("new_rows_wait_until_they_are_asked_for") else { return };
    let mut site = Site::new();
    site.submit("old", "mail", "");
    open_marked(&mut browser, &site.at("/jobs"));
    assert!(browser.is("document.querySelector('#fresh-jobs').hidden"));
    site.submit("new-1", "mail", "");
    site.submit("new-2", "mail", "");
    expect_text(&mut browser, "#fresh-jobs", "Show 2 new");
    assert!(browser.is("!document.querySelector('#fresh-jobs').hidden"));
    assert_eq!(browser.count("#job-rows tr"), 1);
    // What is there is kept current all the same.
    site.take("mail");
    expect_text(&mut browser, "#job-rows .state", "Running");
    browser.click("#fresh-jobs");
    assert_eq!(browser.count("#job-rows tr"), 3);
    assert!(browser.is("document.querySelector('#fresh-jobs').hidden"));
    // What goes is dimmed where it stands.
    site.http.post("/jobs/new-1/cancel", "").expect(200);
    site.http.delete("/jobs/new-1").expect(204);
    expect(&mut browser, "document.querySelectorAll('#job-rows tr.gone').length === 1");
    assert_eq!(browser.count("#job-rows tr"), 3);
    expect_marked(&mut browser);
}

#[test]
fn a_row_that_is_held_back_is_shown_as_it_is_when_it_is_shown() {
    let Some(mut browser) = browser("a_row_that_is_held_back_is_shown_as_it_is_when_it_is_shown") else { return };
    let mut site = Site::new();
    site.submit("old", "mail", "");
    browser.before_each_page(WATCH_STREAMS);
    open_marked(&mut browser, &site.at("/jobs"));
    // A row that isn't shown yet changes, then the table comes with a newer one.
    let patches = "const table = document.querySelector('#jobs');
        const more = cell => table.innerHTML.replace('</tbody>', `<tr id=\"job-x\"><td>${cell}</td></tr></tbody>`);
        const say = regions => streams[0].dispatchEvent(
            new MessageEvent('patch', { data: JSON.stringify({ at: Date.now(), regions }) }));
        const [first, last] = [more('first'), more('third')];
        say({ jobs: first });
        say({ 'job-x': '<td>second</td>' });
        say({ jobs: last });";
    browser.script(patches, value!([]));
    expect_text(&mut browser, "#fresh-jobs", "Show 1 new");
    browser.click("#fresh-jobs");
    assert_eq!(browser.text("#job-x"), "third");
}

#[test]
fn what_a_reader_has_done_to_a_page_stays() {
    let Some(mut browser) = browser("what_a_reader_has_done_to_a_page_stays") else { return };
    let mut site = Site::new();
    let kinds: Vec<String> = (10..60).map(|n| format!("kind-{n}")).collect();
    let jobs: Vec<String> = kinds.iter().map(|kind| format!(r#"{{"type":"{kind}","body":0}}"#)).collect();
    site.http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).expect(200);
    site.wait_for_queue("kind-59");
    open_marked(&mut browser, &site.at("/queues?sort=type&order=asc"));
    expect(&mut browser, "document.querySelectorAll('#queue-rows .pill').length === 50");
    let row = "document.querySelector('#queue-kind-40')";
    let place = format!("{row}.getBoundingClientRect().top");
    browser.click("input[name=id][value=kind-40]");
    browser
        .script(&format!("{row}.querySelector('th a').focus({{ preventScroll: true }}); scrollTo(0, 500)"), value!([]));
    browser.leave();
    let before = browser.say(&place);
    site.submit("more", "kind-40", "");
    expect(&mut browser, &format!("{row}.cells[2].textContent === '2'"));
    assert!(browser.is(&format!("{row}.querySelector('input').checked")), "expected the row to stay selected");
    assert!(
        browser.is(&format!("document.activeElement === {row}.querySelector('th a')")),
        "expected the focus to stay"
    );
    assert_eq!(browser.say(&place), before, "(left: now, right: before) where the row is in the window");

    // A text that is being selected is left alone, and catches up.
    browser.script(&format!("getSelection().selectAllChildren({row}.querySelector('th a'))"), value!([]));
    site.submit("even-more", "kind-40", "");
    wait_until_shown(&mut site, "another");
    assert_eq!(browser.say("getSelection()"), "kind-40");
    assert!(browser.is(&format!("{row}.cells[2].textContent === '2'")));
    browser.script("getSelection().removeAllRanges()", value!([]));
    expect(&mut browser, &format!("{row}.cells[2].textContent === '3'"));
    expect_marked(&mut browser);
}

#[test]
fn what_is_typed_stays_typed() {
    let Some(mut browser) = browser("what_is_typed_stays_typed") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    site.wait_for_queue("mail");
    open_marked(&mut browser, &site.at("/queues/mail"));
    browser.fill("textarea[name=body]", "[1, 2");
    site.submit("2", "mail", "");
    expect_text(&mut browser, "#state a[href*='state=queued'] .value", "2");
    assert_eq!(browser.say("document.activeElement.value"), "[1, 2");
    expect_marked(&mut browser);
}

#[test]
fn what_is_opened_stays_open() {
    let Some(mut browser) = browser("what_is_opened_stays_open") else { return };
    let mut site = Site::new();
    let error = value!("a long story ".repeat(20));
    site.submit("1", "mail", "");
    let job = site.take("mail");
    site.say(&job, "fail", &format!(r#","error":{error},"delay_ms":0"#));
    open_marked(&mut browser, &site.at("/jobs/1"));
    browser.click_saying("#life summary", "The whole error");
    let job = site.take("mail");
    expect_text(&mut browser, "#state .state", "Running");
    assert!(browser.is("document.querySelector('#life details').open"));
    site.say(&job, "fail", &format!(r#","error":{error},"retry":false"#));
    expect_text(&mut browser, "#state .state", "Failed");
    assert!(browser.is("document.querySelector('#life details').open"));
    assert_eq!(browser.count("#life details"), 2);
    expect_marked(&mut browser);
}

/// Submits to a queue and waits until it is on pages that are loaded anew, and then the same once more: whatever was to be sent
/// to a page before has been sent.
#[track_caller]
fn wait_until_shown(site: &mut Site, kind: &str) {
    site.submit(kind, kind, "");
    site.wait_for_queue(kind);
    let next = format!("after-{kind}");
    site.submit(&next, &next, "");
    site.wait_for_queue(&next);
}

#[test]
fn paused_is_paused() {
    let Some(mut browser) = browser("paused_is_paused") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    site.wait_for_queue("mail");
    browser.before_each_page(WATCH_STREAMS);
    open_marked(&mut browser, &site.at("/queues"));
    expect(&mut browser, &format!("{OPEN_STREAMS} === 1"));
    browser.click_saying("#live button", "Pause");
    expect_text(&mut browser, "#live .word", "paused");
    assert!(browser.is(&format!("{OPEN_STREAMS} === 0")), "expected the stream to be closed");
    let before = browser.say("document.querySelector('main').innerHTML");
    wait_until_shown(&mut site, "report");
    // Neither the pointer nor the keys nor the tab's coming back wake it.
    browser.hover("#queue-rows tr");
    browser.leave();
    browser.press("j");
    browser.hide(true);
    browser.hide(false);
    assert!(browser.is(&format!("{OPEN_STREAMS} === 0")), "expected the stream to stay closed");
    assert_eq!(browser.say("document.querySelector('main').innerHTML"), before);
    // The next page is paused, too.
    browser.open(&site.at("/queues?sort=type"));
    expect_text(&mut browser, "#live .word", "paused");
    assert!(browser.is("streams.length === 0"));
    browser.script("window.mark = 1", value!([]));
    wait_until_shown(&mut site, "sms");
    assert_eq!(browser.count("#queue-sms"), 0);
    browser.click_saying("#live button", "Resume");
    expect(&mut browser, "document.querySelector('#queue-sms')");
    expect_text(&mut browser, "#live .word", "live");
    expect_marked(&mut browser);
}

#[test]
fn a_page_out_of_sight_has_no_stream() {
    let Some(mut browser) = browser("a_page_out_of_sight_has_no_stream") else { return };
    let mut site = Site::new();
    browser.before_each_page(WATCH_STREAMS);
    open_marked(&mut browser, &site.at("/queues"));
    expect(&mut browser, &format!("{OPEN_STREAMS} === 1"));
    browser.hide(true);
    expect(&mut browser, &format!("document.hidden && {OPEN_STREAMS} === 0"));
    wait_until_shown(&mut site, "mail");
    assert_eq!(browser.count("#queue-mail"), 0);
    browser.hide(false);
    expect(&mut browser, "document.querySelector('#queue-mail')");
    assert!(browser.is(&format!("streams.length === 2 && {OPEN_STREAMS} === 1")));
    expect_marked(&mut browser);
}

#[test]
fn a_page_finds_its_server_again() {
    let Some(mut browser) = browser("a_page_finds_its_server_again") else { return };
    let mut site = Site::new();
    site.submit("1", "mail", "");
    site.wait_for_queue("mail");
    let address = site.server.http().to_string();
    open_marked(&mut browser, &site.at("/queues"));
    let folder = site.server.kill9_keeping_its_folder();
    expect_text(&mut browser, "#live .word", "reconnecting");
    assert_eq!(browser.count("#queue-mail"), 1);
    let mut again = command(folder.path());
    let ports = ["--tcp", "--gloom-masters", "--gloom-workers", "--deputy"];
    again.args(ports.into_iter().flat_map(|flag| [flag, "127.0.0.1:0"])).args(["--http", &address]);
    let server = Server::spawn(folder, &mut again);
    let mut site = Site { http: crate::support::http(&server), server };
    site.submit("2", "report", "");
    expect_text(&mut browser, "#live .word", "live");
    expect(&mut browser, "document.querySelector('#queue-report')");
    assert!(browser.is("window.mark === 1"));
    let complaints = complaints(&mut browser);
    assert!(complaints.iter().all(|line| line.source == "network"), "got {complaints:?}");
}

#[test]
fn a_server_that_stops_is_not_held_by_its_viewers() {
    let Some(mut browser) = browser("a_server_that_stops_is_not_held_by_its_viewers") else { return };
    let mut site = Site::new();
    open_marked(&mut browser, &site.at("/"));
    site.server.term();
    assert!(site.server.wait().success());
    expect_text(&mut browser, "#live .word", "reconnecting");
}
