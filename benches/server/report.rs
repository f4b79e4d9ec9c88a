//! The tables, in Markdown, ready for the README.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use crate::figure::{Figure, Rounds};
use crate::peer::SERVER;
use crate::plan::Plan;
use crate::shape::{Measure, Shape};

/// Everything that was measured, by shape and peer.
#[derive(Default)]
pub struct Results(BTreeMap<(&'static str, &'static str), Rounds>);

impl Results {
    /// Where the rounds of one peer in one shape are kept.
    pub fn of(&mut self, shape: &'static str, peer: &'static str) -> &mut Rounds {
        self.0.entry((shape, peer)).or_default()
    }

    /// The median over the rounds, if there is one.
    pub fn median(&self, shape: &'static str, peer: &'static str, figure: Figure) -> Option<f64> {
        self.0.get(&(shape, peer))?.median(figure)
    }

    /// The largest median of a figure, of any shape and peer.
    pub fn largest(&self, figure: Figure) -> Option<f64> {
        self.0.values().filter_map(|rounds| rounds.median(figure)).max_by(f64::total_cmp)
    }

    /// One median over another.
    pub fn ratio(
        &self,
        figure: Figure,
        over: (&'static str, &'static str),
        under: (&'static str, &'static str),
    ) -> Option<f64> {
        Some(self.median(over.0, over.1, figure)? / self.median(under.0, under.1, figure)?)
    }
}

/// All tables.
pub fn tables(results: &Results, plan: &Plan) -> String {
    let mut text = String::new();
    let rounds = match plan.rounds {
        1 => "one round".to_owned(),
        several => format!("medians of {several} interleaved rounds"),
    };
    let places = if plan.cores.chosen() {
        "The load program stays on one core; servers use any, but another one in the shapes with one job at a time."
    } else {
        "Server and load program share the cores as the scheduler likes."
    };
    let _ = writeln!(
        text,
        "{}; {rounds}, {} s each. A shape is masters × jobs outstanding per master × workers, one job per worker at a \
         time, bodies of 64 B. Each result is checked. {places} A server's CPU is that of all its threads: that of the \
         keeper, which writes and syncs the store, is included. Stores lie on {}; a sync of that disk (after an \
         append of 4 KiB) is measured right before and after each server that has one.",
        machine(),
        plan.seconds.as_secs_f64(),
        plan.file_system
    );
    let peers = plan.labels();
    for shape in plan.shapes.iter().filter(|shape| *shape.field != [SERVER]) {
        side_by_side(&mut text, results, shape, &peers);
    }
    alone(&mut text, results, &plan.shapes);
    text
}

/// A row per peer, and its ratios to the floor.
fn side_by_side(text: &mut String, results: &Results, shape: &Shape, peers: &[(&'static str, String)]) {
    let (figures, ratios) = columns(shape);
    let (floor, ratios) = shape.floor().map_or(("", &[][..]), |floor| (floor, ratios));
    let mut headings: Vec<String> = vec![format!("**{}**", shape.title)];
    headings.extend(figures.iter().map(|figure| figure.heading().to_owned()));
    headings.extend(ratios.iter().map(|figure| format!("{} : {floor}", figure.heading())));
    let rows = peers.iter().filter(|(peer, _)| shape.field.contains(peer)).map(|(peer, label)| {
        let mut row = vec![label.clone()];
        row.extend(figures.iter().map(|figure| cell(results.median(shape.name, peer, *figure), |v| figure.show(v))));
        let ratio = |figure: &Figure| results.ratio(*figure, (shape.name, peer), (shape.name, floor));
        row.extend(ratios.iter().map(|figure| cell(ratio(figure), |v| format!("{v:.2}"))));
        row
    });
    table(text, &headings, rows.collect());
}

/// A row per shape that only the server has, and its ratios to the shape it is compared with.
fn alone(text: &mut String, results: &Results, shapes: &[Shape]) {
    let figures = [Figure::Rate, Figure::Cpu, Figure::P50, Figure::Peak, Figure::Load];
    let ratios = [Figure::Rate, Figure::Cpu];
    let mut headings: Vec<String> = vec![format!("**{SERVER} alone**")];
    headings.extend(figures.iter().map(|figure| figure.heading().to_owned()));
    headings.push("compared to".into());
    headings.extend(ratios.iter().map(|figure| format!("ratio of {}", figure.heading())));
    let shown = shapes.iter().filter(|shape| *shape.field == [SERVER]);
    let rows: Vec<Vec<String>> = shown
        .map(|shape| {
            let mut row = vec![shape.title.clone()];
            row.extend(figures.iter().map(|f| cell(results.median(shape.name, SERVER, *f), |v| f.show(v))));
            let other = shapes.iter().find(|other| Some(other.name) == shape.compared_to());
            row.push(other.map_or("–".into(), |other| other.title.clone()));
            row.extend(ratios.iter().map(|f| {
                let ratio = other.and_then(|other| results.ratio(*f, (shape.name, SERVER), (other.name, SERVER)));
                cell(ratio, |v| format!("{v:.2}"))
            }));
            row
        })
        .collect();
    if !rows.is_empty() {
        table(text, &headings, rows);
    }
}

/// What is shown of a shape, and which of it as a ratio to the floor, too.
fn columns(shape: &Shape) -> (&'static [Figure], &'static [Figure]) {
    match shape.measure {
        Measure::Backlog => (
            &[Figure::RateIn, Figure::CpuIn, Figure::JobMemory, Figure::RateOut, Figure::CpuOut, Figure::Peak],
            &[Figure::RateIn, Figure::RateOut],
        ),
        Measure::Restart => (
            &[
                Figure::RateIn,
                Figure::CpuIn,
                Figure::Written,
                Figure::Resident,
                Figure::FirstJob,
                Figure::RateOut,
                Figure::CpuOut,
                Figure::Peak,
                Figure::Syncs,
            ],
            &[],
        ),
        Measure::Submits => (
            &[
                Figure::Submits,
                Figure::Cpu,
                Figure::P50,
                Figure::P99,
                Figure::Written,
                Figure::Syncs,
                Figure::Peak,
                Figure::Load,
            ],
            &[Figure::Submits, Figure::Cpu, Figure::P50],
        ),
        Measure::Steady if shape.durable => (
            &[
                Figure::Jobs,
                Figure::Cpu,
                Figure::Written,
                Figure::P50,
                Figure::P99,
                Figure::P50InSyncs,
                Figure::Sync,
                Figure::Syncs,
                Figure::Peak,
                Figure::Load,
            ],
            &[],
        ),
        Measure::Steady if shape.crowd > 0 => (
            &[Figure::ConnectionMemory, Figure::IdleCpu, Figure::P50Alone, Figure::P50, Figure::P50Change, Figure::Cpu],
            &[Figure::P50],
        ),
        Measure::Steady => (
            &[Figure::Rate, Figure::Cpu, Figure::P50, Figure::P99, Figure::P999, Figure::Peak, Figure::Load],
            &[Figure::Rate, Figure::Cpu, Figure::P50],
        ),
    }
}

/// A Markdown table; the first column is text, the others are figures.
pub fn table(text: &mut String, headings: &[String], rows: Vec<Vec<String>>) {
    let rule: Vec<&str> = headings.iter().enumerate().map(|(at, _)| if at == 0 { "---" } else { "--:" }).collect();
    let _ = writeln!(text, "\n| {} |\n| {} |", headings.join(" | "), rule.join(" | "));
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
}

/// A figure, or that there is none.
pub fn cell(value: Option<f64>, show: impl FnOnce(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or("–".into(), show)
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    // Not what this process may use: it is pinned to one of them.
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map_or("an unknown processor", |(_, name)| name.trim());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, Linux {}", kernel.trim())
}
