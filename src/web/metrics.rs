//! `/metrics`: what scrapers read, in the OpenMetrics text format.
//!
//! All of it is of one snapshot, so that one scrape balances: for each queue, and in all, the jobs that were ever submitted are
//! the jobs of all states together. Queues that are many are no labels that are many: the first [`MAX_QUEUES`] that were made
//! have series of their own, and all others together (also those that are no more) are the queue [`OTHERS`]. Not the
//! busiest: who is among them must not change, or their counters would jump.

use std::collections::BinaryHeap;
use std::fmt::{self, Debug};
use std::sync::Arc;

use actix_web::{HttpResponse, web};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Site;
use super::outside::wall_ms;
use super::process;
use crate::actors::keeper::StoreFigures;
use crate::core::Census;
use crate::core::job::QueueNo;
use crate::core::statistics::spread::EDGES_US;
use crate::core::statistics::{QueueFigures, Retried, Snapshot, Spread};

/// So many queues have series of their own.
pub const MAX_QUEUES: usize = 1_000;

/// The queue that all others are together. One that is really called so is among them.
pub const OTHERS: &str = "_other";

/// Room for the series of a queue.
const USUAL_SERIES: usize = 4_096;

/// What scrapers read.
#[utoipa::path(
    get, path = "/metrics", tag = "server",
    responses((status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"))
)]
pub async fn metrics(site: web::Data<Site>) -> HttpResponse {
    let snapshot = site.snapshots.borrow().clone();
    let server = Server {
        connections: site.doorman.open() as u64,
        is_draining: site.is_draining(),
        store: site.store.as_ref().map(|store| store.borrow().clone()),
        started_s: wall_ms().saturating_sub(site.process.uptime().as_millis() as u64) as f64 / 1_000.0,
        memory_bytes: process::memory_bytes(),
        cpu_s: process::cpu_seconds(),
    };
    match written(snapshot, server, wall_ms(), MAX_QUEUES) {
        Ok(text) => HttpResponse::Ok().content_type(MEDIA_TYPE).body(text),
        Err(error) => HttpResponse::from_error(actix_web::error::ErrorInternalServerError(error)),
    }
}

const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn written(snapshot: Arc<Snapshot>, server: Server, now_ms: u64, most: usize) -> Result<String, fmt::Error> {
    let series = series_of(&snapshot, most);
    let mut text = String::with_capacity(USUAL_SERIES * (series.len() + 1));
    let mut registry = Registry::with_prefix("procession");
    registry.register_collector(Box::new(Scrape { snapshot, series, server, now_ms }));
    encode(&mut text, &registry)?;
    Ok(text)
}

/// What is not of the queues.
#[derive(Clone, Debug)]
struct Server {
    connections: u64,
    is_draining: bool,
    store: Option<StoreFigures>,
    started_s: f64,
    memory_bytes: Option<u64>,
    cpu_s: Option<f64>,
}

/// What all series of a queue are made of.
#[derive(Default, Debug)]
struct Series {
    queue: String,
    census: Census,
    retried: Retried,
    oldest_ms: Option<u64>,
    workers: u64,
    idle: u64,
    paused: u64,
    waited: Spread,
    ran: Spread,
}

impl Series {
    fn of(queue: &QueueFigures) -> Series {
        let figures = &queue.figures;
        Series {
            queue: queue.kind.text().into_owned(),
            census: figures.census,
            retried: figures.retried,
            oldest_ms: figures.oldest_ms,
            workers: queue.workers.into(),
            idle: queue.idle.into(),
            paused: queue.paused.into(),
            waited: figures.waited,
            ran: figures.ran,
        }
    }
}

/// The series of a snapshot's queues, at most so many and the others.
fn series_of(snapshot: &Snapshot, most: usize) -> Vec<Series> {
    let last = last_of_the_first(snapshot, most);
    let is_named = |queue: &QueueFigures| last.is_some_and(|last| queue.queue <= last) && queue.kind.text() != OTHERS;
    let mut series = Vec::new();
    let total = &snapshot.total;
    let (census, retried, waited, ran) = (total.census, total.retried, total.waited, total.ran);
    let mut others = Series { queue: OTHERS.to_owned(), census, retried, waited, ran, ..Series::default() };
    for queue in &snapshot.queues {
        let one = Series::of(queue);
        if is_named(queue) {
            others.census -= one.census;
            others.retried -= one.retried;
            others.waited -= one.waited;
            others.ran -= one.ran;
            series.push(one);
        } else {
            others.oldest_ms = others.oldest_ms.into_iter().chain(one.oldest_ms).min();
            others.workers += one.workers;
            others.idle += one.idle;
            others.paused += one.paused;
        }
    }
    if others.census != Census::default() || series.len() < snapshot.queues.len() {
        series.push(others);
    }
    series
}

/// The number of the last of the first `most` queues that were made.
fn last_of_the_first(snapshot: &Snapshot, most: usize) -> Option<QueueNo> {
    let mut first = BinaryHeap::with_capacity(most + 1);
    for queue in &snapshot.queues {
        first.push(queue.queue);
        if first.len() > most {
            first.pop();
        }
    }
    first.peek().copied()
}

/// All that is told.
#[derive(Debug)]
struct Scrape {
    snapshot: Arc<Snapshot>,
    series: Vec<Series>,
    server: Server,
    now_ms: u64,
}

impl Collector for Scrape {
    fn encode(&self, encoder: DescriptorEncoder) -> fmt::Result {
        let mut out = Out(encoder);
        out.info("build", "The program", &[("version", env!("CARGO_PKG_VERSION"))])?;
        out.gauge("connections", "Open connections of all protocols", None, self.server.connections)?;
        out.gauge("draining", "1: about to stop", None, u64::from(self.server.is_draining))?;
        out.gauge("queues", "Queues", None, self.snapshot.queues.len() as u64)?;
        self.encode_process(&mut out)?;
        self.encode_jobs(&mut out)?;
        self.encode_queues(&mut out)?;
        self.encode_store(&mut out)
    }
}

impl Scrape {
    fn encode_process(&self, out: &mut Out) -> fmt::Result {
        let Server { started_s, memory_bytes, cpu_s, .. } = self.server;
        out.gauge("process_start_time", "When it started, since 1970", Some(&Unit::Seconds), started_s)?;
        if let Some(bytes) = memory_bytes {
            out.gauge("process_resident_memory", "What is in memory", Some(&Unit::Bytes), bytes)?;
        }
        match cpu_s {
            Some(cpu_s) => out.counter("process_cpu", "CPU time since the start", Some(&Unit::Seconds), cpu_s),
            None => Ok(()),
        }
    }

    fn encode_jobs(&self, out: &mut Out) -> fmt::Result {
        let submitted = self.series.iter().map(|one| (one.label(), one.census.accepted));
        out.counters("jobs_submitted", "Jobs ever accepted", submitted)?;
        let finished = self.series.iter().flat_map(|one| one.ends().map(|(end, jobs)| (one.label_and(end), jobs)));
        out.counters("jobs_finished", "Ends of jobs; one that was retried has several", finished)?;
        let retried = self.series.iter().map(|one| (one.label(), one.retried.failed + one.retried.cancelled));
        out.counters("job_retries", "Jobs that were queued again after their end", retried)?;
        let states = self.series.iter().flat_map(|one| one.states().map(|(state, jobs)| (one.label_and(state), jobs)));
        out.gauges("queue_jobs", "Where the jobs are that were ever submitted", None, states)
    }

    fn encode_queues(&self, out: &mut Out) -> fmt::Result {
        let age =
            |since_ms: Option<u64>| since_ms.map_or(0.0, |since| self.now_ms.saturating_sub(since) as f64 / 1_000.0);
        let ages = self.series.iter().map(|one| (one.label(), age(one.oldest_ms)));
        let help = "Since when the job is queued that is longest";
        out.gauges("queue_oldest_job_age", help, Some(&Unit::Seconds), ages)?;
        let paused = self.series.iter().map(|one| (one.label(), one.paused));
        out.gauges("queue_paused", "1: hands out nothing", None, paused)?;
        let workers = self.series.iter().map(|one| (one.label(), one.workers));
        out.gauges("workers", "Workers that joined", None, workers)?;
        let idle = self.series.iter().map(|one| (one.label(), one.idle));
        out.gauges("workers_idle", "Workers that wait for a job", None, idle)?;
        let waited = self.series.iter().map(|one| (one.label(), &one.waited));
        out.histograms("job_wait", "How long jobs were in line before they were handed out", waited)?;
        let ran = self.series.iter().map(|one| (one.label(), &one.ran));
        out.histograms("job_run", "How long attempts took that have ended", ran)
    }

    fn encode_store(&self, out: &mut Out) -> fmt::Result {
        let Some(store) = &self.server.store else { return Ok(()) };
        out.gauge("store", "Size of the store", Some(&Unit::Bytes), store.bytes)?;
        out.counter("store_records", "Jobs, changes, removals and notes that were written", None, store.records)?;
        if let Some(bytes) = store.free_bytes {
            out.gauge("store_free", "What is left on the disk of the store", Some(&Unit::Bytes), bytes)?;
        }
        out.gauge("store_full", "1: durable submits are refused", None, u64::from(store.is_full))?;
        out.histogram("store_commit", "How long commits took", &store.committed)
    }
}

impl Series {
    fn label(&self) -> [(&str, &str); 1] {
        [("queue", &self.queue)]
    }

    fn label_and(&self, (name, value): (&'static str, &'static str)) -> [(&str, &str); 2] {
        [("queue", &self.queue), (name, value)]
    }

    /// How jobs ended, as numbers that only grow.
    fn ends(&self) -> [((&'static str, &'static str), u64); 5] {
        let Census { completed, failed, cancelled, expired, dropped, .. } = self.census;
        [
            (("outcome", "completed"), completed),
            (("outcome", "failed"), failed + self.retried.failed),
            (("outcome", "cancelled"), cancelled + self.retried.cancelled),
            (("outcome", "expired"), expired),
            (("outcome", "dropped"), dropped),
        ]
    }

    /// Where jobs are.
    fn states(&self) -> [((&'static str, &'static str), u64); 8] {
        let Census { accepted: _, completed, failed, cancelled, expired, dropped, scheduled, queued, running } =
            self.census;
        [
            (("state", "scheduled"), scheduled),
            (("state", "queued"), queued),
            (("state", "running"), running),
            (("state", "completed"), completed),
            (("state", "failed"), failed),
            (("state", "cancelled"), cancelled),
            (("state", "expired"), expired),
            (("state", "dropped"), dropped),
        ]
    }
}

/// Where families of metrics are written.
struct Out<'a>(DescriptorEncoder<'a>);

impl Out<'_> {
    fn info(&mut self, name: &str, help: &str, labels: &impl EncodeLabelSet) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(labels)
    }

    fn gauge(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: impl Into<Number>) -> fmt::Result {
        value.into().encode_gauge(&mut self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?)
    }

    fn gauges<L: EncodeLabelSet, V: Into<Number>>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<&Unit>,
        values: impl IntoIterator<Item = (L, V)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        for (labels, value) in values {
            value.into().encode_gauge(&mut family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn counter(&mut self, name: &str, help: &str, unit: Option<&Unit>, value: impl Into<Number>) -> fmt::Result {
        value.into().encode_counter(&mut self.0.encode_descriptor(name, help, unit, MetricType::Counter)?)
    }

    fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in values {
            Number::from(value).encode_counter(&mut family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn histogram(&mut self, name: &str, help: &str, spread: &Spread) -> fmt::Result {
        encode_histogram(
            &mut self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?,
            spread,
        )
    }

    /// Where nothing was measured, nothing is told: that is true of most queues of a server that has many.
    fn histograms<'s, L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (L, &'s Spread)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        for (labels, spread) in values.into_iter().filter(|(_, spread)| spread.count > 0) {
            encode_histogram(&mut family.encode_family(&labels)?, spread)?;
        }
        Ok(())
    }
}

fn encode_histogram(metric: &mut MetricEncoder<'_>, spread: &Spread) -> fmt::Result {
    let below = EDGES_US.into_iter().zip(spread.below).map(|(edge, below)| (seconds(edge), below));
    let beyond = spread.count - spread.below.iter().sum::<u64>();
    let buckets: Vec<(f64, u64)> = below.chain([(f64::INFINITY, beyond)]).collect();
    metric.encode_histogram::<NoLabelSet>(seconds(spread.sum_us), spread.count, &buckets, None)
}

/// A value.
#[derive(Clone, Copy)]
enum Number {
    Whole(u64),
    Broken(f64),
}

impl Number {
    fn encode_gauge(self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Number::Whole(value) => metric.encode_gauge(&value),
            Number::Broken(value) => metric.encode_gauge(&value),
        }
    }

    fn encode_counter(self, metric: &mut MetricEncoder<'_>) -> fmt::Result {
        match self {
            Number::Whole(value) => metric.encode_counter::<NoLabelSet, u64, u64>(&value, None),
            Number::Broken(value) => metric.encode_counter::<NoLabelSet, f64, f64>(&value, None),
        }
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Number {
        Number::Whole(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Number {
        Number::Broken(number)
    }
}

fn seconds(us: u64) -> f64 {
    us as f64 / 1_000_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::TypeName;
    use crate::core::statistics::Figures;
    use std::collections::{BTreeMap, BTreeSet};

    fn server() -> Server {
        Server {
            connections: 7,
            is_draining: false,
            store: Some(StoreFigures { bytes: 77, commits: 5, records: 9, ..StoreFigures::default() }),
            started_s: 1.5,
            memory_bytes: Some(4_096),
            cpu_s: Some(0.25),
        }
    }

    fn queue(number: QueueNo, name: &str, accepted: u64) -> Arc<QueueFigures> {
        let census = Census { accepted, completed: accepted - 1, failed: 1, ..Census::default() };
        let spread = Spread { count: 2, sum_us: 1_500_000, below: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0] };
        let retried = Retried { failed: 3, cancelled: 0 };
        let figures = Figures { census, retried, waited: spread, oldest_ms: Some(4_000), ..Figures::default() };
        Arc::new(QueueFigures {
            queue: number,
            kind: TypeName::from_text(name).unwrap(),
            paused: false,
            workers: 2,
            idle: 1,
            last_worker_left_ms: None,
            figures,
        })
    }

    /// With one more job of a queue that died.
    fn snapshot(mut queues: Vec<Arc<QueueFigures>>) -> Arc<Snapshot> {
        queues.sort_by(|one, other| one.kind.cmp(&other.kind));
        let mut total =
            Figures { census: Census { accepted: 1, failed: 1, ..Census::default() }, ..Figures::default() };
        for queue in &queues {
            total.census += queue.figures.census;
            total.retried.failed += queue.figures.retried.failed;
            total.waited.count += queue.figures.waited.count;
            total.waited.sum_us += queue.figures.waited.sum_us;
            total.waited.below[0] += queue.figures.waited.below[0];
        }
        Arc::new(Snapshot { version: 1, at_ms: 5_000, total, queues })
    }

    /// By name and labels; no series comes twice.
    fn read(text: &str) -> BTreeMap<&str, f64> {
        let body = text.strip_suffix("# EOF\n").expect("it ends as OpenMetrics does");
        let mut series = BTreeMap::new();
        for line in body.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(name, value.parse().unwrap()).is_none(), "{name} comes twice");
        }
        series
    }

    #[test]
    fn a_queue_is_told_in_base_units() {
        let text = written(snapshot(vec![queue(0, "a\"b\\", 5)]), server(), 10_000, 9).unwrap();
        let series = read(&text);
        for (name, value) in [
            (r#"procession_jobs_submitted_total{queue="a\"b\\"}"#, 5.0),
            (r#"procession_jobs_finished_total{queue="a\"b\\",outcome="failed"}"#, 4.0),
            (r#"procession_job_retries_total{queue="a\"b\\"}"#, 3.0),
            (r#"procession_queue_jobs{queue="a\"b\\",state="completed"}"#, 4.0),
            (r#"procession_queue_oldest_job_age_seconds{queue="a\"b\\"}"#, 6.0),
            (r#"procession_workers{queue="a\"b\\"}"#, 2.0),
            (r#"procession_job_wait_seconds_bucket{le="0.001024",queue="a\"b\\"}"#, 1.0),
            (r#"procession_job_wait_seconds_bucket{le="+Inf",queue="a\"b\\"}"#, 2.0),
            (r#"procession_job_wait_seconds_sum{queue="a\"b\\"}"#, 1.5),
            ("procession_connections", 7.0),
            ("procession_store_bytes", 77.0),
            ("procession_process_cpu_seconds_total", 0.25),
            ("procession_process_resident_memory_bytes", 4_096.0),
        ] {
            assert_eq!(series.get(name), Some(&value), "{name} in\n{text}");
        }
        assert!(!text.contains("procession_job_run_seconds_count"));
    }

    #[test]
    fn many_queues_are_few_labels_and_every_scrape_balances() {
        let queues: Vec<_> =
            (0..1_500).map(|number| queue(number, &format!("type {}", number * 7_919 % 1_500), 9)).collect();
        let mut queues = queues;
        queues[3] = queue(3, OTHERS, 9);
        let snapshot = snapshot(queues);
        let text = written(snapshot.clone(), server(), 10_000, MAX_QUEUES).unwrap();
        let series = read(&text);
        let sum = |name: &str| {
            let of = series.iter().filter(|(series, _)| series.starts_with(name));
            (of.clone().count(), of.map(|(_, value)| value).sum::<f64>())
        };
        let accepted = snapshot.total.census.accepted as f64;
        assert_eq!(sum("procession_jobs_submitted_total{"), (MAX_QUEUES, accepted));
        assert_eq!(sum("procession_queue_jobs{"), (8 * MAX_QUEUES, accepted));
        assert_eq!(sum("procession_job_wait_seconds_count{"), (MAX_QUEUES, 3_000.0));
        assert_eq!(sum("procession_workers{"), (MAX_QUEUES, 3_000.0));
        let named: BTreeSet<String> = series_of(&snapshot, MAX_QUEUES).into_iter().map(|one| one.queue).collect();
        let first = snapshot.queues.iter().filter(|queue| queue.queue < MAX_QUEUES as u32);
        assert_eq!(named, first.map(|queue| queue.kind.text().into_owned()).collect());
    }

    #[test]
    fn a_server_without_queues_has_no_series_of_queues() {
        let server = Server { store: None, ..server() };
        let text = written(Arc::default(), server, 10_000, MAX_QUEUES).unwrap();
        assert!(!text.contains("queue=") && !text.contains("procession_store"));
    }
}
