//! What a job is: its names, its body, its policy, its states (`spec/jobs.md`).

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::{Arc, LazyLock};

use smol_str::{SmolStr, SmolStrBuilder};

use super::deadlines::Moment;

/// A JSON value exactly as it was sent; shared, because a job that comes back is sent again. Empty where a dialect let it
/// be absent: that dialect says nothing again, all others say [`or_null`].
pub type Body = Arc<[u8]>;

/// The body as JSON: an absent one is `null`.
pub fn or_null(body: &[u8]) -> &[u8] {
    if body.is_empty() { b"null" } else { body }
}

/// The number of a queue in this process.
pub type QueueNo = u32;

/// The number of a request on its connection: answers name it, so that a session can put them in order.
pub type Request = u64;

/// Who speaks: a connection, a long poll, an action. Numbers are never used twice, so a late word about one who left
/// can't reach another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Peer(pub u64);

/// A map by peer. Peers are numbered by us, so nobody can choose them to collide: multiplying spreads them enough.
pub type PeerMap<V> = HashMap<Peer, V, BuildHasherDefault<PeerHasher>>;

/// The hash of a peer's number.
#[derive(Default, Clone, Copy, Debug)]
pub struct PeerHasher(u64);

impl Hasher for PeerHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Peer {
    /// Nobody: the master of a job whose result no one waits for.
    pub const NONE: Peer = Peer(0);
}

/// How a peer is called in histories and lists: `PROTOCOL:NAME`, as in `deputy:127.0.0.1:4711`. Shared, and one word wide,
/// since every job and every attempt names one.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct PeerName(Arc<Box<str>>);

impl PeerName {
    /// The protocol, and the name within it.
    pub fn parts(&self) -> (&str, &str) {
        self.0.split_once(':').unwrap_or(("", &self.0))
    }
}

impl From<&str> for PeerName {
    fn from(name: &str) -> PeerName {
        PeerName(Arc::new(name.into()))
    }
}

impl From<String> for PeerName {
    fn from(name: String) -> PeerName {
        PeerName(Arc::new(name.into()))
    }
}

impl std::ops::Deref for PeerName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

/// Why a text can't be an id or a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadName {
    /// It has no characters.
    #[error("is empty")]
    Empty,
    /// It has more than [`MAX_NAME`] bytes.
    #[error("is longer than 255 bytes")]
    TooLong,
    /// It has a control character.
    #[error("has a control character")]
    Control,
    /// It is neither a string nor, for an id, an integer.
    #[error("is of a wrong kind")]
    Kind,
}

/// The longest id or type, in bytes of UTF-8.
pub const MAX_NAME: usize = 255;

/// The id of a job, unique among the live jobs of the server.
///
/// It is kept as the JSON token it came as (`"a"` or `7`), so that echoing it is a copy. A string and an integer of the same
/// spelling are one id: other dialects can only name it by its text. The hash travels with it, so that the supervisor and
/// the queue compute it once.
#[derive(Clone, Debug)]
pub struct JobId {
    token: SmolStr,
    hash: u64,
}

static ID_HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl JobId {
    /// The id with this text.
    ///
    /// # Errors
    /// [`BadName`] where `spec/jobs.md` doesn't allow the text.
    pub fn from_text(text: &str) -> Result<JobId, BadName> {
        Ok(JobId::new(token(text)?))
    }

    /// The id that was sent as a JSON integer: `digits` with an optional minus sign.
    ///
    /// # Errors
    /// [`BadName`] where it is not an integer or too long.
    pub fn from_integer(digits: &str) -> Result<JobId, BadName> {
        let unsigned = digits.strip_prefix('-').unwrap_or(digits);
        if unsigned.is_empty() || !unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadName::Kind);
        }
        if digits.len() > MAX_NAME {
            return Err(BadName::TooLong);
        }
        Ok(JobId::new(SmolStr::new(digits)))
    }

    /// The id in a JSON string token that needs no look at its letters (printable ASCII without escapes); most are.
    pub fn from_plain_token(token: &str) -> Option<JobId> {
        is_plain(token).then(|| JobId::new(SmolStr::new(token)))
    }

    fn new(token: SmolStr) -> JobId {
        let hash = ID_HASHER.hash_one(inner(&token));
        JobId { token, hash }
    }

    /// The id as JSON.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The id as text.
    pub fn text(&self) -> Cow<'_, str> {
        text(&self.token)
    }

    /// Its hash: the same for equal ids of this process.
    pub fn hash_value(&self) -> u64 {
        self.hash
    }

    /// The JSON token itself, for indexes that keep the hash elsewhere.
    pub fn into_token(self) -> SmolStr {
        self.token
    }

    /// Whether `token`, taken from [`JobId::into_token`], is this id.
    pub fn is(&self, token: &str) -> bool {
        inner(&self.token) == inner(token)
    }

    /// The hash of a token taken from [`JobId::into_token`].
    pub fn hash_of(token: &str) -> u64 {
        ID_HASHER.hash_one(inner(token))
    }
}

impl PartialEq for JobId {
    fn eq(&self, other: &JobId) -> bool {
        self.hash == other.hash && inner(&self.token) == inner(&other.token)
    }
}

impl Eq for JobId {}

impl Hash for JobId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// The kind of work a job is, and so the name of its queue. Kept as its JSON string token.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct TypeName(SmolStr);

impl TypeName {
    /// The type with this text.
    ///
    /// # Errors
    /// [`BadName`] where `spec/jobs.md` doesn't allow the text.
    pub fn from_text(text: &str) -> Result<TypeName, BadName> {
        Ok(TypeName(token(text)?))
    }

    /// The type in a JSON string token that needs no look at its letters (printable ASCII without escapes); most are.
    pub fn from_plain_token(token: &str) -> Option<TypeName> {
        is_plain(token).then(|| TypeName(SmolStr::new(token)))
    }

    /// The type of jobs that name none: `default`.
    pub fn unnamed() -> TypeName {
        TypeName(SmolStr::new_static("\"default\""))
    }

    /// The type as JSON.
    pub fn token(&self) -> &str {
        &self.0
    }

    /// The type as text.
    pub fn text(&self) -> Cow<'_, str> {
        text(&self.0)
    }
}

impl std::fmt::Display for TypeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}

/// Whether a JSON string token is of a good length and all printable ASCII without escapes: then it is its own shortest token.
fn is_plain(token: &str) -> bool {
    let Some(text) = token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    // Every letter is looked at, since the compiler can judge several at once then.
    let is_letter = |byte: u8| matches!(byte, b' '..=b'~') & (byte != b'\\');
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().fold(true, |plain, byte| plain & is_letter(byte))
}

/// A text as its shortest JSON token: names have no control characters, so only two characters need a backslash.
fn token(text: &str) -> Result<SmolStr, BadName> {
    if text.is_empty() {
        return Err(BadName::Empty);
    }
    if text.len() > MAX_NAME {
        return Err(BadName::TooLong);
    }
    if text.chars().any(char::is_control) {
        return Err(BadName::Control);
    }
    let mut token = SmolStrBuilder::new();
    token.push('"');
    if text.contains(['"', '\\']) {
        for letter in text.chars() {
            if letter == '"' || letter == '\\' {
                token.push('\\');
            }
            token.push(letter);
        }
    } else {
        token.push_str(text);
    }
    token.push('"');
    Ok(token.finish())
}

fn inner(token: &str) -> &str {
    token.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(token)
}

fn text(token: &str) -> Cow<'_, str> {
    let inner = inner(token);
    if !inner.contains('\\') {
        return Cow::Borrowed(inner);
    }
    let mut text = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        text.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    Cow::Owned(text)
}

/// What becomes of a master's jobs when it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnMasterGone {
    /// Waiting ones are dropped, a running one finishes for nobody; its id is free at once.
    Drop,
    /// They stay.
    Keep,
}

/// How a job wants to be treated: `spec/jobs.md`, policy of a job. Shared, since most jobs of a connection agree.
#[derive(Clone, PartialEq, Debug)]
pub struct Policy {
    /// The lease of an attempt in milliseconds; none leaves it to the kind of worker.
    pub lease_ms: Option<u64>,
    /// Deliveries in all, at least 1.
    pub max_attempts: u32,
    /// The first wait after an explicit failure, in milliseconds; doubles each time.
    pub backoff_ms: u64,
    /// How long it may wait to be worked, counted from its acceptance, in milliseconds.
    pub ttl_ms: Option<u64>,
    /// How long the record of a completed, cancelled or expired job is kept, in milliseconds.
    pub keep_ms: u64,
    /// How long the record of a failed job is kept, in milliseconds.
    pub keep_failed_ms: u64,
    /// On disk before it is acknowledged.
    pub durable: bool,
    /// What becomes of it when its master leaves.
    pub on_master_gone: OnMasterGone,
}

impl Policy {
    /// The defaults of jobs kept in memory.
    pub fn transient(on_master_gone: OnMasterGone) -> Policy {
        Policy {
            lease_ms: None,
            max_attempts: 4,
            backoff_ms: 1_000,
            ttl_ms: None,
            keep_ms: 0,
            keep_failed_ms: 3_600_000,
            durable: false,
            on_master_gone,
        }
    }

    /// The defaults of jobs kept on disk.
    pub fn durable() -> Policy {
        Policy {
            keep_ms: 3_600_000,
            keep_failed_ms: 7 * 24 * 3_600_000,
            durable: true,
            ..Policy::transient(OnMasterGone::Keep)
        }
    }
}

/// A job in its queue.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    /// Its place in the order of acceptance, over all queues.
    pub(crate) sequence: u64,
    pub(crate) priority: i64,
    /// None: only the store holds it.
    pub(crate) body: Option<Body>,
    pub(crate) body_bytes: u32,
    pub(crate) policy: Arc<Policy>,
    /// Who submitted it, where that matters later; else [`Peer::NONE`].
    pub(crate) master: Peer,
    /// How that one was called.
    pub(crate) master_name: PeerName,
    pub(crate) accepted: Moment,
    /// What its time to live is counted from: its acceptance, or its last retry.
    pub(crate) born: Moment,
    pub(crate) state: State,
    /// Deliveries that count against `max_attempts`.
    pub(crate) attempt: u32,
    /// Deliveries ever: what a receipt names, so that a released attempt's receipt is stale although its number is used again.
    pub(crate) deliveries: u32,
    /// Its neighbours in its master's chain (see `masters`).
    pub(crate) chain: Links,
    /// The attempts that have ended.
    #[expect(clippy::box_collection, reason = "8 bytes instead of 24, and most jobs have none")]
    pub(crate) history: Option<Box<Vec<Attempt>>>,
    /// Its master left while it ran: it finishes for nobody and its id is free already.
    pub(crate) orphaned: bool,
    /// Its priority was changed since it was accepted.
    pub(crate) reprioritized: bool,
    /// Its master wants to hear how it ended.
    pub(crate) notify: bool,
    /// Its body has left memory once: it is no longer counted there.
    pub(crate) stowed: bool,
}

impl Job {
    /// When its time to live is over.
    pub(crate) fn expires(&self) -> Option<Moment> {
        self.policy.ttl_ms.map(|ttl_ms| self.born.after_ms(ttl_ms))
    }

    /// The bytes of its result or error, where it has ended and its record is kept.
    pub(crate) fn detail_bytes(&self) -> usize {
        match &self.state {
            State::Finished(finished) => finished.detail.as_ref().map_or(0, |detail| detail.len()),
            State::Scheduled(_) | State::Queued(_) | State::Running(_) => 0,
        }
    }
}

/// Neighbours in a list through the jobs themselves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links {
    pub(crate) before: u32,
    pub(crate) after: u32,
}

/// Where a job is in the picture of `spec/jobs.md`.
#[derive(Debug)]
pub(crate) enum State {
    /// Not offered before this moment.
    Scheduled(Moment),
    /// Waiting for a worker, since this moment.
    Queued(Moment),
    /// In the hands of a worker: a key into the queue's runs.
    Running(u32),
    /// In a terminal state, its record kept for a while.
    Finished(Box<Finished>),
}

/// How a job ended.
#[derive(Clone, Debug)]
pub(crate) struct Finished {
    pub(crate) outcome: Outcome,
    /// The result of a completed job, the error of a failed one.
    pub(crate) detail: Option<Body>,
    pub(crate) at: Moment,
    pub(crate) forget_at: Moment,
}

/// The terminal states.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// A worker answered it.
    Completed,
    /// Its attempts are used up, or a worker said not to try again.
    Failed,
    /// Somebody took it back.
    Cancelled,
    /// It waited longer than its `ttl_ms`.
    Expired,
}

/// An attempt that has ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// Who had it.
    pub worker: PeerName,
    /// When it began.
    pub started: Moment,
    /// When it ended.
    pub ended: Moment,
    /// Why it ended.
    pub end: AttemptEnd,
    /// What the worker said of it, JSON.
    pub error: Option<Body>,
}

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AttemptEnd {
    /// With a result.
    Completed,
    /// The worker said so.
    Failed,
    /// The worker gave it back.
    Released,
    /// The worker's connection was lost.
    WorkerGone,
    /// Its lease ended.
    LeaseOver,
    /// The job was cancelled under it.
    Cancelled,
}

impl AttemptEnd {
    /// One word for people and programs.
    pub fn as_str(self) -> &'static str {
        match self {
            AttemptEnd::Completed => "completed",
            AttemptEnd::Failed => "failed",
            AttemptEnd::Released => "released",
            AttemptEnd::WorkerGone => "worker_gone",
            AttemptEnd::LeaseOver => "lease_over",
            AttemptEnd::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_echo_as_sent_and_compare_by_text() {
        let string = JobId::from_text("7").unwrap();
        let integer = JobId::from_integer("7").unwrap();
        assert_eq!(string.token(), "\"7\"");
        assert_eq!(integer.token(), "7");
        assert_eq!(string, integer);
        assert_eq!(string.hash_value(), JobId::hash_of(integer.token()));
        assert!(string.is(integer.token()));
    }

    #[test]
    fn names_are_bounded_and_printable() {
        assert_eq!(JobId::from_text(""), Err(BadName::Empty));
        assert_eq!(JobId::from_text(&"x".repeat(256)), Err(BadName::TooLong));
        assert!(JobId::from_text(&"x".repeat(255)).is_ok());
        assert_eq!(TypeName::from_text("a\nb"), Err(BadName::Control));
        assert_eq!(JobId::from_integer("1.0"), Err(BadName::Kind));
        assert_eq!(JobId::from_integer("-"), Err(BadName::Kind));
        assert_eq!(JobId::from_integer(&"1".repeat(256)), Err(BadName::TooLong));
    }

    #[test]
    fn tokens_escape_what_json_must() {
        let id = JobId::from_text("a\"b\\c<é>").unwrap();
        assert_eq!(id.token(), "\"a\\\"b\\\\c<é>\"");
        assert_eq!(id.text(), "a\"b\\c<é>");
    }

    /// One million of them must fit (see benches/server: bytes per queued job).
    #[test]
    fn a_job_is_small() {
        assert!(std::mem::size_of::<Job>() <= 152, "{}", std::mem::size_of::<Job>());
    }
}
