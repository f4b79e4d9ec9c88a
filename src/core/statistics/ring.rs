//! What happened in each of the last steps of time: seconds, or minutes.
//!
//! Only steps in which something happened are kept, so a gap costs nothing: in it nothing was counted, and the depths stayed as
//! they were. A ring never holds more than its reach, however time flows.

use std::collections::VecDeque;

use super::histogram::Bucket;
use super::snapshot::Point;

/// Seconds that a history shows.
pub const SECONDS: u32 = 300;

/// Minutes that a history shows.
pub const MINUTES: u32 = 24 * 60;

/// Which history.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// The last five minutes by second; the second that is not over is not among them.
    FiveMinutes,
    /// The last 24 hours by minute; the last of them is the one that is not over.
    Day,
}

impl Range {
    /// All of them.
    pub const ALL: [Range; 2] = [Range::FiveMinutes, Range::Day];

    /// As people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Range::FiveMinutes => "5m",
            Range::Day => "24h",
        }
    }

    /// What people wrote.
    pub fn parse(text: &str) -> Option<Range> {
        Range::ALL.into_iter().find(|range| range.as_str() == text)
    }

    /// How long one of its steps is, in milliseconds.
    pub fn step_ms(self) -> u64 {
        match self {
            Range::FiveMinutes => 1_000,
            Range::Day => 60_000,
        }
    }
}

/// One step, by its number since 1970.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) number: u32,
    pub(super) counts: Counts,
    pub(super) depth: Depth,
    pub(super) wait_p95: Option<Bucket>,
    pub(super) run_p95: Option<Bucket>,
}

/// What was counted in a step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Counts {
    pub(super) accepted: u32,
    pub(super) ended: u32,
    pub(super) failed: u32,
}

impl Counts {
    pub(super) fn is_nothing(self) -> bool {
        self == Counts::default()
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.accepted = self.accepted.saturating_add(other.accepted);
        self.ended = self.ended.saturating_add(other.ended);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

/// What there was at the end of a step.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Depth {
    pub(super) queued: u32,
    pub(super) running: u32,
}

/// The last steps, oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    reach: u32,
    /// Nothing is known of what was before this step.
    since: u32,
    /// The depth before the first step that is kept.
    before: Depth,
    steps: VecDeque<Step>,
}

impl Ring {
    /// Nothing has happened before the step `since`, in which there was this much.
    pub(super) fn new(reach: u32, since: u32, before: Depth) -> Ring {
        Ring { reach, since, before, steps: VecDeque::new() }
    }

    /// Adds a step that is later than all before it.
    pub(super) fn put(&mut self, step: Step) {
        debug_assert!(self.steps.back().is_none_or(|last| last.number < step.number), "time goes forward");
        self.forget(step.number);
        if self.steps.len() == self.steps.capacity() {
            // Never more than the reach, which doubling would exceed.
            let room = self.reach as usize - self.steps.len();
            self.steps.reserve_exact(self.steps.len().max(FIRST_STEPS).min(room));
        }
        self.steps.push_back(step);
    }

    /// Reaches this far from now on.
    pub(super) fn set_reach(&mut self, reach: u32, now: u32) {
        self.since = self.since.max(self.first(now));
        self.reach = reach;
        self.forget(now);
        self.steps.shrink_to_fit();
    }

    /// What was counted in the steps from `from` up to, but not in, `to`.
    pub(super) fn counts(&self, from: u32, to: u32) -> impl Iterator<Item = (u32, Counts)> + '_ {
        let recent = self.steps.iter().rev().skip_while(move |step| step.number >= to);
        recent.take_while(move |step| step.number >= from).map(|step| (step.number, step.counts))
    }

    /// All steps of the reach before `end`, also those in which nothing happened; none from before this ring.
    pub(super) fn all(&self, end: u32) -> impl Iterator<Item = Step> + '_ {
        let first = self.first(end).max(self.since);
        let mut steps = self.steps.iter().peekable();
        let mut depth = self.before;
        while let Some(step) = steps.next_if(|step| step.number < first) {
            depth = step.depth;
        }
        (first..end).map(move |number| {
            let step = steps.next_if(|step| step.number == number).copied();
            let step = step.unwrap_or(Step { number, depth, ..Step::default() });
            depth = step.depth;
            step
        })
    }

    /// Lets go of what is out of reach in this step.
    fn forget(&mut self, now: u32) {
        let first = (now + 1).saturating_sub(self.reach);
        while let Some(step) = self.steps.pop_front_if(|step| step.number < first) {
            self.before = step.depth;
        }
    }

    /// The first step that is in reach of those before `end`.
    fn first(&self, end: u32) -> u32 {
        end.saturating_sub(self.reach)
    }
}

/// A ring begins with room for so many steps.
const FIRST_STEPS: usize = 8;

impl Step {
    /// For people. Steps are counted by the clock that never jumps: `wall_ahead_ms` tells what to add to it.
    pub(super) fn point(self, range: Range, wall_ahead_ms: i64) -> Point {
        let Step { number, counts, depth, wait_p95, run_p95 } = self;
        let longest = |bucket: Option<Bucket>| bucket.map_or(0, Bucket::longest);
        Point {
            at_ms: (u64::from(number) * range.step_ms()).saturating_add_signed(wall_ahead_ms),
            accepted: counts.accepted,
            ended: counts.ended,
            failed: counts.failed,
            queued: depth.queued,
            running: depth.running,
            wait_p95: longest(wait_p95),
            run_p95: longest(run_p95),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_are_written_as_they_are_read() {
        assert_eq!(Range::ALL.map(|range| Range::parse(range.as_str())), Range::ALL.map(Some));
        assert_eq!(Range::parse("1y"), None);
    }

    proptest! {
        /// Whatever the gaps: the last steps are those of a list that keeps everything, and no memory is held beyond the reach.
        #[test]
        fn a_ring_tells_the_end_of_a_list_that_keeps_all(
            gaps in prop::collection::vec((prop_oneof![4 => 1u32..3, 1 => 1u32..40], 0u32..5, 0u32..9), 0..80),
            later in 1u32..30,
        ) {
            let (reach, since) = (20, 1_000);
            let mut ring = Ring::new(reach, since, Depth { queued: 3, running: 0 });
            let (mut naive, mut number) = (Vec::new(), since - 1);
            let mut depth = Depth { queued: 3, running: 0 };
            for (gap, accepted, queued) in gaps {
                naive.extend((number + 1..number + gap).map(|number| Step { number, depth, ..Step::default() }));
                number += gap;
                depth = Depth { queued, running: 1 };
                let step = Step { number, counts: Counts { accepted, ..Counts::default() }, depth, wait_p95: Some(Bucket::of(7)), run_p95: None };
                naive.push(step);
                ring.put(step);
                prop_assert!(ring.steps.capacity() <= reach as usize);
            }
            naive.extend((number + 1..number + later).map(|number| Step { number, depth, ..Step::default() }));
            let kept = naive.split_off(naive.len().saturating_sub(reach as usize));
            prop_assert_eq!(ring.all(number + later).collect::<Vec<_>>(), kept.clone());
            let sum = ring.counts(number + later - 5, number + later).map(|(_, counts)| counts.accepted).sum::<u32>();
            prop_assert_eq!(sum, kept.iter().rev().take(5).map(|step| step.counts.accepted).sum::<u32>());
        }
    }
}
