//! A connection: one actor over one socket and one session. The only code that touches a connected socket.
//!
//! A turn: notices from the inbox become frames in `out`; then the socket is read and its frames become commands; then
//! one message goes to the supervisor and one write to the socket. All reading goes through one buffer per thread, and only
//! the tail of an incomplete frame is kept, so that an idle connection costs next to nothing.
//!
//! Bounds (`spec/jobs.md`, bad input): it doesn't read while its peer has too many requests open or too much unread; it
//! ends a peer that reads nothing for `write_timeout`, lets pile up `unsent_limit`, or takes longer than `frame_timeout`
//! for a frame. A fatal flaw is told before the connection closes: it shuts its side, and for a moment takes in what is
//! still under way, since closing with unread input would make the system discard what was told.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context as Wake, Poll, Waker};
use std::time::Duration;

use actix::{Actor, ActorContext, AsyncContext, Context, Handler};
use bytes::{Buf, BytesMut};
use log::debug;
use tokio::io::ReadBuf;
use tokio::time::Instant;

use super::alarm::Alarm;
use super::inbox::Inbox;
use super::knock::Knock;
use super::link::PeerLink;
use super::listener::Place;
use super::shelf::{self, Shelf};
use super::socket::Socket;
use super::supervisor::{Letter, PeerCame};
use super::turn::{self, Settle};
use super::{Close, Contact};
use crate::core::{Batch, Command, Demand, Introduction, Limits, Notice, Peer, PeerName};
use crate::protocols::{Session, Turn};

/// One read takes at most so much.
const READ_SIZE: usize = 64 * 1024;

/// A turn reads at most so often, so that a busy peer lets others speak.
const READS_PER_TURN: usize = 4;

/// A connection with so much unsent isn't read.
const UNSENT_PAUSE: usize = 1024 * 1024;

/// Buffers larger than this are given back when they are empty.
const KEPT_BUFFER: usize = 8 * 1024;

/// Room for a frame whose size isn't known yet.
const USUAL_FRAME: usize = 128;

/// An incomplete frame with more than this to come is read straight into its place.
const LARGE_REST: usize = 16 * 1024;

/// How long a closing connection takes in what its peer still sends, and how much.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

thread_local! {
    static READ_BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

/// A connection that speaks the protocol of session `S`.
pub struct Connection<S: Session> {
    /// How it is reached.
    contact: Arc<Contact>,
    socket: Socket,
    knock: Arc<Knock>,
    /// What the socket wakes when there is something to read.
    reader: Waker,
    session: S,
    limits: Arc<Limits>,
    /// The beginning of a frame, or frames that wait for room.
    tail: BytesMut,
    /// The size of the incomplete frame in `tail`, as far as it is known.
    needed: usize,
    /// The tail holds frames that were not read because too many requests were open.
    blocked: bool,
    out: BytesMut,
    /// So much of `out` is written.
    sent: usize,
    commands: Vec<Command>,
    /// Since when the frame in `tail` has been incomplete.
    frame_since: Option<Instant>,
    /// Since when the peer has taken nothing of `out`.
    stalled_since: Option<Instant>,
    alarm: Alarm,
    ending: Option<Ending>,
    /// Gone when the peer has left: what it held goes back.
    link: Option<PeerLink>,
    /// Its place among the connections that the server allows.
    _place: Place,
}

/// How far a connection that closes is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ending {
    /// It still writes what it has to say.
    Writing { until: Instant },
    /// It has shut its side, and takes in what is under way.
    Lingering { until: Instant, bytes: usize },
}

/// What a new connection needs.
pub struct Arrival<S: Session> {
    /// The socket.
    pub socket: Socket,
    /// Its number.
    pub peer: Peer,
    /// How it is called in lists and histories.
    pub name: PeerName,
    /// What the sessions of its listener share.
    pub shared: S::Shared,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Who routes.
    pub supervisor: Arc<Inbox<Letter>>,
    /// Its place among the connections.
    pub place: Place,
}

impl<S: Session> Connection<S> {
    /// The lease of jobs that name none, in milliseconds (`spec/jobs.md`: a worker on a connection).
    const LEASE_MS: u64 = 1_800_000;

    /// Starts the actor of a new connection in this thread.
    pub fn start(arrival: Arrival<S>) {
        let Arrival { socket, peer, name, shared, limits, supervisor, place } = arrival;
        let demand = Arc::new(Demand::new(S::HANDS));
        let session = S::new(&shared, &limits, &demand);
        let (knock, reader) = Knock::new();
        Connection::create(|ctx: &mut Context<Self>| {
            let who = Introduction { name, demand: demand.clone(), lease_ms: Self::LEASE_MS, outlives: false };
            let contact = Contact::of(ctx.address().recipient());
            let came = PeerCame { peer, who, address: None, contact: contact.clone() };
            supervisor.put(Letter::Came(Box::new(came)));
            Connection {
                contact,
                socket,
                knock,
                reader,
                session,
                limits,
                tail: BytesMut::new(),
                needed: 0,
                blocked: false,
                out: BytesMut::new(),
                sent: 0,
                commands: Vec::new(),
                frame_since: None,
                stalled_since: None,
                alarm: Alarm::default(),
                ending: None,
                link: Some(PeerLink { peer, demand, supervisor }),
                _place: place,
            }
        });
    }

    fn hear(&mut self, mut notices: Vec<(Peer, Notice)>) {
        // One that has left hears nothing: to write to a side that is shut would cut off what was said before.
        if self.link.is_some() && !notices.is_empty() {
            let mut turn = Turn { out: &mut self.out, commands: &mut self.commands };
            turn.out.reserve(notices.len() * USUAL_FRAME);
            for (_, notice) in notices.drain(..) {
                self.session.hear(notice, &mut turn);
            }
        }
        self.contact.notices.put_back(notices);
    }

    /// Reads what there is, within the bounds of a turn. False when the peer has gone.
    fn read(&mut self, wake: &mut Wake<'_>) -> bool {
        if self.blocked {
            self.parse_tail();
        }
        for _ in 0..READS_PER_TURN {
            if self.session.is_over() || self.blocked || self.has_much_unsent() {
                // A peer that isn't read can't be late.
                self.frame_since = None;
                return true;
            }
            if !self.tail.is_empty() {
                // After such a pause the time of the frame begins anew.
                self.frame_since.get_or_insert_with(Instant::now);
            }
            if !self.knock.take(wake) {
                return true;
            }
            let read = READ_BUFFER.with_borrow_mut(|buffer| self.read_once(buffer));
            match read {
                Poll::Pending => return true,
                Poll::Ready(Ok(0)) => return false,
                Poll::Ready(Ok(_)) => self.knock.again(),
                Poll::Ready(Err(error)) => {
                    debug!(error:%; "a connection was lost");
                    return false;
                }
            }
        }
        // There may be more: others first.
        wake.waker().wake_by_ref();
        true
    }

    fn has_much_unsent(&self) -> bool {
        self.out.len() - self.sent > UNSENT_PAUSE
    }

    fn read_once(&mut self, buffer: &mut [u8]) -> Poll<std::io::Result<usize>> {
        let wake = &mut Wake::from_waker(&self.reader);
        let rest = self.needed.saturating_sub(self.tail.len());
        if !self.tail.is_empty() && rest > LARGE_REST {
            // Grows with what has come, whatever length was claimed.
            self.tail.reserve(rest.min(self.tail.len().max(READ_SIZE)));
            let count = std::task::ready!(self.socket.poll_read_more(wake, &mut self.tail))?;
            if self.tail.len() >= self.needed {
                self.parse_tail();
            }
            return Poll::Ready(Ok(count));
        }
        let mut chunk = ReadBuf::new(buffer);
        std::task::ready!(self.socket.poll_read(wake, &mut chunk))?;
        if self.commands.capacity() == 0 {
            self.commands = shelf::COMMANDS.with(Shelf::take);
        }
        let chunk = chunk.filled();
        if self.tail.is_empty() {
            let mut turn = Turn { out: &mut self.out, commands: &mut self.commands };
            let read = self.session.read(chunk, &mut turn);
            self.needed = read.needed;
            self.tail.extend_from_slice(&chunk[read.consumed..]);
            self.note_rest(read.consumed);
        } else {
            self.tail.extend_from_slice(chunk);
            self.parse_tail();
        }
        Poll::Ready(Ok(chunk.len()))
    }

    fn parse_tail(&mut self) {
        let mut turn = Turn { out: &mut self.out, commands: &mut self.commands };
        let read = self.session.read(&self.tail, &mut turn);
        self.needed = read.needed;
        self.tail.advance(read.consumed);
        self.note_rest(read.consumed);
    }

    /// What a read left behind: nothing, frames without room, or the beginning of a frame.
    fn note_rest(&mut self, consumed: usize) {
        self.blocked = self.session.outstanding() >= self.limits.max_outstanding;
        if self.session.is_over() {
            self.tail.clear();
        }
        if self.tail.is_empty() {
            self.tail = BytesMut::new();
            self.frame_since = None;
        } else if self.blocked {
            self.frame_since = None;
        } else if consumed > 0 || self.frame_since.is_none() {
            self.frame_since = Some(Instant::now());
        }
    }

    fn ask(&mut self) {
        if self.commands.capacity() == 0 {
            return;
        }
        let commands = std::mem::take(&mut self.commands);
        match &self.link {
            Some(link) if !commands.is_empty() => {
                link.supervisor.put(Letter::Asks(Batch { peer: link.peer, commands }));
            }
            Some(_) | None => shelf::COMMANDS.with(|shelf| shelf.put(commands)),
        }
    }

    /// Writes what there is. False when the peer has gone.
    fn write(&mut self, wake: &mut Wake<'_>) -> bool {
        while self.sent < self.out.len() {
            match self.socket.poll_write(wake, &self.out[self.sent..]) {
                Poll::Ready(Ok(0)) => return false,
                Poll::Ready(Ok(count)) => {
                    self.sent += count;
                    self.stalled_since = None;
                }
                Poll::Ready(Err(error)) => {
                    debug!(error:%; "a connection was lost");
                    return false;
                }
                Poll::Pending => {
                    self.stalled_since.get_or_insert_with(Instant::now);
                    if self.out.len() - self.sent > unsent_limit(&self.limits) {
                        debug!("a connection lets too much pile up: closed");
                        return false;
                    }
                    if self.sent > UNSENT_PAUSE {
                        self.out.advance(self.sent);
                        self.sent = 0;
                    }
                    return true;
                }
            }
        }
        self.sent = 0;
        if self.out.capacity() > KEPT_BUFFER {
            self.out = BytesMut::new();
        } else {
            self.out.clear();
        }
        true
    }

    /// Whether the peer was too slow.
    fn is_late(&mut self, wake: &mut Wake<'_>) -> bool {
        if self.frame_since.is_none() && self.stalled_since.is_none() && self.ending.is_none() {
            return false;
        }
        let frame = self.frame_since.map(|since| since + self.limits.frame_timeout);
        let write = self.stalled_since.map(|since| since + self.limits.write_timeout);
        let ending = self.ending.map(|ending| match ending {
            Ending::Writing { until } | Ending::Lingering { until, .. } => until,
        });
        let Some(earliest) = [frame, write, ending].into_iter().flatten().min() else { return false };
        let late = self.alarm.rings(Some(earliest), Instant::now(), wake);
        if late && self.ending.is_none() {
            debug!("a connection is too slow: closed");
        }
        late
    }

    /// The conversation is over: what the peer held goes back, what was said to it is still written.
    fn end(&mut self) {
        self.begin_to_end();
        self.leave();
    }

    /// It still writes what it has to say, and then leaves.
    fn begin_to_end(&mut self) {
        if self.ending.is_none() {
            self.ending = Some(Ending::Writing { until: Instant::now() + self.limits.write_timeout });
        }
    }

    fn leave(&mut self) {
        if self.link.take().is_some() {
            self.contact.notices.close();
            self.session.gone();
        }
    }

    /// Goes on closing. False when it is done.
    fn close(&mut self, wake: &mut Wake<'_>) -> bool {
        if let Some(Ending::Writing { .. }) = self.ending
            && self.out.is_empty()
        {
            self.leave();
            if self.socket.poll_shutdown(wake).is_pending() {
                return true;
            }
            self.frame_since = None;
            self.ending = Some(Ending::Lingering { until: Instant::now() + LINGER, bytes: 0 });
        }
        let Some(Ending::Lingering { bytes, .. }) = &mut self.ending else { return true };
        READ_BUFFER.with_borrow_mut(|buffer| {
            for _ in 0..READS_PER_TURN {
                let mut chunk = ReadBuf::new(buffer);
                match self.socket.poll_read(wake, &mut chunk) {
                    Poll::Pending => return true,
                    Poll::Ready(Ok(())) if !chunk.filled().is_empty() && *bytes < LINGER_BYTES => {
                        *bytes += chunk.filled().len()
                    }
                    Poll::Ready(_) => return false,
                }
            }
            wake.waker().wake_by_ref();
            true
        })
    }
}

/// A peer that lets so many bytes pile up is disconnected: room for several of the largest answers.
fn unsent_limit(limits: &Limits) -> usize {
    (4 * limits.max_body).max(64 * UNSENT_PAUSE)
}

impl<S: Session> Actor for Connection<S> {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        turn::begin(ctx);
    }

    fn stopped(&mut self, _: &mut Self::Context) {
        self.leave();
    }
}

impl<S: Session> Settle for Connection<S> {
    fn settle(&mut self, ctx: &mut Context<Self>, wake: &mut Wake<'_>) {
        let notices = self.contact.notices.read(wake);
        self.hear(notices);
        let mut alive = true;
        let mut paused = false;
        if self.ending.is_none() {
            alive = self.read(wake);
            paused = self.has_much_unsent();
            self.ask();
            if self.session.is_over() && self.session.outstanding() == 0 {
                self.end();
            }
        }
        alive &= self.write(wake);
        if paused && !self.has_much_unsent() {
            // It stopped reading, so the socket would not wake it for more.
            wake.waker().wake_by_ref();
        }
        if self.ending.is_some() {
            alive &= self.close(wake);
        }
        if !alive || self.is_late(wake) {
            self.leave();
            ctx.stop();
        }
    }
}

impl<S: Session> Handler<Close> for Connection<S> {
    type Result = ();

    fn handle(&mut self, Close { is_the_end, .. }: Close, _: &mut Self::Context) {
        self.hear(self.contact.notices.take());
        if is_the_end { self.begin_to_end() } else { self.end() }
    }
}
