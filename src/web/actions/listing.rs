//! Which actions there are, and how far each is: for the pages of operators. Data is looked for in the steps' jobs.

use actix::{Handler, Message, MessageResult};

use super::action::Account;
use super::book::Actions;
use super::plan::{End, Plan};
use crate::core::JobId;

/// An action as the book knows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is to do.
    pub plan: Plan,
    /// The step it is at.
    pub step: usize,
    /// How it ended, if it has.
    pub end: Option<End>,
}

impl Listed {
    fn of(account: &Account) -> Listed {
        Listed { plan: account.plan.clone(), step: account.step, end: account.end.clone() }
    }
}

/// The newest actions.
#[derive(Default, Debug)]
pub struct Listing {
    /// How many there are in all.
    pub total: u64,
    /// The newest, the newest first.
    pub actions: Vec<Listed>,
}

/// Which actions came last?
#[derive(Message)]
#[rtype(result = "Listing")]
pub struct ListNewest {
    /// At most so many.
    pub most: usize,
}

impl Handler<ListNewest> for Actions {
    type Result = MessageResult<ListNewest>;

    fn handle(&mut self, ListNewest { most }: ListNewest, _: &mut Self::Context) -> Self::Result {
        let mut by_age: Vec<(u64, &JobId)> =
            self.accounts().iter().map(|(id, account)| (account.borrow().plan.created_ms, id)).collect();
        let total = by_age.len() as u64;
        let newest_first =
            |a: &(u64, &JobId), b: &(u64, &JobId)| b.0.cmp(&a.0).then_with(|| a.1.text().cmp(&b.1.text()));
        if by_age.len() > most {
            by_age.select_nth_unstable_by(most, newest_first);
            by_age.truncate(most);
        }
        by_age.sort_unstable_by(newest_first);
        let actions = by_age.into_iter().map(|(_, id)| Listed::of(&self.accounts()[id].borrow())).collect();
        MessageResult(Listing { total, actions })
    }
}

/// How far is this action? None where there is none of this id.
#[derive(Message)]
#[rtype(result = "Option<Listed>")]
pub struct Peek {
    /// Its id.
    pub id: JobId,
}

impl Handler<Peek> for Actions {
    type Result = Option<Listed>;

    fn handle(&mut self, Peek { id }: Peek, _: &mut Self::Context) -> Option<Listed> {
        self.accounts().get(&id).map(|account| Listed::of(&account.borrow()))
    }
}
