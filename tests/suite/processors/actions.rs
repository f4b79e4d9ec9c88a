//! Actions: data reduced over processors, whoever works on the steps.

use super::stage::{Item, Reply, Scripted, append, ask, echo};
use crate::support::{Server, eventually, eventually_within, gloom_worker, native};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

/// Takes one job from a long poll of this type, appends a word and completes it.
fn poll_once(address: SocketAddr, kind: &str, word: &str) {
    let jobs = eventually("a job for the poll", || {
        let answer = ask(address, "GET", &format!("/api/v1/assignments?type={kind}&wait=10"), None);
        (answer.status == 200).then(|| answer.json())
    });
    let job = &jobs["jobs"][0];
    let answer = json!({"receipt": job["receipt"], "body": with(&job["body"], word)});
    let path = format!("/api/v1/jobs/{}/complete", job["id"].as_str().unwrap().replace('/', "%2F"));
    assert_eq!(ask(address, "POST", &path, Some(&answer.to_string())).status, 200);
}

fn with(list: &Value, word: &str) -> Value {
    let mut list = list.as_array().cloned().unwrap_or_default();
    list.push(json!(word));
    Value::Array(list)
}

#[test]
fn an_action_goes_over_processors_slaves_clients_and_polls() {
    let server = Server::start();
    let (by_id, by_name) =
        (Scripted::start("first", "a", append("id")), Scripted::start("second", "b", append("name")));
    server.register(&by_id, json!({}));
    server.register(&by_name, json!({}));
    let mut slave = gloom_worker(&server, "slaves");
    let mut connection = native(&server);
    connection.ask(r#"{"action":"join","types":["natives"]}"#, r#"{"ok":true}"#);
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"can_do","types":["clients"]}"#);
    let address = server.manager();
    let poller = std::thread::spawn(move || poll_once(address, "polls", "poll"));

    let steps = ["first", "b", "slaves", "clients", "natives", "polls", "second"];
    let id = eventually("all types to have workers", || {
        let answer = server.post_path("/action", &json!({"processors": steps, "data": ["begin"]}));
        (answer.status == 202).then(|| answer.json()["id"].as_str().unwrap().to_owned())
    });
    let job: Value = text_to_json(&slave.receive());
    assert_eq!(job["body"], json!(["begin", "id", "name"]));
    slave.respond(&with(&job["body"], "slave").to_string());
    let job = text_to_json(&client.receive());
    client.send(&json!({"cmd": "did", "id": job["id"], "res": with(&job["arg"], "client")}).to_string());
    let job = text_to_json(&connection.receive());
    connection.send(json!({"action": "respond", "id": job["id"], "body": with(&job["body"], "native")}).to_string());
    poller.join().unwrap();

    let action = server.ended(&id);
    let all = json!(["begin", "id", "name", "slave", "client", "native", "poll", "name"]);
    assert_eq!(
        (&action["state"], &action["data"], &action["step"]),
        (&json!("completed"), &all, &json!(6)),
        "{action}"
    );
    let processors: Vec<&str> =
        action["steps"].as_array().unwrap().iter().map(|step| step["processor"].as_str().unwrap()).collect();
    assert_eq!(processors, steps);
    for (place, step) in action["steps"].as_array().unwrap().iter().enumerate() {
        assert_eq!((&step["state"], &step["attempts"], &step["error"]), (&json!("completed"), &json!(1), &Value::Null));
        assert_eq!(step["data"].as_array().map(Vec::len), Some(place + 2), "what each step returned: {step}");
        assert!(step["started_at"].is_string() && step["finished_at"].is_string(), "{step}");
    }
}

#[test]
fn a_failed_step_fails_the_action_or_is_skipped() {
    let server = Server::start();
    let bad = |_: &Item| Reply::Status(400, String::new(), r#"{"error":"bad"}"#.to_owned());
    let (good, bad) = (Scripted::start("good", "good", append("good")), Scripted::start("bad", "bad", bad));
    server.register(&good, json!({}));
    server.register(&bad, json!({}));
    let states = |action: &Value| -> Vec<String> {
        action["steps"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap().to_owned()).collect()
    };

    let action = server.reduce(&json!({"processors": ["good", "bad", "good"], "data": []}));
    assert_eq!((&action["state"], &action["step"], &action["error"]), (&json!("failed"), &json!(1), &json!("bad")));
    assert_eq!(
        (&action["data"], states(&action)),
        (&Value::Null, vec!["completed".into(), "failed".into(), "pending".into()])
    );
    assert_eq!(action["steps"][0]["data"], json!(["good"]), "a failed action is kept with its steps and data");

    let skip = json!({"processors": ["bad", "good", "bad", "good", "bad"], "data": ["in"], "on_failure": "skip"});
    let action = server.reduce(&skip);
    assert_eq!((&action["state"], &action["data"]), (&json!("completed"), &json!(["in", "good", "good"])), "{action}");
    assert_eq!(states(&action), ["skipped", "completed", "skipped", "completed", "skipped"]);
    assert_eq!(action["steps"][0]["error"], "bad");
    let nothing = server.reduce(&json!({"processors": ["bad"], "data": {"in": 1.50}, "on_failure": "skip"}));
    assert_eq!((&nothing["state"], &nothing["data"]), (&json!("completed"), &json!({"in": 1.5})));
}

#[test]
fn who_waits_is_told_of_the_end_and_who_does_not_sees_how_far_it_is() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |_| Reply::Later);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p", "p"], "data": 1, "id": "a/b c"}));
    assert_eq!(id, "a/b c");
    let path = "/action/a%2Fb%20c";
    processor.expect_items(1);
    let (manager, waiting_path) = (server.manager(), format!("{path}?wait=50"));
    let waiting = std::thread::spawn(move || ask(manager, "GET", &waiting_path, None).json());
    let now = server.get_path(path).json();
    assert_eq!((&now["state"], &now["step"]), (&json!("running"), &json!(0)));
    assert_eq!((&now["steps"][0]["state"], &now["steps"][1]["state"]), (&json!("running"), &json!("pending")));
    assert_eq!(server.get_path(&format!("{path}?wait=0")).json()["state"], "running");
    complete(&server, &processor, 0);
    complete(&server, &processor, 1);
    let told = waiting.join().unwrap();
    assert_eq!((&told["state"], &told["data"]), (&json!("completed"), &json!(1)));
    server.post_path("/action", &json!({"processors": ["p"], "id": "a/b c"})).expect_problem(409, "id_exists");
}

/// Completes an item that a processor holds with its own data.
fn complete(server: &Server, processor: &Scripted, place: usize) {
    let item = processor.expect_items(place + 1).remove(place);
    let word = json!({"id": item.id, "processor": processor.id, "attempt": item.attempt, "data": item.data});
    assert_eq!(server.complete(&word).status, 200);
}

#[test]
fn the_most_urgent_goes_first_and_then_the_oldest() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    assert_eq!(ask(server.manager(), "POST", "/api/v1/queues/n/pause", None).status, 200);
    let actions: Vec<String> = (0..20)
        .map(|number| server.begin(&json!({"processors": ["n"], "data": number, "priority": number % 2 * 5})))
        .collect();
    assert!(processor.items().is_empty());
    assert_eq!(ask(server.manager(), "POST", "/api/v1/queues/n/resume", None).status, 200);
    for action in &actions {
        assert_eq!(server.ended(action)["state"], "completed");
    }
    let order: Vec<i64> = processor.items().iter().map(|item| item.data.as_i64().unwrap()).collect();
    let expected: Vec<i64> =
        (0..20).filter(|number| number % 2 == 1).chain((0..20).filter(|number| number % 2 == 0)).collect();
    assert_eq!(order, expected);
}

#[test]
fn an_action_is_forgotten_after_its_time() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p", "p"], "id": "short", "keep_ms": 100}));
    eventually("the action to be forgotten", || {
        (server.get_path(&format!("/action/{id}")).status == 404).then_some(())
    });
    for step in 0..2 {
        eventually("its steps to be forgotten", || {
            (server.get_path(&format!("/api/v1/jobs/short%2F{step}")).status == 404).then_some(())
        });
    }
    assert_eq!(server.reduce(&json!({"processors": ["p"], "id": "short", "data": 2}))["data"], 2, "its id is free");
}

#[test]
fn another_job_with_a_steps_id_is_not_taken_for_the_step() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let job = server.post_path("/api/v1/jobs?wait=10", &json!({"id": "x/0", "type": "p", "body": "not yours"}));
    assert_eq!(job.status, 200);
    server.post_path("/action", &json!({"processors": ["p"], "id": "x"})).expect_problem(409, "id_exists");
    server.get_path("/action/x").expect_problem(404, "unknown_action");
    server.post_path("/api/v1/jobs?wait=10", &json!({"id": "y/1", "type": "p", "body": "not yours"}));
    let action = server.reduce(&json!({"processors": ["p", "p"], "id": "y", "on_failure": "skip"}));
    assert_eq!((&action["state"], &action["step"]), (&json!("failed"), &json!(1)), "{action}");
}

#[test]
fn a_thousand_steps_are_a_thousand_steps() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |item| Reply::data(&json!(item.data.as_u64().unwrap() + 1)));
    server.register(&processor, json!({}));
    let steps = vec!["p"; 1_000];
    let id = server.begin(&json!({"processors": steps, "data": 0}));
    let action = eventually_within(Duration::from_secs(120), "the end of a thousand steps", || {
        let action = server.get_path(&format!("/action/{id}?wait=50")).json();
        (action["state"] != "running").then_some(action)
    });
    assert_eq!((&action["state"], &action["data"]), (&json!("completed"), &json!(1_000)));
    assert_eq!(action["steps"].as_array().map(Vec::len), Some(1_000));
    let more = vec!["p"; 1_001];
    server.post_path("/action", &json!({"processors": more})).expect_problem(422, "invalid_field");
}

#[test]
fn the_data_of_many_steps_is_left_out_where_it_is_too_much() {
    let server = Server::with(&["--max-body", "20000"]);
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let data = "x".repeat(9_000);
    let action = server.reduce(&json!({"processors": ["p", "p", "p"], "data": data}));
    assert_eq!((&action["data"], &action["data_omitted"]), (&json!(data), &json!(true)));
    assert_eq!((&action["steps"][1]["data"], &action["steps"][2]["data"]), (&json!(data), &Value::Null));
    // What a processor returns is bounded as what it is sent.
    let large = Scripted::start("large", "large", |_| Reply::data(&json!("x".repeat(30_000))));
    server.register(&large, json!({}));
    let answer = server.post_path("/action", &json!({"processors": ["large"], "data": 1, "id": "l"}));
    assert_eq!(answer.status, 202);
    let error = eventually("the step to fail once", || {
        let step = server.get_path("/action/l").json()["steps"][0].clone();
        step["error"].as_str().map(str::to_owned)
    });
    assert!(error.contains("more than 20000 bytes"), "{error}");
}

fn text_to_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("expected JSON, got {text}: {error}"))
}
