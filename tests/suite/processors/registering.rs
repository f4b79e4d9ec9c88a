//! Registration, replacement, removal, `/meta`.

use super::stage::{Reply, Scripted, ask, echo};
use crate::support::{Server, TempDir, eventually};
use serde_json::json;

#[test]
fn a_processor_registers_is_shown_replaced_and_removed() {
    let server = Server::start();
    let first = Scripted::start("p-1", "echo", echo);
    let answer = server.try_register(&first, json!({"concurrency": 3, "lease_ms": 5_000}));
    assert_eq!(answer.status, 201);
    let shown = answer.json();
    assert_eq!((&shown["id"], &shown["name"], &shown["state"]), (&json!("p-1"), &json!("echo"), &json!("up")));
    assert_eq!((&shown["concurrency"], &shown["lease_ms"]), (&json!(3), &json!(5_000)));
    assert_eq!((&shown["cpu"], &shown["memory"]), (&json!(0.25), &json!(1_000_000)));
    assert_eq!(first.checks(), 1, "it was called back");

    let meta = server.get_path("/meta").json();
    assert_eq!(meta["name"], "procession");
    assert!(meta["cpu"].is_number(), "also at once after the start: {meta}");
    assert_eq!(server.processor("p-1")["url"], first.card(json!({}))["url"], "as it was written");
    assert!(meta["id"].is_string() && meta["version"].is_string() && meta["uptime_ms"].is_u64(), "{meta}");
    assert!(meta["memory"].as_u64().is_some_and(|bytes| bytes > 1_000_000), "{meta}");
    assert_eq!(meta["processors"].as_array().map(Vec::len), Some(1));
    let id = server.reduce(&json!({"processors": ["p-1"], "data": 7}));
    assert_eq!(id["data"], 7);
    let figures = server.processor("p-1");
    assert_eq!((&figures["processed"], &figures["failed"], &figures["in_hand"]), (&json!(1), &json!(0), &json!(0)));
    assert!(figures["average_ms"].as_f64().is_some_and(|average| average > 0.0), "{figures}");
    assert!(figures["connected_on"].is_string() && figures["last_seen"].is_string(), "{figures}");

    let second = Scripted::start("p-1", "other", |_| Reply::data(&json!("second")));
    assert_eq!(server.try_register(&second, json!({})).status, 200, "replaced");
    assert_eq!(server.processor("p-1")["name"], "other");
    assert_eq!(server.reduce(&json!({"processors": ["other"], "data": 7}))["data"], "second");
    server.post_path("/action", &json!({"processors": ["p-9"]})).expect_problem(422, "unknown_processor");

    assert_eq!(ask(server.manager(), "DELETE", "/register/p-1", None).status, 204);
    ask(server.manager(), "DELETE", "/register/p-1", None).expect_problem(404, "unknown_processor");
    assert_eq!(server.get_path("/meta").json()["processors"], json!([]));
}

#[test]
fn it_must_be_who_it_says() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    for lie in [
        r#"{"id":"q","name":"n"}"#,
        r#"{"id":"p","name":"m"}"#,
        r#"{"id":"p"}"#,
        "{}",
        "[]",
        "<html>hello</html>",
        "",
        r#"{"id":"p","name":"n""#,
    ] {
        processor.set_meta(Reply::Data(lie.to_owned()));
        server.try_register(&processor, json!({})).expect_problem(422, "meta_mismatch");
    }
    let (elsewhere, large) = (format!("Location: http://{}/\r\n", server.manager()), "x".repeat(100_000));
    for reply in [
        Reply::Status(500, String::new(), String::new()),
        Reply::Status(404, String::new(), r#"{"id":"p","name":"n"}"#.to_owned()),
        Reply::Status(302, elsewhere, String::new()),
        Reply::Status(200, String::new(), format!(r#"{{"id":"p","name":"n","more":"{large}"}}"#)),
    ] {
        processor.set_meta(reply);
        server.try_register(&processor, json!({})).expect_problem(422, "meta_mismatch");
    }
    processor.set_meta(Reply::Cut);
    server.try_register(&processor, json!({})).expect_problem(422, "unreachable");
    processor.die();
    server.try_register(&processor, json!({})).expect_problem(422, "unreachable");
    assert_eq!(server.get_path("/meta").json()["processors"], json!([]));
}

#[test]
fn no_spelling_of_a_refused_address_is_called() {
    let server = Server::start();
    let own = server.manager().port();
    let mut urls: Vec<String> = [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:70/",
        "javascript:alert(1)",
        "//127.0.0.1/",
        "/meta",
        "http://user@127.0.0.1/",
        "http://127.0.0.1@169.254.169.254/",
        "http://127.0.0.1/#x",
        "http://127.0.0.1/?x",
        "http://127.0.0.1 /",
        "http://127.0.0.1/\r\nX: y",
        "http://①②⑦.⓪.⓪.①/",
        "http://localhost.:1/",
        "http://0/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://0x7f000001/",
        "http://0177.0.0.1/",
        "http://2130706433/",
        "http://127.0.0.1:0/",
        "http://127.0.0.1:65536/",
        "http://[fe80::1%25lo]/",
        "http://0.0.0.0:1/",
        "http://[::]:1/",
        "http://0.1.2.3:1/",
        "http://169.254.169.254/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://[::169.254.169.254]/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[2002:a9fe:a9fe::]/",
        "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[fe80::1]/",
        "http://[ff02::1]/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://10.0.0.1/",
        "http://8.8.8.8/",
        "http://[2606:4700::1111]/",
        "http://[fd00:ec2::254]/",
    ]
    .map(str::to_owned)
    .to_vec();
    urls.push(format!("http://127.0.0.1/{}", "x".repeat(2_048)));
    for listener in ["http", "tcp", "gloom_masters", "gloom_workers", "deputy"] {
        let port = server.address(listener).port();
        urls.push(format!("http://127.0.0.1:{port}"));
        urls.push(format!("http://[::ffff:127.0.0.1]:{port}"));
    }
    urls.push(format!("http://localhost:{own}"));
    for url in urls {
        let card = json!({"id": "p", "name": "n", "url": url});
        let answer = server.post_path("/register", &card);
        assert_eq!((answer.status, answer.json()["code"].as_str()), (422, Some("invalid_url")), "{url}: {answer:?}");
    }
    let processor = Scripted::start("p", "n", echo);
    for bad in ["http://169.254.169.254/", "ftp://a/", "http://10.0.0.1/", &format!("http://127.0.0.1:{own}/")] {
        server.register(&processor, json!({}));
        let action = json!({"processors": ["p"], "response_url": bad});
        server.post_path("/action", &action).expect_problem(422, "invalid_url");
    }
}

#[test]
fn only_what_is_allowed_is_called() {
    let processor = Scripted::start("p", "n", echo);
    let server = Server::with(&["--outgoing-allow", "127.0.0.2/32"]);
    server.try_register(&processor, json!({})).expect_problem(422, "invalid_url");
    let there = Scripted::start_at("127.0.0.2:0".parse().unwrap(), "p", "n", echo);
    server.register(&there, json!({}));
    assert_eq!(server.reduce(&json!({"processors": ["p"], "data": 1}))["data"], 1);
    let none = Server::with(&["--outgoing-allow", "none"]);
    none.try_register(&processor, json!({})).expect_problem(422, "invalid_url");
}

#[test]
fn bad_requests_are_problems() {
    let server = Server::start();
    let manager = server.manager();
    for (path, body, status, code) in [
        ("/register", "{", 400, "invalid_json"),
        ("/register", "[]", 422, "invalid_message"),
        ("/register", "{}", 422, "invalid_field"),
        ("/register", r#"{"id":"a","name":"b","url":"http://127.0.0.1:1","concurrency":1001}"#, 422, "invalid_field"),
        ("/complete", "{", 400, "invalid_json"),
        ("/complete", "{}", 422, "invalid_field"),
        ("/complete", r#"{"id":"nobody","processor":"p","data":1}"#, 404, "unknown_job"),
        ("/action", "{", 400, "invalid_json"),
        ("/action", "{}", 422, "invalid_field"),
        ("/action", r#"{"processors":[]}"#, 422, "empty_action"),
        ("/action", r#"{"processors":["nobody"]}"#, 422, "unknown_processor"),
    ] {
        let answer = ask(manager, "POST", path, Some(body));
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{path} {body}: {answer:?}");
    }
    server.get_path("/action/nobody").expect_problem(404, "unknown_action");
    ask(manager, "GET", "/register", None).expect_problem(405, "method_not_allowed");
    ask(manager, "POST", "/meta", Some("{}")).expect_problem(405, "method_not_allowed");
}

#[test]
fn processors_are_known_over_a_restart_and_checked_again() {
    let store = ["--store", "file:data", "--health-interval", "50ms"];
    let server = Server::with_store(TempDir::new(), &store);
    let here = Scripted::start("here", "echo", echo);
    let gone = Scripted::start("gone", "echo", echo);
    server.register(&here, json!({"concurrency": 2}));
    server.register(&gone, json!({}));
    let manager = server.get_path("/meta").json()["id"].clone();
    assert_eq!(server.reduce(&json!({"processors": ["here"], "data": 7}))["data"], 7);
    let before = server.processor("here");
    // What it has done is kept with the next check.
    let checks = here.checks();
    eventually("checks", || (here.checks() > checks + 1).then_some(()));
    assert_eq!(server.post_path("/api/v1/jobs", &json!({"type": "nobody"})).status, 201);
    gone.die();
    let server = Server::with_store(server.kill9_keeping_its_folder(), &store);
    assert_eq!(server.get_path("/meta").json()["id"], manager, "the same manager");
    server.expect_state("here", "up");
    let after = server.processor("here");
    for same in ["url", "name", "concurrency", "lease_ms", "connected_on", "processed", "failed", "average_ms"] {
        assert_eq!(after[same], before[same], "{same}");
    }
    assert_eq!(server.processor("gone")["state"], "down");
    assert_eq!(server.reduce(&json!({"processors": ["echo", "here"], "data": 7}))["data"], 7);
    assert_eq!(ask(server.manager(), "DELETE", "/register/gone", None).status, 204);
    let server = Server::with_store(server.kill9_keeping_its_folder(), &store);
    eventually("the processors to be there", || (!server.processor("here").is_null()).then_some(()));
    assert!(server.processor("gone").is_null());
}
