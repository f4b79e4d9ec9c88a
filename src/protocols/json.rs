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
    let bytes = text.as_bytes();
    let mut values = [None; N];
    let mut duplicate = None;
    let mut likely = 0;

    let mut at = space_end(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return Err(not_an_object(bytes, at, max_depth));
    }
    at = space_end(bytes, at + 1);
    if bytes.get(at) != Some(&b'}') {
        loop {
            let key_start = at;
            at = key_end(bytes, at)?;
            let key = &text[key_start + 1..at - 1];
            at = space_end(bytes, colon_end(bytes, at)?);
            let value_start = at;
            at = value_end(bytes, at, max_depth)?;
            if let Some(found) = position(key, names, likely) {
                if values[found].replace(&text[value_start..at]).is_some() {
                    duplicate.get_or_insert(Flaw::DuplicateMember { at: key_start, name: names[found] });
                }
                likely = found + 1;
            }
            at = space_end(bytes, at);
            match bytes.get(at) {
                Some(b',') => at = space_end(bytes, at + 1),
                Some(b'}') => break,
                _ => return Err(unexpected(bytes, at, "expected ',' or '}'")),
            }
        }
    }
    at = space_end(bytes, at + 1);
    if at < bytes.len() {
        return Err(Flaw::Syntax { at, what: "bytes after the value" });
    }
    match duplicate {
        None => Ok(values),
        Some(duplicate) => Err(duplicate),
    }
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
        let start = space_end(bytes, self.at);
        let end = value_end(bytes, start, MAX_DEPTH).ok()?;
        let comma = space_end(bytes, end);
        self.at = if bytes.get(comma) == Some(&b',') { comma + 1 } else { comma };
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
    raw.len() / 2 > max_depth && value_end(raw.as_bytes(), 0, max_depth) == Err(Flaw::TooDeep)
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
    if is_integer_token(raw) { raw.parse().ok() } else { None }
}

/// Is a raw value a number without fraction and exponent, of any size?
#[inline]
pub fn is_integer_token(raw: &str) -> bool {
    let bytes = raw.as_bytes();
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    match digits {
        [] => false,
        [b'0', _, ..] => false,
        digits => digits.iter().all(u8::is_ascii_digit),
    }
}

/// The nearest value to a raw number; `None` for another kind, and beyond the range of f64.
pub fn number(raw: &str) -> Option<f64> {
    let bytes = raw.as_bytes();
    let is_number = matches!(bytes, [b'-' | b'0'..=b'9', ..]) && number_end(bytes, 0) == Ok(bytes.len());
    raw.parse().ok().filter(|value: &f64| is_number && value.is_finite())
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

/// Appends a raw value on one line: its line ends, which can only stand between tokens, become spaces.
#[inline]
pub fn write_single_line(out: &mut BytesMut, raw: &[u8]) {
    let start = out.len();
    out.extend_from_slice(raw);
    for byte in &mut out[start..] {
        *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
}

/// Which of `names` a key is, as it stands between its quotes. Most clients keep one order, so `likely` is tried first.
#[inline]
fn position<const N: usize>(key: &str, names: &[&'static str; N], likely: usize) -> Option<usize> {
    if names.get(likely).is_some_and(|name| *name == key) {
        return Some(likely);
    }
    match names.iter().position(|name| *name == key) {
        None if key.as_bytes().contains(&b'\\') => {
            let key = unescape(key)?;
            names.iter().position(|name| *name == key)
        }
        found => found,
    }
}

/// The flaw of a message that does not begin like an object.
#[cold]
fn not_an_object(bytes: &[u8], at: usize, max_depth: usize) -> Flaw {
    if bytes.starts_with("\u{feff}".as_bytes()) {
        return Flaw::Syntax { at: 0, what: "byte order mark" };
    }
    match value_end(bytes, at, max_depth) {
        Err(flaw) => flaw,
        Ok(end) => match space_end(bytes, end) {
            at if at < bytes.len() => Flaw::Syntax { at, what: "bytes after the value" },
            _ => Flaw::NotAnObject,
        },
    }
}

// The scanners below take the place where something begins and return the place after it.

#[inline]
fn space_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// A value of any kind.
#[inline]
fn value_end(bytes: &[u8], at: usize, max_depth: usize) -> Result<usize, Flaw> {
    match bytes.get(at) {
        Some(b'[' | b'{') => container_end(bytes, at, max_depth),
        _ => scalar_end(bytes, at),
    }
}

#[inline]
fn scalar_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at),
        Some(b't') => word_end(bytes, at, b"true"),
        Some(b'f') => word_end(bytes, at, b"false"),
        Some(b'n') => word_end(bytes, at, b"null"),
        _ => Err(unexpected(bytes, at, "expected a value")),
    }
}

/// An array or an object with everything in it: one loop over values, and one bit per open container.
fn container_end(bytes: &[u8], mut at: usize, max_depth: usize) -> Result<usize, Flaw> {
    let max_depth = max_depth.min(MAX_DEPTH);
    let mut open = Open { words: [0; DEPTH_WORDS], depth: 0 };
    loop {
        // A value begins here.
        match bytes.get(at) {
            Some(&bracket @ (b'[' | b'{')) => {
                if open.depth >= max_depth {
                    return Err(Flaw::TooDeep);
                }
                let is_object = bracket == b'{';
                at = space_end(bytes, at + 1);
                if bytes.get(at) == Some(if is_object { &b'}' } else { &b']' }) {
                    at += 1;
                } else {
                    open.push(is_object);
                    if is_object {
                        at = space_end(bytes, colon_end(bytes, key_end(bytes, at)?)?);
                    }
                    continue;
                }
            }
            _ => at = scalar_end(bytes, at)?,
        }
        // A value ended here.
        loop {
            if open.depth == 0 {
                return Ok(at);
            }
            at = space_end(bytes, at);
            let is_object = open.is_object();
            match bytes.get(at) {
                Some(b',') => {
                    at = space_end(bytes, at + 1);
                    if is_object {
                        at = space_end(bytes, colon_end(bytes, key_end(bytes, at)?)?);
                    }
                    break;
                }
                Some(b'}') if is_object => {}
                Some(b']') if !is_object => {}
                _ if is_object => return Err(unexpected(bytes, at, "expected ',' or '}'")),
                _ => return Err(unexpected(bytes, at, "expected ',' or ']'")),
            }
            at += 1;
            open.depth -= 1;
        }
    }
}

/// The open containers, outermost first: one bit each, set for an object.
struct Open {
    words: [u64; DEPTH_WORDS],
    depth: usize,
}

impl Open {
    #[inline]
    fn push(&mut self, is_object: bool) {
        let word = &mut self.words[self.depth / 64];
        let bit = 1 << (self.depth % 64);
        *word = if is_object { *word | bit } else { *word & !bit };
        self.depth += 1;
    }

    #[inline]
    fn is_object(&self) -> bool {
        let last = self.depth - 1;
        self.words[last / 64] >> (last % 64) & 1 == 1
    }
}

/// A member's name.
#[inline]
fn key_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at),
        _ => Err(unexpected(bytes, at, "expected a member name")),
    }
}

/// The colon after a member's name.
#[inline]
fn colon_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let at = space_end(bytes, at);
    match bytes.get(at) {
        Some(b':') => Ok(at + 1),
        _ => Err(unexpected(bytes, at, "expected ':'")),
    }
}

#[inline]
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
#[inline]
fn plain(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let found = tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
    bytes.len() - tail.len() + found.unwrap_or(tail.len())
}

/// Marks the special bytes of eight. A borrow can mark a byte above a special one too, so only the lowest mark counts.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let marks = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    marks & (ONES * 0x80)
}

fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u') if bytes.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) => Ok(at + 6),
        _ => Err(Flaw::Syntax { at, what: "invalid escape" }),
    }
}

#[inline]
fn number_end(bytes: &[u8], at: usize) -> Result<usize, Flaw> {
    let mut at = if bytes[at] == b'-' { at + 1 } else { at };
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
#[inline]
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
                let first = hex(escape.get(1..5)?)?;
                let second = || escape.get(5..)?.strip_prefix("\\u")?.get(..4).and_then(hex);
                let (units, length) = match first {
                    0xd800..0xdc00 => (vec![first, second()?], 11),
                    _ => (vec![first], 5),
                };
                chars = escape.get(length..)?.chars();
                char::decode_utf16(units).next()?.ok()?
            }
            itself => itself,
        });
        rest = chars.as_str();
    }
    text.push_str(rest);
    Some(text)
}

fn hex(digits: &str) -> Option<u16> {
    u16::from_str_radix(digits, 16).ok()
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

/// The words of the bit stack of open containers.
const DEPTH_WORDS: usize = 16;

/// The bytes of the input that a description shows.
const EXCERPT: usize = 64;
