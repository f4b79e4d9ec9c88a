//! The native protocol: `spec/tcp.md` row by row.

use std::fmt::Write;

use super::{play, play_whole, play_within};
use crate::core::Limits;
use crate::protocols::MAX_FLAWS_IN_A_ROW;

#[test]
fn a_job_is_submitted_worked_and_told() {
    play(
        r#"
        m is native
        w is native
        m → {"action":"hello","name":"m1"}
        m ← {"ok":true,"server":"procession/0.1.0","max_frame":16777216}
        w → {"action":"join","types":["resize"],"credit":2}
        w ← {"ok":true}
        m → {"action":"submit","id":"a","type":"resize","body":{"w": 1.50},"notify":true}
        m ← {"ok":true,"id":"a"}
        w ← {"action":"job","id":"a","type":"resize","body":{"w": 1.50},"attempt":1,"lease_ms":1800000}
        m → {"action":"submit","id":7,"type":"resize","body":2,"lease_ms":5000}
        m ← {"ok":true,"id":7}
        w ← {"action":"job","id":7,"type":"resize","body":2,"attempt":1,"lease_ms":5000}
        # Only two in hand.
        m → {"action":"submit","id":8,"type":"resize","body":3}
        m ← {"ok":true,"id":8}
        w → {"action":"respond","id":"7","body":"for nobody"}
        w ← {"ok":true}
        w ← {"action":"job","id":8,"type":"resize","body":3,"attempt":1,"lease_ms":1800000}
        w → {"action":"respond","id":"\u0061","body":[ "done" ]}
        w ← {"ok":true}
        m ← {"action":"result","id":"a","body":[ "done" ]}
        "#,
    );
}

#[test]
fn ids_types_and_bodies_have_defaults() {
    play(
        r#"
        n is native
        n → {"action":"submit"}
        n ← {"ok":true,"id":"new-1"}
        n → {"action":"submit","id":null,"type":null,"priority":null,"body":1}
        n ← {"ok":true,"id":"new-2"}
        n → {"action":"join","types":["default"]}
        n ← {"ok":true}
        n ← {"action":"job","id":"new-1","type":"default","body":null,"attempt":1,"lease_ms":1800000}
        n → {"action":"respond","id":"new-1","body":null}
        n ← {"ok":true}
        n ← {"action":"job","id":"new-2","type":"default","body":1,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn requests_may_be_pipelined() {
    play(
        r#"
        n is native
        n → {"action":"hello"}
        n → {"action":"submit","id":1,"type":"t","body":1}
        n → {"action":"submit","id":1,"type":"t","body":1}
        n → {"action":"submit","id":2,"type":"u","body":2}
        n → {"action":"nonsense","id":3}
        n → {"action":"join","types":[]}
        n ← {"ok":true,"server":"procession/0.1.0","max_frame":16777216}
        n ← {"ok":true,"id":1}
        n ← {"error":"id_exists","reason":"a live job has this id","id":1}
        n ← {"ok":true,"id":2}
        n ← {"error":"unknown_action","reason":"nonsense","id":3}
        n ← {"ok":true}
        "#,
    );
}

#[test]
fn a_batch_has_one_answer() {
    play(
        r#"
        n is native
        w is gloom-worker
        n → {"action":"submit","jobs":[]}
        n ← {"ok":true,"results":[]}
        n → {"action":"submit","jobs":[{"id":1,"type":"t","body":1,"notify":true},{"type":"t","priority":9,"durable":false},{"id":1},5,{"id":"x","priority":"high"},{"id":[]},{"id":2,"type":"u","body":[2]}]}
        n → {"action":"submit","id":3,"type":"t"}
        n ← {"ok":true,"results":[{"id":1},{"id":"new-1"},{"error":"id_exists","reason":"a live job has this id","id":1},{"error":"invalid_message","reason":"not_an_object"},{"error":"invalid_type","reason":"priority","id":"x"},{"error":"invalid_type","reason":"id"},{"id":2}]}
        n ← {"ok":true,"id":3}
        # Queues may answer in any order.
        silence
        n → {"action":"submit","jobs":[{"id":11,"type":"t"},{"id":12,"type":"u"},{"id":11,"type":"v"},{"id":13,"type":"t"}]}
        n → {"action":"submit","jobs":[{"id":14,"type":"u"},{"id":15,"type":"t"}]}
        n → {"action":"submit","jobs":[5]}
        speech backwards
        n ← {"ok":true,"results":[{"id":11},{"id":12},{"error":"id_exists","reason":"a live job has this id","id":11},{"id":13}]}
        n ← {"ok":true,"results":[{"id":14},{"id":15}]}
        n ← {"ok":true,"results":[{"error":"invalid_message","reason":"not_an_object"}]}
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        w ← {"action":"job","id":"new-1","type":"t","body":null}
        w → {"action":"respond","body":1}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"t","body":1}
        w → {"action":"respond","body":1}
        w ← {"ok":true}
        n ← {"action":"result","id":1,"body":1}
        w ← {"action":"job","id":3,"type":"t","body":null}
        "#,
    );
}

#[test]
fn the_bodies_of_a_batch_may_be_as_deep_as_any() {
    play_within(
        Limits { max_depth: 3, ..Limits::default() },
        r#"
        n is native
        n → {"action":"submit","jobs":[{"id":1,"body":[[[]]]},{"id":2,"body":[[[[]]]]},{"id":3,"body":{"a":{"b":{"c":[[[[]]]]}}}},{"id":4}]}
        n ← {"ok":true,"results":[{"id":1},{"error":"invalid_message","reason":"too_deep","id":2},{"error":"invalid_message","reason":"too_deep","id":3},{"id":4}]}
        n → {"action":"submit","id":5,"body":[[[]]]}
        n ← {"ok":true,"id":5}
        n → {"action":"submit","id":6,"body":[[[[]]]]}
        n ← {"error":"invalid_message","reason":"too_deep","id":6}
        "#,
    );
}

#[test]
fn a_worker_never_has_two_jobs_of_one_id() {
    play(
        r#"
        n is native
        n → {"action":"join","types":["t"],"credit":2}
        n ← {"ok":true}
        m is gloom-master
        m → {"action":"submit","id":"x","type":"t","body":"first"}
        m ← {"ok":true,"id":"x"}
        n ← {"action":"job","id":"x","type":"t","body":"first","attempt":1,"lease_ms":1800000}
        m leaves
        o is gloom-master
        o → {"action":"submit","id":"x","type":"t","body":"second"}
        o ← {"ok":true,"id":"x"}
        # Somebody else may have it, when it is his turn.
        w is gloom-worker
        w → {"action":"join","type":"t"}
        w ← {"ok":true}
        1000 ms
        1000 ms
        w ← {"action":"job","id":"x","type":"t","body":"second"}
        w leaves
        n → {"action":"respond","id":"x","body":"of the first"}
        n ← {"ok":true}
        1000 ms
        n ← {"action":"job","id":"x","type":"t","body":"second","attempt":2,"lease_ms":1800000}
        n → {"action":"respond","id":"x","body":"of the second"}
        n ← {"ok":true}
        o ← {"id":"x","body":"of the second"}
        "#,
    );
}

#[test]
fn a_batch_is_bounded_and_read_whole() {
    let limits = Limits { max_outstanding: 2, ..Limits::default() };
    let batch = |from: usize, count: usize| {
        (from..from + count).map(|id| format!("{{\"id\":{id}}}")).collect::<Vec<_>>().join(",")
    };
    let mut text = "n is native\n".to_owned();
    let _ = writeln!(text, "n → {{\"action\":\"submit\",\"jobs\":[{}]}}", batch(0, 10_000));
    let _ = writeln!(text, "n → {{\"action\":\"submit\",\"jobs\":[{}]}}", batch(10_000, 10_001));
    let _ = writeln!(text, "n → {{\"action\":\"submit\",\"jobs\":{{}}}}");
    let _ = writeln!(text, "n ← {{\"ok\":true,\"results\":[{}]}}", batch(0, 10_000));
    let _ = writeln!(text, "n ← {{\"error\":\"too_large\",\"reason\":\"a batch holds at most 10,000 jobs\"}}");
    let _ = writeln!(text, "n ← {{\"error\":\"invalid_type\",\"reason\":\"jobs\"}}");
    play_whole(limits, &text);
}

#[test]
fn a_join_replaces_the_one_before() {
    play(
        r#"
        m is native
        w is native
        m → {"action":"submit","jobs":[{"id":1,"type":"a"},{"id":2,"type":"a"},{"id":3,"type":"b"},{"id":4,"type":"b"},{"id":5,"type":"c"}]}
        m ← {"ok":true,"results":[{"id":1},{"id":2},{"id":3},{"id":4},{"id":5}]}
        w → {"action":"join","types":["a","a"]}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"a","body":null,"attempt":1,"lease_ms":1800000}
        w → {"action":"join","types":["b","c"],"credit":2}
        w ← {"ok":true}
        w ← {"action":"job","id":3,"type":"b","body":null,"attempt":1,"lease_ms":1800000}
        # What it holds stays valid.
        w → {"action":"respond","id":1,"body":1}
        w ← {"ok":true}
        w ← {"action":"job","id":4,"type":"b","body":null,"attempt":1,"lease_ms":1800000}
        w → {"action":"join","types":["c"]}
        w ← {"ok":true}
        w → {"action":"respond","id":3,"body":1}
        w ← {"ok":true}
        # One in hand is as many as it wants by now.
        w → {"action":"respond","id":4,"body":1}
        w ← {"ok":true}
        w ← {"action":"job","id":5,"type":"c","body":null,"attempt":1,"lease_ms":1800000}
        w → {"action":"join","types":[]}
        w ← {"ok":true}
        w → {"action":"release","id":5}
        w ← {"ok":true}
        w → {"action":"join","types":["a","c"],"credit":1000}
        w ← {"ok":true}
        w ← {"action":"job","id":2,"type":"a","body":null,"attempt":1,"lease_ms":1800000}
        w ← {"action":"job","id":5,"type":"c","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn a_job_that_comes_too_late_goes_back() {
    play(
        r#"
        m is native
        v is native
        v → {"action":"join","types":["a"],"credit":5}
        v ← {"ok":true}
        silence
        m → {"action":"submit","jobs":[{"id":1,"type":"a","max_attempts":1},{"id":2,"type":"a","max_attempts":1}]}
        v → {"action":"join","types":["b"]}
        speech
        m ← {"ok":true,"results":[{"id":1},{"id":2}]}
        v ← {"ok":true}
        w is native
        w → {"action":"join","types":["a"],"credit":2}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"a","body":null,"attempt":1,"lease_ms":1800000}
        w ← {"action":"job","id":2,"type":"a","body":null,"attempt":1,"lease_ms":1800000}
        m → {"action":"submit","jobs":[{"id":3,"type":"b"},{"id":4,"type":"b"}]}
        m ← {"ok":true,"results":[{"id":3},{"id":4}]}
        v ← {"action":"job","id":3,"type":"b","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn a_failed_job_is_tried_again_until_it_may_not_be() {
    play(
        r#"
        m is native
        w is native
        w → {"action":"join","types":["t"]}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","notify":true,"max_attempts":3,"backoff_ms":0}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        w → {"action":"fail","id":1,"error":{"why": "x"},"retry":true,"delay_ms":50}
        w ← {"ok":true}
        50 ms
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":2,"lease_ms":1800000}
        # The policy's back-off.
        w → {"action":"fail","id":1,"error":2}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":3,"lease_ms":1800000}
        w → {"action":"fail","id":1,"error":{"last": [3]}}
        w ← {"ok":true}
        m ← {"action":"failed","id":1,"error":{"last": [3]}}
        m → {"action":"submit","id":2,"type":"t","notify":true}
        m ← {"ok":true,"id":2}
        w ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        w → {"action":"fail","id":2,"retry":false}
        w ← {"ok":true}
        m ← {"action":"failed","id":2,"error":null}
        "#,
    );
}

#[test]
fn touch_renews_and_release_costs_no_attempt() {
    play(
        r#"
        m is native
        w is native
        w → {"action":"join","types":["t"]}
        w ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","lease_ms":100,"max_attempts":1}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":100}
        99 ms
        w → {"action":"touch","id":1,"progress":0.5}
        w ← {"ok":true,"lease_ms":100}
        99 ms
        w → {"action":"touch","id":1,"lease_ms":1000}
        w ← {"ok":true,"lease_ms":1000}
        999 ms
        w → {"action":"touch","id":1,"progress":1}
        w ← {"ok":true,"lease_ms":1000}
        w → {"action":"release","id":1,"delay_ms":10}
        w ← {"ok":true}
        10 ms
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":100}
        w → {"action":"release","id":1}
        w ← {"ok":true}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":100}
        "#,
    );
}

#[test]
fn an_answer_needs_the_job_in_hand() {
    play(
        r#"
        m is native
        a is native
        b is native
        a → {"action":"join","types":["t"]}
        a ← {"ok":true}
        m → {"action":"submit","id":1,"type":"t","durable":false,"lease_ms":100}
        m ← {"ok":true,"id":1}
        a ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":100}
        # Somebody else's: it exists.
        b → {"action":"respond","id":1,"body":1}
        b → {"action":"fail","id":1}
        b → {"action":"touch","id":1}
        b → {"action":"release","id":1}
        b ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        b ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        b ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        b ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        # Nobody's.
        b → {"action":"respond","id":"x","body":1}
        b → {"action":"fail","id":"x"}
        b → {"action":"touch","id":"x"}
        b → {"action":"release","id":"x"}
        b ← {"error":"unknown_job","reason":"no such job","id":"x"}
        b ← {"error":"unknown_job","reason":"no such job","id":"x"}
        b ← {"error":"unknown_job","reason":"no such job","id":"x"}
        b ← {"error":"unknown_job","reason":"no such job","id":"x"}
        # Its lease is over.
        b → {"action":"join","types":["t"]}
        b ← {"ok":true}
        100 ms
        b ← {"action":"job","id":1,"type":"t","body":null,"attempt":2,"lease_ms":100}
        a → {"action":"touch","id":1}
        a ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        a → {"action":"respond","id":1,"body":"late"}
        a ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        b → {"action":"respond","id":1,"body":"good"}
        b ← {"ok":true}
        b → {"action":"respond","id":1,"body":"twice"}
        b ← {"error":"unknown_job","reason":"no such job","id":1}
        # The late one's hand is free again.
        m → {"action":"submit","id":2,"type":"t"}
        m ← {"ok":true,"id":2}
        a ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

/// The same worker gets a job again whose lease it let pass: its answer is for the newer attempt.
#[test]
fn a_worker_may_get_its_own_late_job_again() {
    play(
        r#"
        n is native
        n → {"action":"join","types":["t"],"credit":2}
        n ← {"ok":true}
        n → {"action":"submit","id":1,"type":"t","lease_ms":100,"notify":true}
        n ← {"ok":true,"id":1}
        n ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":100}
        100 ms
        n ← {"action":"job","id":1,"type":"t","body":null,"attempt":2,"lease_ms":100}
        n → {"action":"respond","id":1,"body":"good"}
        n ← {"ok":true}
        n ← {"action":"result","id":1,"body":"good"}
        n → {"action":"submit","jobs":[{"id":2,"type":"t"},{"id":3,"type":"t"},{"id":4,"type":"t"}]}
        n ← {"ok":true,"results":[{"id":2},{"id":3},{"id":4}]}
        n ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        n ← {"action":"job","id":3,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn cancelled_and_expired_jobs_are_told() {
    play(
        r#"
        m is native
        w is native
        m → {"action":"submit","id":"waits","type":"t","notify":true}
        m ← {"ok":true,"id":"waits"}
        cancel "waits"
        m ← {"action":"failed","id":"waits","error":"cancelled"}
        m → {"action":"submit","id":"expires","type":"t","notify":true,"ttl_ms":10}
        m ← {"ok":true,"id":"expires"}
        10 ms
        m ← {"action":"failed","id":"expires","error":"expired"}
        w → {"action":"join","types":["t"]}
        w ← {"ok":true}
        m → {"action":"submit","id":"runs","type":"t","notify":true}
        m ← {"ok":true,"id":"runs"}
        w ← {"action":"job","id":"runs","type":"t","body":null,"attempt":1,"lease_ms":1800000}
        m → {"action":"submit","id":"next","type":"t"}
        m ← {"ok":true,"id":"next"}
        cancel "runs"
        m ← {"action":"failed","id":"runs","error":"cancelled"}
        w ← {"action":"cancelled","id":"runs"}
        # It stays in hand until the worker speaks of it.
        w → {"action":"touch","id":"runs"}
        w ← {"error":"cancelled","reason":"the job was cancelled","id":"runs"}
        w → {"action":"release","id":"runs"}
        w ← {"error":"cancelled","reason":"the job was cancelled","id":"runs"}
        w ← {"action":"job","id":"next","type":"t","body":null,"attempt":1,"lease_ms":1800000}
        # The worker has answered already: nothing is pushed.
        silence
        cancel "next"
        w → {"action":"respond","id":"next","body":1}
        speech
        w ← {"error":"cancelled","reason":"the job was cancelled","id":"next"}
        "#,
    );
}

#[test]
fn a_connection_that_closes_gives_its_jobs_back_and_its_own_stay() {
    play(
        r#"
        m is native
        m → {"action":"submit","id":"stays","type":"t","notify":true}
        m → {"action":"submit","id":"goes","type":"t","durable":false,"on_master_gone":"drop"}
        m → {"action":"submit","id":"transient","type":"t","durable":false,"on_master_gone":"keep"}
        m → {"action":"submit","id":"durable","type":"t","on_master_gone":"drop"}
        m ← {"ok":true,"id":"stays"}
        m ← {"ok":true,"id":"goes"}
        m ← {"ok":true,"id":"transient"}
        m ← {"ok":true,"id":"durable"}
        m leaves
        a is native
        a → {"action":"join","types":["t"],"credit":9}
        a ← {"ok":true}
        a ← {"action":"job","id":"stays","type":"t","body":null,"attempt":1,"lease_ms":1800000}
        a ← {"action":"job","id":"transient","type":"t","body":null,"attempt":1,"lease_ms":1800000}
        a ← {"action":"job","id":"durable","type":"t","body":null,"attempt":1,"lease_ms":1800000}
        a leaves
        b is native
        b → {"action":"join","types":["t"],"credit":2}
        b ← {"ok":true}
        b ← {"action":"job","id":"stays","type":"t","body":null,"attempt":2,"lease_ms":1800000}
        b ← {"action":"job","id":"transient","type":"t","body":null,"attempt":2,"lease_ms":1800000}
        b → {"action":"respond","id":"stays","body":1}
        b ← {"ok":true}
        b ← {"action":"job","id":"durable","type":"t","body":null,"attempt":2,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn a_job_may_wait_for_its_time() {
    play(
        r#"
        n is native
        n → {"action":"join","types":["t"],"credit":9}
        n ← {"ok":true}
        # The house opens at 22:13:20.
        n → {"action":"submit","id":1,"type":"t","run_at":"2023-11-14T22:13:20.0995Z"}
        n ← {"ok":true,"id":1}
        n → {"action":"submit","id":2,"type":"t","run_at":"2023-11-14T23:13:20+01:00"}
        n ← {"ok":true,"id":2}
        n ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        n → {"action":"submit","id":3,"type":"t","run_at":"1960-01-01T00:00:00Z"}
        n ← {"ok":true,"id":3}
        n ← {"action":"job","id":3,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        # Both hold: the later counts.
        n → {"action":"submit","id":4,"type":"t","delay_ms":200,"run_at":"2023-11-14T22:13:20Z"}
        n → {"action":"submit","id":5,"type":"t","delay_ms":200,"run_at":"2023-11-14T22:13:21Z"}
        n ← {"ok":true,"id":4}
        n ← {"ok":true,"id":5}
        99 ms
        1 ms
        n ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        100 ms
        n ← {"action":"job","id":4,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        800 ms
        n ← {"action":"job","id":5,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn flaws_are_told_and_the_conversation_goes_on() {
    let submits = [
        (r#""id":1.5"#, "id", false),
        (r#""id":"","type":"t""#, "id", false),
        (r#""id":1,"type":7"#, "type", true),
        (r#""id":1,"type":"a\u0007""#, "type", true),
        (r#""id":1,"priority":1e3"#, "priority", true),
        (r#""id":1,"priority":-9223372036854775809"#, "priority", true),
        (r#""id":1,"notify":"yes""#, "notify", true),
        (r#""id":1,"durable":0"#, "durable", true),
        (r#""id":1,"delay_ms":"1""#, "delay_ms", true),
        (r#""id":1,"run_at":"tomorrow""#, "run_at", true),
        (r#""id":1,"run_at":"2023-11-14T22:13:20""#, "run_at", true),
        (r#""id":1,"run_at":1700000000"#, "run_at", true),
        (r#""id":1,"lease_ms":0"#, "lease_ms", true),
        (r#""id":1,"max_attempts":0"#, "max_attempts", true),
        (r#""id":1,"backoff_ms":-1"#, "backoff_ms", true),
        (r#""id":1,"ttl_ms":0"#, "ttl_ms", true),
        (r#""id":1,"keep_ms":null,"on_master_gone":"stay""#, "on_master_gone", true),
        (r#""id":1,"keep_ms":1.0"#, "keep_ms", true),
    ];
    for (members, wrong, has_id) in submits {
        let id = if has_id { ",\"id\":1" } else { "" };
        play(&format!(
            r#"
            n is native
            n → {{"action":"submit",{members}}}
            n ← {{"error":"invalid_type","reason":"{wrong}"{id}}}
            n → {{"action":"submit","jobs":[{{{members}}}]}}
            n ← {{"ok":true,"results":[{{"error":"invalid_type","reason":"{wrong}"{id}}}]}}
            "#
        ));
    }
    play(
        r#"
        n is native
        n → {}
        n ← {"error":"missing_field","reason":"action"}
        n → {"action":null}
        n ← {"error":"unknown_action","reason":"null"}
        n → {"action":"cancel","id":"x"}
        n ← {"error":"unknown_action","reason":"cancel","id":"x"}
        n → [1]
        n ← {"error":"invalid_message","reason":"not_an_object"}
        n → {"action":"submit","id":1,"id":1}
        n ← {"error":"invalid_message","reason":"duplicate_id"}
        n → {"action":"join"}
        n ← {"error":"missing_field","reason":"types"}
        n → {"action":"join","types":"t"}
        n ← {"error":"invalid_type","reason":"types"}
        n → {"action":"join","types":["t",""]}
        n ← {"error":"invalid_type","reason":"types"}
        n → {"action":"join","types":["t"],"credit":0}
        n ← {"error":"invalid_type","reason":"credit"}
        n → {"action":"join","types":["t"],"credit":1001}
        n ← {"error":"invalid_type","reason":"credit"}
        n → {"action":"join","types":["t"],"credit":"8"}
        n ← {"error":"invalid_type","reason":"credit"}
        n → {"action":"respond","body":1}
        n ← {"error":"missing_field","reason":"id"}
        n → {"action":"respond","id":1}
        n ← {"error":"missing_field","reason":"body","id":1}
        n → {"action":"respond","id":{},"body":1}
        n ← {"error":"invalid_type","reason":"id"}
        n → {"action":"fail"}
        n ← {"error":"missing_field","reason":"id"}
        n → {"action":"fail","id":1,"retry":"no"}
        n ← {"error":"invalid_type","reason":"retry","id":1}
        n → {"action":"fail","id":1,"delay_ms":-1}
        n ← {"error":"invalid_type","reason":"delay_ms","id":1}
        n → {"action":"touch"}
        n ← {"error":"missing_field","reason":"id"}
        n → {"action":"touch","id":1,"progress":1.01}
        n ← {"error":"invalid_type","reason":"progress","id":1}
        n → {"action":"touch","id":1,"progress":"half"}
        n ← {"error":"invalid_type","reason":"progress","id":1}
        n → {"action":"release"}
        n ← {"error":"missing_field","reason":"id"}
        n → {"action":"hello","name":"a\nb"}
        n ← {"error":"invalid_type","reason":"name"}
        n → {"action":"join","types":["t"]}
        n ← {"ok":true}
        "#,
    );
}

#[test]
fn a_hundred_flaws_in_a_row_are_enough() {
    let flaws = |number| {
        "n → {}\n".repeat(number) + &"n ← {\"error\":\"missing_field\",\"reason\":\"action\"}\n".repeat(number)
    };
    let enough = MAX_FLAWS_IN_A_ROW as usize;
    let text = "n is native\n".to_owned()
        + &flaws(enough - 1)
        + "n → {\"action\":\"join\",\"types\":[]}\nn ← {\"ok\":true}\n"
        + &flaws(enough)
        + "n is over\nn → {}\n";
    play_whole(Limits::default(), &text);
}

#[test]
fn with_a_token_nobody_gets_anything_who_has_not_said_it() {
    play(
        r#"
        n is locked
        n → {"action":"submit","id":1}
        n ← {"error":"unauthorized","reason":"say hello with the token first","id":1}
        n → {"action":"join","types":["t"]}
        n ← {"error":"unauthorized","reason":"say hello with the token first"}
        n → {"action":"nonsense"}
        n ← {"error":"unauthorized","reason":"say hello with the token first"}
        n → {"action":"hello"}
        n ← {"error":"unauthorized","reason":"say hello with the token first"}
        n → {"action":"hello","token":"open"}
        n ← {"error":"unauthorized","reason":"say hello with the token first"}
        n → {"action":"hello","token":["open sesame"]}
        n ← {"error":"unauthorized","reason":"say hello with the token first"}
        n → {"action":"hello","name":"w","token":"open sesam\u0065"}
        n ← {"ok":true,"server":"procession/0.1.0","max_frame":16777216}
        n → {"action":"submit","id":1}
        n ← {"ok":true,"id":1}
        # Without one, a token says nothing.
        o is native
        o → {"action":"hello","token":"whatever"}
        o ← {"ok":true,"server":"procession/0.1.0","max_frame":16777216}
        "#,
    );
}

#[test]
fn too_many_requests_stop_the_reading_and_answers_let_it_go_on() {
    play_within(
        Limits { max_outstanding: 2, ..Limits::default() },
        r#"
        n is native
        silence
        n → {"action":"submit","jobs":[{"id":1},{"id":2},{"id":3}]}
        n → {"action":"submit","id":4}
        n → {"action":"respond","id":"x","body":1}
        n → {"action":"submit","id":5}
        n → {"action":"join","types":[]}
        speech
        n ← {"ok":true,"results":[{"id":1},{"id":2},{"id":3}]}
        n ← {"ok":true,"id":4}
        n ← {"error":"unknown_job","reason":"no such job","id":"x"}
        n ← {"ok":true,"id":5}
        n ← {"ok":true}
        "#,
    );
}

#[test]
fn a_server_that_cannot_take_more_says_why() {
    play_within(
        Limits { max_jobs: 1, max_types: 1, ..Limits::default() },
        r#"
        n is native
        n → {"action":"submit","jobs":[{"id":1,"type":"t"},{"id":2,"type":"t"}]}
        n ← {"ok":true,"results":[{"id":1},{"error":"queue_full","reason":"too many jobs, bytes or types","id":2}]}
        n → {"action":"join","types":["u"]}
        n ← {"error":"queue_full","reason":"too many jobs, bytes or types"}
        n → {"action":"join","types":["t"]}
        n ← {"ok":true}
        n ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        drain
        n → {"action":"submit","id":3,"type":"t"}
        n ← {"error":"draining","reason":"the server is about to stop","id":3}
        n → {"action":"respond","id":1,"body":1}
        n ← {"ok":true}
        "#,
    );
}

#[test]
fn a_queue_that_dies_is_told_and_its_workers_join_the_next() {
    play(
        r#"
        m is native
        w is native
        w → {"action":"join","types":["t"],"credit":2}
        w ← {"ok":true}
        m → {"action":"submit","jobs":[{"id":1,"type":"t","notify":true},{"id":2,"type":"t"},{"id":3,"type":"t","notify":true}]}
        m ← {"ok":true,"results":[{"id":1},{"id":2},{"id":3}]}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        w ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        t dies
        m ← {"action":"failed","id":1,"error":"lost"}
        m ← {"action":"failed","id":3,"error":"lost"}
        w → {"action":"respond","id":1,"body":1}
        w ← {"error":"stale_receipt","reason":"the attempt is not yours any more","id":1}
        m → {"action":"submit","id":1,"type":"t","notify":true}
        m ← {"ok":true,"id":1}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}

#[test]
fn what_a_dying_queue_was_asked_is_refused() {
    play(
        r#"
        m is native
        w is native
        w → {"action":"join","types":["t"],"credit":2}
        w ← {"ok":true}
        m → {"action":"submit","jobs":[{"id":1,"type":"t"},{"id":2,"type":"t"}]}
        m ← {"ok":true,"results":[{"id":1},{"id":2}]}
        w ← {"action":"job","id":1,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        w ← {"action":"job","id":2,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        t fails
        m → {"action":"submit","jobs":[{"id":3,"type":"t"},{"id":4,"type":"u"}]}
        m → {"action":"touch","id":1}
        w → {"action":"respond","id":1,"body":1}
        w → {"action":"touch","id":2}
        t dies
        m ← {"ok":true,"results":[{"error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":3},{"id":4}]}
        m ← {"error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":1}
        w ← {"error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":1}
        w ← {"error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":2}
        m → {"action":"submit","id":3,"type":"t"}
        m ← {"ok":true,"id":3}
        w ← {"action":"job","id":3,"type":"t","body":null,"attempt":1,"lease_ms":1800000}
        "#,
    );
}
