//! Whether the process and its actors answer, and whether it should get new work.

use std::time::Duration;

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use tokio::time::timeout;

use super::Site;
use super::problem::Problem;
use crate::actors::pulse::Pulse;

/// An actor that says nothing for so long is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the process and its actors answer.
#[utoipa::path(
    get, path = "/healthz", tag = "server",
    responses((status = 200, description = "They do", body = String), (status = 503, description = "`unhealthy`"))
)]
pub async fn healthz(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    let is_well = has_pulse(&site.supervisor).await
        && has_pulse(&site.statistics).await
        && match &site.keeper {
            Some(keeper) => has_pulse(keeper).await,
            None => true,
        };
    if is_well { Ok(text("ok\n")) } else { Err(unhealthy()) }
}

/// Whether the store is open and the server is not about to stop.
#[utoipa::path(
    get, path = "/readyz", tag = "server",
    responses((status = 200, description = "Send it work", body = String), (status = 503, description = "`draining`, `unhealthy`"))
)]
pub async fn readyz(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    if site.is_draining() {
        return Err(crate::core::Refusal::Draining.into());
    }
    // Without an open store there is no keeper any more: a failed store stops the process.
    match &site.keeper {
        Some(keeper) if !has_pulse(keeper).await => Err(unhealthy()),
        Some(_) | None => Ok(text("ready\n")),
    }
}

/// Whether anybody is here.
#[utoipa::path(get, path = "/api/v1/ping", tag = "server", responses((status = 200, description = "`pong`", body = String)))]
pub async fn ping() -> HttpResponse {
    text("pong\n")
}

fn text(words: &'static str) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(words)
}

async fn has_pulse<A>(actor: &Addr<A>) -> bool
where
    A: Actor + Handler<Pulse>,
    A::Context: ToEnvelope<A, Pulse>,
{
    matches!(timeout(PATIENCE, actor.send(Pulse)).await, Ok(Ok(())))
}

fn unhealthy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unhealthy", "an actor of the server does not answer")
}
