//! Queues: their figures, pause and resume, purge, retry-failed.

use super::*;

const QUEUE: [&str; 14] = [
    "type",
    "paused",
    "queued",
    "scheduled",
    "running",
    "failed",
    "workers",
    "submitted",
    "completed",
    "oldest_ms",
    "rate_in",
    "rate_out",
    "wait_ms",
    "run_ms",
];

/// The path of a queue, and a verb with its slash.
fn queue(kind: &str, verb: &str) -> String {
    format!("/queues/{}{verb}", escaped(kind))
}

/// Waits until the queue has these figures.
#[track_caller]
fn expect_queue(http: &mut Http, kind: &str, expected: &Value) -> Value {
    let mut last = Value::Null;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let answer = http.get(&queue(kind, ""));
        if answer.status == 200 {
            last = answer.value();
            if expected.as_object().expect("figures by name").iter().all(|(name, figure)| last[name] == *figure) {
                return last;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("expected the queue {kind} to have {expected}, got {last}");
}

/// Some jobs that failed for good.
#[track_caller]
fn fail_some(http: &mut Http, kind: &str, count: usize) {
    submit_all(http, (0..count).map(|n| format!("failed-{kind}-{n}")), kind, "");
    for job in (0..count).map(|_| take(http, kind)).collect::<Vec<_>>() {
        say(http, &job, "fail", r#","error":0,"retry":false"#).expect(200);
    }
}

#[test]
fn a_queue_tells_its_figures() {
    let server = Server::start();
    let mut http = http(&server);
    http.get(&queue("a/b c", "")).problem(404, "unknown_queue");
    submit(&mut http, "1", "a/b c", "");
    let figures = expect_queue(&mut http, "a/b c", &value!({"queued": 1}));
    for name in QUEUE {
        assert!(figures.get(name).is_some(), "expected {name} in {figures}");
    }
    let expected = value!({"type": "a/b c", "paused": false, "scheduled": 0, "running": 0, "failed": 0, "workers": 0,
        "submitted": 1, "completed": 0});
    for (name, figure) in expected.as_object().expect("an object") {
        assert_eq!(figures[name], *figure, "{name} of {figures}");
    }
    assert!(figures["oldest_ms"].is_u64(), "expected the age of the oldest, got {figures}");
    for name in ["rate_in", "rate_out"] {
        assert!(figures[name].as_f64().is_some_and(|rate| rate >= 0.0), "got {figures}");
    }
    for name in ["wait_ms", "run_ms"] {
        assert_members(&figures[name], &["p50", "p95", "p99"]);
    }
    submit(&mut http, "2", "a/b c", r#","delay_ms":600000"#);
    let taken = take(&mut http, "a/b c");
    expect_queue(&mut http, "a/b c", &value!({"queued": 0, "running": 1, "scheduled": 1, "oldest_ms": null}));
    complete(&mut http, &taken, "0");
    let figures = expect_queue(&mut http, "a/b c", &value!({"running": 0, "completed": 1, "submitted": 2}));
    for name in ["wait_ms", "run_ms"] {
        for part in ["p50", "p95", "p99"] {
            assert!(figures[name][part].as_f64().is_some_and(|time| time >= 0.0), "got {figures}");
        }
        let times = &figures[name];
        assert!(times["p50"].as_f64() <= times["p95"].as_f64() && times["p95"].as_f64() <= times["p99"].as_f64());
    }
    fail_some(&mut http, "a/b c", 2);
    expect_queue(&mut http, "a/b c", &value!({"failed": 2, "submitted": 4, "completed": 1}));
}

#[test]
fn a_queue_that_is_asked_for_tells_what_was_done_to_it_just_now() {
    let server = Server::start();
    let mut http = http(&server);
    for n in 1..=5 {
        submit(&mut http, &format!("{n}"), "t", "");
        let figures = http.get(&queue("t", "")).json(200);
        assert_eq!((&figures["submitted"], &figures["queued"]), (&value!(n), &value!(1)), "{figures}");
        for (verb, paused) in [("/pause", true), ("/resume", false)] {
            http.post(&queue("t", verb), "{}").expect(200);
            assert_eq!(http.get(&queue("t", "")).json(200)["paused"], paused);
        }
        let taken = take(&mut http, "t");
        let figures = http.get(&queue("t", "")).json(200);
        // Between two polls an HTTP worker is away, and a worker all the same.
        assert_eq!((&figures["running"], &figures["workers"]), (&value!(1), &value!(1)), "{figures}");
        assert_eq!(figures["last_worker_left"], Value::Null, "{figures}");
        complete(&mut http, &taken, "0");
        let figures = http.get(&queue("t", "")).json(200);
        assert_eq!((&figures["completed"], &figures["workers"]), (&value!(n), &value!(0)), "{figures}");
        assert!(figures["run_ms"]["p50"].is_u64() && figures["last_worker_left"].is_string(), "{figures}");
    }
}

#[test]
fn rates_are_jobs_per_second() {
    let server = Server::start();
    let mut http = http(&server);
    for n in 0..20 {
        submit_all(&mut http, (0..5).map(|m| format!("{n}-{m}")), "t", "");
        for job in all_assigned(http.get(&poll_path("t", "&max=5&wait=20"))) {
            complete(&mut http, &job, "0");
        }
    }
    let figures = eventually("rates", || {
        let figures = http.get(&queue("t", "")).json(200);
        (figures["rate_in"].as_f64() > Some(0.0) && figures["rate_out"].as_f64() > Some(0.0)).then_some(figures)
    });
    for name in ["rate_in", "rate_out"] {
        let rate = figures[name].as_f64().expect("a rate is a number");
        assert!((0.0..=1_000.0).contains(&rate), "got {figures}");
    }
}

#[test]
fn queues_are_listed() {
    let server = Server::start();
    let mut http = http(&server);
    assert_eq!(http.get("/queues").json(200), value!({"items": [], "next": null}));
    for kind in ["b", "a", "c d"] {
        submit(&mut http, kind, kind, "");
    }
    let list = eventually("three queues", || {
        let list = http.get("/queues").json(200);
        (list["items"].as_array().map(Vec::len) == Some(3)).then_some(list)
    });
    assert_members(&list, &["items", "next"]);
    let mut kinds: Vec<&str> =
        list["items"].as_array().expect("items").iter().map(|item| item["type"].as_str().expect("a type")).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["a", "b", "c d"]);
    for item in list["items"].as_array().expect("items") {
        for name in QUEUE {
            assert!(item.get(name).is_some(), "expected {name} in {item}");
        }
    }
}

#[test]
fn many_queues_come_in_pages() {
    let server = Server::start();
    let mut http = http(&server);
    let jobs: Vec<String> = (0..250).map(|n| format!(r#"{{"type":"t{n:03}"}}"#)).collect();
    http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).json(200);
    let mut kinds = std::collections::BTreeSet::new();
    eventually("all queues, page by page", || {
        kinds.clear();
        let mut cursor = String::new();
        for _ in 0..50 {
            let list = http.get(&format!("/queues?limit=60{cursor}")).json(200);
            let items = list["items"].as_array().expect("items are an array");
            assert!(items.len() <= 60, "got {}", items.len());
            for item in items {
                let kind = item["type"].as_str().expect("a type is text").to_owned();
                assert!(kinds.insert(kind), "expected each queue once, got {item}");
            }
            match &list["next"] {
                Value::Null => break,
                next => cursor = format!("&cursor={}", next.as_str().map_or_else(|| next.to_string(), escaped)),
            }
        }
        (kinds.len() == 250).then_some(())
    });
}

#[test]
fn a_paused_queue_hands_out_nothing_until_it_resumes() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        let mut worker = gloom_worker(&server, "t");
        let mut poller = parked(&server, "t", "");
        http.post(&queue("t", "/pause"), "").expect(200);
        expect_queue(&mut http, "t", &value!({"paused": true}));
        http.post(&queue("t", "/pause"), "").expect(200);
        for id in ["1", "2", "3"] {
            submit(&mut http, id, "t", "");
        }
        submit(&mut http, "other", "u", "");
        assert_eq!(id_of(&take(&mut http, "u")), "other", "expected other queues to go on");
        worker.expect_silence();
        poller.expect_silence();
        expect_nothing_of(&mut http, "t");
        http.post(&queue("t", "/resume"), "").expect(200);
        worker.expect_job("\"1\"", "t", "\"the body of it\"");
        assert_eq!(id_of(&assigned(poller.answer())), "2");
        assert_eq!(id_of(&take(&mut http, "t")), "3");
        expect_queue(&mut http, "t", &value!({"paused": false}));
        http.post(&queue("t", "/resume"), "").expect(200);
    }
}

#[test]
fn running_jobs_of_a_paused_queue_may_be_answered() {
    let server = Server::start();
    let mut http = http(&server);
    for id in ["1", "2"] {
        submit(&mut http, id, "t", "");
    }
    let first = take(&mut http, "t");
    let second = take(&mut http, "t");
    http.post(&queue("t", "/pause"), "").expect(200);
    complete(&mut http, &first, "0");
    say(&mut http, &second, "release", "").expect(200);
    expect_nothing_of(&mut http, "t");
    http.post(&queue("t", "/resume"), "").expect(200);
    assert_eq!(id_of(&take(&mut http, "t")), "2");
}

#[test]
fn a_pause_outlives_the_server() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "1", "t", "");
    submit(&mut http, "2", "u", "");
    for kind in ["t", "u"] {
        http.post(&queue(kind, "/pause"), "").expect(200);
    }
    http.post(&queue("u", "/resume"), "").expect(200);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    assert_eq!(id_of(&take(&mut http, "u")), "2");
    expect_nothing_of(&mut http, "t");
    expect_queue(&mut http, "t", &value!({"paused": true, "queued": 1}));
    http.post(&queue("t", "/resume"), "").expect(200);
    assert_eq!(id_of(&take(&mut http, "t")), "1");
    drop(http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    expect_queue(&mut http, "t", &value!({"paused": false}));
}

#[test]
fn a_purge_takes_what_waits_and_says_how_many() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit_all(&mut http, (0..25).map(|n| format!("{n}")), "t", "");
        submit(&mut http, "later", "t", r#","delay_ms":600000"#);
        submit(&mut http, "other", "u", "");
        let running = take(&mut http, "t");
        let answer = http.post(&queue("t", "/purge"), "").json(200);
        assert_members(&answer, &["count"]);
        assert_eq!(answer["count"], 25, "expected 24 queued and one scheduled");
        expect_nothing_of(&mut http, "t");
        assert_eq!(http.post(&queue("t", "/purge"), "").json(200)["count"], 0);
        assert_eq!(state(&mut http, id_of(&running)), "running");
        complete(&mut http, &running, "0");
        assert_eq!(id_of(&take(&mut http, "u")), "other");
        expect_counts(
            &mut http,
            &value!({"accepted": 27, "completed": 1, "cancelled": 25, "queued": 0, "scheduled": 0, "running": 1}),
        );
    }
}

#[test]
fn a_purge_of_more_than_a_page_takes_all() {
    let server = durable_server();
    let mut http = http(&server);
    submit_all(&mut http, (0..5_000).map(|n| format!("{n}")), "t", "");
    assert_eq!(http.post(&queue("t", "/purge"), "").json(200)["count"], 5_000);
    expect_nothing_of(&mut http, "t");
}

#[test]
fn retry_failed_queues_all_that_failed() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        fail_some(&mut http, "t", 12);
        fail_some(&mut http, "u", 1);
        let answer = http.post(&queue("t", "/retry-failed"), "").json(200);
        assert_members(&answer, &["count"]);
        assert_eq!(answer["count"], 12);
        assert_eq!(http.post(&queue("t", "/retry-failed"), "").json(200)["count"], 0);
        for n in 0..12 {
            let taken = take(&mut http, "t");
            assert_eq!((id_of(&taken), &taken["attempt"]), (format!("failed-t-{n}").as_str(), &value!(1)));
            complete(&mut http, &taken, "0");
        }
        assert_eq!(state(&mut http, "failed-u-0"), "failed");
        expect_counts(&mut http, &value!({"accepted": 13, "completed": 12, "failed": 1}));
    }
}

#[test]
fn retry_failed_takes_more_than_a_page() {
    let server = durable_server();
    let mut http = http(&server);
    submit_all(&mut http, (0..1_500).map(|n| format!("{n}")), "t", r#","max_attempts":1"#);
    let mut worker = native_worker(&server, "t", 1_000);
    let mut failed = 0;
    while failed < 1_500 {
        let heard = worker.receive();
        if heard.starts_with(r#"{"action":"job""#) {
            worker.send(format!(r#"{{"action":"fail","id":{},"error":0,"retry":false}}"#, json(&heard)["id"]));
        } else {
            failed += 1;
        }
    }
    drop(worker);
    assert_eq!(http.post(&queue("t", "/retry-failed"), "").json(200)["count"], 1_500);
    expect_counts(&mut http, &value!({"failed": 0, "queued": 1_500}));
}

#[test]
fn deeds_on_queues_that_are_not_there_are_refused() {
    let server = Server::start();
    let mut http = http(&server);
    for verb in ["/pause", "/resume", "/purge", "/retry-failed"] {
        http.post(&queue("none", verb), "").problem(404, "unknown_queue");
    }
    submit(&mut http, "1", "t", "");
    http.post(&queue("t", "/burn"), "").problem(404, "not_found");
    for verb in ["/pause", "/resume", "/purge", "/retry-failed"] {
        http.get(&queue("t", verb)).any_problem(405);
    }
    assert_eq!(id_of(&take(&mut http, "t")), "1");
}
