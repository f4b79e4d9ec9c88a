//! One question over HTTP: blocking, one connection, nothing kept.
//!
//! It reads what our own server answers: a length, no chunks, no redirects.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::config::Client;

use super::wire;

/// What a question may end with.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    /// The socket failed.
    #[error("{}", wire::no_contact(.0))]
    Io(#[from] io::Error),
    /// Somebody else listens there.
    #[error("it does not speak HTTP: is this the port of --http?")]
    Foreign,
    /// The server wants to know a token.
    #[error("it wants to know the token: set PROCESSION_TOKEN or --token-file")]
    Unauthorized,
    /// The server answers that something is wrong.
    #[error("{0}")]
    Problem(String),
}

/// The body of the answer to `GET path`.
pub(super) fn get(client: &Client, path: &str) -> Result<String, HttpError> {
    let mut stream = TcpStream::connect_timeout(&client.addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let token = client.token.as_ref().map_or_else(String::new, |token| {
        format!("Authorization: Basic {}\r\n", BASE64.encode(format!(":{}", token.expose())))
    });
    let host = client.addr;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{token}\r\n")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).map_err(|_| HttpError::Foreign)?;
    let (status, body) = parse(&answer).ok_or(HttpError::Foreign)?;
    match status {
        200 => Ok(body.to_owned()),
        401 => Err(HttpError::Unauthorized),
        _ => Err(HttpError::Problem(complaint(status, body))),
    }
}

/// The status and the body of an answer.
fn parse(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let (version, rest) = head.split_once(' ')?;
    if !version.starts_with("HTTP/1.") {
        return None;
    }
    Some((rest.get(..3)?.parse().ok()?, body))
}

fn complaint(status: u16, body: &str) -> String {
    match serde_json::from_str::<Problem>(body) {
        Ok(Problem { code, detail }) => format!("{code} ({detail})"),
        Err(_) => format!("it answers with the status {status}"),
    }
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_from_other_noise() {
        assert_eq!(parse("HTTP/1.1 200 OK\r\nx: y\r\n\r\nhello"), Some((200, "hello")));
        assert_eq!(parse("HTTP/1.0 503 Service Unavailable\r\n\r\n"), Some((503, "")));
        for noise in
            ["", "\0\0\0\u{5}[1,2]", "HTTP/1.1 2", "HTTP/2 200\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200"]
        {
            assert_eq!(parse(noise), None, "{noise}");
        }
        assert_eq!(complaint(503, r#"{"code":"draining","detail":"soon gone","status":503}"#), "draining (soon gone)");
        assert_eq!(complaint(500, "<html>"), "it answers with the status 500");
    }
}
