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
    pub fn now(&self) -> Now {
        let at = Moment(self.start_us.saturating_add(self.start.elapsed().as_micros() as u64));
        Now { at, wall_ms: wall().as_millis() as u64 }
    }

    /// The instant of a moment, for timers of the runtime; the start for what was before it.
    pub fn instant(&self, moment: Moment) -> tokio::time::Instant {
        let far = self.start + Duration::from_secs(3_600 * 24 * 365);
        let since = Duration::from_micros(moment.0.saturating_sub(self.start_us));
        let at = self.start.checked_add(since).unwrap_or(far);
        at.min(far).into()
    }
}

/// Since 1970.
fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
