//! What is ignored, what is refused, and what closes the connection.

use super::*;

#[test]
fn what_the_original_ignored_is_ignored() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        for message in [
            r#"{"cmd":"dance"}"#,
            r#"{"cmd":5}"#,
            r#"{"cmd":null}"#,
            r#"{"cmd":["do"]}"#,
            r#"{}"#,
            r#"{"id":1}"#,
            "[]",
            "[1,2]",
            "\"do\"",
            "5",
            "null",
            "true",
            r#"{"cmd":"error","error":"x"}"#,
            r#"{"cmd":"ok","id":1}"#,
        ] {
            client.send(message);
            client.expect_all_accepted();
        }
        // However many of them.
        for _ in 0..300 {
            client.send(r#"{"cmd":"dance"}"#);
        }
        client.expect_all_accepted();
    });
}

#[test]
fn what_is_wrong_is_refused_and_the_connection_stays_open() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        let long = "x".repeat(256);
        let long_type = format!(r#"{{"cmd":"do","id":1,"type":"{long}"}}"#);
        let long_id = format!(r#"{{"cmd":"do","id":"{long}","type":"t"}}"#);
        for message in [
            r#"{"cmd":"can_do"}"#,
            r#"{"cmd":"can_do","types":"t"}"#,
            r#"{"cmd":"can_do","types":null}"#,
            r#"{"cmd":"can_do","types":{"t":true}}"#,
            r#"{"cmd":"can_do","types":[1]}"#,
            r#"{"cmd":"can_do","types":["ok",""]}"#,
            r#"{"cmd":"can_do","types":["a\nb"]}"#,
            r#"{"cmd":"do","type":"t"}"#,
            r#"{"cmd":"do","id":null,"type":"t"}"#,
            r#"{"cmd":"do","id":1.5,"type":"t"}"#,
            r#"{"cmd":"do","id":true,"type":"t"}"#,
            r#"{"cmd":"do","id":"","type":"t"}"#,
            r#"{"cmd":"do","id":"a\tb","type":"t"}"#,
            &long_id,
            r#"{"cmd":"do","id":1}"#,
            r#"{"cmd":"do","id":1,"type":5}"#,
            r#"{"cmd":"do","id":1,"type":""}"#,
            &long_type,
            r#"{"cmd":"do","id":1,"type":"t","priority":"high"}"#,
            r#"{"cmd":"do","id":1,"type":"t","priority":1.5}"#,
            r#"{"cmd":"do","id":1,"type":"t","priority":9223372036854775808}"#,
            r#"{"cmd":"did","res":1}"#,
            r#"{"cmd":"did","id":[1],"res":1}"#,
        ] {
            println!("after {message}");
            client.send(message);
            client.expect_error("invalid_message", None);
            client.expect_all_accepted();
        }
        client.send(&format!(r#"{{"cmd":"do","id":1,"type":"t","arg":{}}}"#, nested(129)));
        let line = client.receive();
        assert!(
            line.starts_with(r#"{"cmd":"error","error":""#) && line.contains("too_deep"),
            "expected too_deep, got {line}"
        );
        client.expect_all_accepted();
        // Where the id is known it is told.
        client.send(r#"{"cmd":"do","id":"known","type":5}"#);
        client.expect_error("invalid_message", Some("\"known\""));
    });
}

#[test]
fn did_is_accepted_only_from_the_worker_that_holds_the_job() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        let mut thief = doors.worker(door, r#"["u"]"#);
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"x","type":"t"}"#);
        client.send(r#"{"cmd":"do","id":"queued","type":"nobody"}"#);
        worker.expect(r#"{"cmd":"do","id":"x","type":"t"}"#);
        for id in ["\"x\"", "\"queued\"", "\"never seen\"", "99"] {
            thief.send(&format!(r#"{{"cmd":"did","id":{id},"res":"stolen"}}"#));
            thief.expect_error("unknown_job", Some(id));
            client.send(&format!(r#"{{"cmd":"did","id":{id},"res":"own"}}"#));
            client.expect_error("unknown_job", Some(id));
        }
        worker.send(r#"{"cmd":"did","id":"x","res":"right"}"#);
        client.expect(r#"{"cmd":"did","id":"x","res":"right"}"#);
        worker.send(r#"{"cmd":"did","id":"x","res":"twice"}"#);
        worker.expect_error("unknown_job", Some("\"x\""));
        client.expect_silence();
    });
}

#[test]
fn a_live_id_is_refused_with_id_exists() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        let mut other = doors.client(door);
        client.send(r#"{"cmd":"do","id":"x","type":"t","arg":1}"#);
        client.expect_all_accepted();
        for one in [&mut client, &mut other] {
            one.send(r#"{"cmd":"do","id":"x","type":"t","arg":2}"#);
            one.expect_error("id_exists", Some("\"x\""));
            one.send(r#"{"cmd":"do","id":"x","type":"t","arg":2,"ack":true}"#);
            one.expect_error("id_exists", Some("\"x\""));
        }
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
        worker.expect(r#"{"cmd":"do","id":"x","type":"t","arg":1}"#);
        worker.send(r#"{"cmd":"did","id":"x","res":0}"#);
        client.expect(r#"{"cmd":"did","id":"x","res":0}"#);
        // Answered, so free.
        other.send(r#"{"cmd":"do","id":"x","type":"t","arg":3}"#);
        worker.expect(r#"{"cmd":"do","id":"x","type":"t","arg":3}"#);
    });
}

#[test]
fn what_is_not_json_gets_one_error_and_the_connection_is_closed() {
    on_each_door(|doors, door| {
        for line in [
            b"hello".as_slice(),
            b"{",
            b"{'cmd':'metrics'}",
            b"{\"cmd\":\"metrics\"} x",
            b"{\"cmd\":\"metrics\"}{\"cmd\":\"metrics\"}",
            b"{\"cmd\":\"metrics\",\"x\":\"\xff\"}",
            b"\xef\xbb\xbf{\"cmd\":\"metrics\"}",
            b"{\"cmd\":\"metrics\"}\0",
            b"{\"cmd\":\"metrics\",\"x\":NaN}",
            b"{\"cmd\":\"do\",\"id\":1,\"type\":\"t\",\"arg\":\"\t\"}",
        ] {
            let mut client = doors.client(door);
            let mut bytes = line.to_vec();
            bytes.extend(b"\r\n{\"cmd\":\"do\",\"id\":\"after\",\"type\":\"t\"}\r\n{\"cmd\":\"metrics\"}\r\n");
            client.raw(&bytes);
            let heard = client.until_closed();
            let shown = String::from_utf8_lossy(line);
            assert_eq!(heard.len(), 1, "expected one error after {shown:?}, got {heard:?}");
            assert!(
                heard[0].starts_with(r#"{"cmd":"error","error":"invalid_json","reason":"#),
                "expected invalid_json after {shown:?}, got {heard:?}"
            );
            assert!(heard[0].len() < 600, "expected a short error, got {heard:?}");
        }
        let mut worker = doors.worker(door, r#"["t"]"#);
        worker.expect_silence();
    });
}

#[test]
fn a_line_over_the_limit_is_noticed_at_the_limit() {
    for door in [Door::Tcp, Door::Unix] {
        let doors = Doors::with(&["--max-body", "65536"]);
        let mut client = doors.client(door);
        // No line end is ever sent: the limit is enough.
        client.raw("{\"cmd\":\"metrics\",\"x\":\"");
        client.try_raw("y".repeat(70_000));
        let heard = client.until_closed();
        assert_eq!(heard.len(), 1, "expected one error, got {heard:?}");
        assert!(
            heard[0].starts_with(r#"{"cmd":"error","error":"line_too_long","reason":"#),
            "expected line_too_long, got {heard:?}"
        );
        let mut client = doors.client(door);
        client.send(&format!(r#"{{"cmd":"metrics","x":"{}"}}"#, "y".repeat(65_000)));
        counters(&client.receive());
    }
}

#[test]
fn an_http_request_is_closed_before_anything_in_it_is_executed() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        for request in [
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:11746\r\nContent-Type: text/plain\r\n\r\n{\"cmd\":\"do\",\"id\":\"csrf\",\"type\":\"t\"}\n",
            "GET /{\"cmd\":\"do\"} HTTP/1.1\r\nHost: x\r\n\r\n{\"cmd\":\"do\",\"id\":\"csrf\",\"type\":\"t\"}\r\n",
            "PUT / HTTP/1.1\n\n{\"cmd\":\"do\",\"id\":\"csrf\",\"type\":\"t\"}\n",
        ] {
            let mut client = doors.client(door);
            client.raw(request);
            let heard = client.until_closed();
            assert_eq!(heard.len(), 1, "expected one error, got {heard:?}");
            assert!(
                heard[0].starts_with(r#"{"cmd":"error","error":"invalid_json","reason":"#),
                "expected invalid_json, got {heard:?}"
            );
        }
        worker.expect_silence();
        worker.expect_all_accepted();
    });
}
