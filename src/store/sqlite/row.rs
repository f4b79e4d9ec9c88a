//! A job as a row of the table `jobs`, and back.
//!
//! A row has two halves, each with a checksum over all its bytes and the job's number: the head never changes, the progress
//! does. So a change needs neither the body nor what was there before.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

use super::pack::{Packer, Unpacker};
use crate::core::record::{AttemptEnd, Body, JobId, OnMasterGone, Outcome, PeerName, Policy, TypeName};
use crate::core::record::{Progress, StoredAttempt, StoredJob, StoredState};

/// Longer bodies have a place of their own (the table `bodies`), so that a change of the job doesn't write them again.
pub(super) const LONG: usize = 2048;

/// The columns of a whole row, in the order in which [`Writer`] writes and [`Reader`] reads.
macro_rules! columns {
    () => {
        "sequence, id, kind, priority, created_ms, head, body, head_sum, state, attempt, progress, progress_sum, forget_ms, detail"
    };
}
pub(super) use columns;

/// Columns of the head before those of the progress.
const HEAD: usize = 8;

/// Writes rows. Holds what it packs into, so that a row costs no allocation.
#[derive(Default, Debug)]
pub(super) struct Writer {
    packer: Packer,
}

impl Writer {
    /// Binds parameters 1 to 8.
    pub(super) fn bind_head(&mut self, statement: &mut Statement<'_>, job: &StoredJob) -> rusqlite::Result<()> {
        let (id, kind) = (job.id.text(), job.kind.text());
        let is_long = job.body.len() > LONG;
        self.packer.clear();
        pack_head(&mut self.packer, job);
        let sum = head_sum(
            job.sequence,
            [id.as_bytes(), kind.as_bytes(), &self.packer.0],
            job.priority,
            job.created_ms,
            if is_long { &[] } else { &job.body },
        );
        statement.raw_bind_parameter(1, job.sequence.cast_signed())?;
        statement.raw_bind_parameter(2, &*id)?;
        statement.raw_bind_parameter(3, &*kind)?;
        statement.raw_bind_parameter(4, job.priority)?;
        statement.raw_bind_parameter(5, job.created_ms.cast_signed())?;
        statement.raw_bind_parameter(6, &self.packer.0[..])?;
        statement.raw_bind_parameter(7, (!is_long).then_some(&*job.body))?;
        statement.raw_bind_parameter(8, i64::from(sum))
    }

    /// Binds `first` and the three parameters after it: a live job has no more.
    pub(super) fn bind_progress(
        &mut self,
        statement: &mut Statement<'_>,
        first: usize,
        sequence: u64,
        progress: &Progress,
    ) -> rusqlite::Result<()> {
        self.packer.clear();
        pack_progress(&mut self.packer, progress);
        let state = state_code(&progress.state);
        let (forget_ms, detail) = end(progress);
        let sum = progress_sum(sequence, state, progress.attempt.into(), forget_ms, &self.packer.0, detail);
        statement.raw_bind_parameter(first, state)?;
        statement.raw_bind_parameter(first + 1, progress.attempt)?;
        statement.raw_bind_parameter(first + 2, &self.packer.0[..])?;
        statement.raw_bind_parameter(first + 3, i64::from(sum))
    }

    /// Binds `first` and the parameter after it: what a finished job has beside its progress.
    pub(super) fn bind_end(
        &self,
        statement: &mut Statement<'_>,
        first: usize,
        progress: &Progress,
    ) -> rusqlite::Result<()> {
        let (forget_ms, detail) = end(progress);
        statement.raw_bind_parameter(first, forget_ms)?;
        statement.raw_bind_parameter(first + 1, detail)
    }
}

/// When the record goes, and the result or the error.
fn end(progress: &Progress) -> (Option<i64>, Option<&[u8]>) {
    match &progress.state {
        StoredState::Scheduled { .. } | StoredState::Queued | StoredState::Running { .. } => (None, None),
        StoredState::Finished { forget_ms, detail, .. } => {
            (Some(i64::try_from(*forget_ms).unwrap_or(i64::MAX)), detail.as_deref())
        }
    }
}

/// The cells of the half of a row that says which job it is, their sum verified.
pub(super) struct HeadCells<'a> {
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    /// None: it is in the table `bodies`.
    pub(super) body: Option<&'a [u8]>,
    /// All that has no cell of its own, with the master's name in one piece.
    pub(super) packed: &'a [u8],
    sequence: u64,
    priority: i64,
    created_ms: u64,
}

impl<'a> HeadCells<'a> {
    /// Those of a row of all columns.
    pub(super) fn read(row: &'a Row<'_>) -> Result<HeadCells<'a>, Flaw> {
        let sequence = integer(row, 0)?.cast_unsigned();
        let (id, kind, packed) = (text(row, 1)?, text(row, 2)?, blob(row, 5)?);
        let (priority, created_ms) = (integer(row, 3)?, integer(row, 4)?.cast_unsigned());
        let body = maybe_blob(row, 6)?;
        let sum = head_sum(
            sequence,
            [id.as_bytes(), kind.as_bytes(), packed],
            priority,
            created_ms,
            body.unwrap_or_default(),
        );
        if integer(row, 7)? != i64::from(sum) {
            return Err(SUM);
        }
        Ok(HeadCells { sequence, id, kind, priority, created_ms, packed, body })
    }
}

/// The cells of the other half, their sum verified.
pub(super) struct ProgressCells<'a> {
    /// All that has no cell of its own, with every name of a worker and every error in one piece.
    pub(super) packed: &'a [u8],
    state: i64,
    attempt: i64,
    forget_ms: Option<i64>,
    detail: Option<&'a [u8]>,
}

impl<'a> ProgressCells<'a> {
    /// Those of a row of all columns.
    pub(super) fn read(row: &'a Row<'_>) -> Result<ProgressCells<'a>, Flaw> {
        let sequence = integer(row, 0)?.cast_unsigned();
        let (state, attempt, packed) = (integer(row, HEAD)?, integer(row, HEAD + 1)?, blob(row, HEAD + 2)?);
        let forget_ms = match value(row, HEAD + 4)? {
            ValueRef::Null => None,
            ValueRef::Integer(forget_ms) => Some(forget_ms),
            ValueRef::Blob(_) | ValueRef::Real(_) | ValueRef::Text(_) => return Err(KIND),
        };
        let detail = maybe_blob(row, HEAD + 5)?;
        let sum = progress_sum(sequence, state, attempt, forget_ms, packed, detail);
        if integer(row, HEAD + 3)? != i64::from(sum) {
            return Err(SUM);
        }
        Ok(ProgressCells { state, attempt, packed, forget_ms, detail })
    }

    /// The result or the error, if there is one.
    pub(super) fn detail(&self) -> &'a [u8] {
        self.detail.unwrap_or_default()
    }
}

/// A body as a row has it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum BodyAt<'a> {
    /// In the row.
    Here(&'a [u8]),
    /// In the table `bodies`.
    Long(LongBody),
}

/// What a row knows of a body that is elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LongBody {
    /// Its length in bytes.
    pub(super) bytes: usize,
    sum: u32,
}

impl LongBody {
    /// Whether this is it.
    pub(super) fn is(self, body: &[u8]) -> bool {
        body.len() == self.bytes && crc32fast::hash(body) == self.sum
    }
}

/// The half of a row that says which job it is, its sum verified.
pub(super) struct HeadRow<'a> {
    pub(super) id: JobId,
    pub(super) kind: TypeName,
    pub(super) body: BodyAt<'a>,
    sequence: u64,
    priority: i64,
    created_ms: u64,
    born_ms: u64,
    master: PeerName,
    policy: Arc<Policy>,
}

/// What is wrong with a row.
pub(super) type Flaw = &'static str;

const KIND: Flaw = "a column has a wrong kind";
const SUM: Flaw = "its checksum is wrong";
const PACKED: Flaw = "its bytes make no sense";

/// Reads rows. Jobs share their policies, types and names of peers, as they did when they were written.
#[derive(Default, Debug)]
pub(super) struct Reader {
    policies: HashMap<Box<[u8]>, Arc<Policy>>,
    kinds: HashMap<Box<str>, TypeName>,
    peers: HashMap<Box<str>, PeerName>,
}

/// Values of a kind that a reader shares; more make it begin anew.
const MOST_SHARED: usize = 1_000;

impl Reader {
    /// The head of a row of all columns.
    pub(super) fn head<'a>(&mut self, row: &'a Row<'_>) -> Result<HeadRow<'a>, Flaw> {
        self.parse_head(&HeadCells::read(row)?)
    }

    /// The progress of a row of all columns.
    pub(super) fn progress(&mut self, row: &Row<'_>) -> Result<Progress, Flaw> {
        self.parse_progress(&ProgressCells::read(row)?)
    }

    /// What the cells say.
    pub(super) fn parse_head<'a>(&mut self, cells: &HeadCells<'a>) -> Result<HeadRow<'a>, Flaw> {
        let HeadCells { sequence, id, kind, priority, created_ms, packed, body } = *cells;
        self.unpack_head(packed, body, id, kind)
            .map(|head| HeadRow { sequence, priority, created_ms, ..head })
            .map(|head| HeadRow { born_ms: head.created_ms.wrapping_add(head.born_ms), ..head })
            .ok_or(PACKED)
    }

    /// What the cells say.
    pub(super) fn parse_progress(&mut self, cells: &ProgressCells<'_>) -> Result<Progress, Flaw> {
        let ProgressCells { state, attempt, packed, forget_ms, detail } = *cells;
        self.unpack_progress(state, attempt, forget_ms, detail, packed).ok_or(PACKED)
    }

    /// The type of this name.
    pub(super) fn kind(&mut self, name: &str) -> Result<TypeName, Flaw> {
        shared(&mut self.kinds, name, |kind| TypeName::from_text(kind).ok()).ok_or(PACKED)
    }

    fn unpack_head<'a>(&mut self, head: &[u8], body: Option<&'a [u8]>, id: &str, kind: &str) -> Option<HeadRow<'a>> {
        let mut unpacker = Unpacker(head);
        let flags = unpacker.byte()?;
        let is_integer = flags & IS_INTEGER != 0;
        let policy = self.policy(unpacker.bytes()?)?;
        // The difference to the time of acceptance, which the caller knows.
        let born_ms = unpacker.number()?;
        let master = self.peer(unpacker.text()?)?;
        let body = match body {
            Some(body) => BodyAt::Here(body),
            None => {
                let bytes = usize::try_from(unpacker.number()?).ok()?;
                BodyAt::Long(LongBody { bytes, sum: unpacker.small()? })
            }
        };
        let id = if is_integer { JobId::from_integer(id) } else { JobId::from_text(id) }.ok()?;
        let kind = self.kind(kind).ok()?;
        unpacker.is_empty().then_some(HeadRow {
            id,
            kind,
            body,
            sequence: 0,
            priority: 0,
            created_ms: 0,
            born_ms,
            master,
            policy,
        })
    }

    fn policy(&mut self, packed: &[u8]) -> Option<Arc<Policy>> {
        if let Some(policy) = self.policies.get(packed) {
            return Some(policy.clone());
        }
        let policy = Arc::new(unpack_policy(packed)?);
        if self.policies.len() == MOST_SHARED {
            self.policies.clear();
        }
        self.policies.insert(packed.into(), policy.clone());
        Some(policy)
    }

    fn unpack_progress(
        &mut self,
        state: i64,
        attempt: i64,
        forget_ms: Option<i64>,
        detail: Option<&[u8]>,
        packed: &[u8],
    ) -> Option<Progress> {
        let mut unpacker = Unpacker(packed);
        let deliveries = unpacker.small()?;
        let state = match state {
            SCHEDULED => StoredState::Scheduled { at_ms: unpacker.number()? },
            QUEUED => StoredState::Queued,
            RUNNING => StoredState::Running {
                worker: self.peer(unpacker.text()?)?,
                started_ms: unpacker.number()?,
                lease_ms: unpacker.maybe()?,
            },
            code => StoredState::Finished {
                outcome: outcome_of_code(code)?,
                detail: detail.map(Body::from),
                at_ms: unpacker.number()?,
                forget_ms: forget_ms?.cast_unsigned(),
            },
        };
        let mut history = Vec::new();
        for _ in 0..unpacker.number()? {
            history.push(StoredAttempt {
                number: unpacker.small()?,
                worker: self.peer(unpacker.text()?)?,
                started_ms: unpacker.number()?,
                ended_ms: unpacker.number()?,
                end: end_of_code(unpacker.byte()?)?,
                error: match unpacker.byte()? {
                    0 => None,
                    1 => Some(unpacker.bytes()?.into()),
                    _ => return None,
                },
            });
        }
        // Said only where it was changed.
        let priority = if unpacker.is_empty() { None } else { Some(unpacker.number()?.cast_signed()) };
        let attempt = attempt.try_into().ok()?;
        unpacker.is_empty().then_some(Progress { state, attempt, deliveries, priority, history })
    }

    fn peer(&mut self, name: &str) -> Option<PeerName> {
        shared(&mut self.peers, name, |name| Some(name.into()))
    }
}

impl HeadRow<'_> {
    /// The whole job, with this body.
    pub(super) fn job(self, body: Body, progress: Progress) -> StoredJob {
        let HeadRow { id, kind, body: _, sequence, priority, created_ms, born_ms, master, policy } = self;
        StoredJob { sequence, id, kind, priority, body, policy, created_ms, born_ms, master, progress }
    }
}

fn shared<T: Clone>(known: &mut HashMap<Box<str>, T>, name: &str, make: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    if let Some(value) = known.get(name) {
        return Some(value.clone());
    }
    let value = make(name)?;
    if known.len() == MOST_SHARED {
        known.clear();
    }
    known.insert(name.into(), value.clone());
    Some(value)
}

fn pack_head(packer: &mut Packer, job: &StoredJob) {
    let is_integer = !job.id.token().starts_with('"');
    packer.byte(if is_integer { IS_INTEGER } else { 0 });
    let start = packer.0.len();
    packer.byte(0);
    pack_policy(packer, &job.policy);
    let length = packer.0.len() - start - 1;
    packer.0[start] =
        u8::try_from(length).ok().filter(|length| *length < 0x80).expect("six numbers are at most 57 bytes");
    packer.number(job.born_ms.wrapping_sub(job.created_ms));
    packer.bytes(job.master.as_bytes());
    if job.body.len() > LONG {
        packer.number(job.body.len() as u64);
        packer.number(crc32fast::hash(&job.body).into());
    }
}

fn pack_policy(packer: &mut Packer, policy: &Policy) {
    let Policy { lease_ms, max_attempts, backoff_ms, ttl_ms, keep_ms, keep_failed_ms, durable, on_master_gone } =
        policy;
    let on_master_gone = match on_master_gone {
        OnMasterGone::Drop => 1,
        OnMasterGone::Keep => 0,
    };
    packer.byte(u8::from(*durable) << 1 | on_master_gone);
    packer.maybe(*lease_ms);
    packer.number((*max_attempts).into());
    packer.number(*backoff_ms);
    packer.maybe(*ttl_ms);
    packer.number(*keep_ms);
    packer.number(*keep_failed_ms);
}

fn unpack_policy(packed: &[u8]) -> Option<Policy> {
    let mut unpacker = Unpacker(packed);
    let flags = unpacker.byte().filter(|flags| *flags < 4)?;
    let policy = Policy {
        lease_ms: unpacker.maybe()?,
        max_attempts: unpacker.small()?,
        backoff_ms: unpacker.number()?,
        ttl_ms: unpacker.maybe()?,
        keep_ms: unpacker.number()?,
        keep_failed_ms: unpacker.number()?,
        durable: flags & 2 != 0,
        on_master_gone: if flags & 1 != 0 { OnMasterGone::Drop } else { OnMasterGone::Keep },
    };
    unpacker.is_empty().then_some(policy)
}

fn pack_progress(packer: &mut Packer, progress: &Progress) {
    packer.number(progress.deliveries.into());
    match &progress.state {
        StoredState::Scheduled { at_ms } => packer.number(*at_ms),
        StoredState::Queued => {}
        StoredState::Running { worker, started_ms, lease_ms } => {
            packer.bytes(worker.as_bytes());
            packer.number(*started_ms);
            packer.maybe(*lease_ms);
        }
        // The rest has columns of its own.
        StoredState::Finished { at_ms, .. } => packer.number(*at_ms),
    }
    packer.number(progress.history.len() as u64);
    for StoredAttempt { number, worker, started_ms, ended_ms, end, error } in &progress.history {
        packer.number((*number).into());
        packer.bytes(worker.as_bytes());
        packer.number(*started_ms);
        packer.number(*ended_ms);
        packer.byte(end_code(*end));
        packer.byte(error.is_some().into());
        if let Some(error) = error {
            packer.bytes(error);
        }
    }
    if let Some(priority) = progress.priority {
        packer.number(priority.cast_unsigned());
    }
}

fn head_sum(sequence: u64, [id, kind, head]: [&[u8]; 3], priority: i64, created_ms: u64, body: &[u8]) -> u32 {
    let mut fixed = [0; 40];
    let lengths = (id.len() as u64) << 32 | (kind.len() as u64) << 16 | head.len() as u64;
    for (place, number) in
        fixed.chunks_exact_mut(8).zip([sequence, priority.cast_unsigned(), created_ms, lengths, body.len() as u64])
    {
        place.copy_from_slice(&number.to_le_bytes());
    }
    sum(&fixed, &[id, kind, head, body])
}

fn progress_sum(
    sequence: u64,
    state: i64,
    attempt: i64,
    forget_ms: Option<i64>,
    packed: &[u8],
    detail: Option<&[u8]>,
) -> u32 {
    let mut fixed = [0; 48];
    let detail_length = detail.map_or(-1, |detail| detail.len() as i64);
    let numbers = [sequence.cast_signed(), state, attempt, forget_ms.unwrap_or(-1), packed.len() as i64, detail_length];
    for (place, number) in fixed.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    sum(&fixed, &[packed, detail.unwrap_or_default()])
}

fn sum(fixed: &[u8], parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(fixed);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize()
}

fn value<'a>(row: &'a Row<'_>, column: usize) -> Result<ValueRef<'a>, Flaw> {
    row.get_ref(column).map_err(|_| "a column is missing")
}

fn integer(row: &Row<'_>, column: usize) -> Result<i64, Flaw> {
    value(row, column)?.as_i64().map_err(|_| KIND)
}

/// A cell that has to be a text.
pub(super) fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str, Flaw> {
    value(row, column)?.as_str().map_err(|_| KIND)
}

fn maybe_blob<'a>(row: &'a Row<'_>, column: usize) -> Result<Option<&'a [u8]>, Flaw> {
    match value(row, column)? {
        ValueRef::Null => Ok(None),
        ValueRef::Blob(blob) => Ok(Some(blob)),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) => Err(KIND),
    }
}

fn blob<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a [u8], Flaw> {
    value(row, column)?.as_blob().map_err(|_| KIND)
}

const IS_INTEGER: u8 = 1;

const SCHEDULED: i64 = 0;
const QUEUED: i64 = 1;
const RUNNING: i64 = 2;
const COMPLETED: i64 = 3;
const FAILED: i64 = 4;
const CANCELLED: i64 = 5;
const EXPIRED: i64 = 6;

fn state_code(state: &StoredState) -> i64 {
    match state {
        StoredState::Scheduled { .. } => SCHEDULED,
        StoredState::Queued => QUEUED,
        StoredState::Running { .. } => RUNNING,
        StoredState::Finished { outcome, .. } => outcome_code(*outcome),
    }
}

/// The state of a job with this outcome.
fn outcome_code(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Completed => COMPLETED,
        Outcome::Failed => FAILED,
        Outcome::Cancelled => CANCELLED,
        Outcome::Expired => EXPIRED,
    }
}

fn outcome_of_code(code: i64) -> Option<Outcome> {
    [Outcome::Completed, Outcome::Failed, Outcome::Cancelled, Outcome::Expired]
        .into_iter()
        .find(|outcome| outcome_code(*outcome) == code)
}

fn end_code(end: AttemptEnd) -> u8 {
    match end {
        AttemptEnd::Failed => 0,
        AttemptEnd::Released => 1,
        AttemptEnd::WorkerGone => 2,
        AttemptEnd::LeaseOver => 3,
        AttemptEnd::Cancelled => 4,
        AttemptEnd::Completed => 5,
    }
}

fn end_of_code(code: u8) -> Option<AttemptEnd> {
    let ends = [
        AttemptEnd::Failed,
        AttemptEnd::Released,
        AttemptEnd::WorkerGone,
        AttemptEnd::LeaseOver,
        AttemptEnd::Cancelled,
        AttemptEnd::Completed,
    ];
    ends.into_iter().find(|end| end_code(*end) == code)
}
