//! Made-up servers: one where nothing has happened, one with a little of everything, one as large as it gets.

use std::sync::Arc;

use crate::actors::keeper::StoreFigures;
use crate::actors::questions::PeerFigures;
use crate::core::Report;
use crate::core::census::Census;
use crate::core::job::{AttemptEnd, Body, JobId, Peer, Policy, TypeName};
use crate::core::record::{Outcome, Progress, StoredAttempt, StoredJob, StoredState};
use crate::core::report::Why;
use crate::core::statistics::{Figures, Percentiles, Point, QueueFigures, Snapshot};

use super::actions::{ActionFigures, StepFigures};
use super::server::{ProcessorFigures, ServerFigures};

/// The moment of all fixtures.
pub const NOW_MS: u64 = 1_769_860_800_000;

/// Names that try to be more than names.
pub const EVIL: [&str; 6] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "reversed\u{202e}gnp.exe",
    "👩‍👩‍👧 ünïcödé 漢字 العربية",
    "a/b?c=d&e#f%2F../..",
    "..",
];

/// A fixed row of numbers that looks like none.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

pub fn kind(name: &str) -> TypeName {
    TypeName::from_text(name).expect("a good name")
}

pub fn figures(dice: &mut Dice, size: u64) -> Figures {
    let census = Census {
        completed: dice.below(size * 100),
        failed: dice.below(size / 4 + 1),
        cancelled: dice.below(size / 20 + 1),
        expired: dice.below(size / 40 + 1),
        scheduled: dice.below(size / 8 + 1),
        queued: dice.below(size),
        running: dice.below(30),
        ..Census::default()
    };
    let accepted = census.completed + census.failed + census.cancelled + census.expired + census.live();
    let mut level = dice.below(40);
    let spark = (0..60)
        .map(|_| {
            level = (level + dice.below(9)).saturating_sub(4);
            level as u32
        })
        .collect();
    let percentiles = |p50: u64| Percentiles { p50: Some(p50), p95: Some(p50 * 4), p99: Some(p50 * 11), count: 4_711 };
    Figures {
        census: Census { accepted, ..census },
        oldest_ms: (census.queued > 0).then(|| NOW_MS - dice.below(600_000)),
        rate_in: dice.below(50_000) as f64 / 100.0,
        rate_out: dice.below(50_000) as f64 / 100.0,
        rate_failed: dice.below(100) as f64 / 100.0,
        wait: percentiles(dice.below(400_000) + 40),
        run: percentiles(dice.below(4_000_000) + 300),
        spark,
        ..Figures::default()
    }
}

pub fn queue(number: u32, name: &str, dice: &mut Dice, size: u64) -> QueueFigures {
    QueueFigures {
        queue: number,
        kind: kind(name),
        paused: false,
        workers: dice.below(12) as u32 + 1,
        idle: 0,
        last_worker_left_ms: None,
        figures: figures(dice, size),
    }
}

/// A server on which nothing has happened.
pub fn nothing() -> Snapshot {
    Snapshot { at_ms: NOW_MS, ..Snapshot::default() }
}

/// A server with a few queues, among them what needs attention and names that need care.
pub fn little() -> Snapshot {
    let mut dice = Dice(7);
    let names = ["mail", "resize", "billing.invoice", "billing.reminder", "transcode", "webhook", "index", "report"];
    let mut queues: Vec<QueueFigures> =
        names.into_iter().chain(EVIL).enumerate().map(|(at, name)| queue(at as u32, name, &mut dice, 3_000)).collect();
    queues[1].workers = 0;
    queues[1].last_worker_left_ms = Some(NOW_MS - 193_000);
    queues[2].paused = true;
    queues[4].figures.oldest_ms = Some(NOW_MS - 3_900_000);
    queues[5].figures.rate_failed = 41.0;
    queues[6].workers = 0;
    queues[7].figures = Figures { spark: vec![0; 60], ..Figures::default() };
    snapshot(queues)
}

/// A server with 10,000 queues.
pub fn much() -> Snapshot {
    let mut dice = Dice(11);
    snapshot(
        (0..10_000)
            .map(|at| {
                queue(
                    at,
                    &format!(
                        "tenant-{:04}.{}",
                        at / 4,
                        ["mail", "resize", "index", "a-rather-long-name-of-a-type-that-goes-on"][at as usize % 4]
                    ),
                    &mut dice,
                    200,
                )
            })
            .collect(),
    )
}

fn snapshot(queues: Vec<QueueFigures>) -> Snapshot {
    let mut dice = Dice(3);
    let mut total = figures(&mut dice, 3_000);
    total.census = Census::default();
    for queue in &queues {
        total.census += queue.figures.census;
    }
    total.rate_failed = 41.0;
    Snapshot { version: 1, at_ms: NOW_MS, total, queues: queues.into_iter().map(Arc::new).collect() }
}

/// A history with ups, downs and a gap.
pub fn points(count: u64, step_ms: u64) -> Vec<Point> {
    let mut dice = Dice(5);
    let mut level: u32 = 300;
    (0..count)
        .map(|at| {
            level = (level + dice.below(61) as u32).saturating_sub(30);
            let is_quiet = (40..60).contains(&(at * 100 / count));
            let level = if is_quiet { 0 } else { level * (step_ms / 1_000) as u32 };
            Point {
                at_ms: NOW_MS - (count - at) * step_ms,
                accepted: level,
                ended: level * 9 / 10 + dice.below(20) as u32,
                failed: level / 40,
                queued: 1_000 + level * 2,
                running: level / 10,
                wait_p95: if is_quiet { 0 } else { 20_000 + u64::from(level) * 40 },
                run_p95: if is_quiet { 0 } else { 90_000 + dice.below(60_000) },
            }
        })
        .collect()
}

pub fn server() -> ServerFigures {
    ServerFigures {
        version: "0.1.0",
        uptime_ms: 187_200_000,
        memory_bytes: Some(412 << 20),
        cpu: Some(0.37),
        connections: Some(214),
        draining: false,
        store: Some(StoreFigures {
            bytes: 1_932_735_283,
            free_bytes: Some(600 << 20),
            commits: 48_120,
            commit: Percentiles { p50: Some(1_900), p95: Some(4_300), p99: Some(21_000), count: 5_000 },
            ..StoreFigures::default()
        }),
    }
}

pub fn processors() -> Vec<ProcessorFigures> {
    ["resize-1", "resize-2", "ocr-1"]
        .into_iter()
        .enumerate()
        .map(|(at, id)| ProcessorFigures {
            id: id.to_owned(),
            name: id[..id.len() - 2].to_owned(),
            url: format!("http://10.0.0.{}:8080", at + 4),
            is_up: at != 2,
            cpu: Some(0.42),
            memory: Some(120 << 20),
            average_ms: Some(41.3),
            processed: 10_441 * at as u64,
            failed: 12,
            in_hand: at as u64,
            connected_ms: NOW_MS - 86_400_000,
            last_seen_ms: Some(NOW_MS - 3_000 - at as u64 * 40_000),
        })
        .collect()
}

pub fn json(text: &str) -> Body {
    Body::from(text.as_bytes())
}

/// A body that tries everything: markup, emoji, marks of direction, exact numbers, a duplicate key.
pub const EVIL_BODY: &str = "{\"to\":\"<script>alert(1)</script>\",\"a\":1.0,\"a\":12345678901234567890123,\"emoji\":\"\u{1f469}\u{200d}\u{1f4bb} \u{1f3f4}\",\"rtl\":\"abc\u{202e}fed\",\"nested\":{\"list\":[1,2,3],\"deep\":[{\"x\":null},{\"y\":true}]},\"html\":\"</pre></details><h1>out</h1>\"}";

/// What a program in trouble says.
const TRACE: &str = "\"Traceback (most recent call last):\\n  File \\\"/srv/app/resize.py\\\", line 41, in handle\\n    raise ValueError(\\\"no such image 4711\\\")\\nValueError: no such image 4711\"";

/// A job that has just been queued.
pub fn job(sequence: u64, id: &str, name: &str, body: &str) -> Report {
    let progress =
        Progress { state: StoredState::Queued, attempt: 0, deliveries: 0, priority: None, history: Vec::new() };
    let job = StoredJob {
        sequence,
        id: JobId::from_text(id).expect("a good id"),
        kind: kind(name),
        priority: 0,
        body: json(body),
        policy: Arc::new(Policy { ttl_ms: Some(3_600_000), ..Policy::durable() }),
        created_ms: NOW_MS - 754_000,
        born_ms: NOW_MS - 754_000,
        master: "native:web-frontend-3".into(),
        progress,
    };
    let why = Why { ahead: 41, paused: false, workers: 3, last_worker_left_ms: None };
    Report { why, ..Report::archived(job) }
}

fn attempt(number: u32, started_ms: u64, took_ms: u64, end: AttemptEnd, error: Option<&str>) -> StoredAttempt {
    let worker = if number == 1 { "gloom-worker:10.0.0.7:51234" } else { "http:resizer-17" };
    StoredAttempt {
        number,
        worker: worker.into(),
        started_ms,
        ended_ms: started_ms + took_ms,
        end,
        error: error.map(json),
    }
}

fn finished(mut report: Report, outcome: Outcome, detail: Option<&str>, end: AttemptEnd) -> Report {
    let start_ms = report.job.created_ms;
    report.job.progress.attempt = 1;
    report.job.progress.history = vec![attempt(1, start_ms + 1_200, 88_000, end, detail)];
    report.job.progress.state = StoredState::Finished {
        outcome,
        detail: detail.map(json),
        at_ms: start_ms + 89_200,
        forget_ms: NOW_MS + 2_846_000,
    };
    report
}

/// A job in each state, and some that need care.
pub fn jobs() -> Vec<Report> {
    let start_ms = NOW_MS - 754_000;
    let mut scheduled = job(20, "invoice-2026-01-31", "billing.invoice", "{\"customer\":4711}");
    scheduled.job.progress.state = StoredState::Scheduled { at_ms: NOW_MS + 5_400_000 };
    let id = "0199c2f4-7d1e-7c3a-9d51-0b8e2f6a4c11";
    let mut retried = job(19, id, "webhook", "{\"url\":\"https://example.com/hook\"}");
    let error = "{\"type\":\"Timeout\",\"message\":\"no answer of https://example.com/hook after 5 s\"}";
    retried.job.progress.state = StoredState::Scheduled { at_ms: NOW_MS + 42_000 };
    retried.job.progress.attempt = 2;
    retried.job.progress.history = vec![
        attempt(1, start_ms + 2_000, 30_000, AttemptEnd::WorkerGone, None),
        attempt(2, start_ms + 40_000, 5_100, AttemptEnd::Failed, Some(error)),
    ];
    let queued = job(18, "<img src=x onerror=alert(1)>", EVIL[0], EVIL_BODY);
    let mut alone = job(17, "resize-99", "resize", "\"photo.jpg\"");
    alone.why = Why { ahead: 0, paused: false, workers: 0, last_worker_left_ms: Some(NOW_MS - 193_000) };
    let mut paused = job(16, "reminder-8", "billing.reminder", "[1,2,3]");
    paused.why.paused = true;
    let mut running = job(15, "transcode-5", "transcode", "{\"file\":\"film.mov\"}");
    running.job.progress.attempt = 1;
    running.job.progress.state =
        StoredState::Running { worker: "native:render-farm-04".into(), started_ms: NOW_MS - 301_000, lease_ms: None };
    running.progress = Some(0.63);
    running.note = Some("frame 9,120 of 14,400".into());
    running.lease_ends_ms = Some(NOW_MS + 1_499_000);
    let result = Some("{\"sent\":true,\"id\":18446744073709551616}");
    let completed = finished(job(14, "mail-7", "mail", EVIL_BODY), Outcome::Completed, result, AttemptEnd::Completed);
    let failed = job(13, "\u{1f469}\u{200d}\u{1f469}\u{200d}\u{1f467} id", EVIL[3], "\"\u{202e}evil\"");
    let failed = finished(failed, Outcome::Failed, Some(TRACE), AttemptEnd::Failed);
    let cancelled = finished(job(12, "index-3", "index", "null"), Outcome::Cancelled, None, AttemptEnd::Cancelled);
    let mut expired = job(11, "a/b?c=d&e#f%2F../..", "a/b?c=d&e#f%2F../..", "{}");
    expired.job.progress.state = StoredState::Finished {
        outcome: Outcome::Expired,
        detail: None,
        at_ms: NOW_MS - 10_000,
        forget_ms: NOW_MS + 3_590_000,
    };
    vec![scheduled, retried, queued, alone, paused, running, completed, failed, cancelled, expired]
}

/// Failed jobs of a few kinds.
pub fn failed(count: u64) -> Vec<Report> {
    let errors = [
        "no such image 4711",
        "connection to 10.0.0.9 refused",
        "<b>markup</b> in an error",
        "timeout after 30.0 s of job 0199c2f4-7d1e-7c3a-9d51-0b8e2f6a4c11",
    ];
    (0..count)
        .map(|at| {
            let error = errors[(at * at % 7 % 4) as usize].replace("4711", &at.to_string());
            let kind = ["resize", "mail"][(at % 3 / 2) as usize];
            let mut report = job(at + 100, &format!("job-{at}"), kind, "{}");
            report.job.progress.attempt = 4;
            report.job.progress.state = StoredState::Finished {
                outcome: Outcome::Failed,
                detail: Some(json(&serde_json::Value::from(error).to_string())),
                at_ms: NOW_MS - 3_000 - at * 7_700,
                forget_ms: NOW_MS + 86_400_000,
            };
            report
        })
        .collect()
}

/// Who is connected.
pub fn peers(count: u64) -> Vec<PeerFigures> {
    let names = [
        "native:render-farm-04",
        "gloom-worker:10.0.0.7:51234",
        "http:resizer-17",
        "deputy:",
        "processor:resize-1",
        "native:<b>\u{202e}x</b>",
    ];
    let types = ["transcode", "resize", "mail", "index", EVIL[0]];
    let held = |number: u64| (JobId::from_text(&format!("job-{number}")).expect("a good id"), NOW_MS - number * 1_500);
    (0..count)
        .map(|at| PeerFigures {
            peer: Peer(at + 12),
            address: None,
            name: names[at as usize % names.len()].into(),
            since_ms: NOW_MS - at * 777_777,
            types: types.iter().take(at as usize % 6).map(|name| kind(name)).collect(),
            submitted: at * 31,
            completed: at * 1_031,
            failed: at % 3,
            jobs: (0..at % 5).map(held).collect(),
        })
        .collect()
}

fn step(processor: &str, state: &'static str, started: Option<u64>, took: Option<u64>) -> StepFigures {
    StepFigures {
        processor: processor.to_owned(),
        state,
        attempts: u32::from(started.is_some()),
        job: started.map(|_| "0199c2f4-7d1e-7c3a-9d51-0b8e2f6a4c11".to_owned()),
        started_ms: started.map(|ago| NOW_MS - ago),
        ended_ms: started.zip(took).map(|(ago, took)| NOW_MS - ago + took),
        data: (state == "completed").then(|| json(EVIL_BODY)),
        error: (state == "failed").then(|| json("\"no such image\"")),
        why: Vec::new(),
    }
}

fn action(id: &str, state: &'static str, steps: Vec<StepFigures>) -> ActionFigures {
    ActionFigures {
        id: id.to_owned(),
        state,
        steps,
        input: Some(json("{\"url\":\"https://example.com/a.png\"}")),
        data: (state == "completed").then(|| json("{\"ok\":true}")),
        error: (state == "failed").then(|| json("\"no such image\"")),
        created_ms: NOW_MS - 90_000,
        ended_ms: (state != "running").then_some(NOW_MS - 60_000),
        response_url: Some("http://10.0.0.3/done".to_owned()),
        delivered: Some(state == "completed"),
    }
}

/// Actions in each state.
pub fn actions() -> Vec<ActionFigures> {
    vec![
        action(
            "0199c300-aaaa-7c3a-9d51-0b8e2f6a4c11",
            "running",
            vec![
                step("fetch", "completed", Some(90_000), Some(3_000)),
                step("resize", "skipped", Some(86_000), Some(20_000)),
                step("ocr", "running", Some(60_000), None),
                step("store", "pending", None, None),
            ],
        ),
        action(
            "nightly-<b>report</b>",
            "completed",
            vec![
                step("fetch", "completed", Some(90_000), Some(10_000)),
                step("store", "completed", Some(80_000), Some(20_000)),
            ],
        ),
        action(
            "0199c300-bbbb-7c3a-9d51-0b8e2f6a4c11",
            "failed",
            vec![step("fetch", "failed", Some(90_000), Some(30_000)), step("store", "pending", None, None)],
        ),
    ]
}
