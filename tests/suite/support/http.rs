//! HTTP/1.1, from its own text: a blocking client that keeps its connection, and that can also say what no client should.

use super::{PATIENCE, Server, dial};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Where the API is.
pub const API: &str = "/api/v1";

/// The header of every body that the API takes.
pub const AS_JSON: (&str, &str) = ("Content-Type", "application/json");

/// The members that every problem has.
const PROBLEM: [&str; 5] = ["code", "detail", "status", "title", "type"];

/// A connection to the port for HTTP.
#[track_caller]
pub fn http(server: &Server) -> Http {
    Http::connect(server.http())
}

/// A connection that speaks HTTP/1.1. Paths are below [`API`], targets are whole.
///
/// As every client does, it connects again before a request that follows an answer with `Connection: close`.
pub struct Http {
    /// The socket, for the tests that need it bare.
    pub stream: TcpStream,
    host: String,
    is_over: bool,
    unread: Vec<u8>,
    taken: usize,
    /// For each request that is not answered yet: whether its answer has no body whatever its head says.
    asked: VecDeque<bool>,
    partial: Option<Partial>,
}

/// What a read with a deadline saw.
#[derive(Debug)]
pub enum Reply {
    /// A whole answer.
    Answer(Answer),
    /// The peer closed or reset the connection; in the middle of an answer, what had come of it.
    Closed(Option<Answer>),
    /// Nothing whole until the deadline.
    Silence,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers as they came; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, without its framing.
    pub body: Vec<u8>,
}

/// An answer of which not everything has come.
struct Partial {
    answer: Answer,
    framing: Framing,
}

/// How an answer's body ends.
enum Framing {
    /// After so many more bytes.
    Length(usize),
    /// After so many more bytes of a chunk and its line end, then another chunk.
    Chunk(usize),
    /// At the head of a chunk.
    ChunkHead,
    /// In the lines after the last chunk.
    Trailer,
    /// With the connection.
    UntilClosed,
}

/// What a step of reading gave.
enum Step {
    Done,
    Again,
    NeedsMore,
}

impl Http {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Http {
        Http::on(dial(address))
    }

    /// Speaks HTTP on a connection that exists.
    pub fn on(stream: TcpStream) -> Http {
        let host = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
        Http { stream, host, is_over: false, unread: Vec::new(), taken: 0, asked: VecDeque::new(), partial: None }
    }

    /// What the `Host` header says unless a request says otherwise.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Asks for a path.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", &format!("{API}{path}"), &[], None)
    }

    /// Posts JSON to a path; an empty text is no body at all.
    #[track_caller]
    pub fn post(&mut self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.start_post(path, body);
        self.answer()
    }

    /// Deletes at a path.
    #[track_caller]
    pub fn delete(&mut self, path: &str) -> Answer {
        self.ask("DELETE", &format!("{API}{path}"), &[], None)
    }

    /// Asks and waits for the answer. `Host` and `Content-Length` come by themselves unless the headers have them.
    #[track_caller]
    pub fn ask(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        self.start(method, target, headers, body);
        self.answer()
    }

    /// Asks for a path and doesn't wait.
    #[track_caller]
    pub fn start_get(&mut self, path: &str) {
        self.start("GET", &format!("{API}{path}"), &[], None);
    }

    /// Posts JSON to a path and doesn't wait.
    #[track_caller]
    pub fn start_post(&mut self, path: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let target = format!("{API}{path}");
        if body.is_empty() {
            self.start("POST", &target, &[], None);
        } else {
            self.start("POST", &target, &[AS_JSON], Some(body));
        }
    }

    /// Asks and doesn't wait.
    #[track_caller]
    pub fn start(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) {
        if self.is_over && self.asked.is_empty() {
            *self = Http::connect(self.stream.peer_addr().expect("a connection has an address"));
        }
        let request = self.request(method, target, headers, body);
        self.expect_answer_to(method);
        self.raw(request);
    }

    /// The bytes of a request.
    pub fn request(&self, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
        let has = |name: &str| headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut text = format!("{method} {target} HTTP/1.1\r\n");
        if !has("host") {
            text.push_str(&format!("Host: {}\r\n", self.host));
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = body.map_or(0, <[u8]>::len);
        if !has("content-length") && !has("transfer-encoding") && (body.is_some() || method == "POST") {
            text.push_str(&format!("Content-Length: {length}\r\n"));
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        bytes
    }

    /// Says that the bytes sent with [`Http::raw`] were a request of this method.
    pub fn expect_answer_to(&mut self, method: &str) {
        self.asked.push_back(method == "HEAD");
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        self.stream
            .write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("expected to be able to send, got {error}"));
    }

    /// Sends what the server may no longer want to read: errors do not matter.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer, which must come.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.answer_within(PATIENCE)
    }

    /// As [`Http::answer`], with a deadline of its own.
    #[track_caller]
    pub fn answer_within(&mut self, patience: Duration) -> Answer {
        match self.listen(patience) {
            Reply::Answer(answer) => answer,
            other => panic!("expected an answer, got {other:?}"),
        }
    }

    /// The next answer, the end, or silence until the deadline. Interim answers (1xx) are passed over.
    #[track_caller]
    pub fn listen(&mut self, patience: Duration) -> Reply {
        let deadline = Instant::now() + patience;
        loop {
            loop {
                match self.step() {
                    Step::Again => {}
                    Step::NeedsMore => break,
                    Step::Done => {
                        let answer = self.partial.take().expect("a whole answer has begun").answer;
                        if answer.status / 100 != 1 {
                            self.asked.pop_front();
                            self.is_over |= answer.closes();
                            return Reply::Answer(answer);
                        }
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Reply::Silence;
            }
            match self.fill(left) {
                Ok(true) => {}
                Ok(false) => return self.closed(),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return self.closed(),
                },
            }
        }
    }

    /// Nothing comes for a moment.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        match self.listen(super::A_MOMENT) {
            Reply::Silence => {}
            other => panic!("expected nothing, got {other:?}"),
        }
    }

    /// The connection ends, with nothing before its end.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        match self.listen(PATIENCE) {
            Reply::Closed(None) => {}
            other => panic!("expected the connection to be closed, got {other:?}"),
        }
    }

    /// Half-closes: this side will send no more.
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection can be half-closed");
    }

    /// Closes with a reset instead of a goodbye.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
    }

    /// Waits for the head of an answer and for so much of its body, then for nothing more.
    #[track_caller]
    pub fn wait_for_body(&mut self, bytes: usize) {
        super::eventually("the beginning of an answer", || {
            let _ = self.listen_once(Duration::from_millis(20));
            self.partial.as_ref().is_some_and(|partial| partial.answer.body.len() >= bytes).then_some(())
        });
    }

    /// The events of a stream that was asked for with [`Http::start_get`], after its head.
    #[track_caller]
    pub fn events(mut self) -> Events {
        super::eventually("the head of the stream", || {
            let _ = self.listen_once(Duration::from_millis(20));
            self.partial.as_ref().map(|_| ())
        });
        let head = Answer { body: Vec::new(), ..self.partial.as_ref().expect("it has begun").answer.clone() };
        Events { http: self, head, read: 0 }
    }

    /// One read at most: as far as it goes without a whole answer being an event.
    fn listen_once(&mut self, patience: Duration) -> std::io::Result<bool> {
        while let Step::Again = self.step() {}
        let more = self.fill(patience);
        while let Step::Again = self.step() {}
        more
    }

    /// Reads what there is; false at the end.
    fn fill(&mut self, patience: Duration) -> std::io::Result<bool> {
        self.stream.set_read_timeout(Some(patience.max(Duration::from_millis(1))))?;
        let mut block = [0; 65536];
        let count = self.stream.read(&mut block)?;
        if self.taken == self.unread.len() {
            self.unread.clear();
            self.taken = 0;
        }
        self.unread.extend_from_slice(&block[..count]);
        Ok(count > 0)
    }

    fn closed(&mut self) -> Reply {
        match self.partial.take() {
            Some(Partial { answer, framing: Framing::UntilClosed }) => {
                self.asked.pop_front();
                Reply::Answer(answer)
            }
            Some(partial) => Reply::Closed(Some(partial.answer)),
            None if self.taken < self.unread.len() => {
                let rest = String::from_utf8_lossy(&self.unread[self.taken..]).into_owned();
                panic!("expected the connection to end between answers, got {rest:?} before its end")
            }
            None => Reply::Closed(None),
        }
    }

    /// Goes on with the answer that is under way, as far as the bytes at hand let it.
    fn step(&mut self) -> Step {
        let has_no_body = self.asked.front().copied().unwrap_or(false);
        let unread = &self.unread[self.taken..];
        let Some(partial) = &mut self.partial else {
            let Some((head, length)) = head_of(unread) else { return Step::NeedsMore };
            self.taken += length;
            let framing = framing_of(&head, has_no_body);
            self.partial = Some(Partial { answer: head, framing });
            return Step::Again;
        };
        match partial.framing {
            Framing::Length(0) => Step::Done,
            Framing::Length(left) | Framing::Chunk(left) if left > 0 => {
                let count = left.min(unread.len());
                if count == 0 {
                    return Step::NeedsMore;
                }
                partial.answer.body.extend_from_slice(&unread[..count]);
                self.taken += count;
                partial.framing = match partial.framing {
                    Framing::Chunk(_) => Framing::Chunk(left - count),
                    _ => Framing::Length(left - count),
                };
                Step::Again
            }
            Framing::Length(_) | Framing::Chunk(_) => {
                let Some(end) = unread.get(..2) else { return Step::NeedsMore };
                assert_eq!(end, b"\r\n", "expected a line end after a chunk");
                self.taken += 2;
                partial.framing = Framing::ChunkHead;
                Step::Again
            }
            Framing::ChunkHead => {
                let Some(line) = line_of(unread) else { return Step::NeedsMore };
                self.taken += line.len() + 2;
                let digits = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(digits, 16)
                    .unwrap_or_else(|error| panic!("expected the size of a chunk, got {line:?}: {error}"));
                partial.framing = if size == 0 { Framing::Trailer } else { Framing::Chunk(size) };
                Step::Again
            }
            Framing::Trailer => {
                let Some(line) = line_of(unread) else { return Step::NeedsMore };
                self.taken += line.len() + 2;
                if line.is_empty() {
                    partial.framing = Framing::Length(0);
                }
                Step::Again
            }
            Framing::UntilClosed => {
                partial.answer.body.extend_from_slice(unread);
                self.taken = self.unread.len();
                Step::NeedsMore
            }
        }
    }
}

/// The head of an answer and its length, once all of it is there.
fn head_of(unread: &[u8]) -> Option<(Answer, usize)> {
    let length = unread.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&unread[..length - 4]).expect("the head of an answer is text");
    let mut lines = text.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first
        .strip_prefix("HTTP/1.1 ")
        .or(first.strip_prefix("HTTP/1.0 "))
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .unwrap_or_else(|| panic!("expected the first line of an answer, got {first:?}"));
    let headers = lines
        .map(|line| {
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("expected a header, got {line:?}"));
            (name.to_ascii_lowercase(), value.trim().to_owned())
        })
        .collect();
    Some((Answer { status, headers, body: Vec::new() }, length))
}

fn framing_of(head: &Answer, has_no_body: bool) -> Framing {
    if has_no_body || head.status / 100 == 1 || head.status == 204 || head.status == 304 {
        return Framing::Length(0);
    }
    let chunked = head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let lengths: BTreeSet<&str> = head.all("content-length").collect();
    assert!(lengths.len() + usize::from(chunked) <= 1, "expected one framing, got {head:?}");
    match lengths.first() {
        _ if chunked => Framing::ChunkHead,
        Some(length) => Framing::Length(length.parse().expect("a content length is a number")),
        None => Framing::UntilClosed,
    }
}

/// The line that begins here, without its end.
fn line_of(unread: &[u8]) -> Option<String> {
    let length = unread.windows(2).position(|two| two == b"\r\n")?;
    Some(String::from_utf8_lossy(&unread[..length]).into_owned())
}

impl Answer {
    /// The value of a header, of the first of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The values of a header.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The connection ends with it.
    pub fn closes(&self) -> bool {
        self.header("connection").is_some_and(|word| word.eq_ignore_ascii_case("close"))
    }

    /// The body as text.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body of an answer is UTF-8")
    }

    /// It has this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        let shown = String::from_utf8_lossy(&self.body[..self.body.len().min(2_000)]).into_owned();
        assert_eq!(self.status, status, "(left: got, right: expected), body {shown:?}, headers {:?}", self.headers);
        self
    }

    /// It has this status and is JSON.
    #[track_caller]
    pub fn json(self, status: u16) -> Value {
        self.raw_json(status).value()
    }

    /// It has this status and is JSON, which is not read: numbers may be beyond all numbers, strings beyond all letters.
    #[track_caller]
    pub fn raw_json(self, status: u16) -> Answer {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/json"), "got {}", answer.text());
        answer
    }

    /// Its body as a JSON value.
    #[track_caller]
    pub fn value(&self) -> Value {
        super::json(self.text())
    }

    /// The text of a member exactly as it came: `["jobs", "0", "body"]`.
    #[track_caller]
    pub fn member(&self, path: &[&str]) -> String {
        member(self.text(), path)
    }

    /// It is a problem of this status and code, in the form of RFC 9457.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        let problem = self.any_problem(status);
        assert_eq!(problem["code"], code, "expected the code {code}, got {problem}");
        problem
    }

    /// It is a problem of this status, in the form of RFC 9457.
    #[track_caller]
    pub fn any_problem(self, status: u16) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "got {}", answer.text());
        let problem = answer.value();
        let members = problem.as_object().unwrap_or_else(|| panic!("expected an object, got {problem}"));
        for name in PROBLEM {
            assert!(members.contains_key(name), "expected {name} in the problem {problem}");
        }
        assert_eq!(problem["status"], status, "got {problem}");
        for name in ["type", "title", "detail", "code"] {
            let text = problem[name].as_str().unwrap_or_else(|| panic!("expected {name} to be text, got {problem}"));
            assert!(!text.is_empty(), "expected {name} not to be empty, got {problem}");
        }
        let code = problem["code"].as_str().expect("a code is text");
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "got the code {code}");
        problem
    }

    /// It may not be kept by anybody.
    #[track_caller]
    pub fn expect_no_store(self) -> Answer {
        assert_eq!(self.header("cache-control"), Some("no-store"), "got {self:?}");
        self
    }

    /// The time of a long poll was over: 204, without a body.
    #[track_caller]
    pub fn expect_nothing(self) {
        let answer = self.expect(204).expect_no_store();
        assert!(answer.body.is_empty());
        assert!(matches!(answer.header("content-length"), None | Some("0")), "got {answer:?}");
        assert_eq!(answer.header("transfer-encoding"), None);
    }
}

/// The text of a member of a JSON text exactly as it is spelled.
#[track_caller]
pub fn member(text: &str, path: &[&str]) -> String {
    let Some((first, rest)) = path.split_first() else { return text.to_owned() };
    let found = if let Ok(place) = first.parse::<usize>() {
        let elements: Vec<&RawValue> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("expected an array, got {text:?}: {error}"));
        elements.get(place).map(|element| element.get())
    } else {
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("expected an object, got {text:?}: {error}"));
        members.get(*first).map(|member| member.get())
    };
    member(found.unwrap_or_else(|| panic!("expected {first} in {text}")), rest)
}

/// An object has exactly these members.
#[track_caller]
pub fn assert_members(value: &Value, names: &[&str]) {
    assert_members_and_maybe(value, names, &[]);
}

/// An object has these members, and none but these and some others.
#[track_caller]
pub fn assert_members_and_maybe(value: &Value, names: &[&str], others: &[&str]) {
    let members = value.as_object().unwrap_or_else(|| panic!("expected an object, got {value}"));
    let got: BTreeSet<&str> = members.keys().map(String::as_str).filter(|name| !others.contains(name)).collect();
    let expected: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(got, expected, "(left: got, right: expected), in {value}");
}

/// A text as a segment of a path, or a value of a query.
pub fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// A stream of server-sent events.
pub struct Events {
    /// The head of the answer.
    pub head: Answer,
    http: Http,
    read: usize,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What kind.
    pub name: String,
    /// Its data lines.
    pub data: String,
}

impl Events {
    /// The next event, which must come. Comments are passed over.
    #[track_caller]
    pub fn next(&mut self) -> Event {
        super::eventually("an event", || {
            let found = self.parsed();
            if found.is_none() {
                let _ = self.http.listen_once(Duration::from_millis(50));
            }
            found
        })
    }

    /// The stream ends.
    #[track_caller]
    pub fn expect_end(&mut self) {
        super::eventually("the end of the stream", || {
            let is_whole = matches!(self.http.partial, Some(Partial { framing: Framing::Length(0), .. }));
            let more = self.http.listen_once(Duration::from_millis(50));
            let is_over = match more {
                Ok(more) => !more,
                Err(error) => {
                    !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
                }
            };
            (is_whole || is_over).then_some(())
        });
    }

    fn parsed(&mut self) -> Option<Event> {
        loop {
            let body = &self.http.partial.as_ref()?.answer.body;
            let rest = &body[self.read..];
            let length = rest.windows(2).position(|two| two == b"\n\n")?;
            let block = String::from_utf8(rest[..length].to_vec()).expect("events are UTF-8");
            self.read += length + 2;
            let mut event = Event { name: "message".to_owned(), data: String::new() };
            let mut is_empty = true;
            for line in block.lines() {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => event.name = value.to_owned(),
                    "data" => {
                        if !is_empty {
                            event.data.push('\n');
                        }
                        event.data.push_str(value);
                        is_empty = false;
                    }
                    "" | "id" | "retry" => {}
                    other => panic!("expected a field of an event, got {other:?} in {block:?}"),
                }
            }
            if !is_empty {
                return Some(event);
            }
        }
    }
}
