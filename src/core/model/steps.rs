//! What can happen to a queue, and how proptest makes it up.
//!
//! Few ids, few peers and short spans, so that things meet: an id again, a job cancelled under its worker, two deadlines at
//! one moment.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;

use crate::core::command::Deed;
use crate::core::{OnMasterGone, Policy};

/// How many peers there are at a time; each may be master and worker.
pub(super) const PEERS: usize = 5;

/// How many ids there are.
pub(super) const IDS: u8 = 12;

/// One thing that happens. Peers and ids are numbers of the trial, receipts are chosen among those that were handed out.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Submit(NewJob),
    Join(usize),
    Leave(usize),
    /// Says that a hand is free: a word that was owed, or an empty one.
    Ready(usize),
    /// Another queue took a hand of this peer.
    HandTaken(usize),
    /// A hand of this peer came free elsewhere; the queue hears of it at once or later.
    HandFreed {
        peer: usize,
        tell: bool,
    },
    Answer {
        receipt: Which,
        by: By,
        word: Word,
        tell_first: bool,
    },
    Manage {
        id: u8,
        by: usize,
        deed: Deed,
    },
    /// A peer leaves; the queue may hear of it only after its demand was closed and a turn went by.
    Gone {
        peer: usize,
        late: bool,
    },
    Pause,
    Resume,
    Time {
        jump: Jump,
        tick: bool,
    },
}

/// A job to be submitted.
#[derive(Clone, Debug)]
pub(super) struct NewJob {
    pub(super) master: usize,
    pub(super) id: u8,
    pub(super) priority: i64,
    pub(super) delay_ms: u64,
    pub(super) policy: Arc<Policy>,
    pub(super) notify: bool,
    pub(super) bytes: usize,
}

/// Which receipt an answer names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    /// One of an attempt in progress.
    Live(usize),
    /// Any that was ever handed out: mostly stale.
    Any(usize),
    /// One that never was: right but for one field.
    Forged(usize, Field),
}

/// A field of a receipt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    Key,
    Sequence,
    Delivery,
}

/// Who answers.
#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// Who was given the attempt.
    Holder,
    /// Somebody, maybe another.
    Peer(usize),
}

/// What is answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Word {
    Complete,
    Fail { retry: bool, delay_ms: Option<u64> },
    Touch { lease_ms: Option<u64> },
    Release { delay_ms: u64 },
}

/// How far time goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Jump {
    /// To one microsecond before the next alarm.
    JustBefore,
    /// To the next alarm.
    Exactly,
    /// To one microsecond after the next alarm.
    JustAfter,
    /// On, by milliseconds.
    Ms(u64),
}

/// How often each kind of step is made up.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    pub(super) submit: u32,
    pub(super) membership: u32,
    pub(super) hands: u32,
    pub(super) answer: u32,
    pub(super) manage: u32,
    pub(super) gone: u32,
    pub(super) pause: u32,
    pub(super) time: u32,
}

/// Steps, each with whether the turn ends after it.
pub(super) fn steps(weights: Weights, most: usize) -> impl Strategy<Value = Vec<(Step, bool)>> {
    let peer = || 0..PEERS;
    let step = prop_oneof![
        weights.submit => new_job().prop_map(Step::Submit),
        2 * weights.membership => peer().prop_map(Step::Join),
        weights.membership => peer().prop_map(Step::Leave),
        weights.hands => peer().prop_map(Step::Ready),
        weights.hands => peer().prop_map(Step::HandTaken),
        weights.hands => (peer(), any::<bool>()).prop_map(|(peer, tell)| Step::HandFreed { peer, tell }),
        weights.answer => (which(), by(), word(), any::<bool>())
            .prop_map(|(receipt, by, word, tell_first)| Step::Answer { receipt, by, word, tell_first }),
        weights.manage => (0..IDS, peer(), select(DEEDS.to_vec()))
            .prop_map(|(id, by, deed)| Step::Manage { id, by, deed }),
        weights.gone => (peer(), any::<bool>()).prop_map(|(peer, late)| Step::Gone { peer, late }),
        weights.pause => Just(Step::Pause),
        2 * weights.pause => Just(Step::Resume),
        weights.time => (jump(), prop::bool::weighted(0.9)).prop_map(|(jump, tick)| Step::Time { jump, tick }),
    ];
    prop::collection::vec((step, prop::bool::weighted(0.8)), 1..most)
}

const DEEDS: [Deed; 10] = [
    Deed::Cancel,
    Deed::Cancel,
    Deed::Retry,
    Deed::Retry,
    Deed::Delete,
    Deed::Find,
    Deed::CancelWaiting,
    Deed::Reprioritize(0),
    Deed::Reprioritize(8),
    Deed::RunNow,
];

fn new_job() -> impl Strategy<Value = NewJob> {
    let priority = select(vec![0, 0, 0, 0, 1, -1, 7, 8, 9, i64::MAX, i64::MIN]);
    let delay_ms = prop_oneof![3 => Just(0), 1 => 0u64..40];
    (0..PEERS, 0..IDS, priority, delay_ms, policy(), any::<bool>(), 0usize..40).prop_map(
        |(master, id, priority, delay_ms, policy, notify, bytes)| NewJob {
            master,
            id,
            priority,
            delay_ms,
            policy,
            notify,
            bytes,
        },
    )
}

fn policy() -> impl Strategy<Value = Arc<Policy>> {
    let lease_ms = prop_oneof![Just(None), Just(Some(10)), Just(Some(u64::MAX)), (0u64..30).prop_map(Some)];
    let ttl_ms = prop_oneof![2 => Just(None), 1 => (0u64..30).prop_map(Some)];
    let keep_ms = || prop_oneof![Just(0), Just(20), 1u64..40];
    let on_master_gone = select(vec![OnMasterGone::Drop, OnMasterGone::Keep]);
    (lease_ms, 1u32..4, 0u64..6, ttl_ms, (keep_ms(), keep_ms()), any::<bool>(), on_master_gone).prop_map(
        |(lease_ms, max_attempts, backoff_ms, ttl_ms, (keep_ms, keep_failed_ms), durable, on_master_gone)| {
            Arc::new(Policy {
                lease_ms,
                max_attempts,
                backoff_ms,
                ttl_ms,
                keep_ms,
                keep_failed_ms,
                durable,
                on_master_gone,
            })
        },
    )
}

fn which() -> impl Strategy<Value = Which> {
    let field = select(vec![Field::Key, Field::Sequence, Field::Delivery]);
    prop_oneof![
        8 => any::<usize>().prop_map(Which::Live),
        2 => any::<usize>().prop_map(Which::Any),
        1 => (any::<usize>(), field).prop_map(|(index, field)| Which::Forged(index, field)),
    ]
}

fn by() -> impl Strategy<Value = By> {
    prop_oneof![6 => Just(By::Holder), 1 => (0..PEERS).prop_map(By::Peer)]
}

fn word() -> impl Strategy<Value = Word> {
    let delay_ms = || prop_oneof![Just(0), 0u64..20];
    prop_oneof![
        3 => Just(Word::Complete),
        3 => (prop::bool::weighted(0.8), prop::option::of(delay_ms())).prop_map(|(retry, delay_ms)| Word::Fail { retry, delay_ms }),
        2 => prop::option::of(0u64..30).prop_map(|lease_ms| Word::Touch { lease_ms }),
        2 => delay_ms().prop_map(|delay_ms| Word::Release { delay_ms }),
    ]
}

fn jump() -> impl Strategy<Value = Jump> {
    prop_oneof![Just(Jump::JustBefore), Just(Jump::Exactly), Just(Jump::JustAfter), (0u64..30).prop_map(Jump::Ms)]
}
