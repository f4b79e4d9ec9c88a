//! An answer that is not there yet when its question is read: it waits for a sync, or for its turn.
//!
//! actix hands the asker to what a handler returns. Here that is a second handle on the same slot, so an answer costs neither
//! a task nor a channel of its own. When the keeper goes without an answer the asker hears that, as from any actor that
//! is gone.

use std::cell::RefCell;
use std::rc::Rc;

use actix::dev::{MessageResponse, OneshotSender};
use actix::{Actor, Message};

type Slot<T> = Rc<RefCell<Option<OneshotSender<T>>>>;

/// Who waits for the answer.
pub(super) struct Reply<T>(Slot<T>);

/// What a handler returns for it.
pub struct Later<T>(Slot<T>);

impl<T> Reply<T> {
    /// Both ends.
    pub(super) fn new() -> (Reply<T>, Later<T>) {
        let slot = Slot::default();
        (Reply(slot.clone()), Later(slot))
    }

    /// Whether anybody still waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|asker| !asker.is_closed())
    }

    /// Answers, if anybody waits.
    pub(super) fn send(self, answer: T) {
        if let Some(asker) = self.0.take() {
            // Whoever has left meanwhile hears nothing.
            let _ = asker.send(answer);
        }
    }
}

impl<A: Actor, M: Message> MessageResponse<A, M> for Later<M::Result> {
    fn handle(self, _: &mut A::Context, asker: Option<OneshotSender<M::Result>>) {
        *self.0.borrow_mut() = asker;
    }
}
