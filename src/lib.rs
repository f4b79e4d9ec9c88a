//! procession: an actor-model job server.
//!
//! Masters submit prioritized jobs over whatever protocol suits them; workers in any language join a type, get jobs and answer;
//! masters get their results.
//!
//! ```text
//!   socket ─ Connection ──commands──► Supervisor ──batches──► QueueActor
//!             (session)                (router)                (queue)
//!                ▲                                                │
//!                └───────────────────notices──────────────────────┘
//! ```
//!
//! **Everything that decides is pure; everything that waits is an actor.** The layers, each using only those above it:
//!
//! | module | | never |
//! |---|---|---|
//! | [`core`] | decisions: the job model, queues, routing | a clock, a socket, an actor, a log line |
//! | [`json`] | the one reader of foreign JSON, for every layer | a copy of a body |
//! | [`protocols`] | languages: bytes to commands, notices to bytes | a socket, an actor, the store |
//! | [`store`] | memory that outlives the process | actors, protocols |
//! | [`actors`] | shells: mailbox → core → mailbox | decisions |
//! | [`web`] | HTTP: actix-web as another front end of the actors | a job's state, the store |
//! | [`config`], [`cli`], [`logging`], [`server`] | the program | |
//!
//! The life of a job: a [`protocols::Session`] reads a frame and makes a [`core::Command`]; the connection sends what it read in
//! this turn as one [`core::Batch`] to the supervisor; the [`core::Router`] checks that the id is free and the bounds hold, numbers the
//! job in the order of acceptance and finds its queue; the [`core::Queue`] accepts it, and at the end of its turn hands it to the
//! worker that has waited longest; notices go straight back to the connections, whose sessions write frames.
//!
//! Invariants: a job is in exactly one state, and the [`core::Census`] balances after every verb; an id belongs to one live
//! job of the server; an assignment needs demand, a reply needs a request; nothing outside a queue's actor knows how it
//! keeps its jobs; answers leave a connection in the order of its requests.

pub mod actors;
pub mod cli;
pub mod config;
pub mod core;
pub mod json;
pub mod logging;
pub mod protocols;
pub mod server;
pub mod store;
pub mod web;
