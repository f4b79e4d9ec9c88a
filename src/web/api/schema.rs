//! The shapes of requests and answers, for the OpenAPI document alone: what is read and written is in `reading` and `writing`,
//! which know nothing of these types, since bodies pass as the bytes they are. Tests hold both together.

#![allow(missing_docs, reason = "each field is described by its name and `spec/http.md`")]

use serde_json::Value;
use utoipa::ToSchema;

/// A job to submit.
#[derive(ToSchema)]
pub struct Submission {
    /// Made by the server where it is absent.
    pub id: Option<String>,
    #[schema(default = "default")]
    pub r#type: Option<String>,
    /// Any JSON; reaches the worker byte for byte.
    #[schema(value_type = Option<Value>)]
    pub body: Option<Value>,
    pub priority: Option<i64>,
    pub durable: Option<bool>,
    pub delay_ms: Option<u64>,
    /// RFC 3339.
    pub run_at: Option<String>,
    pub lease_ms: Option<u64>,
    pub max_attempts: Option<u32>,
    pub backoff_ms: Option<u64>,
    pub ttl_ms: Option<u64>,
    pub keep_ms: Option<u64>,
    /// How long the record of a failed job is kept, in milliseconds.
    pub keep_failed_ms: Option<u64>,
    /// `drop` or `keep`.
    pub on_master_gone: Option<String>,
}

/// Jobs to submit at once.
#[derive(ToSchema)]
pub struct Batch {
    /// At most 10,000.
    pub jobs: Vec<Submission>,
}

/// What became of each job of a batch, in order.
#[derive(ToSchema)]
pub struct BatchResult {
    pub items: Vec<BatchItem>,
}

/// `id` and `state`, or `error`.
#[derive(ToSchema)]
pub struct BatchItem {
    pub id: Option<String>,
    pub state: Option<String>,
    pub error: Option<BatchError>,
}

/// Why a job of a batch was refused.
#[derive(ToSchema)]
pub struct BatchError {
    pub code: String,
    pub detail: String,
    /// The field that is wrong.
    pub field: Option<String>,
}

/// A job that was accepted.
#[derive(ToSchema)]
pub struct Accepted {
    pub id: String,
    pub r#type: String,
    pub state: String,
}

/// A job with everything there is to know of it; absent things are null.
#[derive(ToSchema)]
pub struct Job {
    pub id: String,
    pub r#type: String,
    /// `scheduled`, `queued`, `running`, `completed`, `failed`, `cancelled` or `expired`.
    pub state: String,
    pub priority: i64,
    #[schema(value_type = Value)]
    pub body: Value,
    pub attempt: u32,
    pub max_attempts: u32,
    pub created_at: String,
    pub run_at: Option<String>,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    #[schema(value_type = Value)]
    pub result: Value,
    #[schema(value_type = Value)]
    pub error: Value,
    pub attempts: Vec<Attempt>,
    pub durable: bool,
    /// `PROTOCOL:NAME`.
    pub master: String,
    pub progress: Option<f64>,
    /// Only where its worker said something.
    pub note: Option<String>,
}

/// One delivery of a job.
#[derive(ToSchema)]
pub struct Attempt {
    pub attempt: u32,
    pub worker: String,
    pub protocol: String,
    pub started_at: String,
    pub ended_at: Option<String>,
    /// `completed`, `failed`, `released`, `worker_gone`, `lease_over` or `cancelled`; null while it runs.
    pub outcome: Option<String>,
    #[schema(value_type = Value)]
    pub error: Value,
}

/// A page of jobs.
#[derive(ToSchema)]
pub struct Jobs {
    pub items: Vec<Job>,
    /// The `cursor` of the next page.
    pub next: Option<String>,
    /// Of a search: how many jobs were looked at for this page. With `next` there are more, also where nothing was found.
    pub looked_at: Option<u64>,
}

/// Jobs for a worker.
#[derive(ToSchema)]
pub struct Assignments {
    pub jobs: Vec<Assignment>,
}

/// A job for a worker, under a lease.
#[derive(ToSchema)]
pub struct Assignment {
    pub id: String,
    pub r#type: String,
    #[schema(value_type = Value)]
    pub body: Value,
    pub priority: i64,
    pub attempt: u32,
    pub max_attempts: u32,
    pub lease_ms: u64,
    pub receipt: String,
}

/// The result of an attempt.
#[derive(ToSchema)]
pub struct Complete {
    pub receipt: String,
    #[schema(value_type = Option<Value>)]
    pub body: Option<Value>,
}

/// Why an attempt failed.
#[derive(ToSchema)]
pub struct Fail {
    pub receipt: String,
    #[schema(value_type = Option<Value>)]
    pub error: Option<Value>,
    #[schema(default = true)]
    pub retry: Option<bool>,
    pub delay_ms: Option<u64>,
}

/// An attempt goes on.
#[derive(ToSchema)]
pub struct Touch {
    pub receipt: String,
    pub lease_ms: Option<u64>,
    /// 0 to 1.
    pub progress: Option<f64>,
    pub note: Option<String>,
}

/// The lease of an attempt that goes on.
#[derive(ToSchema)]
pub struct Touched {
    pub lease_ms: u64,
    pub cancelled: bool,
}

/// An attempt is given back.
#[derive(ToSchema)]
pub struct Release {
    pub receipt: String,
    pub delay_ms: Option<u64>,
}

/// A priority.
#[derive(ToSchema)]
pub struct Priority {
    pub priority: i64,
}

/// The state that a job is in now.
#[derive(ToSchema)]
pub struct State {
    pub state: String,
}

/// How many jobs were touched.
#[derive(ToSchema)]
pub struct Count {
    pub count: u64,
}

/// Whether a queue hands out jobs.
#[derive(ToSchema)]
pub struct Paused {
    pub paused: bool,
}

/// Who is connected.
#[derive(ToSchema)]
pub struct Peers {
    pub items: Vec<Peer>,
    pub next: Option<String>,
}

/// A worker or a master.
#[derive(ToSchema)]
pub struct Peer {
    pub id: String,
    pub name: String,
    pub protocol: String,
    pub address: Option<String>,
    pub types: Vec<String>,
    /// The first of `jobs`.
    pub job: Option<String>,
    /// What it has in hand.
    pub jobs: Vec<String>,
    pub since: String,
    pub submitted: u64,
    pub completed: u64,
    pub failed: u64,
}

/// An error (RFC 9457).
#[derive(ToSchema)]
pub struct Problem {
    pub r#type: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// Stable: what a program looks at.
    pub code: String,
    /// The field that is wrong.
    pub field: Option<String>,
    /// The state of the job that it is about.
    pub state: Option<String>,
}

/// A connection was closed.
#[derive(ToSchema)]
pub struct Disconnected {
    pub disconnected: bool,
}

/// A page of queues.
#[derive(ToSchema)]
pub struct Queues {
    pub items: Vec<Queue>,
    /// The `cursor` of the next page.
    pub next: Option<String>,
}

/// How a queue does.
#[derive(ToSchema)]
pub struct Queue {
    pub r#type: String,
    /// Hands out nothing.
    pub paused: bool,
    pub queued: u64,
    pub scheduled: u64,
    pub running: u64,
    pub failed: u64,
    /// Those that joined it.
    pub workers: u32,
    /// Those of them that wait for a job.
    pub idle: u32,
    /// Null while there is one, or where none was ever there.
    pub last_worker_left: Option<String>,
    /// Ever accepted: all others together.
    pub submitted: u64,
    pub completed: u64,
    pub cancelled: u64,
    pub expired: u64,
    pub dropped: u64,
    /// How long the job that is queued longest has been.
    pub oldest_ms: Option<u64>,
    /// Jobs accepted per second, over the last ten.
    pub rate_in: f64,
    /// Jobs ended per second, over the last ten.
    pub rate_out: f64,
    /// Jobs failed for good per second, over the last ten.
    pub rate_failed: f64,
    /// How long jobs were in line, over the last five minutes.
    pub wait_ms: Times,
    /// How long attempts took, over the last five minutes.
    pub run_ms: Times,
    /// Only where it was asked for.
    pub history: Option<History>,
}

/// Percentiles, rounded up; null where nothing was measured.
#[derive(ToSchema)]
pub struct Times {
    pub p50: Option<u64>,
    pub p95: Option<u64>,
    pub p99: Option<u64>,
}

/// What happened step by step, oldest first. It begins where the server knows of it.
#[derive(ToSchema)]
pub struct History {
    /// `5m` or `24h`.
    pub range: String,
    pub step_ms: u64,
    /// With `5m` the second that is not over is left out; with `24h` the last point is the minute that is not over.
    pub points: Vec<Point>,
}

/// A second, or a minute.
#[derive(ToSchema)]
pub struct Point {
    /// When it began.
    pub at: String,
    pub accepted: u32,
    pub ended: u32,
    pub failed: u32,
    /// At its end.
    pub queued: u32,
    /// At its end.
    pub running: u32,
    pub wait_p95_ms: Option<u64>,
    pub run_p95_ms: Option<u64>,
}

/// How the server does.
#[derive(ToSchema)]
pub struct Stats {
    /// When the figures were taken.
    pub at: String,
    pub version: String,
    pub jobs: Census,
    pub rates: Rates,
    pub wait_ms: Times,
    pub run_ms: Times,
    pub oldest_ms: Option<u64>,
    pub queues: u64,
    pub uptime_ms: u64,
    pub memory_bytes: Option<u64>,
    /// How many processors it uses: 1 is one of them wholly.
    pub cpu: Option<f64>,
    pub connections: u64,
    /// It is about to stop.
    pub draining: bool,
    pub store: Store,
    /// Only where it was asked for.
    pub history: Option<History>,
}

/// Where the jobs are that were ever accepted: `accepted` is the sum of all others.
#[derive(ToSchema)]
pub struct Census {
    pub accepted: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub expired: u64,
    pub dropped: u64,
    pub scheduled: u64,
    pub queued: u64,
    pub running: u64,
}

/// Jobs per second, over the last ten.
#[derive(ToSchema)]
pub struct Rates {
    pub r#in: f64,
    pub out: f64,
    pub failed: f64,
}

/// How the store does.
#[derive(ToSchema)]
pub struct Store {
    /// `file`, or `memory`, which has nothing else to tell.
    pub kind: String,
    pub bytes: Option<u64>,
    pub free_bytes: Option<u64>,
    /// Durable submits are refused.
    pub full: Option<bool>,
    /// Since the start; each was synced once.
    pub commits: Option<u64>,
    pub records: Option<u64>,
    /// How long they took, over the last five minutes.
    pub commit_ms: Option<Times>,
}
