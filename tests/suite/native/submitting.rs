//! Submitting, alone and in batches, and what is told afterwards.

use super::*;

#[test]
fn hello_introduces_both_sides() {
    let server = Server::with(&["--max-body", "65536"]);
    let mut peer = native(&server);
    let version = env!("CARGO_PKG_VERSION");
    peer.ask(
        r#"{"action":"hello","name":"w1"}"#,
        &format!(r#"{{"ok":true,"server":"procession/{version}","max_frame":65536}}"#),
    );
    peer.ask(&submit("1", "t", ""), &accepted("1"));
}

#[test]
fn hello_is_optional() {
    let server = Server::start();
    native(&server).ask(&submit("1", "t", ""), &accepted("1"));
}

#[test]
fn a_job_reaches_a_worker_and_its_result_the_submitter_who_asked() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    for id in ["\"a\"", "7", "-9223372036854775808", "\"é😀\""] {
        peer.ask(
            &format!(r#"{{"action":"submit","id":{id},"type":"t","body":{{ "n" : 1.0 }},"notify":true}}"#),
            &accepted(id),
        );
        worker.expect(&format!(
            r#"{{"action":"job","id":{id},"type":"t","body":{{ "n" : 1.0 }},"attempt":1,"lease_ms":1800000}}"#
        ));
        worker.ask(&respond(id, "[1e0]"), OK);
        peer.expect(&result(id, "[1e0]"));
    }
}

#[test]
fn without_notify_nothing_is_told() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    for (id, more) in [("1", ""), ("2", r#","notify":false"#)] {
        peer.ask(&submit(id, "t", more), &accepted(id));
        worker.expect_attempt(id, 1);
        worker.ask(&respond(id, "0"), OK);
    }
    peer.expect_silence();
}

#[test]
fn an_id_is_made_by_the_server_when_none_is_given() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    let reply = json(&peer.call(r#"{"action":"submit","type":"t","body":1,"notify":true}"#));
    assert_eq!(reply["ok"], true, "got {reply}");
    let id = reply["id"].as_str().expect("an id that the server made is a string");
    let dashes: Vec<usize> = id.char_indices().filter(|&(_, c)| c == '-').map(|(at, _)| at).collect();
    assert_eq!((id.len(), dashes, &id[14..15]), (36, vec![8, 13, 18, 23], "7"), "expected a UUIDv7, got {id}");
    let id = format!("\"{id}\"");
    worker.expect_attempt(&id, 1);
    worker.ask(&respond(&id, "2"), OK);
    peer.expect(&result(&id, "2"));
}

#[test]
fn an_absent_type_means_default() {
    let server = Server::start();
    let mut worker = worker(&server, "default", 1);
    let mut peer = native(&server);
    peer.ask(r#"{"action":"submit","id":1,"body":null}"#, &accepted("1"));
    worker.expect(r#"{"action":"job","id":1,"type":"default","body":null,"attempt":1,"lease_ms":1800000}"#);
}

#[test]
fn larger_priorities_go_first() {
    let server = Server::start();
    let mut peer = native(&server);
    for (id, priority) in [("1", -5), ("2", i64::MIN), ("3", i64::MAX), ("4", 0), ("5", i64::MAX)] {
        peer.ask(&submit(id, "t", &format!(r#","priority":{priority}"#)), &accepted(id));
    }
    let mut worker = worker(&server, "t", 5);
    for id in ["3", "5", "4", "1", "2"] {
        worker.expect_attempt(id, 1);
    }
}

#[test]
fn the_policy_of_a_job_is_kept() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 10);
    let mut peer = native(&server);
    let start = Instant::now();
    peer.ask(&submit("1", "t", r#","delay_ms":600,"lease_ms":5000"#), &accepted("1"));
    peer.ask(&submit("2", "t", r#","lease_ms":7000"#), &accepted("2"));
    assert_eq!(worker.expect_attempt("2", 1), 7000);
    assert_eq!(worker.expect_attempt("1", 1), 5000);
    assert!(start.elapsed() >= Duration::from_millis(600), "expected the delay to be kept");
    peer.ask(&submit("3", "nobody", r#","ttl_ms":200,"notify":true"#), &accepted("3"));
    let told = json(&peer.receive());
    assert_eq!(
        (&told["action"], &told["id"], &told["error"]),
        (&value!("failed"), &value!(3), &value!("expired")),
        "got {told}"
    );
    peer.ask(&submit("4", "u", r#","max_attempts":1,"notify":true"#), &accepted("4"));
    let mut dying = self::worker(&server, "u", 1);
    dying.expect_attempt("4", 1);
    drop(dying);
    let told = json(&peer.receive());
    assert_eq!((&told["action"], &told["id"]), (&value!("failed"), &value!(4)), "got {told}");
    assert!(!told["error"].is_null(), "expected to be told why, got {told}");
}

#[test]
fn a_failure_is_told_to_the_submitter_who_asked() {
    let server = Server::start();
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    for error in [r#""no such file""#, r#"{"code":1.0,"why":["x"]}"#] {
        peer.ask(&submit("1", "t", r#","notify":true,"durable":false"#), &accepted("1"));
        worker.expect_attempt("1", 1);
        worker.ask(&format!(r#"{{"action":"fail","id":1,"error":{error},"retry":false}}"#), OK);
        peer.expect(&format!(r#"{{"action":"failed","id":1,"error":{error}}}"#));
        // The record of a finished transient job gives way to a new submit.
    }
}

#[test]
fn the_record_of_a_finished_durable_job_keeps_its_id() {
    let server = Server::with_store(TempDir::new(), &["--store", "file:data"]);
    let mut worker = worker(&server, "t", 1);
    let mut peer = native(&server);
    peer.ask(&submit("1", "t", r#","notify":true"#), &accepted("1"));
    worker.expect_attempt("1", 1);
    worker.ask(&respond("1", "0"), OK);
    peer.expect(&result("1", "0"));
    let reply = peer.call(&submit("1", "t", ""));
    assert_error(&reply, "id_exists");
    assert_eq!(json(&reply)["id"], 1, "expected the id where there is one, got {reply}");
    worker.expect_silence();
}

#[test]
fn a_live_id_is_refused() {
    let server = Server::start();
    let mut peer = native(&server);
    peer.ask(&submit("\"x\"", "t", ""), &accepted("\"x\""));
    let reply = peer.call(&submit("\"x\"", "u", ""));
    assert_error(&reply, "id_exists");
    assert_eq!(json(&reply)["id"], "x", "expected the id where there is one, got {reply}");
}

#[test]
fn a_batch_is_answered_in_order_job_by_job() {
    let server = Server::start();
    let mut peer = native(&server);
    peer.ask(&submit("\"live\"", "x", ""), &accepted("\"live\""));
    let reply = peer.call(
        r#"{"action":"submit","jobs":[{"id":1,"type":"a","body":0},{"id":"live","type":"a","body":0},{"id":"2","type":"b","body":0},{"id":1,"type":"c","body":0},{"type":"a","body":0},{"id":3,"type":"a","body":0,"priority":"high"}]}"#,
    );
    assert!(reply.starts_with(r#"{"ok":true,"results":[{"id":1},"#), "got {reply}");
    let results = json(&reply)["results"].clone();
    let results = results.as_array().expect("results are a list");
    assert_eq!(results.len(), 6, "got {reply}");
    assert_eq!(results[1]["error"], "id_exists", "got {reply}");
    assert!(results[1].get("reason").is_some(), "got {reply}");
    assert_eq!(results[2], value!({"id": "2"}));
    assert_eq!(results[3]["error"], "id_exists", "got {reply}");
    assert_eq!(results[4]["id"].as_str().map(str::len), Some(36), "got {reply}");
    assert_eq!(results[5]["error"], "invalid_type", "got {reply}");
    let mut worker = worker(&server, "a", 5);
    worker.expect_attempt("1", 1);
    worker.expect_attempt(&results[4]["id"].to_string(), 1);
    worker.expect_silence();
}

#[test]
fn each_job_of_a_batch_may_ask_to_be_told() {
    let server = Server::start();
    let mut peer = native(&server);
    peer.ask(
        r#"{"action":"submit","jobs":[{"id":1,"type":"t","body":0,"notify":true},{"id":2,"type":"t","body":0},{"id":3,"type":"t","body":0,"notify":true}]}"#,
        r#"{"ok":true,"results":[{"id":1},{"id":2},{"id":3}]}"#,
    );
    let mut worker = worker(&server, "t", 3);
    for id in ["1", "2", "3"] {
        worker.expect_attempt(id, 1);
    }
    for id in ["1", "2", "3"] {
        worker.ask(&respond(id, id), OK);
    }
    peer.expect(&result("1", "1"));
    peer.expect(&result("3", "3"));
    peer.expect_silence();
}

#[test]
fn a_batch_holds_ten_thousand_jobs_and_no_more() {
    let server = Server::start();
    let mut peer = native(&server);
    let batch = |count: usize, from: usize| {
        let jobs: Vec<String> = (0..count).map(|n| format!(r#"{{"id":{},"type":"t","body":0}}"#, from + n)).collect();
        format!(r#"{{"action":"submit","jobs":[{}]}}"#, jobs.join(","))
    };
    let reply = json(&peer.call(&batch(10_000, 0)));
    assert_eq!(reply["ok"], true);
    assert_eq!(reply["results"].as_array().map(Vec::len), Some(10_000));
    let reply = peer.call(&batch(10_001, 20_000));
    assert!(reply.starts_with(r#"{"error":""#), "expected an error, got {}", &reply[..reply.len().min(200)]);
    // Nothing of the refused batch was taken.
    peer.ask(&submit("20000", "u", ""), &accepted("20000"));
    peer.ask(r#"{"action":"submit","jobs":[]}"#, r#"{"ok":true,"results":[]}"#);
}
