//! The HTTP API: every row of its text, from outside.
//!
//! | file | what it asks |
//! |---|---|
//! | `submitting`, `batch`, `waiting` | masters: one job, many, and how they ended |
//! | `reading`, `managing` | jobs by id and in lists; cancel, retry, delete |
//! | `assignments`, `answers` | workers: the long poll, and what they say of what they got |
//! | `queues`, `peers`, `figures`, `histories` | operators: queues, who is connected, statistics, events, metrics |
//! | `openapi` | the document that describes all of this |
//! | `problems`, `browser_safety`, `bad_http` | what is refused, and how |
//! | `vanishing`, `restart`, `limits` | pollers that die, servers that die, too much of everything |
//! | `on_disk`, `soak` | what a positive answer means; a crowd for a while |
//! | `among_others` | jobs that go in by one protocol and are worked by another |

mod among_others;
mod answers;
mod assignments;
mod bad_http;
mod batch;
mod browser_safety;
mod client;
mod figures;
mod histories;
mod limits;
mod managing;
mod on_disk;
mod openapi;
mod peers;
mod problems;
mod queues;
mod reading;
mod restart;
mod scrape;
mod soak;
mod submitting;
mod vanishing;
mod waiting;

use crate::support::http::{API, AS_JSON, Answer, assert_members, assert_members_and_maybe, escaped, member};
use crate::support::process::unique;
use crate::support::{
    Framed, Http, PATIENCE, Random, Reply, Server, TempDir, eventually, gloom_master, gloom_worker, http, json, native,
    nested,
};
use jiff::Timestamp;
use serde_json::{Value, json as value};
use std::time::{Duration, Instant};

/// What a job has when people look at it.
const JOB: [&str; 17] = [
    "id",
    "type",
    "state",
    "priority",
    "body",
    "attempt",
    "max_attempts",
    "created_at",
    "run_at",
    "started_at",
    "finished_at",
    "result",
    "error",
    "attempts",
    "durable",
    "master",
    "progress",
];

/// What it may have besides.
const MORE_OF_JOB: [&str; 3] = ["note", "lease_ends_at", "why"];

/// What a job has when a worker gets it.
const ASSIGNMENT: [&str; 8] = ["id", "type", "body", "priority", "attempt", "max_attempts", "lease_ms", "receipt"];

/// What each attempt of a job has.
const ATTEMPT: [&str; 7] = ["attempt", "worker", "protocol", "started_at", "ended_at", "outcome", "error"];

/// A server that stores in a folder.
#[track_caller]
fn durable_server() -> Server {
    Server::with_store(TempDir::new(), &[])
}

/// The same, after it was killed: it stores where the one before stored.
#[track_caller]
fn after_kill9(server: Server) -> Server {
    Server::with_store(server.kill9_keeping_its_folder(), &[])
}

/// The path of a job.
fn path_of(id: &str) -> String {
    format!("/jobs/{}", escaped(id))
}

/// A job that is about to be submitted; `more` begins with a comma.
fn job(id: &str, kind: &str, more: &str) -> String {
    format!(r#"{{"id":{},"type":{},"body":"the body of it"{more}}}"#, value!(id), value!(kind))
}

/// Submits a job that must be accepted.
#[track_caller]
fn submit(http: &mut Http, id: &str, kind: &str, more: &str) {
    let answer = http.post("/jobs", job(id, kind, more)).json(201);
    assert_eq!((&answer["id"], &answer["type"]), (&value!(id), &value!(kind)), "got {answer}");
}

/// Submits jobs that must be accepted, in one batch.
#[track_caller]
fn submit_all(http: &mut Http, ids: impl IntoIterator<Item = String>, kind: &str, more: &str) {
    let jobs: Vec<String> = ids.into_iter().map(|id| job(&id, kind, more)).collect();
    let answer = http.post("/jobs/batch", format!(r#"{{"jobs":[{}]}}"#, jobs.join(","))).json(200);
    let items = answer["items"].as_array().expect("a batch has items");
    assert_eq!(items.len(), jobs.len());
    assert!(items.iter().all(|item| item["error"].is_null()), "got {answer}");
}

/// It has what a job has.
#[track_caller]
fn assert_job(job: &Value) {
    assert_members_and_maybe(job, &JOB, &MORE_OF_JOB);
}

/// The job, as it is now.
#[track_caller]
fn look(http: &mut Http, id: &str) -> Value {
    let job = http.get(&path_of(id)).json(200);
    assert_job(&job);
    job
}

/// The state of a job, as it is now.
#[track_caller]
fn state(http: &mut Http, id: &str) -> String {
    look(http, id)["state"].as_str().expect("a state is text").to_owned()
}

/// The path of a poll for one type.
fn poll_path(kind: &str, more: &str) -> String {
    format!("/assignments?type={}{more}", escaped(kind))
}

/// One job of this type, which must come.
#[track_caller]
fn take(http: &mut Http, kind: &str) -> Value {
    assigned(http.get(&poll_path(kind, "&wait=20")))
}

/// The one job in an answer to a poll.
#[track_caller]
fn assigned(answer: Answer) -> Value {
    let jobs = all_assigned(answer);
    assert_eq!(jobs.len(), 1, "expected one job, got {jobs:?}");
    jobs.into_iter().next().expect("there is one")
}

/// The jobs in an answer to a poll.
#[track_caller]
fn all_assigned(answer: Answer) -> Vec<Value> {
    let answer = answer.expect_no_store().json(200);
    assert_members(&answer, &["jobs"]);
    let jobs = answer["jobs"].as_array().expect("jobs are an array").clone();
    assert!(!jobs.is_empty());
    for job in &jobs {
        assert_members(job, &ASSIGNMENT);
    }
    jobs
}

/// There is nothing of this type now.
#[track_caller]
fn expect_nothing_of(http: &mut Http, kind: &str) {
    http.get(&poll_path(kind, "&wait=0")).expect_nothing();
}

/// The id of a job in JSON.
#[track_caller]
fn id_of(job: &Value) -> &str {
    job["id"].as_str().unwrap_or_else(|| panic!("expected an id, got {job}"))
}

/// Says something of an assignment: `verb` is the last part of the path, `more` begins with a comma.
#[track_caller]
fn say(http: &mut Http, job: &Value, verb: &str, more: &str) -> Answer {
    http.post(&format!("{}/{verb}", path_of(id_of(job))), format!(r#"{{"receipt":{}{more}}}"#, job["receipt"]))
}

/// Completes an assignment, which must be accepted.
#[track_caller]
fn complete(http: &mut Http, job: &Value, result: &str) {
    say(http, job, "complete", &format!(r#","body":{result}"#)).expect(200);
}

/// Waits until a type has so many workers: then a job that comes finds them.
#[track_caller]
fn wait_for_workers(server: &Server, kind: &str, count: usize) {
    let mut http = http(server);
    eventually(&format!("{count} workers of {kind}"), || (workers_of(&mut http, kind) == count).then_some(()));
}

/// A poll that is parked: it was sent and the server knows it.
#[track_caller]
fn parked(server: &Server, kind: &str, more: &str) -> Http {
    let before = workers_of(&mut http(server), kind);
    let mut poller = http(server);
    poller.start_get(&poll_path(kind, &format!("&wait=55{more}")));
    wait_for_workers(server, kind, before + 1);
    poller
}

/// How many workers a type has now.
#[track_caller]
fn workers_of(http: &mut Http, kind: &str) -> usize {
    let list = http.get("/workers?limit=1000").json(200);
    let workers = list["items"].as_array().unwrap_or_else(|| panic!("expected workers, got {list}"));
    let serves =
        |worker: &&Value| worker["types"].as_array().is_some_and(|types| types.iter().any(|name| name == kind));
    workers.iter().filter(serves).count()
}

/// A parameter of the query was refused, and named.
#[track_caller]
fn wrong_parameter(answer: Answer, name: &str) {
    let status = answer.status;
    assert!([400, 422].contains(&status), "expected {name} to be refused, got {answer:?}");
    let problem = answer.any_problem(status);
    assert_eq!(problem["field"], name, "got {problem}");
}

/// A time in RFC 3339, in UTC.
#[track_caller]
fn time(value: &Value) -> Timestamp {
    let text = value.as_str().unwrap_or_else(|| panic!("expected a time, got {value}"));
    assert!(text.ends_with('Z'), "expected UTC, got {text}");
    text.parse().unwrap_or_else(|error| panic!("expected RFC 3339, got {text}: {error}"))
}

/// The states in which jobs are counted, and left for.
const COUNTED: [&str; 8] = ["scheduled", "queued", "running", "completed", "failed", "cancelled", "expired", "dropped"];

/// The counts of all jobs, which balance.
#[track_caller]
fn counts(http: &mut Http) -> Value {
    let jobs = http.get("/stats").json(200)["jobs"].clone();
    assert_balanced(&jobs);
    jobs
}

/// What was accepted is all there is.
#[track_caller]
fn assert_balanced(jobs: &Value) {
    let count = |name: &str| jobs[name].as_u64().unwrap_or_else(|| panic!("expected {name}, got {jobs}"));
    let all: u64 = COUNTED.into_iter().map(count).sum();
    assert_eq!(count("accepted"), all, "expected what was accepted to be all there is, got {jobs}");
}

/// Waits until the statistics say so.
#[track_caller]
fn expect_counts(http: &mut Http, expected: &Value) {
    let mut last = Value::Null;
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        last = counts(http);
        let is_so = expected.as_object().expect("counts by name").iter().all(|(name, count)| last[name] == *count);
        if is_so {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("expected the counts {expected}, got {last}");
}

/// A worker of the native protocol.
#[track_caller]
fn native_worker(server: &Server, kind: &str, credit: u32) -> Framed {
    let mut worker = native(server);
    worker.ask(&format!(r#"{{"action":"join","types":[{}],"credit":{credit}}}"#, value!(kind)), r#"{"ok":true}"#);
    worker
}
