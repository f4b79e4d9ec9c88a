//! What a commit writes, and what happens when it can't.

use rusqlite::{CachedStatement, Connection, ErrorCode, Statement};

use super::batch::{self, Deed};
use super::row::{self, Flaw, LONG, Reader, Writer};
use super::totals::Totals;
use super::{Archived, Sqlite, StoreError, note, schema};
use crate::core::record::{Outcome, TypeName};
use crate::core::record::{Progress, Record, StoredJob};
use crate::store::catalogue::Catalogue;
use crate::store::outcome_of;

const INSERT: &str = "INSERT INTO jobs VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
const CHANGE_LIVE: &str = "UPDATE jobs SET state = ?2, attempt = ?3, progress = ?4, progress_sum = ?5 \
     WHERE sequence = ?1 AND forget_ms IS NULL";
const END_LIVE: &str = "UPDATE jobs SET state = ?2, attempt = ?3, progress = ?4, progress_sum = ?5, forget_ms = ?6, detail = ?7 \
     WHERE sequence = ?1 AND forget_ms IS NULL";
const CHANGE_ARCHIVED: &str = "UPDATE jobs SET state = ?2, attempt = ?3, progress = ?4, progress_sum = ?5, forget_ms = ?6, detail = ?7 \
     WHERE sequence = ?1 AND forget_ms IS NOT NULL";
const REMOVE_LIVE: &str = "DELETE FROM jobs WHERE sequence = ?1 AND forget_ms IS NULL";
const REMOVE_ARCHIVED: &str = "DELETE FROM jobs WHERE sequence = ?1 AND forget_ms IS NOT NULL";
const KIND: &str = "SELECT kind FROM jobs WHERE sequence = ?1";
const INSERT_LONG: &str = "INSERT INTO bodies VALUES(?1, ?2)";
const REMOVE_LONG: &str = "DELETE FROM bodies WHERE sequence = ?1";
const INSERT_NOTE: &str = "INSERT INTO notes VALUES(?1, ?2, ?3)";
const REMOVE_NOTE: &str = "DELETE FROM notes WHERE key = ?1";

/// Pages of the file that nobody uses before any are given back to the system: they are used again soon.
const FREE_PAGES: u64 = 4096;
/// Pages given back in one piece of housekeeping.
const GIVEN_BACK: u64 = 1024;

/// Why a transaction didn't happen.
enum Wrong {
    Sql(rusqlite::Error),
    /// The job that should change isn't there.
    Missing(u64),
    /// The row of this job can't be what was written.
    Row(u64, Flaw),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Wrong {
        Wrong::Sql(error)
    }
}

impl Sqlite {
    pub(super) fn commit_all(&mut self, records: &[Record]) -> Result<(), StoreError> {
        self.refuse_after_failure()?;
        let last_sequence = self.totals.last_sequence;
        let newest = records.iter().filter(|record| is_put(record)).filter_map(Record::sequence).max().unwrap_or(0);
        let deeds = batch::settle(records, last_sequence);
        if deeds.is_empty() && newest <= last_sequence {
            return Ok(());
        }
        let has_new_work = newest > 0 || deeds.iter().any(|deed| matches!(deed, Deed::Note(_, Some(_))));
        if has_new_work && !self.reserve.is_held() {
            return Err(StoreError::Full("what is left is kept for running jobs".into()));
        }
        self.transact(!has_new_work, &mut |writing| {
            for deed in &deeds {
                match *deed {
                    Deed::Put(job, progress) => writing.put(job, progress)?,
                    Deed::Change(sequence, progress) => writing.change(sequence, progress)?,
                    Deed::Remove(sequence) => writing.remove(sequence)?,
                    Deed::Note(key, value) => writing.note(key, value)?,
                }
            }
            writing.totals.last_sequence = writing.totals.last_sequence.max(newest);
            Ok(())
        })?;
        if self.log_bytes()? > self.options.busy_log_bytes {
            self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(())
    }

    /// Removes those of these jobs that have ended.
    pub(super) fn discard_all(&mut self, sequences: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.refuse_after_failure()?;
        let mut gone = Vec::new();
        if !sequences.is_empty() {
            self.transact(true, &mut |writing| {
                gone.clear();
                for sequence in sequences {
                    if writing.remove_archived(*sequence)? {
                        gone.push(*sequence);
                    }
                }
                Ok(())
            })?;
        }
        Ok(gone)
    }

    /// Removes what has to be forgotten.
    pub(super) fn forget(&mut self, now_ms: u64, most: usize) -> Result<Vec<Archived>, StoreError> {
        self.refuse_after_failure()?;
        let due = self.due(now_ms, most)?;
        if !due.is_empty() {
            self.transact(true, &mut |writing| {
                for Archived { sequence, kind, outcome, .. } in &due {
                    writing.strike(*sequence, kind.clone(), *outcome)?;
                }
                Ok(())
            })?;
        }
        Ok(due)
    }

    /// A piece of what would be in the way of a commit.
    pub(super) fn housekeep(&mut self, now_ms: u64) -> Result<(), StoreError> {
        // The file gets shorter when the log goes into it.
        if self.give_back()? || self.log_bytes()? > self.options.idle_log_bytes {
            self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        self.reserve.restore(now_ms);
        Ok(())
    }

    /// The log goes into the database and is cut to nothing.
    pub(super) fn empty_log(&mut self) -> Result<(), StoreError> {
        self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)")
    }

    /// Does `work` and the totals in one transaction.
    fn transact(
        &mut self,
        may_use_reserve: bool,
        work: &mut dyn FnMut(&mut Writing<'_>) -> Result<(), Wrong>,
    ) -> Result<(), StoreError> {
        let Err(full) = self.attempt(work)? else { return Ok(()) };
        // What the log holds may have room in the database.
        self.empty_log()?;
        let Err(_) = self.attempt(work)? else { return Ok(()) };
        if may_use_reserve && self.reserve.give_up() {
            self.empty_log()?;
            let Err(_) = self.attempt(work)? else { return Ok(()) };
        }
        Err(full)
    }

    /// The inner error is a full disk: nothing has happened.
    fn attempt(
        &mut self,
        work: &mut dyn FnMut(&mut Writing<'_>) -> Result<(), Wrong>,
    ) -> Result<Result<(), StoreError>, StoreError> {
        let totals = Totals { commits: self.totals.commits + 1, ..self.totals };
        let Sqlite { connection, writer, reader, catalogue, .. } = self;
        let writing = Writing::begin(connection, writer, reader, catalogue, totals);
        let wrong = match writing.and_then(|writing| writing.finish(work)) {
            Ok((totals, entries)) => {
                self.totals = totals;
                self.enter(entries);
                // It only says less than it could when it can't be written.
                let _ = self.mark.write(totals.commits);
                return Ok(Ok(()));
            }
            Err(wrong) => wrong,
        };
        let connection = &self.connection;
        let undone = if connection.is_autocommit() { Ok(()) } else { run(connection, "ROLLBACK") };
        let error = match wrong {
            Wrong::Sql(error) => self.error(&error),
            Wrong::Missing(sequence) => self.damaged(format!("job {sequence} is missing")),
            Wrong::Row(sequence, flaw) => self.damaged(format!("job {sequence} isn't what was written: {flaw}")),
        };
        match (error, undone) {
            (StoreError::Full(what), Ok(())) => Ok(Err(StoreError::Full(what))),
            (StoreError::Full(_), Err(error)) => Err(self.fail(self.error(&error))),
            (error, _) => Err(self.fail(error)),
        }
    }

    /// What was committed is true of the archive.
    fn enter(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match entry {
                Entry::Added(sequence, kind, outcome) => self.catalogue.add(sequence, &kind, outcome),
                Entry::Struck(sequence, kind, outcome) => self.catalogue.remove(sequence, &kind, outcome),
            }
        }
    }

    /// Nothing is certain any more: whatever the log says stays as it is for the next start.
    fn fail(&mut self, error: StoreError) -> StoreError {
        self.failure = Some(error.to_string());
        let _ = schema::trust(&self.connection, false);
        error
    }

    fn refuse_after_failure(&self) -> Result<(), StoreError> {
        match &self.failure {
            None => Ok(()),
            Some(what) => Err(StoreError::Failed {
                place: self.folder.path().display().to_string(),
                what: format!("nothing more is kept after an error ({what})"),
            }),
        }
    }

    /// Runs a checkpoint. A full disk is no error here: the log keeps what has no room in the database.
    pub(super) fn checkpoint(&mut self, sql: &str) -> Result<(), StoreError> {
        match run(&self.connection, sql) {
            Ok(()) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(()),
            Err(error) => Err(self.fail(self.error(&error))),
        }
    }

    /// How much of the log is in use.
    fn log_bytes(&self) -> Result<u64, StoreError> {
        const FRAME: u64 = 4096 + 24;
        let frames = |connection: &Connection| -> rusqlite::Result<i64> {
            connection
                .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
                .query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?))
        };
        let frames = frames(&self.connection).map_err(|error| self.error(&error))?;
        Ok(u64::try_from(frames).unwrap_or(0) * FRAME)
    }

    /// Gives room at the end of the file back when most of the file is unused.
    fn give_back(&mut self) -> Result<bool, StoreError> {
        let number = |sql: &str| -> rusqlite::Result<u64> {
            self.connection.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
        };
        let free = number("PRAGMA freelist_count").map_err(|error| self.error(&error))?;
        let all = number("PRAGMA page_count").map_err(|error| self.error(&error))?;
        if free < FREE_PAGES || free < all / 2 {
            return Ok(false);
        }
        match run(&self.connection, &format!("PRAGMA incremental_vacuum({GIVEN_BACK})")) {
            Ok(()) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Ok(false),
            Err(error) => Err(self.fail(self.error(&error))),
        }
    }
}

fn is_put(record: &Record) -> bool {
    match record {
        Record::Put(_) => true,
        Record::Change { .. } | Record::Remove { .. } | Record::Note { .. } => false,
    }
}

/// Runs it to its end, whatever rows it gives.
fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// A change of the catalogue, for when the transaction is on disk.
enum Entry {
    /// This job has ended like this.
    Added(u64, TypeName, Outcome),
    /// This one, which had, is gone or live again.
    Struck(u64, TypeName, Outcome),
}

/// A transaction under way.
struct Writing<'a> {
    connection: &'a Connection,
    writer: &'a mut Writer,
    reader: &'a mut Reader,
    /// As it was before.
    catalogue: &'a Catalogue,
    totals: Totals,
    entries: Vec<Entry>,
    insert: CachedStatement<'a>,
    change_live: CachedStatement<'a>,
    end_live: CachedStatement<'a>,
    remove_live: CachedStatement<'a>,
    kind: CachedStatement<'a>,
}

impl<'a> Writing<'a> {
    fn begin(
        connection: &'a Connection,
        writer: &'a mut Writer,
        reader: &'a mut Reader,
        catalogue: &'a Catalogue,
        totals: Totals,
    ) -> Result<Writing<'a>, Wrong> {
        run(connection, "BEGIN IMMEDIATE")?;
        Ok(Writing {
            insert: connection.prepare_cached(INSERT)?,
            change_live: connection.prepare_cached(CHANGE_LIVE)?,
            end_live: connection.prepare_cached(END_LIVE)?,
            remove_live: connection.prepare_cached(REMOVE_LIVE)?,
            kind: connection.prepare_cached(KIND)?,
            connection,
            writer,
            reader,
            catalogue,
            totals,
            entries: Vec::new(),
        })
    }

    /// Does `work` and commits. Gives the totals as they are then, and what to enter into the catalogue.
    fn finish(
        mut self,
        work: &mut dyn FnMut(&mut Writing<'_>) -> Result<(), Wrong>,
    ) -> Result<(Totals, Vec<Entry>), Wrong> {
        work(&mut self)?;
        self.totals.write(self.connection)?;
        run(self.connection, "COMMIT")?;
        Ok((self.totals, self.entries))
    }

    fn put(&mut self, job: &StoredJob, progress: &Progress) -> Result<(), Wrong> {
        if job.sequence > self.totals.last_sequence {
            self.totals.last_sequence = job.sequence;
        } else {
            self.remove(job.sequence)?;
        }
        self.writer.bind_head(&mut self.insert, job)?;
        self.writer.bind_progress(&mut self.insert, 9, job.sequence, progress)?;
        self.writer.bind_end(&mut self.insert, 13, progress)?;
        self.insert.raw_execute()?;
        if job.body.len() > LONG {
            self.connection.prepare_cached(INSERT_LONG)?.execute((job.sequence.cast_signed(), &*job.body))?;
            self.totals.long += 1;
        }
        match outcome_of(progress) {
            None => self.totals.live += 1,
            Some(outcome) => self.add(job.sequence, job.kind.clone(), outcome),
        }
        Ok(())
    }

    fn change(&mut self, sequence: u64, progress: &Progress) -> Result<(), Wrong> {
        let outcome = outcome_of(progress);
        let changed = match outcome {
            None => change(&mut self.change_live, self.writer, sequence, progress)?,
            Some(_) => end(&mut self.end_live, self.writer, sequence, progress)?,
        };
        if !changed {
            return self.change_archived(sequence, progress);
        }
        if let Some(outcome) = outcome {
            self.totals.live = self.totals.live.saturating_sub(1);
            let kind = self.kind_of(sequence)?.ok_or(Wrong::Missing(sequence))?;
            self.add(sequence, kind, outcome);
        }
        Ok(())
    }

    fn change_archived(&mut self, sequence: u64, progress: &Progress) -> Result<(), Wrong> {
        let (Some(before), Some(kind)) = (self.catalogue.outcome_of(sequence), self.kind_of(sequence)?) else {
            return Err(Wrong::Missing(sequence));
        };
        if !end(&mut *self.connection.prepare_cached(CHANGE_ARCHIVED)?, self.writer, sequence, progress)? {
            return Err(Wrong::Missing(sequence));
        }
        self.struck(sequence, kind.clone(), before);
        match outcome_of(progress) {
            None => self.totals.live += 1,
            Some(outcome) => self.add(sequence, kind, outcome),
        }
        Ok(())
    }

    fn remove(&mut self, sequence: u64) -> Result<(), Wrong> {
        if self.remove_live.execute([sequence.cast_signed()])? == 0 {
            self.remove_archived(sequence)?;
            return Ok(());
        }
        self.totals.live = self.totals.live.saturating_sub(1);
        self.remove_long(sequence)
    }

    /// False: there is no such job, or it has not ended.
    fn remove_archived(&mut self, sequence: u64) -> Result<bool, Wrong> {
        match (self.catalogue.outcome_of(sequence), self.kind_of(sequence)?) {
            (Some(outcome), Some(kind)) => self.strike(sequence, kind, outcome),
            (None, _) | (_, None) => Ok(false),
        }
    }

    /// Removes a job that has ended. False: it isn't there.
    fn strike(&mut self, sequence: u64, kind: TypeName, outcome: Outcome) -> Result<bool, Wrong> {
        if self.connection.prepare_cached(REMOVE_ARCHIVED)?.execute([sequence.cast_signed()])? == 0 {
            return Ok(false);
        }
        self.struck(sequence, kind, outcome);
        self.remove_long(sequence)?;
        Ok(true)
    }

    fn remove_long(&mut self, sequence: u64) -> Result<(), Wrong> {
        if self.totals.long > 0 {
            let long = self.connection.prepare_cached(REMOVE_LONG)?.execute([sequence.cast_signed()])? as u64;
            self.totals.long = self.totals.long.saturating_sub(long);
        }
        Ok(())
    }

    fn note(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), Wrong> {
        let gone = self.connection.prepare_cached(REMOVE_NOTE)?.execute([key])? as u64;
        self.totals.notes = self.totals.notes.saturating_sub(gone);
        if let Some(value) = value {
            let sum = i64::from(note::sum(key, value));
            self.connection.prepare_cached(INSERT_NOTE)?.execute((key, value, sum))?;
            self.totals.notes += 1;
        }
        Ok(())
    }

    /// A job is in the archive.
    fn add(&mut self, sequence: u64, kind: TypeName, outcome: Outcome) {
        self.totals.archived += 1;
        self.entries.push(Entry::Added(sequence, kind, outcome));
    }

    /// A job isn't in the archive any more. Totals that are wrong by now show at the next start; they are no reason to stop here.
    fn struck(&mut self, sequence: u64, kind: TypeName, outcome: Outcome) {
        self.totals.archived = self.totals.archived.saturating_sub(1);
        self.entries.push(Entry::Struck(sequence, kind, outcome));
    }

    /// The type of a job, if it is there.
    fn kind_of(&mut self, sequence: u64) -> Result<Option<TypeName>, Wrong> {
        let mut rows = self.kind.query([sequence.cast_signed()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let kind = row::text(row, 0).and_then(|kind| self.reader.kind(kind));
        kind.map(Some).map_err(|flaw| Wrong::Row(sequence, flaw))
    }
}

/// False: there is no such row.
fn change(
    statement: &mut Statement<'_>,
    writer: &mut Writer,
    sequence: u64,
    progress: &Progress,
) -> rusqlite::Result<bool> {
    statement.raw_bind_parameter(1, sequence.cast_signed())?;
    writer.bind_progress(statement, 2, sequence, progress)?;
    Ok(statement.raw_execute()? > 0)
}

/// The same where a job ends, or has ended before.
fn end(
    statement: &mut Statement<'_>,
    writer: &mut Writer,
    sequence: u64,
    progress: &Progress,
) -> rusqlite::Result<bool> {
    writer.bind_end(statement, 6, progress)?;
    change(statement, writer, sequence, progress)
}
