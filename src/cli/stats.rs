//! `stats`: the counters that deputy's `metrics` tells, as a table.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::Client;

use super::Failure;
use super::failure::{print, printable};
use super::wire;

/// Asks and prints.
pub(super) fn run(client: &Client, stdout: &mut impl Write) -> Result<(), Failure> {
    let metrics = ask(client).map_err(|error| Failure::failed(format!("{}: {error}", client.addr)))?;
    print(stdout, &printable(&table(&metrics, Timestamp::now())))
}

fn ask(client: &Client) -> Result<Map<String, Value>, StatsError> {
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

fn table(metrics: &Map<String, Value>, now: Timestamp) -> String {
    let width = metrics.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in metrics {
        let since = Some(value).filter(|_| name == "up_since").and_then(Value::as_i64);
        let shown = match since.map(Timestamp::from_millisecond) {
            Some(Ok(since)) => format!("{since:.0} ({} ago)", ago(now.as_second() - since.as_second())),
            _ => value.to_string(),
        };
        text += &format!("{name:width$}  {shown}\n");
    }
    text
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
    #[error("it does not speak deputy: is this the port of --deputy?")]
    Foreign,
}

const PATIENCE: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

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
