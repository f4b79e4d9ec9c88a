//! A store in the trial: it keeps what records say, and must then hold exactly the durable jobs of the model.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::naive::{Job, Model, Place};
use crate::core::record::{Record, StoredJob, StoredState};
use crate::core::{Command, Demand, Introduction, Moment, Notice, Now, Outbox, Peer, Queue, TypeName};

/// What records said.
#[derive(Default)]
pub(super) struct Shelf {
    jobs: BTreeMap<u64, StoredJob>,
}

impl Shelf {
    /// Keeps what the records say.
    pub(super) fn keep(&mut self, records: Vec<Record>) -> Result<(), TestCaseError> {
        for record in records {
            match record {
                Record::Put(job) => {
                    let twin = self.jobs.insert(job.sequence, *job);
                    prop_assert!(twin.is_none(), "put twice");
                }
                Record::Change { sequence, progress } => {
                    let job = self.jobs.get_mut(&sequence);
                    prop_assert!(job.is_some(), "a change of {} before its put or after its removal", sequence);
                    job.expect("it was just looked at").progress = progress;
                }
                Record::Remove { sequence } => drop(self.jobs.remove(&sequence)),
                Record::Note { key, .. } => prop_assert!(false, "a queue notes {key}"),
            }
        }
        Ok(())
    }

    /// What a restart would find is what is there.
    pub(super) fn compare(&self, now: Now, model: &Model) -> Result<(), TestCaseError> {
        let live = self.jobs.values().filter(|job| !matches!(job.progress.state, StoredState::Finished { .. }));
        let found: Vec<u64> = live.map(|job| job.sequence).collect();
        let wanted: Vec<&Job> = model.jobs.iter().filter(|job| model.stored(job).is_some()).collect();
        prop_assert_eq!(found, wanted.iter().map(|job| job.sequence).collect::<Vec<u64>>());
        for job in wanted {
            let stored = &self.jobs[&job.sequence];
            prop_assert_eq!(
                (&stored.id, stored.progress.priority.unwrap_or(stored.priority), &stored.body, &stored.policy),
                (&job.id, job.priority, &job.body, &job.policy)
            );
            let progress = &stored.progress;
            prop_assert_eq!((progress.attempt, progress.deliveries), (job.attempt, job.deliveries));
            prop_assert!(stored.born_ms.abs_diff(wall(now, job.born)) <= 1);
            let same_place = match (&progress.state, &job.place) {
                (StoredState::Scheduled { at_ms }, Place::Scheduled(at)) => at_ms.abs_diff(wall(now, *at)) <= 1,
                // Its time came; nobody needs to write that down.
                (StoredState::Scheduled { at_ms }, Place::Queued) => *at_ms <= now.wall_ms + 1,
                (StoredState::Queued, Place::Queued) => true,
                (StoredState::Running { .. }, Place::Running { .. }) => true,
                _ => false,
            };
            prop_assert!(same_place, "{:?} is stored", progress.state);
        }
        Ok(())
    }

    /// The server stops and starts an hour later. What lives then is handed out in the old order, as its next attempt; what
    /// should have ended meanwhile has ended.
    pub(super) fn restart(mut self, now: Now, model: &Model) -> Result<(), TestCaseError> {
        let now = Now { at: now.at.after_ms(HOUR_MS), wall_ms: now.wall_ms + HOUR_MS };
        let mut queue = Queue::new(0, TypeName::unnamed(), true);
        let mut out = Outbox::default();
        let live =
            self.jobs.values().filter(|job| !matches!(job.progress.state, StoredState::Finished { .. })).cloned();
        for job in live.collect::<Vec<StoredJob>>() {
            let body_bytes = job.body.len();
            queue.restore(now, job, body_bytes, &mut out);
        }
        let demand = Arc::new(Demand::new(1_000));
        let who = Introduction { name: "worker".into(), demand, lease_ms: HOUR_MS, outlives: false };
        queue.apply(now, Peer(1), &who, Command::Join { request: 0, types: Vec::new() }, &mut out);
        queue.settle(now, &mut out);
        prop_assert!(queue.census().is_balanced());

        let stored = || model.jobs.iter().filter(|job| model.stored(job).is_some());
        prop_assert_eq!(queue.census().accepted, stored().count() as u64);
        // Who held a job when the server stopped has lost it, and maybe that was its last attempt.
        let has_attempt = |job: &Job| job.waits() || job.attempt < job.policy.max_attempts;
        let mut wanted: Vec<&Job> = stored().filter(|job| job.policy.ttl_ms.is_none() && has_attempt(job)).collect();
        wanted.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.sequence));
        let wanted: Vec<(u64, u32, u32)> =
            wanted.iter().map(|job| (job.sequence, job.attempt + 1, job.deliveries + 1)).collect();
        let got = out.notices.iter().filter_map(|(_, notice)| match notice {
            Notice::Assigned(job) => Some((job.receipt.sequence, job.attempt, job.receipt.delivery)),
            _ => None,
        });
        prop_assert_eq!(got.collect::<Vec<(u64, u32, u32)>>(), wanted.clone());

        self.keep(out.records)?;
        let mut running = self.jobs.values().filter(|job| matches!(job.progress.state, StoredState::Running { .. }));
        prop_assert!(wanted.iter().all(|(sequence, ..)| self.jobs.contains_key(sequence)));
        prop_assert!(running.all(|job| wanted.iter().any(|(sequence, ..)| *sequence == job.sequence)));
        Ok(())
    }
}

/// An hour.
const HOUR_MS: u64 = 3_600_000;

/// The wall's time of a moment: in a trial both clocks began together.
fn wall(now: Now, moment: Moment) -> u64 {
    (moment.0 / 1_000 + now.wall_ms).saturating_sub(now.at.0 / 1_000)
}
