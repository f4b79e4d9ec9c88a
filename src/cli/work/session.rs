//! The worker's side of a connection, decided without a socket, a process or a clock.
//!
//! In go messages, outcomes and the time; out come [`Do`]s. Replies come in the order of the requests, so a queue of
//! what was asked tells which is which.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::wire::{self, Message, REPLY_PATIENCE, frame};

use super::command::Outcome;

/// What the loop is to do.
pub(super) enum Do {
    /// Write this frame.
    Send(Vec<u8>),
    /// Run the command for this job.
    Start(Job),
    /// Stop the command of this run.
    Stop(u64),
    /// The connection is over.
    End(End),
}

/// Why a connection is over.
pub(super) enum End {
    /// We left.
    Left,
    /// Connect again.
    Lost(String),
    /// To connect again would not help.
    Refused(String),
}

/// A job to run.
#[derive(Clone)]
pub(super) struct Job {
    /// As sent: a string or an integer.
    pub id: Box<RawValue>,
    pub job_type: String,
    pub body: Box<RawValue>,
    pub attempt: u64,
    lease: Duration,
}

impl Job {
    /// The id as text.
    pub fn id_text(&self) -> String {
        wire::plain(&self.id)
    }
}

pub(super) struct Session {
    job_type: String,
    concurrency: usize,
    max_frame: u64,
    /// Commands of earlier connections that have not ended yet.
    stale: usize,
    /// Jobs that the server counts as ours.
    hands: BTreeMap<u64, Hand>,
    asked: VecDeque<Asked>,
    /// When the oldest unanswered request was asked, or last overtaken by an answer.
    waiting_since: Instant,
    leaving: bool,
}

struct Hand {
    id: Box<RawValue>,
    lease: Duration,
    touch_at: Instant,
    /// The server took it back: its outcome interests nobody.
    lost: bool,
}

/// A request without its reply.
enum Asked {
    Join,
    Touch(u64),
    /// A result; if the server does not take it, the attempt fails with the reason.
    Respond(Box<RawValue>),
    /// A failure.
    Fail,
    /// A job that we do not want, or that is not ours any more.
    Release,
}

impl Session {
    /// `stale` commands of an earlier connection are still running.
    pub fn new(job_type: &str, concurrency: usize, stale: usize, max_frame: u64) -> Self {
        Self {
            job_type: job_type.to_owned(),
            concurrency,
            max_frame,
            stale,
            hands: BTreeMap::new(),
            asked: VecDeque::new(),
            waiting_since: Instant::now(),
            leaving: false,
        }
    }

    /// No stdout beyond this can fit into an answer; one below may still not, for its envelope and escapes.
    pub fn max_output(&self) -> u64 {
        self.max_frame
    }

    /// Joins.
    pub fn begin(&mut self, now: Instant) -> Vec<Do> {
        self.join(now)
    }

    /// The command of a job has been started, under this number.
    pub fn started(&mut self, job: &Job, run: u64, now: Instant) {
        let hand = Hand { id: job.id.clone(), lease: job.lease, touch_at: now + job.lease / TOUCHES, lost: false };
        self.hands.insert(run, hand);
    }

    /// The server said something.
    pub fn hear(&mut self, message: Message, now: Instant) -> Vec<Do> {
        match message.action.as_deref() {
            None => self.reply(message, now),
            Some("job") => self.job(message, now),
            Some("cancelled") => {
                let id = message.id.as_deref().map(RawValue::get);
                let cancelled = self.hands.iter_mut().find(|(_, hand)| !hand.lost && Some(hand.id.get()) == id);
                let Some((&run, hand)) = cancelled else { return Vec::new() };
                hand.lost = true;
                vec![Do::Stop(run)]
            }
            // A newer server's news.
            Some(_) => Vec::new(),
        }
    }

    /// A command has ended.
    pub fn done(&mut self, run: u64, outcome: Outcome, now: Instant) -> Vec<Do> {
        let Some(hand) = self.hands.remove(&run) else {
            self.stale = self.stale.saturating_sub(1);
            return if self.leaving { Vec::new() } else { self.join(now) };
        };
        let mut todo = match outcome {
            // To release it would release the newer attempt.
            _ if hand.lost && self.hands.values().any(|other| other.id.get() == hand.id.get()) => Vec::new(),
            // The server counts a cancelled job as in our hands until we speak of it.
            _ if hand.lost => self.release(&hand.id, now),
            Outcome::Result(body) => {
                let answer = frame(&Answer { body: Some(&body), ..Answer::new("respond", &hand.id) });
                if answer.len() as u64 - 4 > self.max_frame {
                    let error =
                        format!("the result does not fit into the {} bytes that the server takes", self.max_frame);
                    self.fail(&hand.id, &error, now)
                } else {
                    self.ask(Asked::Respond(hand.id), answer, now)
                }
            }
            Outcome::Failed(error) => self.fail(&hand.id, &error, now),
        };
        self.leave_if_done(&mut todo);
        todo
    }

    /// Take nothing more; the end comes when all is answered.
    pub fn leave(&mut self, now: Instant) -> Vec<Do> {
        self.leaving = true;
        let leave = frame(&Join { action: "join", types: &[], credit: None });
        let mut todo = self.ask(Asked::Join, leave, now);
        self.leave_if_done(&mut todo);
        todo
    }

    /// When to call [`Session::tick`], unless something happens before.
    pub fn alarm(&self, now: Instant) -> Instant {
        let touches = self.hands.values().filter(|hand| !hand.lost).map(|hand| hand.touch_at);
        let silence = (!self.asked.is_empty()).then(|| self.waiting_since + REPLY_PATIENCE);
        touches.chain(silence).min().unwrap_or(now + REPLY_PATIENCE)
    }

    /// Renews leases, and notices a server that does not answer.
    pub fn tick(&mut self, now: Instant) -> Vec<Do> {
        if !self.asked.is_empty() && now >= self.waiting_since + REPLY_PATIENCE {
            return vec![Do::End(End::Lost("the server does not answer".to_owned()))];
        }
        let mut touches = Vec::new();
        for (&run, hand) in self.hands.iter_mut().filter(|(_, hand)| !hand.lost && hand.touch_at <= now) {
            hand.touch_at = now + hand.lease / TOUCHES;
            touches.push((run, frame(&Answer::new("touch", &hand.id))));
        }
        touches.into_iter().flat_map(|(run, touch)| self.ask(Asked::Touch(run), touch, now)).collect()
    }

    fn job(&mut self, message: Message, now: Instant) -> Vec<Do> {
        let Some(id) = message.id else {
            return vec![Do::End(End::Lost("the server sent a job without an id".to_owned()))];
        };
        if self.leaving {
            // It was under way when we left.
            return self.release(&id, now);
        }
        let lease = Duration::from_millis(message.lease_ms.unwrap_or(DEFAULT_LEASE_MS)).max(SHORTEST_LEASE);
        // The lease of an attempt ended and the next one is ours again: one id can only mean the newer.
        let older = self.hands.iter_mut().filter(|(_, hand)| !hand.lost && hand.id.get() == id.get());
        let mut todo: Vec<Do> = older
            .map(|(&run, hand)| {
                hand.lost = true;
                Do::Stop(run)
            })
            .collect();
        todo.push(Do::Start(Job {
            id,
            job_type: message.job_type.unwrap_or_else(|| self.job_type.clone()),
            // An absent body and `null` are the same to serde.
            body: message.body.unwrap_or_else(|| RawValue::NULL.to_owned()),
            attempt: message.attempt.unwrap_or(1),
            lease: lease.min(LONGEST_LEASE),
        }));
        todo
    }

    fn reply(&mut self, message: Message, now: Instant) -> Vec<Do> {
        let Some(asked) = self.asked.pop_front() else {
            return vec![Do::End(End::Lost(format!("the server complains: {}", message.complaint())))];
        };
        self.waiting_since = now;
        let mut todo = match (asked, message.ok == Some(true)) {
            (Asked::Join | Asked::Respond(_) | Asked::Fail, true) | (Asked::Release, _) => Vec::new(),
            (Asked::Touch(run), true) => {
                if let (Some(hand), Some(lease_ms)) = (self.hands.get_mut(&run), message.lease_ms) {
                    hand.lease = Duration::from_millis(lease_ms).clamp(SHORTEST_LEASE, LONGEST_LEASE);
                    hand.touch_at = now + hand.lease / TOUCHES;
                }
                Vec::new()
            }
            (Asked::Join, false) => vec![Do::End(match message.code().as_str() {
                "draining" | "unavailable" | "queue_full" | "disk_full" => End::Lost(message.complaint()),
                _ => End::Refused(message.complaint()),
            })],
            (Asked::Touch(run), false) => match self.hands.get_mut(&run).filter(|_| is_lost(&message)) {
                Some(hand) => {
                    hand.lost = true;
                    log::warn!(id = wire::plain(&hand.id), error = message.complaint(); "the job is no longer ours");
                    vec![Do::Stop(run)]
                }
                None => Vec::new(),
            },
            (Asked::Respond(id), false) if !is_lost(&message) => {
                let error = format!("the server did not take the result: {}", message.complaint());
                self.fail(&id, &error, now)
            }
            (Asked::Respond(_) | Asked::Fail, false) => {
                log::warn!(error = message.complaint(); "an answer came too late");
                Vec::new()
            }
        };
        self.leave_if_done(&mut todo);
        todo
    }

    fn join(&mut self, now: Instant) -> Vec<Do> {
        let credit = self.concurrency.saturating_sub(self.stale);
        if credit == 0 {
            return Vec::new();
        }
        let join = frame(&Join { action: "join", types: &[&self.job_type], credit: Some(credit) });
        self.ask(Asked::Join, join, now)
    }

    fn fail(&mut self, id: &RawValue, error: &str, now: Instant) -> Vec<Do> {
        log::warn!(id = wire::plain(id), error = error; "an attempt failed");
        let fail = frame(&Answer { error: Some(error), ..Answer::new("fail", id) });
        self.ask(Asked::Fail, fail, now)
    }

    fn release(&mut self, id: &RawValue, now: Instant) -> Vec<Do> {
        self.ask(Asked::Release, frame(&Answer::new("release", id)), now)
    }

    fn ask(&mut self, asked: Asked, frame: Vec<u8>, now: Instant) -> Vec<Do> {
        if self.asked.is_empty() {
            self.waiting_since = now;
        }
        self.asked.push_back(asked);
        vec![Do::Send(frame)]
    }

    fn leave_if_done(&self, todo: &mut Vec<Do>) {
        if self.leaving && self.hands.is_empty() && self.asked.is_empty() {
            todo.push(Do::End(End::Left));
        }
    }
}

/// Whether the server says that the job is not ours any more.
fn is_lost(message: &Message) -> bool {
    matches!(message.code().as_str(), "stale_receipt" | "unknown_job" | "cancelled")
}

#[derive(Serialize)]
struct Join<'a> {
    action: &'static str,
    types: &'a [&'a str],
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<usize>,
}

#[derive(Serialize)]
struct Answer<'a> {
    action: &'static str,
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl<'a> Answer<'a> {
    fn new(action: &'static str, id: &'a RawValue) -> Self {
        Self { action, id, body: None, error: None }
    }
}

/// A lease is renewed when a third of it is over: two renewals may get lost.
const TOUCHES: u32 = 3;
const DEFAULT_LEASE_MS: u64 = 1_800_000;
const SHORTEST_LEASE: Duration = Duration::from_millis(30);
/// Beyond it the sum with a clock could overflow.
const LONGEST_LEASE: Duration = Duration::from_secs(24 * 3600);

#[cfg(test)]
mod tests;
