//! The native protocol: length-prefixed JSON, one connection for any role (`spec/tcp.md`).

mod session;

pub use session::Session;

use std::fmt;
use std::sync::Arc;

use crate::core::JobId;

/// What a session needs of the world and must not reach for itself.
pub trait World: Send + Sync {
    /// A new id for a job that came without: a UUIDv7.
    fn new_id(&self) -> JobId;

    /// The time of day, in milliseconds since 1970.
    fn wall_ms(&self) -> u64;
}

/// What the sessions of a listener share.
#[derive(Clone)]
pub struct Shared {
    token: Option<Arc<str>>,
    world: Arc<dyn World>,
}

impl Shared {
    /// Sessions of this world; with a token, nobody gets anything who didn't say it first.
    pub fn new(token: Option<Arc<str>>, world: Arc<dyn World>) -> Shared {
        Shared { token, world }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("token", &self.token.as_ref().map(|_| "set")).finish_non_exhaustive()
    }
}
