//! A server's queues, made again from what the store gives back at start.

use std::sync::Arc;

use super::command::Outbox;
use super::deadlines::Now;
use super::job::{JobId, Outcome, TypeName};
use super::limits::Limits;
use super::queue::Queue;
use super::record::{Record, StoredJob};
use super::router::{Router, Routes};

/// Queues and the router over them, before the first peer comes.
#[derive(Debug)]
pub struct Recovery {
    now: Now,
    router: Router,
    queues: Vec<Queue>,
    routes: Routes,
    outbox: Outbox,
}

impl Recovery {
    /// Nothing yet.
    pub fn new(now: Now, limits: Arc<Limits>) -> Recovery {
        let (routes, outbox) = (Routes::default(), Outbox::default());
        Recovery { now, router: Router::new(limits), queues: Vec::new(), routes, outbox }
    }

    /// A live job, oldest first. A body of `body_bytes` that it comes without stays in the store.
    pub fn live(&mut self, job: StoredJob, body_bytes: usize) {
        let queue = self.router.adopt(&job.id, &job.kind, job.sequence, body_bytes, &mut self.routes);
        self.open();
        self.queues[queue as usize].restore(self.now, job, body_bytes, &mut self.outbox);
        for event in self.outbox.ids.drain(..) {
            self.router.hear(queue, event);
        }
    }

    /// A job in the archive.
    pub fn archived(&mut self, id: &JobId, sequence: u64, kind: &TypeName, outcome: Outcome) {
        self.router.adopt_archived(id, sequence);
        self.queue_of(kind).adopt_finished(outcome);
    }

    /// The queue of this type hands out nothing until somebody says so.
    pub fn paused(&mut self, kind: &TypeName) {
        self.queue_of(kind).set_paused(true);
    }

    fn queue_of(&mut self, kind: &TypeName) -> &mut Queue {
        let queue = self.router.open_anyway(kind, &mut self.routes);
        self.open();
        &mut self.queues[queue as usize]
    }

    fn open(&mut self) {
        for (number, kind) in self.routes.opened.drain(..) {
            self.queues.push(Queue::new(number, kind, true));
        }
    }

    /// The router, the queues by number, and what the store has to know before anything else: what connections held when the
    /// last process ended is back in line.
    pub fn finish(mut self, next_sequence: u64) -> (Router, Vec<Queue>, Vec<Record>) {
        self.router.begin_at(next_sequence);
        (self.router, self.queues, self.outbox.records)
    }
}
