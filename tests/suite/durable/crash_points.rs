//! Death at the n-th write, sync or rename, also while a server starts.

use super::load::{Load, history, known};
use super::strace::{SYNCS, start};
use super::*;
use std::os::unix::process::ExitStatusExt;

const SIGKILL: i32 = 9;

#[test]
fn death_at_any_write_or_sync_under_load_loses_nothing() {
    if strace::is_missing("death_at_any_write_or_sync_under_load") {
        return;
    }
    let mut random = Random::announced("death_at_any_write_or_sync_under_load");
    let (home, history) = (Home::new(), history());
    let points = [("pwrite64", 1), ("pwrite64", 12), ("pwrite64", 150), (SYNCS, 1), (SYNCS, 2), (SYNCS, 20)];
    for (calls, most) in points {
        let mut server = home.start();
        known(&history).check(&server);
        server.kill9();
        let inject = format!("{calls}:signal=SIGKILL:when={}", 1 + random.below(most));
        if let Ok(mut server) = start(&home, &inject) {
            let load = Load::begin(&server, &history, &mut random);
            let status = server.wait();
            assert_eq!(status.signal(), Some(SIGKILL), "{inject}: {status}: {}", server.process.stderr.text());
            load.end();
        }
        known(&history).broken_off();
    }
    known(&history).check(&home.start());
}

#[test]
fn death_while_it_starts_loses_nothing() {
    let mut random = Random::announced("death_while_it_starts");
    let (home, history) = (Home::new(), history());
    let begun = Instant::now();
    let mut server = home.start();
    let start_takes = begun.elapsed();
    let load = Load::begin(&server, &history, &mut random);
    load.until(300, &mut server);
    server.kill9();
    load.end();
    known(&history).broken_off();
    let left = home.copy();
    for _ in 0..8 {
        let place = TempDir::new();
        let mut process = Process::spawn(&mut home.command(place.path()));
        // At any moment of it.
        std::thread::sleep(start_takes.mul_f64(random.below(1_000) as f64 / 1_000.0));
        process.kill();
        assert!(!process.stderr.text().contains("panicked at"), "{}", process.stderr.text());
    }
    if !strace::is_missing("death_while_it_starts") {
        let expected = line(&left.copy().start());
        for calls in ["pwrite64", SYNCS] {
            let home = left.copy();
            let deaths = (1..).take_while(|number| dies_at(&home, calls, *number)).count();
            assert!(deaths > 0, "expected a start that has something to write");
            assert_eq!(line(&home.start()), expected, "after {deaths} deaths at {calls}");
        }
    }
    known(&history).check(&home.start());
}

#[test]
fn death_while_a_store_is_made_leaves_a_folder_that_works() {
    if strace::is_missing("death_while_a_store_is_made") {
        return;
    }
    for calls in ["pwrite64", SYNCS, "rename", "unlink"] {
        let mut deaths = 0;
        for number in (0..).map(|power| 3_u64.pow(power)) {
            let home = Home::new();
            let has_died = dies_at(&home, calls, number);
            native(&home.start()).ask(&submit("1", ""), &accepted("1"));
            if !has_died {
                break;
            }
            deaths += 1;
        }
        assert!(deaths > 0, "expected a server that makes a store to call {calls}");
    }
}

/// Whether a start dies at the n-th of these calls; the server dies anyway.
#[track_caller]
fn dies_at(home: &Home, calls: &str, number: u64) -> bool {
    match start(home, &format!("{calls}:signal=SIGKILL:when={number}")) {
        Ok(mut server) => {
            server.kill9();
            false
        }
        Err(mut process) => {
            let status = process.wait(PATIENCE);
            assert_eq!(status.signal(), Some(SIGKILL), "got {status}: {}", process.stderr.text());
            true
        }
    }
}
