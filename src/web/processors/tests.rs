//! The registry and its processors over queues of the last process.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};

use super::card::Counts;
use super::registry::orphans;
use super::{Card, Complete, Registration, Registry, ShowMeta, TakeWord};
use crate::actors::clock::Clock;
use crate::actors::listener::Doorman;
use crate::actors::supervisor::Supervisor;
use crate::core::job::OnMasterGone;
use crate::core::record::{Progress, StoredJob, StoredState};
use crate::core::{Answer, JobId, Limits, Policy, Recovery, TypeName};
use crate::web::desk::Reach;
use crate::web::outgoing::Rules;
use crate::web::outside::{Hall, PROCESSOR, key, wall_ms};

/// A job that the processor `p` has accepted.
fn accepted(id: &JobId) -> StoredJob {
    running(id, 1, "processor:p", 0)
}

fn kind() -> TypeName {
    TypeName::from_text("p").unwrap()
}

fn running(id: &JobId, sequence: u64, worker: &str, started_ms: u64) -> StoredJob {
    let state = StoredState::Running { worker: worker.into(), started_ms, lease_ms: Some(600_000) };
    StoredJob {
        sequence,
        id: id.clone(),
        kind: kind(),
        priority: 0,
        body: b"1"[..].into(),
        policy: Arc::new(Policy::transient(OnMasterGone::Keep)),
        created_ms: 0,
        born_ms: 0,
        master: "action:a".into(),
        progress: Progress { state, attempt: 1, deliveries: 1, priority: None, history: Vec::new() },
    }
}

/// The thread of outgoing calls after a start: the last process ended while these jobs ran.
fn hall(jobs: Vec<StoredJob>) -> Rc<Hall> {
    let (limits, clock) = (Arc::new(Limits::default()), Clock::start());
    let mut recovery = Recovery::new(clock.now(), limits.clone());
    let next = jobs.len() as u64 + 1;
    jobs.into_iter().for_each(|job| recovery.live(job, 1));
    let (router, queues, _) = recovery.finish(next);
    let supervisor = Supervisor::new(clock, router, queues, None);
    let (letters, doorman) = (supervisor.inbox(), Doorman::new(limits.clone(), Vec::new()));
    let reach = Reach { supervisor: supervisor.start(), letters, keeper: None, doorman };
    Rc::new(Hall::new(reach, limits, Rules::new(Vec::new(), Vec::new()), Duration::from_secs(3_600)))
}

/// The registry there, which knows `p`.
fn restarted(jobs: Vec<StoredJob>) -> Addr<Registry> {
    let card = Card::parse(br#"{"id":"p","name":"p","url":"http://127.0.0.1:9"}"#, 1).unwrap();
    let note = Registration { card, connected_ms: 0, counts: Counts::default() }.to_note();
    Registry::new(hall(jobs), &[(key(PROCESSOR, "p"), note)]).start()
}

/// Processors repeat their words while there is no server, so one is often there before everything else.
#[test]
fn a_word_that_is_there_before_the_processor_knows_what_it_held_frees_the_hand() {
    // It is judged when the actors are gone: a supervisor that goes in a panic ends the process.
    let (taken, meta) = actix::System::new().block_on(async {
        let id = JobId::from_text("a/0").unwrap();
        let registry = restarted(vec![accepted(&id)]);
        let word = Complete { id, attempt: Some(1), answer: Answer::Complete(b"2"[..].into()) };
        let taken = registry.send(TakeWord { processor: kind(), word }).await.unwrap();
        (taken, registry.send(ShowMeta).await.unwrap())
    });
    assert!(taken.is_ok(), "{taken:?}");
    let meta = String::from_utf8(meta.to_vec()).unwrap();
    assert!(meta.contains(r#""processed":1,"failed":0,"in_hand":0"#), "{meta}");
}

#[test]
fn what_it_held_is_found_behind_whatever_others_hold() {
    let id = |number: u64| JobId::from_text(&format!("a/{number}")).unwrap();
    let others = (2..=5_000).map(|number| running(&id(number), number, "http:w", 0));
    let jobs = [accepted(&id(1))].into_iter().chain(others).collect();
    let found = actix::System::new().block_on(async { orphans(hall(jobs), kind(), vec![kind()], wall_ms()).await });
    assert_eq!(found.iter().map(|orphan| orphan.id.clone()).collect::<Vec<_>>(), [id(1)]);
}

/// A processor that registers while the one before still looks for what it held has the same name.
#[test]
fn what_began_later_is_not_of_the_last_process() {
    let began_ms = wall_ms() - 60_000;
    let jobs = || vec![running(&JobId::from_text("a/0").unwrap(), 1, "processor:p", began_ms)];
    for (before_ms, count) in [(began_ms - 1_000, 0), (began_ms + 1_000, 1)] {
        let found =
            actix::System::new().block_on(async { orphans(hall(jobs()), kind(), vec![kind()], before_ms).await });
        assert_eq!(found.len(), count);
    }
}
