//! JSON envelopes, scanned and not built: a message is checked once, strictly (RFC 8259), and its members come out as
//! slices of it. Bodies pass byte for byte, whatever the spelling of their numbers, escapes and keys.
//!
//! [`object`] and [`members`] judge foreign text. The others read a *raw* value, a slice that came from those two; with
//! any other text their answers mean nothing, but they never panic.
//!
//! Never here: recursion, a copy of a body, an allocation on the good path.
//!
//! Every layer may use this room; it knows of none but the core, whose words `fields` reads.

pub(crate) mod fields;

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
    /// JSON, but a value is nested deeper than the limit.
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
/// when they repeat. Each member's value may be nested `max_depth` deep. Bytes that are not JSON are told before nesting over
/// the limit, and that before a duplicate.
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

/// The raw value of a member of a message that was found to be [`Flaw::TooDeep`]: its id, for the error.
#[cold]
pub fn member_of_deep<'a>(text: &'a [u8], name: &'static str) -> Option<&'a str> {
    let mut values = [None];
    let _ = scan(std::str::from_utf8(text).ok()?, MAX_DEPTH, &[name], &mut values);
    values[0]
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
    let (mut duplicate, mut too_deep) = (None, false);
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
            at = match value_end(bytes, at, byte, max_depth) {
                Err(Flaw::TooDeep) => {
                    too_deep = true;
                    deep_end(bytes, at)?
                }
                end => end?,
            };
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
    if too_deep { Err(Flaw::TooDeep) } else { duplicate.map_or(Ok(()), Err) }
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
    // Nothing else in it is special.
    let has_escapes = plain(inner.as_bytes()) < inner.len();
    if has_escapes { unescape(inner).map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
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
    let (end, flaw) = match value_end(bytes, at, byte, max_depth) {
        Err(Flaw::TooDeep) => (deep_end(bytes, at), Flaw::TooDeep),
        end => (end, Flaw::NotAnObject),
    };
    match end.map(|end| token(bytes, end)) {
        Err(flaw) => flaw,
        Ok((at, _)) if at < bytes.len() => Flaw::Syntax { at, what: "bytes after the value" },
        Ok(_) => flaw,
    }
}

/// A container of any depth: whether it is JSON, for one that is nested too deep. Needs a bit of memory for each open one.
#[cold]
fn deep_end(bytes: &[u8], mut at: usize) -> Result<usize, Flaw> {
    // What each open container is, outermost first, eight to a byte; set for an object.
    let (mut open, mut depth) = (Vec::<u8>::new(), 0_usize);
    let mut byte;
    loop {
        // A value begins here.
        (at, byte) = token(bytes, at);
        if let b'[' | b'{' = byte {
            let is_object = byte == b'{';
            if depth.is_multiple_of(8) {
                open.push(0);
            }
            let bit = 1 << (depth % 8);
            let word = open.last_mut().expect("it was just pushed, or has room");
            *word = if is_object { *word | bit } else { *word & !bit };
            depth += 1;
            (at, byte) = token(bytes, at + 1);
            if byte != if is_object { b'}' } else { b']' } {
                if is_object {
                    at = colon_end(bytes, key_end(bytes, at, byte)?)?;
                }
                continue;
            }
        } else {
            at = scalar_end(bytes, at, byte)?;
            (at, byte) = token(bytes, at);
        }
        // A value ended before this byte, or an empty one ends with it.
        loop {
            let in_object = open[(depth - 1) / 8] & 1 << ((depth - 1) % 8) != 0;
            match byte {
                b',' => {
                    at += 1;
                    if in_object {
                        (at, byte) = token(bytes, at);
                        at = colon_end(bytes, key_end(bytes, at, byte)?)?;
                    }
                    break;
                }
                b'}' if in_object => {}
                b']' if !in_object => {}
                _ if in_object => return Err(unexpected(bytes, at, "expected ',' or '}'")),
                _ => return Err(unexpected(bytes, at, "expected ',' or ']'")),
            }
            depth -= 1;
            if depth == 0 {
                return Ok(at + 1);
            }
            if depth.is_multiple_of(8) {
                open.pop();
            }
            (at, byte) = token(bytes, at + 1);
        }
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
mod tests;
