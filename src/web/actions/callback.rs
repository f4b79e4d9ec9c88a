//! Telling the end of an action to its `response_url`: again and again for an hour, with longer and longer waits.
//!
//! A place that hangs or refuses has two calls at a time, however many actions have to tell it something: the others go on.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use awc::http::Method;
use log::{debug, warn};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::action::{Account, data_of};
use super::plan::How;
use super::show::error_of;
use crate::core::job::or_null;
use crate::core::retry::backoff_ms;
use crate::core::{Body, JobId, Policy};
use crate::web::outgoing::{Call, Payload, Url};
use crate::web::outside::{Hall, wall_ms};

/// How long it is tried.
const FOR_SO_LONG_MS: u64 = 3_600_000;

/// The first wait, which then doubles, and the longest.
const FIRST_WAIT_MS: u64 = 1_000;
const LONGEST_WAIT_MS: u64 = 60_000;

/// The whole answer must be here in this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Nobody reads the answer.
const ANSWER_AT_MOST: usize = 64 * 1024;

/// Calls to one place at a time.
const CALLS_TO_A_PLACE: usize = 2;

/// Calls to all places at a time.
const CALLS_IN_ALL: usize = 256;

/// Calls under way, by place.
pub struct Places {
    all: Semaphore,
    places: RefCell<HashMap<String, Weak<Semaphore>>>,
}

impl Default for Places {
    fn default() -> Places {
        Places { all: Semaphore::new(CALLS_IN_ALL), places: RefCell::default() }
    }
}

impl Places {
    /// The calls to this URL's place.
    fn of(&self, url: &Url) -> Rc<Semaphore> {
        let place = url.place();
        let mut places = self.places.borrow_mut();
        if let Some(known) = places.get(&place).and_then(Weak::upgrade) {
            return known;
        }
        places.retain(|_, calls| calls.strong_count() > 0);
        let calls = Rc::new(Semaphore::new(CALLS_TO_A_PLACE));
        places.insert(place, Rc::downgrade(&calls));
        calls
    }
}

/// Tells an action's end. False where it could not be told in time.
pub async fn deliver(hall: &Rc<Hall>, account: &Rc<RefCell<Account>>) -> bool {
    let (id, url, until_ms) = {
        let account = account.borrow();
        let (Some(url), Some(end)) = (&account.plan.response_url, &account.end) else { return false };
        (account.plan.id.clone(), url.clone(), end.at_ms.saturating_add(FOR_SO_LONG_MS))
    };
    let calls = hall.places.of(&url);
    let mut tries = 0;
    loop {
        let left = Duration::from_millis(until_ms.saturating_sub(wall_ms()));
        let told = timeout(left, async {
            // These semaphores are never closed.
            let _turn = calls.acquire().await;
            let _call = hall.places.all.acquire().await;
            tell(hall, account, &id, &url).await
        });
        match told.await {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => {
                warn!(action = &*id.text(); "the end of an action could not be told within an hour");
                return false;
            }
        }
        tries += 1;
        sleep(Duration::from_millis(wait_ms(&id, tries))).await;
    }
}

fn wait_ms(id: &JobId, tries: u32) -> u64 {
    let policy = Policy { backoff_ms: FIRST_WAIT_MS, ..Policy::durable() };
    backoff_ms(&policy, tries, id.hash_value()).min(LONGEST_WAIT_MS)
}

async fn tell(hall: &Rc<Hall>, account: &Rc<RefCell<Account>>, id: &JobId, url: &Url) -> bool {
    let Some(body) = words(hall, account).await else { return false };
    let call = Call {
        method: Method::POST,
        url: url.clone(),
        body: Some(body),
        within: ANSWER_WITHIN,
        at_most: ANSWER_AT_MOST,
    };
    match hall.client.call(call).await {
        Ok(answer) if answer.status.is_success() => true,
        Ok(answer) => {
            debug!(action = &*id.text(), status = answer.status.as_u16(); "the end of an action was not taken");
            false
        }
        Err(failure) => {
            debug!(action = &*id.text(), failure:%; "the end of an action could not be told");
            false
        }
    }
}

/// What is told.
async fn words(hall: &Rc<Hall>, account: &Rc<RefCell<Account>>) -> Option<Payload> {
    let (id, how) = {
        let account = account.borrow();
        (account.plan.id.token().to_owned(), account.end.clone()?.how)
    };
    let text = Payload::default();
    Some(match how {
        How::Completed { data } => match data_of(hall, account, data).await {
            Ok(data) => {
                text.text(format!("{{\"id\":{id},\"state\":\"completed\",\"data\":")).body(&whole(data)).text("}")
            }
            // Somebody removed its record.
            Err(_) => text.text(format!("{{\"id\":{id},\"state\":\"completed\",\"data\":null}}")),
        },
        How::Failed { step, error } => {
            let error = match error {
                Some(error) => error,
                None => error_of(hall, account, step).await,
            };
            let head = format!("{{\"id\":{id},\"state\":\"failed\",\"step\":{step},\"error\":");
            text.text(head).body(&whole(error)).text("}")
        }
    })
}

/// An absent body is `null`.
fn whole(body: Body) -> Body {
    if body.is_empty() { or_null(&body).into() } else { body }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let id = JobId::from_text("a").unwrap();
        for (tries, middle) in [(1, 1_000), (2, 2_000), (6, 32_000)] {
            assert!((middle * 4 / 5..=middle * 6 / 5).contains(&wait_ms(&id, tries)), "{tries}");
        }
        assert!((48_000..=60_000).contains(&wait_ms(&id, 7)));
        assert_eq!(wait_ms(&id, 1_000), 60_000);
    }

    #[test]
    fn places_are_remembered_while_they_are_called() {
        let places = Places::default();
        let url = |text| Url::parse(text).unwrap();
        let first = places.of(&url("http://a:1/x"));
        assert!(Rc::ptr_eq(&first, &places.of(&url("http://A:1/y?z"))));
        assert!(!Rc::ptr_eq(&first, &places.of(&url("http://a:2/x"))));
        drop(first);
        places.of(&url("http://b:1"));
        assert_eq!(places.places.borrow().len(), 1);
    }
}
