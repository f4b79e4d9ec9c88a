//! The book of the server: takes what queues report, makes the [`Snapshot`] that everybody reads, keeps histories.
//!
//! It does nothing while nothing happens. A queue's figures are made anew only while they change: at its reports, each second
//! while something of its last minute moves through rates and sparkline, each minute while its percentiles forget. All others
//! are shared from snapshot to snapshot.

use std::sync::Arc;

use super::histogram::Histogram;
use super::lately::Lately;
use super::meter::{Retried, Times};
use super::ring::{Counts, Depth, Range};
use super::snapshot::{Figures, Point, QueueFigures, Report, Snapshot};
use crate::core::census::Census;
use crate::core::deadlines::{Moment, Now};
use crate::core::job::{QueueNo, TypeName};

/// Snapshots are at least so far apart.
pub const PUBLISH_EVERY_MS: u64 = 1_000;

/// So many queues have a history at a time: it is up to 57 KB each. Beyond, the one that was active least recently loses its own.
pub const MAX_HISTORIES: usize = 1_000;

/// A queue that was active in so many last seconds keeps its history, whoever else wants one: among more queues than there are
/// histories, taking turns would leave everyone without.
const SAFE_SECONDS: u32 = 60;

/// All that is known of all queues.
#[derive(Debug)]
pub struct Book {
    /// By number; none has not reported or has died.
    rows: Vec<Option<Box<Row>>>,
    /// The queues that have rows, by type.
    order: Vec<QueueNo>,
    /// Queues whose figures are made anew for the next snapshot.
    awake: Vec<QueueNo>,
    /// Queues whose figures are made anew with the next minute.
    dozing: Vec<QueueNo>,
    /// Queues that have a history.
    historic: Vec<QueueNo>,
    max_histories: usize,
    /// Reports since the last snapshot of queues that would have one.
    wanting: usize,
    total: Figures,
    lately: Lately,
    /// What became of the jobs of queues that died.
    buried: Census,
    /// Something is not in the last snapshot.
    news: bool,
    version: u64,
    published: Option<Moment>,
    scratch: Histogram,
}

/// What is known of a queue.
#[derive(Debug)]
struct Row {
    /// As it is shown, or will be with the next snapshot.
    figures: Arc<QueueFigures>,
    /// None: nothing happened for so long that nothing is left of it.
    lately: Option<Box<Lately>>,
    /// It is among [`Book::awake`].
    awake: bool,
    /// It is among [`Book::dozing`].
    dozing: bool,
}

impl Book {
    /// An empty one, where `past` became of jobs that no queue knows any more.
    pub fn new(now: Now, past: Census) -> Book {
        let mut book = Book::with_histories(now, MAX_HISTORIES);
        (book.total.census, book.buried) = (past, past);
        book
    }

    fn with_histories(now: Now, max_histories: usize) -> Book {
        let mut lately = Lately::new(second(now), Depth::default());
        lately.keep_history(true);
        Book {
            rows: Vec::new(),
            order: Vec::new(),
            awake: Vec::new(),
            dozing: Vec::new(),
            historic: Vec::new(),
            max_histories,
            wanting: 0,
            total: Figures::default(),
            lately,
            buried: Census::default(),
            news: true,
            version: 0,
            published: None,
            scratch: Histogram::default(),
        }
    }

    /// There is something to enter before the next snapshot.
    pub fn expect_news(&mut self) {
        self.news = true;
    }

    /// Takes what a queue says of itself.
    pub fn enter(&mut self, now: Now, report: Report) {
        let Report {
            queue,
            kind,
            paused,
            workers,
            idle,
            last_worker_left_ms,
            census,
            oldest_ms,
            retried,
            times,
            restored,
        } = report;
        self.news = true;
        self.open_row(now, queue, kind);
        let may_have_history = self.historic.len() < self.max_histories;
        let row = self.rows[queue as usize].as_deref_mut().expect("it was opened");
        let shown = Arc::make_mut(&mut row.figures);
        shown.paused = paused;
        shown.workers = workers;
        shown.idle = idle;
        shown.last_worker_left_ms = last_worker_left_ms;
        let figures = &mut shown.figures;
        let counts = if restored {
            Counts::default()
        } else {
            counts_between((figures.census, figures.retried), (census, retried))
        };
        self.total.census += census;
        self.total.census -= figures.census;
        self.total.retried.failed += retried.failed - figures.retried.failed;
        self.total.retried.cancelled += retried.cancelled - figures.retried.cancelled;
        figures.census = census;
        figures.retried = retried;
        figures.oldest_ms = oldest_ms;
        figures.waited.add(&times.wait);
        figures.ran.add(&times.run);
        self.total.waited.add(&times.wait);
        self.total.ran.add(&times.run);
        let lately = row.lately.get_or_insert_with(|| Box::new(Lately::new(second(now), depth(&census))));
        if !lately.keeps_history() {
            if may_have_history {
                lately.keep_history(true);
                self.historic.push(queue);
            } else {
                self.wanting += 1;
            }
        }
        lately.add(second(now), counts, depth(&census), &times);
        self.lately.add(second(now), counts, depth(&self.total.census), &times);
        if !std::mem::replace(&mut row.awake, true) {
            self.awake.push(queue);
        }
    }

    /// A queue has died; of the jobs of all that ever did, `buried` became. Those that live on, live in another queue.
    pub fn queue_died(&mut self, now: Now, queue: QueueNo, buried: Census) {
        self.news = true;
        let before = self.total.census;
        self.total.census += buried;
        self.total.census -= self.buried;
        self.buried = buried;
        let retried = Retried::default();
        // Where its successor has taken its row already, all that it ever did would look as if it happened now.
        let counts = match self.close_row(queue) {
            true => counts_between((before, retried), (self.total.census, retried)),
            false => Counts::default(),
        };
        self.lately.add(second(now), counts, depth(&self.total.census), &Times::default());
    }

    /// When [`Book::publish`] has something to publish; none while nothing changes.
    pub fn next_publication(&self) -> Option<Moment> {
        let soon = self.published.map_or(Moment(0), |published| published.after_ms(PUBLISH_EVERY_MS));
        if self.news || !self.awake.is_empty() || self.lately.is_moving() {
            return Some(soon);
        }
        if self.dozing.is_empty() && !self.lately.has_times() {
            return None;
        }
        let minute = self.published.map_or(0, |published| published.0 / MINUTE_US);
        Some(soon.max(Moment((minute + 1) * MINUTE_US)))
    }

    /// The next snapshot, where it is time for one.
    pub fn publish(&mut self, now: Now) -> Option<Arc<Snapshot>> {
        if self.next_publication().is_none_or(|at| at > now.at) {
            return None;
        }
        if self.published.is_none_or(|published| published.0 / MINUTE_US < now.at.0 / MINUTE_US) {
            self.wake_dozing();
        }
        self.refresh_awake(now);
        self.lately.advance(second(now));
        refresh(&mut self.total, &mut self.lately, &mut self.scratch);
        self.make_room_for_histories(now);
        (self.news, self.published) = (false, Some(now.at));
        self.version += 1;
        let queues: Vec<Arc<QueueFigures>> =
            self.order.iter().map(|queue| row(&self.rows, *queue).figures.clone()).collect();
        self.total.oldest_ms = queues.iter().filter_map(|queue| queue.figures.oldest_ms).min();
        Some(Arc::new(Snapshot { version: self.version, at_ms: now.wall_ms, total: self.total.clone(), queues }))
    }

    /// How a queue stands, with what it has reported since the last snapshot; none where there is no such queue.
    pub fn figures_now(&mut self, now: Now, kind: &TypeName) -> Option<QueueFigures> {
        let queue = self.order[self.place(kind).ok()?];
        let row = self.rows[queue as usize].as_deref_mut().expect("what is in the order has a row");
        if let Some(lately) = row.lately.as_deref_mut() {
            lately.advance(second(now));
            refresh(&mut Arc::make_mut(&mut row.figures).figures, lately, &mut self.scratch);
        }
        Some(QueueFigures::clone(&row.figures))
    }

    /// The steps of a history, oldest first: of all queues, or of one; none where there is no such queue. It never begins before it
    /// was kept, and a queue that lost it (see [`MAX_HISTORIES`]) has a minute by second at most.
    pub fn history(&mut self, now: Now, kind: Option<&TypeName>, range: Range) -> Option<Vec<Point>> {
        let wall_ahead_ms = now.wall_ms.cast_signed() - (now.at.0 / 1_000).cast_signed();
        let steps = match kind {
            None => {
                self.lately.advance(second(now));
                self.lately.steps(range)
            }
            Some(kind) => {
                let queue = self.order[self.place(kind).ok()?];
                let row = self.rows[queue as usize].as_deref_mut().expect("what is in the order has a row");
                row.lately.as_deref_mut().map_or_else(Vec::new, |lately| {
                    lately.advance(second(now));
                    lately.steps(range)
                })
            }
        };
        Some(steps.into_iter().map(|step| step.point(range, wall_ahead_ms)).collect())
    }

    fn place(&self, kind: &TypeName) -> Result<usize, usize> {
        self.order.binary_search_by(|queue| row(&self.rows, *queue).figures.kind.cmp(kind))
    }

    /// Makes a row for a queue that is new; it takes the place of an older one of its type.
    fn open_row(&mut self, now: Now, queue: QueueNo, kind: TypeName) {
        if self.rows.get(queue as usize).is_some_and(Option::is_some) {
            return;
        }
        if let Ok(place) = self.place(&kind) {
            self.close_row(self.order[place]);
        }
        let place = self.place(&kind).unwrap_or_else(|place| place);
        self.order.insert(place, queue);
        if self.rows.len() <= queue as usize {
            self.rows.resize_with(queue as usize + 1, || None);
        }
        let figures = Arc::new(QueueFigures {
            queue,
            kind,
            paused: false,
            workers: 0,
            idle: 0,
            last_worker_left_ms: None,
            figures: Figures::default(),
        });
        let lately = Some(Box::new(Lately::new(second(now), Depth::default())));
        self.rows[queue as usize] = Some(Box::new(Row { figures, lately, awake: false, dozing: false }));
    }

    /// A queue is no more; what it had retried, waited and run stays in the total. False where it has no row.
    fn close_row(&mut self, queue: QueueNo) -> bool {
        let Some(row) = self.rows.get_mut(queue as usize).and_then(Option::take) else { return false };
        self.total.census -= row.figures.figures.census;
        for list in [&mut self.order, &mut self.awake, &mut self.dozing, &mut self.historic] {
            list.retain(|other| *other != queue);
        }
        true
    }

    fn wake_dozing(&mut self) {
        for queue in self.dozing.drain(..) {
            let row = self.rows[queue as usize].as_deref_mut().expect("what dozes has a row");
            row.dozing = false;
            if row.lately.is_some() && !std::mem::replace(&mut row.awake, true) {
                self.awake.push(queue);
            }
        }
    }

    /// Makes figures anew; what doesn't move any more stays awake no longer.
    fn refresh_awake(&mut self, now: Now) {
        let Book { rows, awake, dozing, scratch, .. } = self;
        awake.retain(|queue| {
            let row = rows[*queue as usize].as_deref_mut().expect("what is awake has a row");
            let lately = row.lately.as_deref_mut().expect("what is awake remembers");
            lately.advance(second(now));
            refresh(&mut Arc::make_mut(&mut row.figures).figures, lately, scratch);
            row.awake = lately.is_moving();
            if !row.awake && lately.has_times() {
                if !std::mem::replace(&mut row.dozing, true) {
                    dozing.push(*queue);
                }
            } else if !row.awake && !lately.keeps_history() {
                row.lately = None;
            }
            row.awake
        });
    }

    /// Takes the histories of queues that have been quiet longest, where others want them.
    fn make_room_for_histories(&mut self, now: Now) {
        let wanting = std::mem::take(&mut self.wanting);
        if wanting == 0 {
            return;
        }
        let quiet_since =
            |queue: &QueueNo| row(&self.rows, *queue).lately.as_ref().map_or(0, |lately| lately.last_counted());
        let mut quiet: Vec<(u32, QueueNo)> = self
            .historic
            .iter()
            .map(|queue| (quiet_since(queue), *queue))
            .filter(|(since, _)| since + SAFE_SECONDS < second(now))
            .collect();
        quiet.sort_unstable();
        quiet.truncate(wanting);
        for (_, queue) in quiet {
            self.historic.retain(|other| *other != queue);
            let row = self.rows[queue as usize].as_deref_mut().expect("what has a history has a row");
            row.lately.take_if(|lately| !row.awake && !lately.has_times());
            row.lately.iter_mut().for_each(|lately| lately.keep_history(false));
        }
    }
}

const MINUTE_US: u64 = 60_000_000;

fn row(rows: &[Option<Box<Row>>], queue: QueueNo) -> &Row {
    rows[queue as usize].as_deref().expect("what is listed has a row")
}

fn second(now: Now) -> u32 {
    (now.at.0 / 1_000_000) as u32
}

fn depth(census: &Census) -> Depth {
    let bounded = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
    Depth { queued: bounded(census.queued), running: bounded(census.running) }
}

/// What moves with time.
fn refresh(figures: &mut Figures, lately: &mut Lately, scratch: &mut Histogram) {
    let rates = lately.rates();
    (figures.rate_in, figures.rate_out, figures.rate_failed) = (rates.accepted, rates.ended, rates.failed);
    figures.spark = lately.spark();
    if let Some(percentiles) = lately.new_percentiles(scratch) {
        (figures.wait, figures.run) = percentiles;
    }
}

/// What happened between two reports. A job that failed and was retried counts as failed.
fn counts_between(before: (Census, Retried), after: (Census, Retried)) -> Counts {
    let failed = |(census, retried): (Census, Retried)| census.failed + retried.failed;
    let ended = |(census, retried): (Census, Retried)| {
        failed((census, retried)) + census.completed + census.cancelled + retried.cancelled + census.expired
    };
    let more = |after: u64, before: u64| u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX);
    Counts {
        accepted: more(after.0.accepted, before.0.accepted),
        ended: more(ended(after), ended(before)),
        failed: more(failed(after), failed(before)),
    }
}

#[cfg(test)]
mod tests;
