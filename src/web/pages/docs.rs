//! `/docs`: how to submit and work jobs in each protocol, and every call of the HTTP API, read from the OpenAPI document.

use maud::{Markup, html};
use serde_json::Value;

use super::doors::Doors;
use super::form::copyable;
use super::layout::head;
use super::text;
use super::view::{Page, Place, View};

/// A part of the page.
struct Part {
    id: &'static str,
    title: &'static str,
    content: Markup,
}

/// The page. `document` is the OpenAPI document.
pub fn page(view: &View, document: &Value) -> Page {
    let doors = &view.doors;
    let parts = [
        Part { id: "start", title: "A first job", content: start(doors) },
        Part { id: "http", title: "HTTP", content: http(doors) },
        Part { id: "native", title: "Native TCP", content: native(doors) },
        Part { id: "gloom", title: "gloom", content: gloom(doors) },
        Part { id: "deputy", title: "deputy", content: deputy(doors) },
        Part { id: "processors", title: "Processors and actions", content: processors(doors) },
    ];
    let operations = operations(document);
    let body = html! {
        (head(html! { "Docs" }, html! { "How to use the server, from a shell and from programs." }, html! {}))
        div.doc {
            div.stack {
                @for part in &parts {
                    section.card id=(part.id) {
                        header { h2 { (part.title) } }
                        div.inner.prose { (part.content) }
                    }
                }
                section.card id="api" {
                    header { h2 { "Every call" } a.more href="/api/v1/openapi.json" { "OpenAPI document" } }
                    @for (tag, calls) in &operations {
                        div.inner { h3 { (super::state::capital(tag)) } }
                        @for call in calls { (call_details(doors, call)) }
                    }
                }
            }
            nav aria-label="On this page" {
                @for part in &parts { a href={ "#" (part.id) } { (part.title) } }
                a href="#api" { "Every call" }
            }
        }
    };
    Page { title: "Docs".to_owned(), place: Place::Docs, body, regions: Vec::new(), has_fields: false }
}

fn code(text: &str) -> Markup {
    copyable(text::lines(text), true)
}

fn start(doors: &Doors) -> Markup {
    let take = doors.curl("GET", "/assignments?type=greet&wait=30", None);
    let python = format!(
        "{begins}from procession import Client, Worker    # examples/python, standard library only\n\n\
         worker = Worker({doors}, concurrency=8)\n\n\
         @worker.handler(\"greet\")\ndef greet(job):\n    return f\"hello {{job.body}}\"\n\n\
         worker.start()\n\
         with Client({doors}) as client:\n    print(client.map(\"greet\", [\"Ada\", \"Grace\"]))",
        begins = doors.python_begins(),
        doors = doors.of_python()
    );
    html! {
        @if doors.asks_token() {
            p { "This server asks for a token: the examples take it from " code { "PROCESSION_TOKEN" } ", as the program does." }
        }
        p { "A master submits a job of a type; a worker that joined this type takes it and answers; the master gets the answer. A type needs no setting up." }
        h3 { "Submit" }
        (code(&doors.curl("POST", "/jobs", Some("{\"type\":\"greet\",\"body\":\"Ada\"}"))))
        h3 { "Take it, in another shell" }
        (code(&take))
        h3 { "Answer, with the id and the receipt that came with it" }
        (code(&doors.curl("POST", "/jobs/ID/complete", Some("{\"receipt\":\"RECEIPT\",\"body\":\"hello Ada\"}"))))
        h3 { "Or with the program itself: one command a job" }
        (code("procession work greet --exec 'tr a-z A-Z' &\nprocession submit greet '\"ada\"' --wait"))
        h3 { "Or in Python" }
        (code(&python))
    }
}

fn http(doors: &Doors) -> Markup {
    html! {
        p { "JSON in and out, below " code { "/api/v1" } ". Errors are " code { "application/problem+json" } " with a stable " code { "code" } ". Lists have " code { "next" } ", which is the " code { "?cursor" } " of the page behind. Long polls take " code { "?wait" } " in seconds, answer at once when there is something and " code { "204" } " when the time is over." }
        h3 { "Submit and wait for the result" }
        (code(&doors.curl("POST", "/jobs?wait=30", Some("{\"type\":\"greet\",\"body\":\"Ada\",\"priority\":5,\"max_attempts\":3}"))))
        h3 { "Many at once: one sync for all" }
        (code(&doors.curl("POST", "/jobs/batch", Some("{\"jobs\":[{\"type\":\"greet\",\"body\":1},{\"type\":\"greet\",\"body\":2}]}"))))
        h3 { "Find" }
        (code(&doors.curl("GET", "/jobs?type=greet&state=failed&q=timeout", None)))
        h3 { "Fail, keep, give back" }
        (code(&format!("{}\n\n{}\n\n{}",
            doors.curl("POST", "/jobs/ID/fail", Some("{\"receipt\":\"RECEIPT\",\"error\":\"no such user\",\"retry\":false}")),
            doors.curl("POST", "/jobs/ID/touch", Some("{\"receipt\":\"RECEIPT\",\"lease_ms\":60000,\"progress\":0.5}")),
            doors.curl("POST", "/jobs/ID/release", Some("{\"receipt\":\"RECEIPT\",\"delay_ms\":5000}")))))
        p { "A job of a long-poller has a lease of a minute: who works longer, touches it. When the lease ends, another worker gets the job and the old receipt is refused as stale." }
    }
}

fn native(doors: &Doors) -> Markup {
    html! {
        p { "One connection, any role, many jobs in flight. A frame is a 32-bit length, big-endian, and a JSON object. It listens on " (door(doors, "tcp")) "." }
        @if doors.asks_token() { (code("→ {\"action\":\"hello\",\"token\":\"…\"}\n← {\"ok\":true,…}")) }
        (code("→ {\"action\":\"submit\",\"type\":\"greet\",\"body\":\"Ada\",\"notify\":true}\n← {\"ok\":true,\"id\":\"…\"}\n← {\"action\":\"result\",\"id\":\"…\",\"body\":\"hello Ada\"}"))
        (code("→ {\"action\":\"join\",\"types\":[\"greet\"],\"credit\":8}\n← {\"ok\":true}\n← {\"action\":\"job\",\"id\":\"…\",\"type\":\"greet\",\"body\":\"Ada\",\"attempt\":1,\"lease_ms\":1800000}\n→ {\"action\":\"respond\",\"id\":\"…\",\"body\":\"hello Ada\"}\n← {\"ok\":true}"))
    }
}

fn gloom(doors: &Doors) -> Markup {
    html! {
        p { "The simplest worker there is. Frames as in the native protocol; masters connect to " (door(doors, "gloom-masters")) ", workers to " (door(doors, "gloom-workers")) ". Jobs are in memory, and those that wait go when their master does, unless it asks for " code { "\"durable\":true" } "." }
        h3 { "Master" }
        (code("→ {\"action\":\"submit\",\"id\":1,\"type\":\"greet\",\"body\":\"Ada\"}\n← {\"ok\":true,\"id\":1}\n← {\"id\":1,\"body\":\"hello Ada\"}"))
        h3 { "Worker" }
        (code("→ {\"action\":\"join\",\"type\":\"greet\"}\n← {\"ok\":true}\n← {\"action\":\"job\",\"id\":1,\"type\":\"greet\",\"body\":\"Ada\"}\n→ {\"action\":\"respond\",\"body\":\"hello Ada\"}\n← {\"ok\":true}"))
    }
}

fn deputy(doors: &Doors) -> Markup {
    let at = doors.at("deputy").and_then(|at| at.rsplit_once(':')).unwrap_or(("HOST", "PORT"));
    let do_it = "{\"cmd\":\"do\",\"id\":1,\"type\":\"greet\",\"arg\":\"Ada\"}";
    let nc = format!("printf '{do_it}\\n' | nc -q5 {} {}", at.0, at.1);
    html! {
        p { "A JSON object on each line, over TCP at " (door(doors, "deputy")) " or a UNIX socket. So a client is one " code { "nc" } "." }
        (code(&nc))
        (code("→ {\"cmd\":\"can_do\",\"types\":[\"greet\"]}\n← {\"cmd\":\"do\",\"id\":1,\"type\":\"greet\",\"arg\":\"Ada\"}\n→ {\"cmd\":\"did\",\"id\":1,\"res\":\"hello Ada\"}"))
    }
}

fn processors(doors: &Doors) -> Markup {
    let register = "{\"id\":\"resize-1\",\"name\":\"resize\",\"url\":\"http://127.0.0.1:8080\",\"concurrency\":4}";
    let register = doors.curl_at("POST", "/register", Some(register));
    let action = begin_action(doors);
    html! {
        p { "A processor is a small HTTP server that jobs are pushed to. It answers " code { "GET /meta" } " with its id and name, takes " code { "POST /process" } ", and registers here:" }
        (code(&register))
        p { "It answers 200 with " code { "{\"data\":…}" } " when it is done, or 202 and calls " code { "POST /complete" } " later." }
        p { "An action carries data through a list of processors or types, each getting what the one before returned:" }
        (code(&action))
    }
}

/// The call that begins an action.
pub(super) fn begin_action(doors: &Doors) -> String {
    doors.curl_at("POST", "/action", Some("{\"processors\":[\"resize\",\"store\"],\"data\":{\"url\":\"…\"}}"))
}

/// Where a listener is.
fn door(doors: &Doors, what: &str) -> Markup {
    html! { @match doors.at(what) { Some(at) => code { (at) }, None => { "a port (it is off here: " code { "--" (what) } ")" } } }
}

/// A call of the document.
struct Call<'a> {
    method: String,
    path: &'a str,
    operation: &'a Value,
}

/// The calls by their tags, each in the order of the document.
fn operations(document: &Value) -> Vec<(&str, Vec<Call<'_>>)> {
    let mut tags: Vec<(&str, Vec<Call<'_>>)> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, verbs) in paths {
        for (verb, operation) in verbs.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or("other");
            let call = Call { method: verb.to_uppercase(), path, operation };
            match tags.iter_mut().find(|(known, _)| *known == tag) {
                Some((_, calls)) => calls.push(call),
                None => tags.push((tag, vec![call])),
            }
        }
    }
    tags
}

fn call_details(doors: &Doors, call: &Call<'_>) -> Markup {
    let operation = call.operation;
    let said = |name: &str| operation[name].as_str().unwrap_or("");
    let summary = said("summary");
    html! {
        details {
            summary {
                span class={ "verb v-" (call.method.to_lowercase()) } { (call.method) } " "
                code { (call.path) } " "
                span.soft { (text::line(summary.lines().next().unwrap_or(""))) }
            }
            div.inner.stack.tight {
                @for line in said("description").lines().filter(|line| !line.is_empty()) { p { (text::line(line)) } }
                (parameters(operation))
                (answers(operation))
                @if call.method == "GET" && !call.path.contains('{') {
                    (code(&doors.curl_at("GET", call.path, None)))
                }
            }
        }
    }
}

fn parameters(operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    html! {
        @if !parameters.is_empty() {
            dl.pairs {
                @for parameter in parameters {
                    dt { code { (parameter["name"].as_str().unwrap_or("")) } " " span.soft { (parameter["in"].as_str().unwrap_or("")) } }
                    dd { (text::line(parameter["description"].as_str().unwrap_or(""))) @if parameter["required"] == true { " (needed)" } }
                }
            }
        }
    }
}

fn answers(operation: &Value) -> Markup {
    let responses = operation["responses"].as_object();
    html! {
        @if let Some(responses) = responses {
            dl.pairs {
                @for (status, response) in responses {
                    dt { code { (status) } }
                    dd { (text::line(response["description"].as_str().unwrap_or(""))) }
                }
            }
        }
    }
}
