//! A few megabytes held back, to be given up when the disk is full so that what is running can still end.
//!
//! While it is given up no new work is taken, or that would eat it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::folder::{self, Folder, RESERVE};

/// The file.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    bytes: u64,
    is_held: bool,
    tried_ms: u64,
}

/// How long to wait before trying again whether there is room.
const PAUSE_MS: u64 = 2_000;

impl Reserve {
    /// What is there of a reserve of this size.
    pub(super) fn new(folder: &Folder, bytes: u64) -> Reserve {
        let path = folder.file(RESERVE);
        let is_held = bytes == 0 || fs::metadata(&path).is_ok_and(|file| file.len() == bytes);
        Reserve { path, bytes, is_held, tried_ms: 0 }
    }

    /// Whether it is there.
    pub(super) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Makes room. False when there was none to make.
    pub(super) fn give_up(&mut self) -> bool {
        if self.bytes == 0 {
            return false;
        }
        self.is_held = false;
        fs::remove_file(&self.path).is_ok()
    }

    /// Takes it where there is room; tries that now and then only.
    pub(super) fn restore(&mut self, now_ms: u64) {
        if !self.is_held && now_ms.abs_diff(self.tried_ms) >= PAUSE_MS {
            self.tried_ms = now_ms;
            self.fill();
        }
    }

    fn fill(&mut self) {
        self.is_held = write(&self.path, self.bytes).is_ok();
        if !self.is_held {
            // What is there of it is needed elsewhere; if it can't go, it is tried again with the next.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Bytes that no file system can make smaller.
fn write(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file: File = folder::private().truncate(true).open(path)?;
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut block = [0; 8192];
    let mut left = bytes;
    while left > 0 {
        for word in block.chunks_exact_mut(8) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            word.copy_from_slice(&noise.to_le_bytes());
        }
        let length = left.min(block.len() as u64);
        file.write_all(&block[..length as usize])?;
        left -= length;
    }
    file.sync_data()
}
