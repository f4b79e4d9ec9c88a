//! A gloom master: submits jobs, then prints their results as they come.
//!
//! ```sh
//! cargo run --example master -- [ADDRESS [TYPE [JOBS]]]     # 127.0.0.1:9998 echo 10
//! ```
//!
//! The protocol: a frame is a 32-bit big-endian length, then that many bytes of JSON.
//!
//! ```text
//! → {"action":"submit","id":"a","type":"echo","body":1}      may have "priority":5, larger first
//! ← {"ok":true,"id":"a"}                                     accepted
//! ← {"id":"a","body":1}                                      later: its result,
//! ← {"error":"job_failed","reason":"a"}                      or its failure
//! ```
//!
//! The results of earlier jobs may come between a submit and its reply. To leave, close the
//! socket: the jobs that still wait are cleared then.

use std::io::{self, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use serde_json::{Value, json};

/// The server sends no more than this, unless it was told to.
const MAX_FRAME: u32 = 16 << 20;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:9998".to_owned());
    let kind = args.next().unwrap_or("echo".to_owned());
    let jobs = args.next().and_then(|jobs| jobs.parse().ok()).unwrap_or(10);
    match run(&address, &kind, jobs) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str, kind: &str, jobs: u64) -> io::Result<()> {
    let mut server = BufReader::new(TcpStream::connect(address)?);
    server.get_ref().set_nodelay(true)?;

    let mut ended = 0;
    for number in 0..jobs {
        // Ids are unique among all live jobs of the server, so a bare number would not do.
        let id = format!("master-{}-{number}", std::process::id());
        let body = format!("hello {number}");
        let submit = json!({"action": "submit", "id": id, "type": kind, "body": body});
        send(server.get_ref(), &submit)?;
        loop {
            let message = receive(&mut server)?;
            if is_end(&message) {
                println!("{message}");
                ended += 1;
            } else if message["ok"] == true {
                break;
            } else {
                return Err(io::Error::other(message.to_string()));
            }
        }
    }
    while ended < jobs {
        println!("{}", receive(&mut server)?);
        ended += 1;
    }
    Ok(())
}

/// Whether this is the end of a job, and not the reply to a submit.
fn is_end(message: &Value) -> bool {
    message["error"] == "job_failed" || (message.get("body").is_some() && message.get("ok").is_none())
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
