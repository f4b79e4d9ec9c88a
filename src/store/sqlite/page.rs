//! Looking into the archive of finished jobs. The catalogue says which rows to read.
//!
//! A search reads rows by the thousand, so it looks for the text in their bytes first. Only what has it there is made into a
//! job and asked properly: the bytes of a row have every text in one piece, and a few more that are none.

use memchr::memmem::Finder;
use rusqlite::{Connection, Row};

use super::read::{ONE, Wrong, body_at};
use super::row::{HeadCells, ProgressCells, Reader};
use super::{Page, Query, Sqlite, StoreError};
use crate::core::record::StoredJob;
use crate::store::weight;

impl Sqlite {
    pub(super) fn page_of(&mut self, query: &Query) -> Result<Page, StoreError> {
        self.look_through(query).map_err(|wrong| self.wrong(wrong))
    }

    fn look_through(&mut self, query: &Query) -> Result<Page, Wrong> {
        let Sqlite { connection, reader, catalogue, .. } = self;
        let tally = catalogue.tally(query.kind.as_ref());
        let total = query.outcome.map_or(tally.total(), |outcome| tally.of(outcome));
        let mut page = Page { total, ..Page::default() };
        let (mut bytes, mut last) = (0_usize, None);
        let finder = query.text.as_ref().map(Finder::new);
        let mut statement = connection.prepare_cached(ONE)?;
        for sequence in catalogue.page(query) {
            let has_read = page.looked_at > 0 && page.looked_at_bytes >= query.look_at_bytes;
            if page.looked_at == query.look_at || page.jobs.len() == query.limit || has_read {
                page.next = last;
                break;
            }
            let mut rows = statement.query([sequence.cast_signed()])?;
            let row = rows.next()?.ok_or(Wrong::Row(sequence.cast_signed(), "it is missing"))?;
            let seen = look(connection, reader, sequence, row, finder.as_ref())?;
            if let Some(job) = seen.job.filter(|job| query.matches(job)) {
                bytes = bytes.saturating_add(seen.bytes);
                if bytes > query.bytes && !page.jobs.is_empty() {
                    page.next = last;
                    break;
                }
                page.jobs.push(job);
            }
            page.looked_at += 1;
            page.looked_at_bytes = page.looked_at_bytes.saturating_add(seen.bytes);
            last = Some(sequence);
        }
        Ok(page)
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
        let texts = [head.id.as_bytes(), head.kind.as_bytes(), body, progress.packed, progress.detail()];
        if !texts.iter().any(|text| finder.find(text).is_some()) {
            return Ok(Seen { bytes: body.len() + progress.detail().len(), job: None });
        }
    }
    let head = reader.parse_head(&head).map_err(wrong)?;
    let body = body_at(connection, sequence.cast_signed(), head.body)?;
    let job = head.job(body, reader.parse_progress(&progress).map_err(wrong)?);
    Ok(Seen { bytes: weight(&job), job: Some(job) })
}
