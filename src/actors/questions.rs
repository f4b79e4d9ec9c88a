//! What people ask of the supervisor: who is connected, a queue to be paused, a peer to leave.
//!
//! None of it is on the way of a job, so here an answer may be waited for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use actix::{Addr, Handler, Message, ResponseFuture};
use log::info;

use super::Close;
use super::keeper::KeepNotes;
use super::queue::{HasWorked, Hold, Pause, QueueActor, ReportNow, SurveyQueue, WhoIsAway};
use super::supervisor::Supervisor;
use crate::core::{Away, Body, Holding, JobId, Peer, PeerName, QueueNo, TypeName};

/// What a note of a paused queue is called: its type comes behind.
pub const PAUSED: &str = "paused/";

/// Have the queues of these types settled whatever they were asked before this?
#[derive(Message)]
#[rtype(result = "()")]
pub struct LookedAround {
    /// The types.
    pub types: Vec<TypeName>,
}

impl Handler<LookedAround> for Supervisor {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, LookedAround { types }: LookedAround, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let numbers = types.iter().filter_map(|kind| self.router.queue_of(kind));
        let queues: Vec<Addr<QueueActor>> = numbers.filter_map(|queue| self.address_of(queue)).collect();
        Box::pin(async move {
            for queue in queues {
                // Its answer leaves before it settles, but nobody hears it before that: all live on this thread. One that
                // dies has nothing to give.
                let _ = queue.send(SurveyQueue).await;
            }
        })
    }
}

/// Is there a queue of this type?
#[derive(Message)]
#[rtype(result = "bool")]
pub struct HasQueue {
    /// The type.
    pub kind: TypeName,
}

impl Handler<HasQueue> for Supervisor {
    type Result = bool;

    fn handle(&mut self, HasQueue { kind }: HasQueue, ctx: &mut Self::Context) -> bool {
        self.catch_up(ctx);
        self.router.queue_of(&kind).is_some()
    }
}

/// Let the queue of this type tell the statistics how it stands after everything that was asked before. False where there is no
/// such queue.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct HearQueue {
    /// The type.
    pub kind: TypeName,
}

impl Handler<HearQueue> for Supervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, HearQueue { kind }: HearQueue, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let queue = self.router.queue_of(&kind).and_then(|queue| self.address_of(queue));
        Box::pin(async move {
            match queue {
                Some(queue) => queue.send(ReportNow).await.is_ok(),
                None => false,
            }
        })
    }
}

/// Which part a peer plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It works on some type.
    Worker,
    /// It has submitted a job, or is connected where only masters are.
    Master,
}

/// Who is connected? And who works without being so, as far as that is easily found. They come by their numbers; who worked for
/// the last process has none in this one and comes behind them all, so that a list never goes on from there.
#[derive(Message)]
#[rtype(result = "Vec<PeerFigures>")]
pub struct Roll {
    /// Only those in this part.
    pub role: Role,
    /// Only those that came later than this one.
    pub after: Peer,
    /// At most so many.
    pub limit: usize,
}

/// A peer and what it did.
#[derive(Clone, PartialEq, Debug)]
pub struct PeerFigures {
    /// Its number.
    pub peer: Peer,
    /// Its name.
    pub name: PeerName,
    /// Where it is, if its name doesn't say so.
    pub address: Option<SocketAddr>,
    /// Since when it is there, milliseconds since 1970.
    pub since_ms: u64,
    /// The types that it works on.
    pub types: Vec<TypeName>,
    /// Jobs of it that were accepted.
    pub submitted: u64,
    /// Jobs that it completed.
    pub completed: u64,
    /// Attempts that it failed.
    pub failed: u64,
    /// The jobs that it has in hand, and since when (milliseconds since 1970).
    pub jobs: Vec<(JobId, u64)>,
}

/// A worker of more types is asked about in so many queues only: a list must not ask all queues.
const ASKED_QUEUES: usize = 16;

/// Workers that are not connected are looked for in so many queues, those with the newest jobs.
const SEARCHED_QUEUES: usize = 64;

impl Handler<Roll> for Supervisor {
    type Result = ResponseFuture<Vec<PeerFigures>>;

    fn handle(&mut self, Roll { role, after, limit }: Roll, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let mut peers: Vec<Peer> = self.peers.keys().copied().filter(|peer| *peer > after).collect();
        peers.sort_unstable();
        let mut roll = Vec::new();
        let mut asked: HashMap<QueueNo, Vec<Peer>> = HashMap::new();
        for peer in peers {
            if roll.len() == limit {
                break;
            }
            let desk = &self.peers[&peer];
            if is_desk(&desk.who.name) {
                continue;
            }
            let (types, submitted) = self.router.standing(peer);
            let plays = match role {
                Role::Worker => !types.is_empty() || desk.who.name.starts_with("gloom-worker:"),
                Role::Master => submitted > 0 || desk.who.name.starts_with("gloom-master:"),
            };
            if !plays {
                continue;
            }
            for (queue, _) in types.iter().take(ASKED_QUEUES) {
                asked.entry(*queue).or_default().push(peer);
            }
            roll.push(PeerFigures {
                peer,
                name: desk.who.name.clone(),
                address: desk.address,
                since_ms: desk.since_ms,
                types: types.into_iter().map(|(_, kind)| kind).collect(),
                submitted,
                completed: 0,
                failed: 0,
                jobs: Vec::new(),
            });
        }
        let asked: Vec<(Addr<QueueActor>, Vec<Peer>)> =
            asked.into_iter().filter_map(|(queue, peers)| Some((self.address_of(queue)?, peers))).collect();
        let away = match role {
            Role::Worker => self.newest_queues(),
            Role::Master => Vec::new(),
        };
        Box::pin(async move {
            for (queue, peers) in asked {
                // One that dies meanwhile holds nothing.
                for holding in queue.send(Hold { peers }).await.unwrap_or_default() {
                    add(&mut roll, holding);
                }
            }
            let mut absent = HashMap::new();
            for (kind, queue) in away {
                for away in queue.send(WhoIsAway).await.unwrap_or_default() {
                    add_away(&mut absent, &kind, away);
                }
            }
            let is_asked = |figures: &PeerFigures| figures.peer > after || figures.peer == Peer::NONE;
            roll.extend(absent.into_values().filter(is_asked));
            roll.sort_by(|one, other| place(one).cmp(&place(other)));
            roll.truncate(limit);
            roll
        })
    }
}

/// A desk speaks for callers that come and go: it is nobody itself, and without it nobody could call.
fn is_desk(name: &PeerName) -> bool {
    name.parts().1.is_empty()
}

impl Supervisor {
    /// The queues with the newest jobs.
    fn newest_queues(&self) -> Vec<(TypeName, Addr<QueueActor>)> {
        let newest = self.router.by_newest().into_iter().take(SEARCHED_QUEUES);
        newest.filter_map(|(_, queue)| Some((self.router.kind_of(queue).clone(), self.address_of(queue)?))).collect()
    }
}

/// A worker that is not connected may have jobs of several types, which it got under several numbers: the last one is its own.
fn add_away(absent: &mut HashMap<PeerName, PeerFigures>, kind: &TypeName, away: Away) {
    let Away { peer, name, jobs } = away;
    let figures = absent.entry(name.clone()).or_insert_with(|| PeerFigures {
        peer,
        name,
        address: None,
        since_ms: u64::MAX,
        types: Vec::new(),
        submitted: 0,
        completed: 0,
        failed: 0,
        jobs: Vec::new(),
    });
    figures.peer = figures.peer.max(peer);
    figures.since_ms = jobs.iter().map(|(_, since_ms)| *since_ms).fold(figures.since_ms, u64::min);
    figures.types.push(kind.clone());
    figures.jobs.extend(jobs);
}

/// Where it is in a list.
fn place(figures: &PeerFigures) -> (bool, Peer, &str) {
    (figures.peer == Peer::NONE, figures.peer, &figures.name)
}

fn add(roll: &mut [PeerFigures], holding: Holding) {
    if let Ok(place) = roll.binary_search_by_key(&holding.peer, |figures| figures.peer) {
        let figures = &mut roll[place];
        figures.completed += holding.completed;
        figures.failed += holding.failed;
        figures.jobs.extend(holding.jobs);
    }
}

/// Hand out nothing of this type, or hand out again. False where there is no such queue. It holds over restarts.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct SetPaused {
    /// The type.
    pub kind: TypeName,
    /// Which.
    pub paused: bool,
}

impl Handler<SetPaused> for Supervisor {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, SetPaused { kind, paused }: SetPaused, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let queue = self.router.queue_of(&kind).and_then(|queue| self.address_of(queue));
        let Some(queue) = queue else { return Box::pin(async { false }) };
        info!(queue = kind.text().as_ref(), paused; "an operator pauses or resumes a queue");
        queue.do_send(Pause { paused });
        let key: Arc<str> = format!("{PAUSED}{}", kind.text()).into();
        let kept = self.keeper.as_ref().map(|keeper| {
            keeper.send(KeepNotes { notes: vec![(key, paused.then(|| Body::from(b"true".as_slice())))] })
        });
        Box::pin(async move {
            if let Some(kept) = kept
                && !matches!(kept.await, Ok(Ok(())))
            {
                info!("there was no room to remember it over a restart");
            }
            true
        })
    }
}

/// Close the connection of this peer, once what was said to it is written. False where there is none.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Disconnect {
    /// Whose.
    pub peer: Peer,
}

impl Handler<Disconnect> for Supervisor {
    type Result = bool;

    fn handle(&mut self, Disconnect { peer }: Disconnect, ctx: &mut Self::Context) -> bool {
        self.catch_up(ctx);
        let Some(desk) = self.peers.get(&peer).filter(|desk| !is_desk(&desk.who.name)) else { return false };
        info!(peer = &*desk.who.name; "an operator disconnects a peer");
        desk.contact.close.do_send(Close { peer, is_the_end: false });
        true
    }
}

/// Which of these types have ever had a worker, in this process?
#[derive(Message)]
#[rtype(result = "Vec<TypeName>")]
pub struct HaveWorked {
    /// The types.
    pub kinds: Vec<TypeName>,
}

impl Handler<HaveWorked> for Supervisor {
    type Result = ResponseFuture<Vec<TypeName>>;

    fn handle(&mut self, HaveWorked { kinds }: HaveWorked, ctx: &mut Self::Context) -> Self::Result {
        self.catch_up(ctx);
        let queues: Vec<(TypeName, Addr<QueueActor>)> = kinds
            .into_iter()
            .filter_map(|kind| {
                let queue = self.router.queue_of(&kind).and_then(|queue| self.address_of(queue))?;
                Some((kind, queue))
            })
            .collect();
        Box::pin(async move {
            let mut worked = Vec::new();
            for (kind, queue) in queues {
                if queue.send(HasWorked).await.unwrap_or(false) {
                    worked.push(kind);
                }
            }
            worked
        })
    }
}
