//! What was accepted of workers that have no connection: they may not have heard the answer, and ask again
//! (`spec/http.md`: a repeat with the same receipt is accepted again).

use std::collections::VecDeque;

use super::super::command::Answer;

/// A queue remembers at most so many, the latest.
const MOST: usize = 10_000;

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Word {
    Completed,
    Failed,
    Released,
    /// Its job was cancelled under it.
    Cancelled,
}

impl Word {
    /// The word that this answer is; none where it doesn't end the attempt.
    pub(super) fn of(answer: &Answer) -> Option<Word> {
        match answer {
            Answer::Complete(_) => Some(Word::Completed),
            Answer::Fail { .. } => Some(Word::Failed),
            Answer::Release { .. } => Some(Word::Released),
            Answer::Touch { .. } => None,
        }
    }
}

/// The last words on attempts, by sequence number and delivery.
#[derive(Default, Debug)]
pub(super) struct Said {
    words: VecDeque<(u64, u32, Word)>,
}

impl Said {
    pub(super) fn note(&mut self, sequence: u64, delivery: u32, word: Word) {
        if self.words.len() == MOST {
            self.words.pop_front();
        }
        self.words.push_back((sequence, delivery, word));
    }

    pub(super) fn of(&self, sequence: u64, delivery: u32) -> Option<Word> {
        let same = |said: &&(u64, u32, Word)| (said.0, said.1) == (sequence, delivery);
        self.words.iter().rev().find(same).map(|said| said.2)
    }
}
