//! HTTP among the other protocols: one model, many dialects.

use super::*;
use crate::support::assert_error;

#[test]
fn http_jobs_are_worked_by_everybody() {
    let server = Server::start();
    let mut gloom = gloom_worker(&server, "g");
    let mut deputy = server.deputy_client();
    deputy.send(r#"{"cmd":"can_do","types":["d"]}"#);
    deputy.expect_all_accepted();
    let mut native = native_worker(&server, "n", 1);
    let mut http = http(&server);
    let mut waiting: Vec<Http> = Vec::new();
    for kind in ["g", "d", "n"] {
        let mut master = self::http(&server);
        master.start_post(
            "/jobs?wait=55",
            format!(r#"{{"id":"for {kind}","type":"{kind}","body":{{"n":1.0,"n":1e400}}}}"#),
        );
        waiting.push(master);
    }
    gloom.expect_job("\"for g\"", "g", r#"{"n":1.0,"n":1e400}"#);
    gloom.respond("[1.50]");
    deputy.expect(r#"{"cmd":"do","id":"for d","type":"d","arg":{"n":1.0,"n":1e400}}"#);
    deputy.send(r#"{"cmd":"did","id":"for d","res":[1.50]}"#);
    let job = native.receive();
    assert!(
        job.starts_with(
            r#"{"action":"job","id":"for n","type":"n","body":{"n":1.0,"n":1e400},"attempt":1,"lease_ms":"#
        ),
        "got {job}"
    );
    native.ask(r#"{"action":"respond","id":"for n","body":[1.50]}"#, r#"{"ok":true}"#);
    for (kind, master) in ["g", "d", "n"].iter().zip(&mut waiting) {
        let answer = master.answer().raw_json(200);
        assert_eq!(
            (answer.member(&["state"]), answer.member(&["result"])),
            ("\"completed\"".to_owned(), "[1.50]".to_owned())
        );
        let same = http.get(&path_of(&format!("for {kind}"))).raw_json(200);
        for name in JOB {
            assert_eq!(same.member(&[name]), answer.member(&[name]));
        }
    }
}

#[test]
fn jobs_of_everybody_are_worked_over_http() {
    let server = Server::start();
    let mut http = http(&server);
    let take_raw = |http: &mut Http, id: &str| {
        let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
        assert_eq!(answer.member(&["jobs", "0", "body"]), r#"{"n":1.0,"n":1e400}"#);
        let receipt = answer.member(&["jobs", "0", "receipt"]);
        http.post(&format!("{}/complete", path_of(id)), format!(r#"{{"receipt":{receipt},"body":[1.50]}}"#))
            .expect(200);
    };
    let mut gloom = gloom_master(&server);
    for id in ["\"g\"", "17"] {
        gloom.submit(id, "t", r#"{"n":1.0,"n":1e400}"#);
        take_raw(&mut http, id.trim_matches('"'));
        gloom.expect_result(id, "[1.50]");
    }
    let mut deputy = server.deputy_client();
    deputy.send(r#"{"cmd":"do","id":"d","type":"t","arg":{"n":1.0,"n":1e400}}"#);
    take_raw(&mut http, "d");
    deputy.expect(r#"{"cmd":"did","id":"d","res":[1.50]}"#);
    let mut native = native(&server);
    native.ask(
        r#"{"action":"submit","id":"n","type":"t","body":{"n":1.0,"n":1e400},"notify":true}"#,
        r#"{"ok":true,"id":"n"}"#,
    );
    take_raw(&mut http, "n");
    native.expect(r#"{"action":"result","id":"n","body":[1.50]}"#);
    // Without an argument, and failed.
    deputy.send(r#"{"cmd":"do","id":"none","type":"t"}"#);
    let taken = take(&mut http, "t");
    assert!(taken["body"].is_null() && taken.get("body").is_some(), "got {taken}");
    say(&mut http, &taken, "fail", r#","error":"no","retry":false"#).expect(200);
    let line = deputy.receive();
    assert!(line.starts_with(r#"{"cmd":"error","error":"job_failed""#), "got {line}");
    gloom.submit("\"bad\"", "t", "0");
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":"no","retry":false"#).expect(200);
    gloom.expect(r#"{"error":"job_failed","reason":"bad"}"#);
}

#[test]
fn a_job_cancelled_over_http_is_told_to_its_native_worker_and_its_master() {
    let server = Server::start();
    let mut http = http(&server);
    let mut worker = native_worker(&server, "t", 1);
    let mut master = native(&server);
    master.ask(r#"{"action":"submit","id":"a","type":"t","body":0,"notify":true}"#, r#"{"ok":true,"id":"a"}"#);
    worker.receive();
    assert_eq!(http.post("/jobs/a/cancel", "").json(200)["state"], "cancelled");
    worker.expect(r#"{"action":"cancelled","id":"a"}"#);
    master.expect(r#"{"action":"failed","id":"a","error":"cancelled"}"#);
    // Its answer comes too late, and its hand is free.
    let reply = worker.call(r#"{"action":"respond","id":"a","body":1}"#);
    assert!(reply.starts_with(r#"{"error":""#), "got {reply}");
    submit(&mut http, "b", "t", "");
    let job = worker.receive();
    assert!(job.contains(r#""id":"b""#), "got {job}");
    let job = look(&mut http, "a");
    assert_eq!((&job["state"], &job["attempts"][0]["outcome"]), (&value!("cancelled"), &value!("cancelled")));
}

#[test]
fn waiting_jobs_of_others_are_cancelled_over_http() {
    let server = Server::start();
    let mut http = http(&server);
    let mut gloom = gloom_master(&server);
    gloom.submit("1", "t", "0");
    let mut deputy = server.deputy_client();
    deputy.send(r#"{"cmd":"do","id":"d","type":"t","ack":true}"#);
    deputy.receive();
    http.post("/jobs/1/cancel", "").expect(200);
    http.post("/jobs/d/cancel", "").expect(200);
    let heard = gloom.receive();
    assert!(
        heard.starts_with(r#"{"error":""#) && heard.contains("1"),
        "expected the master to hear of it, got {heard}"
    );
    let line = deputy.receive();
    assert!(line.contains(r#""cmd":"error""#) && line.contains("\"d\""), "got {line}");
    expect_nothing_of(&mut http, "t");
}

#[test]
fn a_gloom_workers_hand_is_free_after_its_answer_to_a_cancelled_job() {
    let server = Server::start();
    let mut http = http(&server);
    let mut worker = gloom_worker(&server, "t");
    submit(&mut http, "a", "t", "");
    worker.expect_job("\"a\"", "t", "\"the body of it\"");
    http.post("/jobs/a/cancel", "").expect(200);
    submit(&mut http, "b", "t", "");
    worker.expect_silence();
    worker.send(r#"{"action":"respond","body":1}"#);
    let mut heard = [worker.receive(), worker.receive()];
    heard.sort();
    assert!(heard.iter().any(|frame| frame.contains(r#""id":"b""#)), "got {heard:?}");
    assert_eq!(state(&mut http, "a"), "cancelled");
}

#[test]
fn durable_results_of_other_masters_are_readable_over_http() {
    let server = durable_server();
    let mut http = http(&server);
    let mut gloom = gloom_master(&server);
    gloom.ask(r#"{"action":"submit","id":"g","type":"t","body":1.0,"durable":true}"#, r#"{"ok":true,"id":"g"}"#);
    let mut native = native(&server);
    native.ask(r#"{"action":"submit","id":"n","type":"t","body":2.0}"#, r#"{"ok":true,"id":"n"}"#);
    let mut worker = gloom_worker(&server, "t");
    for (id, body) in [("\"g\"", "1.0"), ("\"n\"", "2.0")] {
        worker.expect_job(id, "t", body);
        worker.respond(&format!("[{body}]"));
    }
    let read = |http: &mut Http| {
        for (id, body, protocol) in [("g", "1.0", "gloom"), ("n", "2.0", "native")] {
            let answer = http.get(&format!("{}?wait=20", path_of(id))).raw_json(200);
            assert_eq!((answer.member(&["body"]), answer.member(&["result"])), (body.to_owned(), format!("[{body}]")));
            let job = answer.value();
            assert_eq!((&job["state"], &job["durable"]), (&value!("completed"), &value!(true)));
            assert!(
                job["master"].as_str().is_some_and(|master| master.contains(protocol)),
                "expected its master, got {job}"
            );
            assert_eq!(job["attempts"][0]["outcome"], "completed");
        }
    };
    read(&mut http);
    let server = after_kill9(server);
    read(&mut self::http(&server));
}

#[test]
fn an_id_lives_once_across_http_and_the_others() {
    let server = Server::start();
    let mut http = http(&server);
    let mut gloom = gloom_master(&server);
    let mut native = native(&server);
    submit(&mut http, "x", "t", "");
    submit(&mut http, "7", "t", "");
    gloom.ask(r#"{"action":"submit","id":"x","type":"u","body":0}"#, r#"{"error":"id_exists","reason":"x"}"#);
    assert_error(&native.call(r#"{"action":"submit","id":7,"type":"u","body":0}"#), "id_exists");
    gloom.submit("\"y\"", "t", "0");
    let problem = http.post("/jobs", job("y", "u", "")).problem(409, "id_exists");
    assert_eq!(problem["state"], "queued");
}

#[test]
fn a_job_lost_by_a_poller_goes_to_a_gloom_worker_and_back() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","lease_ms":1000"#);
    take(&mut http, "t");
    let mut gloom = gloom_worker(&server, "t");
    gloom.expect_job("\"a\"", "t", "\"the body of it\"");
    drop(gloom);
    let taken = take(&mut http, "t");
    assert_eq!(taken["attempt"], 3);
    complete(&mut http, &taken, "0");
    let job = look(&mut http, "a");
    let outcomes: Vec<&str> = job["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .filter_map(|attempt| attempt["outcome"].as_str())
        .collect();
    assert_eq!(outcomes[0], "lease_over", "got {job}");
    assert_eq!(outcomes[2], "completed", "got {job}");
}

#[test]
fn masters_that_take_their_jobs_with_them_take_them_from_pollers_too() {
    let server = Server::start();
    let mut http = http(&server);
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    master.submit("2", "t", "0");
    let taken = take(&mut http, "t");
    drop(master);
    expect_counts(&mut http, &value!({"dropped": 1, "running": 1}));
    http.get("/jobs/2").problem(404, "unknown_job");
    http.get("/jobs/1").problem(404, "unknown_job");
    // What runs finishes for nobody, but its worker may say so.
    say(&mut http, &taken, "touch", "").json(200);
    complete(&mut http, &taken, "1");
    expect_nothing_of(&mut http, "t");
    expect_counts(&mut http, &value!({"accepted": 2, "dropped": 1, "completed": 1, "running": 0}));
}
