//! A page of jobs from many sources, each newest first: which source to ask next, and when the page is whole.
//!
//! Sources are asked a little at a time, always the one that may have the newest job that is not known yet. So a page costs
//! what it shows and what was stepped over, not what there is; and the next page goes on exactly where this one ends.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::report::{Browse, Found, Report};

/// A page in the making.
#[derive(Debug)]
pub struct Merge {
    limit: usize,
    look_at: usize,
    most_bytes: usize,
    /// Only older jobs are asked for.
    before: u64,
    /// What may still have jobs: none newer than the first number, in the source with the second.
    sources: BinaryHeap<(u64, usize)>,
    jobs: Vec<Report>,
    looked_at: usize,
    bytes: usize,
}

/// What a source is to be asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Which source.
    pub source: usize,
    /// Only jobs older than this.
    pub before: u64,
}

impl Merge {
    /// The page that is asked for, out of sources that have nothing newer than `bounds` say. It ends early once it has looked at
    /// so many jobs, or what was found has so many bytes, as `browse` says.
    pub fn new(browse: &Browse, bounds: impl IntoIterator<Item = u64>) -> Merge {
        let Browse { limit, look_at, bytes: most_bytes, .. } = *browse;
        let before = browse.before.unwrap_or(u64::MAX);
        let bounds = bounds.into_iter().enumerate();
        let sources = bounds.map(|(source, newest)| (newest.min(before.saturating_sub(1)), source)).collect();
        Merge { limit, look_at, most_bytes, before, sources, jobs: Vec::new(), looked_at: 0, bytes: 0 }
    }

    /// Which source to ask next; none when the page is whole.
    pub fn next_ask(&mut self) -> Option<Ask> {
        let (bound, source) = *self.sources.peek()?;
        // Every source is looked into once at least, else the next page could begin where this one did.
        let may_end = bound < self.before.saturating_sub(1);
        let is_much = self.looked_at >= self.look_at || self.bytes > self.most_bytes;
        if self.is_full_above(bound) || may_end && is_much {
            return None;
        }
        self.sources.pop();
        Some(Ask { source, before: bound.saturating_add(1) })
    }

    /// What the source that was asked last has.
    pub fn add(&mut self, source: usize, found: Found) {
        if let Some(next) = found.next.filter(|next| *next > 0) {
            self.sources.push((next - 1, source));
        }
        self.looked_at += found.looked_at;
        self.bytes += found.bytes;
        if found.jobs.is_empty() {
            return;
        }
        self.jobs.extend(found.jobs);
        // Two lists in order: the stable sort takes that for what it is.
        self.jobs.sort_by_key(|report| Reverse(report.job.sequence));
        // One that moved from one source to another meanwhile may be in both.
        self.jobs.dedup_by_key(|report| report.job.sequence);
    }

    /// The page.
    pub fn finish(mut self) -> Found {
        // From here on nothing is missing.
        let complete_from = self.sources.peek().map_or(0, |(bound, _)| bound + 1);
        let complete = self.jobs.partition_point(|report| report.job.sequence >= complete_from);
        let is_cut = complete > self.limit;
        self.jobs.truncate(complete.min(self.limit));
        let next = match self.jobs.last() {
            Some(last) if is_cut => Some(last.job.sequence),
            Some(_) | None => (complete_from > 0).then_some(complete_from),
        };
        Found { jobs: self.jobs, next, looked_at: self.looked_at, bytes: self.bytes }
    }

    fn is_full_above(&self, bound: u64) -> bool {
        match self.limit.checked_sub(1) {
            Some(last) => self.jobs.get(last).is_some_and(|report| report.job.sequence > bound),
            None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::job::{JobId, Policy, TypeName};
    use crate::core::record::{Progress, StoredJob, StoredState};
    use proptest::prelude::*;

    fn report(sequence: u64) -> Report {
        let progress =
            Progress { state: StoredState::Queued, attempt: 0, deliveries: 0, priority: None, history: Vec::new() };
        Report::archived(StoredJob {
            sequence,
            id: JobId::from_text(&sequence.to_string()).expect("a good id"),
            kind: TypeName::unnamed(),
            priority: 0,
            body: [][..].into(),
            policy: Arc::new(Policy::durable()),
            created_ms: 0,
            born_ms: 0,
            master: "".into(),
            progress,
        })
    }

    /// What each job is said to have.
    const BYTES: usize = 10;

    /// A source that looks at a few of its jobs at a time.
    fn browse(jobs: &[u64], before: u64, limit: usize, look_at: usize) -> Found {
        let mut found = Found::default();
        for sequence in jobs.iter().copied().filter(|sequence| *sequence < before) {
            if found.jobs.len() == limit || found.looked_at == look_at {
                return found;
            }
            found.looked_at += 1;
            found.next = Some(sequence);
            // Every third job isn't asked for.
            if sequence % 3 > 0 {
                found.jobs.push(report(sequence));
                found.bytes += BYTES;
            }
        }
        Found { next: None, ..found }
    }

    proptest! {
        #[test]
        fn page_by_page_every_job_is_listed_once_and_newest_first(
            places in prop::collection::vec(0..5_usize, 0..200), limit in 1..20_usize, look_at in 1..40_usize, chunk in 1..9_usize,
            most_bytes in 0..300_usize,
        ) {
            let mut sources = vec![Vec::new(); 5];
            for (sequence, place) in (1..).zip(&places) {
                sources[*place].insert(0, sequence);
            }
            let (mut listed, mut before) = (Vec::new(), None);
            loop {
                let bounds = sources.iter().map(|jobs| jobs.first().copied().unwrap_or(0));
                let asked = Browse { limit, look_at, before, bytes: most_bytes, ..Browse::default() };
                let mut merge = Merge::new(&asked, bounds);
                while let Some(Ask { source, before }) = merge.next_ask() {
                    merge.add(source, browse(&sources[source], before, limit, chunk));
                }
                let found = merge.finish();
                prop_assert!(found.jobs.len() <= limit);
                prop_assert!(found.looked_at <= look_at + 5 * chunk + limit * 3);
                prop_assert!(found.bytes <= most_bytes + 6 * chunk * BYTES);
                listed.extend(found.jobs.iter().map(|report| report.job.sequence));
                let Some(next) = found.next else { break };
                prop_assert!(before.is_none_or(|before| next < before), "the next page goes on");
                before = Some(next);
            }
            let expected: Vec<u64> = (1..=places.len() as u64).rev().filter(|sequence| sequence % 3 > 0).collect();
            prop_assert_eq!(listed, expected);
        }
    }
}
