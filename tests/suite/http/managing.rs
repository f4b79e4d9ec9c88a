//! Cancel, retry and delete.

use super::*;

/// Does something with a job.
#[track_caller]
fn deed(http: &mut Http, id: &str, verb: &str) -> Answer {
    http.post(&format!("{}/{verb}", path_of(id)), "")
}

/// A job that failed for good.
#[track_caller]
fn failed(http: &mut Http, id: &str, more: &str) {
    submit(http, id, "t", more);
    let taken = take(http, "t");
    assert_eq!(id_of(&taken), id);
    say(http, &taken, "fail", r#","error":"broken","retry":false"#).expect(200);
}

#[test]
fn a_waiting_job_is_cancelled() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        submit(&mut http, "b", "t", r#","delay_ms":600000"#);
        for id in ["a", "b"] {
            let job = deed(&mut http, id, "cancel").json(200);
            assert_job(&job);
            assert_eq!((id_of(&job), &job["state"]), (id, &value!("cancelled")));
            time(&job["finished_at"]);
            assert_eq!(state(&mut http, id), "cancelled");
            deed(&mut http, id, "cancel").problem(409, "already_finished");
        }
        expect_nothing_of(&mut http, "t");
        expect_counts(&mut http, &value!({"accepted": 2, "cancelled": 2, "queued": 0, "scheduled": 0}));
        deed(&mut http, "none", "cancel").problem(404, "unknown_job");
    }
}

#[test]
fn finished_jobs_are_not_cancelled() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, "1");
        failed(&mut http, "b", "");
        for id in ["a", "b"] {
            deed(&mut http, id, "cancel").problem(409, "already_finished");
        }
        assert_eq!((state(&mut http, "a"), state(&mut http, "b")), ("completed".to_owned(), "failed".to_owned()));
    }
}

#[test]
fn a_running_job_is_cancelled_and_its_worker_hears_it_when_it_speaks() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        for id in ["a", "b", "c"] {
            submit(&mut http, id, "t", "");
        }
        let taken: Vec<Value> = (0..3).map(|_| take(&mut http, "t")).collect();
        for id in ["a", "b", "c"] {
            assert_eq!(deed(&mut http, id, "cancel").json(200)["state"], "cancelled");
        }
        let touched = say(&mut http, &taken[0], "touch", "").json(200);
        assert_eq!(touched["cancelled"], true, "got {touched}");
        assert!(touched["lease_ms"].is_u64(), "got {touched}");
        say(&mut http, &taken[0], "complete", r#","body":1"#).problem(410, "cancelled");
        say(&mut http, &taken[1], "complete", r#","body":1"#).problem(410, "cancelled");
        say(&mut http, &taken[1], "complete", r#","body":1"#).problem(410, "cancelled");
        let answer = say(&mut http, &taken[2], "fail", r#","error":1"#);
        let status = answer.status;
        assert!([200, 410].contains(&status), "got {answer:?}");
        for id in ["a", "b", "c"] {
            let job = look(&mut http, id);
            assert_eq!((&job["state"], &job["result"]), (&value!("cancelled"), &value!(null)), "got {job}");
        }
        expect_counts(&mut http, &value!({"accepted": 3, "cancelled": 3, "running": 0, "completed": 0, "failed": 0}));
        expect_nothing_of(&mut http, "t");
    }
}

#[test]
fn who_waits_for_a_job_hears_of_its_cancellation() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let mut waiting = self::http(&server);
    waiting.start_get("/jobs/a?wait=55");
    take(&mut http, "t");
    waiting.expect_silence();
    deed(&mut http, "a", "cancel").expect(200);
    assert_eq!(waiting.answer().json(200)["state"], "cancelled");
}

#[test]
fn failed_and_cancelled_jobs_are_queued_again_with_fresh_attempts() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        failed(&mut http, "a", r#","max_attempts":1"#);
        submit(&mut http, "b", "t", r#","max_attempts":1"#);
        deed(&mut http, "b", "cancel").expect(200);
        for id in ["a", "b"] {
            let job = deed(&mut http, id, "retry").json(200);
            assert_job(&job);
            assert_eq!((id_of(&job), &job["state"]), (id, &value!("queued")), "got {job}");
            for name in ["finished_at", "result", "error"] {
                assert!(job[name].is_null(), "expected no {name} any more, got {job}");
            }
            deed(&mut http, id, "retry").problem(409, "not_finished");
            let taken = take(&mut http, "t");
            assert_eq!((id_of(&taken), &taken["attempt"], &taken["max_attempts"]), (id, &value!(1), &value!(1)));
            deed(&mut http, id, "retry").problem(409, "not_finished");
            complete(&mut http, &taken, r#""at last""#);
            let job = look(&mut http, id);
            assert_eq!((&job["state"], &job["result"]), (&value!("completed"), &value!("at last")));
            deed(&mut http, id, "retry").problem(409, "already_completed");
        }
        expect_counts(&mut http, &value!({"accepted": 2, "completed": 2, "failed": 0, "cancelled": 0}));
        deed(&mut http, "none", "retry").problem(404, "unknown_job");
    }
}

#[test]
fn a_job_retried_after_its_cancellation_while_running_is_not_its_old_workers() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let old = take(&mut http, "t");
    deed(&mut http, "a", "cancel").expect(200);
    deed(&mut http, "a", "retry").expect(200);
    let new = take(&mut http, "t");
    assert_eq!(new["attempt"], 1);
    assert_ne!(old["receipt"], new["receipt"]);
    let answer = say(&mut http, &old, "complete", r#","body":"old""#);
    assert!([409, 410].contains(&answer.status), "got {answer:?}");
    complete(&mut http, &new, r#""new""#);
    assert_eq!(look(&mut http, "a")["result"], "new");
}

#[test]
fn a_finished_job_is_deleted_and_its_id_is_free() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, "1");
        failed(&mut http, "b", "");
        submit(&mut http, "c", "t", "");
        deed(&mut http, "c", "cancel").expect(200);
        for id in ["a", "b", "c"] {
            let answer = http.delete(&path_of(id)).expect(204);
            assert!(answer.body.is_empty());
            http.get(&path_of(id)).problem(404, "unknown_job");
            http.delete(&path_of(id)).problem(404, "unknown_job");
        }
        assert_eq!(http.get("/jobs").json(200)["items"], value!([]));
        // Removing a record changes no counter.
        expect_counts(&mut http, &value!({"accepted": 3, "completed": 1, "failed": 1, "cancelled": 1}));
        submit(&mut http, "a", "t", "");
        assert_eq!(take(&mut http, "t")["attempt"], 1);
        http.delete("/jobs/none").problem(404, "unknown_job");
    }
}

#[test]
fn a_job_that_has_not_ended_is_not_deleted() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    submit(&mut http, "later", "t", r#","delay_ms":600000"#);
    http.delete("/jobs/a").problem(409, "not_finished");
    http.delete("/jobs/later").problem(409, "not_finished");
    let taken = take(&mut http, "t");
    http.delete("/jobs/a").problem(409, "not_finished");
    complete(&mut http, &taken, "0");
    http.delete("/jobs/a").expect(204);
}

#[test]
fn another_priority_is_another_place_in_line() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        for id in ["a", "b", "c"] {
            submit(&mut http, id, "t", "");
        }
        for (id, priority) in [("c", i64::MAX), ("a", i64::MIN), ("c", 5)] {
            let job = http.post(&format!("/jobs/{id}/priority"), format!(r#"{{"priority":{priority}}}"#)).json(200);
            assert_job(&job);
            assert_eq!((id_of(&job), &job["priority"]), (id, &value!(priority)));
        }
        let first = take(&mut http, "t");
        assert_eq!((id_of(&first), &first["priority"]), ("c", &value!(5)));
        assert_eq!(id_of(&take(&mut http, "t")), "b");
        complete(&mut http, &first, "0");
        for wrong in ["{}", r#"{"priority":null}"#, r#"{"priority":"5"}"#, r#"{"priority":9223372036854775808}"#] {
            let problem = http.post("/jobs/a/priority", wrong).problem(422, "invalid_field");
            assert_eq!(problem["field"], "priority", "for {wrong}");
        }
        http.post("/jobs/c/priority", r#"{"priority":1}"#).problem(409, "already_finished");
        http.post("/jobs/none/priority", r#"{"priority":1}"#).problem(404, "unknown_job");
        http.post("/jobs/a/priority", "{").problem(400, "invalid_json");
        http.ask("POST", "/api/v1/jobs/a/priority", &[("Content-Type", "text/plain")], Some(b"5")).any_problem(415);
        assert_eq!(look(&mut http, "a")["priority"], i64::MIN);
    }
}

#[test]
fn a_scheduled_job_may_run_now() {
    for server in [Server::start(), durable_server()] {
        let mut http = http(&server);
        submit(&mut http, "a", "t", r#","delay_ms":600000"#);
        let mut poller = parked(&server, "t", "");
        let job = deed(&mut http, "a", "run-now").json(200);
        assert_job(&job);
        assert!(["queued", "running"].contains(&job["state"].as_str().expect("a state")), "got {job}");
        let taken = assigned(poller.answer());
        assert_eq!((id_of(&taken), &taken["attempt"]), ("a", &value!(1)));
        // So may one that waits for its next try.
        say(&mut http, &taken, "fail", r#","error":0,"delay_ms":600000"#).expect(200);
        assert_eq!(state(&mut http, "a"), "scheduled");
        deed(&mut http, "a", "run-now").json(200);
        let taken = take(&mut http, "t");
        assert_eq!(taken["attempt"], 2);
        complete(&mut http, &taken, "0");
        deed(&mut http, "a", "run-now").problem(409, "already_finished");
        deed(&mut http, "none", "run-now").problem(404, "unknown_job");
    }
}

#[test]
fn what_was_managed_holds_after_a_kill() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "cancelled", "t", "");
    deed(&mut http, "cancelled", "cancel").expect(200);
    failed(&mut http, "retried", "");
    deed(&mut http, "retried", "retry").expect(200);
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":2,"retry":false"#).expect(200);
    deed(&mut http, "retried", "retry").expect(200);
    submit(&mut http, "deleted", "u", "");
    let taken = take(&mut http, "u");
    complete(&mut http, &taken, "0");
    http.delete("/jobs/deleted").expect(204);
    for id in ["usual", "urgent", "later"] {
        submit(&mut http, id, "v", if id == "later" { r#","delay_ms":600000"# } else { "" });
    }
    http.post("/jobs/urgent/priority", r#"{"priority":7}"#).expect(200);
    deed(&mut http, "later", "run-now").expect(200);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    let ids: Vec<Value> =
        all_assigned(http.get(&poll_path("v", "&max=3&wait=20"))).iter().map(|job| job["id"].clone()).collect();
    assert_eq!(ids, ["urgent", "usual", "later"]);
    assert_eq!(state(&mut http, "cancelled"), "cancelled");
    assert_eq!(state(&mut http, "retried"), "queued");
    http.get("/jobs/deleted").problem(404, "unknown_job");
    assert_eq!(id_of(&take(&mut http, "t")), "retried");
    expect_nothing_of(&mut http, "u");
}

#[test]
fn deeds_take_no_body_and_refuse_a_wrong_one() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    http.ask("POST", "/api/v1/jobs/a/cancel", &[("Content-Type", "text/plain")], Some(b"x=y")).any_problem(415);
    assert_eq!(state(&mut http, "a"), "queued");
    http.post("/jobs/a/cancel", "{}").json(200);
}
