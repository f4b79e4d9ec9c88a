//! An action: data that is reduced over a list of steps, each getting what the one before returned (`spec/processors.md`).
//!
//! Each step is one durable job, so where an action is can be read from its jobs: nothing else has to be stored while it runs.
//! Bodies are not in here; a [`Carried`] says whose result they are.

/// An action on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Action {
    steps: usize,
    on_failure: OnFailure,
    /// The step it is at; past the last one it is completed.
    step: usize,
    carried: Carried,
}

/// What a failed step means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnFailure {
    /// The action fails.
    Fail,
    /// The step is skipped: the next one gets what this one got.
    Skip,
}

impl OnFailure {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            OnFailure::Fail => "fail",
            OnFailure::Skip => "skip",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<OnFailure> {
        [OnFailure::Fail, OnFailure::Skip].into_iter().find(|other| other.as_str() == name)
    }
}

/// Which data goes into a step, or comes out of the action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carried {
    /// What the action was given.
    Input,
    /// What this step returned.
    ResultOf(usize),
}

/// What to do now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// See to it that this step's job is there, with this data, and wait for its end.
    Step {
        /// Which.
        step: usize,
        /// The data.
        data: Carried,
    },
    /// It is done, with this data.
    Completed {
        /// The data.
        data: Carried,
    },
    /// It has failed.
    Failed {
        /// At this step.
        step: usize,
    },
}

/// How a step's job ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepEnd {
    /// With a result.
    Completed,
    /// Without one, and nobody will try again.
    Failed,
}

impl Action {
    /// An action over so many steps.
    pub fn new(steps: usize, on_failure: OnFailure) -> Action {
        Action { steps, on_failure, step: 0, carried: Carried::Input }
    }

    /// What to do now.
    pub fn next(&self) -> Next {
        if self.step < self.steps {
            Next::Step { step: self.step, data: self.carried }
        } else {
            Next::Completed { data: self.carried }
        }
    }

    /// The job of the step it is at has ended.
    pub fn step_ended(&mut self, end: StepEnd) -> Next {
        match (end, self.on_failure) {
            (StepEnd::Completed, _) => self.carried = Carried::ResultOf(self.step),
            (StepEnd::Failed, OnFailure::Skip) => {}
            (StepEnd::Failed, OnFailure::Fail) => return Next::Failed { step: self.step },
        }
        self.step += 1;
        self.next()
    }
}

/// Finds out how far an action had come when the last process ended, with few questions about its jobs: steps are submitted one
/// after another, so the last one that has a job is where it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Resume {
    action: Action,
    search: Search,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Search {
    /// Steps before `with` have jobs; those from `without` have none.
    Last {
        with: usize,
        without: usize,
    },
    /// What the last one carries: whether this step returned something.
    Carried {
        last: usize,
        step: usize,
    },
    Done,
}

/// What is known of a step's job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trace {
    /// There is none.
    None,
    /// It lives, or has ended without a result.
    Other,
    /// It has ended with a result.
    Completed,
}

impl Resume {
    /// Nothing is known yet.
    pub fn new(steps: usize, on_failure: OnFailure) -> Resume {
        Resume { action: Action::new(steps, on_failure), search: Search::Last { with: 0, without: steps } }
    }

    /// The step whose job has to be looked at, or the action as it is.
    pub fn ask(&self) -> Result<usize, Action> {
        match self.search {
            Search::Last { with, without } => Ok(with + (without - with) / 2),
            Search::Carried { step, .. } => Ok(step),
            Search::Done => Err(self.action.clone()),
        }
    }

    /// What came of the question.
    pub fn told(&mut self, trace: Trace) {
        match self.search {
            Search::Last { with, without } => {
                let middle = with + (without - with) / 2;
                let (with, without) = if trace == Trace::None { (with, middle) } else { (middle + 1, without) };
                self.search = match with {
                    with if with < without => Search::Last { with, without },
                    0 => Search::Done,
                    with => self.before(with - 1, with - 1),
                };
            }
            Search::Carried { last, step } if trace == Trace::Completed => {
                self.action.carried = Carried::ResultOf(step);
                self.action.step = last;
                self.search = Search::Done;
            }
            Search::Carried { last, step } => self.search = self.before(last, step),
            Search::Done => {}
        }
    }

    /// The next question about what the last step carries: nothing before `step` is known.
    fn before(&mut self, last: usize, step: usize) -> Search {
        match step.checked_sub(1) {
            None => {
                self.action.step = last;
                Search::Done
            }
            Some(step) => Search::Carried { last, step },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn data_goes_from_step_to_step() {
        let mut action = Action::new(3, OnFailure::Fail);
        assert_eq!(action.next(), Next::Step { step: 0, data: Carried::Input });
        assert_eq!(action.step_ended(StepEnd::Completed), Next::Step { step: 1, data: Carried::ResultOf(0) });
        assert_eq!(action.step_ended(StepEnd::Completed), Next::Step { step: 2, data: Carried::ResultOf(1) });
        assert_eq!(action.step_ended(StepEnd::Completed), Next::Completed { data: Carried::ResultOf(2) });
    }

    #[test]
    fn a_failed_step_fails_the_action() {
        let mut action = Action::new(2, OnFailure::Fail);
        action.step_ended(StepEnd::Completed);
        assert_eq!(action.step_ended(StepEnd::Failed), Next::Failed { step: 1 });
    }

    #[test]
    fn a_skipped_step_passes_its_input_on() {
        let mut action = Action::new(4, OnFailure::Skip);
        assert_eq!(action.step_ended(StepEnd::Failed), Next::Step { step: 1, data: Carried::Input });
        assert_eq!(action.step_ended(StepEnd::Completed), Next::Step { step: 2, data: Carried::ResultOf(1) });
        assert_eq!(action.step_ended(StepEnd::Failed), Next::Step { step: 3, data: Carried::ResultOf(1) });
        assert_eq!(action.step_ended(StepEnd::Failed), Next::Completed { data: Carried::ResultOf(1) });
        let mut nothing = Action::new(1, OnFailure::Skip);
        assert_eq!(nothing.step_ended(StepEnd::Failed), Next::Completed { data: Carried::Input });
    }

    proptest! {
        /// An action that is interrupted anywhere goes on where it was, after few questions.
        #[test]
        fn it_goes_on_where_it_was(
            ends in prop::collection::vec(prop::bool::weighted(0.7), 1..1_000),
            at in any::<prop::sample::Index>(),
            is_submitted: bool,
        ) {
            let ends: Vec<StepEnd> =
                ends.into_iter().map(|good| if good { StepEnd::Completed } else { StepEnd::Failed }).collect();
            let at = at.index(ends.len());
            let mut action = Action::new(ends.len(), OnFailure::Skip);
            for end in &ends[..at] {
                action.step_ended(*end);
            }
            let jobs = at + usize::from(is_submitted);
            let mut resume = Resume::new(ends.len(), OnFailure::Skip);
            let mut questions = 0;
            let resumed = loop {
                match resume.ask() {
                    Err(resumed) => break resumed,
                    Ok(step) => resume.told(match step {
                        step if step >= jobs => Trace::None,
                        step if step < at && ends[step] == StepEnd::Completed => Trace::Completed,
                        _ => Trace::Other,
                    }),
                }
                questions += 1;
            };
            let skipped = ends[..jobs.saturating_sub(1)].iter().rev().take_while(|end| **end == StepEnd::Failed).count();
            prop_assert!(questions <= 12 + skipped, "{questions}");
            if is_submitted {
                prop_assert_eq!(resumed, action);
            } else if at > 0 {
                // The last step that was submitted has ended: it is found, and its end leads on.
                let mut resumed = resumed;
                prop_assert_eq!(resumed.step_ended(ends[at - 1]), action.next());
            } else {
                prop_assert_eq!(resumed, action);
            }
        }
    }
}
