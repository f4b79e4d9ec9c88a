//! What people ask of the keeper, answered by a store in memory that can be full.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix::{Actor, Addr, AsyncContext};

use super::*;
use crate::actors::clock::Clock;
use crate::core::record::{Body, Outcome, PeerName, Progress, StoredJob, StoredState};
use crate::core::{Limits, Policy, Router, TypeName};
use crate::store::{Archived, Memory, Page, Query, Recalled, Recovered, Tally};

/// A store that has no room for anything new while it is told so.
struct Cramped {
    memory: Memory,
    is_full: Arc<AtomicBool>,
}

impl Store for Cramped {
    fn recover(&mut self, bodies_up_to: usize, each: &mut dyn FnMut(Recalled)) -> Result<Recovered, StoreError> {
        self.memory.recover(bodies_up_to, each)
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let is_new = |record: &Record| matches!(record, Record::Put(_) | Record::Note { value: Some(_), .. });
        if self.is_full.load(Ordering::Relaxed) && records.iter().any(is_new) {
            return Err(StoreError::Full("a test".into()));
        }
        self.memory.commit(records)
    }

    fn bodies(&mut self, sequences: &[u64]) -> Result<Vec<Body>, StoreError> {
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
fn keeper(records: &[Record]) -> (Addr<Keeper>, Arc<AtomicBool>) {
    let is_full = Arc::new(AtomicBool::new(false));
    let mut memory = Memory::default();
    memory.commit(records).unwrap();
    let store = Box::new(Cramped { memory, is_full: is_full.clone() });
    let mut keeper = None;
    Supervisor::create(|ctx| {
        let address = Keeper::new(store, Clock::start(), ctx.address()).start();
        keeper = Some(address.clone());
        Supervisor::new(Clock::start(), Router::new(Arc::new(Limits::default())), Vec::new(), Some(address))
    });
    (keeper.unwrap(), is_full)
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
    let (keeper, is_full) = keeper(&[]);
    assert_eq!(keeper.send(note("a", Some(b"1"))).await.unwrap(), Ok(()));
    is_full.store(true, Ordering::Relaxed);
    // All of them are in one turn: those who only remove get through.
    let both = KeepNotes { notes: vec![("a".into(), None), ("b".into(), Some(b"2".as_slice().into()))] };
    let (new, both, removal) =
        tokio::join!(keeper.send(note("c", Some(b"3"))), keeper.send(both), keeper.send(note("d", None)));
    assert_eq!((new.unwrap(), both.unwrap(), removal.unwrap()), (Err(NoRoom), Err(NoRoom), Ok(())));
    is_full.store(false, Ordering::Relaxed);
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
    let (keeper, is_full) = keeper(&jobs(8));
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

    is_full.store(true, Ordering::Relaxed);
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
