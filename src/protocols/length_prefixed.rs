//! Frames of a 32-bit big-endian length and that many bytes: gloom and the native protocol.
//!
//! A length is judged before anything else happens; nothing is allocated or copied here, and the payload is never
//! looked into. A length of 0 is an empty payload: what that means is the session's matter.

use std::fmt;

use bytes::{BufMut, BytesMut};

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A whole frame.
    Frame {
        /// Its bytes, without the length.
        payload: &'a [u8],
        /// The bytes to drop from the front of the input before the next call.
        consumed: usize,
    },
    /// Not yet a whole frame.
    Incomplete {
        /// The size of the frame with its length, or 4 while the length itself is incomplete.
        needed: usize,
    },
}

/// A frame claims more bytes than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong {
    /// The bytes it claims, without the length.
    pub claimed: u32,
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("length too large")
    }
}

impl std::error::Error for TooLong {}

/// Reads the frame at the front of `input`, whose payload may have up to `max` bytes.
#[inline]
pub fn next(input: &[u8], max: usize) -> Result<Next<'_>, TooLong> {
    let Some((header, rest)) = input.split_first_chunk::<HEADER>() else {
        return Ok(Next::Incomplete { needed: HEADER });
    };
    let claimed = u32::from_be_bytes(*header);
    let length = usize::try_from(claimed).unwrap_or(usize::MAX);
    if length > max {
        return Err(TooLong { claimed });
    }
    let needed = length.saturating_add(HEADER);
    Ok(match rest.get(..length) {
        Some(payload) => Next::Frame { payload, consumed: needed },
        None => Next::Incomplete { needed },
    })
}

/// Where a frame that is being written begins; [`finish`] takes it.
#[derive(Debug)]
#[must_use = "a frame without its length breaks the stream"]
pub struct Mark(usize);

/// Begins a frame at the end of `out`: room for its length. Append the payload, then [`finish`].
#[inline]
pub fn begin(out: &mut BytesMut) -> Mark {
    let mark = Mark(out.len());
    out.put_slice(&[0; HEADER]);
    mark
}

/// Ends a frame: writes the length of all that was appended since [`begin`]. In between nothing may be taken from
/// the front of `out`.
#[inline]
pub fn finish(out: &mut BytesMut, mark: Mark) {
    let Mark(start) = mark;
    let payload = start + HEADER;
    let length = u32::try_from(out.len() - payload).expect("a frame is bounded far below 4 GiB");
    out[start..payload].copy_from_slice(&length.to_be_bytes());
}

const HEADER: usize = 4;
