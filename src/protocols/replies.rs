//! Answers in the order of their requests.
//!
//! Requests of one connection may go to several queues, which answer when they like; some are answered by the session
//! itself. The peer gets the answers in the order it asked, and what comes unasked behind the answers that were due then.
//! Usually nothing is out of order, and everything is written straight into the connection's buffer.

use std::collections::VecDeque;

use bytes::BytesMut;

use crate::core::Request;

/// The answers that a connection waits for; `A` is what the session wants to remember of a request.
#[derive(Debug)]
pub(super) struct Replies<A> {
    /// The number of the first slot.
    first: Request,
    slots: VecDeque<Slot<A>>,
    awaited: usize,
}

#[derive(Debug)]
enum Slot<A> {
    Awaited(A),
    Written(BytesMut),
}

impl<A> Default for Replies<A> {
    fn default() -> Self {
        Replies { first: 0, slots: VecDeque::new(), awaited: 0 }
    }
}

impl<A> Replies<A> {
    /// A request was made; its answer will name this number.
    pub(super) fn expect(&mut self, asked: A) -> Request {
        self.slots.push_back(Slot::Awaited(asked));
        self.awaited += 1;
        self.first + self.slots.len() as Request - 1
    }

    /// Writes something behind everything that is due.
    pub(super) fn say(&mut self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        match self.slots.back_mut() {
            None => write(out),
            Some(Slot::Written(frames)) => write(frames),
            Some(Slot::Awaited(_)) => {
                let mut frames = BytesMut::new();
                write(&mut frames);
                self.slots.push_back(Slot::Written(frames));
            }
        }
    }

    /// Writes the answer to a request at its place. A number that isn't awaited is ignored.
    pub(super) fn answer(&mut self, request: Request, out: &mut BytesMut, write: impl FnOnce(A, &mut BytesMut)) {
        let Some(place) = request.checked_sub(self.first) else { return };
        if place == 0 {
            let Some(Slot::Awaited(_)) = self.slots.front() else { return };
            let Some(Slot::Awaited(asked)) = self.slots.pop_front() else { return };
            self.first += 1;
            self.awaited -= 1;
            write(asked, out);
            self.flush(out);
        } else if let Some(slot @ Slot::Awaited(_)) = self.slots.get_mut(place as usize) {
            let Slot::Awaited(asked) = std::mem::replace(slot, Slot::Written(BytesMut::new())) else { return };
            let Slot::Written(frames) = slot else { return };
            self.awaited -= 1;
            write(asked, frames);
        }
    }

    /// What is remembered of a request without an answer.
    pub(super) fn asked_mut(&mut self, request: Request) -> Option<&mut A> {
        match self.slots.get_mut(request.checked_sub(self.first)? as usize)? {
            Slot::Awaited(asked) => Some(asked),
            Slot::Written(_) => None,
        }
    }

    /// The first request without an answer: everything before it is out.
    pub(super) fn front(&self) -> Option<(Request, &A)> {
        match self.slots.front()? {
            Slot::Awaited(asked) => Some((self.first, asked)),
            Slot::Written(_) => None,
        }
    }

    /// How many requests have no answer.
    pub(super) fn awaited(&self) -> usize {
        self.awaited
    }

    /// The requests without an answer that `which` chooses.
    pub(super) fn awaiting(&self, which: impl Fn(&A) -> bool) -> Vec<Request> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| matches!(slot, Slot::Awaited(asked) if which(asked)))
            .map(|(place, _)| self.first + place as Request)
            .collect()
    }

    fn flush(&mut self, out: &mut BytesMut) {
        while let Some(Slot::Written(frames)) = self.slots.front() {
            out.extend_from_slice(frames);
            self.slots.pop_front();
            self.first += 1;
        }
        if self.slots.is_empty() && self.slots.capacity() > KEPT_SLOTS {
            self.slots = VecDeque::new();
        }
    }
}

/// A list that has grown larger is given back when it is empty: idle connections are many.
const KEPT_SLOTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(out: &BytesMut) -> &str {
        std::str::from_utf8(out).unwrap()
    }

    #[test]
    fn unasked_words_wait_behind_due_answers() {
        let (mut replies, mut out) = (Replies::default(), BytesMut::new());
        replies.say(&mut out, |out| out.extend_from_slice(b"hello;"));
        let a = replies.expect("a");
        let b = replies.expect("b");
        replies.say(&mut out, |out| out.extend_from_slice(b"result;"));
        replies.answer(b, &mut out, |asked, out| out.extend_from_slice(format!("ok {asked};").as_bytes()));
        assert_eq!(text(&out), "hello;");
        assert_eq!(replies.awaited(), 1);
        replies.answer(a, &mut out, |asked, out| out.extend_from_slice(format!("ok {asked};").as_bytes()));
        replies.answer(a, &mut out, |_, _| panic!("answered twice"));
        assert_eq!(text(&out), "hello;ok a;ok b;result;");
        replies.say(&mut out, |out| out.extend_from_slice(b"more"));
        assert_eq!(text(&out), "hello;ok a;ok b;result;more");
    }

    proptest! {
        /// In whatever order answers come, requests are answered in theirs.
        #[test]
        fn answers_come_in_the_order_of_requests(order in Just((0..40usize).collect::<Vec<_>>()).prop_shuffle()) {
            let (mut replies, mut out) = (Replies::default(), BytesMut::new());
            let requests: Vec<Request> = order.iter().enumerate().map(|(number, _)| replies.expect(number)).collect();
            for place in order {
                replies.answer(requests[place], &mut out, |asked, out| out.extend_from_slice(format!("{asked},").as_bytes()));
            }
            prop_assert_eq!(text(&out), (0..40).map(|number| format!("{number},")).collect::<String>());
            prop_assert_eq!(replies.awaited(), 0);
        }
    }
}
