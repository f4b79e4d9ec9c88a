//! deputy: JSON lines (`spec/deputy.md`). A client may submit, work, or both, on one connection.
//!
//! The original knew neither errors nor acknowledgements, so silence is the usual answer, and an error is never said about
//! anything that it accepted. `arg` and `res` may be absent and stay so: an absent one is an empty body.
//!
//! | file | its noun |
//! |---|---|
//! | `session` | what a client asks and hears |
//! | `says` | the lines that the server says |
//! | `metrics` | what this protocol counts |

mod metrics;
mod says;
mod session;

pub use metrics::Metrics;
pub use session::Session;
