//! The shapes of requests and answers, for the OpenAPI document alone.

#![allow(missing_docs, reason = "each field is described by its name and `spec/processors.md`")]

use serde_json::Value;
use utoipa::ToSchema;

/// An action to begin.
#[derive(ToSchema)]
pub struct Plan {
    /// Whom each step names: a processor's id or name, or any type that ever had a worker. At most 1000.
    pub processors: Vec<String>,
    /// What the first step gets.
    #[schema(value_type = Option<Value>)]
    pub data: Option<Value>,
    /// Is told of the end.
    pub response_url: Option<String>,
    /// Made by the server where it is absent.
    pub id: Option<String>,
    #[schema(default = 0)]
    pub priority: Option<i64>,
    /// `fail` or `skip`.
    #[schema(default = "fail")]
    pub on_failure: Option<String>,
    /// How long it stays readable once it is completed.
    #[schema(default = 3_600_000)]
    pub keep_ms: Option<u64>,
}

/// An action that was accepted.
#[derive(ToSchema)]
pub struct Begun {
    pub id: String,
}

/// An action with its steps; absent things are null.
#[derive(ToSchema)]
pub struct Action {
    pub id: String,
    /// `running`, `completed` or `failed`.
    pub state: String,
    /// The step it is at, from 0.
    pub step: u64,
    pub steps: Vec<Step>,
    #[schema(value_type = Value)]
    pub data: Value,
    #[schema(value_type = Value)]
    pub error: Value,
    /// Whether `response_url` has taken the end; null where there is none.
    pub delivered: Option<bool>,
    pub priority: i64,
    pub on_failure: String,
    pub created_at: String,
    pub finished_at: Option<String>,
    /// There and true where the data of later steps is left out, since it is too much together.
    pub data_omitted: Option<bool>,
}

/// A step of an action.
#[derive(ToSchema)]
pub struct Step {
    pub processor: String,
    /// `pending`, `running`, `completed`, `failed` or `skipped`; `unknown` where its record was removed.
    pub state: String,
    pub attempts: u32,
    pub started_at: Option<String>,
    pub finished_at: Option<String>,
    #[schema(value_type = Value)]
    pub data: Value,
    #[schema(value_type = Value)]
    pub error: Value,
}
