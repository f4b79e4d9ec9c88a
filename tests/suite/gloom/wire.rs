//! Frames, however they are cut.

use super::*;

#[test]
fn header_and_payload_come_in_one_write() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let read_as_the_reference_client = |stream: &mut std::net::TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        let mut header = [0; 4];
        let got = stream.read(&mut header).expect("a header comes");
        assert_eq!(got, 4, "expected the whole header at once");
        let length = u32::from_be_bytes(header) as usize;
        let mut payload = vec![0; length];
        let got = stream.read(&mut payload).expect("a payload comes");
        assert_eq!(got, length, "expected the whole payload at once");
        String::from_utf8(payload).expect("a payload is UTF-8")
    };
    for round in 0..300 {
        let body = format!("\"{}\"", "b".repeat(round * 7));
        let request = format!(r#"{{"action":"submit","id":{round},"type":"t","body":{body}}}"#);
        master.send(&request);
        let reply = read_as_the_reference_client(&mut master.stream);
        assert_eq!(reply, format!(r#"{{"ok":true,"id":{round}}}"#));
        let job = read_as_the_reference_client(&mut worker.stream);
        assert_eq!(job, format!(r#"{{"action":"job","id":{round},"type":"t","body":{body}}}"#));
        worker.send(format!(r#"{{"action":"respond","body":{body}}}"#));
        assert_eq!(read_as_the_reference_client(&mut worker.stream), OK);
        let result = read_as_the_reference_client(&mut master.stream);
        assert_eq!(result, format!(r#"{{"id":{round},"body":{body}}}"#));
    }
}

#[test]
fn a_frame_is_never_seen_without_its_payload() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    // Whoever waits with room for more than a header gets the whole frame: it was one write.
    let read_what_is_there = |stream: &mut std::net::TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        let mut block = [0; 4096];
        let got = stream.read(&mut block).expect("a frame comes");
        assert!(got > 4, "expected header and payload together, got {got} bytes");
        let length = u32::from_be_bytes(block[..4].try_into().expect("four bytes")) as usize;
        assert_eq!(got, 4 + length, "expected one whole frame");
    };
    for round in 0..300 {
        master.send(format!(r#"{{"action":"submit","id":{round},"type":"t","body":"{}"}}"#, "b".repeat(round)));
        read_what_is_there(&mut master.stream);
        read_what_is_there(&mut worker.stream);
        worker.send(r#"{"action":"respond","body":1}"#);
        read_what_is_there(&mut worker.stream);
        read_what_is_there(&mut master.stream);
    }
}

#[test]
fn frames_may_be_split_at_every_byte() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let submit = |id: usize| frame(format!(r#"{{"action":"submit","id":{id},"type":"t","body":"é😀"}}"#));
    let respond = frame(r#"{"action":"respond","body":"\u00e9"}"#);
    // In two pieces, at each place.
    for cut in 1..submit(100).len() {
        let id = 100 + cut;
        let bytes = submit(id);
        master.raw(&bytes[..cut]);
        std::thread::sleep(Duration::from_micros(200)); // lets the first piece be read alone; the test holds without it
        master.raw(&bytes[cut..]);
        master.expect(&format!(r#"{{"ok":true,"id":{id}}}"#));
        worker.expect_job(&id.to_string(), "t", "\"é😀\"");
        let cut = cut.min(respond.len() - 1);
        worker.raw(&respond[..cut]);
        std::thread::sleep(Duration::from_micros(200));
        worker.raw(&respond[cut..]);
        worker.expect(OK);
        master.expect_result(&id.to_string(), r#""\u00e9""#);
    }
    // Byte by byte, two frames in a row.
    for byte in [submit(1), submit(2)].concat() {
        master.raw([byte]);
    }
    master.expect(r#"{"ok":true,"id":1}"#);
    master.expect(r#"{"ok":true,"id":2}"#);
    worker.expect_job("1", "t", "\"é😀\"");
    for byte in respond {
        worker.raw([byte]);
    }
    worker.expect(OK);
    worker.expect_job("2", "t", "\"é😀\"");
}

#[test]
fn a_thousand_frames_in_one_segment_are_answered_in_order() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut burst = Vec::new();
    for id in 0..1000 {
        burst.extend(frame(format!(r#"{{"action":"submit","id":{id},"body":0}}"#)));
    }
    master.raw(&burst);
    for id in 0..1000 {
        master.expect(&format!(r#"{{"ok":true,"id":{id}}}"#));
    }
    // A worker may pipeline too: each respond answers the job that is in its hand by then, or is an error.
    let mut worker = gloom_worker(&server, "default");
    worker.expect_job("0", "default", "0");
    worker.raw([frame(r#"{"action":"join","type":"other"}"#), frame(r#"{"action":"respond","body":1}"#)].concat());
    worker.expect(OK);
    worker.expect(OK);
    master.expect_result("0", "1");
}

#[test]
fn a_hundred_thousand_pipelined_submits_are_answered_in_order() {
    const COUNT: usize = 100_000;
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut writer = master.stream.try_clone().expect("a socket can be shared");
    let written = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write;
            for start in (0..COUNT).step_by(500) {
                let mut burst = Vec::new();
                for id in start..start + 500 {
                    burst.extend(frame(format!(r#"{{"action":"submit","id":{id},"body":0}}"#)));
                }
                writer.write_all(&burst).expect("the server reads on, once its answers are read");
                written.store(start + 500, std::sync::atomic::Ordering::Relaxed);
            }
        });
        // Nothing is read until the server stops reading, or has read all.
        let mut seen = (0, Instant::now());
        eventually("the writer to finish or stall", || {
            let now = written.load(std::sync::atomic::Ordering::Relaxed);
            if now != seen.0 {
                seen = (now, Instant::now());
            }
            (now == COUNT || seen.1.elapsed() > Duration::from_millis(300)).then_some(())
        });
        for id in 0..COUNT {
            master.expect(&format!(r#"{{"ok":true,"id":{id}}}"#));
        }
    });
    server.expect_service();
}
