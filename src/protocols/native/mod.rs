//! The native protocol: length-prefixed JSON, one connection for any role, many jobs in flight (`spec/tcp.md`).
//!
//! Its sessions need new ids and the time of day; both come from a [`World`], so a session stays pure.
//!
//! | file | its noun |
//! |---|---|
//! | `session` | what a client asks and hears |
//! | `submit` | a job as it is submitted, alone or in a batch |
//! | `work` | joining, and a worker's word on its jobs |
//! | `says` | the frames that the server says |
//! | `token` | who may speak at all |

mod says;
mod session;
mod submit;
mod token;
mod work;

pub use session::Session;

use std::fmt;
use std::sync::Arc;

use self::token::Token;
use crate::core::job::OnMasterGone;
use crate::core::{JobId, Policy};
use crate::json::fields::Defaults;

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
    token: Option<Token>,
    world: Arc<dyn World>,
    defaults: Arc<Defaults>,
}

impl Shared {
    /// Sessions in this world. With a token, nobody gets anything who hasn't said it.
    pub fn new(token: Option<Arc<str>>, world: Arc<dyn World>) -> Shared {
        let defaults = Arc::new(Defaults::durable(Policy::transient(OnMasterGone::Keep)));
        Shared { token: token.map(Token::new), world, defaults }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("token", &self.token).finish_non_exhaustive()
    }
}
