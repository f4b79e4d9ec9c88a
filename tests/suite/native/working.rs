//! Joining, credit, answers and leases.

use super::*;

#[test]
fn credit_is_how_many_jobs_a_worker_has_in_hand() {
    let server = Server::start();
    let mut peer = native(&server);
    for id in 0..6 {
        peer.ask(&submit(&id.to_string(), "t", ""), &accepted(&id.to_string()));
    }
    let mut worker = worker(&server, "t", 3);
    for id in ["0", "1", "2"] {
        worker.expect_attempt(id, 1);
    }
    worker.expect_silence();
    for (answered, next) in [("1", "3"), ("0", "4"), ("3", "5")] {
        worker.ask(&respond(answered, "0"), OK);
        worker.expect_attempt(next, 1);
        worker.expect_silence();
    }
    for id in ["2", "4", "5"] {
        worker.ask(&respond(id, "0"), OK);
    }
    worker.expect_silence();
}

#[test]
fn credit_is_one_unless_asked_for() {
    let server = Server::start();
    let mut peer = native(&server);
    for id in ["1", "2"] {
        peer.ask(&submit(id, "t", ""), &accepted(id));
    }
    let mut worker = native(&server);
    worker.ask(r#"{"action":"join","types":["t"]}"#, OK);
    worker.expect_attempt("1", 1);
    worker.expect_silence();
}

#[test]
fn credit_is_at_most_a_thousand() {
    let server = Server::start();
    let mut peer = native(&server);
    let jobs = vec![r#"{"type":"t","body":0}"#; 1100].join(",");
    peer.call(&format!(r#"{{"action":"submit","jobs":[{jobs}]}}"#));
    let mut worker = worker(&server, "t", 1000);
    for _ in 0..1000 {
        let job = worker.receive();
        assert!(job.starts_with(r#"{"action":"job","#), "got {job}");
    }
    worker.expect_silence();
    // More is refused or cut to a thousand, and never given.
    let mut greedy = native(&server);
    let reply = greedy.call(&join("u", 100_000));
    assert!(reply == OK || reply.starts_with(r#"{"error":""#), "got {reply}");
}

#[test]
fn a_worker_may_serve_several_types_and_a_job_is_delivered_once() {
    let server = Server::start();
    let mut both = native(&server);
    both.ask(r#"{"action":"join","types":["a","b","a"],"credit":20}"#, OK);
    let mut other = worker(&server, "b", 20);
    let mut peer = native(&server);
    for id in 0..20 {
        let job_type = if id % 2 == 0 { "a" } else { "b" };
        peer.ask(&submit(&id.to_string(), job_type, ""), &accepted(&id.to_string()));
    }
    let mut seen = Vec::new();
    eventually("all jobs", || {
        for worker in [&mut both, &mut other] {
            if let Heard::Message(job) = worker.listen(Duration::from_millis(1)) {
                let job = json(&job);
                assert_eq!(job["attempt"], 1);
                seen.push(job["id"].as_u64().expect("the ids are integers"));
            }
        }
        (seen.len() >= 20).then_some(())
    });
    both.expect_silence();
    other.expect_silence();
    seen.sort();
    assert_eq!(seen, (0..20).collect::<Vec<u64>>());
}

#[test]
fn a_join_replaces_an_earlier_join_and_no_types_leave() {
    let server = Server::start();
    let mut worker = worker(&server, "a", 2);
    worker.ask(&join("b", 2), OK);
    let mut peer = native(&server);
    peer.ask(&submit("1", "a", ""), &accepted("1"));
    peer.ask(&submit("2", "b", ""), &accepted("2"));
    worker.expect_attempt("2", 1);
    worker.expect_silence();
    worker.ask(r#"{"action":"join","types":[]}"#, OK);
    peer.ask(&submit("3", "b", ""), &accepted("3"));
    worker.expect_silence();
    // What it has in hand it may still answer.
    worker.ask(&respond("2", "0"), OK);
    worker.expect_silence();
    worker.ask(&join("a", 1), OK);
    worker.expect_attempt("1", 1);
}

#[test]
fn a_smaller_credit_holds_until_enough_is_answered() {
    let server = Server::start();
    let mut peer = native(&server);
    for id in 0..5 {
        peer.ask(&submit(&id.to_string(), "t", ""), &accepted(&id.to_string()));
    }
    let mut worker = worker(&server, "t", 3);
    for id in ["0", "1", "2"] {
        worker.expect_attempt(id, 1);
    }
    worker.ask(&join("t", 1), OK);
    worker.ask(&respond("0", "0"), OK);
    worker.expect_silence();
    worker.ask(&respond("1", "0"), OK);
    worker.expect_silence();
    worker.ask(&respond("2", "0"), OK);
    worker.expect_attempt("3", 1);
    worker.expect_silence();
}

#[test]
fn fail_without_retry_ends_the_job() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","notify":true"#), &accepted("1"));
    worker.expect_attempt("1", 1);
    worker.ask(r#"{"action":"fail","id":1,"error":"broken","retry":false}"#, OK);
    peer.expect(r#"{"action":"failed","id":1,"error":"broken"}"#);
    worker.expect_silence();
}

#[test]
fn fail_with_retry_makes_another_attempt_after_the_delay() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","notify":true"#), &accepted("1"));
    worker.expect_attempt("1", 1);
    let start = Instant::now();
    worker.ask(r#"{"action":"fail","id":1,"error":"e1","retry":true,"delay_ms":0}"#, OK);
    worker.expect_attempt("1", 2);
    let took = start.elapsed();
    assert!(took < Duration::from_millis(700), "expected no back-off with delay_ms 0, it took {took:?}");
    let start = Instant::now();
    worker.ask(r#"{"action":"fail","id":1,"error":"e2","retry":true,"delay_ms":500}"#, OK);
    worker.expect_attempt("1", 3);
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(500), "expected 500 ms of delay, got {took:?}");
    worker.ask(r#"{"action":"fail","id":1,"error":"e3","delay_ms":0}"#, OK);
    worker.expect_attempt("1", 4);
    peer.expect_silence();
    worker.ask(r#"{"action":"fail","id":1,"error":"e4","retry":true,"delay_ms":0}"#, OK);
    peer.expect(r#"{"action":"failed","id":1,"error":"e4"}"#);
    worker.expect_silence();
}

#[test]
fn fail_without_a_delay_backs_off() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","backoff_ms":400"#), &accepted("1"));
    worker.expect_attempt("1", 1);
    for (attempt, at_least, at_most) in [(2, 320, 480), (3, 640, 960)] {
        let start = Instant::now();
        worker.ask(r#"{"action":"fail","id":1,"error":"e"}"#, OK);
        worker.expect_attempt("1", attempt);
        let took = start.elapsed().as_millis();
        let slack = 3000; // of a busy machine
        assert!(
            (at_least..at_most + slack).contains(&took),
            "expected {at_least} to {at_most} ms before attempt {attempt}, got {took}"
        );
    }
}

#[test]
fn touch_starts_the_lease_anew() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut next = self::worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","lease_ms":1000,"notify":true"#), &accepted("1"));
    assert_eq!(worker.expect_attempt("1", 1), 1000);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        worker.ask(r#"{"action":"touch","id":1,"progress":0.5}"#, r#"{"ok":true,"lease_ms":1000}"#);
        let heard = next.listen(Duration::from_millis(200));
        assert_eq!(heard, Heard::Silence, "expected the lease to hold");
    }
    worker.ask(&respond("1", "0"), OK);
    peer.expect(&result("1", "0"));
}

#[test]
fn a_lease_that_ends_gives_the_job_to_another_and_makes_the_late_answer_stale() {
    let server = Server::start();
    let mut silent = worker(&server, "t", 1);
    let mut next = worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","lease_ms":400,"notify":true"#), &accepted("1"));
    silent.expect_attempt("1", 1);
    next.expect_attempt("1", 2);
    for late in [
        respond("1", "0"),
        r#"{"action":"fail","id":1,"error":"x"}"#.to_owned(),
        r#"{"action":"touch","id":1}"#.to_owned(),
        r#"{"action":"release","id":1}"#.to_owned(),
    ] {
        let reply = silent.call(&late);
        assert_error(&reply, "stale_receipt");
        assert_eq!(json(&reply)["id"], 1, "expected the id where there is one, got {reply}");
    }
    peer.expect_silence();
    next.ask(&respond("1", "\"in time\""), OK);
    peer.expect(&result("1", "\"in time\""));
}

#[test]
fn answers_for_jobs_that_are_not_in_hand_are_refused() {
    let server = Server::start();
    let mut peer = native(&server);
    let mut holder = worker(&server, "t", 1);
    peer.ask(&submit("1", "t", ""), &accepted("1"));
    peer.ask(&submit("2", "nobody", ""), &accepted("2"));
    holder.expect_attempt("1", 1);
    let mut thief = worker(&server, "u", 1);
    for (id, code) in [("1", "stale_receipt"), ("2", "stale_receipt"), ("3", "unknown_job"), ("\"1\"", "")] {
        for request in [
            respond(id, "0"),
            format!(r#"{{"action":"fail","id":{id},"error":"x"}}"#),
            format!(r#"{{"action":"touch","id":{id}}}"#),
            format!(r#"{{"action":"release","id":{id}}}"#),
        ] {
            let reply = thief.call(&request);
            assert!(reply.starts_with(r#"{"error":""#), "expected an error to {request}, got {reply}");
            if !code.is_empty() {
                assert_error(&reply, code);
            }
        }
    }
    holder.ask(&respond("1", "0"), OK);
    let reply = holder.call(&respond("1", "0"));
    assert!(
        ["stale_receipt", "unknown_job"].contains(&json(&reply)["error"].as_str().unwrap_or("")),
        "expected a second answer to be refused, got {reply}"
    );
}

#[test]
fn release_gives_a_job_back_ahead_of_its_equals_and_counts_no_attempt() {
    let server = Server::start();
    let mut peer = native(&server);
    for id in ["1", "2"] {
        peer.ask(&submit(id, "t", ""), &accepted(id));
    }
    peer.ask(&submit("3", "t", r#","priority":1"#), &accepted("3"));
    let mut first = worker(&server, "t", 2);
    first.expect_attempt("3", 1);
    first.expect_attempt("1", 1);
    first.ask(r#"{"action":"join","types":[]}"#, OK);
    first.ask(r#"{"action":"release","id":1}"#, OK);
    first.expect_silence();
    let mut second = worker(&server, "t", 3);
    second.expect_attempt("1", 1);
    second.expect_attempt("2", 1);
    second.expect_silence();
    first.ask(r#"{"action":"release","id":3}"#, OK);
    second.expect_attempt("3", 1);
}

#[test]
fn a_connection_that_closes_gives_its_jobs_back_and_its_submitted_jobs_stay() {
    let server = Server::start();
    let mut leaving = worker(&server, "t", 2);
    let mut peer = native(&server);
    for id in ["1", "2"] {
        peer.ask(&submit(id, "t", r#","notify":true"#), &accepted(id));
        leaving.expect_attempt(id, 1);
    }
    leaving.ask(&submit("3", "t", r#","durable":false,"notify":true"#), &accepted("3"));
    leaving.ask(&submit("4", "t", ""), &accepted("4"));
    drop(leaving);
    let mut next = worker(&server, "t", 10);
    let mut seen: Vec<(Value, Value)> = (0..4)
        .map(|_| {
            let job = json(&next.receive());
            (job["id"].clone(), job["attempt"].clone())
        })
        .collect();
    seen.sort_by_key(|(id, _)| id.as_u64());
    let expected = [(1, 2), (2, 2), (3, 1), (4, 1)].map(|(id, attempt)| (value!(id), value!(attempt)));
    assert_eq!(seen, expected, "(left: got, right: expected)");
    for id in ["3", "4", "2", "1"] {
        next.ask(&respond(id, id), OK);
    }
    peer.expect(&result("2", "2"));
    peer.expect(&result("1", "1"));
}

#[test]
fn one_connection_may_have_every_role() {
    let server = Server::start();
    let mut one = worker(&server, "t", 1);
    one.ask(&submit("1", "t", r#","notify":true"#), &accepted("1"));
    one.expect_attempt("1", 1);
    one.send(respond("1", "0"));
    let mut heard = [one.receive(), one.receive()];
    heard.sort();
    assert_eq!(heard, [result("1", "0"), OK.to_owned()]);
}
