//! Peers that go in the middle of something.

use super::*;

#[test]
fn a_reset_in_the_middle_of_a_large_job_gives_it_back() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let body = format!("\"{}\"", "b".repeat(8 * MIB as usize));
    for id in ["1", "2", "3"] {
        let mut dying = gloom_worker(&server, "t");
        socket2::SockRef::from(&dying.stream).set_recv_buffer_size(4096).expect("a socket takes a buffer size");
        master.submit(id, "t", &body);
        // It has begun to arrive.
        let mut begin = [0; 8];
        dying.stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        std::io::Read::read_exact(&mut dying.stream, &mut begin).expect("a job comes");
        dying.reset();
        let mut worker = gloom_worker(&server, "t");
        let job = worker.receive();
        assert!(job == format!(r#"{{"action":"job","id":{id},"type":"t","body":{body}}}"#), "expected the whole job");
        worker.respond("0");
        master.expect_result(id, "0");
    }
}

#[test]
fn connections_that_come_and_go_leave_nothing_behind() {
    let server = Server::start();
    server.expect_service();
    let files = server.open_files();
    let before = server.resident_bytes();
    let mut ports = framed_ports(&server).to_vec();
    ports.push(server.deputy());
    for round in 0..1500 {
        let client = Framed::connect(ports[round % ports.len()]);
        match round % 3 {
            0 => client.reset(),
            1 => client.finish_sending(),
            _ => {}
        }
    }
    expect_unharmed(&server, files);
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 32 * MIB, "expected nothing to stay behind, the server grew by {grown} bytes");
}

#[test]
fn a_client_that_is_cut_for_its_errors_harms_nobody_who_waits() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    worker.expect_job("1", "t", "0");
    for port in framed_ports(&server) {
        let mut client = Framed::connect(port);
        client.send("{broken");
        client.until_closed();
    }
    let mut client: Deputy = server.deputy_client();
    client.send("{broken");
    client.until_closed();
    worker.respond("\"fine\"");
    master.expect_result("1", "\"fine\"");
}

#[test]
fn a_worker_cut_for_an_error_gives_its_job_back() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    let mut broken = gloom_worker(&server, "t");
    broken.expect_job("1", "t", "0");
    broken.send("not json");
    let heard = broken.until_closed();
    assert_error(&heard[0], "invalid_json");
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("1", "t", "0");
    worker.respond("0");
    master.expect_result("1", "0");
}

#[test]
fn a_master_cut_for_an_error_has_left() {
    let server = Server::start();
    let mut broken = gloom_master(&server);
    broken.submit("1", "t", "0");
    broken.send("not json");
    broken.until_closed();
    let mut other = gloom_master(&server);
    eventually_within(PATIENCE, "the id to be free", || {
        let reply = other.call(r#"{"action":"submit","id":1,"type":"t","body":"new"}"#);
        reply.starts_with(r#"{"ok":true"#).then_some(())
    });
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("1", "t", "\"new\"");
}
