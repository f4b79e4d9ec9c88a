//! Bytes that are no requests, and requests that are nearly right.

use super::*;

#[test]
fn other_protocols_are_turned_away_at_once() {
    let server = Server::start();
    let openings: [&[u8]; 7] = [
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"POST /api HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n0123456789abcdef",
        b"SSH-2.0-OpenSSH_9.2p1\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"{\"action\":\"submit\",\"id\":1,\"body\":1}\n",
        b"\xff\xff\xff\xff\xff\xff\xff\xff",
    ];
    for opening in openings {
        let shown = String::from_utf8_lossy(opening);
        for port in framed_ports(&server) {
            let start = Instant::now();
            let mut client = Framed::connect(port);
            client.try_raw(opening);
            let heard = client.until_closed();
            assert_eq!(heard.len(), 1, "expected one error after {shown:?}, got {heard:?}");
            let code = json(&heard[0])["error"].clone();
            assert!(code == "size_error" || code == "invalid_json", "got {code} after {shown:?}");
            let took = start.elapsed();
            assert!(took < Duration::from_secs(3), "expected the end at once, it took {took:?}");
        }
        if opening.contains(&b'\n') && opening[0] != b'{' {
            let mut client = server.deputy_client();
            client.try_raw(opening);
            let heard = client.until_closed();
            assert_eq!(heard.len(), 1, "expected one error after {shown:?}, got {heard:?}");
            assert_eq!(json(&heard[0])["error"], "invalid_json");
        }
    }
    server.expect_service();
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random::announced("random_bytes_do_no_harm");
    let server = Server::start();
    server.expect_service();
    let files = server.open_files();
    let mut ports = framed_ports(&server).to_vec();
    ports.push(server.deputy());
    for _ in 0..400 {
        let port = ports[random.below(ports.len() as u64) as usize];
        let mut client = Framed::connect(port);
        let length = 1 + random.below(300) as usize;
        let mut bytes = random.bytes(length);
        match random.below(3) {
            0 => {}
            1 => bytes = frame(&bytes),
            _ => bytes.push(b'\n'),
        }
        client.try_raw(&bytes);
        if random.one_in(2) {
            client.reset();
        }
    }
    expect_unharmed(&server, files);
}

/// Fails unless it is JSON by its grammar: half a surrogate pair, which no text can hold, comes back as it was sent.
#[track_caller]
fn expect_json(text: &str) {
    if let Err(error) = serde_json::from_str::<&serde_json::value::RawValue>(text) {
        panic!("expected JSON, got {text:?}: {error}");
    }
}

#[test]
fn damaged_requests_do_no_harm() {
    let mut random = Random::announced("damaged_requests_do_no_harm");
    let server = Server::start();
    server.expect_service();
    let files = server.open_files();
    let requests = [
        r#"{"action":"submit","id":"damage","type":"t","priority":5,"body":{"a":[1,2.5e3,"x\u00e9",null]},"max_attempts":2}"#,
        r#"{"action":"join","type":"t"}"#,
        r#"{"action":"join","types":["t","u"],"credit":3}"#,
        r#"{"action":"respond","id":"damage","body":[true,false]}"#,
        r#"{"action":"fail","id":"damage","error":"x","retry":true,"delay_ms":5}"#,
        r#"{"action":"submit","jobs":[{"id":1,"type":"t","body":0},{"type":"u","body":"\ud83d\ude00"}]}"#,
        r#"{"cmd":"do","id":"damage","type":"t","arg":[1,{"b":2}],"ack":true,"priority":-3}"#,
        r#"{"cmd":"can_do","types":["t"],"jobs":4}"#,
        r#"{"cmd":"did","id":"damage","res":{}}"#,
    ];
    for _ in 0..300 {
        // A few damaged requests in a row on one connection; the answers, if any, must be whole messages.
        let as_lines = random.one_in(3);
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(4) {
            let mut payload = requests[random.below(requests.len() as u64) as usize].as_bytes().to_vec();
            for _ in 0..random.below(4) {
                let at = random.below(payload.len() as u64) as usize;
                match random.below(4) {
                    0 => payload[at] = random.next() as u8,
                    1 => payload.insert(at, b"{}[]\",:\\0-"[random.below(10) as usize]),
                    2 => {
                        payload.remove(at);
                    }
                    _ => payload.truncate(at.max(1)),
                }
                if payload.is_empty() {
                    payload.push(b' ');
                }
            }
            if as_lines {
                bytes.extend(payload);
                bytes.push(b'\n');
            } else {
                bytes.extend(frame(payload));
            }
        }
        if as_lines {
            let mut client = server.deputy_client();
            client.try_raw(&bytes);
            client.finish_sending();
            while let Heard::Message(line) = client.listen(PATIENCE) {
                expect_json(&line);
            }
        } else {
            let mut client = Framed::connect(framed_ports(&server)[random.below(3) as usize]);
            client.try_raw(&bytes);
            client.finish_sending();
            while let Heard::Message(payload) = client.listen(PATIENCE) {
                expect_json(&payload);
            }
        }
    }
    expect_unharmed(&server, files);
}

#[test]
fn an_action_of_a_wrong_kind_or_a_megabyte_is_a_short_error() {
    let server = Server::start();
    for port in framed_ports(&server) {
        let mut client = Framed::connect(port);
        for request in [
            r#"{"action":5}"#.to_owned(),
            r#"{"action":null}"#.to_owned(),
            r#"{"action":["submit"]}"#.to_owned(),
            r#"{"action":{"submit":1}}"#.to_owned(),
            format!(r#"{{"action":"{}"}}"#, "a".repeat(MIB as usize)),
            r#"{"action":"a\u0000\nb\u2028\ud800"}"#.to_owned(),
        ] {
            let reply = client.call(&request);
            let shown = &request[..request.len().min(60)];
            assert!(reply.starts_with(r#"{"error":""#), "expected an error to {shown}, got {reply}");
            assert!(reply.len() < 1000, "expected a short error to {shown}, got {} bytes", reply.len());
        }
        assert!(client.call(r#"{"action":"nonsense"}"#).contains("nonsense"));
    }
}

#[test]
fn a_member_given_twice_is_refused() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for request in [
        r#"{"action":"submit","id":"a","id":"b","type":"t","body":1}"#,
        r#"{"action":"submit","id":"a","type":"t","body":1,"body":2}"#,
        r#"{"action":"submit","action":"submit","id":"a","type":"t","body":1}"#,
        r#"{"action":"submit","id":"a","type":"t","\u0069d":"b","body":1}"#,
    ] {
        let reply = master.call(request);
        assert!(reply.starts_with(r#"{"error":""#), "expected {request} to be refused, got {reply}");
    }
    master.submit("\"a\"", "t", "1");
    master.submit("\"b\"", "t", "1");
}

#[test]
fn a_hundred_errors_in_a_row_close_every_kind_of_connection() {
    let server = Server::start();
    for port in framed_ports(&server) {
        let mut client = Framed::connect(port);
        client.try_raw(frame("[]").repeat(150));
        assert_eq!(client.until_closed().len(), 100, "expected a hundred errors, then the end");
    }
    let mut client = server.deputy_client();
    client.try_raw(b"{\"cmd\":\"do\"}\n".repeat(150));
    assert_eq!(client.until_closed().len(), 100, "expected a hundred errors, then the end");
    let mut client = server.deputy_client();
    for _ in 0..3 {
        for _ in 0..99 {
            client.send(r#"{"cmd":"do"}"#);
        }
        client.send(r#"{"cmd":"metrics"}"#);
        for _ in 0..99 {
            assert!(client.receive().starts_with(r#"{"cmd":"error""#));
        }
        assert!(client.receive().starts_with(r#"{"cmd":"metrics""#));
    }
    server.expect_service();
}

#[test]
fn urgent_data_does_no_harm() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    for id in 0..10 {
        socket2::SockRef::from(&master.stream).send_out_of_band(b"!").expect("urgent data can be sent");
        master.submit(&id.to_string(), "t", "0");
        worker.expect_job(&id.to_string(), "t", "0");
        worker.respond("0");
        master.expect_result(&id.to_string(), "0");
    }
}
