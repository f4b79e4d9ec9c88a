//! What anybody asks of actions: `/action`.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::book::{Begun, LookAt};
use super::plan::Plan;
use super::schema;
use crate::core::{JobId, Refusal};
use crate::web::Site;
use crate::web::api::jobs::new_id;
use crate::web::api::schema::Problem as ProblemSchema;
use crate::web::body;
use crate::web::object::Object;
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::processors::api::{ID, json_answer};
use crate::web::query::Query;
use crate::web::routes::{path_part, segment};

/// Begins an action: its data goes through the steps, one after another.
#[utoipa::path(
    post, path = "/action", tag = "actions",
    request_body = schema::Plan,
    responses(
        (status = 202, description = "Accepted, and on disk", body = schema::Begun),
        (status = 409, description = "`id_exists`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 422, description = "`unknown_processor`, `empty_action`, `invalid_field`, `invalid_url`, `too_deep`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "`draining`, `queue_full`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 507, description = "`disk_full`", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub async fn begin(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let text = body::read(&request, payload, &site.limits).await?;
    let (plan, data) = Plan::parse(&text, site.limits.max_depth, wall_ms(), new_id)?;
    drop(text);
    let id = plan.id.clone();
    site.outside.actions.send(Begun { plan, data }).await.map_err(|_| Refusal::Draining)??;
    let mut out = BytesMut::new();
    let mut object = Object::begin(&mut out);
    object.raw("id", id.token().as_bytes());
    object.end();
    let mut answer = json_answer(StatusCode::ACCEPTED, out);
    let place = format!("/action/{}", path_part(&id.text()));
    if let Ok(place) = header::HeaderValue::from_str(&place) {
        answer.headers_mut().insert(header::LOCATION, place);
    }
    Ok(answer)
}

/// Looks at an action; with `wait`, when it has ended, or as it is when the time is over.
#[utoipa::path(
    get, path = "/action/{id}", operation_id = "look_at_action", tag = "actions",
    params(
        ("id" = String, Path, description = "The action's id"),
        ("wait" = Option<f64>, Query, description = "Wait so many seconds for its end: 0 to 55"),
    ),
    responses(
        (status = 200, description = "The action with its steps", body = schema::Action),
        (status = 404, description = "`unknown_action`", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub async fn look(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let wait = Query::parse(request.query_string())?.wait()?.unwrap_or_default();
    let named = segment(&request, ID).and_then(|id| JobId::from_text(&id).ok());
    let id = named.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "unknown_action", "no action has this id"))?;
    let wait = if site.is_draining() { std::time::Duration::ZERO } else { wait };
    let shown = tokio::select! {
        shown = site.outside.actions.send(LookAt { id: id.clone(), wait }) => shown,
        () = site.drained(), if !wait.is_zero() => {
            site.outside.actions.send(LookAt { id, wait: std::time::Duration::ZERO }).await
        }
    };
    Ok(json_answer(StatusCode::OK, shown.map_err(|_| Refusal::Draining)??))
}
