//! A note as a row of the table `notes`, and back: a checksum over the key and the value.

use rusqlite::{Connection, Row};

use crate::core::record::Body;

/// What is wrong with the notes.
pub(super) enum Wrong {
    Sql(rusqlite::Error),
    /// The note with this key, as far as that can be read.
    Note(String),
}

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Wrong {
        Wrong::Sql(error)
    }
}

/// The sum of a row.
pub(super) fn sum(key: &str, value: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key.as_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// Every note, by key. Gives how many there are.
pub(super) fn scan(connection: &Connection, each: &mut dyn FnMut(&str, Body)) -> Result<u64, Wrong> {
    let mut count = 0;
    let mut last: Option<String> = None;
    let mut statement = connection.prepare("SELECT key, value, sum FROM notes ORDER BY key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (key, value) = parse(row)?;
        // A key that is out of order could be there twice, and not be found.
        if last.as_deref().is_some_and(|last| last >= key) {
            return Err(Wrong::Note(key.into()));
        }
        count += 1;
        each(key, value.into());
        last = Some(key.into());
    }
    Ok(count)
}

fn parse<'a>(row: &'a Row<'_>) -> Result<(&'a str, &'a [u8]), Wrong> {
    let key = row.get_ref(0)?;
    let named = || Wrong::Note(key.as_bytes().map_or_else(|_| "?".into(), |key| String::from_utf8_lossy(key).into()));
    let (text, value) = (key.as_str().map_err(|_| named())?, row.get_ref(1)?.as_blob().map_err(|_| named())?);
    match row.get_ref(2)?.as_i64() {
        Ok(found) if found == i64::from(sum(text, value)) => Ok((text, value)),
        Ok(_) | Err(_) => Err(named()),
    }
}
