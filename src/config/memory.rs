//! How much memory this process may have: the machine's, or its container's if that is less.

use std::fs;

use super::error::quoted;
use super::units;

/// A size, or a share of the memory: `75%`. What cannot be found out bounds nothing.
pub(super) fn size_or_share(text: &str) -> Result<u64, String> {
    let Some(share) = text.strip_suffix('%') else {
        return units::bytes(text, 1..=PIB);
    };
    match units::count(share, 1..=100) {
        Ok(percent) => Ok(total().map_or(u64::MAX, |total| share_of(total, percent as u64))),
        Err(_) => Err(format!("{} is not a share of the memory from 1% to 100%", quoted(text))),
    }
}

/// Rounded down to whole MiB, to be readable.
fn share_of(total: u64, percent: u64) -> u64 {
    (total / 100 * percent) & !(MIB - 1)
}

fn total() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(mem_total);
    let container = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    machine.into_iter().chain(container).min()
}

fn mem_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

const MIB: u64 = 1024 * 1024;
const PIB: u64 = MIB << 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_meminfo() {
        let meminfo = "MemTotal:       24684592 kB\nMemFree:        24247092 kB\n";
        assert_eq!(mem_total(meminfo), Some(24_684_592 * 1024));
        assert_eq!(mem_total("nonsense"), None);
        assert_eq!(share_of(100 * MIB, 75), 75 * MIB);
    }

    #[test]
    fn a_share_or_a_size() {
        assert_eq!(size_or_share("3g"), Ok(3 << 30));
        assert!(size_or_share("75%").unwrap() > 0);
        for bad in ["0%", "101%", "%", "-5%", "0"] {
            assert!(size_or_share(bad).is_err(), "{bad}");
        }
    }
}
