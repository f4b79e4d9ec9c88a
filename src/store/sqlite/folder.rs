//! The folder of a store: one server's at a time, and nobody else's.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

/// The database.
pub(super) const MAIN: &str = "jobs.db";
/// Its write-ahead log; the name is SQLite's.
pub(super) const LOG: &str = "jobs.db-wal";
/// A database that is being made.
pub(super) const FRESH: &str = "jobs.db.new";
/// Whoever has it locked has the folder.
const LOCK: &str = "lock";
/// See `mark`.
pub(super) const MARK: &str = "mark";
/// See `reserve`.
pub(super) const RESERVE: &str = "reserve";

/// A folder that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    lock: File,
}

impl Folder {
    /// Takes the folder, and makes it where there is none.
    pub(super) fn open(path: &Path) -> Result<Folder, StoreError> {
        // SQLite takes a relative path that begins with `file:` for an address.
        let path = &std::path::absolute(path).map_err(|error| failed(path, error))?;
        match fs::read_dir(path) {
            Ok(entries) => refuse_strangers(path, entries)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| failed(path, error))?;
                if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                    sync(parent)?;
                }
            }
            Err(error) => return Err(failed(path, error)),
        }
        let lock = private().truncate(false).open(path.join(LOCK)).map_err(|error| failed(&path.join(LOCK), error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.clone(), lock }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(&path.join(LOCK), error)),
        }
    }

    /// The file of this name.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the names in it last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        sync(&self.path)
    }

    /// Bytes that are left on its disk for a process without privileges.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Bytes of all files in it.
    pub(super) fn bytes(&self) -> u64 {
        [MAIN, LOG, MARK, RESERVE]
            .iter()
            .filter_map(|name| fs::metadata(self.file(name)).ok())
            .map(|file| file.len())
            .sum()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Closing isn't enough: a process that is just being started has the file open too until it is another program.
        let _ = self.lock.unlock();
    }
}

/// How our files are opened: for nobody else's eyes.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options
}

/// The error of a file that can't be used.
pub(super) fn failed(path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::Full(format!("{}: {error}", path.display())),
        _ => StoreError::Failed { place: path.display().to_string(), what: error.to_string() },
    }
}

fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|error| failed(path, error))
}

/// A folder with other things in it and no database is somebody's home, or a typing error.
fn refuse_strangers(path: &Path, entries: fs::ReadDir) -> Result<(), StoreError> {
    let names: Vec<_> = entries
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<Result<_, _>>()
        .map_err(|error| failed(path, error))?;
    let is_ours = |name: &&std::ffi::OsString| {
        [LOCK, MARK, RESERVE, LOG].iter().any(|ours| name.as_os_str() == OsStr::new(ours))
            || name.as_encoded_bytes().starts_with(FRESH.as_bytes())
    };
    if names.iter().any(|name| name == MAIN) {
        return Ok(());
    }
    match names.iter().find(|name| !is_ours(name)) {
        None => Ok(()),
        Some(stranger) => Err(StoreError::Failed {
            place: path.display().to_string(),
            what: format!(
                "has {} in it but no jobs: name an empty or a new folder with --store file:DIR",
                stranger.display()
            ),
        }),
    }
}
