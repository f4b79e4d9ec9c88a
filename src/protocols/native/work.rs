//! Joining, and a worker's word on its jobs.

use super::super::Turn;
use super::super::framed::Refused;
use super::super::working::{Held, ID_IN_USE_MS, NotHeld};
use super::says;
use super::session::{Asked, Session};
use crate::core::{Answer, Assignment, Body, Command, Deed, Receipt};
use crate::json::{self, fields};

/// A worker may hold at most so many jobs at a time.
const MAX_CREDIT: u64 = 1_000;

impl Session {
    /// The worker works on these types and no others, and holds at most so many jobs.
    pub(super) fn join(
        &mut self,
        types: Option<&str>,
        credit: Option<&str>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refused> {
        let types = types.ok_or(Refused::missing("types"))?;
        let types = fields::type_names(types, self.limits.max_types).ok_or(Refused::wrong("types"))?;
        let credit = fields::number(credit, 1, "credit").map_err(Refused::wrong)?.unwrap_or(1);
        if credit > MAX_CREDIT {
            return Err(Refused::wrong("credit"));
        }
        let left = self.working.leave_all_but(&types);
        if !left.is_empty() {
            turn.commands.push(Command::Leave { types: left });
        }
        self.working.want(credit as u32, turn.commands);
        let types = self.working.not_granted(types);
        if types.is_empty() {
            self.line.replies.say(turn.out, says::ok);
        } else {
            let request = self.line.replies.expect(Asked::Join { types: types.clone() });
            self.working.asked(request, &types);
            turn.commands.push(Command::Join { request, types });
        }
        Ok(())
    }

    pub(super) fn respond(&mut self, id: Option<&str>, body: Option<&str>, turn: &mut Turn<'_>) -> Result<(), Refused> {
        let id = id.ok_or(Refused::missing("id"))?;
        let body = body.ok_or(Refused::missing("body"))?;
        self.answer(id, Answer::Complete(Body::from(body.as_bytes())), turn)
    }

    pub(super) fn fail(
        &mut self,
        id: Option<&str>,
        [error, retry, delay_ms]: [Option<&str>; 3],
        turn: &mut Turn<'_>,
    ) -> Result<(), Refused> {
        let id = id.ok_or(Refused::missing("id"))?;
        let retry = fields::flag(retry, true, "retry").map_err(Refused::wrong)?;
        let delay_ms = fields::number(delay_ms, 0, "delay_ms").map_err(Refused::wrong)?;
        let error = Body::from(error.unwrap_or("null").as_bytes());
        self.answer(id, Answer::Fail { error, retry, delay_ms }, turn)
    }

    pub(super) fn release(
        &mut self,
        id: Option<&str>,
        delay_ms: Option<&str>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refused> {
        let id = id.ok_or(Refused::missing("id"))?;
        let delay_ms = fields::number(delay_ms, 0, "delay_ms").map_err(Refused::wrong)?.unwrap_or(0);
        self.answer(id, Answer::Release { delay_ms }, turn)
    }

    /// Still at it: the job stays in hand.
    pub(super) fn touch(
        &mut self,
        id: Option<&str>,
        lease_ms: Option<&str>,
        progress: Option<&str>,
        turn: &mut Turn<'_>,
    ) -> Result<(), Refused> {
        let id = id.ok_or(Refused::missing("id"))?;
        let lease_ms = fields::number(lease_ms, 1, "lease_ms").map_err(Refused::wrong)?;
        let progress = match fields::given(progress) {
            Some(raw) => {
                Some(json::number(raw).filter(|share| (0.0..=1.0).contains(share)).ok_or(Refused::wrong("progress"))?)
            }
            None => None,
        };
        match self.working.held(id) {
            Ok(Held { id, receipt, .. }) => {
                let receipt = *receipt;
                let request = self.line.replies.expect(Asked::Touch { id: id.clone(), receipt });
                turn.commands.push(Command::Answer {
                    request,
                    receipt,
                    answer: Answer::Touch { lease_ms, progress, note: None },
                });
                Ok(())
            }
            Err(not_held) => self.ask_whether_exists(not_held, turn),
        }
    }

    /// The worker's last word on a job in hand.
    fn answer(&mut self, raw_id: &str, answer: Answer, turn: &mut Turn<'_>) -> Result<(), Refused> {
        match self.working.take(raw_id) {
            Ok(Held { id, receipt, .. }) => {
                let request = self.line.replies.expect(Asked::Answer { id, receipt });
                self.working.free_hand(Some(receipt.queue), turn.commands);
                turn.commands.push(Command::Answer { request, receipt, answer });
                Ok(())
            }
            Err(not_held) => self.ask_whether_exists(not_held, turn),
        }
    }

    /// Only its queue knows whether a job that isn't in hand is somebody else's or nobody's.
    fn ask_whether_exists(&mut self, not_held: NotHeld, turn: &mut Turn<'_>) -> Result<(), Refused> {
        match not_held {
            NotHeld::Bad(_) => Err(Refused::wrong("id")),
            NotHeld::Unknown(id) => {
                let request = self.line.replies.expect(Asked::NotHeld { id: id.clone() });
                turn.commands.push(Command::Manage { request, id, deed: Deed::Find });
                Ok(())
            }
        }
    }

    pub(super) fn assigned(&mut self, job: Assignment, turn: &mut Turn<'_>) {
        if self.working.has_left(&job.kind) {
            self.give_back(job.receipt, 0, turn);
        } else if self.working.holds_another(&job) {
            self.give_back(job.receipt, ID_IN_USE_MS, turn);
        } else {
            self.line.replies.say(turn.out, |out| says::job(out, &job));
            self.working.hold(job, turn.commands);
        }
    }

    /// A job that the client must not see: it was on its way when the worker left its type, or its id is in hand already.
    fn give_back(&mut self, receipt: Receipt, delay_ms: u64, turn: &mut Turn<'_>) {
        let request = self.line.replies.expect(Asked::GivenBack { receipt });
        self.working.free_hand(Some(receipt.queue), turn.commands);
        turn.commands.push(Command::Answer { request, receipt, answer: Answer::Release { delay_ms } });
    }
}
