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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(payloads: &[Vec<u8>]) -> BytesMut {
        let mut out = BytesMut::new();
        for payload in payloads {
            let mark = begin(&mut out);
            out.extend_from_slice(payload);
            finish(&mut out, mark);
        }
        out
    }

    #[test]
    fn a_frame_is_its_length_and_its_payload() {
        assert_eq!(&framed(&[b"{}".to_vec(), vec![]])[..], b"\0\0\0\x02{}\0\0\0\0");
        assert_eq!(next(b"\0\0\0\x02{}rest", 16), Ok(Next::Frame { payload: b"{}", consumed: 6 }));
        assert_eq!(next(b"\0\0\0\0\0", 16), Ok(Next::Frame { payload: b"", consumed: 4 }));
    }

    #[test]
    fn an_incomplete_frame_says_how_much_it_needs() {
        for length in 0..4 {
            assert_eq!(next(&b"\0\0\0\x02"[..length], 16), Ok(Next::Incomplete { needed: 4 }));
        }
        assert_eq!(next(b"\0\0\0\x02", 16), Ok(Next::Incomplete { needed: 6 }));
        assert_eq!(next(b"\0\0\0\x02{", 16), Ok(Next::Incomplete { needed: 6 }));
    }

    #[test]
    fn the_limit_is_judged_by_the_length_alone() {
        assert_eq!(next(b"\0\0\0\x10", 16), Ok(Next::Incomplete { needed: 20 }));
        for header in [[0, 0, 0, 17], [0x80, 0, 0, 0], [0xff; 4], *b"POST", *b"SSH-", [0x16, 3, 1, 2]] {
            assert_eq!(next(&header, 16), Err(TooLong { claimed: u32::from_be_bytes(header) }));
        }
        assert_eq!(TooLong { claimed: 17 }.to_string(), "length too large");
        assert_eq!(next(b"\0\0\0\0", 0), Ok(Next::Frame { payload: b"", consumed: 4 }));
    }

    proptest! {
        #[test]
        fn frames_come_out_whole_wherever_they_are_split(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            step in 1..40_usize,
        ) {
            let wire = framed(&payloads);
            let mut input = Vec::new();
            let mut found = Vec::new();
            for piece in wire.chunks(step) {
                input.extend_from_slice(piece);
                loop {
                    match next(&input, 20).unwrap() {
                        Next::Frame { payload, consumed } => {
                            found.push(payload.to_vec());
                            input.drain(..consumed);
                        }
                        Next::Incomplete { needed } => {
                            prop_assert!(needed > input.len());
                            break;
                        }
                    }
                }
            }
            prop_assert_eq!(found, payloads);
            prop_assert!(input.is_empty());
        }
    }
}
