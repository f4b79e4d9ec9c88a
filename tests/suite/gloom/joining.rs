//! Workers that join again.

use super::*;

#[test]
fn a_join_while_idle_switches_the_type_at_once() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "a");
    worker.join("b");
    master.submit("1", "a", "0");
    master.submit("2", "b", "0");
    worker.expect_job("2", "b", "0");
    worker.respond("0");
    master.expect_result("2", "0");
    worker.expect_silence();
    worker.join("a");
    worker.expect_job("1", "a", "0");
}

#[test]
fn a_join_with_a_job_in_hand_applies_after_its_answer() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for (id, job_type) in [("1", "a"), ("2", "a"), ("3", "b")] {
        master.submit(id, job_type, "0");
    }
    let mut worker = gloom_worker(&server, "a");
    worker.expect_job("1", "a", "0");
    worker.join("b");
    worker.expect_silence();
    worker.respond("\"done\"");
    master.expect_result("1", "\"done\"");
    worker.expect_job("3", "b", "0");
    worker.respond("0");
    master.expect_result("3", "0");
    worker.expect_silence();
}

#[test]
fn joining_the_same_type_again_gives_no_second_job() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut worker = gloom_worker(&server, "a");
    worker.join("a");
    worker.join("a");
    for id in ["1", "2"] {
        master.submit(id, "a", "0");
    }
    worker.expect_job("1", "a", "0");
    worker.join("a");
    worker.expect_silence();
    worker.respond("0");
    worker.expect_job("2", "a", "0");
}

#[test]
fn a_job_of_the_type_that_a_worker_left_goes_to_the_next_worker() {
    let server = Server::start();
    let mut first = gloom_worker(&server, "a");
    let mut second = gloom_worker(&server, "a");
    first.join("b");
    let mut master = gloom_master(&server);
    master.submit("1", "a", "0");
    second.expect_job("1", "a", "0");
    first.expect_silence();
}
