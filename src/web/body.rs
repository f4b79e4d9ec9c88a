//! Reading a request's body: all of it, within the bounds (`spec/jobs.md`: bad input), and never more.
//!
//! The bytes are kept as they came: the parts of them that are jobs' bodies and results are passed on byte for byte.

use actix_web::error::PayloadError;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpMessage, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::problem::{self, Problem};
use crate::core::Limits;

/// The whole body. Memory grows with what has come, whatever length was claimed.
///
/// # Errors
/// 413 as soon as it is known to be longer than `--max-body`, 408 when it isn't there within `--frame-timeout`, 400 when it
/// breaks off or breaks the rules of HTTP.
pub async fn read(request: &HttpRequest, mut payload: web::Payload, limits: &Limits) -> Result<Bytes, Problem> {
    let claimed = claimed_length(request);
    if claimed.is_some_and(|length| length > limits.max_body as u64) {
        return Err(too_large());
    }
    let deadline = Instant::now() + limits.frame_timeout;
    let mut whole = Bytes::new();
    let mut parts = BytesMut::new();
    loop {
        let part = match timeout_at(deadline, payload.next()).await {
            Err(_) => return Err(problem::timeout()),
            Ok(None) => break,
            Ok(Some(Ok(part))) => part,
            Ok(Some(Err(error))) => return Err(broken(&error)),
        };
        if whole.len() + parts.len() + part.len() > limits.max_body {
            return Err(too_large());
        }
        // Most bodies come in one part, and need no copy.
        if whole.is_empty() && parts.is_empty() {
            whole = part;
        } else {
            parts.extend_from_slice(&std::mem::take(&mut whole));
            parts.extend_from_slice(&part);
        }
    }
    Ok(if parts.is_empty() { whole } else { parts.freeze() })
}

/// Whether the request says that it has a body.
pub fn is_announced(request: &impl HttpMessage) -> bool {
    let headers = request.headers();
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get(header::CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0")
}

fn claimed_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Problem {
    Problem::too_large("the body has more bytes than --max-body allows")
}

fn broken(error: &PayloadError) -> Problem {
    match error {
        PayloadError::Overflow => too_large(),
        _ => {
            let detail = "the body broke off or broke the rules of HTTP";
            Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail).closing()
        }
    }
}
