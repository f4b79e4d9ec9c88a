//! Lists of jobs over all queues and the archive. [`Merge`] says whom to ask; this asks, on the supervisor's thread, where a
//! question to a queue costs about a microsecond and everybody else's messages go between.

use actix::{Addr, AsyncContext, Handler, Message, MessageResult, ResponseFuture};

use super::keeper::{Dig, Keeper};
use super::queue::{BrowseQueue, QueueActor};
use super::supervisor::Supervisor;
use crate::core::merge::{Ask, Merge};
use crate::core::{Browse, Found, JobState, QueueNo, Report, TypeName};
use crate::store::{self, Query};

/// A queue looks at so many jobs a turn at most, so that nobody waits for long behind it.
const CHUNK: usize = 64;

/// The addresses of so many queues are asked for at first; of four times as many each time after.
const FIRST_ADDRESSES: usize = 64;

/// Jobs, newest first, those in memory and those in the archive together.
#[derive(Message)]
#[rtype(result = "Found")]
pub struct List {
    /// Only of this type.
    pub kind: Option<TypeName>,
    /// Which.
    pub browse: Browse,
}

impl Handler<List> for Supervisor {
    type Result = ResponseFuture<Found>;

    fn handle(&mut self, List { kind, browse }: List, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let mut queues = self.router.by_newest();
        if let Some(kind) = &kind {
            let only = self.router.queue_of(kind);
            queues.retain(|(_, queue)| Some(*queue) == only);
        }
        let is_ended = |state: JobState| state.outcome().is_some();
        let keeper = self.keeper.clone().filter(|_| browse.state.is_none_or(is_ended));
        Box::pin(list(ctx.address(), keeper, queues, kind, browse))
    }
}

async fn list(
    supervisor: Addr<Supervisor>,
    keeper: Option<Addr<Keeper>>,
    queues: Vec<(u64, QueueNo)>,
    kind: Option<TypeName>,
    browse: Browse,
) -> Found {
    // The archive is the last source.
    let archive = keeper.as_ref().map(|_| u64::MAX);
    let bounds = queues.iter().map(|(newest, _)| *newest).chain(archive);
    let mut merge = Merge::new(&browse, bounds);
    let chunk = (browse.look_at / queues.len().max(1)).clamp(1, CHUNK);
    let mut addresses: Vec<Option<Addr<QueueActor>>> = Vec::new();
    while let Some(Ask { source, before }) = merge.next_ask() {
        let asked = Browse { before: Some(before), ..browse.clone() };
        let found = match (queues.get(source), &keeper) {
            (None, Some(keeper)) => dig(keeper, kind.clone(), asked).await,
            (None, None) => unreachable!("there is no further source"),
            (Some(_), _) => {
                if source >= addresses.len() {
                    let upto = (4 * addresses.len()).max(source + FIRST_ADDRESSES).min(queues.len());
                    let missing = queues[addresses.len()..upto].iter().map(|(_, queue)| *queue).collect();
                    let found = supervisor.send(Addresses { queues: missing }).await;
                    addresses.extend(found.unwrap_or_else(|_| vec![None; upto - addresses.len()]));
                }
                match &addresses[source] {
                    // One that dies meanwhile has none.
                    Some(queue) => {
                        queue.send(BrowseQueue(Browse { look_at: chunk, ..asked })).await.unwrap_or_default()
                    }
                    None => Found::default(),
                }
            }
        };
        merge.add(source, found);
    }
    merge.finish()
}

async fn dig(keeper: &Addr<Keeper>, kind: Option<TypeName>, browse: Browse) -> Found {
    let query = Query {
        kind,
        outcome: browse.state.and_then(JobState::outcome),
        text: browse.text,
        // "Older than everything to come" is no number that a store can compare.
        before: browse.before.filter(|before| *before < u64::MAX),
        limit: browse.limit,
        look_at: browse.look_at,
        bytes: browse.bytes,
        ..Query::default()
    };
    // A keeper that is gone has ended the process.
    let page = keeper.send(Dig { query }).await.unwrap_or_default();
    let bytes = page.jobs.iter().map(store::weight).sum();
    let jobs = page.jobs.into_iter().map(Report::archived).collect();
    Found { jobs, next: page.next, looked_at: page.looked_at, bytes }
}

/// The addresses of these queues; none for one that has died.
#[derive(Message)]
#[rtype(result = "Vec<Option<Addr<QueueActor>>>")]
struct Addresses {
    queues: Vec<QueueNo>,
}

impl Handler<Addresses> for Supervisor {
    type Result = MessageResult<Addresses>;

    fn handle(&mut self, Addresses { queues }: Addresses, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        MessageResult(queues.into_iter().map(|queue| self.address_of(queue)).collect())
    }
}
