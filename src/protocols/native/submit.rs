//! A job as it is submitted, alone or in a batch.
//!
//! A batch is one request with one answer, but each of its jobs goes its own way: it has its own number, so queues answer
//! for each, and what they say is gathered until all have spoken.

use std::borrow::Cow;

use super::super::Turn;
use super::super::framed::Refused;
use super::session::{Asked, Session};
use crate::core::{Body, Command, JobId, Refusal, Request, Submission};
use crate::json::{
    self,
    fields::{self, RawPolicy},
};

/// The members of a job.
pub(super) const JOB_MEMBERS: [&str; 15] = [
    "id",
    "type",
    "body",
    "priority",
    "notify",
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

/// Their raw values.
pub(super) type RawJob<'a> = [Option<&'a str>; JOB_MEMBERS.len()];

/// A batch holds at most so many jobs.
const MAX_BATCH: usize = 10_000;

/// What is known of the jobs of a batch.
#[derive(Default, Debug)]
pub(super) struct Results {
    jobs: Vec<(Option<JobId>, Fate)>,
    awaited: usize,
}

/// What became of one job of a batch.
#[derive(Debug)]
pub(super) enum Fate {
    /// Not known yet.
    Awaited,
    Accepted,
    Refused {
        code: &'static str,
        reason: Cow<'static, str>,
    },
}

impl Fate {
    pub(super) fn of(refusal: Refusal) -> Fate {
        Fate::Refused { code: refusal.code(), reason: refusal.reason().into() }
    }
}

impl Results {
    /// Writes down what became of a job; true when that was the last.
    pub(super) fn decide(&mut self, place: usize, fate: Fate) -> bool {
        self.jobs[place].1 = fate;
        self.awaited -= 1;
        self.awaited == 0
    }

    /// Each job's id, where it is known, and its fate.
    pub(super) fn each(&self) -> impl Iterator<Item = (Option<&JobId>, &Fate)> {
        self.jobs.iter().map(|(id, fate)| (id.as_ref(), fate))
    }
}

impl Session {
    /// One job.
    pub(super) fn submit(&mut self, raw: RawJob<'_>, turn: &mut Turn<'_>) -> Result<(), Refused> {
        let mut submission = self.submission(raw)?;
        let asked = Asked::Submit { id: submission.id.clone(), kind: submission.kind.clone() };
        submission.request = self.line.replies.expect(asked);
        turn.commands.push(Command::Submit(submission));
        Ok(())
    }

    /// A batch of jobs: the elements of a raw array.
    pub(super) fn submit_batch(&mut self, raw: &str, turn: &mut Turn<'_>) -> Result<(), Refused> {
        let elements = json::elements(raw).ok_or(Refused::wrong("jobs"))?;
        if elements.clone().nth(MAX_BATCH).is_some() {
            return Err(Refused::because("too_large", "a batch holds at most 10,000 jobs"));
        }
        let batch = self.line.replies.expect(Asked::Batch(Results::default()));
        let mut results = Results::default();
        for element in elements {
            let job = self.element(element, batch, results.jobs.len());
            results.jobs.push(match job {
                Ok(submission) => {
                    let id = submission.id.clone();
                    turn.commands.push(Command::Submit(submission));
                    results.awaited += 1;
                    (Some(id), Fate::Awaited)
                }
                Err(refused) => (refused.id, Fate::Refused { code: refused.code, reason: refused.reason }),
            });
        }
        let is_decided = results.awaited == 0;
        if let Some(asked) = self.line.replies.asked_mut(batch) {
            *asked = Asked::Batch(results);
        }
        if is_decided {
            self.tell_batch(batch, turn.out);
        }
        Ok(())
    }

    fn element(&mut self, element: &str, batch: Request, place: usize) -> Result<Submission, Refused> {
        let raw = json::members(element, self.limits.max_depth, &JOB_MEMBERS).map_err(|flaw| {
            Refused::flaw(flaw, element.as_bytes()).about(json::member_of_deep(element.as_bytes(), "id"))
        })?;
        let mut submission = self.submission(raw).map_err(|refused| refused.about(raw[0]))?;
        submission.request = self.line.replies.expect(Asked::Element { batch, place, kind: submission.kind.clone() });
        Ok(submission)
    }

    /// What the raw members of a job ask for; its request is not numbered yet.
    fn submission(&mut self, raw: RawJob<'_>) -> Result<Submission, Refused> {
        let [
            id,
            kind,
            body,
            priority,
            notify,
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
            Some(raw) => fields::id(raw).map_err(|_| Refused::wrong("id"))?,
            None => self.shared.world.new_id(),
        };
        let kind = fields::type_or_default(kind, &mut self.last_type).map_err(|_| Refused::wrong("type"))?;
        let priority = fields::priority(fields::given(priority)).map_err(Refused::wrong)?;
        let notify = fields::flag(notify, false, "notify").map_err(Refused::wrong)?;
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
        let (policy, delay_ms) = policy.read(&self.shared.defaults, &mut self.last_policy).map_err(Refused::wrong)?;
        let until_ms = fields::delay_until(run_at, || self.shared.world.wall_ms()).map_err(Refused::wrong)?;
        let body = Body::from(body.unwrap_or("null").as_bytes());
        Ok(Submission {
            request: 0,
            id,
            kind,
            priority,
            body,
            policy,
            delay_ms: delay_ms.max(until_ms),
            notify,
            watch: false,
            master: None,
            sequence: 0,
        })
    }
}
