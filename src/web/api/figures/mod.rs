//! Figures of queues and of the server: lists, one queue with its history, all together, a stream of them.
//!
//! All of them are of the snapshot that the statistics published last, a second ago or two at most: no request asks all queues,
//! so their cost is that of writing them, however many queues there are and however many ask. Who asks for one queue hears
//! from that queue how it stands now.
//!
//! | file | its noun |
//! |---|---|
//! | `mod` | the handlers |
//! | `page` | which queues of a list, in which order; pure |
//! | `writing` | the words; pure |
//! | `events` | the stream |

pub mod events;
mod page;
mod writing;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use self::page::Page;
pub use self::writing::Server;
use super::queues::unknown_queue;
use super::{USUAL_ANSWER, json, schema, type_of};
use crate::actors::questions::HearQueue;
use crate::actors::statistics::{FiguresNow, History};
use crate::core::TypeName;
use crate::core::statistics::{Point, QueueFigures, Range, Snapshot};
use crate::web::object::Object;
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::query::Query;
use crate::web::{Site, process};

/// All queues, a page at a time.
#[utoipa::path(
    get, path = "/api/v1/queues", operation_id = "list_queues", tag = "operators",
    params(
        ("q" = Option<String>, Query, description = "Only types that contain this, in whatever case"),
        ("sort" = Option<String>, Query, description = "`type` (usual), or with the largest first: `queued`, `scheduled`, `running`, `failed`, `workers`, `oldest`, `rate_in`, `rate_out`, `wait`, `run` (both by their p95)"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, usually 100"),
        ("cursor" = Option<String>, Query, description = "The `next` of the list before"),
    ),
    responses((status = 200, description = "Queues; figures are a second or two old at most", body = schema::Queues))
)]
pub async fn list(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let query = Query::parse(request.query_string())?;
    let snapshot = site.snapshots.borrow().clone();
    let Page { queues, next } = page::select(&snapshot, &query)?;
    let now_ms = wall_ms();
    let mut out = BytesMut::with_capacity(USUAL_ANSWER * (queues.len() + 1));
    let mut object = Object::begin(&mut out);
    object.array("items", queues, |out, queue| {
        let mut item = Object::begin(out);
        writing::queue(&mut item, queue, now_ms);
        item.end();
    });
    object.maybe_text("next", next.as_deref());
    object.end();
    Ok(json(out))
}

/// One queue.
#[utoipa::path(
    get, path = "/api/v1/queues/{type}", operation_id = "look_at_queue", tag = "operators",
    params(
        ("type" = String, Path, description = "The type"),
        ("history" = Option<String>, Query, description = "`5m`: the last five minutes by second; `24h`: the last 24 hours by minute"),
    ),
    responses(
        (status = 200, description = "The queue as it is now", body = schema::Queue),
        (status = 404, description = "`unknown_queue`", body = schema::Problem, content_type = "application/problem+json"),
    )
)]
pub async fn look(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let range = range_of(&request)?;
    let kind = type_of(&request).ok_or_else(unknown_queue)?;
    let queue = queue_now(&site, &kind).await.ok_or_else(unknown_queue)?;
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    writing::queue(&mut object, &queue, wall_ms());
    if let Some(range) = range {
        writing::history(&mut object, range, &history(&site, Some(kind), range).await);
    }
    object.end();
    Ok(json(out))
}

/// The server as a whole.
#[utoipa::path(
    get, path = "/api/v1/stats", tag = "operators",
    params(
        ("history" = Option<String>, Query, description = "`5m`: the last five minutes by second; `24h`: the last 24 hours by minute"),
    ),
    responses((status = 200, description = "All queues together, also those that are no more; `jobs` balances", body = schema::Stats))
)]
pub async fn stats(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let range = range_of(&request)?;
    let snapshot = site.snapshots.borrow().clone();
    let mut out = BytesMut::with_capacity(USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    writing::stats(&mut object, &snapshot, &server(&site));
    if let Some(range) = range {
        writing::history(&mut object, range, &history(&site, None, range).await);
    }
    object.end();
    Ok(json(out))
}

fn range_of(request: &HttpRequest) -> Result<Option<Range>, Problem> {
    let query = Query::parse(request.query_string())?;
    let Some(text) = query.value("history") else { return Ok(None) };
    match Range::parse(text) {
        Some(range) => Ok(Some(range)),
        None => Err(Problem::invalid_field("history", "expected 5m or 24h")),
    }
}

async fn history(site: &Site, queue: Option<TypeName>, range: Range) -> Vec<Point> {
    // Without an answer there is no history: the statistics have stopped with the server.
    site.statistics.send(History { queue, range }).await.unwrap_or_default()
}

/// A queue as it is now: it is asked to report, and then the statistics know.
pub(in crate::web) async fn queue_now(site: &Site, kind: &TypeName) -> Option<QueueFigures> {
    // One that has just died doesn't answer; the statistics still know it, or another one of its type.
    let _ = site.supervisor.send(HearQueue { kind: kind.clone() }).await;
    site.statistics.send(FiguresNow { kind: kind.clone() }).await.ok().flatten()
}

/// What there is to know of the server beside its queues.
pub fn server(site: &Site) -> Server {
    Server {
        now_ms: wall_ms(),
        uptime_ms: u64::try_from(site.process.uptime().as_millis()).unwrap_or(u64::MAX),
        memory_bytes: process::memory_bytes(),
        cpu: site.process.cpu_share(),
        connections: site.doorman.open(),
        is_draining: site.is_draining(),
        store: site.store.as_ref().map(|store| store.borrow().clone()),
    }
}

/// As [`stats`] writes it.
fn stats_text(snapshot: &Snapshot, server: &Server) -> BytesMut {
    let mut out = BytesMut::with_capacity(2 * USUAL_ANSWER);
    let mut object = Object::begin(&mut out);
    writing::stats(&mut object, snapshot, server);
    object.end();
    out
}
