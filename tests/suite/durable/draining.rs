//! SIGTERM with durable jobs.

use super::load::{Load, history, known};
use super::*;

#[test]
fn sigterm_under_load_ends_with_code_0_and_everything_acknowledged_is_there() {
    let mut random = Random::announced("sigterm_under_load");
    let (home, history) = (Home::new(), history());
    for _ in 0..3 {
        let mut server = home.start_with(&["--drain", "1"]);
        known(&history).check(&server);
        let load = Load::begin(&server, &history, &mut random);
        load.until(1 + random.below(300), &mut server);
        server.term();
        let status = server.wait();
        assert_eq!(status.code(), Some(0), "stderr: {}", server.process.stderr.text());
        load.end();
        known(&history).broken_off();
    }
    known(&history).check(&home.start());
}
