//! A server that is killed in the middle: actions go on from their last finished step, and nothing that was acknowledged is done again.

use super::stage::{Item, Reply, Scripted, echo, try_ask};
use crate::support::server::{command, free_ports};
use crate::support::{Server, TempDir, eventually, eventually_within};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const STORE: [&str; 4] = ["--store", "file:data", "--health-interval", "100ms"];

/// A server whose port for HTTP stays the same, so that processors find it again.
fn start_on(dir: TempDir, http: SocketAddr) -> Server {
    let mut command = command(dir.path());
    let ports = free_ports();
    let others = ports.chunks(2).filter(|flag| flag[0] != "--http").flatten();
    command.args(others).args(["--http", &http.to_string()]).args(STORE);
    Server::spawn(dir, &mut command)
}

/// The server knows, and has on disk, that a processor has accepted so many items.
#[track_caller]
fn expect_accepted(server: &Server, processor: &Scripted, count: usize) {
    eventually("the items to be accepted", || (server.processor(&processor.id)["accepted"] == count).then_some(()));
    // What is asked for later is on disk later.
    let answer = server.post_path("/api/v1/jobs", &json!({"type": "nobody"}));
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[test]
fn what_a_processor_has_accepted_stays_its_own() {
    let server = Server::with_store(TempDir::new(), &STORE);
    let (http, processor) = (server.manager(), Scripted::start("p", "n", |_| Reply::Later));
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p", "p"], "data": 1}));
    let item = processor.expect_items(1).remove(0);
    expect_accepted(&server, &processor, 1);
    let server = start_on(server.kill9_keeping_its_folder(), http);
    server.expect_state("p", "up");
    eventually("it still holds the item", || (server.processor("p")["in_hand"] == 1).then_some(()));
    assert_eq!(server.get_path(&format!("/action/{id}")).json()["steps"][0]["state"], "running");
    let word = json!({"id": item.id, "processor": "p", "attempt": 1, "data": "kept"});
    assert_eq!(server.complete(&word).status, 200);
    assert_eq!(server.complete(&word).status, 200, "whoever didn't hear it may say it again");
    let next = eventually("the next step", || processor.items().into_iter().find(|item| item.step == 1));
    assert_eq!((&next.data, next.attempt), (&json!("kept"), 1));
    assert_eq!(server.complete(&json!({"id": next.id, "processor": "p", "data": "end"})).status, 200);
    assert_eq!(server.ended(&id)["data"], "end");
    assert_eq!(processor.items().iter().filter(|again| again.id == item.id).count(), 1, "it was sent once");
}

#[test]
fn a_word_that_is_not_taken_does_not_count() {
    let server = Server::with_store(TempDir::new(), &STORE);
    let (http, processor) = (server.manager(), Scripted::start("p", "n", |_| Reply::Later));
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"]}));
    let item = processor.expect_items(1).remove(0);
    expect_accepted(&server, &processor, 1);
    let server = start_on(server.kill9_keeping_its_folder(), http);
    eventually("it still holds the item", || (server.processor("p")["in_hand"] == 1).then_some(()));
    let cancelled = server.post_path(&format!("/api/v1/jobs/{id}%2F0/cancel"), &json!({}));
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let late = server.complete(&json!({"id": item.id, "processor": "p", "attempt": 1, "data": 1}));
    assert!(matches!(late.status, 409 | 410), "{late:?}");
    assert_eq!(server.processor("p")["processed"], 0);
}

#[test]
fn what_waited_for_an_answer_is_sent_again_at_once_as_another_attempt() {
    let server = Server::with_store(TempDir::new(), &STORE);
    let is_first = Mutex::new(true);
    let processor = Scripted::start("p", "n", move |item| {
        if std::mem::replace(&mut *is_first.lock().unwrap(), false) { Reply::Hang } else { echo(item) }
    });
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    processor.expect_items(1);
    let server = Server::with_store(server.kill9_keeping_its_folder(), &STORE);
    let action = server.ended(&id);
    assert_eq!((&action["data"], &action["steps"][0]["attempts"]), (&json!(1), &json!(2)), "{action}");
    assert_eq!(processor.items().iter().map(|item| item.attempt).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn what_was_asked_for_and_not_accepted_is_not_begun() {
    let server = Server::with_store(TempDir::new(), &STORE);
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let done = server.reduce(&json!({"processors": ["p"], "data": 1, "id": "done"}));
    let server = Server::with_store(server.kill9_keeping_its_folder(), &STORE);
    let after = server.ended("done");
    assert_eq!((&after["data"], &after["steps"]), (&done["data"], &done["steps"]));
    server.get_path("/action/never").expect_problem(404, "unknown_action");
    let slaves = server.post_path("/action", &json!({"processors": ["p"], "id": "done"}));
    slaves.expect_problem(409, "id_exists");
}

/// How long an item takes.
const WORK: Duration = Duration::from_millis(30);

/// Completes what comes, over whatever server is there, until it is heard. Tells which words were acknowledged.
fn answer_all(http: SocketAddr, items: Receiver<Item>, heard: Arc<Mutex<HashSet<String>>>) {
    for item in items {
        let word = json!({"id": item.id, "processor": "later", "attempt": item.attempt, "data": next(&item.data)});
        let (word, heard) = (word.to_string(), heard.clone());
        std::thread::spawn(move || {
            std::thread::sleep(WORK);
            for _ in 0..500 {
                match try_ask(http, "POST", "/complete", Some(&word)) {
                    Ok(answer) if answer.status == 200 => {
                        heard.lock().unwrap().insert(item.id.clone());
                        return;
                    }
                    // Taken back meanwhile, or not known any more.
                    Ok(answer) if matches!(answer.status, 404 | 409) => return,
                    Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(20)),
                }
            }
        });
    }
}

fn next(data: &Value) -> Value {
    json!(data.as_u64().unwrap_or_default() + 1)
}

/// One of the two processors answers at once, the other later.
#[test]
fn a_hundred_actions_survive_a_kill_and_repeat_nothing_that_was_acknowledged() {
    let server = Server::with_store(TempDir::new(), &STORE);
    let http = server.manager();
    let (told, items): (Sender<Item>, Receiver<Item>) = channel();
    let told = Mutex::new(told);
    let later = Scripted::start("later", "later", move |item| {
        // The test may have ended.
        let _ = told.lock().unwrap().send(item.clone());
        Reply::Later
    });
    let sync = Scripted::start("sync", "sync", |item| Reply::After(WORK, Box::new(Reply::data(&next(&item.data)))));
    let heard: Arc<Mutex<HashSet<String>>> = Arc::default();
    let words = heard.clone();
    std::thread::spawn(move || answer_all(http, items, words));
    server.register(&later, json!({"concurrency": 3}));
    server.register(&sync, json!({"concurrency": 3}));
    let steps = ["sync", "later", "sync", "later", "sync"];
    let ids: Vec<String> =
        (0..100).map(|number| server.begin(&json!({"processors": steps, "data": number * 1_000}))).collect();

    let mut server = server;
    let mut acknowledged_until = Vec::new();
    for kill in 1..=3 {
        let aim = kill * 100;
        eventually_within(Duration::from_secs(60), "a good moment", || {
            (heard.lock().unwrap().len() + sync.items().len() > aim).then_some(())
        });
        let shown = completed_steps(&server, &ids[..20]);
        server.kill9();
        let mut acknowledged = heard.lock().unwrap().clone();
        acknowledged.extend(shown);
        acknowledged_until.push((later.items().len(), sync.items().len(), acknowledged));
        server = start_on(server.kill9_keeping_its_folder(), http);
    }
    let mut states: HashMap<String, usize> = HashMap::new();
    for (number, id) in ids.iter().enumerate() {
        let action = server.ended(id);
        *states.entry(action["state"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(action["data"], json!(number * 1_000 + steps.len()), "{action}");
    }
    assert_eq!(states, HashMap::from([("completed".to_owned(), 100)]));
    assert_eq!(heard.lock().unwrap().len(), 200, "each step of the one that answers later was acknowledged");
    for (later_before, sync_before, acknowledged) in acknowledged_until {
        println!("{} steps were acknowledged before a kill", acknowledged.len());
        for item in later.items()[later_before..].iter().chain(&sync.items()[sync_before..]) {
            assert!(!acknowledged.contains(&item.id), "{} was acknowledged and sent again", item.id);
        }
    }
}

/// The jobs of the steps that are shown as completed.
fn completed_steps(server: &Server, ids: &[String]) -> Vec<String> {
    let mut completed = Vec::new();
    for id in ids {
        let action = server.get_path(&format!("/action/{id}")).json();
        for (place, step) in action["steps"].as_array().unwrap().iter().enumerate() {
            if step["state"] == "completed" {
                completed.push(format!("{id}/{place}"));
            }
        }
    }
    completed
}

#[test]
fn what_a_processor_has_accepted_stays_its_own_over_a_stop() {
    let mut server = Server::with_store(TempDir::new(), &[&STORE[..], &["--drain", "0s"]].concat());
    let (http, processor) = (server.manager(), Scripted::start("p", "n", |_| Reply::Later));
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    let item = processor.expect_items(1).remove(0);
    expect_accepted(&server, &processor, 1);
    server.term();
    assert!(server.wait().success());
    let dir = std::mem::replace(&mut server.dir, TempDir::new());
    drop(server);
    let server = start_on(dir, http);
    server.expect_state("p", "up");
    eventually("it still holds the item", || (server.processor("p")["in_hand"] == 1).then_some(()));
    let word = json!({"id": item.id, "processor": "p", "attempt": 1, "data": "kept"});
    assert_eq!(server.complete(&word).status, 200);
    assert_eq!(server.ended(&id)["data"], "kept");
    assert_eq!(processor.items().len(), 1, "it was sent once");
}

#[test]
fn a_server_that_is_asked_to_end_lets_go_of_its_calls() {
    let mut server = Server::with_store(TempDir::new(), &[&STORE[..], &["--drain", "0s"]].concat());
    let processor = Scripted::start("p", "n", |_| Reply::Hang);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    processor.expect_items(1);
    server.term();
    assert!(server.wait().success());
    let dir = std::mem::replace(&mut server.dir, TempDir::new());
    drop(server);
    processor.die();
    let back = Scripted::start_at(processor.address, "p", "n", echo);
    let server = Server::with_store(dir, &STORE);
    assert_eq!(server.ended(&id)["data"], 1);
    assert_eq!(back.items().len(), 1);
}
