//! The engine on SQLite: a folder on disk, one writer, one sync per commit.
//!
//! | file | its noun |
//! |---|---|
//! | `schema` | the database file: tables, settings, format |
//! | `row` | a job as a row, with checksums over all its bytes |
//! | `note` | a note as a row |
//! | `pack` | small values as bytes |
//! | `batch` | what a batch of records comes to |
//! | `write` | what a commit writes |
//! | `read` | recovery, and single jobs |
//! | `page` | looking into the archive |
//! | `totals` | how many rows there must be |
//! | `wal` | what the write-ahead log says before it is opened |
//! | `mark` | how far the store is known to have come |
//! | `folder`, `reserve` | files and room |
//!
//! SQLite gives transactions that survive a crash and a power cut. What it doesn't give is here: it doesn't notice a flipped bit in
//! a page (so rows have checksums, totals are kept, the trees are checked at start), it takes damage of its log
//! for a torn tail (so `wal` and `mark` look first), and it needs room to free room (so there is a `reserve`).
//!
//! Checkpoints run in [`Store::tidy`], at commits only when the log gets too long.

mod batch;
#[cfg(test)]
mod faults;
mod folder;
mod mark;
mod note;
mod pack;
mod page;
mod read;
mod reserve;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod totals;
mod wal;
mod write;

use std::fs::{self, File};
use std::path::Path;

use rusqlite::Connection;

use self::folder::{Folder, LOG, MAIN};
use self::mark::Mark;
use self::reserve::Reserve;
use self::row::{Reader, Writer};
use self::totals::Totals;
use self::wal::{Tail, Verdict};
use super::catalogue::Catalogue;
use super::{Archived, Page, Query, Recalled, Recovered, Store, StoreError, Tally};
use crate::core::record::{Body, TypeName};
use crate::core::record::{Record, StoredJob};

/// What may be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Bytes held back for a full disk.
    pub reserve_bytes: u64,
    /// [`Store::tidy`] takes the log into the database past this size.
    pub idle_log_bytes: u64,
    /// A commit does so past this size.
    pub busy_log_bytes: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { reserve_bytes: 16 << 20, idle_log_bytes: 4 << 20, busy_log_bytes: 32 << 20 }
    }
}

/// Jobs in a folder.
#[derive(Debug)]
pub struct Sqlite {
    // Closed before the folder is anybody else's: fields go in this order.
    connection: Connection,
    options: Options,
    totals: Totals,
    writer: Writer,
    reader: Reader,
    catalogue: Catalogue,
    reserve: Reserve,
    mark: Mark,
    /// How the log looked before it was opened.
    tail: Tail,
    /// The mark knows of a commit that isn't there.
    lost: bool,
    /// Why nothing more can be kept.
    failure: Option<String>,
    folder: Folder,
}

impl Sqlite {
    /// Opens the store in this folder, and makes it where there is none.
    ///
    /// # Errors
    /// Any [`StoreError`]; nothing that was there is changed then.
    pub fn open(path: &Path, options: Options) -> Result<Sqlite, StoreError> {
        if path.join(MAIN).exists() {
            schema::check_header(path)?;
        }
        let folder = Folder::open(path)?;
        let mark = Mark::open(&folder)?;
        let tail = if folder.file(MAIN).exists() {
            check_log(&folder)?
        } else {
            refuse_headless(&folder, &mark)?;
            schema::create(&folder)?;
            Tail::Whole
        };
        let connection = schema::open(&folder, options.busy_log_bytes)?;
        let main = folder.file(MAIN);
        let totals = Totals::read(&connection)
            .map_err(|error| schema::error_at(&main, &error))?
            .ok_or_else(|| damaged(&folder, MAIN, "its totals aren't what was written"))?;
        let lost = check_mark(&folder, &mark, tail, totals.commits)?;
        let reserve = Reserve::new(&folder, options.reserve_bytes);
        Ok(Sqlite {
            connection,
            options,
            totals,
            writer: Writer::default(),
            reader: Reader::default(),
            catalogue: Catalogue::default(),
            reserve,
            mark,
            tail,
            lost,
            failure: None,
            folder,
        })
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        damaged(&self.folder, MAIN, what)
    }

    fn error(&self, error: &rusqlite::Error) -> StoreError {
        schema::error_at(&self.folder.file(MAIN), error)
    }
}

fn damaged(folder: &Folder, name: &str, what: impl Into<String>) -> StoreError {
    StoreError::Damaged { place: folder.file(name).display().to_string(), what: what.into() }
}

fn check_log(folder: &Folder) -> Result<Tail, StoreError> {
    let path = folder.file(LOG);
    if !path.exists() {
        return Ok(Tail::Whole);
    }
    let read = || wal::check(&File::open(&path)?, &File::open(folder.file(MAIN))?);
    match read().map_err(|error| folder::failed(&path, error))? {
        Verdict::Sound(tail) => Ok(tail),
        Verdict::Damaged(what) => Err(damaged(folder, LOG, what)),
    }
}

/// A folder in which something was committed, and no database: somebody took it away.
fn refuse_headless(folder: &Folder, mark: &Mark) -> Result<(), StoreError> {
    let has_log = fs::metadata(folder.file(LOG)).is_ok_and(|log| log.len() > 0);
    if has_log || mark.read().is_some_and(|commits| commits > 0) {
        return Err(damaged(folder, MAIN, "it is missing, but there were jobs in it"));
    }
    Ok(())
}

/// Whether a commit is missing that the mark knows of, and that a torn tail can explain. More than that is damage.
fn check_mark(folder: &Folder, mark: &Mark, tail: Tail, commits: u64) -> Result<bool, StoreError> {
    let missing = mark.read().unwrap_or(0).saturating_sub(commits);
    match (missing, tail) {
        (0, _) => Ok(false),
        (1, Tail::Torn) => Ok(true),
        (1, Tail::Bad) => Err(damaged(folder, LOG, "its last commit isn't what was written")),
        (missing, _) => Err(damaged(folder, LOG, format!("{missing} commits are missing at its end"))),
    }
}

impl Store for Sqlite {
    fn recover(&mut self, bodies_up_to: usize, each: &mut dyn FnMut(Recalled)) -> Result<Recovered, StoreError> {
        self.recover_all(bodies_up_to, each)
    }

    fn commit(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.commit_all(records)
    }

    fn bodies(&mut self, sequences: &[u64]) -> Result<Vec<Option<Body>>, StoreError> {
        sequences.iter().map(|sequence| self.body(*sequence)).collect()
    }

    fn find(&mut self, sequence: u64) -> Result<Option<StoredJob>, StoreError> {
        self.fetch(sequence)
    }

    fn page(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.page_of(query)
    }

    fn tallies(&self) -> Vec<(TypeName, Tally)> {
        self.catalogue.tallies().map(|(kind, tally)| (kind.clone(), tally)).collect()
    }

    fn discard(&mut self, sequences: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.discard_all(sequences)
    }

    fn tidy(&mut self, now_ms: u64, most: usize) -> Result<Vec<Archived>, StoreError> {
        let gone = self.forget(now_ms, most)?;
        self.housekeep(now_ms)?;
        Ok(gone)
    }

    fn bytes(&self) -> u64 {
        self.folder.bytes()
    }

    fn free_bytes(&self) -> Option<u64> {
        self.folder.free_bytes()
    }
}
