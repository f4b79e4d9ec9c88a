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

/// A file that is appended to and synced, again and again: nothing that answers only when it is on disk answers faster,
/// one by one.
pub struct Disk {
    file: File,
    path: PathBuf,
    nanos: Histogram<u64>,
    time: Duration,
}

impl Disk {
    /// A disk that was not measured yet.
    pub fn new(folder: &Path) -> Result<Disk, Flaw> {
        let path = folder.join("syncs");
        let file = File::create(&path).map_err(Flaw::system("make a file to sync"))?;
        // 1 ns to 1 min at three digits.
        let nanos = Histogram::new_with_max(60_000_000_000, 3).expect("the bounds are valid");
        Ok(Disk { file, path, nanos, time: Duration::ZERO })
    }

    /// Syncs for so long, and at least once.
    pub fn measure(&mut self, time: Duration) -> Result<(), Flaw> {
        let block = [b'.'; BLOCK_BYTES];
        let start = Instant::now();
        loop {
            let begun = Instant::now();
            let synced = self.file.write_all(&block).and_then(|()| self.file.sync_data());
            synced.map_err(Flaw::system("sync a file"))?;
            self.nanos.saturating_record(u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
            if start.elapsed() >= time {
                break;
            }
        }
        self.time += start.elapsed();
        Ok(())
    }

    /// What was measured.
    pub fn figures(&self) -> Figures {
        let rate = self.nanos.len() as f64 / self.time.as_secs_f64();
        Figures::from([(Figure::Syncs, rate), (Figure::Sync, self.nanos.value_at_quantile(0.5) as f64 / 1_000.0)])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // It lies in a folder that goes anyway.
        let _ = fs::remove_file(&self.path);
    }
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
