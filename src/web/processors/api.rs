//! What processors ask of the manager: `/register`, `/complete`; and what anybody may: `/meta`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::BytesMut;

use super::card::Card;
use super::processor::Complete;
use super::registry::{Register, ShowMeta, TakeWord, Unregister, unknown_processor};
use super::schema;
use crate::core::{Answer, Body, Refusal, TypeName};
use crate::json::{self, fields};
use crate::web::Site;
use crate::web::api::schema::Problem as ProblemSchema;
use crate::web::body;
use crate::web::problem::Problem;
use crate::web::routes::segment;

/// Registers a processor: it is called back, and must give the same id and name.
#[utoipa::path(
    post, path = "/register", tag = "processors",
    request_body = schema::Registration,
    responses(
        (status = 200, description = "Registered, in place of what had this id", body = schema::Processor),
        (status = 201, description = "Registered", body = schema::Processor),
        (status = 422, description = "`invalid_field`, `invalid_url`, `unreachable`, `meta_mismatch`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "`too_many_processors`", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub async fn register(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let text = body::read(&request, payload, &site.limits).await?;
    let card = Card::parse(&text, site.limits.max_depth)?;
    let registered = site.outside.registry.send(Register { card }).await.map_err(|_| Refusal::Draining)??;
    let status = if registered.is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json_answer(status, registered.json))
}

/// Removes a processor; what it holds goes back.
#[utoipa::path(
    delete, path = "/register/{id}", tag = "processors",
    params(("id" = String, Path, description = "The processor's id")),
    responses(
        (status = 204, description = "Removed"),
        (status = 404, description = "`unknown_processor`", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub async fn unregister(site: web::Data<Site>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let named = segment(&request, ID).and_then(|id| TypeName::from_text(&id).ok());
    let id = named.ok_or_else(|| unknown_processor(StatusCode::NOT_FOUND, "no processor has this id"))?;
    site.outside.registry.send(Unregister { id }).await.map_err(|_| Refusal::Draining)??;
    Ok(HttpResponse::NoContent().finish())
}

/// Where `/register/ID` and `/action/ID` have the id.
pub const ID: usize = 1;

/// The manager and its processors, with live figures.
#[utoipa::path(
    get, path = "/meta", tag = "processors",
    responses((status = 200, description = "The manager and its processors", body = schema::Manager))
)]
pub async fn meta(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    let shown = site.outside.registry.send(ShowMeta).await.map_err(|_| Refusal::Draining)?;
    Ok(json_answer(StatusCode::OK, shown))
}

/// A processor's word on an item that it has accepted.
#[utoipa::path(
    post, path = "/complete", operation_id = "complete_item", tag = "processors",
    request_body = schema::Completion,
    responses(
        (status = 200, description = "Taken, and on disk", body = schema::Taken),
        (status = 404, description = "`unknown_job`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 409, description = "`not_yours`, `stale_receipt`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 410, description = "`cancelled`", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_field`", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub async fn complete(
    site: web::Data<Site>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Problem> {
    let text = body::read(&request, payload, &site.limits).await?;
    let word = read_word(&text, site.limits.max_depth)?;
    drop(text);
    site.outside.registry.send(word).await.map_err(|_| Refusal::Draining)??;
    Ok(json_answer(StatusCode::OK, BytesMut::from(&b"{\"ok\":true}"[..])))
}

fn read_word(text: &[u8], max_depth: usize) -> Result<TakeWord, Problem> {
    let [id, processor, attempt, data, error] =
        json::object(text, max_depth, &["id", "processor", "attempt", "data", "error"])
            .map_err(|flaw| Problem::flaw(flaw, text))?;
    let missing = |field: &'static str| move || Problem::invalid_field(field, format!("a word needs its {field}"));
    let id = fields::given(id).ok_or_else(missing("id"))?;
    let processor = fields::given(processor).ok_or_else(missing("processor"))?;
    let attempt = fields::number(attempt, 1, "attempt")
        .map_err(|name| Problem::invalid_field(name, "expected an integer from 1"))?;
    let answer = match (data, error) {
        (Some(data), None) => Answer::Complete(Body::from(data.as_bytes())),
        (None, Some(error)) => Answer::Fail { error: Body::from(error.as_bytes()), retry: true, delay_ms: None },
        (None, None) => return Err(Problem::invalid_field("data", "a word has data, or an error")),
        (Some(_), Some(_)) => return Err(Problem::invalid_field("error", "a word has data or an error, not both")),
    };
    let word = Complete {
        id: fields::id(id).map_err(|bad| Problem::invalid_field("id", format!("the id {bad}")))?,
        attempt: attempt.map(|attempt| attempt.min(u64::from(u32::MAX)) as u32),
        answer,
    };
    let processor = fields::type_name(processor)
        .map_err(|bad| Problem::invalid_field("processor", format!("the processor's id {bad}")))?;
    Ok(TakeWord { processor, word })
}

/// An answer with this JSON.
pub fn json_answer(status: StatusCode, out: BytesMut) -> HttpResponse {
    HttpResponse::build(status).content_type("application/json").body(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TakeWord, String> {
        read_word(text.as_bytes(), 8).map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_word_is_data_or_an_error() {
        let taken = read(r#"{"id":"a/0","processor":"p","attempt":2,"data":{"n":1.0}}"#).unwrap();
        assert_eq!((&*taken.processor.text(), taken.word.attempt), ("p", Some(2)));
        assert!(matches!(taken.word.answer, Answer::Complete(data) if &*data == br#"{"n":1.0}"#));
        let taken = read(r#"{"id":7,"processor":"p","error":null}"#).unwrap();
        assert!(matches!(taken.word.answer, Answer::Fail { error, retry: true, delay_ms: None } if &*error == b"null"));
    }

    #[test]
    fn half_a_word_is_none() {
        for (text, code) in [
            ("{", "invalid_json"),
            ("[]", "invalid_message"),
            ("{}", "invalid_field"),
            (r#"{"id":"a","data":1}"#, "invalid_field"),
            (r#"{"processor":"p","data":1}"#, "invalid_field"),
            (r#"{"id":"a","processor":"p"}"#, "invalid_field"),
            (r#"{"id":"a","processor":"p","data":1,"error":1}"#, "invalid_field"),
            (r#"{"id":"a","processor":"p","data":1,"attempt":0}"#, "invalid_field"),
            (r#"{"id":"a","processor":7,"data":1}"#, "invalid_field"),
            (r#"{"id":"","processor":"p","data":1}"#, "invalid_field"),
            (r#"{"id":"a","processor":"p","data":[[[[[[[[[1]]]]]]]]]}"#, "too_deep"),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(code), "{text}");
        }
    }
}
