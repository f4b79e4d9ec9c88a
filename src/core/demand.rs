//! How many more jobs a worker wants: one number, shown to several queues, served once.
//!
//! A worker with several types waits in several queues. Each queue takes from the same number before it assigns, so
//! nobody coordinates them. A queue that finds nothing to take stops looking at the worker and leaves its own number here;
//! whoever frees a hand tells exactly those queues ([`Demand::free`]). So the cost of an answer doesn't grow with the types.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use super::command::Command;
use super::job::QueueNo;

/// A worker's free hands. Cheap to share between the worker's connection and its queues.
#[derive(Debug)]
pub struct Demand {
    free: AtomicU32,
    away: Mutex<Away>,
}

/// The queues that wait to hear of a free hand.
#[derive(Default, Debug)]
struct Away {
    queues: Vec<QueueNo>,
    /// How often they were told.
    told: u64,
}

impl Demand {
    /// A worker that wants `hands` jobs at a time.
    pub fn new(hands: u32) -> Demand {
        Demand { free: AtomicU32::new(hands), away: Mutex::default() }
    }

    /// Takes one hand for a job; false when there is none.
    pub fn take(&self) -> bool {
        self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| free.checked_sub(1)).is_ok()
    }

    /// Whether a hand is free.
    pub fn is_free(&self) -> bool {
        self.free.load(Ordering::Acquire) > 0
    }

    /// Frees `hands` hands, and tells the queues that have to hear of it, each once, but for `answered`, which looks by itself.
    pub fn free(&self, hands: u32, answered: Option<QueueNo>, commands: &mut Vec<Command>) {
        self.free.fetch_add(hands, Ordering::AcqRel);
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        away.told += 1;
        let others = away.queues.drain(..).filter(|queue| Some(*queue) != answered);
        commands.extend(others.map(|queue| Command::Ready { queue }));
    }

    /// Takes up to `hands` free hands away again (a smaller credit); gives how many.
    pub fn withdraw(&self, hands: u32) -> u32 {
        let before =
            self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| Some(free.saturating_sub(hands)));
        before.map_or(0, |free| free.min(hands))
    }

    /// The worker is gone: nothing can be taken any more.
    pub fn close(&self) {
        self.free.store(0, Ordering::Release);
    }

    /// A queue stops looking at the worker until it hears of a free hand. It keeps the answer in `left` and brings it again, so
    /// that its number is left once, however often it looks.
    pub(crate) fn leave(&self, queue: QueueNo, left: &mut Option<u64>) {
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        if *left != Some(away.told) {
            *left = Some(away.told);
            away.queues.push(queue);
        }
    }

    /// Frees a hand, and gives the queues that were told.
    #[cfg(test)]
    pub(crate) fn free_one(&self, answered: Option<QueueNo>) -> Vec<QueueNo> {
        let mut commands = Vec::new();
        self.free(1, answered, &mut commands);
        let queue = |command| match command {
            Command::Ready { queue } => queue,
            other => unreachable!("{other:?}"),
        };
        commands.into_iter().map(queue).collect()
    }

    /// A queue doesn't wait for this worker any more.
    pub(crate) fn strike(&self, queue: QueueNo) {
        self.away.lock().unwrap_or_else(PoisonError::into_inner).queues.retain(|other| *other != queue);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_hand_is_served_once() {
        let demand = Demand::new(1);
        assert!(demand.take());
        assert!(!demand.take());
        let mut left = None;
        demand.leave(3, &mut left);
        demand.leave(3, &mut left);
        demand.leave(4, &mut None);
        demand.leave(5, &mut None);
        demand.strike(4);
        assert_eq!(demand.free_one(None), [3, 5]);
        assert!(demand.is_free());
        assert!(demand.free_one(None).is_empty());
        demand.leave(3, &mut left);
        demand.leave(6, &mut None);
        assert_eq!(demand.free_one(Some(3)), [6]);
        assert_eq!(demand.withdraw(5), 3);
        demand.close();
        assert!(!demand.take());
    }
}
