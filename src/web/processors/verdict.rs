//! What a processor's answer to an item means (`spec/processors.md`, `POST /process`).

use bytes::BytesMut;

use crate::core::Body;
use crate::core::retry::MAX_BACKOFF_MS;
use crate::json;
use crate::web::outgoing::{Answer, Failure};

/// What becomes of the item.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// It is done, with this data.
    Completed(Body),
    /// The processor has it and will call `/complete`.
    Accepted,
    /// The attempt failed.
    Failed(Setback),
}

/// A failed attempt.
#[derive(Clone, PartialEq, Debug)]
pub struct Setback {
    /// Any JSON.
    pub error: Body,
    /// Whether another attempt makes sense.
    pub retry: bool,
    /// How long the processor wants to be left alone, in milliseconds.
    pub delay_ms: Option<u64>,
    /// There was no answer at all: is the processor still there?
    pub is_silence: bool,
}

/// So many bytes of an answer that is no JSON are kept as an error.
const EXCERPT: usize = 1_000;

/// Reads what came of an item.
pub fn verdict(came: Result<Answer, Failure>, max_depth: usize) -> Verdict {
    let answer = match came {
        Ok(answer) => answer,
        Err(failure) => {
            let error = error_text(&failure.to_string());
            return Verdict::Failed(Setback { error, retry: true, delay_ms: None, is_silence: true });
        }
    };
    match answer.status.as_u16() {
        200 => match json::object(&answer.body, max_depth, &["data"]) {
            Ok([Some(data)]) => Verdict::Completed(Body::from(data.as_bytes())),
            Ok([None]) => failed("the answer has no data", &answer, true),
            Err(flaw) => {
                failed(&format!("the answer is no JSON object: {}", flaw.describe(&answer.body)), &answer, true)
            }
        },
        202 | 204 => Verdict::Accepted,
        408 | 425 | 429 => failed(&refusal(&answer), &answer, true),
        400..=499 => failed(&refusal(&answer), &answer, false),
        _ => failed(&refusal(&answer), &answer, true),
    }
}

fn refusal(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body[..answer.body.len().min(EXCERPT)]).into_owned();
    if text.is_empty() { format!("HTTP {}", answer.status) } else { format!("HTTP {}: {text}", answer.status) }
}

/// A failure with the error that the processor gives, or else these words.
fn failed(words: &str, answer: &Answer, retry: bool) -> Verdict {
    let given = match json::object(&answer.body, json::MAX_DEPTH, &["error"]) {
        Ok([Some(error)]) if !json::deeper_than(error, MAX_ERROR_DEPTH) => Some(Body::from(error.as_bytes())),
        Ok(_) | Err(_) => None,
    };
    let delay_ms = answer.retry_after.map(|wait| wait.as_millis().min(u128::from(MAX_BACKOFF_MS)) as u64);
    let error = given.unwrap_or_else(|| error_text(words));
    Verdict::Failed(Setback { error, retry, delay_ms: delay_ms.filter(|_| retry), is_silence: false })
}

/// Deeper errors are not passed on.
const MAX_ERROR_DEPTH: usize = 32;

/// Words as a JSON string.
pub fn error_text(words: &str) -> Body {
    let mut out = BytesMut::new();
    json::write_string(&mut out, words);
    Body::from(&*out)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use awc::http::StatusCode;

    use super::*;

    fn answer(status: u16, body: &str) -> Result<Answer, Failure> {
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Answer { status, retry_after: None, body: body.to_owned().into() })
    }

    fn setback(came: Result<Answer, Failure>) -> (String, bool, Option<u64>, bool) {
        match verdict(came, 8) {
            Verdict::Failed(Setback { error, retry, delay_ms, is_silence }) => {
                (String::from_utf8(error.to_vec()).unwrap(), retry, delay_ms, is_silence)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn data_is_taken_as_it_came() {
        let done = verdict(answer(200, r#" {"more":1,"data" : {"n":1.0,"n":1e2}} "#), 8);
        assert_eq!(done, Verdict::Completed(Body::from(&br#"{"n":1.0,"n":1e2}"#[..])));
        assert_eq!(verdict(answer(200, r#"{"data":null}"#), 8), Verdict::Completed(Body::from(&b"null"[..])));
        assert_eq!(verdict(answer(202, "whatever"), 8), Verdict::Accepted);
        assert_eq!(verdict(answer(204, ""), 8), Verdict::Accepted);
    }

    #[test]
    fn who_is_asked_again() {
        for (status, retry) in [
            (400, false),
            (404, false),
            (408, true),
            (409, false),
            (422, false),
            (425, true),
            (429, true),
            (451, false),
            (500, true),
            (503, true),
            (100, true),
            (201, true),
            (301, true),
            (302, true),
            (600, true),
        ] {
            assert_eq!(setback(answer(status, "")).1, retry, "{status}");
        }
        for nonsense in ["", "null", "[1]", "<html>", "{}", r#"{"data":[[[[[[[[[1]]]]]]]]]}"#, r#"{"data":1"#] {
            let (error, retry, _, is_silence) = setback(answer(200, nonsense));
            assert!(retry && !is_silence && error.starts_with("\"the answer"), "{nonsense}: {error}");
        }
        assert_eq!(setback(Err(Failure::Late)), ("\"no whole answer in time\"".to_owned(), true, None, true));
    }

    #[test]
    fn errors_are_the_processors_words_or_ours() {
        assert_eq!(setback(answer(422, r#"{"error":{"why":1.0}}"#)).0, r#"{"why":1.0}"#);
        assert_eq!(setback(answer(500, "a \"word\"")).0, r#""HTTP 500 Internal Server Error: a \"word\"""#);
        assert_eq!(setback(answer(503, "")).0, "\"HTTP 503 Service Unavailable\"");
        assert!(setback(answer(500, &"é".repeat(5_000))).0.len() < 1_100);
        let deep = format!("{{\"error\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        assert!(setback(answer(500, &deep)).0.starts_with('"'));
    }

    #[test]
    fn a_wait_that_is_asked_for_is_granted_within_reason() {
        let after = |status, wait| {
            let answer = Answer { retry_after: Some(wait), ..answer(status, "").unwrap() };
            setback(Ok(answer)).2
        };
        assert_eq!(after(429, Duration::from_secs(7)), Some(7_000));
        assert_eq!(after(503, Duration::MAX), Some(MAX_BACKOFF_MS));
        assert_eq!(after(404, Duration::from_secs(7)), None);
        assert_eq!(setback(answer(429, "")).2, None);
    }
}
