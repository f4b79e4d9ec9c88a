//! `?wait` of masters: the answer comes with the end of the job, or when the time is over.

use super::*;

#[test]
fn submit_and_wait_gives_the_finished_job() {
    for server in [Server::start(), durable_server()] {
        let mut master = http(&server);
        let mut worker = http(&server);
        for (id, more) in [("durable", ""), ("transient", r#","durable":false"#)] {
            master.start_post("/jobs?wait=20", job(id, "t", more));
            let taken = take(&mut worker, "t");
            master.expect_silence();
            complete(&mut worker, &taken, r#"{"r":1.0}"#);
            let answer = master.answer().expect_no_store().raw_json(200);
            assert_eq!(answer.member(&["result"]), r#"{"r":1.0}"#);
            let job = answer.value();
            assert_job(&job);
            assert_eq!((id_of(&job), &job["state"]), (id, &value!("completed")));
        }
    }
}

#[test]
fn submit_and_wait_tells_every_way_to_end() {
    let server = Server::start();
    let mut master = http(&server);
    let mut other = http(&server);
    for durable in [true, false] {
        let more = format!(r#","durable":{durable}"#);
        let id = |name: &str| format!("{name}-{durable}");
        master.start_post("/jobs?wait=20", job(&id("failed"), "t", &more));
        let taken = take(&mut other, "t");
        say(&mut other, &taken, "fail", r#","error":{"why":"so"},"retry":false"#).expect(200);
        let ended = master.answer().json(200);
        assert_eq!((&ended["state"], &ended["error"]), (&value!("failed"), &value!({"why": "so"})), "got {ended}");
        master.start_post("/jobs?wait=20", job(&id("cancelled"), "nobody", &more));
        eventually("the job to be there", || (other.get(&path_of(&id("cancelled"))).status == 200).then_some(()));
        other.post(&format!("{}/cancel", path_of(&id("cancelled"))), "").expect(200);
        assert_eq!(master.answer().json(200)["state"], "cancelled");
        master.start_post("/jobs?wait=20", job(&id("expired"), "nobody", &format!(r#"{more},"ttl_ms":50"#)));
        assert_eq!(master.answer().json(200)["state"], "expired");
    }
}

#[test]
fn submit_and_wait_says_when_the_time_is_over() {
    let server = Server::start();
    let mut http = http(&server);
    for (id, wait, state, more) in [
        ("a", "0", "queued", ""),
        ("b", "1", "queued", ""),
        ("c", "0", "scheduled", r#","delay_ms":60000"#),
        ("d", "-5", "queued", ""),
    ] {
        let start = Instant::now();
        let answer = http.post(&format!("/jobs?wait={wait}"), job(id, "t", more)).expect_no_store();
        let took = start.elapsed();
        assert_eq!(answer.json(202), value!({"id": id, "type": "t", "state": state}));
        assert!(wait != "1" || took >= Duration::from_millis(990), "expected a second, got {took:?}");
        // It was accepted all the same.
        assert_eq!(self::state(&mut http, id), state);
    }
}

#[test]
fn submit_and_wait_refuses_as_submit_does() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let problem = http.post("/jobs?wait=20", job("a", "t", "")).problem(409, "id_exists");
    assert_eq!(problem["state"], "queued");
    http.post("/jobs?wait=20", r#"{"priority":"x"}"#).problem(422, "invalid_field");
}

#[test]
fn who_waits_for_a_job_hears_of_its_end() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        let mut waiting: Vec<Http> = (0..3)
            .map(|_| {
                let mut one = self::http(&server);
                one.start_get("/jobs/a?wait=55");
                one
            })
            .collect();
        let taken = take(&mut http, "t");
        for one in &mut waiting {
            one.expect_silence();
        }
        complete(&mut http, &taken, "[1.50]");
        for one in &mut waiting {
            let answer = one.answer().expect_no_store().raw_json(200);
            assert_eq!(
                (answer.member(&["state"]), answer.member(&["result"])),
                ("\"completed\"".into(), "[1.50]".into())
            );
            assert_job(&answer.value());
        }
        // And who comes later hears at once.
        let start = Instant::now();
        let job = http.get("/jobs/a?wait=55").json(200);
        assert_eq!(job["state"], "completed");
        assert!(start.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn who_waits_for_a_job_gets_it_as_it_is_when_the_time_is_over() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let start = Instant::now();
    let job = http.get("/jobs/a?wait=1").expect_no_store().json(200);
    assert!(start.elapsed() >= Duration::from_millis(990));
    assert_eq!(job["state"], "queued");
    let taken = take(&mut http, "t");
    assert_eq!(http.get("/jobs/a?wait=0").json(200)["state"], "running");
    complete(&mut http, &taken, "0");
}

#[test]
fn a_failed_attempt_is_no_end() {
    let server = Server::start();
    let mut http = http(&server);
    let mut waiting = self::http(&server);
    waiting.start_post("/jobs?wait=55", job("a", "t", r#","max_attempts":2"#));
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":1,"delay_ms":0"#).expect(200);
    let taken = take(&mut http, "t");
    assert_eq!(taken["attempt"], 2);
    waiting.expect_silence();
    assert_eq!(say(&mut http, &taken, "fail", r#","error":2,"delay_ms":0"#).json(200)["state"], "failed");
    let job = waiting.answer().json(200);
    assert_eq!((&job["state"], &job["error"], &job["attempt"]), (&value!("failed"), &value!(2), &value!(2)));
}

#[test]
fn who_waits_for_a_job_that_is_not_there_hears_at_once() {
    let server = Server::start();
    let mut http = http(&server);
    let start = Instant::now();
    http.get("/jobs/none?wait=55").problem(404, "unknown_job");
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_master_that_waited_and_left_takes_nothing_with_it() {
    let server = Server::start();
    let mut http = http(&server);
    let mut leaving = self::http(&server);
    leaving.start_post("/jobs?wait=55", job("a", "t", r#","durable":false,"keep_ms":600000"#));
    eventually("the job to be there", || (http.get("/jobs/a").status == 200).then_some(()));
    leaving.reset();
    let taken = take(&mut http, "t");
    complete(&mut http, &taken, "1");
    assert_eq!(look(&mut http, "a")["result"], 1);
}

#[test]
fn any_spelling_of_wait_is_survived() {
    let server = Server::start();
    let mut http = http(&server);
    // Of what has ended already every wait hears at once.
    submit(&mut http, "a", "t", "");
    http.post("/jobs/a/cancel", "").expect(200);
    let odd =
        ["0", "-1", "-99999999999999999999", "0.0", "1e3", "", "abc", "NaN", "-inf", "inf", "%00", "%3Cscript%3E"];
    for (number, wait) in odd.into_iter().enumerate() {
        let answer = http.get(&format!("/jobs/a?wait={wait}"));
        assert!([200, 400, 422].contains(&answer.status), "for {wait}: {answer:?}");
        // And of what is there already.
        let kind = format!("u{number}");
        submit(&mut http, &kind, &kind, "");
        let answer = http.get(&format!("/assignments?type={kind}&wait={wait}"));
        assert!([200, 400, 422].contains(&answer.status), "for {wait}: {answer:?}");
    }
    for wait in ["0", "-1", "-99999999999999999999", "0.0"] {
        let answer = http.get(&format!("/assignments?type=none&wait={wait}"));
        assert!([204, 400, 422].contains(&answer.status), "for {wait}: {answer:?}");
    }
    // Too long is clamped, not refused: it waits, and answers when there is something.
    for wait in ["56", "1000000000000", "18446744073709551616", "99999999999999999999999"] {
        let mut waiting = self::http(&server);
        waiting.start_get(&format!("/assignments?type=u&wait={wait}"));
        waiting.expect_silence();
        submit(&mut http, &format!("for-{wait}"), "u", "");
        assert_eq!(id_of(&assigned(waiting.answer())), format!("for-{wait}"));
    }
}
