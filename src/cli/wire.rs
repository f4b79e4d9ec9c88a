//! The client's end of the native TCP protocol: blocking, one frame at a time.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::config::Client;

use super::Failure;

/// When to give up waiting, if ever.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// Wait as long as it takes.
    pub const NEVER: Self = Self(None);

    /// Give up after a while.
    pub fn after(patience: Duration) -> Self {
        // What overflows is as good as never.
        Self(Instant::now().checked_add(patience))
    }

    fn remaining(self) -> io::Result<Option<Duration>> {
        let Some(at) = self.0 else { return Ok(None) };
        match at.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            remaining => Ok(Some(remaining)),
        }
    }
}

/// Whatever the server sends: a reply has `ok` or `error`, what it sends unasked has `action`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Message {
    pub action: Option<String>,
    pub ok: Option<bool>,
    pub error: Option<Box<RawValue>>,
    pub reason: Option<Box<RawValue>>,
    pub id: Option<Box<RawValue>>,
    #[serde(rename = "type")]
    pub job_type: Option<String>,
    pub body: Option<Box<RawValue>>,
    pub attempt: Option<u64>,
    pub lease_ms: Option<u64>,
    pub max_frame: Option<u64>,
}

impl Message {
    /// The error, with its reason where there is one.
    pub fn complaint(&self) -> String {
        let error = self.error.as_deref().map_or_else(|| "unknown error".to_owned(), plain);
        match self.reason.as_deref().map(plain) {
            Some(reason) if !reason.is_empty() => format!("{error} ({reason})"),
            _ => error,
        }
    }

    /// The code of the error, or nothing.
    pub fn code(&self) -> String {
        self.error.as_deref().map(plain).unwrap_or_default()
    }
}

/// A JSON string as its text, anything else as it is spelled.
pub(super) fn plain(value: &RawValue) -> String {
    serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
}

/// What a message may end with.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server closed the connection.
    #[error("the server closed the connection")]
    Closed,
    /// Whatever answers does not speak this protocol.
    #[error("it does not speak procession's TCP protocol: is this the port of --tcp?")]
    Foreign,
}

impl WireError {
    /// Whether it is the deadline that ended it.
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Io(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
            Self::Closed | Self::Foreign => false,
        }
    }

    /// The error of a first contact, and what to do about it.
    fn advice(&self) -> String {
        match self {
            Self::Io(error) => no_contact(error),
            Self::Closed => format!("{self}: it may be full, or about to stop"),
            Self::Foreign => self.to_string(),
        }
    }
}

/// Reads frames.
pub(super) struct Frames(BufReader<TcpStream>);

impl Frames {
    /// The next message.
    pub fn next(&mut self, deadline: Deadline) -> Result<Message, WireError> {
        self.0.get_ref().set_read_timeout(deadline.remaining()?)?;
        let mut header = [0; 4];
        let read = loop {
            match self.0.read(&mut header[..1]) {
                // With a time limit, a process that was stopped and goes on is told so.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if read == 0 {
            return Err(WireError::Closed);
        }
        self.0.read_exact(&mut header[1..])?;
        let length = u64::from(u32::from_be_bytes(header));
        if length > MAX_FRAME_BYTES {
            return Err(WireError::Foreign);
        }
        // Grows with what arrives, not with what is claimed.
        let mut frame = Vec::new();
        if (&mut self.0).take(length).read_to_end(&mut frame)? as u64 != length {
            return Err(WireError::Closed);
        }
        serde_json::from_slice(&frame).map_err(|_| WireError::Foreign)
    }
}

/// A connection to the server, past its hello.
pub(super) struct Wire {
    pub frames: Frames,
    stream: TcpStream,
    /// The largest frame that the server takes.
    pub max_frame: u64,
}

impl Wire {
    /// Connects and says hello.
    pub fn connect(client: &Client, name: &str, deadline: Deadline) -> Result<Self, Failure> {
        let hello = Hello { action: "hello", name, token: client.token.as_ref().map(|token| token.expose()) };
        let (mut wire, reply) = Self::open(client.addr, &hello, deadline)
            .map_err(|error| Failure::failed(format!("{}: {}", client.addr, error.advice())))?;
        if reply.ok != Some(true) {
            let refusal = format!("{} refused us: {}", client.addr, reply.complaint());
            return Err(match reply.code().as_str() {
                "unauthorized" => Failure::refused(format!(
                    "{refusal}: set PROCESSION_TOKEN or --token-file to the token of the server"
                )),
                // It may change its mind: it drains, or is full.
                _ => Failure::failed(refusal),
            });
        }
        wire.max_frame = reply.max_frame.unwrap_or(MAX_FRAME_BYTES);
        Ok(wire)
    }

    fn open(addr: SocketAddr, hello: &Hello<'_>, deadline: Deadline) -> Result<(Self, Message), WireError> {
        let patience = deadline.remaining()?.unwrap_or(CONNECT_PATIENCE);
        let stream = TcpStream::connect_timeout(&addr, patience)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(WRITE_PATIENCE))?;
        // A server that vanished without a word is noticed also by a client that only waits.
        let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 3);
        socket2::SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let frames = Frames(BufReader::new(stream.try_clone()?));
        let mut wire = Self { frames, stream, max_frame: MAX_FRAME_BYTES };
        wire.send(&frame(hello))?;
        let reply = wire.frames.next(deadline)?;
        Ok((wire, reply))
    }

    /// Writes one frame.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        Ok(self.stream.write_all(frame)?)
    }

    /// Splits off the reading half, for a thread of its own.
    pub fn split(self) -> (Frames, Sender) {
        (self.frames, Sender(self.stream))
    }
}

/// The writing half. Dropping it ends the reading half, too.
pub(super) struct Sender(TcpStream);

impl Sender {
    /// Writes one frame.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), WireError> {
        Ok(self.0.write_all(frame)?)
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // It may be closed already, which is as good.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// A frame, header and all. Its length is the caller's to check where it can be large.
pub(super) fn frame(message: &impl Serialize) -> Vec<u8> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, message).expect("plain structs are JSON, and memory takes every byte");
    let length = u32::try_from(frame.len() - 4).unwrap_or(u32::MAX);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame
}

/// Why there is no connection, and what to do.
pub(super) fn no_contact(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "no answer: is this the address of the server, and is it well?".to_owned()
        }
        _ => format!("cannot connect: {error}: is the server running? start it with `procession`"),
    }
}

#[derive(Serialize)]
struct Hello<'a> {
    action: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

/// How long a connection may take to come about.
pub(super) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a reply may take: it waits for a disk at most.
pub(super) const REPLY_PATIENCE: Duration = Duration::from_secs(30);
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
const KEEPALIVE: Duration = Duration::from_secs(30);
// The largest `--max-body`, and room for what surrounds it.
const MAX_FRAME_BYTES: u64 = (256 << 20) + (1 << 20);
