//! What an action costs: data through three processors, sent by the manager, against the same calls made in a loop.
//!
//! ```text
//! cargo bench --bench actions -- [SECONDS]
//! ```
//!
//! Server, processors and callers share the machine. Every result is checked. With one action at a time the difference
//! is the latency that the manager adds to a step; with many it is what it costs. Each step of an action is a durable job: the
//! manager syncs its submit and its completion, which the loop doesn't, so both stores are measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const STEPS: usize = 3;
const AT_ONCE: [usize; 2] = [1, 32];
const SERVER: &str = env!("CARGO_BIN_EXE_procession");

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let time = Duration::from_secs(seconds);
    let processors: Vec<SocketAddr> = (0..STEPS).map(|number| start_processor(&format!("p{number}"))).collect();
    println!("| {STEPS} processors | at once | actions/s | ms per action | µs per step |");
    println!("|---|--:|--:|--:|--:|");
    for at_once in AT_ONCE {
        let direct = measure(at_once, time, |number| {
            let mut connections: Vec<Connection> = processors.iter().map(|address| Connection::to(*address)).collect();
            move || {
                let mut data = json!(number);
                for connection in &mut connections {
                    let item = json!({"id": "x", "action": "x", "step": 0, "attempt": 1, "data": data});
                    data = connection.ask("POST", "/process", &item)["data"].clone();
                }
                assert_eq!(data, json!(number + STEPS));
            }
        });
        row("called in a loop", at_once, direct, time);
        for store in ["memory:", "file:data"] {
            let server = Server::start(store);
            let mut connection = Connection::to(server.http);
            for (number, address) in processors.iter().enumerate() {
                let id = format!("p{number}");
                let card = json!({"id": id, "name": id, "url": format!("http://{address}"), "concurrency": at_once});
                assert_eq!(connection.ask("POST", "/register", &card)["id"], json!(id));
            }
            let through = measure(at_once, time, |number| {
                let mut connection = Connection::to(server.http);
                move || {
                    let action = json!({"processors": ["p0", "p1", "p2"], "data": number});
                    let id = connection.ask("POST", "/action", &action)["id"].clone();
                    let path = format!("/action/{}?wait=50", id.as_str().expect("an action has an id"));
                    let action = connection.ask("GET", &path, &Value::Null);
                    assert_eq!(action["data"], json!(number + STEPS), "{action}");
                }
            });
            row(&format!("actions, {store}"), at_once, through, time);
        }
    }
}

/// How many rounds so many loops make in this time.
fn measure<F: FnMut() + Send>(at_once: usize, time: Duration, new: impl Fn(usize) -> F) -> usize {
    let until = Instant::now() + time;
    let mut loops: Vec<F> = (0..at_once).map(new).collect();
    std::thread::scope(|scope| {
        let threads: Vec<_> = loops
            .iter_mut()
            .map(|round| {
                scope.spawn(move || {
                    let mut rounds = 0;
                    while Instant::now() < until {
                        round();
                        rounds += 1;
                    }
                    rounds
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a loop went well")).sum()
    })
}

fn row(what: &str, at_once: usize, rounds: usize, time: Duration) {
    let rate = rounds as f64 / time.as_secs_f64();
    let each_ms = at_once as f64 / rate * 1_000.0;
    let step_us = 1_000_000.0 / rate / STEPS as f64;
    println!("| {what} | {at_once} | {rate:.0} | {each_ms:.2} | {step_us:.0} |");
}

/// A processor that adds one.
fn start_processor(id: &str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a listener has an address");
    let meta = json!({"id": id, "name": id}).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let meta = meta.clone();
            std::thread::spawn(move || {
                let mut connection = Connection::on(stream);
                while let Some((line, body)) = connection.message() {
                    let answer = if line.starts_with("GET") {
                        meta.clone()
                    } else {
                        let item: Value = serde_json::from_str(&body).expect("an item is JSON");
                        json!({"data": item["data"].as_u64().expect("a number") + 1}).to_string()
                    };
                    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                    if connection.reader.get_mut().write_all((head + &answer).as_bytes()).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// A connection that speaks HTTP/1.1.
struct Connection {
    reader: BufReader<TcpStream>,
}

impl Connection {
    fn to(address: SocketAddr) -> Connection {
        Connection::on(TcpStream::connect(address).expect("somebody listens"))
    }

    fn on(stream: TcpStream) -> Connection {
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        Connection { reader: BufReader::new(stream) }
    }

    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{kind}Content-Length: {}\r\n\r\n", body.len());
        self.reader.get_mut().write_all((head + &body).as_bytes()).expect("a request is taken");
        let (_, body) = self.message().expect("an answer");
        serde_json::from_str(&body).expect("an answer is JSON")
    }

    /// The first line and the body of a message; none at the end.
    fn message(&mut self) -> Option<(String, String)> {
        let mut first = String::new();
        self.reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().ok()?
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.reader.read_exact(&mut body).ok()?;
        Some((first, String::from_utf8(body).ok()?))
    }
}

/// The server in a folder of its own, ended with the value.
struct Server {
    process: Child,
    folder: PathBuf,
    http: SocketAddr,
}

impl Server {
    fn start(store: &str) -> Server {
        let folder = std::env::temp_dir().join(format!("procession-actions-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let ports = folder.join("ports.json");
        let mut command = Command::new(SERVER);
        for listener in ["http", "tcp", "gloom-masters", "gloom-workers", "deputy"] {
            command.arg(format!("--{listener}=127.0.0.1:0"));
        }
        command.args(["--store", store]).arg("--ports-file").arg(&ports).current_dir(&folder);
        let process = command.env("RUST_LOG", "error").stdout(Stdio::null()).spawn().expect("the server starts");
        Server { process, http: address_in(&ports), folder }
    }
}

fn address_in(ports: &Path) -> SocketAddr {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let text = std::fs::read_to_string(ports).unwrap_or_default();
        let address = serde_json::from_str::<Value>(&text).ok().and_then(|ports| ports["http"].as_str()?.parse().ok());
        match address {
            Some(address) => return address,
            None if Instant::now() > until => panic!("the server doesn't listen"),
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, and the folder be gone.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
