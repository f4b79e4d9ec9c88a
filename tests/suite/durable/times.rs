//! What has its time: delays, back-off, expiry, records that are kept. A restart neither shortens nor renews it.

use super::*;

/// Clocks of two kinds are compared, one of them in whole milliseconds.
const GRAIN: Duration = Duration::from_millis(10);

/// A kill and a start.
#[track_caller]
fn restarted(home: &Home, mut server: Server) -> Server {
    server.kill9();
    home.start()
}

#[test]
fn a_delay_goes_on_over_a_restart() {
    let home = Home::new();
    let server = home.start();
    let begun = Instant::now();
    let mut peer = native(&server);
    peer.ask(&submit("delayed", r#","delay_ms":1500"#), &accepted("delayed"));
    peer.ask(&submit("far", r#","run_at":"2999-01-01T00:00:00Z""#), &accepted("far"));
    let server = restarted(&home, server);
    let mut worker = worker(&server, 5);
    expect_job(&mut worker, "delayed", 1);
    let took = begun.elapsed();
    assert!(took + GRAIN >= Duration::from_millis(1_500), "expected the delay to be kept, it took {took:?}");
    assert_error(&native(&server).call(&submit("far", "")), "id_exists");
    worker.expect_silence();
}

#[test]
fn a_back_off_goes_on_over_a_restart_and_the_attempt_counts() {
    let home = Home::new();
    let server = home.start();
    let mut first = worker(&server, 5);
    let mut peer = native(&server);
    peer.ask(&submit("asked", ""), &accepted("asked"));
    peer.ask(&submit("usual", r#","backoff_ms":1500"#), &accepted("usual"));
    expect_job(&mut first, "asked", 1);
    expect_job(&mut first, "usual", 1);
    let begun = Instant::now();
    first.ask(r#"{"action":"fail","id":"usual","error":"e"}"#, OK);
    first.ask(r#"{"action":"fail","id":"asked","error":"e","delay_ms":1000}"#, OK);
    let server = restarted(&home, server);
    let mut worker = worker(&server, 5);
    let mut attempts = Vec::new();
    for _ in 0..2 {
        let job = json(&worker.receive());
        let took = begun.elapsed();
        // A fifth of jitter.
        let least = if job["id"] == "asked" { 1_000 } else { 1_200 };
        assert!(took + GRAIN >= Duration::from_millis(least), "expected the wait to be kept, got {job} after {took:?}");
        attempts.push(job["attempt"].as_u64());
    }
    assert_eq!(attempts, [Some(2), Some(2)]);
}

#[test]
fn time_to_live_goes_on_over_a_restart() {
    let home = Home::new();
    let server = home.start();
    let begun = Instant::now();
    native(&server).ask(&submit("mortal", r#","ttl_ms":400"#), &accepted("mortal"));
    native(&server).ask(&submit("later", r#","ttl_ms":600000"#), &accepted("later"));
    let mut server = server;
    server.kill9();
    eventually("400 ms to pass", || (begun.elapsed() > Duration::from_millis(500)).then_some(()));
    let server = home.start();
    assert_eq!(line(&server), ["later"], "expected a job not to be handed out that expired while nobody served");
    assert_error(&native(&server).call(&submit("mortal", "")), "id_exists");
}

#[test]
fn jobs_that_ended_stay_ended_and_their_ids_taken() {
    let home = Home::new();
    let server = home.start();
    let mut peer = worker(&server, 5);
    for id in ["completed", "failed", "used up", "expired"] {
        let more = match id {
            "used up" => r#","max_attempts":1"#,
            "expired" => r#","ttl_ms":1,"delay_ms":60000,"notify":true"#,
            _ => "",
        };
        peer.ask_for_a_job(&submit(id, more), &accepted(id), id);
    }
    peer.ask(&respond("completed"), OK);
    peer.ask(r#"{"action":"fail","id":"failed","error":"e","retry":false}"#, OK);
    peer.ask(r#"{"action":"fail","id":"used up","error":"e"}"#, OK);
    let mut server = server;
    for _ in 0..2 {
        server = restarted(&home, server);
        assert_eq!(line(&server), Vec::<String>::new());
        for id in ["completed", "failed", "used up", "expired"] {
            assert_error(&native(&server).call(&submit(id, "")), "id_exists");
        }
    }
}

#[test]
fn a_kept_record_keeps_its_id_over_restarts_until_its_time_is_over() {
    let home = Home::new();
    let server = home.start();
    let mut peer = worker(&server, 5);
    for (id, keep_ms) in [("short", 2_500), ("none", 0), ("long", 600_000)] {
        peer.ask_for_a_job(&submit(id, &format!(r#","keep_ms":{keep_ms}"#)), &accepted(id), id);
    }
    let begun = Instant::now();
    for id in ["short", "none", "long"] {
        peer.ask(&respond(id), OK);
    }
    let server = restarted(&home, server);
    let mut peer = native(&server);
    peer.ask(&submit("none", ""), &accepted("none"));
    let mut refusals = 0;
    eventually("the id to be free", || {
        let reply = peer.call(&submit("short", r#","keep_ms":1"#));
        let took = begun.elapsed();
        if reply != accepted("short") {
            assert_error(&reply, "id_exists");
            refusals += 1;
            return None;
        }
        assert!(took + GRAIN >= Duration::from_millis(2_500), "expected the record to be kept, it was for {took:?}");
        Some(())
    });
    assert!(refusals > 0 || begun.elapsed() > Duration::from_millis(2_500), "expected the id to be taken first");
    assert_error(&peer.call(&submit("long", "")), "id_exists");
    assert_eq!(line(&server), ["none", "short"]);
}

impl Framed {
    /// A worker submits a job and is given it, unless it has expired, which it is told.
    #[track_caller]
    fn ask_for_a_job(&mut self, request: &str, reply: &str, id: &str) {
        self.ask(request, reply);
        match id {
            "expired" => self.expect(r#"{"action":"failed","id":"expired","error":"expired"}"#),
            _ => expect_job(self, id, 1),
        }
    }
}
