//! `POST /jobs/batch`: many jobs, one answer, each for itself.

use super::*;

#[test]
fn each_job_of_a_batch_is_answered_in_its_place() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "taken", "t", "");
    let jobs = r#"[{"id":"a","type":"t","body":1.0},{"id":"taken"},{"priority":"x"},{"type":"u"},{"id":"a"},7,{"id":""},
        {"id":"later","delay_ms":600000},{"id":"b","type":"t","body":2}]"#;
    let answer = http.post("/jobs/batch", format!(r#"{{"jobs":{jobs}}}"#)).json(200);
    assert_members(&answer, &["items"]);
    let items = answer["items"].as_array().expect("items are an array");
    assert_eq!(items.len(), 9, "got {answer}");
    for (place, id, state) in [(0, "a", "queued"), (7, "later", "scheduled"), (8, "b", "queued")] {
        assert_eq!(items[place], value!({"id": id, "state": state}));
    }
    assert_members(&items[3], &["id", "state"]);
    assert_eq!(items[3]["state"], "queued");
    for (place, code) in [(1, "id_exists"), (2, "invalid_field"), (4, "id_exists"), (5, ""), (6, "invalid_field")] {
        let error = &items[place]["error"];
        let members = error.as_object().unwrap_or_else(|| panic!("expected an error at {place}, got {answer}"));
        assert!(members.contains_key("code") && members.contains_key("detail"), "got {answer}");
        assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "got {answer}");
        assert_eq!(error["field"].is_string(), error["code"] == "invalid_field", "got {answer}");
        assert!(code.is_empty() || error["code"] == code, "expected {code} at {place}, got {answer}");
    }
    for id in ["taken", "a", "b"] {
        assert_eq!(id_of(&take(&mut http, "t")), id, "expected the order of the batch");
    }
    expect_nothing_of(&mut http, "t");
    assert_eq!(look(&mut http, id_of(&items[3]))["type"], "u");
}

#[test]
fn ten_thousand_jobs_are_a_batch_and_one_more_is_too_many() {
    let server = durable_server();
    let mut http = http(&server);
    let batch = |from: usize, count: usize| {
        let jobs: Vec<String> =
            (from..from + count).map(|id| format!(r#"{{"id":"{id}","type":"t","body":{id}}}"#)).collect();
        format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))
    };
    let answer = http.post("/jobs/batch", batch(0, 10_000)).json(200);
    let items = answer["items"].as_array().expect("items are an array");
    assert_eq!(items.len(), 10_000);
    for (id, item) in items.iter().enumerate() {
        assert_eq!(*item, value!({"id": id.to_string(), "state": "queued"}));
    }
    let problem = http.post("/jobs/batch", batch(20_000, 10_001));
    assert!([413, 422].contains(&problem.status), "got {problem:?}");
    let status = problem.status;
    problem.any_problem(status);
    http.get("/jobs/20000").problem(404, "unknown_job");
    assert_eq!(http.post("/jobs/batch", r#"{"jobs":[]}"#).json(200), value!({"items": []}));
    // They are there after a kill.
    let server = after_kill9(server);
    let mut http = self::http(&server);
    let mut next = 0;
    while next < 10_000 {
        for job in all_assigned(http.get(&poll_path("t", "&max=100&wait=20"))) {
            assert_eq!((id_of(&job), &job["body"]), (next.to_string().as_str(), &value!(next)));
            next += 1;
        }
    }
    expect_nothing_of(&mut http, "t");
}

#[test]
fn what_is_no_batch_is_refused() {
    let server = Server::start();
    let mut http = http(&server);
    for body in ["{}", r#"{"jobs":7}"#, r#"{"jobs":{}}"#, r#"{"jobs":null}"#, r#"{"jobs":"x"}"#] {
        let problem = http.post("/jobs/batch", body).problem(422, "invalid_field");
        assert_eq!(problem["field"], "jobs", "for {body}");
    }
    http.post("/jobs/batch", "[]").any_problem(422);
    http.post("/jobs/batch", r#"{"jobs":[{}"#).problem(400, "invalid_json");
    http.post("/jobs/batch", r#"{"jobs":[{"id":"a"},{]}"#).problem(400, "invalid_json");
    http.get("/jobs/a").problem(404, "unknown_job");
}

#[test]
fn a_batch_fills_what_room_there_is() {
    let server = Server::with(&["--max-jobs", "5"]);
    let mut http = http(&server);
    let jobs = ["{}"; 8].join(",");
    let answer = http.post("/jobs/batch", format!(r#"{{"jobs":[{jobs}]}}"#)).json(200);
    let items = answer["items"].as_array().expect("items are an array");
    let full = items.iter().filter(|item| item["error"]["code"] == "queue_full").count();
    let accepted = items.iter().filter(|item| item["state"] == "queued").count();
    assert_eq!((accepted, full), (5, 3), "got {answer}");
}
