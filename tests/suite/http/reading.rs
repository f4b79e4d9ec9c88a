//! Jobs as people see them: one by its id, many in lists.

use super::*;

/// Servers that keep finished jobs in memory, and in a store.
fn servers() -> [Server; 2] {
    [Server::start(), durable_server()]
}

/// The ids of a list.
fn ids(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap_or_else(|| panic!("expected a list, got {list}"));
    items.iter().map(|item| id_of(item).to_owned()).collect()
}

/// The ids of all pages of a list, and how many each page had.
#[track_caller]
fn pages(http: &mut Http, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut all, mut sizes, mut cursor) = (Vec::new(), Vec::new(), String::new());
    loop {
        let list = http.get(&format!("/jobs?{query}{cursor}")).json(200);
        assert_members_and_maybe(&list, &["items", "next"], &["looked_at"]);
        let page = ids(&list);
        sizes.push(page.len());
        all.extend(page);
        assert!(sizes.len() < 1_000, "expected the list to end, got {sizes:?}");
        match &list["next"] {
            Value::Null => return (all, sizes),
            Value::String(next) => cursor = format!("&cursor={}", escaped(next)),
            other => cursor = format!("&cursor={other}"),
        }
    }
}

#[test]
fn a_job_tells_its_whole_life() {
    for server in servers() {
        let mut http = http(&server);
        let before = Timestamp::now();
        submit(&mut http, "a", "t", r#","priority":3,"max_attempts":3"#);
        let job = look(&mut http, "a");
        assert_eq!(job["state"], "queued");
        let created = time(&job["created_at"]);
        assert!(created.as_millisecond() >= before.as_millisecond() && created <= Timestamp::now(), "got {created}");
        for name in ["started_at", "finished_at", "result", "error", "progress"] {
            assert!(job[name].is_null(), "expected no {name}, got {job}");
        }
        let taken = assigned(http.get("/assignments?type=t&wait=20&worker=w%201"));
        let job = look(&mut http, "a");
        assert_eq!((&job["state"], &job["attempt"]), (&value!("running"), &value!(1)));
        let started = time(&job["started_at"]);
        assert!(started >= created, "started {started}, created {created}");
        say(&mut http, &taken, "fail", r#","error":{"no":1.0},"delay_ms":0"#).expect(200);
        let taken = assigned(http.get("/assignments?type=t&wait=20&worker=w2"));
        assert_eq!(taken["attempt"], 2);
        complete(&mut http, &taken, "[]");
        let answer = http.get("/jobs/a").raw_json(200);
        let job = answer.value();
        assert_job(&job);
        let expected = value!({"id": "a", "type": "t", "state": "completed", "priority": 3, "body": "the body of it",
            "attempt": 2, "max_attempts": 3, "result": [], "error": null, "durable": true});
        for (name, value) in expected.as_object().expect("an object") {
            assert_eq!(job[name], *value, "{name} of {job}");
        }
        assert_eq!(time(&job["created_at"]), created);
        assert!(time(&job["finished_at"]) >= time(&job["started_at"]), "got {job}");
        let attempts = job["attempts"].as_array().expect("attempts are an array");
        assert_eq!(attempts.len(), 2, "got {job}");
        for (number, (attempt, (worker, outcome))) in
            attempts.iter().zip([("w 1", "failed"), ("w2", "completed")]).enumerate()
        {
            assert_members(attempt, &ATTEMPT);
            assert_eq!(attempt["attempt"], number + 1);
            assert_eq!((&attempt["worker"], &attempt["protocol"]), (&value!(worker), &value!("http")), "got {attempt}");
            assert_eq!(attempt["outcome"], outcome);
            assert!(time(&attempt["ended_at"]) >= time(&attempt["started_at"]), "got {attempt}");
        }
        assert_eq!(answer.member(&["attempts", "0", "error"]), r#"{"no":1.0}"#);
        assert!(attempts[1]["error"].is_null());
    }
}

#[test]
fn a_failed_job_tells_why() {
    for server in servers() {
        let mut http = http(&server);
        submit(&mut http, "a", "t", "");
        let taken = take(&mut http, "t");
        say(&mut http, &taken, "fail", r#","error":"broken","retry":false"#).expect(200);
        let job = look(&mut http, "a");
        assert_eq!(
            (&job["state"], &job["error"], &job["result"]),
            (&value!("failed"), &value!("broken"), &value!(null))
        );
        assert_eq!(job["attempts"][0]["error"], "broken");
        time(&job["finished_at"]);
    }
}

#[test]
fn the_workers_of_all_protocols_are_named_in_attempts() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","max_attempts":9"#);
    let mut native = native_worker(&server, "t", 1);
    native.receive();
    native.send(r#"{"action":"fail","id":"a","error":"n","delay_ms":0}"#);
    native.receive();
    drop(native);
    eventually("it to be given back", || (state(&mut http, "a") == "queued").then_some(()));
    let mut gloom = gloom_worker(&server, "t");
    gloom.expect_job("\"a\"", "t", "\"the body of it\"");
    drop(gloom);
    eventually("it to be given back", || (state(&mut http, "a") == "queued").then_some(()));
    let mut deputy = server.deputy_client();
    deputy.send(r#"{"cmd":"can_do","types":["t"]}"#);
    deputy.receive();
    deputy.send(r#"{"cmd":"did","id":"a","res":1}"#);
    let job = http.get("/jobs/a?wait=20").json(200);
    assert_eq!(job["state"], "completed");
    let attempts = job["attempts"].as_array().expect("attempts are an array");
    let native_ones = attempts.iter().filter(|attempt| attempt["protocol"] == "native").count();
    assert!(native_ones >= 1, "got {job}");
    assert_eq!(attempts[0]["outcome"], "failed");
    let protocol = |attempt: &Value| attempt["protocol"].as_str().expect("a protocol is text").to_owned();
    assert!(attempts.iter().any(|attempt| protocol(attempt).starts_with("gloom")), "got {job}");
    assert_eq!(protocol(attempts.last().expect("it was completed")), "deputy", "got {job}");
    for attempt in attempts {
        assert_members(attempt, &ATTEMPT);
        assert!(attempt["worker"].is_string(), "got {attempt}");
    }
}

#[test]
fn ids_that_were_integers_are_found_by_their_digits() {
    let server = Server::start();
    let mut http = http(&server);
    let mut master = gloom_master(&server);
    master.submit("7", "t", "1.0");
    let answer = http.get("/jobs/7").raw_json(200);
    assert_eq!(answer.member(&["body"]), "1.0");
    assert!(["7", "\"7\""].contains(&answer.member(&["id"]).as_str()), "got {}", answer.text());
    http.post("/jobs", job("7", "t", "")).problem(409, "id_exists");
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/7/complete", format!(r#"{{"receipt":{receipt},"body":2}}"#)).expect(200);
    master.expect_result("7", "2");
}

#[test]
fn jobs_that_are_not_there_are_unknown() {
    let server = Server::start();
    let mut http = http(&server);
    for id in ["none", "a/b", "..", "%", &"x".repeat(255), "\u{1F600}"] {
        http.get(&path_of(id)).problem(404, "unknown_job");
    }
    // What can't be an id names no job either.
    for path in [format!("/jobs/{}", "x".repeat(256)), "/jobs/%0A".to_owned(), "/jobs/%FF".to_owned()] {
        let answer = http.get(&path);
        assert!([400, 404, 422].contains(&answer.status), "for {path}: {answer:?}");
        let status = answer.status;
        answer.any_problem(status);
    }
}

#[test]
fn lists_are_newest_first_in_pages() {
    for server in servers() {
        let mut http = http(&server);
        let list = http.get("/jobs").json(200);
        assert_eq!((&list["items"], &list["next"]), (&value!([]), &value!(null)), "got {list}");
        submit_all(&mut http, (0..250).map(|n| format!("{n}")), "t", "");
        let newest_first: Vec<String> = (0..250).rev().map(|n| n.to_string()).collect();
        let (all, sizes) = pages(&mut http, "");
        assert_eq!(all, newest_first);
        assert_eq!(sizes[..2], [100, 100], "expected pages of 100, got {sizes:?}");
        for (limit, first) in [("1000", 250), ("249", 249), ("1", 1)] {
            let list = http.get(&format!("/jobs?limit={limit}")).json(200);
            assert_eq!(ids(&list), newest_first[..first]);
            assert!(list["next"].is_null() == (first == 250), "limit {limit}: got {}", list["next"]);
        }
        let (all, sizes) = pages(&mut http, "limit=30");
        assert_eq!(all, newest_first);
        assert!(sizes[..8] == [30; 8], "got {sizes:?}");
        for item in http.get("/jobs?limit=5").json(200)["items"].as_array().expect("items are an array") {
            assert_job(item);
        }
    }
}

#[test]
fn the_pages_of_a_list_skip_and_repeat_nothing_while_jobs_come_and_end() {
    for server in servers() {
        let mut http = http(&server);
        submit_all(&mut http, (0..60).map(|n| format!("{n}")), "t", "");
        let list = http.get("/jobs?limit=20").json(200);
        let mut seen = ids(&list);
        let mut next = list["next"].clone();
        let mut round = 0;
        while !next.is_null() {
            submit_all(&mut http, (0..7).map(|n| format!("new-{round}-{n}")), "t", "");
            for job in all_assigned(http.get(&poll_path("t", "&max=5&wait=20"))) {
                complete(&mut http, &job, "0");
            }
            let cursor = next.as_str().map_or_else(|| next.to_string(), escaped);
            let list = http.get(&format!("/jobs?limit=20&cursor={cursor}")).json(200);
            seen.extend(ids(&list));
            next = list["next"].clone();
            round += 1;
        }
        let expected: Vec<String> = (0..60).rev().map(|n| n.to_string()).collect();
        assert_eq!(seen, expected);
    }
}

#[test]
fn lists_are_filtered_by_type_and_state() {
    for server in servers() {
        let mut http = http(&server);
        submit(&mut http, "later", "t", r#","delay_ms":600000"#);
        submit(&mut http, "completed", "t", "");
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, "0");
        submit(&mut http, "failed", "t", "");
        let taken = take(&mut http, "t");
        say(&mut http, &taken, "fail", r#","error":0,"retry":false"#).expect(200);
        submit(&mut http, "expired", "t", r#","ttl_ms":1"#);
        assert_eq!(http.get("/jobs/expired?wait=20").json(200)["state"], "expired");
        submit(&mut http, "running", "t", "");
        take(&mut http, "t");
        submit(&mut http, "queued", "t", "");
        submit(&mut http, "cancelled", "t", "");
        http.post("/jobs/cancelled/cancel", "").expect(200);
        submit(&mut http, "other", "a b/c", "");
        let cases = [
            ("state=scheduled", vec!["later"]),
            ("state=completed", vec!["completed"]),
            ("state=failed", vec!["failed"]),
            ("state=expired", vec!["expired"]),
            ("state=running", vec!["running"]),
            ("state=queued", vec!["other", "queued"]),
            ("state=cancelled", vec!["cancelled"]),
            ("type=a%20b%2Fc", vec!["other"]),
            ("type=t&state=queued", vec!["queued"]),
            ("type=t", vec!["cancelled", "queued", "running", "expired", "failed", "completed", "later"]),
            ("type=none", vec![]),
            ("type=none&state=failed", vec![]),
        ];
        for (query, expected) in cases {
            assert_eq!(ids(&http.get(&format!("/jobs?{query}")).json(200)), expected, "for {query}");
            assert_eq!(pages(&mut http, &format!("{query}&limit=1")).0, expected, "page by page for {query}");
        }
        for wrong in ["state=burning", "state=QUEUED", "state=%00"] {
            wrong_parameter(http.get(&format!("/jobs?{wrong}")), "state");
        }
    }
}

#[test]
fn lists_are_searched() {
    for server in servers() {
        let mut http = http(&server);
        for id in ["mail-1", "mail-2", "50%_x", "é\"q"] {
            submit(&mut http, id, "t", "");
        }
        let taken = take(&mut http, "t");
        complete(&mut http, &taken, "0");
        for (text, expected) in [
            ("mail", vec!["mail-2", "mail-1"]),
            ("mail-1", vec!["mail-1"]),
            ("50%_", vec!["50%_x"]),
            ("%", vec!["50%_x"]),
            ("é\"", vec!["é\"q"]),
            ("nowhere", vec![]),
        ] {
            assert_eq!(ids(&http.get(&format!("/jobs?q={}", escaped(text))).json(200)), expected, "for {text}");
        }
        assert_eq!(ids(&http.get("/jobs?q=mail&state=completed").json(200)), ["mail-1"]);
        assert_eq!(pages(&mut http, "q=mail&limit=1").0, ["mail-2", "mail-1"]);
        assert_eq!(ids(&http.get("/jobs?q=&type=&state=").json(200)).len(), 4, "expected empty filters to be none");
    }
}

#[test]
fn any_spelling_of_limit_and_cursor_is_survived() {
    let server = durable_server();
    let mut http = http(&server);
    submit_all(&mut http, (0..1_100).map(|n| format!("{n}")), "t", "");
    for limit in ["-1", "0", "1001", "1000000000", "18446744073709551616", "abc", "1.5", "", "%3Cscript%3E"] {
        let answer = http.get(&format!("/jobs?limit={limit}"));
        if answer.status == 200 {
            assert!(ids(&answer.value()).len() <= 1_000, "for {limit}");
        } else {
            assert!(!answer.text().contains("<script>"));
            wrong_parameter(answer, "limit");
        }
    }
    for cursor in
        ["-1", "0", "abc", "18446744073709551616", "%00", "%FF", "..%2F..", "'%20or%201=1", &"9".repeat(2_000)]
    {
        let answer = http.get(&format!("/jobs?cursor={cursor}"));
        if answer.status == 200 {
            assert!(ids(&answer.value()).len() <= 100, "for {cursor}");
        } else {
            wrong_parameter(answer, "cursor");
        }
    }
    assert_eq!(ids(&http.get("/jobs?unknown=1&limit=3").json(200)).len(), 3, "expected unknown filters to be ignored");
}

#[test]
fn memory_and_store_are_one_list() {
    // Finished durable jobs live in the store, waiting ones in memory: the list mixes them by age.
    let server = durable_server();
    let mut http = http(&server);
    for n in 0..30 {
        submit(&mut http, &format!("{n}"), "t", &format!(r#","durable":{}"#, n % 3 != 0));
        if n % 2 == 0 {
            let taken = take(&mut http, if n % 2 == 0 { "t" } else { "u" });
            if n % 4 == 0 && n % 3 != 0 {
                complete(&mut http, &taken, "0");
            }
        }
    }
    let (all, _) = pages(&mut http, "limit=7");
    let expected: Vec<String> = (0..30).rev().map(|n| n.to_string()).collect();
    assert_eq!(all, expected);
    let server = after_kill9(server);
    let mut http = self::http(&server);
    let expected: Vec<String> = (0..30).rev().filter(|n| n % 3 != 0).map(|n| n.to_string()).collect();
    assert_eq!(pages(&mut http, "limit=7").0, expected, "after a restart");
}

#[test]
fn heads_are_as_of_get_without_a_body() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    for target in ["/api/v1/jobs", "/api/v1/jobs/a", "/healthz", "/api/v1/ping"] {
        let answer = http.ask("HEAD", target, &[], None);
        // Not promised; but where it is answered it has no body, and the connection stays in step.
        assert!([200, 404, 405].contains(&answer.status), "for {target}: {answer:?}");
        http.get("/ping").expect(200);
    }
}
