//! Lists that travel in messages, kept to be used again.
//!
//! Under load a batch has kilobytes. Allocating those for every hop makes glibc tidy its small blocks each time, which cost
//! more than all other allocations together. So whoever has emptied a list puts it back, and the next sender of this
//! thread takes it. Nothing is kept by those who are idle.

use std::cell::RefCell;

use super::queue::Order;
use super::statistics::Entry;
use super::supervisor::Letter;
use crate::core::{Command, IdEvent, Notice, Peer};

/// A shelf has room for so many lists …
const MOST: usize = 128;

/// … of at most so many entries.
const LONGEST: usize = 256;

thread_local! {
    /// What connections ask.
    pub static COMMANDS: Shelf<Command> = const { Shelf::new() };
    /// What connections hear.
    pub static NOTICES: Shelf<(Peer, Notice)> = const { Shelf::new() };
    /// What queues are told.
    pub static ORDERS: Shelf<Order> = const { Shelf::new() };
    /// What the supervisor hears of ids.
    pub static ID_EVENTS: Shelf<IdEvent> = const { Shelf::new() };
    /// What the supervisor hears.
    pub static LETTERS: Shelf<Letter> = const { Shelf::new() };
    /// What the statistics hear.
    pub static ENTRIES: Shelf<Entry> = const { Shelf::new() };
}

/// Empty lists.
#[derive(Debug)]
pub struct Shelf<T>(RefCell<Vec<Vec<T>>>);

impl<T> Shelf<T> {
    pub(super) const fn new() -> Shelf<T> {
        Shelf(RefCell::new(Vec::new()))
    }

    /// An empty list.
    pub fn take(&self) -> Vec<T> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    /// Puts a list back; what is still in it goes.
    pub fn put(&self, mut list: Vec<T>) {
        list.clear();
        let mut lists = self.0.borrow_mut();
        if (1..=LONGEST).contains(&list.capacity()) && lists.len() < MOST {
            lists.push(list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_come_back_empty_and_bounded() {
        let shelf = Shelf::new();
        shelf.put(vec![1, 2, 3]);
        shelf.put(Vec::with_capacity(LONGEST + 1));
        let list = shelf.take();
        assert!(list.is_empty() && list.capacity() >= 3);
        assert_eq!(shelf.take().capacity(), 0);
        for _ in 0..2 * MOST {
            shelf.put(Vec::with_capacity(1));
        }
        assert_eq!(shelf.0.borrow().len(), MOST);
    }
}
