//! Every page answers, is one document with one heading, and says nothing in the console.

use super::*;
use crate::support::eventually;
use crate::support::http::Answer;
use std::collections::BTreeSet;

#[test]
fn every_page_is_whole_and_the_console_is_silent() {
    let Some(mut browser) = browser("every_page_is_whole_and_the_console_is_silent") else { return };
    let everything = Everything::new();
    let mut links = BTreeSet::new();
    for path in everything.addresses() {
        browser.open(&everything.at(&path));
        let facts = browser.script(
            "const all = css => [...document.querySelectorAll(css)];
             return {
               title: document.title,
               headings: all('h1').map(one => one.textContent.trim()),
               current: all('.places [aria-current=page]').length,
               refused: all('.note.bad').length,
               names: all('[id]').map(one => one.id),
               links: all('a[href]').map(one => one.getAttribute('href')),
             }",
            value!([]),
        );
        assert!(facts["title"].as_str().is_some_and(|title| title.ends_with(" · procession")), "{path}: {facts}");
        let headings = facts["headings"].as_array().expect("headings are a list");
        assert!(headings.len() == 1 && headings[0] != "", "{path}: {facts}");
        assert_eq!((&facts["current"], &facts["refused"]), (&value!(1), &value!(0)), "{path}");
        assert_eq!(
            texts(&facts["names"]).len(),
            facts["names"].as_array().expect("a list").len(),
            "{path}: an id twice"
        );
        links.extend(texts(&facts["links"]));
        expect_silent_console(&mut browser);
    }
    every_link_leads_somewhere(everything, &links);
}

/// What links lead to answers, as a page and not as an error.
#[track_caller]
fn every_link_leads_somewhere(mut everything: Everything, links: &BTreeSet<String>) {
    for link in links {
        assert!(link.starts_with('/') && !link.starts_with("//") || link.starts_with('#'), "got a link to {link}");
        let path = link.split('#').next().unwrap_or_default();
        if !path.is_empty() {
            let answer = everything.http.ask("GET", path, &[], None);
            assert_eq!(answer.status, 200, "{link}: {}", answer.text());
        }
    }
    assert!(links.len() > 50, "expected more links than {links:?}");
}

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().expect("that is a list");
    list.iter().map(|text| text.as_str().expect("that is text").to_owned()).collect()
}

#[test]
fn examples_lead_to_this_server() {
    let mut site = Site::new();
    site.submit("1", "mail", "");
    site.wait_for_queue("mail");
    let (http, native) = (site.server.http(), site.server.tcp());
    for path in ["/docs", "/queues/mail", "/queues", "/jobs", "/jobs/1", "/workers", "/deeds?deed=cancel&id=1"] {
        let page = site.http.ask("GET", path, &[], None).expect(200).text().to_owned();
        assert!(page.contains(&format!("http://{http}/api/v1/")), "{path}");
        let others =
            page.split("127.0.0.1:").skip(1).filter(|rest| rest.starts_with("3000") || rest.starts_with("3001"));
        assert_eq!(others.count(), 0, "{path} leads elsewhere");
        assert_eq!(page.contains(&format!("tcp://{native}")), ["/docs", "/queues/mail"].contains(&path), "{path}");
    }
    // The reader's own name for the host is taken.
    let host = format!("localhost:{}", http.port());
    let page = site.http.ask("GET", "/docs", &[("Host", &host)], None).expect(200);
    assert!(page.text().contains(&format!("http://{host}/api/v1/")));
}

#[test]
fn what_a_page_has_no_room_for_is_a_link_away() {
    let mut site = Site::new();
    site.submit_body("long", "mail", &value!("a".repeat(300_000)).to_string(), "");
    let page = site.http.ask("GET", "/jobs/long", &[], None).expect(200);
    assert!(page.text().contains("href=\"/api/v1/jobs/long\"") && page.text().contains("This is the beginning"));
    // The address of a refused form leads to the forms.
    let form = site.http.ask("GET", "/submit", &[], None);
    assert_eq!((form.status, form.header("location")), (303, Some("/queues")));
}

#[test]
fn failures_are_of_one_type_or_of_all_that_contain_a_text() {
    let mut site = Site::new();
    site.fail("1", "mail.send", "\"no\"");
    eventually("the failure in the figures", || {
        let page = site.http.ask("GET", "/failures?q=MAIL", &[], None).expect(200).text().to_owned();
        page.contains("1 failed job in 1 group").then_some(())
    });
    let page = site.http.ask("GET", "/failures?type=mail", &[], None).expect(200).text().to_owned();
    assert!(page.contains("Nothing has failed of the type “mail”") && page.contains("href=\"/failures?q=mail\""));
}

#[test]
fn a_server_where_nothing_has_happened_says_what_to_do() {
    let Some(mut browser) = browser("a_server_where_nothing_has_happened_says_what_to_do") else { return };
    let site = Site::new();
    for path in ["/", "/queues", "/jobs", "/failures", "/workers", "/masters", "/actions", "/system", "/docs"] {
        browser.open(&site.at(path));
        assert_eq!(browser.count("h1"), 1, "{path}");
        if !["/system", "/docs", "/failures"].contains(&path) {
            assert!(browser.count("main a[href^='/docs']") > 0, "{path} leads nowhere");
        }
        expect_silent_console(&mut browser);
    }
}

#[test]
fn what_is_not_there_is_a_page_too() {
    let Some(mut browser) = browser("what_is_not_there_is_a_page_too") else { return };
    let mut site = Site::new();
    for path in
        ["/nothing", "/queues/none", "/jobs/none", "/actions/none", "/jobs/a/b", "/%3Cscript%3Ealert(1)%3C/script%3E"]
    {
        let answer = site.http.ask("GET", path, &[("Accept", "text/html")], None);
        assert_eq!(answer.status, 404, "{path}");
        expect_page(&answer);
        browser.open(&site.at(path));
        assert_eq!((browser.count("h1"), browser.dialog()), (1, None), "{path}");
        assert!(browser.count("main a[href]") > 0, "{path} leads nowhere");
        // The browser itself tells of the status.
        let complaints = complaints(&mut browser);
        assert!(complaints.iter().all(|line| line.source == "network"), "{path}: {complaints:?}");
    }
    let asked = site.http.ask("GET", "/deeds?deed=none", &[("Accept", "text/html")], None);
    assert_eq!(asked.status, 422);
    expect_page(&asked);
}

#[track_caller]
fn expect_page(answer: &Answer) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "got {answer:?}");
    let policy = answer.header("content-security-policy").unwrap_or_default();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "got {policy:?}");
}

#[test]
fn what_a_page_is_made_of_is_kept_by_browsers_and_the_page_is_not() {
    let mut site = Site::new();
    let page = site.http.ask("GET", "/", &[], None).expect(200);
    expect_page(&page);
    assert!(page.header("cache-control").is_some_and(|said| said == "no-cache" || said == "no-store"), "got {page:?}");
    let text = page.text().to_owned();
    let files: BTreeSet<&str> =
        text.split('"').filter(|part| part.starts_with("/static/") && !part.contains(' ')).collect();
    assert_eq!(files.len(), 3, "expected a script, a sheet and a mark, got {files:?}");
    for file in files {
        let answer = site.http.ask("GET", file, &[], None).expect(200);
        assert!(answer.header("cache-control").is_some_and(|said| said.contains("immutable")), "{file}: {answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{file}");
    }
    site.http.ask("GET", "/static/0000000000000000/app.js", &[], None).expect(404);
    site.http.ask("GET", "/static/../Cargo.toml", &[], None).expect(404);
}
