//! The one place that reads a clock for the core: once per turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::core::{Moment, Now};

/// A clock that never goes back, and the wall's time for what people read.
///
/// It begins at the wall's time, so that what happened before this process has its moment too; from then on the wall may
/// jump as it likes.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    /// The moment of the start, in microseconds.
    start_us: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { start: Instant::now(), start_us: wall().as_micros() as u64 }
    }

    /// The time of this turn.
    ///
    /// The wall's time is the moment's own, moved by as much as the wall has jumped since the start, in steps: the clocks are
    /// read one after the other, and what lies between must not move the times that people read.
    pub fn now(&self) -> Now {
        let at_us = self.start_us.saturating_add(self.start.elapsed().as_micros() as u64);
        let jumped_us = wall().as_micros() as i64 - at_us as i64;
        let steps = (jumped_us + STEP_US / 2).div_euclid(STEP_US);
        Now { at: Moment(at_us), wall_ms: (at_us / 1_000).saturating_add_signed(steps * (STEP_US / 1_000)) }
    }

    /// The instant of a moment, for timers of the runtime; the start for what was before it.
    pub fn instant(&self, moment: Moment) -> tokio::time::Instant {
        // Later than any server runs: now itself must never be as far.
        let far = self.start + Duration::from_secs(3_600 * 24 * 365 * 100);
        let since = Duration::from_micros(moment.0.saturating_sub(self.start_us));
        let at = self.start.checked_add(since).unwrap_or(far);
        at.min(far).into()
    }
}

/// Jumps of the wall's clock are followed in steps of so much.
const STEP_US: i64 = 10_000;

/// Since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that has run for years still tells what is due from what isn't.
    #[test]
    fn after_years_later_is_still_later() {
        let clock = Clock::start();
        let in_years = |years: u64| clock.instant(Moment(clock.start_us + years * 365 * 24 * 3_600 * 1_000_000));
        assert!(in_years(2) < in_years(3) && in_years(3) < in_years(10));
        assert_eq!(clock.instant(Moment(u64::MAX)), in_years(100));
    }

    #[test]
    fn while_the_wall_does_not_jump_it_is_at_the_moments_own_time() {
        let clock = Clock::start();
        let agree = (0..1_000).map(|_| clock.now()).filter(|now| now.wall_ms == now.at.0 / 1_000).count();
        // Between the two readings others may run for a long time, but not often.
        assert!(agree > 900, "{agree}");
    }

    #[test]
    fn the_walls_time_is_that_of_the_day() {
        let now = Clock::start().now();
        assert!(now.wall_ms.abs_diff(wall().as_millis() as u64) < 1_000);
    }
}
