//! Who wants jobs of this queue, and what they hold.
//!
//! Idle workers are served longest-waiting first. A worker of several types waits in several queues; [`Demand`] sees to it
//! that one free hand is served once.

use std::collections::VecDeque;
use std::sync::Arc;

use super::command::Introduction;
use super::demand::Demand;
use super::job::{Peer, PeerMap, PeerName, QueueNo};

/// A worker in the eyes of one queue.
#[derive(Debug)]
pub struct Worker {
    /// How it is called.
    pub name: PeerName,
    /// The lease of jobs that name none, in milliseconds.
    pub lease_ms: u64,
    /// What it holds stays its own when its peer leaves.
    pub outlives: bool,
    /// Jobs of this type that it completed.
    pub completed: u64,
    /// Attempts at jobs of this type that it failed.
    pub failed: u64,
    demand: Arc<Demand>,
    /// It works on this type (one that left may still hold jobs).
    joined: bool,
    /// Its ticket in the line of idle workers.
    ticket: Option<u64>,
    /// When the queue last left its number with the worker's demand.
    left: Option<u64>,
    /// Runs it holds.
    pub(crate) runs: Vec<u32>,
    /// Attempts whose job was cancelled, until it speaks of them: sequence number and delivery.
    pub(crate) cancelled: Vec<(u64, u32)>,
}

/// The workers of a queue.
#[derive(Default, Debug)]
pub struct Workers {
    by_peer: PeerMap<Worker>,
    line: VecDeque<(u64, Peer)>,
    in_line: usize,
    joined: usize,
    next_ticket: u64,
}

impl Workers {
    /// A peer works on this type from now on.
    pub fn join(&mut self, peer: Peer, who: &Introduction) {
        let worker = self.by_peer.entry(peer).or_insert_with(|| Worker {
            name: who.name.clone(),
            lease_ms: who.lease_ms,
            outlives: who.outlives,
            completed: 0,
            failed: 0,
            demand: who.demand.clone(),
            joined: false,
            ticket: None,
            left: None,
            runs: Vec::new(),
            cancelled: Vec::new(),
        });
        self.joined += usize::from(!std::mem::replace(&mut worker.joined, true));
    }

    /// A peer works on this type no more; what it holds stays valid.
    pub fn leave(&mut self, peer: Peer, queue: QueueNo) {
        if let Some(worker) = self.by_peer.get_mut(&peer) {
            self.joined -= usize::from(std::mem::replace(&mut worker.joined, false));
            if worker.left.take().is_some() {
                worker.demand.strike(queue);
            }
            self.in_line -= usize::from(worker.ticket.take().is_some());
            self.forget_if_done(peer);
        }
    }

    /// A peer may have free hands again: if so it goes to the end of the line, unless it stands there already.
    pub fn ready(&mut self, peer: Peer, queue: QueueNo) {
        let Some(worker) = self.by_peer.get_mut(&peer) else { return };
        if !worker.joined || worker.ticket.is_some() {
            return;
        }
        if worker.has_hands(queue) {
            worker.ticket = Some(self.next_ticket);
            self.line.push_back((self.next_ticket, peer));
            self.next_ticket += 1;
            self.in_line += 1;
        }
    }

    /// Takes a hand of the worker that waits longest. One with more hands goes to the end of the line.
    pub fn take(&mut self, queue: QueueNo) -> Option<Peer> {
        while let Some((ticket, peer)) = self.line.pop_front() {
            let Some(worker) = self.by_peer.get_mut(&peer).filter(|worker| worker.ticket == Some(ticket)) else {
                continue;
            };
            let taken = worker.demand.take();
            if worker.has_hands(queue) {
                worker.ticket = Some(self.next_ticket);
                self.line.push_back((self.next_ticket, peer));
                self.next_ticket += 1;
            } else {
                worker.ticket = None;
                self.in_line -= 1;
            }
            if taken {
                return Some(peer);
            }
        }
        None
    }

    /// Whether this peer works on this type.
    pub fn has_joined(&self, peer: Peer) -> bool {
        self.by_peer.get(&peer).is_some_and(|worker| worker.joined)
    }

    /// How many stand in line.
    pub fn idle(&self) -> usize {
        self.in_line
    }

    /// Whether anybody stands in line.
    pub fn is_anyone_idle(&self) -> bool {
        self.in_line > 0
    }

    /// The worker.
    pub fn of(&mut self, peer: Peer) -> Option<&mut Worker> {
        self.by_peer.get_mut(&peer)
    }

    /// The same, to look at.
    pub fn get(&self, peer: Peer) -> Option<&Worker> {
        self.by_peer.get(&peer)
    }

    /// The peer is gone; gives what it held.
    pub fn remove(&mut self, peer: Peer) -> Option<Worker> {
        let worker = self.by_peer.remove(&peer)?;
        self.in_line -= usize::from(worker.ticket.is_some());
        self.joined -= usize::from(worker.joined);
        Some(worker)
    }

    /// How many work on this type.
    pub fn joined(&self) -> usize {
        self.joined
    }

    /// How many are remembered, also of those that left.
    #[cfg(test)]
    pub(crate) fn known(&self) -> usize {
        self.by_peer.len()
    }

    /// How many places the line has, also such that nobody holds.
    #[cfg(test)]
    pub(crate) fn line_len(&self) -> usize {
        self.line.len()
    }

    /// Forgets a worker that left and holds nothing.
    pub(crate) fn forget_if_done(&mut self, peer: Peer) {
        let done = |worker: &Worker| !worker.joined && worker.runs.is_empty() && worker.cancelled.is_empty();
        if self.by_peer.get(&peer).is_some_and(done) {
            self.by_peer.remove(&peer);
        }
    }

    /// Drops places in the line that nobody holds once they are the majority.
    pub(crate) fn sweep(&mut self) {
        if self.line.len() > 64 + 2 * self.in_line {
            let by_peer = &self.by_peer;
            self.line.retain(|(ticket, peer)| by_peer.get(peer).is_some_and(|worker| worker.ticket == Some(*ticket)));
        }
    }
}

impl Worker {
    /// Whether it has a free hand. If not, the queue looks away until it is told. It looks once more after it has left its
    /// number: a hand that was freed just before, on another thread, told nobody.
    fn has_hands(&mut self, queue: QueueNo) -> bool {
        if self.demand.is_free() {
            return true;
        }
        self.demand.leave(queue, &mut self.left);
        self.demand.is_free()
    }
}
