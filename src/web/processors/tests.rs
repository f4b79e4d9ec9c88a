//! The registry and its processors over queues of the last process.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr};

use super::card::Counts;
use super::{Card, Complete, Registration, Registry, ShowMeta, TakeWord};
use crate::actors::clock::Clock;
use crate::actors::listener::Doorman;
use crate::actors::supervisor::Supervisor;
use crate::core::job::OnMasterGone;
use crate::core::record::{Progress, StoredJob, StoredState};
use crate::core::{Answer, JobId, Limits, Policy, Recovery, TypeName};
use crate::web::actions::Places;
use crate::web::desk::{Desk, Reach};
use crate::web::outgoing::{Client, Rules};
use crate::web::outside::{Hall, PROCESSOR, key};

/// A job that the processor `p` has accepted.
fn accepted(id: &JobId) -> StoredJob {
    let state = StoredState::Running { worker: "processor:p".into(), started_ms: 0, lease_ms: Some(600_000) };
    StoredJob {
        sequence: 1,
        id: id.clone(),
        kind: TypeName::from_text("p").unwrap(),
        priority: 0,
        body: b"1"[..].into(),
        policy: Arc::new(Policy::transient(OnMasterGone::Keep)),
        created_ms: 0,
        born_ms: 0,
        master: "action:a".into(),
        progress: Progress { state, attempt: 1, deliveries: 1, priority: None, history: Vec::new() },
    }
}

/// The registry after a start: the last process ended while `p` held this job.
fn restarted(id: &JobId) -> Addr<Registry> {
    let (limits, clock) = (Arc::new(Limits::default()), Clock::start());
    let mut recovery = Recovery::new(clock.now(), limits.clone());
    recovery.live(accepted(id), 1);
    let (router, queues, _) = recovery.finish(2);
    let supervisor = Supervisor::new(clock, router, queues, None);
    let (letters, doorman) = (supervisor.inbox(), Doorman::new(limits.clone(), Vec::new()));
    let reach = Reach { supervisor: supervisor.start(), letters, keeper: None, doorman };
    let rules = Rc::new(Rules::new(Vec::new(), Vec::new()));
    let hall = Hall {
        desk: Desk::start(reach.clone()),
        reach,
        limits,
        client: Client::to_anybody(rules.clone()),
        rules,
        places: Places::default(),
        check_every: Duration::from_secs(3_600),
        steps: RefCell::default(),
        processors: RefCell::default(),
    };
    let card = Card::parse(br#"{"id":"p","name":"p","url":"http://127.0.0.1:9"}"#, 1).unwrap();
    let note = Registration { card, connected_ms: 0, counts: Counts::default() }.to_note();
    Registry::new(Rc::new(hall), &[(key(PROCESSOR, "p"), note)]).start()
}

/// Processors repeat their words while there is no server, so one is often there before everything else.
#[test]
fn a_word_that_is_there_before_the_processor_knows_what_it_held_frees_the_hand() {
    // It is judged when the actors are gone: a supervisor that goes in a panic ends the process.
    let (taken, meta) = actix::System::new().block_on(async {
        let id = JobId::from_text("a/0").unwrap();
        let registry = restarted(&id);
        let word = Complete { id, attempt: Some(1), answer: Answer::Complete(b"2"[..].into()) };
        let taken = registry.send(TakeWord { processor: TypeName::from_text("p").unwrap(), word }).await.unwrap();
        (taken, registry.send(ShowMeta).await.unwrap())
    });
    assert!(taken.is_ok(), "{taken:?}");
    let meta = String::from_utf8(meta.to_vec()).unwrap();
    assert!(meta.contains(r#""processed":1,"failed":0,"in_hand":0"#), "{meta}");
}
