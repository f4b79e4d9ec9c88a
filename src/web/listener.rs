//! Accepts connections and serves each with actix-web, on threads of its own.
//!
//! `HttpServer` would do that too, but knows no time limits beyond a connection's first request, counts connections by
//! itself, and lets those that are too many wait. So the application is given to the HTTP/1 service underneath, stream by
//! stream, and the doorman of the other protocols decides who comes in.

use std::future::poll_fn;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use actix_service::Service;
use actix_web::dev::Extensions;
use log::{debug, warn};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::safety::CameInOn;
use super::wire::Wire;
use crate::actors::listener::Doorman;
use crate::actors::socket;
use crate::core::Limits;

/// How long to wait when the system has no more descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// What it needs to let somebody in.
#[derive(Clone)]
pub struct Door {
    /// Who may come.
    pub doorman: Doorman,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Each connection holds one of these, so that whoever has the other end knows when all are gone.
    pub here: mpsc::Sender<()>,
}

/// Accepts for ever. To be dropped when nobody shall come any more; those who are in stay.
pub async fn accept<S>(listener: TcpListener, service: S, door: Door)
where
    S: Service<(Wire, Option<SocketAddr>), Response = ()> + 'static,
    S::Error: std::fmt::Debug,
    S::Future: 'static,
{
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            // A connection that was reset before it was accepted is nobody's concern; no descriptors is everybody's.
            Err(error) if is_of_one(&error) => continue,
            Err(error) => {
                warn!(error:%; "can't accept HTTP connections for a moment");
                sleep(BACK_OFF).await;
                continue;
            }
        };
        let Some(wire) = welcome(stream, &door) else { continue };
        if poll_fn(|wake| service.poll_ready(wake)).await.is_err() {
            continue;
        }
        let (conversation, here) = (service.call((wire, Some(from))), door.here.clone());
        actix_rt::spawn(async move {
            // Whatever was wrong with it, its peer was told, or is gone.
            if let Err(error) = conversation.await {
                debug!(error:?; "an HTTP connection was lost");
            }
            drop(here);
        });
    }
}

fn welcome(stream: TcpStream, door: &Door) -> Option<Wire> {
    let Some(place) = door.doorman.place("http") else {
        // It is closed already where this fails.
        let _ = SockRef::from(&stream).shutdown(Shutdown::Both);
        return None;
    };
    // An answer may be in the system's hands as a whole: then only the system can tell that its peer takes nothing of it.
    let patience = door.limits.keepalive.min(door.limits.write_timeout / 2);
    if let Err(error) = socket::tune(&stream, patience) {
        debug!(error:%; "a connection can't be watched for silence");
    }
    Some(Wire::new(stream, &door.limits, place))
}

/// Puts what requests need to know of their connection where they find it.
pub fn describe(wire: &Wire, connection: &mut Extensions) {
    connection.insert(wire.pace());
    if let Ok(address) = wire.stream().local_addr() {
        connection.insert(CameInOn(address.ip().to_canonical()));
    }
}

fn is_of_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
    )
}
