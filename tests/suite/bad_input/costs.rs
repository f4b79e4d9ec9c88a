//! What a hostile peer can make the server spend: memory, time, depth, room.

use super::*;

#[test]
fn a_claimed_length_costs_no_memory() {
    let server = Server::start();
    server.expect_service();
    let (files, before) = (server.open_files(), server.resident_bytes());
    let mut claimants = Vec::new();
    for _ in 0..70 {
        for port in framed_ports(&server) {
            let mut client = Framed::connect(port);
            client.raw((16 * MIB as u32).to_be_bytes());
            client.raw(b"{\"action\":");
            claimants.push(client);
        }
    }
    server.expect_service();
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 24 * MIB, "expected no memory for 210 claims of 16 MiB, the server grew by {grown} bytes");
    drop(claimants);
    expect_unharmed(&server, files);
}

#[test]
fn an_oversize_length_is_refused_at_once_and_nothing_is_allocated() {
    let server = Server::start();
    server.expect_service();
    let (files, before) = (server.open_files(), server.resident_bytes());
    for length in [16 * MIB as u32 + 1, 1 << 30, 0x8000_0000, u32::MAX] {
        for port in framed_ports(&server) {
            for _ in 0..10 {
                let start = Instant::now();
                let mut client = Framed::connect(port);
                client.raw(length.to_be_bytes());
                client.expect(r#"{"error":"size_error","reason":"length too large"}"#);
                client.expect_closed();
                let took = start.elapsed();
                assert!(took < Duration::from_secs(3), "expected the end at once, it took {took:?}");
            }
        }
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MIB, "expected nothing to be allocated, the server grew by {grown} bytes");
    expect_unharmed(&server, files);
}

#[test]
fn a_header_in_pieces_is_refused_when_it_is_whole() {
    let server = Server::start();
    for port in framed_ports(&server) {
        let mut client = Framed::connect(port);
        client.raw([0x7f]);
        client.raw([0xff]);
        client.raw([0xff]);
        client.expect_silence();
        client.raw([0xff]);
        client.expect(r#"{"error":"size_error","reason":"length too large"}"#);
        client.expect_closed();
    }
}

#[test]
fn a_peer_that_reads_no_replies_stops_being_read_and_is_cut() {
    let server = Server::with(&["--write-timeout", "2s"]);
    server.expect_service();
    let (files, before) = (server.open_files(), server.resident_bytes());
    // Requests whose answers would be 400 MB on the one port and 200 MB on the other.
    let floods: [(SocketAddr, Vec<u8>); 2] = [
        (server.deputy(), b"{\"cmd\":\"metrics\"}\n".repeat(4096)),
        (server.tcp(), frame(r#"{"action":"hello"}"#).repeat(4096)),
    ];
    std::thread::scope(|scope| {
        for (port, block) in &floods {
            scope.spawn(move || {
                let mut stream = dial(*port);
                stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
                let start = Instant::now();
                let end = (0..600).find_map(|_| stream.write_all(block).err());
                let end = end.unwrap_or_else(|| panic!("expected not to be read to the end at {port}"));
                assert!(
                    !matches!(end.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                    "expected to be cut 2 s after the last byte was taken at {port}, still open after {:?}",
                    start.elapsed()
                );
            });
        }
        for _ in 0..5 {
            server.expect_service();
            std::thread::sleep(Duration::from_millis(100)); // paces the looks at its memory
            let grown = server.resident_bytes().saturating_sub(before);
            assert!(grown < 96 * MIB, "expected the server not to grow, it grew by {grown} bytes");
        }
    });
    expect_unharmed(&server, files);
}

/// Sends all requests at once, begins to read when nothing more is taken, and counts the answers.
fn expect_all_answers(port: SocketAddr, request: &[u8], count: usize, word: &str) {
    let mut stream = dial(port);
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket takes a time limit");
    let mut writer = stream.try_clone().expect("a socket can be shared");
    let all = request.repeat(count);
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || writer.write_all(&all));
        let start = Instant::now();
        eventually("the writer to finish or stall", || {
            (writing.is_finished() || start.elapsed() > Duration::from_millis(300)).then_some(())
        });
        let (mut answers, mut text) = (0, String::new());
        let mut block = vec![0; 1 << 20];
        while answers < count {
            match stream.read(&mut block) {
                Ok(read) if read > 0 => text.push_str(&String::from_utf8_lossy(&block[..read])),
                other => panic!("expected {count} answers from {port}, got {answers} and then {other:?}"),
            }
            answers += text.matches(word).count();
            let seen_until = text.rfind(word).map_or(0, |at| at + word.len());
            let kept = text.len().saturating_sub(word.len()).max(seen_until);
            text.drain(..text.floor_char_boundary(kept));
        }
        let wrote = writing.join().expect("the writer does not panic");
        wrote.expect("the server reads on, once its answers are read");
    });
}

#[test]
fn a_peer_that_reads_late_gets_every_answer() {
    let server = Server::start();
    for count in [1_000, 7_000, 8_000, 15_000, 60_000] {
        expect_all_answers(server.deputy(), b"{\"cmd\":\"metrics\"}\n", count, "jobs_reassigned");
        expect_all_answers(server.tcp(), &frame(r#"{"action":"hello"}"#), count, "max_frame");
        expect_all_answers(server.tcp(), &frame(r#"{"action":"touch","id":"none"}"#), count, "unknown_job");
    }
}

#[test]
fn a_master_that_reads_no_results_is_cut_and_the_memory_stays_flat() {
    let server = Server::with(&["--write-timeout", "1s"]);
    server.expect_service();
    let (files, before) = (server.open_files(), server.resident_bytes());
    let mut master = gloom_master(&server);
    socket2::SockRef::from(&master.stream).set_recv_buffer_size(4096).expect("a socket takes a buffer size");
    for id in 0..200 {
        master.submit(&id.to_string(), "t", "0");
    }
    let mut worker = gloom_worker(&server, "t");
    let result = format!(r#"{{"action":"respond","body":"{}"}}"#, "r".repeat(2 * MIB as usize));
    let mut largest = 0;
    // 400 MB of results, that the master does not read. When it is cut, its queued jobs go, so the worker may run dry.
    while let Heard::Message(job) = worker.listen(Duration::from_secs(3)) {
        assert!(job.starts_with(r#"{"action":"job""#), "got {job}");
        worker.send(&result);
        worker.expect(r#"{"ok":true}"#);
        largest = largest.max(server.resident_bytes().saturating_sub(before));
    }
    assert!(largest < 200 * MIB, "expected the server to hold back or cut, it grew by {largest} bytes");
    // It was cut: its last job, which was queued, is gone.
    let mut other = gloom_master(&server);
    eventually("the master to be cut", || {
        let reply = other.call(r#"{"action":"submit","id":199,"type":"other","body":0}"#);
        reply.starts_with(r#"{"ok":true"#).then_some(())
    });
    drop(master);
    expect_unharmed(&server, files);
}

#[test]
fn a_worker_that_does_not_read_its_job_is_cut_and_the_job_goes_to_another() {
    let server = Server::with(&["--write-timeout", "1s"]);
    let mute = gloom_worker(&server, "t");
    socket2::SockRef::from(&mute.stream).set_recv_buffer_size(4096).expect("a socket takes a buffer size");
    let mut master = gloom_master(&server);
    let body = format!("\"{}\"", "b".repeat(15 * MIB as usize));
    master.submit("1", "t", &body);
    let mut worker = gloom_worker(&server, "t");
    let job = match worker.listen(Duration::from_secs(30)) {
        Heard::Message(job) => job,
        other => panic!("expected the job to come to the second worker, got {other:?}"),
    };
    assert!(job == format!(r#"{{"action":"job","id":1,"type":"t","body":{body}}}"#), "expected the whole job");
    worker.respond("0");
    master.expect_result("1", "0");
    leave(mute);
}

#[test]
fn a_frame_that_never_ends_closes_the_connection_and_counts_as_leaving() {
    let server = Server::with(&["--frame-timeout", "1s"]);
    let half = &frame(r#"{"action":"submit","id":"half","type":"t","body":0}"#)[..20];
    for (round, piece) in [&half[..2], half].into_iter().enumerate() {
        let [first, second] = [format!("\"{round}-1\""), format!("\"{round}-2\"")];
        let mut master = gloom_master(&server);
        master.submit(&first, "t", "0");
        let mut worker = gloom_worker(&server, "u");
        master.submit(&second, "u", "0");
        worker.expect_job(&second, "u", "0");
        let start = Instant::now();
        master.raw(piece);
        worker.raw(piece);
        // The worker's job comes back and goes with its master, or to nobody; both connections are over.
        master.until_closed();
        worker.until_closed();
        let took = start.elapsed();
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(10)).contains(&took),
            "expected the end after about a second, it took {took:?}"
        );
        let mut other = gloom_master(&server);
        for id in [first, second] {
            eventually("the ids of the master to be free", || {
                let reply = other.call(&format!(r#"{{"action":"submit","id":{id},"type":"v","body":0}}"#));
                reply.starts_with(r#"{"ok":true"#).then_some(())
            });
        }
    }
    let mut peer = native(&server);
    peer.raw(half);
    peer.until_closed();
    let mut client = server.deputy_client();
    client.raw(r#"{"cmd":"metrics""#);
    client.until_closed();
    server.expect_service();
}

#[test]
fn the_time_for_a_frame_is_for_the_whole_frame() {
    let server = Server::with(&["--frame-timeout", "1s"]);
    let request = frame(format!(r#"{{"action":"submit","id":"slow","type":"t","body":"{}"}}"#, "x".repeat(500)));
    let mut master = gloom_master(&server);
    let start = Instant::now();
    let closed = request.iter().any(|&byte| {
        // A byte now and then is not enough.
        let sent = master.try_raw([byte]);
        !sent || matches!(master.listen(Duration::from_millis(100)), Heard::Closed)
    });
    let took = start.elapsed();
    assert!(closed, "expected a frame of half a minute to be cut");
    assert!(took < Duration::from_secs(15), "expected the end after about a second, it took {took:?}");
    server.expect_service();
}

#[test]
fn who_says_nothing_may_stay() {
    let server = Server::with(&["--frame-timeout", "1s", "--write-timeout", "1s"]);
    let mut idle_master = gloom_master(&server);
    let mut idle_worker = gloom_worker(&server, "t");
    let mut idle_stranger = gloom_stranger(&server);
    let mut idle_native = native(&server);
    let mut idle_deputy = server.deputy_client();
    let heard = idle_master.listen(Duration::from_millis(3500));
    assert_eq!(heard, Heard::Silence);
    idle_master.submit("1", "t", "0");
    idle_worker.expect_job("1", "t", "0");
    idle_stranger.join("u");
    assert!(idle_native.call(r#"{"action":"hello"}"#).starts_with(r#"{"ok":true"#));
    idle_deputy.expect_all_accepted();
}

#[test]
fn five_million_levels_of_nesting_are_too_deep_and_nothing_worse() {
    const DEPTH: usize = 5_000_000;
    let server = Server::start();
    server.expect_service();
    let files = server.open_files();
    let arrays = nested(DEPTH);
    let objects = format!("{}1{}", r#"{"":"#.repeat(DEPTH / 4), "}".repeat(DEPTH / 4));
    for deep in [&arrays, &objects] {
        for request in [
            format!(r#"{{"action":"submit","id":1,"type":"t","body":{deep}}}"#),
            format!(r#"{{"unknown":{deep},"action":"submit","id":1,"type":"t","body":0}}"#),
            deep.clone(),
        ] {
            for port in framed_ports(&server) {
                let mut client = Framed::connect(port);
                let start = Instant::now();
                client.send(&request);
                let reply = client.receive();
                let took = start.elapsed();
                assert_error(&reply, "invalid_message");
                assert_eq!(json(&reply)["reason"], "too_deep", "got {reply}");
                assert!(took < Duration::from_secs(5), "expected an answer at once, it took {took:?}");
                let next = client.call(r#"{"action":"nonsense"}"#);
                assert!(next.contains("nonsense"), "expected the next request to work, got {next}");
            }
        }
        let mut client = server.deputy_client();
        client.send(&format!(r#"{{"cmd":"do","id":1,"type":"t","arg":{deep}}}"#));
        let reply = client.receive();
        assert!(reply.contains("too_deep"), "expected too_deep, got {reply}");
        client.expect_all_accepted();
    }
    // Never closed again: neither JSON nor shallow, so either error will do.
    for port in framed_ports(&server) {
        let mut client = Framed::connect(port);
        client.send("[".repeat(DEPTH));
        let code = json(&client.receive())["error"].clone();
        assert!(code == "invalid_message" || code == "invalid_json", "got {code}");
    }
    expect_unharmed(&server, files);
}

#[test]
fn the_limit_of_depth_is_a_setting() {
    let server = Server::with(&["--max-depth", "10"]);
    let mut master = gloom_master(&server);
    master.submit("1", "t", &nested(8));
    master.ask(
        &format!(r#"{{"action":"submit","id":2,"type":"t","body":{}}}"#, nested(11)),
        r#"{"error":"invalid_message","reason":"too_deep"}"#,
    );
}

#[test]
fn bodies_and_results_up_to_the_limit_arrive_whole() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let string = format!("\"{}\"", "s".repeat(16 * MIB as usize - 1000));
    let list = format!("[{}1]", "1,".repeat(1_000_000));
    for body in [&string, &list] {
        master.submit("1", "t", body);
        let job = worker.receive();
        assert!(job == format!(r#"{{"action":"job","id":1,"type":"t","body":{body}}}"#), "expected the body unchanged");
        worker.respond(body);
        assert!(master.receive() == format!(r#"{{"id":1,"body":{body}}}"#), "expected the result unchanged");
    }
}

#[test]
fn the_limit_of_jobs_refuses_submits_until_there_is_room() {
    let server = Server::with(&["--max-jobs", "10"]);
    let mut master = gloom_master(&server);
    for id in 0..10 {
        master.submit(&id.to_string(), "t", "0");
    }
    let full = r#"{"error":"unavailable","reason":"queue_full"}"#;
    master.ask(r#"{"action":"submit","id":10,"type":"t","body":0}"#, full);
    master.ask(r#"{"action":"submit","id":11,"type":"u","body":0}"#, full);
    assert_error(&native(&server).call(r#"{"action":"submit","id":12,"type":"t","body":0}"#), "queue_full");
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":13,"type":"t"}"#);
    assert!(client.receive().starts_with(r#"{"cmd":"error","error":""#));
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("0", "t", "0");
    worker.respond("0");
    master.expect_result("0", "0");
    master.submit("10", "t", "0");
}

#[test]
fn the_limit_of_bytes_refuses_submits_until_there_is_room() {
    let server = Server::with(&["--max-bytes", "1048576"]);
    let mut master = gloom_master(&server);
    let body = format!("\"{}\"", "x".repeat(200_000));
    let mut accepted = 0;
    for id in 0..20 {
        let reply = master.call(&format!(r#"{{"action":"submit","id":{id},"type":"t","body":{body}}}"#));
        if reply == format!(r#"{{"ok":true,"id":{id}}}"#) {
            accepted += 1;
        } else {
            assert_eq!(reply, r#"{"error":"unavailable","reason":"queue_full"}"#);
        }
    }
    assert!((3..=5).contains(&accepted), "expected about five bodies of 200 kB in 1 MiB, got {accepted}");
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("0", "t", &body);
    worker.respond("0");
    master.expect_result("0", "0");
    master.submit("100", "t", "0");
}

#[test]
fn the_limit_of_types_refuses_more_types_and_keeps_the_known_ones() {
    let server = Server::with(&["--max-types", "5"]);
    let mut master = gloom_master(&server);
    let mut refused = 0;
    for id in 0..20 {
        let reply = master.call(&format!(r#"{{"action":"submit","id":{id},"type":"t{id}","body":0}}"#));
        refused += usize::from(reply.starts_with(r#"{"error":""#));
    }
    assert_eq!(refused, 15, "expected five types and no more");
    master.submit("\"again\"", "t0", "0");
    let mut worker = gloom_worker(&server, "t0");
    worker.expect_job("0", "t0", "0");
    worker.respond("0");
    worker.expect_job("\"again\"", "t0", "0");
}
