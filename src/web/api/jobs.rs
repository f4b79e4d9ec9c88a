//! Jobs: submit, look, wait, list, and what an operator does to one.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::reading::{self, Submissions};
use super::{USUAL_ANSWER, caller, job_of, json, log_deed, schema, writing};
use crate::core::{Browse, Deed, JobId, JobState, Refusal, Report, TypeName};
use crate::web::Site;
use crate::web::body;
use crate::web::desk::Draft;
use crate::web::object::Object;
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::query::Query;
use crate::web::routes::path_part;

/// A page of a list ends where so many jobs were looked at (fewer where a text is looked for in each), or where the bodies
/// and results in it have so many bytes.
const LOOK_AT: usize = 100_000;
const SEARCH_AT: usize = 20_000;
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// How long the end of a job is waited for that was cancelled: it is there at once, or the queue died.
const LAST_SIGHT: Duration = Duration::from_secs(1);

/// Submits a job; with `wait`, answers when it has ended.
#[utoipa::path(
    post, path = "/api/v1/jobs", tag = "masters",
    params(("wait" = Option<f64>, Query, description = "Wait so many seconds for its end: 0 to 55")),
    request_body = schema::Submission,
    responses(
        (status = 200, description = "With `wait`: the job, which has ended", body = schema::Job),
        (status = 201, description = "Accepted", body = schema::Accepted),
        (status = 202, description = "With `wait`: accepted, and not ended yet", body = schema::Accepted),
        (status = 409, description = "`id_exists`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_field`, `too_deep`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "`draining`, `queue_full`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 507, description = "`disk_full`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn submit(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let wait = Query::parse(request.query_string())?.wait()?;
    let text = body::read(&request, payload, &site.limits).await?;
    let master = caller(&request);
    let draft = Submissions::new(&master, site.limits.max_depth, wall_ms(), &new_id).one(&text)?;
    // The body was copied out of it.
    drop(text);
    let (id, kind) = (draft.id.clone(), draft.kind.clone());
    let state = first_state(&draft);
    match wait {
        None => {
            let granted = site.desk.submit(vec![draft]).await.into_iter().next();
            match granted.expect("each job has an answer") {
                Ok(()) => Ok(accepted(StatusCode::CREATED, &id, &kind, state)),
                Err(refusal) => Err(refused(&site, id, refusal).await),
            }
        }
        Some(wait) => match submitted_and_ended(&site, draft, wait).await {
            Ok(Some(report)) => Ok(whole(&report)),
            Ok(None) => {
                let now = site.desk.look(id.clone()).await.map_or(state, |report| report.state());
                Ok(accepted(StatusCode::ACCEPTED, &id, &kind, now))
            }
            Err(refusal) => Err(refused(&site, id, refusal).await),
        },
    }
}

async fn submitted_and_ended(site: &Site, draft: Draft, wait: Duration) -> Result<Option<Report>, Refusal> {
    let id = draft.id.clone();
    tokio::select! {
        ended = site.desk.submit_and_wait(draft, wait) => ended,
        // Whether it was accepted before the end began is known by looking.
        () = site.drained() => site.desk.look(id).await.map(|_| None).map_err(|_| Refusal::Draining),
    }
}

/// A refusal of a submit; where the id is taken, with the state of the job that has it.
async fn refused(site: &Site, id: JobId, refusal: Refusal) -> Problem {
    let problem = Problem::from(refusal);
    if refusal != Refusal::IdExists {
        return problem;
    }
    match site.desk.look(id).await {
        Ok(report) => problem.with("state", report.state().as_str()),
        // It has gone meanwhile.
        Err(_) => problem,
    }
}

/// Submits many jobs at once; each goes its own way.
#[utoipa::path(
    post, path = "/api/v1/jobs/batch", tag = "masters",
    request_body = schema::Batch,
    responses(
        (status = 200, description = "What became of each, in order", body = schema::BatchResult),
        (status = 413, description = "`too_large`: too many bytes, or more than 10,000 jobs", body = schema::Problem, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_field`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 503, description = "`draining`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn submit_batch(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let text = body::read(&request, payload, &site.limits).await?;
    let master = caller(&request);
    let read = Submissions::new(&master, site.limits.max_depth, wall_ms(), &new_id).batch(&text)?;
    drop(text);
    if site.is_draining() {
        return Err(Refusal::Draining.into());
    }
    let mut drafts = Vec::with_capacity(read.len());
    let mut fates = Vec::with_capacity(read.len());
    for job in read {
        fates.push(job.map(|draft| {
            let fate = (draft.id.clone(), first_state(&draft));
            drafts.push(draft);
            fate
        }));
    }
    let mut granted = site.desk.submit(drafts).await.into_iter();
    for fate in &mut fates {
        if fate.is_ok()
            && let Err(refusal) = granted.next().expect("each job has an answer")
        {
            *fate = Err(refusal.into());
        }
    }
    let mut out = BytesMut::with_capacity(64 * fates.len());
    let mut object = Object::begin(&mut out);
    object.array("items", &fates, fate);
    object.end();
    Ok(json(out))
}

fn fate(out: &mut BytesMut, fate: &Result<(JobId, JobState), Problem>) {
    let mut object = Object::begin(out);
    match fate {
        Ok((id, state)) => {
            object.text("id", &id.text()).text("state", state.as_str());
        }
        Err(problem) => {
            object.object("error", |error| {
                error.text("code", problem.code()).text("detail", problem.detail());
                if let Some(field) = problem.field() {
                    error.text("field", field);
                }
            });
        }
    }
    object.end();
}

/// Lists jobs, newest first.
#[utoipa::path(
    get, path = "/api/v1/jobs", tag = "masters",
    params(
        ("type" = Option<String>, Query, description = "Only of this type"),
        ("state" = Option<String>, Query, description = "Only in this state"),
        ("q" = Option<String>, Query, description = "Only where id, type, master, a worker, an error, result or body contains this"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, usually 100; fewer where they are large"),
        ("cursor" = Option<String>, Query, description = "The `next` of the list before"),
    ),
    responses((status = 200, description = "Jobs, and where to go on", body = schema::Jobs))
)]
pub async fn list(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::parse(request.query_string())?;
    let kind = query.types()?.into_iter().next();
    let text = query.value("q").map(str::to_owned);
    let is_search = text.is_some();
    let browse = Browse {
        state: query.state()?,
        before: query.cursor()?,
        limit: query.limit()?,
        look_at: if is_search { SEARCH_AT } else { LOOK_AT },
        text,
        bytes: PAGE_BYTES,
    };
    let found = site.desk.browse(kind, browse).await;
    let mut out = BytesMut::with_capacity(USUAL_ANSWER * found.jobs.len());
    let mut object = Object::begin(&mut out);
    object.array("items", &found.jobs, writing::job);
    match found.next {
        Some(next) => object.text("next", &next.to_string()),
        None => object.raw("next", b"null"),
    };
    // How far a search looked: with `next` there is more to look at.
    if is_search {
        object.integer("looked_at", found.looked_at as u64);
    }
    object.end();
    Ok(json(out))
}

/// A job; with `wait`, as soon as it has ended.
#[utoipa::path(
    get, path = "/api/v1/jobs/{id}", tag = "masters",
    params(
        ("id" = String, Path, description = "The job"),
        ("wait" = Option<f64>, Query, description = "Wait so many seconds for its end: 0 to 55"),
    ),
    responses(
        (status = 200, description = "The job", body = schema::Job),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn look(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let wait = Query::parse(request.query_string())?.wait()?;
    let id = job_of(&request)?;
    let report = match wait {
        None => site.desk.look(id).await?,
        Some(wait) => tokio::select! {
            report = site.desk.wait(id.clone(), wait) => report?,
            () = site.drained() => site.desk.look(id).await?,
        },
    };
    Ok(whole(&report))
}

/// Removes the record of a job that has ended.
#[utoipa::path(
    delete, path = "/api/v1/jobs/{id}", tag = "operators",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_finished`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn delete(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let id = job_of(&request)?;
    done(&site, &request, &id, Deed::Delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Takes a job back.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/cancel", tag = "masters",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, description = "The job", body = schema::Job),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`already_finished`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    cancelled(&site, &request).await
}

/// Queues a failed or cancelled job again, with fresh attempts.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/retry", tag = "masters",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, description = "The job", body = schema::Job),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_finished`, `already_completed`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn retry(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    changed(&site, &request, Deed::Retry).await
}

/// Gives a waiting job another priority.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/priority", tag = "operators",
    params(("id" = String, Path, description = "The job")),
    request_body = schema::Priority,
    responses(
        (status = 200, description = "The job", body = schema::Job),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_waiting`, `already_finished`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn prioritize(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let text = body::read(&request, payload, &site.limits).await?;
    let priority = reading::priority(&text, site.limits.max_depth)?;
    changed(&site, &request, Deed::Reprioritize(priority)).await
}

/// Lets a job that waits for a time wait no longer.
#[utoipa::path(
    post, path = "/api/v1/jobs/{id}/run-now", tag = "operators",
    params(("id" = String, Path, description = "The job")),
    responses(
        (status = 200, description = "The job", body = schema::Job),
        (status = 404, description = "`unknown_job`", body = schema::Problem, content_type = "application/problem+json"),
        (status = 409, description = "`not_scheduled`, `already_finished`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn run_now(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    changed(&site, &request, Deed::RunNow).await
}

/// Cancels the job of a path, and shows how it ended. It is watched meanwhile: one that is not kept is gone when it has ended.
async fn cancelled(site: &Site, request: &HttpRequest) -> Result<HttpResponse, Problem> {
    let id = job_of(request)?;
    let ending = site.desk.wait(id.clone(), LAST_SIGHT);
    let (ended, granted) = tokio::join!(ending, done(site, request, &id, Deed::Cancel));
    granted?;
    Ok(whole(&ended?))
}

/// Does something to the job of a path, and shows it.
async fn changed(site: &Site, request: &HttpRequest, deed: Deed) -> Result<HttpResponse, Problem> {
    let id = job_of(request)?;
    let before = site.desk.look(id.clone()).await?;
    done(site, request, &id, deed).await?;
    // It may have ended meanwhile, without a record.
    Ok(whole(&site.desk.look(id).await.unwrap_or(before)))
}

async fn done(site: &Site, request: &HttpRequest, id: &JobId, deed: Deed) -> Result<(), Problem> {
    let granted = site.desk.manage(vec![id.clone()], deed).await.into_iter().next();
    granted.expect("each job has an answer")?;
    log_deed(request, name_of(deed), &id.text());
    Ok(())
}

fn name_of(deed: Deed) -> &'static str {
    match deed {
        Deed::Cancel | Deed::CancelWaiting => "cancel",
        Deed::Retry => "retry",
        Deed::Delete => "delete",
        Deed::Find => "find",
        Deed::Reprioritize(_) => "priority",
        Deed::RunNow => "run-now",
    }
}

fn whole(report: &Report) -> HttpResponse {
    let mut out = BytesMut::with_capacity(USUAL_ANSWER + report.job.body.len());
    writing::job(&mut out, report);
    json(out)
}

fn accepted(status: StatusCode, id: &JobId, kind: &TypeName, state: JobState) -> HttpResponse {
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    writing::accepted(&mut out, id, kind, state);
    HttpResponse::build(status)
        .insert_header((header::LOCATION, format!("/api/v1/jobs/{}", path_part(&id.text()))))
        .content_type("application/json")
        .body(out.freeze())
}

fn first_state(draft: &Draft) -> JobState {
    if draft.delay_ms > 0 { JobState::Scheduled } else { JobState::Queued }
}

pub(in crate::web) fn new_id() -> JobId {
    JobId::from_text(&uuid::Uuid::now_v7().to_string()).expect("a UUID is a good id")
}
