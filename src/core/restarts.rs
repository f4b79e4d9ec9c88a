//! How often queues may die before the server gives up.

use std::collections::VecDeque;

use super::deadlines::Moment;

/// More deaths than this …
const MOST: usize = 3;

/// … within this many milliseconds are no accident.
const WITHIN_MS: u64 = 10_000;

/// The latest deaths.
#[derive(Default, Debug)]
pub struct Restarts {
    deaths: VecDeque<Moment>,
}

impl Restarts {
    /// Counts a death; false when it is one too many.
    pub fn may_restart(&mut self, now: Moment) -> bool {
        self.deaths.push_back(now);
        while self.deaths.front().is_some_and(|death| now.ms_since(*death) > WITHIN_MS) {
            self.deaths.pop_front();
        }
        self.deaths.len() <= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_within_ten_seconds_are_forgiven() {
        let mut restarts = Restarts::default();
        for second in [0, 4, 9] {
            assert!(restarts.may_restart(Moment(second * 1_000_000)));
        }
        assert!(restarts.may_restart(Moment(10_500_000)));
        assert!(!restarts.may_restart(Moment(11_000_000)));
        assert!(restarts.may_restart(Moment(60_000_000)));
    }
}
