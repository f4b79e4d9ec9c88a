//! Foresight: what the verbs of a turn will read is looked at beforehand, all at once.
//!
//! Thousands of jobs don't stay near the processor, the less since the system's network code runs between two turns. A verb would wait
//! for each line of memory, some hundred cycles, one after the other; reads that don't depend on each other are waited for together.
//! With 64 masters, 16 jobs each and 64 workers that saves a tenth of the server's own time. Tables of ids are looked at when they
//! are large: with a million jobs nothing of them is near, with a thousand it costs what it saves.
//!
//! Nothing here decides or changes anything.

use std::hint::black_box;
use std::sync::Arc;

use super::super::command::{Batch, Command};
use super::super::ids::are_far;
use super::super::job::{Job, JobId};
use super::Queue;

/// Looks ahead at most so far: more would not stay near until it is needed.
const SIGHT: usize = 64;

impl Queue {
    /// These batches are about to be applied.
    pub fn look_ahead<'a>(&self, batches: impl Iterator<Item = &'a Batch> + Clone) {
        let commands = || batches.clone().flat_map(|batch| &batch.commands).take(SIGHT);
        let answered = || {
            commands().filter_map(|command| {
                let Command::Answer { receipt, .. } = command else { return None };
                self.jobs.get(receipt.key as usize)
            })
        };
        answered().for_each(look_at);
        answered().for_each(look_at_body);
        if are_far(self.by_id.len()) {
            answered().for_each(|job| self.look_for(&job.id));
            commands().filter_map(Command::new_id).for_each(|id| self.look_for(id));
        }
    }

    /// So many jobs are about to be handed out.
    pub(super) fn look_down_the_line(&self, count: usize) {
        let line =
            || self.waiting.iter().take(count.min(SIGHT)).filter_map(|(_, slot)| self.jobs.get(slot.key as usize));
        line().for_each(look_at);
        line().for_each(look_at_body);
    }

    fn look_for(&self, id: &JobId) {
        black_box(self.by_id.find(id.hash_value(), |_| true));
    }
}

/// Fields that lie apart.
fn look_at(job: &Job) {
    black_box((job.sequence, job.id.hash_value(), job.chain.after, job.accepted));
}

fn look_at_body(job: &Job) {
    if let Some(body) = &job.body {
        black_box((Arc::strong_count(body), body.last()));
    }
}
