//! Errors: the same form everywhere, the right status and headers, nothing of the caller's in them.

use super::*;

#[test]
fn paths_that_are_not_there_are_problems() {
    let server = Server::start();
    let mut http = http(&server);
    let targets = [
        "/nope",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/nope",
        "/api/v2/jobs",
        "/API/v1/jobs",
        "/api/v1/jobs/",
        "/api/v1/jobs/a/b",
        "/api/v1/jobs/a/b/c",
        "/api/v1//jobs",
        "//api/v1/jobs",
        "/api/v1/queues/",
        "/api/v1/stats/x",
        "/healthz/x",
        "/metrics/",
        "/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/..%2f..%2f..%2fetc%2fpasswd",
        "/etc/passwd%00",
        "/static/../../Cargo.toml",
        "/..\\..\\etc\\passwd",
        "/api;x=y/v1/jobs",
        "/.env",
        "/%",
        "/%zz",
        "/index.php",
    ];
    for target in targets {
        for method in ["GET", "POST", "DELETE", "PUT"] {
            let answer = http.ask(method, target, &[], None);
            let status = answer.status;
            assert!([400, 404].contains(&status), "{method} {target}: {answer:?}");
            let problem = answer.any_problem(status);
            assert!(
                status != 404 || problem["code"] == "not_found" || target.contains("/jobs/a/"),
                "{method} {target}: {problem}"
            );
        }
    }
}

#[test]
fn methods_that_a_path_does_not_have_are_problems_that_say_which_it_has() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    let routes: [(&str, &[&str]); 15] = [
        ("/api/v1/jobs", &["GET", "POST"]),
        ("/api/v1/jobs/batch", &["POST"]),
        ("/api/v1/jobs/a", &["GET", "DELETE"]),
        ("/api/v1/jobs/a/cancel", &["POST"]),
        ("/api/v1/jobs/a/retry", &["POST"]),
        ("/api/v1/jobs/a/complete", &["POST"]),
        ("/api/v1/jobs/a/touch", &["POST"]),
        ("/api/v1/assignments", &["GET"]),
        ("/api/v1/queues", &["GET"]),
        ("/api/v1/queues/t/purge", &["POST"]),
        ("/api/v1/workers", &["GET"]),
        ("/api/v1/stats", &["GET"]),
        ("/api/v1/openapi.json", &["GET"]),
        ("/healthz", &["GET"]),
        ("/metrics", &["GET"]),
    ];
    for (target, has) in routes {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BURN"] {
            // A job called "batch" may be looked at and deleted.
            if has.contains(&method) || (target.ends_with("/batch") && method != "PUT") {
                continue;
            }
            let answer = http.ask(method, target, &[], None);
            if method == "OPTIONS" && answer.status != 405 {
                // It may be told what there is, but no browser is told that it may.
                assert!([200, 204].contains(&answer.status), "{method} {target}: {answer:?}");
            } else {
                let allow =
                    answer.header("allow").unwrap_or_else(|| panic!("expected Allow of {method} {target}")).to_owned();
                let allowed: Vec<&str> = allow.split(',').map(str::trim).collect();
                for one in has {
                    assert!(allowed.contains(one), "expected {one} in {allow} of {target}");
                }
                assert!(!allowed.contains(&method), "got {allow} for {method} {target}");
                answer.problem(405, "method_not_allowed");
            }
        }
    }
    assert_eq!(state(&mut http, "a"), "queued");
}

#[test]
fn every_answer_is_guarded() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    for (method, target) in [
        ("GET", "/api/v1/jobs/a"),
        ("GET", "/api/v1/jobs"),
        ("GET", "/api/v1/stats"),
        ("GET", "/api/v1/ping"),
        ("GET", "/nope"),
        ("PUT", "/api/v1/jobs"),
        ("GET", "/metrics"),
        ("GET", "/healthz"),
        ("GET", "/api/v1/openapi.json"),
        ("OPTIONS", "/api/v1/jobs"),
        ("GET", "/api/v1/assignments?type=none&wait=0"),
    ] {
        let answer = http.ask(method, target, &[("Origin", "https://evil.example")], None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{method} {target}: {answer:?}");
        for (name, _) in &answer.headers {
            assert!(!name.starts_with("access-control-"), "expected no CORS at {method} {target}, got {name}");
        }
        assert!(answer.header("server").is_none_or(|server| !server.contains("actix")), "got {answer:?}");
    }
}

#[test]
fn problems_give_back_no_more_than_a_glimpse_of_what_was_sent() {
    let server = Server::start();
    let mut http = http(&server);
    let flood = "<script>alert(1)</script>".repeat(400);
    let escaped_flood = escaped(&flood[..2_000]);
    let answers = [
        http.post("/jobs", &flood),
        http.post("/jobs", format!(r#"{{"id":"{flood}"}}"#)),
        http.post("/jobs", format!(r#"{{"{flood}":1,"priority":"{flood}"}}"#)),
        http.post("/jobs", format!(r#"{{"run_at":"{flood}"}}"#)),
        http.post("/jobs/none/complete", format!(r#"{{"receipt":"{flood}"}}"#)),
        http.get(&format!("/jobs/{escaped_flood}")),
        http.get(&format!("/jobs?state={escaped_flood}")),
        http.get(&format!("/jobs?cursor={escaped_flood}")),
        http.get(&format!("/queues/{escaped_flood}")),
        http.get(&format!("/{escaped_flood}")),
    ];
    for answer in answers {
        assert!(answer.status / 100 == 4, "got {answer:?}");
        assert!(answer.body.len() < 600, "got {} bytes: {}", answer.body.len(), answer.text());
        let status = answer.status;
        answer.any_problem(status);
    }
}

#[test]
fn a_connection_goes_on_after_problems() {
    let server = Server::start();
    let mut http = http(&server);
    let own_port = |http: &Http| http.stream.local_addr().expect("a connection has an address").port();
    let port = own_port(&http);
    for n in 0..90 {
        match n % 6 {
            0 => drop(http.post("/jobs", "{").problem(400, "invalid_json")),
            1 => drop(http.post("/jobs", "[]").any_problem(422)),
            2 => drop(http.get("/jobs/none").problem(404, "unknown_job")),
            3 => drop(http.get("/nope").problem(404, "not_found")),
            4 => drop(http.post("/jobs/none/complete", r#"{"receipt":"x","body":1}"#).any_problem(404)),
            _ => submit(&mut http, &format!("{n}"), "t", ""),
        }
        assert_eq!(own_port(&http), port, "expected the same connection after problem {n}");
    }
}
