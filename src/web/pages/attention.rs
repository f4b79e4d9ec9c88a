//! What an operator should look at now. Pure: figures in, sentences out, the gravest first.

use crate::core::statistics::{QueueFigures, Snapshot};

use super::link::{self, Link};
use super::server::{ProcessorFigures, ServerFigures};
use super::words;

/// One thing to look at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attention {
    /// How grave it is.
    pub gravity: Gravity,
    /// What tells it from the others, also when figures in it change.
    pub key: String,
    /// What is so.
    pub what: String,
    /// Where to look.
    pub link: Link,
}

/// How grave a thing is, the gravest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Gravity {
    /// Something is broken.
    Trouble,
    /// Something will be, or somebody waits.
    Warning,
}

/// A queued job that waits longer than this, although there are workers, is too old: five minutes.
pub const TOO_OLD_MS: u64 = 5 * 60_000;
/// Failures rise where more than this share of what ends in the last ten seconds fails for good.
pub const FAILING_SHARE: f64 = 0.05;
/// A disk with less than this is low: 1 GiB.
pub const LOW_DISK_BYTES: u64 = 1 << 30;
/// Of each kind, this many are named; the rest are counted.
const NAMED: usize = 3;

/// All there is to look at.
pub fn attention(
    snapshot: &Snapshot,
    server: &ServerFigures,
    processors: &[ProcessorFigures],
    now_ms: u64,
) -> Vec<Attention> {
    let mut found = Vec::new();
    of_server(server, &mut found);
    of_processors(processors, &mut found);
    let old = |queue: &QueueFigures| !queue.paused && queue.workers > 0 && age_ms(queue, now_ms) > TOO_OLD_MS;
    of_queues(
        snapshot,
        &mut found,
        &Kind {
            gravity: Gravity::Warning,
            shows: "unattended",
            is: |queue: &QueueFigures| is_unattended(queue),
            weighs: |queue: &QueueFigures| queue.figures.census.queued,
            says: |queue: &QueueFigures| {
                let waiting = words::counted(queue.figures.census.queued, "job waits", "jobs wait");
                let left = match queue.last_worker_left_ms {
                    Some(left_ms) => {
                        format!("the last one left {} ago", words::whole_seconds(now_ms.saturating_sub(left_ms)))
                    }
                    None => "none has ever come".to_owned(),
                };
                format!("{waiting} and there is no worker: {left}")
            },
            rest: "more queues have jobs and no workers",
        },
    );
    of_queues(
        snapshot,
        &mut found,
        &Kind {
            gravity: Gravity::Warning,
            shows: "old",
            is: old,
            weighs: |queue: &QueueFigures| age_ms(queue, now_ms),
            says: |queue: &QueueFigures| {
                format!("the oldest job has waited {}", words::whole_seconds(age_ms(queue, now_ms)))
            },
            rest: "more queues have jobs that wait long",
        },
    );
    of_queues(
        snapshot,
        &mut found,
        &Kind {
            gravity: Gravity::Warning,
            shows: "failing",
            is: is_failing,
            weighs: |queue: &QueueFigures| (queue.figures.rate_failed * 1e3) as u64,
            says: |queue: &QueueFigures| {
                let share = queue.figures.rate_failed / queue.figures.rate_out;
                format!(
                    "{} of what ends fails for good ({})",
                    words::percent(share.min(1.0)),
                    words::rate(queue.figures.rate_failed)
                )
            },
            rest: "more queues fail often",
        },
    );
    of_queues(
        snapshot,
        &mut found,
        &Kind {
            gravity: Gravity::Warning,
            shows: "paused",
            is: |queue: &QueueFigures| queue.paused && queue.figures.census.queued > 0,
            weighs: |queue: &QueueFigures| queue.figures.census.queued,
            says: |queue: &QueueFigures| {
                format!("paused, and {}", words::counted(queue.figures.census.queued, "job waits", "jobs wait"))
            },
            rest: "more queues are paused with jobs in them",
        },
    );
    found.sort_by_key(|attention| attention.gravity);
    found
}

/// It has jobs and nobody takes them.
pub fn is_unattended(queue: &QueueFigures) -> bool {
    queue.figures.census.queued > 0 && queue.workers == 0 && !queue.paused
}

/// Too much of what ends in it fails.
pub fn is_failing(queue: &QueueFigures) -> bool {
    queue.figures.rate_failed >= 0.1 && queue.figures.rate_failed > queue.figures.rate_out * FAILING_SHARE
}

/// How long its oldest queued job has waited, in milliseconds.
pub fn age_ms(queue: &QueueFigures, now_ms: u64) -> u64 {
    queue.figures.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms))
}

fn of_server(server: &ServerFigures, found: &mut Vec<Attention>) {
    if server.draining {
        found.push(Attention {
            gravity: Gravity::Trouble,
            key: "draining".to_owned(),
            what: "The server is draining: it takes no more jobs and stops when those that run have ended".to_owned(),
            link: Link::to("/system"),
        });
    }
    let Some(store) = &server.store else { return };
    let link = Link::to("/system");
    if store.is_full {
        let what = "The disk of the store is full: durable jobs are refused until there is room".to_owned();
        found.push(Attention { gravity: Gravity::Trouble, key: "disk".to_owned(), what, link });
    } else if let Some(free) = store.free_bytes.filter(|&free| free < LOW_DISK_BYTES) {
        let what =
            format!("The disk of the store has {} left: when it is full, durable jobs are refused", words::bytes(free));
        found.push(Attention { gravity: Gravity::Trouble, key: "disk".to_owned(), what, link });
    }
}

fn of_processors(processors: &[ProcessorFigures], found: &mut Vec<Attention>) {
    let mut down = processors.iter().filter(|processor| !processor.is_up);
    for processor in down.by_ref().take(NAMED) {
        found.push(Attention {
            gravity: Gravity::Trouble,
            key: format!("processor/{}", processor.id),
            what: format!("Processor {} ({}) doesn't answer at {}", processor.name, processor.id, processor.url),
            link: Link::to("/workers"),
        });
    }
    let rest = down.count() as u64;
    if rest > 0 {
        found.push(Attention {
            gravity: Gravity::Trouble,
            key: "processor".to_owned(),
            what: format!("{} don't answer either", words::counted(rest, "more processor", "more processors")),
            link: Link::to("/workers"),
        });
    }
}

/// One reason to look at a queue.
struct Kind<Is, Weighs, Says> {
    gravity: Gravity,
    /// The filter of the list of queues that shows all of them.
    shows: &'static str,
    is: Is,
    weighs: Weighs,
    says: Says,
    rest: &'static str,
}

fn of_queues<Is, Weighs, Says>(snapshot: &Snapshot, found: &mut Vec<Attention>, kind: &Kind<Is, Weighs, Says>)
where
    Is: Fn(&QueueFigures) -> bool,
    Weighs: Fn(&QueueFigures) -> u64,
    Says: Fn(&QueueFigures) -> String,
{
    let mut queues: Vec<&QueueFigures> =
        snapshot.queues.iter().map(AsRef::as_ref).filter(|queue| (kind.is)(queue)).collect();
    queues.sort_by_key(|queue| std::cmp::Reverse((kind.weighs)(queue)));
    for queue in queues.iter().take(NAMED) {
        found.push(Attention {
            gravity: kind.gravity,
            key: format!("{}/{}", kind.shows, queue.kind.text()),
            what: format!("{}: {}", queue.kind, (kind.says)(queue)),
            link: link::queue(&queue.kind.text()),
        });
    }
    let rest = queues.len().saturating_sub(NAMED) as u64;
    if rest > 0 {
        found.push(Attention {
            gravity: kind.gravity,
            key: kind.shows.to_owned(),
            what: format!("{} {}", words::count(rest), kind.rest),
            link: Link::to("/queues").with("show", kind.shows),
        });
    }
}
