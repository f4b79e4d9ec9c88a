//! Health: who is down gets nothing, what it holds is sent again, and nobody else notices.

use super::stage::{Reply, Scripted, ask, echo};
use crate::support::{Server, eventually};
use serde_json::json;

const QUICK: [&str; 2] = ["--health-interval", "50ms"];

#[test]
fn what_a_dead_processor_holds_goes_to_another_of_its_name() {
    let server = Server::with(&QUICK);
    let dying = Scripted::start("dying", "n", |_| Reply::Later);
    server.register(&dying, json!({"concurrency": 3}));
    let actions: Vec<String> =
        (0..3).map(|number| server.begin(&json!({"processors": ["n"], "data": number}))).collect();
    dying.expect_items(3);
    eventually("it holds them", || (server.processor("dying")["in_hand"] == 3).then_some(()));
    dying.die();
    server.expect_state("dying", "down");
    assert_eq!(server.processor("dying")["in_hand"], 0);
    let heir = Scripted::start("heir", "n", echo);
    server.register(&heir, json!({}));
    for (number, action) in actions.iter().enumerate() {
        let action = server.ended(action);
        assert_eq!((&action["data"], &action["steps"][0]["attempts"]), (&json!(number), &json!(2)), "{action}");
    }
}

#[test]
fn what_only_a_dead_processor_can_do_waits_for_its_return() {
    let server = Server::with(&QUICK);
    let first = Scripted::start("p", "n", |_| Reply::Later);
    server.register(&first, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    first.expect_items(1);
    first.die();
    server.expect_state("p", "down");
    let waiting = server.begin(&json!({"processors": ["n"], "data": 2}));
    let back = Scripted::start_at(first.address, "p", "n", echo);
    server.expect_state("p", "up");
    assert_eq!((&server.ended(&id)["data"], &server.ended(&waiting)["data"]), (&json!(1), &json!(2)));
    assert!(back.items().iter().any(|item| item.attempt == 2));
}

#[test]
fn one_that_registers_anew_gets_what_it_held_again() {
    // Long checks: nothing but the registration tells that it died.
    let server = Server::start();
    let first = Scripted::start("p", "n", |_| Reply::Later);
    server.register(&first, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    first.expect_items(1);
    eventually("it holds it", || (server.processor("p")["in_hand"] == 1).then_some(()));
    first.die();
    let second = Scripted::start("p", "n", echo);
    server.register(&second, json!({}));
    assert_eq!(server.ended(&id)["data"], 1);
    assert_eq!(second.items()[0].attempt, 2);
}

#[test]
fn one_that_stumbles_stays_up_and_one_that_lies_goes_down() {
    let server = Server::with(&QUICK);
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let bad = || Reply::Status(500, String::new(), String::new());
    for _ in 0..5 {
        // Two bad answers at most, then a good one.
        processor.set_meta(bad());
        let seen = processor.checks();
        eventually("a bad check", || (processor.checks() > seen).then_some(()));
        processor.set_good_meta();
        let seen = processor.checks();
        eventually("a good check", || (processor.checks() > seen + 1).then_some(()));
        assert_eq!(server.processor("p")["state"], "up");
    }
    processor.set_meta(Reply::Data(r#"{"id":"q","name":"n"}"#.to_owned()));
    server.expect_state("p", "down");
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    let seen = processor.checks();
    eventually("more checks", || (processor.checks() > seen + 3).then_some(()));
    assert!(processor.items().is_empty(), "nothing is sent to one that is down");
    processor.set_good_meta();
    server.expect_state("p", "up");
    assert_eq!(server.ended(&id)["data"], 1);
}

#[test]
fn a_processor_that_refuses_connections_is_looked_after_before_its_time() {
    // The next regular check is an hour away.
    let server = Server::with(&["--health-interval", "1h"]);
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    processor.die();
    let id = server.begin(&json!({"processors": ["n"], "data": 1}));
    server.expect_state("p", "down");
    let heir = Scripted::start("heir", "n", echo);
    server.register(&heir, json!({}));
    assert_eq!(server.ended(&id)["state"], "completed", "its attempts were not used up by calls to nobody");
}

#[test]
fn one_that_an_operator_disconnects_is_gone_until_it_registers_again() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |_| Reply::Hang);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    processor.expect_items(1);
    let workers = server.get_path("/api/v1/workers").json();
    let peer = workers["items"].as_array().unwrap().iter().find(|worker| worker["protocol"] == "processor").cloned();
    let peer = peer.unwrap_or_else(|| panic!("expected the processor among {workers}"));
    let path = format!("/api/v1/workers/{}/disconnect", peer["id"].as_str().unwrap());
    assert_eq!(ask(server.manager(), "POST", &path, None).status, 200);
    eventually("it to be gone", || server.processor("p").is_null().then_some(()));
    let back = Scripted::start("p", "n", echo);
    assert_eq!(server.try_register(&back, json!({})).status, 201);
    let action = server.ended(&id);
    assert_eq!((&action["data"], &action["steps"][0]["attempts"]), (&json!(1), &json!(1)), "it went back: {action}");
}

#[test]
fn one_that_hangs_slows_nobody() {
    let server = Server::with(&QUICK);
    let hanging = Scripted::start("hanging", "hanging", |_| Reply::Hang);
    let good = Scripted::start("good", "good", echo);
    server.register(&hanging, json!({"concurrency": 100}));
    server.register(&good, json!({}));
    let stuck: Vec<String> = (0..150).map(|_| server.begin(&json!({"processors": ["hanging"]}))).collect();
    hanging.expect_items(100);
    hanging.set_meta(Reply::Hang);
    for number in 0..50 {
        assert_eq!(server.reduce(&json!({"processors": ["good"], "data": number}))["data"], number);
    }
    server.expect_service();
    assert_eq!(hanging.items().len(), 100, "no more than it takes");
    drop(stuck);
}
