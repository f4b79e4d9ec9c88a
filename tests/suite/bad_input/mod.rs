//! Hostile and broken peers: what they send is refused as the texts say, and nobody else notices any of it.

mod bytes;
mod costs;
mod goodbyes;

use crate::support::gloom::gloom_stranger;
use crate::support::server::leave;
use crate::support::{
    Deputy, Framed, Heard, PATIENCE, Random, Server, assert_error, dial, eventually, eventually_within, frame,
    gloom_master, gloom_worker, json, native, nested,
};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// The ports that speak frames.
fn framed_ports(server: &Server) -> [SocketAddr; 3] {
    [server.gloom_masters(), server.gloom_workers(), server.tcp()]
}

/// What holds after every mischief: others are served, and what was opened is closed.
#[track_caller]
fn expect_unharmed(server: &Server, open_files_before: usize) {
    server.expect_service();
    server.expect_open_files(open_files_before + 8);
}
