//! Small values beside the jobs: which queues are paused, what was registered. They are kept in the commits of the jobs.

use std::sync::Arc;

use actix::{Handler, Message};

use super::reply::{Later, Reply};
use super::{Keeper, NoRoom};
use crate::core::record::{Body, Record};

/// What waits for the next commit.
#[derive(Default)]
pub(super) struct Notes {
    waiting: Vec<(KeepNotes, Reply<Result<(), NoRoom>>)>,
}

impl Notes {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// What waits, in the order in which it came.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let notes = self.waiting.iter().flat_map(|(keep, _)| &keep.notes);
        notes.map(|(key, value)| Record::Note { key: key.clone(), value: value.clone() })
    }

    /// What waited is on disk.
    pub(super) fn kept(&mut self) {
        self.answer(Ok(()), |_| true);
    }

    /// There is no room for anything.
    pub(super) fn refuse_all(&mut self) {
        self.answer(Err(NoRoom), |_| true);
    }

    /// There is no room, but what only removes may go on.
    pub(super) fn refuse_new(&mut self) {
        self.answer(Err(NoRoom), |keep| keep.notes.iter().any(|(_, value)| value.is_some()));
    }

    fn answer(&mut self, answer: Result<(), NoRoom>, is_it: impl Fn(&KeepNotes) -> bool) {
        for (_, reply) in self.waiting.extract_if(.., |(keep, _)| is_it(keep)) {
            reply.send(answer);
        }
    }
}

/// Keep these values under these keys; none removes. All or nothing; answered when it is on disk.
#[derive(Message, Clone, Debug)]
#[rtype(result = "Result<(), NoRoom>")]
pub struct KeepNotes {
    /// The keys and values. The last word on a key holds.
    pub notes: Vec<(Arc<str>, Option<Body>)>,
}

impl Handler<KeepNotes> for Keeper {
    type Result = Later<Result<(), NoRoom>>;

    fn handle(&mut self, keep: KeepNotes, _: &mut Self::Context) -> Self::Result {
        let (reply, later) = Reply::new();
        self.notes.waiting.push((keep, reply));
        later
    }
}
