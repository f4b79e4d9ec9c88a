//! Recovery, and looking up what is kept. No row is believed before its checksums are.

use rusqlite::Connection;

use super::row::{BodyAt, Flaw, LongBody, Reader, columns};
use super::wal::Tail;
use super::{Archived, Recalled, Recovered, Sqlite, StoreError, note, schema};
use crate::core::record::Body;
use crate::core::record::StoredJob;
use crate::store::catalogue::Catalogue;
use crate::store::outcome_of;

/// What went wrong while reading.
pub(super) enum Wrong {
    Sql(rusqlite::Error),
    Row(i64, Flaw),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Wrong {
        Wrong::Sql(error)
    }
}

impl Sqlite {
    pub(super) fn recover_all(
        &mut self,
        bodies_up_to: usize,
        each: &mut dyn FnMut(Recalled),
    ) -> Result<Recovered, StoreError> {
        self.check_trees()?;
        let notes = self.recover_notes(each)?;
        self.catalogue = Catalogue::default();
        let seen = scan(&self.connection, &mut self.reader, &mut self.catalogue, bodies_up_to, each)
            .map_err(|wrong| self.wrong(wrong))?;
        self.check_counts(&seen)?;
        let repaired = self.tail != Tail::Whole;
        // From here on it may be changed.
        schema::trust(&self.connection, true).map_err(|error| self.error(&error))?;
        if repaired {
            self.empty_log()?;
        }
        self.reserve.restore(u64::MAX);
        Ok(Recovered {
            next_sequence: self.totals.last_sequence + 1,
            live: self.totals.live,
            archived: self.totals.archived,
            notes,
            repaired,
            lost: self.lost,
        })
    }

    fn recover_notes(&self, each: &mut dyn FnMut(Recalled)) -> Result<u64, StoreError> {
        let mut recall = |key: &str, value| each(Recalled::Note { key: key.into(), value });
        let count = note::scan(&self.connection, &mut recall).map_err(|wrong| match wrong {
            note::Wrong::Sql(error) => self.error(&error),
            note::Wrong::Note(key) => self.damaged(format!("the note {key:?} isn't what was written")),
        })?;
        if count != self.totals.notes {
            return Err(self.damaged(format!("it has {count} notes, but there must be {}", self.totals.notes)));
        }
        Ok(count)
    }

    pub(super) fn fetch(&mut self, sequence: u64) -> Result<Option<StoredJob>, StoreError> {
        whole_job(&self.connection, &mut self.reader, sequence.cast_signed()).map_err(|wrong| self.wrong(wrong))
    }

    pub(super) fn body(&mut self, sequence: u64) -> Result<Option<Body>, StoreError> {
        body(&self.connection, &mut self.reader, sequence.cast_signed()).map_err(|wrong| self.wrong(wrong))
    }

    /// The finished jobs to be forgotten, as the index has them and the rows confirm it.
    pub(super) fn due(&mut self, now_ms: u64, most: usize) -> Result<Vec<Archived>, StoreError> {
        due(&self.connection, &mut self.reader, now_ms, most).map_err(|wrong| self.wrong(wrong))
    }

    /// Walks every page: what is lost, used twice or out of order.
    fn check_trees(&self) -> Result<(), StoreError> {
        let found: String = self
            .connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
            .map_err(|error| self.error(&error))?;
        if found == "ok" { Ok(()) } else { Err(self.damaged(found.replace('\n', ", "))) }
    }

    fn check_counts(&self, seen: &Seen) -> Result<(), StoreError> {
        let long: i64 = self
            .connection
            .query_row("SELECT count(*) FROM bodies", [], |row| row.get(0))
            .map_err(|error| self.error(&error))?;
        let totals = &self.totals;
        let is_whole = seen.live == totals.live
            && seen.forget.rows == totals.archived
            && seen.long == totals.long
            && long.cast_unsigned() == totals.long
            && seen.last_sequence <= totals.last_sequence;
        if !is_whole {
            return Err(self.damaged(format!(
                "it has {} live jobs, {} finished ones and {long} long bodies, but there must be {}, {} and {}",
                seen.live, seen.forget.rows, totals.live, totals.archived, totals.long
            )));
        }
        if digest(&self.connection).map_err(|error| self.error(&error))? != seen.forget {
            return Err(self.damaged("an index isn't like its table"));
        }
        Ok(())
    }

    pub(super) fn wrong(&self, wrong: Wrong) -> StoreError {
        match wrong {
            Wrong::Sql(error) => self.error(&error),
            Wrong::Row(sequence, flaw) => self.damaged(format!("job {sequence} isn't what was written: {flaw}")),
        }
    }
}

/// What a scan of all rows saw.
#[derive(Default)]
struct Seen {
    live: u64,
    long: u64,
    last_sequence: u64,
    forget: Digest,
}

/// What must come out the same in the table and in an index: how many finished rows, and a sum over what the index has of
/// each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Digest {
    rows: u64,
    sum: u64,
}

impl Digest {
    fn add(&mut self, sequence: i64, key: i64) {
        self.rows += 1;
        let mixed =
            (sequence.cast_unsigned() ^ key.cast_unsigned().rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.sum = self.sum.wrapping_add(mixed ^ (mixed >> 29));
    }
}

/// What the index has.
fn digest(connection: &Connection) -> rusqlite::Result<Digest> {
    const SQL: &str = "SELECT sequence, forget_ms FROM jobs INDEXED BY forget WHERE forget_ms IS NOT NULL";
    let mut digest = Digest::default();
    let mut statement = connection.prepare(SQL)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        digest.add(row.get(0)?, row.get(1)?);
    }
    Ok(digest)
}

fn scan(
    connection: &Connection,
    reader: &mut Reader,
    catalogue: &mut Catalogue,
    bodies_up_to: usize,
    each: &mut dyn FnMut(Recalled),
) -> Result<Seen, Wrong> {
    let mut seen = Seen::default();
    let mut statement = connection.prepare(concat!("SELECT ", columns!(), " FROM jobs ORDER BY sequence"))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let wrong = |flaw| Wrong::Row(sequence, flaw);
        let head = reader.head(row).map_err(wrong)?;
        let progress = reader.progress(row).map_err(wrong)?;
        seen.last_sequence = sequence.cast_unsigned();
        if let BodyAt::Long(_) = head.body {
            seen.long += 1;
            if !connection.prepare_cached("SELECT 1 FROM bodies WHERE sequence = ?1")?.exists([sequence])? {
                return Err(wrong("its body is missing"));
            }
        }
        if let Some(outcome) = outcome_of(&progress) {
            seen.forget.add(sequence, row.get(12)?);
            catalogue.add(sequence.cast_unsigned(), &head.kind, outcome);
            each(Recalled::Archived(Archived {
                id: head.id,
                sequence: sequence.cast_unsigned(),
                kind: head.kind,
                outcome,
            }));
            continue;
        }
        seen.live += 1;
        let body_bytes = match head.body {
            BodyAt::Here(body) => body.len(),
            BodyAt::Long(long) => long.bytes,
        };
        let body = if body_bytes <= bodies_up_to { body_at(connection, sequence, head.body)? } else { Body::default() };
        each(Recalled::Live { job: Box::new(head.job(body, progress)), body_bytes });
    }
    Ok(seen)
}

const ONE: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE sequence = ?1");

fn whole_job(connection: &Connection, reader: &mut Reader, sequence: i64) -> Result<Option<StoredJob>, Wrong> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([sequence])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let wrong = |flaw| Wrong::Row(sequence, flaw);
    let head = reader.head(row).map_err(wrong)?;
    let progress = reader.progress(row).map_err(wrong)?;
    let body = body_at(connection, sequence, head.body)?;
    Ok(Some(head.job(body, progress)))
}

fn body(connection: &Connection, reader: &mut Reader, sequence: i64) -> Result<Option<Body>, Wrong> {
    let mut statement = connection.prepare_cached(ONE)?;
    let mut rows = statement.query([sequence])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let head = reader.head(row).map_err(|flaw| Wrong::Row(sequence, flaw))?;
    body_at(connection, sequence, head.body).map(Some)
}

/// The body that a row has, or knows of.
pub(super) fn body_at(connection: &Connection, sequence: i64, at: BodyAt<'_>) -> Result<Body, Wrong> {
    match at {
        BodyAt::Here(body) => Ok(body.into()),
        BodyAt::Long(long) => long_body(connection, sequence, long),
    }
}

fn long_body(connection: &Connection, sequence: i64, long: LongBody) -> Result<Body, Wrong> {
    let mut statement = connection.prepare_cached("SELECT body FROM bodies WHERE sequence = ?1")?;
    let mut rows = statement.query([sequence])?;
    let Some(row) = rows.next()? else { return Err(Wrong::Row(sequence, "its body is missing")) };
    match row.get_ref(0)?.as_blob() {
        Ok(body) if long.is(body) => Ok(body.into()),
        Ok(_) | Err(_) => Err(Wrong::Row(sequence, "the checksum of its body is wrong")),
    }
}

fn due(connection: &Connection, reader: &mut Reader, now_ms: u64, most: usize) -> Result<Vec<Archived>, Wrong> {
    const SQL: &str = concat!(
        "SELECT ",
        columns!(),
        " FROM jobs INDEXED BY forget WHERE forget_ms <= ?1 ORDER BY forget_ms LIMIT ?2"
    );
    let (now_ms, most) = (i64::try_from(now_ms).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
    let mut due = Vec::new();
    let mut statement = connection.prepare_cached(SQL)?;
    let mut rows = statement.query([now_ms, most])?;
    while let Some(row) = rows.next()? {
        let sequence: i64 = row.get(0)?;
        let wrong = |flaw| Wrong::Row(sequence, flaw);
        let head = reader.head(row).map_err(wrong)?;
        let progress = reader.progress(row).map_err(wrong)?;
        let outcome = outcome_of(&progress).ok_or(wrong("an index says that it has ended"))?;
        due.push(Archived { id: head.id, sequence: sequence.cast_unsigned(), kind: head.kind, outcome });
    }
    Ok(due)
}
