//! The right to finish an attempt as a text, for those that have no connection (`spec/http.md`, `receipt`).
//!
//! It names the job and the delivery, which a restart doesn't change, and where to ask first.

use std::fmt;

use super::command::{Answer, Receipt, Refusal};
use super::job::{Outcome, QueueNo};
use super::record::{StoredJob, StoredState};

/// A receipt that outlives the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// The queue that gave it, in the process that gave it: it may remember what it was told.
    pub queue: QueueNo,
    /// Which job: its place in the order of acceptance.
    pub sequence: u64,
    /// Which delivery of it.
    pub delivery: u32,
}

impl Ticket {
    /// The ticket for this receipt.
    pub fn of(receipt: &Receipt) -> Ticket {
        Ticket { queue: receipt.queue, sequence: receipt.sequence, delivery: receipt.delivery }
    }

    /// Whether what a worker says with it was accepted before, of a job that has ended.
    ///
    /// # Errors
    /// [`Refusal::Cancelled`] where the job was taken back, [`Refusal::StaleReceipt`] where it ended otherwise.
    pub fn judge(&self, job: &StoredJob, answer: &Answer) -> Result<(), Refusal> {
        let StoredState::Finished { outcome, .. } = job.progress.state else { return Err(Refusal::StaleReceipt) };
        if (self.sequence, self.delivery) != (job.sequence, job.progress.deliveries) {
            return Err(Refusal::StaleReceipt);
        }
        match (outcome, answer) {
            (Outcome::Completed, Answer::Complete(_)) | (Outcome::Failed, Answer::Fail { .. }) => Ok(()),
            (Outcome::Cancelled, _) => Err(Refusal::Cancelled),
            (Outcome::Completed | Outcome::Failed | Outcome::Expired, _) => Err(Refusal::StaleReceipt),
        }
    }

    /// Reads what [`Display`](fmt::Display) wrote; none where it can't have been that.
    pub fn parse(text: &str) -> Option<Ticket> {
        let mut numbers = text.split('-');
        let mut number = || numbers.next().filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        let ticket = Ticket {
            sequence: number()?.parse().ok()?,
            delivery: number()?.parse().ok()?,
            queue: number()?.parse().ok()?,
        };
        numbers.next().is_none().then_some(ticket)
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.sequence, self.delivery, self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_read_as_it_was_written() {
        let ticket = Ticket { queue: 7, sequence: u64::MAX, delivery: 3 };
        assert_eq!(Ticket::parse(&ticket.to_string()), Some(ticket));
        for nonsense in ["", "1", "1-2", "1-2-3-4", "-1-2-3", "+1-2-3", "1-2-x", "1--3", "99999999999999999999-1-1"] {
            assert_eq!(Ticket::parse(nonsense), None, "{nonsense}");
        }
    }
}
