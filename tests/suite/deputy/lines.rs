//! Lines, however they are cut.

use super::*;

#[test]
fn lines_may_end_with_crlf_or_lf_and_empty_lines_are_ignored() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.raw("\n\r\n\n  \n\t\r\n{\"cmd\":\"do\",\"id\":1,\"type\":\"t\",\"ack\":true}\r\n\r\n  {\"cmd\":\"do\",\"id\":2,\"type\":\"t\",\"ack\":true}  \n");
        client.expect(r#"{"cmd":"ok","id":1}"#);
        client.expect(r#"{"cmd":"ok","id":2}"#);
        for _ in 0..300 {
            client.raw("\r\n");
        }
        client.expect_all_accepted();
    });
}

#[test]
fn lines_may_be_split_at_every_byte_or_come_a_thousand_at_once() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        let line = "{\"cmd\":\"do\",\"id\":\"é\",\"type\":\"t\",\"ack\":true}\r\n".as_bytes();
        for &byte in line {
            client.raw([byte]);
        }
        client.expect(r#"{"cmd":"ok","id":"é"}"#);
        let mut burst = String::new();
        for id in 0..1000 {
            burst.push_str(&format!("{{\"cmd\":\"do\",\"id\":{id},\"type\":\"t\",\"ack\":true}}\n"));
        }
        client.raw(&burst);
        for id in 0..1000 {
            client.expect(&format!(r#"{{"cmd":"ok","id":{id}}}"#));
        }
    });
}

#[test]
fn a_last_line_without_its_end_is_not_executed() {
    on_each_door(|doors, door| {
        let mut worker = doors.worker(door, r#"["t"]"#);
        let mut client = doors.client(door);
        client.raw(r#"{"cmd":"do","id":1,"type":"t"}"#);
        client.finish_sending();
        client.expect_closed();
        worker.expect_silence();
    });
}

#[test]
fn names_are_just_names() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        for name in ["__proto__", "constructor", "*", "../x", "<b>", "toString"] {
            let mut worker = doors.worker(door, &format!("[\"{name}\"]"));
            client.send(&format!(r#"{{"cmd":"do","id":"{name}","type":"{name}"}}"#));
            worker.expect(&format!(r#"{{"cmd":"do","id":"{name}","type":"{name}"}}"#));
            worker.send(&format!(r#"{{"cmd":"did","id":"{name}","res":0}}"#));
            client.expect(&format!(r#"{{"cmd":"did","id":"{name}","res":0}}"#));
        }
    });
}

#[test]
fn both_doors_lead_to_the_same_jobs() {
    let doors = Doors::open();
    let mut worker = doors.worker(Door::Unix, r#"["t"]"#);
    let mut client = doors.client(Door::Tcp);
    client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
    worker.expect(r#"{"cmd":"do","id":1,"type":"t"}"#);
    worker.send(r#"{"cmd":"did","id":1,"res":"by socket"}"#);
    client.expect(r#"{"cmd":"did","id":1,"res":"by socket"}"#);
    expect_counters(&mut client, [2, 1, 1, 1, 1, 0]);
}
