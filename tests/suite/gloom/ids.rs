//! An id lives once.

use super::*;

#[test]
fn a_live_id_is_refused_to_everyone_and_the_first_job_is_untouched() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut other = gloom_master(&server);
    master.submit(r#""x""#, "t", "1");
    let refusal = r#"{"error":"id_exists","reason":"x"}"#;
    let again = r#"{"action":"submit","id":"x","type":"t","body":2}"#;
    let elsewhere = r#"{"action":"submit","id":"x","type":"another","body":2}"#;
    // Queued.
    master.ask(again, refusal);
    other.ask(again, refusal);
    other.ask(elsewhere, refusal);
    let mut stranger = native(&server);
    let reply = stranger.call(r#"{"action":"submit","id":"x","type":"t","body":3}"#);
    assert_error(&reply, "id_exists");
    // Running.
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job(r#""x""#, "t", "1");
    master.ask(again, refusal);
    other.ask(elsewhere, refusal);
    worker.respond("9");
    master.expect_result(r#""x""#, "9");
    // Answered: free, also for another master.
    other.ask(again, r#"{"ok":true,"id":"x"}"#);
    worker.expect_job(r#""x""#, "t", "2");
    worker.respond("8");
    other.expect_result(r#""x""#, "8");
    master.expect_silence();
}

#[test]
fn an_integer_id_that_is_live_is_refused_as_it_was_sent() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit("7", "t", "1");
    master.ask(r#"{"action":"submit","id":7,"type":"t","body":1}"#, r#"{"error":"id_exists","reason":7}"#);
}

#[test]
fn an_id_is_free_as_soon_as_its_result_arrived() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    for round in 0..300 {
        master.submit(r#""same""#, "t", &round.to_string());
        worker.expect_job(r#""same""#, "t", &round.to_string());
        worker.respond(&round.to_string());
        master.expect_result(r#""same""#, &round.to_string());
    }
}

#[test]
fn an_id_twice_in_one_segment_is_accepted_once() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let submit = frame(r#"{"action":"submit","id":"x","type":"t","body":1}"#);
    master.raw([submit.clone(), submit].concat());
    master.expect(r#"{"ok":true,"id":"x"}"#);
    master.expect(r#"{"error":"id_exists","reason":"x"}"#);
}
