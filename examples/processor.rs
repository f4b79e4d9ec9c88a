//! A processor on actix-web: work that is pushed over HTTP.
//!
//! ```sh
//! cargo run --example processor -- [MANAGER [NAME]]     # http://127.0.0.1:3000 upper
//! ```
//!
//! It listens on a free port and registers with the manager, which asks for `/meta` at once and then every few seconds, and
//! sends items to `/process`. Data comes back in capitals, and an item that is no text is refused.
//!
//! ```text
//! → POST /register   {"id":"upper-4711","name":"upper","url":"http://127.0.0.1:40123","concurrency":4}
//! ← GET  /meta                                                                  200 {"id","name","cpu","memory"}
//! ← POST /process    {"id":ITEM,"action":A,"step":K,"attempt":N,"data":"abc"}   200 {"data":"ABC"}
//! ```
//!
//! What takes longer than an HTTP answer is answered with 202, and later by `POST /complete {"id":ITEM,"processor":ID,"data":…}`.

use std::fs;
use std::io;

use actix_web::web::{Data, Json};
use actix_web::{App, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

/// What it is called.
struct Identity {
    id: String,
    name: String,
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let manager = args.next().unwrap_or("http://127.0.0.1:3000".to_owned());
    let name = args.next().unwrap_or("upper".to_owned());
    let id = format!("{name}-{}", std::process::id());
    let identity = Data::new(Identity { id: id.clone(), name: name.clone() });

    let application = move || {
        App::new()
            .app_data(identity.clone())
            .app_data(web::JsonConfig::default().limit(16 << 20))
            .route("/meta", web::get().to(meta))
            .route("/process", web::post().to(process))
    };
    let server = HttpServer::new(application).workers(1).bind("127.0.0.1:0")?;
    let url = format!("http://{}", server.addrs()[0]);
    let server = server.run();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);

    let card = json!({"id": id, "name": name, "url": url, "concurrency": 4});
    let answer = awc::Client::default().post(format!("{manager}/register")).send_json(&card).await;
    match answer.map_err(|error| error.to_string()) {
        Ok(answer) if answer.status().is_success() => println!("{id} at {url}"),
        Ok(mut answer) => {
            let why = answer.body().await.unwrap_or_default();
            eprintln!("{manager}: {} {}", answer.status(), String::from_utf8_lossy(&why));
            handle.stop(false).await;
        }
        Err(error) => {
            eprintln!("{manager}: {error}");
            handle.stop(false).await;
        }
    }
    serving.await.map_err(io::Error::other)?
}

/// What it says of itself. The manager only shows the figures; what it can't tell is null.
async fn meta(identity: Data<Identity>) -> HttpResponse {
    let Identity { id, name } = identity.as_ref();
    HttpResponse::Ok().json(json!({"id": id, "name": name, "cpu": Value::Null, "memory": memory()}))
}

/// An item: its data in capitals.
async fn process(Json(item): Json<Value>) -> HttpResponse {
    println!("{item}");
    match item["data"].as_str() {
        Some(text) => HttpResponse::Ok().json(json!({"data": text.to_uppercase()})),
        // 4xx: to try again would not help.
        None => HttpResponse::UnprocessableEntity().json(json!({"error": "the data is no text"})),
    }
}

/// The memory it holds, in bytes, where the system says.
fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
