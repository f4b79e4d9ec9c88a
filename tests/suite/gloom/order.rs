//! Who goes first, and which message before which.

use super::*;

#[test]
fn larger_priorities_go_first_and_equals_in_the_order_of_submission() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let priorities: [i64; 12] =
        [0, 5, i64::MIN, -1, i64::MAX, 5, 0, i64::MIN + 1, i64::MAX - 1, i64::MAX, -1, i64::MIN];
    for (id, priority) in priorities.iter().enumerate() {
        master.ask(
            &format!(r#"{{"action":"submit","id":{id},"type":"t","body":0,"priority":{priority}}}"#),
            &format!(r#"{{"ok":true,"id":{id}}}"#),
        );
    }
    master.ask(r#"{"action":"submit","id":"none","type":"t","body":0}"#, r#"{"ok":true,"id":"none"}"#);
    let mut order: Vec<usize> = (0..priorities.len()).collect();
    order.sort_by_key(|&id| std::cmp::Reverse(priorities[id]));
    let mut expected: Vec<String> = order.iter().map(usize::to_string).collect();
    let after_zeros = expected.iter().position(|id| id == "6").expect("it is there") + 1;
    expected.insert(after_zeros, "\"none\"".to_owned());
    let mut worker = gloom_worker(&server, "t");
    for id in &expected {
        worker.expect_job(id, "t", "0");
        worker.respond("0");
    }
}

#[test]
fn a_thousand_equals_are_worked_first_in_first_out() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    let mut burst = Vec::new();
    for id in 0..1000 {
        burst.extend(frame(format!(r#"{{"action":"submit","id":{id},"type":"t","body":{id}}}"#)));
    }
    master.raw(&burst);
    for id in 0..1000 {
        master.expect(&format!(r#"{{"ok":true,"id":{id}}}"#));
    }
    let mut worker = gloom_worker(&server, "t");
    for id in 0..1000 {
        worker.expect_job(&id.to_string(), "t", &id.to_string());
        worker.respond("null");
    }
    for id in 0..1000 {
        master.expect_result(&id.to_string(), "null");
    }
}

#[test]
fn idle_workers_are_served_longest_waiting_first() {
    let server = Server::start();
    let mut workers: Vec<Framed> = (0..4).map(|_| gloom_worker(&server, "t")).collect();
    let mut master = gloom_master(&server);
    for round in 0..3 {
        for (number, worker) in workers.iter_mut().enumerate() {
            let id = format!("{}", round * 4 + number);
            master.submit(&id, "t", "0");
            worker.expect_job(&id, "t", "0");
            worker.respond("0");
            master.expect_result(&id, "0");
        }
    }
}

#[test]
fn the_reply_to_a_join_comes_before_the_first_job() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for id in 0..50 {
        let id = id.to_string();
        master.submit(&id, "t", "0");
        let mut worker = gloom_stranger(&server);
        worker.ask(r#"{"action":"join","type":"t"}"#, OK);
        worker.expect_job(&id, "t", "0");
        worker.respond("1");
        master.expect_result(&id, "1");
    }
}

#[test]
fn the_reply_to_a_respond_comes_before_the_next_job() {
    let server = Server::start();
    let mut master = gloom_master(&server);
    for id in 0..100 {
        master.submit(&id.to_string(), "t", "0");
    }
    let mut worker = gloom_worker(&server, "t");
    for id in 0..100 {
        worker.expect_job(&id.to_string(), "t", "0");
        worker.ask(r#"{"action":"respond","body":1}"#, OK);
    }
}

/// Workers that answer everything until they are asked to stop.
fn with_workers(server: &Server, count: usize, work: impl FnOnce()) {
    let mut workers: Vec<Framed> = (0..count).map(|_| gloom_worker(server, "t")).collect();
    std::thread::scope(|scope| {
        for worker in &mut workers {
            scope.spawn(|| {
                while let Heard::Message(job) = worker.listen(PATIENCE) {
                    let last = job.contains(r#""body":"stop""#);
                    worker.ask(r#"{"action":"respond","body":0}"#, OK);
                    if last {
                        return;
                    }
                    // Else the next message is the next job.
                }
            });
        }
        work();
        // One each: who has answered such a job takes no other.
        let mut master = gloom_master(server);
        let burst: Vec<u8> = (0..count)
            .flat_map(|n| frame(format!(r#"{{"action":"submit","id":"stop-{n}","type":"t","body":"stop"}}"#)))
            .collect();
        master.raw(burst);
        for _ in 0..2 * count {
            master.receive();
        }
    });
}

#[test]
fn the_reply_to_a_submit_comes_before_its_result() {
    let server = Server::start();
    with_workers(&server, 4, || {
        let mut master = gloom_master(&server);
        for id in 0..500 {
            master.submit(&id.to_string(), "t", "0");
            master.expect_result(&id.to_string(), "0");
        }
    });
}

#[test]
fn results_wait_behind_replies_that_wait_for_the_disk() {
    let server = Server::with_store(TempDir::new(), &["--store", "file:data"]);
    let mut worker = gloom_worker(&server, "t");
    let mut master = gloom_master(&server);
    for round in 0..50 {
        // In one segment: a transient job, which is worked at once, among durable ones, whose oks wait for a sync. The server
        // reads all of it at a time; so however fast the result is, it comes behind all oks.
        let id = |n: u32| format!(r#""{round}-{n}""#);
        let mut burst = Vec::new();
        for n in 0..7 {
            let (job_type, durable) = if n == 3 { ("t", false) } else { ("disk", true) };
            burst.extend(frame(format!(
                r#"{{"action":"submit","id":{},"type":"{job_type}","body":0,"durable":{durable}}}"#,
                id(n)
            )));
        }
        master.raw(&burst);
        worker.expect_job(&id(3), "t", "0");
        worker.respond("1");
        for n in 0..7 {
            master.expect(&format!(r#"{{"ok":true,"id":{}}}"#, id(n)));
        }
        master.expect_result(&id(3), "1");
    }
}

#[test]
fn results_wait_behind_the_replies_to_a_burst() {
    let server = Server::start();
    with_workers(&server, 4, || {
        let mut master = gloom_master(&server);
        for round in 0..50 {
            // All in one segment, so that all replies are outstanding when the first job is answered.
            let mut burst = Vec::new();
            for n in 0..20 {
                burst.extend(frame(format!(r#"{{"action":"submit","id":"{round}-{n}","type":"t","body":0}}"#)));
            }
            master.raw(&burst);
            for n in 0..20 {
                master.expect(&format!(r#"{{"ok":true,"id":"{round}-{n}"}}"#));
            }
            let mut results: Vec<String> = (0..20).map(|_| master.receive()).collect();
            results.sort();
            let mut expected: Vec<String> = (0..20).map(|n| format!(r#"{{"id":"{round}-{n}","body":0}}"#)).collect();
            expected.sort();
            assert_eq!(results, expected, "(left: got, right: expected)");
        }
    });
}
