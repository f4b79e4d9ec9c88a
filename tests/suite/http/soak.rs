//! A small crowd for a while: pollers that die at random, a server that is killed, and every job is done once.

use super::*;
use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock};

/// `SOAK_JOBS=n` for more.
fn jobs() -> usize {
    std::env::var("SOAK_JOBS").ok().and_then(|text| text.parse().ok()).unwrap_or(2_000)
}

const POLLERS: u64 = 8;

/// So short that what a dead poller held comes back soon; so many tries that dying uses none up.
const POLICY: &str = r#","lease_ms":700,"max_attempts":1000"#;

/// What all threads know.
struct World {
    /// Where the server is now.
    address: RwLock<SocketAddr>,
    /// Counts what happens, so that it can be said what came first.
    events: AtomicU64,
    /// The jobs whose completion was acknowledged: when, and with which result.
    completed: Mutex<HashMap<String, (u64, String)>>,
    deaths: AtomicU64,
    done: AtomicBool,
}

impl World {
    fn event(&self) -> u64 {
        self.events.fetch_add(1, Ordering::SeqCst)
    }

    fn completed(&self) -> MutexGuard<'_, HashMap<String, (u64, String)>> {
        // A thread that found something wrong has panicked, and its panic will be shown.
        self.completed.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// A completion was acknowledged. Somebody may have seen that already; but nobody can have seen another.
    fn acknowledged(&self, job: &Value, result: String) {
        let when = self.event();
        let known = self.completed().entry(id_of(job).to_owned()).or_insert((when, result.clone())).1.clone();
        assert_eq!(known, result, "completed twice: {job}");
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// A connection, once there is a server.
    fn connect(&self) -> Option<Http> {
        while !self.is_done() {
            let address = *self.address.read().expect("nobody panics while it holds this");
            if let Ok(stream) = TcpStream::connect_timeout(&address, PATIENCE) {
                let _ = stream.set_nodelay(true);
                return Some(Http::on(stream));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    }

    /// Asks, and doesn't wait; false where the connection has ended.
    fn tell(&self, http: &mut Http, method: &str, path: &str, body: Option<&str>) -> bool {
        let headers = body.map(|_| AS_JSON);
        let request = http.request(method, &format!("{API}{path}"), headers.as_slice(), body.map(str::as_bytes));
        http.expect_answer_to(method);
        http.try_raw(request)
    }

    /// Asks, and gives the answer unless the connection ends before.
    fn ask(&self, http: &mut Http, method: &str, path: &str, body: Option<&str>) -> Option<Answer> {
        if !self.tell(http, method, path, body) {
            return None;
        }
        match http.listen(PATIENCE) {
            Reply::Answer(answer) => Some(answer),
            Reply::Closed(_) => None,
            Reply::Silence => panic!("expected an answer to {method} {path}"),
        }
    }
}

/// Ends all threads, also when the test fails.
struct DoneWhenDropped<'a>(&'a World);

impl Drop for DoneWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.done.store(true, Ordering::SeqCst);
    }
}

/// Submits these jobs in small batches, each until it is known to be accepted.
fn submit_until_accepted(world: &World, ids: impl Iterator<Item = usize>, random: &mut Random) {
    let mut ids = ids.peekable();
    let Some(mut http) = world.connect() else { return };
    while ids.peek().is_some() {
        let count = 1 + random.below(20) as usize;
        let batch: Vec<String> = ids.by_ref().take(count).map(|id| job(&format!("{id}"), "t", POLICY)).collect();
        let body = format!(r#"{{"jobs":[{}]}}"#, batch.join(","));
        let answer = loop {
            if let Some(answer) = world.ask(&mut http, "POST", "/jobs/batch", Some(&body)) {
                break answer;
            }
            let Some(again) = world.connect() else { return };
            http = again;
        };
        for item in answer.json(200)["items"].as_array().expect("a batch has items") {
            // What was accepted before an answer got lost is there already.
            assert!(item["state"].is_string() || item["error"]["code"] == "id_exists", "got {item}");
        }
    }
}

/// Polls, completes, and dies now and then: before it reads, in the middle, with jobs in hand, before it hears of its answer.
fn work_and_die(world: &World, random: &mut Random) {
    let name = unique();
    let mut said = 0;
    while let Some(mut http) = world.connect() {
        'connected: loop {
            if world.is_done() {
                return;
            }
            let asked = world.event();
            let path = poll_path("t", &format!("&wait=2&max={}", 1 + random.below(4)));
            if random.one_in(12) {
                world.tell(&mut http, "GET", &path, None);
                break 'connected die(world, http, random);
            }
            let Some(answer) = world.ask(&mut http, "GET", &path, None) else { break };
            if answer.status == 204 {
                continue;
            }
            let jobs = all_assigned(answer);
            for job in &jobs {
                if let Some((when, _)) = world.completed().get(id_of(job)) {
                    assert!(*when > asked, "handed out after its completion was acknowledged: {job}");
                }
            }
            if random.one_in(12) {
                break 'connected die(world, http, random);
            }
            for job in jobs {
                said += 1;
                let result = format!("\"{name}-{said}\"");
                let path = format!("{}/complete", path_of(id_of(&job)));
                let body = format!(r#"{{"receipt":{},"body":{result}}}"#, job["receipt"]);
                if random.one_in(20) {
                    world.tell(&mut http, "POST", &path, Some(&body));
                    break 'connected die(world, http, random);
                }
                let Some(answer) = world.ask(&mut http, "POST", &path, Some(&body)) else { break 'connected };
                if answer.status == 200 {
                    world.acknowledged(&job, result);
                } else {
                    // Too late: its lease was over.
                    answer.problem(409, "stale_receipt");
                }
            }
        }
    }
}

fn die(world: &World, http: Http, random: &mut Random) {
    world.deaths.fetch_add(1, Ordering::SeqCst);
    if random.one_in(2) { http.reset() } else { drop(http) }
}

#[test]
fn pollers_that_die_and_servers_that_are_killed_lose_nothing_and_do_nothing_twice() {
    let mut random = Random::announced("http::soak");
    let count = jobs();
    let mut server = durable_server();
    let world = World {
        address: RwLock::new(server.http()),
        events: AtomicU64::new(0),
        completed: Mutex::default(),
        deaths: AtomicU64::new(0),
        done: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let done = DoneWhenDropped(&world);
        for part in 0..2 {
            let (world, mut random) = (&world, random.fork());
            scope.spawn(move || submit_until_accepted(world, (part..count).step_by(2), &mut random));
        }
        for _ in 0..POLLERS {
            let (world, mut random) = (&world, random.fork());
            scope.spawn(move || work_and_die(world, &mut random));
        }
        for part in 1..=2 {
            wait_for(&world, count * part / 3);
            server = after_kill9(std::mem::replace(&mut server, Server::start()));
            *world.address.write().expect("nobody panics while it holds this") = server.http();
        }
        wait_for(&world, count);
        drop(done);
    });
    assert!(world.deaths.load(Ordering::SeqCst) > 20, "expected pollers to die");
    let mut http = http(&server);
    for (id, (_, result)) in world.completed().iter() {
        let answer = http.get(&path_of(id)).raw_json(200);
        assert_eq!(answer.member(&["state"]), "\"completed\"");
        assert_eq!(answer.member(&["result"]), *result, "expected the acknowledged result of {id}");
    }
    expect_nothing_of(&mut http, "t");
    expect_counts(&mut http, &value!({"accepted": count, "completed": count, "queued": 0, "running": 0}));
}

/// Waits until so many completions were acknowledged. One whose acknowledgement was not heard is looked up.
#[track_caller]
fn wait_for(world: &World, count: usize) {
    let start = Instant::now();
    let mut last_look = Instant::now();
    while world.completed().len() < count {
        assert!(start.elapsed() < Duration::from_secs(120), "got {} of {count} completions", world.completed().len());
        std::thread::sleep(Duration::from_millis(20));
        if last_look.elapsed() > Duration::from_millis(500) {
            last_look = Instant::now();
            learn(world);
        }
    }
}

/// What was completed by a poller that died before it heard so.
fn learn(world: &World) {
    let Some(mut http) = world.connect() else { return };
    let mut cursor = String::new();
    loop {
        let Some(list) = world.ask(&mut http, "GET", &format!("/jobs?state=completed&limit=1000{cursor}"), None) else {
            return;
        };
        let list = list.json(200);
        for job in list["items"].as_array().expect("a list has items") {
            let when = world.event();
            world.completed().entry(id_of(job).to_owned()).or_insert_with(|| (when, job["result"].to_string()));
        }
        let Some(next) = list["next"].as_str() else { return };
        cursor = format!("&cursor={}", escaped(next));
    }
}
