//! Links: whoever dies, the other is told.
//!
//! actix tells nobody when an actor panics. But its value is dropped, so the last word is a value that the actor owns.

use std::sync::Arc;

use super::inbox::Inbox;
use super::supervisor::Letter;
use crate::core::{Demand, Peer};

/// A connection's link to the supervisor: when it is dropped, for whatever reason, what the peer held goes back.
pub struct PeerLink {
    /// The connection's number.
    pub peer: Peer,
    /// The connection's free hands: closed at once, so that no queue gives a job to a dead connection.
    pub demand: Arc<Demand>,
    /// Who routes.
    pub supervisor: Arc<Inbox<Letter>>,
}

impl Drop for PeerLink {
    fn drop(&mut self) {
        self.demand.close();
        self.supervisor.put(Letter::Gone(self.peer));
    }
}
