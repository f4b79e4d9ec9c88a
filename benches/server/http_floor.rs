//! The floor of HTTP: what actix-web itself costs.
//!
//! One handler that reads a submit with serde_json and says 201, on as many threads as the server has for HTTP. It checks
//! nothing, keeps nothing, and nobody gets its jobs.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use procession::web::WORKERS;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::flaw::Flaw;
use crate::floor;

/// Serves until standard input closes.
pub fn serve(ports_file: &Path) -> Result<(), Flaw> {
    actix_web::rt::System::new().block_on(async {
        floor::exit_with_input()?;
        let server = HttpServer::new(|| App::new().route("/api/v1/jobs", web::post().to(submit)))
            .workers(WORKERS)
            .disable_signals()
            .bind("127.0.0.1:0")
            .map_err(Flaw::system("listen"))?;
        let ports = serde_json::json!({ "http": server.addrs()[0].to_string() });
        fs::write(ports_file, ports.to_string()).map_err(Flaw::system("write the ports file"))?;
        server.run().await.map_err(Flaw::system("serve"))
    })
}

#[derive(Deserialize)]
struct Submit<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    body: &'a RawValue,
    durable: Option<bool>,
}

/// The answer has the server's words, and none of its headers for browsers.
async fn submit(text: Bytes) -> HttpResponse {
    let Ok(Submit { id, kind, body, durable }) = serde_json::from_slice(&text) else {
        return HttpResponse::BadRequest().finish();
    };
    // So that nobody leaves out what is read, and then not used.
    black_box((body, durable));
    HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/jobs/{id}")))
        .content_type("application/json")
        .body(format!("{{\"id\":\"{id}\",\"type\":\"{kind}\",\"state\":\"queued\"}}"))
}
