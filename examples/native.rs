//! The native protocol: submits a batch of jobs and works on them, all on one connection.
//!
//! ```sh
//! cargo run --example native -- [ADDRESS [JOBS]]     # 127.0.0.1:3001 10
//! ```
//!
//! The protocol: a frame is a 32-bit big-endian length, then that many bytes of JSON.
//!
//! ```text
//! → {"action":"hello","name":"native.rs"}
//! ← {"ok":true,"server":"procession/0.1.0","max_frame":16777216}
//! → {"action":"join","types":["square"],"credit":4}            up to 4 jobs in hand
//! ← {"ok":true}
//! → {"action":"submit","jobs":[{"type":"square","body":3,"notify":true},…]}
//! ← {"ok":true,"results":[{"id":"0198…"},…]}                   on disk, each, or its error
//! ← {"action":"job","id":"0198…","type":"square","body":3,"attempt":1,"lease_ms":1800000}
//! → {"action":"respond","id":"0198…","body":9}
//! ← {"ok":true}
//! ← {"action":"result","id":"0198…","body":9}                  because of the "notify"
//! ```
//!
//! What the server sends unasked has an `action`. Everything else is a reply, and replies come in
//! the order of the requests, which need not wait for each other.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use serde_json::{Value, json};

/// The server sends no more than this, unless it was told to.
const MAX_FRAME: u32 = 16 << 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:3001".to_owned());
    let jobs = args.next().and_then(|jobs| jobs.parse().ok()).unwrap_or(10);
    match run(&address, jobs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str, jobs: u64) -> io::Result<()> {
    let mut server = BufReader::new(TcpStream::connect(address)?);
    server.get_ref().set_nodelay(true)?;

    let hello = json!({"action": "hello", "name": "native.rs"});
    let join = json!({"action": "join", "types": ["square"], "credit": 4});
    let batch: Vec<Value> = (0..jobs).map(|number| json!({"type": "square", "body": number, "notify": true})).collect();
    let submit = json!({"action": "submit", "jobs": batch});
    for request in [hello, join, submit] {
        send(server.get_ref(), &request)?;
    }

    let mut ended = 0;
    while ended < jobs {
        let message = receive(&mut server)?;
        match message["action"].as_str() {
            Some("job") => {
                let id = &message["id"];
                let answer = match square(&message["body"]) {
                    Ok(body) => json!({"action": "respond", "id": id, "body": body}),
                    Err(error) => {
                        json!({"action": "fail", "id": id, "error": error, "retry": false})
                    }
                };
                send(server.get_ref(), &answer)?;
            }
            Some("result") => {
                println!("{} gave {}", message["id"], message["body"]);
                ended += 1;
            }
            Some("failed") => {
                println!("{} failed: {}", message["id"], message["error"]);
                ended += 1;
            }
            // Whatever a later server may have to tell.
            Some(_) => {}
            None => check(&message)?,
        }
    }
    Ok(())
}

/// The work itself.
fn square(body: &Value) -> Result<u64, &'static str> {
    let number = body.as_u64().ok_or("not a whole number")?;
    number.checked_mul(number).ok_or("too large")
}

/// A reply is positive, and in a batch, each of its results.
fn check(reply: &Value) -> io::Result<()> {
    let mut results = reply["results"].as_array().into_iter().flatten();
    if reply["ok"] == true && results.all(|result| result.get("error").is_none()) {
        Ok(())
    } else {
        Err(io::Error::other(reply.to_string()))
    }
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
