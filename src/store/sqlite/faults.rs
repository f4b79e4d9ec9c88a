//! Every n-th system call fails, or is the process's last, or the process is killed at any moment: what was acknowledged is there
//! afterwards, jobs and notes alike, and nothing else is said.
//!
//! Most of it needs strace; says so where there is none.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::Sqlite;
use crate::core::record::Outcome;
use crate::store::contract::{SMALL, Scratch, finished, job, note, notes, put, recall, running};
use crate::store::{Store, StoreError, outcome_of};

const FOLDER: &str = "PROCESSION_TEST_FOLDER";
/// How many jobs the child makes; without it a dozen.
const JOBS: &str = "PROCESSION_TEST_JOBS";
const CHILD: &str = "store::sqlite::faults::the_child";

/// What happens to the child process: in the tests of a build it is this very test binary.
#[test]
#[ignore = "run by the other tests here"]
fn the_child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut acknowledged = OpenOptions::new().append(true).create(true).open(folder.join("acknowledged")).unwrap();
    let Ok(mut store) = Sqlite::open(&folder.join("jobs"), SMALL) else { return };
    let Ok(found) = store.recover(0, &mut |_| ()) else { return };
    let jobs = std::env::var(JOBS).map_or(12, |jobs| jobs.parse().unwrap());
    for sequence in found.next_sequence..found.next_sequence + jobs {
        let begin = [put(job(sequence, &"x".repeat(3_000))), note("newest", Some(&sequence.to_string()))];
        // A note that comes and goes.
        let even = note("even", sequence.is_multiple_of(2).then_some("the last that ended"));
        let end = [running(sequence), finished(sequence, Outcome::Failed, 9), even];
        let done = store.commit(&begin).and_then(|()| store.commit(&end)).and_then(|()| match sequence % 5 {
            0 => store.tidy(1, 10).map(drop),
            3 => store.checkpoint("PRAGMA wal_checkpoint(PASSIVE)"),
            _ => Ok(()),
        });
        match done {
            // In one write: between two of them it may be killed, and half a line becomes part of the next.
            Ok(()) => acknowledged.write_all(format!("{sequence}\n").as_bytes()).unwrap(),
            Err(StoreError::Full(_)) => {}
            Err(error) => {
                let again = store.commit(&[put(job(sequence + 1, "1"))]);
                assert!(matches!(again, Err(StoreError::Failed { .. })), "after {error} it goes on: {again:?}");
                return;
            }
        }
    }
}

/// Runs the child on a folder; with `fault`, strace's words for it.
fn run(folder: &Path, fault: Option<&str>) -> std::io::Result<String> {
    let test = std::env::current_exe()?;
    let mut command = match fault {
        None => Command::new(test),
        Some(fault) => {
            let call = fault.split(':').next().unwrap_or_default();
            let mut command = Command::new("strace");
            command
                .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={fault}")])
                .arg(test);
            command
        }
    };
    let output = of_child(&mut command, folder).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

fn of_child<'a>(command: &'a mut Command, folder: &Path) -> &'a mut Command {
    command.args(["--exact", CHILD, "--ignored", "--nocapture"]).env(FOLDER, folder)
}

fn acknowledged(folder: &Path) -> Vec<u64> {
    let lines = fs::read_to_string(folder.join("acknowledged")).unwrap_or_default();
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

/// From an empty folder and from one with jobs in it.
fn suffer(faults: &[&str], nths: impl Iterator<Item = u32> + Clone) {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!("SKIPPED: there is no strace here");
        return;
    }
    let old = Scratch::new();
    run(old.path(), None).unwrap();
    assert_eq!(acknowledged(old.path()).len(), 12);
    for fault in faults {
        let mut hits = 0;
        for nth in nths.clone() {
            for is_old in [false, true] {
                let scratch = Scratch::new();
                if is_old {
                    copy(old.path(), scratch.path());
                }
                let fault = format!("{fault}:when={nth}");
                let said = run(scratch.path(), Some(&fault)).unwrap();
                assert!(!said.contains("panicked"), "{fault}: {said}");
                let acknowledged = check(scratch.path(), &fault);
                hits += u32::from(acknowledged < if is_old { 24 } else { 12 });
            }
        }
        assert!(hits > 0, "{fault} never happened");
    }
}

/// Everything that was acknowledged is there; gives how many jobs that are.
fn check(folder: &Path, what: &str) -> usize {
    let mut store = Sqlite::open(&folder.join("jobs"), SMALL).unwrap_or_else(|error| panic!("{what}: {error}"));
    let (found, recalled) = recall(&mut store, 0);
    assert!(!found.lost, "{what}");
    let acknowledged = acknowledged(folder);
    for sequence in &acknowledged {
        assert!(*sequence < found.next_sequence, "{what}: {sequence} is lost");
        let kept = store.find(*sequence).unwrap().unwrap_or_else(|| panic!("{what}: {sequence} is lost"));
        assert_eq!(kept.body.len(), 3_000);
        assert!(outcome_of(&kept.progress).is_some(), "{what}: {sequence} is as it was before");
    }
    let note = |key: &str| notes(&recalled).into_iter().find(|(other, _)| *other == key).map(|(_, value)| value);
    let newest = note("newest").map_or(0, |value| std::str::from_utf8(value).unwrap().parse().unwrap());
    assert_eq!(newest + 1, found.next_sequence, "{what}: a note and its job were not kept together");
    let has_ended = newest > 0 && outcome_of(&store.find(newest).unwrap().unwrap().progress).is_some();
    if has_ended {
        assert_eq!(note("even").is_some(), newest.is_multiple_of(2), "{what}: after {newest}");
    }
    acknowledged.len()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to.join("jobs")).unwrap();
    for name in ["acknowledged", "jobs/jobs.db", "jobs/mark"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

/// `CYCLES=n` for more.
#[test]
fn killed_at_any_moment() {
    let cycles = std::env::var("CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let scratch = Scratch::new();
    let mut child = Command::new(std::env::current_exe().unwrap());
    of_child(&mut child, scratch.path()).env(JOBS, "1000000").stdout(Stdio::null());
    for cycle in 0..cycles {
        let before = acknowledged(scratch.path()).len();
        let mut running = child.spawn().unwrap();
        // As many jobs as chance would have it.
        let more = 1 + (cycle * 7_919) % 97;
        let deadline = Instant::now() + Duration::from_secs(60);
        while acknowledged(scratch.path()).len() < before + more {
            assert!(Instant::now() < deadline, "the child doesn't get on");
            std::thread::sleep(Duration::from_millis(1));
        }
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(check(scratch.path(), &format!("cycle {cycle}")) >= before + more);
    }
}

#[test]
fn killed_at_any_write() {
    suffer(&["pwrite64:signal=KILL", "fsync:signal=KILL", "ftruncate:signal=KILL"], (1..90).step_by(7));
}

#[test]
fn killed_while_files_are_made() {
    suffer(&["rename:signal=KILL", "unlink:signal=KILL"], 1..4);
}

#[test]
fn any_write_may_find_no_room() {
    suffer(&["pwrite64:error=ENOSPC"], (1..90).step_by(7));
}

#[test]
fn any_write_or_sync_may_fail() {
    suffer(&["pwrite64:error=EIO", "fsync:error=EIO", "ftruncate:error=EIO"], (1..90).step_by(7));
}
