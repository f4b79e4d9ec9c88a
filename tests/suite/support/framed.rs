//! A client of the length-prefixed protocols: a 32-bit big-endian length, then that many bytes of JSON.

use super::{A_MOMENT, Heard, PATIENCE, dial};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A frame with this payload.
pub fn frame(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("a test's frame is below 4 GiB");
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

/// A connection that speaks frames.
pub struct Framed {
    /// The socket, for the tests that need it bare.
    pub stream: TcpStream,
    unread: Vec<u8>,
    taken: usize,
}

impl Framed {
    /// Connects.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Framed {
        Framed::on(dial(address))
    }

    /// Speaks frames on a connection that exists.
    pub fn on(stream: TcpStream) -> Framed {
        Framed { stream, unread: Vec::new(), taken: 0 }
    }

    /// Sends one frame in one write.
    #[track_caller]
    pub fn send(&mut self, payload: impl AsRef<[u8]>) {
        self.raw(frame(payload));
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a time limit");
        self.stream
            .write_all(bytes.as_ref())
            .unwrap_or_else(|error| panic!("expected to be able to send, got {error}"));
    }

    /// Sends what the server may no longer want to read: errors do not matter.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let _ = self.stream.set_write_timeout(Some(PATIENCE));
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// The next frame, the end, or silence until the deadline.
    #[track_caller]
    pub fn listen(&mut self, patience: Duration) -> Heard {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(payload) = self.buffered() {
                return Heard::Message(payload);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Silence;
            }
            self.stream
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .expect("a socket takes a time limit");
            let mut block = [0; 65536];
            match self.stream.read(&mut block) {
                Ok(0) => return Heard::Closed,
                Ok(count) => {
                    if self.taken == self.unread.len() {
                        self.unread.clear();
                        self.taken = 0;
                    }
                    self.unread.extend_from_slice(&block[..count]);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {}
                    _ => return Heard::Closed,
                },
            }
        }
    }

    /// The next frame, which must come.
    #[track_caller]
    pub fn receive(&mut self) -> String {
        match self.listen(PATIENCE) {
            Heard::Message(payload) => payload,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// The next frame is exactly this text.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        match self.listen(PATIENCE) {
            Heard::Message(payload) => assert_eq!(payload, text, "(left: got, right: expected)"),
            other => panic!("expected {text}, got {other:?}"),
        }
    }

    /// Sends a request; its reply is the next frame and exactly this text.
    #[track_caller]
    pub fn ask(&mut self, request: &str, reply: &str) {
        self.send(request);
        match self.listen(PATIENCE) {
            Heard::Message(payload) => {
                assert_eq!(payload, reply, "reply to {request} (left: got, right: expected)");
            }
            other => panic!("expected {reply} to {request}, got {other:?}"),
        }
    }

    /// Sends a request and gives the next frame.
    #[track_caller]
    pub fn call(&mut self, request: &str) -> String {
        self.send(request);
        match self.listen(PATIENCE) {
            Heard::Message(payload) => payload,
            other => panic!("expected a reply to {request}, got {other:?}"),
        }
    }

    /// The connection ends, with nothing before its end.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let heard = self.listen(PATIENCE);
        assert_eq!(heard, Heard::Closed, "expected the connection to be closed");
    }

    /// Reads until the connection ends; the frames that came before.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<String> {
        self.until_closed_within(PATIENCE)
    }

    /// As [`Framed::until_closed`], with a deadline of its own for each frame.
    #[track_caller]
    pub fn until_closed_within(&mut self, patience: Duration) -> Vec<String> {
        let mut frames = Vec::new();
        loop {
            match self.listen(patience) {
                Heard::Message(payload) => frames.push(payload),
                Heard::Closed => return frames,
                Heard::Silence => {
                    panic!("expected the connection to be closed, got {frames:?} and silence")
                }
            }
        }
    }

    /// Nothing comes for a moment.
    #[track_caller]
    pub fn expect_silence(&mut self) {
        let heard = self.listen(A_MOMENT);
        assert_eq!(heard, Heard::Silence, "expected nothing");
    }

    /// Half-closes: this side will send no more.
    pub fn finish_sending(&self) {
        self.stream.shutdown(Shutdown::Write).expect("an open connection can be half-closed");
    }

    /// Closes with a reset instead of a goodbye.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
    }

    fn buffered(&mut self) -> Option<String> {
        let unread = &self.unread[self.taken..];
        let header: [u8; 4] = unread.get(..4)?.try_into().ok()?;
        let length = u32::from_be_bytes(header) as usize;
        assert!(length <= 512 << 20, "expected a frame from the server, got a length of {length}");
        let payload = unread.get(4..4 + length)?;
        let text = String::from_utf8(payload.to_vec())
            .unwrap_or_else(|error| panic!("expected UTF-8 from the server, got {error}"));
        self.taken += 4 + length;
        Some(text)
    }
}
