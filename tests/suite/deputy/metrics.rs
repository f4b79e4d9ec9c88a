//! The counters.

use super::*;

#[test]
fn metrics_count_with_the_originals_meaning() {
    on_each_door(|doors, door| {
        let before = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
        let mut client = doors.client(door);
        let (up_since, first) = counters(&client.metrics());
        let age = before.as_millis() as i128 - i128::from(up_since);
        assert!((-1000..60_000).contains(&age), "expected up_since in ms since the epoch, got {up_since}");
        assert_eq!(
            first,
            r#""connections":1,"workers_added":0,"jobs_added":0,"jobs_dispatched":0,"jobs_done":0,"jobs_reassigned":0}}"#
        );
        client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
        client.send(r#"{"cmd":"do","id":2,"type":"u"}"#);
        expect_counters(&mut client, [1, 0, 2, 0, 0, 0]);
        let mut worker = doors.client(door);
        worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
        worker.expect_job_id(1);
        worker.send(r#"{"cmd":"can_do","types":["x"]}"#);
        expect_counters(&mut client, [2, 2, 2, 1, 0, 0]);
        worker.send(r#"{"cmd":"did","id":1,"res":0}"#);
        client.expect(r#"{"cmd":"did","id":1,"res":0}"#);
        expect_counters(&mut client, [2, 2, 2, 1, 1, 0]);
        worker.send(r#"{"cmd":"can_do","types":["u"]}"#);
        worker.expect_job_id(2);
        drop(worker);
        expect_counters(&mut client, [2, 3, 3, 2, 1, 1]);
        assert_eq!(counters(&client.metrics()).0, up_since, "expected up_since to stay");
    });
}

impl Deputy {
    #[track_caller]
    fn expect_job_id(&mut self, id: u64) {
        let line = self.receive();
        assert!(line.starts_with(&format!(r#"{{"cmd":"do","id":{id},"#)), "expected the job {id}, got {line}");
    }
}

#[test]
fn metrics_with_a_megabyte_of_other_members_are_answered() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.send(&format!(r#"{{"x":"{}","cmd":"metrics","y":[1]}}"#, "z".repeat(1 << 20)));
        counters(&client.receive());
    });
}

#[test]
fn refused_messages_do_not_count() {
    on_each_door(|doors, door| {
        let mut client = doors.client(door);
        client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
        client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
        client.expect_error("id_exists", Some("1"));
        client.send(r#"{"cmd":"did","id":1,"res":0}"#);
        client.expect_error("unknown_job", Some("1"));
        expect_counters(&mut client, [1, 0, 1, 0, 0, 0]);
    });
}
