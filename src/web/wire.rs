//! A connection's stream with the time limits of `spec/jobs.md`: actix-web limits the head of a connection's first request only,
//! and writing not at all.
//!
//! A caller that has begun a request is cut off where it is not whole enough to be worked on within `--frame-timeout`, and one
//! that takes nothing of an answer for `--write-timeout`. The stream doesn't know where requests begin and end: the
//! [`Pace`] that it shares with them says whether one is being worked on.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context as Wake, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use bytes::{Buf, Bytes};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use crate::actors::listener::Place;
use crate::core::Limits;
use crate::web::last_word;

/// A connected stream.
pub struct Wire {
    stream: TcpStream,
    pace: Pace,
    /// For a request that has begun to become whole.
    reading: Limit,
    /// Which of the connection's requests that is.
    number: u64,
    /// For something of what is written to be taken.
    writing: Limit,
    /// What is left of the last word, which stands for a shorter one.
    last_word: Bytes,
    /// Its place among the connections that the server allows.
    _place: Place,
}

/// How many requests of a connection are being worked on or answered, and how many ever were.
#[derive(Clone, Default, Debug)]
pub struct Pace(Rc<Requests>);

#[derive(Default, Debug)]
struct Requests {
    busy: Cell<u32>,
    begun: Cell<u64>,
}

/// A request that is being worked on or answered, until it is dropped.
#[derive(Debug)]
pub struct Busy(Pace);

impl Pace {
    /// A request begins.
    pub fn begin(&self) -> Busy {
        self.0.busy.set(self.0.busy.get() + 1);
        self.0.begun.set(self.0.begun.get() + 1);
        Busy(self.clone())
    }

    fn is_idle(&self) -> bool {
        self.0.busy.get() == 0
    }

    fn begun(&self) -> u64 {
        self.0.begun.get()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = &self.0.0.busy;
        busy.set(busy.get() - 1);
    }
}

impl Wire {
    /// A stream with these limits.
    pub fn new(stream: TcpStream, limits: &Limits, place: Place) -> Wire {
        Wire {
            stream,
            pace: Pace::default(),
            reading: Limit::new(limits.frame_timeout),
            number: 0,
            writing: Limit::new(limits.write_timeout),
            last_word: Bytes::new(),
            _place: place,
        }
    }

    /// What it shares with its requests.
    pub fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// The system's stream.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, wake: &mut Wake<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(wake, buffer);
        if this.number != this.pace.begun() {
            // It was whole enough.
            this.reading.lift();
            this.number = this.pace.begun();
        }
        if this.pace.is_idle() {
            if read.is_pending() {
                return this.reading.check(wake);
            }
            if buffer.filled().len() > before {
                this.reading.impose();
            }
        } else if read.is_pending() {
            // Its request takes longer: a poll that waits should hold little.
            this.reading.timer = None;
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, wake: &mut Wake<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match last_word::worded(bytes) {
            None => write(&mut this.stream, &mut this.writing, wake, bytes),
            Some((0, text)) => {
                if this.last_word.is_empty() {
                    this.last_word = text;
                }
                while !this.last_word.is_empty() {
                    match ready!(write(&mut this.stream, &mut this.writing, wake, &this.last_word))? {
                        0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        written => this.last_word.advance(written),
                    }
                }
                Poll::Ready(Ok(bytes.len()))
            }
            // What comes before it goes before it.
            Some((begin, _)) => write(&mut this.stream, &mut this.writing, wake, &bytes[..begin]),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, wake: &mut Wake<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(wake)
    }

    fn poll_shutdown(self: Pin<&mut Self>, wake: &mut Wake<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(wake)
    }
}

/// Writes what the system takes within the limit of time.
fn write(stream: &mut TcpStream, limit: &mut Limit, wake: &mut Wake<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let written = Pin::new(&mut *stream).poll_write(wake, bytes);
    if written.is_ready() {
        limit.lift();
        return written;
    }
    limit.impose();
    let checked = limit.check(wake);
    if checked.is_ready() {
        // Otherwise the system would keep what it has for a peer that takes nothing. Where this fails, it does.
        let _ = SockRef::from(&*stream).set_linger(Some(Duration::ZERO));
    }
    checked
}

/// A time within which something must happen. Its timer is kept: most requests need one, and moving it costs next to nothing.
struct Limit {
    length: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    is_imposed: bool,
}

impl Limit {
    fn new(length: Duration) -> Limit {
        Limit { length, timer: None, is_imposed: false }
    }

    /// From now on, unless it runs already.
    fn impose(&mut self) {
        if !std::mem::replace(&mut self.is_imposed, true) {
            match &mut self.timer {
                Some(timer) => timer.as_mut().reset(Instant::now() + self.length),
                None => self.timer = Some(Box::pin(sleep(self.length))),
            }
        }
    }

    fn lift(&mut self) {
        self.is_imposed = false;
    }

    /// Waits for it to be over, which is an error.
    fn check<T>(&mut self, wake: &mut Wake<'_>) -> Poll<io::Result<T>> {
        if let Some(timer) = self.timer.as_mut().filter(|_| self.is_imposed) {
            ready!(timer.as_mut().poll(wake));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

/// An answer on its way: as long as it isn't written, its request is being answered. A long one is written piece by piece, so
/// that no connection holds a second copy of it.
pub struct Outgoing {
    body: BoxBody,
    /// What is left of a long one.
    pieces: Option<Bytes>,
    _busy: Busy,
}

/// What is written at a time: a connection copies it into its own buffer.
const PIECE: usize = 64 * 1024;

impl Outgoing {
    /// This answer to a request that is `busy`.
    pub fn wrap(body: BoxBody, busy: Busy) -> BoxBody {
        match body.size() {
            BodySize::None => body,
            // It is in the connection's buffer as soon as it is known.
            BodySize::Sized(length) if length <= PIECE as u64 => body,
            BodySize::Sized(_) | BodySize::Stream => match body.try_into_bytes() {
                Ok(bytes) => BoxBody::new(Outgoing { body: BoxBody::new(()), pieces: Some(bytes), _busy: busy }),
                Err(body) => BoxBody::new(Outgoing { body, pieces: None, _busy: busy }),
            },
        }
    }
}

impl MessageBody for Outgoing {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.pieces {
            Some(rest) => BodySize::Sized(rest.len() as u64),
            None => self.body.size(),
        }
    }

    fn poll_next(self: Pin<&mut Self>, wake: &mut Wake<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        match &mut this.pieces {
            Some(rest) if rest.is_empty() => Poll::Ready(None),
            Some(rest) => Poll::Ready(Some(Ok(rest.split_to(rest.len().min(PIECE))))),
            None => Pin::new(&mut this.body).poll_next(wake),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::listener::Doorman;
    use std::sync::Arc;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    /// A wire with short limits, and its peer.
    async fn pair() -> (Wire, TcpStream) {
        let short = Duration::from_millis(30);
        let limits = Limits { frame_timeout: short, write_timeout: short, ..Limits::default() };
        let place = Doorman::new(Arc::new(limits.clone()), Vec::new()).place("http").expect("there is room");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        (Wire::new(stream, &limits, place), peer)
    }

    async fn is_cut(wire: &mut Wire) -> bool {
        match timeout(Duration::from_millis(200), wire.read_u8()).await {
            Ok(Err(error)) => error.kind() == io::ErrorKind::TimedOut,
            Ok(Ok(_)) | Err(_) => false,
        }
    }

    #[actix_rt::test]
    async fn a_request_that_has_begun_becomes_whole_or_is_cut() {
        let (mut wire, mut peer) = pair().await;
        // Who says nothing is not slow.
        assert!(!is_cut(&mut wire).await);
        for _ in 0..2 {
            peer.write_all(b"G").await.unwrap();
            assert_eq!(wire.read_u8().await.unwrap(), b'G');
            // It is worked on, and answered at once.
            drop(wire.pace().begin());
            assert!(!is_cut(&mut wire).await);
        }
        peer.write_all(b"G").await.unwrap();
        assert_eq!(wire.read_u8().await.unwrap(), b'G');
        assert!(is_cut(&mut wire).await);
    }

    #[actix_rt::test]
    async fn whoever_waits_for_an_answer_may_go_on_talking() {
        let (mut wire, mut peer) = pair().await;
        let busy = wire.pace().begin();
        peer.write_all(b"G").await.unwrap();
        assert_eq!(wire.read_u8().await.unwrap(), b'G');
        assert!(!is_cut(&mut wire).await);
        drop(busy);
    }

    #[actix_rt::test]
    async fn a_peer_that_takes_nothing_is_cut() {
        let (mut wire, peer) = pair().await;
        let much = vec![0; 64 << 20];
        let error = wire.write_all(&much).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // It finds the end at once, and not what it never took.
        drop(wire);
        let mut peer = peer;
        let mut taken = Vec::new();
        let ended = peer.read_to_end(&mut taken).await;
        assert!(ended.is_err() && taken.len() < much.len());
    }

    #[test]
    fn a_long_answer_is_written_in_pieces_and_keeps_its_request_busy() {
        let pace = Pace::default();
        let short = Outgoing::wrap(BoxBody::new("short"), pace.begin());
        assert!(pace.is_idle() && short.try_into_bytes().is_ok());
        let text: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let mut long = Outgoing::wrap(BoxBody::new(Bytes::from(text.clone())), pace.begin());
        assert_eq!(long.size(), BodySize::Sized(200_000));
        let (mut written, mut wake) = (Vec::new(), Wake::from_waker(std::task::Waker::noop()));
        while let Poll::Ready(Some(piece)) = Pin::new(&mut long).poll_next(&mut wake) {
            let piece = piece.unwrap();
            assert!(piece.len() <= PIECE && !pace.is_idle());
            written.extend_from_slice(&piece);
        }
        assert!(written == text);
        drop(long);
        assert!(pace.is_idle());
    }
}
