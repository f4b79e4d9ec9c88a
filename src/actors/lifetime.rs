//! The counters of the server's whole life: they outlive the process, also where no record of a job is left (`spec/jobs.md`,
//! conservation across restarts).
//!
//! What became of jobs is kept beside them, once a second while anything changes and at the end. The next process begins with
//! what its store doesn't show by itself. A crash may forget the last second.

use actix::Addr;

use super::keeper::{KeepNotes, Keeper};
use super::pulse::Pulse;
use super::statistics::{Snapshots, Statistics};
use super::supervisor::{Supervisor, Survey};
use crate::core::{Body, Census};

/// What the note of the counters is called.
pub const ENDED: &str = "ended";

/// Keeps the counters as long as there are any. `kept` are those that are kept already.
pub async fn keep(
    mut kept: Census,
    supervisor: Addr<Supervisor>,
    statistics: Addr<Statistics>,
    mut snapshots: Snapshots,
    keeper: Addr<Keeper>,
) {
    // Until every queue has said what it came with, the sum is too small.
    if supervisor.send(Survey).await.is_err() || statistics.send(Pulse).await.is_err() {
        return;
    }
    snapshots.mark_unchanged();
    while snapshots.changed().await.is_ok() {
        let ended = snapshots.borrow_and_update().total.census.ended();
        // Without room they are kept later.
        if ended != kept && remember(&keeper, &ended).await {
            kept = ended;
        }
    }
}

/// Keeps the counters as they are at the end.
pub async fn keep_last(supervisor: &Addr<Supervisor>, keeper: &Addr<Keeper>) {
    if let Ok(census) = supervisor.send(Survey).await {
        remember(keeper, &census.ended()).await;
    }
}

async fn remember(keeper: &Addr<Keeper>, ended: &Census) -> bool {
    let note = (ENDED.into(), Some(Body::from(ended.to_note().as_bytes())));
    matches!(keeper.send(KeepNotes { notes: vec![note] }).await, Ok(Ok(())))
}
