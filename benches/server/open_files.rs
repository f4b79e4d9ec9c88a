//! The limit of open files: a crowd of 10,000 needs more than most shells allow.
//!
//! A process cannot raise its own limit without unsafe code, so the load program has a shell do it and start it
//! again. The servers inherit the limit.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::flaw::Flaw;
use crate::process::progress;

/// How many files may be open, after doing what can be done to allow `ENOUGH`.
pub fn allow() -> Result<u64, Flaw> {
    let (soft, hard) = limits()?;
    if soft >= hard.min(ENOUGH) || std::env::var_os(AGAIN).is_some() {
        return Ok(soft);
    }
    let program = std::env::current_exe().map_err(Flaw::system("find this program"))?;
    let error = Command::new("sh")
        .args(["-c", "ulimit -n \"$0\"; exec \"$@\""])
        .arg(hard.min(ENOUGH).to_string())
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(AGAIN, "1")
        .exec();
    // Only a failure comes back. The large shapes are skipped, then.
    progress(&format!("cannot raise the limit of {soft} open files: {error}"));
    Ok(soft)
}

fn limits() -> Result<(u64, u64), Flaw> {
    let limits = fs::read_to_string("/proc/self/limits").map_err(Flaw::system("read the limits"))?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap_or_default();
    let mut numbers = line.split_whitespace().map(|number| number.parse().unwrap_or(u64::MAX));
    let soft = numbers.next().unwrap_or(0);
    Ok((soft, numbers.next().unwrap_or(soft)))
}

/// For the largest crowd, with room for a server that needs more than a file per connection.
const ENOUGH: u64 = 20_000;
/// Set the second time, so that there is no third.
const AGAIN: &str = "PROCESSION_BENCH_AGAIN";
