//! The statistics of the server: queues report, a [`Book`] adds up, everybody reads the snapshot that is published at most once
//! a second. No list or scrape ever asks a queue; only whoever looks at one queue has it report at once.
//!
//! It has a thread of its own, since with thousands of busy queues a snapshot takes milliseconds that no job should wait. Its
//! one timer runs only while something changes.

use std::sync::Arc;

use actix::{Actor, Addr, Context, Handler, Message, MessageResult};
use actix_rt::Arbiter;
use tokio::sync::watch;

use super::alarm::Alarm;
use super::clock::Clock;
use super::inbox::Inbox;
use super::shelf;
use super::turn::{self, Settle};
use crate::core::statistics::book::PUBLISH_EVERY_MS;
use crate::core::statistics::{Book, Point, QueueFigures, Range, Report, Snapshot};
use crate::core::{Census, Moment, Now, Queue, QueueNo, Standing, TypeName};

/// Adds up what queues report.
pub struct Statistics {
    /// What queues have reported since the last snapshot: nobody needs it sooner, and thousands of busy queues would wake this
    /// thread thousands of times a second.
    reports: Arc<Reports>,
    book: Book,
    clock: Clock,
    alarm: Alarm,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

/// What a queue says of itself, and when.
pub struct Entry(Now, Box<Report>);

/// Where queues report.
pub type Reports = Inbox<Entry>;

/// Where everybody reads.
pub type Snapshots = watch::Receiver<Arc<Snapshot>>;

impl Statistics {
    /// Nothing has happened yet in this process; `past` became of jobs before it, beside those that queues came with.
    pub fn new(clock: Clock, past: Census) -> (Statistics, Snapshots) {
        let (snapshots, readers) = watch::channel(Arc::default());
        let (reports, book) = (Arc::new(Inbox::new(&shelf::ENTRIES)), Book::new(clock.now(), past));
        (Statistics { reports, book, clock, alarm: Alarm::default(), snapshots }, readers)
    }

    /// The same on a thread of its own: its address, where queues report, and where everybody reads.
    pub fn on_its_own_thread(clock: Clock, past: Census) -> (Addr<Statistics>, Arc<Reports>, Snapshots) {
        let (statistics, readers) = Statistics::new(clock, past);
        let reports = statistics.reports.clone();
        (Statistics::start_in_arbiter(&Arbiter::new().handle(), move |_| statistics), reports, readers)
    }

    /// Enters what was reported, each at its time.
    fn read_reports(&mut self) {
        let mut entries = self.reports.take();
        for Entry(at, report) in entries.drain(..) {
            self.book.enter(at, *report);
        }
        self.reports.put_back(entries);
    }
}

impl Actor for Statistics {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
    }
}

impl Settle for Statistics {
    fn settle(&mut self, _: &mut Context<Self>, wake: &mut std::task::Context<'_>) {
        if self.reports.attend(wake) {
            self.book.expect_news();
        }
        loop {
            let now = self.clock.now();
            if self.book.next_publication().is_some_and(|at| at <= now.at) {
                self.read_reports();
            }
            if let Some(snapshot) = self.book.publish(now) {
                self.snapshots.send_replace(snapshot);
            }
            let next = self.book.next_publication().map(|at| self.clock.instant(at));
            if !self.alarm.rings(next, self.clock.instant(now.at), wake) {
                return;
            }
        }
    }
}

/// A queue has died, and what only memory had of it is buried.
#[derive(Message)]
#[rtype(result = "()")]
pub struct QueueDied {
    /// Its number.
    pub queue: QueueNo,
    /// What became of the jobs of all queues that ever died, but for those that live on in another one.
    pub buried: Census,
}

impl Handler<QueueDied> for Statistics {
    type Result = ();

    fn handle(&mut self, QueueDied { queue, buried }: QueueDied, _: &mut Self::Context) {
        self.read_reports();
        self.book.queue_died(self.clock.now(), queue, buried);
    }
}

/// How does the queue of this type stand, as far as it has reported? None where there is no such queue.
#[derive(Message)]
#[rtype(result = "Option<QueueFigures>")]
pub struct FiguresNow {
    /// The type.
    pub kind: TypeName,
}

impl Handler<FiguresNow> for Statistics {
    type Result = MessageResult<FiguresNow>;

    fn handle(&mut self, FiguresNow { kind }: FiguresNow, _: &mut Self::Context) -> Self::Result {
        self.read_reports();
        MessageResult(self.book.figures_now(self.clock.now(), &kind))
    }
}

/// What happened in each step of a range, oldest first? As [`Book::history`]; empty where there is no such queue.
#[derive(Message)]
#[rtype(result = "Vec<Point>")]
pub struct History {
    /// Of this type; none: of all.
    pub queue: Option<TypeName>,
    /// How far back, and how finely.
    pub range: Range,
}

impl Handler<History> for Statistics {
    type Result = MessageResult<History>;

    fn handle(&mut self, History { queue, range }: History, _: &mut Self::Context) -> Self::Result {
        self.read_reports();
        MessageResult(self.book.history(self.clock.now(), queue.as_ref(), range).unwrap_or_default())
    }
}

/// A queue's way to the statistics: it reports what changed at once, but at most once a second; so the last change is told a
/// second later at the latest.
pub(super) struct Reporter {
    reports: Option<Arc<Reports>>,
    /// What was reported last.
    told: Option<Standing>,
    /// Something else is so now.
    has_news: bool,
    /// The next report is not before.
    not_before: Moment,
}

impl Reporter {
    /// Nothing was reported yet. Without statistics nothing ever is.
    pub(super) fn new(reports: Option<Arc<Reports>>) -> Reporter {
        Reporter { reports, told: None, has_news: false, not_before: Moment::default() }
    }

    /// Says what a queue came with out of the store, if it did.
    pub(super) fn introduce(&mut self, now: Now, queue: &mut Queue) {
        if let Some(reports) = &self.reports
            && queue.census().accepted > 0
        {
            self.told = Some(queue.standing());
            reports.put(Entry(now, Box::new(queue.restored_figures(now))));
        }
    }

    /// When there is something to report later; none where there is nothing, or something now.
    pub(super) fn next(&mut self, now: Now, queue: &Queue) -> Option<Moment> {
        self.reports.as_ref()?;
        self.has_news = self.has_news || self.told != Some(queue.standing());
        (self.has_news && self.not_before > now.at).then_some(self.not_before)
    }

    /// Reports what [`Reporter::next`] found, if it is time for it.
    pub(super) fn report(&mut self, now: Now, queue: &mut Queue) {
        if self.has_news && self.not_before <= now.at {
            self.report_now(now, queue);
        }
    }

    /// Reports, whether or not there is anything new and it is time for it.
    pub(super) fn report_now(&mut self, now: Now, queue: &mut Queue) {
        if let Some(reports) = &self.reports {
            self.told = Some(queue.standing());
            self.has_news = false;
            self.not_before = now.at.after_ms(PUBLISH_EVERY_MS);
            reports.put(Entry(now, Box::new(queue.figures(now))));
        }
    }
}
