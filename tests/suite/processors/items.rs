//! What a processor's answers mean, one step at a time.

use super::stage::{Reply, Scripted, ask, echo, read_request};
use crate::support::{Server, eventually};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

/// An action of one step: its end.
fn one_step(server: &Server, data: &Value) -> Value {
    server.reduce(&json!({"processors": ["p"], "data": data}))
}

/// Replies, one after the other; the last one for ever.
fn in_turn(replies: Vec<Reply>) -> impl Fn(&super::stage::Item) -> Reply + Send + Sync {
    let place = std::sync::atomic::AtomicUsize::new(0);
    move |_| {
        let place = place.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        replies[place.min(replies.len() - 1)].clone()
    }
}

#[test]
fn an_item_says_what_it_is_and_data_passes_byte_for_byte() {
    let server = Server::start();
    let data = r#"{"n":1.0,"n":1e2,"s":"\u00e9\ud83d\ude00", "big":12345678901234567890123}"#;
    let processor = Scripted::start("p", "n", move |item| {
        let sent = item.raw.split_once("\"data\":").expect("an item has data").1;
        Reply::Data(sent.strip_suffix('}').expect("an object").to_owned())
    });
    server.register(&processor, json!({}));
    let answer = ask(
        server.manager(),
        "POST",
        "/action",
        Some(&format!(r#"{{"id":"a-1","processors":["p","n"],"data":{data},"priority":3}}"#)),
    );
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(answer.head.to_lowercase().contains("location: /action/a-1\r\n"), "{answer:?}");
    server.ended("a-1");
    let items = processor.items();
    let seen: Vec<String> = items.iter().map(|item| item.raw.clone()).collect();
    assert_eq!(
        seen,
        [
            format!(r#"{{"id":"a-1/0","action":"a-1","step":0,"attempt":1,"data":{data}}}"#),
            format!(r#"{{"id":"a-1/1","action":"a-1","step":1,"attempt":1,"data":{data}}}"#),
        ]
    );
    let shown = server.get_path("/action/a-1").text;
    assert_eq!(shown.matches(data).count(), 3, "twice as a step's, once as the action's: {shown}");
    let job = server.get_path("/api/v1/jobs/a-1%2F0").json();
    assert_eq!((&job["master"], &job["type"], &job["priority"]), (&json!("action:a-1"), &json!("p"), &json!(3)));
    assert_eq!(job["attempts"][0]["protocol"], "processor", "{job}");
}

#[test]
fn jobs_that_are_no_steps_are_items_too() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let answer = server.post_path("/api/v1/jobs?wait=10", &json!({"id": "j", "type": "n", "body": [1]}));
    assert_eq!((answer.status, &answer.json()["result"]), (200, &json!([1])));
    let item = &processor.expect_items(1)[0];
    assert_eq!((&*item.id, &item.action, &item.step), ("j", &Value::Null, &Value::Null));
}

#[test]
fn a_refusal_ends_the_step_at_once() {
    let server = Server::start();
    for (status, body, error) in [
        (400, r#"{"error":{"why":"no"}}"#, json!({"why": "no"})),
        (404, "", json!("HTTP 404 Not Found")),
        (422, "sorry", json!("HTTP 422 Unprocessable Entity: sorry")),
    ] {
        let processor = Scripted::start("p", "n", move |_| Reply::Status(status, String::new(), body.to_owned()));
        server.register(&processor, json!({}));
        let action = one_step(&server, &json!(1));
        assert_eq!((&action["state"], &action["error"], &action["step"]), (&json!("failed"), &error, &json!(0)));
        let step = &action["steps"][0];
        assert_eq!((&step["state"], &step["attempts"], &step["error"]), (&json!("failed"), &json!(1), &error));
        assert_eq!(processor.items().len(), 1);
    }
    assert_eq!(server.processor("p")["failed"], 1);
}

#[test]
fn whoever_asks_for_patience_gets_it_and_then_the_attempts_are_used_up() {
    let server = Server::start();
    let busy = |status| Reply::Status(status, "Retry-After: 0\r\n".to_owned(), String::new());
    let processor =
        Scripted::start("p", "n", in_turn(vec![busy(408), busy(425), busy(429), Reply::Data("1".to_owned())]));
    server.register(&processor, json!({}));
    let action = one_step(&server, &json!(0));
    assert_eq!(
        (&action["state"], &action["data"], &action["steps"][0]["attempts"]),
        (&json!("completed"), &json!(1), &json!(4))
    );
    let attempts: Vec<u64> = processor.items().iter().map(|item| item.attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4]);

    let never = Scripted::start("p", "n", |_| Reply::busy());
    server.register(&never, json!({}));
    let action = one_step(&server, &json!({"keep": "me"}));
    assert_eq!((&action["state"], &action["steps"][0]["attempts"]), (&json!("failed"), &json!(4)));
    assert_eq!(action["error"], "HTTP 503 Service Unavailable");
    assert_eq!(never.items().len(), 4);
    let job = server.get_path(&format!("/api/v1/jobs/{}%2F0", action["id"].as_str().unwrap())).json();
    assert_eq!(
        (&job["state"], &job["body"]),
        (&json!("failed"), &json!({"keep": "me"})),
        "failed, and kept with its data"
    );
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(4));
}

#[test]
fn nonsense_cuts_and_silence_are_tried_again() {
    let server = Server::start();
    // Each costs a back-off of its own, so each has its own processor.
    let bad = [
        Reply::Status(200, String::new(), "<html>".to_owned()),
        Reply::Status(200, String::new(), "{}".to_owned()),
        Reply::Status(302, "Location: http://127.0.0.1:1/\r\n".to_owned(), String::new()),
        Reply::Status(500, String::new(), "oh".to_owned()),
        Reply::Cut,
        Reply::Hang,
    ];
    let processors: Vec<Scripted> = bad
        .into_iter()
        .enumerate()
        .map(|(place, bad)| {
            let script = in_turn(vec![bad, Reply::Data("\"good\"".to_owned())]);
            let processor = Scripted::start(&format!("p-{place}"), "n", script);
            server.register(&processor, json!({"lease_ms": 2_000}));
            processor
        })
        .collect();
    let actions: Vec<String> =
        processors.iter().map(|processor| server.begin(&json!({"processors": [processor.id]}))).collect();
    for (processor, action) in processors.iter().zip(actions) {
        let action = server.ended(&action);
        assert_eq!(
            (&action["state"], &action["data"]),
            (&json!("completed"), &json!("good")),
            "{}: {action}",
            processor.id
        );
        assert_eq!(action["steps"][0]["attempts"], 2, "{}: {action}", processor.id);
    }
}

#[test]
fn accepted_items_are_completed_later_once() {
    let server = Server::start();
    let (processor, other) =
        (Scripted::start("p", "n", |_| Reply::Later), Scripted::start("q", "n2", |_| Reply::Later));
    server.register(&processor, json!({}));
    server.register(&other, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    let item = processor.expect_items(1).remove(0);
    eventually("the item to be in hand", || (server.processor("p")["in_hand"] == 1).then_some(()));
    let word = json!({"id": item.id, "processor": "p", "attempt": 1, "data": {"done": true}});

    let changed = |key: &str, value: Value| {
        let mut word = word.clone();
        word[key] = value;
        word
    };
    server.complete(&changed("id", json!("nobody"))).expect_problem(404, "unknown_job");
    server.complete(&changed("processor", json!("q"))).expect_problem(409, "not_yours");
    server.complete(&changed("processor", json!("nobody"))).expect_problem(409, "not_yours");
    server.complete(&changed("attempt", json!(2))).expect_problem(409, "stale_receipt");
    assert_eq!(server.get_path(&format!("/action/{id}")).json()["steps"][0]["state"], "running");
    assert_eq!(server.complete(&word).status, 200);
    let action = server.ended(&id);
    assert_eq!(action["data"], json!({"done": true}));
    assert_eq!(server.complete(&word).status, 200, "whoever didn't hear it may say it again");
    server.complete(&changed("processor", json!("q"))).expect_problem(409, "not_yours");
    server.complete(&changed("attempt", json!(2))).expect_problem(409, "not_yours");
    assert_eq!(server.ended(&id)["data"], json!({"done": true}), "the first word holds");
}

#[test]
fn whoever_completes_before_it_accepts_is_not_cut_off() {
    let server = Server::start();
    let manager = server.manager();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, is_told) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let told = told.clone();
            std::thread::spawn(move || hasty(stream, manager, &told));
        }
    });
    assert_eq!(server.post_path("/register", &json!({"id": "hasty", "name": "n", "url": url})).status, 201);
    assert_eq!(server.reduce(&json!({"processors": ["hasty"], "data": 1}))["data"], "done");
    assert!(!is_told.recv().unwrap(), "the connection was cut before it had its answer");
}

/// A processor that completes an item before it answers that it accepts it; tells whether it found its connection cut.
fn hasty(mut stream: TcpStream, manager: SocketAddr, told: &Sender<bool>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((target, body)) = read_request(&mut reader) {
        let answer = if target == "/meta" {
            let meta = json!({"id": "hasty", "name": "n"}).to_string();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{meta}", meta.len())
        } else {
            let item: Value = serde_json::from_str(&body).unwrap();
            let word = json!({"id": item["id"], "processor": "hasty", "data": "done"}).to_string();
            assert_eq!(ask(manager, "POST", "/complete", Some(&word)).status, 200);
            stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            let _ = told.send(matches!(reader.fill_buf(), Ok([])));
            stream.set_read_timeout(None).unwrap();
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned()
        };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn an_error_said_later_is_tried_again_and_an_old_word_is_stale() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |_| Reply::Later);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"], "data": 1}));
    let item = processor.expect_items(1).remove(0);
    let error = json!({"id": item.id, "processor": "p", "attempt": 1, "error": {"code": 7}});
    assert_eq!(server.complete(&error).status, 200);
    assert_eq!(server.get_path(&format!("/action/{id}")).json()["steps"][0]["error"], json!({"code": 7}));
    let again = processor.expect_items(2).remove(1);
    assert_eq!((again.attempt, &again.id), (2, &item.id));
    let late = json!({"id": item.id, "processor": "p", "attempt": 1, "data": "late"});
    server.complete(&late).expect_problem(409, "stale_receipt");
    let word = json!({"id": item.id, "processor": "p", "data": "unnumbered"});
    assert_eq!(server.complete(&word).status, 200);
    assert_eq!(server.ended(&id)["data"], "unnumbered");
}

#[test]
fn an_item_that_is_never_completed_goes_back_when_its_lease_ends() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", in_turn(vec![Reply::Later, Reply::Data("2".to_owned())]));
    server.register(&processor, json!({"lease_ms": 300}));
    let action = one_step(&server, &json!(1));
    assert_eq!((&action["data"], &action["steps"][0]["attempts"]), (&json!(2), &json!(2)));
    let late = json!({"id": processor.items()[0].id, "processor": "p", "attempt": 1, "data": "late"});
    server.complete(&late).expect_problem(409, "stale_receipt");
}

#[test]
fn a_cancelled_item_is_withdrawn() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |_| Reply::Later);
    server.register(&processor, json!({}));
    let id = server.begin(&json!({"processors": ["p"]}));
    let item = processor.expect_items(1).remove(0);
    let cancelled = ask(server.manager(), "POST", &format!("/api/v1/jobs/{id}%2F0/cancel"), None);
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    let action = server.ended(&id);
    assert_eq!((&action["state"], &action["error"]), (&json!("failed"), &json!("cancelled")));
    let late = server.complete(&json!({"id": item.id, "processor": "p", "data": 1}));
    assert!(matches!(late.status, 409 | 410), "{late:?}");
    eventually("its hand to be free", || (server.processor("p")["in_hand"] == 0).then_some(()));
}

#[test]
fn a_processor_gets_no_more_than_it_takes_and_the_most_urgent_first() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", |item| Reply::After(Duration::from_millis(20), Box::new(echo(item))));
    // The first two are in its hands before the others come.
    let gate = Scripted::start("gate", "gate", echo);
    server.register(&gate, json!({}));
    server.register(&processor, json!({"concurrency": 2}));
    let mut actions = Vec::new();
    for number in 0..30_i64 {
        let action = json!({"processors": ["n"], "data": number, "priority": if number < 15 { 0 } else { 5 }});
        actions.push(server.begin(&action));
    }
    for action in &actions {
        assert_eq!(server.ended(action)["state"], "completed");
    }
    assert_eq!(processor.most_at_a_time(), 2);
    assert_eq!(processor.items().len(), 30);
}
