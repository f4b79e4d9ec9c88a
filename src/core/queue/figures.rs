//! What a queue tells the statistics.

use std::collections::HashSet;

use super::super::census::Census;
use super::super::deadlines::Now;
use super::super::statistics::{Report, Retried, Times};
use super::Queue;

/// What a report would say, but for the times: while it is the same, there is nothing to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    census: Census,
    retried: Retried,
    workers: u32,
    idle: u32,
    paused: bool,
}

impl Queue {
    /// Where it stands now.
    pub fn standing(&self) -> Standing {
        Standing {
            census: self.census,
            retried: self.meter.retried(),
            workers: bounded(self.workers.joined()),
            idle: bounded(self.workers.idle()),
            paused: self.paused,
        }
    }

    /// Its figures, with the times since it was asked last.
    pub fn figures(&mut self, now: Now) -> Report {
        let Standing { census, retried, workers, idle, paused } = self.standing();
        let away = self.workers_away();
        Report {
            queue: self.number,
            kind: self.kind.clone(),
            paused,
            workers: workers.saturating_add(away),
            idle,
            last_worker_left_ms: self.last_worker_left_ms.filter(|_| away == 0),
            census,
            oldest_ms: self.oldest_queued_ms(now),
            retried,
            times: self.meter.take(),
            restored: false,
        }
    }

    /// Workers that hold jobs and are not connected: between two polls that is usual. A walk over what runs.
    pub(super) fn workers_away(&self) -> u32 {
        let away = self.runs.iter().map(|(_, run)| run).filter(|run| self.is_away(run));
        bounded(away.map(|run| &run.worker_name).collect::<HashSet<_>>().len())
    }

    /// The same at the start of one that came out of the store: what was restored did not happen now, and took no time.
    pub fn restored_figures(&mut self, now: Now) -> Report {
        Report { times: Times::default(), restored: true, ..self.figures(now) }
    }
}

fn bounded(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
