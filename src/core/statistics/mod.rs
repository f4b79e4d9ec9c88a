//! What the server counts and times for people: rates, percentiles, histories. Pure; a queue measures, the book adds up.
//!
//! | file | its noun |
//! |---|---|
//! | `meter` | what a queue measures, on the way of its jobs |
//! | `snapshot` | what a queue reports, and what people read |
//! | `book` | reports in, snapshots out |
//! | `lately` | what happened lately in a queue, or in all |
//! | `ring` | the last seconds and minutes |
//! | `histogram`, `tally` | how many times were how long: quick to count, or small to keep |
//! | `spread` | the same since the start, for scrapers |

pub mod book;
pub mod histogram;
mod lately;
pub mod meter;
pub mod ring;
pub mod snapshot;
pub mod spread;
pub mod tally;

pub use book::Book;
pub use meter::{Meter, Retried, Times};
pub use ring::Range;
pub use snapshot::{Figures, Percentiles, Point, QueueFigures, Report, Snapshot};
pub use spread::Spread;
