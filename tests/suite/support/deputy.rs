//! deputy: JSON lines over TCP or a UNIX socket.

use super::{A_MOMENT, Heard, PATIENCE, dial};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

enum Wire {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection that speaks lines.
pub struct Deputy {
    wire: Wire,
    unread: Vec<u8>,
    taken: usize,
}

impl Deputy {
    /// Connects by TCP.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Deputy {
        Deputy::on(Wire::Tcp(dial(address)))
    }

    /// Connects to a UNIX socket.
    #[track_caller]
    pub fn connect_unix(path: &Path) -> Deputy {
        let stream =
            UnixStream::connect(path).unwrap_or_else(|error| panic!("cannot connect to {}: {error}", path.display()));
        Deputy::on(Wire::Unix(stream))
    }

    fn on(wire: Wire) -> Deputy {
        Deputy { wire, unread: Vec::new(), taken: 0 }
    }

    /// Sends a message, ended with a line feed.
    #[track_caller]
    pub fn send(&mut self, message: &str) {
        self.raw(format!("{message}\n"));
    }

    /// Sends these bytes.
    #[track_caller]
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.write(bytes.as_ref()).unwrap_or_else(|error| panic!("expected to be able to send, got {error}"));
    }

    /// Sends what the server may no longer want to read: errors do not matter.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.write(bytes.as_ref()).is_ok()
    }

    /// The next line, the end, or silence until the deadline. A line is returned without its CRLF, which is checked.
    #[track_caller]
    pub fn listen(&mut self, patience: Duration) -> Heard {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(line) = self.buffered() {
                return Heard::Message(line);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Heard::Silence;
            }
            let mut block = [0; 65536];
            match self.read(&mut block, left.max(Duration::from_millis(1))) {
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

    /// The next line, which must come.
    #[track_caller]
    pub fn receive(&mut self) -> String {
        match self.listen(PATIENCE) {
            Heard::Message(line) => line,
            other => panic!("expected a line, got {other:?}"),
        }
    }

    /// The next line is exactly this text.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        match self.listen(PATIENCE) {
            Heard::Message(line) => assert_eq!(line, text, "(left: got, right: expected)"),
            other => panic!("expected {text}, got {other:?}"),
        }
    }

    /// Asks for the metrics, which also proves that everything sent before was read.
    #[track_caller]
    pub fn metrics(&mut self) -> String {
        self.send(r#"{"cmd":"metrics"}"#);
        self.receive()
    }

    /// The connection ends, with nothing before its end.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let heard = self.listen(PATIENCE);
        assert_eq!(heard, Heard::Closed, "expected the connection to be closed");
    }

    /// Reads until the connection ends; the lines that came before.
    #[track_caller]
    pub fn until_closed(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.listen(PATIENCE) {
                Heard::Message(line) => lines.push(line),
                Heard::Closed => return lines,
                Heard::Silence => {
                    panic!("expected the connection to be closed, got {lines:?} and silence")
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

    /// The server has read everything sent so far, and had nothing to say about it.
    #[track_caller]
    pub fn expect_all_accepted(&mut self) {
        let line = self.metrics();
        assert!(
            line.starts_with(r#"{"cmd":"metrics","metrics":{"up_since":"#),
            "expected no answer but the metrics, got {line}"
        );
    }

    /// Half-closes: this side will send no more.
    pub fn finish_sending(&self) {
        match &self.wire {
            Wire::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Wire::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
        .expect("an open connection can be half-closed");
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match &mut self.wire {
            Wire::Tcp(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(bytes)
            }
            Wire::Unix(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.write_all(bytes)
            }
        }
    }

    fn read(&mut self, block: &mut [u8], patience: Duration) -> std::io::Result<usize> {
        match &mut self.wire {
            Wire::Tcp(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(block)
            }
            Wire::Unix(stream) => {
                stream.set_read_timeout(Some(patience))?;
                stream.read(block)
            }
        }
    }

    fn buffered(&mut self) -> Option<String> {
        let unread = &self.unread[self.taken..];
        let length = unread.iter().position(|&byte| byte == b'\n')?;
        let line = unread[..length].to_vec();
        self.taken += length + 1;
        let mut text =
            String::from_utf8(line).unwrap_or_else(|error| panic!("expected UTF-8 from the server, got {error}"));
        assert_eq!(text.pop(), Some('\r'), "expected CRLF after {text}");
        Some(text)
    }
}
