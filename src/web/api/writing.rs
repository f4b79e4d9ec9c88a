//! Answers: jobs, assignments and peers as `spec/http.md` spells them. Pure.

use bytes::BytesMut;

use crate::core::record::{StoredAttempt, StoredState};
use crate::core::{Assignment, JobId, JobState, PeerName, Report, Ticket, TypeName};
use crate::web::object::Object;

/// A job with everything there is to know of it.
pub fn job(out: &mut BytesMut, report: &Report) {
    let (job, progress) = (&report.job, &report.job.progress);
    let mut object = Object::begin(out);
    object
        .text("id", &job.id.text())
        .text("type", &job.kind.text())
        .text("state", report.state().as_str())
        .integer("priority", job.priority)
        .raw("body", &job.body)
        .integer("attempt", progress.attempt)
        .integer("max_attempts", job.policy.max_attempts)
        .maybe_time("created_at", Some(job.created_ms));
    let (run_at, finished_at, result, error) = match &progress.state {
        StoredState::Scheduled { at_ms } => (Some(*at_ms), None, None, None),
        StoredState::Queued | StoredState::Running { .. } => (None, None, None, None),
        StoredState::Finished { detail, at_ms, .. } => match report.state() {
            JobState::Completed => (None, Some(*at_ms), detail.as_deref(), None),
            JobState::Failed | JobState::Cancelled | JobState::Expired => (None, Some(*at_ms), None, detail.as_deref()),
            JobState::Scheduled | JobState::Queued | JobState::Running => (None, Some(*at_ms), None, None),
        },
    };
    object
        .maybe_time("run_at", run_at)
        .maybe_time("started_at", report.started_ms())
        .maybe_time("finished_at", finished_at)
        .raw("result", result.unwrap_or_default())
        .raw("error", error.unwrap_or_default());
    let running = match &progress.state {
        StoredState::Running { worker, started_ms, .. } => Some((worker, *started_ms)),
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Finished { .. } => None,
    };
    let ended = progress.history.iter().map(Attempt::Ended);
    let attempts = ended.chain(running.map(|(worker, since_ms)| Attempt::Running(progress.attempt, worker, since_ms)));
    object
        .array("attempts", attempts, attempt)
        .flag("durable", job.policy.durable)
        .text("master", &job.master)
        .maybe_number("progress", report.progress);
    if let Some(note) = &report.note {
        object.text("note", note);
    }
    object.end();
}

/// A job in short: what an answer to a submit says.
pub fn accepted(out: &mut BytesMut, id: &JobId, kind: &TypeName, state: JobState) {
    let mut object = Object::begin(out);
    object.text("id", &id.text()).text("type", &kind.text()).text("state", state.as_str());
    object.end();
}

/// A job for a worker.
pub fn assignment(out: &mut BytesMut, job: &Assignment) {
    let mut object = Object::begin(out);
    object
        .text("id", &job.id.text())
        .text("type", &job.kind.text())
        .raw("body", &job.body)
        .integer("priority", job.priority)
        .integer("attempt", job.attempt)
        .integer("max_attempts", job.max_attempts)
        .integer("lease_ms", job.lease_ms)
        .text("receipt", &Ticket::of(&job.receipt).to_string());
    object.end();
}

enum Attempt<'a> {
    Ended(&'a StoredAttempt),
    /// Its number, its worker, and since when.
    Running(u32, &'a PeerName, u64),
}

fn attempt(out: &mut BytesMut, attempt: Attempt<'_>) {
    let (number, worker, started_ms, ended_ms, outcome, error) = match attempt {
        Attempt::Ended(ended) => {
            let error = ended.error.as_deref().unwrap_or_default();
            (ended.number, &ended.worker, ended.started_ms, Some(ended.ended_ms), Some(ended.end.as_str()), error)
        }
        Attempt::Running(number, worker, started_ms) => (number, worker, started_ms, None, None, &b""[..]),
    };
    let (protocol, name) = worker.parts();
    let mut object = Object::begin(out);
    object
        .integer("attempt", number)
        .text("worker", name)
        .text("protocol", protocol)
        .maybe_time("started_at", Some(started_ms))
        .maybe_time("ended_at", ended_ms)
        .maybe_text("outcome", outcome)
        .raw("error", error);
    object.end();
}
