//! Looking into the archive of finished jobs. The catalogue says which rows to read.
//!
//! A search reads rows by the thousand, so it looks for the text in their bytes first. Only what has it there is made into a
//! job and asked properly: the bytes of a row have every text in one piece, and a few more that are none.

use memchr::memmem::Finder;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{Connection, Row, Rows};

use super::read::{Wrong, body_at};
use super::row::{HeadCells, ProgressCells, Reader, columns};
use super::{Page, Query, Sqlite, StoreError};
use crate::core::record::StoredJob;
use crate::store::weight;

/// All columns, newest first. One row after the other costs less than to seek each.
const ROWS: &str = concat!("SELECT ", columns!(), " FROM jobs WHERE sequence <= ?1 ORDER BY sequence DESC");

/// A row that is so many numbers away is sought. Those between are other people's, and stepping over one costs a tenth of that.
const NEAR: u64 = 16;

impl Sqlite {
    pub(super) fn page_of(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.look_through(query).map_err(|wrong| self.wrong(wrong))
    }

    fn look_through(&mut self, query: &Query) -> Result<Page, Wrong> {
        let Sqlite { connection, reader, catalogue, .. } = self;
        let tally = catalogue.tally(query.kind.as_ref());
        let total = query.outcome.map_or(tally.total(), |outcome| tally.of(outcome));
        let mut paging = Paging { query, page: Page { total, ..Page::default() }, bytes: 0, last: None };
        let finder = query.text.as_ref().map(Finder::new);
        let mut wanted = catalogue.page(query).peekable();
        let mut statement = connection.prepare_cached(ROWS)?;
        while let Some(first) = wanted.peek().copied() {
            let mut rows = statement.query([first.cast_signed()])?;
            let mut sought = first;
            while let Some(sequence) = wanted.next_if(|next| sought - next <= NEAR) {
                if paging.is_over() {
                    return Ok(paging.page);
                }
                let row = step_to(&mut rows, sequence)?;
                let seen = look(connection, reader, sequence, row, finder.as_ref())?;
                if !paging.take(sequence, seen) {
                    return Ok(paging.page);
                }
                sought = sequence;
            }
        }
        Ok(paging.page)
    }
}

/// Goes on to the row of this job.
fn step_to<'r, 's>(rows: &'r mut Rows<'s>, sequence: u64) -> Result<&'r Row<'s>, Wrong> {
    let sequence = sequence.cast_signed();
    while let Some(row) = rows.next()? {
        if row.get::<_, i64>(0)? <= sequence {
            break;
        }
    }
    match (*rows).get() {
        Some(row) if row.get::<_, i64>(0)? == sequence => Ok(row),
        Some(_) | None => Err(Wrong::Row(sequence, "it is missing")),
    }
}

/// A page that is being filled.
struct Paging<'a> {
    query: &'a Query,
    page: Page,
    /// Of what was found.
    bytes: usize,
    /// The last that was looked at.
    last: Option<u64>,
}

impl Paging<'_> {
    /// Whether the page ends before the next job.
    fn is_over(&mut self) -> bool {
        let Paging { query, page, .. } = self;
        let has_read = page.looked_at > 0 && page.looked_at_bytes >= query.look_at_bytes;
        let is_over = page.looked_at == query.look_at || page.jobs.len() == query.limit || has_read;
        if is_over {
            page.next = self.last;
        }
        is_over
    }

    /// Adds a job, if it is one that is asked for. False: it has no room, the page ends before it.
    fn take(&mut self, sequence: u64, seen: Seen) -> bool {
        let Paging { query, page, .. } = self;
        if let Some(job) = seen.job.filter(|job| query.matches(job)) {
            self.bytes = self.bytes.saturating_add(seen.bytes);
            if self.bytes > query.bytes && !page.jobs.is_empty() {
                page.next = self.last;
                return false;
            }
            page.jobs.push(job);
        }
        page.looked_at += 1;
        page.looked_at_bytes = page.looked_at_bytes.saturating_add(seen.bytes);
        self.last = Some(sequence);
        true
    }
}

/// A row that was looked at.
struct Seen {
    /// The job's weight.
    bytes: usize,
    /// The job, if it may have the text.
    job: Option<StoredJob>,
}

fn look(
    connection: &Connection,
    reader: &mut Reader,
    sequence: u64,
    row: &Row<'_>,
    finder: Option<&Finder<'_>>,
) -> Result<Seen, Wrong> {
    let wrong = |flaw| Wrong::Row(sequence.cast_signed(), flaw);
    let (head, progress) = (HeadCells::read(row).map_err(wrong)?, ProgressCells::read(row).map_err(wrong)?);
    // A long body isn't in the row: then the job has to be made anyway.
    if let (Some(finder), Some(body)) = (finder, head.body) {
        let texts = [head.id.as_bytes(), head.kind.as_bytes(), head.packed, body, progress.packed, progress.detail()];
        if !texts.iter().any(|text| finder.find(text).is_some()) {
            return Ok(Seen { bytes: body.len() + progress.detail().len(), job: None });
        }
    }
    let head = reader.parse_head(&head).map_err(wrong)?;
    let body = body_at(connection, sequence.cast_signed(), head.body)?;
    let job = head.job(body, reader.parse_progress(&progress).map_err(wrong)?);
    Ok(Seen { bytes: weight(&job), job: Some(job) })
}
