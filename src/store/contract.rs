//! The contract suite: every engine passes all of it. `Memory` is the model that the others are compared with.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;

use super::sqlite::{Options, Sqlite};
use super::{Archived, Memory, Page, Query, Recalled, Recovered, Store, StoreError, Tally};
use crate::core::record::{AttemptEnd, Body, JobId, OnMasterGone, Outcome, PeerName, Policy, TypeName};
use crate::core::record::{Progress, Record, StoredAttempt, StoredJob, StoredState};

/// A folder of its own, gone with it.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("procession-store-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        // A commit waits for the disk, and most of these tests are not about disks.
        let memory = Path::new("/dev/shm");
        let path = if memory.is_dir() { memory.join(name) } else { std::env::temp_dir().join(name) };
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Small sizes, so that little work reaches every branch.
pub(super) const SMALL: Options = Options { reserve_bytes: 0, idle_log_bytes: 64 << 10, busy_log_bytes: 256 << 10 };

type Open = fn(&Path) -> Box<dyn Store>;

/// An engine under test.
struct Engine {
    name: &'static str,
    store: Option<Box<dyn Store>>,
    /// How it comes back after a stop; none where nothing outlives it.
    reopen: Option<Open>,
    scratch: Scratch,
}

impl Engine {
    fn all() -> Vec<Engine> {
        let durable = |name, reopen: Open| {
            let scratch = Scratch::new();
            Engine { name, store: Some(reopen(&scratch.path().join("jobs"))), reopen: Some(reopen), scratch }
        };
        vec![
            Engine { name: "memory", store: Some(Box::new(Memory::default())), reopen: None, scratch: Scratch::new() },
            durable("sqlite", |path| Box::new(Sqlite::open(path, SMALL).unwrap())),
        ]
    }

    fn store(&mut self) -> &mut dyn Store {
        &mut **self.store.as_mut().unwrap()
    }

    /// Stops it and starts it again.
    fn restart(&mut self) {
        if let Some(reopen) = self.reopen {
            self.store = None;
            self.store = Some(reopen(&self.scratch.path().join("jobs")));
        }
    }

    fn commit(&mut self, records: &[Record]) {
        self.store().commit(records).unwrap();
    }
}

/// Everything that `store` keeps.
pub(super) fn recall(store: &mut dyn Store, bodies_up_to: usize) -> (Recovered, Vec<Recalled>) {
    let mut all = Vec::new();
    let found = store.recover(bodies_up_to, &mut |recalled| all.push(recalled)).unwrap();
    (found, all)
}

/// How many jobs have ended, by type.
fn tallies(store: &mut dyn Store) -> Vec<(String, Tally)> {
    let mut tallies: Vec<(String, Tally)> =
        store.tallies().into_iter().map(|(kind, tally)| (kind.to_string(), tally)).collect();
    tallies.sort_by(|(one, _), (other, _)| one.cmp(other));
    tallies
}

/// A durable job that waits.
pub(super) fn job(sequence: u64, body: &str) -> StoredJob {
    StoredJob {
        sequence,
        id: JobId::from_text(&format!("job-{sequence}")).unwrap(),
        kind: TypeName::from_text("thumbnail").unwrap(),
        priority: 0,
        body: body.as_bytes().into(),
        policy: Arc::new(Policy::durable()),
        created_ms: 1_790_000_000_000 + sequence,
        born_ms: 1_790_000_000_000 + sequence,
        master: "deputy:127.0.0.1:4711".into(),
        progress: Progress {
            state: StoredState::Queued,
            attempt: 0,
            deliveries: 0,
            priority: None,
            history: Vec::new(),
        },
    }
}

pub(super) fn put(job: StoredJob) -> Record {
    Record::Put(Box::new(job))
}

pub(super) fn running(sequence: u64) -> Record {
    let state = StoredState::Running { worker: "w1".into(), started_ms: 1_790_000_000_500, lease_ms: None };
    Record::Change {
        sequence,
        progress: Progress { state, attempt: 1, deliveries: 1, priority: None, history: Vec::new() },
    }
}

pub(super) fn finished(sequence: u64, outcome: Outcome, forget_ms: u64) -> Record {
    let detail = (outcome == Outcome::Completed).then(|| Body::from(b"{\"ok\":true}".as_slice()));
    let state = StoredState::Finished { outcome, detail, at_ms: 1_790_000_001_000, forget_ms };
    Record::Change {
        sequence,
        progress: Progress { state, attempt: 1, deliveries: 1, priority: None, history: Vec::new() },
    }
}

pub(super) fn note(key: &str, value: Option<&str>) -> Record {
    Record::Note { key: key.into(), value: value.map(|value| value.as_bytes().into()) }
}

/// The notes among what was recalled.
pub(super) fn notes(all: &[Recalled]) -> Vec<(&str, &[u8])> {
    all.iter().filter_map(as_note).collect()
}

fn as_note(recalled: &Recalled) -> Option<(&str, &[u8])> {
    match recalled {
        Recalled::Note { key, value } => Some((key, value)),
        Recalled::Live { .. } | Recalled::Archived(_) => None,
    }
}

const ALL: Query = Query {
    kind: None,
    outcome: None,
    text: None,
    before: None,
    limit: 100,
    look_at: 1000,
    look_at_bytes: 1 << 20,
    bytes: 1 << 20,
};

fn sequences(page: &Page) -> Vec<u64> {
    page.jobs.iter().map(|job| job.sequence).collect()
}

#[test]
fn nothing_is_kept_at_first() {
    for mut engine in Engine::all() {
        let (found, all) = recall(engine.store(), usize::MAX);
        assert_eq!(found, Recovered { next_sequence: 1, ..Recovered::default() }, "{}", engine.name);
        assert_eq!(all, [], "{}", engine.name);
        assert_eq!(engine.store().page(&ALL).unwrap(), Page::default());
        assert_eq!(engine.store().tidy(u64::MAX, 10).unwrap(), []);
        assert_eq!(engine.store().find(1).unwrap(), None);
    }
}

#[test]
fn a_job_lives_and_ends() {
    for mut engine in Engine::all() {
        engine.commit(&[put(job(7, "1")), put(job(9, "2"))]);
        engine.commit(&[running(7)]);
        engine.commit(&[finished(7, Outcome::Completed, 2_000_000_000_000)]);
        engine.restart();
        let (found, all) = recall(engine.store(), usize::MAX);
        assert_eq!(found, Recovered { next_sequence: 10, live: 1, archived: 1, ..Recovered::default() });
        let id = |text| JobId::from_text(text).unwrap();
        let kind = TypeName::from_text("thumbnail").unwrap();
        let ended = Archived { id: id("job-7"), sequence: 7, kind, outcome: Outcome::Completed };
        let live = Recalled::Live { job: Box::new(job(9, "2")), body_bytes: 1 };
        assert_eq!(all, [Recalled::Archived(ended.clone()), live], "{}", engine.name);
        assert_eq!(engine.store().find(7).unwrap().unwrap().id, id("job-7"));
        assert_eq!(sequences(&engine.store().page(&ALL).unwrap()), [7]);

        assert_eq!(engine.store().tidy(1_999_999_999_999, 10).unwrap(), []);
        assert_eq!(engine.store().tidy(2_000_000_000_000, 10).unwrap(), [ended]);
        engine.commit(&[Record::Remove { sequence: 9 }]);
        engine.restart();
        // Numbers are never used twice, also when nothing is left.
        assert_eq!(
            recall(engine.store(), 0).0,
            Recovered { next_sequence: 10, ..Recovered::default() },
            "{}",
            engine.name
        );
    }
}

#[test]
fn the_last_word_on_a_job_holds() {
    for mut engine in Engine::all() {
        engine.commit(&[put(job(1, "1")), running(1), finished(1, Outcome::Failed, 5)]);
        engine.commit(&[put(job(2, "2")), Record::Remove { sequence: 2 }]);
        engine.commit(&[Record::Remove { sequence: 77 }]);
        engine.restart();
        let (found, _) = recall(engine.store(), 0);
        assert_eq!(
            found,
            Recovered { next_sequence: 3, live: 0, archived: 1, ..Recovered::default() },
            "{}",
            engine.name
        );
        // Out of the archive, back into it, and away.
        engine.commit(&[put(job(1, "1"))]);
        assert_eq!(recall(engine.store(), 0).0.live, 1);
        engine.commit(&[running(1), finished(1, Outcome::Cancelled, 5)]);
        engine.commit(&[put(job(1, "1")), Record::Remove { sequence: 1 }]);
        engine.restart();
        assert_eq!(
            recall(engine.store(), 0).0,
            Recovered { next_sequence: 3, ..Recovered::default() },
            "{}",
            engine.name
        );
    }
}

#[test]
fn a_change_of_an_unknown_job_is_damage() {
    for mut engine in Engine::all() {
        let error = engine.store().commit(&[running(5)]).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{}: {error}", engine.name);
    }
}

#[test]
fn bodies_can_stay_where_they_are() {
    for mut engine in Engine::all() {
        let sizes = [1, 100, 2_048, 2_049, 5_000, 300_000];
        let body = |size: usize| "x".repeat(size);
        let puts: Vec<_> = sizes.iter().zip(1..).map(|(size, sequence)| put(job(sequence, &body(*size)))).collect();
        engine.commit(&puts);
        engine.restart();
        for limit in [0, 100, 2_048, 5_000, usize::MAX] {
            let (_, all) = recall(engine.store(), limit);
            for (recalled, size) in all.iter().zip(sizes) {
                let Recalled::Live { job, body_bytes } = recalled else { panic!("{recalled:?}") };
                assert_eq!(*body_bytes, size);
                assert_eq!(job.body.len(), if size > limit { 0 } else { size }, "{}: {size} of {limit}", engine.name);
            }
        }
        let bodies = engine.store().bodies(&[6, 7, 1, 4]).unwrap();
        let lengths = bodies.iter().map(|body| body.as_ref().map(|body| body.len()));
        assert!(lengths.eq([Some(300_000), None, Some(1), Some(2_049)]), "{}", engine.name);
        // A long body goes with its job.
        engine.commit(&[finished(6, Outcome::Completed, 1), Record::Remove { sequence: 5 }]);
        assert_eq!(engine.store().find(6).unwrap().unwrap().body.len(), 300_000);
        engine.store().tidy(1, 10).unwrap();
        engine.restart();
        assert_eq!(recall(engine.store(), 0).0.live, 4, "{}", engine.name);
    }
}

#[test]
fn notes_are_kept_beside_the_jobs() {
    for mut engine in Engine::all() {
        engine.commit(&[note("paused/b", Some("true")), put(job(1, "1")), note("paused/a", Some("1"))]);
        engine.commit(&[note("paused/b", Some("")), note("gone", None), running(1)]);
        engine.restart();
        let (found, all) = recall(engine.store(), 0);
        assert_eq!(found, Recovered { next_sequence: 2, live: 1, notes: 2, ..Recovered::default() }, "{}", engine.name);
        assert_eq!(notes(&all), [("paused/a", b"1".as_slice()), ("paused/b", b"")]);
        // The last word on a key holds, also within a batch.
        let long = "n".repeat(20_000);
        engine.commit(&[note("paused/a", None), note("c", Some("1")), note("c", None), note("paused/a", Some(&long))]);
        engine.commit(&[note("paused/b", None)]);
        engine.restart();
        let (found, all) = recall(engine.store(), 0);
        assert_eq!((notes(&all), found.notes), (vec![("paused/a", long.as_bytes())], 1), "{}", engine.name);
        engine.commit(&[note("paused/a", None), Record::Remove { sequence: 1 }]);
        engine.restart();
        let nothing = Recovered { next_sequence: 2, ..Recovered::default() };
        assert_eq!(recall(engine.store(), 0), (nothing, Vec::new()), "{}", engine.name);
    }
}

#[test]
fn only_finished_jobs_are_discarded() {
    for mut engine in Engine::all() {
        let puts: Vec<_> = (1..=6).map(|sequence| put(job(sequence, &"b".repeat(3_000)))).collect();
        engine.commit(&puts);
        let ends: Vec<_> = [2, 3, 5].map(|sequence| finished(sequence, Outcome::Failed, 100)).into();
        engine.commit(&ends);
        assert_eq!(engine.store().discard(&[]).unwrap(), [0; 0]);
        assert_eq!(engine.store().discard(&[5, 1, 77, 2, 5]).unwrap(), [5, 2], "{}", engine.name);
        assert_eq!(engine.store().discard(&[5, 1, 77, 2]).unwrap(), [0; 0]);
        engine.restart();
        let (found, _) = recall(engine.store(), 0);
        assert_eq!((found.live, found.archived), (3, 1), "{}", engine.name);
        assert_eq!(sequences(&engine.store().page(&ALL).unwrap()), [3]);
    }
}

#[test]
fn pages_are_filtered_and_bounded() {
    for mut engine in Engine::all() {
        let outcomes = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired];
        for sequence in 1..=40 {
            let body = format!("\"Grüße an {sequence}\"");
            let kind = TypeName::from_text(if sequence % 2 == 0 { "even" } else { "odd" }).unwrap();
            engine.commit(&[put(StoredJob { kind, ..job(sequence, &body) })]);
            if sequence <= 32 {
                engine.commit(&[finished(sequence, outcomes[sequence as usize % 4], 1)]);
            }
        }
        let mut page = |query: Query| engine.store().page(&query).unwrap();
        assert!(sequences(&page(ALL)).into_iter().eq((1..=32).rev()));
        let first = page(Query { limit: 3, ..ALL });
        assert_eq!((sequences(&first), first.next), (vec![32, 31, 30], Some(30)));
        assert_eq!(sequences(&page(Query { limit: 3, before: first.next, ..ALL })), [29, 28, 27]);
        let last = page(Query { before: Some(3), ..ALL });
        assert_eq!((sequences(&last), last.next), (vec![2, 1], None));
        let kind = TypeName::from_text("odd").unwrap();
        assert_eq!(sequences(&page(Query { kind: Some(kind), limit: 2, ..ALL })), [31, 29]);
        assert_eq!(sequences(&page(Query { outcome: Some(Outcome::Failed), limit: 2, ..ALL })), [29, 25]);
        for (text, found) in [
            ("Grüße an 17", vec![17]),
            ("job-5", vec![5]),
            ("\"ok\":true", vec![32, 28, 24, 20, 16, 12, 8, 4]),
            ("nowhere", vec![]),
        ] {
            assert_eq!(sequences(&page(Query { text: Some(text.into()), ..ALL })), found);
        }
        let nowhere = || Some("job-1\u{0}".into());
        let looking = page(Query { text: nowhere(), look_at: 5, ..ALL });
        assert_eq!((looking.looked_at, looking.next, looking.jobs.len(), looking.total), (5, Some(28), 0, 32));
        // Of two jobs, one with a result.
        let bytes = 2 * "\"Grüße an 17\"".len() + "{\"ok\":true}".len();
        let looking = page(Query { text: nowhere(), look_at_bytes: bytes, ..ALL });
        assert_eq!((looking.looked_at, looking.looked_at_bytes, looking.next), (2, bytes, Some(31)));
        assert_eq!(page(Query { text: nowhere(), look_at_bytes: 0, ..ALL }).looked_at, 1);
        let size = "\"Grüße an 17\"".len();
        assert_eq!(sequences(&page(Query { bytes: 2 * size, outcome: Some(Outcome::Failed), ..ALL })), [29, 25]);
        assert_eq!(sequences(&page(Query { bytes: 0, ..ALL })), [32]);
    }
}

/// Wherever it is: in the id, the type, the master's name, a worker's, an error, the result, the body, be it long or short.
#[test]
fn a_text_is_found_wherever_it_is() {
    for mut engine in Engine::all() {
        let attempt = StoredAttempt {
            number: 1,
            worker: "native:needle-in-a-worker".into(),
            started_ms: 1,
            ended_ms: 2,
            end: AttemptEnd::Failed,
            error: Some(b"\"needle in an error\"".as_slice().into()),
        };
        let end = |sequence, history, detail: &str| {
            let detail = Some(detail.as_bytes().into());
            let state = StoredState::Finished { outcome: Outcome::Failed, detail, at_ms: 1, forget_ms: u64::MAX };
            let progress = Progress { state, attempt: 1, deliveries: 1, priority: None, history };
            Record::Change { sequence, progress }
        };
        let id = JobId::from_text("needle-in-an-id").unwrap();
        let kind = TypeName::from_text("needle-in-a-type").unwrap();
        engine.commit(&[
            put(StoredJob { id, ..job(1, "1") }),
            put(StoredJob { kind, ..job(2, "2") }),
            put(job(3, "3")),
            put(job(4, "4")),
            put(job(5, "\"needle in a body: \\u00e9, é\"")),
            put(StoredJob { master: "http:needle-of-a-master".into(), ..job(7, "7") }),
            put(job(6, &format!("\"{}needle in a long body\"", "x".repeat(9_000)))),
        ]);
        engine.commit(&[
            end(1, vec![], "0"),
            end(2, vec![], "0"),
            end(3, vec![attempt], "0"),
            end(4, vec![], "\"needle in a result\""),
            end(5, vec![], "0"),
            end(6, vec![], "0"),
            end(7, vec![], "0"),
        ]);
        let mut find = |text: &str| sequences(&engine.store().page(&Query { text: Some(text.into()), ..ALL }).unwrap());
        for (text, found) in [
            ("", vec![7, 6, 5, 4, 3, 2, 1]),
            ("needle", vec![7, 6, 5, 4, 3, 2, 1]),
            ("needle-of-a-master", vec![7]),
            ("needle-in-an-id", vec![1]),
            ("needle-in-a-type", vec![2]),
            ("needle-in-a-worker", vec![3]),
            ("needle in an error", vec![3]),
            ("needle in a result", vec![4]),
            ("needle in a body: \\u00e9, é", vec![5]),
            ("needle in a long body", vec![6]),
            ("Needle", vec![]),
            // The bytes between two texts are none.
            ("worker\u{1}", vec![]),
        ] {
            assert_eq!(find(text), found, "{text}");
        }
    }
}

#[test]
fn finished_jobs_are_counted() {
    for mut engine in Engine::all() {
        let kind = |name: &str| TypeName::from_text(name).unwrap();
        let puts: Vec<_> = (1..=9).map(|sequence| put(StoredJob { kind: kind("a"), ..job(sequence, "1") })).collect();
        engine.commit(&puts);
        engine.commit(&[put(StoredJob { kind: kind("b"), ..job(10, "1") }), finished(10, Outcome::Expired, 9)]);
        let outcomes = [Outcome::Completed, Outcome::Failed, Outcome::Failed, Outcome::Cancelled];
        let ends: Vec<_> = (1..).zip(outcomes).map(|(sequence, outcome)| finished(sequence, outcome, 9)).collect();
        engine.commit(&ends);
        for _ in 0..2 {
            let a = Tally { completed: 1, failed: 2, cancelled: 1, expired: 0 };
            let b = Tally { expired: 1, ..Tally::default() };
            assert_eq!(tallies(engine.store()), [("a".into(), a), ("b".into(), b)], "{}", engine.name);
            let mut total = |kind, outcome| engine.store().page(&Query { kind, outcome, ..ALL }).unwrap().total;
            assert_eq!(total(None, None), 5);
            assert_eq!(total(Some(kind("a")), None), 4);
            assert_eq!(total(Some(kind("a")), Some(Outcome::Failed)), 2);
            assert_eq!(total(Some(kind("c")), Some(Outcome::Failed)), 0);
            engine.restart();
            recall(engine.store(), 0);
        }
        // Away, live again, away for good.
        engine.store().discard(&[2]).unwrap();
        engine.commit(&[put(StoredJob { kind: kind("a"), ..job(3, "1") }), Record::Remove { sequence: 1 }]);
        let a = Tally { cancelled: 1, ..Tally::default() };
        assert_eq!(tallies(engine.store())[0], ("a".into(), a), "{}", engine.name);
        engine.store().tidy(9, 10).unwrap();
        assert_eq!(tallies(engine.store()), [], "{}", engine.name);
    }
}

#[test]
fn tidying_is_bounded_and_oldest_first() {
    for mut engine in Engine::all() {
        let puts: Vec<_> = (1..=10).map(|sequence| put(job(sequence, "1"))).collect();
        engine.commit(&puts);
        let ends: Vec<_> = (1..=9).map(|sequence| finished(sequence, Outcome::Completed, 100 - sequence)).collect();
        engine.commit(&ends);
        let mut tidy = |now_ms, most| -> Vec<u64> {
            engine.store().tidy(now_ms, most).unwrap().iter().map(|archived| archived.sequence).collect()
        };
        assert_eq!(tidy(90, 10), Vec::<u64>::new());
        assert_eq!(tidy(95, 3), [9, 8, 7]);
        assert_eq!(tidy(95, 3), [6, 5]);
        assert_eq!(tidy(u64::MAX, usize::MAX), [4, 3, 2, 1]);
        assert_eq!(recall(engine.store(), 0).0.live, 1, "{}", engine.name);
    }
}

/// What may happen to a store.
#[derive(Clone, Debug)]
enum Deed {
    Put(Box<StoredJob>),
    /// Out of the archive, or simply again.
    PutAgain(Index, Progress),
    Change(Index, Progress),
    Remove(Index),
    Note(String, Option<Body>),
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<Deed>),
    Tidy(u64, usize),
    Discard(Vec<Index>),
    Page(Query),
    Restart,
}

/// Does it to the model and to the engines, and compares.
fn play(steps: Vec<Step>) {
    let mut engines = Engine::all();
    let mut next_sequence = 1;
    for step in steps {
        let is_restart = matches!(step, Step::Restart);
        match step {
            Step::Commit(deeds) => {
                let known: Vec<u64> = known(engines[0].store());
                let records = records(deeds, &known, &mut next_sequence);
                engines.iter_mut().for_each(|engine| engine.commit(&records));
            }
            Step::Tidy(now_ms, most) => same(&mut engines, |store| store.tidy(now_ms, most).unwrap()),
            Step::Discard(indices) => {
                let known = known(engines[0].store());
                let picked: Vec<u64> = indices.iter().filter(|_| !known.is_empty()).map(|i| *i.get(&known)).collect();
                same(&mut engines, |store| store.discard(&picked).unwrap());
            }
            Step::Page(query) => same(&mut engines, |store| store.page(&query).unwrap()),
            Step::Restart => engines.iter_mut().for_each(Engine::restart),
        }
        // What was counted on the way is what is counted anew.
        if !is_restart {
            same(&mut engines, tallies);
        }
        same(&mut engines, |store| recall(store, 3_000));
        same(&mut engines, tallies);
        for sequence in known(engines[0].store()) {
            same(&mut engines, |store| store.find(sequence).unwrap());
        }
    }
}

/// The number of the job that was recalled, if it is one.
pub(super) fn sequence(recalled: &Recalled) -> Option<u64> {
    match recalled {
        Recalled::Note { .. } => None,
        Recalled::Live { job, .. } => Some(job.sequence),
        Recalled::Archived(archived) => Some(archived.sequence),
    }
}

fn known(store: &mut dyn Store) -> Vec<u64> {
    recall(store, 0).1.iter().filter_map(sequence).collect()
}

fn records(deeds: Vec<Deed>, known: &[u64], next_sequence: &mut u64) -> Vec<Record> {
    let mut known: Vec<u64> = known.to_vec();
    let mut records = Vec::new();
    for deed in deeds {
        let pick = |index: Index| (!known.is_empty()).then(|| *index.get(&known));
        let record = match deed {
            Deed::Put(mut job) => {
                job.sequence = *next_sequence;
                *next_sequence += 1;
                known.push(job.sequence);
                Some(Record::Put(job))
            }
            Deed::PutAgain(index, progress) => {
                pick(index).map(|sequence| put(StoredJob { progress, ..job(sequence, "[\"again\"]") }))
            }
            Deed::Change(index, progress) => pick(index).map(|sequence| Record::Change { sequence, progress }),
            Deed::Remove(index) => {
                let sequence = pick(index);
                known.retain(|known| Some(*known) != sequence);
                sequence.map(|sequence| Record::Remove { sequence })
            }
            Deed::Note(key, value) => Some(Record::Note { key: key.into(), value }),
        };
        records.extend(record);
    }
    records
}

fn same<T: PartialEq + std::fmt::Debug>(engines: &mut [Engine], mut ask: impl FnMut(&mut dyn Store) -> T) {
    let [model, others @ ..] = engines else { unreachable!() };
    let expected = ask(model.store());
    for engine in others {
        assert_eq!(ask(engine.store()), expected, "{}", engine.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_engine_keeps_what_the_model_keeps(steps in vec(step(), 1..24)) {
        play(steps);
    }
}

fn step() -> impl Strategy<Value = Step> {
    let deed = prop_oneof![
        4 => stored_job().prop_map(|job| Deed::Put(Box::new(job))),
        1 => (any::<Index>(), progress()).prop_map(|(index, progress)| Deed::PutAgain(index, progress)),
        4 => (any::<Index>(), progress()).prop_map(|(index, progress)| Deed::Change(index, progress)),
        2 => any::<Index>().prop_map(Deed::Remove),
        2 => ("[a-d]|\\PC{0,9}", option::of(body())).prop_map(|(key, value)| Deed::Note(key, value)),
    ];
    prop_oneof![
        8 => vec(deed, 0..16).prop_map(Step::Commit),
        1 => (0..4_u64, 0..8_usize).prop_map(|(now_ms, most)| Step::Tidy(now_ms, most)),
        1 => vec(any::<Index>(), 0..9).prop_map(Step::Discard),
        1 => query().prop_map(Step::Page),
        1 => Just(Step::Restart),
    ]
}

fn query() -> impl Strategy<Value = Query> {
    let kind = option::of("[ab]".prop_map(|kind| TypeName::from_text(&kind).unwrap()));
    (
        kind,
        option::of(outcome()),
        option::of("[a-c]{1,2}"),
        option::of(0..40_u64),
        0..10_usize,
        (0..20_usize, prop_oneof![Just(usize::MAX), 0..500_usize]),
        0..5_000_usize,
    )
        .prop_map(|(kind, outcome, text, before, limit, (look_at, look_at_bytes), bytes)| Query {
            kind,
            outcome,
            text,
            before,
            limit,
            look_at,
            look_at_bytes,
            bytes,
        })
}

fn stored_job() -> impl Strategy<Value = StoredJob> {
    let id = prop_oneof![
        "\\PC{1,20}".prop_map(|text| JobId::from_text(&text).unwrap()),
        "-?[0-9]{1,30}".prop_map(|text| JobId::from_integer(&text).unwrap()),
    ];
    let kind = "[ab]|\\PC{1,9}".prop_map(|kind| TypeName::from_text(&kind).unwrap());
    let times = (0..1_u64 << 62, 0..1_u64 << 62);
    (id, kind, any::<i64>(), body(), policy(), times, peer(), progress()).prop_map(
        |(id, kind, priority, body, policy, (created_ms, born_ms), master, progress)| StoredJob {
            sequence: 0,
            id,
            kind,
            priority,
            body,
            policy: Arc::new(policy),
            created_ms,
            born_ms,
            master,
            progress,
        },
    )
}

fn peer() -> impl Strategy<Value = PeerName> {
    "\\PC{0,9}".prop_map(PeerName::from)
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        8 => "[a-c\\PC]{1,40}".prop_map(|text| Body::from(text.into_bytes())),
        1 => (2_000..4_500_usize).prop_map(|size| Body::from(vec![b'z'; size])),
        1 => vec(any::<u8>(), 1..30).prop_map(Body::from),
    ]
}

fn policy() -> impl Strategy<Value = Policy> {
    let times = (option::of(any::<u64>()), any::<u64>(), option::of(any::<u64>()), any::<u64>(), any::<u64>());
    (times, any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
        |((lease_ms, backoff_ms, ttl_ms, keep_ms, keep_failed_ms), max_attempts, durable, keep)| Policy {
            lease_ms,
            max_attempts,
            backoff_ms,
            ttl_ms,
            keep_ms,
            keep_failed_ms,
            durable,
            on_master_gone: if keep { OnMasterGone::Keep } else { OnMasterGone::Drop },
        },
    )
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![Just(Outcome::Completed), Just(Outcome::Failed), Just(Outcome::Cancelled), Just(Outcome::Expired)]
}

fn progress() -> impl Strategy<Value = Progress> {
    let finished = (outcome(), option::of(prop_oneof![Just(Body::default()), body()]), any::<u64>(), 0..6_u64);
    let state = prop_oneof![
        any::<u64>().prop_map(|at_ms| StoredState::Scheduled { at_ms }),
        Just(StoredState::Queued),
        (peer(), any::<u64>(), option::of(any::<u64>()))
            .prop_map(|(worker, started_ms, lease_ms)| StoredState::Running { worker, started_ms, lease_ms }),
        finished.prop_map(|(outcome, detail, at_ms, forget_ms)| StoredState::Finished {
            outcome,
            detail,
            at_ms,
            forget_ms
        }),
    ];
    let end = prop_oneof![
        Just(AttemptEnd::Failed),
        Just(AttemptEnd::Released),
        Just(AttemptEnd::WorkerGone),
        Just(AttemptEnd::LeaseOver),
        Just(AttemptEnd::Cancelled),
        Just(AttemptEnd::Completed),
    ];
    let attempt = (any::<u32>(), peer(), any::<u64>(), any::<u64>(), end, option::of(body())).prop_map(
        |(number, worker, started_ms, ended_ms, end, error)| StoredAttempt {
            number,
            worker,
            started_ms,
            ended_ms,
            end,
            error,
        },
    );
    (state, any::<u32>(), any::<u32>(), option::of(any::<i64>()), vec(attempt, 0..3)).prop_map(
        |(state, attempt, deliveries, priority, history)| Progress { state, attempt, deliveries, priority, history },
    )
}
