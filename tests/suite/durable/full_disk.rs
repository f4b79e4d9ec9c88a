//! A disk without room: a small tmpfs, filled by somebody else.

use super::*;
use std::fs::File;
use std::io::Write;

/// A small file system of its own, until it is dropped.
pub struct Disk {
    dir: TempDir,
}

impl Disk {
    /// None where it may not be mounted, which is said for all to see.
    pub fn of(mebibytes: u32, test: &str) -> Option<Disk> {
        let disk = Disk { dir: TempDir::new() };
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "procession-suite"]).arg(disk.dir.path());
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(disk);
        }
        skipped(test, "a tmpfs can't be mounted (are we root?)");
        None
    }

    /// A folder on it.
    pub fn home(&self) -> Home {
        Home { data: self.dir.join("data"), _dir: TempDir::new() }
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let mut file =
            File::options().append(true).create(true).open(self.dir.join("filler")).expect("a file can be made");
        for size in [1 << 20, 4096, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
    }

    /// Gives back what was taken.
    pub fn make_room(&self) {
        std::fs::remove_file(self.dir.join("filler")).expect("the filler is there");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

/// Submits until there is no room; the ids that were accepted.
#[track_caller]
fn submit_until_full(peer: &mut Framed, name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let pad = "x".repeat(40_000);
    loop {
        let id = format!("{name}-{}", ids.len());
        let reply = peer.call(&format!(r#"{{"action":"submit","id":"{id}","type":"t","body":"{pad}"}}"#));
        if reply != accepted(&id) {
            assert_error(&reply, "disk_full");
            assert_eq!(json(&reply)["id"], *id, "expected the id where there is one, got {reply}");
            return ids;
        }
        ids.push(id);
        assert!(ids.len() < 2_000, "expected the disk to be full");
    }
}

#[test]
fn on_a_full_disk_submits_are_refused_running_work_ends_and_service_resumes_by_itself() {
    let Some(disk) = Disk::of(40, "on_a_full_disk") else { return };
    let home = disk.home();
    let mut server = home.start();
    let mut peer = native(&server);
    for id in 0..40 {
        let id = format!("early-{id}");
        peer.ask(&submit(&id, ""), &accepted(&id));
    }
    let mut hands = worker(&server, 20);
    for id in 0..20 {
        expect_job(&mut hands, &format!("early-{id}"), 1);
    }
    disk.fill();
    let mut expected: Vec<String> = (20..40).map(|id| format!("early-{id}")).collect();
    expected.extend(submit_until_full(&mut peer, "late"));
    // In every language, each job of a batch for itself, and the id is free.
    let pad = "x".repeat(40_000);
    let batch = format!(r#"{{"id":"batch-1","type":"t","body":"{pad}"}},{{"id":"batch-2","type":"t","body":"{pad}"}}"#);
    let reply = json(&peer.call(&format!(r#"{{"action":"submit","jobs":[{batch}]}}"#)));
    for place in 0..2 {
        assert_eq!(reply["results"][place]["error"], "disk_full", "got {reply}");
    }
    let mut master = gloom_master(&server);
    for _ in 0..2 {
        master.ask(
            &format!(r#"{{"action":"submit","id":"g","type":"t","body":"{pad}","durable":true}}"#),
            r#"{"error":"unavailable","reason":"disk_full"}"#,
        );
    }
    master.submit("\"g\"", "elsewhere", "0");
    // Transient work goes on, running durable work ends, what waits is handed out and ends.
    server.expect_service();
    for id in 0..20 {
        hands.ask_among_jobs(&respond(&format!("early-{id}")));
    }
    drop(hands);
    let mut hands = worker(&server, 5);
    for id in 20..25 {
        expect_job(&mut hands, &format!("early-{id}"), 2);
    }
    hands.ask_among_jobs(&respond("early-20"));
    expected.remove(0);
    // Nothing of that is lost, though the disk is as full as before.
    server.kill9();
    let server = home.start();
    assert_eq!(line(&server), expected);
    let mut peer = native(&server);
    assert_error(&peer.call(&submit("early-0", "")), "id_exists");
    submit_until_full(&mut peer, "later");
    server.expect_service();
    // Nobody has to be told when there is room.
    disk.make_room();
    let mut number = 0;
    eventually("a submit to be accepted", || {
        number += 1;
        let id = format!("then-{number}");
        let reply = peer.call(&format!(r#"{{"action":"submit","id":"{id}","type":"u","body":"{pad}"}}"#));
        if reply != accepted(&id) {
            assert_error(&reply, "disk_full");
        }
        (reply == accepted(&id)).then_some(())
    });
    drop(server.kill9_keeping_its_folder());
    let server = home.start();
    let line = line(&server);
    assert_eq!(line[..expected.len()], expected);
    assert!(line[expected.len()..].iter().all(|id| id.starts_with("later-")), "got {line:?}");
    assert_error(&native(&server).call(&submit(&format!("then-{number}"), "")), "id_exists");
}

#[test]
fn a_disk_without_room_for_a_store_is_refused_at_the_start() {
    let Some(disk) = Disk::of(4, "a_disk_without_room_for_a_store") else { return };
    disk.fill();
    let line = disk.home().expect_refusal(&["data"]);
    assert!(line.contains("full") || line.contains("No space left"), "got {line}");
}

impl Framed {
    /// Sends a request that is answered with ok; jobs may come before that.
    #[track_caller]
    fn ask_among_jobs(&mut self, request: &str) {
        self.send(request);
        loop {
            let heard = self.receive();
            if !heard.starts_with(r#"{"action":"job""#) {
                assert_eq!(heard, OK, "reply to {request}");
                return;
            }
        }
    }
}
