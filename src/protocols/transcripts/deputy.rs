//! deputy: `spec/deputy.md` row by row.

use super::{play, play_whole, play_within};
use crate::core::Limits;
use crate::protocols::MAX_FLAWS_IN_A_ROW;

#[test]
fn a_job_is_submitted_done_and_told() {
    play(
        r#"
        s is deputy
        w is deputy
        w → {"cmd":"can_do","types":["reverse","upper"]}
        s → { "cmd":"do", "id":"job-id", "type":"reverse", "arg":"value" }
        w ← {"cmd":"do","id":"job-id","type":"reverse","arg":"value"}
        # One job at a time.
        s → {"cmd":"do","id":2,"type":"upper","arg":{"a":[1, 2.0]}}
        w → {"cmd":"did","id":"job-id","res":"eulav"}
        s ← {"cmd":"did","id":"job-id","res":"eulav"}
        w ← {"cmd":"do","id":2,"type":"upper","arg":{"a":[1, 2.0]}}
        w → {"cmd":"did","id":2,"res":null}
        s ← {"cmd":"did","id":2,"res":null}
        "#,
    );
}

#[test]
fn a_client_may_do_its_own_jobs() {
    play(
        r#"
        c is deputy
        c → {"cmd":"do","id":1,"type":"t","arg":1}
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":1,"type":"t","arg":1}
        c → {"cmd":"did","id":1,"res":2}
        c ← {"cmd":"did","id":1,"res":2}
        "#,
    );
}

#[test]
fn what_is_absent_stays_absent() {
    play(
        r#"
        c is deputy
        c → {"cmd":"can_do","types":["t"]}
        c → {"cmd":"do","id":1,"type":"t"}
        c ← {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"did","id":1}
        c ← {"cmd":"did","id":1}
        # Other dialects know no absent body: there it is null, both ways.
        g is gloom-worker
        g → {"action":"join","type":"g"}
        g ← {"ok":true}
        c → {"cmd":"do","id":2,"type":"g"}
        g ← {"action":"job","id":2,"type":"g","body":null}
        g → {"action":"respond","body":null}
        g ← {"ok":true}
        c ← {"cmd":"did","id":2,"res":null}
        n is native
        n → {"action":"join","types":["n"]}
        n ← {"ok":true}
        c → {"cmd":"do","id":3,"type":"n"}
        n ← {"action":"job","id":3,"type":"n","body":null,"attempt":1,"lease_ms":1800000}
        m is gloom-master
        m → {"action":"submit","id":4,"type":"t","body":null}
        m ← {"ok":true,"id":4}
        c ← {"cmd":"do","id":4,"type":"t","arg":null}
        c → {"cmd":"did","id":4}
        m ← {"id":4,"body":null}
        n → {"action":"submit","id":5,"type":"t","notify":true}
        n ← {"ok":true,"id":5}
        c ← {"cmd":"do","id":5,"type":"t","arg":null}
        c → {"cmd":"did","id":5}
        n ← {"action":"result","id":5,"body":null}
        "#,
    );
}

/// Bodies of other dialects may have line ends between their tokens, and in strings only escaped ones.
#[test]
fn bodies_from_elsewhere_come_on_one_line() {
    play(
        r#"
        c is deputy
        m is gloom-master
        w is gloom-worker
        c → {"cmd":"can_do","types":["t"]}
        m →x {"action":"submit","id":1,"type":"t","body":[1,\r\n "a\\nb",\n\t2]}
        m ← {"ok":true,"id":1}
        c ← {"cmd":"do","id":1,"type":"t","arg":[1,   "a\nb", 	2]}
        w → {"action":"join","type":"g"}
        w ← {"ok":true}
        c → {"cmd":"do","id":2,"type":"g","arg":0}
        w ← {"action":"job","id":2,"type":"g","body":0}
        w →x {"action":"respond","body":{\n"r":\r1}}
        w ← {"ok":true}
        c ← {"cmd":"did","id":2,"res":{ "r": 1}}
        n is native
        n → {"action":"join","types":["n"]}
        n ← {"ok":true}
        c → {"cmd":"do","id":3,"type":"n","arg":0}
        n ← {"action":"job","id":3,"type":"n","body":0,"attempt":1,"lease_ms":1800000}
        n →x {"action":"fail","id":3,"error":[\n1],"retry":false}
        n ← {"ok":true}
        c ← {"cmd":"error","error":"job_failed","reason":[ 1],"id":3}
        "#,
    );
}

#[test]
fn lines_end_with_lf_or_crlf_and_empty_ones_are_ignored() {
    play(
        r#"
        c is deputy
        c →| \r\n\n  \t\r\n{"cmd":"can_do","types":["t"]}\n\n{"cmd":"do","id":1,"type":"t","arg":1}\r\n
        c ← {"cmd":"do","id":1,"type":"t","arg":1}
        # A last line without its end is no line.
        c →| {"cmd":"did","id":1,"res":2}
        c →| \r
        c →| \n
        c ← {"cmd":"did","id":1,"res":2}
        "#,
    );
}

#[test]
fn acknowledgements_are_for_those_who_ask() {
    play(
        r#"
        c is deputy
        c → {"cmd":"do","id":"a","type":"t","arg":1,"ack":true}
        c ← {"cmd":"ok","id":"a"}
        c → {"cmd":"do","id":"b","type":"t","arg":1,"ack":false}
        c → {"cmd":"do","id":"a","type":"t","arg":1,"ack":true}
        c ← {"cmd":"error","error":"id_exists","reason":"a live job has this id","id":"a"}
        "#,
    );
}

#[test]
fn larger_priorities_go_first() {
    play(
        r#"
        c is deputy
        c → {"cmd":"do","id":1,"type":"t","arg":1}
        c → {"cmd":"do","id":2,"type":"t","arg":2,"priority":5}
        c → {"cmd":"do","id":3,"type":"t","arg":3,"priority":-5}
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":2,"type":"t","arg":2}
        c → {"cmd":"did","id":2}
        c ← {"cmd":"did","id":2}
        c ← {"cmd":"do","id":1,"type":"t","arg":1}
        c → {"cmd":"did","id":1}
        c ← {"cmd":"did","id":1}
        c ← {"cmd":"do","id":3,"type":"t","arg":3}
        "#,
    );
}

#[test]
fn a_worker_may_hold_as_many_jobs_as_it_says() {
    play(
        r#"
        s is deputy
        w is deputy
        s → {"cmd":"do","id":1,"type":"t"}
        s → {"cmd":"do","id":2,"type":"u"}
        s → {"cmd":"do","id":3,"type":"u"}
        s → {"cmd":"do","id":4,"type":"u"}
        s → {"cmd":"do","id":5,"type":"u"}
        w → {"cmd":"can_do","types":["t"],"jobs":2}
        w ← {"cmd":"do","id":1,"type":"t"}
        w → {"cmd":"can_do","types":["u"]}
        w ← {"cmd":"do","id":2,"type":"u"}
        # More.
        w → {"cmd":"can_do","types":[],"jobs":3}
        w ← {"cmd":"do","id":3,"type":"u"}
        # Fewer: what it holds stays valid, and comes first.
        w → {"cmd":"can_do","types":["t","u"],"jobs":1}
        w → {"cmd":"did","id":2}
        s ← {"cmd":"did","id":2}
        w → {"cmd":"did","id":1}
        s ← {"cmd":"did","id":1}
        w → {"cmd":"did","id":3}
        s ← {"cmd":"did","id":3}
        w ← {"cmd":"do","id":4,"type":"u"}
        w → {"cmd":"can_do","types":["t"],"jobs":1000}
        w ← {"cmd":"do","id":5,"type":"u"}
        "#,
    );
}

#[test]
fn what_the_original_ignored_is_ignored() {
    play(
        r#"
        c is deputy
        c → {}
        c → {"cmd":"unknown","id":1}
        c → {"cmd":null}
        c → {"cmd":7}
        c → {"id":1,"type":"t"}
        c → []
        c → 5
        c → "do"
        c → null
        c → {"cmd":"can_do","types":["t"],"unknown":{"a":[]}}
        c → {"cmd":"can_do","types":["t","t"]}
        c → {"cmd":"can_do","types":[]}
        c → {"cmd":"do","id":1,"type":"t","arg":1,"unknown":1}
        c ← {"cmd":"do","id":1,"type":"t","arg":1}
        "#,
    );
}

#[test]
fn flaws_are_told_and_the_conversation_goes_on() {
    play_within(
        Limits { max_depth: 3, ..Limits::default() },
        r#"
        c is deputy
        c → {"cmd":"can_do"}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c → {"cmd":"can_do","types":"t"}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c → {"cmd":"can_do","types":["t",1]}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c → {"cmd":"can_do","types":[""]}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c → {"cmd":"can_do","types":["t"],"jobs":0}
        c ← {"cmd":"error","error":"invalid_message","reason":"jobs"}
        c → {"cmd":"can_do","types":["t"],"jobs":1001}
        c ← {"cmd":"error","error":"invalid_message","reason":"jobs"}
        c → {"cmd":"can_do","types":["t"],"jobs":"2"}
        c ← {"cmd":"error","error":"invalid_message","reason":"jobs"}
        c → {"cmd":"do","type":"t","arg":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"id"}
        c → {"cmd":"do","id":1.5,"type":"t","arg":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"id"}
        c → {"cmd":"do","id":1,"arg":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"type","id":1}
        c → {"cmd":"do","id":1,"type":["t"],"arg":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"type","id":1}
        c → {"cmd":"do","id":"x","type":"t","priority":"high"}
        c ← {"cmd":"error","error":"invalid_message","reason":"priority","id":"x"}
        c → {"cmd":"do","id":"x","type":"t","ack":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"ack","id":"x"}
        c → {"cmd":"do","id":"x","type":"t","arg":[[[[]]]]}
        c ← {"cmd":"error","error":"invalid_message","reason":"too_deep","id":"x"}
        c → {"cmd":"do","id":"x","type":"t","priority":null}
        c ← {"cmd":"error","error":"invalid_message","reason":"priority","id":"x"}
        c → {"cmd":"did","res":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"id"}
        c → {"cmd":"did","id":null,"res":1}
        c ← {"cmd":"error","error":"invalid_message","reason":"id"}
        c → {"cmd":"did","id":"x","res":1}
        c ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":"x"}
        c → {"cmd":"do","id":"x","id":"y","type":"t"}
        c ← {"cmd":"error","error":"invalid_message","reason":"id"}
        # Nothing of all this was done.
        c → {"cmd":"do","id":"x","type":"t","arg":[[[]]]}
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":"x","type":"t","arg":[[[]]]}
        "#,
    );
}

#[test]
fn only_the_worker_that_holds_a_job_did_it() {
    play(
        r#"
        s is deputy
        a is deputy
        b is deputy
        a → {"cmd":"can_do","types":["t"]}
        s → {"cmd":"do","id":1,"type":"t"}
        a ← {"cmd":"do","id":1,"type":"t"}
        b → {"cmd":"did","id":1,"res":"stolen"}
        b ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":1}
        s → {"cmd":"did","id":1,"res":"stolen"}
        s ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":1}
        a → {"cmd":"did","id":"1","res":"done"}
        s ← {"cmd":"did","id":1,"res":"done"}
        a → {"cmd":"did","id":1,"res":"twice"}
        a ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":1}
        # Its lease is over: the job is somebody else's.
        s → {"cmd":"do","id":2,"type":"t"}
        a ← {"cmd":"do","id":2,"type":"t"}
        b → {"cmd":"can_do","types":["t"]}
        1800000 ms
        b ← {"cmd":"do","id":2,"type":"t"}
        a → {"cmd":"did","id":2,"res":"late"}
        a ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":2}
        b → {"cmd":"did","id":2,"res":"done"}
        s ← {"cmd":"did","id":2,"res":"done"}
        # The late one's hand is free again.
        s → {"cmd":"do","id":3,"type":"t"}
        a ← {"cmd":"do","id":3,"type":"t"}
        "#,
    );
}

#[test]
fn what_is_no_json_closes_before_anything_behind_it() {
    let flaws = [
        ("hello\\n", "invalid_json", "expected a value at byte 0, near hello"),
        ("\\xff\\n", "invalid_json", r"invalid utf-8 at byte 0, near \\xff"),
        (r#"{"cmd":"do"\r\n"#, "invalid_json", r#"unexpected end at byte 11, near {\"cmd\":\"do\""#),
        ("{} {}\\n", "invalid_json", "bytes after the value at byte 3, near {} {}"),
        (
            r"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            "invalid_json",
            "expected a value at byte 0, near POST / HTTP/1.1",
        ),
    ];
    for (bytes, code, reason) in flaws {
        play(&format!(
            r#"
            c is deputy
            c → {{"cmd":"can_do","types":["t"]}}
            c →| {bytes}
            c → {{"cmd":"do","id":1,"type":"t","ack":true}}
            c ← {{"cmd":"error","error":"{code}","reason":"{reason}"}}
            c is over
            "#
        ));
    }
}

#[test]
fn a_line_over_the_limit_closes_while_it_grows() {
    play_within(
        Limits { max_body: 40, ..Limits::default() },
        r#"
        a is deputy
        b is deputy
        a → {"cmd":"do","id":1,"type":"t","ack":true}
        a ← {"cmd":"error","error":"line_too_long","reason":"line too long"}
        a is over
        b → {"cmd":"do","id":1,"type":"","ack":true}
        b ← {"cmd":"error","error":"invalid_message","reason":"type","id":1}
        b →| {"cmd":"do","id":1,"type":"t","ack":   tru
        b ← {"cmd":"error","error":"line_too_long","reason":"line too long"}
        b is over
        "#,
    );
}

#[test]
fn a_hundred_flaws_in_a_row_are_enough() {
    let flaws = |number| {
        "c → {\"cmd\":\"can_do\"}\n".repeat(number)
            + &"c ← {\"cmd\":\"error\",\"error\":\"invalid_message\",\"reason\":\"types\"}\n".repeat(number)
    };
    let enough = MAX_FLAWS_IN_A_ROW as usize;
    let text = "c is deputy\n".to_owned()
        + &flaws(enough - 1)
        // Ignored: neither good nor flawed.
        + &"c → {}\n".repeat(10)
        + "c → {\"cmd\":\"can_do\",\"types\":[]}\n"
        + &flaws(enough)
        + "c is over\nc → {\"cmd\":\"can_do\"}\n";
    play_whole(Limits::default(), &text);
}

#[test]
fn jobs_of_a_worker_that_left_go_on_and_poison_fails() {
    play(
        r#"
        s is deputy
        s → {"cmd":"do","id":"p","type":"t","arg":0}
        a is deputy
        a → {"cmd":"can_do","types":["t"]}
        a ← {"cmd":"do","id":"p","type":"t","arg":0}
        a leaves
        b is deputy
        b → {"cmd":"can_do","types":["t"]}
        b ← {"cmd":"do","id":"p","type":"t","arg":0}
        b leaves
        c is deputy
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":"p","type":"t","arg":0}
        c →| {"cmd":"did","id":"p"
        c leaves
        d is deputy
        d → {"cmd":"can_do","types":["t"]}
        d ← {"cmd":"do","id":"p","type":"t","arg":0}
        d leaves
        s ← {"cmd":"error","error":"job_failed","reason":"worker_gone","id":"p"}
        s → {"cmd":"metrics"}
        s ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":5,"workers_added":4,"jobs_added":4,"jobs_dispatched":4,"jobs_done":0,"jobs_reassigned":3}}
        "#,
    );
}

#[test]
fn a_client_never_has_two_jobs_of_one_id() {
    play(
        r#"
        a is deputy
        a → {"cmd":"can_do","types":["t"],"jobs":2}
        m is gloom-master
        m → {"action":"submit","id":"x","type":"t","body":"first"}
        m ← {"ok":true,"id":"x"}
        a ← {"cmd":"do","id":"x","type":"t","arg":"first"}
        m leaves
        n is gloom-master
        n → {"action":"submit","id":"x","type":"t","body":"second"}
        n ← {"ok":true,"id":"x"}
        a → {"cmd":"did","id":"x","res":"of the first"}
        1000 ms
        a ← {"cmd":"do","id":"x","type":"t","arg":"second"}
        a → {"cmd":"did","id":"x","res":"of the second"}
        n ← {"id":"x","body":"of the second"}
        "#,
    );
}

#[test]
fn a_job_outlives_its_submitter() {
    play(
        r#"
        s is deputy
        w is deputy
        s → {"cmd":"do","id":1,"type":"t"}
        s → {"cmd":"do","id":2,"type":"t"}
        s leaves
        w → {"cmd":"can_do","types":["t"]}
        w ← {"cmd":"do","id":1,"type":"t"}
        w → {"cmd":"did","id":1,"res":0}
        w ← {"cmd":"do","id":2,"type":"t"}
        "#,
    );
}

#[test]
fn metrics_count_what_was_asked_before_them() {
    play(
        r#"
        o is gloom-master
        c is deputy
        c → {"cmd":"metrics"}
        c ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":1,"workers_added":0,"jobs_added":0,"jobs_dispatched":0,"jobs_done":0,"jobs_reassigned":0}}
        silence
        c → {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"metrics"}
        c → {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"metrics"}
        speech
        c ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":1,"workers_added":0,"jobs_added":1,"jobs_dispatched":0,"jobs_done":0,"jobs_reassigned":0}}
        c ← {"cmd":"error","error":"id_exists","reason":"a live job has this id","id":1}
        c ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":1,"workers_added":0,"jobs_added":1,"jobs_dispatched":0,"jobs_done":0,"jobs_reassigned":0}}
        c → {"cmd":"can_do","types":["t"]}
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"did","id":1}
        c ← {"cmd":"did","id":1}
        c → {"cmd":"metrics"}
        c ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":1,"workers_added":2,"jobs_added":1,"jobs_dispatched":1,"jobs_done":1,"jobs_reassigned":0}}
        "#,
    );
}

#[test]
fn jobs_that_end_otherwise_are_told_as_failed() {
    play(
        r#"
        s is deputy
        w is deputy
        s → {"cmd":"do","id":1,"type":"t"}
        cancel 1
        s ← {"cmd":"error","error":"job_failed","reason":"cancelled","id":1}
        w → {"cmd":"can_do","types":["t"]}
        s → {"cmd":"do","id":2,"type":"t"}
        w ← {"cmd":"do","id":2,"type":"t"}
        cancel 2
        s ← {"cmd":"error","error":"job_failed","reason":"cancelled","id":2}
        w → {"cmd":"did","id":2}
        w ← {"cmd":"error","error":"cancelled","reason":"the job was cancelled","id":2}
        s → {"cmd":"do","id":3,"type":"t"}
        w ← {"cmd":"do","id":3,"type":"t"}
        s → {"cmd":"do","id":4,"type":"t"}
        t dies
        s ← {"cmd":"error","error":"job_failed","reason":"lost","id":3}
        s ← {"cmd":"error","error":"job_failed","reason":"lost","id":4}
        w → {"cmd":"did","id":3}
        w ← {"cmd":"error","error":"unknown_job","reason":"this client does not hold the job","id":3}
        s → {"cmd":"do","id":3,"type":"t"}
        w ← {"cmd":"do","id":3,"type":"t"}
        "#,
    );
}

#[test]
fn a_server_that_cannot_take_more_says_why() {
    play_within(
        Limits { max_jobs: 1, max_types: 2, ..Limits::default() },
        r#"
        c is deputy
        c → {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"do","id":2,"type":"t"}
        c ← {"cmd":"error","error":"queue_full","reason":"too many jobs, bytes or types","id":2}
        c → {"cmd":"can_do","types":["u","v"]}
        c ← {"cmd":"error","error":"queue_full","reason":"too many jobs, bytes or types"}
        c → {"cmd":"can_do","types":["a","b","c"]}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c → {"cmd":"can_do","types":["t"]}
        c ← {"cmd":"do","id":1,"type":"t"}
        c → {"cmd":"can_do","types":["t","u"]}
        c → {"cmd":"can_do","types":["t","v"]}
        c ← {"cmd":"error","error":"queue_full","reason":"too many jobs, bytes or types"}
        c → {"cmd":"did","id":1}
        c ← {"cmd":"did","id":1}
        drain
        c → {"cmd":"do","id":2,"type":"t"}
        c ← {"cmd":"error","error":"draining","reason":"the server is about to stop","id":2}
        "#,
    );
}

#[test]
fn too_many_requests_stop_the_reading_and_answers_let_it_go_on() {
    play_within(
        Limits { max_outstanding: 2, ..Limits::default() },
        r#"
        c is deputy
        silence
        c → {"cmd":"do","id":1,"type":"t","ack":true}
        c → {"cmd":"do","id":2,"type":"t","ack":true}
        c → {"cmd":"do","id":3,"type":"t","ack":true}
        c → {"cmd":"can_do"}
        c → {"cmd":"do","id":4,"type":"t","ack":true}
        speech
        c ← {"cmd":"ok","id":1}
        c ← {"cmd":"ok","id":2}
        c ← {"cmd":"ok","id":3}
        c ← {"cmd":"error","error":"invalid_message","reason":"types"}
        c ← {"cmd":"ok","id":4}
        "#,
    );
}

#[test]
fn what_a_dying_queue_was_asked_is_refused() {
    play(
        r#"
        s is deputy
        w is deputy
        w → {"cmd":"can_do","types":["t"]}
        s → {"cmd":"do","id":1,"type":"t"}
        w ← {"cmd":"do","id":1,"type":"t"}
        t fails
        s → {"cmd":"do","id":2,"type":"t"}
        s → {"cmd":"metrics"}
        w → {"cmd":"did","id":1}
        t dies
        s ← {"cmd":"error","error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":2}
        s ← {"cmd":"metrics","metrics":{"up_since":1700000000000,"connections":2,"workers_added":1,"jobs_added":1,"jobs_dispatched":1,"jobs_done":0,"jobs_reassigned":0}}
        s ← {"cmd":"error","error":"job_failed","reason":"lost","id":1}
        w ← {"cmd":"error","error":"restarted","reason":"the queue was restarted, nothing of this request was kept","id":1}
        s → {"cmd":"do","id":2,"type":"t"}
        w ← {"cmd":"do","id":2,"type":"t"}
        "#,
    );
}
