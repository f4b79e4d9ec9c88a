//! What happened lately in one queue, or in all: the second that is not over, the seconds and minutes before it.
//!
//! Everything is addressed by the number of its second or minute, so nothing has to happen while nothing happens.

use std::collections::VecDeque;

use super::histogram::{Bucket, Histogram, percentiles};
use super::meter::Times;
use super::ring::{Counts, Depth, MINUTES, Range, Ring, SECONDS, Step};
use super::snapshot::{Percentiles, SPARK_SECONDS};
use super::tally::Tally;

/// Rates are of so many whole seconds.
pub(super) const RATE_SECONDS: u32 = 10;

/// Percentiles are of this minute and those before it, so many in all.
pub(super) const TIMES_MINUTES: u32 = 5;

/// So few buckets are sorted rather than added up.
const FEW: usize = 64;

/// What happened lately.
#[derive(Debug)]
pub(super) struct Lately {
    /// The second that is not over …
    second: Step,
    /// … whether it is worth keeping, and its times.
    seen: bool,
    times: Times,
    /// The minute that is not over, without that second; and whether it is worth keeping.
    minute: Step,
    minute_seen: bool,
    /// The times of the last minutes, also of this one, and the numbers of those minutes.
    minute_times: VecDeque<(u32, Times)>,
    /// Times came or went since [`Lately::new_percentiles`].
    times_changed: bool,
    seconds: Ring,
    /// Only where a history is kept.
    minutes: Option<Ring>,
    /// The second in which something was counted last; 0 if never.
    last_counted: u32,
}

/// How much there was per second.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Rates {
    pub(super) accepted: f64,
    pub(super) ended: f64,
    pub(super) failed: f64,
}

impl Lately {
    /// Nothing has happened before this second, in which there is this much.
    pub(super) fn new(second: u32, depth: Depth) -> Lately {
        Lately {
            second: Step { number: second, depth, ..Step::default() },
            seen: false,
            times: Times::default(),
            minute: Step { number: second / 60, depth, ..Step::default() },
            minute_seen: false,
            minute_times: VecDeque::new(),
            times_changed: false,
            seconds: Ring::new(SPARK_SECONDS as u32, second, depth),
            minutes: None,
            last_counted: 0,
        }
    }

    /// In this second this was counted and measured, and there is so much at its end.
    pub(super) fn add(&mut self, second: u32, counts: Counts, depth: Depth, times: &Times) {
        self.advance(second);
        self.second.counts += counts;
        self.second.depth = depth;
        self.times.wait.merge(&times.wait);
        self.times.run.merge(&times.run);
        self.seen = true;
        self.times_changed |= !times.is_empty();
        if !counts.is_nothing() || !times.is_empty() {
            self.last_counted = self.second.number;
        }
    }

    /// It is this second now.
    pub(super) fn advance(&mut self, second: u32) {
        if second <= self.second.number {
            return;
        }
        self.end_second();
        self.second = Step { number: second, depth: self.second.depth, ..Step::default() };
        let minute = second / 60;
        if minute > self.minute.number {
            self.end_minute();
            self.minute = Step { number: minute, depth: self.minute.depth, ..Step::default() };
        }
        while self.minute_times.pop_front_if(|(number, _)| *number + TIMES_MINUTES <= minute).is_some() {
            self.times_changed = true;
        }
    }

    fn end_second(&mut self) {
        if !std::mem::take(&mut self.seen) {
            return;
        }
        self.second.wait_p95 = p95(&self.times.wait);
        self.second.run_p95 = p95(&self.times.run);
        self.seconds.put(self.second);
        self.minute.counts += self.second.counts;
        self.minute.depth = self.second.depth;
        self.minute_seen = true;
        if !self.times.is_empty() {
            if self.minute_times.back().is_none_or(|(number, _)| *number != self.minute.number) {
                self.minute_times.push_back((self.minute.number, Times::default()));
            }
            let (_, times) = self.minute_times.back_mut().expect("it was pushed if there was none");
            times.wait.merge(&self.times.wait);
            times.run.merge(&self.times.run);
            self.times.clear();
        }
    }

    fn end_minute(&mut self) {
        if !std::mem::take(&mut self.minute_seen) {
            return;
        }
        if let Some(minutes) = &mut self.minutes {
            if let Some((_, times)) = self.minute_times.back().filter(|(number, _)| *number == self.minute.number) {
                self.minute.wait_p95 = p95(&times.wait);
                self.minute.run_p95 = p95(&times.run);
            }
            minutes.put(self.minute);
        }
    }

    /// From now on a history is kept, or none.
    pub(super) fn keep_history(&mut self, keep: bool) {
        let second = self.second.number;
        self.minutes = keep.then(|| Ring::new(MINUTES, second / 60, self.minute.depth));
        self.seconds.set_reach(if keep { SECONDS } else { SPARK_SECONDS as u32 }, second);
    }

    /// Whether a history is kept.
    pub(super) fn keeps_history(&self) -> bool {
        self.minutes.is_some()
    }

    /// The second in which something was counted last; 0 if never.
    pub(super) fn last_counted(&self) -> u32 {
        self.last_counted
    }

    /// Something was counted in the last minute: rates and sparkline change from second to second.
    pub(super) fn is_moving(&self) -> bool {
        self.last_counted + SPARK_SECONDS as u32 >= self.second.number
    }

    /// There are times, so that percentiles change from minute to minute.
    pub(super) fn has_times(&self) -> bool {
        !self.minute_times.is_empty() || !self.times.is_empty()
    }

    /// How much there was per second, in the last whole ones.
    pub(super) fn rates(&self) -> Rates {
        let now = self.second.number;
        let mut sum = Counts::default();
        self.seconds.counts(now.saturating_sub(RATE_SECONDS), now).for_each(|(_, counts)| sum += counts);
        let per_second = |count: u32| f64::from(count) / f64::from(RATE_SECONDS);
        Rates { accepted: per_second(sum.accepted), ended: per_second(sum.ended), failed: per_second(sum.failed) }
    }

    /// How many jobs ended in each of the last whole seconds; nothing where none did.
    pub(super) fn spark(&self) -> Vec<u32> {
        let now = self.second.number;
        let mut spark = Vec::new();
        for (second, counts) in self.seconds.counts(now.saturating_sub(SPARK_SECONDS as u32), now) {
            if counts.ended > 0 {
                spark.resize(SPARK_SECONDS, 0);
                spark[SPARK_SECONDS - (now - second) as usize] = counts.ended;
            }
        }
        spark
    }

    /// How long jobs waited and attempts ran, in the last minutes; none where that is as it was when it was asked last.
    pub(super) fn new_percentiles(&mut self, scratch: &mut Histogram) -> Option<(Percentiles, Percentiles)> {
        std::mem::take(&mut self.times_changed)
            .then(|| (self.percentiles(|times| &times.wait, scratch), self.percentiles(|times| &times.run, scratch)))
    }

    fn percentiles(&self, part: fn(&Times) -> &Tally, scratch: &mut Histogram) -> Percentiles {
        let tallies = || self.minute_times.iter().map(|(_, times)| part(times)).chain([part(&self.times)]);
        // Thousands of queues with a few times each are sorted sooner than thousands of histograms are searched.
        if tallies().map(Tally::buckets).sum::<usize>() <= FEW {
            let mut few: Vec<(Bucket, u32)> = tallies().flat_map(Tally::counts).collect();
            few.sort_unstable_by_key(|(bucket, _)| *bucket);
            let count = few.iter().map(|(_, count)| u64::from(*count)).sum();
            let [p50, p95, p99] = percentiles(few.into_iter(), count, [50, 95, 99]);
            return Percentiles { p50, p95, p99, count };
        }
        scratch.clear();
        tallies().for_each(|tally| scratch.add(tally));
        let [p50, p95, p99] = scratch.percentiles([50, 95, 99]);
        Percentiles { p50, p95, p99, count: scratch.count() }
    }

    /// The last steps.
    pub(super) fn steps(&self, range: Range) -> Vec<Step> {
        match range {
            Range::FiveMinutes => self.seconds.all(self.second.number).collect(),
            Range::Day => match &self.minutes {
                Some(minutes) => minutes.all(self.minute.number).chain([self.open_minute()]).collect(),
                None => Vec::new(),
            },
        }
    }

    /// The minute that is not over, with its second that is not over.
    fn open_minute(&self) -> Step {
        let mut minute = self.minute;
        let mut times = self.times.clone();
        if let Some((_, before)) = self.minute_times.back().filter(|(number, _)| *number == minute.number) {
            times.wait.merge(&before.wait);
            times.run.merge(&before.run);
        }
        minute.counts += self.second.counts;
        Step { depth: self.second.depth, wait_p95: p95(&times.wait), run_p95: p95(&times.run), ..minute }
    }
}

fn p95(tally: &Tally) -> Option<Bucket> {
    tally.percentile(95).map(Bucket::of)
}

#[cfg(test)]
mod tests {
    use super::super::meter::Meter;
    use super::*;

    /// A time that begins with a minute.
    const START: u32 = 60_000;

    fn waited(times: &[u64]) -> Times {
        let mut meter = Meter::default();
        times.iter().for_each(|us| meter.waited(*us));
        meter.take()
    }

    fn ended(ended: u32) -> Counts {
        Counts { accepted: 2 * ended, ended, failed: 0 }
    }

    #[test]
    fn rates_are_those_of_the_last_ten_whole_seconds() {
        let mut lately = Lately::new(START, Depth::default());
        lately.add(START, ended(50), Depth::default(), &Times::default());
        assert_eq!(lately.rates(), Rates::default());
        for second in START + 1..=START + 10 {
            lately.advance(second);
            assert_eq!(lately.rates(), Rates { accepted: 10.0, ended: 5.0, failed: 0.0 });
            assert_eq!(lately.spark()[SPARK_SECONDS - (second - START) as usize], 50);
        }
        lately.advance(START + 11);
        assert_eq!(lately.rates(), Rates::default());
        lately.advance(START + 60);
        assert!(lately.is_moving() && lately.spark()[0] == 50);
        lately.advance(START + 61);
        assert!(!lately.is_moving() && lately.spark().is_empty());
    }

    #[test]
    fn percentiles_forget_what_is_older_than_five_minutes() {
        let mut lately = Lately::new(START, Depth::default());
        let mut scratch = Histogram::default();
        lately.add(START + 59, ended(1), Depth::default(), &waited(&[1_000_000]));
        lately.add(START + 60, ended(1), Depth::default(), &waited(&[7]));
        let (wait, run) = lately.new_percentiles(&mut scratch).unwrap();
        assert_eq!((wait.count, wait.p50, run), (2, Some(7), Percentiles::default()));
        lately.advance(START + 5 * 60 - 1);
        assert_eq!(lately.new_percentiles(&mut scratch), None);
        lately.advance(START + 5 * 60);
        assert_eq!(
            lately.new_percentiles(&mut scratch).unwrap().0,
            Percentiles { p50: Some(7), p95: Some(7), p99: Some(7), count: 1 }
        );
        assert!(lately.has_times());
        lately.advance(START + 6 * 60);
        assert!(!lately.has_times());
    }

    /// Sorted or added up, they are the same.
    #[test]
    fn percentiles_are_those_of_all_times_however_many() {
        for count in [1, 20, 5_000] {
            let (mut lately, mut all) = (Lately::new(START, Depth::default()), Histogram::default());
            for minute in 0..3 {
                let times: Vec<u64> = (0..count).map(|number| (number * 7_919 + minute) % 100_003).collect();
                times.iter().for_each(|us| all.record(*us));
                lately.add(START + 60 * minute as u32, ended(1), Depth::default(), &waited(&times));
            }
            let (wait, _) = lately.new_percentiles(&mut Histogram::default()).unwrap();
            let [p50, p95, p99] = all.percentiles([50, 95, 99]);
            assert_eq!(wait, Percentiles { p50, p95, p99, count: all.count() }, "of {count} times a minute");
        }
    }

    #[test]
    fn a_history_tells_seconds_and_minutes_with_their_times() {
        let mut lately = Lately::new(START, Depth { queued: 3, running: 0 });
        lately.keep_history(true);
        let depth = Depth { queued: 1, running: 2 };
        lately.add(START + 2, ended(4), depth, &waited(&[7; 100]));
        lately.add(START + 61, ended(1), depth, &waited(&[5]));
        lately.add(START + 62, ended(1), depth, &waited(&[6]));
        let p95 = |us: u64| Some(Bucket::of(us));
        let seconds = lately.steps(Range::FiveMinutes);
        assert_eq!(seconds.len(), 62);
        assert_eq!((seconds[1].depth.queued, seconds[1].counts), (3, Counts::default()));
        assert_eq!((seconds[2].depth, seconds[2].counts, seconds[2].wait_p95), (depth, ended(4), p95(7)));
        assert_eq!((seconds[3].depth, seconds[3].counts, seconds[3].wait_p95), (depth, Counts::default(), None));
        let minutes = lately.steps(Range::Day);
        assert_eq!(minutes.iter().map(|step| step.number).collect::<Vec<_>>(), [START / 60, START / 60 + 1]);
        assert_eq!((minutes[0].counts, minutes[0].wait_p95), (ended(4), p95(7)));
        assert_eq!((minutes[1].counts, minutes[1].wait_p95), (ended(2), p95(6)));
        lately.keep_history(false);
        assert!(lately.steps(Range::Day).is_empty());
        assert_eq!(lately.steps(Range::FiveMinutes).len(), 60);
    }

    #[test]
    fn a_history_tells_times_of_days() {
        let mut lately = Lately::new(START, Depth::default());
        lately.keep_history(true);
        let day_us = 24 * 3_600_000_000;
        lately.add(START, ended(1), Depth::default(), &waited(&[day_us]));
        lately.advance(START + 1);
        let wait = lately.steps(Range::FiveMinutes)[0].point(Range::FiveMinutes, 0).wait_p95;
        assert!((day_us..day_us / 8 * 9).contains(&wait), "{wait}");
    }
}
