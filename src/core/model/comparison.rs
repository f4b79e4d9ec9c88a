//! The comparison: all that can be seen of a queue and of its model.

use proptest::prelude::*;

use super::naive::Place;
use super::trial::{Checked, Trial};
use crate::core::command::{Held, Notice, Outbox};
use crate::core::{IdEvent, Peer};

impl Trial {
    /// Compares all that can be seen. Jobs that end `together` may be told of in any order.
    pub(super) fn compare(&mut self, got: Outbox, wanted: Outbox, together: bool) -> Checked {
        for event in &got.ids {
            match event {
                IdEvent::Freed { id, sequence, .. } => self.ids.free(id, *sequence),
                IdEvent::Ended { id, sequence, gives_way, .. } => self.ids.end(id, *sequence, *gives_way),
                IdEvent::Revived { id, sequence, .. } => self.ids.revive(id, *sequence),
                // The archive lets go at once, so that ids meet again.
                IdEvent::Archived { id, sequence, .. } => self.ids.free(id, *sequence),
                IdEvent::RetryDecided { .. } => {}
                IdEvent::Stowed { .. } => unreachable!("bodies are small"),
            }
        }
        for (peer, notice) in &got.notices {
            if let Notice::Assigned(assignment) = notice {
                let receipt = assignment.receipt;
                self.receipts.push((receipt, *peer));
                self.by_attempt.insert((receipt.sequence, receipt.delivery), receipt);
                let session = self.sessions.iter_mut().find(|session| session.peer == *peer);
                session.expect("nobody else works").in_hand.push(receipt);
            }
        }
        prop_assert_eq!(said(got.notices, together), said(wanted.notices, together));
        let held = said(released(&got.held), together);
        prop_assert_eq!(held, said(released(&wanted.held), together), "held for the store");
        prop_assert!(
            got.held.is_empty() || !got.records.is_empty(),
            "a word waits for the store, which is told nothing"
        );
        self.shelf.keep(got.records)?;
        self.shelf.compare(self.now, &self.model)?;
        prop_assert_eq!(sorted(got.ids), sorted(wanted.ids));
        let census = self.queue.census();
        prop_assert!(census.is_balanced(), "{:?}", census);
        prop_assert_eq!(census, self.model.census());
        prop_assert_eq!(self.queue.next_alarm(), self.model.next_alarm());
        prop_assert_eq!(self.queue.joined(), self.model.workers.iter().filter(|worker| worker.joined).count());
        prop_assert_eq!(self.queue.workers_known(), self.model.workers.len());
        for job in self.model.jobs.iter().filter(|job| !job.orphaned) {
            let record = match &job.place {
                Place::Finished { outcome, detail, .. } => Some((*outcome, detail.clone())),
                Place::Scheduled(_) | Place::Queued | Place::Running { .. } => None,
            };
            prop_assert_eq!(self.queue.record_of(&job.id), record);
        }
        Ok(())
    }

    pub(super) fn obituary_names_everyone(&mut self) -> Checked {
        let mut got: Vec<(Peer, String)> =
            self.queue.obituary().into_iter().map(|job| (job.master, job.id.to_string())).collect();
        let live = self.model.jobs.iter().filter(|job| !job.orphaned && !matches!(job.place, Place::Finished { .. }));
        let mut wanted: Vec<(Peer, String)> =
            live.map(|job| (if job.notify { job.master } else { Peer::NONE }, job.id.to_string())).collect();
        got.sort();
        wanted.sort();
        prop_assert_eq!(got, wanted);
        prop_assert_eq!(self.ids.len(), self.model.jobs.iter().filter(|job| !job.orphaned).count());
        Ok(())
    }
}

fn released(held: &[Held]) -> Vec<(Peer, Notice)> {
    held.iter().map(|held| (held.peer, held.notice.clone())).collect()
}

/// What was said to each peer, in order, without keys.
fn said(mut notices: Vec<(Peer, Notice)>, together: bool) -> Vec<(Peer, Notice)> {
    for (_, notice) in &mut notices {
        match notice {
            Notice::Assigned(assignment) => assignment.receipt.key = 0,
            Notice::Withdrawn { receipt } => receipt.key = 0,
            Notice::Done { .. } | Notice::Refused { .. } | Notice::Ended { .. } | Notice::Lost { .. } => {}
            Notice::Report { .. } => unreachable!("the model looks at nothing"),
        }
    }
    notices.sort_by_cached_key(|(peer, notice)| match notice {
        Notice::Ended { id, .. } if together => (*peer, id.text().into_owned()),
        _ => (*peer, String::new()),
    });
    notices
}

/// What was said of each id, in order.
fn sorted(mut ids: Vec<IdEvent>) -> Vec<IdEvent> {
    ids.sort_by_cached_key(|event| match event {
        IdEvent::Freed { id, .. }
        | IdEvent::Ended { id, .. }
        | IdEvent::Revived { id, .. }
        | IdEvent::Archived { id, .. }
        | IdEvent::RetryDecided { id } => id.to_string(),
        IdEvent::Stowed { .. } => unreachable!("bodies are small"),
    });
    ids
}
