//! The document that describes the API: complete, and true.

use super::*;
use std::collections::BTreeSet;

/// Every route of the text, and its methods. Parameters are called as the document calls them: only their place counts.
const ROUTES: [(&str, &[&str]); 23] = [
    ("/jobs", &["post", "get"]),
    ("/jobs/batch", &["post"]),
    ("/jobs/{}", &["get", "delete"]),
    ("/jobs/{}/cancel", &["post"]),
    ("/jobs/{}/retry", &["post"]),
    ("/jobs/{}/complete", &["post"]),
    ("/jobs/{}/fail", &["post"]),
    ("/jobs/{}/touch", &["post"]),
    ("/jobs/{}/release", &["post"]),
    ("/assignments", &["get"]),
    ("/queues", &["get"]),
    ("/queues/{}", &["get"]),
    ("/queues/{}/pause", &["post"]),
    ("/queues/{}/resume", &["post"]),
    ("/queues/{}/purge", &["post"]),
    ("/queues/{}/retry-failed", &["post"]),
    ("/workers", &["get"]),
    ("/masters", &["get"]),
    ("/workers/{}/disconnect", &["post"]),
    ("/stats", &["get"]),
    ("/events", &["get"]),
    ("/ping", &["get"]),
    ("/openapi.json", &["get"]),
];

#[track_caller]
fn document(http: &mut Http) -> Value {
    http.get("/openapi.json").json(200)
}

/// A path without the names of its parameters.
fn shape(path: &str) -> String {
    let path = path.strip_prefix(API).unwrap_or(path);
    let parts: Vec<&str> = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part }).collect();
    parts.join("/")
}

#[test]
fn every_route_is_described() {
    let server = Server::start();
    let mut http = http(&server);
    let document = document(&mut http);
    assert!(
        document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")),
        "got {}",
        document["openapi"]
    );
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let paths = document["paths"].as_object().expect("a document has paths");
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().expect("a path has methods").keys().map(|method| (shape(path), method.clone()))
        })
        .collect();
    for (path, methods) in ROUTES {
        for method in methods {
            // The document need not describe itself.
            let is_there = described.contains(&(path.to_owned(), (*method).to_owned())) || path == "/openapi.json";
            assert!(is_there, "expected {method} {path}, got {described:?}");
        }
    }
}

#[test]
fn everything_that_is_described_is_there() {
    let server = Server::start();
    let mut http = http(&server);
    let document = document(&mut http);
    let base = document["servers"][0]["url"].as_str().unwrap_or("").trim_end_matches('/').to_owned();
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        let whole =
            if path.starts_with(API) || !base.starts_with('/') { path.clone() } else { format!("{base}{path}") };
        let target: Vec<&str> =
            whole.split('/').map(|part| if part.starts_with('{') { "none" } else { part }).collect();
        let target = target.join("/");
        let methods = item.as_object().expect("a path has methods");
        for (method, operation) in methods {
            if !["get", "post", "put", "delete", "patch"].contains(&method.as_str()) {
                continue;
            }
            if target.ends_with("/events") {
                continue;
            }
            let query = if target.ends_with("/assignments") { "?type=none&wait=0" } else { "" };
            let body: Option<&[u8]> = (method == "post").then_some(b"{}");
            let answer = http.ask(&method.to_uppercase(), &format!("{target}{query}"), &[AS_JSON], body);
            assert_ne!(answer.status, 405, "{method} {path}");
            if answer.status == 404 {
                assert_ne!(answer.value()["code"], "not_found", "{method} {path}");
            }
            assert!(answer.status < 500, "{method} {path}: {answer:?}");
            let responses =
                operation["responses"].as_object().unwrap_or_else(|| panic!("expected responses of {method} {path}"));
            let is_described = responses.contains_key(&answer.status.to_string())
                || responses.contains_key("default")
                || responses.contains_key(&format!("{}XX", answer.status / 100));
            assert!(is_described, "{method} {path}: {} is not described, got {:?}", answer.status, responses.keys());
        }
    }
}

/// Every `$ref` in a value.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let (true, Some(target)) = (name == "$ref", member.as_str()) {
                    found.insert(target.to_owned());
                }
                references(member, found);
            }
        }
        Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let server = Server::start();
    let mut http = http(&server);
    let document = document(&mut http);
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer =
            reference.strip_prefix('#').unwrap_or_else(|| panic!("expected a reference inside, got {reference}"));
        assert!(document.pointer(pointer).is_some(), "expected {reference} to be there");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("a document has paths") {
        for (method, operation) in item.as_object().expect("a path has methods") {
            if let Some(name) = operation["operationId"].as_str() {
                assert!(names.insert(name.to_owned()), "expected one operation {name}, got {method} {path}");
            }
            // Each parameter in the path is described.
            for part in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
                let described = operation["parameters"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .chain(item["parameters"].as_array().into_iter().flatten());
                let is_there =
                    described.into_iter().any(|parameter| parameter["name"] == *part && parameter["in"] == "path");
                assert!(is_there, "expected the parameter {part} of {method} {path} to be described");
            }
        }
    }
}

#[test]
fn a_job_is_described_with_all_its_members() {
    let server = Server::start();
    let mut http = http(&server);
    let document = document(&mut http);
    let schemas = document["components"]["schemas"].as_object().expect("a document has schemas");
    for (what, members) in [
        ("a job", JOB.as_slice()),
        ("an assignment", &ASSIGNMENT),
        ("an attempt", &ATTEMPT),
        ("a problem", &["type", "title", "status", "detail", "code"]),
    ] {
        let has_all = |schema: &Value| members.iter().all(|name| schema["properties"].get(*name).is_some());
        assert!(schemas.values().any(has_all), "expected a schema of {what} with {members:?}");
    }
}
