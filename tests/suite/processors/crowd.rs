//! A thousand actions over three processors that fail at random: each ends exactly once.

use super::stage::{Item, Reply, Scripted, ask};
use crate::support::{Random, Server, eventually_within};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ACTIONS: usize = 1_000;

/// Fails now and then, each time in another way, and remembers what it answered well.
fn moody(random: Random, done: Arc<Mutex<HashMap<String, usize>>>) -> impl Fn(&Item) -> Reply + Send + Sync {
    let random = Mutex::new(random);
    move |item| {
        let mood = random.lock().unwrap().below(20);
        match mood {
            0 | 1 => Reply::busy(),
            2 => Reply::Status(429, "Retry-After: 0\r\n".to_owned(), String::new()),
            3 => Reply::Status(422, String::new(), r#"{"error":"moody"}"#.to_owned()),
            4 => Reply::Status(200, "Retry-After: 0\r\n".to_owned(), "nonsense".to_owned()),
            mood => {
                *done.lock().unwrap().entry(item.id.clone()).or_default() += 1;
                let data = Reply::data(&json!(item.data.as_u64().unwrap() + 1));
                if mood == 5 { Reply::After(Duration::from_millis(5), Box::new(data)) } else { data }
            }
        }
    }
}

#[test]
fn a_thousand_actions_over_moody_processors_end_exactly_once() {
    let mut random = Random::announced("a_thousand_actions_over_moody_processors_end_exactly_once");
    let server = Server::start();
    let done: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
    let processors: Vec<Scripted> = ["a", "b", "c"]
        .into_iter()
        .map(|id| {
            let processor = Scripted::start(id, if id == "c" { "b" } else { id }, moody(random.fork(), done.clone()));
            server.register(&processor, json!({"concurrency": 8}));
            processor
        })
        .collect();
    // What every processor has, and what two have.
    let ids: Vec<String> = (0..ACTIONS)
        .map(|number| {
            let on_failure = if number.is_multiple_of(2) { "fail" } else { "skip" };
            server.begin(&json!({"processors": ["a", "b", "c"], "data": 0, "on_failure": on_failure}))
        })
        .collect();
    let mut states: HashMap<String, usize> = HashMap::new();
    for (number, id) in ids.iter().enumerate() {
        let action = eventually_within(Duration::from_secs(120), "the end of an action", || {
            let action = server.get_path(&format!("/action/{id}?wait=50")).json();
            (action["state"] != "running").then_some(action)
        });
        check(number, &action);
        *states.entry(action["state"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(states.values().sum::<usize>(), ACTIONS, "{states:?}");
    assert!(states["completed"] > ACTIONS / 2 && states["failed"] > 0, "{states:?}");
    // No step that was answered well was done again.
    let again: Vec<(String, usize)> =
        done.lock().unwrap().iter().filter(|(_, count)| **count > 1).map(|(id, count)| (id.clone(), *count)).collect();
    assert!(again.is_empty(), "{again:?}");
    let figures: Vec<Value> = processors.iter().map(|processor| server.processor(&processor.id)).collect();
    let processed: u64 = figures.iter().map(|figures| figures["processed"].as_u64().unwrap()).sum();
    assert_eq!(processed as usize, done.lock().unwrap().len());
    assert!(figures.iter().all(|figures| figures["in_hand"] == 0), "{figures:?}");
    let running = ask(server.manager(), "GET", "/api/v1/jobs?state=running", None).json();
    assert_eq!(running["items"], json!([]));
}

/// An action's data is what its steps did to it.
fn check(number: usize, action: &Value) {
    let steps = action["steps"].as_array().unwrap();
    let count = |state: &str| steps.iter().filter(|step| step["state"] == state).count();
    match action["state"].as_str().unwrap() {
        "completed" => {
            assert_eq!(count("completed") + count("skipped"), 3, "{action}");
            assert_eq!(action["data"], count("completed"), "{action}");
            assert!(!number.is_multiple_of(2) || count("skipped") == 0, "{action}");
        }
        "failed" => {
            assert!(number.is_multiple_of(2) && count("failed") == 1, "{action}");
            assert_eq!(action["step"], count("completed"), "{action}");
        }
        other => panic!("{other}"),
    }
}
