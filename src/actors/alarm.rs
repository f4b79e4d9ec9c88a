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
    /// Whether the time has come. Else it wakes the actor then, or a little before and again then. `now` may be a little old.
    pub fn rings(&mut self, at: Option<Instant>, now: Instant, wake: &mut Wake<'_>) -> bool {
        let Some(at) = at else {
            // Nothing is due: a timer that still runs rings for nobody, and goes then.
            self.sleep.take_if(|sleep| sleep.deadline() <= now);
            return false;
        };
        if at <= now {
            return true;
        }
        match &mut self.sleep {
            // It was polled when it was set: it will wake the actor.
            Some(sleep) if sleep.deadline() <= at && now < sleep.deadline() => return false,
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        match self.sleep.as_mut().map(|sleep| sleep.as_mut().poll(wake)) {
            Some(Poll::Pending) => {}
            // It came meanwhile, or the runtime wants others to run: look again next turn.
            Some(Poll::Ready(())) | None => wake.waker().wake_by_ref(),
        }
        false
    }
}
