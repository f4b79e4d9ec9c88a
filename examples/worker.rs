//! A gloom worker (gloom calls it a slave): takes jobs of one type, one at a time.
//!
//! ```sh
//! cargo run --example worker -- [ADDRESS [TYPE]]     # 127.0.0.1:9999 echo
//! ```
//!
//! It sends back what it gets; jobs of the type `upper` come back in capitals. For more at a time,
//! run more of it.
//!
//! The protocol: a frame is a 32-bit big-endian length, then that many bytes of JSON.
//!
//! ```text
//! → {"action":"join","type":"echo"}
//! ← {"ok":true}
//! ← {"action":"job","id":"a","type":"echo","body":1}      as soon as there is one
//! → {"action":"respond","body":1}
//! ← {"ok":true}                                           then the next job
//! ```
//!
//! To leave, close the socket: a job in hand goes to another worker.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use serde_json::{Value, json};

/// The server sends no more than this, unless it was told to.
const MAX_FRAME: u32 = 16 << 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:9999".to_owned());
    let kind = args.next().unwrap_or("echo".to_owned());
    let Err(error) = run(&address, &kind);
    eprintln!("{address}: {error}");
    ExitCode::FAILURE
}

/// Works until the connection is lost.
fn run(address: &str, kind: &str) -> io::Result<std::convert::Infallible> {
    let mut server = BufReader::new(TcpStream::connect(address)?);
    server.get_ref().set_nodelay(true)?;

    send(server.get_ref(), &json!({"action": "join", "type": kind}))?;
    expect_ok(receive(&mut server)?)?;
    loop {
        let mut job = receive(&mut server)?;
        println!("{job}");
        let body = work(kind, job["body"].take());
        send(server.get_ref(), &json!({"action": "respond", "body": body}))?;
        expect_ok(receive(&mut server)?)?;
    }
}

/// The work itself: a body in, a result out.
fn work(kind: &str, body: Value) -> Value {
    match (kind, body) {
        ("upper", Value::String(text)) => json!(text.to_uppercase()),
        (_, body) => body,
    }
}

fn expect_ok(reply: Value) -> io::Result<()> {
    if reply["ok"] == true { Ok(()) } else { Err(io::Error::other(reply.to_string())) }
}

fn send(mut server: &TcpStream, message: &Value) -> io::Result<()> {
    let payload = message.to_string();
    let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
    server.write_all(&[&length.to_be_bytes(), payload.as_bytes()].concat())
}

fn receive(server: &mut impl Read) -> io::Result<Value> {
    let mut length = [0; 4];
    server.read_exact(&mut length).map_err(|error| io::Error::new(error.kind(), "the connection was closed"))?;
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut payload = vec![0; length as usize];
    server.read_exact(&mut payload)?;
    Ok(serde_json::from_slice(&payload)?)
}
