//! Which queues a list shows, and in which order.

use crate::core::TypeName;
use crate::core::statistics::{QueueFigures, Snapshot};
use crate::web::problem::Problem;
use crate::web::query::Query;

/// A part of a list.
pub(super) struct Page<'s> {
    pub(super) queues: Vec<&'s QueueFigures>,
    /// The cursor of the next part, if there is one.
    pub(super) next: Option<String>,
}

/// What a list is ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sort {
    Type,
    Queued,
    Scheduled,
    Running,
    Failed,
    Workers,
    Oldest,
    RateIn,
    RateOut,
    Wait,
    Run,
}

impl Sort {
    const ALL: [(&'static str, Sort); 11] = [
        ("type", Sort::Type),
        ("queued", Sort::Queued),
        ("scheduled", Sort::Scheduled),
        ("running", Sort::Running),
        ("failed", Sort::Failed),
        ("workers", Sort::Workers),
        ("oldest", Sort::Oldest),
        ("rate_in", Sort::RateIn),
        ("rate_out", Sort::RateOut),
        ("wait", Sort::Wait),
        ("run", Sort::Run),
    ];

    fn parse(text: &str) -> Option<Sort> {
        Sort::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort)
    }

    /// The larger, the earlier.
    fn weight(self, queue: &QueueFigures) -> f64 {
        let figures = &queue.figures;
        let census = &figures.census;
        match self {
            Sort::Type => 0.0,
            Sort::Queued => census.queued as f64,
            Sort::Scheduled => census.scheduled as f64,
            Sort::Running => census.running as f64,
            Sort::Failed => census.failed as f64,
            Sort::Workers => queue.workers.into(),
            Sort::Oldest => figures.oldest_ms.map_or(f64::NEG_INFINITY, |since_ms| -(since_ms as f64)),
            Sort::RateIn => figures.rate_in,
            Sort::RateOut => figures.rate_out,
            Sort::Wait => figures.wait.p95.map_or(-1.0, |us| us as f64),
            Sort::Run => figures.run.p95.map_or(-1.0, |us| us as f64),
        }
    }
}

/// The part of the queues that is asked for. In the order of types it goes on behind the last one, also where queues have come
/// meanwhile; in all others, at a place.
///
/// # Errors
/// Where a parameter has a value that it can't have.
pub(super) fn select<'s>(snapshot: &'s Snapshot, query: &Query) -> Result<Page<'s>, Problem> {
    let limit = query.limit()?;
    let sort = query.value("sort").map_or(Some(Sort::Type), Sort::parse);
    let sort = sort.ok_or_else(|| Problem::invalid_field("sort", "the queues can't be sorted by that"))?;
    let text = query.value("q").map(str::to_lowercase);
    let is_asked = |queue: &&QueueFigures| {
        text.as_ref().is_none_or(|text| queue.kind.text().to_lowercase().contains(text.as_str()))
    };
    if sort == Sort::Type {
        let after = query.value("cursor").map(TypeName::from_text).transpose();
        let after = after.map_err(|_| Problem::invalid_field("cursor", "expected the `next` of the list before"))?;
        let first = after.map_or(0, |after| snapshot.queues.partition_point(|queue| queue.kind <= after));
        let mut rest = snapshot.queues[first..].iter().map(AsRef::as_ref).filter(is_asked).peekable();
        let queues: Vec<&QueueFigures> = rest.by_ref().take(limit).collect();
        let next = rest.peek().and(queues.last()).map(|last| last.kind.text().into_owned());
        return Ok(Page { queues, next });
    }
    let place = usize::try_from(query.cursor()?.unwrap_or(0)).unwrap_or(usize::MAX);
    let mut queues: Vec<&QueueFigures> = snapshot.queues.iter().map(AsRef::as_ref).filter(is_asked).collect();
    // Those that are equal stay in the order of types.
    queues.sort_by(|one, other| sort.weight(other).total_cmp(&sort.weight(one)));
    let end = place.saturating_add(limit);
    let next = (end < queues.len()).then(|| end.to_string());
    Ok(Page { queues: queues.into_iter().skip(place).take(limit).collect(), next })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Census;
    use crate::core::statistics::Figures;
    use std::sync::Arc;

    fn snapshot(queues: &[(&str, u64)]) -> Snapshot {
        let mut queues: Vec<Arc<QueueFigures>> = queues
            .iter()
            .map(|(name, queued)| {
                let census = Census { accepted: *queued, queued: *queued, ..Census::default() };
                Arc::new(QueueFigures {
                    queue: 0,
                    kind: TypeName::from_text(name).unwrap(),
                    paused: false,
                    workers: 0,
                    idle: 0,
                    last_worker_left_ms: None,
                    figures: Figures { census, oldest_ms: Some(1_000 - queued), ..Figures::default() },
                })
            })
            .collect();
        queues.sort_by(|one, other| one.kind.cmp(&other.kind));
        Snapshot { queues, ..Snapshot::default() }
    }

    /// The whole list, page by page.
    fn all(snapshot: &Snapshot, query: &str) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = select(snapshot, &Query::parse(&format!("{query}&cursor={cursor}")).unwrap()).unwrap();
            names.extend(page.queues.iter().map(|queue| queue.kind.text().into_owned()));
            match page.next {
                Some(next) => cursor = next.replace('/', "%2F"),
                None => return names,
            }
        }
    }

    #[test]
    fn pages_together_are_the_list_in_its_order() {
        let snapshot = snapshot(&[("b/1", 2), ("a", 3), ("B/2", 2), ("c", 0)]);
        for limit in 1..6 {
            assert_eq!(all(&snapshot, &format!("limit={limit}")), ["B/2", "a", "b/1", "c"]);
            assert_eq!(all(&snapshot, &format!("limit={limit}&sort=queued")), ["a", "B/2", "b/1", "c"]);
            assert_eq!(all(&snapshot, &format!("limit={limit}&sort=oldest")), ["a", "B/2", "b/1", "c"]);
            assert_eq!(all(&snapshot, &format!("limit={limit}&q=b%2F")), ["B/2", "b/1"]);
        }
        for (name, _) in Sort::ALL {
            assert_eq!(all(&snapshot, &format!("sort={name}")).len(), 4);
        }
    }

    #[test]
    fn nonsense_is_told_and_far_places_are_empty() {
        let snapshot = snapshot(&[("a", 1)]);
        let select = |text: &str| select(&snapshot, &Query::parse(text).unwrap());
        for text in ["sort=shoe-size", "sort=queued&cursor=a", "cursor=%00", "limit=a"] {
            assert!(select(text).is_err(), "{text}");
        }
        assert!(select("sort=queued&cursor=18446744073709551615").unwrap().queues.is_empty());
        assert!(select("cursor=z").unwrap().queues.is_empty());
    }
}
