//! What callers send, as the words of the core: jobs to submit, and a worker's words on its attempts.
//!
//! Pure. What a caller asks for is read from raw members, so bodies, results and errors stay byte for byte as they were sent.

use std::borrow::Cow;
use std::sync::Arc;

use crate::core::job::OnMasterGone;
use crate::core::{Answer, Body, JobId, PeerName, Policy, TypeName};
use crate::json;
use crate::json::fields::{self, Defaults, RawPolicy};
use crate::web::desk::Draft;
use crate::web::problem::Problem;

/// A batch holds at most so many jobs.
pub const MAX_BATCH: usize = 10_000;

/// The longest note, in bytes.
const MAX_NOTE: usize = 1_024;

/// The members of a job.
const JOB_MEMBERS: [&str; 14] = [
    "id",
    "type",
    "body",
    "priority",
    "durable",
    "delay_ms",
    "run_at",
    "lease_ms",
    "max_attempts",
    "backoff_ms",
    "ttl_ms",
    "keep_ms",
    "keep_failed_ms",
    "on_master_gone",
];

/// Reads jobs to submit.
pub struct Submissions<'a> {
    /// Who submits them.
    pub master: &'a PeerName,
    /// The bound on nesting.
    pub max_depth: usize,
    /// The time of day, in milliseconds since 1970.
    pub wall_ms: u64,
    /// Makes an id for a job that came without.
    pub new_id: &'a dyn Fn() -> JobId,
    defaults: Defaults,
    last_type: Option<TypeName>,
    last_policy: Option<Arc<Policy>>,
}

impl<'a> Submissions<'a> {
    /// A reader for one request.
    pub fn new(master: &'a PeerName, max_depth: usize, wall_ms: u64, new_id: &'a dyn Fn() -> JobId) -> Submissions<'a> {
        let defaults = Defaults::durable(Policy::transient(OnMasterGone::Keep));
        Submissions { master, max_depth, wall_ms, new_id, defaults, last_type: None, last_policy: None }
    }

    /// One job.
    ///
    /// # Errors
    /// The problem with it.
    pub fn one(&mut self, text: &[u8]) -> Result<Draft, Problem> {
        let raw = json::object(text, self.max_depth, &JOB_MEMBERS).map_err(|flaw| Problem::flaw(flaw, text))?;
        self.draft(raw)
    }

    /// The jobs of `{"jobs":[…]}`, each with its own problem.
    ///
    /// # Errors
    /// The problem with the batch as a whole.
    pub fn batch(&mut self, text: &[u8]) -> Result<Vec<Result<Draft, Problem>>, Problem> {
        // A job's body is two levels further in than where it comes alone: each job is held against the bound by itself.
        let [jobs] = json::object(text, json::MAX_DEPTH, &["jobs"]).map_err(|flaw| Problem::flaw(flaw, text))?;
        let expected = || Problem::invalid_field("jobs", "expected an array of jobs");
        let elements = json::elements(jobs.ok_or_else(expected)?).ok_or_else(expected)?;
        if elements.clone().nth(MAX_BATCH).is_some() {
            return Err(Problem::too_large("a batch holds at most 10,000 jobs"));
        }
        Ok(elements.map(|element| self.one(element.as_bytes())).collect())
    }

    fn draft(&mut self, raw: [Option<&str>; JOB_MEMBERS.len()]) -> Result<Draft, Problem> {
        let [
            id,
            kind,
            body,
            priority,
            durable,
            delay_ms,
            run_at,
            lease_ms,
            max_attempts,
            backoff_ms,
            ttl_ms,
            keep_ms,
            keep_failed_ms,
            on_master_gone,
        ] = raw;
        let id = match fields::given(id) {
            Some(raw) => id_in(raw)?,
            None => (self.new_id)(),
        };
        let kind = fields::type_or_default(kind, &mut self.last_type).map_err(|_| wrong("type"))?;
        let priority = fields::priority(fields::given(priority)).map_err(wrong)?;
        let policy = RawPolicy {
            durable,
            delay_ms,
            lease_ms,
            max_attempts,
            backoff_ms,
            ttl_ms,
            keep_ms,
            keep_failed_ms,
            on_master_gone,
        };
        let (policy, delay_ms) = policy.read(&self.defaults, &mut self.last_policy).map_err(wrong)?;
        let until_ms = fields::delay_until(run_at, || self.wall_ms).map_err(wrong)?;
        let body = Body::from(body.unwrap_or("null").as_bytes());
        Ok(Draft { id, kind, priority, body, policy, delay_ms: delay_ms.max(until_ms), master: self.master.clone() })
    }
}

/// A word of a worker, and the receipt that it says with it.
pub struct Word {
    /// The receipt, as it was sent.
    pub receipt: String,
    /// The word.
    pub answer: Answer,
}

/// `complete`: `{"receipt","body"}`.
///
/// # Errors
/// The problem with it.
pub fn complete(text: &[u8], max_depth: usize) -> Result<Word, Problem> {
    let [receipt, body] = members(text, max_depth, &["receipt", "body"])?;
    Ok(Word { receipt: receipt_in(receipt)?, answer: Answer::Complete(body_in(body)) })
}

/// `fail`: `{"receipt","error","retry":true,"delay_ms":N}`.
///
/// # Errors
/// The problem with it.
pub fn fail(text: &[u8], max_depth: usize) -> Result<Word, Problem> {
    let [receipt, error, retry, delay_ms] = members(text, max_depth, &["receipt", "error", "retry", "delay_ms"])?;
    let retry = fields::flag(retry, true, "retry").map_err(wrong)?;
    let delay_ms = fields::number(delay_ms, 0, "delay_ms").map_err(wrong)?;
    Ok(Word { receipt: receipt_in(receipt)?, answer: Answer::Fail { error: body_in(error), retry, delay_ms } })
}

/// `touch`: `{"receipt","lease_ms":N,"progress":0..1,"note":"…"}`.
///
/// # Errors
/// The problem with it.
pub fn touch(text: &[u8], max_depth: usize) -> Result<Word, Problem> {
    let [receipt, lease_ms, progress, note] = members(text, max_depth, &["receipt", "lease_ms", "progress", "note"])?;
    let lease_ms = fields::number(lease_ms, 1, "lease_ms").map_err(wrong)?;
    let progress = fields::given(progress).map(share).transpose()?;
    let note = fields::given(note).map(note_in).transpose()?;
    Ok(Word { receipt: receipt_in(receipt)?, answer: Answer::Touch { lease_ms, progress, note } })
}

/// `release`: `{"receipt","delay_ms":N}`.
///
/// # Errors
/// The problem with it.
pub fn release(text: &[u8], max_depth: usize) -> Result<Word, Problem> {
    let [receipt, delay_ms] = members(text, max_depth, &["receipt", "delay_ms"])?;
    let delay_ms = fields::number(delay_ms, 0, "delay_ms").map_err(wrong)?.unwrap_or(0);
    Ok(Word { receipt: receipt_in(receipt)?, answer: Answer::Release { delay_ms } })
}

/// `priority`: `{"priority":N}`.
///
/// # Errors
/// The problem with it.
pub fn priority(text: &[u8], max_depth: usize) -> Result<i64, Problem> {
    let [priority] = members(text, max_depth, &["priority"])?;
    let raw = fields::given(priority).ok_or_else(|| wrong("priority"))?;
    fields::priority(Some(raw)).map_err(wrong)
}

fn members<'a, const N: usize>(
    text: &'a [u8],
    max_depth: usize,
    names: &[&'static str; N],
) -> Result<[Option<&'a str>; N], Problem> {
    json::object(text, max_depth, names).map_err(|flaw| Problem::flaw(flaw, text))
}

/// Here an id is a text; the integers of other dialects are known by their digits.
fn id_in(raw: &str) -> Result<JobId, Problem> {
    let text = json::string(raw).ok_or_else(|| wrong("id"))?;
    JobId::from_text(&text).map_err(|_| wrong("id"))
}

fn receipt_in(raw: Option<&str>) -> Result<String, Problem> {
    raw.and_then(json::string).map(Cow::into_owned).ok_or_else(|| wrong("receipt"))
}

fn body_in(raw: Option<&str>) -> Body {
    Body::from(raw.unwrap_or("null").as_bytes())
}

fn share(raw: &str) -> Result<f64, Problem> {
    json::number(raw).filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| wrong("progress"))
}

fn note_in(raw: &str) -> Result<Arc<str>, Problem> {
    let note = json::string(raw).filter(|note| note.len() <= MAX_NOTE).ok_or_else(|| wrong("note"))?;
    Ok(note.as_ref().into())
}

/// A field that isn't what it should be.
fn wrong(field: &'static str) -> Problem {
    let expected = match field {
        "id" | "type" => "expected a string of 1 to 255 bytes without control characters",
        "priority" => "expected an integer within 64 bits",
        "durable" | "retry" => "expected true or false",
        "run_at" => "expected a time as in RFC 3339",
        "max_attempts" => "expected a whole number, at least 1",
        "lease_ms" | "ttl_ms" => "expected whole milliseconds, at least 1",
        "on_master_gone" => "expected drop or keep",
        "progress" => "expected a number from 0 to 1",
        "note" => "expected a string of at most 1,024 bytes",
        "receipt" => "expected the receipt of the assignment, a string",
        _ => "expected whole milliseconds",
    };
    Problem::invalid_field(field, expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Draft, String> {
        let (master, new_id) = (PeerName::from("http:me"), || JobId::from_text("new").unwrap());
        let mut submissions = Submissions::new(&master, 5, 1_000, &new_id);
        submissions.one(text.as_bytes()).map_err(|problem| code(&problem))
    }

    fn code(problem: &Problem) -> String {
        let json: serde_json::Value = serde_json::from_slice(&problem.to_json()).unwrap();
        match json["field"].as_str() {
            Some(field) => format!("{} {field}", problem.code()),
            None => problem.code().to_owned(),
        }
    }

    #[test]
    fn a_job_is_durable_and_has_what_it_asks_for() {
        let draft = read("{}").unwrap();
        assert_eq!(
            (draft.id.text().as_ref(), draft.kind.text().as_ref(), &*draft.body),
            ("new", "default", &b"null"[..])
        );
        assert_eq!((draft.priority, draft.delay_ms, *draft.policy == Policy::durable()), (0, 0, true));
        assert_eq!(&*draft.master, "http:me");

        let text = r#"{"id":"a/b","type":"t","body":{"a":1.0,"a":1e2},"priority":-3,"durable":false,"run_at":"1970-01-01T00:00:05Z",
            "delay_ms":10,"lease_ms":7,"max_attempts":1,"backoff_ms":0,"ttl_ms":9,"keep_ms":8,"on_master_gone":"drop","x":[]}"#;
        let draft = read(text).unwrap();
        assert_eq!((draft.id.text().as_ref(), &*draft.body), ("a/b", &br#"{"a":1.0,"a":1e2}"#[..]));
        assert_eq!((draft.priority, draft.delay_ms), (-3, 4_000));
        let policy = Policy {
            lease_ms: Some(7),
            max_attempts: 1,
            backoff_ms: 0,
            ttl_ms: Some(9),
            keep_ms: 8,
            ..Policy::transient(OnMasterGone::Drop)
        };
        assert_eq!(*draft.policy, policy);
    }

    #[test]
    fn every_time_that_can_be_spelled_is_a_time() {
        for (text, is_time) in [
            ("9999-12-31T23:59:59Z", true),
            ("9999-12-31T23:59:59-12:00", true),
            ("0001-01-01T00:00:00Z", true),
            ("1970-01-01T00:00:02+00:00", true),
            ("10000-01-01T00:00:00Z", false),
            ("9999-12-31", false),
            ("9999-12-31T23:59:59", false),
            ("2030-01-01t00:00:00.25z", true),
            ("2030-01-01 00:00:00-08:00", true),
            ("2030-01-01T00:00:00+0200", false),
            ("2030-01-01T00:00:00.Z", false),
            ("2030-01-01T00:00Z", false),
            ("2030-01-01T00:00:00Z[UTC]", false),
            ("20300101T000000Z", false),
        ] {
            assert_eq!(read(&format!(r#"{{"run_at":"{text}"}}"#)).is_ok(), is_time, "{text}");
        }
    }

    #[test]
    fn every_wrong_field_is_named() {
        for (text, expected) in [
            ("", "invalid_json"),
            ("[]", "invalid_message"),
            ("5", "invalid_message"),
            ("{", "invalid_json"),
            ("{}{}", "invalid_json"),
            ("\u{feff}{}", "invalid_json"),
            (r#"{"body":[[[[[[1]]]]]]}"#, "too_deep"),
            (r#"{"id":5}"#, "invalid_field id"),
            (r#"{"id":""}"#, "invalid_field id"),
            (r#"{"id":"a\n"}"#, "invalid_field id"),
            (r#"{"id":"\ud800"}"#, "invalid_field id"),
            (r#"{"id":"a","id":"b"}"#, "invalid_field id"),
            (r#"{"type":7}"#, "invalid_field type"),
            (r#"{"type":""}"#, "invalid_field type"),
            (r#"{"priority":"5"}"#, "invalid_field priority"),
            (r#"{"priority":1.5}"#, "invalid_field priority"),
            (r#"{"priority":9223372036854775808}"#, "invalid_field priority"),
            (r#"{"durable":1}"#, "invalid_field durable"),
            (r#"{"delay_ms":-1}"#, "invalid_field delay_ms"),
            (r#"{"run_at":"tomorrow"}"#, "invalid_field run_at"),
            (r#"{"lease_ms":0}"#, "invalid_field lease_ms"),
            (r#"{"max_attempts":0}"#, "invalid_field max_attempts"),
            (r#"{"backoff_ms":"1"}"#, "invalid_field backoff_ms"),
            (r#"{"ttl_ms":0}"#, "invalid_field ttl_ms"),
            (r#"{"keep_ms":[]}"#, "invalid_field keep_ms"),
            (r#"{"on_master_gone":"x"}"#, "invalid_field on_master_gone"),
        ] {
            assert_eq!(read(text).err().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_batch_has_a_problem_of_its_own_for_each_job() {
        let (master, new_id) = (PeerName::from("http:me"), || JobId::from_text("new").unwrap());
        let mut submissions = Submissions::new(&master, 5, 0, &new_id);
        let read =
            submissions.batch(br#"{"jobs":[{"type":"t"}, 5, {"body":[[[[[1]]]]]},{"body":[[[[[[1]]]]]]}]}"#).unwrap();
        let codes: Vec<Option<String>> = read.iter().map(|job| job.as_ref().err().map(code)).collect();
        assert_eq!(codes, [None, Some("invalid_message".to_owned()), None, Some("too_deep".to_owned())]);
        for (text, expected) in [
            ("{}", "invalid_field jobs"),
            (r#"{"jobs":{}}"#, "invalid_field jobs"),
            (r#"{"jobs":[}"#, "invalid_json"),
            (&format!(r#"{{"jobs":[{}1]}}"#, "1,".repeat(MAX_BATCH)), "too_large"),
        ] {
            assert_eq!(
                submissions.batch(text.as_bytes()).err().map(|problem| code(&problem)).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn words_of_workers() {
        let word = complete(br#"{"receipt":"1-2-3","body": [1.0] }"#, 5).unwrap();
        assert_eq!(word.receipt, "1-2-3");
        assert!(matches!(word.answer, Answer::Complete(body) if &*body == b"[1.0]"));
        let word = fail(br#"{"receipt":"","error":"no","retry":false,"delay_ms":7}"#, 5).unwrap();
        assert!(matches!(word.answer, Answer::Fail { retry: false, delay_ms: Some(7), error } if &*error == b"\"no\""));
        let word = touch(br#"{"receipt":"r","lease_ms":99,"progress":0.5,"note":"half"}"#, 5).unwrap();
        assert!(
            matches!(word.answer, Answer::Touch { lease_ms: Some(99), progress: Some(0.5), note: Some(note) } if &*note == "half")
        );
        let word = release(br#"{"receipt":"r"}"#, 5).unwrap();
        assert!(matches!(word.answer, Answer::Release { delay_ms: 0 }));
        assert_eq!(priority(br#"{"priority":-7}"#, 5).unwrap(), -7);
        for (problem, expected) in [
            (complete(b"{}", 5).err(), "invalid_field receipt"),
            (complete(br#"{"receipt":7}"#, 5).err(), "invalid_field receipt"),
            (complete(br#"{"receipt":"r","body":[[[[[[]]]]]]}"#, 5).err(), "too_deep"),
            (fail(br#"{"receipt":"r","retry":"no"}"#, 5).err(), "invalid_field retry"),
            (touch(br#"{"receipt":"r","progress":1.1}"#, 5).err(), "invalid_field progress"),
            (touch(br#"{"receipt":"r","note":7}"#, 5).err(), "invalid_field note"),
            (release(br#"{"receipt":"r","delay_ms":-1}"#, 5).err(), "invalid_field delay_ms"),
            (priority(b"{}", 5).err(), "invalid_field priority"),
        ] {
            assert_eq!(problem.map(|problem| code(&problem)).as_deref(), Some(expected));
        }
    }
}
