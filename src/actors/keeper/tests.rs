//! What people ask of the keeper, answered by a store in memory that can be full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use actix::{Actor, Addr, Arbiter, AsyncContext};
use actix_rt::ArbiterHandle;

use super::*;
use crate::actors::clock::Clock;
use crate::actors::inbox::Inbox;
use crate::actors::supervisor::{Letter, PeerCame, Survey};
use crate::actors::{Close, Contact, shelf};
use crate::core::record::{Body, Outcome, PeerName, Progress, StoredJob, StoredState};
use crate::core::{
    Answer, Batch, Command, Deed, Demand, Introduction, JobState, Limits, Notice, OnMasterGone, Peer, Policy, Receipt,
    Refusal, Request, Router, Submission, TypeName,
};
use crate::store::{Archived, Memory, Page, Query, Recalled, Recovered, Tally};

/// What a disk is told to be.
#[derive(Default)]
struct Disk {
    /// There is no room for anything new …
    is_full: AtomicBool,
    /// … or for anything.
    is_stuck: AtomicBool,
    /// A commit waits.
    is_slow: AtomicBool,
    commits: AtomicUsize,
}

/// A store on such a disk.
struct Cramped {
    memory: Memory,
    disk: Arc<Disk>,
}

impl Store for Cramped {
    fn recover(&mut self, bodies_up_to: usize, each: &mut dyn FnMut(Recalled)) -> Result<Recovered, StoreError> {
        self.memory.recover(bodies_up_to, each)
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let is_new = |record: &Record| matches!(record, Record::Put(_) | Record::Note { value: Some(_), .. });
        self.disk.commits.fetch_add(1, Ordering::Relaxed);
        while self.disk.is_slow.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        let is_stuck = self.disk.is_stuck.load(Ordering::Relaxed) && !records.is_empty();
        if is_stuck || self.disk.is_full.load(Ordering::Relaxed) && records.iter().any(is_new) {
            return Err(StoreError::Full("a test".into()));
        }
        self.memory.commit(records)
    }

    fn bodies(&mut self, sequences: &[u64]) -> Result<Vec<Option<Body>>, StoreError> {
        self.memory.bodies(sequences)
    }

    fn find(&mut self, sequence: u64) -> Result<Option<StoredJob>, StoreError> {
        self.memory.find(sequence)
    }

    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.memory.page(query)
    }

    fn tallies(&self) -> Vec<(TypeName, Tally)> {
        self.memory.tallies()
    }

    fn discard(&mut self, sequences: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.memory.discard(sequences)
    }

    fn tidy(&mut self, _: u64, _: usize) -> Result<Vec<Archived>, StoreError> {
        Ok(Vec::new())
    }

    fn bytes(&self) -> u64 {
        self.memory.bytes()
    }

    fn free_bytes(&self) -> Option<u64> {
        None
    }
}

/// A keeper of these records.
fn keeper(records: &[Record]) -> (Addr<Keeper>, Arc<Disk>) {
    let (keeper, _, _, disk) = keeper_on(&Arbiter::current(), records);
    (keeper, disk)
}

/// The same on the thread of this arbiter.
fn keeper_on(
    arbiter: &ArbiterHandle,
    records: &[Record],
) -> (Addr<Keeper>, Addr<Supervisor>, Arc<Inbox<Letter>>, Arc<Disk>) {
    let disk = Arc::new(Disk::default());
    let mut memory = Memory::default();
    memory.commit(records).unwrap();
    let store = Box::new(Cramped { memory, disk: disk.clone() });
    let (mut keeper, mut letters) = (None, None);
    let supervisor = Supervisor::create(|ctx| {
        let address = ctx.address();
        let address = Keeper::start_in_arbiter(arbiter, |_| Keeper::new(store, Clock::start(), address));
        keeper = Some(address.clone());
        let router = Router::new(Arc::new(Limits::default()));
        let supervisor = Supervisor::new(Clock::start(), router, Vec::new(), Some(address));
        letters = Some(supervisor.inbox());
        supervisor
    });
    (keeper.unwrap(), supervisor, letters.unwrap(), disk)
}

/// A job that has ended, if its number is odd.
fn job(sequence: u64) -> StoredJob {
    let finished = |outcome| StoredState::Finished { outcome, detail: None, at_ms: 1, forget_ms: u64::MAX };
    let state = match sequence % 4 {
        1 => finished(Outcome::Completed),
        3 => finished(Outcome::Failed),
        _ => StoredState::Queued,
    };
    StoredJob {
        sequence,
        id: JobId::from_text(&format!("job-{sequence}")).unwrap(),
        kind: TypeName::unnamed(),
        priority: 0,
        body: Body::from(format!("\"{}\"", "b".repeat(sequence as usize % 100)).into_bytes()),
        policy: Arc::new(Policy::durable()),
        created_ms: 1,
        born_ms: 1,
        master: PeerName::from("http:test"),
        progress: Progress { state, attempt: 0, deliveries: 0, priority: None, history: Vec::new() },
    }
}

fn jobs(count: u64) -> Vec<Record> {
    (1..=count).map(|sequence| Record::Put(Box::new(job(sequence)))).collect()
}

fn note(key: &str, value: Option<&[u8]>) -> KeepNotes {
    KeepNotes { notes: vec![(key.into(), value.map(Body::from))] }
}

/// A peer that submits jobs and works for them, one at a time. The keeper has a thread of its own.
struct Story {
    keeper: Addr<Keeper>,
    disk: Arc<Disk>,
    supervisor: Addr<Supervisor>,
    letters: Arc<Inbox<Letter>>,
    contact: Arc<Contact>,
    submitted: u64,
    heard: Vec<Notice>,
}

const PEER: Peer = Peer(1);

/// An actor that nobody needs.
struct Nobody;

impl Actor for Nobody {
    type Context = Context<Self>;
}

impl Handler<Close> for Nobody {
    type Result = ();

    fn handle(&mut self, _: Close, _: &mut Self::Context) {}
}

impl Story {
    fn begin() -> Story {
        let (keeper, supervisor, letters, disk) = keeper_on(&Arbiter::new().handle(), &[]);
        let contact = Arc::new(Contact { notices: Inbox::new(&shelf::NOTICES), close: Nobody.start().recipient() });
        let who =
            Introduction { name: "w".into(), demand: Arc::new(Demand::new(1)), lease_ms: 60_000, outlives: false };
        letters.put(Letter::Came(Box::new(PeerCame { peer: PEER, who, address: None, contact: contact.clone() })));
        let story = Story { keeper, disk, supervisor, letters, contact, submitted: 0, heard: Vec::new() };
        story.say(Command::Join { request: 0, types: vec![TypeName::unnamed()] });
        story
    }

    fn say(&self, command: Command) {
        self.letters.put(Letter::Asks(Batch { peer: PEER, commands: vec![command] }));
    }

    /// Submits the next durable job, with its number as the number of the request.
    fn submit(&mut self) {
        self.submitted += 1;
        let job = job(self.submitted);
        self.say(Command::Submit(Submission {
            request: self.submitted,
            id: job.id,
            kind: job.kind,
            priority: 0,
            body: job.body,
            policy: Arc::new(Policy { on_master_gone: OnMasterGone::Keep, ..Policy::durable() }),
            delay_ms: 0,
            notify: true,
            watch: false,
            master: None,
            sequence: 0,
        }));
    }

    fn complete(&self, request: Request, receipt: Receipt) {
        self.say(Command::Answer { request, receipt, answer: Answer::Complete(b"1".as_slice().into()) });
    }

    /// Waits for such a word; others may be heard before.
    async fn hear(&mut self, is_such: impl Fn(&Notice) -> bool) -> Notice {
        let begin = Instant::now();
        loop {
            self.heard.extend(self.contact.notices.take().into_iter().map(|(_, notice)| notice));
            if let Some(place) = self.heard.iter().position(&is_such) {
                return self.heard.remove(place);
            }
            assert!(begin.elapsed() < Duration::from_secs(10), "it waits for more than {:?}", self.heard);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn hear_this(&mut self, notice: Notice) {
        self.hear(|heard| *heard == notice).await;
    }

    async fn receipt(&mut self) -> Receipt {
        match self.hear(|notice| matches!(notice, Notice::Assigned(_))).await {
            Notice::Assigned(assignment) => assignment.receipt,
            other => unreachable!("{other:?} is no job"),
        }
    }
}

fn no_room(request: Request) -> Notice {
    Notice::Refused { request, refusal: Refusal::DiskFull }
}

fn done(request: Request) -> Notice {
    Notice::Done { request, lease_ms: 0 }
}

/// Its worker is faster than the disk: the end of a job is on its way when the job is refused.
#[actix::test]
async fn what_became_of_a_refused_job_is_refused_with_it() {
    let mut story = Story::begin();
    story.disk.is_full.store(true, Ordering::Relaxed);
    story.disk.is_slow.store(true, Ordering::Relaxed);
    story.submit();
    let receipt = story.receipt().await;
    story.complete(10, receipt);
    story.supervisor.send(Survey).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    story.disk.is_slow.store(false, Ordering::Relaxed);
    story.hear_this(no_room(1)).await;
    story.hear_this(no_room(10)).await;

    story.disk.is_full.store(false, Ordering::Relaxed);
    assert_eq!(story.keeper.send(Unearth { sequences: vec![1] }).await.unwrap(), [None]);
    story.submit();
    story.hear_this(done(2)).await;
    assert!(story.keeper.send(Unearth { sequences: vec![2] }).await.unwrap()[0].is_some());
    assert!(!story.heard.iter().any(|notice| matches!(notice, Notice::Ended { .. })), "{:?}", story.heard);
}

/// While even the end of a job has no room it is tried again now and then, and nobody who submits waits for that.
#[actix::test]
async fn submits_are_refused_at_once_while_nothing_has_room() {
    let mut story = Story::begin();
    story.submit();
    let receipt = story.receipt().await;
    story.hear_this(done(1)).await;
    story.disk.is_stuck.store(true, Ordering::Relaxed);
    story.complete(10, receipt);
    let before = story.disk.commits.load(Ordering::Relaxed);
    for number in 2..100 {
        story.submit();
        story.hear_this(no_room(number)).await;
    }
    let tried = story.disk.commits.load(Ordering::Relaxed) - before;
    assert!(tried <= 8, "it was tried {tried} times");
    assert!(!story.heard.contains(&done(10)));
    story.disk.is_stuck.store(false, Ordering::Relaxed);
    story.hear_this(done(10)).await;
}

/// The index says that the job has ended, the disk doesn't yet: who asks is answered, and nobody is asked without end.
#[actix::test]
async fn a_job_whose_end_has_no_room_is_as_the_disk_has_it() {
    let mut story = Story::begin();
    story.submit();
    let (id, receipt) = (job(1).id, story.receipt().await);
    story.hear_this(done(1)).await;
    story.disk.is_stuck.store(true, Ordering::Relaxed);
    story.complete(10, receipt);
    // At first its queue knows it.
    for request in 100.. {
        story.say(Command::Manage { request, id: id.clone(), deed: Deed::Retry });
        if story.hear(|notice| matches!(notice, Notice::Refused { .. })).await == no_room(request) {
            break;
        }
    }
    let before = story.disk.commits.load(Ordering::Relaxed);
    story.say(Command::Look { request: 20, id: id.clone() });
    let looked = story.hear(|notice| matches!(notice, Notice::Report { request: 20, .. })).await;
    let Notice::Report { report, .. } = looked else { unreachable!("it was looked for") };
    assert_eq!(report.state(), JobState::Running);
    story.say(Command::Watch { request: 21, id });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let tried = story.disk.commits.load(Ordering::Relaxed) - before;
    assert!(tried <= 4, "it was tried {tried} times");
    assert!(!story.heard.contains(&done(10)));
    story.disk.is_stuck.store(false, Ordering::Relaxed);
    story.hear_this(done(10)).await;
    let watched = story.hear(|notice| matches!(notice, Notice::Report { request: 21, .. })).await;
    let Notice::Report { report, .. } = watched else { unreachable!("it was looked for") };
    assert_eq!(report.state(), JobState::Completed);
}

#[actix::test]
async fn jobs_are_looked_up_in_the_order_asked() {
    let (keeper, _) = keeper(&jobs(100));
    let sequences: Vec<u64> = (1..=100).rev().chain([7, 101]).collect();
    let found = keeper.send(Unearth { sequences: sequences.clone() }).await.unwrap();
    let expected: Vec<Option<StoredJob>> =
        sequences.iter().map(|sequence| (*sequence <= 100).then(|| job(*sequence))).collect();
    assert_eq!(found, expected);
    assert_eq!(keeper.send(Unearth { sequences: Vec::new() }).await.unwrap(), []);
}

/// Though it is looked for in pieces, a page is what the store would have given at once.
#[actix::test]
async fn a_page_that_was_dug_in_pieces_is_whole() {
    let records = jobs(2_000);
    let (keeper, _) = keeper(&records);
    let mut memory = Memory::default();
    memory.commit(&records).unwrap();
    let all = Query { limit: 10_000, look_at: 10_000, bytes: usize::MAX, ..Query::default() };
    let queries = [
        all.clone(),
        Query { limit: 333, ..all.clone() },
        Query { look_at: 500, before: Some(1_500), ..all.clone() },
        Query { look_at: 128, ..all.clone() },
        Query { outcome: Some(Outcome::Failed), ..all.clone() },
        Query { text: Some("job-7".into()), ..all.clone() },
        Query { text: Some("job-7".into()), limit: 5, look_at: 400, ..all.clone() },
        Query { text: Some("nowhere".into()), look_at: 700, ..all.clone() },
        Query { look_at_bytes: 9_999, ..all.clone() },
        Query { limit: 0, ..all.clone() },
        Query { look_at: 0, ..all.clone() },
    ];
    for query in queries {
        let expected = memory.page(&query).unwrap();
        assert_eq!(keeper.send(Dig { query: query.clone() }).await.unwrap(), expected, "{query:?}");
    }
    // Page by page, however long their jobs are, everything is seen once.
    let mut query = Query { bytes: 5_000, ..all.clone() };
    let mut seen = Vec::new();
    loop {
        let page = keeper.send(Dig { query: query.clone() }).await.unwrap();
        assert!(page.jobs.iter().map(crate::store::weight).sum::<usize>() <= 5_000 || page.jobs.len() == 1);
        seen.extend(page.jobs);
        query.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, memory.page(&all).unwrap().jobs);
}

#[actix::test]
async fn only_finished_jobs_are_discarded() {
    let (keeper, _) = keeper(&jobs(1_200));
    let named: Vec<(JobId, u64)> = (1..=1_300).map(|sequence| (job(sequence).id, sequence)).collect();
    assert_eq!(keeper.send(Discard { jobs: named.clone() }).await.unwrap(), Ok(600));
    assert_eq!(keeper.send(Discard { jobs: named }).await.unwrap(), Ok(0));
    let found = keeper.send(Unearth { sequences: vec![1, 2, 3, 1_200] }).await.unwrap();
    assert!(found.iter().map(Option::is_some).eq([false, true, false, true]));
}

#[actix::test]
async fn notes_are_refused_where_there_is_no_room() {
    let (keeper, disk) = keeper(&[]);
    assert_eq!(keeper.send(note("a", Some(b"1"))).await.unwrap(), Ok(()));
    disk.is_full.store(true, Ordering::Relaxed);
    // All of them are in one turn: those who only remove get through.
    let both = KeepNotes { notes: vec![("a".into(), None), ("b".into(), Some(b"2".as_slice().into()))] };
    let (new, both, removal) =
        tokio::join!(keeper.send(note("c", Some(b"3"))), keeper.send(both), keeper.send(note("d", None)));
    assert_eq!((new.unwrap(), both.unwrap(), removal.unwrap()), (Err(NoRoom), Err(NoRoom), Ok(())));
    disk.is_full.store(false, Ordering::Relaxed);
    assert_eq!(keeper.send(note("e", Some(b"5"))).await.unwrap(), Ok(()));
    let notes = keeper.send(Recollect).await.unwrap();
    assert_eq!(notes, [("a".into(), b"1".as_slice().into()), ("e".into(), b"5".as_slice().into())]);
}

#[actix::test]
async fn who_asks_a_keeper_that_closes_hears_that() {
    let (keeper, _) = keeper(&jobs(10));
    let asked = keeper.send(Dig { query: Query::default() });
    let (closed, asked, kept) = tokio::join!(keeper.send(CloseStore), asked, keeper.send(note("a", None)));
    closed.unwrap();
    assert!(asked.is_err() && kept.is_err());
}

#[actix::test]
async fn figures_are_those_of_the_store() {
    let (keeper, disk) = keeper(&jobs(8));
    let mut watched = keeper.send(WatchFigures).await.unwrap();
    assert_eq!(*watched.borrow_and_update(), StoreFigures::default());
    for number in 0..3 {
        keeper.send(note(&format!("{number}"), Some(b"1"))).await.unwrap().unwrap();
    }
    let figures = keeper.send(Figures).await.unwrap();
    assert_eq!((figures.commits, figures.records, figures.is_full), (3, 3, false));
    assert_eq!((figures.commit.count, figures.committed.count), (3, 3));
    assert!(figures.last_commit_us <= figures.longest_commit_us && figures.commit.p50 <= figures.commit.p99);
    assert!(watched.has_changed().unwrap());
    assert_eq!(*watched.borrow_and_update(), figures);

    disk.is_full.store(true, Ordering::Relaxed);
    assert_eq!(keeper.send(note("a", Some(b"1"))).await.unwrap(), Err(NoRoom));
    // Nobody asks now: it is published by itself.
    tokio::time::timeout(Duration::from_secs(10), watched.wait_for(|figures| figures.is_full)).await.unwrap().unwrap();
    assert_eq!(keeper.send(Figures).await.unwrap().commits, 3);

    let tally = Tally { completed: 2, failed: 2, ..Tally::default() };
    assert_eq!(keeper.send(Tallies).await.unwrap(), [(TypeName::unnamed(), tally)]);
}

/// Every note.
#[derive(Message)]
#[rtype(result = "Vec<(Arc<str>, Body)>")]
struct Recollect;

impl Handler<Recollect> for Keeper {
    type Result = MessageResult<Recollect>;

    fn handle(&mut self, _: Recollect, _: &mut Self::Context) -> Self::Result {
        let mut notes = Vec::new();
        let store = self.store.as_mut().unwrap();
        let mut each = |recalled| match recalled {
            Recalled::Note { key, value } => notes.push((key, value)),
            Recalled::Live { .. } | Recalled::Archived(_) => {}
        };
        store.recover(0, &mut each).unwrap();
        MessageResult(notes)
    }
}
