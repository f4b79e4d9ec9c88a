//! A table of routes: who answers which method on which path. It knows which paths there are, so that a wrong method is told
//! apart from a wrong path, and so that a test can hold it against the OpenAPI document.

use std::rc::Rc;

use actix_web::dev::ResourceDef;
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, ServiceConfig};
use actix_web::{FromRequest, Handler, HttpRequest, Resource, Responder, ResponseError, guard};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Site;
use super::pages::serve;
use super::problem::Problem;

/// The routes of a server, in the order in which they are tried.
#[derive(Default)]
pub struct Routes {
    rows: Vec<Row>,
}

struct Row {
    method: Method,
    path: &'static str,
    /// Whether a HEAD is answered as a GET is.
    answers_head: bool,
    resource: Resource,
}

impl Routes {
    /// With a question; also answers HEAD.
    pub fn get<F, Args>(self, path: &'static str, handler: F) -> Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let is_question = guard::Any(guard::Get()).or(guard::Head());
        self.with(Method::GET, true, path, web::resource(path).guard(is_question).to(handler))
    }

    /// With a GET that changes something, so that a HEAD must not do the same unseen.
    pub fn get_that_changes<F, Args>(self, path: &'static str, handler: F) -> Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::GET, false, path, web::resource(path).guard(guard::Get()).to(handler))
    }

    /// With a change.
    pub fn post<F, Args>(self, path: &'static str, handler: F) -> Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::POST, false, path, web::resource(path).guard(guard::Post()).to(handler))
    }

    /// With a removal.
    pub fn delete<F, Args>(self, path: &'static str, handler: F) -> Routes
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.with(Method::DELETE, false, path, web::resource(path).guard(guard::Delete()).to(handler))
    }

    fn with(mut self, method: Method, answers_head: bool, path: &'static str, resource: Resource) -> Routes {
        self.rows.push(Row { method, path, answers_head, resource });
        self
    }

    /// Method and path of each, as the OpenAPI document spells them.
    pub fn listed(&self) -> impl Iterator<Item = (&Method, &'static str)> {
        self.rows.iter().map(|row| (&row.method, row.path))
    }

    /// Hands the routes to actix-web. Whatever fits none of them is a problem: 404, or 405 where only the method is wrong. To a
    /// browser, a 404 is a page.
    pub fn register(self, config: &mut ServiceConfig) {
        let mut map = Map::default();
        for row in self.rows {
            map.add(&row.method, row.answers_head, row.path);
            config.service(row.resource);
        }
        let map = Rc::new(map);
        config.default_service(web::to(move |site: Data<Site>, request: HttpRequest| {
            let problem = map.why_not(request.match_info().unprocessed());
            async move {
                match problem.status_code() == StatusCode::NOT_FOUND && serve::is_by_browser(&request) {
                    true => Ok(serve::page(site, request).await),
                    false => Err(problem),
                }
            }
        }));
    }
}

/// Which methods each path takes.
#[derive(Default)]
struct Map {
    paths: Vec<(ResourceDef, &'static str, Vec<Method>)>,
}

impl Map {
    fn add(&mut self, method: &Method, answers_head: bool, path: &'static str) {
        let known = self.paths.iter().position(|(_, known, _)| *known == path);
        let place = known.unwrap_or_else(|| {
            self.paths.push((ResourceDef::new(path), path, Vec::new()));
            self.paths.len() - 1
        });
        let methods = &mut self.paths[place].2;
        methods.push(method.clone());
        if answers_head {
            methods.push(Method::HEAD);
        }
    }

    /// Why a path was not answered.
    fn why_not(&self, path: &str) -> Problem {
        let mut allowed: Vec<&str> = Vec::new();
        for (pattern, _, methods) in &self.paths {
            if pattern.is_match(path) {
                allowed.extend(
                    methods.iter().map(Method::as_str).filter(|method| !allowed.contains(method)).collect::<Vec<_>>(),
                );
            }
        }
        if allowed.is_empty() { Problem::not_found() } else { Problem::method_not_allowed(allowed.join(", ")) }
    }
}

/// A part of a path, by its place between the slashes (from 0), with its percent escapes undone once: so any id can be named,
/// slashes, dots and percent signs included. `None` where it isn't UTF-8.
pub fn segment(request: &HttpRequest, place: usize) -> Option<String> {
    let raw = request.uri().path().split('/').nth(place + 1)?;
    percent_encoding::percent_decode_str(raw).decode_utf8().ok().map(|text| text.into_owned())
}

/// A text as a part of a path: escaped is all but what RFC 3986 calls unreserved. `.` and `..` would be taken for places, so
/// they are escaped too.
pub fn path_part(text: &str) -> String {
    const DOTS_TOO: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
    const ESCAPED: &AsciiSet = &DOTS_TOO.remove(b'.');
    let is_place = matches!(text, "." | "..");
    utf8_percent_encode(text, if is_place { DOTS_TOO } else { ESCAPED }).to_string()
}
