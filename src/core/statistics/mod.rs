//! What the server counts and times for people: rates, percentiles, histories. Pure; a queue measures, the book adds up.

pub mod snapshot;

pub use snapshot::{Figures, Percentiles, Point, QueueFigures, Report, Snapshot};

/// The times that a queue measured since its last report.
#[derive(Clone, Default, Debug)]
pub struct Times {}
