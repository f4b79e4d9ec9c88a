//! What the server should reach, next to what it reached. Informational: time never fails a run.

use crate::figure::Figure;
use crate::peer::{BEANSTALKD, FILE, FLOOR, GEARMAND, HTTP, HTTP_FLOOR, NATIVE, POLLS, REDIS, SERVER};
use crate::report::{Results, cell, table};
use crate::shape::http::{PARKED_POLLS, SUBMITS};
use crate::shape::{
    ALONE, BACKLOG, BUSY, CREDIT, DEEP, DURABLE, DURABLE_ALONE, IDLE, MANY_TYPES, ONE_TYPE, RESTART, SHALLOW,
    TYPES_ASIDE, WIDE,
};

struct Target {
    what: &'static str,
    bound: Bound,
    measured: Option<f64>,
}

#[derive(Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The targets as a table.
pub fn table_of(results: &Results) -> String {
    let mut text = String::new();
    let headings = ["**target**", "bound", "measured", ""].map(str::to_owned);
    let rows = targets(results).into_iter().map(|target| {
        let verdict = match target.measured {
            None => "not measured",
            Some(value) if target.bound.met(value) => "pass",
            Some(_) => "miss",
        };
        let measured = cell(target.measured, number);
        vec![target.what.to_owned(), target.bound.text(), measured, verdict.to_owned()]
    });
    table(&mut text, &headings, rows.collect());
    text
}

fn targets(results: &Results) -> Vec<Target> {
    let to_floor = |shape, figure| results.ratio(figure, (shape, SERVER), (shape, FLOOR));
    let own = |figure, shape, other| results.ratio(figure, (shape, SERVER), (other, SERVER));
    let of = |shape, figure| results.median(shape, SERVER, figure);
    let to_gearmand = |shape| results.ratio(Figure::Rate, (shape, SERVER), (shape, GEARMAND));
    let with_file = |figure, shape| results.ratio(figure, (shape, FILE), (shape, SERVER));
    let native = |figure, shape, other| results.ratio(figure, (shape, NATIVE), (shape, other));
    let kept = |figure, shape| results.median(shape, NATIVE, figure);
    let target = |what, bound, measured| Target { what, bound, measured };
    let http = |figure, shape| results.median(shape, HTTP, figure);
    let to_handler = |shape| results.ratio(Figure::Submits, (shape, HTTP_FLOOR), (shape, HTTP));
    let parked = |figure| results.median(PARKED_POLLS, POLLS, figure);
    let queued = kept(Figure::Resident, RESTART);
    vec![
        target("CPU per job : floor, 4 × 64 × 8", Bound::AtMost(1.3), to_floor(BUSY, Figure::Cpu)),
        target("CPU per job : floor, 64 × 16 × 64", Bound::AtMost(1.4), to_floor(WIDE, Figure::Cpu)),
        target("round trips/s : gearmand, 4 × 64 × 8", Bound::AtLeast(1.5), to_gearmand(BUSY)),
        target("round trips/s : gearmand, 64 × 16 × 64", Bound::AtLeast(1.5), to_gearmand(WIDE)),
        target("p50 : floor, 1 × 1 × 1", Bound::AtMost(1.2), to_floor(ALONE, Figure::P50)),
        target("p50 with a crowd of idle workers : without", EQUAL, of(IDLE, Figure::P50Change)),
        target("CPU per job, many other types : none", EQUAL, own(Figure::Cpu, TYPES_ASIDE, BUSY)),
        target("CPU per job, dealt over many types : one", EQUAL, own(Figure::Cpu, MANY_TYPES, ONE_TYPE)),
        target("CPU per job, many queued behind : 10", EQUAL, own(Figure::Cpu, DEEP, SHALLOW)),
        target("memory per queued job beyond its body, B", Bound::AtMost(300.0), of(BACKLOG, Figure::JobMemory)),
        target("memory per idle connection, B", Bound::AtMost(4096.0), of(IDLE, Figure::ConnectionMemory)),
        target("p50 with a file store : without, 1 × 1 × 1", EQUAL, with_file(Figure::P50, ALONE)),
        target("CPU per job with a file store : without, 1 × 1 × 1", EQUAL, with_file(Figure::Cpu, ALONE)),
        target("CPU per job with a file store : without, 4 × 64 × 8", EQUAL, with_file(Figure::Cpu, BUSY)),
        target("round trips/s with credit : gearmand", Bound::AtLeast(4.0), native(Figure::Rate, CREDIT, GEARMAND)),
        target("durable jobs/s : redis, synced always", Bound::AtLeast(2.0), native(Figure::Jobs, DURABLE, REDIS)),
        target("durable jobs/s : beanstalkd -f 0", Bound::AtLeast(5.0), native(Figure::Jobs, DURABLE, BEANSTALKD)),
        target("p50 of a durable job in syncs, 1 × 1 × 1", Bound::AtMost(2.5), kept(Figure::P50InSyncs, DURABLE_ALONE)),
        target(
            "MiB with the durable jobs queued",
            Bound::AtMost(400.0),
            queued.map(|bytes| bytes / f64::from(1 << 20)),
        ),
        target("s from kill -9 and restart to the first job", Bound::AtMost(10.0), kept(Figure::FirstJob, RESTART)),
        target("durable submits/s over HTTP, 64 connections", Bound::AtLeast(15_000.0), http(Figure::Submits, SUBMITS)),
        target("… or those of a bare handler : them", Bound::AtMost(1.3), to_handler(SUBMITS)),
        target("p50 with parked polls : without", EQUAL, parked(Figure::P50Change)),
        target("memory per parked poll, B", Bound::AtMost(10_240.0), parked(Figure::ConnectionMemory)),
        target(
            "% of a core while polls are parked",
            Bound::AtMost(0.5),
            parked(Figure::IdleCpu).map(|cores| cores * 100.0),
        ),
    ]
}

impl Bound {
    fn met(self, value: f64) -> bool {
        match self {
            Bound::AtMost(bound) => value <= bound,
            Bound::AtLeast(bound) => value >= bound,
        }
    }

    fn text(self) -> String {
        match self {
            Bound::AtMost(bound) => format!("≤ {}", number(bound)),
            Bound::AtLeast(bound) => format!("≥ {}", number(bound)),
        }
    }
}

fn number(value: f64) -> String {
    if value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") }
}

/// No change, as far as a shared machine can tell: its noise is a tenth.
const EQUAL: Bound = Bound::AtMost(1.1);
