//! The pictures of the README: `PROCESSION_SCREENSHOTS=examples/screenshots cargo test --test suite screenshots`.
//!
//! The charts show five minutes, so it takes as long: masters and workers of a made-up shop do what such programs do.

use super::*;
use crate::support::{Framed, Heard, Random, Server, http, json, native};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What the charts show.
const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// How large a picture is, in CSS pixels.
const PICTURE: (u32, u32) = (1360, 820);

/// A type of job of the shop.
struct Trade {
    kind: &'static str,
    /// So many come in a second, more or less.
    rate: u64,
    /// So many are worked at a time.
    hands: u64,
    /// So long each takes, in milliseconds, more or less.
    takes_ms: u64,
    /// Of a hundred, so many attempts fail.
    fails: u64,
    error: &'static str,
}

const SHOP: [Trade; 7] = [
    Trade { kind: "search.index", rate: 60, hands: 8, takes_ms: 60, fails: 0, error: "" },
    Trade { kind: "mail.send", rate: 35, hands: 8, takes_ms: 120, fails: 2, error: "550 no such mailbox" },
    Trade { kind: "image.resize", rate: 20, hands: 8, takes_ms: 240, fails: 0, error: "" },
    Trade { kind: "webhook.deliver", rate: 12, hands: 8, takes_ms: 300, fails: 8, error: "timeout after 10 s" },
    Trade { kind: "invoice.render", rate: 6, hands: 6, takes_ms: 350, fails: 0, error: "" },
    Trade { kind: "report.build", rate: 2, hands: 5, takes_ms: 1_050, fails: 3, error: "column total is missing" },
    Trade { kind: "video.transcode", rate: 1, hands: 10, takes_ms: 4_000, fails: 0, error: "" },
];

#[test]
fn screenshots() {
    let Some(folder) = std::env::var_os("PROCESSION_SCREENSHOTS") else { return };
    let Some(mut browser) = browser("screenshots") else { return };
    let site = Site::new();
    let mut random = Random::announced("screenshots");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _closing = Closing(&is_over);
        for trade in &SHOP {
            let (server, is_over) = (&site.server, &is_over);
            let (of_master, of_worker) = (random.fork(), random.fork());
            scope.spawn(move || submit(server, trade, of_master, is_over));
            scope.spawn(move || work(server, trade, of_worker, is_over));
        }
        keep_shop(&site.server);
        std::thread::sleep(FIVE_MINUTES);
        for (name, is_dark) in [("overview-light.png", false), ("overview-dark.png", true)] {
            browser.resize(PICTURE);
            browser.devtools("Emulation.setScrollbarsHidden", value!({ "hidden": true }));
            browser.prefer_dark(is_dark);
            browser.open(&site.at("/"));
            expect_text(&mut browser, "#live .word", "live");
            let path = Path::new(&folder).join(name);
            std::fs::write(path, browser.picture()).expect("the folder is there and writable");
        }
    });
}

/// The shop closes when this goes, also where the test fails.
struct Closing<'a>(&'a AtomicBool);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What stands still: jobs for later, a queue that somebody paused, one that nobody works.
#[track_caller]
fn keep_shop(server: &Server) {
    let mut http = http(server);
    let mut jobs: Vec<String> = (0..240)
        .map(|n| format!(r#"{{"type":"newsletter","body":{{"reader":{n}}},"delay_ms":{}}}"#, 3_600_000 + n * 1_000))
        .collect();
    jobs.extend((0..38).map(|n| format!(r#"{{"type":"thumbnail.warm","body":{{"product":{n}}}}}"#)));
    jobs.extend((0..12).map(|n| format!(r#"{{"type":"legacy.export","body":{{"month":{n}}}}}"#)));
    http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).expect(200);
    http.post("/queues/thumbnail.warm/pause", "").expect(200);
}

/// A master: it submits about as many a second as its trade has.
fn submit(server: &Server, trade: &Trade, mut random: Random, is_over: &AtomicBool) {
    let mut master = native(server);
    let start = Instant::now();
    while !is_over.load(Ordering::Relaxed) {
        // Business goes up and down within a minute.
        let tide = 1.0 + 0.35 * (start.elapsed().as_secs_f64() / 9.0 + trade.rate as f64).sin();
        let count = (trade.rate as f64 * tide * 500.0) as u64 + random.below(1_000);
        let jobs: Vec<String> = (0..count / 1_000)
            .map(|n| {
                format!(
                    r#"{{"type":"{}","body":{{"order":{}}},"max_attempts":2,"backoff_ms":2000}}"#,
                    trade.kind,
                    48_000 + n
                )
            })
            .collect();
        if !jobs.is_empty() {
            master.call(&format!(r#"{{"action":"submit","jobs":[{}]}}"#, jobs.join(",")));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// A worker with as many hands as its trade has: it answers each job when its time has passed.
fn work(server: &Server, trade: &Trade, mut random: Random, is_over: &AtomicBool) {
    let mut worker: Framed = native(server);
    worker.send(format!(r#"{{"action":"join","types":["{}"],"credit":{}}}"#, trade.kind, trade.hands));
    let mut in_hand: Vec<(Instant, String)> = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let now = Instant::now();
        let next = in_hand.iter().map(|(at, _)| *at).min().unwrap_or(now + Duration::from_millis(100));
        if let Heard::Message(text) = worker.listen(next.saturating_duration_since(now)) {
            let frame = json(&text);
            if frame["action"] == "job" {
                let takes = Duration::from_millis(trade.takes_ms / 2 + random.below(trade.takes_ms));
                in_hand.push((Instant::now() + takes, frame["id"].to_string()));
            }
        }
        let now = Instant::now();
        let (done, left) = in_hand.into_iter().partition(|(at, _)| *at <= now);
        in_hand = left;
        for (_, id) in done as Vec<(Instant, String)> {
            if random.below(100) < trade.fails {
                worker.send(format!(r#"{{"action":"fail","id":{id},"error":"{}"}}"#, trade.error));
            } else {
                worker.send(format!(r#"{{"action":"respond","id":{id},"body":true}}"#));
            }
        }
    }
}
