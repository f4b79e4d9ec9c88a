//! HTTP: actix-web as another front end of the actors (`spec/http.md`).
//!
//! Requests become the same commands that the other protocols send, and answers are made of the same notices; no job model
//! lives here. What a request asks is checked in this order: the connection limit, the rules of [`safety`], the route, the
//! body ([`body`]), its fields. Whatever goes wrong is a [`problem`].
//!
//! | file | its noun |
//! |---|---|
//! | `mod` | all routes; the HTTP server as a whole, from its start to its end |
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
pub mod health;
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

use std::any::Any;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix::Addr;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, ServerHandle, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap};
use actix_web::middleware::{Next, from_fn};
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, Error, HttpServer, ResponseError};
use log::warn;
use socket2::SockRef;
use tokio::sync::watch;

use self::api::figures::events::{self, Streams};
use self::api::{assignments, figures, jobs, peers, queues};
use self::desk::{Desk, Reach};
use self::live::Live;
use self::outside::Outside;
use self::pages::vitals::About;
use self::problem::Problem;
use self::process::Process;
use self::routes::Routes;
use self::safety::{CameInOn, Safety};
use crate::actors::keeper::{Keeper, StoreFigures};
use crate::actors::listener::Doorman;
use crate::actors::socket;
use crate::actors::statistics::{Snapshots, Statistics};
use crate::actors::supervisor::Supervisor;
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
        .post("/preferences", pages::act::prefer)
        .get("/events", live::events)
        .get("/static/{hash}/{name}", pages::serve::asset)
        .get("/favicon.ico", pages::serve::favicon)
        .get("/healthz", health::healthz)
        .get("/readyz", health::readyz)
        .get("/api/v1/ping", health::ping)
        .get("/api/v1/openapi.json", document::openapi)
}

/// Threads that serve HTTP; `--threads` is about the connections of the other protocols. With two, one round trip of long
/// polls alone took a sixth more time and processor time, and submits of many connections took the same.
pub const WORKERS: usize = 1;

/// An idle connection is kept open for so long, so that a caller's next request needs no new one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A connection that closes takes in what its peer still sends for so long, so that the peer can read the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// At the end, requests that are being answered have so long, in seconds.
const LAST_ANSWERS: u64 = 2;

/// What an HTTP server is made of.
#[derive(Clone)]
pub struct Parts {
    /// Who routes.
    pub supervisor: Addr<Supervisor>,
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

/// A running HTTP server.
pub struct Front {
    server: ServerHandle,
    draining: watch::Sender<bool>,
}

impl Front {
    /// Not ready any more: `/readyz` says so, polls and streams end. Answers to jobs are still taken.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Answers what was asked, then stops.
    pub async fn stop(self) {
        self.server.stop(true).await;
    }
}

/// Serves HTTP on a bound socket, on threads of its own within this system.
///
/// # Errors
/// Where the system refuses.
pub fn serve(listener: TcpListener, parts: Parts) -> io::Result<Front> {
    let (draining, is_draining) = watch::channel(false);
    let (doorman, limits, started) = (parts.doorman.clone(), parts.limits.clone(), Instant::now());
    let application = move || {
        let Parts { supervisor, keeper, store, statistics, snapshots, limits, doorman, safety, outside, about } =
            parts.clone();
        let reach = Reach { supervisor: supervisor.clone(), keeper: keeper.clone(), doorman: doorman.clone() };
        let site = Site {
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
            process: Process::new(started),
            streams: Streams::default(),
            draining: is_draining.clone(),
        };
        App::new().app_data(Data::new(site)).configure(|config| routes().register(config)).wrap(from_fn(guard))
    };
    let server = HttpServer::new(application)
        .workers(WORKERS)
        .disable_signals()
        .shutdown_timeout(LAST_ANSWERS)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(limits.frame_timeout)
        .client_disconnect_timeout(LINGER)
        // A caller that has shut its side is gone, and so is its poll.
        .h1_allow_half_closed(false)
        // The doorman turns away whoever is too many; actix-web would let them wait.
        .max_connections(limits.max_connections.saturating_mul(2))
        .on_connect(move |stream, connection| welcome(stream, connection, &doorman, &limits))
        .listen(listener)?
        .run();
    let handle = server.handle();
    actix_rt::spawn(server);
    Ok(Front { server: handle, draining })
}

/// Counts a new connection, or turns it away; it has its place until it is closed.
fn welcome(stream: &dyn Any, connection: &mut Extensions, doorman: &Doorman, limits: &Limits) {
    let Some(stream) = stream.downcast_ref::<TcpStream>() else { return };
    match doorman.place("http") {
        Some(place) => {
            connection.insert(place);
            if let Ok(address) = stream.local_addr() {
                connection.insert(CameInOn(address.ip().to_canonical()));
            }
            // actix-web has no time limit for writing: the system ends a connection whose peer takes nothing for so long.
            let patience = limits.keepalive.min(limits.write_timeout / 2);
            if let Err(error) = socket::tune(stream, patience) {
                warn!(error:%; "a connection can't be watched for silence");
            }
        }
        None => {
            // It is closed already where this fails.
            let _ = SockRef::from(stream).shutdown(std::net::Shutdown::Both);
        }
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
    let answer = match judged {
        Ok(()) => next.call(request).await?.map_into_boxed_body(),
        Err(problem) => request.into_response(problem.error_response()),
    };
    let mut answer = with_problem(answer);
    safety::add_headers(answer.headers_mut(), is_for_programs);
    Ok(answer)
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
