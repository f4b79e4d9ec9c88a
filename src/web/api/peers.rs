//! Who is connected.

use std::net::SocketAddr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::{USUAL_ANSWER, json, log_deed, schema};
use crate::actors::questions::{PeerFigures, Role};
use crate::core::Peer;
use crate::json::write_string;
use crate::web::Site;
use crate::web::object::Object;
use crate::web::problem::Problem;
use crate::web::query::Query;
use crate::web::routes::segment;

/// Who works.
#[utoipa::path(
    get, path = "/api/v1/workers", tag = "operators",
    params(
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, usually 100"),
        ("cursor" = Option<String>, Query, description = "The `next` of the list before"),
    ),
    responses((status = 200, description = "Workers, in the order in which they came", body = schema::Peers))
)]
pub async fn workers(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    list(&site, &request, Role::Worker).await
}

/// Who submits.
#[utoipa::path(
    get, path = "/api/v1/masters", tag = "operators",
    params(
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, usually 100"),
        ("cursor" = Option<String>, Query, description = "The `next` of the list before"),
    ),
    responses((status = 200, description = "Masters, in the order in which they came", body = schema::Peers))
)]
pub async fn masters(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    list(&site, &request, Role::Master).await
}

async fn list(site: &Site, request: &HttpRequest, role: Role) -> Result<HttpResponse, Problem> {
    let query = Query::parse(request.query_string())?;
    let (limit, after) = (query.limit()?, query.cursor()?.unwrap_or(0));
    let (peers, next) = site.desk.peers(role, Peer(after), limit).await;
    let mut out = BytesMut::with_capacity(USUAL_ANSWER * peers.len());
    let mut object = Object::begin(&mut out);
    object.array("items", &peers, peer);
    match next {
        Some(last) => object.text("next", &last.0.to_string()),
        None => object.raw("next", b"null"),
    };
    object.end();
    Ok(json(out))
}

fn peer(out: &mut BytesMut, figures: &PeerFigures) {
    let (protocol, name) = figures.name.parts();
    let address = figures.address.map(|address| address.to_string());
    let address = address.as_deref().or(Some(name).filter(|name| name.parse::<SocketAddr>().is_ok()));
    let jobs = || figures.jobs.iter().map(|(id, _)| id);
    let mut object = Object::begin(out);
    object
        .text("id", &figures.peer.0.to_string())
        .text("name", name)
        .text("protocol", protocol)
        .maybe_text("address", address)
        .array("types", &figures.types, |out, kind| write_string(out, &kind.text()))
        .maybe_text("job", jobs().next().map(|id| id.text()).as_deref())
        .array("jobs", jobs(), |out, id| write_string(out, &id.text()))
        .maybe_time("since", Some(figures.since_ms))
        .integer("submitted", figures.submitted)
        .integer("completed", figures.completed)
        .integer("failed", figures.failed);
    object.end();
}

/// Closes the connection of a worker: its job is given back.
#[utoipa::path(
    post, path = "/api/v1/workers/{id}/disconnect", tag = "operators",
    params(("id" = String, Path, description = "The worker, as the list calls it")),
    responses(
        (status = 200, description = "Disconnected", body = schema::Disconnected),
        (status = 404, description = "`unknown_worker`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn disconnect(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let number = segment(&request, 3).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let peer = Peer(number.and_then(|digits| digits.parse().ok()).ok_or_else(unknown_worker)?);
    if !site.desk.disconnect(peer).await {
        return Err(unknown_worker());
    }
    log_deed(&request, "disconnect", &peer.0.to_string());
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut answer = Object::begin(&mut out);
    answer.flag("disconnected", true);
    answer.end();
    Ok(json(out))
}

fn unknown_worker() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown_worker", "nobody of this number is connected")
}
