//! How long to wait before the next attempt.

use super::job::Policy;

/// The longest back-off in milliseconds.
pub const MAX_BACKOFF_MS: u64 = 600_000;

/// The back-off after the given failed attempt (from 1), in milliseconds: doubling, with ± 20 % jitter, at most
/// [`MAX_BACKOFF_MS`] (`spec/jobs.md`). `salt` chooses the jitter, so that jobs that failed together don't return together
/// and a replay gives the same wait.
pub fn backoff_ms(policy: &Policy, attempt: u32, salt: u64) -> u64 {
    let doublings = attempt.saturating_sub(1).min(32);
    let wait = policy.backoff_ms.saturating_mul(1 << doublings).min(MAX_BACKOFF_MS);
    // 0 to 400 thousandths around the middle; the multiplier is that of SplitMix64, which spreads neighbouring salts.
    let spread = salt.wrapping_add(u64::from(attempt)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let thousandths = 800 + spread % 401;
    (wait * thousandths / 1_000).min(MAX_BACKOFF_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::OnMasterGone;

    #[test]
    fn doubles_within_a_fifth_and_ends_at_ten_minutes() {
        let policy = Policy::transient(OnMasterGone::Keep);
        for salt in 0..500 {
            for (attempt, middle) in [(1, 1_000), (2, 2_000), (3, 4_000), (9, 256_000)] {
                let wait = backoff_ms(&policy, attempt, salt);
                assert!((middle * 4 / 5..=middle * 6 / 5).contains(&wait), "attempt {attempt}: {wait}");
            }
            assert!((480_000..=MAX_BACKOFF_MS).contains(&backoff_ms(&policy, u32::MAX, salt)));
        }
    }

    #[test]
    fn jobs_that_failed_together_return_apart() {
        let policy = Policy::transient(OnMasterGone::Keep);
        let waits: std::collections::HashSet<u64> = (0..100).map(|salt| backoff_ms(&policy, 1, salt)).collect();
        assert!(waits.len() > 50, "{}", waits.len());
    }
}
