//! The one place that reads a clock for the core: once per turn.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::core::{Moment, Now};

/// A clock that never goes back, and the wall's time for what people read.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Clock {
        Clock { start: Instant::now() }
    }

    /// The time of this turn.
    pub fn now(&self) -> Now {
        let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Now { at: Moment(self.start.elapsed().as_micros() as u64), wall_ms }
    }

    /// The instant of a moment, for timers of the runtime.
    pub fn instant(&self, moment: Moment) -> tokio::time::Instant {
        let far = self.start + std::time::Duration::from_secs(3_600 * 24 * 365);
        let at = self.start.checked_add(std::time::Duration::from_micros(moment.0)).unwrap_or(far);
        at.min(far).into()
    }
}
