//! Many more bytes than memory should have.

use super::*;

const JOBS: usize = 50_000;
const BODY: usize = 1_024;

/// A body of [`BODY`] bytes that no other job has.
fn body(number: usize) -> String {
    let mut text = format!("\"{number:06} ");
    let mut state = number as u64;
    while text.len() < BODY - 1 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push(char::from(b'a' + (state >> 59) as u8 % 26));
    }
    text.push('"');
    text
}

#[test]
fn fifty_thousand_jobs_outlive_kill_9_in_order_byte_for_byte_and_in_little_memory() {
    let most_resident = (JOBS * BODY * 3 / 2) as u64;
    let home = Home::new();
    let mut server = home.start();
    let mut peer = native(&server);
    let batches: Vec<std::ops::Range<usize>> = (0..JOBS).step_by(1_000).map(|first| first..first + 1_000).collect();
    for (number, batch) in batches.iter().enumerate() {
        let jobs: Vec<String> =
            batch.clone().map(|job| format!(r#"{{"id":{job},"type":"t","body":{}}}"#, body(job))).collect();
        peer.send(format!(r#"{{"action":"submit","jobs":[{}]}}"#, jobs.join(",")));
        if number > 0 {
            expect_all_accepted(&mut peer);
        }
    }
    expect_all_accepted(&mut peer);
    let resident = server.resident_bytes();
    assert!(resident < most_resident, "expected less than {most_resident} bytes in memory, got {resident}");
    server.kill9();
    let server = home.start();
    let mut worker = worker(&server, 1_000);
    let mut most = 0;
    let mut answers = Vec::new();
    let mut answered = 0;
    for number in 0..JOBS {
        let job = loop {
            let heard = worker.receive();
            if heard != OK {
                break heard;
            }
            answered += 1;
        };
        let expected = format!(
            r#"{{"action":"job","id":{number},"type":"t","body":{},"attempt":1,"lease_ms":1800000}}"#,
            body(number)
        );
        assert!(job == expected, "expected {expected}, got {job}");
        answers.extend(crate::support::frame(format!(r#"{{"action":"respond","id":{number},"body":0}}"#)));
        if number % 250 == 249 {
            worker.raw(std::mem::take(&mut answers));
            most = most.max(server.resident_bytes());
        }
    }
    for _ in answered..JOBS {
        worker.expect(OK);
    }
    assert!(most < most_resident, "expected less than {most_resident} bytes in memory, got {most}");
}

#[track_caller]
fn expect_all_accepted(peer: &mut Framed) {
    let reply = peer.receive();
    assert!(reply.starts_with(r#"{"ok":true,"results":[{"id""#) && !reply.contains("error"), "got {reply}");
}
