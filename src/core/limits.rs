//! The bounds that keep a peer, or a million of them, from growing the server.
//!
//! Plain numbers that every layer reads and none changes. They are settings: `config` fills them from flags,
//! environment and file, and it refuses what lies outside the ranges; nothing in here reads a file or a clock.

use std::time::Duration;

/// The largest value that [`Limits::max_body`] may have: 256 MiB.
pub const MAX_BODY_CEILING: usize = 256 * MIB;

/// Every bound of the server, as `spec/jobs.md` ("Limits") lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest body, and largest frame, in bytes. At most [`MAX_BODY_CEILING`].
    pub max_body: usize,
    /// Deepest nesting of arrays and objects in a body.
    pub max_depth: usize,
    /// Most connections open at a time, over all listeners.
    pub max_connections: usize,
    /// Most types, that is, queues.
    pub max_types: usize,
    /// Most live jobs; past it a submit gets `queue_full`.
    pub max_jobs: usize,
    /// Most bytes that live jobs may hold in memory; past it a submit gets `queue_full`.
    ///
    /// The default is no bound, because how much memory there is only `config` can find out (it takes 75 % of it).
    pub max_bytes: u64,
    /// Most requests of one connection that wait for their answers; past it the connection is not read.
    pub max_outstanding: usize,
    /// How long a peer may take to send one frame.
    pub frame_timeout: Duration,
    /// How long a write may stall before the peer is disconnected.
    pub write_timeout: Duration,
    /// How long a connection may be silent before TCP asks whether its peer is still there.
    pub keepalive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: 16 * MIB,
            max_depth: 128,
            max_connections: 10_000,
            max_types: 10_000,
            max_jobs: 10_000_000,
            max_bytes: u64::MAX,
            max_outstanding: 1_024,
            frame_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            keepalive: Duration::from_secs(30),
        }
    }
}

const MIB: usize = 1024 * 1024;
