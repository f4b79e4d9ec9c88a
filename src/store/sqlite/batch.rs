//! What a batch of records comes to: one deed per job at most, in the order of their numbers, so that the tree is walked once;
//! then one per note.

use std::collections::BTreeMap;

use crate::core::record::{Progress, Record, StoredJob};

/// The last word on a job or a note.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Deed<'a> {
    /// It is kept, this far.
    Put(&'a StoredJob, &'a Progress),
    /// It was kept before and is this far now.
    Change(u64, &'a Progress),
    /// It goes, if it is there.
    Remove(u64),
    /// The note with this key has this value; without one it goes, if it is there.
    Note(&'a str, Option<&'a [u8]>),
}

/// What `records` come to for a store that has seen the numbers up to `last_sequence`.
pub(super) fn settle(records: &[Record], last_sequence: u64) -> Vec<Deed<'_>> {
    let numbered = records.iter().zip(0..).filter_map(|(record, index)| Some((record.sequence()?, index)));
    let mut order: Vec<(u64, usize)> = numbered.collect();
    order.sort_unstable();
    let jobs = order.chunk_by(|one, other| one.0 == other.0);
    let jobs = jobs.filter_map(|same| last_word(records, same, last_sequence));
    jobs.chain(notes(records)).collect()
}

fn notes(records: &[Record]) -> impl Iterator<Item = Deed<'_>> {
    let last: BTreeMap<&str, Option<&[u8]>> = records.iter().filter_map(note).collect();
    last.into_iter().map(|(key, value)| Deed::Note(key, value))
}

fn note(record: &Record) -> Option<(&str, Option<&[u8]>)> {
    match record {
        Record::Note { key, value } => Some((key, value.as_deref())),
        Record::Put(_) | Record::Change { .. } | Record::Remove { .. } => None,
    }
}

fn last_word<'a>(records: &'a [Record], same: &[(u64, usize)], last_sequence: u64) -> Option<Deed<'a>> {
    let sequence = same[0].0;
    let mut word = None;
    for (_, index) in same {
        word = match (&records[*index], word) {
            (Record::Put(job), _) => Some(Deed::Put(job, &job.progress)),
            (Record::Change { progress, .. }, Some(Deed::Put(job, _))) => Some(Deed::Put(job, progress)),
            (Record::Change { progress, .. }, Some(Deed::Change(..) | Deed::Remove(_) | Deed::Note(..)) | None) => {
                Some(Deed::Change(sequence, progress))
            }
            (Record::Remove { .. }, _) => Some(Deed::Remove(sequence)),
            (Record::Note { .. }, word) => word,
        };
    }
    // A job that came and went within the batch leaves no trace.
    word.filter(|word| !matches!(word, Deed::Remove(_)) || sequence <= last_sequence)
}
