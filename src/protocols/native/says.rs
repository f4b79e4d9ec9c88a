//! The frames that the server says. One function each, the members in the order of `spec/tcp.md`.

use bytes::BytesMut;

use super::super::{framed, length_prefixed};
use super::submit::{Fate, Results};
use crate::core::job::or_null;
use crate::core::{Assignment, Ending, JobId, Refusal};
use crate::json;

/// Writes one frame.
fn frame(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
    let mark = length_prefixed::begin(out);
    write(out);
    length_prefixed::finish(out, mark);
}

/// The answer to a hello.
pub(super) fn welcome(out: &mut BytesMut, max_frame: usize) {
    let frame_text =
        format!("{{\"ok\":true,\"server\":\"procession/{}\",\"max_frame\":{max_frame}}}", env!("CARGO_PKG_VERSION"));
    frame(out, |out| out.extend_from_slice(frame_text.as_bytes()));
}

/// Granted.
pub(super) fn ok(out: &mut BytesMut) {
    frame(out, |out| out.extend_from_slice(b"{\"ok\":true}"));
}

/// A job was accepted.
pub(super) fn accepted(out: &mut BytesMut, id: &JobId) {
    frame(out, |out| {
        out.extend_from_slice(b"{\"ok\":true,\"id\":");
        out.extend_from_slice(id.token().as_bytes());
        out.extend_from_slice(b"}");
    });
}

/// The lease of an attempt began anew.
pub(super) fn leased(out: &mut BytesMut, lease_ms: u64) {
    let text = format!("{{\"ok\":true,\"lease_ms\":{lease_ms}}}");
    frame(out, |out| out.extend_from_slice(text.as_bytes()));
}

/// What became of a batch.
pub(super) fn results(out: &mut BytesMut, results: &Results) {
    frame(out, |out| {
        out.extend_from_slice(b"{\"ok\":true,\"results\":[");
        for (place, (id, fate)) in results.each().enumerate() {
            out.extend_from_slice(if place == 0 { b"{" } else { b",{" });
            match fate {
                Fate::Accepted => out.extend_from_slice(b"\"id\":"),
                Fate::Awaited => unreachable!("a batch is told when all its jobs are decided"),
                Fate::Refused { code, reason } => {
                    out.extend_from_slice(b"\"error\":\"");
                    out.extend_from_slice(code.as_bytes());
                    out.extend_from_slice(b"\",\"reason\":");
                    json::write_string(out, reason);
                    out.extend_from_slice(if id.is_some() { b",\"id\":" } else { b"" });
                }
            }
            out.extend_from_slice(id.map_or("", JobId::token).as_bytes());
            out.extend_from_slice(b"}");
        }
        out.extend_from_slice(b"]}");
    });
}

/// A job to work on.
pub(super) fn job(out: &mut BytesMut, job: &Assignment) {
    let body = or_null(&job.body);
    out.reserve(body.len() + job.id.token().len() + job.kind.token().len() + 128);
    frame(out, |out| {
        out.extend_from_slice(b"{\"action\":\"job\",\"id\":");
        out.extend_from_slice(job.id.token().as_bytes());
        out.extend_from_slice(b",\"type\":");
        out.extend_from_slice(job.kind.token().as_bytes());
        out.extend_from_slice(b",\"body\":");
        out.extend_from_slice(body);
        out.extend_from_slice(b",\"attempt\":");
        json::write_integer(out, u64::from(job.attempt));
        out.extend_from_slice(b",\"lease_ms\":");
        json::write_integer(out, job.lease_ms);
        out.extend_from_slice(b"}");
    });
}

/// A job in hand was cancelled.
pub(super) fn cancelled(out: &mut BytesMut, id: &JobId) {
    frame(out, |out| {
        out.extend_from_slice(b"{\"action\":\"cancelled\",\"id\":");
        out.extend_from_slice(id.token().as_bytes());
        out.extend_from_slice(b"}");
    });
}

/// A job has ended.
pub(super) fn ended(out: &mut BytesMut, id: &JobId, ending: &Ending) {
    match ending {
        Ending::Completed(result) => end(out, b"result", id, b"body", or_null(result)),
        Ending::Failed(error) => failed(out, id, or_null(error)),
        Ending::Cancelled => failed(out, id, b"\"cancelled\""),
        Ending::Expired => failed(out, id, b"\"expired\""),
    }
}

/// A job has failed; the error is JSON.
pub(super) fn failed(out: &mut BytesMut, id: &JobId, error: &[u8]) {
    end(out, b"failed", id, b"error", error);
}

fn end(out: &mut BytesMut, action: &[u8], id: &JobId, name: &[u8], value: &[u8]) {
    out.reserve(value.len() + id.token().len() + 64);
    frame(out, |out| {
        out.extend_from_slice(b"{\"action\":\"");
        out.extend_from_slice(action);
        out.extend_from_slice(b"\",\"id\":");
        out.extend_from_slice(id.token().as_bytes());
        out.extend_from_slice(b",\"");
        out.extend_from_slice(name);
        out.extend_from_slice(b"\":");
        out.extend_from_slice(value);
        out.extend_from_slice(b"}");
    });
}

/// A request is refused.
pub(super) fn refused(out: &mut BytesMut, refusal: Refusal, id: Option<&JobId>) {
    framed::error(out, refusal.code(), &framed::quoted(refusal.reason()), id);
}
