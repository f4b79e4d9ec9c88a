//! Which core runs what. Left alone, the scheduler puts server and load program now on one core, now on two, and each
//! choice lasts for a whole measurement: the same relay then takes 22 or 114 µs for a round trip, and 2.9 or 4.2 µs of
//! processor time for a job under load. Ratios between such runs mean nothing, so the place is part of the shape.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::flaw::Flaw;
use crate::process::find_program;

/// Where the server runs, seen from the load program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On any core: for throughput, since some servers use several threads, and a busy load program keeps its core anyway.
    Anywhere,
    /// On all cores but the load program's: for latency, where the scheduler would choose now one core for both, now two.
    Apart,
}

/// The cores that may be used, as far as there is a choice.
pub struct Cores {
    choice: Option<Choice>,
}

struct Choice {
    /// Pinning is a system call that needs unsafe code, so this program of util-linux does it.
    taskset: PathBuf,
    /// The load program's.
    first: String,
    others: String,
}

impl Cores {
    /// The cores that this process may use; without a choice if it is only one, or if there is no `taskset`.
    pub fn find() -> Cores {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let numbers = parse_list(allowed.unwrap_or_default().trim());
        let choice = numbers.split_first().filter(|(_, others)| !others.is_empty()).zip(find_program("taskset"));
        let choice = choice.map(|((first, others), taskset)| {
            let others: Vec<String> = others.iter().map(u32::to_string).collect();
            Choice { taskset, first: first.to_string(), others: others.join(",") }
        });
        Cores { choice }
    }

    /// Leaves the choice to the scheduler.
    pub fn any() -> Cores {
        Cores { choice: None }
    }

    /// Whether the places of the shapes are kept.
    pub fn chosen(&self) -> bool {
        self.choice.is_some()
    }

    /// What is started now may run anywhere, as it would for its users.
    pub fn release(&self) -> Result<(), Flaw> {
        let Some(choice) = &self.choice else { return Ok(()) };
        choice.pin(std::process::id(), &format!("{},{}", choice.first, choice.others))
    }

    /// Puts the load program and a running server in their places.
    pub fn place(&self, server: u32, place: Place) -> Result<(), Flaw> {
        let Some(choice) = &self.choice else { return Ok(()) };
        let servers = match place {
            Place::Anywhere => &format!("{},{}", choice.first, choice.others),
            Place::Apart => &choice.others,
        };
        choice.pin(server, servers)?;
        choice.pin(std::process::id(), &choice.first)
    }
}

impl Choice {
    /// All threads; later ones inherit it.
    fn pin(&self, process: u32, cores: &str) -> Result<(), Flaw> {
        let done = Command::new(&self.taskset)
            .args(["--all-tasks", "--cpu-list", "--pid", cores, &process.to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(Flaw::system("run taskset"))?;
        if done.status.success() {
            Ok(())
        } else {
            Err(Flaw::Start(format!("taskset said {}", String::from_utf8_lossy(&done.stderr).trim())))
        }
    }
}

/// 0, 2, 3 of `0,2-3`.
fn parse_list(list: &str) -> Vec<u32> {
    let ranges = list.split(',').filter_map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some(from.parse().ok()?..=to.parse().ok()?)
    });
    ranges.flatten().collect()
}
