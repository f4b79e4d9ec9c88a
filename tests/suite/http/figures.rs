//! Statistics, events, metrics, health.

use super::scrape::{Scrape, scrape};
use super::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends the threads that look at it, also when the test fails.
struct StopWhenDropped<'a>(&'a AtomicBool);

impl Drop for StopWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A few jobs in every state.
#[track_caller]
fn all_states(http: &mut Http) {
    submit_all(http, (0..5).map(|n| format!("done-{n}")), "t", "");
    for job in all_assigned(http.get(&poll_path("t", "&max=5&wait=20"))) {
        complete(http, &job, "0");
    }
    submit(http, "failed", "t", "");
    let taken = take(http, "t");
    say(http, &taken, "fail", r#","error":0,"retry":false"#).expect(200);
    submit(http, "expired", "t", r#","ttl_ms":1"#);
    assert_eq!(http.get("/jobs/expired?wait=20").json(200)["state"], "expired");
    submit(http, "running", "t", "");
    take(http, "t");
    submit(http, "cancelled", "t", "");
    http.post("/jobs/cancelled/cancel", "").expect(200);
    submit(http, "scheduled", "t", r#","delay_ms":600000"#);
    submit_all(http, (0..3).map(|n| format!("queued-{n}")), "t", "");
}

fn all_counts() -> Value {
    value!({"accepted": 13, "completed": 5, "failed": 1, "cancelled": 1, "expired": 1, "dropped": 0, "scheduled": 1,
        "queued": 3, "running": 1})
}

#[test]
fn statistics_count_every_job_once_and_balance() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        all_states(&mut http);
        expect_counts(&mut http, &all_counts());
        let mut master = gloom_master(&server);
        master.submit("1", "nobody", "0");
        drop(master);
        expect_counts(&mut http, &value!({"accepted": 14, "dropped": 1}));
        let stats = http.get("/stats").json(200);
        for name in ["jobs", "rates", "uptime_ms", "memory_bytes", "connections", "store"] {
            assert!(stats.get(name).is_some(), "expected {name} in {stats}");
        }
        assert!(stats["uptime_ms"].is_u64(), "got {stats}");
        let memory = stats["memory_bytes"].as_u64().expect("memory is counted");
        assert!((1 << 20..1 << 32).contains(&memory), "got {stats}");
        assert!(stats["rates"].is_object() && stats["store"].is_object(), "got {stats}");
    }
}

#[test]
fn statistics_balance_at_every_moment_under_load() {
    let server = durable_server();
    let mut watcher = http(&server);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let (server, stop) = (&server, &stop);
            scope.spawn(move || {
                let mut http = http(server);
                let mut round = 0;
                while !stop.load(Ordering::Relaxed) {
                    let durable = if round % 2 == 0 { "" } else { r#","durable":false"# };
                    submit_all(&mut http, (0..10).map(|n| format!("{number}-{round}-{n}")), "t", durable);
                    let answer = http.get(&poll_path("t", "&max=8&wait=0"));
                    if answer.status == 200 {
                        for job in all_assigned(answer) {
                            complete(&mut http, &job, "0");
                        }
                    }
                    round += 1;
                }
            });
        }
        let _stopped_whatever_happens = StopWhenDropped(&stop);
        let (mut looked, start) = (0, Instant::now());
        let mut accepted = 0;
        while looked < 60 || accepted < 100 {
            let now = counts(&mut watcher)["accepted"].as_u64().expect("a count");
            assert!(now >= accepted, "expected the count to grow, got {now} after {accepted}");
            accepted = now;
            looked += 1;
            if start.elapsed() > PATIENCE {
                break;
            }
        }
        assert!(accepted >= 100, "got {accepted} jobs in {looked} looks");
    });
}

#[test]
fn statistics_go_on_after_a_kill() {
    let server = durable_server();
    let mut http = http(&server);
    all_states(&mut http);
    expect_counts(&mut http, &all_counts());
    let server = after_kill9(server);
    let mut http = self::http(&server);
    // The running one is a long-poller's: it stays running.
    expect_counts(&mut http, &all_counts());
}

#[test]
fn events_bring_statistics_at_most_once_a_second() {
    let server = Server::start();
    let mut http = http(&server);
    let mut watcher = self::http(&server);
    watcher.start_get("/events");
    let mut events = watcher.events();
    assert_eq!(events.head.status, 200);
    assert!(
        events.head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")),
        "got {:?}",
        events.head
    );
    assert!(
        events
            .head
            .header("cache-control")
            .is_some_and(|control| control.contains("no-store") || control.contains("no-cache"))
    );
    let start = Instant::now();
    let mut number = 0;
    let mut seen = Vec::new();
    while seen.len() < 4 {
        for _ in 0..20 {
            submit(&mut http, &format!("{number}"), "t", "");
            number += 1;
        }
        let event = events.next();
        assert_eq!(event.name, "stats");
        let stats = json(&event.data);
        let jobs = if stats["jobs"].is_object() { &stats["jobs"] } else { &stats };
        seen.push(jobs["accepted"].as_u64().unwrap_or_else(|| panic!("expected statistics, got {stats}")));
    }
    assert!(
        start.elapsed() >= Duration::from_millis(1_900),
        "expected one a second, got four in {:?}",
        start.elapsed()
    );
    assert!(seen.is_sorted() && seen[3] > seen[0], "got {seen:?}");
}

#[test]
fn many_streams_of_events_end_with_their_clients_and_with_the_server() {
    let mut server = Server::start();
    server.expect_service();
    http(&server).get("/ping").expect(200);
    let before = server.open_files();
    let streams: Vec<_> = (0..50)
        .map(|_| {
            let mut watcher = http(&server);
            watcher.start_get("/events");
            watcher.events()
        })
        .collect();
    drop(streams);
    server.expect_open_files(before + 5);
    let mut watcher = http(&server);
    watcher.start_get("/events");
    let mut events = watcher.events();
    assert_eq!(events.head.status, 200);
    server.term();
    events.expect_end();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn health_is_told_at_the_root() {
    let server = durable_server();
    let mut http = http(&server);
    for target in ["/healthz", "/readyz"] {
        http.ask("GET", target, &[], None).expect(200);
    }
    let ping = http.get("/ping").expect(200);
    assert!(ping.header("content-type").is_some_and(|kind| kind.starts_with("text/plain")), "got {ping:?}");
    assert!(!ping.text().is_empty());
}

#[test]
fn a_server_that_drains_lives_but_is_not_ready() {
    let mut server = Server::start();
    let mut http = http(&server);
    let mut other = self::http(&server);
    other.ask("GET", "/readyz", &[], None).expect(200);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    server.term();
    eventually("it not to be ready", || (other.ask("GET", "/readyz", &[], None).status == 503).then_some(()));
    other.ask("GET", "/readyz", &[], None).problem(503, "draining");
    other.ask("GET", "/healthz", &[], None).expect(200);
    complete(&mut http, &taken, "0");
    assert_eq!(server.wait().code(), Some(0));
}

/// The counts of all jobs in a scrape, which balance.
#[track_caller]
fn scraped_counts(scrape: &Scrape) -> Value {
    let mut jobs = value!({"accepted": scrape.sum("procession_jobs_submitted_total", None)});
    for state in COUNTED {
        jobs[state] = scrape.sum("procession_queue_jobs", Some(("state", state))).into();
    }
    assert_balanced(&jobs);
    jobs
}

#[test]
fn metrics_can_be_scraped() {
    let server = durable_server();
    let mut http = http(&server);
    all_states(&mut http);
    expect_counts(&mut http, &all_counts());
    let scrape = scrape(&mut http);
    assert!(scrape.samples.len() > 10, "got {}", scrape.samples.len());
    // The same counts, and balanced too.
    assert_eq!(scraped_counts(&scrape), all_counts());
    for (name, labels, value) in &scrape.samples {
        // What every process has is called as everywhere.
        assert!(name.starts_with("procession_") || name.starts_with("process_"), "got {name}");
        for unit in ["_ms", "_milliseconds", "_us", "_microseconds", "_kib", "_kb", "_mb", "_percent", "_minutes"] {
            assert!(!name.contains(&format!("{unit}_")) && !name.ends_with(unit), "expected base units, got {name}");
        }
        assert!(value.is_finite() || labels.values().any(|label| label == "+Inf"), "got {value} of {name}");
        let family = ["_total", "_bucket", "_sum", "_count", "_info", "_created"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .chain([name.as_str()])
            .find(|family| scrape.kinds.contains_key(*family));
        let family = family.unwrap_or_else(|| panic!("expected a type of {name}, got {:?}", scrape.kinds));
        if scrape.kinds[family] == "counter" {
            assert!(name.ends_with("_total"), "expected a counter to end with _total, got {name}");
        }
    }
    // Ids, bodies and workers' names are no labels.
    for (name, labels, _) in &scrape.samples {
        for label in labels.values() {
            assert!(!["queued-0", "done-0", "the body of it"].contains(&label.as_str()), "got {label} at {name}");
        }
    }
}

#[test]
fn labels_are_escaped_and_bounded() {
    let server = Server::start();
    let mut http = http(&server);
    let odd = "a\"b\\c{d}=,é <script>";
    submit(&mut http, "odd", odd, "");
    eventually("the type to be a label", || {
        let scrape = scrape(&mut http);
        scrape.samples.iter().any(|(_, labels, _)| labels.values().any(|label| label == odd)).then_some(())
    });
    let jobs: Vec<String> = (0..3_000).map(|n| format!(r#"{{"type":"type-{n}"}}"#)).collect();
    http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).json(200);
    expect_counts(&mut http, &value!({"accepted": 3_001, "queued": 3_001}));
    let scrape = scrape(&mut http);
    let queues: BTreeSet<&String> = scrape.samples.iter().filter_map(|(_, labels, _)| labels.get("queue")).collect();
    assert!(
        (100..=1_001).contains(&queues.len()),
        "expected at most a thousand queues as labels, got {}",
        queues.len()
    );
}

#[test]
fn looking_costs_no_counter() {
    let server = Server::start();
    let mut http = http(&server);
    all_states(&mut http);
    for _ in 0..50 {
        for path in ["/stats", "/queues", "/queues/t", "/workers", "/masters", "/jobs", "/jobs/queued-1", "/ping"] {
            http.get(path).expect(200);
        }
        http.ask("GET", "/metrics", &[], None).expect(200);
    }
    expect_counts(&mut http, &all_counts());
}
