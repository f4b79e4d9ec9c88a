//! The client of these tests reads what HTTP allows a server to write, and sees what it doesn't.

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};

/// A client that hears these pieces, one write each, and then the end.
#[track_caller]
fn hearing(pieces: Vec<Vec<u8>>, methods: &[&str]) -> Http {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        for piece in pieces {
            let _ = stream.write_all(&piece);
        }
        // What it leaves unread would reset the connection, and take what was written with it.
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let mut client = Http::connect(address);
    for method in methods {
        client.start(method, "/", &[], None);
    }
    client
}

fn bytes_of(text: &str) -> Vec<Vec<u8>> {
    text.bytes().map(|byte| vec![byte]).collect()
}

#[test]
fn answers_are_read_in_every_framing_however_they_are_cut() {
    let text = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: b\r\n\r\nhello\
                HTTP/1.1 100 Continue\r\n\r\n\
                HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: 1\r\n\r\n\
                HTTP/1.1 204 No Content\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n\
                HTTP/1.1 200 OK\r\n\r\nto the end";
    for pieces in [bytes_of(text), vec![text.as_bytes().to_vec()]] {
        let mut client = hearing(pieces, &["GET", "GET", "GET", "HEAD", "GET"]);
        let first = client.answer().expect(200);
        assert_eq!((first.text(), first.header("x-a")), ("hello", Some("b")));
        assert_eq!(client.answer().expect(201).text(), "abc0123456789");
        assert_eq!(client.answer().expect(204).text(), "");
        assert_eq!(client.answer().expect(200).text(), "");
        assert_eq!(client.answer().expect(200).text(), "to the end");
        client.expect_closed();
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    for text in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhell",
    ] {
        let mut client = hearing(bytes_of(text), &["GET"]);
        match client.listen(PATIENCE) {
            Reply::Closed(Some(answer)) => assert_eq!(answer.text(), "hell"),
            other => panic!("expected half an answer, got {other:?}"),
        }
    }
}

#[test]
fn events_are_read_however_they_are_cut() {
    let text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n\
                15\r\n: a comment\n\nevent: a\r\n4\r\n\ndat\r\n7\r\na: 1\n\nd\r\n10\r\nata: 2\ndata: 3\n\n\r\n0\r\n\r\n";
    for pieces in [bytes_of(text), vec![text.as_bytes().to_vec()]] {
        let mut events = hearing(pieces, &["GET"]).events();
        assert_eq!(events.head.header("content-type"), Some("text/event-stream"));
        let first = events.next();
        assert_eq!((first.name.as_str(), first.data.as_str()), ("a", "1"));
        let second = events.next();
        assert_eq!((second.name.as_str(), second.data.as_str()), ("message", "2\n3"));
        events.expect_end();
    }
}

#[test]
fn members_are_given_as_they_are_spelled() {
    let text = r#"{"a":[{"b": 1.0},{"b":{"x":1e400, "x":"\u00e9\ud800"}}]}"#;
    assert_eq!(member(text, &["a", "0", "b"]), "1.0");
    assert_eq!(member(text, &["a", "1", "b"]), r#"{"x":1e400, "x":"\u00e9\ud800"}"#);
    assert_eq!(escaped("a/b %é.~"), "a%2Fb%20%25%C3%A9%2E~");
}
