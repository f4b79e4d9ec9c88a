//! A page's address: its path and its filters. Every view has one, so it can be kept, shared and gone back to.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The address of a view, or what a form sent.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Link {
    /// The path, as it was sent or ready to be sent: encoded.
    pub path: String,
    /// Names and values, decoded.
    pub pairs: Vec<(String, String)>,
}

/// The most pairs that are read; a page of a list has at most as many rows.
pub const MAX_PAIRS: usize = 1_100;

impl Link {
    /// The page at a path without filters.
    pub fn to(path: impl Into<String>) -> Link {
        Link { path: path.into(), pairs: Vec::new() }
    }

    /// The address with this query (or form), as a browser encodes it. What is not UTF-8 is replaced.
    pub fn parse(path: &str, query: &str) -> Link {
        let pairs = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .take(MAX_PAIRS)
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(name), decode(value))
            })
            .collect();
        Link { path: path.to_owned(), pairs }
    }

    /// The first value of this name, trimmed; empty where there is none.
    pub fn value(&self, name: &str) -> &str {
        self.pairs.iter().find(|(other, _)| other == name).map_or("", |(_, value)| value.trim())
    }

    /// All values of this name, as they are.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs.iter().filter(move |(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The value of this name as a number between these; the default where there is none or it is no number.
    pub fn number(&self, name: &str, default: u64, at_least: u64, at_most: u64) -> u64 {
        self.value(name).parse().unwrap_or(default).clamp(at_least, at_most)
    }

    /// With one value of this name instead of all it had; an empty one removes it.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Link {
        let value = value.into();
        let place = self.pairs.iter().position(|(other, _)| other == name);
        self.pairs.retain(|(other, _)| other != name);
        if !value.is_empty() {
            let place = place.unwrap_or(self.pairs.len()).min(self.pairs.len());
            self.pairs.insert(place, (name.to_owned(), value));
        }
        self
    }

    /// With another value of this name.
    pub fn and(mut self, name: &str, value: impl Into<String>) -> Link {
        self.pairs.push((name.to_owned(), value.into()));
        self
    }

    /// The address as a link has it.
    pub fn href(&self) -> String {
        let mut href = self.path.clone();
        for (at, (name, value)) in self.pairs.iter().enumerate() {
            href.push(if at == 0 { '?' } else { '&' });
            write!(href, "{}={}", encode(name), encode(value)).expect("a string takes anything");
        }
        href
    }
}

/// The page of a queue. Browsers take `.` and `..` for steps even where they are encoded, so these two types go in the query.
pub fn queue(kind: &str) -> Link {
    below("/queues", kind)
}

/// The page of a job.
pub fn job(id: &str) -> Link {
    below("/jobs", id)
}

/// The page of an action.
pub fn action(id: &str) -> Link {
    below("/actions", id)
}

/// The name of the parameter that names what a path can't.
pub const NAME: &str = "name";

/// What the last part of a path stands for; the parameter, where there is no such part.
pub fn named(link: &Link, part: &str) -> String {
    if part.is_empty() { link.values(NAME).next().unwrap_or("").to_owned() } else { decode_path(part) }
}

/// A part of a path as it was before it was encoded.
pub fn decode_path(part: &str) -> String {
    percent_decode_str(part).decode_utf8_lossy().into_owned()
}

/// A text as a part of a path or a value of a query.
pub fn encode(text: &str) -> String {
    const KEPT: &AsciiSet =
        &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':').remove(b',');
    utf8_percent_encode(text, KEPT).to_string()
}

fn below(path: &str, name: &str) -> Link {
    match name {
        "." | ".." => Link::to(format!("{path}/")).with(NAME, name),
        _ => Link::to(format!("{path}/{}", encode(name))),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_linked_is_what_is_read() {
        let names = ["mail", "a b+c&d=e", "ü/%2F?#", "👩‍👩‍👧", "<script>", "\"'", "%"];
        for name in names {
            let link = Link::to("/jobs").with("type", name).and("id", "1").and("id", "2");
            let href = link.href();
            let (path, query) = href.split_once('?').unwrap();
            assert_eq!(Link::parse(path, query), link);
            assert!(href.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'<'), "{href}");
            assert_eq!(named(&Link::default(), &queue(name).path["/queues/".len()..]), name);
        }
        for name in [".", ".."] {
            let link = queue(name);
            assert_eq!((link.path.as_str(), named(&link, "")), ("/queues/", name.to_owned()));
        }
    }

    #[test]
    fn a_filter_is_replaced_where_it_stood() {
        let link = Link::parse("/queues", "q=a&sort=in&page=3");
        assert_eq!(link.clone().with("sort", "out").href(), "/queues?q=a&sort=out&page=3");
        assert_eq!(link.clone().with("page", "").href(), "/queues?q=a&sort=in");
        assert_eq!(link.with("x", "y").href(), "/queues?q=a&sort=in&page=3&x=y");
    }

    #[test]
    fn outside_input_is_bounded() {
        let many = "a=1&".repeat(100_000);
        assert_eq!(Link::parse("/", &many).pairs.len(), MAX_PAIRS);
        let link = Link::parse("/", "page=999999999999999999999&limit=-1&n=7&n=8&=&%ff=%ff");
        assert_eq!((link.number("page", 1, 1, 50), link.number("limit", 100, 1, 1_000)), (1, 100));
        assert_eq!(link.number("n", 1, 1, 5), 5);
        assert_eq!(link.values("n").collect::<Vec<_>>(), ["7", "8"]);
        assert_eq!(link.value("\u{fffd}"), "\u{fffd}");
    }
}
