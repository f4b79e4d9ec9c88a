//! A submit whose commit found no room was never accepted, however far its job had come meanwhile.

use std::collections::VecDeque;

use super::scene::{MASTER, Scene, WORKER};
use crate::core::command::{Answer, Command, IdEvent, Notice, Outbox, Refusal};
use crate::core::record::{Record, StoredJob};
use crate::core::{Body, JobId, Policy};

const REFUSED: Notice = Notice::Refused { request: 7, refusal: Refusal::DiskFull };

/// The store refuses all that the scene has told it.
fn refuse(scene: &mut Scene, id: &JobId) {
    let mut held = VecDeque::from([std::mem::take(&mut scene.out.held)]);
    scene.out.notices.clear();
    scene.out.records.clear();
    scene.queue.retract(&[(id.clone(), 1)], &mut held, &mut scene.out);
    assert_eq!(held, [Vec::new()], "nothing is left to be said");
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
    scene.say(Command::Leave { types: Vec::new() });
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

/// What became of a job may wait for a later commit: the store never hears of it, nor does anybody else.
#[test]
fn later_words_about_it_are_never_said() {
    let mut scene = Scene::new(true);
    let id = scene.submit(Policy::durable());
    let receipt = scene.take();
    let mut held = VecDeque::from([std::mem::take(&mut scene.out.held)]);
    scene.out.records.clear();
    scene.answer(receipt, Answer::Complete(Body::from(&b"1"[..])));
    scene.queue.retract(&[(id, 1)], &mut held, &mut scene.out);
    assert_eq!((scene.out.records.as_slice(), scene.out.held.as_slice()), ([].as_slice(), [].as_slice()));
    let refused = Notice::Refused { request: 0, refusal: Refusal::DiskFull };
    assert_eq!(scene.out.notices, [(MASTER, REFUSED), (WORKER, refused)]);
}

/// Whoever watches such a job doesn't wait for ever, be it still there or ended.
#[test]
fn who_watches_it_is_answered() {
    for ends in [false, true] {
        let mut scene = Scene::new(true);
        let id = scene.submit(Policy::durable());
        let receipt = scene.take();
        scene.say(Command::Watch { request: 9, id: id.clone() });
        if ends {
            scene.answer(receipt, Answer::Complete(Body::from(&b"1"[..])));
        }
        refuse(&mut scene, &id);
        let refused = (WORKER, Notice::Refused { request: 9, refusal: Refusal::DiskFull });
        assert_eq!(scene.out.notices.iter().filter(|word| **word == refused).count(), 1, "{:?}", scene.out.notices);
    }
}

/// A job that failed, as the archive has it.
fn failed() -> (Scene, StoredJob) {
    let mut scene = Scene::new(true);
    scene.submit(Policy { max_attempts: 1, ..Policy::durable() });
    let receipt = scene.take();
    scene.answer(receipt, Answer::Fail { error: Body::from(&b"1"[..]), retry: false, delay_ms: None });
    let mut job = None;
    for record in scene.out.records.drain(..) {
        match record {
            Record::Put(put) => job = Some(*put),
            Record::Change { progress, .. } => job.as_mut().expect("it was put").progress = progress,
            Record::Remove { .. } | Record::Note { .. } => unreachable!("its record is kept"),
        }
    }
    let held = std::mem::take(&mut scene.out.held);
    scene.queue.kept(held, &mut scene.out);
    scene.out = Outbox::default();
    (scene, job.expect("it was put"))
}

/// The store has no room for the retry of this job: it is as it was.
fn refuse_retry(scene: &mut Scene, job: &StoredJob) {
    let mut held = VecDeque::from([std::mem::take(&mut scene.out.held)]);
    scene.out.notices.clear();
    scene.queue.retract(&[(job.id.clone(), job.sequence)], &mut held, &mut scene.out);
    assert!(scene.out.notices.contains(&(MASTER, REFUSED)), "{:?}", scene.out.notices);
    let is_freed = |event: &IdEvent| matches!(event, IdEvent::Freed { .. });
    assert!(!scene.out.ids.iter().any(is_freed), "{:?}", scene.out.ids);
    let archived = scene.out.ids.iter().filter(|event| matches!(event, IdEvent::Archived { .. })).count();
    assert_eq!(archived, 1, "the archive has it: {:?}", scene.out.ids);
    let census = scene.queue.census();
    assert!(census.is_balanced());
    assert_eq!((census.accepted, census.live()), (1, 0));
}

#[test]
fn a_retried_job_goes_back_to_the_archive() {
    let (mut scene, job) = failed();
    scene.queue.revive(scene.now, MASTER, 7, job.clone(), &mut scene.out);
    refuse_retry(&mut scene, &job);
    assert_eq!(scene.queue.census().failed, 1);
    // And again, by the hand of a worker.
    scene.out = Outbox::default();
    scene.queue.revive(scene.now, MASTER, 7, job.clone(), &mut scene.out);
    let put = std::mem::take(&mut scene.out.held);
    scene.take();
    scene.out.held.extend(put);
    refuse_retry(&mut scene, &job);
    assert_eq!(scene.queue.census().failed, 1);
}

#[test]
fn a_retried_job_that_has_ended_meanwhile_stays_in_the_archive() {
    let (mut scene, job) = failed();
    scene.queue.revive(scene.now, MASTER, 7, job.clone(), &mut scene.out);
    let receipt = scene.take();
    scene.answer(receipt, Answer::Complete(Body::from(&b"1"[..])));
    refuse_retry(&mut scene, &job);
}

/// Once the retry is on disk, the archive has no older record.
#[test]
fn a_retry_that_was_kept_is_not_taken_back() {
    let (mut scene, job) = failed();
    scene.queue.revive(scene.now, MASTER, 7, job, &mut scene.out);
    let held = std::mem::take(&mut scene.out.held);
    scene.queue.kept(held, &mut scene.out);
    assert_eq!(scene.out.notices, [(MASTER, Notice::Done { request: 7, lease_ms: 0 })]);
    assert_eq!(scene.queue.census().queued, 1);
}
