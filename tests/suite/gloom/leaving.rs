//! Peers that leave, and what becomes of their jobs.

use super::*;

#[test]
fn a_master_that_leaves_takes_its_queued_jobs_and_not_its_running_one() {
    let server = Server::start();
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    for id in ["1", "2", "3"] {
        master.submit(id, "t", "0");
    }
    worker.expect_job("1", "t", "0");
    let mut other = gloom_master(&server);
    other.submit("4", "t", "0");
    drop(master);
    // Its queued jobs' ids are free, and so is the running one's: at once, as soon as the server has noticed.
    for id in ["2", "1"] {
        eventually(&format!("the id {id} to be free"), || {
            let reply = other.call(&format!(r#"{{"action":"submit","id":{id},"type":"u","body":0}}"#));
            (reply == format!(r#"{{"ok":true,"id":{id}}}"#)).then_some(())
        });
    }
    // The running job ends, its response goes nowhere, and its worker gets the next job, which is the other master's.
    worker.respond("\"discarded\"");
    worker.expect_job("4", "t", "0");
    worker.respond("\"kept\"");
    other.expect_result("4", "\"kept\"");
    worker.expect_silence();
    other.expect_silence();
}

#[test]
fn a_masters_half_close_counts_as_leaving() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    master.finish_sending();
    master.expect_closed();
    let mut worker = gloom_worker(&server, "t");
    let mut other = gloom_master(&server);
    eventually("the id to be free", || {
        let reply = other.call(r#"{"action":"submit","id":1,"type":"t","body":"second"}"#);
        (reply == r#"{"ok":true,"id":1}"#).then_some(())
    });
    worker.expect_job("1", "t", "\"second\"");
}

#[test]
fn a_workers_half_close_gives_its_job_back() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit("1", "t", "0");
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job("1", "t", "0");
    worker.finish_sending();
    let mut next = gloom_worker(&server, "t");
    next.expect_job("1", "t", "0");
    worker.expect_closed();
}

#[test]
fn a_worker_that_leaves_gives_its_job_to_the_next_at_once() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut first = gloom_worker(&server, "t");
    let mut second = gloom_worker(&server, "t");
    master.submit("1", "t", "\"b\"");
    first.expect_job("1", "t", "\"b\"");
    let start = Instant::now();
    drop(first);
    second.expect_job("1", "t", "\"b\"");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "expected the job at once, it took {took:?}");
    second.respond("\"ok\"");
    master.expect_result("1", "\"ok\"");
    master.expect_silence();
}

#[test]
fn a_worker_that_leaves_in_the_middle_of_a_frame_gives_its_job_back() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let respond = frame(r#"{"action":"respond","body":"half"}"#);
    for (id, cut) in [1, 3, 4, 5, 20, respond.len() - 1].into_iter().enumerate() {
        for reset in [false, true] {
            let id = format!("\"{id}-{reset}\"");
            master.submit(&id, "t", "0");
            let mut worker = gloom_worker(&server, "t");
            worker.expect_job(&id, "t", "0");
            worker.raw(&respond[..cut]);
            if reset {
                worker.reset();
            } else {
                drop(worker);
            }
            let mut next = gloom_worker(&server, "t");
            next.expect_job(&id, "t", "0");
            next.respond("\"whole\"");
            master.expect_result(&id, "\"whole\"");
        }
    }
}

#[test]
fn a_master_that_leaves_in_the_middle_of_a_frame_has_left() {
    let server = Server::start();
    for reset in [false, true] {
        let [queued, half] = [format!("\"queued-{reset}\""), format!("\"half-{reset}\"")];
        let submit = frame(format!(r#"{{"action":"submit","id":{half},"type":"t","body":0}}"#));
        let mut master = gloom_master(&server);
        master.submit(&queued, "t", "0");
        master.raw(&submit[..submit.len() - 1]);
        if reset {
            master.reset();
        } else {
            drop(master);
        }
        let mut other = gloom_master(&server);
        for id in [queued, half] {
            eventually("the id to be free", || {
                let reply = other.call(&format!(r#"{{"action":"submit","id":{id},"type":"t","body":0}}"#));
                reply.starts_with(r#"{"ok":true"#).then_some(())
            });
        }
    }
    server.expect_service();
}

#[test]
fn a_worker_that_answers_and_leaves_has_answered() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for id in 0..50 {
        let id = id.to_string();
        master.submit(&id, "t", "0");
        let mut worker = gloom_worker(&server, "t");
        worker.expect_job(&id, "t", "0");
        worker.send(r#"{"action":"respond","body":"bye"}"#);
        drop(worker);
        master.expect_result(&id, "\"bye\"");
    }
}

#[test]
fn a_job_whose_worker_dies_four_times_has_failed_and_its_id_is_free() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    master.submit(r#""poison""#, "t", "0");
    for _ in 0..4 {
        master.expect_silence();
        let mut worker = gloom_worker(&server, "t");
        worker.expect_job(r#""poison""#, "t", "0");
    }
    master.expect(r#"{"error":"job_failed","reason":"poison"}"#);
    let mut worker = gloom_worker(&server, "t");
    worker.expect_silence();
    master.submit(r#""poison""#, "t", "\"second life\"");
    worker.expect_job(r#""poison""#, "t", "\"second life\"");
}

#[test]
fn max_attempts_may_be_asked_for() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for attempts in [1, 2, 6] {
        master.ask(
            &format!(r#"{{"action":"submit","id":{attempts},"type":"t","body":0,"max_attempts":{attempts}}}"#),
            &format!(r#"{{"ok":true,"id":{attempts}}}"#),
        );
        for _ in 0..attempts {
            let mut worker = gloom_worker(&server, "t");
            worker.expect_job(&attempts.to_string(), "t", "0");
        }
        master.expect(&format!(r#"{{"error":"job_failed","reason":{attempts}}}"#));
    }
}
