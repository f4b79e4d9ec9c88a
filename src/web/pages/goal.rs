//! Where an address leads.

use super::link::{Link, NAME, named};
use super::view::Place;

/// A page that can be asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Goal {
    /// `/`
    Overview,
    /// `/queues`
    Queues,
    /// `/queues/TYPE`
    Queue(String),
    /// `/jobs`
    Jobs,
    /// `/jobs/ID`
    Job(String),
    /// `/failures`
    Failures,
    /// `/workers`
    Workers,
    /// `/masters`
    Masters,
    /// `/actions`
    Actions,
    /// `/actions/ID`
    Action(String),
    /// `/system`
    System,
    /// `/docs`
    Docs,
}

impl Goal {
    /// What is at this address; none where nothing is.
    pub fn of(link: &Link) -> Option<Goal> {
        let path = link.path.strip_prefix('/')?;
        let (place, rest) = path.split_once('/').map_or((path, None), |(place, rest)| (place, Some(rest)));
        let is_named = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains('/'))
            || (rest == Some("") && link.values(NAME).next().is_some());
        match (place, rest) {
            ("", None) => Some(Goal::Overview),
            ("queues", None) => Some(Goal::Queues),
            ("queues", Some(name)) if is_named => Some(Goal::Queue(named(link, name))),
            ("jobs", None) => Some(Goal::Jobs),
            ("jobs", Some(name)) if is_named => Some(Goal::Job(named(link, name))),
            ("failures", None) => Some(Goal::Failures),
            ("workers", None) => Some(Goal::Workers),
            ("masters", None) => Some(Goal::Masters),
            ("actions", None) => Some(Goal::Actions),
            ("actions", Some(name)) if is_named => Some(Goal::Action(named(link, name))),
            ("system", None) => Some(Goal::System),
            ("docs", None) => Some(Goal::Docs),
            _ => None,
        }
    }

    /// Where in the navigation it is.
    pub fn place(&self) -> Place {
        match self {
            Goal::Overview => Place::Overview,
            Goal::Queues | Goal::Queue(_) => Place::Queues,
            Goal::Jobs | Goal::Job(_) => Place::Jobs,
            Goal::Failures => Place::Failures,
            Goal::Workers => Place::Workers,
            Goal::Masters => Place::Masters,
            Goal::Actions | Goal::Action(_) => Place::Actions,
            Goal::System => Place::System,
            Goal::Docs => Place::Docs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::pages::link;

    fn goal(address: &str) -> Option<Goal> {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        Goal::of(&Link::parse(path, query))
    }

    #[test]
    fn an_address_leads_to_one_page() {
        assert_eq!(goal("/"), Some(Goal::Overview));
        assert_eq!(goal("/queues?q=a"), Some(Goal::Queues));
        assert_eq!(goal("/jobs/a%2Fb"), Some(Goal::Job("a/b".to_owned())));
        for nothing in ["", "/queues/", "/queues/a/b", "/jobs//", "/x", "/docs/", "//", "/api/v1/jobs"] {
            assert_eq!(goal(nothing), None, "{nothing}");
        }
        for place in Place::ALL {
            assert_eq!(goal(place.path()).unwrap().place(), place);
        }
    }

    #[test]
    fn every_name_is_found_at_its_link() {
        for name in ["mail", ".", "..", "a/b?c", "%", "ü", " ", "<>"] {
            assert_eq!(goal(&link::queue(name).href()), Some(Goal::Queue(name.to_owned())));
            assert_eq!(goal(&link::job(name).href()), Some(Goal::Job(name.to_owned())));
            assert_eq!(goal(&link::action(name).href()), Some(Goal::Action(name.to_owned())));
        }
    }
}
