//! What ok means: the record is on disk. And what a server does that can't say it any more.

use super::strace::{SYNCS, start, traced};
use super::*;

#[test]
fn while_a_sync_is_under_way_nothing_durable_is_acknowledged_and_everything_transient_goes_on() {
    if strace::is_missing("while_a_sync_is_under_way") {
        return;
    }
    let home = Home::new();
    let mut server = home.start();
    native(&server).ask(&submit("old", ""), &accepted("old"));
    server.kill9();
    // Long enough for ever.
    let stuck = start(&home, &format!("{SYNCS}:delay_enter=3600000000:when=2"));
    let server = stuck.unwrap_or_else(|process| panic!("got {}", process.stderr.text()));
    // The start took the one that goes well, or the delivery does.
    let (mut peer, mut master, mut worker) = (native(&server), gloom_master(&server), worker(&server, 2));
    expect_job(&mut worker, "old", 1);
    peer.send(submit("new", ""));
    master.send(r#"{"action":"submit","id":"g","type":"g","body":0,"durable":true}"#);
    worker.send(respond("old"));
    server.expect_service();
    server.expect_service();
    for waiting in [&mut peer, &mut master] {
        assert_eq!(waiting.listen(Duration::ZERO), Heard::Silence, "expected no answer before the sync");
    }
    // The new job may be handed out before it is acknowledged, but the answer of the old one waits.
    for frame in std::iter::from_fn(|| match worker.listen(Duration::from_millis(1)) {
        Heard::Message(frame) => Some(frame),
        Heard::Closed | Heard::Silence => None,
    }) {
        assert!(frame.starts_with(r#"{"action":"job","id":"new""#), "expected no answer before the sync, got {frame}");
    }
    strace::kill9_held(server);
    // Whatever was not acknowledged may be there or not; the old job was.
    let server = home.start();
    let line = line(&server);
    assert!(line.iter().all(|id| id == "old" || id == "new"), "got {line:?}");
    assert_error(&native(&server).call(&submit("old", "")), "id_exists");
}

#[test]
fn every_word_that_means_on_disk_comes_after_a_sync() {
    if strace::is_missing("every_word_that_means_on_disk") {
        return;
    }
    let home = Home::new();
    drop(home.start());
    let dir = TempDir::new();
    let log = dir.join("calls");
    let mut command =
        traced(&home.command(dir.path()), &format!("{SYNCS}:delay_enter=20000"), "sendto,recvfrom,writev,readv", &log);
    let mut server = Server::spawn(dir, &mut command);
    let (mut peer, mut master) = (native(&server), gloom_master(&server));
    // Each is a request as it is read, and what is said when it is on disk.
    let mut said: Vec<(String, String)> = Vec::new();
    let mut ask = |peer: &mut Framed, request: &str, replies: &[&str]| {
        peer.send(request);
        for reply in replies {
            assert_eq!(peer.receive(), *reply);
            said.push((request.to_owned(), (*reply).to_owned()));
        }
    };
    ask(&mut peer, &submit("a", ""), &[&accepted("a")]);
    ask(
        &mut peer,
        r#"{"action":"submit","jobs":[{"id":"b"},{"id":"c"}]}"#,
        &[r#"{"ok":true,"results":[{"id":"b"},{"id":"c"}]}"#],
    );
    ask(
        &mut master,
        r#"{"action":"submit","id":"d","type":"g","body":0,"durable":true}"#,
        &[r#"{"ok":true,"id":"d"}"#],
    );
    ask(&mut peer, &submit("e", r#","notify":true"#), &[&accepted("e")]);
    peer.ask(r#"{"action":"join","types":["t"],"credit":2}"#, OK);
    expect_job(&mut peer, "a", 1);
    expect_job(&mut peer, "e", 1);
    ask(&mut peer, r#"{"action":"fail","id":"a","error":"never","retry":false}"#, &[OK]);
    ask(&mut peer, &respond("e"), &[OK, r#"{"action":"result","id":"e","body":"done"}"#]);
    ask(&mut peer, &submit("f", ""), &[&accepted("f")]);
    expect_job(&mut peer, "f", 1);
    ask(&mut peer, r#"{"action":"fail","id":"f","error":"again","delay_ms":600000}"#, &[OK]);
    ask(&mut peer, &submit("h", ""), &[&accepted("h")]);
    expect_job(&mut peer, "h", 1);
    ask(&mut peer, r#"{"action":"release","id":"h","delay_ms":600000}"#, &[OK]);
    let mut worker = gloom_worker(&server, "g");
    worker.expect_job("\"d\"", "g", "0");
    ask(&mut worker, r#"{"action":"respond","body":1}"#, &[OK]);
    assert_eq!(master.receive(), r#"{"id":"d","body":1}"#);
    let calls = std::fs::read_to_string(&log).expect("strace writes what it saw");
    server.kill9();
    let mut calls = calls.lines();
    for (request, reply) in said {
        let (request, reply) = (quoted(&request), quoted(&reply));
        // The second word on a request comes behind the first, whose sync was found.
        let has_been_read = calls.clone().any(|call| is_read(call) && call.contains(&request));
        let mut synced = !has_been_read;
        if has_been_read {
            calls.find(|call| is_read(call) && call.contains(&request));
        }
        let mut rest = calls.clone();
        let is_said = rest.any(|call| {
            synced |= is_synced(call);
            is_write(call) && call.contains(&reply)
        });
        assert!(is_said, "expected {reply} to {request} in what strace saw");
        assert!(synced, "expected a sync between {request} and {reply}");
    }
}

/// As strace shows it.
fn quoted(text: &str) -> String {
    text.replace('"', "\\\"")
}

fn is_read(call: &str) -> bool {
    call.contains("recvfrom") || call.contains("readv")
}

fn is_write(call: &str) -> bool {
    call.contains("sendto(") || call.contains("writev(")
}

fn is_synced(call: &str) -> bool {
    ["fsync", "fdatasync"].iter().any(|sync| call.contains(sync)) && call.contains("= 0")
}

#[test]
fn after_a_failed_sync_or_write_no_ok_is_sent_and_the_server_stops_with_code_70() {
    if strace::is_missing("after_a_failed_sync_or_write") {
        return;
    }
    for (calls, from) in [(SYNCS, 1), (SYNCS, 9), ("pwrite64", 2), ("pwrite64", 40)] {
        let home = Home::new();
        let mut server = home.start();
        native(&server).ask(&submit("0", ""), &accepted("0"));
        server.term();
        assert_eq!(server.wait().code(), Some(0));
        let inject = format!("{calls}:error=EIO:when={from}+");
        let mut server = start(&home, &inject).unwrap_or_else(|process| panic!("got {}", process.stderr.text()));
        let (mut peer, mut master) = (native(&server), gloom_master(&server));
        let mut known = vec!["0".to_owned()];
        let mut number = 0;
        // Until the end.
        loop {
            number += 1;
            assert!(number < 1_000, "expected the end of {inject}");
            let id = number.to_string();
            let frame = crate::support::frame(submit(&id, ""));
            if !peer.try_raw(frame) {
                break;
            }
            match peer.listen(PATIENCE) {
                Heard::Message(reply) if reply == accepted(&id) => known.push(id),
                Heard::Closed => break,
                other => panic!("expected an ok that is kept or the end, got {other:?}"),
            }
        }
        master.expect_closed();
        let status = server.wait();
        let stderr = server.process.stderr.text();
        assert_eq!(status.code(), Some(EXIT_FAILED), "{inject}, stderr: {stderr}");
        let last = stderr.lines().last().unwrap_or_default();
        assert!(last.contains("store") && last.contains("stopping") && last.contains("jobs.db"), "got {stderr}");
        let found = line(&home.start());
        let (certain, rest) = found.split_at(known.len().min(found.len()));
        assert_eq!(certain, known, "{inject}");
        assert!(rest.is_empty() || rest == [number.to_string()], "expected at most the last word too, got {rest:?}");
    }
}
