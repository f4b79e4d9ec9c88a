//! The shapes of requests and answers, for the OpenAPI document alone.

#![allow(missing_docs, reason = "each field is described by its name and `spec/processors.md`")]

use serde_json::Value;
use utoipa::ToSchema;

/// A processor that wants to be registered.
#[derive(ToSchema)]
pub struct Registration {
    pub id: String,
    pub name: String,
    /// `http://HOST:PORT`, or with a path: `/meta` and `/process` come behind it.
    pub url: String,
    /// Items at a time: 1 to 1000.
    #[schema(default = 1)]
    pub concurrency: Option<u32>,
    #[schema(default = 600_000)]
    pub lease_ms: Option<u64>,
}

/// A registered processor.
#[derive(ToSchema)]
pub struct Processor {
    pub id: String,
    pub name: String,
    pub url: String,
    /// `up` or `down`.
    pub state: String,
    pub cpu: Option<f64>,
    pub memory: Option<u64>,
    pub average_ms: Option<f64>,
    pub processed: u64,
    pub failed: u64,
    pub in_hand: u64,
    /// Of those in hand, what it will complete later.
    pub accepted: u64,
    pub concurrency: u32,
    pub lease_ms: u64,
    pub connected_on: String,
    pub last_seen: Option<String>,
}

/// The manager.
#[derive(ToSchema)]
pub struct Manager {
    pub name: String,
    pub version: String,
    pub id: String,
    pub uptime_ms: u64,
    /// The share of one processor core.
    pub cpu: Option<f64>,
    pub memory: Option<u64>,
    pub processors: Vec<Processor>,
}

/// A processor's word on an item: `data`, or `error`.
#[derive(ToSchema)]
pub struct Completion {
    pub id: String,
    /// The processor's id.
    pub processor: String,
    pub attempt: Option<u32>,
    #[schema(value_type = Option<Value>)]
    pub data: Option<Value>,
    #[schema(value_type = Option<Value>)]
    pub error: Option<Value>,
}

/// A word was taken.
#[derive(ToSchema)]
pub struct Taken {
    pub ok: bool,
}
