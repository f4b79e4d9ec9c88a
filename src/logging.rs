//! Log lines: one per event, to stderr, as text or as JSON.
//!
//! Whatever a peer sent may end up in a line, so messages and values are escaped: no line break, no terminal escape
//! gets through. The level comes from `RUST_LOG`, else it is `info`. The newest lines are kept in memory, for operators.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use log::Record;
use log::kv::{Key, Value, VisitSource};

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: `2026-01-31T12:00:00.000Z INFO procession::main listening addr=127.0.0.1:3001`.
    #[default]
    Text,
    /// For programs: one JSON object per line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("{text:?} is not a log format: give text or json")),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Installs the logger. A second call changes nothing.
pub fn init(format: LogFormat) {
    let mut builder = env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(LEVELS));
    builder.format(move |out, record| {
        let now = Timestamp::now();
        remember(record, now);
        match format {
            LogFormat::Text => {
                let style = out.default_level_style(record.level());
                let level = format!("{style}{:<5}{style:#}", record.level());
                writeln!(out, "{}", text_line(record, now, &level))
            }
            LogFormat::Json => writeln!(out, "{}", json_line(record, now)),
        }
    });
    // Fails only when there is a logger already, as in tests.
    let _ = builder.try_init();
}

/// The HTTP libraries tell of every request that is not HTTP, as an error of theirs: anybody could fill the log with them.
const LEVELS: &str = "info,actix_server=warn,actix_http=off,actix_web=warn";

/// A line that was logged, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, milliseconds since 1970.
    pub at_ms: u64,
    /// How grave.
    pub level: log::Level,
    /// What, with its pairs; escaped.
    pub text: String,
}

/// So many lines are kept in memory, each at most so long in bytes.
const KEPT: (usize, usize) = (500, 1_024);

static NEWEST: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());

/// The newest lines, the newest first.
pub fn recent() -> Vec<Line> {
    // A thread that panicked here has left whole lines.
    NEWEST.lock().unwrap_or_else(PoisonError::into_inner).iter().rev().cloned().collect()
}

fn remember(record: &Record<'_>, now: Timestamp) {
    let (lines, bytes) = KEPT;
    let mut text = String::new();
    escape(&mut text, &record.args().to_string());
    record.key_values().visit(&mut TextPairs(&mut text)).expect("visiting never fails");
    text.truncate(text.floor_char_boundary(bytes));
    let at_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    let mut newest = NEWEST.lock().unwrap_or_else(PoisonError::into_inner);
    if newest.len() == lines {
        newest.pop_front();
    }
    newest.push_back(Line { at_ms, level: record.level(), text });
}

fn text_line(record: &Record<'_>, now: Timestamp, level: &str) -> String {
    let mut line = format!("{now:.3} {level} {} ", record.target());
    escape(&mut line, &record.args().to_string());
    let mut pairs = TextPairs(&mut line);
    record.key_values().visit(&mut pairs).expect("visiting never fails");
    line
}

fn json_line(record: &Record<'_>, now: Timestamp) -> String {
    let mut line = String::from("{");
    for (name, value) in [
        ("time", format!("{now:.3}")),
        ("level", record.level().as_str().to_lowercase()),
        ("target", record.target().to_owned()),
        ("message", record.args().to_string()),
    ] {
        json_member(&mut line, name, &serde_json::Value::String(value));
    }
    let mut pairs = JsonPairs(&mut line);
    record.key_values().visit(&mut pairs).expect("visiting never fails");
    line.push('}');
    line
}

struct TextPairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for TextPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let value = value.to_string();
        self.0.push(' ');
        escape(self.0, key.as_str());
        self.0.push('=');
        if value.is_empty() || value.contains(|c: char| c.is_whitespace() || c == '"' || c == '=') {
            // Quotes and backslashes are escaped, too, so that the end of the value is certain.
            write!(self.0, "{value:?}").expect("a string takes anything");
        } else {
            escape(self.0, &value);
        }
        Ok(())
    }
}

struct JsonPairs<'a>(&'a mut String);

impl<'kvs> VisitSource<'kvs> for JsonPairs<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), log::kv::Error> {
        let json = if let Some(number) = value.to_u64() {
            number.into()
        } else if let Some(number) = value.to_i64() {
            number.into()
        } else if let Some(switch) = value.to_bool() {
            switch.into()
        } else if let Some(number) = value.to_f64().and_then(serde_json::Number::from_f64) {
            number.into()
        } else {
            value.to_string().into()
        };
        // Our own members keep their names.
        match key.as_str() {
            own @ ("time" | "level" | "target" | "message") => json_member(self.0, &format!("{own}_"), &json),
            name => json_member(self.0, name, &json),
        }
        Ok(())
    }
}

fn json_member(line: &mut String, name: &str, value: &serde_json::Value) {
    if line.len() > 1 {
        line.push(',');
    }
    write!(line, "{}:", serde_json::Value::from(name)).expect("a string takes anything");
    // JSON lets DEL and the C1 controls through; a terminal does not take them as text.
    for c in value.to_string().chars() {
        if is_unsafe(c) {
            write!(line, "\\u{:04x}", u32::from(c)).expect("a string takes anything");
        } else {
            line.push(c);
        }
    }
}

fn escape(line: &mut String, text: &str) {
    for c in text.chars() {
        if is_unsafe(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// Control characters, the line breaks of Unicode, and the marks that reverse a line.
fn is_unsafe(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;

    fn lines(message: &str, pairs: &[(&str, Value<'_>)]) -> (String, String) {
        let now = "2026-01-31T12:00:00.1234Z".parse().unwrap();
        let level = Level::Warn.as_str();
        let args = format_args!("{message}");
        let record = Record::builder().args(args).level(Level::Warn).target("procession::x").key_values(&pairs).build();
        (text_line(&record, now, level), json_line(&record, now))
    }

    #[test]
    fn a_line_has_its_pairs() {
        let pairs = [
            ("addr", Value::from("127.0.0.1:1")),
            ("jobs", Value::from(3)),
            ("ok", Value::from(true)),
            ("reason", Value::from("two words")),
            ("message", Value::from("")),
        ];
        let (text, json) = lines("listening", &pairs);
        assert_eq!(
            text,
            "2026-01-31T12:00:00.123Z WARN procession::x listening addr=127.0.0.1:1 jobs=3 ok=true \
             reason=\"two words\" message=\"\""
        );
        assert_eq!(
            json,
            r#"{"time":"2026-01-31T12:00:00.123Z","level":"warn","target":"procession::x","message":"listening","addr":"127.0.0.1:1","jobs":3,"ok":true,"reason":"two words","message_":""}"#
        );
    }

    #[test]
    fn the_newest_lines_are_kept_and_no_more() {
        for number in 0..KEPT.0 + 20 {
            let text = format!("line {number} {}", "ä".repeat(KEPT.1));
            let moment = "2026-01-31T12:00:00Z".parse().unwrap();
            remember(&Record::builder().args(format_args!("{text}")).level(Level::Info).build(), moment);
        }
        let recent = recent();
        assert_eq!(recent.len(), KEPT.0);
        assert!(recent[0].text.starts_with(&format!("line {} ä", KEPT.0 + 19)), "{}", recent[0].text);
        assert!(recent.iter().all(|line| line.text.len() <= KEPT.1 && line.at_ms == 1_769_860_800_000));
    }

    #[test]
    fn nothing_breaks_out_of_a_line() {
        let evil = "a\nb\r\u{1b}[31m\u{9b}\u{2028}\u{202e}\"";
        let (text, json) = lines(evil, &[("k\n", Value::from(evil)), ("v", Value::from("\u{1b}"))]);
        for line in [&text, &json] {
            assert!(!line.contains(is_unsafe), "{line:?}");
        }
        assert!(text.contains("a\\nb\\r\\u{1b}[31m"), "{text}");
        let parsed: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(parsed["message"], evil);
        assert_eq!(parsed["k\n"], evil);
    }
}
