//! What a browser can be made to send by another site has no effect.

use super::*;

/// Every way to change something, and what it would change.
fn changes() -> Vec<(&'static str, String, &'static str)> {
    let post = |path: &str, body: &'static str| ("POST", format!("{API}{path}"), body);
    vec![
        post("/jobs", r#"{"id":"new","type":"t"}"#),
        post("/jobs?wait=0", r#"{"id":"new","type":"t"}"#),
        post("/jobs/batch", r#"{"jobs":[{"id":"new","type":"t"}]}"#),
        post("/jobs/a/cancel", ""),
        post("/jobs/failed/retry", ""),
        post("/queues/t/pause", ""),
        post("/queues/t/resume", ""),
        post("/queues/t/purge", ""),
        post("/queues/t/retry-failed", ""),
        post("/workers/1/disconnect", ""),
        post("/jobs/a/complete", r#"{"receipt":"x","body":1}"#),
        post("/jobs/a/fail", r#"{"receipt":"x","error":1}"#),
        post("/jobs/a/touch", r#"{"receipt":"x"}"#),
        post("/jobs/a/release", r#"{"receipt":"x"}"#),
        ("DELETE", format!("{API}/jobs/failed"), ""),
        ("GET", format!("{API}/assignments?type=t&wait=0"), ""),
    ]
}

/// Asks for all changes with these headers; each is refused with this status, and nothing has changed.
#[track_caller]
fn expect_all_refused(headers: &[(&str, &str)], status: u16) {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "failed", "t", "");
    let taken = take(&mut http, "t");
    say(&mut http, &taken, "fail", r#","error":0,"retry":false"#).expect(200);
    submit(&mut http, "a", "t", "");
    for (method, target, body) in changes() {
        let mut all = headers.to_vec();
        if !body.is_empty() {
            all.push(AS_JSON);
        }
        let answer = http.ask(method, &target, &all, (!body.is_empty()).then_some(body.as_bytes()));
        assert_eq!(answer.status, status, "{method} {target} with {headers:?}: {answer:?}");
        answer.any_problem(status);
    }
    assert_eq!((state(&mut http, "a"), state(&mut http, "failed")), ("queued".to_owned(), "failed".to_owned()));
    http.get("/jobs/new").problem(404, "unknown_job");
    assert_eq!(http.get("/queues/t").json(200)["paused"], false);
    let taken = take(&mut http, "t");
    assert_eq!((id_of(&taken), &taken["attempt"]), ("a", &value!(1)));
}

#[test]
fn requests_of_other_sites_change_nothing() {
    for headers in [
        &[("Sec-Fetch-Site", "cross-site")][..],
        &[("Sec-Fetch-Site", "same-site")],
        &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")],
        &[("Origin", "https://evil.example")],
        &[("Origin", "null")],
        &[("Origin", "http://127.0.0.1.evil.example")],
        &[("Origin", "http://127.0.0.1:1")],
        &[("Sec-Fetch-Site", "nonsense")],
    ] {
        expect_all_refused(headers, 403);
    }
}

#[test]
fn requests_for_other_hosts_are_misdirected() {
    for host in ["evil.example", "127.0.0.1.evil", "evil.example:3000", "localhost.evil.example", "10.0.0.1", "[::2]"] {
        expect_all_refused(&[("Host", host)], 421);
        let server = Server::start();
        let mut http = http(&server);
        // Also where nothing changes: a page of a site that calls itself by our address could read it.
        for target in [
            "/api/v1/jobs",
            "/api/v1/stats",
            "/metrics",
            "/healthz",
            "/readyz",
            "/",
            "/nope",
            "/api/v1/events",
            "/api/v1/openapi.json",
        ] {
            http.ask("GET", target, &[("Host", host)], None).any_problem(421);
        }
    }
}

#[test]
fn our_own_names_are_ours() {
    let server = Server::with(&["--http-names", "jobs.example,Other.Example"]);
    let mut http = http(&server);
    let port = server.http().port();
    for host in
        ["127.0.0.1", "localhost", "LocalHost", "[::1]", "127.0.0.2", "jobs.example", "other.example", "JOBS.example"]
    {
        for host in [host.to_owned(), format!("{host}:{port}")] {
            http.ask("GET", "/api/v1/ping", &[("Host", &host)], None).expect(200);
            http.ask("POST", "/api/v1/jobs", &[("Host", &host), AS_JSON], Some(b"{}")).json(201);
        }
    }
    http.ask("GET", "/api/v1/ping", &[("Host", "jobs.example.evil")], None).any_problem(421);
}

#[test]
fn our_own_pages_and_programs_may() {
    let server = Server::start();
    let mut http = http(&server);
    let host = http.host().to_owned();
    let own = format!("http://{host}");
    for (number, headers) in [
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Sec-Fetch-Site", "same-origin"), ("Origin", own.as_str())],
        vec![("Origin", own.as_str())],
        vec![],
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!(r#"{{"id":"{number}","type":"t"}}"#);
        let mut all = headers.clone();
        all.push(AS_JSON);
        http.ask("POST", "/api/v1/jobs", &all, Some(body.as_bytes())).json(201);
        let answer = http.ask("GET", "/api/v1/assignments?type=t&wait=0", &headers, None);
        assert_eq!(id_of(&assigned(answer)), number.to_string());
    }
}

#[test]
fn reading_is_not_a_change() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    for target in ["/api/v1/jobs", "/api/v1/jobs/a", "/api/v1/stats", "/api/v1/ping", "/metrics", "/healthz"] {
        let answer =
            http.ask("GET", target, &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")], None);
        let answer = answer.expect(200);
        // It is answered, but no header lets the other site read it.
        assert!(answer.headers.iter().all(|(name, _)| !name.starts_with("access-control-")), "got {answer:?}");
    }
}

#[test]
fn a_form_of_another_site_can_send_nothing_that_is_read() {
    let server = Server::start();
    let mut http = http(&server);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let headers = [("Content-Type", kind), ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")];
        let answer = http.ask("POST", "/api/v1/jobs", &headers, Some(br#"{"id":"x","type":"t"}"#));
        let status = answer.status;
        assert!([403, 415].contains(&status), "got {answer:?}");
        answer.any_problem(status);
    }
    http.get("/jobs/x").problem(404, "unknown_job");
}

#[test]
fn asking_whether_one_may_is_no_yes() {
    let server = Server::start();
    let mut http = http(&server);
    let headers = [
        ("Origin", "https://evil.example"),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "content-type"),
        ("Access-Control-Request-Private-Network", "true"),
    ];
    for target in ["/api/v1/jobs", "/api/v1/assignments", "/api/v1/jobs/a/cancel", "/", "/metrics"] {
        let answer = http.ask("OPTIONS", target, &headers, None);
        for (name, _) in &answer.headers {
            assert!(!name.starts_with("access-control-"), "got {name} from {target}");
        }
    }
}

#[test]
fn a_get_on_a_change_changes_nothing() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "a", "t", "");
    for (method, target, _) in changes() {
        if method == "POST" && !target.contains("/jobs?") && !target.ends_with("/jobs") {
            let answer = http.ask("GET", &target, &[], None);
            assert!([404, 405].contains(&answer.status), "{target}: {answer:?}");
            http.ask("HEAD", &target, &[], None);
        }
    }
    // A HEAD would hand out a job that nobody sees.
    http.ask("HEAD", "/api/v1/assignments?type=t&wait=0", &[], None);
    assert_eq!(state(&mut http, "a"), "queued");
    assert_eq!(take(&mut http, "t")["attempt"], 1);
}

#[test]
fn with_a_token_nobody_gets_in_without() {
    let dir = TempDir::new();
    let token = "0123456789abcdef0123456789abcdef";
    std::fs::write(dir.join("token"), token).expect("a file can be written");
    let mut command = crate::support::server::command(dir.path());
    command.args(crate::support::server::free_ports()).args(["--store", "memory:", "--token-file", "token"]);
    let server = Server::spawn(dir, &mut command);
    let mut http = http(&server);
    let wrong = format!("Bearer {}x", &token[1..]);
    let huge = format!("Bearer {}", "x".repeat(10_000));
    for headers in [
        vec![],
        vec![("Authorization", "Bearer")],
        vec![("Authorization", "Bearer ")],
        vec![("Authorization", wrong.as_str())],
        vec![("Authorization", huge.as_str())],
        vec![("Authorization", token)],
        vec![("Authorization", "Basic AAAA")],
        vec![("Authorization", "Basic \u{e9}")],
    ] {
        for target in [
            "/api/v1/jobs",
            "/api/v1/stats",
            "/metrics",
            "/api/v1/events",
            "/api/v1/nope",
            "/api/v1/assignments?type=t&wait=0",
            "/api/v1/ping",
        ] {
            let answer = http.ask("GET", target, &headers, None);
            assert!(answer.header("www-authenticate").is_some(), "{target}: {answer:?}");
            answer.problem(401, "unauthorized");
        }
        let mut all = headers.clone();
        all.push(AS_JSON);
        http.ask("POST", "/api/v1/jobs", &all, Some(b"{}")).problem(401, "unauthorized");
    }
    http.ask("GET", &format!("/api/v1/jobs?token={token}"), &[], None).problem(401, "unauthorized");
    for target in ["/healthz", "/readyz"] {
        http.ask("GET", target, &[], None).expect(200);
    }
    let right = format!("Bearer {token}");
    let answer = http.ask("GET", "/api/v1/jobs", &[("Authorization", &right)], None).json(200);
    assert_eq!(answer["items"], value!([]));
    http.ask("POST", "/api/v1/jobs", &[("Authorization", &right), AS_JSON], Some(b"{}")).json(201);
    http.ask("GET", "/metrics", &[("Authorization", &right)], None).expect(200);
    assert!(!server.process.stderr.text().contains(token), "expected the token to be nowhere in the log");
}
