//! A listener: accepts connections of one protocol, with a limit and a back-off.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use actix::{Actor, ActorContext, Context, Handler};
use actix_rt::ArbiterHandle;
use log::{debug, warn};
use tokio::net::{TcpListener, UnixListener};
use tokio::time::Instant;

use super::Close;
use super::alarm::Alarm;
use super::connection::{Arrival, Connection};
use super::inbox::Inbox;
use super::socket::Socket;
use super::supervisor::Letter;
use super::turn::{self, Settle};
use crate::core::{Limits, Peer};
use crate::protocols::Session;

/// A turn accepts at most so many.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to wait when the system has no more descriptors.
const BACK_OFF: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Endpoint {
    /// An address.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

impl Endpoint {
    fn poll_accept(&self, wake: &mut Wake<'_>) -> Poll<io::Result<(Socket, Option<SocketAddr>)>> {
        match self {
            Endpoint::Tcp(listener) => {
                listener.poll_accept(wake).map_ok(|(stream, from)| (Socket::Tcp(stream), Some(from)))
            }
            Endpoint::Unix(listener) => listener.poll_accept(wake).map_ok(|(stream, _)| (Socket::Unix(stream), None)),
        }
    }
}

/// Who may come: the same for all listeners of a server.
#[derive(Clone, Debug)]
pub struct Doorman {
    last_peer: Arc<AtomicU64>,
    open: Arc<AtomicUsize>,
    turned_away: Arc<AtomicU64>,
    limits: Arc<Limits>,
    /// Threads for connections; none: the listener's own.
    threads: Arc<[ArbiterHandle]>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Doorman {
    /// A doorman who lets in as many as the limits allow, and spreads them over these threads.
    pub fn new(limits: Arc<Limits>, threads: Vec<ArbiterHandle>) -> Doorman {
        Doorman {
            last_peer: Arc::default(),
            open: Arc::default(),
            turned_away: Arc::default(),
            limits,
            threads: threads.into(),
        }
    }

    fn admit(&self, protocol: &str) -> Option<(Peer, Place)> {
        let place = self.place(protocol)?;
        Some((self.number(), place))
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed).min(self.limits.max_connections)
    }

    /// A number for one more peer, whether or not it has a connection.
    pub fn number(&self) -> Peer {
        Peer(self.last_peer.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// A place for one more connection; none where there are too many.
    pub fn place(&self, protocol: &str) -> Option<Place> {
        let place = Place(self.open.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) < self.limits.max_connections {
            return Some(place);
        }
        let turned_away = self.turned_away.fetch_add(1, Ordering::Relaxed) + 1;
        // Once for each power of two: a flood must not fill the log.
        if turned_away.is_power_of_two() {
            warn!(protocol, limit = self.limits.max_connections, turned_away; "too many connections (--max-connections)");
        }
        None
    }
}

/// Accepts connections that speak the protocol of `S`.
pub struct Listener<S: Session> {
    endpoint: Endpoint,
    doorman: Doorman,
    shared: S::Shared,
    supervisor: Arc<Inbox<Letter>>,
    /// The system had no more descriptors: not before.
    closed_until: Option<Instant>,
    alarm: Alarm,
}

impl<S: Session> Listener<S> {
    /// A listener on a bound socket.
    pub fn new(endpoint: Endpoint, doorman: Doorman, shared: S::Shared, supervisor: Arc<Inbox<Letter>>) -> Listener<S> {
        Listener { endpoint, doorman, shared, supervisor, closed_until: None, alarm: Alarm::default() }
    }

    fn welcome(&mut self, socket: Socket, from: Option<SocketAddr>) -> io::Result<()> {
        let Some((peer, place)) = self.doorman.admit(S::NAME) else { return Ok(()) };
        socket.tune(self.doorman.limits.keepalive)?;
        let name = match from {
            Some(address) => format!("{}:{address}", S::NAME),
            None => format!("{}:unix:{}", S::NAME, peer.0),
        };
        debug!(peer = name.as_str(); "connected");
        let (shared, limits, supervisor) = (self.shared.clone(), self.doorman.limits.clone(), self.supervisor.clone());
        if self.doorman.threads.is_empty() {
            Connection::<S>::start(Arrival { socket, peer, name: name.into(), shared, limits, supervisor, place });
            return Ok(());
        }
        let parcel = socket.pack()?;
        let thread = &self.doorman.threads[peer.0 as usize % self.doorman.threads.len()];
        thread.spawn_fn(move || match parcel.open() {
            Ok(socket) => {
                Connection::<S>::start(Arrival { socket, peer, name: name.into(), shared, limits, supervisor, place });
            }
            Err(error) => warn!(error:%; "a connection could not move to its thread"),
        });
        Ok(())
    }
}

impl<S: Session> Actor for Listener<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
    }
}

impl<S: Session> Settle for Listener<S> {
    fn settle(&mut self, _: &mut Context<Self>, wake: &mut Wake<'_>) {
        if self.closed_until.is_some() {
            if !self.alarm.rings(self.closed_until, Instant::now(), wake) {
                return;
            }
            self.closed_until = None;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            let accepted = match self.endpoint.poll_accept(wake) {
                Poll::Pending => return,
                Poll::Ready(accepted) => accepted.and_then(|(socket, from)| self.welcome(socket, from)),
            };
            // A connection that was reset before it was accepted is nobody's concern; no descriptors is everybody's.
            if let Err(error) = accepted
                && !matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::NotConnected
                        | io::ErrorKind::InvalidInput
                )
            {
                warn!(protocol = S::NAME, error:%; "can't accept connections for a moment");
                self.closed_until = Some(Instant::now() + BACK_OFF);
                wake.waker().wake_by_ref();
                return;
            }
        }
        wake.waker().wake_by_ref();
    }
}

impl<S: Session> Handler<Close> for Listener<S> {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
