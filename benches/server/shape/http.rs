//! What is measured over HTTP, beside the native protocol and the bare handler.
//!
//! A connection carries one request at a time, so each of these masters has one job outstanding.

use super::{Measure, Scale, Shape, steady, thousands};
use crate::cores::Place;
use crate::peer::{HTTP, HTTP_FLOOR, NATIVE, POLLS};

/// These shapes, in the order of the report.
pub fn all(scale: &Scale) -> Vec<Shape> {
    let submits = |name, what: &str, durable| Shape {
        title: format!("64 connections that submit, {what}"),
        durable,
        measure: Measure::Submits,
        field: &[HTTP, NATIVE, HTTP_FLOOR],
        ..steady(name, 64, 1, 0)
    };
    let round = |name, masters, workers| Shape { field: &[HTTP, NATIVE], ..steady(name, masters, 1, workers) };
    let parked = |name, where_: &str, crowd_is_known| Shape {
        title: format!("1 × 1 × 1, native, beside {} parked polls{where_}", thousands(scale.crowd)),
        crowd: scale.crowd,
        crowd_is_known,
        place: Place::Apart,
        field: &[POLLS],
        ..steady(name, 1, 1, 1)
    };
    vec![
        submits(SUBMITS, "durable", true),
        submits(MEMORY_SUBMITS, "in memory", false),
        Shape { title: "1 × 1 × 1, long polls".to_owned(), place: Place::Apart, ..round(LONG_POLL, 1, 1) },
        Shape {
            title: "256 × 1 × 8, long polls for up to 16 jobs".to_owned(),
            credit: 16,
            ..round(BUSY_LONG_POLLS, 256, 8)
        },
        parked(PARKED_POLLS, "", false),
        parked(KNOWN_POLLS, " on connections that had an answer before", true),
    ]
}

/// Durable submits on many connections.
pub const SUBMITS: &str = "http-submit-64";
/// The same, not durable.
pub const MEMORY_SUBMITS: &str = "http-submit-64-memory";
/// One of everything.
pub const LONG_POLL: &str = "http-1x1x1";
/// Many masters, a few workers.
pub const BUSY_LONG_POLLS: &str = "http-256x1x8";
/// A crowd of polls.
pub const PARKED_POLLS: &str = "http-idle";
/// The same, on connections whose second buffer is in use, too.
pub const KNOWN_POLLS: &str = "http-idle-known";
