//! HTTP: actix-web as another front end of the actors (`spec/http.md`).
//!
//! Requests become the same commands that the other protocols send, and answers are made of the same notices; no job model
//! lives here. What a request asks is checked in this order: the connection limit, the rules of [`safety`], the route, the
//! body ([`body`]), its fields. Whatever goes wrong is a [`problem`].
//!
//! | file | its noun |
//! |---|---|
//! | `mod` | all routes; what happens to every request |
//! | `front` | the HTTP server as a whole, from its start to its end |
//! | `listener`, `wire` | connections, and their limits |
//! | `routes` | a table of routes, and what is answered beside them |
//! | `safety` | who may ask, and what a browser may do |
//! | `problem` | errors |
//! | `desk` | where requests meet the actors |
//! | `api` | what programs ask |
//! | `query`, `body` | reading a request within the bounds |
//! | `object`, `delivery` | writing answers |
//! | `health`, `metrics` | probes; what scrapers read |
//! | `process` | the process itself |
//! | `document` | the OpenAPI document |
//! | `processors` | work pushed over HTTP |
//! | `actions` | data reduced over a list of processors |
//! | `outgoing` | calls to others |
//! | `outside` | the thread of these three, and what they share there |
//! | `pages`, `assets` | the pages for operators, and what they need beside their markup |
//!
//! Threads: [`WORKERS`] of actix-web, and one for calls to others, beside the thread of the actors. Never here: a job's state,
//! a decision about a job, the store.

pub mod actions;
pub mod api;
pub mod assets;
pub mod body;
pub mod delivery;
pub mod desk;
pub mod document;
pub mod front;
pub mod health;
pub mod last_word;
pub mod listener;
pub mod live;
pub mod metrics;
pub mod object;
pub mod outgoing;
pub mod outside;
pub mod pages;
pub mod problem;
pub mod process;
pub mod processors;
pub mod query;
pub mod routes;
pub mod safety;
pub mod wire;

use std::sync::Arc;
use std::time::Instant;

use actix::Addr;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};
use tokio::sync::watch;

pub use self::front::{Front, WORKERS, serve};

use self::api::figures::events::{self, Streams};
use self::api::{assignments, figures, jobs, peers, queues};
use self::desk::{Desk, Reach};
use self::live::Live;
use self::outside::Outside;
use self::pages::vitals::About;
use self::problem::Problem;
use self::process::Process;
use self::routes::Routes;
use self::safety::Safety;
use self::wire::{Outgoing, Pace};
use crate::actors::inbox::Inbox;
use crate::actors::keeper::{Keeper, StoreFigures};
use crate::actors::listener::Doorman;
use crate::actors::statistics::{Snapshots, Statistics};
use crate::actors::supervisor::{Letter, Supervisor};
use crate::core::Limits;

/// All routes. What many ask often is tried first.
fn routes() -> Routes {
    Routes::default()
        .get_that_changes("/api/v1/assignments", assignments::poll)
        .post("/api/v1/jobs", jobs::submit)
        .post("/api/v1/jobs/{id}/complete", assignments::complete)
        .get("/api/v1/jobs/{id}", jobs::look)
        .post("/api/v1/jobs/batch", jobs::submit_batch)
        .post("/api/v1/jobs/{id}/touch", assignments::touch)
        .post("/api/v1/jobs/{id}/fail", assignments::fail)
        .post("/api/v1/jobs/{id}/release", assignments::release)
        .post("/api/v1/jobs/{id}/cancel", jobs::cancel)
        .post("/api/v1/jobs/{id}/retry", jobs::retry)
        .post("/api/v1/jobs/{id}/priority", jobs::prioritize)
        .post("/api/v1/jobs/{id}/run-now", jobs::run_now)
        .delete("/api/v1/jobs/{id}", jobs::delete)
        .get("/api/v1/jobs", jobs::list)
        .get("/api/v1/queues", figures::list)
        .get("/api/v1/queues/{type}", figures::look)
        .post("/api/v1/queues/{type}/pause", queues::pause)
        .post("/api/v1/queues/{type}/resume", queues::resume)
        .post("/api/v1/queues/{type}/purge", queues::purge)
        .post("/api/v1/queues/{type}/retry-failed", queues::retry_failed)
        .get("/api/v1/workers", peers::workers)
        .get("/api/v1/masters", peers::masters)
        .post("/api/v1/workers/{id}/disconnect", peers::disconnect)
        .post("/complete", processors::api::complete)
        .post("/action", actions::api::begin)
        .get("/action/{id}", actions::api::look)
        .post("/register", processors::api::register)
        .delete("/register/{id}", processors::api::unregister)
        .get("/meta", processors::api::meta)
        .get("/api/v1/stats", figures::stats)
        .get("/api/v1/events", events::events)
        .get("/metrics", metrics::metrics)
        .get("/", pages::serve::page)
        .get("/queues", pages::serve::page)
        .get("/queues/", pages::serve::page)
        .get("/queues/{type}", pages::serve::page)
        .get("/jobs", pages::serve::page)
        .get("/jobs/", pages::serve::page)
        .get("/jobs/{id}", pages::serve::page)
        .get("/failures", pages::serve::page)
        .get("/workers", pages::serve::page)
        .get("/masters", pages::serve::page)
        .get("/actions", pages::serve::page)
        .get("/actions/", pages::serve::page)
        .get("/actions/{id}", pages::serve::page)
        .get("/system", pages::serve::page)
        .get("/docs", pages::serve::page)
        .get("/deeds", pages::act::ask)
        .post("/deeds", pages::act::act)
        .post("/submit", pages::act::submit)
        .get("/submit", pages::act::forms)
        .post("/preferences", pages::act::prefer)
        .get("/events", live::events)
        .get("/static/{hash}/{name}", pages::serve::asset)
        .get("/favicon.ico", pages::serve::favicon)
        .get("/healthz", health::healthz)
        .get("/readyz", health::readyz)
        .get("/api/v1/ping", health::ping)
        .get("/api/v1/openapi.json", document::openapi)
}

/// What an HTTP server is made of.
#[derive(Clone)]
pub struct Parts {
    /// Who routes …
    pub supervisor: Addr<Supervisor>,
    /// … and where peers write to it.
    pub letters: Arc<Inbox<Letter>>,
    /// Who keeps the store, if there is one.
    pub keeper: Option<Addr<Keeper>>,
    /// Who keeps the histories.
    pub statistics: Addr<Statistics>,
    /// Where all figures are read …
    pub snapshots: Snapshots,
    /// … but for those of the store, if there is one.
    pub store: Option<watch::Receiver<StoreFigures>>,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Who may come: connections of all protocols are counted together.
    pub doorman: Doorman,
    /// Who may ask.
    pub safety: Safety,
    /// Who knows processors and actions.
    pub outside: Outside,
    /// What the pages show of the server itself.
    pub about: Arc<About>,
}

/// What the handlers of a thread share.
pub struct Site {
    /// Who routes.
    pub supervisor: Addr<Supervisor>,
    /// Who keeps the store, if there is one.
    pub keeper: Option<Addr<Keeper>>,
    /// Where requests meet the actors.
    pub desk: Desk,
    /// Who keeps the histories.
    pub statistics: Addr<Statistics>,
    /// Where all figures are read …
    pub snapshots: Snapshots,
    /// … but for those of the store, if there is one.
    pub store: Option<watch::Receiver<StoreFigures>>,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Who may ask.
    pub safety: Safety,
    /// Who knows processors and actions.
    pub outside: Outside,
    /// Who counts the connections.
    pub doorman: Doorman,
    /// The process.
    pub process: Process,
    /// Streams of figures that are open.
    pub streams: Streams,
    /// What the pages show of the server itself.
    pub about: Arc<About>,
    /// The pages that somebody watches.
    pub live: Live,
    draining: watch::Receiver<bool>,
}

impl Site {
    fn new(parts: Parts, draining: watch::Receiver<bool>) -> Site {
        let Parts {
            supervisor,
            letters,
            keeper,
            store,
            statistics,
            snapshots,
            limits,
            doorman,
            safety,
            outside,
            about,
        } = parts;
        let reach = Reach { supervisor: supervisor.clone(), letters, keeper: keeper.clone(), doorman: doorman.clone() };
        Site {
            supervisor,
            keeper,
            desk: Desk::start(reach),
            statistics,
            snapshots,
            store,
            limits,
            safety,
            outside,
            about,
            live: Live::default(),
            doorman,
            process: Process::new(Instant::now()),
            streams: Streams::default(),
            draining,
        }
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Waits until the server is about to stop: then polls and streams end.
    pub async fn drained(&self) {
        // Its sender lives as long as the server; without it, the server has stopped.
        let _ = self.draining.clone().wait_for(|is_draining| *is_draining).await;
    }
}

/// What happens to every request, whatever its path, and to every answer.
async fn guard(
    site: Data<Site>,
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let path = request.match_info().unprocessed();
    let (is_for_programs, is_poll) = (safety::is_for_programs(path), safety::is_poll(path));
    let judged = site.safety.judge(&request);
    if is_poll {
        // Nobody reads them any more, and actix-web keeps room for many: most of what a poll that waits would occupy.
        *request.headers_mut() = HeaderMap::new();
    }
    let busy = request.conn_data::<Pace>().map(Pace::begin);
    let answer = match judged {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(problem) => request.into_response(problem.error_response()),
    };
    let mut answer = with_problem(answer);
    safety::add_headers(answer.headers_mut(), is_for_programs);
    Ok(match busy {
        Some(busy) => answer.map_body(|_, body| Outgoing::wrap(body, busy)),
        None => answer,
    })
}

/// An error that is neither a problem nor a page becomes a problem.
fn with_problem(answer: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let status = answer.status();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(|kind| kind.as_bytes());
    let is_ours = kind.is_some_and(|kind| kind == problem::MEDIA_TYPE.as_bytes() || kind.starts_with(b"text/html"));
    if is_ours || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let problem = Problem::of_status(status).error_response();
    answer.into_response(problem)
}
