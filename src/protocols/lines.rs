//! JSON lines, ended by LF or CRLF: deputy.
//!
//! Blank lines are skipped here. A line over the limit is noticed while it grows, and bytes that had no newline are not
//! searched again. A last line without a newline is never a line.

use std::fmt;
use std::io::BufRead;

/// What the front of the input holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next<'a> {
    /// A whole line that is not blank.
    Line {
        /// Its bytes, without LF or CRLF.
        line: &'a [u8],
        /// The bytes to drop from the front of the input before the next call: skipped blank lines, the line, its end.
        consumed: usize,
    },
    /// Not yet a whole line.
    Incomplete {
        /// The bytes to drop from the front of the input before the next call: skipped blank lines.
        consumed: usize,
    },
}

/// A line has more bytes than the limit, ended or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("line too long")
    }
}

impl std::error::Error for TooLong {}

/// Reads the line at the front of `input`, which may have up to `max` bytes without its end.
///
/// `scanned` is this function's own note between calls, 0 at first: how many bytes at the front are known to hold no
/// newline, once the caller has dropped the `consumed` ones.
#[inline]
pub fn next<'a>(input: &'a [u8], scanned: &mut usize, max: usize) -> Result<Next<'a>, TooLong> {
    let longest = max.saturating_add(2);
    let mut start = 0;
    loop {
        let rest = &input[start..];
        let rest = &rest[..rest.len().min(longest)];
        let from = (*scanned).min(rest.len());
        let Some(newline) = newline(&rest[from..]) else {
            *scanned = rest.len();
            return if rest.len() == longest { Err(TooLong) } else { Ok(Next::Incomplete { consumed: start }) };
        };
        *scanned = 0;
        let line = &rest[..from + newline];
        let consumed = start + line.len() + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > max {
            return Err(TooLong);
        }
        if !line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            return Ok(Next::Line { line, consumed });
        }
        start = consumed;
    }
}

/// Where the first newline is. `BufRead` on a slice is the way to the C library's `memchr` without a dependency.
#[inline]
fn newline(mut text: &[u8]) -> Option<usize> {
    let whole = text;
    let read = text.skip_until(b'\n').expect("a slice reads without error");
    (whole[..read].last() == Some(&b'\n')).then(|| read - 1)
}
