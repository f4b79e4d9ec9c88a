//! A queue, a master, and a worker that wants one job after the other: for stories that are told by hand.

use std::sync::Arc;

use crate::core::command::{Answer, Command, Deed, Introduction, Notice, Outbox, Receipt, Submission};
use crate::core::{Body, Demand, JobId, Now, Peer, Policy, Queue, TypeName};

/// Who submits.
pub(super) const MASTER: Peer = Peer(1);

/// Who works.
pub(super) const WORKER: Peer = Peer(2);

/// The queue and its peers.
pub(super) struct Scene {
    pub(super) queue: Queue,
    pub(super) now: Now,
    pub(super) out: Outbox,
    pub(super) worker: Introduction,
    sequence: u64,
}

impl Scene {
    pub(super) fn new(stores: bool) -> Scene {
        Scene::with(stores, false)
    }

    /// A scene whose worker lives by no connection, or by one.
    pub(super) fn with(stores: bool, outlives: bool) -> Scene {
        let demand = Arc::new(Demand::new(0));
        let worker = Introduction { name: "http:worker".into(), demand, lease_ms: 60_000, outlives };
        let queue = Queue::new(0, TypeName::unnamed(), stores);
        let mut scene = Scene { queue, now: Now::default(), out: Outbox::default(), worker, sequence: 0 };
        scene.say(Command::Join { request: 0, types: Vec::new() });
        scene
    }

    /// The worker says something.
    pub(super) fn say(&mut self, command: Command) {
        self.now.at.0 += 1;
        self.queue.apply(self.now, WORKER, &self.worker, command, &mut self.out);
    }

    pub(super) fn submit(&mut self, policy: Policy) -> JobId {
        self.sequence += 1;
        let id = JobId::from_text(&self.sequence.to_string()).expect("it is a name");
        let submission = Submission {
            request: 7,
            id: id.clone(),
            kind: TypeName::unnamed(),
            priority: 0,
            body: Body::from(&b"null"[..]),
            policy: Arc::new(policy),
            delay_ms: 0,
            notify: true,
            watch: false,
            master: None,
            sequence: self.sequence,
        };
        self.queue.apply(self.now, MASTER, &self.worker, Command::Submit(submission), &mut self.out);
        id
    }

    pub(super) fn manage(&mut self, id: &JobId, deed: Deed) {
        self.say(Command::Manage { request: 0, id: id.clone(), deed });
    }

    pub(super) fn answer(&mut self, receipt: Receipt, answer: Answer) {
        self.say(Command::Answer { request: 0, receipt, answer });
    }

    /// The worker asks for one job and gets it.
    pub(super) fn take(&mut self) -> Receipt {
        for queue in self.worker.demand.free_one(None) {
            self.say(Command::Ready { queue });
        }
        self.out.notices.clear();
        self.queue.settle(self.now, &mut self.out);
        match self.out.notices.pop() {
            Some((_, Notice::Assigned(assignment))) => assignment.receipt,
            other => panic!("no job but {other:?}"),
        }
    }

    pub(super) fn is_readable(&self, id: &JobId) -> bool {
        self.queue.record_of(id).is_some()
    }
}
