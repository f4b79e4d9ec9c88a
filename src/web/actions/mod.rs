//! Actions: data reduced over a list of steps (`spec/processors.md`).
//!
//! | file | its noun |
//! |---|---|
//! | `plan` | what an action is to do, and how it ended; pure |
//! | `action` | the actor of one action |
//! | `book` | the actor that knows them all |
//! | `show`, `listing` | an action as people see it, and which there are |
//! | `callback` | telling its end to its `response_url` |
//! | `api` | `/action` |
//!
//! An action is a master: each of its steps is one durable job, of the type that the step names, whoever works on it. What it
//! knows of itself is its plan and its end; all data is its jobs'. Which step comes next is decided in
//! [`crate::core::action`].

mod action;
pub mod api;
mod book;
mod callback;
mod listing;
mod plan;
pub mod schema;
mod show;

pub use action::Account;
pub use book::{Actions, Begun, LookAt, MAX_ACTIONS};
pub use callback::Places;
pub use listing::{ListNewest, Listed, Listing, Peek};
pub use plan::{End, How, MAX_STEPS, Plan};
