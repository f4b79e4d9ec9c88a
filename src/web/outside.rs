//! The thread of outgoing calls: the actors that live there, and what they share.
//!
//! Processors, actions and everything that waits for somebody else's HTTP server live in one thread of their own, so that
//! nothing they wait for, and no answer of theirs that has to be read, slows queues or requests.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::{Actor, Addr};
use actix_rt::Arbiter;
use tokio::sync::oneshot;

use super::actions::{Actions, Places};
use super::desk::{Desk, Reach};
use super::outgoing::{Cidr, Client, Rules};
use super::processors::Registry;
use crate::actors::keeper::KeepNotes;
use crate::core::{Body, JobId, Limits, Refusal, TypeName};

/// Who to ask about processors and actions.
#[derive(Clone)]
pub struct Outside {
    /// About processors.
    pub registry: Addr<Registry>,
    /// About actions.
    pub actions: Addr<Actions>,
}

/// What the thread of outgoing calls begins with.
pub struct Beginning {
    /// How to reach the others.
    pub reach: Reach,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Where calls may go.
    pub allowed: Vec<Cidr>,
    /// Where they may not: the server's own listeners.
    pub own: Vec<SocketAddr>,
    /// How often processors are checked.
    pub check_every: Duration,
    /// What the last process left: see [`is_ours`].
    pub notes: Vec<(Arc<str>, Body)>,
}

/// What the actors of the thread share.
pub struct Hall {
    /// Where they meet the others.
    pub desk: Desk,
    /// How they reach the others otherwise.
    pub reach: Reach,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Where calls may go.
    pub rules: Rc<Rules>,
    /// For calls to places that are called rarely.
    pub client: Client,
    /// The calls to response URLs that are under way.
    pub places: Places,
    /// How often processors are checked.
    pub check_every: Duration,
    /// The steps that are under way: the action and the number of the step, by the id of the step's job.
    pub steps: RefCell<HashMap<JobId, (JobId, usize)>>,
    /// How many processors have this id or this name.
    pub processors: RefCell<HashMap<TypeName, usize>>,
}

impl Outside {
    /// Starts the thread. None where it ended at once.
    pub async fn start(beginning: Beginning) -> Option<Outside> {
        let (told, is_told) = oneshot::channel();
        Arbiter::new().spawn_fn(move || {
            let Beginning { reach, limits, allowed, own, check_every, notes } = beginning;
            let hall = Rc::new(Hall::new(reach, limits, Rules::new(allowed, own), check_every));
            let registry = Registry::new(hall.clone(), &notes).start();
            let actions = Actions::new(hall, registry.clone(), &notes).start();
            // Whoever asked has given up: then nobody will ask anything.
            let _ = told.send(Outside { registry, actions });
        });
        is_told.await.ok()
    }
}

impl Hall {
    /// What begins empty, for calls within these bounds and rules; processors are asked how they are each `check_every`.
    pub fn new(reach: Reach, limits: Arc<Limits>, rules: Rules, check_every: Duration) -> Hall {
        let rules = Rc::new(rules);
        Hall {
            desk: Desk::start(reach.clone()),
            reach,
            limits,
            client: Client::to_anybody(rules.clone()),
            rules,
            places: Places::default(),
            check_every,
            steps: RefCell::default(),
            processors: RefCell::default(),
        }
    }

    /// Keeps values over restarts; answers when they are on disk. Without a store there is nothing to keep.
    ///
    /// # Errors
    /// [`Refusal::DiskFull`]; [`Refusal::Draining`] where the store is closed already.
    pub async fn keep(&self, notes: Vec<(Arc<str>, Option<Body>)>) -> Result<(), Refusal> {
        match &self.reach.keeper {
            None => Ok(()),
            Some(keeper) => match keeper.send(KeepNotes { notes }).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(Refusal::DiskFull),
                Err(_) => Err(Refusal::Draining),
            },
        }
    }
}

/// Whether a note belongs to this thread.
pub fn is_ours(key: &str) -> bool {
    [PROCESSOR, MANAGER, WORKED, ACTION, ACTION_END].iter().any(|prefix| key.starts_with(prefix))
}

/// What notes are called: a prefix, and an id behind it.
pub const PROCESSOR: &str = "processor/";
/// The id of this manager.
pub const MANAGER: &str = "manager/";
/// A type that had workers when an action named it.
pub const WORKED: &str = "worked/";
/// An action.
pub const ACTION: &str = "action/";
/// How an action ended.
pub const ACTION_END: &str = "action-end/";

/// The key of a note.
pub fn key(prefix: &str, id: &str) -> Arc<str> {
    format!("{prefix}{id}").into()
}

/// Milliseconds since 1970.
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}
