//! What operators want to know of the store: how much it keeps, how long its commits take, whether there is room.
//!
//! Commits are timed on their way; everything else is gathered once a second, and only where somebody reads it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use actix::{Handler, Message, MessageResult};
use tokio::sync::watch;

use super::Keeper;
use crate::core::TypeName;
use crate::core::statistics::histogram::Histogram;
use crate::core::statistics::{Percentiles, Spread};
use crate::store::{Store, Tally};

/// Figures are published at most this often.
const EVERY: Duration = Duration::from_secs(1);

/// Percentiles are of this minute and those before it, so many in all.
const MINUTES: u64 = 5;

/// The store in one moment.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct StoreFigures {
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// What is left on its disk, in bytes; none where that isn't known.
    pub free_bytes: Option<u64>,
    /// The last commit found no room: durable submits are refused.
    pub is_full: bool,
    /// Commits since the start, each with one sync.
    pub commits: u64,
    /// Records in them: a job is accepted, is handed out, ends, goes.
    pub records: u64,
    /// How long the last commit took, in microseconds.
    pub last_commit_us: u64,
    /// How long the longest took since the start, in microseconds.
    pub longest_commit_us: u64,
    /// How long commits took over the last five minutes.
    pub commit: Percentiles,
    /// How long they took since the start.
    pub committed: Spread,
}

/// Gathers figures.
pub(super) struct Gauge {
    begin: Instant,
    published: Instant,
    readers: watch::Sender<StoreFigures>,
    /// What only the gauge knows.
    figures: StoreFigures,
    /// Times since the last look.
    fresh: Histogram,
    /// Times of the last minutes, by the minute's number.
    minutes: VecDeque<(u64, Histogram)>,
}

impl Gauge {
    pub(super) fn new() -> Gauge {
        let now = Instant::now();
        Gauge {
            begin: now,
            published: now,
            readers: watch::Sender::new(StoreFigures::default()),
            figures: StoreFigures::default(),
            fresh: Histogram::default(),
            minutes: VecDeque::new(),
        }
    }

    /// A commit of so many records has succeeded; one of none isn't any.
    pub(super) fn committed(&mut self, records: usize, took: Duration) {
        if records == 0 {
            return;
        }
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.figures.commits += 1;
        self.figures.records += records as u64;
        self.figures.last_commit_us = us;
        self.figures.longest_commit_us = us.max(self.figures.longest_commit_us);
        self.fresh.record(us);
    }

    /// Publishes, if it is time and somebody reads.
    pub(super) fn publish_if_due(&mut self, store: &dyn Store, is_full: bool) {
        if self.published.elapsed() >= EVERY {
            self.published = Instant::now();
            // Times belong to their minute, whoever reads.
            self.count();
            if self.readers.receiver_count() > 0 {
                self.publish(store, is_full);
            }
        }
    }

    /// Gathers, publishes, and gives what was published.
    fn publish(&mut self, store: &dyn Store, is_full: bool) -> StoreFigures {
        self.count();
        let figures = StoreFigures {
            bytes: store.bytes(),
            free_bytes: store.free_bytes(),
            is_full,
            commit: self.percentiles(),
            ..self.figures.clone()
        };
        self.readers.send_if_modified(|last| {
            let is_new = *last != figures;
            last.clone_from(&figures);
            is_new
        });
        figures
    }

    /// Takes fresh times into the books.
    fn count(&mut self) {
        let minute = self.begin.elapsed().as_secs() / 60;
        while self.minutes.front().is_some_and(|(number, _)| number + MINUTES <= minute) {
            self.minutes.pop_front();
        }
        let tally = self.fresh.tally();
        self.fresh.clear();
        if self.minutes.back().is_none_or(|(number, _)| *number < minute) {
            self.minutes.push_back((minute, Histogram::default()));
        }
        if let Some((_, times)) = self.minutes.back_mut() {
            times.add(&tally);
        }
        self.figures.committed.add(&tally);
    }

    fn percentiles(&self) -> Percentiles {
        let mut all = Histogram::default();
        for (_, times) in &self.minutes {
            all.add(&times.tally());
        }
        let [p50, p95, p99] = all.percentiles([50, 95, 99]);
        Percentiles { p50, p95, p99, count: all.count() }
    }
}

/// How is the store? Answered with figures of this moment.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "StoreFigures")]
pub struct Figures;

impl Handler<Figures> for Keeper {
    type Result = MessageResult<Figures>;

    fn handle(&mut self, _: Figures, _: &mut Self::Context) -> Self::Result {
        MessageResult(match &self.store {
            Some(store) => self.gauge.publish(&**store, self.full),
            // It was closed.
            None => StoreFigures::default(),
        })
    }
}

/// Let me see the figures of the store, published once a second where they change.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "watch::Receiver<StoreFigures>")]
pub struct WatchFigures;

impl Handler<WatchFigures> for Keeper {
    type Result = MessageResult<WatchFigures>;

    fn handle(&mut self, _: WatchFigures, _: &mut Self::Context) -> Self::Result {
        if let Some(store) = &self.store {
            self.gauge.publish(&**store, self.full);
        }
        MessageResult(self.gauge.readers.subscribe())
    }
}

/// How many finished jobs of which type are there? Exact as of the last commit.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "Vec<(TypeName, Tally)>")]
pub struct Tallies;

impl Handler<Tallies> for Keeper {
    type Result = MessageResult<Tallies>;

    fn handle(&mut self, _: Tallies, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.store.as_ref().map(|store| store.tallies()).unwrap_or_default())
    }
}
