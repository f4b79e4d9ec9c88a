//! What is wrong with a request, as the caller sees it: `application/problem+json` (RFC 9457) with a stable `code`
//! (`spec/http.md`).
//!
//! Every error of the HTTP side is one of these, also those that actix-web makes by itself. Of what the caller sent, nothing
//! comes back but a few escaped bytes around a flaw.

use std::borrow::Cow;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpResponse, ResponseError};
use bytes::BytesMut;

use crate::core::Refusal;
use crate::json::{self, Flaw};

/// The content type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// How soon a caller may try again what was refused for want of room or because the server goes, in seconds.
const RETRY_AFTER: u32 = 1;

/// An error with everything the caller needs to know. Boxed: most answers are none.
#[derive(Clone, PartialEq, Debug)]
pub struct Problem(Box<Inside>);

#[derive(Clone, PartialEq, Debug)]
struct Inside {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    /// The members besides those that every problem has.
    more: Vec<(&'static str, Cow<'static, str>)>,
    header: Option<(header::HeaderName, Cow<'static, str>)>,
    retry_after: Option<u32>,
    closes: bool,
}

impl Problem {
    /// A problem with a stable code and a sentence for people.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
        let detail = detail.into();
        Problem(Box::new(Inside {
            status,
            code,
            detail,
            more: Vec::new(),
            header: None,
            retry_after: None,
            closes: false,
        }))
    }

    /// 404: nothing is at this path.
    pub fn not_found() -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", "nothing is at this path")
    }

    /// 405: the path is there, but not for this method.
    pub fn method_not_allowed(allowed: String) -> Problem {
        let detail = "this path doesn't take this method; Allow says which it takes";
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail).with_header(header::ALLOW, allowed)
    }

    /// 422: a field has a value that it can't have.
    pub fn invalid_field(field: &'static str, detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail).with("field", field)
    }

    /// 413: too many bytes, or too many of something. The rest of them is not read.
    pub fn too_large(detail: impl Into<Cow<'static, str>>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).closing()
    }

    /// What a scan of the body `text` found.
    pub fn flaw(flaw: Flaw, text: &[u8]) -> Problem {
        match flaw {
            Flaw::Syntax { .. } => Problem::new(StatusCode::BAD_REQUEST, "invalid_json", flaw.describe(text)),
            Flaw::TooDeep => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_deep", "nested deeper than --max-depth allows")
            }
            Flaw::NotAnObject => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_message", "expected a JSON object")
            }
            Flaw::DuplicateMember { name, .. } => Problem::invalid_field(name, flaw.describe(text)),
        }
    }

    /// With one more member, a string.
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Problem {
        self.0.more.push((name, value.into()));
        self
    }

    /// With one more header.
    pub fn with_header(mut self, name: header::HeaderName, value: impl Into<Cow<'static, str>>) -> Problem {
        self.0.header = Some((name, value.into()));
        self
    }

    /// The connection ends with this answer.
    pub fn closing(mut self) -> Problem {
        self.0.closes = true;
        self
    }

    /// With the word that it may go well later.
    fn retriable(mut self) -> Problem {
        self.0.retry_after = Some(RETRY_AFTER);
        self
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// The sentence for people.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The field that it is about, if it is about one.
    pub fn field(&self) -> Option<&str> {
        self.0.more.iter().find(|(name, _)| *name == "field").map(|(_, field)| field.as_ref())
    }

    /// The problem of a bare status, for an error that something else made.
    pub fn of_status(status: StatusCode) -> Problem {
        match status {
            StatusCode::NOT_FOUND => Problem::not_found(),
            StatusCode::METHOD_NOT_ALLOWED => {
                Problem::new(status, "method_not_allowed", "this path doesn't take this method")
            }
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("the request is too large"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => unsupported("expected application/json"),
            StatusCode::REQUEST_TIMEOUT => timeout(),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Problem::new(status, "headers_too_large", "the request has too many headers, or too long ones")
            }
            StatusCode::UNAUTHORIZED => Problem::new(status, "unauthorized", "the token is missing or wrong"),
            status if status.is_server_error() => Problem::new(status, "internal", "something failed in the server"),
            status => Problem::new(status, "bad_request", "the request can't be understood"),
        }
    }

    /// Its JSON text.
    pub fn to_json(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(256);
        out.extend_from_slice(b"{\"type\":\"urn:procession:");
        out.extend_from_slice(self.0.code.as_bytes());
        out.extend_from_slice(b"\",\"title\":");
        json::write_string(&mut out, self.0.status.canonical_reason().unwrap_or("Error"));
        out.extend_from_slice(b",\"status\":");
        json::write_integer(&mut out, self.0.status.as_u16().into());
        out.extend_from_slice(b",\"detail\":");
        json::write_string(&mut out, &self.0.detail);
        out.extend_from_slice(b",\"code\":");
        json::write_string(&mut out, self.0.code);
        for (name, value) in &self.0.more {
            out.extend_from_slice(b",\"");
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            json::write_string(&mut out, value);
        }
        out.extend_from_slice(b"}");
        out
    }
}

/// 415: the body is not of a kind that is read here.
pub fn unsupported(detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

/// 408: the request came too slowly.
pub fn timeout() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", "the request took longer than --frame-timeout").closing()
}

/// What the core refuses.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let (status, is_retriable) = match refusal {
            Refusal::IdExists
            | Refusal::StaleReceipt
            | Refusal::AlreadyFinished
            | Refusal::NotFinished
            | Refusal::AlreadyCompleted
            | Refusal::NotWaiting
            | Refusal::NotScheduled => (StatusCode::CONFLICT, false),
            Refusal::UnknownJob => (StatusCode::NOT_FOUND, false),
            Refusal::Cancelled => (StatusCode::GONE, false),
            Refusal::DiskFull => (StatusCode::INSUFFICIENT_STORAGE, true),
            Refusal::QueueFull | Refusal::Draining | Refusal::Restarted => (StatusCode::SERVICE_UNAVAILABLE, true),
        };
        let problem = Problem::new(status, refusal.code(), refusal.reason());
        if is_retriable { problem.retriable() } else { problem }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.status
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.0.status);
        response.content_type(MEDIA_TYPE);
        if let Some((name, value)) = &self.0.header {
            response.insert_header((name.clone(), value.as_ref()));
        }
        if let Some(seconds) = self.0.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        if self.0.closes {
            response.force_close();
        }
        response.body(self.to_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(problem: &Problem) -> serde_json::Value {
        serde_json::from_slice(&problem.to_json()).unwrap()
    }

    #[test]
    fn a_problem_says_what_rfc_9457_asks_and_its_code() {
        let problem = Problem::invalid_field("priority", "not \"an\" integer");
        assert_eq!(
            read(&problem),
            serde_json::json!({
                "type": "urn:procession:invalid_field",
                "title": "Unprocessable Entity",
                "status": 422,
                "detail": "not \"an\" integer",
                "code": "invalid_field",
                "field": "priority",
            })
        );
        let response = problem.error_response();
        assert_eq!(response.headers().get("content-type").unwrap(), MEDIA_TYPE);
    }

    #[test]
    fn what_may_go_well_later_says_when() {
        for (refusal, status) in [(Refusal::Draining, 503), (Refusal::QueueFull, 503), (Refusal::DiskFull, 507)] {
            let response = Problem::from(refusal).error_response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers().get("retry-after").unwrap(), "1");
        }
        assert!(Problem::from(Refusal::IdExists).error_response().headers().get("retry-after").is_none());
    }

    #[test]
    fn a_flaw_comes_back_escaped_and_short() {
        let text = "<script>".repeat(1_000);
        let flaw = json::object(text.as_bytes(), 9, &["a"]).unwrap_err();
        let problem = Problem::flaw(flaw, text.as_bytes());
        assert_eq!((problem.code(), problem.status_code().as_u16()), ("invalid_json", 400));
        assert!(problem.detail().len() < 300, "{}", problem.detail());
    }
}
