//! A job's way from the master to the worker and back.

use super::*;

#[test]
fn a_job_reaches_a_waiting_worker_and_its_result_the_master() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "echo");
    let mut master = gloom_master(&server);
    master.ask(r#"{"action":"submit","id":"one","type":"echo","body":{"n":1}}"#, r#"{"ok":true,"id":"one"}"#);
    worker.expect(r#"{"action":"job","id":"one","type":"echo","body":{"n":1}}"#);
    worker.ask(r#"{"action":"respond","body":[1,2]}"#, OK);
    master.expect(r#"{"id":"one","body":[1,2]}"#);
    worker.expect_silence();
    master.expect_silence();
}

#[test]
fn a_job_waits_for_a_worker_that_joins_later() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit(r#""hi""#, "foo", r#""Here""#);
    let mut worker = gloom_worker(&server, "foo");
    worker.expect(r#"{"action":"job","id":"hi","type":"foo","body":"Here"}"#);
    worker.ask(r#"{"action":"respond","body":"ohai!"}"#, OK);
    master.expect(r#"{"id":"hi","body":"ohai!"}"#);
}

#[test]
fn an_absent_type_and_a_null_type_mean_default() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "default");
    for request in [
        r#"{"action":"submit","id":"x","body":1}"#,
        r#"{"action":"submit","id":"x","type":null,"body":1}"#,
        r#"{"action":"submit","id":"x","type":"default","body":1}"#,
    ] {
        master.ask(request, r#"{"ok":true,"id":"x"}"#);
        worker.expect(r#"{"action":"job","id":"x","type":"default","body":1}"#);
        worker.respond("2");
        master.expect(r#"{"id":"x","body":2}"#);
    }
}

#[test]
fn null_is_a_body_and_a_result() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    master.submit("1", "t", "null");
    worker.expect_job("1", "t", "null");
    worker.respond("null");
    master.expect_result("1", "null");
}

#[test]
fn ids_are_echoed_as_sent_strings_and_integers() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let longest = format!("\"{}\"", "x".repeat(255));
    for id in [
        r#""a""#,
        "0",
        "7",
        "-7",
        r#""7""#,
        "9223372036854775807",
        "-9223372036854775808",
        r#""é漢😀""#,
        r#""with space""#,
        r#""../../etc/passwd""#,
        r#""<script>alert(1)</script>""#,
        r#""a\"b\\c""#,
        &longest,
    ] {
        master.submit(id, "t", "1");
        worker.expect_job(id, "t", "1");
        worker.respond("2");
        master.expect_result(id, "2");
    }
}

#[test]
fn escapes_in_ids_and_types_keep_their_meaning() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "é😀");
    master.send(r#"{"action":"submit","id":"\u00e9\ud83d\ude00\/","type":"\u00e9\ud83d\ude00","body":1}"#);
    assert_eq!(json(&master.receive())["id"], "é😀/");
    let job = json(&worker.receive());
    assert_eq!((&job["id"], &job["type"]), (&json("\"é😀/\""), &json("\"é😀\"")));
    worker.respond("2");
    assert_eq!(json(&master.receive())["id"], "é😀/");
}

#[test]
fn unknown_members_are_ignored_in_any_order_of_members() {
    let server = Server::start();
    let mut worker = Framed::connect(server.gloom_workers());
    worker.ask(r#"{"x":{"y":[1]},"type":"t","action":"join","z":null}"#, OK);
    let mut master = gloom_master(&server);
    master.ask(
        r#" { "body" : [ 1 ] , "extra" : {"action":"nothing"} , "type":"t", "id" : "i" , "action" : "submit" } "#,
        r#"{"ok":true,"id":"i"}"#,
    );
    worker.expect(r#"{"action":"job","id":"i","type":"t","body":[ 1 ]}"#);
    worker.ask(r#"{"body":3,"id":"other","action":"respond"}"#, OK);
    master.expect_result(r#""i""#, "3");
}

#[test]
fn bodies_and_results_are_preserved_byte_for_byte() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let long_key = format!("{{\"{}\":1}}", "k".repeat(100_000));
    let many = format!("[{}1]", "1,".repeat(200_000));
    for body in [
        "1.0",
        "1.50e+003",
        "-0",
        "-0.0",
        "1e400",
        "0.1e-999",
        "12345678901234567890123",
        "3.141592653589793238462643383279",
        "true",
        "\"\"",
        "[]",
        "{}",
        r#"{"b":1,"a":2}"#,
        r#"{"a":1,"a":2,"a":1}"#,
        r#"{ "a" : [ 1 , 2 ] }"#,
        "[1,\n\t2,\r\n 3]",
        r#""\u0041\u00e9\u20AC\/\b\f\n\r\t\"\\""#,
        r#""\u0000""#,
        r#""\ud83d\ude00 and 😀""#,
        r#""\ud800""#,
        r#"{"\udfff":"\ud800\ud800"}"#,
        "\"\u{2028}\u{2029}\u{7f}\u{feff}\"",
        r#"{"action":"submit","id":"x","body":1}"#,
        &long_key,
        &many,
    ] {
        let shown = &body[..body.len().min(60)];
        master.submit("1", "t", body);
        let job = worker.receive();
        assert!(
            job == format!(r#"{{"action":"job","id":1,"type":"t","body":{body}}}"#),
            "expected the body {shown} unchanged, got {}",
            &job[..job.len().min(200)]
        );
        worker.respond(body);
        let result = master.receive();
        assert!(
            result == format!(r#"{{"id":1,"body":{body}}}"#),
            "expected the result {shown} unchanged, got {}",
            &result[..result.len().min(200)]
        );
    }
}

#[test]
fn a_worker_has_one_job_at_a_time() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for id in ["1", "2", "3"] {
        master.submit(id, "t", "0");
    }
    let mut worker = gloom_worker(&server, "t");
    for id in ["1", "2", "3"] {
        worker.expect_job(id, "t", "0");
        worker.expect_silence();
        worker.respond("0");
        master.expect_result(id, "0");
    }
    worker.expect_silence();
}

#[test]
fn workers_of_other_types_are_left_alone() {
    let server = Server::start();
    let mut other = gloom_worker(&server, "other");
    let mut unjoined = gloom_stranger(&server);
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    worker.respond("0");
    master.expect_result("1", "0");
    other.expect_silence();
    unjoined.expect_silence();
}
