//! The disk under the stores: where it is, and what one sync costs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::figure::{Figure, Figures};
use crate::flaw::Flaw;

/// Where servers get their folders: beside what was built, which is on a disk more often than the folder for temporary
/// files.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Appends 4 KiB and syncs, again and again: nothing that answers only when it is on disk answers faster one by one.
pub fn measure(folder: &Path, time: Duration) -> Result<Figures, Flaw> {
    let path = folder.join("syncs");
    let mut file = File::create(&path).map_err(Flaw::system("make a file to sync"))?;
    // 1 ns to 1 min at three digits.
    let mut nanos = Histogram::<u64>::new_with_max(60_000_000_000, 3).expect("the bounds are valid");
    let block = [b'.'; BLOCK_BYTES];
    let start = Instant::now();
    // At least once, however slow it is.
    loop {
        let begun = Instant::now();
        file.write_all(&block).and_then(|()| file.sync_data()).map_err(Flaw::system("sync a file"))?;
        nanos.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        if start.elapsed() >= time {
            break;
        }
    }
    let rate = nanos.len() as f64 / start.elapsed().as_secs_f64();
    fs::remove_file(&path).map_err(Flaw::system("remove a file"))?;
    Ok(Figures::from([(Figure::Syncs, rate), (Figure::Sync, nanos.value_at_quantile(0.5) as f64 / 1_000.0)]))
}

/// The file system of a path, such as `ext4`.
pub fn file_system(path: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let over = fields.filter(|fields| fields.len() > 2 && path.starts_with(fields[1]));
    // The last of the longest: a later mount covers an earlier one.
    let innermost = over.max_by_key(|fields| fields[1].len());
    innermost.map_or_else(|| "an unknown file system".to_owned(), |fields| fields[2].to_owned())
}

/// Whether what is synced there stays in memory.
pub fn is_memory(file_system: &str) -> bool {
    ["tmpfs", "ramfs"].contains(&file_system)
}

const BLOCK_BYTES: usize = 4096;
