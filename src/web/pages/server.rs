//! The server itself, as pages show it.

use crate::actors::keeper::StoreFigures;

/// What there is to know of the process.
#[derive(Clone, Default, Debug)]
pub struct ServerFigures {
    /// Its version.
    pub version: &'static str,
    /// How long it has run, in milliseconds.
    pub uptime_ms: u64,
    /// What it has in memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// How many processors it uses: 1.0 is one of them wholly.
    pub cpu: Option<f64>,
    /// Open connections.
    pub connections: Option<u64>,
    /// It is about to stop.
    pub draining: bool,
    /// What it keeps jobs in; none where only memory has them.
    pub store: Option<StoreFigures>,
}

/// A processor, as pages show it (`spec/processors.md`).
#[derive(Clone, Debug)]
pub struct ProcessorFigures {
    /// Its id.
    pub id: String,
    /// Its name: the type of job it works.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// Whether it answers.
    pub is_up: bool,
    /// The share of a processor that it uses, as it says.
    pub cpu: Option<f64>,
    /// Its memory in bytes, as it says.
    pub memory: Option<u64>,
    /// How long an item takes on average, in milliseconds.
    pub average_ms: Option<f64>,
    /// Items it did.
    pub processed: u64,
    /// Items it failed.
    pub failed: u64,
    /// Items it has now.
    pub in_hand: u64,
    /// When it registered, milliseconds since 1970.
    pub connected_ms: u64,
    /// When it last answered, milliseconds since 1970.
    pub last_seen_ms: Option<u64>,
}
