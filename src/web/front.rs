//! The HTTP server as a whole: its threads, from its start to its end.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::HttpService;
use actix_rt::Arbiter;
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, Error};
use log::{error, warn};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::listener::{self, Door};
use super::{Parts, Site, guard, routes};

/// Threads that serve HTTP, beside the thread of the actors: a page or a large body must not hold up the jobs. `--threads` is
/// about the connections of the other protocols. With two, one round trip of long polls alone took a sixth more time and
/// processor time, and submits of many connections took the same.
pub const WORKERS: usize = 1;

/// An idle connection is kept open for so long, so that a caller's next request needs no new one.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// A connection that closes takes in what its peer still sends for so long, so that the peer can read the last answer.
const LINGER: Duration = Duration::from_secs(1);

/// At the end, requests that are being answered have so long.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// A running HTTP server.
pub struct Front {
    draining: watch::Sender<bool>,
    stopping: watch::Sender<bool>,
    /// Closed when all connections are.
    gone: mpsc::Receiver<()>,
}

impl Front {
    /// Not ready any more: `/readyz` says so, polls and streams end. Answers to jobs are still taken.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Lets nobody in any more, answers what was asked, then stops.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        if timeout(LAST_ANSWERS, self.gone.recv()).await.is_err() {
            warn!("some HTTP connections did not take what was written to them");
        }
    }
}

/// Serves HTTP on a bound socket, on threads of its own within this system.
///
/// # Errors
/// Where the system refuses.
pub fn serve(listener: TcpListener, parts: Parts) -> io::Result<Front> {
    let (draining, is_draining) = watch::channel(false);
    let (stopping, is_stopping) = watch::channel(false);
    let (here, gone) = mpsc::channel(1);
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    for _ in 0..WORKERS {
        let (listener, parts) = (listener.try_clone()?, parts.clone());
        let (is_draining, is_stopping, here) = (is_draining.clone(), is_stopping.clone(), here.clone());
        Arbiter::new().spawn_fn(move || {
            let door = Door { doorman: parts.doorman.clone(), limits: parts.limits.clone(), here };
            actix_rt::spawn(run(listener, address, Site::new(parts, is_draining), door, is_stopping));
        });
    }
    Ok(Front { draining, stopping, gone })
}

/// Serves until the server stops.
async fn run(listener: TcpListener, address: SocketAddr, site: Site, door: Door, stopping: watch::Receiver<bool>) {
    let stops = stopping.clone();
    let application = App::new().app_data(Data::new(site)).configure(|config| routes().register(config));
    let application = application.wrap(from_fn(guard)).into_factory().map_err(|error: Error| error.error_response());
    let service = HttpService::build()
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(door.limits.frame_timeout)
        .client_disconnect_timeout(LINGER)
        // A caller that has shut its side is gone, and so is its poll.
        .h1_allow_half_closed(false)
        .local_addr(address)
        .graceful_shutdown_signal(move || stopped(stops.clone()))
        .on_connect_ext(listener::describe)
        .h1(map_config(application, |()| AppConfig::default()));
    let (service, listener) = match (service.new_service(()).await, tokio::net::TcpListener::from_std(listener)) {
        (Ok(service), Ok(listener)) => (service, listener),
        (Err(()), _) => return error!("HTTP can't be served"),
        (Ok(_), Err(error)) => return error!(error:%; "HTTP can't be served"),
    };
    tokio::select! {
        () = listener::accept(listener, service, door) => {}
        () = stopped(stopping) => {}
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // Without its sender, the server has stopped.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
