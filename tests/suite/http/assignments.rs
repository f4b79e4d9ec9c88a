//! `GET /assignments`: the long poll of workers.

use super::*;

#[test]
fn a_poll_gets_what_is_there() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","priority":5,"max_attempts":2"#);
    let taken = take(&mut http, "t");
    assert!(taken["receipt"].as_str().is_some_and(|receipt| !receipt.is_empty()), "got {taken}");
    let expected = value!({"id": "a", "type": "t", "body": "the body of it", "priority": 5, "attempt": 1,
        "max_attempts": 2, "lease_ms": 60_000, "receipt": taken["receipt"]});
    assert_eq!(taken, expected);
    assert_eq!(state(&mut http, "a"), "running");
    expect_nothing_of(&mut http, "t");
}

#[test]
fn a_poll_waits_and_gets_what_comes() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        let mut poller = parked(&server, "t", "");
        poller.expect_silence();
        submit(&mut http, "a", "t", "");
        let taken = assigned(poller.answer());
        assert_eq!(id_of(&taken), "a");
        // The connection goes on.
        poller.start_get(&poll_path("t", "&wait=20"));
        submit(&mut http, "b", "t", "");
        assert_eq!(id_of(&assigned(poller.answer())), "b");
    }
}

#[test]
fn a_poll_that_gets_nothing_says_so_when_its_time_is_over() {
    let server = Server::start();
    let mut http = http(&server);
    for wait in ["0", "-1", "1"] {
        let start = Instant::now();
        http.get(&poll_path("t", &format!("&wait={wait}"))).expect_nothing();
        let took = start.elapsed();
        assert!(wait != "1" || took >= Duration::from_millis(990), "expected a second, got {took:?}");
        assert!(took < Duration::from_secs(10), "expected an end, got {took:?}");
    }
}

#[test]
fn max_is_how_many_come_at_once() {
    let server = Server::start();
    let mut http = http(&server);
    submit_all(&mut http, (0..450).map(|n| format!("{n}")), "t", "");
    let mut next = 0;
    for (max, count) in [("", 1), ("&max=1", 1), ("&max=7", 7), ("&max=100", 100)] {
        let jobs = all_assigned(http.get(&poll_path("t", &format!("&wait=20{max}"))));
        assert_eq!(jobs.len(), count, "for {max}");
        for job in &jobs {
            assert_eq!(id_of(job), next.to_string(), "expected the oldest first");
            next += 1;
        }
    }
    // More than there may be, less than there can be, and nonsense: never more than a hundred, never nothing.
    for max in ["101", "1000000", "18446744073709551616", "0", "-1", "abc", ""] {
        let answer = http.get(&poll_path("t", &format!("&wait=20&max={max}")));
        if answer.status == 200 {
            let jobs = all_assigned(answer);
            assert!((1..=100).contains(&jobs.len()), "for {max}: {}", jobs.len());
            next += jobs.len();
        } else {
            wrong_parameter(answer, "max");
        }
    }
    // Fewer than asked for are given at once.
    let left = 450 - next;
    let mut got = 0;
    while got < left {
        got += all_assigned(http.get(&poll_path("t", "&max=100&wait=20"))).len();
    }
    assert_eq!(got, left);
    expect_nothing_of(&mut http, "t");
}

#[test]
fn a_poll_for_several_types_gets_of_each() {
    let server = Server::start();
    let mut http = http(&server);
    let mut poller = self::http(&server);
    poller.start_get("/assignments?type=a%2Fb&type=c%20d&type=e&wait=55&max=10");
    wait_for_workers(&server, "c d", 1);
    submit(&mut http, "1", "c d", "");
    let taken = assigned(poller.answer());
    assert_eq!((id_of(&taken), &taken["type"]), ("1", &value!("c d")));
    for (id, kind) in [("2", "e"), ("3", "a/b"), ("4", "c d"), ("5", "other")] {
        submit(&mut http, id, kind, "");
    }
    let mut got = Vec::new();
    while got.len() < 3 {
        let jobs = all_assigned(poller.get("/assignments?type=a%2Fb&type=c%20d&type=e&wait=20&max=10"));
        got.extend(jobs.iter().map(|job| id_of(job).to_owned()));
    }
    got.sort();
    assert_eq!(got, ["2", "3", "4"]);
    poller.get("/assignments?type=a%2Fb&type=c%20d&type=e&wait=0&max=10").expect_nothing();
}

#[test]
fn a_poll_leaves_the_types_that_gave_it_nothing() {
    let server = Server::start();
    let mut http = http(&server);
    let mut poller = self::http(&server);
    poller.start_get("/assignments?type=a&type=b&wait=55");
    wait_for_workers(&server, "b", 1);
    submit(&mut http, "1", "a", "");
    assert_eq!(id_of(&assigned(poller.answer())), "1");
    submit(&mut http, "2", "b", "");
    // Nobody asks for it: the poll is answered.
    poller.expect_silence();
    assert_eq!(state(&mut http, "2"), "queued");
    assert_eq!(id_of(&take(&mut http, "b")), "2");
}

#[test]
fn who_has_waited_longest_is_served_first() {
    let server = Server::start();
    let mut http = http(&server);
    let mut pollers: Vec<Http> = (0..5).map(|_| parked(&server, "t", "")).collect();
    for (n, poller) in pollers.iter_mut().enumerate() {
        submit(&mut http, &format!("{n}"), "t", "");
        assert_eq!(id_of(&assigned(poller.answer())), n.to_string());
    }
}

#[test]
fn a_hundred_polls_and_a_hundred_jobs_find_each_other_once() {
    let server = durable_server();
    let mut http = http(&server);
    let mut pollers: Vec<Http> = (0..100)
        .map(|_| {
            let mut poller = self::http(&server);
            poller.start_get(&poll_path("t", "&wait=55"));
            poller
        })
        .collect();
    submit_all(&mut http, (0..100).map(|n| format!("{n}")), "t", "");
    let mut got: Vec<u32> = pollers
        .iter_mut()
        .map(|poller| {
            let taken = assigned(poller.answer());
            complete(poller, &taken, "0");
            assert_eq!(taken["attempt"], 1);
            id_of(&taken).parse().expect("the ids are numbers")
        })
        .collect();
    got.sort_unstable();
    assert_eq!(got, (0..100).collect::<Vec<u32>>());
    expect_counts(&mut http, &value!({"accepted": 100, "completed": 100, "running": 0}));
}

#[test]
fn higher_priority_comes_first_and_then_older() {
    let server = Server::start();
    let mut http = http(&server);
    for (id, priority) in [("1", 0), ("2", 5), ("3", -1), ("4", 5), ("5", i64::MAX), ("6", i64::MIN)] {
        submit(&mut http, id, "t", &format!(r#","priority":{priority}"#));
    }
    let jobs = all_assigned(http.get(&poll_path("t", "&max=4&wait=20")));
    let ids: Vec<&str> = jobs.iter().map(id_of).collect();
    assert_eq!(ids, ["5", "2", "4", "1"]);
    assert_eq!(id_of(&take(&mut http, "t")), "3");
    assert_eq!(id_of(&take(&mut http, "t")), "6");
}

#[test]
fn the_lease_is_the_jobs_or_a_minute() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    submit(&mut http, "b", "t", r#","lease_ms":777000"#);
    assert_eq!(take(&mut http, "t")["lease_ms"], 60_000);
    assert_eq!(take(&mut http, "t")["lease_ms"], 777_000);
}

#[test]
fn when_the_lease_is_over_the_job_goes_to_another() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", r#","lease_ms":1000"#);
        let first = take(&mut http, "t");
        let start = Instant::now();
        let second = take(&mut http, "t");
        let took = start.elapsed();
        assert!(took >= Duration::from_millis(900), "expected the lease to hold, it came after {took:?}");
        assert_eq!((id_of(&second), &second["attempt"]), ("a", &value!(2)));
        assert_ne!(first["receipt"], second["receipt"]);
        for (verb, more) in [("complete", r#","body":1"#), ("fail", r#","error":1"#), ("touch", ""), ("release", "")] {
            say(&mut http, &first, verb, more).problem(409, "stale_receipt");
        }
        complete(&mut http, &second, "2");
        let job = look(&mut http, "a");
        assert_eq!(job["result"], 2);
        assert_eq!(job["attempts"][0]["outcome"], "lease_over", "got {job}");
    }
}

#[test]
fn a_lease_that_is_over_for_the_last_time_fails_the_job() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","lease_ms":100,"max_attempts":2"#);
    take(&mut http, "t");
    take(&mut http, "t");
    let job = http.get("/jobs/a?wait=20").json(200);
    assert_eq!((&job["state"], &job["attempt"]), (&value!("failed"), &value!(2)), "got {job}");
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(2));
    expect_nothing_of(&mut http, "t");
}

#[test]
fn a_poll_names_its_types() {
    let server = Server::start();
    let mut http = http(&server);
    for query in ["type=", "type=%00", &format!("type={}", "x".repeat(256)), "type=a&type=%0A"] {
        wrong_parameter(http.get(&format!("/assignments?wait=0&{query}")), "type");
    }
    // Without any: refused, or the default type's.
    submit(&mut http, "a", "default", "");
    let answer = http.get("/assignments?wait=0");
    match answer.status {
        200 => assert_eq!(id_of(&assigned(answer)), "a"),
        _ => wrong_parameter(answer, "type"),
    }
    wrong_parameter(http.get(&format!("/assignments?type=t&wait=0&worker={}", "w".repeat(300))), "worker");
}

#[test]
fn polls_share_a_queue_with_workers_of_other_protocols() {
    let server = Server::start();
    let mut http = http(&server);
    let mut native = native_worker(&server, "t", 1);
    let mut poller = parked(&server, "t", "");
    let mut gloom = gloom_worker(&server, "t");
    for id in ["1", "2", "3"] {
        submit(&mut http, id, "t", "");
    }
    assert_eq!(json(&native.receive())["id"], "1");
    assert_eq!(id_of(&assigned(poller.answer())), "2");
    gloom.expect_job("\"3\"", "t", "\"the body of it\"");
}
