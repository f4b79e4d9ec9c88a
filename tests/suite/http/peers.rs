//! Who is connected, and sending them away.

use super::*;

const PEER: [&str; 9] = ["id", "name", "protocol", "address", "types", "job", "since", "completed", "failed"];

/// The list of peers at this path, once it has so many.
#[track_caller]
fn peers(http: &mut Http, path: &str, count: usize) -> Vec<Value> {
    let mut last = Value::Null;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        let list = http.get(path).json(200);
        assert_members(&list, &["items", "next"]);
        let items = list["items"].as_array().expect("items are an array").clone();
        if items.len() == count {
            return items;
        }
        last = list;
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("expected {count} at {path}, got {last}");
}

/// The one that speaks this protocol.
#[track_caller]
fn by_protocol<'a>(peers: &'a [Value], begin: &str) -> &'a Value {
    let found = peers.iter().find(|peer| peer["protocol"].as_str().is_some_and(|protocol| protocol.starts_with(begin)));
    found.unwrap_or_else(|| panic!("expected somebody who speaks {begin}, got {peers:?}"))
}

#[test]
fn workers_of_all_protocols_are_listed() {
    let server = Server::start();
    let mut http = http(&server);
    assert_eq!(http.get("/workers").json(200)["items"], value!([]));
    let mut native = native_worker(&server, "t", 1);
    let _gloom = gloom_worker(&server, "g");
    let mut deputy = server.deputy_client();
    deputy.send(r#"{"cmd":"can_do","types":["d","e"]}"#);
    let mut poller = self::http(&server);
    poller.start_get("/assignments?type=h&wait=55&worker=w%C3%A9%201");
    let workers = peers(&mut http, "/workers", 4);
    for worker in &workers {
        for name in PEER {
            assert!(worker.get(name).is_some(), "expected {name} in {worker}");
        }
        let address = worker["address"].as_str().expect("an address is text");
        assert!(address.starts_with("127.0.0.1:"), "got {worker}");
        time(&worker["since"]);
        assert_eq!((&worker["completed"], &worker["failed"]), (&value!(0), &value!(0)));
        assert!(worker["job"].is_null());
    }
    assert_eq!(by_protocol(&workers, "native")["types"], value!(["t"]));
    assert_eq!(by_protocol(&workers, "gloom")["types"], value!(["g"]));
    assert_eq!(by_protocol(&workers, "deputy")["types"], value!(["d", "e"]));
    let long_poll = by_protocol(&workers, "http");
    assert_eq!((&long_poll["types"], &long_poll["name"]), (&value!(["h"]), &value!("wé 1")));
    let mut ids: Vec<String> = workers.iter().map(|worker| worker["id"].to_string()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "expected every id once, got {workers:?}");
    // What they do shows.
    submit(&mut http, "1", "t", "");
    native.receive();
    let own_address = native.stream.local_addr().expect("a connection has an address").to_string();
    eventually("the job in its hand", || {
        let workers = peers(&mut http, "/workers", 4);
        let native = by_protocol(&workers, "native");
        assert_eq!(native["address"], *own_address);
        (native["job"] == "1").then_some(())
    });
    native.ask(r#"{"action":"respond","id":"1","body":0}"#, r#"{"ok":true}"#);
    submit(&mut http, "2", "t", "");
    native.receive();
    native.ask(r#"{"action":"fail","id":"2","error":0,"retry":false}"#, r#"{"ok":true}"#);
    eventually("its counts", || {
        let workers = peers(&mut http, "/workers", 4);
        let native = by_protocol(&workers, "native");
        (native["completed"] == 1 && native["failed"] == 1 && native["job"].is_null()).then_some(())
    });
    // Who leaves is gone from the list.
    drop(native);
    poller.reset();
    peers(&mut http, "/workers", 2);
}

#[test]
fn masters_are_listed() {
    let server = Server::start();
    let mut http = http(&server);
    let mut gloom = gloom_master(&server);
    gloom.submit("1", "t", "0");
    let mut native = native(&server);
    native.call(r#"{"action":"submit","id":"2","type":"t","body":0,"notify":true}"#);
    let masters = eventually("two masters", || {
        let list = http.get("/masters").json(200);
        let items = list["items"].as_array().expect("items are an array").clone();
        (items.len() >= 2).then_some(items)
    });
    for protocol in ["gloom", "native"] {
        let master = by_protocol(&masters, protocol);
        for name in ["id", "name", "protocol", "address", "since"] {
            assert!(master.get(name).is_some(), "expected {name} in {master}");
        }
        time(&master["since"]);
    }
}

#[test]
fn an_http_worker_is_listed_between_its_polls_too() {
    let server = Server::start();
    let mut http = http(&server);
    let mine = |http: &mut Http| {
        let workers = http.get("/workers").json(200);
        let items = workers["items"].as_array().expect("a list").clone();
        items.into_iter().filter(|worker| worker["name"] == "w1").collect::<Vec<Value>>()
    };
    for id in ["a", "b"] {
        submit(&mut http, id, id, "");
    }
    let first = all_assigned(http.get("/assignments?type=a&wait=20&worker=w1")).remove(0);
    let seen = mine(&mut http);
    assert_eq!((seen.len(), &seen[0]["job"], &seen[0]["protocol"]), (1, &value!("a"), &value!("http")), "{seen:?}");
    assert!(seen[0]["since"].is_string());
    // It works on something else, too, and polls again: the poll is another worker, since anybody may call itself so.
    let second = all_assigned(http.get("/assignments?type=b&wait=20&worker=w1")).remove(0);
    let mut poller = self::http(&server);
    poller.start_get("/assignments?type=c&wait=20&worker=w1");
    wait_for_workers(&server, "c", 1);
    let seen = mine(&mut http);
    assert_eq!((seen.len(), &seen[1]["job"], &seen[1]["types"]), (2, &Value::Null, &value!(["c"])), "{seen:?}");
    assert_eq!(seen[0]["jobs"].as_array().map(Vec::len), Some(2), "{seen:?}");
    assert_eq!(seen[0]["types"].as_array().map(Vec::len), Some(2), "{seen:?}");
    complete(&mut http, &first, "0");
    complete(&mut http, &second, "0");
    let seen = mine(&mut http);
    assert_eq!((seen.len(), &seen[0]["job"], &seen[0]["types"]), (1, &Value::Null, &value!(["c"])), "{seen:?}");
}

/// The workers on the pages of a list, by name.
#[track_caller]
fn pages(http: &mut Http, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = http.get(&format!("/workers?limit={limit}{cursor}")).json(200);
        let items = page["items"].as_array().expect("a list").iter();
        pages.push(items.map(|worker| worker["name"].as_str().expect("a name").to_owned()).collect());
        assert!(pages.len() < 20, "the list never ends: {pages:?}");
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
    }
}

#[test]
fn a_list_of_workers_that_are_away_goes_on_and_ends() {
    let dir = TempDir::new();
    let server = Server::with_store(dir, &["--store", "file:data"]);
    let mut http = http(&server);
    let names = |numbers: std::ops::Range<usize>| numbers.map(|n| format!("w{n}")).collect::<Vec<String>>();
    for name in names(0..5) {
        submit(&mut http, &name, "t", r#","durable":true"#);
        all_assigned(http.get(&format!("/assignments?type=t&wait=20&worker={name}")));
    }
    assert_eq!(pages(&mut http, 2), [names(0..2), names(2..4), names(4..5)]);
    // In the next process they have no numbers: they come behind those that have.
    let server = Server::with_store(server.kill9_keeping_its_folder(), &["--store", "file:data"]);
    let mut http = self::http(&server);
    let _worker = native_worker(&server, "t", 1);
    let seen = pages(&mut http, 3);
    assert_eq!((seen.len(), &seen[0][1..]), (1, &names(0..2)[..]), "{seen:?}");
    assert_eq!(pages(&mut http, 10)[0][1..], names(0..5));
}

#[test]
fn a_worker_that_is_disconnected_gives_its_job_back() {
    let server = Server::start();
    let mut http = http(&server);
    submit(&mut http, "1", "t", "");
    let mut native = native_worker(&server, "t", 1);
    native.receive();
    let mut gloom = gloom_worker(&server, "t");
    let workers = peers(&mut http, "/workers", 2);
    let id = by_protocol(&workers, "native")["id"].clone();
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    http.post(&format!("/workers/{}/disconnect", escaped(&id)), "").expect(200);
    native.until_closed();
    gloom.expect_job("\"1\"", "t", "\"the body of it\"");
    gloom.respond("0");
    assert_eq!(state(&mut http, "1"), "completed");
    let problem = http.post(&format!("/workers/{}/disconnect", escaped(&id)), "");
    let problem = problem.any_problem(404);
    assert_eq!(problem["code"], "unknown_worker", "got {problem}");
    peers(&mut http, "/workers", 1);
}

#[test]
fn a_long_poll_that_is_disconnected_ends() {
    let server = Server::start();
    let mut http = http(&server);
    let mut poller = parked(&server, "t", "");
    let workers = peers(&mut http, "/workers", 1);
    let id = &workers[0]["id"];
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    http.post(&format!("/workers/{}/disconnect", escaped(&id)), "").expect(200);
    match poller.listen(PATIENCE) {
        Reply::Answer(answer) => assert!(answer.status == 204 || answer.status >= 400, "got {answer:?}"),
        Reply::Closed(None) => {}
        other => panic!("expected the poll to end, got {other:?}"),
    }
    submit(&mut http, "1", "t", "");
    assert_eq!(id_of(&take(&mut http, "t")), "1");
}

/// A desk is a peer like others, and who calls over HTTP speaks through it.
#[test]
fn the_servers_own_peers_are_not_disconnected() {
    let server = Server::start();
    let mut http = http(&server);
    for id in 1..=8 {
        http.post(&format!("/workers/{id}/disconnect"), "").any_problem(404);
    }
    submit(&mut http, "1", "t", "");
    assert_eq!(id_of(&take(&mut http, "t")), "1");
}

#[test]
fn nobody_by_another_name_is_disconnected() {
    let server = Server::start();
    let mut http = http(&server);
    let _worker = native_worker(&server, "t", 1);
    for id in ["none", "0", "999999999", "18446744073709551616", "-1", "..", "%00"] {
        let answer =
            http.post(&format!("/workers/{}/disconnect", if id == "%00" { id.to_owned() } else { escaped(id) }), "");
        let status = answer.status;
        assert!([404, 422].contains(&status), "for {id}: {answer:?}");
        answer.any_problem(status);
    }
    http.get("/workers/1/disconnect").any_problem(405);
    peers(&mut http, "/workers", 1);
}
