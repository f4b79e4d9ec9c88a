//! Processors: workers whose transport is outgoing HTTP (`spec/processors.md`).
//!
//! | file | its noun |
//! |---|---|
//! | `card` | what a processor says of itself: registration, `/meta`; what is kept of it; pure |
//! | `verdict` | what its answer to an item means; pure |
//! | `processor` | the actor of one processor |
//! | `registry` | the actor that knows them all |
//! | `usage` | what the manager itself uses |
//! | `api` | `/register`, `/meta`, `/complete` |
//!
//! A processor works on two types, its id and its name; so a step that names either is a job like any other, and the queues
//! can't tell a processor from a connection. Never here: what an action is.

pub mod api;
mod card;
mod processor;
mod registry;
pub mod schema;
#[cfg(test)]
mod tests;
mod usage;
mod verdict;

pub use card::{Card, MAX_CONCURRENCY, Meta, Registration, invalid_url};
pub use processor::Complete;
pub use registry::{FindStranger, Register, Registered, Registry, ShowMeta, TakeWord, Unregister, unknown_processor};
pub use verdict::error_text;
