//! `submit TYPE BODY`: one job, and with `--wait` its result.

use std::io::{Read, Write};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::config::{Client, Submission};

use super::Failure;
use super::failure::print;
use super::wire::{self, Deadline, Message, REPLY_PATIENCE, Wire};

/// Submits the job; prints its id, or its result.
pub(super) fn run(
    client: &Client,
    submission: &Submission,
    stdin: &mut impl Read,
    stdout: &mut impl Write,
) -> Result<(), Failure> {
    let body = body(&submission.body, stdin)?;
    let mut wire = Wire::connect(client, "procession-submit", Deadline::after(wire::CONNECT_PATIENCE))?;
    let frame = wire::frame(&Submit {
        action: "submit",
        id: submission.id.as_deref(),
        job_type: &submission.job_type,
        body: &body,
        priority: submission.priority,
        notify: submission.wait,
    });
    // Past its limit the server would close the connection, and the reason could get lost.
    if frame.len() as u64 - 4 > wire.max_frame {
        let (length, limit) = (frame.len() - 4, wire.max_frame);
        return Err(Failure::failed(format!(
            "the job has {length} bytes and the server takes {limit}: make it smaller, or start the server with a larger --max-body"
        )));
    }
    let lost = |error: wire::WireError| Failure::failed(format!("lost the connection to {}: {error}", client.addr));
    wire.send(&frame).map_err(lost)?;

    let wait_until = submission.timeout.map_or(Deadline::NEVER, Deadline::after);
    let reply = reply(&mut wire, submission.timeout).map_err(|error| {
        Failure::failed(format!("{} did not answer ({error}): whether it has the job is unknown", client.addr))
    })?;
    let id = match (reply.ok, reply.id.as_deref()) {
        (Some(true), Some(id)) => wire::plain(id),
        _ => return Err(Failure::failed(format!("the server refused the job: {}", reply.complaint()))),
    };
    if !submission.wait {
        return print(stdout, &format!("{id}\n"));
    }
    let message = loop {
        match wire.frames.next(wait_until) {
            Ok(message) if is_about(&message, &id) => break message,
            Ok(_) => {}
            Err(error) if error.is_timeout() => {
                return Err(Failure::failed(format!("no result of job {id} in time; the job goes on")));
            }
            Err(error) => {
                return Err(Failure::failed(format!("lost sight of job {id}, which goes on: {error}")));
            }
        }
    };
    match message.action.as_deref() {
        Some("result") => {
            let result = message.body.as_deref().map_or("null", RawValue::get);
            print(stdout, &format!("{result}\n"))
        }
        _ => Err(Failure::failed(format!("job {id} failed: {}", message.complaint()))),
    }
}

fn body(text: &str, stdin: &mut impl Read) -> Result<Box<RawValue>, Failure> {
    if text != "-" {
        return serde_json::from_str(text).map_err(|error| {
            let short: String = text.chars().take(40).collect();
            let example = if short.len() < text.len() || short.contains('\'') { "hello" } else { &short };
            let quoted = serde_json::Value::from(example);
            Failure::usage(format!(
                "the body is not JSON ({error}): a string needs its quotes, like '{quoted}' with the outer ones for the shell"
            ))
        });
    }
    let mut bytes = Vec::new();
    stdin
        .take(MAX_STDIN_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::failed(format!("cannot read the body from stdin: {error}")))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::usage(format!("the body on stdin is not JSON ({error}): a string needs its quotes, like \"hello\""))
    })
}

/// The reply to the submit.
fn reply(wire: &mut Wire, timeout: Option<Duration>) -> Result<Message, wire::WireError> {
    let deadline = Deadline::after(timeout.map_or(REPLY_PATIENCE, |timeout| timeout.min(REPLY_PATIENCE)));
    loop {
        let message = wire.frames.next(deadline)?;
        if message.action.is_none() {
            return Ok(message);
        }
    }
}

fn is_about(message: &Message, id: &str) -> bool {
    let settles = matches!(message.action.as_deref(), Some("result" | "failed"));
    settles && message.id.as_deref().is_some_and(|other| wire::plain(other) == id)
}

#[derive(Serialize)]
struct Submit<'a> {
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    job_type: &'a str,
    body: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i64>,
    notify: bool,
}

const MAX_STDIN_BYTES: u64 = (256 << 20) + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_as_spelled() {
        for (text, expected) in
            [("1.0", "1.0"), (" {\"a\": 1e2} ", "{\"a\": 1e2}"), ("\"hi\"", "\"hi\""), ("null", "null")]
        {
            assert_eq!(body(text, &mut &b""[..]).unwrap().get(), expected);
            assert_eq!(body("-", &mut text.as_bytes()).unwrap().get(), expected);
        }
    }

    #[test]
    fn what_is_not_json_is_explained() {
        assert_eq!(
            body("hello", &mut &b""[..]).unwrap_err().to_string(),
            "the body is not JSON (expected value at line 1 column 1): \
             a string needs its quotes, like '\"hello\"' with the outer ones for the shell"
        );
        for bad in ["", "{", "1 2", "{'a':1}", "nul"] {
            assert!(body(bad, &mut &b""[..]).is_err(), "{bad}");
        }
        assert!(body("-", &mut &b"\"\xff\""[..]).is_err());
    }
}
