//! Every n-th system call fails, or is the process's last: what was acknowledged is there afterwards, and nothing else is said.
//!
//! Needs strace; says so where there is none.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Sqlite;
use crate::core::record::Outcome;
use crate::store::contract::{SMALL, Scratch, finished, job, put, recall, running};
use crate::store::{Store, StoreError};

const FOLDER: &str = "PROCESSION_TEST_FOLDER";
const CHILD: &str = "store::sqlite::faults::the_child";

/// What happens to the child process: in the tests of a build it is this very test binary.
#[test]
#[ignore = "run by the other tests here"]
fn the_child() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let mut acknowledged = OpenOptions::new().append(true).create(true).open(folder.join("acknowledged")).unwrap();
    let Ok(mut store) = Sqlite::open(&folder.join("jobs"), SMALL) else { return };
    let Ok(found) = store.recover(0, &mut |_| ()) else { return };
    for sequence in found.next_sequence..found.next_sequence + 12 {
        let records =
            [put(job(sequence, &"x".repeat(3_000))), running(sequence), finished(sequence, Outcome::Failed, 9)];
        let done =
            store.commit(&records[..1]).and_then(|()| store.commit(&records[1..])).and_then(|()| match sequence % 5 {
                0 => store.tidy(1, 10).map(drop),
                3 => store.checkpoint("PRAGMA wal_checkpoint(PASSIVE)"),
                _ => Ok(()),
            });
        match done {
            Ok(()) => writeln!(acknowledged, "{sequence}").unwrap(),
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
    let output = command.args(["--exact", CHILD, "--ignored", "--nocapture"]).env(FOLDER, folder).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
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
                let mut store = Sqlite::open(&scratch.path().join("jobs"), SMALL)
                    .unwrap_or_else(|error| panic!("{fault}: {error}"));
                let (found, _) = recall(&mut store, 0);
                assert!(!found.lost, "{fault}");
                let acknowledged = acknowledged(scratch.path());
                hits += u32::from(acknowledged.len() < if is_old { 24 } else { 12 });
                for sequence in acknowledged {
                    assert!(sequence < found.next_sequence, "{fault}: {sequence} is lost");
                    let kept = store.find(sequence).unwrap().unwrap_or_else(|| panic!("{fault}: {sequence} is lost"));
                    assert_eq!(kept.body.len(), 3_000);
                    assert!(
                        crate::store::outcome_of(&kept.progress).is_some(),
                        "{fault}: {sequence} is as it was before"
                    );
                }
            }
        }
        assert!(hits > 0, "{fault} never happened");
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to.join("jobs")).unwrap();
    for name in ["acknowledged", "jobs/jobs.db", "jobs/mark"] {
        fs::copy(from.join(name), to.join(name)).unwrap();
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
