//! What the archive of finished jobs costs: filling it, starting with it, looking into it. `cargo bench --bench archive`.
//!
//! `--jobs N` finished jobs (default 1,000,000) of `--types N` types (default 200), in `--folder DIR` (default: below the
//! target folder), which is removed afterwards. The table shows the median and the worst page of a walk through the archive
//! from the newest job on; CPU is what the thread itself used, so it says more than the clock on a busy machine. With
//! `cargo test --benches` all of it is small.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use procession::core::record::{
    AttemptEnd, Body, JobId, Outcome, PeerName, Policy, Progress, Record, StoredAttempt, StoredJob, StoredState,
    TypeName,
};
use procession::store::sqlite::Options;
use procession::store::{Query, Sqlite, Store};

#[derive(Parser)]
#[command(name = "cargo bench --bench archive --")]
struct Arguments {
    /// Finished jobs
    #[arg(long)]
    jobs: Option<u64>,

    /// Of so many types
    #[arg(long, default_value_t = 200)]
    types: u64,

    /// Where the store lies meanwhile
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/archive"))]
    folder: PathBuf,

    /// Cargo passes this when it benchmarks, and not when it tests
    #[arg(long, hide = true)]
    bench: bool,
}

/// Jobs that are put, handed out and finished in one commit each.
const COMMIT: u64 = 256;

/// Pages of each walk.
const PAGES: usize = 200;

fn main() {
    let arguments = Arguments::parse();
    let jobs = arguments.jobs.unwrap_or(if arguments.bench { 1_000_000 } else { 2_000 });
    let folder = &arguments.folder;
    let _ = fs::remove_dir_all(folder);
    println!("{jobs} finished jobs of {} types", arguments.types);

    let mut store = Sqlite::open(folder, Options::default()).expect("a folder that can be written");
    store.recover(0, &mut |_| ()).expect("an empty store");
    let filling = fill(&mut store, jobs, arguments.types);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / jobs as f64;
    let (time, cpu) = filling;
    println!(
        "fill: {:.1} s in commits of {COMMIT}; {:.2} µs a job, {:.2} of CPU",
        time.as_secs_f64(),
        each(time),
        each(cpu)
    );
    drop(store);

    let before = resident();
    let begin = Instant::now();
    let mut store = Sqlite::open(folder, Options::default()).expect("it was just written");
    let mut count = 0;
    store.recover(0, &mut |_| count += 1).expect("it was just written");
    assert_eq!(count, jobs);
    println!("start: {:.2} s, {} MiB on disk", begin.elapsed().as_secs_f64(), store.bytes() >> 20);
    println!("memory: {} KiB more", resident().saturating_sub(before));

    println!(
        "\n{:<44} {:>9} {:>9} {:>9} {:>9} {:>7} {:>8}",
        "a page of 50, ms", "median", "worst", "CPU", "worst", "found", "looked at"
    );
    for (name, query) in queries() {
        walk(&mut store, name, query);
    }
    drop(store);
    let _ = fs::remove_dir_all(folder);
}

/// Gives the time that the commits took, and the CPU.
fn fill(store: &mut dyn Store, jobs: u64, types: u64) -> (Duration, Duration) {
    let policy = Arc::new(Policy::durable());
    let kinds: Vec<TypeName> =
        (0..types).map(|kind| TypeName::from_text(&format!("type-{kind}")).expect("a good name")).collect();
    let (mut time, mut cpu) = (Duration::ZERO, Duration::ZERO);
    for first in (1..=jobs).step_by(COMMIT as usize) {
        let sequences = first..=jobs.min(first + COMMIT - 1);
        let puts: Vec<Record> = sequences.clone().map(|sequence| put(sequence, &kinds, &policy)).collect();
        let ends: Vec<Record> = sequences.map(end).collect();
        let (begin, before) = (Instant::now(), on_cpu());
        store.commit(&puts).expect("room on the disk");
        store.commit(&ends).expect("room on the disk");
        time += begin.elapsed();
        cpu += on_cpu().saturating_sub(before);
    }
    (time, cpu)
}

fn put(sequence: u64, kinds: &[TypeName], policy: &Arc<Policy>) -> Record {
    // Spread without a pattern.
    let noise = sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let body = format!(
        r#"{{"picture":"https://example.org/pictures/{noise}.jpg","width":{},"note":"{:0>120}"}}"#,
        noise % 4096,
        sequence
    );
    Record::Put(Box::new(StoredJob {
        sequence,
        id: JobId::from_text(&format!("0192f0c1-7a3e-7c4d-9b1f-{sequence:012}")).expect("a good id"),
        kind: kinds[noise as usize % kinds.len()].clone(),
        priority: 0,
        body: Body::from(body.into_bytes()),
        policy: policy.clone(),
        created_ms: 1_790_000_000_000 + sequence,
        born_ms: 1_790_000_000_000 + sequence,
        master: PeerName::from("http:10.0.0.7:40312"),
        progress: Progress {
            state: StoredState::Queued,
            attempt: 0,
            deliveries: 0,
            priority: None,
            history: Vec::new(),
        },
    }))
}

/// Of a hundred jobs two fail and one is cancelled.
fn end(sequence: u64) -> Record {
    let (outcome, end) = match sequence % 100 {
        17 | 63 => (Outcome::Failed, AttemptEnd::Failed),
        40 => (Outcome::Cancelled, AttemptEnd::Cancelled),
        _ => (Outcome::Completed, AttemptEnd::Completed),
    };
    let error =
        (outcome == Outcome::Failed).then(|| Body::from(b"\"connection refused by mail.example.org\"".as_slice()));
    let detail = (outcome == Outcome::Completed).then(|| Body::from(b"{\"bytes\":48213}".as_slice()));
    let started_ms = 1_790_000_000_000 + sequence;
    let worker = PeerName::from(format!("native:10.0.0.{}:51000", sequence % 50));
    let attempt = StoredAttempt { number: 1, worker, started_ms, ended_ms: started_ms + 80, end, error };
    let state = StoredState::Finished { outcome, detail, at_ms: started_ms + 80, forget_ms: started_ms + 3_600_000 };
    Record::Change {
        sequence,
        progress: Progress { state, attempt: 1, deliveries: 1, priority: None, history: vec![attempt] },
    }
}

fn queries() -> Vec<(&'static str, Query)> {
    let all = Query::default();
    let kind = TypeName::from_text("type-7").ok();
    let text = |text: &str| Some(text.to_owned());
    vec![
        ("newest first", all.clone()),
        ("failed", Query { outcome: Some(Outcome::Failed), ..all.clone() }),
        ("expired (none is)", Query { outcome: Some(Outcome::Expired), ..all.clone() }),
        ("of one type", Query { kind: kind.clone(), ..all.clone() }),
        ("of one type, failed", Query { kind: kind.clone(), outcome: Some(Outcome::Failed), ..all.clone() }),
        ("with a text that many have", Query { text: text("refused"), ..all.clone() }),
        ("with a text that none has", Query { text: text("no such text anywhere"), ..all.clone() }),
        ("with a text that none has, of one type", Query { text: text("no such text anywhere"), kind, ..all.clone() }),
        (
            "with a text that none has, failed",
            Query { text: text("no such text"), outcome: Some(Outcome::Failed), ..all },
        ),
    ]
}

/// Page by page from the newest.
fn walk(store: &mut dyn Store, name: &str, mut query: Query) {
    let (mut times, mut cpu, mut found, mut looked_at) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..PAGES {
        let (begin, before) = (Instant::now(), on_cpu());
        let page = store.page(&query).expect("it was just written");
        times.push(begin.elapsed());
        cpu.push(on_cpu().saturating_sub(before));
        found += page.jobs.len();
        looked_at += page.looked_at;
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    let [(median, worst), (cpu, most)] = [times, cpu].map(middle_and_worst);
    println!("{name:<44} {median:>9.2} {worst:>9.2} {cpu:>9.2} {most:>9.2} {found:>7} {looked_at:>8}");
}

/// In milliseconds.
fn middle_and_worst(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    (ms(times[times.len() / 2]), ms(times[times.len() - 1]))
}

/// How long this thread has run on a processor; none where the system doesn't say.
fn on_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

/// KiB of memory that this process uses.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
