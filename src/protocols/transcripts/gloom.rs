//! gloom, both ports: `spec/gloom.md` row by row.

use std::sync::Arc;

use bytes::BytesMut;

use super::{play, play_whole, play_within};
use crate::core::{Assignment, Body, Demand, JobId, Limits, Notice, Receipt, TypeName};
use crate::protocols::{MAX_FLAWS_IN_A_ROW, Session, Turn, gloom};

#[test]
fn a_job_is_submitted_worked_and_told() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"reverse"}
        w ← {"ok":true}
        m → {"action":"submit","id":"a","type":"reverse","body":[1,  2.50, {"k":"\u00e9"}]}
        m ← {"ok":true,"id":"a"}
        w ← {"action":"job","id":"a","type":"reverse","body":[1,  2.50, {"k":"\u00e9"}]}
        w → {"action":"respond","body":"désolé"}
        w ← {"ok":true}
        m ← {"id":"a","body":"désolé"}
        # The id is free again.
        m → {"action":"submit","id":"a","type":"reverse","body":null}
        m ← {"ok":true,"id":"a"}
        w ← {"action":"job","id":"a","type":"reverse","body":null}
        "#,
    );
}

#[test]
fn ids_are_echoed_as_sent_and_types_have_a_default() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"type":"default","action":"join"}
        w ← {"ok":true}
        m → { "body" : {} , "id" : -7 , "action" : "submit" , "type" : null , "unknown" : [1] }
        m ← {"ok":true,"id":-7}
        w ← {"action":"job","id":-7,"type":"default","body":{}}
        w → {"action":"respond","body":{"a":1,"a":2}}
        w ← {"ok":true}
        m ← {"id":-7,"body":{"a":1,"a":2}}
        m → {"action":"submit","id":"\ud83d\ude00","body":"\ud83d\ude00"}
        m ← {"ok":true,"id":"😀"}
        w ← {"action":"job","id":"😀","type":"default","body":"\ud83d\ude00"}
        "#,
    );
}

#[test]
fn larger_priorities_go_first_then_older_jobs() {
    play(
        r#"
        m is gloom-master
        m → {"action":"submit","id":1,"type":"t","body":0}
        m → {"action":"submit","id":2,"type":"t","body":0,"priority":-5}
        m → {"action":"submit","id":3,"type":"t","body":0,"priority":9223372036854775807}
        m → {"action":"submit","id":4,"type":"t","body":0,"priority":0}
        m ← {"ok":true,"id":1}
        m ← {"ok":true,"id":2}
        m ← {"ok":true,"id":3}
        m ← {"ok":true,"id":4}
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        w ← {"action":"job","id":3,"type":"t","body":0}
        w → {"action":"respond","body":0}
        w ← {"ok":true}
        m ← {"id":3,"body":0}
        w ← {"action":"job","id":1,"type":"t","body":0}
        w → {"action":"respond","body":0}
        w ← {"ok":true}
        m ← {"id":1,"body":0}
        w ← {"action":"job","id":4,"type":"t","body":0}
        w → {"action":"respond","body":0}
        w ← {"ok":true}
        m ← {"id":4,"body":0}
        w ← {"action":"job","id":2,"type":"t","body":0}
        "#,
    );
}

#[test]
fn a_live_id_is_refused_whoever_submits_it() {
    play(
        r#"
        m is gloom-master
        o is gloom-master
        n is native
        m → {"action":"submit","id":"7","type":"t","body":"first"}
        m ← {"ok":true,"id":"7"}
        m → {"action":"submit","id":"7","type":"t","body":"again"}
        m ← {"error":"id_exists","reason":"7"}
        o → {"action":"submit","id":7,"type":"other","body":"again"}
        o ← {"error":"id_exists","reason":7}
        n → {"action":"submit","id":"7","type":"t","body":"again"}
        n ← {"error":"id_exists","reason":"a live job has this id","id":"7"}
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        w ← {"action":"job","id":"7","type":"t","body":"first"}
        "#,
    );
}

#[test]
fn the_flaws_of_a_master_are_told_and_it_goes_on() {
    play(
        r#"
        m is gloom-master
        m → {"id":1}
        m ← {"error":"missing_field","reason":"type"}
        m → {"action":"dance"}
        m ← {"error":"unknown_action","reason":"dance"}
        m → {"action":5}
        m ← {"error":"unknown_action","reason":"5"}
        m → {"action":"a very very very very very very very very very very very long action"}
        m ← {"error":"unknown_action","reason":"a very very very very very very very very very very very long ac"}
        m → {"action":"join","type":"t"}
        m ← {"error":"invalid_action","reason":"not_a_slave"}
        m → {"action":"respond","body":1}
        m ← {"error":"invalid_action","reason":"not_a_slave"}
        m → {"action":"submit","body":1}
        m ← {"error":"missing_field","reason":"id"}
        m → {"action":"submit","id":1}
        m ← {"error":"missing_field","reason":"body"}
        m → {"action":"submit","id":1,"body":1,"priority":"1"}
        m ← {"error":"invalid_type","reason":"priority"}
        m → {"action":"submit","id":1,"body":1,"priority":1.0}
        m ← {"error":"invalid_type","reason":"priority"}
        m → {"action":"submit","id":1,"body":1,"priority":9223372036854775808}
        m ← {"error":"invalid_type","reason":"priority"}
        m → {"action":"submit","id":null,"body":1}
        m ← {"error":"invalid_type","reason":"id"}
        m → {"action":"submit","id":"","body":1}
        m ← {"error":"invalid_type","reason":"id"}
        m → {"action":"submit","id":"a\u0000","body":1}
        m ← {"error":"invalid_type","reason":"id"}
        m → {"action":"submit","id":1,"type":7,"body":1}
        m ← {"error":"invalid_type","reason":"type"}
        m → {"action":"submit","id":1,"type":"a\nb","body":1}
        m ← {"error":"invalid_type","reason":"type"}
        m → {"action":"submit","id":1,"body":1,"durable":1}
        m ← {"error":"invalid_type","reason":"durable"}
        m → {"action":"submit","id":1,"body":1,"delay_ms":-1}
        m ← {"error":"invalid_type","reason":"delay_ms"}
        m → {"action":"submit","id":1,"body":1,"lease_ms":0}
        m ← {"error":"invalid_type","reason":"lease_ms"}
        m → {"action":"submit","id":1,"body":1,"max_attempts":0}
        m ← {"error":"invalid_type","reason":"max_attempts"}
        m → {"action":"submit","id":1,"body":1,"ttl_ms":"soon"}
        m ← {"error":"invalid_type","reason":"ttl_ms"}
        m → {"action":"submit","id":1,"id":2,"body":1}
        m ← {"error":"invalid_message","reason":"duplicate_id"}
        m → ["action"]
        m ← {"error":"invalid_message","reason":"not_an_object"}
        m → 5
        m ← {"error":"invalid_message","reason":"not_an_object"}
        m → {"action":"submit","id":1,"body":1}
        m ← {"ok":true,"id":1}
        "#,
    );
}

#[test]
fn the_flaws_of_a_slave_are_told_and_it_goes_on() {
    play(
        r#"
        w is gloom-worker
        w → {"type":"t"}
        w ← {"error":"missing_field","reason":"type"}
        w → {"action":"dance"}
        w ← {"error":"unknown_type","reason":"dance"}
        w → {"action":"submit","id":1,"body":1}
        w ← {"error":"invalid_action","reason":"not_a_master"}
        w → {"action":"join"}
        w ← {"error":"missing_field","reason":"job_type"}
        w → {"action":"join","type":5}
        w ← {"error":"invalid_type","reason":"job_type"}
        w → {"action":"join","type":""}
        w ← {"error":"invalid_type","reason":"job_type"}
        w → {"action":"respond"}
        w ← {"error":"missing_field","reason":"body"}
        w → {"action":"respond","body":1}
        w ← {"error":"invalid_state","reason":"not_processing"}
        w → null
        w ← {"error":"invalid_message","reason":"not_an_object"}
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        "#,
    );
}

#[test]
fn nesting_has_a_limit() {
    play_within(
        Limits { max_depth: 3, ..Limits::default() },
        r#"
        m is gloom-master
        m → {"action":"submit","id":1,"body":[[[0]]]}
        m ← {"ok":true,"id":1}
        m → {"action":"submit","id":2,"body":[[[[0]]]]}
        m ← {"error":"invalid_message","reason":"too_deep"}
        m → {"action":"submit","id":3,"body":[]}
        m ← {"ok":true,"id":3}
        w is gloom-worker
        w → {"action":"respond","body":{"a":{"b":{"c":{}}}}}
        w ← {"error":"invalid_message","reason":"too_deep"}
        "#,
    );
}

/// What is no JSON closes, and nothing behind it is done.
#[test]
fn what_is_no_json_closes() {
    let flaws = [
        ("→", "", "unexpected end at byte 0"),
        ("→", "   ", "unexpected end at byte 3, near    "),
        ("→", "hello", "expected a value at byte 0, near hello"),
        ("→", r#"{"action":"submit""#, r#"unexpected end at byte 18, near {\"action\":\"submit\""#),
        ("→", "{} {}", "bytes after the value at byte 3, near {} {}"),
        ("→", "{}x", "bytes after the value at byte 2, near {}x"),
        ("→", "{'id':1}", "expected a member name at byte 1, near {'id':1}"),
        ("→x", r"\xff", r"invalid utf-8 at byte 0, near \\xff"),
        ("→x", r#"{"id":"\xc3"}"#, r#"invalid utf-8 at byte 7, near {\"id\":\"\\xc3\"}"#),
        ("→", r#"{"id":1e}"#, r#"expected a digit at byte 8, near {\"id\":1e}"#),
        ("→", r#"{"id":"\x"}"#, r#"invalid escape at byte 7, near {\"id\":\"\\\\x\"}"#),
    ];
    for (arrow, bytes, reason) in flaws {
        for peer in ["gloom-master", "gloom-worker", "native"] {
            let behind = r#"{"action":"submit","id":1,"type":"t","body":1}"#;
            play(&format!(
                "p is {peer}\np {arrow} {bytes}\np → {behind}\np ← {{\"error\":\"invalid_json\",\"reason\":\"{reason}\"}}\np is over"
            ));
        }
    }
}

#[test]
fn a_length_over_the_limit_closes_at_once() {
    play_within(
        Limits { max_body: 60, ..Limits::default() },
        r#"
        m is gloom-master
        w is gloom-worker
        n is native
        m → {"action":"submit","id":1,"body":"1234567890123456"}
        m ← {"ok":true,"id":1}
        m →| \x00\x00\x00\x3d
        m ← {"error":"size_error","reason":"length too large"}
        m is over
        w →| \xff\xff\xff\xff{"action":"join"
        w ← {"error":"size_error","reason":"length too large"}
        w is over
        n →| GET / HTTP/1.1\r\n\r\n
        n ← {"error":"size_error","reason":"length too large"}
        n is over
        "#,
    );
}

#[test]
fn a_hundred_flaws_in_a_row_are_enough() {
    let flaws =
        |number| "m → {}\n".repeat(number) + &"m ← {\"error\":\"missing_field\",\"reason\":\"type\"}\n".repeat(number);
    let enough = MAX_FLAWS_IN_A_ROW as usize;
    let text = "m is gloom-master\n".to_owned()
        + &flaws(enough - 1)
        + "m → {\"action\":\"submit\",\"id\":1,\"body\":1}\nm ← {\"ok\":true,\"id\":1}\n"
        + &flaws(enough)
        + "m is over\nm → {}\n";
    play_whole(Limits::default(), &text);
}

#[test]
fn a_slave_may_switch_its_type() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"a"}
        w ← {"ok":true}
        # Idle: at once.
        w → {"action":"join","type":"b"}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"a","body":1}
        m → {"action":"submit","id":2,"type":"b","body":2}
        m ← {"ok":true,"id":1}
        m ← {"ok":true,"id":2}
        w ← {"action":"job","id":2,"type":"b","body":2}
        # With a job in hand: after its answer.
        w → {"action":"join","type":"a"}
        w ← {"ok":true}
        w → {"action":"respond","body":"two"}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"a","body":1}
        m ← {"id":2,"body":"two"}
        # The same type again changes nothing.
        w → {"action":"join","type":"a"}
        w ← {"ok":true}
        w → {"action":"respond","body":"one"}
        w ← {"ok":true}
        m ← {"id":1,"body":"one"}
        "#,
    );
}

/// The job is on its way when the slave switches: it goes back unseen and costs no attempt.
#[test]
fn a_job_that_comes_too_late_goes_back() {
    play(
        r#"
        m is gloom-master
        v is gloom-worker
        v → {"action":"join","type":"a"}
        v ← {"ok":true}
        silence
        m → {"action":"submit","id":1,"type":"a","body":1,"max_attempts":1}
        m → {"action":"submit","id":2,"type":"b","body":2}
        v → {"action":"join","type":"b"}
        speech
        m ← {"ok":true,"id":1}
        m ← {"ok":true,"id":2}
        v ← {"ok":true}
        v ← {"action":"job","id":2,"type":"b","body":2}
        w is gloom-worker
        w → {"action":"join","type":"a"}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"a","body":1}
        # Also when its queue dies before it can take the job back.
        w → {"action":"respond","body":1}
        w ← {"ok":true}
        m ← {"id":1,"body":1}
        silence
        m → {"action":"submit","id":3,"type":"a","body":3}
        w → {"action":"join","type":"c"}
        a dies
        speech
        m ← {"ok":true,"id":3}
        m ← {"error":"job_failed","reason":3}
        w ← {"ok":true}
        w → {"action":"join","type":"d"}
        w ← {"ok":true}
        "#,
    );
}

#[test]
fn a_lost_slave_gives_its_job_back_until_the_attempts_are_used_up() {
    play(
        r#"
        m is gloom-master
        m → {"action":"submit","id":"poison","type":"t","body":1}
        m ← {"ok":true,"id":"poison"}
        a is gloom-worker
        a → {"action":"join","type":"t"}
        a ← {"ok":true}
        a ← {"action":"job","id":"poison","type":"t","body":1}
        # In the middle of a frame.
        a →| \x00\x00\x00\x20{"action"
        a leaves
        b is gloom-worker
        b → {"action":"join","type":"t"}
        b ← {"ok":true}
        b ← {"action":"job","id":"poison","type":"t","body":1}
        c is gloom-worker
        c → {"action":"join","type":"t"}
        c ← {"ok":true}
        b leaves
        c ← {"action":"job","id":"poison","type":"t","body":1}
        c leaves
        d is gloom-worker
        d → {"action":"join","type":"t"}
        d ← {"ok":true}
        d ← {"action":"job","id":"poison","type":"t","body":1}
        d leaves
        m ← {"error":"job_failed","reason":"poison"}
        "#,
    );
}

#[test]
fn a_master_that_leaves_takes_its_waiting_jobs_with_it() {
    play(
        r#"
        m is gloom-master
        o is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        m → {"action":"submit","id":"running","type":"t","body":1}
        m ← {"ok":true,"id":"running"}
        w ← {"action":"job","id":"running","type":"t","body":1}
        m → {"action":"submit","id":"waiting","type":"t","body":2}
        m ← {"ok":true,"id":"waiting"}
        m → {"action":"submit","id":"durable","type":"t","body":3,"durable":true}
        m ← {"ok":true,"id":"durable"}
        m leaves
        # Ids are free, but for the one of the job that stays.
        o → {"action":"submit","id":"running","type":"t","body":4}
        o ← {"ok":true,"id":"running"}
        o → {"action":"submit","id":"waiting","type":"t","body":5}
        o ← {"ok":true,"id":"waiting"}
        o → {"action":"submit","id":"durable","type":"t","body":6}
        o ← {"error":"id_exists","reason":"durable"}
        # The running one finishes for nobody; its slave is free.
        w → {"action":"respond","body":"for nobody"}
        w ← {"ok":true}
        w ← {"action":"job","id":"durable","type":"t","body":3}
        w → {"action":"respond","body":3}
        w ← {"ok":true}
        w ← {"action":"job","id":"running","type":"t","body":4}
        w → {"action":"respond","body":4}
        w ← {"ok":true}
        o ← {"id":"running","body":4}
        w ← {"action":"job","id":"waiting","type":"t","body":5}
        "#,
    );
}

#[test]
fn extensions_delay_expire_and_lease() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        m → {"action":"submit","id":"later","type":"t","body":1,"delay_ms":500}
        m ← {"ok":true,"id":"later"}
        499 ms
        1 ms
        w ← {"action":"job","id":"later","type":"t","body":1}
        m → {"action":"submit","id":"mortal","type":"t","body":2,"ttl_ms":100}
        m ← {"ok":true,"id":"mortal"}
        100 ms
        m ← {"error":"job_failed","reason":"mortal"}
        w → {"action":"respond","body":1}
        w ← {"ok":true}
        m ← {"id":"later","body":1}
        m → {"action":"submit","id":"leased","type":"t","body":3,"lease_ms":1000,"max_attempts":1}
        m ← {"ok":true,"id":"leased"}
        w ← {"action":"job","id":"leased","type":"t","body":3}
        1000 ms
        m ← {"error":"job_failed","reason":"leased"}
        # The answer comes too late; the connection stays usable.
        w → {"action":"respond","body":3}
        w ← {"error":"stale_receipt","reason":"leased"}
        m → {"action":"submit","id":"cancelled","type":"t","body":4}
        m ← {"ok":true,"id":"cancelled"}
        w ← {"action":"job","id":"cancelled","type":"t","body":4}
        cancel "cancelled"
        m ← {"error":"job_failed","reason":"cancelled"}
        w → {"action":"respond","body":4}
        w ← {"error":"cancelled","reason":"cancelled"}
        "#,
    );
}

#[test]
fn a_server_that_cannot_take_more_says_why() {
    play_within(
        Limits { max_jobs: 1, max_types: 1, ..Limits::default() },
        r#"
        m is gloom-master
        w is gloom-worker
        m → {"action":"submit","id":1,"type":"t","body":1}
        m ← {"ok":true,"id":1}
        m → {"action":"submit","id":2,"type":"t","body":1}
        m ← {"error":"unavailable","reason":"queue_full"}
        w → {"action":"join","type":"u"}
        w ← {"error":"unavailable","reason":"queue_full"}
        drain
        m → {"action":"submit","id":2,"type":"t","body":1}
        m ← {"error":"unavailable","reason":"draining"}
        "#,
    );
}

/// Answers come in the order of the requests, results behind them.
#[test]
fn results_wait_behind_due_answers() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","body":1}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":1}
        silence
        m → {"action":"submit","id":2,"type":"u","body":2}
        m → {"action":"submit","id":1,"type":"t","body":2}
        m → {"action":"submit","id":3}
        w → {"action":"respond","body":"one"}
        speech backwards
        m ← {"ok":true,"id":2}
        m ← {"error":"id_exists","reason":1}
        m ← {"error":"missing_field","reason":"body"}
        m ← {"id":1,"body":"one"}
        w ← {"ok":true}
        "#,
    );
}

#[test]
fn too_many_requests_stop_the_reading_and_answers_let_it_go_on() {
    play_within(
        Limits { max_outstanding: 2, ..Limits::default() },
        r#"
        m is gloom-master
        silence
        m → {"action":"submit","id":1,"body":1}
        m → {"action":"submit","id":2,"body":1}
        m → {}
        m → {"action":"submit","id":3,"body":1}
        m → {"action":"submit","id":4,"body":1}
        m → {"action":"submit","id":5,"body":1}
        speech
        m ← {"ok":true,"id":1}
        m ← {"ok":true,"id":2}
        m ← {"error":"missing_field","reason":"type"}
        m ← {"ok":true,"id":3}
        m ← {"ok":true,"id":4}
        m ← {"ok":true,"id":5}
        "#,
    );
}

#[test]
fn a_queue_that_dies_is_told_and_its_slaves_join_the_next() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","body":1}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":1}
        m → {"action":"submit","id":2,"type":"t","body":2}
        m ← {"ok":true,"id":2}
        t dies
        m ← {"error":"job_failed","reason":1}
        m ← {"error":"job_failed","reason":2}
        w → {"action":"respond","body":1}
        w ← {"error":"stale_receipt","reason":1}
        m → {"action":"submit","id":1,"type":"t","body":3}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":3}
        "#,
    );
}

#[test]
fn what_a_dying_queue_was_asked_is_refused() {
    play(
        r#"
        m is gloom-master
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","body":1}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":1}
        t fails
        m → {"action":"submit","id":2,"type":"t","body":2}
        m → {"action":"submit","id":3,"type":"u","body":3}
        w → {"action":"respond","body":1}
        t dies
        m ← {"error":"unavailable","reason":"restarted"}
        m ← {"ok":true,"id":3}
        m ← {"error":"job_failed","reason":1}
        w ← {"error":"restarted","reason":1}
        m → {"action":"submit","id":2,"type":"t","body":2}
        m ← {"ok":true,"id":2}
        w ← {"action":"job","id":2,"type":"t","body":2}
        "#,
    );
}

/// A queue may die with the word that a job goes back: nobody answers it then, and nobody may wait for that.
#[test]
fn nothing_waits_for_a_dead_queue() {
    let demand = Arc::new(Demand::new(1));
    let mut worker = gloom::Worker::new(&(), &Arc::default(), &demand);
    let (mut out, mut commands) = (BytesMut::new(), Vec::new());
    let mut turn = Turn { out: &mut out, commands: &mut commands };
    let kind = TypeName::unnamed();
    let receipt = Receipt { queue: 3, key: 0, sequence: 1, delivery: 1 };
    assert!(demand.take());
    worker.hear(
        Notice::Assigned(Box::new(Assignment {
            receipt,
            id: JobId::from_integer("1").unwrap(),
            kind: kind.clone(),
            priority: 0,
            body: Body::default(),
            attempt: 1,
            max_attempts: 1,
            lease_ms: 1,
        })),
        &mut turn,
    );
    assert_eq!(worker.outstanding(), 1);
    worker.hear(Notice::Lost { queue: 3, kind, jobs: Vec::new() }, &mut turn);
    assert_eq!(worker.outstanding(), 0);
    assert!(out.is_empty() && demand.is_free());
}
