//! What a batch of records comes to: one deed per job at most, in the order of their numbers, so that the tree is walked once.

use crate::core::record::{Progress, Record, StoredJob};

/// The last word on a job.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Deed<'a> {
    /// It is kept, this far.
    Put(&'a StoredJob, &'a Progress),
    /// It was kept before and is this far now.
    Change(u64, &'a Progress),
    /// It goes, if it is there.
    Remove(u64),
}

/// What `records` come to for a store that has seen the numbers up to `last_sequence`.
pub(super) fn settle(records: &[Record], last_sequence: u64) -> Vec<Deed<'_>> {
    let mut order: Vec<(u64, usize)> = records.iter().map(Record::sequence).zip(0..).collect();
    order.sort_unstable();
    order.chunk_by(|one, other| one.0 == other.0).filter_map(|same| last_word(records, same, last_sequence)).collect()
}

fn last_word<'a>(records: &'a [Record], same: &[(u64, usize)], last_sequence: u64) -> Option<Deed<'a>> {
    let sequence = same[0].0;
    let mut word = None;
    for (_, index) in same {
        word = Some(match (&records[*index], word) {
            (Record::Put(job), _) => Deed::Put(job, &job.progress),
            (Record::Change { progress, .. }, Some(Deed::Put(job, _))) => Deed::Put(job, progress),
            (Record::Change { progress, .. }, Some(Deed::Change(..) | Deed::Remove(_)) | None) => {
                Deed::Change(sequence, progress)
            }
            (Record::Remove { .. }, _) => Deed::Remove(sequence),
        });
    }
    // A job that came and went within the batch leaves no trace.
    word.filter(|word| !matches!(word, Deed::Remove(_)) || sequence <= last_sequence)
}
