//! `response_url`: who asked is told, again and again until it is heard.

use super::stage::{Reply, Scripted, echo, read_request};
use crate::support::{Server, TempDir, eventually};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

/// Somebody who listens: answers with these statuses, one after the other, and then with 200. 0 is silence.
struct Listener {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Listener {
    fn start(statuses: &[u16]) -> Listener {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a listener has an address");
        let heard: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let statuses = Arc::new(Mutex::new(statuses.iter().copied().collect::<VecDeque<u16>>()));
        let told = heard.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let (told, statuses) = (told.clone(), statuses.clone());
                std::thread::spawn(move || {
                    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
                    let Some((target, body)) = read_request(&mut reader) else { return };
                    let body = serde_json::from_str(&body).expect("the end of an action is JSON");
                    told.lock().unwrap().push((target, body));
                    match statuses.lock().unwrap().pop_front().unwrap_or(200) {
                        0 => drop(stream.read(&mut [0; 1])),
                        status => {
                            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                            let _ = stream.write_all(answer.as_bytes());
                        }
                    }
                });
            }
        });
        Listener { address, heard }
    }

    fn url(&self) -> String {
        format!("http://{}/told?x=y", self.address)
    }

    fn heard(&self) -> Vec<(String, Value)> {
        self.heard.lock().unwrap().clone()
    }
}

#[track_caller]
fn expect_delivered(server: &Server, id: &str) {
    eventually("the end to be delivered", || {
        (server.get_path(&format!("/action/{id}")).json()["delivered"] == true).then_some(())
    });
}

#[test]
fn the_end_is_told_once_it_is_heard() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    let bad = Scripted::start("bad", "bad", |_| Reply::Status(400, String::new(), r#"{"error":{"no":1}}"#.to_owned()));
    server.register(&processor, json!({}));
    server.register(&bad, json!({}));
    let listener = Listener::start(&[500, 404]);
    let id = server.begin(&json!({"processors": ["p"], "data": [1], "response_url": listener.url()}));
    expect_delivered(&server, &id);
    let told = (
        listener.url().split_once("/told").map(|_| "/told?x=y".to_owned()).unwrap(),
        json!({"id": id, "state": "completed", "data": [1]}),
    );
    assert_eq!(listener.heard(), [told.clone(), told.clone(), told], "refused twice, then heard");

    let listener = Listener::start(&[]);
    let id = server.begin(&json!({"processors": ["p", "bad"], "data": 1, "response_url": listener.url()}));
    expect_delivered(&server, &id);
    assert_eq!(listener.heard()[0].1, json!({"id": id, "state": "failed", "step": 1, "error": {"no": 1}}));
    assert_eq!(server.reduce(&json!({"processors": ["p"]}))["delivered"], Value::Null, "nobody was to be told");
}

#[test]
fn one_who_never_answers_holds_nobody_up() {
    let server = Server::start();
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let (dead, living) = (Listener::start(&[0; 100]), Listener::start(&[]));
    let stuck: Vec<String> =
        (0..20).map(|_| server.begin(&json!({"processors": ["p"], "response_url": dead.url()}))).collect();
    for id in &stuck {
        assert_eq!(server.ended(id)["state"], "completed", "the action itself has ended");
    }
    eventually("somebody to be called", || (dead.heard().len() == 2).then_some(()));
    for _ in 0..5 {
        let id = server.begin(&json!({"processors": ["p"], "response_url": living.url()}));
        expect_delivered(&server, &id);
    }
    assert_eq!(dead.heard().len(), 2, "two calls to a place at a time");
}

#[test]
fn what_was_not_told_is_told_after_a_restart() {
    let store = ["--store", "file:data"];
    let server = Server::with_store(TempDir::new(), &store);
    let processor = Scripted::start("p", "n", echo);
    server.register(&processor, json!({}));
    let listener = Listener::start(&[0]);
    let id = server.begin(&json!({"processors": ["p"], "data": "x", "response_url": listener.url()}));
    eventually("the first call", || (listener.heard().len() == 1).then_some(()));
    assert_eq!(server.ended(&id)["delivered"], false);
    let server = Server::with_store(server.kill9_keeping_its_folder(), &store);
    expect_delivered(&server, &id);
    assert_eq!(listener.heard()[1].1, json!({"id": id, "state": "completed", "data": "x"}));
    let server = Server::with_store(server.kill9_keeping_its_folder(), &store);
    let action = server.ended(&id);
    assert_eq!(
        (&action["delivered"], &action["data"], &action["state"]),
        (&json!(true), &json!("x"), &json!("completed"))
    );
    assert_eq!(listener.heard().len(), 2);
}
