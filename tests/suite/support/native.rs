//! The native TCP protocol: one connection, any role.

use super::{Framed, Server};

/// A connection to the native port.
#[track_caller]
pub fn native(server: &Server) -> Framed {
    Framed::connect(server.tcp())
}
