//! JSON envelopes, scanned and not built: a message is checked once, strictly (RFC 8259), and its members come out as
//! slices of it. Bodies pass byte for byte, whatever the spelling of their numbers, escapes and keys.
//!
//! [`object`] and [`members`] judge foreign text. The others read a *raw* value, a slice that came from those two; with
//! any other text their answers mean nothing, but they never panic.
//!
//! Never here: recursion, a copy of a body, an allocation on the good path.

use std::borrow::Cow;
use std::fmt;

use bytes::BytesMut;

/// The deepest nesting that can be allowed; a larger limit counts as this one.
pub const MAX_DEPTH: usize = 64 * DEPTH_WORDS;

/// What is wrong with a text that should be one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Not JSON.
    Syntax {
        /// At which byte.
        at: usize,
        /// What.
        what: &'static str,
    },
    /// A value is nested deeper than the limit; what follows was not looked at.
    TooDeep,
    /// JSON, but not an object.
    NotAnObject,
    /// JSON, but a member that was asked for is there twice.
    DuplicateMember {
        /// Where the second one's key begins.
        at: usize,
        /// Its name.
        name: &'static str,
    },
}

impl Flaw {
    /// What is wrong and where, with at most 64 bytes of the input around that place, escaped: printable ASCII.
    pub fn describe(&self, text: &[u8]) -> String {
        let mut said = self.to_string();
        let (Flaw::Syntax { at, .. } | Flaw::DuplicateMember { at, .. }) = *self else {
            return said;
        };
        let start = at.min(text.len()).saturating_sub(EXCERPT / 2);
        let near = &text[start..text.len().min(start + EXCERPT)];
        if !near.is_empty() {
            said.push_str(", near ");
        }
        for &byte in near {
            match byte {
                b'\\' => said.push_str("\\\\"),
                b' '..=b'~' => said.push(char::from(byte)),
                _ => said.push_str(&format!("\\x{byte:02x}")),
            }
        }
        said
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Syntax { at, what } => write!(f, "{what} at byte {at}"),
            Flaw::TooDeep => f.write_str("nested too deep"),
            Flaw::NotAnObject => f.write_str("not an object"),
            Flaw::DuplicateMember { at, name } => write!(f, "duplicate member {name} at byte {at}"),
        }
    }
}

impl std::error::Error for Flaw {}

/// What a raw value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    String,
    /// A number, integer or not, of any size.
    Number,
    /// An object.
    Object,
    /// An array.
    Array,
    /// `true` or `false`.
    Bool,
    /// `null`.
    Null,
}

/// Scans a whole message, one JSON object, and gives the raw values of the members called `names`, in their order,
/// without the whitespace around them:
///
/// ```text
/// let [action, id, body] = json::object(payload, 128, &["action", "id", "body"])?;
/// ```
///
/// A name in the text may be spelled with escapes. A member that was asked for may not repeat; others are ignored, also
/// when they repeat. Each member's value may be nested `max_depth` deep. Bytes that are not JSON are told before a
/// duplicate, and nesting over the limit as soon as it is seen.
#[inline]
pub fn object<'a, const N: usize>(
    text: &'a [u8],
    max_depth: usize,
    names: &[&'static str; N],
) -> Result<[Option<&'a str>; N], Flaw> {
    match std::str::from_utf8(text) {
        Ok(text) => members(text, max_depth, names),
        Err(error) => Err(Flaw::Syntax { at: error.valid_up_to(), what: "invalid utf-8" }),
    }
}

/// [`object`] for a text that is known to be UTF-8, such as an element of an array.
#[inline]
pub fn members<'a, const N: usize>(
    text: &'a str,
    max_depth: usize,
    names: &[&'static str; N],
) -> Result<[Option<&'a str>; N], Flaw> {
    let mut values = [None; N];
    scan(text, max_depth, names, &mut values)?;
    Ok(values)
}

/// [`members`], compiled once for all its lists of names.
#[inline(never)]
fn scan<'a>(
    text: &'a str,
    max_depth: usize,
    names: &[&'static str],
    values: &mut [Option<&'a str>],
) -> Result<(), Flaw> {
    let bytes = text.as_bytes();
    let mut duplicate = None;
    let mut likely = 0;

    let (mut at, mut byte) = token(bytes, 0);
    if byte != b'{' {
        return Err(not_an_object(bytes, at, max_depth));
    }
    (at, byte) = token(bytes, at + 1);
    if byte != b'}' {
        loop {
            let key_start = at;
            let found = match names.get(likely) {
                Some(name) if begins_with_key(&bytes[at..], name.as_bytes()) => {
                    at += name.len() + 2;
                    Some(likely)
                }
                _ => {
                    at = key_end(bytes, at, byte)?;
                    position(&text[key_start + 1..at - 1], names)
                }
            };
            (at, byte) = token(bytes, colon_end(bytes, at)?);
            let value_start = at;
            at = value_end(bytes, at, byte, max_depth)?;
            if let Some(found) = found {
                if values[found].is_some() && duplicate.is_none() {
                    duplicate = note_duplicate(key_start, names[found]);
                }
                values[found] = Some(&text[value_start..at]);
                likely = found + 1;
            }
            (at, byte) = token(bytes, at);
            match byte {
                b',' => (at, byte) = token(bytes, at + 1),
                b'}' => break,
                _ => return Err(unexpected(bytes, at, "expected ',' or '}'")),
            }
        }
    }
    (at, _) = token(bytes, at + 1);
    if at < bytes.len() {
        return Err(Flaw::Syntax { at, what: "bytes after the value" });
    }
    duplicate.map_or(Ok(()), Err)
}

#[cold]
fn note_duplicate(at: usize, name: &'static str) -> Option<Flaw> {
    Some(Flaw::DuplicateMember { at, name })
}

/// The raw elements of a raw array, without the whitespace around them; `None` if it is something else.
pub fn elements(raw: &str) -> Option<Elements<'_>> {
    raw.starts_with('[').then_some(Elements { raw, at: 1 })
}

/// The raw elements of a raw array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    raw: &'a str,
    at: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.raw.as_bytes();
        let (start, byte) = token(bytes, self.at);
        let end = value_end(bytes, start, byte, MAX_DEPTH).ok()?;
        let (comma, byte) = token(bytes, end);
        self.at = if byte == b',' { comma + 1 } else { comma };
        self.raw.get(start..end)
    }
}

/// What a raw value is.
#[inline]
pub fn kind(raw: &str) -> Kind {
    match raw.as_bytes().first() {
        Some(b'"') => Kind::String,
        Some(b'{') => Kind::Object,
        Some(b'[') => Kind::Array,
        Some(b't' | b'f') => Kind::Bool,
        Some(b'n') => Kind::Null,
        _ => Kind::Number,
    }
}

/// Is a raw value nested deeper than `max_depth`?
pub fn deeper_than(raw: &str, max_depth: usize) -> bool {
    let bytes = raw.as_bytes();
    let (at, byte) = token(bytes, 0);
    raw.len() / 2 > max_depth && value_end(bytes, at, byte, max_depth) == Err(Flaw::TooDeep)
}

/// The text of a raw string, borrowed when it has no escapes; `None` for another kind, and for a string with half a
/// surrogate pair, which no text can hold.
#[inline]
pub fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.as_bytes().contains(&b'\\') { unescape(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// The value of a raw integer; `None` for another kind, for a number with a fraction or an exponent, and outside i64.
#[inline]
pub fn integer(raw: &str) -> Option<i64> {
    match raw.as_bytes() {
        [b'+', ..] | [b'0', _, ..] | [b'-', b'0', _, ..] => None,
        _ => raw.parse().ok(),
    }
}

/// Is a raw value a number without fraction and exponent, of any size?
#[inline]
pub fn is_integer_token(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    match bytes.strip_prefix(b"-").unwrap_or(bytes) {
        [] | [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// The nearest value to a raw number; `None` for another kind, and beyond the range of f64.
pub fn number(raw: &str) -> Option<f64> {
    let bytes = raw.as_bytes();
    match bytes {
        [first @ (b'-' | b'0'..=b'9'), ..] if number_end(bytes, 0, *first) == Ok(bytes.len()) => {
            raw.parse().ok().filter(|value: &f64| value.is_finite())
        }
        _ => None,
    }
}

/// The value of a raw `true` or `false`; `None` for another kind.
#[inline]
pub fn boolean(raw: &str) -> Option<bool> {
    match raw {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// Appends `text` as a JSON string, with quotes and only the escapes that must be.
#[inline]
pub fn write_string(out: &mut BytesMut, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.extend_from_slice(b"\"");
    let mut start = 0;
    loop {
        let end = start + plain(&bytes[start..]);
        out.extend_from_slice(&bytes[start..end]);
        let Some(&byte) = bytes.get(end) else { break };
        write_escape(out, byte);
        start = end + 1;
    }
    out.extend_from_slice(b"\"");
}

/// Appends an integer.
pub fn write_integer(out: &mut BytesMut, number: u64) {
    let mut digits = [0; 20];
    let (mut start, mut rest) = (digits.len(), number);
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends a raw value on one line: its line ends, which can only stand between tokens, become spaces.
#[inline]
pub fn write_single_line(out: &mut BytesMut, raw: &[u8]) {
    let start = out.len();
    out.extend_from_slice(raw);
    for byte in &mut out[start..] {
        *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
}

/// Which of `names` a key is, as it stands between its quotes.
#[inline]
fn position(key: &str, names: &[&'static str]) -> Option<usize> {
    match names.iter().position(|name| same(name.as_bytes(), key.as_bytes())) {
        None if key.as_bytes().contains(&b'\\') => {
            let key = unescape(key)?;
            names.iter().position(|name| *name == key)
        }
        found => found,
    }
}

/// Does a text begin with this key in its quotes, spelled plainly?
#[inline]
fn begins_with_key(bytes: &[u8], name: &[u8]) -> bool {
    match bytes.get(1..name.len() + 1) {
        Some(key) => same(key, name) && bytes[0] == b'"' && bytes.get(name.len() + 1) == Some(&b'"'),
        None => false,
    }
}

/// Equality without the call that `==` makes, which costs more than the keys that are compared here.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            8..=16 => one.first_chunk::<8>() == other.first_chunk() && one.last_chunk::<8>() == other.last_chunk(),
            4..8 => one.first_chunk::<4>() == other.first_chunk() && one.last_chunk::<4>() == other.last_chunk(),
            2..4 => one.first_chunk::<2>() == other.first_chunk() && one.last_chunk::<2>() == other.last_chunk(),
            _ => one == other,
        }
}

/// The flaw of a message that does not begin like an object.
#[cold]
fn not_an_object(bytes: &[u8], at: usize, max_depth: usize) -> Flaw {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        return Flaw::Syntax { at: 0, what: "byte order mark" };
    }
    let (at, byte) = token(bytes, at);
    match value_end(bytes, at, byte, max_depth) {
        Err(flaw) => flaw,
        Ok(end) => match token(bytes, end) {
            (at, _) if at < bytes.len() => Flaw::Syntax { at, what: "bytes after the value" },
            _ => Flaw::NotAnObject,
        },
    }
}

/// The next byte that is not whitespace, and its place; 0, which no token begins with, at the end of the text.
#[inline(always)]
fn token(bytes: &[u8], mut at: usize) -> (usize, u8) {
    loop {
        match bytes.get(at) {
            Some(&byte) if byte > b' ' => return (at, byte),
            Some(b' ' | b'\n' | b'\r' | b'\t') => at += 1,
            Some(_) | None => return (at, 0),
        }
    }
}

// The scanners below take the place where something begins, with its first byte, and return the place after it.

/// A value of any kind.
#[inline(always)]
fn value_end(bytes: &[u8], at: usize, byte: u8, max_depth: usize) -> Result<usize, Flaw> {
    match byte {
        b'[' | b'{' => container_end(bytes, at, byte, max_depth),
        _ => scalar_end(bytes, at, byte),
    }
}

#[inline(always)]
fn scalar_end(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Flaw> {
    match byte {
        b'"' => string_end(bytes, at),
        b'-' | b'0'..=b'9' => number_end(bytes, at, byte),
        b't' => word_end(bytes, at, b"true"),
        b'f' => word_end(bytes, at, b"false"),
        b'n' => word_end(bytes, at, b"null"),
        _ => Err(unexpected(bytes, at, "expected a value")),
    }
}

/// An array or an object with everything in it: one loop over values, and one bit per open container.
fn container_end(bytes: &[u8], mut at: usize, mut byte: u8, max_depth: usize) -> Result<usize, Flaw> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut outer = Outer { words: [0; DEPTH_WORDS], last: 0, depth: 0 };
    let mut in_object = false;
    loop {
        // A value begins here.
        if let b'[' | b'{' = byte {
            if outer.depth >= max_depth {
                return Err(Flaw::TooDeep);
            }
            outer.push(in_object);
            in_object = byte == b'{';
            (at, byte) = token(bytes, at + 1);
            if byte != if in_object { b'}' } else { b']' } {
                if in_object {
                    (at, byte) = token(bytes, colon_end(bytes, key_end(bytes, at, byte)?)?);
                }
                continue;
            }
        } else {
            at = scalar_end(bytes, at, byte)?;
            (at, byte) = token(bytes, at);
        }
        // A value ended before this byte, or an empty one ends with it.
        loop {
            match byte {
                b',' => {
                    (at, byte) = token(bytes, at + 1);
                    if in_object {
                        (at, byte) = token(bytes, colon_end(bytes, key_end(bytes, at, byte)?)?);
                    }
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ if in_object => return Err(unexpected(bytes, at, "expected ',' or '}'")),
                _ => return Err(unexpected(bytes, at, "expected ',' or ']'")),
            }
            in_object = outer.pop();
            if outer.depth == 0 {
                return Ok(at + 1);
            }
            (at, byte) = token(bytes, at + 1);
        }
    }
}

/// What the open containers are in, outermost first: one bit each, set for an object.
struct Outer {
    words: [u64; DEPTH_WORDS],
    /// The last word, while it fills.
    last: u64,
    depth: usize,
}

impl Outer {
    #[inline(always)]
    fn push(&mut self, in_object: bool) {
        if self.depth.is_multiple_of(64) {
            self.words[self.depth / 64] = self.last;
        }
        self.last = self.last << 1 | u64::from(in_object);
        self.depth += 1;
    }

    #[inline(always)]
    fn pop(&mut self) -> bool {
        let in_object = self.last & 1 == 1;
        self.last >>= 1;
        self.depth -= 1;
        if self.depth.is_multiple_of(64) {
            self.last = self.words[self.depth / 64];
        }
        in_object
    }
}

/// A member's name.
#[inline(always)]
fn key_end(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Flaw> {
    match byte {
        b'"' => string_end(bytes, at),
        _ => Err(unexpected(bytes, at, "expected a member name")),
    }
}

/// The colon after a member's name.
#[inline(always)]
fn colon_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    match token(bytes, at) {
        (at, b':') => Ok(at + 1),
        (at, _) => Err(unexpected(bytes, at, "expected ':'")),
    }
}

#[inline(always)]
fn string_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let mut at = at + 1;
    loop {
        at += plain(&bytes[at..]);
        match bytes.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = escape_end(bytes, at)?,
            Some(_) => return Err(Flaw::Syntax { at, what: "control character in a string" }),
            None => return Err(Flaw::Syntax { at, what: "unfinished string" }),
        }
    }
}

/// How many bytes at the front stand for themselves in a string: no quote, no backslash, no control character.
#[inline(always)]
fn plain(bytes: &[u8]) -> usize {
    // Most strings end within a word.
    match bytes.split_first_chunk() {
        Some((word, rest)) => first_special(*word).unwrap_or_else(|| WORD + plain_long(rest)),
        None => plain_long(bytes),
    }
}

/// [`plain`] for longer ones: whole blocks, the words of the last block, its last bytes.
#[inline(never)]
fn plain_long(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(block) = bytes[at..].first_chunk::<32>()
        && !block.iter().fold(false, |any, &byte| any | is_special(byte))
    {
        at += 32;
    }
    while let Some(word) = bytes[at..].first_chunk() {
        match first_special(*word) {
            Some(place) => return at + place,
            None => at += WORD,
        }
    }
    while at < bytes.len() && !is_special(bytes[at]) {
        at += 1;
    }
    at
}

/// One comparison for all three, which lets the compiler judge a block at once.
#[inline(always)]
fn is_special(byte: u8) -> bool {
    (byte ^ b'"').min(byte ^ b'\\').min(byte & 0xe0) == 0
}

/// The place of the first special byte of eight.
#[inline(always)]
fn first_special(word: [u8; WORD]) -> Option<usize> {
    const ONES: u128 = u128::MAX / 255;
    let word = u128::from_le_bytes(word);
    let quote = (word ^ (ONES * b'"' as u128)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u128)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    // The highest bit of a byte is the mark. A borrow may mark a byte above a special one too: the lowest mark counts.
    let marks = (quote | backslash | control) & !word & (ONES * 0x80);
    (marks != 0).then(|| marks.trailing_zeros() as usize / 8)
}

fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') if bytes.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => Ok(at + 6),
        _ => Err(Flaw::Syntax { at, what: "invalid escape" }),
    }
}

#[inline(always)]
fn number_end(bytes: &[u8], at: usize, byte: u8) -> Result<usize, Flaw> {
    let mut at = if byte == b'-' { at + 1 } else { at };
    at = match bytes.get(at) {
        Some(b'0') => at + 1,
        _ => digits_end(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits_end(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = bytes.get(at) {
            at += 1;
        }
        at = digits_end(bytes, at)?;
    }
    Ok(at)
}

/// One digit or more.
#[inline(always)]
fn digits_end(bytes: &[u8], start: usize) -> Result<usize, Flaw> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start { Err(unexpected(bytes, at, "expected a digit")) } else { Ok(at) }
}

#[inline]
fn word_end(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Flaw> {
    match bytes[at..].starts_with(word) {
        true => Ok(at + word.len()),
        false => Err(Flaw::Syntax { at, what: "expected a value" }),
    }
}

#[cold]
fn unexpected(bytes: &[u8], at: usize, what: &'static str) -> Flaw {
    Flaw::Syntax { at, what: if at < bytes.len() { what } else { "unexpected end" } }
}

/// The text that the inside of a raw string stands for.
#[cold]
fn unescape(inner: &str) -> Option<String> {
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let mut chars = escape.chars();
        text.push(match chars.next()? {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let (char, length) = code_point(escape)?;
                chars = escape.get(length..)?.chars();
                char
            }
            itself => itself,
        });
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(text)
}

/// The character of a `\u` escape, from its `u` on, and the length of that; two escapes for a surrogate pair.
fn code_point(escape: &str) -> Option<(char, usize)> {
    let hex = |place| u16::from_str_radix(escape.get(place..place + 4)?, 16).ok();
    match hex(1)? {
        first @ 0xd800..0xdc00 if escape.get(5..7)? == "\\u" => {
            let char = char::decode_utf16([first, hex(7)?]).next()?.ok()?;
            Some((char, 11))
        }
        unit => char::from_u32(unit.into()).map(|char| (char, 5)),
    }
}

#[cold]
fn write_escape(out: &mut BytesMut, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

const WORD: usize = 16;

/// The words of the bit stack of open containers.
const DEPTH_WORDS: usize = 16;

/// The bytes of the input that a description shows.
const EXCERPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    const NAMES: [&str; 4] = ["action", "id", "body", "priority"];

    fn read(text: &str) -> Result<[Option<&str>; 4], Flaw> {
        object(text.as_bytes(), 128, &NAMES)
    }

    #[test]
    fn members_come_in_the_order_of_the_names_whatever_the_order_in_the_text() {
        let expected = [Some("\"submit\""), Some("7"), Some("{\"a\": [1, 2]}"), None];
        for text in [
            r#"{"action":"submit","id":7,"body":{"a": [1, 2]}}"#,
            r#"{"body":{"a": [1, 2]},"id":7,"action":"submit"}"#,
            r#"{"x":[{}],"id":7,"actions":1,"action":"submit","x":1,"body":{"a": [1, 2]},"bod":{"id":1}}"#,
            " \t\r\n{ \"id\"\n: 7 , \"action\" :\"submit\"\t,\"body\":\r{\"a\": [1, 2]} } ",
        ] {
            assert_eq!(read(text), Ok(expected), "{text}");
        }
        assert_eq!(read("{}"), Ok([None; 4]));
        assert_eq!(read(" { } "), Ok([None; 4]));
        assert_eq!(object(b"{\"\":1}", 0, &[""]), Ok([Some("1")]));
    }

    #[test]
    fn a_name_may_be_spelled_with_escapes() {
        let text = r#"{"\u0061ction":1,"i\u0064":2,"\u0062\u006f\u0064\u0079":3,"prior\ud800ity":4,"\\id":5,"\u0069\u0064s":6}"#;
        assert_eq!(read(text), Ok([Some("1"), Some("2"), Some("3"), None]));
        assert_eq!(object(br#"{"a\/\n\ud83d\ude00":1}"#, 0, &["a/\n😀"]), Ok([Some("1")]));
        let twice = read(r#"{"id":1,"\u0069d":2}"#);
        assert_eq!(twice, Err(Flaw::DuplicateMember { at: 8, name: "id" }));
    }

    #[test]
    fn a_name_is_compared_to_its_last_byte() {
        const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";
        let near =
            |key: &str, name| object(format!("{{\"{key}\":1}}").as_bytes(), 0, &[name]).map(|[found]| found.is_some());
        for length in 0..ALPHABET.len() {
            let name = &ALPHABET[..length];
            assert_eq!(near(name, name), Ok(true));
            assert_eq!(near(&format!("{name}!"), name), Ok(false));
            for place in 0..length {
                let mut other = name.to_owned();
                other.replace_range(place..=place, "!");
                assert_eq!(near(&other, name), Ok(false));
                other.replace_range(place..=place, "");
                assert_eq!(near(&other, name), Ok(false));
            }
        }
    }

    #[test]
    fn of_several_duplicates_the_first_is_told() {
        let text = r#"{"body":1,"id":2,"x":0,"x":0,"id":3,"body":4}"#;
        assert_eq!(read(text), Err(Flaw::DuplicateMember { at: 29, name: "id" }));
    }

    #[test]
    fn a_body_passes_byte_for_byte() {
        for body in [
            "1.0",
            "1e400",
            "-0",
            "12345678901234567890123",
            "0.1e-999",
            r#"{"a":1,"a":2}"#,
            r#""\u0000\ud800 \/ \udc00\ud800""#,
            "\"\u{2028}\u{7f} é 😀\"",
            "[ 1 ,\n\t2 ]",
        ] {
            assert_eq!(read(&format!("{{\"id\": \n{body}\t}}")), Ok([None, Some(body), None, None]));
        }
    }

    #[test]
    fn what_is_not_json_is_told_with_its_place() {
        for (text, at, what) in [
            ("", 0, "unexpected end"),
            (" \n", 2, "unexpected end"),
            ("\u{feff}{}", 0, "byte order mark"),
            ("nul", 0, "expected a value"),
            ("NaN", 0, "expected a value"),
            ("POST / HTTP/1.1\r\n", 0, "expected a value"),
            ("'a'", 0, "expected a value"),
            ("\0{}", 0, "expected a value"),
            ("// no\n{}", 0, "expected a value"),
            ("[1,]", 3, "expected a value"),
            ("[1 2]", 3, "expected ',' or ']'"),
            ("[1}", 2, "expected ',' or ']'"),
            ("[", 1, "unexpected end"),
            ("[1", 2, "unexpected end"),
            ("[] []", 3, "bytes after the value"),
            ("5\0", 1, "bytes after the value"),
            ("{", 1, "unexpected end"),
            ("{a:1}", 1, "expected a member name"),
            ("{,}", 1, "expected a member name"),
            (r#"{xaction":1}"#, 1, "expected a member name"),
            (r#"{"action:1}"#, 11, "unfinished string"),
            (r#"{"a" 1}"#, 5, "expected ':'"),
            (r#"{"a""#, 4, "unexpected end"),
            (r#"{"a":"#, 5, "unexpected end"),
            (r#"{"a":}"#, 5, "expected a value"),
            (r#"{"a":1"#, 6, "unexpected end"),
            (r#"{"a":1]"#, 6, "expected ',' or '}'"),
            (r#"{"a":1,}"#, 7, "expected a member name"),
            (r#"{"a":1 "b":2}"#, 7, "expected ',' or '}'"),
            (r#"{"a":{"b":1]}"#, 11, "expected ',' or '}'"),
            (r#"{"a":{"b"}}"#, 9, "expected ':'"),
            (r#"{"a":{1}}"#, 6, "expected a member name"),
            (r#"{"a":01}"#, 6, "expected ',' or '}'"),
            (r#"{"a":-}"#, 6, "expected a digit"),
            (r#"{"a":1.}"#, 7, "expected a digit"),
            (r#"{"a":1e+}"#, 8, "expected a digit"),
            (r#"{"a":+1}"#, 5, "expected a value"),
            (r#"{"a":.5}"#, 5, "expected a value"),
            (r#"{"a":0x1}"#, 6, "expected ',' or '}'"),
            (r#"{"a":truth}"#, 5, "expected a value"),
            (r#"{"a":-Infinity}"#, 6, "expected a digit"),
            (r#"{"a":"b}"#, 8, "unfinished string"),
            (r#"{"a":"\"#, 6, "invalid escape"),
            (r#"{"a":"\x41"}"#, 6, "invalid escape"),
            (r#"{"a":"\u12g4"}"#, 6, "invalid escape"),
            (r#"{"a":"\u+123"}"#, 6, "invalid escape"),
            (r#"{"a":"\u12"}"#, 6, "invalid escape"),
            ("{\"a\":\"tab\there\"}", 9, "control character in a string"),
            ("{\"a\n\":1}", 3, "control character in a string"),
            ("{}{}", 2, "bytes after the value"),
            ("{} x", 3, "bytes after the value"),
            ("{\u{a0}}", 1, "expected a member name"),
            (r#"{"id":1,"id":2"#, 14, "unexpected end"),
        ] {
            assert_eq!(read(text), Err(Flaw::Syntax { at, what }), "{text:?}");
        }
        let invalid = object(b"{\"a\":\"\xff\"}", 128, &NAMES);
        assert_eq!(invalid, Err(Flaw::Syntax { at: 6, what: "invalid utf-8" }));
    }

    #[test]
    fn json_that_is_no_object_is_told_apart() {
        for text in ["[]", "\"x\"", "5", "null", " true ", "[[{\"a\":1}]]", "-0.5e+7"] {
            assert_eq!(read(text), Err(Flaw::NotAnObject), "{text}");
        }
    }

    #[test]
    fn nesting_is_counted_for_each_value() {
        let arrays = |depth: usize| match depth {
            0 => "0".to_owned(),
            _ => format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
        };
        let objects = |depth: usize| format!("{}null{}", "{\"\":".repeat(depth), "}".repeat(depth));
        for limit in [0, 1, 2, 63, 64, 65, 128, 129, MAX_DEPTH] {
            for value in [&arrays as &dyn Fn(usize) -> String, &objects] {
                for member in ["body", "unknown"] {
                    let read = |value: String| {
                        let text = format!("{{\"id\":0,\"{member}\":{value}}}");
                        object(text.as_bytes(), limit, &["id"]).map(|_| ())
                    };
                    assert_eq!(read(value(limit)), Ok(()));
                    assert_eq!(read(value(limit + 1)), Err(Flaw::TooDeep));
                }
                assert!(!deeper_than(&value(limit), limit));
                assert!(deeper_than(&value(limit + 1), limit));
            }
            assert_eq!(object(arrays(limit + 1).as_bytes(), limit, &["id"]), Err(Flaw::TooDeep));
        }
        assert_eq!(object(arrays(MAX_DEPTH + 1).as_bytes(), usize::MAX, &["id"]), Err(Flaw::TooDeep));
        assert_eq!(object("[".repeat(5_000_000).as_bytes(), 128, &["id"]), Err(Flaw::TooDeep));
        assert_eq!(read(&format!("{{\"id\":{}", "{\"a\":".repeat(1_000_000))), Err(Flaw::TooDeep));
        let wide = format!("[{}[]]", "[[]],{\"a\":{}},".repeat(1_000));
        assert_eq!(object(format!("{{\"id\":{wide}}}").as_bytes(), 3, &["id"]), Ok([Some(wide.as_str())]));
    }

    #[test]
    fn every_byte_of_a_string_is_looked_at() {
        for length in 0..100 {
            for place in 0..length {
                for special in ['"', '\\', '\0', '\u{1f}'] {
                    let mut text = "x".repeat(length);
                    text.replace_range(place..=place, special.encode_utf8(&mut [0; 4]));
                    assert_eq!(plain(text.as_bytes()), place);
                }
            }
            let harmless = "\u{20}\u{21}\u{23}\u{5b}\u{5d}\u{7f}é\u{ffff}".repeat(length);
            assert_eq!(plain(harmless.as_bytes()), harmless.len());
        }
    }

    #[test]
    fn a_description_shows_the_place_and_at_most_64_bytes() {
        let say = |text: &[u8]| object(text, 128, &NAMES).unwrap_err().describe(text);
        assert_eq!(say(b"{\"id\" 7}"), "expected ':' at byte 6, near {\"id\" 7}");
        assert_eq!(say(b""), "unexpected end at byte 0");
        assert_eq!(say(b"\x16\x03\\\xff"), "invalid utf-8 at byte 3, near \\x16\\x03\\\\\\xff");
        assert_eq!(say(b"{\"id\":1,\"id\":2}"), "duplicate member id at byte 8, near {\"id\":1,\"id\":2}");
        assert_eq!(say(b"[]"), "not an object");
        let long = format!("{{\"id\":\"{}\" !{}", "x".repeat(1_000), "y".repeat(1_000));
        let near = format!("{}\" !{}", "x".repeat(30), "y".repeat(31));
        assert_eq!(say(long.as_bytes()), format!("expected ',' or '}}' at byte 1009, near {near}"));
        assert_eq!(Flaw::Syntax { at: 99, what: "elsewhere" }.describe(b"ab"), "elsewhere at byte 99, near ab");
    }

    #[test]
    fn elements_of_an_array() {
        let list = |raw| elements(raw).map(Iterator::collect::<Vec<_>>);
        assert_eq!(list("[]"), Some(vec![]));
        assert_eq!(list("[ \n]"), Some(vec![]));
        assert_eq!(list("[ 1 ,\"a,]\", [2,[3]] ,{\"b\":[]}\n]"), Some(vec!["1", "\"a,]\"", "[2,[3]]", "{\"b\":[]}"]));
        for other in ["{}", "1", "", "\"[]\""] {
            assert_eq!(list(other), None);
        }
        for broken in ["[", "[1", "[1,", "[1 2]", "[x]"] {
            assert!(list(broken).unwrap().len() <= 2);
        }
    }

    #[test]
    fn kinds() {
        for (raw, expected) in [
            ("\"\"", Kind::String),
            ("-1", Kind::Number),
            ("0.5", Kind::Number),
            ("{}", Kind::Object),
            ("[]", Kind::Array),
            ("true", Kind::Bool),
            ("false", Kind::Bool),
            ("null", Kind::Null),
        ] {
            assert_eq!(kind(raw), expected);
            assert_eq!(boolean(raw), raw.parse().ok());
        }
    }

    #[test]
    fn strings() {
        assert!(matches!(string("\"é\""), Some(Cow::Borrowed("é"))));
        let all = r#""\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00.""#;
        assert_eq!(string(all).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t\0é😀."));
        for half in [r#""\ud800""#, r#""\udc00""#, r#""\ud83d\n""#, r#""\ud83d\ud83d\ude00""#, r#""\ud83dx\ude00""#] {
            assert_eq!(string(half), None);
        }
        for other in ["1", "null", "[\"a\"]", "", "\"", r#""\""#, r#""\u""#, r#""\u12é""#] {
            assert_eq!(string(other), None);
        }
    }

    #[test]
    fn integers() {
        for (raw, expected) in [
            ("0", Some(0)),
            ("-0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("-9223372036854775809", None),
        ] {
            assert_eq!(integer(raw), expected);
            assert!(is_integer_token(raw));
        }
        for raw in ["5.0", "1e2", "\"5\"", "true", "null", "", "-", "+5", "01", "-01", "1 ", "[1]"] {
            assert_eq!(integer(raw), None);
            assert!(!is_integer_token(raw), "{raw}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number("0.5"), Some(0.5));
        assert_eq!(number("-1e2"), Some(-100.0));
        assert_eq!(number("1e-999"), Some(0.0));
        for raw in ["1e400", "\"1\"", "null", "", "-", "-inf", "nan", "+1", ".5", "5.", "01"] {
            assert_eq!(number(raw), None);
        }
    }

    #[test]
    fn a_value_on_one_line() {
        let mut out = BytesMut::from("before\n");
        write_single_line(&mut out, b"{\"a\":\r\n[\"\\n\"\t,1]\n}");
        assert_eq!(out, "before\n{\"a\":  [\"\\n\"\t,1] }");
    }

    /// JSON of all kinds, with whitespace, escapes and numbers as people never write them.
    fn value() -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof!["null|true|false", r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?", text(),];
        leaf.prop_recursive(6, 40, 5, |inner| {
            let spaced =
                (space(), inner, space()).prop_map(|(before, value, after)| format!("{before}{value}{after}")).boxed();
            let member = (space(), text(), space(), spaced.clone())
                .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
            prop_oneof![
                (space(), prop::collection::vec(spaced, 0..5)).prop_map(|(blank, all)| wrap('[', &blank, &all, ']')),
                (space(), prop::collection::vec(member, 0..5)).prop_map(|(blank, all)| wrap('{', &blank, &all, '}')),
            ]
        })
    }

    fn wrap(open: char, space: &str, all: &[String], close: char) -> String {
        format!("{open}{}{close}", if all.is_empty() { space.to_owned() } else { all.join(",") })
    }

    /// A raw string.
    fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            r#"[ !#-\[\]-~]{0,40}"#,
            r#"\\["\\/bfnrt]"#,
            r"\\u[0-9a-fA-F]{4}",
            r"\\ud83[cd]\\ude[0-9a-f]{2}",
            "[é\u{7f}\u{2028}\u{ffff}😀]{1,9}",
        ];
        prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
    }

    fn space() -> impl Strategy<Value = String> {
        prop_oneof![3 => Just(String::new()), 1 => "[ \n\r\t]{1,3}"]
    }

    /// The names that the oracle test asks for, and one that it doesn't.
    fn key() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["action", "id", "body", "priority", "extra", r"\u0069d", r"bod\u0079"])
    }

    /// Small damage: at a place, some bytes go and others come.
    fn damage() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
        let byte = prop::sample::select(b"\"\\{}[]:,0-9e.+tfnu/ \n\t\0\x1f\x7f\x80\xc3\xa9\xff".to_vec());
        (any::<prop::sample::Index>(), 0..3_usize, prop::collection::vec(byte, 0..3))
    }

    proptest! {
        #[test]
        fn the_members_are_those_that_serde_json_finds(
            members in prop::collection::vec((key(), value(), space(), space()), 0..6),
        ) {
            let all: Vec<_> = members.iter().map(|(key, value, a, b)| format!("{a}\"{key}\"{b}:{a}{value}{b}")).collect();
            let text = format!(" {} ", wrap('{', "\n", &all, '}'));
            prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok());
            let plain = |key: &str| serde_json::from_str::<String>(&format!("\"{key}\"")).unwrap();
            let mut expected = [None; 4];
            let mut duplicate = false;
            for (key, value, ..) in &members {
                if let Some(found) = NAMES.iter().position(|name| *name == plain(key)) {
                    duplicate |= expected[found].replace(value.as_str()).is_some();
                }
            }
            match read(&text) {
                Err(Flaw::DuplicateMember { name, .. }) => prop_assert!(duplicate && NAMES.contains(&name)),
                found => prop_assert_eq!(found, Ok(expected)),
            }
        }

        #[test]
        fn damaged_texts_are_judged_as_serde_json_judges_them(
            value in value(), damages in prop::collection::vec(damage(), 0..4), whole in any::<bool>(),
        ) {
            let mut text = if whole { value } else { format!("{{\"id\":{value}}}") }.into_bytes();
            for (place, gone, come) in damages {
                let start = place.index(text.len() + 1);
                text.splice(start..text.len().min(start + gone), come);
            }
            let is_json = serde_json::from_slice::<&RawValue>(&text).is_ok();
            let is_object = text.trim_ascii_start().first() == Some(&b'{');
            match object(&text, 128, &["id"]) {
                Ok([id]) => {
                    prop_assert!(is_json && is_object);
                    prop_assert!(id.is_none_or(|id| serde_json::from_str::<&RawValue>(id).unwrap().get() == id));
                }
                Err(Flaw::NotAnObject) => prop_assert!(is_json && !is_object),
                Err(Flaw::DuplicateMember { .. }) => prop_assert!(is_json),
                Err(Flaw::TooDeep) => prop_assert!(false),
                Err(flaw @ Flaw::Syntax { at, .. }) => {
                    prop_assert!(!is_json && at <= text.len());
                    prop_assert!(flaw.describe(&text).bytes().all(|byte| matches!(byte, b' '..=b'~')));
                }
            }
        }

        #[test]
        fn brackets_are_matched_at_any_depth(brackets in "[\\[\\{]{0,200}", damages in prop::collection::vec(damage(), 0..2)) {
            let mut text: Vec<u8> = brackets.replace('{', "{\"\":").into_bytes();
            text.push(b'0');
            text.extend(brackets.bytes().rev().map(|byte| byte + 2));
            for (place, gone, come) in damages {
                let start = place.index(text.len() + 1);
                text.splice(start..text.len().min(start + gone), come);
            }
            let is_json = serde_json::from_slice::<&RawValue>(&text).is_ok();
            let syntax = matches!(object(&text, MAX_DEPTH, &["id"]), Err(Flaw::Syntax { .. }));
            prop_assert_eq!(is_json, !syntax);
        }

        #[test]
        fn any_bytes_are_answered(text in prop::collection::vec(any::<u8>(), 0..200), raw in any::<String>()) {
            let flaw = object(&text, 128, &NAMES).map(|_| ());
            prop_assert!(flaw.map_or_else(|flaw| flaw.describe(&text), |()| String::new()).is_ascii());
            // Whatever they say of a text that is no raw value, they say something.
            let _ = (kind(&raw), string(&raw), integer(&raw), is_integer_token(&raw), number(&raw), boolean(&raw));
            let _ = (deeper_than(&raw, 1), elements(&format!("[{raw}")).map(Iterator::count));
            let _ = string(&format!("\"\\u{raw}\""));
        }

        #[test]
        fn the_elements_of_an_array_are_its_values(all in prop::collection::vec((space(), value(), space()), 0..6)) {
            let spaced: Vec<_> = all.iter().map(|(before, value, after)| format!("{before}{value}{after}")).collect();
            let raw = wrap('[', " ", &spaced, ']');
            let expected: Vec<_> = all.iter().map(|(_, value, _)| value.as_str()).collect();
            prop_assert_eq!(elements(&raw).unwrap().collect::<Vec<_>>(), expected);
        }

        #[test]
        fn a_string_means_what_serde_json_says(raw in text()) {
            prop_assert_eq!(string(&raw).map(Cow::into_owned), serde_json::from_str::<String>(&raw).ok());
        }

        #[test]
        fn an_integer_is_what_serde_json_says(raw in r"-?(0|[1-9][0-9]{0,20})") {
            // "-0" is an integer here and a float there.
            prop_assert_eq!(integer(&raw), serde_json::from_str(&raw).ok().or((raw == "-0").then_some(0)));
        }

        #[test]
        fn a_written_integer_is_what_serde_json_writes(number in any::<u64>(), shift in 0..64_u32) {
            for number in [number >> shift, 0, u64::MAX] {
                let mut out = BytesMut::new();
                write_integer(&mut out, number);
                prop_assert_eq!(&out[..], serde_json::to_vec(&number).unwrap());
            }
        }

        #[test]
        fn a_written_string_is_what_serde_json_writes(text in any::<String>(), controls in "[\\x00-\\x7f]{0,40}") {
            for text in [format!("{text}{controls}"), text, controls] {
                let mut out = BytesMut::new();
                write_string(&mut out, &text);
                prop_assert_eq!(&out[..], serde_json::to_vec(&text).unwrap());
                let raw = std::str::from_utf8(&out).unwrap();
                prop_assert_eq!(string(raw), Some(Cow::Owned(text)));
            }
        }

        #[test]
        fn a_value_on_one_line_means_the_same(raw in value()) {
            let mut out = BytesMut::new();
            write_single_line(&mut out, raw.as_bytes());
            prop_assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
            prop_assert_eq!(out.len(), raw.len());
            let unspaced = |text: &[u8]| text.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect::<Vec<_>>();
            prop_assert_eq!(unspaced(&out), unspaced(raw.as_bytes()));
        }
    }
}
