//! What only files can suffer.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::Connection;

use super::folder::{FRESH, LOG, MAIN, MARK, RESERVE};
use super::schema::FORMAT;
use super::{Options, Sqlite};
use crate::core::record::{Body, Outcome};
use crate::core::record::{Record, StoredJob};
use crate::store::contract::{SMALL, Scratch, finished, job, note, notes, put, recall, running, sequence};
use crate::store::{Archived, Page, Query, Recalled, Recovered, Store, StoreError};

const FRAME: usize = 24 + 4096;
const HEADER: usize = 32;

/// The files of a store at one moment: what a process leaves that is killed then.
type Image = BTreeMap<&'static str, Vec<u8>>;

fn image(folder: &Path) -> Image {
    [MAIN, LOG, MARK].into_iter().filter_map(|name| Some((name, fs::read(folder.join(name)).ok()?))).collect()
}

fn plant(image: &Image) -> Scratch {
    let scratch = Scratch::new();
    for (name, bytes) in image {
        fs::write(scratch.path().join(name), bytes).unwrap();
    }
    scratch
}

fn open(folder: &Path) -> Result<Sqlite, StoreError> {
    Sqlite::open(folder, SMALL)
}

fn start(folder: &Path) -> Result<Recovered, StoreError> {
    open(folder)?.recover(0, &mut |_| ())
}

const ALL: Query = Query {
    kind: None,
    outcome: None,
    text: None,
    before: None,
    limit: 1000,
    look_at: 1000,
    look_at_bytes: usize::MAX,
    bytes: usize::MAX,
};

/// Everything there is to see in a store.
#[derive(Clone, PartialEq, Debug)]
struct Sight {
    next_sequence: u64,
    recalled: Vec<Recalled>,
    jobs: Vec<Option<StoredJob>>,
    bodies: Vec<Option<Body>>,
    page: Page,
    failed: Page,
    due: Vec<Archived>,
}

/// Looks at everything, and uses the store a little, so that what is wrong below the surface comes up.
fn look(image: &Image) -> Result<(Recovered, Sight), StoreError> {
    let scratch = plant(image);
    let mut store = open(scratch.path())?;
    let mut recalled = Vec::new();
    let found = store.recover(usize::MAX, &mut |job| recalled.push(job))?;
    let sequences: Vec<u64> = recalled.iter().filter_map(sequence).collect();
    let jobs = sequences.iter().map(|sequence| store.find(*sequence)).collect::<Result<_, _>>()?;
    let bodies = store.bodies(&sequences)?;
    let page = store.page(&ALL)?;
    let failed = store.page(&Query { outcome: Some(Outcome::Failed), ..ALL })?;
    let more: Vec<Record> = (0..50).map(|extra| put(job(found.next_sequence + extra, &"m".repeat(300)))).collect();
    store.commit(&more)?;
    let due = store.tidy(u64::MAX, 1000)?;
    drop(store);
    let mut store = open(scratch.path())?;
    assert_eq!(store.recover(0, &mut |_| ())?.live, found.live + 50);
    Ok((found, Sight { next_sequence: found.next_sequence, recalled, jobs, bodies, page, failed, due }))
}

/// Jobs in every state, some of them long, and notes, over so many commits.
fn work(store: &mut Sqlite, first: u64, commits: u64) {
    let outcomes = [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired];
    for round in first..first + commits {
        let sequence = round * 4 + 1;
        let size = if round % 7 == 3 { 9_000 } else { 50 + (round as usize * 37) % 400 };
        store.commit(&[put(job(sequence, &"a".repeat(size))), put(job(sequence + 1, "[1]"))]).unwrap();
        store.commit(&[running(sequence), put(job(sequence + 2, "{}")), running(sequence + 2)]).unwrap();
        store
            .commit(&[
                finished(sequence, outcomes[round as usize % 4], 5),
                Record::Remove { sequence: sequence + 2 },
                note(&format!("paused/{}", round % 10), (round % 3 > 0).then_some("true")),
            ])
            .unwrap();
    }
}

/// A store that was worked with and killed.
struct Killed {
    before_last: Image,
    image: Image,
}

impl Killed {
    /// After so many rounds of work; with more the log has begun anew, so that older frames lie behind its end.
    fn new(commits: u64) -> Killed {
        let scratch = Scratch::new();
        let mut store = open(scratch.path()).unwrap();
        recall(&mut store, 0);
        work(&mut store, 0, commits);
        let before_last = image(scratch.path());
        store
            .commit(&[
                put(job(5_000, &"l".repeat(3_000))),
                put(job(5_001, &"m".repeat(900))),
                finished(1, Outcome::Failed, 7),
            ])
            .unwrap();
        Killed { before_last, image: image(scratch.path()) }
    }

    /// The frames of the last commit.
    fn last(&self) -> std::ops::Range<usize> {
        let log = &self.image[LOG];
        let salts = &log[16..24];
        let ours: Vec<usize> =
            (0..(log.len() - HEADER) / FRAME).take_while(|frame| log[at(*frame)..][8..16] == *salts).collect();
        let commits: Vec<usize> = ours.iter().copied().filter(|frame| log[at(*frame)..][4..8] != [0; 4]).collect();
        let [.., before, last] = commits[..] else { panic!("{commits:?}") };
        before + 1..last + 1
    }
}

fn at(frame: usize) -> usize {
    HEADER + frame * FRAME
}

static FRESH_LOG: LazyLock<Killed> = LazyLock::new(|| Killed::new(6));
static USED_LOG: LazyLock<Killed> = LazyLock::new(|| Killed::new(40));

#[test]
fn a_killed_store_has_every_commit() {
    for killed in [&*FRESH_LOG, &*USED_LOG] {
        let (found, sight) = look(&killed.image).unwrap();
        assert!(!found.repaired && !found.lost);
        assert!(sight.recalled.iter().any(|job| sequence(job) == Some(5_001)));
        assert_ne!(look(&killed.before_last).unwrap().1, sight);
    }
    let log = &FRESH_LOG.image[LOG];
    assert_eq!(log[log.len() - FRAME..][8..16], log[16..24], "the log has not begun anew");
    let log = &USED_LOG.image[LOG];
    assert_ne!(log[log.len() - FRAME..][8..16], log[16..24], "older frames lie behind the log's end");
}

/// The power went while the last commit was written: every length of what was written of it.
#[test]
fn a_torn_tail_is_repaired() {
    for killed in [&*FRESH_LOG, &*USED_LOG] {
        let before = look(&killed.before_last).unwrap().1;
        let (start, end) = (at(killed.last().start), at(killed.last().end));
        // Every byte of the frames' headers, and some of the pages.
        let lengths = (start..end)
            .filter(|length| (length - HEADER) % FRAME <= 24 || ((length - HEADER) % FRAME).is_multiple_of(509));
        for length in lengths {
            let mut image = killed.before_last.clone();
            let log = image.get_mut(LOG).unwrap();
            let rest = if log.len() > length { log.split_off(length) } else { Vec::new() };
            log.truncate(start);
            log.extend(&killed.image[LOG][start..length]);
            log.extend(rest);
            let (found, sight) = look(&image).unwrap_or_else(|error| panic!("{length}: {error}"));
            assert!(sight == before, "{length}: something else came back");
            // Less than the salts of a frame can't be told from nothing.
            assert!(found.repaired || length < start + 16, "{length}");
            assert!(!found.lost);
            // The same length of a file that was whole once: acknowledged, and said to be lost.
            let mut image = killed.image.clone();
            image.get_mut(LOG).unwrap().truncate(length);
            match look(&image) {
                Ok((found, sight)) => assert!(found.lost && found.repaired && sight == before, "{length}: {found:?}"),
                Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}"),
            }
        }
    }
}

/// Pages reach the disk in any order: any of the last commit's frames may be missing when the power goes.
#[test]
fn a_torn_tail_may_have_holes() {
    for killed in [&*FRESH_LOG, &*USED_LOG] {
        let before = look(&killed.before_last).unwrap().1;
        let last = killed.last();
        // All of them, or a good many.
        for missing in (1..1_u32 << last.len()).step_by(((1 << last.len()) / 64) | 1) {
            let mut image = killed.image.clone();
            image.insert(MARK, killed.before_last[MARK].clone());
            for (bit, frame) in last.clone().enumerate().filter(|(bit, _)| missing >> bit & 1 == 1) {
                let old = killed.before_last[LOG].get(at(frame)..at(frame + 1)).map_or(vec![0; FRAME], <[u8]>::to_vec);
                // Half a frame, or none of it.
                let from = if bit % 2 == 0 { 0 } else { 2048 };
                image.get_mut(LOG).unwrap()[at(frame) + from..at(frame + 1)].copy_from_slice(&old[from..]);
            }
            let (_, sight) = look(&image).unwrap_or_else(|error| panic!("{missing:b}: {error}"));
            assert!(sight == before, "{missing:b}");
        }
    }
}

#[test]
fn damage_before_the_last_commits_is_named_without_a_mark() {
    for killed in [&*FRESH_LOG, &*USED_LOG] {
        let last = killed.last();
        for frame in 0..last.start.saturating_sub(9) {
            for byte in [0, 7, 9, 14, 17, 22, 100, 4_000] {
                let mut image = killed.image.clone();
                image.remove(MARK);
                image.get_mut(LOG).unwrap()[at(frame) + byte] ^= 4;
                let error = look(&image).map(drop).unwrap_err();
                assert!(
                    matches!(&error, StoreError::Damaged { place, .. } if place.ends_with(LOG)),
                    "{frame}, {byte}: {error}"
                );
            }
        }
    }
}

#[test]
fn damage_in_the_last_commit_is_named() {
    for killed in [&*FRESH_LOG, &*USED_LOG] {
        for frame in killed.last() {
            for byte in [0, 4, 8, 12, 16, 20, 24, 2_000] {
                let mut image = killed.image.clone();
                image.get_mut(LOG).unwrap()[at(frame) + byte] ^= 1;
                let error = look(&image).map(drop).unwrap_err();
                assert!(
                    matches!(&error, StoreError::Damaged { place, .. } if place.ends_with(LOG)),
                    "{frame}, {byte}: {error}"
                );
            }
        }
    }
}

#[test]
fn a_log_that_is_gone_is_missed() {
    let mut image = FRESH_LOG.image.clone();
    image.insert(LOG, Vec::new());
    assert!(matches!(look(&image), Err(StoreError::Damaged { .. })));
    image.remove(LOG);
    assert!(matches!(look(&image), Err(StoreError::Damaged { .. })));
    let mut image = FRESH_LOG.image.clone();
    image.remove(MAIN);
    assert!(matches!(look(&image), Err(StoreError::Damaged { .. })));
    image.remove(LOG);
    assert!(matches!(look(&image), Err(StoreError::Damaged { .. })));
    image.remove(MARK);
    assert_eq!(look(&image).unwrap().0, Recovered { next_sequence: 1, ..Recovered::default() });
}

/// A log's header is written when all of the old log is in the database. Then its loss is harmless, else it is damage.
#[test]
fn a_bad_header_of_the_log_is_judged_by_what_the_database_has() {
    for byte in 0..32 {
        let mut image = FRESH_LOG.image.clone();
        image.remove(MARK);
        image.get_mut(LOG).unwrap()[byte] ^= 1;
        let error = look(&image).map(drop).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{byte}: {error}");
    }
    let scratch = Scratch::new();
    let mut store = open(scratch.path()).unwrap();
    recall(&mut store, 0);
    work(&mut store, 0, 12);
    store.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    let image = image(scratch.path());
    let expected = look(&image).unwrap().1;
    for length in 0..32 {
        let mut image = image.clone();
        // Other bytes than were there, whatever those were.
        image.get_mut(LOG).unwrap()[length..32].iter_mut().for_each(|byte| *byte ^= 0xa5);
        let (found, sight) = look(&image).unwrap();
        assert!(found.repaired && !found.lost && sight == expected, "{length}");
    }
}

/// A store that was closed, and one that was killed.
static IMAGES: LazyLock<[(Image, Sight); 2]> = LazyLock::new(|| {
    let closed = plant(&FRESH_LOG.image);
    let mut store = open(closed.path()).unwrap();
    recall(&mut store, 0);
    drop(store);
    let closed = image(closed.path());
    assert_eq!(closed.get(LOG), None);
    [closed, USED_LOG.image.clone()].map(|image| {
        let sight = look(&image).unwrap().1;
        (image, sight)
    })
});

/// Flips one bit: all is as it was, or the damage is named.
fn flip(image: &Image, expected: &Sight, byte: usize, bit: u8) {
    let mut image = image.clone();
    let mut rest = byte;
    let (name, place) = image
        .iter_mut()
        .find_map(|(name, bytes)| match rest.checked_sub(bytes.len()) {
            Some(behind) => {
                rest = behind;
                None
            }
            None => Some((*name, &mut bytes[rest])),
        })
        .expect("within the files");
    *place ^= 1 << bit;
    match look(&image) {
        Ok((found, sight)) => {
            assert!(sight == *expected && !found.lost, "bit {bit} of byte {rest} of {name} went unnoticed")
        }
        Err(
            StoreError::Damaged { .. }
            | StoreError::Older { .. }
            | StoreError::Newer { .. }
            | StoreError::Failed { .. },
        ) => {}
        Err(error @ (StoreError::Full(_) | StoreError::InUse(_))) => {
            panic!("bit {bit} of byte {rest} of {name}: {error}")
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_never_silent(which in 0..2_usize, byte in any::<Index>(), bit in 0..8_u8) {
        let (image, expected) = &IMAGES[which];
        let size = image.values().map(Vec::len).sum();
        flip(image, expected, byte.index(size), bit);
    }
}

/// The same for every byte. Minutes: `cargo test --release -- --ignored every_byte`.
#[test]
#[ignore = "takes minutes"]
fn a_flipped_bit_is_never_silent_in_every_byte() {
    for (image, expected) in &*IMAGES {
        for byte in 0..image.values().map(Vec::len).sum() {
            flip(image, expected, byte, (byte % 8) as u8);
        }
    }
}

/// What checksums of rows can't show: each is found by something else.
#[test]
fn what_is_missing_is_missed() {
    for sql in [
        "DELETE FROM jobs WHERE sequence = 1",
        "DELETE FROM jobs WHERE sequence = 2",
        "DELETE FROM bodies WHERE sequence = 13",
        "UPDATE bodies SET sequence = 14 WHERE sequence = 13",
        "INSERT INTO bodies VALUES(14, x'00')",
        "DELETE FROM notes WHERE key = 'paused/1'",
        "INSERT INTO notes VALUES('paused/x', x'31', 0)",
        "UPDATE notes SET key = 'paused/x' WHERE key = 'paused/1'",
        "UPDATE totals SET last_sequence = 3, sum = 0",
        "DELETE FROM totals",
        "DROP INDEX forget",
        "CREATE TABLE more(what)",
        // An index with something else in it.
        "DROP INDEX forget; CREATE INDEX forget ON jobs(forget_ms) WHERE forget_ms > 5; PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, '> 5', 'IS NOT NULL') WHERE name = 'forget'",
        "DROP INDEX forget; CREATE INDEX forget ON jobs(created_ms) WHERE forget_ms IS NOT NULL; PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET sql = replace(sql, '(created_ms)', '(forget_ms)') WHERE name = 'forget'",
    ] {
        let scratch = plant(&IMAGES[0].0);
        Connection::open(scratch.path().join(MAIN)).unwrap().execute_batch(sql).unwrap();
        let error = start(scratch.path()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{sql}: {error}");
    }
}

/// It would be used for something new one day.
#[test]
fn a_page_that_is_free_and_in_use_is_noticed() {
    let scratch = plant(&IMAGES[0].0);
    let mut store = open(scratch.path()).unwrap();
    recall(&mut store, 0);
    store.commit(&[put(job(6_000, &"f".repeat(30_000)))]).unwrap();
    store.commit(&[Record::Remove { sequence: 6_000 }]).unwrap();
    drop(store);
    let mut image = self::image(scratch.path());
    let main = image.get_mut(MAIN).unwrap();
    let number = |at: usize, main: &[u8]| u32::from_be_bytes(main[at..at + 4].try_into().unwrap()) as usize;
    let trunk = (number(32, main) - 1) * 4096;
    assert!(number(trunk + 4, main) > 0, "there are free pages");
    main[trunk + 8..trunk + 12].copy_from_slice(&3_u32.to_be_bytes());
    let scratch = plant(&image);
    let error = start(scratch.path()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
}

#[test]
fn a_folder_has_one_server() {
    let scratch = Scratch::new();
    let store = open(scratch.path()).unwrap();
    assert!(matches!(open(scratch.path()), Err(StoreError::InUse(_))));
    drop(store);
    assert!(open(scratch.path()).is_ok());
}

#[test]
fn other_formats_are_left_alone() {
    let open_as = |format: i64| {
        let mut image = IMAGES[0].0.clone();
        image.get_mut(MAIN).unwrap()[63] = format as u8;
        let scratch = plant(&image);
        let error = open(scratch.path()).map(drop).unwrap_err();
        assert_eq!(names(scratch.path()), [MAIN, MARK]);
        assert_eq!(self::image(scratch.path()), image);
        error
    };
    let error = open_as(FORMAT + 1);
    assert!(matches!(error, StoreError::Newer { found, known: FORMAT, .. } if found == FORMAT + 1), "{error}");
    let error = open_as(FORMAT - 1);
    assert!(matches!(error, StoreError::Older { found, .. } if found == FORMAT - 1), "{error}");
    assert!(matches!(open_as(0), StoreError::Damaged { .. }));
}

/// Whatever bit of a note is flipped, in the database or in its log, the damage is found; in the database it is also said
/// which note it is, and with an intact key by its name.
#[test]
fn a_flipped_bit_in_a_note_is_named() {
    let scratch = Scratch::new();
    let mut store = open(scratch.path()).unwrap();
    recall(&mut store, 0);
    store.commit(&[note("processor/mailer", Some("[\"http://example.org\"]")), put(job(1, "1"))]).unwrap();
    let logged = image(scratch.path());
    drop(store);
    let closed = image(scratch.path());
    assert_eq!(notes(&look(&closed).unwrap().1.recalled).len(), 1);
    let place = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).position(|window| window == text).unwrap();
    for (image, name) in [(&logged, LOG), (&closed, MAIN)] {
        let row = place(&image[name], b"processor/mailer");
        let value = place(&image[name], b"[\"http");
        // From the lengths of the columns before the key to the checksum behind the value.
        for byte in row - 5..value + 26 {
            for bit in 0..8 {
                let mut image = image.clone();
                image.get_mut(name).unwrap()[byte] ^= 1 << bit;
                let error = look(&image).map(drop).unwrap_err();
                let StoreError::Damaged { place, what } = &error else { panic!("{byte}, {bit}: {error}") };
                assert!(place.ends_with(name), "{byte}, {bit}: {error}");
                if name == MAIN && byte >= row {
                    assert!(what.contains("the note \""), "{byte}, {bit}: {error}");
                    assert!(byte < value || what.contains("processor/mailer"), "{byte}, {bit}: {error}");
                }
            }
        }
    }
}

#[test]
fn damage_is_left_as_it_is() {
    let mut image = FRESH_LOG.image.clone();
    let log = image.get_mut(LOG).unwrap();
    let middle = log.len() / 2;
    log[middle] ^= 1;
    let main = image.get_mut(MAIN).unwrap();
    let end = main.len() - 1;
    main[end] ^= 1;
    let scratch = plant(&image);
    assert!(matches!(open(scratch.path()), Err(StoreError::Damaged { .. })));
    // Also when it shows only after the database was opened.
    image.insert(LOG, FRESH_LOG.image[LOG].clone());
    image.get_mut(MARK).unwrap().clone_from(&99_u64.to_le_bytes().to_vec());
    let sum = crc32fast::hash(&99_u64.to_le_bytes()).to_le_bytes();
    image.get_mut(MARK).unwrap().extend(sum);
    let scratch = plant(&image);
    assert!(matches!(open(scratch.path()), Err(StoreError::Damaged { .. })));
    assert!(self::image(scratch.path()) == image);
}

#[test]
fn other_peoples_folders_are_refused() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join("thesis.tex"), "...").unwrap();
    assert!(matches!(open(scratch.path()), Err(StoreError::Failed { .. })));
    assert_eq!(names(scratch.path()), ["thesis.tex"]);
    assert!(matches!(open(&scratch.path().join("thesis.tex")), Err(StoreError::Failed { .. })));
    fs::write(scratch.path().join(MAIN), "...").unwrap();
    assert!(matches!(open(scratch.path()), Err(StoreError::Damaged { .. })));
    assert_eq!(names(scratch.path()), [MAIN, "thesis.tex"]);
}

#[test]
fn nobody_else_may_look() {
    let scratch = Scratch::new();
    let folder = scratch.path().join("new/jobs");
    let mut store = Sqlite::open(&folder, Options { reserve_bytes: 4096, ..SMALL }).unwrap();
    recall(&mut store, 0);
    store.commit(&[put(job(1, "1"))]).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(names(&folder), [MAIN, LOG, "lock", MARK, RESERVE]);
    for name in names(&folder) {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn a_half_made_database_is_made_again() {
    let scratch = Scratch::new();
    fs::write(scratch.path().join(FRESH), "half").unwrap();
    fs::write(scratch.path().join(format!("{FRESH}-journal")), "half").unwrap();
    let mut store = open(scratch.path()).unwrap();
    assert_eq!(recall(&mut store, 0).0.next_sequence, 1);
    assert_eq!(names(scratch.path()), [MAIN, LOG, "lock", MARK]);
}

/// The old job must not keep the room of those after it.
#[test]
fn endless_traffic_stays_within_bounds() {
    let scratch = Scratch::new();
    let mut store = open(scratch.path()).unwrap();
    recall(&mut store, 0);
    store.commit(&[put(job(1, "\"old\"")), running(1)]).unwrap();
    let body = "b".repeat(1_000);
    for round in 0..600_u64 {
        let sequences = round * 16 + 2..round * 16 + 18;
        let puts: Vec<_> =
            sequences.clone().flat_map(|sequence| [put(job(sequence, &body)), running(sequence)]).collect();
        store.commit(&puts).unwrap();
        // Every other one is kept in the archive for a while.
        let ends: Vec<_> = sequences
            .map(|sequence| {
                if sequence % 2 == 0 {
                    finished(sequence, Outcome::Completed, round + 10)
                } else {
                    Record::Remove { sequence }
                }
            })
            .collect();
        store.commit(&ends).unwrap();
        if round % 10 == 0 {
            store.tidy(round, 1_000).unwrap();
            assert!(store.bytes() < 1 << 20, "{} bytes in round {round}", store.bytes());
        }
    }
}

#[test]
fn room_is_given_back() {
    let scratch = Scratch::new();
    let mut store = open(scratch.path()).unwrap();
    recall(&mut store, 0);
    let body = "b".repeat(1_500);
    for round in 0..20 {
        let puts: Vec<_> = (1..=1_000).map(|sequence| put(job(round * 1_000 + sequence, &body))).collect();
        store.commit(&puts).unwrap();
    }
    let most = store.bytes();
    let removes: Vec<_> = (2..=20_000).map(|sequence| Record::Remove { sequence }).collect();
    store.commit(&removes).unwrap();
    for _ in 0..40 {
        store.tidy(0, 1_000).unwrap();
    }
    assert!(store.bytes() < most / 2 + (1 << 20), "{} of {most} bytes", store.bytes());
    assert_eq!(recall(&mut store, 0).0.live, 1);
}

/// A file system of its own of this size, if we may.
struct Mount(PathBuf, #[expect(dead_code, reason = "removed after it")] Scratch);

impl Mount {
    fn new(size: &str) -> Option<Mount> {
        let scratch = Scratch::new();
        let path = scratch.path().join("small");
        fs::create_dir(&path).unwrap();
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "procession-test"])
            .arg(&path)
            .output();
        match done {
            Ok(output) if output.status.success() => Some(Mount(path, scratch)),
            other => {
                eprintln!("SKIPPED: a small file system can't be mounted here: {other:?}");
                None
            }
        }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn on_a_full_disk_running_work_can_end_and_new_work_waits() {
    let Some(mount) = Mount::new("24m") else { return };
    let folder = mount.0.join("jobs");
    let options = Options { reserve_bytes: 4 << 20, ..SMALL };
    let mut store = Sqlite::open(&folder, options).unwrap();
    recall(&mut store, 0);
    let body = "f".repeat(20_000);
    let mut kept = 0;
    fill(&mut store, &body, &mut kept);
    assert!(kept > 200, "{kept}");

    // Something else eats the rest, the server is started anew, and it eats what that gave back.
    let ballast = [mount.0.join("ballast"), mount.0.join("more")];
    let _ = fs::write(&ballast[0], vec![1; 24 << 20]);
    drop(store);
    let mut store = Sqlite::open(&folder, options).unwrap();
    assert_eq!(recall(&mut store, 0).0.live, kept);
    let _ = fs::write(&ballast[1], vec![1; 24 << 20]);
    fill(&mut store, "1", &mut kept);
    for sequence in 1..=kept {
        store.commit(&[finished(sequence, Outcome::Completed, 1)]).unwrap();
    }
    assert!(!store.reserve.is_held());
    let before = kept;
    fill(&mut store, "1", &mut kept);
    assert_eq!(kept, before, "the reserve is not for new work");
    assert_eq!(store.find(1).unwrap().unwrap().body.len(), 20_000);

    // There is room again.
    assert_eq!(store.tidy(10_000, usize::MAX).unwrap().len() as u64, kept);
    ballast.iter().for_each(|file| fs::remove_file(file).unwrap());
    store.tidy(20_000, 1).unwrap();
    assert!(store.reserve.is_held());
    store.commit(&[put(job(kept + 1, &body))]).unwrap();
    drop(store);
    let mut store = Sqlite::open(&folder, options).unwrap();
    let (found, _) = recall(&mut store, 0);
    assert_eq!(found, Recovered { next_sequence: kept + 2, live: 1, ..Recovered::default() });
}

/// Puts jobs until there is no room.
fn fill(store: &mut Sqlite, body: &str, kept: &mut u64) {
    loop {
        match store.commit(&[put(job(*kept + 1, body)), running(*kept + 1)]) {
            Ok(()) => *kept += 1,
            Err(StoreError::Full(_)) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_disk_has_room_left_or_says_how_much() {
    let scratch = Scratch::new();
    let store = open(scratch.path()).unwrap();
    assert!(store.free_bytes().is_some_and(|free| free > 0));
}
