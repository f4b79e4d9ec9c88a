//! `POST /jobs`: what is accepted, what it becomes, what is refused.

use super::*;

/// A body that no reader of JSON would give back as it is.
pub const ODD: &str =
    r#"{"z": 1.0,"a":1e400,"a":-0,"n":12345678901234567890123, "s":"\u0041\/\ud800 \u0000","l":[ 1 ,2.50 ],"":{}}"#;

#[track_caller]
fn refused(http: &mut Http, body: &str, field: &str) {
    let problem = http.post("/jobs", body).problem(422, "invalid_field");
    assert_eq!(problem["field"], field, "expected the field to be named for {body}, got {problem}");
}

#[test]
fn a_job_is_accepted_and_its_place_is_told() {
    let server = Server::start();
    let mut http = http(&server);
    let answer = http.post("/jobs", r#"{"id":"a","type":"t","body":{"n":1}}"#);
    assert_eq!(answer.header("location"), Some("/api/v1/jobs/a"));
    assert_eq!(answer.json(201), value!({"id": "a", "type": "t", "state": "queued"}));
    let job = look(&mut http, "a");
    assert_eq!((&job["state"], &job["body"]), (&value!("queued"), &value!({"n": 1})));
}

#[test]
fn the_location_of_every_id_leads_to_its_job() {
    let server = Server::start();
    let mut http = http(&server);
    let long = "é".repeat(127) + "x";
    for id in [
        "a/b",
        "..",
        ".",
        "../../etc/passwd",
        "50%",
        "a.b~c",
        "a b",
        "a+b",
        "é😀",
        "?q=1#x",
        "<script>",
        "\"'\\",
        "%2F",
        "jobs",
        "batch",
        &long,
    ] {
        let answer = http.post("/jobs", format!(r#"{{"id":{},"type":"t"}}"#, value!(id)));
        let location = answer.header("location").unwrap_or_else(|| panic!("expected a location of {id}")).to_owned();
        assert_eq!(answer.json(201)["id"], *id);
        assert!(location.is_ascii() && !location.contains(['"', '<', ' ', '\\']), "got {location}");
        let found = http.ask("GET", &location, &[], None).json(200);
        assert_eq!(found["id"], *id, "at {location}");
        assert_eq!(look(&mut http, id)["id"], *id);
    }
}

#[test]
fn what_is_not_said_has_its_default() {
    let server = Server::start();
    let mut http = http(&server);
    let answer = http.post("/jobs", "{}").json(201);
    assert_members(&answer, &["id", "type", "state"]);
    assert_eq!((&answer["type"], &answer["state"]), (&value!("default"), &value!("queued")));
    let id = id_of(&answer);
    // A UUIDv7.
    let digits: Vec<&str> = id.split('-').collect();
    assert_eq!(digits.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "got {id}");
    assert!(id.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()), "got {id}");
    assert!(digits[2].starts_with('7') && digits[3].starts_with(['8', '9', 'a', 'b']), "got {id}");
    let made = u64::from_str_radix(&format!("{}{}", digits[0], digits[1]), 16).expect("hexadecimal digits");
    let now = Timestamp::now().as_millisecond() as u64;
    assert!(made <= now && now - made < 60_000, "expected the time in the id, got {made} at {now}");
    let job = look(&mut http, id);
    let expected = value!({"priority": 0, "body": null, "attempt": 0, "max_attempts": 4, "started_at": null,
        "finished_at": null, "result": null, "error": null, "attempts": [], "durable": true, "progress": null});
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(job[name], *value, "{name} of {job}");
    }
    let other = http.post("/jobs", "{}").json(201);
    assert!(id_of(&other) > id, "expected ids to grow, got {id} then {}", id_of(&other));
    // And nulls are nothing said.
    let nulls = r#"{"id":null,"type":null,"body":null,"priority":null,"delay_ms":null,"run_at":null,"lease_ms":null,
        "max_attempts":null,"backoff_ms":null,"ttl_ms":null,"keep_ms":null,"durable":null,"on_master_gone":null}"#;
    let answer = http.post("/jobs", nulls).json(201);
    assert_eq!(answer["type"], "default");
}

#[test]
fn the_policy_is_kept() {
    let server = Server::start();
    let mut http = http(&server);
    let more =
        r#","priority":-9223372036854775808,"max_attempts":7,"durable":false,"lease_ms":1234,"unknown":{"x":[]}"#;
    submit(&mut http, "a", "t", more);
    let job = look(&mut http, "a");
    assert_eq!(job["priority"], i64::MIN);
    assert_eq!((&job["max_attempts"], &job["durable"]), (&value!(7), &value!(false)));
    submit(&mut http, "b", "t", r#","priority":9223372036854775807"#);
    assert_eq!(look(&mut http, "b")["priority"], i64::MAX);
    let taken = take(&mut http, "t");
    assert_eq!((id_of(&taken), &taken["priority"]), ("b", &value!(i64::MAX)));
    let taken = take(&mut http, "t");
    let expected = value!({"id": "a", "type": "t", "body": "the body of it", "priority": i64::MIN, "attempt": 1,
        "max_attempts": 7, "lease_ms": 1234, "receipt": taken["receipt"]});
    assert_eq!(taken, expected);
}

#[test]
fn a_delayed_job_is_scheduled_until_its_time() {
    let server = Server::start();
    let mut http = http(&server);
    let before = Timestamp::now();
    let answer = http.post("/jobs", r#"{"id":"a","type":"t","delay_ms":700}"#).json(201);
    assert_eq!(answer["state"], "scheduled");
    let job = look(&mut http, "a");
    let (created, run_at) = (time(&job["created_at"]), time(&job["run_at"]));
    let slack = Duration::from_secs(5);
    assert!(created.as_millisecond() >= before.as_millisecond(), "created at {created}, asked at {before}");
    let wait = run_at.as_millisecond() - created.as_millisecond();
    assert!((699..=701).contains(&wait), "expected 700 ms, got {wait}");
    expect_nothing_of(&mut http, "t");
    let taken = take(&mut http, "t");
    let now = Timestamp::now();
    assert_eq!(id_of(&taken), "a");
    assert!(now.as_millisecond() - before.as_millisecond() >= 699, "expected it at {run_at}, it came at {now}");
    let far = Timestamp::now() + slack;
    for spelling in [far.to_string(), far.to_string().replace('Z', "+00:00")] {
        let body = format!(r#"{{"id":"at {spelling}","type":"t","run_at":"{spelling}"}}"#);
        assert_eq!(http.post("/jobs", body).json(201)["state"], "scheduled");
        let run_at = time(&look(&mut http, &format!("at {spelling}"))["run_at"]);
        // It is a delay from when its queue sees it: never before, a little after.
        let late = run_at.as_millisecond() - far.as_millisecond();
        assert!((-1..=2_000).contains(&late), "expected {far}, got {run_at}");
    }
    // What lies in the past is now.
    let answer = http.post("/jobs", r#"{"id":"past","type":"u","run_at":"2001-01-01T00:00:00Z"}"#).json(201);
    assert_eq!(answer["state"], "queued");
    assert_eq!(id_of(&take(&mut http, "u")), "past");
}

#[test]
fn a_job_that_waits_longer_than_its_time_to_live_expires() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","ttl_ms":100"#);
    let job = http.get("/jobs/a?wait=20").json(200);
    assert_eq!(job["state"], "expired", "got {job}");
    assert!(job["result"].is_null() && time(&job["finished_at"]) >= time(&job["created_at"]), "got {job}");
    expect_nothing_of(&mut http, "t");
}

#[test]
fn bodies_arrive_byte_for_byte() {
    let server = durable_server();
    let mut http = http(&server);
    http.post("/jobs", format!(r#"{{"id":"a","type":"t","body":{ODD}}}"#)).raw_json(201);
    assert_eq!(http.get("/jobs/a").raw_json(200).member(&["body"]), ODD);
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    assert_eq!(answer.member(&["jobs", "0", "body"]), ODD);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/a/complete", format!(r#"{{"receipt":{receipt},"body":{ODD}}}"#)).expect(200);
    let job = http.get("/jobs/a").raw_json(200);
    assert_eq!((job.member(&["body"]), job.member(&["result"])), (ODD.to_owned(), ODD.to_owned()));
    // The same in a list, and for who waits.
    let list = http.get("/jobs?type=t").raw_json(200);
    assert_eq!(list.member(&["items", "0", "result"]), ODD);
    let mut waiting = self::http(&server);
    waiting.start_post("/jobs?wait=20", format!(r#"{{"id":"b","type":"u","body":{ODD}}}"#));
    let answer = http.get(&poll_path("u", "&wait=20")).raw_json(200);
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/b/fail", format!(r#"{{"receipt":{receipt},"error":{ODD},"retry":false}}"#)).expect(200);
    let job = waiting.answer().raw_json(200);
    assert_eq!((job.member(&["error"]), job.member(&["attempts", "0", "error"])), (ODD.to_owned(), ODD.to_owned()));
}

#[test]
fn small_bodies_of_every_kind_arrive_as_they_are() {
    let server = Server::start();
    let mut http = http(&server);
    for (number, body) in
        ["null", "true", "false", "0", "-0.0", "1E5", "\"\"", "\"\\n\"", "[]", "{}", "[[],{}]", "\"é\""]
            .iter()
            .enumerate()
    {
        http.post("/jobs", format!(" {{\n\"body\"\t:\r\n {body} ,\"id\":\"{number}\",\"type\":\"t\"}} ")).raw_json(201);
        let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
        assert_eq!(answer.member(&["jobs", "0", "body"]), *body);
    }
}

#[test]
fn an_id_is_taken_as_long_as_its_job_and_its_durable_record_live() {
    let server = durable_server();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let exists = |http: &mut Http, state: &str| {
        let problem = http.post("/jobs", job("a", "elsewhere", "")).problem(409, "id_exists");
        assert_eq!(problem["state"], state, "got {problem}");
    };
    exists(&mut http, "queued");
    let taken = take(&mut http, "t");
    exists(&mut http, "running");
    complete(&mut http, &taken, "1");
    exists(&mut http, "completed");
    submit(&mut http, "b", "t", r#","delay_ms":600000"#);
    let problem = http.post("/jobs", job("b", "t", "")).problem(409, "id_exists");
    assert_eq!(problem["state"], "scheduled");
    http.post("/jobs/b/cancel", "").expect(200);
    let problem = http.post("/jobs", job("b", "t", "")).problem(409, "id_exists");
    assert_eq!(problem["state"], "cancelled");
    http.delete("/jobs/b").expect(204);
    submit(&mut http, "b", "t", "");
    // The record of a transient job gives way.
    submit(&mut http, "c", "u", r#","durable":false,"keep_ms":600000"#);
    let taken = take(&mut http, "u");
    let problem = http.post("/jobs", job("c", "u", "")).problem(409, "id_exists");
    assert_eq!(problem["state"], "running");
    complete(&mut http, &taken, "1");
    assert_eq!(state(&mut http, "c"), "completed");
    submit(&mut http, "c", "u", "");
    assert_eq!(state(&mut http, "c"), "queued");
}

#[test]
fn a_transient_job_that_keeps_nothing_is_forgotten_when_it_ends() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", r#","durable":false"#);
    let taken = take(&mut http, "t");
    complete(&mut http, &taken, "1");
    eventually("the record to go", || (http.get("/jobs/a").status == 404).then_some(()));
    http.get("/jobs/a").problem(404, "unknown_job");
}

#[test]
fn wrong_members_are_named() {
    let server = Server::start();
    let mut http = http(&server);
    let long = "x".repeat(256);
    for id in [
        r#""""#.to_owned(),
        format!("\"{long}\""),
        r#""a\nb""#.to_owned(),
        r#""\u0000""#.to_owned(),
        r#""\u007f""#.to_owned(),
        r#""\ud800""#.to_owned(),
        "true".to_owned(),
        "[]".to_owned(),
        "1.5".to_owned(),
    ] {
        refused(&mut http, &format!(r#"{{"id":{id}}}"#), "id");
    }
    for kind in [
        r#""""#.to_owned(),
        format!("\"{long}\""),
        r#""a\tb""#.to_owned(),
        r#""\udc00""#.to_owned(),
        "7".to_owned(),
        "{}".to_owned(),
    ] {
        refused(&mut http, &format!(r#"{{"type":{kind}}}"#), "type");
    }
    for priority in [r#""5""#, "5.5", "true", "9223372036854775808", "-9223372036854775809", "1e400", "[]"] {
        refused(&mut http, &format!(r#"{{"priority":{priority}}}"#), "priority");
    }
    for name in ["delay_ms", "lease_ms", "max_attempts", "backoff_ms", "ttl_ms", "keep_ms"] {
        for wrong in [r#""5""#, "-1", "1.5", "true", "{}"] {
            refused(&mut http, &format!(r#"{{"{name}":{wrong}}}"#), name);
        }
    }
    for name in ["lease_ms", "max_attempts", "ttl_ms"] {
        refused(&mut http, &format!(r#"{{"{name}":0}}"#), name);
    }
    for wrong in ["5", r#""tomorrow""#, r#""2001-13-01T00:00:00Z""#, "true", r#""""#] {
        refused(&mut http, &format!(r#"{{"run_at":{wrong}}}"#), "run_at");
    }
    for wrong in ["1", r#""true""#, "[]"] {
        refused(&mut http, &format!(r#"{{"durable":{wrong}}}"#), "durable");
    }
    for wrong in ["1", r#""burn""#] {
        refused(&mut http, &format!(r#"{{"on_master_gone":{wrong}}}"#), "on_master_gone");
    }
    // Nothing of all that became a job, and the connection lives.
    assert_eq!(http.get("/jobs").json(200)["items"], value!([]));
    assert_eq!(counts(&mut http)["accepted"], 0);
    submit(&mut http, "good", "t", "");
}

#[test]
fn huge_times_are_as_long_as_can_be() {
    let server = Server::start();
    let mut http = http(&server);
    for (number, name) in ["delay_ms", "lease_ms", "backoff_ms", "ttl_ms", "keep_ms"].iter().enumerate() {
        for (place, huge) in
            ["9007199254740993", "18446744073709551615", "99999999999999999999999999"].iter().enumerate()
        {
            let id = format!("{number}-{place}");
            submit(&mut http, &id, &id, &format!(r#","{name}":{huge}"#));
            let job = look(&mut http, &id);
            assert_eq!(job["state"], if *name == "delay_ms" { "scheduled" } else { "queued" });
            if *name != "delay_ms" {
                let taken = take(&mut http, &id);
                say(&mut http, &taken, "fail", r#","error":0"#).json(200);
                look(&mut http, &id);
            }
        }
    }
    let answer = http.post("/jobs", r#"{"id":"end of time","run_at":"9999-12-30T12:59:59Z"}"#).json(201);
    assert_eq!(answer["state"], "scheduled");
    time(&look(&mut http, "end of time")["run_at"]);
}

#[test]
fn what_is_no_object_is_refused() {
    let server = Server::start();
    let mut http = http(&server);
    for body in ["[]", "5", "\"x\"", "null", "true", "[{}]"] {
        let problem = http.post("/jobs", body).any_problem(422);
        assert!(problem["code"].is_string(), "got {problem}");
    }
    for body in [
        "{",
        "{\"a\":}",
        "{}{}",
        "{} x",
        "{'a':1}",
        "{\"a\":01}",
        "{\"a\":NaN}",
        "{\"a\":\"\n\"}",
        "{//\n}",
        "\u{feff}{}",
        "{\"body\":tru}",
        "{\"body\":\"\\x\"}",
        "{\"a\":1,}",
        " ",
    ] {
        http.post("/jobs", body).problem(400, "invalid_json");
    }
    for body in [b"{\"body\":\"\xff\"}".as_slice(), b"{\"body\":\"\xc3\"}", b"\x00", b"{\"body\":\"\xed\xa0\x80\"}"] {
        http.post("/jobs", body).problem(400, "invalid_json");
    }
    http.ask("POST", "/api/v1/jobs", &[AS_JSON], Some(b"")).problem(400, "invalid_json");
    submit(&mut http, "good", "t", "");
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", &format!(r#","x":{}"#, nested(100)));
    http.post("/jobs", format!(r#"{{"id":"b","type":"t","body":{}}}"#, nested(120))).json(201);
    for depth in [130, 10_000, 5_000_000] {
        for member in ["body", "unknown"] {
            let start = Instant::now();
            http.post("/jobs", format!(r#"{{"{member}":{}}}"#, nested(depth))).problem(422, "too_deep");
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "expected an answer at once, it took {took:?}");
        }
        http.post("/jobs", nested(depth)).any_problem(422);
    }
    let server = Server::with(&["--max-depth", "10"]);
    let mut http = self::http(&server);
    http.post("/jobs", format!(r#"{{"body":{}}}"#, nested(8))).json(201);
    http.post("/jobs", format!(r#"{{"body":{}}}"#, nested(11))).problem(422, "too_deep");
}

#[test]
fn bodies_that_are_not_said_to_be_json_are_refused() {
    let server = Server::start();
    let mut http = http(&server);
    let body = job("a", "t", "");
    let form = "application/x-www-form-urlencoded";
    for kind in [
        "text/plain",
        form,
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "text/json",
        "application",
        "",
        "*/*",
    ] {
        let headers = [("Content-Type", kind)];
        for path in ["/jobs", "/jobs/batch", "/jobs/a/complete", "/jobs/a/fail", "/jobs/a/touch", "/jobs/a/release"] {
            http.ask("POST", &format!("{API}{path}"), &headers, Some(body.as_bytes())).any_problem(415);
        }
    }
    http.ask("POST", "/api/v1/jobs", &[], Some(body.as_bytes())).any_problem(415);
    for coding in ["gzip", "deflate", "br", "zstd", "compress"] {
        let headers = [AS_JSON, ("Content-Encoding", coding)];
        http.ask("POST", "/api/v1/jobs", &headers, Some(body.as_bytes())).any_problem(415);
    }
    http.get("/jobs/a").problem(404, "unknown_job");
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"] {
        http.ask("POST", "/api/v1/jobs", &[("content-type", kind)], Some(b"{}")).json(201);
    }
}

#[test]
fn a_body_over_the_limit_is_too_large_and_the_limit_is_a_setting() {
    let server = Server::with(&["--max-body", "2000"]);
    let mut http = http(&server);
    http.post("/jobs", format!(r#"{{"id":"a","type":"t","body":"{}"}}"#, "x".repeat(1_800))).json(201);
    let large = format!(r#"{{"id":"b","type":"t","body":"{}"}}"#, "x".repeat(2_000));
    http.post("/jobs", &large).problem(413, "too_large");
    let taken = self::take(&mut self::http(&server), "t");
    let mut other = self::http(&server);
    say(&mut other, &taken, "complete", &format!(r#","body":"{}""#, "x".repeat(2_001))).problem(413, "too_large");
    let mut other = self::http(&server);
    other.get("/jobs/b").problem(404, "unknown_job");
    complete(&mut other, &taken, "0");
}

#[test]
fn a_body_of_the_limit_is_carried_whole() {
    let server = durable_server();
    let mut http = http(&server);
    let body = format!("\"{}\"", "b".repeat((16 << 20) - 1_000));
    http.post("/jobs", format!(r#"{{"id":"a","type":"t","body":{body}}}"#)).json(201);
    let answer = http.get(&poll_path("t", "&wait=20")).raw_json(200);
    assert!(answer.member(&["jobs", "0", "body"]) == body, "expected the body unchanged");
    let receipt = answer.member(&["jobs", "0", "receipt"]);
    http.post("/jobs/a/complete", format!(r#"{{"receipt":{receipt},"body":{body}}}"#)).expect(200);
    let job = http.get("/jobs/a").raw_json(200);
    assert!(job.member(&["result"]) == body, "expected the result unchanged");
    let mut other = self::http(&server);
    other.try_raw(other.request("POST", "/api/v1/jobs", &[AS_JSON, ("Content-Length", "16800000")], None));
    other.expect_answer_to("POST");
    other.answer().problem(413, "too_large");
}

#[test]
fn past_the_limit_of_jobs_a_submit_is_told_to_come_again() {
    let server = Server::with(&["--max-jobs", "3"]);
    let mut http = http(&server);
    for id in ["a", "b", "c"] {
        submit(&mut http, id, "t", r#","durable":false"#);
    }
    let answer = http.post("/jobs", job("d", "t", ""));
    let after: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds to wait");
    assert!(after >= 1);
    answer.problem(503, "queue_full");
    http.get("/jobs/d").problem(404, "unknown_job");
    let taken = take(&mut http, "t");
    complete(&mut http, &taken, "0");
    eventually("room", || (http.post("/jobs", job("d", "t", "")).status == 201).then_some(()));
}

#[test]
fn records_of_jobs_that_have_ended_take_nobodys_place() {
    for policy in ["", r#","durable":false,"keep_ms":600000"#] {
        let server = Server::with(&["--max-jobs", "2"]);
        let mut http = http(&server);
        for id in ["a", "b", "c", "d", "e"] {
            submit(&mut http, id, "t", policy);
            let taken = take(&mut http, "t");
            complete(&mut http, &taken, "0");
            assert_eq!(look(&mut http, id)["state"], "completed", "the record is kept");
        }
    }
}

#[test]
fn a_server_that_drains_refuses_submits_and_hears_answers() {
    let mut server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    submit(&mut http, "b", "t", "");
    let taken = take(&mut http, "t");
    let mut poller = parked(&server, "u", "");
    let mut other = self::http(&server);
    other.get("/ping").expect(200);
    server.term();
    let refused = eventually("submits to be refused", || {
        let answer = http.post("/jobs", format!(r#"{{"id":"late-{}","type":"u"}}"#, unique()));
        (answer.status != 201).then_some(answer)
    });
    let after: u64 = refused.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds to wait");
    assert!(after >= 1);
    refused.problem(503, "draining");
    // Nothing is handed out; who waits is told so or let go.
    let answer = other.get(&poll_path("t", "&wait=0"));
    assert!([204, 503].contains(&answer.status), "got {answer:?}");
    match poller.listen(PATIENCE) {
        Reply::Answer(answer) => assert!([200, 204, 503].contains(&answer.status), "got {answer:?}"),
        Reply::Closed(None) => {}
        other => panic!("expected the poll to end, got {other:?}"),
    }
    assert!(server.is_running(), "expected the server to wait for the running job");
    complete(&mut http, &taken, "1");
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
}

#[test]
fn the_master_of_a_job_is_told() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let job = look(&mut http, "a");
    assert!(job["master"].is_string() || job["master"].is_null(), "got {job}");
    let mut master = gloom_master(&server);
    master.submit("\"g\"", "t", "0");
    let job = look(&mut http, "g");
    assert!(job["master"].is_string(), "expected the name of a gloom master, got {job}");
    assert_eq!(job["durable"], false);
}
