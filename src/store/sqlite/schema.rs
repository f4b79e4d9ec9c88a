//! The database file: its tables, its settings, its format.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::StoreError;
use super::folder::{self, FRESH, Folder, MAIN};
use super::totals::Totals;

/// The format this version reads and writes, in `PRAGMA user_version`. Any other is refused.
pub(super) const FORMAT: i64 = 3;

/// "proc", in `PRAGMA application_id`.
const APPLICATION: i64 = 0x7072_6f63;

const PAGE_BYTES: u32 = 4096;

/// Every table and index, as `sqlite_schema` must have them, by name.
///
/// One table for live and finished jobs: to move a row costs twice what its change does. The one index has only the finished
/// in it: what to forget. What to show of them is in memory (`store::catalogue`). Keys append. The notes are few.
const SCHEMA: [(&str, &str); 5] = [
    ("bodies", "CREATE TABLE bodies(sequence INTEGER PRIMARY KEY, body BLOB)"),
    ("forget", "CREATE INDEX forget ON jobs(forget_ms) WHERE forget_ms IS NOT NULL"),
    (
        "jobs",
        "CREATE TABLE jobs(sequence INTEGER PRIMARY KEY, id TEXT, kind TEXT, priority INTEGER, created_ms INTEGER, \
         head BLOB, body BLOB, head_sum INTEGER, state INTEGER, attempt INTEGER, progress BLOB, progress_sum INTEGER, \
         forget_ms INTEGER, detail BLOB)",
    ),
    ("notes", "CREATE TABLE notes(key TEXT PRIMARY KEY, value BLOB, sum INTEGER) WITHOUT ROWID"),
    (
        "totals",
        "CREATE TABLE totals(one INTEGER PRIMARY KEY, live INTEGER, archived INTEGER, long INTEGER, notes INTEGER, \
         last_sequence INTEGER, commits INTEGER, sum INTEGER)",
    ),
];

/// Makes an empty database. It gets its name when it is whole, so there never is half a one.
pub(super) fn create(folder: &Folder) -> Result<(), StoreError> {
    remove_fresh(folder)?;
    let path = folder.file(FRESH);
    let file = folder::private().open(&path).map_err(|error| folder::failed(&path, error))?;
    fill(&path).map_err(|error| error_at(&path, &error))?;
    file.sync_all().map_err(|error| folder::failed(&path, error))?;
    fs::rename(&path, folder.file(MAIN)).map_err(|error| folder::failed(&path, error))?;
    folder.sync()
}

/// What a server left behind that was stopped while it made a database.
fn remove_fresh(folder: &Folder) -> Result<(), StoreError> {
    for entry in fs::read_dir(folder.path()).map_err(|error| folder::failed(folder.path(), error))?.flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(FRESH.as_bytes()) {
            fs::remove_file(entry.path()).map_err(|error| folder::failed(&entry.path(), error))?;
        }
    }
    Ok(())
}

fn fill(path: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(path, flags())?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    // Room at the end of the file can be given back.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    // Before there is a log of its own: the old kind of journal, removed when the connection closes.
    connection.pragma_update(None, "synchronous", "FULL")?;
    let transaction = connection.unchecked_transaction()?;
    // Tables before their indexes.
    for kind in ["CREATE TABLE", "CREATE INDEX"] {
        for (_, sql) in SCHEMA.iter().filter(|(_, sql)| sql.starts_with(kind)) {
            transaction.execute_batch(sql)?;
        }
    }
    Totals::default().insert(&transaction)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    // It says what it will do, and only then whether it could.
    let mut switch = connection.prepare("PRAGMA journal_mode = WAL")?;
    let mut rows = switch.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    switch.finalize()?;
    connection.close().map_err(|(_, error)| error)
}

/// Refuses what is no database of ours, or of another format, by its first bytes: before anything of it is opened, so nothing of it
/// is changed.
pub(super) fn check_header(folder: &Path) -> Result<(), StoreError> {
    let path = folder.join(MAIN);
    let mut bytes = [0; 100];
    let file = File::open(&path).map_err(|error| folder::failed(&path, error))?;
    let damaged = |what: &str| Err(StoreError::Damaged { place: path.display().to_string(), what: what.into() });
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) if bytes.starts_with(b"SQLite format 3\0") => {}
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => return Err(folder::failed(&path, error)),
        Ok(()) | Err(_) => return damaged("it doesn't begin like a database"),
    }
    let number = |at: usize| i64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes")));
    if number(68) != APPLICATION {
        return damaged("it isn't a database of procession");
    }
    check_format(folder, number(60))
}

fn check_format(folder: &Path, found: i64) -> Result<(), StoreError> {
    match found {
        FORMAT => Ok(()),
        0 => Err(StoreError::Damaged {
            place: folder.join(MAIN).display().to_string(),
            what: "it has no format number".into(),
        }),
        1..FORMAT => Err(StoreError::Older { folder: folder.display().to_string(), found }),
        found => Err(StoreError::Newer { folder: folder.display().to_string(), found, known: FORMAT }),
    }
}

/// Opens the database of a folder that is ours. Closing it leaves its log alone until [`trust`] is called.
/// However long the log got, it is cut to `log_bytes` when it begins anew.
pub(super) fn open(folder: &Folder, log_bytes: u64) -> Result<Connection, StoreError> {
    let path = folder.file(MAIN);
    let connection = Connection::open_with_flags(&path, flags()).map_err(|error| error_at(&path, &error))?;
    let format = set(&connection, log_bytes).map_err(|error| error_at(&path, &error))?;
    check_format(folder.path(), format)?;
    match flaw(&connection).map_err(|error| error_at(&path, &error))? {
        None => Ok(connection),
        Some(what) => Err(StoreError::Damaged { place: path.display().to_string(), what }),
    }
}

/// From now on the log may go into the database when it is closed.
pub(super) fn trust(connection: &Connection, is_trusted: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !is_trusted).map(drop)
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// Gives the format.
fn set(connection: &Connection, log_bytes: u64) -> rusqlite::Result<i64> {
    trust(connection, false)?;
    connection.set_prepared_statement_cache_capacity(32);
    // Nobody can wait for a lock that nobody else has.
    connection.busy_timeout(Duration::ZERO)?;
    // Before the first read: then the index of the log is in our memory and not in a file.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", log_bytes.cast_signed())?;
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// What is wrong with the settings and tables of the file.
fn flaw(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let journal: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0))?;
    let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let vacuum: u32 = connection.query_row("PRAGMA auto_vacuum", [], |row| row.get(0))?;
    let encoding: String = connection.query_row("PRAGMA encoding", [], |row| row.get(0))?;
    if (&*journal, page, vacuum, &*encoding) != ("wal", PAGE_BYTES, 2, "UTF-8") {
        return Ok(Some("its header isn't what was written".into()));
    }
    let mut statement = connection.prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")?;
    let found = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let is_ours = found.iter().map(|(name, sql)| (&**name, &**sql)).eq(SCHEMA);
    Ok((!is_ours).then(|| "its tables aren't what was made".into()))
}

/// The error of a database at `path`.
pub(super) fn error_at(path: &Path, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
    let (place, what) = (path.display().to_string(), error.to_string());
    match error.sqlite_error_code() {
        Some(DiskFull) => StoreError::Full(format!("{place}: {what}")),
        Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged { place, what },
        _ => StoreError::Failed { place, what },
    }
}
