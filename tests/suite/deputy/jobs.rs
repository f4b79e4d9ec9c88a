//! A job's way from the submitter to the worker and back.

use super::*;

#[test]
fn a_job_reaches_a_worker_and_its_result_the_submitter() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["add"]"#);
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"j1","type":"add","arg":[1,2]}"#);
        worker.expect(r#"{"cmd":"do","id":"j1","type":"add","arg":[1,2]}"#);
        worker.send(r#"{"cmd":"did","id":"j1","res":3}"#);
        client.expect(r#"{"cmd":"did","id":"j1","res":3}"#);
        worker.expect_silence();
        client.expect_silence();
    });
}

#[test]
fn a_job_waits_for_a_worker_that_comes_later() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":1,"type":"add","arg":"a"}"#);
        client.expect_all_accepted();
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["add"]}"#);
        worker.expect(r#"{"cmd":"do","id":1,"type":"add","arg":"a"}"#);
        worker.send(r#"{"cmd":"did","id":1,"res":"b"}"#);
        client.expect(r#"{"cmd":"did","id":1,"res":"b"}"#);
    });
}

#[test]
fn an_absent_arg_stays_absent_and_a_null_arg_stays_null() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"a","type":"t"}"#);
        worker.expect(r#"{"cmd":"do","id":"a","type":"t"}"#);
        worker.send(r#"{"cmd":"did","id":"a","res":null}"#);
        client.expect(r#"{"cmd":"did","id":"a","res":null}"#);
        client.send(r#"{"cmd":"do","id":"b","type":"t","arg":null}"#);
        worker.expect(r#"{"cmd":"do","id":"b","type":"t","arg":null}"#);
        // The original took a did without a result, so it is no error here.
        worker.send(r#"{"cmd":"did","id":"b"}"#);
        let done = json(&client.receive());
        assert_eq!((&done["cmd"], &done["id"], &done["res"]), (&json("\"did\""), &json("\"b\""), &Value::Null));
        worker.expect_all_accepted();
    });
}

#[test]
fn ids_are_echoed_and_bodies_preserved_as_sent() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        for id in ["0", "-7", "9223372036854775807", r#""x""#, r#""7""#, r#""é😀""#, r#""a b""#] {
            for arg in [
                "1.0",
                "-0",
                "1e400",
                "12345678901234567890123",
                r#"{"b":1,"a":{"c":[]},"b":2}"#,
                r#"{ "a" : [ 1 ,	2 ] }"#,
                r#""\u0041\n\r\n\/\ud800""#,
                "\"\u{2028}\"",
            ] {
                client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":{arg}}}"#));
                worker.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":{arg}}}"#));
                worker.send(&format!(r#"{{"cmd":"did","id":{id},"res":{arg}}}"#));
                client.expect(&format!(r#"{{"cmd":"did","id":{id},"res":{arg}}}"#));
            }
        }
    });
}

#[test]
fn one_client_may_submit_and_work_even_on_its_own_jobs() {
    on_each_door(|doors, door| {
        let mut both = doors.worker(door, r#"["t"]"#);
        let mut other = doors.worker(door, r#"["u"]"#);
        both.send(r#"{"cmd":"do","id":"mine","type":"t","arg":1}"#);
        both.expect(r#"{"cmd":"do","id":"mine","type":"t","arg":1}"#);
        both.send(r#"{"cmd":"do","id":"other","type":"u","arg":2}"#);
        other.expect(r#"{"cmd":"do","id":"other","type":"u","arg":2}"#);
        other.send(r#"{"cmd":"do","id":"back","type":"t","arg":3}"#);
        other.send(r#"{"cmd":"did","id":"other","res":20}"#);
        both.expect(r#"{"cmd":"did","id":"other","res":20}"#);
        both.send(r#"{"cmd":"did","id":"mine","res":10}"#);
        let mut heard = [both.receive(), both.receive()];
        heard.sort();
        assert_eq!(
            heard,
            [
                r#"{"cmd":"did","id":"mine","res":10}"#.to_owned(),
                r#"{"cmd":"do","id":"back","type":"t","arg":3}"#.to_owned()
            ]
        );
        both.send(r#"{"cmd":"did","id":"back","res":30}"#);
        other.expect(r#"{"cmd":"did","id":"back","res":30}"#);
    });
}

#[test]
fn a_client_that_leaves_in_both_roles_gives_its_job_back_and_its_own_jobs_run() {
    on_each_door(|doors, door| {
        let mut both = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"hers","type":"t","arg":1}"#);
        both.expect(r#"{"cmd":"do","id":"hers","type":"t","arg":1}"#);
        both.send(r#"{"cmd":"do","id":"his","type":"t","arg":2}"#);
        both.expect_all_accepted();
        drop(both);
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"],"jobs":2}"#);
        let mut heard = [worker.receive(), worker.receive()];
        heard.sort();
        assert_eq!(
            heard,
            [
                r#"{"cmd":"do","id":"hers","type":"t","arg":1}"#.to_owned(),
                r#"{"cmd":"do","id":"his","type":"t","arg":2}"#.to_owned()
            ]
        );
        worker.send(r#"{"cmd":"did","id":"his","res":0}"#);
        worker.send(r#"{"cmd":"did","id":"hers","res":0}"#);
        client.expect(r#"{"cmd":"did","id":"hers","res":0}"#);
        worker.expect_all_accepted();
    });
}

#[test]
fn jobs_of_a_submitter_that_has_gone_still_run_and_their_result_is_dropped() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":"a","type":"t"}"#);
        client.send(r#"{"cmd":"do","id":"b","type":"t"}"#);
        client.expect_all_accepted();
        drop(client);
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
        worker.expect(r#"{"cmd":"do","id":"a","type":"t"}"#);
        worker.send(r#"{"cmd":"did","id":"a","res":0}"#);
        worker.expect(r#"{"cmd":"do","id":"b","type":"t"}"#);
        worker.send(r#"{"cmd":"did","id":"b","res":0}"#);
        worker.expect_all_accepted();
    });
}

#[test]
fn ack_asks_for_an_ok_which_comes_before_the_result() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        for id in ["\"a\"", "7"] {
            client.send(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":0,"ack":true}}"#));
            client.expect(&format!(r#"{{"cmd":"ok","id":{id}}}"#));
            worker.expect(&format!(r#"{{"cmd":"do","id":{id},"type":"t","arg":0}}"#));
            worker.send(&format!(r#"{{"cmd":"did","id":{id},"res":1}}"#));
            client.expect(&format!(r#"{{"cmd":"did","id":{id},"res":1}}"#));
        }
        client.send(r#"{"cmd":"do","id":"b","type":"u","ack":false}"#);
        client.expect_all_accepted();
    });
}

#[test]
fn nothing_else_is_acknowledged() {
    on_each_door(|doors, door| {
        let mut client = doors.worker(door, r#"["t"]"#);
        client.send(r#"{"cmd":"can_do","types":["u"]}"#);
        client.send(r#"{"cmd":"do","id":1,"type":"v"}"#);
        client.expect_all_accepted();
        client.expect_silence();
    });
}
