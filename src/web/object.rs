//! Writing JSON objects member by member, straight into the answer: bodies and results go in as the bytes they are.

use std::fmt::Write;

use bytes::BytesMut;
use jiff::Timestamp;

use crate::core::job::or_null;
use crate::json;

/// An object that is being written. Close it with [`Object::end`].
#[derive(Debug)]
pub struct Object<'a> {
    out: &'a mut BytesMut,
    is_empty: bool,
}

impl<'a> Object<'a> {
    /// Begins an object.
    pub fn begin(out: &'a mut BytesMut) -> Object<'a> {
        out.extend_from_slice(b"{");
        Object { out, is_empty: true }
    }

    /// Ends it.
    pub fn end(self) {
        self.out.extend_from_slice(b"}");
    }

    /// A text.
    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        json::write_string(self.out, value);
        self
    }

    /// A text, or `null`.
    pub fn maybe_text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self.raw(name, b"null"),
        }
    }

    /// A whole number.
    pub fn integer(&mut self, name: &str, value: impl Into<i128>) -> &mut Self {
        self.name(name);
        write!(self.out, "{}", value.into()).expect("memory can be written to");
        self
    }

    /// A number, or `null` where it is absent or none that JSON has.
    pub fn maybe_number(&mut self, name: &str, value: Option<f64>) -> &mut Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => {
                self.name(name);
                write!(self.out, "{value}").expect("memory can be written to");
                self
            }
            None => self.raw(name, b"null"),
        }
    }

    /// Yes or no.
    pub fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { b"true" } else { b"false" })
    }

    /// A time in milliseconds since 1970, as RFC 3339 in UTC; or `null`.
    pub fn maybe_time(&mut self, name: &str, at_ms: Option<u64>) -> &mut Self {
        let Some(at_ms) = at_ms else { return self.raw(name, b"null") };
        self.name(name);
        write!(self.out, "\"{:.3}\"", time(at_ms)).expect("memory can be written to");
        self
    }

    /// JSON as it is; `null` where it is empty.
    pub fn raw(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.name(name);
        self.out.extend_from_slice(or_null(value));
        self
    }

    /// An object within.
    pub fn object(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) -> &mut Self {
        self.name(name);
        let mut inner = Object::begin(self.out);
        write(&mut inner);
        inner.end();
        self
    }

    /// An array within, whose elements `write` writes.
    pub fn array<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        write: impl FnMut(&mut BytesMut, T),
    ) -> &mut Self {
        self.name(name);
        array(self.out, items, write);
        self
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.is_empty) {
            self.out.extend_from_slice(b",");
        }
        json::write_string(self.out, name);
        self.out.extend_from_slice(b":");
    }
}

/// Writes an array whose elements `write` writes.
pub fn array<T>(out: &mut BytesMut, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut BytesMut, T)) {
    out.extend_from_slice(b"[");
    for (place, item) in items.into_iter().enumerate() {
        if place > 0 {
            out.extend_from_slice(b",");
        }
        write(out, item);
    }
    out.extend_from_slice(b"]");
}

/// The time so many milliseconds after 1970; the last that there is for what lies beyond.
fn time(at_ms: u64) -> Timestamp {
    i64::try_from(at_ms).ok().and_then(|at_ms| Timestamp::from_millisecond(at_ms).ok()).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_follow_each_other() {
        let mut out = BytesMut::new();
        let mut object = Object::begin(&mut out);
        object.text("a", "\"<\u{1}").maybe_text("b", None).integer("c", i64::MIN).integer("d", u64::MAX);
        object.maybe_number("e", Some(0.25)).maybe_number("f", Some(f64::NAN)).flag("g", true);
        object.maybe_time("h", Some(1_767_225_600_007)).maybe_time("i", None).maybe_time("j", Some(u64::MAX));
        object.raw("k", b"{\"a\":1.0}").raw("l", b"").object("m", |inner| {
            inner.array("n", [1, 2], |out, item| write!(out, "{item}").unwrap());
        });
        object.end();
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            concat!(
                r#"{"a":"\"<\u0001","b":null,"c":-9223372036854775808,"d":18446744073709551615,"e":0.25,"f":null,"g":true,"#,
                r#""h":"2026-01-01T00:00:00.007Z","i":null,"j":"9999-12-30T22:00:00.999Z","#,
                r#""k":{"a":1.0},"l":null,"m":{"n":[1,2]}}"#
            )
        );
    }
}
