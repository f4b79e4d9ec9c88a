//! The process itself: how long it has run, what it uses. Read from Linux's `/proc`, which costs microseconds; elsewhere nobody
//! knows.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// This process, as one thread looks at it.
#[derive(Debug)]
pub struct Process {
    started: Instant,
    /// When its CPU time was looked at last, and how much it was then; and the share of a processor before that.
    looked: Cell<(Instant, f64)>,
    share: Cell<Option<f64>>,
}

/// The CPU time is looked at so far apart: it is counted in hundredths of a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The clock ticks of Linux's `/proc`, whatever the kernel's own are.
const TICKS_PER_SECOND: f64 = 100.0;

impl Process {
    /// One that has run since `started`.
    pub fn new(started: Instant) -> Process {
        Process { started, looked: Cell::new((Instant::now(), cpu_seconds().unwrap_or(0.0))), share: Cell::new(None) }
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// How many processors it used between the last two looks that were a second apart: 1.0 is one of them wholly.
    pub fn cpu_share(&self) -> Option<f64> {
        let (looked, before) = self.looked.get();
        let elapsed = looked.elapsed();
        if elapsed >= LOOK_EVERY
            && let Some(now) = cpu_seconds()
        {
            self.looked.set((Instant::now(), now));
            self.share.set(Some((now - before) / elapsed.as_secs_f64()));
        }
        self.share.get()
    }
}

/// What it has in memory, in bytes.
pub fn memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The CPU time that it has used since its start, in seconds.
pub fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program stands in parentheses and may contain anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(USER_TIME);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// Which field after the program's name the user time is; the system time follows it.
const USER_TIME: usize = 11;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn memory_and_time_are_plausible() {
        assert!((1 << 20..1 << 40).contains(&memory_bytes().unwrap()));
        let process = Process::new(Instant::now());
        assert_eq!(process.cpu_share(), None);
        let before = cpu_seconds().unwrap();
        let begun = Instant::now();
        while cpu_seconds().unwrap() < before + 0.05 {
            assert!(begun.elapsed() < Duration::from_secs(60), "this loop needs CPU time");
        }
        assert!(process.uptime() > Duration::ZERO);
    }
}
