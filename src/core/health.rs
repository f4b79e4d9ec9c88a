//! Whether a processor is up: an opinion that changes slowly, so that one that flaps causes no storm (`spec/processors.md`).

/// What is known of a processor's health.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Health {
    opinion: Opinion,
    /// Bad answers in a row.
    bad: u32,
    /// Good answers in a row.
    good: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Opinion {
    /// Not asked since the server was started.
    Open,
    Up,
    Down,
}

/// What an answer changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It may get work now.
    Up,
    /// It gets nothing more, and what it holds goes back.
    Down,
}

/// So many bad answers in a row: down.
pub const BAD_IN_A_ROW: u32 = 3;

/// So many good answers in a row: up again.
pub const GOOD_IN_A_ROW: u32 = 2;

impl Health {
    /// Of one that has just answered well.
    pub fn up() -> Health {
        Health { opinion: Opinion::Up, bad: 0, good: 0 }
    }

    /// Of one that the last process knew: its first good answer is enough.
    pub fn open() -> Health {
        Health { opinion: Opinion::Open, bad: 0, good: 0 }
    }

    /// Whether it may get work.
    pub fn is_up(self) -> bool {
        self.opinion == Opinion::Up
    }

    /// It answered well.
    pub fn good(&mut self) -> Option<Turn> {
        self.bad = 0;
        self.good += 1;
        let needed = match self.opinion {
            Opinion::Open => 1,
            Opinion::Up => return None,
            Opinion::Down => GOOD_IN_A_ROW,
        };
        (self.good >= needed).then(|| self.turn(Opinion::Up, Turn::Up))
    }

    /// It didn't answer, or badly.
    pub fn bad(&mut self) -> Option<Turn> {
        self.good = 0;
        self.bad += 1;
        match self.opinion {
            Opinion::Open | Opinion::Up => (self.bad >= BAD_IN_A_ROW).then(|| self.turn(Opinion::Down, Turn::Down)),
            Opinion::Down => {
                // Nothing comes of more of them.
                self.bad = BAD_IN_A_ROW;
                None
            }
        }
    }

    fn turn(&mut self, opinion: Opinion, turn: Turn) -> Turn {
        *self = Health { opinion, bad: 0, good: 0 };
        turn
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn three_bad_answers_in_a_row_and_two_good_ones() {
        let mut health = Health::up();
        assert_eq!([health.bad(), health.bad(), health.good()], [None; 3]);
        assert_eq!([health.bad(), health.bad()], [None; 2]);
        assert!(health.is_up());
        assert_eq!(health.bad(), Some(Turn::Down));
        assert_eq!([health.bad(), health.good(), health.bad(), health.good()], [None; 4]);
        assert!(!health.is_up());
        assert_eq!(health.good(), Some(Turn::Up));
        assert_eq!(health.good(), None);
    }

    #[test]
    fn one_that_was_known_before_needs_one_good_answer() {
        let mut health = Health::open();
        assert!(!health.is_up());
        assert_eq!([health.bad(), health.bad()], [None; 2]);
        assert_eq!(health.good(), Some(Turn::Up));
        let mut lost = Health::open();
        assert_eq!([lost.bad(), lost.bad(), lost.bad()], [None, None, Some(Turn::Down)]);
    }

    proptest! {
        /// Turns alternate, and each needs its row of answers: at most one turn in five answers.
        #[test]
        fn it_never_flaps(answers in prop::collection::vec(any::<bool>(), 0..200)) {
            let (mut health, mut last) = (Health::up(), Turn::Up);
            let mut turns = 0;
            for good in &answers {
                if let Some(turn) = if *good { health.good() } else { health.bad() } {
                    prop_assert_ne!(turn, last);
                    prop_assert_eq!(turn == Turn::Up, health.is_up());
                    last = turn;
                    turns += 1;
                }
            }
            let rounds = answers.len() / (BAD_IN_A_ROW + GOOD_IN_A_ROW) as usize;
            prop_assert!(turns <= 2 * rounds + 1);
        }
    }
}
