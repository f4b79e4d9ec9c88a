//! What is wrong is refused; some of it closes the connection.

use super::*;

#[test]
fn the_master_port_refuses_what_is_wrong_and_stays_open() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let too_long = "x".repeat(256);
    let long_id = format!(r#"{{"action":"submit","id":"{too_long}","type":"t","body":1}}"#);
    let long_type = format!(r#"{{"action":"submit","id":"i","type":"{too_long}","body":1}}"#);
    let long_unicode = format!(r#"{{"action":"submit","id":"{}","body":1}}"#, "😀".repeat(64));
    let deep = format!(r#"{{"action":"submit","id":"i","body":{}}}"#, nested(129));
    let rows: &[(&str, &str)] = &[
        (r#"{}"#, r#"{"error":"missing_field","reason":"type"}"#),
        (r#"{"id":"x","body":1}"#, r#"{"error":"missing_field","reason":"type"}"#),
        (r#"{"foo":"bar"}"#, r#"{"error":"missing_field","reason":"type"}"#),
        (r#"{"action":"dance"}"#, r#"{"error":"unknown_action","reason":"dance"}"#),
        (r#"{"action":""}"#, r#"{"error":"unknown_action","reason":""}"#),
        (r#"{"action":"join","type":"t"}"#, r#"{"error":"invalid_action","reason":"not_a_slave"}"#),
        (r#"{"action":"join"}"#, r#"{"error":"invalid_action","reason":"not_a_slave"}"#),
        (r#"{"action":"respond","body":1}"#, r#"{"error":"invalid_action","reason":"not_a_slave"}"#),
        (r#"{"action":"submit","type":"t","body":1}"#, r#"{"error":"missing_field","reason":"id"}"#),
        (r#"{"action":"submit","id":"i","type":"t"}"#, r#"{"error":"missing_field","reason":"body"}"#),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":"5"}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":5.5}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":5.0}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":1e2}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":1e400}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":true}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":[1]}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":9223372036854775808}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (
            r#"{"action":"submit","id":"i","type":"t","body":1,"priority":-9223372036854775809}"#,
            r#"{"error":"invalid_type","reason":"priority"}"#,
        ),
        (r#"{"action":"submit","id":null,"type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":true,"type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":1.5,"type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":{"a":1},"type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":["a"],"type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"","type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"a\nb","type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"a\u0000b","type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"a\u007fb","type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"\ud800","type":"t","body":1}"#, r#"{"error":"invalid_type","reason":"id"}"#),
        (&long_id, r#"{"error":"invalid_type","reason":"id"}"#),
        (&long_unicode, r#"{"error":"invalid_type","reason":"id"}"#),
        (r#"{"action":"submit","id":"i","type":5,"body":1}"#, r#"{"error":"invalid_type","reason":"type"}"#),
        (r#"{"action":"submit","id":"i","type":{},"body":1}"#, r#"{"error":"invalid_type","reason":"type"}"#),
        (r#"{"action":"submit","id":"i","type":"","body":1}"#, r#"{"error":"invalid_type","reason":"type"}"#),
        (r#"{"action":"submit","id":"i","type":"a\tb","body":1}"#, r#"{"error":"invalid_type","reason":"type"}"#),
        (&long_type, r#"{"error":"invalid_type","reason":"type"}"#),
        (&deep, r#"{"error":"invalid_message","reason":"too_deep"}"#),
        ("[]", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("\"x\"", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("5", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("null", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("true", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("[{\"action\":\"submit\"}]", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
    ];
    for (number, (request, error)) in rows.iter().enumerate() {
        master.ask(request, error);
        master.submit(&number.to_string(), "t", "0");
    }
}

#[test]
fn the_slave_port_refuses_what_is_wrong_and_stays_open() {
    let server = Server::start();
    let mut worker = gloom_stranger(&server);
    let too_long = format!(r#"{{"action":"join","type":"{}"}}"#, "x".repeat(256));
    let deep = format!(r#"{{"action":"respond","body":{}}}"#, nested(129));
    let rows: &[(&str, &str)] = &[
        (r#"{}"#, r#"{"error":"missing_field","reason":"type"}"#),
        (r#"{"foo":"bar"}"#, r#"{"error":"missing_field","reason":"type"}"#),
        (r#"{"action":"dance"}"#, r#"{"error":"unknown_type","reason":"dance"}"#),
        (r#"{"action":"submit","id":"x","body":1}"#, r#"{"error":"invalid_action","reason":"not_a_master"}"#),
        (r#"{"action":"submit","id":"mesage"}"#, r#"{"error":"invalid_action","reason":"not_a_master"}"#),
        (r#"{"action":"join"}"#, r#"{"error":"missing_field","reason":"job_type"}"#),
        (r#"{"action":"join","type":5}"#, r#"{"error":"invalid_type","reason":"job_type"}"#),
        (r#"{"action":"join","type":""}"#, r#"{"error":"invalid_type","reason":"job_type"}"#),
        (r#"{"action":"join","type":["a"]}"#, r#"{"error":"invalid_type","reason":"job_type"}"#),
        (r#"{"action":"join","type":"a\nb"}"#, r#"{"error":"invalid_type","reason":"job_type"}"#),
        (&too_long, r#"{"error":"invalid_type","reason":"job_type"}"#),
        (r#"{"action":"respond","body":1}"#, r#"{"error":"invalid_state","reason":"not_processing"}"#),
        (&deep, r#"{"error":"invalid_message","reason":"too_deep"}"#),
        ("[]", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("5", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
        ("null", r#"{"error":"invalid_message","reason":"not_an_object"}"#),
    ];
    for (request, error) in rows {
        worker.ask(request, error);
        worker.join("t");
    }
    // With a job in hand, a respond without a body is refused and the job stays.
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    worker.ask(r#"{"action":"respond"}"#, r#"{"error":"missing_field","reason":"body"}"#);
    worker.ask(&deep, r#"{"error":"invalid_message","reason":"too_deep"}"#);
    worker.respond("\"after all\"");
    master.expect_result("1", "\"after all\"");
    worker.ask(r#"{"action":"respond","body":1}"#, r#"{"error":"invalid_state","reason":"not_processing"}"#);
}

#[test]
fn a_join_without_a_type_is_an_error_and_the_earlier_join_holds() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    for request in [r#"{"action":"join"}"#, r#"{"action":"join","type":1}"#] {
        let reply = worker.call(request);
        assert!(reply.starts_with(r#"{"error":""#), "expected an error, got {reply}");
    }
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
}

#[test]
fn an_error_to_a_master_keeps_its_place_among_the_replies() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut burst = Vec::new();
    for n in 0..200 {
        burst.extend(frame(format!(r#"{{"action":"submit","id":{n},"type":"t{}","body":0}}"#, n % 7)));
        burst.extend(frame(r#"{"action":"submit","type":"t","body":0}"#));
        burst.extend(frame(format!(r#"{{"action":"submit","id":{n},"type":"t","body":0}}"#)));
        burst.extend(frame(r#"{"action":"dance"}"#));
    }
    master.raw(&burst);
    for n in 0..200 {
        master.expect(&format!(r#"{{"ok":true,"id":{n}}}"#));
        master.expect(r#"{"error":"missing_field","reason":"id"}"#);
        master.expect(&format!(r#"{{"error":"id_exists","reason":{n}}}"#));
        master.expect(r#"{"error":"unknown_action","reason":"dance"}"#);
    }
}

#[test]
fn what_is_not_json_gets_one_error_and_the_connection_is_closed() {
    let server = Server::start();
    let rows: &[&[u8]] = &[
        b"",
        b"foo",
        b" ",
        b"{",
        b"{\"action\":\"submit\"",
        b"{'action':'submit'}",
        b"{\"action\":\"submit\",}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":1} x",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":1}{}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":NaN}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":Infinity}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":01}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":+1}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":1.}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":.5}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\t\"}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\\x\"}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\\u12g4\"}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"unfinished}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":[1,]}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":[1 2]}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":{\"a\"}}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":{1:2}}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":tru}",
        b"{\"action\":\"submit\",\"id\":\"x\",/* no */\"body\":1}",
        b"\xef\xbb\xbf{\"action\":\"submit\",\"id\":\"x\",\"body\":1}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\xff\"}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\xc0\xaf\"}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":\"\xed\xa0\x80\"}",
        b"{\"action\":\"submit\",\"id\":\"x\xff\",\"body\":1}",
        b"{\"action\":\"submit\",\"id\":\"x\",\"body\":1}\0",
        b"\0{\"action\":\"submit\",\"id\":\"x\",\"body\":1}",
        b"[1,2",
        b"GET / HTTP/1.1\r\n\r\n",
    ];
    for payload in rows {
        let shown = String::from_utf8_lossy(payload);
        for address in [server.gloom_masters(), server.gloom_workers()] {
            let mut client = Framed::connect(address);
            // What follows the broken frame must not be executed.
            let mut bytes = frame(payload);
            bytes.extend(frame(r#"{"action":"submit","id":"after","type":"t","body":1}"#));
            client.raw(&bytes);
            let heard = client.until_closed();
            assert_eq!(heard.len(), 1, "expected one error for {shown:?}, got {heard:?}");
            assert_error(&heard[0], "invalid_json");
            let reason = json(&heard[0])["reason"].as_str().map(str::len);
            assert!(
                reason.is_some_and(|length| length > 0 && length < 500),
                "expected a short reason for {shown:?}, got {heard:?}"
            );
        }
    }
    let mut master = gloom_master(&server);
    master.submit(r#""after""#, "t", "1");
    master.submit(r#""x""#, "t", "1");
}

#[test]
fn a_length_over_the_limit_gets_size_error_and_the_connection_is_closed() {
    let server = Server::with(&["--max-body", "65536"]);
    for length in [65_537_u32, 1 << 20, 1 << 30, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        for address in [server.gloom_masters(), server.gloom_workers()] {
            let mut client = Framed::connect(address);
            client.raw(length.to_be_bytes());
            client.expect(r#"{"error":"size_error","reason":"length too large"}"#);
            client.expect_closed();
        }
    }
    server.expect_service();
}

#[test]
fn a_frame_of_exactly_the_limit_is_accepted() {
    let server = Server::with(&["--max-body", "65536"]);
    let mut master = gloom_master(&server);
    let head = r#"{"action":"submit","id":"x","type":"t","body":""#;
    let body = "y".repeat(65536 - head.len() - 2);
    let request = format!("{head}{body}\"}}");
    assert_eq!(request.len(), 65536);
    master.ask(&request, r#"{"ok":true,"id":"x"}"#);
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job(r#""x""#, "t", &format!("\"{body}\""));
}

#[test]
fn a_hundred_errors_in_a_row_close_the_connection_and_ninety_nine_do_not() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for round in 0..2 {
        for _ in 0..99 {
            master.ask("[]", r#"{"error":"invalid_message","reason":"not_an_object"}"#);
        }
        master.submit(&round.to_string(), "t", "0");
    }
    let burst = frame("[]").repeat(150);
    master.raw(&burst);
    let heard = master.until_closed();
    assert_eq!(heard.len(), 100, "expected a hundred errors, then the end");
    server.expect_service();
}

#[test]
fn nesting_up_to_the_limit_is_accepted_and_beyond_refused() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    for depth in [100, 127] {
        master.submit(&depth.to_string(), "t", &nested(depth));
        worker.expect_job(&depth.to_string(), "t", &nested(depth));
        worker.respond(&nested(depth));
        master.expect_result(&depth.to_string(), &nested(depth));
    }
    let objects = format!("{}1{}", r#"{"a":"#.repeat(200), "}".repeat(200));
    for deep in [nested(129), nested(10_000), objects] {
        for request in [
            format!(r#"{{"action":"submit","id":"x","type":"t","body":{deep}}}"#),
            format!(r#"{{"action":"submit","id":"x","type":"t","body":1,"unknown":{deep}}}"#),
        ] {
            master.ask(&request, r#"{"error":"invalid_message","reason":"too_deep"}"#);
        }
    }
    master.submit(r#""x""#, "t", "1");
}
