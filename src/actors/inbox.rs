//! What waits for an actor's next turn: a list that anybody may add to, from any thread.
//!
//! The first entry rings a bell, one message that wakes the actor, and it reads all there is by then. So however many speak to it in
//! a turn, it costs one message. A message takes two allocations and a place in the run queue, an entry here next to nothing, and
//! thousands of queues have something to say to the same few masters.
//!
//! An entry comes with the bell of those before it, so it may overtake a message that its sender sent earlier, never fall behind
//! one that was sent later.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::LocalKey;

use actix::{Message, Recipient};

use super::shelf::Shelf;

/// Entries for an actor.
pub struct Inbox<T: 'static> {
    list: Mutex<Vec<T>>,
    /// Where its lists come from, and go when they are read.
    shelf: &'static LocalKey<Shelf<T>>,
    /// The actor, once it is there.
    bell: OnceLock<Recipient<Bell>>,
}

/// There is something in your inbox.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Bell;

impl<T> Inbox<T> {
    /// An empty one that nobody reads yet.
    pub fn new(shelf: &'static LocalKey<Shelf<T>>) -> Inbox<T> {
        Inbox { list: Mutex::default(), shelf, bell: OnceLock::new() }
    }

    /// From now on this actor reads it.
    pub fn open(&self, actor: Recipient<Bell>) {
        self.bell.get_or_init(|| actor);
        let mut list = self.list();
        self.ring_after(0, &mut list);
    }

    /// Adds an entry. Where the actor has gone, it goes, too.
    pub fn put(&self, entry: T) {
        let mut list = self.list();
        let before = list.len();
        if list.capacity() == 0 {
            *list = self.shelf.with(Shelf::take);
        }
        list.push(entry);
        self.ring_after(before, &mut list);
    }

    /// Adds entries that are read together, and leaves an empty list.
    pub fn put_all(&self, entries: &mut Vec<T>) {
        let mut list = self.list();
        let before = list.len();
        if before == 0 {
            std::mem::swap(&mut *list, entries);
        } else {
            list.append(entries);
        }
        self.ring_after(before, &mut list);
    }

    /// Rings for what came behind the first `before` entries: for the first of all, and now and then when many are not read, to
    /// notice that nobody reads any more. Under the lock: whoever adds an entry behind others may count on their bell being in the
    /// mailbox already.
    fn ring_after(&self, before: usize, list: &mut Vec<T>) {
        let is_first = before == 0 && !list.is_empty();
        let are_many = list.len() / MANY > before / MANY;
        match self.bell.get() {
            Some(bell) if is_first || are_many => {
                if bell.connected() {
                    bell.do_send(Bell);
                } else {
                    *list = Vec::new();
                }
            }
            Some(_) | None => {}
        }
    }

    /// Reads all there is, in order. The list has to be put back.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.list())
    }

    /// Puts back a list that was read, for the next entries.
    pub fn put_back(&self, list: Vec<T>) {
        self.shelf.with(|shelf| shelf.put(list));
    }

    fn list(&self) -> MutexGuard<'_, Vec<T>> {
        // Whoever panicked here had added its entry or not: the list is whole.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An inbox with so many entries rings again.
const MANY: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use actix::{Actor, ActorContext, AsyncContext, Context, Handler, MessageResult};
    use std::sync::Arc;

    thread_local! {
        static NUMBERS: Shelf<u8> = const { Shelf::new() };
    }

    /// Who reads, and what it has read at each bell.
    struct Reader {
        inbox: Arc<Inbox<u8>>,
        read: Vec<Vec<u8>>,
    }

    impl Actor for Reader {
        type Context = Context<Self>;

        fn started(&mut self, ctx: &mut Self::Context) {
            self.inbox.open(ctx.address().recipient());
        }
    }

    impl Handler<Bell> for Reader {
        type Result = ();

        fn handle(&mut self, Bell: Bell, _: &mut Self::Context) {
            self.read.push(self.inbox.take());
        }
    }

    #[derive(Message)]
    #[rtype(result = "Vec<Vec<u8>>")]
    struct WhatWasRead;

    impl Handler<WhatWasRead> for Reader {
        type Result = MessageResult<WhatWasRead>;

        fn handle(&mut self, WhatWasRead: WhatWasRead, _: &mut Self::Context) -> Self::Result {
            MessageResult(std::mem::take(&mut self.read))
        }
    }

    #[derive(Message)]
    #[rtype(result = "()")]
    struct Leave;

    impl Handler<Leave> for Reader {
        type Result = ();

        fn handle(&mut self, Leave: Leave, ctx: &mut Self::Context) {
            ctx.stop();
        }
    }

    #[actix::test]
    async fn one_bell_a_turn_and_all_is_read_in_order() {
        let inbox = Arc::new(Inbox::new(&NUMBERS));
        // Before anybody reads it, nothing is lost.
        inbox.put(1);
        inbox.put(2);
        let reader = Reader { inbox: inbox.clone(), read: Vec::new() }.start();
        // It rings for itself when it starts, behind this question.
        assert!(reader.send(WhatWasRead).await.unwrap().is_empty());
        assert_eq!(reader.send(WhatWasRead).await.unwrap(), [[1, 2]]);
        let mut together = vec![4, 5];
        inbox.put(3);
        inbox.put_all(&mut together);
        inbox.put_all(&mut together);
        assert!(together.is_empty());
        inbox.put(6);
        let read = reader.send(WhatWasRead).await.unwrap();
        assert_eq!(read, [[3, 4, 5, 6]]);
        for list in read {
            inbox.put_back(list);
        }
        inbox.put_all(&mut vec![7, 8]);
        inbox.put(9);
        assert_eq!(reader.send(WhatWasRead).await.unwrap(), [[7, 8, 9]]);
    }

    /// What is said to a dead actor doesn't pile up.
    #[actix::test]
    async fn nothing_is_kept_for_an_actor_that_has_gone() {
        let inbox = Arc::new(Inbox::new(&NUMBERS));
        let reader = Reader { inbox: inbox.clone(), read: Vec::new() }.start();
        assert!(reader.send(WhatWasRead).await.unwrap().is_empty());
        reader.send(Leave).await.unwrap();
        let bell = inbox.bell.get().expect("it was opened").clone();
        while bell.connected() {
            inbox.put(1);
            tokio::task::yield_now().await;
        }
        inbox.put(1);
        assert!(inbox.take().is_empty());
        // Also where something lay there already.
        inbox.list().push(1);
        for _ in 0..3 * MANY {
            inbox.put(1);
        }
        assert!(inbox.take().len() < MANY);
    }

    #[actix::test]
    async fn entries_of_other_threads_are_read() {
        let inbox = Arc::new(Inbox::new(&NUMBERS));
        let reader = Reader { inbox: inbox.clone(), read: Vec::new() }.start();
        assert!(reader.send(WhatWasRead).await.unwrap().is_empty());
        let writers: Vec<_> = (0..4)
            .map(|_| {
                let inbox = inbox.clone();
                std::thread::spawn(move || (0..100).for_each(|number| inbox.put(number)))
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        let read = reader.send(WhatWasRead).await.unwrap();
        assert_eq!(read.iter().map(Vec::len).sum::<usize>(), 400);
    }
}
