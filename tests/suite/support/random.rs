//! A small generator of random numbers whose seed is printed, so that a failure can be repeated.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64. `SUITE_SEED=n` repeats a run.
#[derive(Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Seeded from `SUITE_SEED` or the clock; the seed goes to the test's output, shown when it fails.
    pub fn announced(test: &str) -> Random {
        let seed = std::env::var("SUITE_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.expect("the clock is after 1970").as_nanos() as u64
        });
        println!("seed of {test}: {seed}; repeat with SUITE_SEED={seed} cargo test --test suite {test}");
        Random { state: seed }
    }

    /// An independent generator for a thread of its own.
    pub fn fork(&mut self) -> Random {
        Random { state: self.next() }
    }

    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True once in `n` on average.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}
