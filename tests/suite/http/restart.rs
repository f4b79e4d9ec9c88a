//! kill -9: receipts survive, results stay readable, a repeated submit never runs twice.

use super::*;

/// Something durable that is acknowledged later shows that everything before it is on disk.
#[track_caller]
fn settle(http: &mut Http) {
    let id = format!("settled-{}", unique());
    submit(http, &id, "settled", r#","delay_ms":600000"#);
}

#[test]
fn a_receipt_outlives_the_server() {
    let server = durable_server();
    let mut http = http(&server);
    for id in ["complete", "fail", "touch", "release"] {
        submit(&mut http, id, "t", "");
    }
    let taken = all_assigned(http.get(&poll_path("t", "&max=4&wait=20&worker=w1")));
    assert_eq!(taken.len(), 4);
    settle(&mut http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    for id in ["complete", "fail", "touch", "release"] {
        let job = look(&mut http, id);
        assert_eq!((&job["state"], &job["attempt"]), (&value!("running"), &value!(1)), "got {job}");
    }
    expect_nothing_of(&mut http, "t");
    complete(&mut http, &taken[0], r#"{"r":1.0}"#);
    assert_eq!(say(&mut http, &taken[1], "fail", r#","error":"e","retry":false"#).json(200)["state"], "failed");
    assert_eq!(say(&mut http, &taken[2], "touch", "").json(200), value!({"lease_ms": 60_000, "cancelled": false}));
    say(&mut http, &taken[3], "release", "").expect(200);
    let job = look(&mut http, "complete");
    assert_eq!(
        (&job["state"], &job["result"], &job["attempts"][0]["worker"]),
        (&value!("completed"), &value!({"r": 1.0}), &value!("w1"))
    );
    let again = take(&mut http, "t");
    assert_eq!((id_of(&again), &again["attempt"]), ("release", &value!(1)));
    expect_counts(&mut http, &value!({"accepted": 5, "completed": 1, "failed": 1, "running": 2, "scheduled": 1}));
}

#[test]
fn counters_outlive_the_server_and_the_records() {
    let mut server = durable_server();
    let mut http = http(&server);
    for (id, more) in [("gone", ""), ("short", r#","keep_ms":0"#), ("light", r#","durable":false"#), ("kept", "")] {
        submit(&mut http, id, "t", more);
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, "0");
    }
    submit(&mut http, "cancelled", "t", "");
    http.post("/jobs/cancelled/cancel", "{}").expect(200);
    for id in ["gone", "cancelled"] {
        http.delete(&path_of(id)).expect(204);
    }
    submit(&mut http, "waits", "u", "");
    let expected = value!({"accepted": 6, "completed": 4, "failed": 0, "cancelled": 1, "queued": 1});
    expect_counts(&mut http, &expected);
    server.term();
    server.wait();
    let server = after_kill9(server);
    expect_counts(&mut self::http(&server), &expected);
    // And it is still so when nothing happened in between, nor was there time for anything.
    let server = after_kill9(server);
    let mut http = self::http(&server);
    expect_counts(&mut http, &expected);
    let taken = take(&mut http, "u");
    complete(&mut http, &taken, "0");
    let expected = value!({"accepted": 6, "completed": 5, "cancelled": 1, "queued": 0});
    expect_counts(&mut http, &expected);
    let mut server = server;
    server.term();
    server.wait();
    expect_counts(&mut self::http(&after_kill9(server)), &expected);
}

#[test]
fn receipts_of_many_queues_outlive_the_server() {
    // Queues are numbered anew: those of before that have no job left are not there any more.
    let server = durable_server();
    let mut http = http(&server);
    let kinds: Vec<String> = (0..20).map(|n| format!("type {n}")).collect();
    for kind in &kinds {
        submit(&mut http, kind, kind, "");
    }
    let mut held = Vec::new();
    for (n, kind) in kinds.iter().enumerate().rev() {
        let taken = take(&mut http, kind);
        if n % 3 == 0 {
            complete(&mut http, &taken, "0");
            http.delete(&path_of(kind)).expect(204);
        } else {
            held.push(taken);
        }
    }
    settle(&mut http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    // A queue that comes first now.
    submit(&mut http, "first", "a new type", "");
    for (n, taken) in held.iter().enumerate() {
        match n % 3 {
            0 => complete(&mut http, taken, "1"),
            1 => assert_eq!(say(&mut http, taken, "touch", "").json(200)["cancelled"], false),
            _ => drop(say(&mut http, taken, "fail", r#","error":0,"retry":false"#).expect(200)),
        }
    }
    for (n, taken) in held.iter().enumerate() {
        assert_eq!(state(&mut http, id_of(taken)), ["completed", "running", "failed"][n % 3]);
    }
}

#[test]
fn what_a_poller_holds_is_its_own_for_a_full_new_lease_and_no_longer() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","lease_ms":1500"#);
    let old = take(&mut http, "t");
    settle(&mut http);
    let server = after_kill9(server);
    let start = Instant::now();
    let mut http = self::http(&server);
    expect_nothing_of(&mut http, "t");
    let new = take(&mut http, "t");
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(1_000), "expected a full new lease, it came after {took:?}");
    assert_eq!((id_of(&new), &new["attempt"]), ("a", &value!(2)));
    say(&mut http, &old, "complete", r#","body":1"#).problem(409, "stale_receipt");
    complete(&mut http, &new, "2");
    assert_eq!(look(&mut http, "a")["result"], 2);
}

#[test]
fn what_a_connection_held_goes_back_at_once() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "native", "n", "");
    submit(&mut http, "poll", "p", "");
    let mut worker = native_worker(&server, "n", 1);
    worker.receive();
    take(&mut http, "p");
    settle(&mut http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    assert_eq!((state(&mut http, "native"), state(&mut http, "poll")), ("queued".to_owned(), "running".to_owned()));
    let taken = take(&mut http, "n");
    assert_eq!((id_of(&taken), &taken["attempt"]), ("native", &value!(2)));
    expect_nothing_of(&mut http, "p");
}

#[test]
fn a_repeated_answer_is_accepted_after_a_restart_too() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    submit(&mut http, "b", "t", "");
    let a = take(&mut http, "t");
    let b = take(&mut http, "t");
    complete(&mut http, &a, "1");
    say(&mut http, &b, "fail", r#","error":1,"retry":false"#).expect(200);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    complete(&mut http, &a, "1");
    assert_eq!(say(&mut http, &b, "fail", r#","error":1,"retry":false"#).json(200)["state"], "failed");
    say(&mut http, &b, "complete", r#","body":1"#).problem(409, "stale_receipt");
    say(&mut http, &a, "fail", r#","error":1"#).problem(409, "stale_receipt");
    expect_counts(&mut http, &value!({"accepted": 2, "completed": 1, "failed": 1, "running": 0, "queued": 0}));
    expect_nothing_of(&mut http, "t");
}

#[test]
fn results_are_readable_after_a_restart() {
    let server = durable_server();
    let mut http = http(&server);
    http.post("/jobs", format!(r#"{{"id":"odd","type":"t","body":{}}}"#, submitting::ODD)).raw_json(201);
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/odd/complete", format!(r#"{{"receipt":{receipt},"body":{}}}"#, submitting::ODD)).expect(200);
    submit(&mut http, "failed", "t", "");
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":{"n":1.0},"retry":false"#).expect(200);
    submit(&mut http, "cancelled", "t", "");
    http.post("/jobs/cancelled/cancel", "").expect(200);
    submit(&mut http, "expired", "t", r#","ttl_ms":1"#);
    http.get("/jobs/expired?wait=20").json(200);
    submit(&mut http, "transient", "t", r#","durable":false"#);
    let before: Vec<String> =
        ["odd", "failed", "cancelled", "expired"].iter().map(|id| http.get(&path_of(id)).text().to_owned()).collect();
    settle(&mut http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    for (id, before) in ["odd", "failed", "cancelled", "expired"].iter().zip(before) {
        assert_eq!(http.get(&path_of(id)).raw_json(200).text(), before);
    }
    http.get("/jobs/transient").problem(404, "unknown_job");
    // Who waits hears at once.
    assert_eq!(http.get("/jobs/odd?wait=55").raw_json(200).member(&["result"]), submitting::ODD);
    // And what has ended badly may be tried again.
    assert_eq!(http.post("/jobs/failed/retry", "").json(200)["state"], "queued");
    assert_eq!(id_of(&take(&mut http, "t")), "failed");
}

#[test]
fn a_submit_that_is_repeated_after_a_restart_never_runs_twice() {
    let server = durable_server();
    let mut http = http(&server);
    for id in ["completed", "running", "queued"] {
        submit(&mut http, id, "t", "");
    }
    submit(&mut http, "scheduled", "t", r#","delay_ms":600000"#);
    let taken = take(&mut http, "t");
    complete(&mut http, &taken, "1");
    take(&mut http, "t");
    settle(&mut http);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    for state in ["completed", "running", "queued", "scheduled"] {
        let problem = http.post("/jobs", job(state, "t", "")).problem(409, "id_exists");
        assert_eq!(problem["state"], state, "got {problem}");
        let answer = http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, job(state, "t", ""))).json(200);
        assert_eq!(answer["items"][0]["error"]["code"], "id_exists", "got {answer}");
    }
    assert_eq!(id_of(&take(&mut http, "t")), "queued");
    expect_nothing_of(&mut http, "t");
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let mut server = durable_server();
    let mut random = Random::announced("http::restart::what_was_acknowledged");
    let mut accepted: Vec<String> = Vec::new();
    for round in 0..4 {
        let (address, wanted) = (server.http(), 20 + random.below(80) as usize);
        let heard = std::sync::Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for client in 0..4 {
                let heard = &heard;
                scope.spawn(move || {
                    let mut http = Http::connect(address);
                    for n in 0.. {
                        let id = format!("{round}-{client}-{n}");
                        let request =
                            http.request("POST", "/api/v1/jobs", &[AS_JSON], Some(job(&id, "t", "").as_bytes()));
                        http.expect_answer_to("POST");
                        if !http.try_raw(request) {
                            return;
                        }
                        let Reply::Answer(answer) = http.listen(PATIENCE) else { return };
                        answer.json(201);
                        heard.lock().expect("no client panics while it holds this").push(id);
                    }
                });
            }
            let enough = || heard.lock().expect("no client panics").len() >= wanted;
            eventually("acknowledgements", || enough().then_some(()));
            server.kill9();
        });
        accepted.extend(heard.into_inner().expect("no client panics"));
        server = after_kill9(server);
    }
    let mut http = http(&server);
    for id in &accepted {
        assert_eq!(state(&mut http, id), "queued", "{id}");
    }
    // And all of it in its order.
    let mut got = Vec::new();
    loop {
        let answer = http.get(&poll_path("t", "&max=100&wait=0"));
        if answer.status == 204 {
            break;
        }
        got.extend(all_assigned(answer).iter().map(|job| id_of(job).to_owned()));
    }
    let unknown: Vec<&String> = accepted.iter().filter(|id| !got.contains(id)).collect();
    assert!(unknown.is_empty(), "lost: {unknown:?}");
    assert!(got.len() <= accepted.len() + 16, "expected at most the unanswered ones besides, got {}", got.len());
}

#[test]
fn polls_and_waits_of_before_end_with_the_server() {
    let mut server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let mut poller = parked(&server, "u", "");
    let mut waiting = self::http(&server);
    waiting.start_get("/jobs/a?wait=55");
    server.term();
    for one in [&mut poller, &mut waiting] {
        match one.listen(PATIENCE) {
            Reply::Closed(None) => {}
            Reply::Answer(answer) => assert!([200, 204, 503].contains(&answer.status), "got {answer:?}"),
            other => panic!("expected an end, got {other:?}"),
        }
    }
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
}
