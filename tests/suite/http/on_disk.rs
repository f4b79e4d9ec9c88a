//! What a positive answer means: it is on disk. And what is said when the disk is full.

use super::*;
use crate::durable::Home;
use crate::durable::full_disk::Disk;
use crate::durable::strace::{self, SYNCS};

/// A server that strace holds in the middle of a call: it is killed together with strace, also when the test fails.
struct Held(Option<Server>);

impl Drop for Held {
    fn drop(&mut self) {
        strace::kill9_held(self.0.take().expect("it is killed once"));
    }
}

/// More than fits into what a store has set aside.
fn padded(id: &str) -> String {
    format!(r#"{{"id":"{id}","type":"t","body":"{}"}}"#, "x".repeat(40_000))
}

#[test]
fn while_a_sync_is_under_way_nothing_durable_is_acknowledged_and_everything_else_goes_on() {
    if strace::is_missing("http::on_disk::while_a_sync_is_under_way") {
        return;
    }
    let home = Home::new();
    let mut server = home.start();
    let mut http = http(&server);
    for id in ["complete", "fail", "release", "waiting", "scheduled"] {
        submit(&mut http, id, id, if id == "scheduled" { r#","delay_ms":600000"# } else { "" });
    }
    submit(&mut http, "failed", "t", "");
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":0,"retry":false"#).expect(200);
    let held: Vec<Value> = ["complete", "fail", "release"].iter().map(|kind| take(&mut http, kind)).collect();
    submit(&mut http, "later", "later", r#","delay_ms":600000"#);
    server.kill9();
    // The first sync goes well, the second takes for ever.
    let stuck = strace::start(&home, &format!("{SYNCS}:delay_enter=3600000000:when=2"));
    let held_server = Held(Some(stuck.unwrap_or_else(|process| panic!("got {}", process.stderr.text()))));
    let server = held_server.0.as_ref().expect("it runs");
    let ask = |path: &str, body: &str| {
        let mut one = self::http(server);
        one.start_post(path, body);
        one
    };
    // Whatever the start took, this takes the sync that never ends.
    let mut silent = vec![ask("/jobs", &job("first", "t", "")), ask("/jobs", &job("second", "t", ""))];
    silent[1].expect_silence();
    let word = |taken: &Value, more: &str| format!(r#"{{"receipt":{}{more}}}"#, taken["receipt"]);
    silent.extend([
        ask("/jobs?wait=1", &job("third", "t", "")),
        ask("/jobs/batch", &format!(r#"{{"jobs":[{}]}}"#, job("fourth", "t", ""))),
        ask("/jobs/complete/complete", &word(&held[0], r#","body":1"#)),
        ask("/jobs/fail/fail", &word(&held[1], r#","error":1,"retry":false"#)),
        ask("/jobs/release/release", &word(&held[2], "")),
        ask("/jobs/waiting/cancel", ""),
        ask("/jobs/failed/retry", ""),
        ask("/jobs/scheduled/priority", r#"{"priority":5}"#),
        ask("/jobs/later/run-now", ""),
    ]);
    // Everything that needs no disk goes on.
    let mut http = self::http(server);
    for round in 0..3 {
        let id = format!("transient-{round}");
        submit(&mut http, &id, "transient", r#","durable":false"#);
        let taken = take(&mut http, "transient");
        complete(&mut http, &taken, "1");
    }
    for path in ["/workers", "/masters", "/ping"] {
        http.get(path).expect(200);
    }
    server.expect_service();
    for (number, one) in silent.iter_mut().enumerate().skip(1) {
        match one.listen(Duration::ZERO) {
            Reply::Silence => {}
            other => panic!("expected no answer of {number} before the sync, got {other:?}"),
        }
    }
    drop(held_server);
    // Nothing of what was not acknowledged need be there; what was is.
    let server = home.start();
    let mut http = self::http(&server);
    for id in ["complete", "fail", "release", "waiting", "scheduled", "failed", "later"] {
        look(&mut http, id);
    }
    complete(&mut http, &held[0], "1");
}

#[test]
fn a_batch_shares_a_sync() {
    if strace::is_missing("http::on_disk::a_batch_shares_a_sync") {
        return;
    }
    let home = Home::new();
    drop(home.start());
    let dir = TempDir::new();
    let log = dir.join("calls");
    let mut command = strace::traced(&home.command(dir.path()), &format!("{SYNCS}:delay_enter=1"), "exit_group", &log);
    let server = Server::spawn(dir, &mut command);
    let mut http = http(&server);
    submit(&mut http, "before", "t", "");
    let syncs = || std::fs::read_to_string(&log).expect("strace writes its log").matches("sync(").count();
    let before = syncs();
    submit_all(&mut http, (0..2_000).map(|n| format!("{n}")), "t", "");
    let batch = syncs() - before;
    assert!((1..=10).contains(&batch), "expected one sync or a few for the batch, got {batch}");
}

#[test]
fn on_a_full_disk_submits_are_refused_running_work_ends_and_service_resumes_by_itself() {
    let Some(disk) = Disk::of(40, "http::on_disk::on_a_full_disk") else { return };
    let home = disk.home();
    let server = home.start();
    let mut http = http(&server);
    for id in ["a", "b", "c", "d", "e"] {
        submit(&mut http, id, "t", "");
    }
    let held: Vec<Value> = (0..3).map(|_| take(&mut http, "t")).collect();
    disk.fill();
    let mut accepted = 0;
    let refused = eventually("the disk to be full", || {
        let answer = http.post("/jobs", padded(&format!("late-{accepted}")));
        accepted += 1;
        (answer.status != 201).then_some(answer)
    });
    assert!(refused.header("retry-after").is_some_and(|after| after.parse::<u64>().is_ok()), "got {refused:?}");
    refused.problem(507, "disk_full");
    http.post("/jobs?wait=5", padded("waiting")).problem(507, "disk_full");
    let answer = http.post("/jobs/batch", format!(r#"{{"jobs":[{},{}]}}"#, padded("x"), padded("y"))).json(200);
    for place in 0..2 {
        assert_eq!(answer["items"][place]["error"]["code"], "disk_full", "got {answer}");
    }
    for id in ["waiting", "x", "y"] {
        http.get(&path_of(id)).problem(404, "unknown_job");
    }
    // Transient work goes on, running durable work ends, what waits can be taken back.
    submit(&mut http, "transient", "u", r#","durable":false"#);
    let taken = take(&mut http, "u");
    complete(&mut http, &taken, "0");
    complete(&mut http, &held[0], "1");
    assert_eq!(say(&mut http, &held[1], "fail", r#","error":1,"retry":false"#).json(200)["state"], "failed");
    say(&mut http, &held[2], "touch", "").json(200);
    http.post("/jobs/e/cancel", "").json(200);
    assert_eq!(state(&mut http, "a"), "completed");
    // Nobody has to be told when there is room.
    disk.make_room();
    let mut number = 0;
    eventually("a submit to be accepted", || {
        number += 1;
        let answer = http.post("/jobs", padded(&format!("then-{number}")));
        assert!([201, 507].contains(&answer.status), "got {answer:?}");
        (answer.status == 201).then_some(())
    });
    drop(server);
    let server = home.start();
    let mut http = self::http(&server);
    for (id, state) in [("a", "completed"), ("b", "failed"), ("c", "running"), ("d", "queued"), ("e", "cancelled")] {
        assert_eq!(self::state(&mut http, id), state, "{id}");
    }
    assert_eq!(state(&mut http, &format!("then-{number}")), "queued");
    complete(&mut http, &held[2], "1");
}
