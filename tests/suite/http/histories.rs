//! What happened second by second and minute by minute, and queues in other orders than that of their names.

use super::*;

/// The points of a history, once so many jobs ended in them.
#[track_caller]
fn points(http: &mut Http, path: &str, ended: u64) -> Vec<Value> {
    eventually("the history to tell of it", || {
        let answer = http.get(path).json(200);
        let points = answer["history"]["points"].as_array().expect("points are an array").clone();
        let sum: u64 = points.iter().map(|point| point["ended"].as_u64().expect("a count")).sum();
        (sum == ended).then_some(points)
    })
}

#[test]
fn a_history_tells_each_job_once() {
    let server = Server::start();
    let mut http = http(&server);
    submit_all(&mut http, (0..5).map(|n| format!("{n}")), "a/b", "");
    for job in all_assigned(http.get(&poll_path("a/b", "&max=4&wait=20"))) {
        complete(&mut http, &job, "0");
    }
    for (history, most) in [("5m", 300), ("24h", 1_440)] {
        for path in ["/queues/a%2Fb", "/stats"] {
            let points = points(&mut http, &format!("{path}?history={history}"), 4);
            assert!((1..=most).contains(&points.len()), "got {} of {history}", points.len());
            let accepted: u64 = points.iter().map(|point| point["accepted"].as_u64().expect("a count")).sum();
            let last = points.last().expect("there is one");
            assert_eq!((accepted, &last["queued"], &last["running"]), (5, &value!(1), &value!(0)), "{path}: {last}");
            assert!(points.iter().any(|point| point["run_p95_ms"].is_u64()), "got {points:?}");
            assert!(points.iter().map(|point| point["at"].as_str()).is_sorted(), "got {points:?}");
        }
    }
    for path in ["/queues/a%2Fb?history=1y", "/stats?history=1y"] {
        http.get(path).problem(422, "invalid_field");
    }
    http.get("/queues/none?history=5m").problem(404, "unknown_queue");
}

#[test]
fn queues_are_sorted_and_found() {
    let server = Server::start();
    let mut http = http(&server);
    for (kind, jobs) in [("mail.a", 1), ("mail.b", 3), ("Mail.c", 2), ("other", 4)] {
        submit_all(&mut http, (0..jobs).map(|n| format!("{kind}-{n}")), kind, "");
    }
    expect_counts(&mut http, &value!({"accepted": 10}));
    let mut list = |query: &str| -> Vec<String> {
        let list = http.get(&format!("/queues?{query}")).json(200);
        let items = list["items"].as_array().expect("items are an array");
        items.iter().map(|item| item["type"].as_str().expect("a type").to_owned()).collect()
    };
    assert_eq!(list("sort=queued"), ["other", "mail.b", "Mail.c", "mail.a"]);
    assert_eq!(list("sort=queued&limit=2"), ["other", "mail.b"]);
    assert_eq!(list("sort=queued&limit=2&cursor=2"), ["Mail.c", "mail.a"]);
    assert_eq!(list("q=mail.&sort=queued"), ["mail.b", "Mail.c", "mail.a"]);
    assert_eq!(list("q=nothing"), [""; 0]);
    http.get("/queues?sort=shoe-size").problem(422, "invalid_field");
}
