//! A submit whose commit found no room was never accepted, however far its job had come meanwhile.

use super::scene::{MASTER, Scene, WORKER};
use crate::core::command::{Answer, IdEvent, Notice, Refusal};
use crate::core::{Body, JobId, Policy};

const REFUSED: Notice = Notice::Refused { request: 7, refusal: Refusal::DiskFull };

/// The store refuses all that the scene has told it.
fn refuse(scene: &mut Scene, id: &JobId) {
    let held = std::mem::take(&mut scene.out.held);
    scene.out.notices.clear();
    scene.out.records.clear();
    scene.queue.retract(&[(id.clone(), 1)], held, &mut scene.out);
    let freed = scene.out.ids.iter().filter(|event| matches!(event, IdEvent::Freed { .. })).count();
    assert_eq!(freed, 1, "its id is free: {:?}", scene.out.ids);
    assert!(scene.queue.census().is_balanced());
    assert_eq!(scene.queue.census().live(), 0);
}

#[test]
fn a_waiting_job_goes() {
    let mut scene = Scene::new(true);
    let id = scene.submit(Policy::durable());
    refuse(&mut scene, &id);
    assert_eq!(scene.out.notices, [(MASTER, REFUSED)]);
}

#[test]
fn a_running_job_is_withdrawn() {
    let mut scene = Scene::new(true);
    let id = scene.submit(Policy::durable());
    let receipt = scene.take();
    scene.say(crate::core::Command::Leave { types: Vec::new() });
    refuse(&mut scene, &id);
    assert_eq!(scene.out.notices, [(WORKER, Notice::Withdrawn { receipt }), (MASTER, REFUSED)]);
    scene.out.notices.clear();
    scene.answer(receipt, Answer::Complete(Body::from(&b"1"[..])));
    assert_eq!(scene.out.notices, [(WORKER, Notice::Refused { request: 0, refusal: Refusal::Cancelled })]);
}

#[test]
fn a_finished_job_is_told_to_nobody() {
    let mut scene = Scene::new(true);
    let id = scene.submit(Policy::durable());
    let receipt = scene.take();
    scene.answer(receipt, Answer::Complete(Body::from(&b"1"[..])));
    refuse(&mut scene, &id);
    let to_master: Vec<&Notice> =
        scene.out.notices.iter().filter(|(peer, _)| *peer == MASTER).map(|(_, notice)| notice).collect();
    assert_eq!(to_master, [&REFUSED]);
}
