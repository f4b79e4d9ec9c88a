//! However often a job goes round, what the queue remembers of it doesn't grow.

use std::sync::Arc;

use super::scene::Scene;
use crate::core::command::{Answer, Command, Deed, IdEvent, Introduction};
use crate::core::{Body, Demand, OnMasterGone, Peer, Policy};

/// Rounds that would show any growth.
const ROUNDS: u64 = 3_000;

/// More than any list of one job needs.
const FEW: usize = 300;

fn policy() -> Policy {
    Policy { ttl_ms: Some(1_000_000_000), keep_ms: 1_000_000_000, ..Policy::transient(OnMasterGone::Keep) }
}

#[test]
fn a_job_that_is_given_back_again_and_again_leaves_no_trail() {
    let mut scene = Scene::new(false);
    scene.submit(policy());
    for _ in 0..ROUNDS {
        let receipt = scene.take();
        scene.answer(receipt, Answer::Release { delay_ms: 0 });
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
}

#[test]
fn a_job_that_is_cancelled_and_retried_again_and_again_leaves_no_trail() {
    let mut scene = Scene::new(false);
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
    let mut scene = Scene::new(false);
    scene.submit(policy());
    let receipt = scene.take();
    for round in 0..2 * ROUNDS {
        // First all at one moment, then one after the other.
        scene.now.at.0 -= u64::from(round < ROUNDS);
        scene.answer(receipt, Answer::Touch { lease_ms: None, progress: None, note: None });
        scene.queue.settle(scene.now, &mut scene.out);
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
}

#[test]
fn workers_that_left_are_forgotten_with_their_last_attempt() {
    let mut scene = Scene::new(false);
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
fn workers_that_come_and_go_leave_no_trail() {
    let mut scene = Scene::new(false);
    for round in 0..ROUNDS {
        let who = Introduction { demand: Arc::new(Demand::new(1)), ..scene.worker.clone() };
        let join = Command::Join { request: 0, types: Vec::new() };
        scene.queue.apply(scene.now, Peer(100 + round), &who, join, &mut scene.out);
        if round % 2 == 0 {
            scene.queue.peer_gone(scene.now, Peer(100 + round), &mut scene.out);
        } else {
            let leave = Command::Leave { types: Vec::new() };
            scene.queue.apply(scene.now, Peer(100 + round), &who, leave, &mut scene.out);
        }
        scene.queue.settle(scene.now, &mut scene.out);
        assert!(scene.queue.entries() < FEW, "{}", scene.queue.entries());
    }
    assert_eq!(scene.queue.workers_known(), 1);
}

#[test]
fn a_busy_worker_that_joins_again_and_again_is_told_of_once() {
    let mut scene = Scene::new(false);
    for _ in 0..ROUNDS {
        scene.say(Command::Join { request: 0, types: Vec::new() });
    }
    assert_eq!(scene.worker.demand.free_one(None), [0]);
    for _ in 0..ROUNDS {
        scene.say(Command::Leave { types: Vec::new() });
        scene.worker.demand.withdraw(1);
        scene.say(Command::Join { request: 0, types: Vec::new() });
    }
    assert_eq!(scene.worker.demand.free_one(None), [0]);
}

#[test]
fn the_last_ten_thousand_failures_stay_readable() {
    let mut scene = Scene::new(false);
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
