//! An audit by axe-core of every page, light and dark, wide and narrow, with all that opens opened.
//!
//! axe-core is no part of this repository: `.ci/run` fetches it into the target folder.

use super::*;
use std::path::{Path, PathBuf};

/// Where `.ci/run` puts it.
fn axe_file() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it is in the target folder");
    target.join("axe-core/axe.min.js")
}

/// What axe found of these impacts, with the first elements that it found it of.
const AUDIT: &str = "
    const [options, done] = arguments;
    const found = ({ id, impact, nodes }) => ({
      id, impact, count: nodes.length,
      nodes: nodes.slice(0, 3).map(node => [node.target.join(' '), node.failureSummary, node.html.slice(0, 200)]),
    });
    axe.run(document, options).then(
      result => done(result.violations.filter(one => ['serious', 'critical'].includes(one.impact)).map(found)),
      error => done([String(error)]));";

#[test]
fn every_page_is_accessible() {
    let Some(mut browser) = browser("every_page_is_accessible") else { return };
    let Ok(axe) = std::fs::read_to_string(axe_file()) else {
        return skipped("every_page_is_accessible", "axe-core is missing (.ci/run fetches it)");
    };
    let everything = Everything::new();
    let all = value!({ "resultTypes": ["violations"], "rules": { "target-size": { "enabled": true } } });
    let colours = value!({ "resultTypes": ["violations"], "runOnly": ["color-contrast"] });
    let mut flaws = Vec::new();
    for path in everything.addresses() {
        browser.resize(WIDE);
        browser.prefer_dark(false);
        browser.open(&everything.at(&path));
        browser.script(&axe, value!([]));
        browser.script("document.querySelectorAll('details').forEach(one => { one.open = true })", value!([]));
        // Dark differs in colours alone, narrow in everything else.
        for (size, is_dark, options) in [(WIDE, false, &all), (WIDE, true, &colours), (NARROW, true, &all)] {
            browser.resize(size);
            browser.prefer_dark(is_dark);
            let found = browser.slow_script(AUDIT, value!([options]));
            for flaw in found.as_array().expect("flaws are a list") {
                flaws.push(format!("{path} at {size:?}, dark: {is_dark}: {flaw:#}"));
            }
        }
    }
    assert!(flaws.is_empty(), "expected no serious flaw, got {}:\n{}", flaws.len(), flaws.join("\n"));
}

#[test]
fn an_audit_finds_flaws() {
    let Some(mut browser) = browser("an_audit_finds_flaws") else { return };
    let Ok(axe) = std::fs::read_to_string(axe_file()) else {
        return skipped("an_audit_finds_flaws", "axe-core is missing (.ci/run fetches it)");
    };
    let site = Site::new();
    browser.open(&site.at("/"));
    browser.script(&axe, value!([]));
    browser.script("document.querySelector('main').append(document.createElement('input'))", value!([]));
    let found = browser.slow_script(AUDIT, value!([{ "resultTypes": ["violations"] }]));
    assert_eq!(found[0]["id"], "label", "got {found:#}");
}

#[test]
fn the_dialog_of_keys_is_accessible() {
    let Some(mut browser) = browser("the_dialog_of_keys_is_accessible") else { return };
    let Ok(axe) = std::fs::read_to_string(axe_file()) else {
        return skipped("the_dialog_of_keys_is_accessible", "axe-core is missing (.ci/run fetches it)");
    };
    let site = Site::new();
    browser.open(&site.at("/"));
    browser.press("?");
    browser.script(&axe, value!([]));
    let found = browser.slow_script(AUDIT, value!([{ "resultTypes": ["violations"] }]));
    assert_eq!(found, value!([]));
}

#[test]
fn what_happens_is_said_and_not_only_shown() {
    let Some(mut browser) = browser("what_happens_is_said_and_not_only_shown") else { return };
    let site = Site::new();
    browser.open(&site.at("/"));
    assert_eq!(browser.say("document.querySelector('#status').getAttribute('aria-live')"), "polite");
    browser.click_saying("#live button", "Pause");
    assert!(!browser.text("#status").is_empty());
    // Only one part speaks by itself: figures that change each second would never be silent.
    assert_eq!(browser.count("[data-live] [aria-live], [data-live][aria-live]"), 0);
}
