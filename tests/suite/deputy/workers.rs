//! What workers are given, and in which order.

use super::*;

#[test]
fn can_do_adds_to_a_set_and_repeats_change_nothing() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["a","a"]"#);
        for types in [r#"["b"]"#, r#"["a"]"#, r#"["a","b","a"]"#, "[]"] {
            worker.send(&format!(r#"{{"cmd":"can_do","types":{types}}}"#));
        }
        worker.expect_all_accepted();
        let mut client = doors.client(door);
        for (id, job_type) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"{job_type}"}}"#));
        }
        client.expect_all_accepted();
        let mut seen = Vec::new();
        for _ in 0..4 {
            let job = json(&worker.receive());
            assert_eq!(job["cmd"], "do");
            worker.expect_silence(); // one job at a time, whatever it can do
            worker.send(&format!(r#"{{"cmd":"did","id":{},"res":0}}"#, job["id"]));
            client.expect(&format!(r#"{{"cmd":"did","id":{},"res":0}}"#, job["id"]));
            seen.push(job["id"].as_u64().expect("the ids are integers"));
        }
        seen.sort();
        assert_eq!(seen, [1, 2, 3, 4]);
        worker.expect_silence();
    });
}

#[test]
fn can_do_with_a_job_in_hand_gives_no_second_job() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["a"]"#);
        let mut client = doors.client(door);
        for (id, job_type) in [(1, "a"), (2, "a"), (3, "b")] {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"{job_type}"}}"#));
        }
        worker.expect(r#"{"cmd":"do","id":1,"type":"a"}"#);
        worker.send(r#"{"cmd":"can_do","types":["b","a"]}"#);
        worker.expect_all_accepted();
        worker.expect_silence();
        worker.send(r#"{"cmd":"did","id":1,"res":0}"#);
        let job = worker.receive();
        assert!(job.starts_with(r#"{"cmd":"do","id":"#), "expected a job, got {job}");
        worker.expect_silence();
    });
}

#[test]
fn jobs_n_lets_a_client_hold_n_jobs_and_answer_them_in_any_order() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        for id in 0..6 {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t"}}"#));
        }
        client.expect_all_accepted();
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"],"jobs":3}"#);
        for id in 0..3 {
            worker.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t"}}"#));
        }
        worker.expect_silence();
        for (answered, next) in [(2, 3), (0, 4), (3, 5)] {
            worker.send(&format!(r#"{{"cmd":"did","id":{answered},"res":0}}"#));
            client.expect(&format!(r#"{{"cmd":"did","id":{answered},"res":0}}"#));
            worker.expect(&format!(r#"{{"cmd":"do","id":{next},"type":"t"}}"#));
            worker.expect_silence();
        }
        // All three in hand go back when it leaves.
        drop(worker);
        let mut next = doors.client(door);
        next.send(r#"{"cmd":"can_do","types":["t"],"jobs":100}"#);
        let mut ids: Vec<u64> =
            (0..3).map(|_| json(&next.receive())["id"].as_u64().expect("the ids are integers")).collect();
        ids.sort();
        assert_eq!(ids, [1, 4, 5]);
    });
}

#[test]
fn a_worker_that_leaves_gives_its_job_back_ahead_of_its_equals() {
    on_each_door(|doors, door| {
        let mut first = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        for id in 1..=3 {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t"}}"#));
        }
        first.expect(r#"{"cmd":"do","id":1,"type":"t"}"#);
        drop(first);
        // Connections 1 and 2, one can_do, three jobs and one again, dispatched once, none done, one put back.
        expect_counters(&mut client, [2, 1, 4, 1, 0, 1]);
        let mut second = doors.client(door);
        second.send(r#"{"cmd":"can_do","types":["t"]}"#);
        for id in 1..=3 {
            second.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t"}}"#));
            second.send(&format!(r#"{{"cmd":"did","id":{id},"res":0}}"#));
            client.expect(&format!(r#"{{"cmd":"did","id":{id},"res":0}}"#));
        }
    });
}

#[test]
fn larger_priorities_go_first_and_the_default_is_zero() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        for (id, priority) in [
            (1, r#","priority":-1"#),
            (2, ""),
            (3, r#","priority":9223372036854775807"#),
            (4, r#","priority":0"#),
            (5, r#","priority":1"#),
            (6, r#","priority":-9223372036854775808"#),
        ] {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t"{priority}}}"#));
        }
        client.expect_all_accepted();
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
        for id in [3, 5, 2, 4, 1, 6] {
            worker.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t"}}"#));
            worker.send(&format!(r#"{{"cmd":"did","id":{id},"res":0}}"#));
        }
    });
}

#[test]
fn a_job_whose_worker_dies_four_times_is_told_as_failed() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"poison","type":"t"}"#);
        for _ in 0..4 {
            client.expect_silence();
            let mut worker = doors.client(door);
            worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
            worker.expect(r#"{"cmd":"do","id":"poison","type":"t"}"#);
        }
        client.expect_error("job_failed", Some("\"poison\""));
        let mut worker = doors.worker(door, r#"["t"]"#);
        worker.expect_silence();
    });
}
