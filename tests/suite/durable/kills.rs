//! kill -9 under load, again and again.

use super::load::{Load, history, known};
use super::*;

/// `CYCLES=n` for more.
fn cycles() -> u64 {
    std::env::var("CYCLES").ok().and_then(|text| text.parse().ok()).unwrap_or(8)
}

#[test]
fn kill_9_under_load_loses_nothing_acknowledged_and_repeats_no_acknowledged_end() {
    let mut random = Random::announced("kill_9_under_load");
    let (home, history) = (Home::new(), history());
    for _ in 0..cycles() {
        let mut server = home.start();
        known(&history).check(&server);
        let load = Load::begin(&server, &history, &mut random);
        load.until(1 + random.below(400), &mut server);
        assert!(server.is_running(), "stderr: {}", server.process.stderr.text());
        server.kill9();
        load.end();
        known(&history).broken_off();
    }
    let mut server = home.start();
    known(&history).check(&server);
    // In the end all of it gets done.
    let load = Load::begin(&server, &history, &mut random);
    load.until(100, &mut server);
    load.end();
    let mut worker = worker(&server, 1_000);
    for job in until_marker(&mut worker) {
        let id = known(&history).delivered(&job);
        worker.ask(&respond(&id), OK);
    }
    assert!(known(&history).ended() > 100, "expected work to be done, got {} ends", known(&history).ended());
    drop(worker);
    assert_eq!(line(&server), Vec::<String>::new());
}

#[test]
fn an_attempt_that_a_death_ended_counts_and_the_last_one_ends_the_job() {
    let home = Home::new();
    let mut server = home.start();
    native(&server).ask(&submit("poison", r#","max_attempts":2"#), &accepted("poison"));
    for attempt in 1..=2 {
        let mut worker = worker(&server, 1);
        expect_job(&mut worker, "poison", attempt);
        // What is acknowledged later shows that the delivery is on disk.
        let id = format!("later-{attempt}");
        worker.ask(&submit(&id, r#","delay_ms":600000"#), &accepted(&id));
        server.kill9();
        server = home.start();
    }
    assert_eq!(line(&server), Vec::<String>::new());
    assert_error(&native(&server).call(&submit("poison", "")), "id_exists");
}
