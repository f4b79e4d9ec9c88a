//! A deputy client that works and submits on one connection.
//!
//! ```sh
//! cargo run --example deputy -- [ADDRESS [JOBS]]     # 127.0.0.1:11746 10
//! ```
//!
//! The protocol: a message is one JSON object on a line.
//!
//! ```text
//! → {"cmd":"can_do","types":["reverse"],"jobs":4}                   what it works on, how many at once
//! → {"cmd":"do","id":"a","type":"reverse","arg":"abc","ack":true}   a job for anybody
//! ← {"cmd":"ok","id":"a"}                                           only because of the "ack"
//! ← {"cmd":"do","id":"a","type":"reverse","arg":"abc"}              a job for it
//! → {"cmd":"did","id":"a","res":"cba"}                              its answer
//! ← {"cmd":"did","id":"a","res":"cba"}                              the result of its own job
//! ← {"cmd":"error","error":"job_failed","reason":…,"id":"a"}        or its failure
//! → {"cmd":"metrics"}
//! ← {"cmd":"metrics","metrics":{"up_since":1700000000000,…}}
//! ```

use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use serde_json::{Value, json};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let address = args.next().unwrap_or("127.0.0.1:11746".to_owned());
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
    let server = TcpStream::connect(address)?;
    server.set_nodelay(true)?;
    let mut lines = BufReader::new(&server).lines();

    let can_do = json!({"cmd": "can_do", "types": ["reverse"], "jobs": 4});
    send(&server, &can_do)?;
    let mut submitted = 0;
    submit(&server, &mut submitted)?;
    let mut ended = 0;
    loop {
        let line = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let message: Value = serde_json::from_str(&line)?;
        match message["cmd"].as_str() {
            Some("do") => {
                let result = reverse(&message["arg"]);
                let did = json!({"cmd": "did", "id": message["id"], "res": result});
                send(&server, &did)?;
            }
            // One after the other was accepted: who sends without ever reading fills the pipe.
            Some("ok") if submitted < jobs => submit(&server, &mut submitted)?,
            Some("did") => {
                println!("{} is done: {}", message["id"], message["res"]);
                ended += 1;
                if ended >= jobs {
                    send(&server, &json!({"cmd": "metrics"}))?;
                }
            }
            Some("error") => return Err(io::Error::other(message.to_string())),
            Some("metrics") => {
                println!("{}", message["metrics"]);
                return Ok(());
            }
            _ => {}
        }
    }
}

fn submit(server: &TcpStream, submitted: &mut u64) -> io::Result<()> {
    // Ids are unique among all live jobs of the server, so a bare number would not do.
    let id = format!("deputy-{}-{submitted}", std::process::id());
    let arg = format!("job number {submitted}");
    *submitted += 1;
    let job = json!({"cmd": "do", "id": id, "type": "reverse", "arg": arg, "ack": true});
    send(server, &job)
}

/// The work itself: text comes back reversed, everything else as it is.
fn reverse(arg: &Value) -> Value {
    match arg {
        Value::String(text) => json!(text.chars().rev().collect::<String>()),
        other => other.clone(),
    }
}

fn send(mut server: &TcpStream, message: &Value) -> io::Result<()> {
    server.write_all(format!("{message}\n").as_bytes())
}
