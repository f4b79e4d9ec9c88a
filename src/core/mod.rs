//! Decisions: the job model of `spec/jobs.md` as plain Rust.
//!
//! Nothing here has a clock, a socket, a thread, an actor or a log line: time is an argument ([`Now`]), what should be
//! said or kept is a value ([`Outbox`]). So every behaviour can be tested in microseconds and simulated with faults.
//!
//! | file | its noun |
//! |---|---|
//! | `job` | what a job is: id, type, policy, states |
//! | `command` | what is asked of a queue, and what it says |
//! | `queue` | the queue of one type: every arrow of the picture of states |
//! | `workers` | who wants jobs of this queue, and what they hold |
//! | `masters` | which jobs go when their master goes |
//! | `waiting` | the order of ready jobs |
//! | `arrivals` | the order of acceptance, for lists |
//! | `record` | a job as a store keeps it |
//! | `report` | a job as people see it |
//! | `merge` | a page of jobs from many queues |
//! | `ticket` | a receipt as a text |
//! | `deadlines` | what happens at a time: leases, delays, expiry, forgetting |
//! | `demand` | how many more jobs a worker wants, told to several queues and served once |
//! | `action` | data reduced over a list of steps |
//! | `health` | whether a processor is up |
//! | `statistics` | figures of queues and of the server, now and over time |
//! | `retry` | how long to wait before the next attempt |
//! | `census` | the conservation law, counted |
//! | `ids` | which ids are taken, over all queues |
//! | `index` | what is taken over all queues: ids and bytes |
//! | `router` | where every request goes |
//! | `restarts` | how often queues may die |
//! | `recovery` | a server's queues, made again at start |
//! | `limits` | the bounds of everything that comes from outside |

pub mod action;
mod arrivals;
pub mod census;
pub mod command;
pub mod deadlines;
pub mod demand;
pub mod health;
pub mod ids;
pub mod index;
pub mod job;
pub mod limits;
mod masters;
pub mod merge;
pub mod queue;
pub mod record;
pub mod recovery;
pub mod report;
pub mod restarts;
pub mod retry;
pub mod router;
pub mod statistics;
pub mod ticket;
pub mod waiting;
pub mod workers;

#[cfg(test)]
mod model;
#[cfg(test)]
mod simulation;

pub use census::Census;
pub use command::{
    Answer, Assignment, Batch, Command, Deed, Ending, Held, IdEvent, Introduction, Notice, Outbox, Receipt, Refusal,
    Submission,
};
pub use deadlines::{Moment, Now};
pub use demand::Demand;
pub use job::{Body, JobId, OnMasterGone, Peer, PeerName, Policy, QueueNo, Request, TypeName};
pub use limits::Limits;
pub use queue::{Away, Bereaved, Holding, Queue, Standing};
pub use recovery::Recovery;
pub use report::{Browse, Found, JobState, Report, Why};
pub use router::{Router, Routes};
pub use ticket::Ticket;
pub use workers::Worker;
