//! The book against a list that forgets nothing.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::lately::{RATE_SECONDS, TIMES_MINUTES};
use super::super::meter::Meter;
use super::super::ring::SECONDS;
use super::super::snapshot::SPARK_SECONDS;
use super::*;

/// A time that begins with a minute, in microseconds, where the wall is an hour ahead.
const START: u64 = 1_700_000_040_000_000;
const HOUR_MS: u64 = 3_600_000;

fn at(us: u64) -> Now {
    Now { at: Moment(us), wall_ms: us / 1_000 + HOUR_MS }
}

fn kind(number: QueueNo) -> TypeName {
    TypeName::from_text(&format!("type {}", number % TYPES)).unwrap()
}

const TYPES: u32 = 5;

fn report(queue: QueueNo, census: Census, retried: Retried, times: Times) -> Report {
    Report {
        queue,
        kind: kind(queue),
        paused: false,
        workers: 1,
        idle: 0,
        last_worker_left_ms: None,
        census,
        oldest_ms: (census.queued > 0).then_some(u64::from(queue)),
        retried,
        times,
        restored: false,
    }
}

/// What a step of the test does.
#[derive(Clone, Debug)]
enum Deed {
    /// So many microseconds pass.
    Pass(u64),
    /// In this queue so many are accepted, handed out after this wait, completed, failed, retried.
    Report { queue: u32, accepted: u64, handed: u64, wait_us: u64, completed: u64, failed: u64, retried: u64 },
    /// This queue dies; a job it had lives on in the next one of its type.
    Die { queue: u32 },
}

fn deed() -> impl Strategy<Value = Deed> {
    let report = (0..TYPES, 0u64..9, 0u64..9, 0u64..100_000, 0u64..5, 0u64..3, 0u64..2).prop_map(
        |(queue, accepted, handed, wait_us, completed, failed, retried)| Deed::Report {
            queue,
            accepted,
            handed,
            wait_us,
            completed,
            failed,
            retried,
        },
    );
    prop_oneof![
        10 => report,
        5 => (0u64..1_500_000).prop_map(Deed::Pass),
        1 => (0u64..80_000_000).prop_map(Deed::Pass),
        1 => (0u64..400_000_000).prop_map(Deed::Pass),
        1 => (0..TYPES).prop_map(|queue| Deed::Die { queue }),
    ]
}

/// What happened, all of it.
#[derive(Default)]
struct Naive {
    /// By type: its queue's number, what it reported last.
    queues: BTreeMap<u32, (QueueNo, Census, Retried)>,
    next: QueueNo,
    buried: Census,
    /// Second, type, counts.
    counted: Vec<(u32, u32, Counts)>,
    /// Second, type, wait.
    waits: Vec<(u32, u32, u64)>,
    /// Second and depth of all.
    depths: Vec<(u32, Depth)>,
}

impl Naive {
    fn total(&self) -> Census {
        let mut total = self.buried;
        self.queues.values().for_each(|(_, census, _)| total += *census);
        total
    }

    fn counts(&self, kind: Option<u32>, from: u32, to: u32) -> Counts {
        let mut sum = Counts::default();
        for (_, _, counts) in self
            .counted
            .iter()
            .filter(|(second, of, _)| (from..to).contains(second) && kind.is_none_or(|kind| kind == *of))
        {
            sum += *counts;
        }
        sum
    }

    fn check(&self, now: u32, kind: Option<u32>, figures: &Figures) -> Result<(), TestCaseError> {
        prop_assert!(figures.census.is_balanced());
        let sum = self.counts(kind, now - RATE_SECONDS, now);
        let told = (figures.rate_in, figures.rate_out, figures.rate_failed);
        prop_assert_eq!(
            told,
            (sum.accepted.into(), sum.ended.into(), sum.failed.into()).map_all(|sum: f64| sum / 10.0)
        );
        let spark: Vec<u32> =
            (now - SPARK_SECONDS as u32..now).map(|second| self.counts(kind, second, second + 1).ended).collect();
        if figures.spark.is_empty() {
            prop_assert!(spark.iter().all(|ended| *ended == 0));
        } else {
            prop_assert_eq!(&figures.spark, &spark);
        }
        let mut waits: Vec<u64> = self
            .waits
            .iter()
            .filter(|(second, of, _)| second / 60 + TIMES_MINUTES > now / 60 && kind.is_none_or(|kind| kind == *of))
            .map(|(_, _, wait)| *wait)
            .collect();
        waits.sort_unstable();
        prop_assert_eq!(figures.wait.count, waits.len() as u64);
        prop_assert_eq!(figures.wait.p95.is_some(), !waits.is_empty());
        if let Some(p95) = figures.wait.p95 {
            let exact = waits[(waits.len() * 95).div_ceil(100) - 1];
            prop_assert!(exact <= p95 && p95 <= exact + exact / 8);
        }
        Ok(())
    }
}

trait MapAll {
    fn map_all(self, f: impl Fn(f64) -> f64) -> Self;
}

impl MapAll for (f64, f64, f64) {
    fn map_all(self, f: impl Fn(f64) -> f64) -> Self {
        (f(self.0), f(self.1), f(self.2))
    }
}

/// A book and everything that was written into it.
struct Trial {
    now: u64,
    book: Book,
    naive: Naive,
    last: Option<(u64, Arc<Snapshot>)>,
}

impl Trial {
    fn new(histories: usize) -> Trial {
        Trial { now: START, book: Book::with_histories(at(START), histories), naive: Naive::default(), last: None }
    }

    fn second(&self) -> u32 {
        second(at(self.now))
    }

    fn does(&mut self, deed: Deed) -> Result<(), TestCaseError> {
        match deed {
            Deed::Pass(us) => return self.pass(us),
            Deed::Report { queue, accepted, handed, wait_us, completed, failed, retried } => {
                self.report(queue, accepted, handed, wait_us, completed, failed, retried);
            }
            Deed::Die { queue } => self.die(queue),
        }
        self.publish()
    }

    /// Publishes whenever the book says so.
    fn pass(&mut self, us: u64) -> Result<(), TestCaseError> {
        let end = self.now + us;
        while let Some(next) = self.book.next_publication().filter(|next| next.0 <= end) {
            self.now = self.now.max(next.0);
            self.publish()?;
        }
        self.now = end;
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn report(
        &mut self,
        kind: u32,
        accepted: u64,
        handed: u64,
        wait_us: u64,
        completed: u64,
        failed: u64,
        retried: u64,
    ) {
        let (second, naive) = (self.second(), &mut self.naive);
        let (number, census, retries) = naive.queues.entry(kind).or_insert_with(|| {
            naive.next += TYPES;
            (naive.next + kind, Census::default(), Retried::default())
        });
        census.accepted += accepted;
        census.queued += accepted;
        let handed = handed.min(census.queued);
        (census.queued, census.running) = (census.queued - handed, census.running + handed);
        let completed = completed.min(census.running);
        (census.running, census.completed) = (census.running - completed, census.completed + completed);
        let failed = failed.min(census.running);
        (census.running, census.failed) = (census.running - failed, census.failed + failed);
        let retried = retried.min(census.failed);
        (census.failed, census.queued) = (census.failed - retried, census.queued + retried);
        retries.failed += retried;
        let mut meter = Meter::default();
        (0..handed).for_each(|_| meter.waited(wait_us));
        let report = report(*number, *census, *retries, meter.take());
        let counts = Counts { accepted: accepted as u32, ended: (completed + failed) as u32, failed: failed as u32 };
        naive.counted.push((second, kind, counts));
        naive.waits.extend((0..handed).map(|_| (second, kind, wait_us)));
        naive.depths.push((second, depth(&naive.total())));
        self.book.enter(at(self.now), report);
    }

    /// One job in line lives on, the others have failed.
    fn die(&mut self, kind: u32) {
        let Some((number, mut census, _)) = self.naive.queues.remove(&kind) else { return };
        let survivors = census.queued.min(1);
        let lost = census.live() - survivors;
        census.accepted -= survivors;
        census.failed += lost;
        (census.queued, census.running) = (0, 0);
        self.naive.buried += census;
        let second = self.second();
        // The type has no history any more, the total has.
        self.naive.counted.iter_mut().filter(|(_, of, _)| *of == kind).for_each(|(_, of, _)| *of = NOBODY);
        self.naive.waits.iter_mut().filter(|(_, of, _)| *of == kind).for_each(|(_, of, _)| *of = NOBODY);
        self.naive.counted.push((second, NOBODY, Counts { accepted: 0, ended: lost as u32, failed: lost as u32 }));
        self.book.queue_died(at(self.now), number, self.naive.buried);
        self.naive.depths.push((second, depth(&self.naive.total())));
        if survivors > 0 {
            self.naive.next += TYPES;
            let number = self.naive.next + kind;
            let census = Census { accepted: survivors, queued: survivors, ..Census::default() };
            self.naive.queues.insert(kind, (number, census, Retried::default()));
            let report = Report { restored: true, ..report(number, census, Retried::default(), Times::default()) };
            self.book.enter(at(self.now), report);
            self.naive.depths.push((second, depth(&self.naive.total())));
        }
    }

    fn publish(&mut self) -> Result<(), TestCaseError> {
        let Some(snapshot) = self.book.publish(at(self.now)) else { return Ok(()) };
        let now = self.second();
        prop_assert_eq!(snapshot.at_ms, self.now / 1_000 + HOUR_MS);
        prop_assert_eq!(snapshot.total.census, self.naive.total());
        self.naive.check(now, None, &snapshot.total)?;
        let told: Vec<(QueueNo, Census)> =
            snapshot.queues.iter().map(|queue| (queue.queue, queue.figures.census)).collect();
        let naive: Vec<(QueueNo, Census)> =
            self.naive.queues.values().map(|(queue, census, _)| (*queue, *census)).collect();
        prop_assert_eq!(told, naive);
        for queue in &snapshot.queues {
            self.naive.check(now, Some(queue.queue % TYPES), &queue.figures)?;
            prop_assert_eq!(snapshot.queue(&queue.kind).map(|found| found.queue), Some(queue.queue));
        }
        if let Some((before, last)) = &self.last {
            prop_assert!(self.now - before >= PUBLISH_EVERY_MS * 1_000);
            prop_assert_eq!(last.version + 1, snapshot.version);
        }
        self.last = Some((self.now, snapshot));
        self.check_history()
    }

    fn check_history(&mut self) -> Result<(), TestCaseError> {
        let now = self.second();
        let history = self.book.history(at(self.now), None, Range::FiveMinutes).unwrap();
        let first = now.saturating_sub(SECONDS).max(second(at(START)));
        prop_assert_eq!(history.len() as u32, now - first);
        for (point, number) in history.iter().zip(first..) {
            prop_assert_eq!(point.at_ms, u64::from(number) * 1_000 + HOUR_MS);
            let counts = self.naive.counts(None, number, number + 1);
            prop_assert_eq!(
                (point.accepted, point.ended, point.failed),
                (counts.accepted, counts.ended, counts.failed)
            );
            let depth = self.naive.depths.iter().rev().find(|(second, _)| *second <= number);
            let depth = depth.map_or(Depth::default(), |(_, depth)| *depth);
            prop_assert_eq!((point.queued, point.running), (depth.queued, depth.running));
        }
        let day = self.book.history(at(self.now), None, Range::Day).unwrap();
        let ended: u64 = day.iter().map(|point| u64::from(point.ended)).sum();
        let naive: u64 = self.naive.counted.iter().map(|(_, _, counts)| u64::from(counts.ended)).sum();
        prop_assert_eq!(ended, naive);
        Ok(())
    }
}

/// A type that is none.
const NOBODY: u32 = u32::MAX;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is reported when: each snapshot says what a list that forgets nothing says, balances, and comes no sooner than a
    /// second after the one before; when nothing happens any more, nothing needs to be done any more.
    #[test]
    fn snapshots_say_what_a_full_list_says(deeds in prop::collection::vec(deed(), 1..60), histories in 0usize..4) {
        let mut trial = Trial::new(histories);
        for deed in deeds {
            trial.does(deed)?;
        }
        trial.pass(400_000_000)?;
        prop_assert_eq!(trial.book.next_publication(), None);
        prop_assert!(trial.book.historic.len() <= histories);
        let kept = trial.book.rows.iter().flatten().filter(|row| row.lately.is_some()).count();
        prop_assert_eq!(kept, trial.book.historic.len());
        let snapshot = trial.last.unwrap().1;
        prop_assert!(snapshot.queues.iter().all(|queue| queue.figures.rate_in == 0.0 && queue.figures.wait.count == 0));
    }
}

fn accepted(queue: QueueNo, accepted: u64) -> Report {
    let census = Census { accepted, queued: accepted, ..Census::default() };
    report(queue, census, Retried::default(), Times::default())
}

#[test]
fn quiet_queues_are_shared_between_snapshots() {
    let mut book = Book::new(at(START), Census::default());
    book.enter(at(START), accepted(0, 1));
    book.enter(at(START), accepted(1, 1));
    let first = book.publish(at(START)).unwrap();
    let mut now = START;
    while let Some(next) = book.next_publication() {
        now = next.0;
        book.publish(at(now));
    }
    assert!(now > START + SPARK_SECONDS as u64 * 1_000_000 && now < START + 400_000_000);
    book.enter(at(now + 5_000_000), accepted(0, 2));
    let second = book.publish(at(now + 5_000_000)).unwrap();
    book.enter(at(now + 6_000_000), accepted(0, 3));
    let third = book.publish(at(now + 6_000_000)).unwrap();
    assert!(!Arc::ptr_eq(&first.queues[1], &second.queues[1]));
    assert!(Arc::ptr_eq(&second.queues[1], &third.queues[1]));
    assert!(!Arc::ptr_eq(&second.queues[0], &third.queues[0]));
    assert_eq!((second.queues[0].figures.census.accepted, third.queues[0].figures.census.accepted), (2, 3));
}

#[test]
fn the_queue_that_is_quiet_longest_gives_its_history_to_one_that_wants_it() {
    let mut book = Book::with_histories(at(START), 2);
    let day = |book: &mut Book, now: u64, queue: QueueNo| {
        book.history(at(now), Some(&kind(queue)), Range::Day).unwrap().len()
    };
    book.enter(at(START), accepted(0, 1));
    book.enter(at(START + 1_000_000), accepted(1, 1));
    book.enter(at(START + 2_000_000), accepted(2, 1));
    book.publish(at(START + 2_000_000));
    assert_eq!([0, 1, 2].map(|queue| day(&mut book, START + 2_000_000, queue)), [1, 1, 0]);
    // All are safe for a minute.
    book.enter(at(START + 59_000_000), accepted(1, 2));
    book.enter(at(START + 70_000_000), accepted(2, 2));
    book.publish(at(START + 70_000_000));
    book.enter(at(START + 71_000_000), accepted(2, 3));
    assert_eq!([0, 1, 2].map(|queue| day(&mut book, START + 71_000_000, queue)), [0, 2, 1]);
    assert_eq!(book.history(at(START), Some(&kind(3)), Range::Day), None);
}

#[test]
fn what_a_store_gave_back_did_not_happen_now() {
    let mut book = Book::new(at(START), Census::default());
    book.enter(at(START), Report { restored: true, ..accepted(0, 1_000) });
    book.enter(at(START), accepted(0, 1_003));
    let snapshot = (1..3).filter_map(|seconds| book.publish(at(START + seconds * 1_000_000))).last().unwrap();
    assert_eq!((snapshot.total.census.accepted, snapshot.total.rate_in), (1_003, 0.3));
    assert_eq!(snapshot.queues[0].figures.rate_in, 0.3);
}

#[test]
fn a_type_that_comes_back_has_one_row() {
    let mut book = Book::new(at(START), Census::default());
    book.enter(at(START), accepted(0, 7));
    book.enter(at(START), accepted(TYPES, 2));
    let snapshot = book.publish(at(START)).unwrap();
    assert_eq!(snapshot.queues.iter().map(|queue| queue.queue).collect::<Vec<_>>(), [TYPES]);
    let buried = Census { accepted: 7, failed: 7, ..Census::default() };
    book.queue_died(at(START), 0, buried);
    let snapshot = book.publish(at(START + 1_000_000)).unwrap();
    assert_eq!((snapshot.total.census.accepted, snapshot.total.census.failed), (9, 7));
    assert_eq!(snapshot.total.rate_failed, 0.0, "what the one before had done was told before it came back");
}
