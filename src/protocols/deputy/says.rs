//! The lines that the server says. One function each, the members in the order of `spec/deputy.md`.

use bytes::BytesMut;

use crate::core::{Assignment, JobId};
use crate::json;

const END: &[u8] = b"}\r\n";

/// A job was queued; for clients that asked to be told.
pub(super) fn ok(out: &mut BytesMut, id: &JobId) {
    out.extend_from_slice(b"{\"cmd\":\"ok\",\"id\":");
    out.extend_from_slice(id.token().as_bytes());
    out.extend_from_slice(END);
}

/// A job to do.
pub(super) fn job(out: &mut BytesMut, job: &Assignment) {
    out.reserve(job.body.len() + job.id.token().len() + job.kind.token().len() + 64);
    out.extend_from_slice(b"{\"cmd\":\"do\",\"id\":");
    out.extend_from_slice(job.id.token().as_bytes());
    out.extend_from_slice(b",\"type\":");
    out.extend_from_slice(job.kind.token().as_bytes());
    if !job.body.is_empty() {
        out.extend_from_slice(b",\"arg\":");
        json::write_single_line(out, &job.body);
    }
    out.extend_from_slice(END);
}

/// A job was done.
pub(super) fn did(out: &mut BytesMut, id: &JobId, result: &[u8]) {
    out.reserve(result.len() + id.token().len() + 64);
    out.extend_from_slice(b"{\"cmd\":\"did\",\"id\":");
    out.extend_from_slice(id.token().as_bytes());
    if !result.is_empty() {
        out.extend_from_slice(b",\"res\":");
        json::write_single_line(out, result);
    }
    out.extend_from_slice(END);
}

/// The counters, a JSON object.
pub(super) fn metrics(out: &mut BytesMut, counters: &str) {
    out.extend_from_slice(b"{\"cmd\":\"metrics\",\"metrics\":");
    out.extend_from_slice(counters.as_bytes());
    out.extend_from_slice(END);
}

/// Something is wrong; the reason is text.
pub(super) fn error(out: &mut BytesMut, code: &str, reason: &str, id: Option<&JobId>) {
    let mut token = BytesMut::with_capacity(reason.len() + 2);
    json::write_string(&mut token, reason);
    error_of(out, code, &token, id);
}

/// A job has failed; the reason is what its last worker said, JSON.
pub(super) fn failed(out: &mut BytesMut, id: &JobId, reason: &[u8]) {
    error_of(out, "job_failed", reason, Some(id));
}

fn error_of(out: &mut BytesMut, code: &str, reason: &[u8], id: Option<&JobId>) {
    out.extend_from_slice(b"{\"cmd\":\"error\",\"error\":\"");
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\",\"reason\":");
    json::write_single_line(out, reason);
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.token().as_bytes());
    }
    out.extend_from_slice(END);
}
