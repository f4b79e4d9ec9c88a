//! What this process uses of the machine: its `/meta`.

use std::fs;
use std::time::{Duration, Instant};

/// A look at the process; the next one tells how much it worked since. The first tells it of the time from the process's start.
#[derive(Debug)]
pub struct Usage {
    last: (Instant, Duration),
    cpu: Option<f64>,
}

/// What is used.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Used {
    /// The share of one processor, since the look before or the start; none where the system doesn't say.
    pub cpu: Option<f64>,
    /// The bytes of memory that it has; none where the system doesn't say.
    pub memory: Option<u64>,
}

/// Looks that follow each other sooner than this tell the same: the system counts in hundredths of a second.
const APART: Duration = Duration::from_millis(500);

impl Usage {
    /// Before the first look, at a process that started now.
    pub fn new() -> Usage {
        Usage { last: (Instant::now(), Duration::ZERO), cpu: None }
    }

    /// What is used now.
    pub fn now(&mut self) -> Used {
        let now = Instant::now();
        if self.cpu.is_none() || now.duration_since(self.last.0) >= APART {
            self.look(now);
        }
        Used { cpu: self.cpu, memory: memory() }
    }

    fn look(&mut self, now: Instant) {
        let Some(worked) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| worked(&stat)) else { return };
        let (at, before) = self.last;
        let time = now.duration_since(at).max(APART);
        let share = worked.saturating_sub(before).as_secs_f64() / time.as_secs_f64();
        self.cpu = Some((share * 1_000.0).round() / 1_000.0);
        self.last = (now, worked);
    }
}

/// How long the process has worked: user and system time are the 14th and 15th field, counted behind the command's name, which
/// may have anything in it.
fn worked(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // Linux shows programs hundredths of a second, whatever it counts in itself.
    Some(Duration::from_millis(ticks * 10))
}

fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_behind_any_name() {
        let stat = "1 (a) b (c)) S 1 1 1 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 8 0 1000 1 2";
        assert_eq!(worked(stat), Some(Duration::from_secs(3)));
        assert_eq!(worked("1 (a) S 1"), None);
        assert_eq!(worked(""), None);
    }

    #[test]
    fn a_process_knows_itself() {
        if fs::exists("/proc/self/stat").unwrap_or(false) {
            let used = Usage::new().now();
            assert!(used.memory.is_some_and(|bytes| bytes > 100_000) && used.cpu.is_some());
        }
    }
}
