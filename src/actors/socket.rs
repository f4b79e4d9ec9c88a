//! A connected stream, TCP or UNIX, as the one thing a connection polls.

use std::io;
use std::pin::Pin;
use std::task::{Context as Wake, Poll};
use std::time::Duration;

use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_util::io::poll_read_buf;

/// A stream of either kind.
#[derive(Debug)]
pub enum Socket {
    /// From a TCP listener.
    Tcp(TcpStream),
    /// From a UNIX listener.
    Unix(UnixStream),
}

/// The same, not tied to a runtime: a stream stays with the runtime that made it, so it travels like this.
#[derive(Debug)]
pub enum Parcel {
    /// From a TCP listener.
    Tcp(std::net::TcpStream),
    /// From a UNIX listener.
    Unix(std::os::unix::net::UnixStream),
}

impl Parcel {
    /// The stream, for the runtime of this thread.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn open(self) -> io::Result<Socket> {
        Ok(match self {
            Parcel::Tcp(stream) => Socket::Tcp(TcpStream::from_std(stream)?),
            Parcel::Unix(stream) => Socket::Unix(UnixStream::from_std(stream)?),
        })
    }
}

/// Makes a stream answer at once, and notice within twice `keepalive` that the other side has gone silent (`spec/jobs.md`,
/// guarantee 8): the first probe after it, then three within the same time again; unread data has as long.
///
/// # Errors
/// Where the system refuses.
pub fn tune(stream: &TcpStream, keepalive: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // The system counts in seconds, but for the last of these times.
    let second = Duration::from_secs(1);
    let interval = (keepalive / 3).max(second);
    let probes = TcpKeepalive::new().with_time(keepalive.max(second)).with_interval(interval).with_retries(3);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(keepalive * 2))
}

impl Socket {
    /// The stream, for another thread.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn pack(self) -> io::Result<Parcel> {
        Ok(match self {
            Socket::Tcp(stream) => Parcel::Tcp(stream.into_std()?),
            Socket::Unix(stream) => Parcel::Unix(stream.into_std()?),
        })
    }

    /// [`tune`] for the kind that needs it.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn tune(&self, keepalive: Duration) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => tune(stream, keepalive),
            Socket::Unix(_) => Ok(()),
        }
    }

    /// Reads into `buffer` what there is, or waits.
    pub fn poll_read(&mut self, wake: &mut Wake<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(wake, buffer),
            Socket::Unix(stream) => Pin::new(stream).poll_read(wake, buffer),
        }
    }

    /// Reads what there is into the free space behind `bytes`, or waits; gives how many bytes came.
    pub fn poll_read_more(&mut self, wake: &mut Wake<'_>, bytes: &mut BytesMut) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(stream) => poll_read_buf(Pin::new(stream), wake, bytes),
            Socket::Unix(stream) => poll_read_buf(Pin::new(stream), wake, bytes),
        }
    }

    /// Writes what the system takes, or waits.
    pub fn poll_write(&mut self, wake: &mut Wake<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(wake, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(wake, bytes),
        }
    }

    /// Tells the other side that nothing more comes.
    pub fn poll_shutdown(&mut self, wake: &mut Wake<'_>) -> Poll<io::Result<()>> {
        match self {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(wake),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(wake),
        }
    }
}
