//! However often a job goes round, what the queue remembers of it doesn't grow.

use std::sync::Arc;

use crate::core::command::{Answer, Command, Deed, IdEvent, Introduction, Notice, Outbox, Receipt, Submission};
use crate::core::{Body, Demand, JobId, Now, OnMasterGone, Peer, Policy, Queue, TypeName};

/// Rounds that would show any growth.
const ROUNDS: u64 = 3_000;

/// More than any list of one job needs.
const FEW: usize = 300;

const WORKER: Peer = Peer(2);

/// A queue, a master, and a worker that wants one job after the other.
struct Scene {
    queue: Queue,
    now: Now,
    out: Outbox,
    worker: Introduction,
    sequence: u64,
}

impl Scene {
    fn new() -> Scene {
        let worker = Introduction { name: Arc::from("worker"), demand: Arc::new(Demand::new(0)), lease_ms: 60_000 };
        let queue = Queue::new(0, TypeName::unnamed(), false);
        let mut scene = Scene { queue, now: Now::default(), out: Outbox::default(), worker, sequence: 0 };
        scene.say(Command::Join { request: 0, types: Vec::new() });
        scene
    }

    fn say(&mut self, command: Command) {
        self.now.at.0 += 1;
        self.queue.apply(self.now, WORKER, &self.worker, command, &mut self.out);
    }

    fn submit(&mut self, policy: Policy) -> JobId {
        self.sequence += 1;
        let id = JobId::from_text(&self.sequence.to_string()).expect("it is a name");
        self.say(Command::Submit(Submission {
            request: 0,
            id: id.clone(),
            kind: TypeName::unnamed(),
            priority: 0,
            body: Body::from(&b"null"[..]),
            policy: Arc::new(policy),
            delay_ms: 0,
            notify: false,
            sequence: self.sequence,
        }));
        id
    }

    fn manage(&mut self, id: &JobId, deed: Deed) {
        self.say(Command::Manage { request: 0, id: id.clone(), deed });
    }

    fn answer(&mut self, receipt: Receipt, answer: Answer) {
        self.say(Command::Answer { request: 0, receipt, answer });
    }

    /// The worker asks for one job and gets it.
    fn take(&mut self) -> Receipt {
        for queue in self.worker.demand.free(1) {
            self.say(Command::Ready { queue });
        }
        self.out.notices.clear();
        self.queue.settle(self.now, &mut self.out);
        match self.out.notices.pop() {
            Some((_, Notice::Assigned(assignment))) => assignment.receipt,
            other => panic!("no job but {other:?}"),
        }
    }

    fn is_readable(&self, id: &JobId) -> bool {
        self.queue.record_of(id).is_some()
    }
}

fn policy() -> Policy {
    Policy { ttl_ms: Some(1_000_000_000), keep_ms: 1_000_000_000, ..Policy::transient(OnMasterGone::Keep) }
}

#[test]
fn a_job_that_is_given_back_again_and_again_leaves_no_trail() {
    let mut scene = Scene::new();
    scene.submit(policy());
    for _ in 0..ROUNDS {
        let receipt = scene.take();
        scene.answer(receipt, Answer::Release { delay_ms: 0 });
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
}

#[test]
fn a_job_that_is_cancelled_and_retried_again_and_again_leaves_no_trail() {
    let mut scene = Scene::new();
    let id = scene.submit(policy());
    for _ in 0..ROUNDS {
        scene.manage(&id, Deed::Cancel);
        scene.manage(&id, Deed::Retry);
        scene.queue.settle(scene.now, &mut scene.out);
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
    scene.take();
}

#[test]
fn an_attempt_that_is_touched_again_and_again_leaves_no_trail() {
    let mut scene = Scene::new();
    scene.submit(policy());
    let receipt = scene.take();
    for round in 0..2 * ROUNDS {
        // First all at one moment, then one after the other.
        scene.now.at.0 -= u64::from(round < ROUNDS);
        scene.answer(receipt, Answer::Touch { lease_ms: None, progress: None });
        scene.queue.settle(scene.now, &mut scene.out);
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
}

#[test]
fn workers_that_left_are_forgotten_with_their_last_attempt() {
    let mut scene = Scene::new();
    scene.submit(policy());
    let receipt = scene.take();
    scene.say(Command::Leave { types: Vec::new() });
    assert_eq!(scene.queue.workers_known(), 1);
    // A long poll takes, and another request answers.
    let (now, stranger) = (scene.now, scene.worker.clone());
    let answer = Command::Answer { request: 0, receipt, answer: Answer::Complete(Body::from(&b"1"[..])) };
    scene.queue.apply(now, Peer(77), &stranger, answer, &mut scene.out);
    assert_eq!(scene.queue.workers_known(), 0);
}

#[test]
fn a_busy_worker_that_joins_again_and_again_is_told_of_once() {
    let mut scene = Scene::new();
    for _ in 0..ROUNDS {
        scene.say(Command::Join { request: 0, types: Vec::new() });
    }
    assert_eq!(scene.worker.demand.free(1), [0]);
    for _ in 0..ROUNDS {
        scene.say(Command::Leave { types: Vec::new() });
        scene.worker.demand.withdraw(1);
        scene.say(Command::Join { request: 0, types: Vec::new() });
    }
    assert_eq!(scene.worker.demand.free(1), [0]);
}

#[test]
fn the_last_ten_thousand_failures_stay_readable() {
    let mut scene = Scene::new();
    let mut failed = Vec::new();
    let fail = |scene: &mut Scene| {
        let receipt = scene.take();
        scene.answer(receipt, Answer::Fail { error: Body::from(&b"1"[..]), retry: false, delay_ms: None });
    };
    for _ in 0..10_000 {
        failed.push(scene.submit(policy()));
        fail(&mut scene);
    }
    // Retried, they fail again in another order; that makes no more of them.
    for id in failed.iter().rev() {
        scene.manage(id, Deed::Retry);
        fail(&mut scene);
    }
    assert!(failed.iter().all(|id| scene.is_readable(id)));
    scene.out.ids.clear();
    let newest = scene.submit(policy());
    fail(&mut scene);
    assert!(scene.is_readable(&newest) && !scene.is_readable(&failed[9_999]));
    let freed = scene.out.ids.iter().filter(|event| matches!(event, IdEvent::Freed { .. })).count();
    assert_eq!(freed, 1);
}
