//! Too much of everything.

use super::*;
use crate::support::{open_files_limit, skipped};

#[test]
fn a_type_too_many_is_refused_and_known_ones_go_on() {
    let server = Server::with(&["--max-types", "3"]);
    let mut http = http(&server);
    for kind in ["a", "b", "c"] {
        submit(&mut http, kind, kind, "");
    }
    let answer = http.post("/jobs", job("d", "d", ""));
    assert!(answer.header("retry-after").is_some());
    answer.problem(503, "queue_full");
    submit(&mut http, "again", "a", "");
    // Asking for a type makes none; or it is refused.
    let answer = http.get(&poll_path("e", "&wait=0"));
    assert!([204, 503].contains(&answer.status), "got {answer:?}");
    assert_eq!(id_of(&take(&mut http, "a")), "a");
}

#[test]
fn the_limit_of_bytes_is_for_http_too() {
    let server = Server::with_store(TempDir::new(), &["--max-bytes", "1048576"]);
    let mut http = http(&server);
    let body = "x".repeat(200_000);
    let mut accepted = 0;
    for id in 0..20 {
        let answer = http.post("/jobs", format!(r#"{{"id":"{id}","type":"t","body":"{body}"}}"#));
        match answer.status {
            201 => accepted += 1,
            _ => drop(answer.problem(503, "queue_full")),
        }
    }
    assert!((3..=5).contains(&accepted), "expected about five bodies of 200 kB in 1 MiB, got {accepted}");
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    let id = answer.member(&["jobs", "0", "id"]);
    http.post(&format!("/jobs/{}/complete", id.trim_matches('"')), format!(r#"{{"receipt":{receipt},"body":0}}"#))
        .expect(200);
    eventually("room", || {
        (http.post("/jobs", format!(r#"{{"id":"then","type":"t","body":"{body}"}}"#)).status == 201).then_some(())
    });
}

#[test]
fn connections_past_the_limit_wait_or_are_refused_and_come_in_when_others_go() {
    let server = Server::with(&["--max-connections", "20"]);
    let mut served: Vec<Http> = Vec::new();
    for _ in 0..20 {
        let mut one = http(&server);
        one.start_get("/ping");
        match one.listen(Duration::from_secs(2)) {
            Reply::Answer(answer) => drop(answer.expect(200)),
            other => panic!("expected the first twenty to be served, got {other:?}"),
        }
        served.push(one);
    }
    let mut more: Vec<Http> = (0..20).map(|_| http(&server)).collect();
    for one in &mut more {
        let request = one.request("GET", "/api/v1/ping", &[], None);
        one.try_raw(request);
    }
    for one in &mut more {
        match one.listen(Duration::from_millis(20)) {
            Reply::Silence | Reply::Closed(_) => {}
            Reply::Answer(answer) => {
                assert_eq!(answer.status, 503, "expected at most twenty to be served, got {answer:?}")
            }
        }
    }
    drop(more);
    drop(served);
    eventually("room for another", || {
        let mut one = http(&server);
        let request = one.request("GET", "/api/v1/ping", &[], None);
        one.try_raw(request);
        matches!(one.listen(Duration::from_secs(1)), Reply::Answer(answer) if answer.status == 200).then_some(())
    });
}

#[test]
fn a_thousand_parked_polls_cost_little_and_are_all_served() {
    const POLLS: usize = 1_000;
    if open_files_limit() < 2 * POLLS + 200 {
        return skipped("http::limits::a_thousand_parked_polls", "too few files may be open");
    }
    let server = Server::start();
    let mut http = http(&server);
    http.get("/ping").expect(200);
    let before = server.resident_bytes();
    let mut pollers: Vec<Http> = (0..POLLS)
        .map(|_| {
            let mut poller = self::http(&server);
            poller.start_get(&poll_path("t", "&wait=55"));
            poller
        })
        .collect();
    wait_for_workers(&server, "t", POLLS);
    let each = server.resident_bytes().saturating_sub(before) / POLLS as u64;
    // What is not optimized is larger.
    let bound = if cfg!(debug_assertions) { 40 << 10 } else { 10 << 10 };
    assert!(each < bound, "expected a parked poll to be small, got {each} bytes");
    submit_all(&mut http, (0..POLLS).map(|n| format!("{n}")), "t", "");
    for poller in &mut pollers {
        assigned(poller.answer());
    }
    expect_counts(&mut http, &value!({"running": POLLS, "queued": 0}));
}

#[test]
fn large_answers_to_many_do_not_pile_up() {
    // Sixteen pollers of a megabyte each that don't read.
    let server = Server::with(&["--write-timeout", "2s"]);
    let mut http = http(&server);
    let body = format!("\"{}\"", "b".repeat(1 << 20));
    for n in 0..16 {
        http.post("/jobs", format!(r#"{{"id":"{n}","type":"t","body":{body},"lease_ms":600000}}"#)).raw_json(201);
    }
    let before = server.resident_bytes();
    let mut mute: Vec<Http> = (0..16)
        .map(|_| {
            let mut one = self::http(&server);
            socket2::SockRef::from(&one.stream).set_recv_buffer_size(4096).expect("a socket takes a buffer size");
            one.start_get(&poll_path("t", "&wait=20"));
            one
        })
        .collect();
    expect_counts(&mut http, &value!({"running": 16}));
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 80 << 20, "expected about a copy each, the server grew by {grown} bytes");
    for one in &mut mute {
        // What it holds it may still read and answer, or it was cut.
        assert!(!matches!(one.listen(Duration::from_secs(30)), Reply::Silence));
    }
}
