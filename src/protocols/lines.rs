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
            // A CR behind a line of the full length may be the beginning of its end.
            let most = max.saturating_add(usize::from(rest.last() == Some(&b'\r')));
            return if rest.len() > most { Err(TooLong) } else { Ok(Next::Incomplete { consumed: start }) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The lines of `wire` when it comes in pieces of `step` bytes, how the last call ended, and how many bytes were
    /// left over.
    fn read(wire: &[u8], step: usize, max: usize) -> (Vec<Vec<u8>>, Result<(), TooLong>, usize) {
        let mut input = Vec::new();
        let mut scanned = 0;
        let mut lines = Vec::new();
        for piece in wire.chunks(step) {
            input.extend_from_slice(piece);
            loop {
                match next(&input, &mut scanned, max) {
                    Ok(Next::Line { line, consumed }) => {
                        lines.push(line.to_vec());
                        input.drain(..consumed);
                        assert_eq!(scanned, 0);
                    }
                    Ok(Next::Incomplete { consumed }) => {
                        input.drain(..consumed);
                        assert_eq!(scanned, input.len(), "all of it is known now");
                        break;
                    }
                    Err(TooLong) => return (lines, Err(TooLong), input.len()),
                }
            }
        }
        (lines, Ok(()), input.len())
    }

    #[test]
    fn lines_end_with_lf_or_crlf_and_blank_ones_do_not_count() {
        let wire = b"{}\n\r\n \t \r\n\n\na\rb\r\r\n  c \r\nrest";
        for step in 1..=wire.len() {
            let (lines, end, left) = read(wire, step, 16);
            assert_eq!(lines, [&b"{}"[..], b"a\rb\r", b"  c "], "step {step}");
            assert_eq!((end, left), (Ok(()), 4));
        }
    }

    #[test]
    fn a_form_feed_is_not_blank() {
        assert_eq!(read(b"\x0c\n", 2, 16).0, [b"\x0c"]);
    }

    #[test]
    fn blank_lines_leave_no_bytes_behind() {
        let mut scanned = 0;
        assert_eq!(next(b"\n\r\n \n\r", &mut scanned, 16), Ok(Next::Incomplete { consumed: 5 }));
        assert_eq!(scanned, 1);
        assert_eq!(next(b"\r\n", &mut scanned, 16), Ok(Next::Incomplete { consumed: 2 }));
        assert_eq!(scanned, 0);
    }

    #[test]
    fn a_line_over_the_limit_is_noticed_at_the_limit() {
        for step in 1..9 {
            assert_eq!(read(b"12345678\r\n12345678\n", step, 8), (vec![b"12345678".to_vec(); 2], Ok(()), 0));
            assert_eq!(read(b"123456789\n", step, 8).1, Err(TooLong));
            assert_eq!(read(b"123456789\r\n", step, 8).1, Err(TooLong));
            assert_eq!(read(b"         \n", step, 8).1, Err(TooLong), "blank or not");
            assert_eq!(read(b"123456789\r", step, 8).1, Err(TooLong));
            assert_eq!(read(b"12345678\r", step, 8), (vec![], Ok(()), 9));
        }
        let (lines, end, left) = read(&[b'x'; 100], 1, 8);
        assert_eq!((lines.len(), end, left), (0, Err(TooLong), 9));
        let mut scanned = 0;
        assert_eq!(next(b"123456789\r", &mut scanned, usize::MAX), Ok(Next::Incomplete { consumed: 0 }));
        assert_eq!(TooLong.to_string(), "line too long");
    }

    #[test]
    fn the_length_of_a_line_is_not_the_length_of_the_input() {
        let wire = b"1234\n".repeat(1_000);
        assert_eq!(read(&wire, wire.len(), 4), (vec![b"1234".to_vec(); 1_000], Ok(()), 0));
        let mut scanned = 0;
        let blank = b"\r\n".repeat(1_000);
        assert_eq!(next(&blank, &mut scanned, 4), Ok(Next::Incomplete { consumed: 2_000 }));
    }

    #[test]
    fn what_was_scanned_is_not_scanned_again() {
        // A newline that appears within the known bytes is not seen: nobody looked.
        let mut scanned = 3;
        assert_eq!(next(b"\n23456", &mut scanned, 16), Ok(Next::Incomplete { consumed: 0 }));
        assert_eq!(scanned, 6);
    }

    proptest! {
        #[test]
        fn lines_come_out_whole_wherever_they_are_split(wire in "[ab \\r\\n]{0,60}", step in 1..30_usize) {
            let mut expected: Vec<_> = wire.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
            expected.pop();
            expected.retain(|line| !line.trim().is_empty());
            let expected: Vec<_> = expected.into_iter().map(|line| line.as_bytes().to_vec()).collect();
            let (lines, end, left) = read(wire.as_bytes(), step, 60);
            prop_assert_eq!(lines, expected);
            prop_assert_eq!(end, Ok(()));
            prop_assert_eq!(left, wire.len() - wire.rfind('\n').map_or(0, |newline| newline + 1));
        }

        #[test]
        fn the_limit_holds_wherever_the_input_is_split(wire in "[ab\\r\\n]{0,60}", step in 1..30_usize, max in 0..12_usize) {
            let (lines, end, left) = read(wire.as_bytes(), step, max);
            prop_assert!(lines.iter().all(|line| line.len() <= max));
            prop_assert!(end == Err(TooLong) || left <= max + 1);
            let lengths = wire.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).len());
            let complete = lengths.clone().count() - 1;
            prop_assert_eq!(end == Err(TooLong), lengths.take(complete).any(|length| length > max)
                || wire.rsplit('\n').next().is_some_and(|last| last.strip_suffix('\r').unwrap_or(last).len() > max
                    || last.len() > max + 1));
        }
    }
}
