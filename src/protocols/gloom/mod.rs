//! gloom: length-prefixed JSON, one port per role (`spec/gloom.md`).
//!
//! The frames are exactly those of the original server: its clients compare whole objects.

mod master;
mod worker;

pub use master::{Master, Shared};
pub use worker::Worker;

use bytes::BytesMut;

use super::framed::{self, Line, Refused, quoted};

/// Says `{"error":CODE,"reason":DETAIL}`; the detail is JSON already.
fn error(out: &mut BytesMut, code: &str, reason: &str) {
    framed::error(out, code, reason, None);
}
