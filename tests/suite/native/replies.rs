//! Replies in the order of the requests, errors, and what ok means.

use super::*;

#[test]
fn replies_come_in_the_order_of_the_requests() {
    let server = Server::start();
    let mut peer = native(&server);
    let mut burst = Vec::new();
    for n in 0..200 {
        burst.extend(frame(submit(&n.to_string(), &format!("t{}", n % 5), "")));
        burst.extend(frame(format!(r#"{{"action":"touch","id":"none-{n}"}}"#)));
        burst.extend(frame(submit(&n.to_string(), "t", "")));
        burst.extend(frame(r#"{"action":"dance"}"#));
        burst.extend(frame(format!(r#"{{"action":"submit","jobs":[{{"id":"b{n}","type":"x","body":0}}]}}"#)));
        burst.extend(frame(r#"{"action":"join","types":["nothing"],"credit":2}"#));
        burst.extend(frame(r#"{"action":"hello","name":"again"}"#));
    }
    peer.raw(&burst);
    for n in 0..200 {
        peer.expect(&accepted(&n.to_string()));
        assert_error(&peer.receive(), "unknown_job");
        assert_error(&peer.receive(), "id_exists");
        assert_error(&peer.receive(), "unknown_action");
        peer.expect(&format!(r#"{{"ok":true,"results":[{{"id":"b{n}"}}]}}"#));
        peer.expect(OK);
        let hello = peer.receive();
        assert!(json(&hello)["ok"] == true || json(&hello)["error"].is_string(), "got {hello}");
    }
}

#[test]
fn replies_to_a_busy_worker_keep_their_order_among_its_jobs() {
    let server = Server::start();
    let mut peer = native(&server);
    let jobs: Vec<String> = (0..500).map(|id| format!(r#"{{"id":{id},"type":"t","body":0}}"#)).collect();
    peer.call(&format!(r#"{{"action":"submit","jobs":[{}]}}"#, jobs.join(",")));
    let mut worker = worker(&server, "t", 20);
    let (mut answered, mut confirmed) = (0, 0);
    while confirmed < 1000 {
        let heard = worker.receive();
        if heard.starts_with(r#"{"action":"job""#) {
            let id = json(&heard)["id"].to_string();
            // A touch and an answer for each job: their replies differ, so their order shows.
            worker.raw([frame(format!(r#"{{"action":"touch","id":{id}}}"#)), frame(respond(&id, "0"))].concat());
            answered += 1;
        } else {
            let expected = if confirmed % 2 == 0 { r#"{"ok":true,"lease_ms":1800000}"# } else { OK };
            assert_eq!(heard, expected, "reply {confirmed} of the worker");
            confirmed += 1;
        }
    }
    assert_eq!(answered, 500);
}

#[test]
fn what_is_wrong_is_refused_and_the_connection_stays_open() {
    let server = Server::start();
    let mut peer = native(&server);
    let too_deep = format!(r#"{{"action":"submit","id":1,"type":"t","body":{}}}"#, nested(129));
    for (request, code) in [
        ("{}", ""),
        ("[]", "invalid_message"),
        ("5", "invalid_message"),
        (r#"{"action":"dance"}"#, "unknown_action"),
        (r#"{"action":"submit","id":null,"type":"t","body":1}"#, ""),
        (r#"{"action":"submit","id":1.5,"type":"t","body":1}"#, "invalid_type"),
        (r#"{"action":"submit","id":"","type":"t","body":1}"#, "invalid_type"),
        (r#"{"action":"submit","id":"a\u0001","type":"t","body":1}"#, "invalid_type"),
        (r#"{"action":"submit","id":1,"type":5,"body":1}"#, "invalid_type"),
        (r#"{"action":"submit","id":1,"type":"t","body":1,"priority":1.5}"#, "invalid_type"),
        (r#"{"action":"submit","jobs":5}"#, ""),
        (r#"{"action":"submit","jobs":[5]}"#, ""),
        (r#"{"action":"join"}"#, "missing_field"),
        (r#"{"action":"join","types":"t"}"#, "invalid_type"),
        (r#"{"action":"join","types":[5]}"#, "invalid_type"),
        (r#"{"action":"join","types":["t"],"credit":"5"}"#, "invalid_type"),
        (r#"{"action":"join","types":["t"],"credit":-1}"#, ""),
        (r#"{"action":"respond","body":1}"#, "missing_field"),
        (r#"{"action":"respond","id":1}"#, "missing_field"),
        (r#"{"action":"fail"}"#, "missing_field"),
        (r#"{"action":"touch"}"#, "missing_field"),
        (r#"{"action":"release"}"#, "missing_field"),
        (&too_deep, "invalid_message"),
    ] {
        if request.contains("null") || request.contains("[5]}") && request.contains("jobs") {
            // Whether a null id is an absent one, and whether a bad job spoils its batch, is left open by the text.
            let reply = peer.call(request);
            assert!(reply.starts_with('{'), "got {reply}");
            continue;
        }
        let reply = peer.call(request);
        assert!(reply.starts_with(r#"{"error":""#), "expected an error to {request}, got {reply}");
        assert!(json(&reply).get("reason").is_some(), "expected a reason to {request}, got {reply}");
        if !code.is_empty() {
            assert_eq!(json(&reply)["error"], code, "error to {request}: {reply}");
        }
    }
    peer.ask(&submit("1", "t", ""), &accepted("1"));
}

#[test]
fn framing_errors_close_the_connection() {
    let server = Server::start();
    let mut peer = native(&server);
    peer.raw(u32::MAX.to_be_bytes());
    peer.expect(r#"{"error":"size_error","reason":"length too large"}"#);
    peer.expect_closed();
    let mut peer = native(&server);
    peer.raw([frame("not json"), frame(submit("1", "t", ""))].concat());
    let heard = peer.until_closed();
    assert_eq!(heard.len(), 1, "expected one error, got {heard:?}");
    assert_error(&heard[0], "invalid_json");
    native(&server).ask(&submit("1", "t", ""), &accepted("1"));
}

#[test]
fn an_acknowledged_durable_job_survives_kill_9_and_a_transient_one_does_not() {
    let server = Server::with_store(TempDir::new(), &["--store", "file:data"]);
    let mut peer = native(&server);
    for id in 0..50 {
        peer.ask(&submit(&id.to_string(), "t", ""), &accepted(&id.to_string()));
    }
    peer.ask(&submit("\"gone\"", "t", r#","durable":false"#), &accepted("\"gone\""));
    let mut first = worker(&server, "t", 2);
    first.expect_attempt("0", 1);
    first.expect_attempt("1", 1);
    first.ask(&respond("0", "\"done\""), OK);
    first.expect_attempt("2", 1);
    let dir = server.kill9_keeping_its_folder();
    let server = Server::with_store(dir, &["--store", "file:data"]);
    let mut worker = worker(&server, "t", 100);
    let mut seen = Vec::new();
    for _ in 1..50 {
        let job = json(&worker.receive());
        let (id, attempt) = (job["id"].as_u64(), job["attempt"].as_u64());
        let id = id.unwrap_or_else(|| panic!("expected a durable job, got {job}"));
        // A crash in the very instant of a delivery may forget it.
        assert!(attempt == Some(1) || (id <= 2 && attempt == Some(2)), "got {job}");
        seen.push(id);
    }
    assert_eq!(seen, (1..50).collect::<Vec<u64>>(), "expected the order to survive");
    worker.expect_silence();
    let reply = native(&server).call(&submit("0", "t", ""));
    assert_error(&reply, "id_exists"); // its record is kept for an hour
    assert_eq!(worker.listen(PATIENCE / 100), Heard::Silence);
}
