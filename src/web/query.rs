//! The query of a request: its parameters decoded once, and read within their bounds.
//!
//! A number out of its range counts as the nearest one in it; what is no number at all is a problem.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::StatusCode;
use percent_encoding::percent_decode;

use super::problem::Problem;
use crate::core::{JobState, TypeName};

/// The longest wait of a long poll, below what proxies usually cut.
const MAX_WAIT_S: f64 = 55.0;

/// The wait of a long poll that names none.
const USUAL_WAIT: Duration = Duration::from_secs(25);

/// Items of a list that names no limit, and the most it may name.
const USUAL_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// A query may have so many parameters; a poll names its types here.
const MAX_PARAMETERS: usize = 10_000;

/// The parameters of a request, in their order.
#[derive(Debug)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query string.
    ///
    /// # Errors
    /// 422 where it isn't UTF-8, or has too many parameters.
    pub fn parse(text: &str) -> Result<Query, Problem> {
        let mut parameters = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(malformed("query", "too many parameters"));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name).ok_or_else(|| malformed("query", "expected UTF-8"))?;
            let value = decoded(value).ok_or_else(|| malformed(name.clone(), "expected UTF-8"))?;
            parameters.push((name, value));
        }
        Ok(Query(parameters))
    }

    /// The first value of a parameter; none where it is absent or empty.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).find(|value| !value.is_empty())
    }

    /// All values of a parameter.
    pub fn values<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How long the caller waits: `wait=SECONDS`; none where it is absent.
    ///
    /// # Errors
    /// 422 where it is no number.
    pub fn wait(&self) -> Result<Option<Duration>, Problem> {
        if !self.0.iter().any(|(name, _)| name == "wait") {
            return Ok(None);
        }
        let text = self.value("wait").unwrap_or_default();
        let seconds: f64 = text.parse().map_err(|_| malformed("wait", "expected seconds"))?;
        // What is no number on the way is no wait.
        let seconds = if seconds.is_nan() { 0.0 } else { seconds.clamp(0.0, MAX_WAIT_S) };
        Ok(Some(Duration::from_secs_f64(seconds)))
    }

    /// How long a poll waits: as [`Query::wait`], or 25 seconds.
    ///
    /// # Errors
    /// 422 where it is no number.
    pub fn wait_of_poll(&self) -> Result<Duration, Problem> {
        Ok(self.wait()?.unwrap_or(USUAL_WAIT))
    }

    /// How many items a list has at most: `limit=N`.
    ///
    /// # Errors
    /// 422 where it is no number.
    pub fn limit(&self) -> Result<usize, Problem> {
        self.number("limit", USUAL_LIMIT, MAX_LIMIT)
    }

    /// A number of things from 1 to `most`.
    ///
    /// # Errors
    /// 422 where it is no number.
    pub fn number(&self, name: &'static str, usual: usize, most: usize) -> Result<usize, Problem> {
        let Some(text) = self.value(name) else { return Ok(usual) };
        let number: f64 = text.parse().map_err(|_| malformed(name, "expected a number"))?;
        // The cast saturates, and makes 0 of what is no number on the way.
        Ok((number as usize).clamp(1, most))
    }

    /// Where a list goes on: `cursor=C`, which is a sequence number.
    ///
    /// # Errors
    /// 422 where it is none that we gave.
    pub fn cursor(&self) -> Result<Option<u64>, Problem> {
        let Some(text) = self.value("cursor") else { return Ok(None) };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(cursor) if is_plain => Ok(Some(cursor)),
            _ => Err(malformed("cursor", "expected the `next` of the list before")),
        }
    }

    /// The state that jobs are wanted in: `state=NAME`.
    ///
    /// # Errors
    /// 422 where there is no such state.
    pub fn state(&self) -> Result<Option<JobState>, Problem> {
        let Some(name) = self.value("state") else { return Ok(None) };
        let state = JobState::parse(name).ok_or_else(|| {
            Problem::invalid_field(
                "state",
                "expected scheduled, queued, running, completed, failed, cancelled or expired",
            )
        })?;
        Ok(Some(state))
    }

    /// The types that the query names, each once: `type=T&type=U`.
    ///
    /// # Errors
    /// 422 where one can't be a type.
    pub fn types(&self) -> Result<Vec<TypeName>, Problem> {
        let mut types: Vec<TypeName> = Vec::new();
        for name in self.values("type").filter(|name| !name.is_empty()) {
            let name =
                TypeName::from_text(name).map_err(|why| Problem::invalid_field("type", format!("a type {why}")))?;
            types.push(name);
        }
        types.sort_unstable();
        types.dedup();
        Ok(types)
    }
}

/// A text without its escapes; none where they aren't UTF-8.
fn decoded(text: &str) -> Option<String> {
    let spaced: Vec<u8> = text.bytes().map(|byte| if byte == b'+' { b' ' } else { byte }).collect();
    Some(percent_decode(&spaced).decode_utf8().ok()?.into_owned())
}

fn malformed(field: impl Into<Cow<'static, str>>, detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", detail).with("field", field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Query {
        Query::parse(text).unwrap()
    }

    #[test]
    fn values_are_decoded_once() {
        let query = query("type=a%2Fb+c&type=%2541&q=&&x");
        assert_eq!(query.values("type").collect::<Vec<_>>(), ["a/b c", "%41"]);
        assert_eq!((query.value("q"), query.value("x"), query.value("y")), (None, None, None));
        assert!(Query::parse("q=%ff").is_err());
        assert!(Query::parse(&"a&".repeat(10_001)).is_err());
    }

    #[test]
    fn numbers_are_clamped_and_nonsense_is_told() {
        for (text, expected) in [
            ("", 100),
            ("limit=", 100),
            ("limit=7", 7),
            ("limit=-1", 1),
            ("limit=0", 1),
            ("limit=1e9", 1_000),
            ("limit=18446744073709551616", 1_000),
            ("limit=NaN", 1),
        ] {
            assert_eq!(query(text).limit().unwrap(), expected, "{text}");
        }
        for (text, expected_ms) in [
            ("wait=25", 25_000),
            ("wait=0", 0),
            ("wait=-1", 0),
            ("wait=1e12", 55_000),
            ("wait=0.5", 500),
            ("wait=NaN", 0),
            ("wait=inf", 55_000),
        ] {
            assert_eq!(query(text).wait().unwrap(), Some(Duration::from_millis(expected_ms)), "{text}");
        }
        assert_eq!(query("").wait().unwrap(), None);
        assert_eq!(query("").wait_of_poll().unwrap(), Duration::from_secs(25));
        for text in ["limit=abc", "wait=abc", "wait", "wait=", "cursor=abc", "cursor=-1", "cursor=+1", "cursor=1e3"] {
            let query = query(text);
            let flawed = [query.limit().err(), query.wait().err(), query.cursor().err()];
            assert_eq!(flawed.iter().flatten().count(), 1, "{text}");
        }
        assert_eq!(query("cursor=18446744073709551615").cursor().unwrap(), Some(u64::MAX));
    }

    #[test]
    fn types_and_states_are_names_that_exist() {
        let types = query("type=b&type=a&type=b&type=").types().unwrap();
        assert_eq!(types.iter().map(|name| name.text().into_owned()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(query("type=a%0Ab").types().is_err());
        assert_eq!(query("state=failed").state().unwrap(), Some(JobState::Failed));
        assert!(query("state=%3Cscript%3E").state().is_err());
    }
}
