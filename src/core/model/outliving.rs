//! Workers that live by no connection: a long poll that was answered, a processor. Their peer leaves, their jobs stay theirs.

use super::scene::{MASTER, Scene, WORKER};
use crate::core::command::{Answer, Command, Deed, Notice, Receipt, Refusal};
use crate::core::deadlines::Moment;
use crate::core::record::{Record, StoredState};
use crate::core::{Body, JobId, JobState, Outbox, Policy, Queue, Report, Ticket, TypeName};

fn scene(stores: bool) -> Scene {
    Scene::with(stores, true)
}

/// Says it for the worker over the desk, and gives the answer.
fn answer(scene: &mut Scene, id: &JobId, receipt: &Receipt, answer: Answer) -> Result<u64, Refusal> {
    scene.out.notices.clear();
    scene.out.held.clear();
    scene.now.at.0 += 1;
    let command = Command::AnswerById { request: 9, id: id.clone(), ticket: Ticket::of(receipt), answer };
    scene.queue.apply(scene.now, MASTER, &scene.worker, command, &mut scene.out);
    let held = scene.out.held.drain(..).map(|held| (held.peer, held.notice));
    match scene.out.notices.drain(..).chain(held).find(|(peer, notice)| {
        *peer == MASTER && matches!(notice, Notice::Done { request: 9, .. } | Notice::Refused { request: 9, .. })
    }) {
        Some((_, Notice::Done { lease_ms, .. })) => Ok(lease_ms),
        Some((_, Notice::Refused { refusal, .. })) => Err(refusal),
        other => panic!("{other:?}"),
    }
}

fn complete() -> Answer {
    Answer::Complete(Body::from(&b"1"[..]))
}

fn fail() -> Answer {
    Answer::Fail { error: Body::from(&b"1"[..]), retry: true, delay_ms: None }
}

fn touch() -> Answer {
    Answer::Touch { lease_ms: None, progress: Some(0.5), note: Some("half".into()) }
}

fn leave(scene: &mut Scene) {
    scene.queue.peer_gone(scene.now, WORKER, &mut scene.out);
}

#[test]
fn what_it_holds_stays_its_own_when_it_leaves_and_may_be_answered_twice() {
    for stores in [false, true] {
        let mut scene = scene(stores);
        let id = scene.submit(Policy { keep_ms: 0, ..Policy::durable() });
        let receipt = scene.take();
        leave(&mut scene);
        assert_eq!(scene.queue.census().running, 1);
        assert_eq!(answer(&mut scene, &id, &receipt, touch()), Ok(60_000));
        assert_eq!(answer(&mut scene, &id, &receipt, complete()), Ok(0));
        assert_eq!(scene.queue.census().completed, 1);
        assert_eq!(answer(&mut scene, &id, &receipt, complete()), Ok(0), "its first answer may have been lost");
        assert_eq!(answer(&mut scene, &id, &receipt, fail()), Err(Refusal::UnknownJob));
        let other = Receipt { delivery: 2, ..receipt };
        assert_eq!(answer(&mut scene, &id, &other, complete()), Err(Refusal::UnknownJob));
        assert_eq!(scene.queue.census().completed, 1);
    }
}

#[test]
fn a_lease_that_ended_makes_its_receipt_stale() {
    let mut scene = scene(false);
    let id = scene.submit(Policy::durable());
    let receipt = scene.take();
    leave(&mut scene);
    scene.now.at = Moment(scene.now.at.0 + 60_000_001);
    scene.queue.tick(scene.now, &mut scene.out);
    assert_eq!(scene.queue.census().queued, 1);
    assert_eq!(answer(&mut scene, &id, &receipt, complete()), Err(Refusal::StaleReceipt));
    assert_eq!(scene.queue.census().queued, 1);
}

#[test]
fn a_failure_said_twice_fails_once() {
    for stores in [false, true] {
        let mut scene = scene(stores);
        let id = scene.submit(Policy::durable());
        let receipt = scene.take();
        assert_eq!(answer(&mut scene, &id, &receipt, fail()), Ok(0));
        assert_eq!(scene.queue.census().scheduled, 1);
        scene.out.records.clear();
        assert_eq!(answer(&mut scene, &id, &receipt, fail()), Ok(0));
        assert_eq!(scene.queue.census().scheduled, 1);
        assert_eq!(scene.out.records.is_empty(), !stores, "what it waits for is committed with it");
        assert_eq!(answer(&mut scene, &id, &receipt, complete()), Err(Refusal::StaleReceipt));
    }
}

#[test]
fn it_learns_of_a_cancelled_job_when_it_next_speaks() {
    for gone in [false, true] {
        let mut scene = scene(false);
        let id = scene.submit(Policy::durable());
        let receipt = scene.take();
        if gone {
            leave(&mut scene);
        }
        scene.manage(&id, Deed::Cancel);
        for word in [touch(), fail(), complete()] {
            assert_eq!(answer(&mut scene, &id, &receipt, word), Err(Refusal::Cancelled));
        }
    }
}

#[test]
fn a_restart_leaves_it_a_full_new_lease() {
    let mut scene = scene(true);
    let id = scene.submit(Policy::durable());
    let receipt = scene.take();
    let mut stored = None;
    for record in scene.out.records.drain(..) {
        match record {
            Record::Put(job) => stored = Some(*job),
            Record::Change { progress, .. } => stored.as_mut().expect("it was put").progress = progress,
            Record::Remove { .. } | Record::Note { .. } => panic!("{record:?}"),
        }
    }
    let stored = stored.expect("it was put");
    assert!(matches!(stored.progress.state, StoredState::Running { lease_ms: Some(60_000), .. }));
    let mut out = Outbox::default();
    scene.queue = Queue::new(0, TypeName::unnamed(), true);
    scene.now.at.0 += 1_000_000_000;
    let bytes = stored.body.len();
    scene.queue.restore(scene.now, stored, bytes, &mut out);
    assert_eq!(scene.queue.census().running, 1);
    scene.now.at.0 += 59_000_000;
    scene.queue.tick(scene.now, &mut out);
    assert_eq!(answer(&mut scene, &id, &receipt, complete()), Ok(0));
    assert_eq!(scene.queue.census().completed, 1);
}

#[test]
fn the_end_is_shown_to_those_who_watch() {
    let mut scene = scene(false);
    let id = scene.submit(Policy { keep_ms: 0, ..Policy::durable() });
    scene.say(Command::Watch { request: 5, id: id.clone() });
    scene.say(Command::Watch { request: 6, id: id.clone() });
    scene.say(Command::Unwatch { request: 6, id: id.clone() });
    let receipt = scene.take();
    assert_eq!(answer(&mut scene, &id, &receipt, touch()), Ok(60_000));
    let seen = look(&mut scene, &id).expect("it is there");
    assert_eq!((seen.state(), seen.progress, seen.note.as_deref()), (JobState::Running, Some(0.5), Some("half")));
    scene.out.notices.clear();
    scene.answer(receipt, complete());
    let reports: Vec<(u64, JobState)> =
        reports(&scene.out).map(|(request, report)| (request, report.state())).collect();
    assert_eq!(reports, [(5, JobState::Completed)]);
    let history = &reports_first(&scene.out).job.progress.history;
    assert_eq!(history.len(), 1, "also the attempt that completed it");
    assert_eq!(look(&mut scene, &id), None);
}

fn look(scene: &mut Scene, id: &JobId) -> Option<Report> {
    scene.out.notices.clear();
    scene.say(Command::Look { request: 3, id: id.clone() });
    let seen = reports(&scene.out).next().map(|(_, report)| report.clone());
    scene.out.notices.clear();
    seen
}

fn reports(out: &Outbox) -> impl Iterator<Item = (u64, &Report)> {
    out.notices.iter().filter_map(|(_, notice)| match notice {
        Notice::Report { request, report } => Some((*request, &**report)),
        _ => None,
    })
}

fn reports_first(out: &Outbox) -> &Report {
    reports(out).next().expect("somebody watches").1
}
