//! How it ends: signals and the drain.

use super::*;

#[test]
fn an_idle_server_ends_at_once_on_sigterm_and_sigint() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start();
        let _idle = (gloom_master(&server), gloom_worker(&server, "t"), native(&server), server.deputy_client());
        server.expect_service();
        let start = Instant::now();
        if signal == "TERM" {
            server.term();
        } else {
            server.process.signal(signal);
        }
        assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(10), "expected no wait, it took {took:?}");
    }
}

/// Waits until the server says that it drains.
#[track_caller]
fn expect_draining(master: &mut Framed) {
    let mut number = 0;
    eventually("submits to be refused", || {
        number += 1;
        let reply = master.call(&format!(r#"{{"action":"submit","id":"drain-{number}","type":"elsewhere","body":0}}"#));
        (reply == r#"{"error":"unavailable","reason":"draining"}"#).then_some(())
    });
}

#[test]
fn on_sigterm_running_jobs_may_answer_and_nothing_new_begins() {
    let mut server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    let mut idle = gloom_worker(&server, "other");
    let mut peer = native(&server);
    let mut client = server.deputy_client();
    master.submit("\"running\"", "t", "0");
    master.submit("\"queued\"", "t", "0");
    worker.expect_job("\"running\"", "t", "0");
    let addresses = [server.gloom_masters(), server.gloom_workers(), server.tcp(), server.deputy()];
    server.term();
    expect_draining(&mut master);
    // Submits are refused in every language.
    assert_error(&peer.call(r#"{"action":"submit","id":1,"type":"other","body":0}"#), "draining");
    client.send(r#"{"cmd":"do","id":2,"type":"other"}"#);
    let refusal = json(&client.receive());
    assert_eq!(refusal["cmd"], "error");
    assert!(refusal.to_string().contains("draining"), "got {refusal}");
    // No new connections: refused, or closed without a word.
    for address in addresses {
        eventually("connections to be refused", || {
            let Ok(stream) = TcpStream::connect(address) else { return Some(()) };
            matches!(Framed::on(stream).listen(Duration::from_secs(1)), Heard::Closed).then_some(())
        });
    }
    // Nothing is handed out.
    idle.ask(r#"{"action":"join","type":"t"}"#, r#"{"ok":true}"#);
    idle.expect_silence();
    assert!(server.is_running(), "expected the server to wait for the running job");
    // The running job may answer, its result arrives, and that was it.
    let start = Instant::now();
    worker.ask(r#"{"action":"respond","body":"done"}"#, r#"{"ok":true}"#);
    master.expect_result("\"running\"", "\"done\"");
    worker.expect_closed();
    master.expect_closed();
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "expected the end with the last answer, it took {took:?}");
}

#[test]
fn a_worker_that_leaves_a_draining_server_ends_it_too() {
    let mut server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    server.term();
    expect_draining(&mut master);
    drop(worker);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_ends_the_server_now() {
    let mut server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    server.term();
    expect_draining(&mut master);
    let start = Instant::now();
    server.term();
    server.wait();
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "expected the end now, it took {took:?}");
}

#[test]
fn a_drain_ends_after_its_time() {
    let mut server = Server::with(&["--drain", "1"]);
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    let start = Instant::now();
    server.term();
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(900)..Duration::from_secs(10)).contains(&took),
        "expected the end after a second, it took {took:?}"
    );
}

/// A result that doesn't fit into the buffers of the system is written before the server ends.
#[test]
fn a_peer_that_reads_slowly_hears_everything_before_the_end() {
    let mut server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "t");
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    let body = format!("\"{}\"", "x".repeat(15 << 20));
    worker.respond(&body);
    server.term();
    let address = server.gloom_masters();
    eventually("the listener to be gone", || TcpStream::connect(address).is_err().then_some(()));
    master.expect_result("1", &body);
    master.expect_closed();
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
}

#[test]
fn durable_jobs_outlive_a_drain_and_their_order_stays() {
    let mut server = Server::with_store(TempDir::new(), &["--store", "file:data", "--drain", "1"]);
    let mut peer = native(&server);
    for (id, priority) in [(1, 0), (2, 5), (3, 0), (4, 9)] {
        peer.ask(
            &format!(r#"{{"action":"submit","id":{id},"type":"t","body":"kept {id}","priority":{priority}}}"#),
            &format!(r#"{{"ok":true,"id":{id}}}"#),
        );
    }
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("4", "t", "\"kept 4\"");
    server.term();
    assert_eq!(server.wait().code(), Some(0), "stderr: {}", server.process.stderr.text());
    let server = Server::with_store(std::mem::replace(&mut server.dir, TempDir::new()), &["--store", "file:data"]);
    let mut worker = gloom_worker(&server, "t");
    for id in ["4", "2", "1", "3"] {
        worker.expect_job(id, "t", &format!("\"kept {id}\""));
        worker.respond("0");
    }
    worker.expect_silence();
}

#[test]
fn a_thousand_jobs_may_run_at_the_end_and_all_are_answered() {
    let mut server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = native(&server);
    worker.ask(r#"{"action":"join","types":["t"],"credit":1000}"#, r#"{"ok":true}"#);
    for id in 0..1000 {
        master.submit(&id.to_string(), "t", "0");
    }
    for _ in 0..1000 {
        worker.receive();
    }
    server.term();
    expect_draining(&mut master);
    let mut burst = Vec::new();
    for id in 0..1000 {
        burst.extend(frame(format!(r#"{{"action":"respond","id":{id},"body":{id}}}"#)));
    }
    worker.raw(&burst);
    for id in 0..1000 {
        master.expect_result(&id.to_string(), &id.to_string());
    }
    assert_eq!(server.wait().code(), Some(0));
}
