//! Which jobs go when their master goes: a chain through the jobs of each master, so that one leaving costs what it leaves
//! behind and nothing else.

use slab::Slab;

use super::job::{Job, Links, Peer, PeerMap};

/// No neighbour.
const END: u32 = u32::MAX;

impl Links {
    pub(crate) const ALONE: Links = Links { before: END, after: END };
}

/// The first job of each master's chain.
#[derive(Default, Debug)]
pub(crate) struct Masters {
    first: PeerMap<u32>,
}

impl Masters {
    /// Adds the job to the chain of its master.
    pub(crate) fn link(&mut self, jobs: &mut Slab<Job>, key: u32) {
        let master = jobs[key as usize].master;
        let after = self.first.insert(master, key).unwrap_or(END);
        jobs[key as usize].chain = Links { before: END, after };
        if after != END {
            jobs[after as usize].chain.before = key;
        }
    }

    /// Takes the job out of its chain; nothing happens if it is in none.
    pub(crate) fn unlink(&mut self, jobs: &mut Slab<Job>, key: u32) {
        let job = &mut jobs[key as usize];
        let (master, Links { before, after }) = (job.master, std::mem::replace(&mut job.chain, Links::ALONE));
        if before != END {
            jobs[before as usize].chain.after = after;
        } else if self.first.get(&master) == Some(&key) {
            if after == END {
                self.first.remove(&master);
            } else {
                self.first.insert(master, after);
            }
        }
        if after != END {
            jobs[after as usize].chain.before = before;
        }
    }

    /// The jobs of this master, oldest first.
    pub(crate) fn jobs_of(&self, jobs: &Slab<Job>, master: Peer) -> Vec<u32> {
        let mut keys = Vec::new();
        let mut next = self.first.get(&master).copied().unwrap_or(END);
        while next != END {
            keys.push(next);
            next = jobs[next as usize].chain.after;
        }
        keys.reverse();
        keys
    }
}
