//! Numbers with units: counts, sizes, times and switches, read and shown in the same spelling.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::error::quoted;

/// A whole number within a range.
pub(super) fn count(text: &str, range: RangeInclusive<usize>) -> Result<usize, String> {
    within(text, range, "a whole number")
}

/// A size in bytes within a range: `16MiB`, `16m`, `16777216`.
pub(super) fn bytes(text: &str, range: RangeInclusive<u64>) -> Result<u64, String> {
    let expected = || {
        let (low, high) = (show_bytes(*range.start()), show_bytes(*range.end()));
        format!("{} is not a size from {low} to {high}: give bytes, or KiB, MiB, GiB", quoted(text))
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => KIB,
        "m" | "mib" => KIB.pow(2),
        "g" | "gib" => KIB.pow(3),
        _ => return Err(expected()),
    };
    unsigned::<u64>(digits.trim_end())
        .and_then(|number| number.checked_mul(unit))
        .filter(|size| range.contains(size))
        .ok_or_else(expected)
}

/// A time within a range, in whole milliseconds: `30s`, `500ms`, `2m`, `1h`, plain seconds, with fractions.
pub(super) fn time(text: &str, range: RangeInclusive<Duration>) -> Result<Duration, String> {
    let expected = || {
        let (low, high) = (show_time(*range.start()), show_time(*range.end()));
        format!("{} is not a time from {low} to {high}: give seconds, or 500ms, 30s, 2m, 1h", quoted(text))
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit_ms = match &text[digits.len()..] {
        "ms" => 1.0,
        "" | "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return Err(expected()),
    };
    let digits = digits.trim_end();
    // Keeps out signs, exponents, `inf` and `nan`, which a float's own parser takes.
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    digits
        .parse::<f64>()
        .ok()
        .filter(|_| plain)
        // The cast saturates; the range refuses what it made of it.
        .map(|number| Duration::from_millis((number * unit_ms).round() as u64))
        .filter(|time| range.contains(time))
        .ok_or_else(expected)
}

/// A switch.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(format!("{} is not a switch: give true or false", quoted(text))),
    }
}

/// A size, in the largest unit that loses nothing.
pub(super) fn show_bytes(size: u64) -> String {
    for (unit, power) in [("GiB", 3), ("MiB", 2), ("KiB", 1)] {
        let unit_bytes = KIB.pow(power);
        if size >= unit_bytes && size.is_multiple_of(unit_bytes) {
            return format!("{}{unit}", size / unit_bytes);
        }
    }
    size.to_string()
}

/// A time, in seconds if it has no fraction.
pub(super) fn show_time(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
}

fn within<N: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<N>, what: &str) -> Result<N, String> {
    unsigned(text)
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("{} is not {what} from {} to {}", quoted(text), range.start(), range.end()))
}

/// Digits only: `parse` alone would take a sign.
fn unsigned<N: FromStr>(digits: &str) -> Option<N> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

const KIB: u64 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let range = 64..=256 * KIB * KIB;
        for (text, size, shown) in [
            ("64", 64, "64"),
            ("100b", 100, "100"),
            ("1k", 1024, "1KiB"),
            ("16MiB", 16 << 20, "16MiB"),
            ("16 mib", 16 << 20, "16MiB"),
            ("256M", 256 << 20, "256MiB"),
            ("1025", 1025, "1025"),
        ] {
            assert_eq!(bytes(text, range.clone()), Ok(size), "{text}");
            assert_eq!(show_bytes(size), shown);
            assert_eq!(bytes(shown, range.clone()), Ok(size));
        }
        for bad in ["", "63", "k", "-1k", "+1k", "1.5m", "257MiB", "1GB", "1gib", "99999999999g", "1 0k", "１"] {
            assert!(bytes(bad, range.clone()).is_err(), "{bad:?}");
        }
        assert_eq!(
            bytes("1GiB", range).unwrap_err(),
            "\"1GiB\" is not a size from 64 to 256MiB: give bytes, or KiB, MiB, GiB"
        );
    }

    #[test]
    fn times() {
        let range = Duration::from_millis(10)..=Duration::from_secs(3600);
        for (text, ms, shown) in [
            ("30", 30_000, "30s"),
            ("30s", 30_000, "30s"),
            ("500ms", 500, "500ms"),
            ("0.25", 250, "250ms"),
            ("1.5m", 90_000, "90s"),
            ("1h", 3_600_000, "3600s"),
            ("2 s", 2_000, "2s"),
        ] {
            let time_read = Duration::from_millis(ms);
            assert_eq!(time(text, range.clone()), Ok(time_read), "{text}");
            assert_eq!(show_time(time_read), shown);
            assert_eq!(time(shown, range.clone()), Ok(time_read));
        }
        for bad in
            ["", "s", "0", "-1", "+1", "1e3", "inf", "nan", "1.2.3", "3601", "9ms", "1d", "99999999999999999999h"]
        {
            assert!(time(bad, range.clone()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn counts_and_switches() {
        assert_eq!(count("7", 1..=9), Ok(7));
        for bad in ["", "0", "10", "+7", "-7", "7.0", "seven", "99999999999999999999"] {
            assert!(count(bad, 1..=9).is_err(), "{bad:?}");
        }
        assert_eq!(count("0", 1..=9).unwrap_err(), "\"0\" is not a whole number from 1 to 9");
        assert_eq!(switch("true"), Ok(true));
        assert_eq!(switch("0"), Ok(false));
        assert!(switch("maybe").is_err());
    }
}
