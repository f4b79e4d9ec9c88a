//! The load program: what a job costs, and how long it takes, through the real server over real sockets.
//!
//! It starts the release binary and drives whole round trips (submit, ok, worker, answer, result), each checked for
//! its id and its body; it counts the server's processor time and memory from the server's own accounts in `/proc`.
//! In the same interleaved rounds it does so with a *floor*, which is a bare relay of the same frames, and with other
//! job servers that are installed. Absolute figures belong to the machine; the ratios to the floor carry over.
//!
//! It is no micro-benchmark (`core` and `codec` are), no test of the dialects (it sends only what it expects to
//! work), and no judge of time: a wrong answer or a hang fails the run, a slow one does not.
//!
//! ```text
//! cargo bench --bench server -- [--rounds N] [--seconds S] [--only SHAPE,…] [--peers NAME,…|none] [--quick] [--unpinned]
//! ```
//!
//! | file | |
//! |---|---|
//! | `shape`, `plan` | what can be measured, a row each; what is going to be |
//! | `peer` | what a server under test must offer; `procession`, `beanstalkd`, `gearmand`, `redis` |
//! | `gloom`, `native`, `frame`, `http` | the dialects of procession, and what they share |
//! | `floor`, `backlog`, `http_floor` | the relay; the bare handler |
//! | `disk` | what one sync costs |
//! | `trial` | one measurement: start, connect, warm up, measure |
//! | `load`, `ledger`, `job` | the closed loops, their books, and what a job looks like |
//! | `reactor` | many sockets in one task, for load and floor alike |
//! | `process`, `cores`, `open_files` | processes, their clocks, places and limits |
//! | `figure`, `report`, `target` | numbers, tables, verdicts |

mod arguments;
mod backlog;
mod beanstalkd;
mod cores;
mod disk;
mod figure;
mod flaw;
mod floor;
mod frame;
mod gearmand;
mod gloom;
mod http;
mod http_floor;
mod job;
mod ledger;
mod load;
mod native;
mod open_files;
mod peer;
mod plan;
mod process;
mod procession;
mod reactor;
mod redis;
mod report;
mod shape;
mod target;
mod trial;

use std::collections::HashSet;
use std::process::ExitCode;

use clap::Parser;

use crate::arguments::Arguments;
use crate::figure::Figure;
use crate::flaw::Flaw;
use crate::plan::Plan;
use crate::process::progress;
use crate::report::Results;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (&arguments.floor, &arguments.http_floor) {
        (Some(ports_file), _) => floor::serve(ports_file, arguments.floor_credit).map(|()| true),
        (None, Some(ports_file)) => http_floor::serve(ports_file).map(|()| true),
        (None, None) => compare(&arguments),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(flaw) => {
            progress(&format!("error: {flaw}"));
            ExitCode::FAILURE
        }
    }
}

/// Measures everything that was asked for and prints the tables. False if anything was wrong.
fn compare(arguments: &Arguments) -> Result<bool, Flaw> {
    let plan = Plan::new(arguments)?;
    plan.notes.iter().for_each(|line| progress(line));
    let (results, failures) = measure(&plan);
    let disturbed = results
        .largest(Figure::Others)
        .filter(|others| *others > QUIET_CORES)
        .map(|others| format!("disturbed: other processes used up to {} % of a core", Figure::Others.show(others)));
    print!("{}{}", report::tables(&results, &plan), target::table_of(&results));
    for line in plan.notes.iter().chain(&disturbed).chain(&failures) {
        println!("\n{line}");
    }
    Ok(failures.is_empty())
}

/// Each shape with each peer, again and again, so that what disturbs the machine disturbs all alike.
fn measure(plan: &Plan) -> (Results, Vec<String>) {
    let folder = disk::folder().join(format!("server-bench-{}", std::process::id()));
    let mut results = Results::default();
    let mut failures = Vec::new();
    let mut broken = HashSet::new();
    for round in 0..plan.rounds {
        for shape in &plan.shapes {
            for peer in plan.field(shape, round) {
                let what = (shape.name, peer.name());
                // What failed once would only hang once more.
                if broken.contains(&what) {
                    continue;
                }
                let which = format!("round {} of {}, {}, {}", round + 1, plan.rounds, shape.name, peer.name());
                match trial::run(peer, shape, plan.seconds, &plan.cores, &folder) {
                    Ok(figures) => {
                        progress(&format!("{which}: {}", figure::line(&figures)));
                        results.of(shape.name, peer.name()).push(figures);
                    }
                    Err(flaw) => {
                        failures.push(format!("FAILED: {which}: {flaw}"));
                        failures.last().into_iter().for_each(|line| progress(line));
                        broken.insert(what);
                    }
                }
            }
        }
    }
    (results, failures)
}

/// What other processes may use without being mentioned.
const QUIET_CORES: f64 = 0.1;
