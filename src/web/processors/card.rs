//! What a processor says of itself: when it registers, and whenever it is asked for `/meta`.

use std::time::Duration;

use actix_web::http::StatusCode;
use bytes::BytesMut;

use crate::core::{Answer, Body, TypeName};
use crate::json::{self, fields};
use crate::web::outgoing::Url;
use crate::web::problem::Problem;

/// A processor as it registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Card {
    /// Its id: one processor has it, and steps may name it.
    pub id: TypeName,
    /// Its name: several may have it, and steps may name it.
    pub name: TypeName,
    /// Where it is.
    pub url: Url,
    /// The same as it was written: it is shown so.
    pub spelling: String,
    /// How many items it takes at a time.
    pub concurrency: u32,
    /// How long it has for an item, in milliseconds.
    pub lease_ms: u64,
}

/// The most items that a processor can take at a time.
pub const MAX_CONCURRENCY: u32 = 1_000;

/// The lease of a processor that names none (`spec/jobs.md`).
const USUAL_LEASE_MS: u64 = 600_000;

/// The longest lease: a week.
const MAX_LEASE_MS: u64 = 7 * 24 * 3_600_000;

impl Card {
    /// Reads a registration.
    ///
    /// # Errors
    /// A problem that says what is wrong with it.
    pub fn parse(text: &[u8], max_depth: usize) -> Result<Card, Problem> {
        let [id, name, url, concurrency, lease_ms] =
            json::object(text, max_depth, &["id", "name", "url", "concurrency", "lease_ms"])
                .map_err(|flaw| Problem::flaw(flaw, text))?;
        let id = label(id, "id")?;
        let name = label(name, "name")?;
        let url = fields::given(url)
            .and_then(json::string)
            .ok_or_else(|| Problem::invalid_field("url", "a processor needs a URL: http://HOST:PORT"))?;
        let number = |raw, name| {
            fields::number(raw, 1, name).map_err(|name| Problem::invalid_field(name, "expected an integer from 1"))
        };
        let concurrency = number(concurrency, "concurrency")?.unwrap_or(1);
        if concurrency > u64::from(MAX_CONCURRENCY) {
            return Err(Problem::invalid_field("concurrency", "expected at most 1000"));
        }
        Ok(Card {
            id,
            name,
            url: Url::parse_base(&url).map_err(|bad| invalid_url("url", &bad.to_string()))?,
            spelling: url.into_owned(),
            concurrency: concurrency as u32,
            lease_ms: number(lease_ms, "lease_ms")?.unwrap_or(USUAL_LEASE_MS).min(MAX_LEASE_MS),
        })
    }
}

fn label(raw: Option<&str>, field: &'static str) -> Result<TypeName, Problem> {
    let raw =
        fields::given(raw).ok_or_else(|| Problem::invalid_field(field, format!("a processor needs its {field}")))?;
    fields::type_name(raw).map_err(|bad| Problem::invalid_field(field, format!("the {field} {bad}")))
}

/// 422: the URL can't be called, or must not be.
pub fn invalid_url(field: &'static str, why: &str) -> Problem {
    let detail = format!("the URL can't be called: it has {why}");
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_url", detail).with("field", field)
}

/// A registration as it is kept over restarts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// What was registered.
    pub card: Card,
    /// When, in milliseconds since 1970.
    pub connected_ms: u64,
    /// What the processor has done since.
    pub counts: Counts,
}

/// What a processor has done.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Counts {
    /// Items that it completed.
    pub processed: u64,
    /// Attempts that it failed.
    pub failed: u64,
    /// How long the completed ones took, together.
    pub took: Duration,
}

impl Counts {
    /// What a word on an item counts for, which took so long.
    pub fn of(word: &Answer, took: Duration) -> Counts {
        match word {
            Answer::Complete(_) => Counts { processed: 1, failed: 0, took },
            Answer::Fail { .. } => Counts { failed: 1, ..Counts::default() },
            Answer::Touch { .. } | Answer::Release { .. } => Counts::default(),
        }
    }

    /// How long a completed item took, in milliseconds.
    pub fn average_ms(&self) -> Option<f64> {
        // Of whole microseconds, which is what is kept: else a restart could change it.
        let average = self.took.as_micros() as f64 / 1_000.0 / self.processed as f64;
        // To a thousandth: more digits tell nobody anything.
        (self.processed > 0).then_some((average * 1_000.0).round() / 1_000.0)
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.processed += other.processed;
        self.failed += other.failed;
        self.took += other.took;
    }
}

impl Registration {
    /// As it is written into the store.
    pub fn to_note(&self) -> Body {
        let Registration { card, connected_ms, counts: Counts { processed, failed, took } } = self;
        let took_us = took.as_micros();
        let Card { id, name, spelling, concurrency, lease_ms, .. } = card;
        let mut out = BytesMut::new();
        out.extend_from_slice(b"{\"url\":");
        json::write_string(&mut out, spelling);
        let rest = format!(
            ",\"id\":{},\"name\":{},\"concurrency\":{concurrency},\"lease_ms\":{lease_ms},\"connected_ms\":{connected_ms},\"processed\":{processed},\"failed\":{failed},\"took_us\":{took_us}}}",
            id.token(),
            name.token()
        );
        out.extend_from_slice(rest.as_bytes());
        Body::from(&*out)
    }

    /// As it was written; none where it can't have been this.
    pub fn from_note(note: &[u8]) -> Option<Registration> {
        let card = Card::parse(note, 1).ok()?;
        let [connected_ms, processed, failed, took_us] =
            json::object(note, 1, &["connected_ms", "processed", "failed", "took_us"]).ok()?;
        let number = |raw| fields::number(raw, 0, "").ok();
        let count = |raw| Some(number(raw)?.unwrap_or(0));
        let counts = Counts {
            processed: count(processed)?,
            failed: count(failed)?,
            took: Duration::from_micros(count(took_us)?),
        };
        Some(Registration { card, connected_ms: number(connected_ms)??, counts })
    }
}

/// An answer to `GET /meta`.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub struct Meta {
    /// The share of a processor that it uses.
    pub cpu: Option<f64>,
    /// The bytes that it uses.
    pub memory: Option<u64>,
}

impl Meta {
    /// Reads the answer of the processor with this card.
    ///
    /// # Errors
    /// What is wrong with it: it is not what a processor answers, or another one's.
    pub fn parse(text: &[u8], max_depth: usize, card: &Card) -> Result<Meta, String> {
        let [id, name, cpu, memory] = json::object(text, max_depth, &["id", "name", "cpu", "memory"])
            .map_err(|flaw| format!("its /meta is not a JSON object: {}", flaw.describe(text)))?;
        let is = |raw: Option<&str>, expected: &TypeName| {
            fields::given(raw).is_some_and(|raw| fields::type_name(raw).as_ref() == Ok(expected))
        };
        if !is(id, &card.id) {
            return Err("its /meta gives another id".to_owned());
        }
        if !is(name, &card.name) {
            return Err("its /meta gives another name".to_owned());
        }
        // Figures are for people: odd ones are none.
        let number =
            |raw| fields::given(raw).and_then(json::number).filter(|number| number.is_finite() && *number >= 0.0);
        Ok(Meta { cpu: number(cpu), memory: number(memory).map(|bytes| bytes as u64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: &str) -> Result<Card, String> {
        Card::parse(text.as_bytes(), 128).map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_card_has_defaults_and_bounds() {
        let read = card(r#"{"id":"p-1","name":"counter","url":"http://127.0.0.1:8001/","version":"1"}"#).unwrap();
        assert_eq!((&*read.id.text(), &*read.name.text()), ("p-1", "counter"));
        assert_eq!((read.concurrency, read.lease_ms), (1, 600_000));
        let read = r#"{"id":"p","name":"n","url":"http://a:1","concurrency":1000,"lease_ms":99999999999999999999}"#;
        let read = card(read).unwrap();
        assert_eq!((read.concurrency, read.lease_ms), (1_000, MAX_LEASE_MS));
    }

    #[test]
    fn bad_cards_are_refused() {
        let long = "x".repeat(256);
        for (text, code) in [
            ("[]".to_owned(), "invalid_message"),
            ("{".to_owned(), "invalid_json"),
            (r#"{"name":"n","url":"http://a"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","url":"http://a"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n","url":7}"#.to_owned(), "invalid_field"),
            (r#"{"id":7,"name":"n","url":"http://a"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"","name":"n","url":"http://a"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"a\nb","name":"n","url":"http://a"}"#.to_owned(), "invalid_field"),
            (format!(r#"{{"id":"p","name":"{long}","url":"http://a"}}"#), "invalid_field"),
            (r#"{"id":"p","name":"n","url":"http://a","concurrency":0}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n","url":"http://a","concurrency":1001}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n","url":"http://a","concurrency":"1"}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n","url":"http://a","lease_ms":-1}"#.to_owned(), "invalid_field"),
            (r#"{"id":"p","name":"n","url":"ftp://a"}"#.to_owned(), "invalid_url"),
            (r#"{"id":"p","name":"n","url":"http://u@a"}"#.to_owned(), "invalid_url"),
            (r#"{"id":"p","name":"n","url":"http://a/?q"}"#.to_owned(), "invalid_url"),
        ] {
            assert_eq!(card(&text), Err(code.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_registration_comes_back_from_its_note() {
        let card = card(r#"{"id":"p\"1","name":"n\\é","url":"https://a/b","concurrency":3,"lease_ms":5}"#).unwrap();
        let counts = Counts { processed: 3, failed: 1, took: Duration::from_micros(4_500) };
        assert_eq!(counts.average_ms(), Some(1.5));
        let registration = Registration { card, connected_ms: 7, counts };
        assert_eq!(Registration::from_note(&registration.to_note()), Some(registration));
        assert_eq!(Registration::from_note(b"{}"), None);
    }

    #[test]
    fn a_meta_must_be_the_processors_own() {
        let card = card(r#"{"id":"p","name":"n","url":"http://a"}"#).unwrap();
        let meta = |text: &str| Meta::parse(text.as_bytes(), 128, &card);
        let full = meta(r#"{"id":"p","name":"n","cpu":0.5,"memory":1000,"more":[]}"#);
        assert_eq!(full, Ok(Meta { cpu: Some(0.5), memory: Some(1_000) }));
        for odd in [r#""cpu":"much","memory":-1"#, r#""cpu":1e999,"memory":null"#, r#""cpu":-1"#] {
            assert_eq!(meta(&format!(r#"{{"id":"p","name":"n",{odd}}}"#)), Ok(Meta::default()), "{odd}");
        }
        for wrong in ["", "<html>", "[]", r#"{"id":"q","name":"n"}"#, r#"{"id":"p","name":"m"}"#, r#"{"id":"p"}"#] {
            assert!(meta(wrong).is_err(), "{wrong}");
        }
    }
}
