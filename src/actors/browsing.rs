//! Lists of jobs over all queues and the archive: asks those that may have some, the one with the newest job first, and stops
//! as soon as the page is full. A list costs what it shows, not what there is.

use actix::Addr;

use super::keeper::{Dig, Keeper};
use super::questions::{Queues, Rummage};
use super::queue::BrowseQueue;
use super::supervisor::Supervisor;
use crate::core::report::Merge;
use crate::core::{Browse, Found, JobState, Report, TypeName};
use crate::store::Query;

/// At most so many queues are asked for a page; the page says where it stopped.
const MOST_QUEUES: usize = 1_000;

/// Jobs of this type, or of all types, newest first.
pub async fn browse(
    supervisor: &Addr<Supervisor>,
    keeper: Option<&Addr<Keeper>>,
    kind: Option<TypeName>,
    browse: Browse,
) -> Found {
    let mut merge = Merge::new(browse.limit);
    let is_ended = |state: JobState| state.outcome().is_some();
    if let Some(keeper) = keeper.filter(|_| browse.state.is_none_or(is_ended)) {
        let query = Query {
            kind: kind.clone(),
            outcome: browse.state.and_then(JobState::outcome),
            text: browse.text.clone(),
            before: browse.before,
            limit: browse.limit,
            look_at: browse.look_at,
            bytes: browse.bytes,
        };
        if let Ok(page) = keeper.send(Dig { query }).await {
            let jobs = page.jobs.into_iter().map(Report::archived).collect();
            merge.add(Found { jobs, next: page.next, looked_at: page.looked_at });
        }
    }
    let Queues { queues, rest } = supervisor.send(Rummage { kind, most: MOST_QUEUES }).await.unwrap_or_default();
    let mut look_at = browse.look_at;
    for (newest, queue) in queues {
        if look_at == 0 || merge.is_full_above(newest) {
            merge.leave_out(newest);
            return merge.finish();
        }
        // One that dies meanwhile has none.
        let found = queue.send(BrowseQueue(Browse { look_at, ..browse.clone() })).await.unwrap_or_default();
        look_at -= found.looked_at;
        merge.add(found);
    }
    if let Some(newest) = rest {
        merge.leave_out(newest);
    }
    merge.finish()
}
