//! Shells: mailbox → core → mailbox. Everything that waits is here; nothing here decides.
//!
//! | actor | how many | what it owns |
//! |---|---|---|
//! | [`supervisor::Supervisor`] | 1 | the router; who is connected; the queues' addresses |
//! | [`queue::QueueActor`] | one per type | a [`crate::core::Queue`], one alarm |
//! | [`connection::Connection`] | one per socket | the socket, its buffers, a session |
//! | [`listener::Listener`] | one per endpoint | a bound socket |
//! | [`keeper::Keeper`] | 0 or 1, on its own thread | the store |
//! | [`statistics::Statistics`] | 0 or 1, on its own thread | what queues reported; the snapshot that everybody reads |
//!
//! | message | from | to |
//! |---|---|---|
//! | [`supervisor::Letter`] | connection, whoever else is a peer | supervisor, by its inbox: it has come, what it asks (one batch a turn), it has gone |
//! | [`supervisor::Letter`] | queue | supervisor: what became of ids, before the notices of the same turn |
//! | [`queue::Order`] | supervisor | queue, by its inbox: who is there, what they ask, who has gone |
//! | [`crate::core::Notice`] | queue, supervisor | connection, by its inbox: what it hears |
//! | [`supervisor::Obituary`] | queue that panicked | supervisor |
//! | [`keeper::Recall`], [`supervisor::Recalled`] | supervisor, keeper | the other: what the store has of a queue that died |
//! | [`supervisor::Drain`], [`supervisor::CloseAll`] | `server` | supervisor |
//! | [`queue::DrainQueue`], [`Close`] | supervisor | queue, connection |
//! | [`supervisor::QueueDrained`] | queue | supervisor |
//! | [`keeper::Commit`], [`keeper::Fetch`] | queue | keeper: what the store has to know, bodies that only it holds |
//! | [`queue::Committed`], [`queue::Fetched`] | keeper | queue |
//! | [`queue::Refused`], [`keeper::Heard`] | keeper, queue | the other: jobs for which the disk has no room, and that they were taken back |
//! | [`supervisor::ArchiveForgot`] | keeper | supervisor: ids that are free again |
//! | [`keeper::Unearth`], [`keeper::Dig`] | whoever asks | keeper: stored jobs by number, pages of the archive |
//! | [`keeper::Discard`], [`keeper::KeepNotes`] | whoever asks | keeper: records that go, small values that stay |
//! | [`keeper::Figures`], [`keeper::WatchFigures`], [`keeper::Tallies`] | whoever asks | keeper: sizes, commit times, counts of the archive |
//! | [`keeper::CloseStore`] | `server` | keeper |
//! | [`statistics::Entry`] | queue | statistics, by its inbox: its figures, at most once a second |
//! | [`statistics::QueueDied`] | supervisor | statistics |
//! | [`statistics::History`], [`statistics::FiguresNow`] | `web` | statistics |
//! | [`questions::HearQueue`], [`queue::ReportNow`] | `web` | supervisor, queue: tell the statistics how you stand |
//! | [`supervisor::Survey`], [`queue::SurveyQueue`] | whoever asks | supervisor, queue |
//! | [`pulse::Pulse`] | `web` | supervisor, keeper, statistics: are you there? |
//! | [`browsing::List`], [`queue::BrowseQueue`] | whoever lists jobs | supervisor, queue |
//! | [`questions::Roll`], [`queue::Hold`], [`queue::WhoIsAway`] | whoever lists peers | supervisor, queue |
//! | [`questions::SetPaused`], [`queue::Pause`] | an operator | supervisor, queue |
//! | [`questions::Disconnect`] | an operator | supervisor |
//! | [`questions::LookedAround`], [`questions::HasQueue`], [`questions::HaveWorked`], [`queue::HasWorked`] | `web` | supervisor, queue |
//! | `Unearthed`, [`queue::Revive`] | the store's answer | supervisor, queue |
//!
//! Nobody waits for a reply on the way of a job; `send().await` is for questions that people ask.

pub mod alarm;
pub mod browsing;
pub mod clock;
pub mod connection;
pub mod inbox;
pub mod keeper;
pub mod knock;
pub mod lifetime;
pub mod link;
pub mod listener;
pub mod pulse;
pub mod questions;
pub mod queue;
pub mod shelf;
pub mod socket;
pub mod statistics;
pub mod supervisor;
pub mod turn;
mod unearthing;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use actix::{Message, Recipient};

use self::inbox::Inbox;
use crate::core::{Notice, Peer};

/// A master's connection on gloom's master port.
pub type MasterConnection = connection::Connection<crate::protocols::gloom::Master>;

/// A slave's connection on gloom's slave port.
pub type WorkerConnection = connection::Connection<crate::protocols::gloom::Worker>;

/// How a peer is reached. Shared by whoever speaks to it: an address of actix takes two allocations each time it is cloned.
pub struct Contact {
    /// Where its notices go, with the number that they are for: one actor may speak for several peers.
    pub notices: Inbox<(Peer, Notice)>,
    /// Who closes it.
    pub close: Recipient<Close>,
}

impl Contact {
    /// The contact of peers that this actor speaks for. It reads the notices as it settles.
    pub fn of(close: Recipient<Close>) -> Arc<Contact> {
        Arc::new(Contact { notices: Inbox::new(&shelf::NOTICES), close })
    }
}

/// Write what you have, then close.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Close {
    /// Which peer; [`Peer::NONE`] for a listener.
    pub peer: Peer,
    /// The server ends: a peer has left when it has written what it has. Else what it holds goes back at once.
    pub is_the_end: bool,
}
