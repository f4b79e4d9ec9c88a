//! The OpenAPI document of everything that programs may ask.

use actix_web::HttpResponse;
use utoipa::OpenApi;
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};

use super::api::{assignments, figures, jobs, peers, queues};
use super::{actions, health, metrics, problem, processors};

/// The operations, in the order in which people read them.
#[derive(OpenApi)]
#[openapi(
    info(title = "procession", description = "A language-agnostic job server", license(name = "MIT OR Apache-2.0")),
    paths(
        jobs::submit,
        jobs::submit_batch,
        jobs::look,
        jobs::list,
        jobs::cancel,
        jobs::retry,
        jobs::prioritize,
        jobs::run_now,
        jobs::delete,
        assignments::poll,
        assignments::complete,
        assignments::fail,
        assignments::touch,
        assignments::release,
        figures::list,
        figures::look,
        queues::pause,
        queues::resume,
        queues::purge,
        queues::retry_failed,
        peers::workers,
        peers::masters,
        peers::disconnect,
        figures::stats,
        figures::events::events,
        processors::api::register,
        processors::api::unregister,
        processors::api::meta,
        processors::api::complete,
        actions::api::begin,
        actions::api::look,
        health::ping,
        openapi,
        health::healthz,
        health::readyz,
        metrics::metrics,
    )
)]
pub struct Document;

/// The OpenAPI document of all of this.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "server", responses((status = 200, description = "The document")))]
pub async fn openapi() -> HttpResponse {
    match document().to_json() {
        Ok(text) => HttpResponse::Ok().content_type("application/json").body(text),
        Err(error) => HttpResponse::from_error(actix_web::error::ErrorInternalServerError(error)),
    }
}

/// The document, with what every operation may answer besides its own answers.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let problem = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(problem)).build();
    let response = ResponseBuilder::new()
        .description("A problem; its `code` says which")
        .content(problem::MEDIA_TYPE, content)
        .build();
    for path in document.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post, &mut path.delete].into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), response.clone().into());
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::{routes, safety};
    use std::collections::BTreeSet;

    #[test]
    fn the_document_and_the_routes_are_one() {
        let document = serde_json::to_value(document()).unwrap();
        let documented: BTreeSet<String> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, verbs)| {
                verbs.as_object().unwrap().keys().map(move |verb| format!("{} {path}", verb.to_uppercase()))
            })
            .collect();
        let routes = routes();
        let for_programs = routes.listed().filter(|(_, path)| safety::is_for_programs(path));
        let served: BTreeSet<String> = for_programs.map(|(method, path)| format!("{method} {path}")).collect();
        assert_eq!(documented, served);
    }
}
