//! Dialects of one model: a job goes in by one protocol and is worked by another.

use crate::support::{Deputy, Framed, Server, assert_error, eventually, gloom_master, gloom_worker, json, native};
use serde_json::json as value;

#[track_caller]
fn deputy_worker(server: &Server, job_type: &str) -> Deputy {
    let mut worker = server.deputy_client();
    worker.send(&format!(r#"{{"cmd":"can_do","types":["{job_type}"]}}"#));
    worker.expect_all_accepted();
    worker
}

#[track_caller]
fn native_worker(server: &Server, job_type: &str) -> Framed {
    let mut worker = native(server);
    worker.ask(&format!(r#"{{"action":"join","types":["{job_type}"],"credit":1}}"#), r#"{"ok":true}"#);
    worker
}

#[test]
fn a_gloom_masters_job_is_worked_by_a_deputy_client() {
    let server = Server::start();
    let mut worker = deputy_worker(&server, "t");
    let mut master = gloom_master(&server);
    for id in ["\"x\"", "7"] {
        master.submit(id, "t", r#"{"n":1.0}"#);
        worker.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":{{"n":1.0}}}}"#));
        worker.send(&format!(r#"{{"cmd":"did","id":{id},"res":[1e0]}}"#));
        master.expect_result(id, "[1e0]");
    }
}

#[test]
fn a_deputy_clients_job_is_worked_by_a_gloom_worker() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut client = server.deputy_client();
    for id in ["\"x\"", "7"] {
        client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":{{"n":1.0}}}}"#));
        worker.expect_job(id, "t", r#"{"n":1.0}"#);
        worker.respond("[1e0]");
        client.expect(&format!(r#"{{"cmd":"did","id":{id},"res":[1e0]}}"#));
    }
}

#[test]
fn a_deputy_job_without_an_arg_has_a_null_body_for_others() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
    worker.expect_job("1", "t", "null");
    worker.respond("null");
    client.expect(r#"{"cmd":"did","id":1,"res":null}"#);
}

#[test]
fn native_jobs_are_worked_by_gloom_and_deputy_and_theirs_by_native() {
    let server = Server::start();
    let mut gloom = gloom_worker(&server, "g");
    let mut deputy = deputy_worker(&server, "d");
    let mut worker = native_worker(&server, "n");
    let mut submitter = native(&server);
    submitter
        .ask(r#"{"action":"submit","id":"1","type":"g","body":{"a":1.0},"notify":true}"#, r#"{"ok":true,"id":"1"}"#);
    gloom.expect_job("\"1\"", "g", r#"{"a":1.0}"#);
    gloom.respond("1.50");
    submitter.expect(r#"{"action":"result","id":"1","body":1.50}"#);
    submitter.ask(r#"{"action":"submit","id":2,"type":"d","body":{"a":1.0},"notify":true}"#, r#"{"ok":true,"id":2}"#);
    deputy.expect(r#"{"cmd":"do","id":2,"type":"d","arg":{"a":1.0}}"#);
    deputy.send(r#"{"cmd":"did","id":2,"res":2.50}"#);
    submitter.expect(r#"{"action":"result","id":2,"body":2.50}"#);
    let mut master = gloom_master(&server);
    master.submit("3", "n", "0");
    let job = worker.receive();
    assert!(
        job.starts_with(r#"{"action":"job","id":3,"type":"n","body":0,"attempt":1,"lease_ms":"#),
        "expected the job 3, got {job}"
    );
    worker.ask(r#"{"action":"respond","id":3,"body":"by native"}"#, r#"{"ok":true}"#);
    master.expect_result("3", "\"by native\"");
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":"4","type":"n","arg":{}}"#);
    let job = json(&worker.receive());
    assert_eq!((&job["id"], &job["body"]), (&value!("4"), &value!({})));
    worker.ask(r#"{"action":"respond","id":"4","body":4}"#, r#"{"ok":true}"#);
    client.expect(r#"{"cmd":"did","id":"4","res":4}"#);
}

#[test]
fn an_id_lives_once_across_all_protocols() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut client = server.deputy_client();
    let mut peer = native(&server);
    let mut worker = gloom_worker(&server, "t");
    let by_gloom = r#"{"action":"submit","id":"x","type":"other","body":0}"#;
    let by_deputy = r#"{"cmd":"do","id":"x","type":"other"}"#;
    // Held by gloom.
    master.submit("\"x\"", "t", "0");
    client.send(by_deputy);
    let refusal = json(&client.receive());
    assert_eq!((&refusal["error"], &refusal["id"]), (&value!("id_exists"), &value!("x")));
    assert_error(&peer.call(by_gloom), "id_exists");
    worker.expect_job("\"x\"", "t", "0");
    worker.respond("0");
    master.expect_result("\"x\"", "0");
    // Held by deputy.
    client.send(r#"{"cmd":"do","id":"x","type":"t"}"#);
    worker.expect_job("\"x\"", "t", "null");
    master.ask(by_gloom, r#"{"error":"id_exists","reason":"x"}"#);
    assert_error(&peer.call(by_gloom), "id_exists");
    worker.respond("0");
    client.expect(r#"{"cmd":"did","id":"x","res":0}"#);
    // Held by native.
    peer.ask(
        r#"{"action":"submit","id":"x","type":"t","body":0,"durable":false,"notify":true}"#,
        r#"{"ok":true,"id":"x"}"#,
    );
    worker.expect_job("\"x\"", "t", "0");
    master.ask(by_gloom, r#"{"error":"id_exists","reason":"x"}"#);
    client.send(by_deputy);
    assert_eq!(json(&client.receive())["error"], "id_exists");
    worker.respond("0");
    peer.expect(r#"{"action":"result","id":"x","body":0}"#);
    master.ask(by_gloom, r#"{"ok":true,"id":"x"}"#);
}

#[test]
fn a_body_with_line_ends_reaches_a_deputy_worker_on_one_line() {
    let server = Server::start();
    let mut worker = deputy_worker(&server, "t");
    let mut master = gloom_master(&server);
    let pretty = "{\r\n  \"a\" : [\n    1.0,\n    \"two\\nlines \\\" and\\\\\"\n  ],\n\t\"b\": {}\n}";
    master.submit("\"x\"", "t", pretty);
    let line = worker.receive();
    assert!(
        line.starts_with(r#"{"cmd":"do","id":"x","type":"t","arg":{"#) && !line.contains(['\n', '\r']),
        "expected the job on one line, got {line:?}"
    );
    assert_eq!(json(&line)["arg"], json(pretty));
    assert!(line.contains("1.0"), "expected the number as it was spelled, got {line}");
    worker.send(r#"{"cmd":"did","id":"x","res":1}"#);
    master.expect_result("\"x\"", "1");
    // The way back: a pretty-printed result for a deputy client.
    let mut gloom = gloom_worker(&server, "u");
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":"y","type":"u","arg":0}"#);
    gloom.expect_job("\"y\"", "u", "0");
    gloom.respond(pretty);
    let line = client.receive();
    assert!(line.starts_with(r#"{"cmd":"did","id":"y","res":{"#), "expected the result, got {line:?}");
    assert_eq!(json(&line)["res"], json(pretty));
}

#[test]
fn one_queue_serves_the_workers_of_all_protocols_in_turn() {
    let server = Server::start();
    let mut gloom = gloom_worker(&server, "t");
    let mut deputy = deputy_worker(&server, "t");
    let mut native = native_worker(&server, "t");
    let mut master = gloom_master(&server);
    for round in 0..3 {
        let ids: Vec<String> = (0..3).map(|n| format!("{}", round * 3 + n)).collect();
        for id in &ids {
            master.submit(id, "t", "0");
        }
        gloom.expect_job(&ids[0], "t", "0");
        deputy.expect(&format!(r#"{{"cmd":"do","id":{},"type":"t","arg":0}}"#, ids[1]));
        let job = native.receive();
        assert!(job.starts_with(&format!(r#"{{"action":"job","id":{},"#, ids[2])), "got {job}");
        gloom.respond("0");
        master.expect_result(&ids[0], "0");
        deputy.send(&format!(r#"{{"cmd":"did","id":{},"res":0}}"#, ids[1]));
        master.expect_result(&ids[1], "0");
        native.ask(&format!(r#"{{"action":"respond","id":{},"body":0}}"#, ids[2]), r#"{"ok":true}"#);
        master.expect_result(&ids[2], "0");
    }
}

#[test]
fn a_job_lost_by_a_deputy_worker_goes_ahead_of_its_equals_to_a_gloom_worker() {
    let server = Server::start();
    let mut first = deputy_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    first.expect(r#"{"cmd":"do","id":1,"type":"t","arg":0}"#);
    master.submit("2", "t", "0");
    master.ask(r#"{"action":"submit","id":3,"type":"t","body":0,"priority":1}"#, r#"{"ok":true,"id":3}"#);
    drop(first);
    let mut watcher = server.deputy_client();
    eventually("the job to be put back", || watcher.metrics().contains(r#""jobs_reassigned":1"#).then_some(()));
    let mut second = gloom_worker(&server, "t");
    for id in ["3", "1", "2"] {
        second.expect_job(id, "t", "0");
        second.respond("0");
        master.expect_result(id, "0");
    }
}

#[test]
fn a_failure_is_told_in_the_submitters_language() {
    let server = Server::start();
    let mut worker = native_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.submit("\"g\"", "t", "0");
    worker.receive();
    worker.ask(r#"{"action":"fail","id":"g","error":"no","retry":false}"#, r#"{"ok":true}"#);
    master.expect(r#"{"error":"job_failed","reason":"g"}"#);
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":"d","type":"t"}"#);
    worker.receive();
    worker.ask(r#"{"action":"fail","id":"d","error":"no","retry":false}"#, r#"{"ok":true}"#);
    let line = client.receive();
    assert!(line.starts_with(r#"{"cmd":"error","error":"job_failed","reason":"#), "got {line}");
    assert_eq!(json(&line)["id"], "d");
}

#[test]
fn a_master_that_left_takes_its_jobs_whoever_would_have_worked_them() {
    let server = Server::start();
    let mut worker = deputy_worker(&server, "t");
    let mut master = gloom_master(&server);
    for id in ["1", "2"] {
        master.submit(id, "t", "0");
    }
    worker.expect(r#"{"cmd":"do","id":1,"type":"t","arg":0}"#);
    drop(master);
    let mut other = gloom_master(&server);
    eventually("the ids to be free", || {
        let reply = other.call(r#"{"action":"submit","id":2,"type":"elsewhere","body":0}"#);
        reply.starts_with(r#"{"ok":true"#).then_some(())
    });
    worker.send(r#"{"cmd":"did","id":1,"res":0}"#);
    worker.expect_all_accepted();
    worker.expect_silence();
}

#[test]
fn no_type_of_a_worker_starves_while_another_is_busy() {
    let server = Server::start();
    let mut master = server.deputy_client();
    for n in 0..20 {
        for kind in ["a", "b", "c"] {
            master.send(&format!(r#"{{"cmd":"do","id":"{kind}{n}","type":"{kind}","arg":0}}"#));
        }
    }
    master.expect_all_accepted();
    let mut worker = server.deputy_client();
    worker.send(r#"{"cmd":"can_do","types":["a","b","c"]}"#);
    let mut worked = std::collections::BTreeMap::<String, u32>::new();
    for _ in 0..18 {
        let job = json(&worker.receive());
        *worked.entry(job["type"].as_str().expect("a job has a type").to_owned()).or_default() += 1;
        worker.send(&format!(r#"{{"cmd":"did","id":{},"res":0}}"#, job["id"]));
    }
    assert!(
        worked.len() == 3 && worked.values().all(|times| *times >= 3),
        "expected all types to be worked, got {worked:?}"
    );
}
