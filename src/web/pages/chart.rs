//! Charts as SVG, drawn by the server. The script only points at them: it adds no line.
//!
//! Lines differ in colour and in their strokes. What a chart shows is said in words, too: in its legend and for those who
//! listen.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::words;

/// What the values of a chart are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// How many.
    Count,
    /// How many a second.
    Rate,
    /// Microseconds.
    Time,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Series {
    /// What it is.
    pub name: &'static str,
    /// A value for each step, none where nothing was measured.
    pub values: Vec<Option<f64>>,
}

/// A chart over time.
#[derive(Clone, Debug)]
pub struct Chart {
    /// What it shows.
    pub title: &'static str,
    /// What its values are.
    pub unit: Unit,
    /// When its first step began, in milliseconds since 1970.
    pub at_ms: u64,
    /// How long a step is, in milliseconds.
    pub step_ms: u64,
    /// Where it begins, in words: `5 min ago`.
    pub begins: &'static str,
    /// At most three lines, all equally long.
    pub series: Vec<Series>,
}

impl Unit {
    fn name(self) -> &'static str {
        match self {
            Unit::Count => "count",
            Unit::Rate => "rate",
            Unit::Time => "time",
        }
    }

    fn word(self, value: f64) -> String {
        match self {
            Unit::Count => words::count(value.round() as u64),
            Unit::Rate => words::rate(value),
            Unit::Time => words::micros(value.round() as u64),
        }
    }

    /// A mark of the axis: short, since it is round.
    fn mark(self, value: f64) -> String {
        match self {
            Unit::Count | Unit::Rate if value >= 1e6 => format!("{}M", value / 1e6),
            Unit::Count | Unit::Rate if value >= 1e4 => format!("{}k", value / 1e3),
            Unit::Count | Unit::Rate => format!("{value}"),
            Unit::Time if value >= 3.6e9 => format!("{} h", value / 3.6e9),
            Unit::Time if value >= 1.2e8 => format!("{} min", value / 6e7),
            Unit::Time => words::micros(value as u64),
        }
    }

    /// A round value that is not less, and whose half is round, too.
    fn round_up(self, value: f64) -> f64 {
        const MINUTES: [f64; 7] = [2.0, 4.0, 10.0, 20.0, 30.0, 60.0, 120.0];
        if self == Unit::Time && value > 6e7 {
            let found = MINUTES.into_iter().map(|minutes| minutes * 6e7).find(|&round| round >= value);
            return found.unwrap_or_else(|| decimal_up(value / 3.6e9) * 3.6e9);
        }
        let least = if self == Unit::Time { 100.0 } else { 2.0 };
        decimal_up(value.max(least))
    }
}

fn decimal_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 8.0, 10.0].into_iter().map(|step| step * power).find(|&round| round >= value).unwrap_or(value)
}

/// The classes of the lines, in their order.
const LINES: [char; 3] = ['a', 'b', 'c'];
/// The height of the field in which lines are drawn; its width is the number of steps.
const HEIGHT: f64 = 100.0;

impl Chart {
    /// The chart with its legend.
    pub fn figure(&self) -> Markup {
        let top = self.unit.round_up(self.most());
        let end = self.series.first().map_or(0, |series| series.values.len()).max(2) - 1;
        html! {
            figure.chart {
                figcaption {
                    strong { (self.title) }
                    @for (series, line) in self.series.iter().zip(LINES) {
                        span.legend {
                            svg viewBox="0 0 22 8" aria-hidden="true" { path class={ "line c-" (line) } d="M0 4H22" {} }
                            span.is { (series.name) } " " b { (self.last(series)) }
                        }
                    }
                }
                div.plot {
                    div.y aria-hidden="true" {
                        span { (self.unit.mark(top)) } span { (self.unit.mark(top / 2.0)) } span { "0" }
                    }
                    div.area data-at=(self.at_ms) data-step=(self.step_ms) data-unit=(self.unit.name()) data-values=(self.numbers()) {
                        svg viewBox={ "0 0 " (end) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(self.spoken()) {
                            path.rule d={ "M0 0H" (end) "M0 50H" (end) "M0 100H" (end) } {}
                            @for (series, line) in self.series.iter().zip(LINES) {
                                @let path = path(&series.values, top);
                                @if line == 'a' { path class={ "under u-" (line) } d=(closed(&path)) {} }
                                path class={ "line c-" (line) } d=(path) {}
                            }
                        }
                    }
                    div.x aria-hidden="true" { span { (self.begins) } span { "now" } }
                }
            }
        }
    }

    fn most(&self) -> f64 {
        self.series.iter().flat_map(|series| series.values.iter().flatten()).copied().fold(0.0, f64::max)
    }

    fn last(&self, series: &Series) -> String {
        series.values.last().copied().flatten().map_or_else(|| "–".to_owned(), |value| self.unit.word(value))
    }

    fn spoken(&self) -> String {
        let mut text = format!("{} since {}.", self.title, self.begins);
        for series in &self.series {
            let most = series.values.iter().flatten().copied().fold(0.0, f64::max);
            write!(text, " {}: now {}, at most {}.", series.name, self.last(series), self.unit.word(most))
                .expect("a string takes anything");
        }
        text
    }

    /// For the script: lines apart by `;`, steps by `,`.
    fn numbers(&self) -> String {
        let mut text = String::new();
        for (at, series) in self.series.iter().enumerate() {
            if at > 0 {
                text.push(';');
            }
            for (at, value) in series.values.iter().enumerate() {
                if at > 0 {
                    text.push(',');
                }
                if let Some(value) = value {
                    let rounded = if *value < 100.0 { (value * 100.0).round() / 100.0 } else { value.round() };
                    write!(text, "{rounded}").expect("a string takes anything");
                }
            }
        }
        text
    }
}

/// The line, with a new start after each gap. A lonely point becomes a short stroke, or nobody would see it.
fn path(values: &[Option<f64>], top: f64) -> String {
    let mut path = String::new();
    let mut is_drawing = false;
    for (at, value) in values.iter().enumerate() {
        let Some(value) = value else {
            is_drawing = false;
            continue;
        };
        let y = HEIGHT - value / top * HEIGHT;
        let y = (y * 10.0).round() / 10.0;
        let is_lonely = !is_drawing && values.get(at + 1).copied().flatten().is_none();
        write!(path, "{}{at} {y}", if is_drawing { 'L' } else { 'M' }).expect("a string takes anything");
        if is_lonely {
            path.push_str("h.8");
        }
        is_drawing = true;
    }
    path
}

/// The field under a line, each of its parts down to the ground.
fn closed(path: &str) -> String {
    let mut closed = String::new();
    for part in path.split('M').filter(|part| !part.is_empty() && !part.ends_with("h.8")) {
        let start = part.split(' ').next().unwrap_or("0");
        let end = part.rsplit('L').next().and_then(|last| last.split(' ').next()).unwrap_or(start);
        write!(closed, "M{start} {HEIGHT}L{part}L{end} {HEIGHT}Z").expect("a string takes anything");
    }
    closed
}

/// A small line of the last minute, in a table.
pub fn spark(values: &[u32]) -> Markup {
    let most = values.iter().copied().max().unwrap_or(0);
    let last = values.last().copied().unwrap_or(0);
    let mut path = String::with_capacity(values.len() * 6);
    let width = values.len().max(2) - 1;
    if most == 0 {
        write!(path, "M0 16H{width}").expect("a string takes anything");
    } else {
        for (at, value) in values.iter().enumerate() {
            // In whole sixteenths of the height: it is 20 pixels high.
            let y = 16 - (u64::from(*value) * 16).div_ceil(u64::from(most));
            write!(path, "{}{at} {y}", if at == 0 { 'M' } else { 'L' }).expect("a string takes anything");
        }
    }
    html! {
        svg.spark viewBox={ "0 0 " (width) " 16" } preserveAspectRatio="none" role="img"
            aria-label={ "Ended a second, last minute: now " (last) ", at most " (most) } {
            @if most > 0 { path.under d={ (PreEscaped(&path)) "V16H0Z" } {} }
            path.line d=(PreEscaped(&path)) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_gaps_where_nothing_was_measured() {
        let values = [Some(0.0), Some(10.0), None, Some(5.0), None];
        assert_eq!(path(&values, 10.0), "M0 100L1 0M3 50h.8");
        assert_eq!(closed(&path(&values, 10.0)), "M0 100L0 100L1 0L1 100Z");
        assert_eq!(path(&[], 10.0), "");
    }

    #[test]
    fn axes_end_at_round_values() {
        let counts: Vec<f64> = [0.0, 3.0, 17.0, 480.0, 12_001.0].map(|value| Unit::Count.round_up(value)).to_vec();
        assert_eq!(counts, [2.0, 4.0, 20.0, 500.0, 20_000.0]);
        let times: Vec<String> =
            [0.0, 340.0, 1_500_000.0, 70e6, 601e6, 9e9].map(|us| Unit::Time.mark(Unit::Time.round_up(us))).to_vec();
        assert_eq!(times, ["100 µs", "400 µs", "2 s", "2 min", "20 min", "4 h"]);
        assert_eq!(Unit::Count.mark(20_000.0), "20k");
    }

    #[test]
    fn a_chart_says_what_it_shows() {
        let series = vec![Series { name: "in", values: vec![Some(1.5), None, Some(312.0)] }];
        let chart = Chart { title: "Jobs", unit: Unit::Rate, at_ms: 7, step_ms: 1_000, begins: "5 min ago", series };
        let markup = chart.figure().0;
        assert!(markup.contains("aria-label=\"Jobs since 5 min ago. in: now 312/s, at most 312/s.\""), "{markup}");
        assert!(markup.contains("data-values=\"1.5,,312\""), "{markup}");
        assert!(!markup.contains("style="), "{markup}");
    }

    #[test]
    fn sparks_stay_in_their_field() {
        assert!(spark(&[]).0.contains("M0 16H1"));
        assert!(spark(&[0, 0, 0]).0.contains("M0 16H2"));
        assert!(spark(&[0, u32::MAX, 1]).0.contains("M0 16L1 0L2 15"));
    }
}
