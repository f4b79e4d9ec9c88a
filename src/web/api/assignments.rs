//! Workers over HTTP: the long poll that hands out jobs, and the words on what it handed out.
//!
//! What a poll hands out is leased and not tied to a connection: it is finished with its receipt, from anywhere, also after a
//! restart of the server. If the caller goes before the whole answer is written, the jobs in it go back at once; if it goes
//! after that, they go back when their leases end.

use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::reading::{self, Word};
use super::{USUAL_ANSWER, caller, job_of, json, writing};
use crate::core::job::MAX_NAME;
use crate::core::{Answer, Assignment, Deed, JobId, JobState, PeerName, Refusal, Ticket, TypeName};
use crate::web::Site;
use crate::web::api::schema;
use crate::web::body;
use crate::web::delivery::Delivery;
use crate::web::object::Object;
use crate::web::problem::Problem;
use crate::web::query::Query;

/// A poll takes at most so many jobs.
const MAX_JOBS: usize = 100;

/// Hands out jobs, as soon as there are any.
#[utoipa::path(
    get, path = "/api/v1/assignments", tag = "workers",
    params(
        ("type" = Vec<String>, Query, description = "The types to work on: `type=T&type=U`"),
        ("wait" = Option<f64>, Query, description = "How long to wait, in seconds: 0 to 55, usually 25"),
        ("max" = Option<u32>, Query, description = "At most so many jobs: 1 to 100, usually 1"),
        ("worker" = Option<String>, Query, description = "How the worker is called in histories"),
    ),
    responses(
        (status = 200, description = "Jobs, each under a lease", body = schema::Assignments),
        (status = 204, description = "Nothing in that time: ask again"),
        (status = 422, description = "`invalid_field`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn poll(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asked = Asked::read(&request)?;
    if site.is_draining() {
        return Ok(nothing());
    }
    let Asked { worker, types, most, wait } = asked;
    let jobs = tokio::select! {
        jobs = site.desk.poll(worker, request.peer_addr(), types, most as u32, wait) => jobs?,
        () = site.drained() => return Ok(nothing()),
    };
    if jobs.is_empty() { Ok(nothing()) } else { Ok(handed_out(&site, jobs)) }
}

/// What a poll asks for. Its query isn't kept while it waits: many wait at a time.
struct Asked {
    worker: PeerName,
    types: Vec<TypeName>,
    most: usize,
    wait: Duration,
}

impl Asked {
    fn read(request: &HttpRequest) -> Result<Asked, Problem> {
        let query = Query::parse(request.query_string())?;
        let types = query.types()?;
        if types.is_empty() {
            return Err(Problem::invalid_field("type", "name at least one type: type=T"));
        }
        let (wait, most) = (query.wait_of_poll()?, query.number("max", 1, MAX_JOBS)?);
        let worker = match query.value("worker") {
            Some(name) if !name.is_empty() => worker_named(name)?,
            Some(_) | None => caller(request),
        };
        Ok(Asked { worker, types, most, wait })
    }
}

fn worker_named(name: &str) -> Result<PeerName, Problem> {
    if name.len() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Problem::invalid_field("worker", "expected at most 255 bytes without control characters"));
    }
    Ok(format!("http:{name}").into())
}

fn nothing() -> HttpResponse {
    HttpResponse::NoContent().finish()
}

fn handed_out(site: &Site, jobs: Vec<Assignment>) -> HttpResponse {
    let bodies: usize = jobs.iter().map(|job| job.body.len()).sum();
    let mut out = BytesMut::with_capacity(USUAL_ANSWER * jobs.len() + bodies);
    let mut answer = Object::begin(&mut out);
    answer.array("jobs", &jobs, writing::assignment);
    answer.end();
    let given = jobs.into_iter().map(|job| (Ticket::of(&job.receipt), job.id)).collect();
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, "application/json")).body(Delivery::new(
        out.freeze(),
        site.desk.clone(),
        given,
    ))
}

/// The job is done.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/complete", tag = "workers",
    params(("id" = String, Path, description = "The job")),
    request_body = schema::Complete,
    responses(
        (status = 200, description = "Accepted, also when repeated", body = schema::State),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_receipt`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 410, description = "`cancelled`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn complete(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (id, word) = word(&site, &request, payload, reading::complete).await?;
    say(&site, &id, word).await?;
    Ok(state(JobState::Completed))
}

/// The attempt failed.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/fail", tag = "workers",
    params(("id" = String, Path, description = "The job")),
    request_body = schema::Fail,
    responses(
        (status = 200, description = "Scheduled again, or failed", body = schema::State),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_receipt`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 410, description = "`cancelled`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn fail(site: web::Data<Site>, request: HttpRequest, payload: web::Payload) -> Result<HttpResponse, Problem> {
    let (id, word) = word(&site, &request, payload, reading::fail).await?;
    say(&site, &id, word).await?;
    // A record that isn't kept is one of a job that has failed.
    let now = site.desk.look(id).await.map_or(JobState::Failed, |report| report.state());
    Ok(state(now))
}

/// Still at it: the lease starts anew.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/touch", tag = "workers",
    params(("id" = String, Path, description = "The job")),
    request_body = schema::Touch,
    responses(
        (status = 200, description = "The new lease, and whether the job was cancelled", body = schema::Touched),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_receipt`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn touch(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (id, word) = word(&site, &request, payload, reading::touch).await?;
    let (lease_ms, is_cancelled) = match answer(&site, &id, word).await {
        Ok(lease_ms) => (lease_ms, false),
        Err(Refusal::Cancelled) => (0, true),
        Err(refusal) => return Err(refusal.into()),
    };
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    object.integer("lease_ms", lease_ms).flag("cancelled", is_cancelled);
    object.end();
    Ok(json(out))
}

/// Given back: doesn't count as an attempt.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/release", tag = "workers",
    params(("id" = String, Path, description = "The job")),
    request_body = schema::Release,
    responses(
        (status = 200, description = "Given back", body = schema::State),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`stale_receipt`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 410, description = "`cancelled`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn release(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let (id, word) = word(&site, &request, payload, reading::release).await?;
    let is_delayed = matches!(word.answer, Answer::Release { delay_ms } if delay_ms > 0);
    say(&site, &id, word).await?;
    Ok(state(if is_delayed { JobState::Scheduled } else { JobState::Queued }))
}

/// The job that a worker speaks of, and its word.
async fn word(
    site: &Site,
    request: &HttpRequest,
    payload: web::Payload,
    read: fn(&[u8], usize) -> Result<Word, Problem>,
) -> Result<(JobId, Word), Problem> {
    let text = body::read(request, payload, &site.limits).await?;
    let word = read(&text, site.limits.max_depth)?;
    Ok((job_of(request)?, word))
}

async fn say(site: &Site, id: &JobId, word: Word) -> Result<(), Problem> {
    answer(site, id, word).await?;
    Ok(())
}

async fn answer(site: &Site, id: &JobId, word: Word) -> Result<u64, Refusal> {
    // Only as it was given: what merely reads the same is no receipt.
    match Ticket::parse(&word.receipt).filter(|ticket| ticket.to_string() == word.receipt) {
        Some(ticket) => site.desk.answer(id.clone(), ticket, word.answer).await,
        // No receipt of ours: is it at least a job?
        None => {
            let found = site.desk.manage(vec![id.clone()], Deed::Find).await;
            Err(found.into_iter().find_map(Result::err).unwrap_or(Refusal::StaleReceipt))
        }
    }
}

fn state(state: JobState) -> HttpResponse {
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    object.text("state", state.as_str());
    object.end();
    json(out)
}
