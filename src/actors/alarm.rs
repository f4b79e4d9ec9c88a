//! One timer for an actor: set to the earliest moment that matters, moved as rarely as possible.
//!
//! An alarm that rings early costs one look; so it is only moved forward, never back, and the usual case (a lease that
//! begins while an older one runs) touches no timer at all.

use std::pin::Pin;
use std::task::{Context as Wake, Poll};

use tokio::time::{Instant, Sleep, sleep_until};

/// A timer that an actor polls at the end of its turns.
#[derive(Default, Debug)]
pub struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether the time has come. Else it wakes the actor then, or a little before and again then.
    pub fn rings(&mut self, at: Option<Instant>, wake: &mut Wake<'_>) -> bool {
        let Some(at) = at else {
            // Nothing is due: a timer that still runs rings for nobody, and goes then.
            if let Some(sleep) = &mut self.sleep
                && sleep.as_mut().poll(wake).is_ready()
            {
                self.sleep = None;
            }
            return false;
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if at < sleep.deadline() {
            sleep.as_mut().reset(at);
        }
        loop {
            match sleep.as_mut().poll(wake) {
                Poll::Pending => return false,
                Poll::Ready(()) if at <= Instant::now() => {
                    self.sleep = None;
                    return true;
                }
                Poll::Ready(()) => sleep.as_mut().reset(at),
            }
        }
    }
}
