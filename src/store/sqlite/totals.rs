//! How many there must be: running totals, written with every commit, compared at start. A row's checksum can't show that the
//! row is missing.

use rusqlite::{Connection, Row};

/// The one row of the table `totals`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Totals {
    /// Jobs that have not ended.
    pub(super) live: u64,
    /// Jobs that have.
    pub(super) archived: u64,
    /// Bodies in the table `bodies`.
    pub(super) long: u64,
    /// Rows of the table `notes`.
    pub(super) notes: u64,
    /// The largest number of a job ever.
    pub(super) last_sequence: u64,
    /// Commits ever.
    pub(super) commits: u64,
}

impl Totals {
    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("INSERT INTO totals VALUES(1, ?1, ?2, ?3, ?4, ?5, ?6, ?7)", self.row()).map(drop)
    }

    pub(super) fn write(&self, connection: &Connection) -> rusqlite::Result<()> {
        const SQL: &str = "UPDATE totals SET live = ?1, archived = ?2, long = ?3, notes = ?4, last_sequence = ?5, commits = ?6, \
             sum = ?7 WHERE one = 1";
        connection.prepare_cached(SQL)?.execute(self.row()).map(drop)
    }

    /// None where they aren't what was written.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Option<Totals>> {
        let mut statement =
            connection.prepare("SELECT live, archived, long, notes, last_sequence, commits, sum FROM totals")?;
        let mut rows = statement.query([])?;
        let found = match rows.next()? {
            Some(row) => Totals::parse(row),
            None => None,
        };
        Ok(found.filter(|_| matches!(rows.next(), Ok(None))))
    }

    fn parse(row: &Row<'_>) -> Option<Totals> {
        let number = |column| row.get::<_, i64>(column).ok().map(i64::cast_unsigned);
        let totals = Totals {
            live: number(0)?,
            archived: number(1)?,
            long: number(2)?,
            notes: number(3)?,
            last_sequence: number(4)?,
            commits: number(5)?,
        };
        (number(6)? == u64::from(totals.sum())).then_some(totals)
    }

    fn row(&self) -> [i64; 7] {
        let Totals { live, archived, long, notes, last_sequence, commits } = *self;
        [live, archived, long, notes, last_sequence, commits, self.sum().into()].map(u64::cast_signed)
    }

    fn sum(&self) -> u32 {
        let Totals { live, archived, long, notes, last_sequence, commits } = *self;
        crc32fast::hash([live, archived, long, notes, last_sequence, commits].map(u64::to_le_bytes).as_flattened())
    }
}
