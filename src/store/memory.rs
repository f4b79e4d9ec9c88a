//! The engine that keeps nothing on disk: jobs live as long as it does. It is for tests: the naive model that the contract suite
//! compares every other engine with. (`--store memory:` has no store at all.)

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Archived, Page, Query, Recalled, Recovered, Store, StoreError, Tally};
use crate::core::record::{Body, Outcome, TypeName};
use crate::core::record::{Record, StoredJob, StoredState};

/// Jobs and notes in maps.
#[derive(Default, Debug)]
pub struct Memory {
    jobs: BTreeMap<u64, StoredJob>,
    notes: BTreeMap<Arc<str>, Body>,
    last_sequence: u64,
}

impl Memory {
    fn missing(sequence: u64) -> StoreError {
        StoreError::Damaged { place: "memory".into(), what: format!("job {sequence} is missing") }
    }

    /// Oldest first.
    fn finished(&self) -> impl DoubleEndedIterator<Item = (&StoredJob, Archived)> {
        self.jobs.values().filter_map(|job| Some((job, Memory::archived(job)?)))
    }

    fn archived(job: &StoredJob) -> Option<Archived> {
        let outcome = super::outcome_of(&job.progress)?;
        Some(Archived { id: job.id.clone(), sequence: job.sequence, kind: job.kind.clone(), outcome })
    }
}

fn forget_ms(job: &StoredJob) -> Option<u64> {
    match job.progress.state {
        StoredState::Finished { forget_ms, .. } => Some(forget_ms),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => None,
    }
}

impl Store for Memory {
    fn recover(&mut self, bodies_up_to: usize, each: &mut dyn FnMut(Recalled)) -> Result<Recovered, StoreError> {
        let mut found = Recovered { next_sequence: self.last_sequence + 1, ..Recovered::default() };
        for (key, value) in &self.notes {
            found.notes += 1;
            each(Recalled::Note { key: key.clone(), value: value.clone() });
        }
        for job in self.jobs.values() {
            if let Some(archived) = Memory::archived(job) {
                found.archived += 1;
                each(Recalled::Archived(archived));
                continue;
            }
            found.live += 1;
            let body_bytes = job.body.len();
            let mut job = Box::new(job.clone());
            if body_bytes > bodies_up_to {
                job.body = Body::default();
            }
            each(Recalled::Live { job, body_bytes });
        }
        Ok(found)
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        for record in records {
            match record {
                Record::Put(job) => {
                    self.last_sequence = self.last_sequence.max(job.sequence);
                    self.jobs.insert(job.sequence, (**job).clone());
                }
                Record::Change { sequence, progress } => {
                    let job = self.jobs.get_mut(sequence).ok_or_else(|| Memory::missing(*sequence))?;
                    job.progress.clone_from(progress);
                }
                Record::Remove { sequence } => {
                    self.jobs.remove(sequence);
                }
                Record::Note { key, value: Some(value) } => {
                    self.notes.insert(key.clone(), value.clone());
                }
                Record::Note { key, value: None } => {
                    self.notes.remove(key);
                }
            }
        }
        Ok(())
    }

    fn bodies(&mut self, sequences: &[u64]) -> Result<Vec<Option<Body>>, StoreError> {
        Ok(sequences.iter().map(|sequence| Some(self.jobs.get(sequence)?.body.clone())).collect())
    }

    fn find(&mut self, sequence: u64) -> Result<Option<StoredJob>, StoreError> {
        Ok(self.jobs.get(&sequence).cloned())
    }

    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        let asked = |archived: &Archived| {
            query.kind.as_ref().is_none_or(|kind| *kind == archived.kind)
                && query.outcome.is_none_or(|outcome| outcome == archived.outcome)
        };
        let total = self.finished().filter(|(_, archived)| asked(archived)).count() as u64;
        let mut page = Page { total, ..Page::default() };
        let (mut bytes, mut last) = (0_usize, None);
        let before = query.before.unwrap_or(u64::MAX);
        let older = self.finished().rev().filter(|(job, archived)| job.sequence < before && asked(archived));
        for (job, _) in older {
            let has_read = page.looked_at > 0 && page.looked_at_bytes >= query.look_at_bytes;
            if page.looked_at == query.look_at || page.jobs.len() == query.limit || has_read {
                page.next = last;
                break;
            }
            if query.matches(job) {
                bytes = bytes.saturating_add(super::weight(job));
                if bytes > query.bytes && !page.jobs.is_empty() {
                    page.next = last;
                    break;
                }
                page.jobs.push(job.clone());
            }
            page.looked_at += 1;
            page.looked_at_bytes = page.looked_at_bytes.saturating_add(super::weight(job));
            last = Some(job.sequence);
        }
        Ok(page)
    }

    fn tallies(&self) -> Vec<(TypeName, Tally)> {
        let mut tallies: BTreeMap<String, (TypeName, Tally)> = BTreeMap::new();
        for (_, Archived { kind, outcome, .. }) in self.finished() {
            let name = kind.text().into_owned();
            let (_, tally) = tallies.entry(name).or_insert_with(|| (kind, Tally::default()));
            *match outcome {
                Outcome::Completed => &mut tally.completed,
                Outcome::Failed => &mut tally.failed,
                Outcome::Cancelled => &mut tally.cancelled,
                Outcome::Expired => &mut tally.expired,
            } += 1;
        }
        tallies.into_values().collect()
    }

    fn discard(&mut self, sequences: &[u64]) -> Result<Vec<u64>, StoreError> {
        let mut gone = sequences.to_vec();
        gone.retain(|sequence| {
            let has_ended = self.jobs.get(sequence).is_some_and(|job| Memory::archived(job).is_some());
            has_ended && self.jobs.remove(sequence).is_some()
        });
        Ok(gone)
    }

    fn tidy(&mut self, now_ms: u64, most: usize) -> Result<Vec<Archived>, StoreError> {
        let mut due: Vec<(u64, &StoredJob)> =
            self.jobs.values().filter_map(|job| Some((forget_ms(job)?, job))).collect();
        due.retain(|(forget_ms, _)| *forget_ms <= now_ms);
        due.sort_by_key(|(forget_ms, job)| (*forget_ms, job.sequence));
        let gone: Vec<Archived> = due.iter().filter_map(|(_, job)| Memory::archived(job)).take(most).collect();
        for archived in &gone {
            self.jobs.remove(&archived.sequence);
        }
        Ok(gone)
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }
}
