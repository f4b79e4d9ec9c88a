//! Files that aren't what was written, and folders that can't be used: named, or made good; never taken for what they aren't.

use super::*;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

const JOBS: usize = 60;

/// A store that a server left by kill -9, with many small commits in its log.
fn abandoned() -> Home {
    let home = Home::new();
    let mut server = home.start();
    let mut peer = native(&server);
    for number in 0..JOBS {
        let id = number.to_string();
        peer.ask(&submit(&id, ""), &accepted(&id));
    }
    server.kill9();
    home
}

/// What a start on damaged files comes to: the jobs in the line, each with its body, or none where it was refused with a line that
/// names the folder.
#[track_caller]
fn outcome(home: &Home, what: &str) -> Option<Vec<String>> {
    let before = home.contents();
    let dir = TempDir::new();
    let server = match Server::try_spawn(dir, &mut home.command(home.data.parent().expect("it is in a folder"))) {
        Ok(server) => server,
        Err(mut process) => {
            let (status, stderr) = (process.wait(PATIENCE), process.stderr.text());
            assert_eq!(status.code(), Some(2), "{what}, stderr: {stderr}");
            let last = stderr.lines().last().unwrap_or_default();
            assert!(
                last.contains(&*home.data.to_string_lossy()),
                "{what}: expected a line with the place, got {stderr}"
            );
            assert!(!stderr.contains("panicked at"), "{what}: {stderr}");
            let after = home.contents();
            for file in &before {
                assert!(after.contains(file), "{what}: expected {} not to be changed", file.0);
            }
            return None;
        }
    };
    let mut worker = worker(&server, 1_000);
    let ids = until_marker(&mut worker).into_iter().map(|job| {
        let id = json(&job)["id"].as_str().expect("our ids are strings").to_owned();
        assert!(job.contains(&format!(r#""body":"the body of {id}","#)), "{what}: got {job}");
        id
    });
    Some(ids.collect())
}

fn all() -> Vec<String> {
    (0..JOBS).map(|id| id.to_string()).collect()
}

#[test]
fn a_log_that_was_cut_gives_the_commits_before_the_cut_or_is_refused() {
    let mut random = Random::announced("a_log_that_was_cut");
    let home = abandoned();
    let length = fs::metadata(home.file("jobs.db-wal")).expect("there is a log").len();
    let mut kept = 0;
    let near = [0, 1, 24, 100, 4_119];
    for cut in near.into_iter().chain((0..5).map(|_| random.below(length))) {
        let home = home.copy();
        fs::File::options()
            .write(true)
            .open(home.file("jobs.db-wal"))
            .and_then(|file| file.set_len(length - cut))
            .expect("a file can be cut");
        let what = format!("{cut} bytes less of {length}");
        if let Some(ids) = outcome(&home, &what) {
            assert_eq!(ids, all()[..ids.len()], "{what}");
            assert!(ids.len() >= JOBS - 1, "{what}: expected the loss of acknowledged jobs to be named, got {ids:?}");
            kept += 1;
        }
    }
    assert!(kept > 1, "expected torn tails to be repaired");
}

#[test]
fn a_power_cut_leaves_a_prefix_of_the_commits() {
    let mut random = Random::announced("a_power_cut");
    let home = abandoned();
    let length = fs::metadata(home.file("jobs.db-wal")).expect("there is a log").len();
    for _ in 0..6 {
        let home = home.copy();
        let cut = random.below(length);
        // The mark is not synced: it may be older than the log.
        fs::remove_file(home.file("mark")).expect("there is a mark");
        let log = fs::File::options().write(true).open(home.file("jobs.db-wal")).expect("there is a log");
        log.set_len(length - cut).expect("a file can be cut");
        let what = format!("{cut} bytes less of {length}");
        let ids = outcome(&home, &what).unwrap_or_else(|| panic!("{what}: expected a repair"));
        assert_eq!(ids, all()[..ids.len()], "{what}");
        // It is whole again.
        assert_eq!(outcome(&home, &what), Some(ids), "{what}, the second time");
    }
}

/// `FLIPS=n` for more.
fn flips() -> usize {
    std::env::var("FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

#[test]
fn a_flipped_bit_is_named_or_harmless() {
    let mut random = Random::announced("a_flipped_bit");
    let home = abandoned();
    let clean = home.copy();
    let mut server = clean.start();
    server.term();
    assert_eq!(server.wait().code(), Some(0));
    let mut named = 0;
    for (home, name) in [(&home, "jobs.db-wal"), (&clean, "jobs.db"), (&home, "mark"), (&home, "reserve")] {
        let count = if name.starts_with("jobs") { flips() } else { 1 };
        for _ in 0..count {
            let home = home.copy();
            let mut bytes = fs::read(home.file(name)).expect("it is there");
            let (at, bit) = (random.below(bytes.len() as u64) as usize, random.below(8));
            bytes[at] ^= 1 << bit;
            fs::write(home.file(name), bytes).expect("a file can be written");
            let what = format!("bit {bit} of byte {at} of {name}");
            match outcome(&home, &what) {
                Some(ids) => assert_eq!(ids, all(), "{what}"),
                None => named += 1,
            }
        }
    }
    assert!(named > 0, "expected damage to be found");
}

#[test]
fn a_folder_of_a_newer_format_is_refused_and_not_changed() {
    let home = abandoned();
    let mut bytes = fs::read(home.file("jobs.db")).expect("it is there");
    bytes[60..64].copy_from_slice(&9_u32.to_be_bytes());
    fs::write(home.file("jobs.db"), bytes).expect("a file can be written");
    let before = home.contents();
    home.expect_refusal(&[&home.data.to_string_lossy(), "format 9", "newer"]);
    assert!(home.contents() == before, "expected nothing to be changed");
}

#[test]
fn a_second_server_on_a_folder_is_refused_and_the_first_goes_on() {
    let home = Home::new();
    let server = home.start();
    native(&server).ask(&submit("1", ""), &accepted("1"));
    home.expect_refusal(&[&home.data.to_string_lossy(), "in use"]);
    native(&server).ask(&submit("2", ""), &accepted("2"));
    assert_eq!(line(&server), ["1", "2"]);
}

#[test]
fn what_is_no_folder_or_somebody_elses_is_refused_and_left_alone() {
    let home = Home::new();
    fs::write(&home.data, "precious").expect("a file can be written");
    home.expect_refusal(&[&home.data.to_string_lossy()]);
    assert_eq!(fs::read(&home.data).expect("it is there"), b"precious");
    let home = Home::new();
    fs::create_dir(&home.data).expect("a folder can be made");
    fs::write(home.file("letter"), "dear").expect("a file can be written");
    home.expect_refusal(&[&home.data.to_string_lossy(), "letter"]);
    assert_eq!(home.contents(), [("letter".to_owned(), b"dear".to_vec())]);
    let home = abandoned();
    fs::remove_file(home.file("jobs.db")).expect("it is there");
    let before = home.contents();
    home.expect_refusal(&["jobs.db", "missing"]);
    assert!(home.contents() == before, "expected nothing to be changed");
}

#[test]
fn a_folder_that_may_not_be_written_is_refused() {
    let home = Home::new();
    fs::create_dir(&home.data).expect("a folder can be made");
    fs::set_permissions(&home.data, fs::Permissions::from_mode(0o555)).expect("it is ours");
    let mut command = home.command(Path::new("/"));
    if fs::write(home.file("probe"), "").is_ok() {
        // Root may write anywhere.
        fs::remove_file(home.file("probe")).expect("it is there");
        command.uid(65_534).gid(65_534);
        if Command::new(crate::support::server::BINARY).arg("--version").uid(65_534).output().is_err() {
            return skipped("a_folder_that_may_not_be_written", "nobody may run the binary");
        }
    }
    expect_refusal_of(&mut command, &[&home.data.to_string_lossy(), "ermission denied"]);
}
