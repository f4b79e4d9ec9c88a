//! Pollers that die at every point: no job is lost, and none is swallowed by a poll that nobody reads.

use super::*;
use std::io::Read;

/// A lease short enough that a test can wait for its end.
const SHORT: &str = r#","lease_ms":300,"max_attempts":1000"#;

/// Takes this job and completes it; where that took longer than its lease, once more.
#[track_caller]
fn finish(http: &mut Http, kind: &str, id: &str) {
    loop {
        let taken = take(http, kind);
        assert_eq!(id_of(&taken), id);
        let answer = say(http, &taken, "complete", r#","body":0"#);
        if answer.status == 200 {
            return;
        }
        answer.problem(409, "stale_receipt");
    }
}

/// How a client goes.
const WAYS: [fn(Http); 2] = [drop::<Http>, Http::reset];

#[test]
fn a_poller_that_goes_while_it_waits_takes_nothing() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        for (round, go) in WAYS.into_iter().enumerate() {
            for n in 0..5 {
                let id = format!("{round}-{n}");
                let poller = parked(&server, "t", "");
                go(poller);
                wait_for_workers(&server, "t", 0);
                submit(&mut http, &id, "t", "");
                let taken = take(&mut http, "t");
                assert_eq!((id_of(&taken), &taken["attempt"]), (id.as_str(), &value!(1)), "expected it untouched");
                complete(&mut http, &taken, "0");
            }
        }
    }
}

#[test]
fn a_poller_that_goes_as_its_job_comes_loses_nothing() {
    let server = durable_server();
    let mut http = http(&server);
    for (round, go) in WAYS.into_iter().enumerate() {
        for n in 0..25 {
            let id = format!("{round}-{n}");
            let poller = parked(&server, "t", "");
            // The submit and the goodbye race each other.
            http.start_post("/jobs", job(&id, "t", SHORT));
            go(poller);
            http.answer().json(201);
            finish(&mut http, "t", &id);
            assert_eq!(state(&mut http, &id), "completed");
        }
    }
    expect_nothing_of(&mut http, "t");
    expect_counts(&mut http, &value!({"accepted": 50, "completed": 50, "running": 0, "queued": 0}));
}

#[test]
fn a_poller_that_asks_and_goes_loses_nothing() {
    let server = durable_server();
    let mut http = http(&server);
    for (round, go) in WAYS.into_iter().enumerate() {
        for n in 0..25 {
            let id = format!("{round}-{n}");
            submit(&mut http, &id, "t", SHORT);
            let mut poller = self::http(&server);
            poller.start_get(&poll_path("t", "&wait=55"));
            go(poller);
            finish(&mut http, "t", &id);
        }
    }
    expect_nothing_of(&mut http, "t");
    expect_counts(&mut http, &value!({"accepted": 50, "completed": 50, "running": 0, "queued": 0}));
}

#[test]
fn a_poller_that_goes_in_the_middle_of_its_request_was_never_there() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let request = http.request("GET", &format!("{API}{}", poll_path("t", "&wait=55")), &[], None);
    for cut in 0..request.len() {
        let mut poller = self::http(&server);
        poller.raw(&request[..cut]);
        WAYS[cut % 2](poller);
    }
    let taken = take(&mut http, "t");
    assert_eq!((id_of(&taken), &taken["attempt"]), ("a", &value!(1)));
}

#[test]
fn a_poller_that_goes_in_the_middle_of_its_answer_loses_nothing() {
    let server = Server::start();
    let mut http = http(&server);
    let body = format!("\"{}\"", "b".repeat(15 << 20));
    for (round, go) in WAYS.into_iter().enumerate() {
        for read in [0, 1_000, 1 << 18] {
            let id = format!("{round}-{read}");
            // Its lease is longer than anybody here waits: that its reader has gone can be noticed before.
            let request = format!(r#"{{"id":"{id}","type":"t","body":{body},"lease_ms":600000}}"#);
            http.post("/jobs", request).raw_json(201);
            let mut poller = self::http(&server);
            socket2::SockRef::from(&poller.stream).set_recv_buffer_size(65536).expect("a socket takes a buffer size");
            poller.start_get(&poll_path("t", "&wait=55"));
            poller.wait_for_body(read);
            go(poller);
            let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
            assert_eq!(answer.member(&["jobs", "0", "id"]), format!("\"{id}\""));
            assert_eq!(answer.member(&["jobs", "0", "attempt"]), "1", "expected that to count as no attempt");
            assert!(answer.member(&["jobs", "0", "body"]) == body, "expected the whole body");
            let receipt = answer.member(&["jobs", "0", "receipt"]);
            http.post(&format!("{}/complete", path_of(&id)), format!(r#"{{"receipt":{receipt},"body":0}}"#))
                .expect(200);
        }
    }
    server.expect_service();
}

#[test]
fn a_poller_that_never_reads_its_answer_holds_up_nobody() {
    let server = Server::with(&["--write-timeout", "1s"]);
    let mut http = http(&server);
    let body = format!("\"{}\"", "b".repeat(15 << 20));
    http.post("/jobs", format!(r#"{{"id":"a","type":"t","body":{body}}}"#)).raw_json(201);
    let files = server.open_files();
    let mut mute = self::http(&server);
    socket2::SockRef::from(&mute.stream).set_recv_buffer_size(4096).expect("a socket takes a buffer size");
    mute.start_get(&poll_path("t", "&wait=55"));
    eventually("it to be handed out", || (http.get("/jobs/a").raw_json(200).member(&["attempt"]) != "0").then_some(()));
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/a/complete", format!(r#"{{"receipt":{receipt},"body":0}}"#)).expect(200);
    // It is cut, not waited for: what it has not read by then breaks off.
    server.expect_open_files(files);
    let mut rest = Vec::new();
    mute.stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
    let _ = mute.stream.read_to_end(&mut rest);
    assert!(rest.len() < body.len(), "expected it to break off");
    server.expect_service();
}

#[test]
fn a_poller_that_dies_with_its_job_in_hand_gives_it_up_when_the_lease_ends() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "a", "t", SHORT);
    for attempt in 1..=3 {
        let mut poller = self::http(&server);
        let taken = take(&mut poller, "t");
        assert_eq!(taken["attempt"], attempt);
        poller.reset();
        // It was read, so it is theirs until the lease ends, whoever the connection belongs to.
        if attempt == 2 {
            let answer = say(&mut http, &taken, "touch", "");
            assert!([200, 409].contains(&answer.status), "got {answer:?}");
        }
    }
    finish(&mut http, "t", "a");
}

#[test]
fn an_answer_whose_sender_goes_was_said_or_not() {
    let server = durable_server();
    let mut http = http(&server);
    for (round, go) in WAYS.into_iter().enumerate() {
        for n in 0..20 {
            let id = format!("{round}-{n}");
            submit(&mut http, &id, "t", r#","lease_ms":2000"#);
            let mut worker = self::http(&server);
            let taken = take(&mut worker, "t");
            worker.start_post(
                &format!("{}/complete", path_of(&id)),
                format!(r#"{{"receipt":{},"body":{n}}}"#, taken["receipt"]),
            );
            go(worker);
            // Not knowing, it says so again, on another connection.
            complete(&mut http, &taken, &n.to_string());
            let job = look(&mut http, &id);
            assert_eq!((&job["state"], &job["result"]), (&value!("completed"), &value!(n)));
        }
    }
    expect_nothing_of(&mut http, "t");
    expect_counts(&mut http, &value!({"accepted": 40, "completed": 40}));
}

#[test]
fn an_answer_that_breaks_off_was_not_said() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let taken = take(&mut http, "t");
    let body = format!(r#"{{"receipt":{},"body":"half"}}"#, taken["receipt"]);
    let request = http.request("POST", "/api/v1/jobs/a/complete", &[AS_JSON], Some(body.as_bytes()));
    for cut in (0..request.len()).step_by(7) {
        let mut worker = self::http(&server);
        worker.raw(&request[..cut]);
        WAYS[cut % 2](worker);
    }
    say(&mut http, &taken, "touch", "").json(200);
    assert_eq!(state(&mut http, "a"), "running");
    complete(&mut http, &taken, r#""whole""#);
    assert_eq!(look(&mut http, "a")["result"], "whole");
}

#[test]
fn a_submit_whose_sender_goes_was_accepted_once_or_not_at_all() {
    let server = durable_server();
    let mut http = http(&server);
    for (round, go) in WAYS.into_iter().enumerate() {
        for n in 0..20 {
            let id = format!("{round}-{n}");
            let mut master = self::http(&server);
            master.start_post("/jobs", job(&id, "t", ""));
            go(master);
            let answer = http.post("/jobs", job(&id, "t", ""));
            assert!([201, 409].contains(&answer.status), "got {answer:?}");
            let taken = take(&mut http, "t");
            assert_eq!(id_of(&taken), id);
            complete(&mut http, &taken, "0");
            expect_nothing_of(&mut http, "t");
        }
    }
}

#[test]
fn a_job_that_comes_as_the_time_is_over_is_handed_out_or_left_alone() {
    let server = durable_server();
    let submitting = Instant::now() + Duration::from_millis(900);
    let mut polls: Vec<(String, Http)> = (0..50)
        .map(|n| {
            let kind = format!("t{n}");
            let mut poller = http(&server);
            poller.start_get(&poll_path(&kind, "&wait=1"));
            (kind, poller)
        })
        .collect();
    // The jobs come while the polls end, a few milliseconds apart.
    std::thread::sleep(submitting.saturating_duration_since(Instant::now()));
    let mut http = http(&server);
    for (kind, _) in &polls {
        submit(&mut http, kind, kind, "");
    }
    for (kind, poller) in &mut polls {
        let answer = poller.answer();
        let taken = match answer.status {
            204 => {
                answer.expect_nothing();
                take(&mut http, kind)
            }
            _ => assigned(answer),
        };
        assert_eq!(
            (id_of(&taken), &taken["attempt"]),
            (kind.as_str(), &value!(1)),
            "expected it to be handed out once"
        );
        complete(&mut http, &taken, "0");
    }
    expect_counts(&mut http, &value!({"accepted": 50, "completed": 50}));
}

#[test]
fn half_a_goodbye_is_a_goodbye_or_none_but_loses_nothing() {
    let server = Server::start();
    let mut http = http(&server);
    for n in 0..10 {
        let id = format!("{n}");
        let mut poller = parked(&server, "t", "");
        poller.finish_sending();
        submit(&mut http, &id, "t", SHORT);
        // Either it is served though it will say nothing more, or it is let go and the job goes to another.
        if let Reply::Answer(answer) = poller.listen(Duration::from_millis(200)) {
            assert!([200, 204].contains(&answer.status), "got {answer:?}");
        }
        finish(&mut http, "t", &id);
    }
}

#[test]
fn pollers_that_come_and_go_leave_nothing_behind() {
    let server = Server::start();
    let mut http = http(&server);
    http.get("/ping").expect(200);
    server.expect_service();
    let files = server.open_files();
    let mut random = Random::announced("http::vanishing::pollers_that_come_and_go");
    for round in 0..5 {
        let pollers: Vec<Http> = (0..100)
            .map(|n| {
                let mut poller = self::http(&server);
                poller.start_get(&poll_path(&format!("t{}", n % 7), "&wait=55&max=3"));
                poller
            })
            .collect();
        submit_all(&mut http, (0..20).map(|n| format!("{round}-{n}")), "t3", SHORT);
        for poller in pollers {
            WAYS[random.below(2) as usize](poller);
        }
    }
    let mut left: usize = 100;
    while left > 0 {
        for taken in all_assigned(http.get(&poll_path("t3", "&wait=20&max=10"))) {
            // What took longer than its lease comes again.
            let answer = say(&mut http, &taken, "complete", r#","body":0"#);
            assert!([200, 409].contains(&answer.status), "got {answer:?}");
            left -= usize::from(answer.status == 200);
        }
    }
    expect_counts(&mut http, &value!({"accepted": 101, "completed": 101, "running": 0, "queued": 0}));
    eventually("no workers", || {
        http.get("/workers").json(200)["items"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    server.expect_open_files(files + 3);
}
