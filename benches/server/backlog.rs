//! Byte strings, first in first out, in blocks: what a queue costs when it does nothing but keep.

use std::collections::VecDeque;

/// A queue of byte strings.
#[derive(Default)]
pub struct Backlog {
    /// None is empty but perhaps the last, which is filled again then.
    blocks: VecDeque<Vec<u8>>,
    /// How much of the first block is taken.
    taken: usize,
}

impl Backlog {
    /// Appends `parts`, joined, as one string.
    pub fn push(&mut self, parts: [&[u8]; 2]) {
        let length = parts[0].len() + parts[1].len();
        let needed = length + LENGTH_BYTES;
        if self.blocks.back().is_none_or(|block| block.capacity() - block.len() < needed) {
            self.blocks.push_back(Vec::with_capacity(needed.max(BLOCK_BYTES)));
            self.drop_taken();
        }
        let block = self.blocks.back_mut().expect("a block was just made sure of");
        let length = u32::try_from(length).expect("a frame is far smaller than 4 GiB");
        block.extend_from_slice(&length.to_ne_bytes());
        block.extend_from_slice(parts[0]);
        block.extend_from_slice(parts[1]);
    }

    /// Takes the oldest string and shows it.
    pub fn pop<T>(&mut self, show: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let (length, rest) = self.blocks.front()?[self.taken..].split_first_chunk()?;
        let length = u32::from_ne_bytes(*length) as usize;
        let shown = show(&rest[..length]);
        self.taken += LENGTH_BYTES + length;
        self.drop_taken();
        Some(shown)
    }

    fn drop_taken(&mut self) {
        if self.blocks.front().is_none_or(|block| self.taken < block.len()) {
            return;
        }
        self.taken = 0;
        if self.blocks.len() > 1 {
            self.blocks.pop_front();
        } else {
            self.blocks[0].clear();
        }
    }
}

const LENGTH_BYTES: usize = size_of::<u32>();
const BLOCK_BYTES: usize = 64 * 1024;
