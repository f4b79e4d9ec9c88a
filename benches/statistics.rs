//! What the statistics cost by themselves. `cargo bench --bench statistics`.
//!
//! | name | one iteration |
//! |---|---|
//! | `meter` | a queue measures that a job waited and that an attempt ran |
//! | `report` | a queue tells 200 times of the last second, the book enters them |
//! | `publish/N` | a snapshot of 10,000 queues, N of which changed |
//! | `publish/moving` | the same where none changed, but all did in the last minute |
//! | `history` | the last five minutes of all queues, by second |

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use procession::core::deadlines::Moment;
use procession::core::statistics::{Book, Meter, Range, Report, Retried, Times};
use procession::core::{Census, Now, TypeName};

const QUEUES: u32 = 10_000;

/// A book, and how far its time is.
struct Scene {
    book: Book,
    now: Now,
    kinds: Vec<TypeName>,
    accepted: u64,
}

impl Scene {
    /// All queues have reported once, and long ago.
    fn new() -> Scene {
        let kinds =
            (0..QUEUES).map(|queue| TypeName::from_text(&format!("type.number.{queue}")).expect("it is a name"));
        let now = at(1_700_000_000_000_000);
        let mut scene = Scene { book: Book::new(now, Census::default()), now, kinds: kinds.collect(), accepted: 0 };
        scene.report(QUEUES);
        scene.pass(600);
        scene
    }

    /// So many queues report.
    fn report(&mut self, queues: u32) {
        self.accepted += 1;
        for queue in 0..queues {
            self.book.enter(self.now, report(queue, &self.kinds[queue as usize], self.accepted, times(queue)));
        }
    }

    /// Time passes, with a snapshot whenever there is something to say.
    fn pass(&mut self, seconds: u64) {
        let end = self.now.at.0 + seconds * 1_000_000;
        while let Some(next) = self.book.next_publication().filter(|next| next.0 <= end) {
            self.now = at(next.0.max(self.now.at.0));
            self.book.publish(self.now);
        }
        self.now = at(end);
    }
}

fn at(us: u64) -> Now {
    Now { at: Moment(us), wall_ms: us / 1_000 }
}

fn report(queue: u32, kind: &TypeName, accepted: u64, times: Times) -> Report {
    Report {
        queue,
        kind: kind.clone(),
        paused: false,
        workers: 1,
        idle: 0,
        last_worker_left_ms: None,
        census: Census { accepted, queued: accepted, ..Census::default() },
        oldest_ms: Some(1),
        retried: Retried::default(),
        times,
        restored: false,
    }
}

/// 100 waits and 100 runs, spread over many buckets.
fn times(seed: u32) -> Times {
    let mut meter = Meter::default();
    for number in 0..100 {
        meter.waited(spread(seed.into(), number) % 5_000_000);
        meter.ran(spread(number, seed.into()) % 900_000);
    }
    meter.take()
}

fn spread(seed: u64, number: u64) -> u64 {
    (seed * 7_919 + number * number * 131).wrapping_mul(2_654_435_761) >> 16
}

fn meter(criterion: &mut Criterion) {
    let (mut meter, mut number) = (Meter::default(), 0);
    criterion.bench_function("meter", |bencher| {
        bencher.iter(|| {
            number += 997;
            meter.waited(black_box(number & 0xf_ffff));
            meter.ran(black_box(number & 0xffff));
        });
    });
}

fn reports(criterion: &mut Criterion) {
    let mut scene = Scene::new();
    let kind = scene.kinds[7].clone();
    let mut accepted = 1;
    criterion.bench_function("report", |bencher| {
        bencher.iter(|| {
            accepted += 1;
            scene.now.at.0 += 1_000_000;
            scene.book.enter(scene.now, report(7, &kind, accepted, times(accepted as u32 & 0xff)));
        });
    });
}

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    for (name, changing) in [("1", 1), ("100", 100), ("10000", QUEUES), ("moving", 0)] {
        let mut scene = Scene::new();
        let mut last = None;
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut elapsed = Duration::ZERO;
                for second in 0..iterations {
                    scene.report(changing);
                    if changing == 0 && second % 30 == 0 {
                        scene.report(QUEUES);
                        scene.pass(1);
                    }
                    scene.now = at(scene.now.at.0 + 1_000_000);
                    let start = Instant::now();
                    // The one before goes with it, as it does when nobody reads it any more.
                    last = scene.book.publish(scene.now);
                    elapsed += start.elapsed();
                }
                assert!(last.as_ref().is_some_and(|snapshot| snapshot.queues.len() == QUEUES as usize));
                elapsed
            });
        });
    }
    group.finish();
}

fn history(criterion: &mut Criterion) {
    let mut scene = Scene::new();
    for _ in 0..300 {
        scene.report(1);
        scene.pass(1);
    }
    criterion.bench_function("history", |bencher| {
        bencher.iter(|| scene.book.history(scene.now, None, Range::FiveMinutes));
    });
}

criterion_group! {
    name = statistics;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = meter, reports, publish, history
}
criterion_main!(statistics);
