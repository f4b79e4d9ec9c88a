//! Where every request goes: the supervisor's decisions. Types to queues, ids to jobs, the bounds of the whole server.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::command::{Batch, Command, Deed, IdEvent, Notice, Refusal, Submission, weight};
use super::ids::{ARCHIVE, Took};
use super::index::Index;
use super::job::{JobId, Peer, PeerMap, PeerName, QueueNo, Request, TypeName};
use super::limits::Limits;
use super::record::StoredJob;

/// Routes batches to queues.
#[derive(Debug)]
pub struct Router {
    limits: Arc<Limits>,
    by_type: HashMap<TypeName, QueueNo>,
    /// The type that was last looked up: most submits in a row agree.
    last_type: Option<(TypeName, QueueNo)>,
    /// The types by their queues' numbers.
    kinds: Vec<TypeName>,
    index: Index,
    peers: PeerMap<Standing>,
    next_sequence: u64,
    draining: bool,
    /// How many jobs of the batch at hand were accepted.
    accepted: u64,
    /// Where each command of the batch at hand goes; here to be used again.
    targets: Vec<QueueNo>,
}

/// What the router knows of a peer.
#[derive(Default, Debug)]
pub struct Standing {
    /// The queues that know it, sorted.
    known: Vec<QueueNo>,
    /// The queues that it works for, sorted.
    joined: Vec<QueueNo>,
    /// Jobs of it that were accepted.
    submitted: u64,
}

/// What is asked of a job that lives in the archive.
#[derive(Debug)]
pub struct Shelved {
    /// Who asks.
    pub peer: Peer,
    /// The number to answer with.
    pub request: Request,
    /// The job.
    pub id: JobId,
    /// What: `AnswerById`, `Look`, `Watch`, or `Manage` with `Retry` or `Delete`.
    pub command: Command,
    /// Which job of the store it may be: the first of them that has the id.
    pub candidates: Vec<u64>,
}

/// What routing leads to. The caller empties it, in the order of the fields.
#[derive(Default, Debug)]
pub struct Routes {
    /// Queues to open.
    pub opened: Vec<(QueueNo, TypeName)>,
    /// Peers that queues meet for the first time.
    pub introductions: Vec<(QueueNo, Peer)>,
    /// Work for queues.
    pub batches: Vec<(QueueNo, Batch)>,
    /// What the router answers itself.
    pub notices: Vec<(Peer, Notice)>,
    /// What only the store can answer.
    pub shelved: Vec<Shelved>,
    /// New names of peers: to be known before the introductions.
    pub names: Vec<(Peer, PeerName)>,
}

impl Routes {
    /// Whether there is more to do than to pass on batches and notices.
    pub fn have_more_than_work(&self) -> bool {
        let Routes { opened, introductions, shelved, names, batches: _, notices: _ } = self;
        !(opened.is_empty() && introductions.is_empty() && shelved.is_empty() && names.is_empty())
    }
}

/// A command that goes to no queue.
const NOWHERE: QueueNo = QueueNo::MAX;

/// A command that was replaced by others.
const ELSEWHERE: QueueNo = QueueNo::MAX - 1;

/// A command that goes to the store.
const SHELF: QueueNo = QueueNo::MAX - 2;

/// What is no queue's number is from here on.
const NO_QUEUE: QueueNo = SHELF;

impl Router {
    /// A router without queues. The first job gets the sequence number 1.
    pub fn new(limits: Arc<Limits>) -> Router {
        Router {
            limits,
            by_type: HashMap::new(),
            last_type: None,
            kinds: Vec::new(),
            index: Index::default(),
            peers: PeerMap::default(),
            next_sequence: 1,
            draining: false,
            accepted: 0,
            targets: Vec::new(),
        }
    }

    /// What [`Router::hear`] is about to be told.
    pub fn look_ahead(&self, events: &[IdEvent]) {
        let freed =
            events.iter().filter_map(|event| if let IdEvent::Freed { id, .. } = event { Some(id) } else { None });
        self.index.ids.look_for(freed);
    }

    /// What a queue says of its jobs' ids. To be heard before what is said to peers in the same turn of the queue.
    pub fn hear(&mut self, queue: QueueNo, event: IdEvent) {
        self.index.hear(queue, event);
    }

    /// A job that the store gave back at start; gives its queue, which is new if `routes` says so.
    pub fn adopt(&mut self, id: &JobId, kind: &TypeName, sequence: u64, bytes: usize, routes: &mut Routes) -> QueueNo {
        let queue = self.open_anyway(kind, routes);
        self.index.adopt(id, queue, sequence, weight(id, bytes));
        queue
    }

    /// The id of a job in the store's archive.
    pub fn adopt_archived(&mut self, id: &JobId, sequence: u64) {
        self.index.ids.take(id, ARCHIVE, sequence);
    }

    /// The archive has let go of a job's record. If the job was retried meanwhile it lives on, and its id is its own.
    pub fn archive_forgot(&mut self, id: &JobId, sequence: u64) {
        let ids = &mut self.index.ids;
        if ids.is_at(id, sequence, ARCHIVE) {
            ids.free(id, sequence);
        }
    }

    /// The next job gets this sequence number.
    pub fn begin_at(&mut self, sequence: u64) {
        self.next_sequence = sequence;
    }

    /// Refuses submits from now on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Decides where each command of a batch goes. Usually all go to one queue, and the batch goes there as it is.
    pub fn route(&mut self, mut batch: Batch, routes: &mut Routes) {
        let peer = batch.peer;
        let mut targets = std::mem::take(&mut self.targets);
        targets.clear();
        self.index.ids.look_for(batch.commands.iter().filter_map(Command::new_id));
        for command in &mut batch.commands {
            let target = self.target(peer, command, routes);
            targets.push(target);
        }
        match targets.first().copied() {
            Some(first) if first < NO_QUEUE && targets.iter().all(|target| *target == first) => {
                // A queue that gave it a job knows it.
                if !matches!(batch.commands[0], Command::Answer { .. } | Command::Ready { .. }) {
                    self.introduce(peer, first, routes);
                }
                routes.batches.push((first, batch));
            }
            _ => {
                for (command, target) in batch.commands.into_iter().zip(&targets) {
                    match (*target, command) {
                        (NOWHERE, _) => {}
                        (ELSEWHERE, Command::Join { request, types }) => self.join(peer, request, types, routes),
                        (ELSEWHERE, Command::Leave { types }) => self.leave(peer, types, routes),
                        (ELSEWHERE, Command::Name { name }) => routes.names.push((peer, name)),
                        (SHELF, command) => self.shelve(peer, command, routes),
                        (queue, command) => self.send(peer, queue, command, routes),
                    }
                }
            }
        }
        self.targets = targets;
        if self.accepted > 0 {
            self.peers.entry(peer).or_default().submitted += std::mem::take(&mut self.accepted);
        }
    }

    /// The peer has left; gives the queues that know it.
    pub fn peer_gone(&mut self, peer: Peer) -> Vec<QueueNo> {
        self.peers.remove(&peer).unwrap_or_default().known
    }

    /// A queue has died with all its jobs; gives the peers that knew it. Its type gets a new queue when it is next named.
    pub fn queue_died(&mut self, queue: QueueNo) -> Vec<Peer> {
        self.by_type.retain(|_, other| *other != queue);
        self.last_type = None;
        self.index.queue_died(queue);
        let mut peers = Vec::new();
        for (peer, standing) in &mut self.peers {
            strike(&mut standing.joined, queue);
            if strike(&mut standing.known, queue) {
                peers.push(*peer);
            }
        }
        peers
    }

    /// The job of something that was shelved is this one. If it still lives in the archive, gives the queue that it comes back
    /// to; else the command has to be routed again.
    pub fn revive(&mut self, job: &StoredJob, routes: &mut Routes) -> Option<QueueNo> {
        if !self.is_archived(&job.id, job.sequence) {
            return None;
        }
        let queue = self.open_anyway(&job.kind, routes);
        let bytes = weight(&job.id, job.body.len());
        self.index.bring_back(&job.id, queue, job.sequence, bytes);
        Some(queue)
    }

    /// Whether this very job lives in the archive.
    pub fn is_archived(&self, id: &JobId, sequence: u64) -> bool {
        self.index.ids.is_at(id, sequence, ARCHIVE)
    }

    /// The queue of this type.
    pub fn queue_of(&self, kind: &TypeName) -> Option<QueueNo> {
        self.by_type.get(kind).copied()
    }

    /// The type of this queue.
    pub fn kind_of(&self, queue: QueueNo) -> &TypeName {
        &self.kinds[queue as usize]
    }

    /// The queues that have jobs in memory, the one with the newest job first: what no job of it is newer than, and its number.
    pub fn by_newest(&self) -> Vec<(u64, QueueNo)> {
        self.index.by_newest()
    }

    /// What this peer does: the types that it works on with their queues, and how many jobs of it were accepted.
    pub fn standing(&self, peer: Peer) -> (Vec<(QueueNo, TypeName)>, u64) {
        let Some(standing) = self.peers.get(&peer) else { return (Vec::new(), 0) };
        let joined = standing.joined.iter().map(|queue| (*queue, self.kinds[*queue as usize].clone()));
        (joined.collect(), standing.submitted)
    }

    /// How many jobs have an id taken, and the bytes they hold.
    pub fn load(&self) -> (usize, usize) {
        (self.index.ids.len(), self.index.bytes())
    }

    fn target(&mut self, peer: Peer, command: &mut Command, routes: &mut Routes) -> QueueNo {
        match command {
            Command::Submit(submission) => match self.accept(peer, submission, routes) {
                Ok(queue) => queue,
                Err(refusal) => refuse(peer, submission.request, refusal, routes),
            },
            Command::Join { .. } | Command::Leave { .. } | Command::Name { .. } => ELSEWHERE,
            Command::Ready { queue } if self.is_alive(*queue) => *queue,
            Command::Ready { .. } => NOWHERE,
            Command::Answer { receipt, .. } if self.is_alive(receipt.queue) => receipt.queue,
            Command::Answer { request, .. } => refuse(peer, *request, Refusal::StaleReceipt, routes),
            Command::AnswerById { request, id, ticket, .. } => match self.holder(id) {
                Some(ARCHIVE) => SHELF,
                Some(queue) => queue,
                // Its queue may remember what it was told of a job that is gone.
                None if self.is_alive(ticket.queue) => ticket.queue,
                None => refuse(peer, *request, Refusal::UnknownJob, routes),
            },
            Command::Look { request, id } | Command::Watch { request, id } => match self.holder(id) {
                Some(ARCHIVE) => SHELF,
                Some(queue) => queue,
                None => refuse(peer, *request, Refusal::UnknownJob, routes),
            },
            Command::Unwatch { id, .. } => self.holder(id).filter(|queue| *queue != ARCHIVE).unwrap_or(NOWHERE),
            Command::Manage { request, id, deed } => match (self.holder(id), *deed) {
                (Some(ARCHIVE), Deed::Retry | Deed::Delete) => SHELF,
                (Some(ARCHIVE), Deed::Find) => {
                    routes.notices.push((peer, Notice::Done { request: *request, lease_ms: 0 }));
                    NOWHERE
                }
                (Some(ARCHIVE), Deed::Cancel | Deed::CancelWaiting | Deed::Reprioritize(_) | Deed::RunNow) => {
                    refuse(peer, *request, Refusal::AlreadyFinished, routes)
                }
                (Some(queue), deed) => {
                    if deed == Deed::Retry {
                        self.index.begin_retry(queue, id);
                    }
                    queue
                }
                (None, _) => refuse(peer, *request, Refusal::UnknownJob, routes),
            },
            Command::Forget { .. } => unreachable!("only the router forgets"),
        }
    }

    fn accept(&mut self, peer: Peer, submission: &mut Submission, routes: &mut Routes) -> Result<QueueNo, Refusal> {
        if self.draining {
            return Err(Refusal::Draining);
        }
        let weight = submission.weight();
        self.check_room(&submission.id, weight)?;
        let queue = self.open(&submission.kind, &submission.id, routes)?;
        let took = self.index.take(&submission.id, queue, self.next_sequence, weight);
        match took {
            Took::Free => {}
            Took::GaveWay(old) => self.send(peer, old, Command::Forget { id: submission.id.clone() }, routes),
            Took::Exists => return Err(Refusal::IdExists),
        }
        submission.sequence = self.next_sequence;
        self.next_sequence += 1;
        self.accepted += 1;
        Ok(queue)
    }

    /// The queue of the job with this id.
    fn holder(&self, id: &JobId) -> Option<QueueNo> {
        self.index.ids.queue_of(id)
    }

    fn check_room(&self, id: &JobId, weight: usize) -> Result<(), Refusal> {
        let index = &self.index;
        let bytes = index.bytes().saturating_add(weight) as u64;
        if index.ids.live() >= self.limits.max_jobs || bytes > self.limits.max_bytes {
            return Err(Refusal::QueueFull);
        }
        if index.is_being_retried(id) { Err(Refusal::IdExists) } else { Ok(()) }
    }

    /// The queue of a type, made when first named, though not for a job that can't be accepted.
    fn open(&mut self, kind: &TypeName, id: &JobId, routes: &mut Routes) -> Result<QueueNo, Refusal> {
        if let Some((last, queue)) = &self.last_type
            && last == kind
        {
            return Ok(*queue);
        }
        if let Some(queue) = self.by_type.get(kind) {
            self.last_type = Some((kind.clone(), *queue));
            return Ok(*queue);
        }
        if self.by_type.len() >= self.limits.max_types {
            return Err(Refusal::QueueFull);
        }
        if self.index.ids.is_taken(id) {
            return Err(Refusal::IdExists);
        }
        Ok(self.open_anyway(kind, routes))
    }

    /// The same beyond the limit: what was accepted once is kept.
    pub(super) fn open_anyway(&mut self, kind: &TypeName, routes: &mut Routes) -> QueueNo {
        if let Some(queue) = self.by_type.get(kind) {
            return *queue;
        }
        let queue = self.kinds.len() as QueueNo;
        self.kinds.push(kind.clone());
        self.index.open();
        self.by_type.insert(kind.clone(), queue);
        routes.opened.push((queue, kind.clone()));
        queue
    }

    fn join(&mut self, peer: Peer, request: Request, types: Vec<TypeName>, routes: &mut Routes) {
        // All or none: a refused join must not leave empty queues behind.
        let new: HashSet<&TypeName> = types.iter().filter(|kind| !self.by_type.contains_key(kind)).collect();
        if self.by_type.len() + new.len() > self.limits.max_types {
            refuse(peer, request, Refusal::QueueFull, routes);
            return;
        }
        for kind in &types {
            let queue = self.open_anyway(kind, routes);
            let joined = &mut self.peers.entry(peer).or_default().joined;
            if let Err(place) = joined.binary_search(&queue) {
                joined.insert(place, queue);
            }
            self.send(peer, queue, Command::Join { request, types: Vec::new() }, routes);
        }
        routes.notices.push((peer, Notice::Done { request, lease_ms: 0 }));
    }

    fn leave(&mut self, peer: Peer, types: Vec<TypeName>, routes: &mut Routes) {
        for kind in types {
            if let Some(queue) = self.by_type.get(&kind).copied() {
                if let Some(standing) = self.peers.get_mut(&peer) {
                    strike(&mut standing.joined, queue);
                }
                self.send(peer, queue, Command::Leave { types: Vec::new() }, routes);
            }
        }
    }

    fn shelve(&mut self, peer: Peer, command: Command, routes: &mut Routes) {
        let (request, id) = match &command {
            Command::AnswerById { request, id, .. }
            | Command::Look { request, id }
            | Command::Watch { request, id }
            | Command::Manage { request, id, .. } => (*request, id.clone()),
            Command::Submit(_)
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::Ready { .. }
            | Command::Answer { .. }
            | Command::Unwatch { .. }
            | Command::Name { .. }
            | Command::Forget { .. } => unreachable!("only these are shelved"),
        };
        let candidates = self.index.ids.sequences_of(&id, self.next_sequence);
        routes.shelved.push(Shelved { peer, request, id, command, candidates });
    }

    /// Adds a command to the last batch for this queue and peer, or begins one.
    fn send(&mut self, peer: Peer, queue: QueueNo, command: Command, routes: &mut Routes) {
        self.introduce(peer, queue, routes);
        match routes.batches.last_mut() {
            Some((last, batch)) if *last == queue && batch.peer == peer => batch.commands.push(command),
            _ => routes.batches.push((queue, Batch { peer, commands: vec![command] })),
        }
    }

    /// Sees to it that a queue knows a peer.
    pub fn introduce(&mut self, peer: Peer, queue: QueueNo, routes: &mut Routes) {
        let known = &mut self.peers.entry(peer).or_default().known;
        if let Err(place) = known.binary_search(&queue) {
            known.insert(place, queue);
            routes.introductions.push((queue, peer));
        }
    }

    fn is_alive(&self, queue: QueueNo) -> bool {
        self.index.is_alive(queue)
    }
}

/// Takes a queue out of a sorted list; says whether it was there.
fn strike(queues: &mut Vec<QueueNo>, queue: QueueNo) -> bool {
    let place = queues.binary_search(&queue);
    place.map(|place| queues.remove(place)).is_ok()
}

fn refuse(peer: Peer, request: Request, refusal: Refusal, routes: &mut Routes) -> QueueNo {
    routes.notices.push((peer, Notice::Refused { request, refusal }));
    NOWHERE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::job::OnMasterGone;
    use crate::core::{Answer, Body, Policy, Receipt};

    const PEER: Peer = Peer(1);

    fn submit(request: Request, id: &str, kind: &str) -> Command {
        Command::Submit(Submission {
            request,
            id: JobId::from_text(id).unwrap(),
            kind: TypeName::from_text(kind).unwrap(),
            priority: 0,
            body: Body::from(&b"null"[..]),
            policy: Arc::new(Policy::transient(OnMasterGone::Drop)),
            delay_ms: 0,
            notify: true,
            watch: false,
            master: None,
            sequence: 0,
        })
    }

    fn route(router: &mut Router, commands: Vec<Command>) -> Routes {
        let mut routes = Routes::default();
        router.route(Batch { peer: PEER, commands }, &mut routes);
        routes
    }

    fn router(limits: Limits) -> Router {
        Router::new(Arc::new(limits))
    }

    #[test]
    fn a_batch_for_one_queue_goes_there_as_it_is() {
        let mut router = router(Limits::default());
        let routes = route(&mut router, vec![submit(0, "a", "t"), submit(1, "b", "t")]);
        assert_eq!(routes.opened.len(), 1);
        assert_eq!(routes.introductions, [(0, PEER)]);
        assert_eq!(routes.batches.len(), 1);
        assert_eq!(routes.batches[0].1.commands.len(), 2);
        assert!(route(&mut router, vec![submit(2, "c", "t")]).introductions.is_empty());
    }

    #[test]
    fn a_batch_for_several_queues_is_split_in_order() {
        let mut router = router(Limits::default());
        let routes = route(
            &mut router,
            vec![submit(0, "a", "t"), submit(1, "b", "u"), submit(2, "a", "u"), submit(3, "c", "u")],
        );
        let targets: Vec<(QueueNo, usize)> =
            routes.batches.iter().map(|(queue, batch)| (*queue, batch.commands.len())).collect();
        assert_eq!(targets, [(0, 1), (1, 2)]);
        assert_eq!(routes.notices, [(PEER, Notice::Refused { request: 2, refusal: Refusal::IdExists })]);
    }

    #[test]
    fn the_bounds_of_the_server_refuse_and_recover() {
        let mut router = router(Limits { max_jobs: 1, max_types: 1, ..Limits::default() });
        route(&mut router, vec![submit(0, "a", "t")]);
        let full = |request| (PEER, Notice::Refused { request, refusal: Refusal::QueueFull });
        assert_eq!(route(&mut router, vec![submit(1, "b", "t")]).notices, [full(1)]);
        let join = Command::Join { request: 2, types: vec![TypeName::from_text("u").unwrap()] };
        assert_eq!(route(&mut router, vec![join]).notices, [full(2)]);
        let bytes = router.load().1;
        router.hear(0, IdEvent::Freed { id: JobId::from_text("a").unwrap(), sequence: 1, bytes });
        assert_eq!(router.load(), (0, 0));
        assert_eq!(route(&mut router, vec![submit(3, "b", "t")]).batches.len(), 1);
        router.drain();
        let draining = (PEER, Notice::Refused { request: 4, refusal: Refusal::Draining });
        assert_eq!(route(&mut router, vec![submit(4, "c", "t")]).notices, [draining]);
    }

    /// The retry and the submit may be on their way to different queues: both granted, two live jobs would have one id.
    #[test]
    fn a_record_that_is_being_retried_gives_way_to_nobody() {
        let mut router = router(Limits::default());
        let id = JobId::from_text("a").unwrap();
        let exists = |request| [(PEER, Notice::Refused { request, refusal: Refusal::IdExists })];
        route(&mut router, vec![submit(0, "a", "t")]);
        router.hear(0, IdEvent::Ended { id: id.clone(), sequence: 1, gives_way: true, bytes: 0 });
        for request in [1, 2] {
            route(&mut router, vec![Command::Manage { request, id: id.clone(), deed: Deed::Retry }]);
        }
        assert_eq!(route(&mut router, vec![submit(3, "a", "u")]).notices, exists(3));
        router.hear(0, IdEvent::RetryDecided { id: id.clone() });
        assert_eq!(route(&mut router, vec![submit(4, "a", "u")]).notices, exists(4));
        router.hear(0, IdEvent::RetryDecided { id });
        assert!(route(&mut router, vec![submit(5, "a", "u")]).notices.is_empty());
    }

    #[test]
    fn a_taken_id_opens_no_queue() {
        let mut router = router(Limits::default());
        route(&mut router, vec![submit(0, "a", "t")]);
        let routes = route(&mut router, vec![submit(1, "a", "u")]);
        assert_eq!(routes.notices, [(PEER, Notice::Refused { request: 1, refusal: Refusal::IdExists })]);
        assert!(routes.opened.is_empty());
    }

    #[test]
    fn a_job_that_was_retried_while_its_record_went_keeps_its_id() {
        let mut router = router(Limits::default());
        let id = JobId::from_text("a").unwrap();
        let queue = router.adopt(&id, &TypeName::from_text("t").unwrap(), 1, 4, &mut Routes::default());
        router.hear(queue, IdEvent::Archived { id: id.clone(), sequence: 1, bytes: weight(&id, 4) });
        router.index.bring_back(&id, queue, 1, weight(&id, 4));
        router.archive_forgot(&id, 1);
        let exists = [(PEER, Notice::Refused { request: 1, refusal: Refusal::IdExists })];
        assert_eq!(route(&mut router, vec![submit(1, "a", "t")]).notices, exists);
        router.hear(queue, IdEvent::Archived { id: id.clone(), sequence: 1, bytes: weight(&id, 4) });
        router.archive_forgot(&id, 1);
        assert_eq!(router.load(), (0, 0));
    }

    /// No store should give back two jobs with one id; if one does, the second is counted as long as it is there.
    #[test]
    fn a_job_that_comes_back_holds_its_bytes_also_under_a_taken_id() {
        let mut router = router(Limits::default());
        let (id, kind) = (JobId::from_text("a").unwrap(), TypeName::from_text("t").unwrap());
        for sequence in [1, 2] {
            router.adopt(&id, &kind, sequence, 4, &mut Routes::default());
        }
        for sequence in [1, 2] {
            router.hear(0, IdEvent::Freed { id: id.clone(), sequence, bytes: weight(&id, 4) });
        }
        assert_eq!(router.load(), (0, 0));
    }

    #[test]
    fn a_dead_queue_frees_its_ids_and_its_receipts_are_stale() {
        let mut router = router(Limits::default());
        route(&mut router, vec![submit(0, "a", "t")]);
        assert_eq!(router.queue_died(0), [PEER]);
        assert_eq!(router.load(), (0, 0));
        let receipt = Receipt { queue: 0, key: 0, sequence: 1, delivery: 1 };
        let answer = Command::Answer { request: 1, receipt, answer: Answer::Release { delay_ms: 0 } };
        assert_eq!(
            route(&mut router, vec![answer]).notices,
            [(PEER, Notice::Refused { request: 1, refusal: Refusal::StaleReceipt })]
        );
        let again = route(&mut router, vec![submit(2, "a", "t")]);
        assert_eq!(again.opened, [(1, TypeName::from_text("t").unwrap())]);
        assert_eq!(again.introductions, [(1, PEER)]);
    }
}
