//! Languages: a codec turns bytes into frames, a session turns frames into commands and notices into frames.
//!
//! Pure, like `core`: a session has no socket and no clock. Whoever owns the socket gives it bytes and notices, and takes
//! bytes and commands from it. A protocol added later is one folder here and one row in `server`.
//!
//! | file | its noun |
//! |---|---|
//! | `length_prefixed`, `lines` | the two framings |
//! | `framed` | conversations in length-prefixed JSON: frames in, flaws out |
//! | `replies` | answers in the order of their requests |
//! | `working` | the worker's side of a connection: types, hands, what is in hand |
//! | `gloom`, `deputy`, `native` | the dialects |
//!
//! Flaws are of two kinds (`spec/jobs.md`, bad input): a *minor* one is told and the connection goes on; a *fatal* one (not
//! even the dialect's framing or JSON) is told and the connection closes; nothing behind it is read.

pub mod deputy;
mod framed;
pub mod gloom;
pub mod length_prefixed;
pub mod lines;
pub mod native;
mod replies;
#[cfg(test)]
mod transcripts;
mod working;

use std::sync::Arc;

use bytes::BytesMut;

use crate::core::{Command, Demand, Limits, Notice};

/// One connection's side of a conversation.
pub trait Session: Sized + Unpin + 'static {
    /// What all sessions of a listener share, such as counters.
    type Shared: Clone + Send + Unpin + 'static;

    /// The name of the protocol, for logs and lists.
    const NAME: &'static str;

    /// How many jobs a connection wants before it says anything else.
    const HANDS: u32;

    /// A session for a new connection.
    fn new(shared: &Self::Shared, limits: &Arc<Limits>, demand: &Arc<Demand>) -> Self;

    /// Reads the frames that `input` begins with, as long as there is room for more requests.
    fn read(&mut self, input: &[u8], turn: &mut Turn<'_>) -> Read;

    /// Hears what a queue or the supervisor says.
    fn hear(&mut self, notice: Notice, turn: &mut Turn<'_>);

    /// Requests without an answer yet. Above `max_outstanding` nothing more is read.
    fn outstanding(&self) -> usize;

    /// Whether a fatal flaw was told: the connection closes when the answers before it are out.
    fn is_over(&self) -> bool;

    /// The connection is gone.
    fn gone(&mut self) {}
}

/// What a session says in a turn.
#[derive(Debug)]
pub struct Turn<'a> {
    /// To its peer.
    pub out: &'a mut BytesMut,
    /// To the supervisor.
    pub commands: &'a mut Vec<Command>,
}

/// How far a session read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    /// These bytes are done with.
    pub consumed: usize,
    /// The size of the incomplete frame that follows them, as far as it is known: a good size for the next read.
    pub needed: usize,
}

/// After this many flawed requests in a row a connection is closed (`spec/jobs.md`).
pub const MAX_FLAWS_IN_A_ROW: u32 = 100;

/// Counts flawed requests in a row.
#[derive(Default, Debug)]
struct Patience {
    flaws: u32,
    over: bool,
}

impl Patience {
    fn good(&mut self) {
        self.flaws = 0;
    }

    fn flawed(&mut self) {
        self.flaws += 1;
        self.over |= self.flaws >= MAX_FLAWS_IN_A_ROW;
    }

    fn end(&mut self) {
        self.over = true;
    }
}

/// At most this much of a peer's own text comes back in an error.
const MAX_ECHO: usize = 64;

/// The beginning of a text that came from outside, for an error.
fn excerpt(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_ECHO)]
}
