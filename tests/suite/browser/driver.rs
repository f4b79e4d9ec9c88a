//! The browser of these tests sees what the other tests rely on: else their silence would say nothing.

use super::*;
use crate::support::webdriver::{eventually_in, key};
use serde_json::json as value;

/// A page without a server.
fn page(html: &str) -> String {
    let encoded: String = html.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("data:text/html;charset=utf-8,{encoded}")
}

#[test]
fn complaints_are_heard() {
    let Some(mut browser) = browser("complaints_are_heard") else { return };
    let policy = "<meta http-equiv=\"content-security-policy\" content=\"default-src 'none'; script-src 'self'\">";
    for (html, source, says) in [
        ("<script>throw new Error('ouch')</script>", "javascript", "ouch"),
        ("<script>console.error('ouch')</script>", "console-api", "ouch"),
        (&*format!("{policy}<script>1</script>"), "security", "inline script"),
        (&*format!("{policy}<p style='color: red'>"), "security", "inline style"),
        (&*format!("{policy}<p onclick='1'>"), "security", "inline event handler"),
        (&*format!("{policy}<img src='data:,'>"), "security", "image"),
    ] {
        browser.open(&page(html));
        let lines = browser.console();
        let complains = |line: &Line| line.level == "SEVERE" && line.source == source && line.text.contains(says);
        let is_heard = lines.iter().any(complains);
        assert!(is_heard, "expected a complaint of {source} about {html}, got {lines:?}");
    }
    browser.open(&page("<p>fine"));
    expect_silent_console(&mut browser);
}

#[test]
fn pages_without_scripts_can_be_looked_at_and_clicked() {
    let Some(mut browser) = browser("pages_without_scripts_can_be_looked_at_and_clicked") else { return };
    let html = "<script>document.title = 'ran'</script><title>did not run</title><body><noscript><b>none</b></noscript>\
                <form><input name=a><input type=checkbox name=b><button>Go</button></form>";
    browser.open(&page(html));
    assert_eq!((browser.title().as_str(), browser.count("noscript b")), ("ran", 0));
    browser.allow_scripts(false);
    browser.open(&page(html));
    assert_eq!((browser.title().as_str(), browser.count("noscript b")), ("did not run", 1));
    browser.fill("input", "text");
    browser.click("[name=b]");
    assert_eq!(browser.say("document.querySelector('input').value"), "text");
    assert!(browser.is("document.querySelector('[name=b]').checked"));
}

#[test]
fn keys_go_where_the_focus_is() {
    let Some(mut browser) = browser("keys_go_where_the_focus_is") else { return };
    browser.open(&page("<input><button onclick=\"document.title = 'pressed'\">b</button>"));
    browser.click("input");
    browser.press("a?");
    browser.press(key::TAB);
    browser.press(key::ENTER);
    assert_eq!(browser.say("document.querySelector('input').value"), "a?");
    assert_eq!(browser.title(), "pressed");
}

#[test]
fn dialogs_are_seen() {
    let Some(mut browser) = browser("dialogs_are_seen") else { return };
    browser.open(&page("<p>quiet"));
    assert_eq!(browser.dialog(), None);
    browser.script("setTimeout(() => alert('boo'))", value!([]));
    assert_eq!(eventually_in(&mut browser, "a dialog", Browser::dialog), "boo");
    browser.dismiss();
    assert_eq!(browser.dialog(), None);
}

#[test]
fn windows_have_sizes_colours_and_can_be_hidden() {
    let Some(mut browser) = browser("windows_have_sizes_colours_and_can_be_hidden") else { return };
    let is_dark = "matchMedia('(prefers-color-scheme: dark)').matches";
    browser.open(&page("<meta name=viewport content='width=device-width'><p>here"));
    assert_eq!((browser.say("innerWidth").as_str(), browser.is(is_dark)), ("1280", false));
    browser.resize((360, 740));
    browser.prefer_dark(true);
    assert_eq!((browser.say("innerWidth").as_str(), browser.is(is_dark)), ("360", true));
    browser.hide(true);
    eventually_in(&mut browser, "a hidden page", |browser| browser.is("document.hidden").then_some(()));
    browser.hide(false);
    eventually_in(&mut browser, "a page in view", |browser| (!browser.is("document.hidden")).then_some(()));
    assert!(browser.picture().starts_with(b"\x89PNG"));
}
