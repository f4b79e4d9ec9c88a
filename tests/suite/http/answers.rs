//! What workers say of what they got: complete, fail, touch, release.

use super::*;

#[test]
fn a_job_is_completed_once_and_a_repeat_is_no_error() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, r#"{"n":1.0}"#);
        let job = look(&mut http, "a");
        assert_eq!((&job["state"], &job["result"]), (&value!("completed"), &value!({"n": 1.0})));
        for result in [r#"{"n":1.0}"#, r#""another""#] {
            complete(&mut http, &taken, result);
            complete(&mut self::http(&server), &taken, result);
        }
        assert_eq!(look(&mut http, "a")["result"], value!({"n": 1.0}), "expected the first answer to stand");
        expect_counts(&mut http, &value!({"accepted": 1, "completed": 1, "running": 0}));
        expect_nothing_of(&mut http, "t");
    }
}

#[test]
fn answers_without_the_receipt_of_the_attempt_are_stale() {
    let server = Server::start();
    let mut http = http(&server);
    for id in ["a", "b"] {
        submit(&mut http, id, "t", "");
    }
    let a = take(&mut http, "t");
    let b = take(&mut http, "t");
    let of_a = a["receipt"].as_str().expect("a receipt is text").to_owned();
    let (verbs, cases) = (
        [("complete", r#","body":1"#), ("fail", r#","error":1"#), ("touch", ""), ("release", "")],
        [
            String::new(),
            "x".to_owned(),
            "0".to_owned(),
            "../..".to_owned(),
            format!("{of_a}0"),
            "9".repeat(300),
            "é".to_owned(),
        ],
    );
    for (verb, more) in verbs {
        for receipt in &cases {
            let body = format!(r#"{{"receipt":{}{more}}}"#, value!(receipt));
            let answer = http.post(&format!("/jobs/a/{verb}"), body);
            match answer.status {
                422 => assert_eq!(answer.problem(422, "invalid_field")["field"], "receipt"),
                _ => assert_eq!(answer.problem(409, "stale_receipt")["status"], 409),
            }
        }
        // Another job's.
        let body = format!(r#"{{"receipt":{}{more}}}"#, b["receipt"]);
        let answer = http.post(&format!("/jobs/a/{verb}"), body);
        answer.problem(409, "stale_receipt");
        http.post(&format!("/jobs/none/{verb}"), format!(r#"{{"receipt":{}{more}}}"#, a["receipt"]))
            .problem(404, "unknown_job");
        for wrong in ["", r#""receipt":7"#, r#""receipt":null"#, r#""receipt":{}"#] {
            let body = if wrong.is_empty() {
                format!("{{{}}}", more.trim_start_matches(','))
            } else {
                format!("{{{wrong}{more}}}")
            };
            let problem = http.post(&format!("/jobs/a/{verb}"), body).problem(422, "invalid_field");
            assert_eq!(problem["field"], "receipt", "got {problem}");
        }
        http.post(&format!("/jobs/a/{verb}"), "{").problem(400, "invalid_json");
        http.post(&format!("/jobs/a/{verb}"), "[]").any_problem(422);
    }
    // None of that did anything.
    for (id, taken) in [("a", &a), ("b", &b)] {
        assert_eq!(state(&mut http, id), "running");
        complete(&mut http, taken, "1");
    }
}

#[test]
fn answers_for_a_job_that_nobody_has_are_stale() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    submit(&mut http, "waiting", "t", "");
    let body = format!(r#"{{"receipt":{},"body":1}}"#, taken["receipt"]);
    http.post("/jobs/waiting/complete", &body).problem(409, "stale_receipt");
    complete(&mut http, &taken, "1");
    // A different answer than the one that was accepted.
    say(&mut http, &taken, "fail", r#","error":1"#).problem(409, "stale_receipt");
    say(&mut http, &taken, "release", "").problem(409, "stale_receipt");
    assert_eq!(state(&mut http, "a"), "completed");
}

#[test]
fn a_failure_is_tried_again_until_the_attempts_are_used_up() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", r#","max_attempts":3"#);
        for attempt in 1..=3 {
            let taken = take(&mut http, "t");
            assert_eq!(taken["attempt"], attempt);
            let answer =
                say(&mut http, &taken, "fail", &format!(r#","error":{{"try":{attempt}}},"delay_ms":0"#)).json(200);
            assert_members(&answer, &["state"]);
            let expected = if attempt == 3 { ["failed", "failed"] } else { ["scheduled", "queued"] };
            assert!(expected.iter().any(|state| answer["state"] == *state), "at attempt {attempt}: {answer}");
        }
        let job = look(&mut http, "a");
        assert_eq!((&job["state"], &job["error"]), (&value!("failed"), &value!({"try": 3})));
        let errors: Vec<&Value> = job["attempts"]
            .as_array()
            .expect("attempts are an array")
            .iter()
            .map(|attempt| &attempt["error"]["try"])
            .collect();
        assert_eq!(errors, [1, 2, 3]);
    }
}

#[test]
fn a_failure_waits_as_long_as_it_says_or_backs_off() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","backoff_ms":400"#);
    let taken = take(&mut http, "t");
    let start = Instant::now();
    let answer = say(&mut http, &taken, "fail", r#","error":null,"delay_ms":300"#).json(200);
    assert_eq!(answer, value!({"state": "scheduled"}));
    let job = look(&mut http, "a");
    assert_eq!(job["state"], "scheduled");
    time(&job["run_at"]);
    let taken = take(&mut http, "t");
    assert!(start.elapsed() >= Duration::from_millis(299), "it took {:?}", start.elapsed());
    let start = Instant::now();
    say(&mut http, &taken, "fail", r#","error":null"#).json(200);
    let taken = take(&mut http, "t");
    let took = start.elapsed();
    // The second failure: 800 ms, 20 % more or less.
    assert!(took >= Duration::from_millis(300), "expected a back-off, it took {took:?}");
    assert_eq!(taken["attempt"], 3);
    // A failure that has nothing to say.
    let answer = say(&mut http, &taken, "fail", "");
    match answer.status {
        200 => assert_eq!(answer.json(200)["state"], "scheduled"),
        _ => assert_eq!(answer.problem(422, "invalid_field")["field"], "error"),
    }
}

#[test]
fn a_failure_may_be_for_good() {
    let server = Server::start();
    let mut http = http(&server);
    for (number, error) in ["null", "\"text\"", "{\"a\":[1.0]}", "7", "false", "[]"].iter().enumerate() {
        let id = format!("{number}");
        submit(&mut http, &id, "t", "");
        let taken = take(&mut http, "t");
        let answer = say(&mut http, &taken, "fail", &format!(r#","error":{error},"retry":false"#)).json(200);
        assert_eq!(answer, value!({"state": "failed"}));
        let job = http.get(&path_of(&id)).raw_json(200);
        assert_eq!((job.member(&["state"]), job.member(&["error"])), ("\"failed\"".to_owned(), (*error).to_owned()));
        // Said again, it is heard again.
        assert_eq!(
            say(&mut http, &taken, "fail", &format!(r#","error":{error},"retry":false"#)).json(200)["state"],
            "failed"
        );
        say(&mut http, &taken, "complete", r#","body":1"#).problem(409, "stale_receipt");
    }
    expect_counts(&mut http, &value!({"failed": 6, "running": 0}));
}

#[test]
fn a_touch_starts_the_lease_anew() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","lease_ms":1000"#);
    let taken = take(&mut http, "t");
    let mut other = parked(&server, "t", "");
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2_500) {
        assert_eq!(say(&mut http, &taken, "touch", "").json(200), value!({"lease_ms": 1000, "cancelled": false}));
        match other.listen(Duration::from_millis(200)) {
            Reply::Silence => {}
            other => panic!("expected the lease to hold, got {other:?}"),
        }
    }
    // And for as long as it asks.
    let touched = say(&mut http, &taken, "touch", r#","lease_ms":60000"#).json(200);
    assert_eq!(touched, value!({"lease_ms": 60_000, "cancelled": false}));
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1_500) {
        other.expect_silence();
    }
    say(&mut http, &taken, "touch", r#","lease_ms":100"#).json(200);
    let again = assigned(other.answer());
    assert_eq!((id_of(&again), &again["attempt"]), ("a", &value!(2)));
    say(&mut http, &taken, "touch", "").problem(409, "stale_receipt");
}

#[test]
fn any_length_of_a_lease_is_survived() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    for lease in ["1000000000000000", "18446744073709551615", "99999999999999999999999999"] {
        let touched = say(&mut http, &taken, "touch", &format!(r#","lease_ms":{lease}"#)).json(200);
        assert!(touched["lease_ms"].is_u64() && touched["cancelled"] == false, "for {lease}: {touched}");
    }
    for lease in ["0", "-1", "1.5", "\"x\"", "[]", "true"] {
        let answer = say(&mut http, &taken, "touch", &format!(r#","lease_ms":{lease}"#));
        assert_eq!(answer.problem(422, "invalid_field")["field"], "lease_ms", "for {lease}");
    }
    complete(&mut http, &taken, "1");
}

#[test]
fn progress_is_shown() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    assert!(look(&mut http, "a")["progress"].is_null());
    for progress in ["0", "0.25", "1", "1.0"] {
        say(&mut http, &taken, "touch", &format!(r#","progress":{progress},"note":"é <b>""#)).json(200);
        let shown = look(&mut http, "a")["progress"].as_f64().expect("progress is a number");
        assert_eq!(shown, progress.parse::<f64>().expect("it is a number"));
    }
    for progress in ["-0.1", "1.1", "1e400", "\"x\"", "[]"] {
        let answer = say(&mut http, &taken, "touch", &format!(r#","progress":{progress}"#));
        assert_eq!(answer.problem(422, "invalid_field")["field"], "progress", "for {progress}");
    }
    let answer = say(&mut http, &taken, "touch", r#","note":7"#);
    assert_eq!(answer.problem(422, "invalid_field")["field"], "note");
    let answer = say(&mut http, &taken, "touch", &format!(r#","note":"{}""#, "n".repeat(1 << 20)));
    assert!([200, 422].contains(&answer.status), "got {}", answer.status);
}

#[test]
fn a_released_job_counts_no_attempt_and_goes_ahead_of_its_equals() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        for id in ["a", "b"] {
            submit(&mut http, id, "t", "");
        }
        let first = take(&mut http, "t");
        say(&mut http, &first, "release", "").expect(200);
        assert_eq!(state(&mut http, "a"), "queued");
        let second = take(&mut http, "t");
        assert_eq!((id_of(&second), &second["attempt"]), ("a", &value!(1)));
        assert_ne!(first["receipt"], second["receipt"], "expected a receipt to name one delivery");
        say(&mut http, &first, "complete", r#","body":1"#).problem(409, "stale_receipt");
        let start = Instant::now();
        say(&mut http, &second, "release", r#","delay_ms":400"#).expect(200);
        assert_eq!(id_of(&take(&mut http, "t")), "b");
        assert_eq!(state(&mut http, "a"), "scheduled");
        let third = take(&mut http, "t");
        assert!(start.elapsed() >= Duration::from_millis(399), "it came after {:?}", start.elapsed());
        assert_eq!((id_of(&third), &third["attempt"]), ("a", &value!(1)));
        complete(&mut http, &third, "1");
        for delay in ["-1", "\"x\"", "1.5"] {
            submit(&mut http, &format!("wrong {delay}"), "u", "");
            let taken = take(&mut http, "u");
            let answer = say(&mut http, &taken, "release", &format!(r#","delay_ms":{delay}"#));
            assert_eq!(answer.problem(422, "invalid_field")["field"], "delay_ms");
            let answer = say(&mut http, &taken, "fail", &format!(r#","error":1,"delay_ms":{delay}"#));
            assert_eq!(answer.problem(422, "invalid_field")["field"], "delay_ms");
            complete(&mut http, &taken, "1");
        }
    }
}

#[test]
fn anybody_with_the_receipt_may_answer() {
    // A poll is a request, not a connection: the answer comes on another one.
    let server = durable_server();
    let mut poller = http(&server);
    submit(&mut poller, "a", "t", "");
    let taken = take(&mut poller, "t");
    poller.reset();
    let mut other = http(&server);
    say(&mut other, &taken, "touch", "").json(200);
    complete(&mut other, &taken, "1");
    assert_eq!(state(&mut other, "a"), "completed");
}

#[test]
fn wrong_kinds_are_named() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    for wrong in ["7", "\"no\"", "[]"] {
        let answer = say(&mut http, &taken, "fail", &format!(r#","error":1,"retry":{wrong}"#));
        assert_eq!(answer.problem(422, "invalid_field")["field"], "retry");
    }
    say(&mut http, &taken, "complete", &format!(r#","body":{}"#, nested(200))).problem(422, "too_deep");
    say(&mut http, &taken, "fail", &format!(r#","error":{}"#, nested(200))).problem(422, "too_deep");
    complete(&mut http, &taken, &nested(120));
}

#[test]
fn jobs_of_other_protocols_are_not_answered_without_a_receipt() {
    let server = Server::start();
    let mut http = http(&server);
    let mut worker = native_worker(&server, "t", 1);
    submit(&mut http, "a", "t", "");
    worker.receive();
    for receipt in ["1", "a:1", "a-1", "1-1", "0"] {
        let answer = http.post("/jobs/a/complete", format!(r#"{{"receipt":"{receipt}","body":1}}"#));
        assert!([409, 422].contains(&answer.status), "got {answer:?}");
    }
    assert_eq!(state(&mut http, "a"), "running");
}
