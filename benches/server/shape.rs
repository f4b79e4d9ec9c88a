//! The shapes that are measured, as data. A new shape is a new row in `all`, or in a file of those of its kind.

pub mod http;

use std::time::Duration;

use crate::cores::Place;
use crate::peer::{BEANSTALKD, FILE, FLOOR, GEARMAND, HTTP_FLOOR, NATIVE, REDIS, SERVER};

/// How many masters, workers and jobs, and what is looked at.
#[derive(Clone)]
pub struct Shape {
    /// On the command line.
    pub name: &'static str,
    /// In the table.
    pub title: String,
    pub masters: u16,
    /// Jobs that each master keeps submitted and unanswered.
    pub outstanding: u32,
    pub workers: u32,
    pub body_bytes: usize,
    /// Over how many types the jobs are dealt in turn. Workers join them in turn, too.
    pub types: u32,
    /// What lies in the queues all the while.
    pub standing: Standing,
    /// Idle workers of a type that nobody uses.
    pub crowd: u32,
    /// Its polls come on connections that have had an answer before.
    pub crowd_is_known: bool,
    /// How many jobs a worker may have in hand, where the dialect knows such a thing.
    pub credit: u32,
    /// Jobs are on disk before they are acknowledged, and go one way: accepted, worked if there are workers, their answers
    /// acknowledged.
    pub durable: bool,
    /// Jobs in one submit.
    pub batch: u32,
    pub measure: Measure,
    pub place: Place,
    /// Who takes part, by name.
    pub field: &'static [&'static str],
}

/// Jobs that are queued before the measurement, and should not matter to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    None,
    /// This many of a lower priority, behind the measured ones in the same queue.
    Behind(u32),
    /// One in each of this many other queues.
    Aside(u32),
}

/// What is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// A closed loop in its steady state.
    Steady,
    /// The same, but a job is done when it is accepted: nobody works.
    Submits,
    /// All jobs in, then all jobs out. `outstanding` of each master in all.
    Backlog,
    /// All jobs in, the server killed and started again, then jobs out. `outstanding` of each master in all.
    Restart,
}

/// How large the numbers are.
pub struct Scale {
    pub seconds: Duration,
    pub queued: u32,
    pub stored: u32,
    pub crowd: u32,
    pub types: u32,
}

impl Scale {
    /// The numbers of the targets.
    pub fn full(seconds: Duration) -> Scale {
        Scale { seconds, queued: 1_000_000, stored: 1_000_000, crowd: 10_000, types: 10_000 }
    }

    /// Enough to see that everything works.
    pub fn quick(seconds: Duration) -> Scale {
        Scale { seconds, queued: 10_000, stored: 5_000, crowd: 200, types: 100 }
    }
}

impl Shape {
    /// Open files that the load program needs, roughly; a server needs no more.
    pub fn connections(&self) -> u64 {
        u64::from(self.masters) * 2 + u64::from(self.workers) + u64::from(self.crowd) + 100
    }

    /// The shape whose cost this one should have, if nothing depends on what it adds.
    pub fn compared_to(&self) -> Option<&'static str> {
        COMPARISONS.iter().find(|(shape, _)| *shape == self.name).map(|(_, other)| *other)
    }

    /// By whose figures all others are divided, if it takes part.
    pub fn floor(&self) -> Option<&'static str> {
        self.field.iter().copied().find(|peer| [FLOOR, HTTP_FLOOR].contains(peer))
    }
}

/// Every shape, in the order of the report.
pub fn all(scale: &Scale) -> Vec<Shape> {
    let Scale { queued, stored, crowd, types, .. } = *scale;
    let durable = |name, title: &str, masters, outstanding, workers| Shape {
        title: format!("{title}, durable, one way"),
        credit: 16,
        durable: true,
        field: &[NATIVE, BEANSTALKD, REDIS],
        ..steady(name, masters, outstanding, workers)
    };
    let server = |name, title: String, workers, types, standing| Shape {
        title,
        types,
        standing,
        field: &[SERVER],
        ..steady(name, 4, 64, workers)
    };
    let body = |name, title: &str, body_bytes| Shape {
        title: format!("4 × 64 × 8, bodies of {title}"),
        body_bytes,
        ..steady(name, 4, 64, 8)
    };
    let backlog = Shape {
        title: format!("{} jobs queued, then worked off by 8 workers", thousands(queued)),
        measure: Measure::Backlog,
        ..steady("backlog", 4, queued / 4, 8)
    };
    let idle = Shape {
        title: format!("1 × 1 × 1 beside {} idle workers", thousands(crowd)),
        crowd,
        place: Place::Apart,
        ..steady("idle", 1, 1, 1)
    };
    let credit = Shape {
        title: "4 × 64 × 8, up to 64 jobs per worker at a time".to_owned(),
        credit: 64,
        field: &[NATIVE, FLOOR, GEARMAND],
        ..steady(CREDIT, 4, 64, 8)
    };
    let restart = Shape {
        title: format!("{} durable jobs of 1 KiB queued, then kill -9", thousands(stored)),
        body_bytes: 1024,
        batch: 1_000,
        measure: Measure::Restart,
        field: &[NATIVE],
        ..durable(RESTART, "", 1, stored, 8)
    };
    let aside = format!("4 × 64 × 8, {} other types with a job each", thousands(types - 1));
    let one = format!("4 × 64 × {}, all of one type", thousands(types));
    let each = format!("4 × 64 × {0}, jobs dealt over {0} types", thousands(types));
    let shallow = "4 × 64 × 8, 10 jobs of lower priority behind".to_owned();
    let deep = format!("4 × 64 × 8, {} jobs of lower priority behind", thousands(queued));
    let mut shapes = vec![
        Shape { place: Place::Apart, field: &EVERYBODY_AND_FILE, ..steady(ALONE, 1, 1, 1) },
        Shape { field: &EVERYBODY_AND_FILE, ..steady(BUSY, 4, 64, 8) },
        steady(WIDE, 64, 16, 64),
        credit,
        Shape { place: Place::Apart, ..durable(DURABLE_ALONE, "1 × 1 × 1", 1, 1, 1) },
        durable(DURABLE, "4 × 64 × 8", 4, 64, 8),
        restart,
        body("1KiB", "1 KiB", 1024),
        body("64KiB", "64 KiB", 64 * 1024),
        backlog,
        idle,
        server(TYPES_ASIDE, aside, 8, 1, Standing::Aside(types - 1)),
        server(ONE_TYPE, one, types, 1, Standing::None),
        server(MANY_TYPES, each, types, types, Standing::None),
        server(SHALLOW, shallow, 8, 1, Standing::Behind(10)),
        server(DEEP, deep, 8, 1, Standing::Behind(queued)),
    ];
    shapes.extend(http::all(scale));
    shapes
}

/// Round trips of small bodies, with everybody.
fn steady(name: &'static str, masters: u16, outstanding: u32, workers: u32) -> Shape {
    Shape {
        name,
        title: format!("{masters} × {outstanding} × {workers}"),
        masters,
        outstanding,
        workers,
        body_bytes: 64,
        types: 1,
        standing: Standing::None,
        crowd: 0,
        crowd_is_known: false,
        credit: 1,
        durable: false,
        batch: 1,
        measure: Measure::Steady,
        place: Place::Anywhere,
        field: &EVERYBODY,
    }
}

/// 1000000 as 1,000,000.
pub fn thousands(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One of everything.
pub const ALONE: &str = "1x1x1";
/// A few busy masters.
pub const BUSY: &str = "4x64x8";
/// Many of everything.
pub const WIDE: &str = "64x16x64";
/// Many jobs for each worker at a time.
pub const CREDIT: &str = "credit";
/// One durable job of everything.
pub const DURABLE_ALONE: &str = "durable-1x1x1";
/// A few busy masters, whose jobs outlive the server.
pub const DURABLE: &str = "durable-4x64x8";
/// A million jobs that outlive the server.
pub const RESTART: &str = "restart";
/// A million jobs.
pub const BACKLOG: &str = "backlog";
/// A crowd of workers.
pub const IDLE: &str = "idle";
/// Many types that nobody uses now.
pub const TYPES_ASIDE: &str = "types-aside";
/// A worker per type, but all of one.
pub const ONE_TYPE: &str = "types-1";
/// A worker per type.
pub const MANY_TYPES: &str = "types-10000";
/// Almost nothing behind.
pub const SHALLOW: &str = "depth-10";
/// A lot behind.
pub const DEEP: &str = "depth-1000000";

const EVERYBODY: [&str; 5] = [SERVER, FLOOR, BEANSTALKD, GEARMAND, REDIS];
const EVERYBODY_AND_FILE: [&str; 6] = [SERVER, FLOOR, FILE, BEANSTALKD, GEARMAND, REDIS];

const COMPARISONS: [(&str, &str); 3] = [(TYPES_ASIDE, BUSY), (MANY_TYPES, ONE_TYPE), (DEEP, SHALLOW)];
