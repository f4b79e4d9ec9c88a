//! What the original did not have: the policy of a job.

use super::*;

#[test]
fn delay_ms_holds_a_job_back() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    let start = Instant::now();
    master.ask(r#"{"action":"submit","id":"later","type":"t","body":0,"delay_ms":700}"#, r#"{"ok":true,"id":"later"}"#);
    master.submit(r#""now""#, "t", "0");
    worker.expect_job(r#""now""#, "t", "0");
    worker.respond("0");
    master.expect_result(r#""now""#, "0");
    // While it waits, it is live.
    master.ask(r#"{"action":"submit","id":"later","type":"t","body":0}"#, r#"{"error":"id_exists","reason":"later"}"#);
    worker.expect_job(r#""later""#, "t", "0");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(700), "expected 700 ms of delay, got {took:?}");
    worker.respond("1");
    master.expect_result(r#""later""#, "1");
}

#[test]
fn a_delayed_job_goes_with_its_master() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.ask(
        r#"{"action":"submit","id":"later","type":"t","body":0,"delay_ms":600000}"#,
        r#"{"ok":true,"id":"later"}"#,
    );
    drop(master);
    let mut other = gloom_master(&server);
    eventually("the id to be free", || {
        let reply = other.call(r#"{"action":"submit","id":"later","type":"t","body":1}"#);
        (reply == r#"{"ok":true,"id":"later"}"#).then_some(())
    });
    worker.expect_job(r#""later""#, "t", "1");
}

#[test]
fn lease_ms_takes_a_job_back_from_a_silent_worker() {
    let server = Server::start();
    let mut silent = gloom_worker(&server, "t");
    let mut next = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    let start = Instant::now();
    master.ask(r#"{"action":"submit","id":"x","type":"t","body":0,"lease_ms":400}"#, r#"{"ok":true,"id":"x"}"#);
    silent.expect_job(r#""x""#, "t", "0");
    next.expect_job(r#""x""#, "t", "0");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(400), "expected the lease to last 400 ms, got {took:?}");
    // The late answer is refused, clearly and without an end.
    let reply = silent.call(r#"{"action":"respond","body":"late"}"#);
    assert!(reply.starts_with(r#"{"error":""#), "expected an error, got {reply}");
    next.respond("\"in time\"");
    master.expect_result(r#""x""#, "\"in time\"");
    master.expect_silence();
    drop(next);
    silent.join("t");
    master.submit(r#""y""#, "t", "0");
    silent.expect_job(r#""y""#, "t", "0");
    silent.respond("1");
    master.expect_result(r#""y""#, "1");
}

#[test]
fn a_job_whose_lease_ends_with_its_last_attempt_has_failed() {
    let server = Server::start();
    let mut silent = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.ask(
        r#"{"action":"submit","id":"x","type":"t","body":0,"lease_ms":200,"max_attempts":1}"#,
        r#"{"ok":true,"id":"x"}"#,
    );
    silent.expect_job(r#""x""#, "t", "0");
    master.expect(r#"{"error":"job_failed","reason":"x"}"#);
    let reply = silent.call(r#"{"action":"respond","body":"late"}"#);
    assert!(reply.starts_with(r#"{"error":""#), "expected an error, got {reply}");
    master.expect_silence();
}

#[test]
fn ttl_ms_ends_a_job_that_nobody_took() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.ask(r#"{"action":"submit","id":"x","type":"t","body":"old","ttl_ms":300}"#, r#"{"ok":true,"id":"x"}"#);
    let mut other = gloom_master(&server);
    let start = Instant::now();
    eventually("the id of the expired job to be free", || {
        let reply = other.call(r#"{"action":"submit","id":"x","type":"t","body":"new"}"#);
        (reply == r#"{"ok":true,"id":"x"}"#).then_some(())
    });
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(250), "expected 300 ms to live, got {took:?}");
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job(r#""x""#, "t", "\"new\"");
}

#[test]
fn ttl_ms_does_not_touch_a_running_job() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.ask(r#"{"action":"submit","id":"x","type":"t","body":0,"ttl_ms":200}"#, r#"{"ok":true,"id":"x"}"#);
    worker.expect_job(r#""x""#, "t", "0");
    assert_eq!(master.listen(Duration::from_millis(500)), Heard::Silence);
    worker.respond("1");
    master.expect_result(r#""x""#, "1");
}

#[test]
fn a_durable_job_stays_when_its_master_leaves() {
    let dir = TempDir::new();
    let server = Server::with_store(dir, &["--store", "file:data"]);
    let mut master = gloom_master(&server);
    master.ask(
        r#"{"action":"submit","id":"keep","type":"t","body":"kept","durable":true}"#,
        r#"{"ok":true,"id":"keep"}"#,
    );
    master.submit(r#""drop""#, "t", "0");
    drop(master);
    let mut other = gloom_master(&server);
    eventually("the id of the transient job to be free", || {
        let reply = other.call(r#"{"action":"submit","id":"drop","type":"other","body":0}"#);
        (reply == r#"{"ok":true,"id":"drop"}"#).then_some(())
    });
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job(r#""keep""#, "t", "\"kept\"");
    worker.respond("0");
    worker.expect_silence();
}

#[test]
fn policy_members_of_a_wrong_kind_are_refused_and_the_connection_stays_open() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for (number, member) in [
        r#""delay_ms":"5""#,
        r#""delay_ms":-1"#,
        r#""lease_ms":true"#,
        r#""max_attempts":"x""#,
        r#""ttl_ms":[1]"#,
        r#""durable":"yes""#,
    ]
    .into_iter()
    .enumerate()
    {
        let reply = master.call(&format!(r#"{{"action":"submit","id":"bad-{number}","type":"t","body":0,{member}}}"#));
        assert!(reply.starts_with(r#"{"error":""#), "expected {member} to be refused, got {reply}");
        master.submit(&number.to_string(), "t", "0");
    }
    // Huge but right: clamped, not overflowing.
    for member in ["delay_ms", "lease_ms", "ttl_ms"] {
        let reply = master.call(&format!(
            r#"{{"action":"submit","id":"{member}","type":"u","body":0,"{member}":9223372036854775807}}"#
        ));
        let accepted = format!(r#"{{"ok":true,"id":"{member}"}}"#);
        assert!(
            reply == accepted || reply.starts_with(r#"{"error":""#),
            "expected a huge {member} to be clamped or refused, got {reply}"
        );
    }
    server.expect_service();
}
