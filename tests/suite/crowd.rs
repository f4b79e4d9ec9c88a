//! Many peers at once, of all protocols, some of whom die: everyone who stays gets what is theirs, once.

use crate::support::{
    Deputy, Framed, Heard, Random, Server, eventually, frame, gloom_master, gloom_worker, json, native,
    open_files_limit, skipped,
};
use serde_json::Value;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Language {
    Gloom,
    Deputy,
    Native,
}

const LANGUAGES: [Language; 3] = [Language::Gloom, Language::Deputy, Language::Native];

/// A connection in any of the languages.
enum Peer {
    Frames(Language, Framed),
    Lines(Deputy),
}

/// What a peer can hear, whatever the language.
#[derive(Debug)]
enum News {
    Accepted(Value),
    Result(Value, Value),
    Job(Value, Value),
    Confirmed,
    Nothing,
    Closed,
}

impl Peer {
    fn master(server: &Server, language: Language) -> Peer {
        match language {
            Language::Gloom => Peer::Frames(language, gloom_master(server)),
            Language::Native => Peer::Frames(language, native(server)),
            Language::Deputy => Peer::Lines(server.deputy_client()),
        }
    }

    fn worker(server: &Server, language: Language) -> Peer {
        match language {
            Language::Gloom => Peer::Frames(language, Framed::connect(server.gloom_workers())),
            other => Peer::master(server, other),
        }
    }

    fn bytes(&self, message: &str) -> Vec<u8> {
        match self {
            Peer::Frames(..) => frame(message),
            Peer::Lines(_) => format!("{message}\n").into_bytes(),
        }
    }

    fn send(&mut self, message: &str) {
        let bytes = self.bytes(message);
        match self {
            Peer::Frames(_, peer) => peer.raw(bytes),
            Peer::Lines(peer) => peer.raw(bytes),
        }
    }

    fn submission(&self, id: &str, body: &Value, priority: i64) -> String {
        match self {
            // So many attempts that a crowd of dying workers does not use them up.
            Peer::Frames(Language::Native, _) => format!(
                r#"{{"action":"submit","id":"{id}","type":"crowd","body":{body},"priority":{priority},"max_attempts":1000,"notify":true,"durable":false}}"#
            ),
            Peer::Frames(..) => format!(
                r#"{{"action":"submit","id":"{id}","type":"crowd","body":{body},"priority":{priority},"max_attempts":1000}}"#
            ),
            Peer::Lines(_) => {
                format!(r#"{{"cmd":"do","id":"{id}","type":"crowd","arg":{body},"priority":{priority},"ack":true}}"#)
            }
        }
    }

    fn joining(&self) -> &'static str {
        match self {
            Peer::Frames(Language::Native, _) => r#"{"action":"join","types":["crowd"],"credit":1}"#,
            Peer::Frames(..) => r#"{"action":"join","type":"crowd"}"#,
            Peer::Lines(_) => r#"{"cmd":"can_do","types":["crowd"]}"#,
        }
    }

    fn answer(&self, id: &Value, body: &Value) -> String {
        match self {
            Peer::Frames(..) => format!(r#"{{"action":"respond","id":{id},"body":{body}}}"#),
            Peer::Lines(_) => format!(r#"{{"cmd":"did","id":{id},"res":{body}}}"#),
        }
    }

    fn listen(&mut self, patience: Duration) -> News {
        let heard = match self {
            Peer::Frames(_, peer) => peer.listen(patience),
            Peer::Lines(peer) => peer.listen(patience),
        };
        let text = match heard {
            Heard::Silence => return News::Nothing,
            Heard::Closed => return News::Closed,
            Heard::Message(text) => text,
        };
        let message = json(&text);
        assert!(message.get("error").is_none(), "expected no error, got {text}");
        let id = message["id"].clone();
        match self {
            Peer::Frames(..) => match message["action"].as_str() {
                Some("job") => News::Job(id, message["body"].clone()),
                Some("result") => News::Result(id, message["body"].clone()),
                Some(_) => panic!("expected nothing like {text}"),
                None if message["ok"] == true && id.is_null() => News::Confirmed,
                None if message["ok"] == true => News::Accepted(id),
                None => News::Result(id, message["body"].clone()),
            },
            Peer::Lines(_) => match message["cmd"].as_str() {
                Some("do") => News::Job(id, message["arg"].clone()),
                Some("did") => News::Result(id, message["res"].clone()),
                Some("ok") => News::Accepted(id),
                _ => panic!("expected nothing like {text}"),
            },
        }
    }

    /// Dies: politely, with a reset, or in the middle of a message.
    fn die(mut self, random: &mut Random, message: &str) {
        let bytes = self.bytes(message);
        let manner = random.below(4);
        if manner >= 2 {
            let half = &bytes[..1 + random.below(bytes.len() as u64 - 1) as usize];
            match &mut self {
                Peer::Frames(_, peer) => peer.try_raw(half),
                Peer::Lines(peer) => peer.try_raw(half),
            };
        }
        if manner % 2 == 1
            && let Peer::Frames(_, peer) = self
        {
            peer.reset();
        }
    }
}

/// Who holds which job, as the workers see it.
#[derive(Default)]
struct Hands {
    held: Mutex<HashMap<String, usize>>,
    twice: Mutex<Vec<String>>,
    deaths: AtomicUsize,
    done: AtomicBool,
}

impl Hands {
    fn take(&self, id: &Value, worker: usize) {
        let other = self.held.lock().expect("no holder panics").insert(id.to_string(), worker);
        if let Some(other) = other {
            let mut twice = self.twice.lock().expect("no holder panics");
            twice.push(format!("{id} held by worker {other} and worker {worker}"));
        }
    }

    fn give_up(&self, id: &Value) {
        self.held.lock().expect("no holder panics").remove(&id.to_string());
    }
}

fn work(server: &Server, hands: &Hands, number: usize, mut random: Random) {
    let language = LANGUAGES[number % 3];
    while !hands.done.load(Ordering::Relaxed) {
        let mut peer = Peer::worker(server, language);
        let join = peer.joining();
        peer.send(join);
        loop {
            match peer.listen(Duration::from_millis(50)) {
                News::Job(id, body) => {
                    hands.take(&id, number);
                    let answer = peer.answer(&id, &serde_json::json!({ "echo": body }));
                    // Whatever the server does next, this worker no longer counts on the job.
                    hands.give_up(&id);
                    if random.one_in(40) {
                        hands.deaths.fetch_add(1, Ordering::Relaxed);
                        peer.die(&mut random, &answer);
                        break;
                    }
                    peer.send(&answer);
                }
                News::Nothing if hands.done.load(Ordering::Relaxed) => return,
                News::Nothing | News::Confirmed => {}
                other => panic!("worker {number} ({language:?}) expected a job, got {other:?}"),
            }
        }
    }
}

fn command(server: &Server, number: usize, jobs: usize, doomed: bool, mut random: Random) {
    let language = LANGUAGES[number % 3];
    let mut peer = Peer::master(server, language);
    let mut expected: HashMap<String, Value> = HashMap::new();
    let (mut submitted, mut accepted) = (0, 0);
    let fate = if doomed { 1 + random.below(jobs as u64 / 2) as usize } else { usize::MAX };
    let start = Instant::now();
    while accepted < jobs || !expected.is_empty() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "master {number} ({language:?}): {accepted} of {jobs} accepted, {} results missing",
            expected.len()
        );
        if submitted < jobs && submitted - accepted < 20 {
            for _ in 0..(1 + random.below(10) as usize).min(jobs - submitted) {
                let id = format!("{number}-{submitted}");
                let body = serde_json::json!({ "master": number, "job": submitted, "pad": "p".repeat(random.below(200) as usize) });
                let priority = random.below(7) as i64 - 3;
                let message = peer.submission(&id, &body, priority);
                peer.send(&message);
                expected.insert(id, body);
                submitted += 1;
            }
        }
        match peer.listen(Duration::from_millis(if submitted < jobs { 1 } else { 100 })) {
            News::Accepted(id) => {
                let id = id.as_str().expect("the ids are strings").to_owned();
                assert!(expected.contains_key(&id), "master {number} was told of {id}, which is not its own or done");
                accepted += 1;
            }
            News::Result(id, body) => {
                let id = id.as_str().expect("the ids are strings");
                let Some(sent) = expected.remove(id) else {
                    panic!("master {number} ({language:?}) got a result of {id} that it did not await: {body}");
                };
                assert_eq!(body, serde_json::json!({ "echo": sent }), "the result of {id}");
            }
            News::Nothing => {}
            other => panic!("master {number} ({language:?}) expected a reply or a result, got {other:?}"),
        }
        if accepted >= fate {
            let message = peer.submission("never", &Value::Null, 0);
            return peer.die(&mut random, &message);
        }
    }
    // Nothing comes twice.
    match peer.listen(Duration::from_millis(100)) {
        News::Nothing => {}
        other => panic!("master {number} ({language:?}) expected nothing more, got {other:?}"),
    }
}

#[test]
fn every_surviving_master_gets_each_of_its_results_once_while_others_die() {
    let mut random = Random::announced("every_surviving_master_gets_each_of_its_results_once_while_others_die");
    let server = Server::start();
    server.expect_service();
    let files = server.open_files();
    let hands = Hands::default();
    let survived = std::thread::scope(|scope| {
        for number in 0..64 {
            let (server, hands, random) = (&server, &hands, random.fork());
            scope.spawn(move || work(server, hands, number, random));
        }
        let masters: Vec<_> = (0..64)
            .map(|number| {
                let (server, random) = (&server, random.fork());
                scope.spawn(move || command(server, number, 60, number % 4 == 3, random))
            })
            .collect();
        let results: Vec<_> = masters.into_iter().map(|master| master.join()).collect();
        hands.done.store(true, Ordering::Relaxed);
        results.into_iter().filter(Result::is_ok).count()
    });
    assert_eq!(survived, 64, "expected every master to be content");
    let twice = hands.twice.lock().expect("no holder panics");
    assert!(twice.is_empty(), "expected no job in two hands at once: {twice:?}");
    assert!(hands.deaths.load(Ordering::Relaxed) > 20, "expected some workers to die");
    drop(twice);
    server.expect_service();
    server.expect_open_files(files + 8);
}

#[test]
fn a_crowd_of_waiting_workers_gets_each_job_once() {
    let server = Server::start();
    let mut workers: Vec<Framed> = (0..200).map(|_| gloom_worker(&server, "t")).collect();
    let mut master = gloom_master(&server);
    let mut burst = Vec::new();
    for id in 0..200 {
        burst.extend(frame(format!(r#"{{"action":"submit","id":{id},"type":"t","body":0}}"#)));
    }
    master.raw(&burst);
    // Longest-waiting first: the n-th worker gets the n-th job.
    for (id, worker) in workers.iter_mut().enumerate() {
        worker.expect_job(&id.to_string(), "t", "0");
    }
    for worker in &mut workers {
        worker.respond("0");
    }
    for id in 0..200 {
        master.expect(&format!(r#"{{"ok":true,"id":{id}}}"#));
    }
    let mut results: Vec<u64> =
        (0..200).map(|_| json(&master.receive())["id"].as_u64().expect("the ids are integers")).collect();
    results.sort();
    assert_eq!(results, (0..200).collect::<Vec<u64>>());
}

#[test]
fn a_hundred_masters_that_leave_at_once_take_only_their_own_jobs() {
    let server = Server::start();
    let mut staying = gloom_master(&server);
    let mut leaving: Vec<Framed> = (0..100).map(|_| gloom_master(&server)).collect();
    for (number, master) in leaving.iter_mut().enumerate() {
        master.submit(&format!("\"leaving-{number}\""), "t", "0");
        staying.submit(&number.to_string(), "t", "0");
    }
    drop(leaving);
    let mut other = gloom_master(&server);
    for number in 0..100 {
        eventually("the ids of those who left to be free", || {
            let reply = other.call(&format!(r#"{{"action":"submit","id":"leaving-{number}","type":"u","body":0}}"#));
            reply.starts_with(r#"{"ok":true"#).then_some(())
        });
    }
    let mut worker = gloom_worker(&server, "t");
    for id in 0..100 {
        worker.expect_job(&id.to_string(), "t", "0");
        worker.respond("0");
        staying.expect_result(&id.to_string(), "0");
    }
    worker.expect_silence();
}

#[test]
fn two_thousand_idle_connections_cost_little_and_disturb_nobody() {
    if open_files_limit() < 6_000 {
        return skipped("two_thousand_idle_connections", "the limit of open files is below 6,000");
    }
    let server = Server::start();
    server.expect_service();
    let (files, before) = (server.open_files(), server.resident_bytes());
    let ports: [SocketAddr; 4] = [server.gloom_masters(), server.gloom_workers(), server.tcp(), server.deputy()];
    let mut idle: Vec<Framed> = (0..2000).map(|n| Framed::connect(ports[n % 4])).collect();
    eventually("all connections to be accepted", || (server.open_files() + 8 >= files + 2000).then_some(()));
    let start = Instant::now();
    for _ in 0..20 {
        server.expect_service();
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "expected prompt service, 20 rounds took {took:?}");
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 40 << 20, "expected 2,000 idle connections to cost little, the server grew by {grown} bytes");
    // They are alive: one of each kind.
    idle[0].submit("1", "t", "0");
    idle[1].join("t");
    idle[1].expect_job("1", "t", "0");
    assert!(idle[2].call(r#"{"action":"hello"}"#).starts_with(r#"{"ok":true"#));
    drop(idle);
    server.expect_open_files(files + 8);
    server.expect_service();
}

#[test]
fn connections_over_the_limit_wait_or_are_turned_away_and_the_rest_is_served() {
    let server = Server::with(&["--max-connections", "20"]);
    let mut first: Vec<Framed> = (0..20).map(|_| gloom_master(&server)).collect();
    for (id, master) in first.iter_mut().enumerate() {
        master.submit(&id.to_string(), "t", "0");
    }
    // All places are taken. More may be closed at once or left waiting, but they are not served.
    let mut more: Vec<Framed> = (0..20).map(|_| gloom_master(&server)).collect();
    for (number, master) in more.iter_mut().enumerate() {
        master.try_raw(frame(format!(r#"{{"action":"submit","id":"more-{number}","type":"t","body":0}}"#)));
    }
    let served = more
        .iter_mut()
        .filter_map(|master| match master.listen(Duration::from_millis(20)) {
            Heard::Message(message) => Some(message),
            Heard::Closed | Heard::Silence => None,
        })
        .filter(|message| !message.starts_with(r#"{"error":""#))
        .count();
    assert_eq!(served, 0, "expected nobody beyond the limit to be served");
    for (id, master) in first.iter_mut().enumerate() {
        master.submit(&format!("\"second-{id}\""), "t", "0");
    }
    // Places that become free are given again.
    drop(more);
    first.truncate(5);
    eventually("a newcomer to be served", || {
        let mut newcomer = gloom_master(&server);
        newcomer.try_raw(frame(r#"{"action":"submit","id":"new","type":"t","body":0}"#));
        match newcomer.listen(Duration::from_secs(1)) {
            Heard::Message(message) => (message == r#"{"ok":true,"id":"new"}"#).then_some(()),
            Heard::Closed | Heard::Silence => None,
        }
    });
    first[0].submit("\"third\"", "t", "0");
}
