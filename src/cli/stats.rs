//! `stats`: the figures of a server, as a table.
//!
//! Over HTTP it asks `/api/v1/stats`; deputy's `metrics` tells less, and is asked where the command line says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{Client, Door};

use super::failure::{print, printable};
use super::{Failure, http, wire};

/// Asks and prints.
pub(super) fn run(client: &Client, door: Door, stdout: &mut impl Write) -> Result<(), Failure> {
    let figures = match door {
        Door::Http => ask_http(client),
        Door::Other => ask_deputy(client),
    };
    let figures = figures.map_err(|error| Failure::failed(format!("{}: {error}", client.addr)))?;
    print(stdout, &printable(&table(&figures, Timestamp::now())))
}

fn ask_http(client: &Client) -> Result<Map<String, Value>, StatsError> {
    let figures = serde_json::from_str(&http::get(client, "/api/v1/stats")?).map_err(|_| http::HttpError::Foreign)?;
    let mut flat = Map::new();
    flatten("", figures, &mut flat);
    Ok(flat)
}

/// Figures within figures get the names of both.
fn flatten(name: &str, figures: Map<String, Value>, flat: &mut Map<String, Value>) {
    for (inner, value) in figures {
        let name = if name.is_empty() { inner } else { format!("{name}.{inner}") };
        match value {
            Value::Object(figures) => flatten(&name, figures, flat),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                flat.insert(name, value);
            }
        }
    }
}

fn ask_deputy(client: &Client) -> Result<Map<String, Value>, StatsError> {
    let mut stream = TcpStream::connect_timeout(&client.addr, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(b"{\"cmd\":\"metrics\"}\r\n")?;
    let mut lines = BufReader::new(stream.take(MAX_ANSWER_BYTES));
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            let answer: Answer = serde_json::from_str(&line).map_err(|_| StatsError::Foreign)?;
            if let Some(metrics) = answer.metrics.filter(|_| answer.cmd == "metrics") {
                return Ok(metrics);
            }
        }
        line.clear();
    }
    Err(StatsError::Foreign)
}

fn table(figures: &Map<String, Value>, now: Timestamp) -> String {
    let width = figures.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in figures {
        let shown = match (name.as_str(), value.as_i64()) {
            ("up_since", Some(since)) => since_when(since, now).unwrap_or_else(|| value.to_string()),
            ("uptime_ms", Some(uptime_ms)) => ago(uptime_ms / 1_000),
            _ => value.to_string(),
        };
        text += &format!("{name:width$}  {shown}\n");
    }
    text
}

fn since_when(since_ms: i64, now: Timestamp) -> Option<String> {
    let since = Timestamp::from_millisecond(since_ms).ok()?;
    Some(format!("{since:.0} ({} ago)", ago(now.as_second() - since.as_second())))
}

fn ago(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3_600 => format!("{} min", seconds / 60),
        seconds @ 3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    cmd: String,
    metrics: Option<Map<String, Value>>,
}

#[derive(Debug, thiserror::Error)]
enum StatsError {
    #[error("{}", wire::no_contact(.0))]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Http(#[from] http::HttpError),
    #[error("it does not speak deputy: is this the port of --deputy?")]
    Foreign,
}

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_within_figures_have_both_names() {
        let figures =
            serde_json::from_str(r#"{"jobs":{"accepted":3,"queued":1},"uptime_ms":3720000,"store":null}"#).unwrap();
        let mut flat = Map::new();
        flatten("", figures, &mut flat);
        let now = "2026-01-01T03:02:01Z".parse().unwrap();
        let expected = "jobs.accepted  3\njobs.queued    1\nstore          null\nuptime_ms      1 h 2 min\n";
        assert_eq!(table(&flat, now), expected);
    }

    #[test]
    fn metrics_become_a_table() {
        let metrics: Answer =
            serde_json::from_str(r#"{"cmd":"metrics","metrics":{"up_since":1767225600000,"jobs_done":3}}"#).unwrap();
        let now = "2026-01-01T03:02:01Z".parse().unwrap();
        assert_eq!(
            table(&metrics.metrics.unwrap(), now),
            "jobs_done  3\nup_since   2026-01-01T00:00:00Z (3 h 2 min ago)\n"
        );
        assert_eq!((ago(-5), ago(59), ago(3_599)), ("0 s".to_owned(), "59 s".to_owned(), "59 min".to_owned()));
    }
}
