//! What an operator does to a whole queue.
//!
//! What touches many jobs goes through them in pages, newest first, from the newest that there was at the beginning: so it
//! ends, whatever is submitted meanwhile, and nobody waits for it but its caller.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::{USUAL_ANSWER, json, log_deed, schema, type_of};
use crate::actors::browsing::List;
use crate::actors::questions::HasQueue;
use crate::core::{Browse, Deed, Found, JobState, TypeName};
use crate::web::Site;
use crate::web::object::Object;
use crate::web::problem::Problem;

/// So many jobs are touched at a time.
const PAGE: usize = 1_000;

/// So many are looked at for a page, and so many bytes of them are held.
const LOOK_AT: usize = 10_000;
const BYTES: usize = 8 * 1024 * 1024;

/// Hands out nothing of this type until it is resumed, also over a restart.
#[utoipa::path(
    post, path = "/api/v1/queues/{type}/pause", tag = "operators",
    params(("type" = String, Path, description = "The type")),
    responses(
        (status = 200, description = "Paused", body = schema::Paused),
        (status = 404, description = "`unknown_queue`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn pause(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    set_paused(&site, &request, true).await
}

/// Hands out jobs of this type again.
#[utoipa::path(
    post, path = "/api/v1/queues/{type}/resume", tag = "operators",
    params(("type" = String, Path, description = "The type")),
    responses(
        (status = 200, description = "Not paused", body = schema::Paused),
        (status = 404, description = "`unknown_queue`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn resume(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    set_paused(&site, &request, false).await
}

async fn set_paused(site: &Site, request: &HttpRequest, paused: bool) -> Result<HttpResponse, Problem> {
    let kind = type_of(request).ok_or_else(unknown_queue)?;
    if !site.desk.set_paused(kind.clone(), paused).await {
        return Err(unknown_queue());
    }
    log_deed(request, if paused { "pause" } else { "resume" }, &kind.text());
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    object.flag("paused", paused);
    object.end();
    Ok(json(out))
}

/// Cancels every waiting job of this type.
#[utoipa::path(
    post, path = "/api/v1/queues/{type}/purge", tag = "operators",
    params(("type" = String, Path, description = "The type")),
    responses(
        (status = 200, description = "How many were cancelled", body = schema::Count),
        (status = 404, description = "`unknown_queue`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn purge(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    // A scheduled job may become a queued one on the way, never the other way round but for one that a worker had.
    touch_all(&site, &request, "purge", &[JobState::Scheduled, JobState::Queued], Deed::CancelWaiting).await
}

/// Queues every failed job of this type again, with fresh attempts.
#[utoipa::path(
    post, path = "/api/v1/queues/{type}/retry-failed", tag = "operators",
    params(("type" = String, Path, description = "The type")),
    responses(
        (status = 200, description = "How many are queued again", body = schema::Count),
        (status = 404, description = "`unknown_queue`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn retry_failed(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    touch_all(&site, &request, "retry-failed", &[JobState::Failed], Deed::Retry).await
}

async fn touch_all(
    site: &Site,
    request: &HttpRequest,
    name: &'static str,
    states: &[JobState],
    deed: Deed,
) -> Result<HttpResponse, Problem> {
    let kind = type_of(request).ok_or_else(unknown_queue)?;
    if !site.supervisor.send(HasQueue { kind: kind.clone() }).await.unwrap_or(false) {
        return Err(unknown_queue());
    }
    let mut count = 0;
    if let Some(end) = end_of(site, &kind).await {
        for state in states {
            count += touch_those(site, &kind, *state, end, deed).await;
        }
    }
    log_deed(request, name, &format!("{} ({count} jobs)", kind.text()));
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    object.integer("count", count);
    object.end();
    Ok(json(out))
}

/// What the sequence number of no job that there is now reaches.
async fn end_of(site: &Site, kind: &TypeName) -> Option<u64> {
    let newest = Browse { limit: 1, look_at: 1, bytes: BYTES, ..Browse::default() };
    let found = page(site, kind, newest).await;
    found.jobs.first().map(|newest| newest.job.sequence + 1)
}

pub(in crate::web) async fn touch_those(site: &Site, kind: &TypeName, state: JobState, end: u64, deed: Deed) -> u64 {
    let (mut before, mut count) = (Some(end), 0);
    while before.is_some() {
        let browse =
            Browse { state: Some(state), before, limit: PAGE, look_at: LOOK_AT, bytes: BYTES, ..Browse::default() };
        let found = page(site, kind, browse).await;
        let ids = found.jobs.into_iter().map(|report| report.job.id).collect();
        count += site.desk.manage(ids, deed).await.iter().filter(|granted| granted.is_ok()).count() as u64;
        // Each page ends before the last one did.
        before = found.next.filter(|next| Some(*next) < before);
    }
    count
}

/// Without the bodies that only the store has: nobody reads them here.
async fn page(site: &Site, kind: &TypeName, browse: Browse) -> Found {
    site.supervisor.send(List { kind: Some(kind.clone()), browse }).await.unwrap_or_default()
}

pub(super) fn unknown_queue() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "unknown_queue",
        "no job of this type was ever submitted, and no worker joined it",
    )
}
