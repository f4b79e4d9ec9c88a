//! Numbers, times and sizes as people read them. Exact where a number can be counted, short where it is measured.

use jiff::Timestamp;
use maud::{Markup, html};

/// A count with its thousands apart: `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 job`, `2 jobs`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// How many a second: `312/s`, `4.5/s`, `0.02/s`, `0`.
pub fn rate(per_second: f64) -> String {
    if !per_second.is_finite() || per_second < 0.005 {
        return "0".to_owned();
    }
    match per_second {
        rate if rate < 1.0 => format!("{rate:.2}/s"),
        rate if rate < 100.0 => format!("{rate:.1}/s"),
        rate => format!("{}/s", count(rate.round() as u64)),
    }
}

/// A time in microseconds: `340 µs`, `12.3 ms`, `1.25 s`, `4 min 12 s`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{} ms", three_digits(us as f64 / 1e3)),
        1_000_000..60_000_000 => format!("{} s", three_digits(us as f64 / 1e6)),
        _ => duration(us / 1_000),
    }
}

/// A time in microseconds, or a dash where nothing was measured.
pub fn micros_or_dash(us: Option<u64>) -> String {
    us.map_or_else(|| "–".to_owned(), micros)
}

/// A time in milliseconds: `0 ms`, `340 ms`, `12.3 s`, `4 min 12 s`, `3 h 5 min`, `2 d 4 h`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1_000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{} s", three_digits(ms as f64 / 1e3)),
        60_000..3_600_000 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600_000..86_400_000 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A time in milliseconds without its fractions, as clocks that tick once a second show it: `12 s`, `4 min 12 s`.
pub fn whole_seconds(ms: u64) -> String {
    match ms {
        0..60_000 => format!("{} s", ms / 1_000),
        _ => duration(ms),
    }
}

/// A size: `512 B`, `3.4 KiB`, `1.2 GiB`.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if number < 1_024 {
        return format!("{number} B");
    }
    let mut size = number as f64 / 1_024.0;
    let mut unit = 0;
    while size >= 1_024.0 && unit + 1 < UNITS.len() {
        size /= 1_024.0;
        unit += 1;
    }
    format!("{} {}", three_digits(size), UNITS[unit])
}

/// A share of one: `12 %`.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        percent if percent > 0.0 && percent < 1.0 => "< 1 %".to_owned(),
        // What is not whole is not said to be.
        percent if percent > 99.0 && percent < 100.0 => "99 %".to_owned(),
        percent => format!("{percent:.0} %"),
    }
}

/// A moment, milliseconds since 1970, as RFC 3339 with milliseconds in UTC.
pub fn rfc3339(ms: u64) -> String {
    match i64::try_from(ms).map(Timestamp::from_millisecond) {
        Ok(Ok(moment)) => format!("{moment:.3}"),
        _ => "out of range".to_owned(),
    }
}

/// A moment for people: date and time to the second, in UTC.
pub fn moment(ms: u64) -> Markup {
    let exact = rfc3339(ms);
    let shown = exact.get(..19).map_or_else(|| exact.clone(), |text| format!("{} UTC", text.replace('T', " ")));
    html! { time datetime=(exact) title=(exact) { (shown) } }
}

/// The time of day of a moment, as the script lets it go on: in UTC, as everywhere.
pub fn clock(ms: u64) -> String {
    rfc3339(ms).get(11..19).map_or_else(String::new, |time| format!("{time} UTC"))
}

/// How long ago a moment was. The script lets it pass.
pub fn since(now_ms: u64, ms: u64) -> Markup {
    let exact = rfc3339(ms);
    html! { time datetime=(exact) title=(exact) data-ms=(ms) { (whole_seconds(now_ms.saturating_sub(ms))) } }
}

/// How long until a moment. The script lets it pass.
pub fn until(now_ms: u64, ms: u64) -> Markup {
    let exact = rfc3339(ms);
    html! { time datetime=(exact) title=(exact) data-ms=(ms) data-until { (whole_seconds(ms.saturating_sub(now_ms))) } }
}

/// A dash, read as nothing.
pub fn dash() -> Markup {
    html! { span.zero { "–" } }
}

/// Three digits that matter: `1.25`, `12.5`, `125`; no zeros at the end.
fn three_digits(number: f64) -> String {
    let places = match number {
        n if n < 9.995 => 2,
        n if n < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{number:.places$}");
    if places == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact() {
        let shown: Vec<String> = [0, 7, 999, 1_000, 1_234_567, u64::MAX].into_iter().map(count).collect();
        assert_eq!(shown, ["0", "7", "999", "1,000", "1,234,567", "18,446,744,073,709,551,615"]);
        assert_eq!(counted(1, "job", "jobs"), "1 job");
        assert_eq!(counted(0, "job", "jobs"), "0 jobs");
    }

    #[test]
    fn measures_are_short() {
        let rates: Vec<String> = [0.0, 0.001, 0.02, 4.5, 99.94, 312.4, 12_345.6, f64::NAN].map(rate).to_vec();
        assert_eq!(rates, ["0", "0", "0.02/s", "4.5/s", "99.9/s", "312/s", "12,346/s", "0"]);
        let times = [0, 340, 1_000, 12_345, 999_999, 1_250_000, 59_999_999, 60_000_000, 252_000_000];
        assert_eq!(
            times.map(micros),
            ["0 µs", "340 µs", "1 ms", "12.3 ms", "1000 ms", "1.25 s", "60 s", "1 min 0 s", "4 min 12 s"]
        );
        assert_eq!(
            [0, 999, 1_000, 61_000, 11_100_000, 187_200_000].map(duration),
            ["0 ms", "999 ms", "1 s", "1 min 1 s", "3 h 5 min", "2 d 4 h"]
        );
        assert_eq!(
            [0, 1_023, 3_482, 1_073_741_824, u64::MAX].map(bytes),
            ["0 B", "1023 B", "3.4 KiB", "1 GiB", "16384 PiB"]
        );
        assert_eq!([0.0, 0.004, 0.126, 0.999, 1.0].map(percent), ["0 %", "< 1 %", "13 %", "99 %", "100 %"]);
    }

    #[test]
    fn moments_are_utc_and_never_fail() {
        assert_eq!(rfc3339(1_769_860_800_123), "2026-01-31T12:00:00.123Z");
        assert_eq!(rfc3339(u64::MAX), "out of range");
        assert!(moment(1_769_860_800_123).0.contains(">2026-01-31 12:00:00 UTC<"));
        assert!(moment(u64::MAX).0.contains("out of range"));
        // A clock that went back shows no negative age.
        assert!(since(5, 10).0.contains(">0 s<"));
        assert!(until(10, 5).0.contains(">0 s<"));
    }
}
