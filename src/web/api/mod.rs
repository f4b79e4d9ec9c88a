//! What programs ask: masters, workers, operators (`spec/http.md`).
//!
//! | file | its noun |
//! |---|---|
//! | `jobs` | jobs: submit, look, wait, list, and deeds on one |
//! | `assignments` | workers: the long poll, and the words on what it handed out |
//! | `queues` | deeds on a whole queue |
//! | `figures` | how queues and the server do |
//! | `peers` | who is connected |
//! | `reading`, `writing` | the words of requests and answers; pure |
//! | `schema` | the shapes of both, for the OpenAPI document |
//!
//! What an operator does is written to the log: one line each, without bodies.

pub mod assignments;
pub mod figures;
pub mod jobs;
pub mod peers;
pub mod queues;
pub mod reading;
pub mod schema;
pub mod writing;

use actix_web::{HttpRequest, HttpResponse};
use bytes::BytesMut;
use log::info;

use super::problem::Problem;
use super::routes::segment;
use crate::core::{JobId, PeerName, Refusal, TypeName};

/// Room for a usual answer.
const USUAL_ANSWER: usize = 512;

/// The job that a path names.
fn job_of(request: &HttpRequest) -> Result<JobId, Problem> {
    // What can't be an id is no job's.
    let unknown = || Problem::from(Refusal::UnknownJob);
    JobId::from_text(&segment(request, JOB_OR_TYPE).ok_or_else(unknown)?).map_err(|_| unknown())
}

/// The type that a path names; none where it can't be one.
fn type_of(request: &HttpRequest) -> Option<TypeName> {
    TypeName::from_text(&segment(request, JOB_OR_TYPE)?).ok()
}

/// Where `/api/v1/jobs/ID` and `/api/v1/queues/TYPE` say what they are about.
const JOB_OR_TYPE: usize = 3;

/// How a caller is called in histories and lists: by its address, since each of its requests may be a connection of its own.
pub(super) fn caller(request: &HttpRequest) -> PeerName {
    match request.peer_addr() {
        Some(address) => format!("http:{}", address.ip()).into(),
        None => "http:unknown".into(),
    }
}

/// An answer with this JSON.
fn json(out: BytesMut) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(out.freeze())
}

/// An operator did something.
pub(super) fn log_deed(request: &HttpRequest, deed: &'static str, what: &str) {
    info!(deed, what, by = &*caller(request); "an operator's deed");
}
