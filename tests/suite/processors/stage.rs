//! A stage: processors that do what a script says, and a manager that is asked over HTTP.

use crate::support::{PATIENCE, Server, dial, eventually, eventually_within};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the manager answers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
}

impl Answer {
    /// The body as JSON; null where there is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("expected JSON, got {self:?}: {error}"))
    }

    /// Fails unless it is a problem of this status and code.
    #[track_caller]
    pub fn expect_problem(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.json()["code"].as_str()), (status, Some(code)), "{self:?}");
    }
}

/// Asks where HTTP is served.
#[track_caller]
pub fn ask(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> Answer {
    try_ask(address, method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// As [`ask`], where the server may be gone.
pub fn try_ask(address: SocketAddr, method: &str, path: &str, body: Option<&str>) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(Duration::from_secs(70)))?;
    let body = body.unwrap_or_default();
    let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, text) = text.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status =
        head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(std::io::ErrorKind::InvalidData)?;
    Ok(Answer { status, head: head.to_owned(), text: text.to_owned() })
}

/// The manager's side of the stage.
impl Server {
    /// Where HTTP is served.
    #[track_caller]
    pub fn manager(&self) -> SocketAddr {
        self.address("http")
    }

    /// Gets a path.
    #[track_caller]
    pub fn get_path(&self, path: &str) -> Answer {
        ask(self.manager(), "GET", path, None)
    }

    /// Posts JSON to a path.
    #[track_caller]
    pub fn post_path(&self, path: &str, body: &Value) -> Answer {
        ask(self.manager(), "POST", path, Some(&body.to_string()))
    }

    /// Registers, and expects it to go well.
    #[track_caller]
    pub fn register(&self, processor: &Scripted, more: Value) -> Value {
        let answer = self.try_register(processor, more);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()
    }

    /// Registers.
    #[track_caller]
    pub fn try_register(&self, processor: &Scripted, more: Value) -> Answer {
        self.post_path("/register", &processor.card(more))
    }

    /// Begins an action, and gives its id.
    #[track_caller]
    pub fn begin(&self, action: &Value) -> String {
        let answer = self.post_path("/action", action);
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["id"].as_str().expect("an action has an id").to_owned()
    }

    /// An action when it has ended.
    #[track_caller]
    pub fn ended(&self, id: &str) -> Value {
        // A hundred of them at once take a while where many tests run.
        eventually_within(Duration::from_secs(60), &format!("the end of {id}"), || {
            let action = self.get_path(&format!("/action/{id}?wait=10")).json();
            assert!(action["state"].is_string(), "expected an action, got {action}");
            (action["state"] != "running").then_some(action)
        })
    }

    /// Begins an action and waits for its end.
    #[track_caller]
    pub fn reduce(&self, action: &Value) -> Value {
        let id = self.begin(action);
        self.ended(&id)
    }

    /// A processor in the manager's `/meta`.
    #[track_caller]
    pub fn processor(&self, id: &str) -> Value {
        let meta = self.get_path("/meta").json();
        let processors = meta["processors"].as_array().expect("a list");
        processors.iter().find(|processor| processor["id"] == id).cloned().unwrap_or(Value::Null)
    }

    /// It comes to this state.
    #[track_caller]
    pub fn expect_state(&self, id: &str, state: &str) {
        eventually(&format!("{id} to be {state}"), || (self.processor(id)["state"] == state).then_some(()));
    }

    /// A processor's word on an item.
    #[track_caller]
    pub fn complete(&self, word: &Value) -> Answer {
        self.post_path("/complete", word)
    }
}

/// An item as a processor gets it.
#[derive(Clone, Debug)]
pub struct Item {
    pub id: String,
    pub action: Value,
    pub step: Value,
    pub attempt: u64,
    pub data: Value,
    /// The whole request, byte for byte.
    pub raw: String,
}

/// What a script says.
#[derive(Clone, Debug)]
pub enum Reply {
    /// 200 with this data, which is JSON.
    Data(String),
    /// Any status, more headers, and a body.
    Status(u16, String, String),
    /// 202: it will call `/complete`.
    Later,
    /// Nothing, until the connection is gone.
    Hang,
    /// The connection is closed without an answer.
    Cut,
    /// The same, but not at once.
    After(Duration, Box<Reply>),
}

impl Reply {
    /// 200 with this data.
    pub fn data(data: &Value) -> Reply {
        Reply::Data(data.to_string())
    }

    /// A failure after which it may be tried again at once.
    pub fn busy() -> Reply {
        Reply::Status(503, "Retry-After: 0\r\n".to_owned(), String::new())
    }
}

type Script = dyn Fn(&Item) -> Reply + Send + Sync;

/// A processor that does what its script says.
pub struct Scripted {
    pub id: String,
    pub name: String,
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    meta: Mutex<Reply>,
    items: Mutex<Vec<Item>>,
    checks: AtomicUsize,
    /// Items that are being worked on, and the most there were.
    busy: (AtomicUsize, AtomicUsize),
    runs: AtomicBool,
    connections: Mutex<Vec<TcpStream>>,
}

impl Scripted {
    /// A processor on a free port.
    #[track_caller]
    pub fn start(id: &str, name: &str, script: impl Fn(&Item) -> Reply + Send + Sync + 'static) -> Scripted {
        Scripted::start_at("127.0.0.1:0".parse().expect("an address"), id, name, script)
    }

    /// A processor at this address.
    #[track_caller]
    pub fn start_at(
        address: SocketAddr,
        id: &str,
        name: &str,
        script: impl Fn(&Item) -> Reply + Send + Sync + 'static,
    ) -> Scripted {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("cannot listen on {address}: {error}"));
        let address = listener.local_addr().expect("a listener has an address");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            meta: Mutex::new(Reply::Data(
                json!({"id": id, "name": name, "cpu": 0.25, "memory": 1_000_000}).to_string(),
            )),
            items: Mutex::default(),
            checks: AtomicUsize::default(),
            busy: Default::default(),
            runs: AtomicBool::new(true),
            connections: Mutex::default(),
        });
        let served = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !served.runs.load(Ordering::SeqCst) {
                    return;
                }
                served.connections.lock().unwrap().push(stream.try_clone().expect("a socket can be cloned"));
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        Scripted { id: id.to_owned(), name: name.to_owned(), address, shared }
    }

    /// What it registers with.
    pub fn card(&self, more: Value) -> Value {
        let mut card = json!({"id": self.id, "name": self.name, "url": format!("http://{}", self.address)});
        for (key, value) in more.as_object().into_iter().flatten() {
            card[key] = value.clone();
        }
        card
    }

    /// From now on `/meta` answers so. [`Reply::Data`] is the whole answer here.
    pub fn set_meta(&self, meta: Reply) {
        *self.shared.meta.lock().unwrap() = meta;
    }

    /// From now on `/meta` is as at the beginning.
    pub fn set_good_meta(&self) {
        self.set_meta(Reply::Data(json!({"id": self.id, "name": self.name}).to_string()));
    }

    /// What it got so far.
    pub fn items(&self) -> Vec<Item> {
        self.shared.items.lock().unwrap().clone()
    }

    /// How often it was asked for `/meta`.
    pub fn checks(&self) -> usize {
        self.shared.checks.load(Ordering::SeqCst)
    }

    /// The most items that it worked on at a time.
    pub fn most_at_a_time(&self) -> usize {
        self.shared.busy.1.load(Ordering::SeqCst)
    }

    /// Waits until it got so many items.
    #[track_caller]
    pub fn expect_items(&self, count: usize) -> Vec<Item> {
        eventually(&format!("{count} items at {}", self.id), || {
            let items = self.items();
            (items.len() >= count).then_some(items)
        })
    }

    /// It dies: its port is closed and its connections are cut.
    pub fn die(&self) {
        if self.shared.runs.swap(false, Ordering::SeqCst) {
            // The listener goes when it next accepts.
            drop(dial(self.address));
            eventually("the port to be closed", || TcpStream::connect(self.address).err());
            for connection in self.shared.connections.lock().unwrap().drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.die();
        }
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
        while let Some((target, body)) = read_request(&mut reader) {
            let reply = if target.ends_with("/meta") {
                self.checks.fetch_add(1, Ordering::SeqCst);
                match self.meta.lock().unwrap().clone() {
                    Reply::Data(meta) => Reply::Status(200, String::new(), meta),
                    other => other,
                }
            } else {
                self.work(&body)
            };
            if !self.write(&stream, reply) {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn work(&self, body: &str) -> Reply {
        let parsed: Value =
            serde_json::from_str(body).unwrap_or_else(|error| panic!("expected an item, got {body}: {error}"));
        let item = Item {
            id: parsed["id"].as_str().expect("an item has an id").to_owned(),
            action: parsed["action"].clone(),
            step: parsed["step"].clone(),
            attempt: parsed["attempt"].as_u64().expect("an item has an attempt"),
            data: parsed["data"].clone(),
            raw: body.to_owned(),
        };
        self.items.lock().unwrap().push(item.clone());
        (self.script)(&item)
    }

    fn write(&self, mut stream: &TcpStream, reply: Reply) -> bool {
        let (status, headers, body) = match reply {
            Reply::Data(data) => (200, String::new(), format!("{{\"data\":{data}}}")),
            Reply::Status(status, headers, body) => (status, headers, body),
            Reply::Later => (202, String::new(), String::new()),
            Reply::Cut => return false,
            Reply::Hang => {
                let _ = stream.read(&mut [0; 1]);
                return false;
            }
            Reply::After(wait, reply) => {
                let (busy, most) = &self.busy;
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(wait);
                busy.fetch_sub(1, Ordering::SeqCst);
                return self.write(stream, *reply);
            }
        };
        let head = format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_ok()
    }
}

/// The target and the body of a request; none at the end of the connection.
pub fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|count| *count > 0)?;
        if header == "\r\n" {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((target, String::from_utf8(body).ok()?))
}

/// A script: hands the data on.
pub fn echo(item: &Item) -> Reply {
    Reply::data(&item.data)
}

/// A script: appends a word to a list.
pub fn append(word: &'static str) -> impl Fn(&Item) -> Reply + Send + Sync {
    move |item| {
        let mut list = item.data.as_array().cloned().unwrap_or_default();
        list.push(json!(word));
        Reply::data(&Value::Array(list))
    }
}
