//! What is measured: named numbers, gathered over rounds.

use std::collections::BTreeMap;

use crate::shape::thousands;

/// One kind of number, in the unit of its variant's description.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Figure {
    /// Round trips per second.
    Rate,
    /// Jobs accepted, worked and their answers acknowledged per second.
    Jobs,
    /// Jobs accepted per second, where nobody works.
    Submits,
    /// Processor time of the server per job, µs.
    Cpu,
    /// Median round trip, µs.
    P50,
    /// Slowest round trip but 1 in 100, µs.
    P99,
    /// Slowest round trip but 1 in 1,000, µs.
    P999,
    /// What the server wrote to disk per job, bytes.
    Written,
    /// Appends of 4 KiB, each synced, per second, right before and after.
    Syncs,
    /// Median of such an append and its sync, µs.
    Sync,
    /// Median of a job in medians of a sync.
    P50InSyncs,
    /// Memory with all jobs queued, bytes.
    Resident,
    /// From the start of a server that was killed to the first job that it handed out, seconds.
    FirstJob,
    /// The most memory the server ever occupied, bytes.
    Peak,
    /// How much of one core the load program used. Near 1, it is the wall.
    Load,
    /// How much of the machine's cores everybody else used, in cores. Anything but near 0 disturbs.
    Others,
    /// Accepted per second.
    RateIn,
    /// Answered per second.
    RateOut,
    /// Processor time of the server per job accepted, µs.
    CpuIn,
    /// Processor time of the server per job answered, µs.
    CpuOut,
    /// Memory per queued job beyond its body, bytes.
    JobMemory,
    /// Memory per idle connection, bytes.
    ConnectionMemory,
    /// How much of one core the server uses while nobody does anything.
    IdleCpu,
    /// Median round trip before the crowd came, µs.
    P50Alone,
    /// Median round trip with the crowd over that before.
    P50Change,
}

/// The numbers of one measurement.
pub type Figures = BTreeMap<Figure, f64>;

/// All numbers of one peer in one shape.
#[derive(Default)]
pub struct Rounds(Vec<Figures>);

impl Rounds {
    /// Adds a round.
    pub fn push(&mut self, figures: Figures) {
        self.0.push(figures);
    }

    /// The median over the rounds.
    pub fn median(&self, figure: Figure) -> Option<f64> {
        let mut values: Vec<f64> = self.0.iter().filter_map(|round| round.get(&figure).copied()).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some((values[middle - 1] + values[middle]) / 2.0),
        }
    }
}

/// All figures of a measurement, for whoever waits.
pub fn line(figures: &Figures) -> String {
    let shown: Vec<String> = figures.iter().map(|(f, value)| format!("{} {}", f.heading(), f.show(*value))).collect();
    shown.join(", ")
}

impl Figure {
    /// As a table's heading.
    pub fn heading(self) -> &'static str {
        match self {
            Figure::Rate => "round trips/s",
            Figure::Jobs => "jobs/s",
            Figure::Submits => "submits/s",
            Figure::Written => "bytes written per job",
            Figure::Syncs => "disk: syncs/s",
            Figure::Sync => "disk: p50 of a sync µs",
            Figure::P50InSyncs => "p50 in syncs",
            Figure::Resident => "memory with them queued MiB",
            Figure::FirstJob => "s from kill -9 and restart to the first job",
            Figure::Cpu => "server CPU µs per job",
            Figure::P50 => "p50 µs",
            Figure::P99 => "p99 µs",
            Figure::P999 => "p99.9 µs",
            Figure::Peak => "peak memory MiB",
            Figure::Load => "load program, % of a core",
            Figure::Others => "others, % of a core",
            Figure::RateIn => "in/s",
            Figure::RateOut => "out/s",
            Figure::CpuIn => "CPU µs per job in",
            Figure::CpuOut => "CPU µs per job out",
            Figure::JobMemory => "memory per job beyond its body, B",
            Figure::ConnectionMemory => "memory per idle connection, B",
            Figure::IdleCpu => "server CPU beside them, idle, % of a core",
            Figure::P50Alone => "p50 µs without them",
            Figure::P50Change => "p50 with : without",
        }
    }

    /// As a cell.
    pub fn show(self, value: f64) -> String {
        match self {
            Figure::Rate | Figure::Jobs | Figure::Submits | Figure::Syncs | Figure::RateIn | Figure::RateOut => {
                thousands((value / 100.0).round() as i64 * 100)
            }
            Figure::JobMemory | Figure::ConnectionMemory | Figure::Written => thousands(value.round() as i64),
            Figure::P50Change | Figure::P50InSyncs | Figure::FirstJob => format!("{value:.2}"),
            Figure::Load | Figure::Others => format!("{:.0}", value * 100.0),
            Figure::IdleCpu => format!("{:.2}", value * 100.0),
            Figure::Peak | Figure::Resident => format!("{:.1}", value / f64::from(1 << 20)),
            Figure::Cpu | Figure::CpuIn | Figure::CpuOut | Figure::P50Alone | Figure::P50 | Figure::Sync => {
                format!("{value:.1}")
            }
            Figure::P99 | Figure::P999 => thousands(value.round() as i64),
        }
    }
}
