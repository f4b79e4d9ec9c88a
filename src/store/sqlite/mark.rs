//! How far the store is known to have come: a small file with the number of the last commit that was synced.
//!
//! It is written after the sync and not synced itself, so a power cut may leave it behind, never ahead. After anything but a
//! power cut it is exact, and shows what SQLite can't: that a damaged, cut or missing log took a whole commit with it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::StoreError;
use super::folder::{self, Folder, MARK};

/// The file.
#[derive(Debug)]
pub(super) struct Mark {
    file: File,
}

impl Mark {
    pub(super) fn open(folder: &Folder) -> Result<Mark, StoreError> {
        let path = folder.file(MARK);
        let file = folder::private().truncate(false).open(&path).map_err(|error| folder::failed(&path, error))?;
        Ok(Mark { file })
    }

    /// The number there; none where it was never written, or not to its end.
    pub(super) fn read(&self) -> Option<u64> {
        let mut bytes = [0; 12];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let (number, sum) = bytes.split_at(8);
        (crc32fast::hash(number).to_le_bytes() == sum).then(|| u64::from_le_bytes(number.try_into().expect("8 of 12")))
    }

    /// Remembers this number.
    pub(super) fn write(&self, commits: u64) -> io::Result<()> {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&commits.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..8]);
        bytes[8..].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all_at(&bytes, 0)
    }
}
