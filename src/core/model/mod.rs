//! The queue against a naive model of it.
//!
//! Random steps are taken by both ([`trial`]); after each, everything that can be seen must agree: what was said to whom and
//! in which order, what became of ids, the census, the next alarm, the records. Each test leans on other steps, so that long
//! stories of its kind come up. `PROPTEST_CASES=5000 cargo test core::model` looks harder; a failure prints its smallest story.
//!
//! | file | its noun |
//! |---|---|
//! | `naive`, `endings` | the model |
//! | `steps` | what can happen |
//! | `trial` | both live through the same steps |
//! | `comparison` | all that can be seen |
//! | `shelf` | what the store was told |
//! | `scene` | a queue for stories that are told by hand |
//! | `bounds` | nothing grows without need |
//! | `outliving` | workers that live by no connection |
//! | `full_disk` | submits that the store refused |

mod bounds;
mod comparison;
mod endings;
mod full_disk;
mod naive;
mod outliving;
mod scene;
mod shelf;
mod steps;
mod trial;

use proptest::prelude::*;
use steps::{Weights, steps};
use trial::Trial;

/// A bit of everything.
const EVERYTHING: Weights =
    Weights { submit: 16, membership: 4, hands: 2, answer: 24, manage: 8, gone: 2, pause: 2, time: 12 };

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_queue_does_what_the_specification_says(story in steps(EVERYTHING, 150), stores: bool) {
        Trial::new(stores).run(&story)?;
    }

    #[test]
    fn free_hands_meet_the_best_job_and_the_longest_waiting_worker(
        story in steps(Weights { membership: 8, hands: 8, manage: 1, gone: 1, time: 1, ..EVERYTHING }, 150), stores: bool
    ) {
        Trial::new(stores).run(&story)?;
    }

    #[test]
    fn time_does_what_it_must_and_nothing_before(
        story in steps(Weights { membership: 6, answer: 16, time: 32, gone: 1, ..EVERYTHING }, 150), stores: bool
    ) {
        Trial::new(stores).run(&story)?;
    }

    #[test]
    fn who_leaves_takes_only_what_is_its_own(
        story in steps(Weights { membership: 6, gone: 10, pause: 1, ..EVERYTHING }, 150), stores: bool
    ) {
        Trial::new(stores).run(&story)?;
    }

    #[test]
    fn jobs_are_cancelled_retried_and_deleted_at_any_time(
        story in steps(Weights { membership: 6, manage: 32, answer: 16, gone: 1, ..EVERYTHING }, 150), stores: bool
    ) {
        Trial::new(stores).run(&story)?;
    }
}
