//! What is no HTTP, or HTTP that nobody should say: a sane answer or an end, and nobody else notices.

use super::*;

/// Says these bytes on a connection of its own; what comes back until it ends or `count` answers came.
#[track_caller]
fn hear(server: &Server, bytes: impl AsRef<[u8]>, count: usize) -> (Vec<Answer>, bool) {
    let mut http = http(server);
    http.try_raw(bytes);
    let mut answers = Vec::new();
    loop {
        match http.listen(PATIENCE) {
            Reply::Answer(answer) => answers.push(answer),
            Reply::Closed(_) => return (answers, true),
            Reply::Silence => panic!("expected an answer or an end, got {answers:?} and silence"),
        }
        if answers.len() == count {
            let is_closed = matches!(http.listen(Duration::from_millis(300)), Reply::Closed(_));
            return (answers, is_closed);
        }
    }
}

/// Whoever says this is answered with one of these statuses, if with anything, and sent away; what follows is not read.
#[track_caller]
fn expect_sent_away(server: &Server, what: &str, bytes: &[u8], statuses: &[u16]) {
    let mut all = bytes.to_vec();
    all.extend_from_slice(SMUGGLED.as_bytes());
    let (answers, is_closed) = hear(server, &all, usize::MAX);
    assert!(is_closed);
    assert!(answers.len() <= 1, "expected one answer to {what}, got {answers:?}");
    for answer in answers {
        assert!(statuses.contains(&answer.status), "for {what}: {answer:?}");
    }
    http(server).get("/jobs/smuggled").problem(404, "unknown_job");
}

/// A request that must never be read.
const SMUGGLED: &str = "POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"id\":\"smuggled\",\"type\":\"t\"} ";

/// A post with these headers and these bytes after its head.
fn post(headers: &str, after: &str) -> Vec<u8> {
    format!("POST /api/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}\r\n{after}")
        .into_bytes()
}

#[test]
fn the_request_that_is_never_read_would_be_a_job() {
    let server = Server::start();
    let (answers, _) = hear(&server, SMUGGLED, 1);
    assert_eq!(answers[0].status, 201, "got {answers:?}");
    http(&server).get("/jobs/smuggled").json(200);
}

#[test]
fn ambiguous_framing_is_refused_and_what_follows_is_not_read() {
    let server = Server::start();
    for (what, headers, after) in [
        ("both framings", "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        ("both framings, the other way round", "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", "0\r\n\r\n"),
        ("two lengths", "Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
        ("two lengths in one", "Content-Length: 2, 3\r\n", "{}"),
        ("a signed length", "Content-Length: +2\r\n", "{}"),
        ("a negative length", "Content-Length: -2\r\n", "{}"),
        ("a length in hexadecimal", "Content-Length: 0x2\r\n", "{}"),
        ("a length with a space", "Content-Length: 1 2\r\n", "{}"),
        ("no length in the header", "Content-Length:\r\n", "{}"),
        ("a length beyond all numbers", "Content-Length: 99999999999999999999\r\n", "{}"),
        ("an unknown transfer coding", "Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        ("chunked, but not last", "Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        ("gzip, then chunked", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        ("a folded header", "X-A: b\r\n c\r\nContent-Length: 2\r\n", "{}"),
        ("a NUL in a header", "X-A: \0\r\nContent-Length: 2\r\n", "{}"),
        ("a space before the colon", "Content-Length : 2\r\n", "{}"),
        ("a header without a colon", "Nonsense\r\nContent-Length: 2\r\n", "{}"),
        ("a bare carriage return", "X-A: a\rb\r\nContent-Length: 2\r\n", "{}"),
        ("an empty name", ": x\r\nContent-Length: 2\r\n", "{}"),
    ] {
        expect_sent_away(&server, what, &post(headers, after), &[400, 413, 501]);
    }
    for (what, after) in [
        ("the size of a chunk that is no number", "zz\r\n{}\r\n0\r\n\r\n"),
        ("a negative size of a chunk", "-2\r\n{}\r\n0\r\n\r\n"),
        ("a size of a chunk beyond all numbers", "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("a size of a chunk that wraps around", "10000000000000002\r\n{}\r\n0\r\n\r\n"),
        ("a chunk that is longer than it says", "2\r\n{}{}\r\n0\r\n\r\n"),
    ] {
        expect_sent_away(&server, what, &post("Transfer-Encoding: chunked\r\n", after), &[400, 413]);
    }
    server.expect_service();
}

#[test]
fn the_first_line_is_read_strictly() {
    let server = Server::start();
    for line in [
        "GET\r\n",
        "GET /\r\n",
        "GET / HTTP/0.9\r\nHost: localhost\r\n",
        "GET / HTTP/3.0\r\nHost: localhost\r\n",
        "GET / HTTP/1.1 x\r\nHost: localhost\r\n",
        "GET  / HTTP/1.1\r\nHost: localhost\r\n",
        "G\0T / HTTP/1.1\r\nHost: localhost\r\n",
        "GET /\0 HTTP/1.1\r\nHost: localhost\r\n",
        "GET / a HTTP/1.1\r\nHost: localhost\r\n",
        "(GET) / HTTP/1.1\r\nHost: localhost\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "{\"action\":\"submit\",\"id\":1}\r\n",
        "\0\0\0\u{2}{}",
    ] {
        expect_sent_away(
            &server,
            &format!("{line:?}"),
            format!("{line}\r\n").as_bytes(),
            &[400, 404, 405, 421, 501, 505],
        );
    }
    server.expect_service();
}

#[test]
fn hosts_are_needed_and_there_is_one() {
    let server = Server::start();
    for (headers, statuses) in [
        ("", [400, 421]),
        ("Host:\r\n", [400, 421]),
        ("Host: localhost\r\nHost: evil.example\r\n", [400, 421]),
        ("Host: evil.example\r\nHost: localhost\r\n", [400, 421]),
        ("Host: localhost, evil.example\r\n", [400, 421]),
        ("Host: localhost/\r\n", [400, 421]),
        ("Host: user@localhost\r\n", [400, 421]),
        ("Host: localhost:x\r\n", [400, 421]),
        ("Host: \u{e9}\r\n", [400, 421]),
    ] {
        let (answers, _) = hear(&server, format!("GET /api/v1/jobs HTTP/1.1\r\n{headers}\r\n"), 1);
        assert!(statuses.contains(&answers[0].status), "for {headers:?}: {answers:?}");
        answers[0].clone().any_problem(answers[0].status);
    }
    // The target may say it too; then that counts.
    for (target, status) in [("http://localhost/api/v1/ping", 200), ("http://evil.example/api/v1/ping", 421)] {
        let (answers, _) = hear(&server, format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1);
        assert!(answers[0].status == status || answers[0].status == 400, "for {target}: {answers:?}");
    }
}

#[test]
fn what_is_no_request_at_all_gets_a_problem_too() {
    let server = Server::start();
    let many = "x: 1\r\n".repeat(200);
    let long = "a".repeat(200_000);
    for (request, statuses) in [
        ("NONSENSE\r\n\r\n".to_owned(), [400, 400]),
        ("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n".to_owned(), [400, 400]),
        (format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n"), [400, 431]),
        (format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"), [400, 431]),
    ] {
        // Also behind an answer to a good one.
        for good in ["", "GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            let count = 1 + usize::from(!good.is_empty());
            let (answers, _) = hear(&server, format!("{good}{request}"), count);
            let last = answers.last().expect("an answer").clone();
            assert!(statuses.contains(&last.status), "{last:?}");
            assert_eq!((answers.len(), last.header("connection")), (count, Some("close")), "{last:?}");
            let status = last.status;
            last.any_problem(status);
        }
    }
    server.expect_service();
}

#[test]
fn odd_targets_get_sane_answers() {
    let server = Server::start();
    for (line, statuses) in [
        ("OPTIONS *", &[200, 204, 400, 404, 405][..]),
        ("CONNECT 127.0.0.1:80", &[400, 404, 405]),
        ("TRACE /api/v1/jobs", &[400, 405]),
        ("GET *", &[400, 404]),
        ("GET api/v1/jobs", &[400, 404]),
        ("GET /api/v1/jobs#x", &[200, 400, 404]),
        ("GET http://localhost:0/api/v1/ping", &[200, 400, 421]),
        ("GET file:///etc/passwd", &[400, 404, 421]),
        ("GET /?%00", &[200, 400, 404]),
        ("GET /api/v1/jobs/%00", &[400, 404, 422]),
        ("GET /api/v1/jobs/%FF%FE", &[400, 404, 422]),
        ("GET /api/v1/jobs/%C0%AE", &[400, 404, 422]),
        ("GET /api/v1/jobs?q=%FF", &[200, 400, 422]),
        ("GET /api/v1/jobs?q=%", &[200, 400, 422]),
        ("GET /api/v1/jobs?limit=1&limit=2", &[200, 400, 422]),
        ("GET /api/v1/jobs?state=queued&state=failed", &[200, 400, 422]),
        ("GET /api/v1/jobs?&&==&", &[200, 400, 422]),
    ] {
        let (answers, _) = hear(&server, format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1);
        assert!(answers.first().is_none_or(|answer| statuses.contains(&answer.status)), "for {line}: {answers:?}");
        for answer in answers {
            assert!(!answer.text().contains("root:"), "for {line}");
        }
    }
    server.expect_service();
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = Server::start();
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let huge = format!("X-A: {}\r\n", "x".repeat(200_000));
    for headers in [many, huge] {
        expect_sent_away(
            &server,
            "a large head",
            format!("GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes(),
            &[400, 413, 431],
        );
    }
    let target = format!("/api/v1/jobs?q={}", "x".repeat(200_000));
    expect_sent_away(
        &server,
        "a long target",
        format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes(),
        &[400, 413, 414, 431],
    );
    // Never ended, it doesn't grow the server.
    server.expect_service();
    let before = server.resident_bytes();
    let mut endless = http(&server);
    endless.raw("GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ");
    let block = "x".repeat(1 << 20);
    let mut sent = 0;
    while sent < 64 && endless.try_raw(&block) {
        sent += 1;
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 << 20, "expected the head to be cut, the server grew by {grown} bytes");
    server.expect_service();
}

#[test]
fn a_body_over_the_limit_is_not_read() {
    let server = Server::with(&["--max-body", "1MiB"]);
    http(&server).get("/ping").expect(200);
    server.expect_service();
    let before = server.resident_bytes();
    // By its length: the answer comes before the body.
    let (answers, _) = hear(&server, post("Content-Length: 1000000000\r\n", "{"), 1);
    answers[0].clone().problem(413, "too_large");
    // By its chunks: when the limit is passed, and not later.
    let mut chunked = http(&server);
    chunked.raw(post("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n"));
    chunked.expect_answer_to("POST");
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut sent = 0;
    while sent < 2_000 && chunked.try_raw(&chunk) {
        sent += 1;
        if sent == 40 {
            match chunked.listen(PATIENCE) {
                Reply::Answer(answer) => drop(answer.problem(413, "too_large")),
                Reply::Closed(_) => break,
                Reply::Silence => panic!("expected an answer after 2.5 MiB"),
            }
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "expected the body to be cut, the server grew by {grown} bytes");
    server.expect_service();
}

#[test]
fn memory_grows_with_the_bytes_that_came_and_not_with_those_that_were_promised() {
    let server = Server::start();
    http(&server).get("/ping").expect(200);
    server.expect_service();
    let before = server.resident_bytes();
    let promising: Vec<Http> = (0..200)
        .map(|_| {
            let mut http = http(&server);
            http.raw(post("Content-Length: 16000000\r\n", "{\"body\":"));
            http
        })
        .collect();
    http(&server).get("/ping").expect(200);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 64 << 20, "expected nothing to be set aside, the server grew by {grown} bytes");
    drop(promising);
    server.expect_service();
}

#[test]
fn a_body_that_breaks_off_is_no_request() {
    let server = Server::start();
    let mut http = http(&server);
    let whole = r#"{"id":"half","type":"t"}"#;
    for cut in [0, 1, 10, whole.len() - 1] {
        for (headers, after) in [
            ("Content-Length: 24\r\n".to_owned(), whole[..cut].to_owned()),
            ("Transfer-Encoding: chunked\r\n".to_owned(), format!("18\r\n{}", &whole[..cut])),
            ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{:x}\r\n{}\r\n", cut.max(1), &whole[..cut.max(1)])),
        ] {
            let mut one = self::http(&server);
            one.raw(post(&headers, &after));
            one.finish_sending();
            one.expect_answer_to("POST");
            match one.listen(PATIENCE) {
                Reply::Closed(_) => {}
                Reply::Answer(answer) => assert!([400, 408].contains(&answer.status), "got {answer:?}"),
                Reply::Silence => panic!("expected the connection to end"),
            }
            let mut one = self::http(&server);
            one.raw(post(&headers, &after));
            one.reset();
        }
    }
    // All of the body, but not the end of the chunks: not all of it was said.
    let mut one = self::http(&server);
    one.raw(post("Transfer-Encoding: chunked\r\n", &format!("18\r\n{whole}\r\n")));
    one.finish_sending();
    one.expect_answer_to("POST");
    assert!(!matches!(one.listen(PATIENCE), Reply::Silence));
    http.get("/jobs/half").problem(404, "unknown_job");
}

#[test]
fn slow_heads_and_slow_bodies_are_cut() {
    let server = Server::with(&["--frame-timeout", "1s"]);
    let mut silent = http(&server);
    silent.raw("GET /api/v1/ping HT");
    let mut body = http(&server);
    body.raw(post("Content-Length: 100\r\n", "{"));
    let mut chunks = http(&server);
    chunks.raw(post("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n"));
    for http in [&mut silent, &mut body, &mut chunks] {
        match http.listen(Duration::from_secs(15)) {
            Reply::Closed(_) => {}
            Reply::Answer(answer) => assert_eq!(answer.status, 408, "got {answer:?}"),
            Reply::Silence => panic!("expected the connection to be cut"),
        }
    }
    // A byte now and then is not enough: the time is for the whole.
    for request in [
        post("Content-Length: 300\r\n", &" ".repeat(300)),
        format!("GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\nX-A: {}\r\n\r\n", "x".repeat(300)).into_bytes(),
    ] {
        let mut slow = http(&server);
        slow.expect_answer_to("POST");
        let start = Instant::now();
        let is_cut = request
            .iter()
            .any(|byte| !slow.try_raw([*byte]) || !matches!(slow.listen(Duration::from_millis(100)), Reply::Silence));
        let took = start.elapsed();
        assert!(is_cut && took < Duration::from_secs(15), "expected the end after about a second, it took {took:?}");
    }
    server.expect_service();
}

#[test]
fn many_slow_clients_slow_nobody_else() {
    let server = Server::with(&["--frame-timeout", "2s"]);
    let slow: Vec<Http> = (0..500)
        .map(|n| {
            let mut http = http(&server);
            http.raw(if n % 2 == 0 {
                b"GET /api/v1/jobs HTTP/1.1\r\nHost: loc".to_vec()
            } else {
                post("Content-Length: 100\r\n", "{")
            });
            http
        })
        .collect();
    let mut http = http(&server);
    for n in 0..100 {
        submit(&mut http, &format!("{n}"), "t", "");
    }
    for mut one in slow {
        assert!(!matches!(one.listen(Duration::from_secs(20)), Reply::Silence), "expected it to be cut");
    }
    server.expect_service();
}

#[test]
fn a_client_that_says_nothing_between_requests_may_stay_a_while() {
    let server = Server::with(&["--frame-timeout", "1s"]);
    let mut idle = http(&server);
    idle.get("/ping").expect(200);
    match idle.listen(Duration::from_millis(2_500)) {
        Reply::Silence => drop(idle.get("/ping").expect(200)),
        // Or it is told to go; but not in the middle of something.
        Reply::Closed(None) => {}
        other => panic!("expected nothing, got {other:?}"),
    }
    // A long poll is not slow.
    let mut poller = parked(&server, "t", "");
    let heard = poller.listen(Duration::from_millis(2_500));
    assert!(matches!(heard, Reply::Silence), "expected the poll to wait, got {heard:?}");
    submit(&mut http(&server), "a", "t", "");
    assert_eq!(id_of(&assigned(poller.answer())), "a");
}

#[test]
fn requests_may_be_cut_anywhere() {
    let server = Server::start();
    let mut http = http(&server);
    for (headers, after) in [
        ("Content-Length: 23\r\n", r#"{"type":"t","body":1.0}"#),
        (
            "Transfer-Encoding: chunked\r\n",
            "b;ext=\"x\"\r\n{\"type\":\"t\"\r\nc\r\n,\"body\":1.0}\r\n0\r\nX-T: y\r\n\r\n",
        ),
    ] {
        for byte in post(headers, after) {
            http.raw([byte]);
        }
        http.expect_answer_to("POST");
        http.answer().json(201);
    }
    assert_eq!(all_assigned(http.get(&poll_path("t", "&max=5&wait=20"))).len(), 2);
}

#[test]
fn requests_may_be_pipelined() {
    let server = Server::start();
    let mut http = http(&server);
    let mut all = Vec::new();
    for n in 0..1_000 {
        all.extend(match n % 3 {
            0 => http.request("POST", "/api/v1/jobs", &[AS_JSON], Some(job(&format!("{n}"), "t", "").as_bytes())),
            1 => http.request("GET", &format!("/api/v1/jobs/{}", n - 1), &[], None),
            _ => http.request("GET", "/nope", &[], None),
        });
        http.expect_answer_to("GET");
    }
    let mut writer = Http::on(http.stream.try_clone().expect("a socket can be shared"));
    let writing = std::thread::spawn(move || writer.raw(all));
    for n in 0..1_000 {
        let answer = http.answer();
        match n % 3 {
            0 => assert_eq!(answer.json(201)["id"], n.to_string()),
            1 => assert_eq!(answer.json(200)["id"], (n - 1).to_string()),
            _ => drop(answer.problem(404, "not_found")),
        }
    }
    writing.join().expect("all was sent");
    expect_counts(&mut http, &value!({"accepted": 334}));
}

#[test]
fn a_poll_in_a_pipeline_holds_up_only_what_follows_it() {
    let server = Server::start();
    let mut http = http(&server);
    let mut piped = self::http(&server);
    piped.start_get("/ping");
    piped.start_get(&poll_path("t", "&wait=55"));
    piped.start_get("/ping");
    piped.answer().expect(200);
    piped.expect_silence();
    submit(&mut http, "a", "t", "");
    assert_eq!(id_of(&assigned(piped.answer())), "a");
    piped.answer().expect(200);
}

#[test]
fn old_and_odd_clients_are_served() {
    let server = Server::start();
    // HTTP/1.0 ends with its answer.
    let (answers, is_closed) = hear(&server, "GET /api/v1/ping HTTP/1.0\r\nHost: localhost\r\n\r\n", 1);
    assert_eq!((answers[0].status, is_closed), (200, true));
    let (answers, is_closed) =
        hear(&server, "GET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 1);
    assert_eq!((answers[0].status, is_closed), (200, true));
    // A long poll of such a client too.
    let (answers, _) = hear(&server, "GET /api/v1/assignments?type=t&wait=0 HTTP/1.0\r\nHost: localhost\r\n\r\n", 1);
    assert_eq!(answers[0].status, 204);
    // Expecting to be told to go on.
    let mut http = http(&server);
    http.raw(post("Content-Length: 2\r\nExpect: 100-continue\r\n", ""));
    http.expect_answer_to("POST");
    let _ = http.listen(Duration::from_millis(100));
    http.raw("{}");
    http.answer().json(201);
    // Wanting to speak something else.
    for upgrade in ["websocket", "h2c", "TLS/1.0"] {
        let headers = [
            ("Connection", "Upgrade"),
            ("Upgrade", upgrade),
            ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
            ("Sec-WebSocket-Key", "x"),
        ];
        let mut http = self::http(&server);
        let answer = http.ask("GET", "/api/v1/ping", &headers, None);
        assert!(answer.status == 200 || answer.status / 100 == 4, "got {answer:?}");
    }
    // Empty lines before a request, and parts of what is there.
    let (answers, _) = hear(&server, "\r\nGET /api/v1/ping HTTP/1.1\r\nHost: localhost\r\n\r\n", 1);
    assert!([200, 400].contains(&answers[0].status), "got {answers:?}");
    let ranges: String = (0..2_000).map(|n| format!("{n}-{n},")).collect();
    for range in ["bytes=", "bytes=0-0", "bytes=-1", "bytes=5-1", "x", &format!("bytes={ranges}")] {
        for (name, value) in
            [("Range", range), ("If-None-Match", range), ("If-Modified-Since", range), ("If-Range", range)]
        {
            let answer = http.ask("GET", "/api/v1/openapi.json", &[(name, value)], None);
            assert!([200, 206, 304, 400, 412, 416].contains(&answer.status), "{name}: {range}: {}", answer.status);
        }
    }
    server.expect_service();
}

#[test]
fn a_bomb_is_not_unpacked() {
    let server = Server::start();
    let mut http = http(&server);
    // The beginning of a gzip file; what it would become nobody looks at.
    let packed = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3];
    for coding in ["gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip"] {
        http.ask("POST", "/api/v1/jobs", &[AS_JSON, ("Content-Encoding", coding)], Some(&packed)).any_problem(415);
    }
    // And answers are not packed for who did not ask; who asked may get either.
    let answer = http.ask("GET", "/api/v1/jobs", &[("Accept-Encoding", "identity")], None);
    assert!(answer.header("content-encoding").is_none_or(|coding| coding == "identity"), "got {answer:?}");
}

#[test]
fn random_bytes_do_no_harm() {
    let server = Server::start();
    http(&server).get("/ping").expect(200);
    server.expect_service();
    let files = server.open_files();
    let mut random = Random::announced("http::bad_http::random_bytes");
    let seed = post("Content-Length: 24\r\n", r#"{"id":"a","type":"t"}   "#);
    for round in 0..200 {
        let mut http = http(&server);
        let bytes = if round % 2 == 0 {
            let length = 1 + random.below(2_000) as usize;
            random.bytes(length)
        } else {
            // A request with a few bytes changed.
            let mut bytes = seed.clone();
            for _ in 0..1 + random.below(4) {
                let place = random.below(bytes.len() as u64) as usize;
                bytes[place] = random.next() as u8;
            }
            bytes
        };
        http.try_raw(&bytes);
        let _ = http.stream.shutdown(std::net::Shutdown::Write);
        let mut block = [0; 4096];
        http.stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        while let Ok(count) = std::io::Read::read(&mut http.stream, &mut block) {
            if count == 0 {
                break;
            }
        }
    }
    server.expect_service();
    server.expect_open_files(files + 3);
}

#[test]
fn connections_that_say_nothing_cost_little_and_are_given_back() {
    let server = Server::start();
    http(&server).get("/ping").expect(200);
    server.expect_service();
    let files = server.open_files();
    let before = server.resident_bytes();
    for _ in 0..4 {
        let silent: Vec<Http> = (0..250).map(|_| http(&server)).collect();
        http(&server).get("/ping").expect(200);
        drop(silent);
    }
    server.expect_open_files(files + 3);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 << 20, "expected nothing to stay, the server grew by {grown} bytes");
}
