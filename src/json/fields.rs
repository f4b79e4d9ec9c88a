//! The members that dialects have in common: ids, types, priorities, and the policy of a job.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

use crate::core::job::{BadName, OnMasterGone};
use crate::core::{JobId, Policy, TypeName};
use crate::json;

/// The id in a raw value: a string or an integer.
pub(crate) fn id(raw: &str) -> Result<JobId, BadName> {
    if let Some(id) = JobId::from_plain_token(raw) {
        return Ok(id);
    }
    if json::is_integer_token(raw) {
        return JobId::from_integer(raw);
    }
    JobId::from_text(&json::string(raw).ok_or(BadName::Kind)?)
}

/// The type in a raw value: a string.
pub(crate) fn type_name(raw: &str) -> Result<TypeName, BadName> {
    if let Some(name) = TypeName::from_plain_token(raw) {
        return Ok(name);
    }
    TypeName::from_text(&json::string(raw).ok_or(BadName::Kind)?)
}

/// The type in a raw value, taken from `cache` where that is the one: most requests of a connection name the same.
pub(crate) fn cached_type(raw: &str, cache: &mut Option<TypeName>) -> Result<TypeName, BadName> {
    if let Some(known) = cache
        && known.token() == raw
    {
        return Ok(known.clone());
    }
    let name = type_name(raw)?;
    *cache = Some(name.clone());
    Ok(name)
}

/// The type in a raw value as [`cached_type`] gives it, or `default` where there is none.
pub(crate) fn type_or_default(raw: Option<&str>, cache: &mut Option<TypeName>) -> Result<TypeName, BadName> {
    given(raw).map_or_else(|| Ok(TypeName::unnamed()), |raw| cached_type(raw, cache))
}

/// How a peer calls itself: what could be a type could be its name.
pub(crate) fn name(raw: &str) -> Result<Arc<str>, BadName> {
    Ok(type_name(raw)?.text().into())
}

/// The types in a raw array of at most `most`: more than that no server could have.
pub(crate) fn type_names(raw: &str, most: usize) -> Option<Vec<TypeName>> {
    let mut names = Vec::new();
    for raw in json::elements(raw)? {
        if names.len() == most {
            return None;
        }
        names.push(type_name(raw).ok()?);
    }
    Some(names)
}

/// What an absent member and `null` have in common.
pub(crate) fn given(raw: Option<&str>) -> Option<&str> {
    raw.filter(|raw| *raw != "null")
}

/// A priority: an integer within i64, 0 where there is none. Unlike with other members, `null` is no way to say that.
pub(crate) fn priority(raw: Option<&str>) -> Result<i64, &'static str> {
    raw.map_or(Ok(0), |raw| json::integer(raw).ok_or("priority"))
}

/// A `true` or `false`.
pub(crate) fn flag(raw: Option<&str>, usual: bool, name: &'static str) -> Result<bool, &'static str> {
    given(raw).map_or(Ok(usual), |raw| json::boolean(raw).ok_or(name))
}

/// The members of a submit that change its policy.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawPolicy<'a> {
    pub(crate) durable: Option<&'a str>,
    pub(crate) delay_ms: Option<&'a str>,
    pub(crate) lease_ms: Option<&'a str>,
    pub(crate) max_attempts: Option<&'a str>,
    pub(crate) backoff_ms: Option<&'a str>,
    pub(crate) ttl_ms: Option<&'a str>,
    pub(crate) keep_ms: Option<&'a str>,
    pub(crate) keep_failed_ms: Option<&'a str>,
    pub(crate) on_master_gone: Option<&'a str>,
}

impl RawPolicy<'_> {
    /// The policy and the delay in milliseconds that a submit asks for. An unusual policy is taken from `last` where that
    /// is the one: most requests of a connection ask for the same.
    ///
    /// # Errors
    /// The name of the first member that is of a wrong kind.
    pub(crate) fn read(
        self,
        defaults: &Defaults,
        last: &mut Option<Arc<Policy>>,
    ) -> Result<(Arc<Policy>, u64), &'static str> {
        if self == RawPolicy::default() {
            // As most do.
            return Ok((defaults.usual.clone(), 0));
        }
        let delay_ms = number(self.delay_ms, 0, "delay_ms")?.unwrap_or(0);
        let durable = flag(self.durable, defaults.usual.durable, "durable")?;
        let lease_ms = number(self.lease_ms, 1, "lease_ms")?;
        let max_attempts = number(self.max_attempts, 1, "max_attempts")?;
        let backoff_ms = number(self.backoff_ms, 0, "backoff_ms")?;
        let ttl_ms = number(self.ttl_ms, 1, "ttl_ms")?;
        let keep_ms = number(self.keep_ms, 0, "keep_ms")?;
        let keep_failed_ms = number(self.keep_failed_ms, 0, "keep_failed_ms")?;
        let on_master_gone = given(self.on_master_gone).map(on_master_gone).transpose()?;
        let usual = if durable { &defaults.durable } else { &defaults.transient };
        let numbers = [lease_ms, max_attempts, backoff_ms, ttl_ms, keep_ms, keep_failed_ms];
        if on_master_gone.is_none() && numbers.iter().all(Option::is_none) {
            return Ok((usual.clone(), delay_ms));
        }
        let policy = Policy {
            lease_ms,
            max_attempts: max_attempts.map_or(usual.max_attempts, |most| most.min(u64::from(u32::MAX)) as u32),
            backoff_ms: backoff_ms.unwrap_or(usual.backoff_ms),
            ttl_ms,
            keep_ms: keep_ms.unwrap_or(usual.keep_ms),
            keep_failed_ms: keep_failed_ms.unwrap_or(usual.keep_failed_ms),
            // Only transient jobs go with their master, whatever was asked.
            on_master_gone: on_master_gone.filter(|_| !durable).unwrap_or(usual.on_master_gone),
            ..Policy::clone(usual)
        };
        match last {
            Some(last) if **last == policy => Ok((last.clone(), delay_ms)),
            last => Ok((last.insert(Arc::new(policy)).clone(), delay_ms)),
        }
    }
}

fn on_master_gone(raw: &str) -> Result<OnMasterGone, &'static str> {
    match json::string(raw).as_deref() {
        Some("drop") => Ok(OnMasterGone::Drop),
        Some("keep") => Ok(OnMasterGone::Keep),
        _ => Err("on_master_gone"),
    }
}

/// The policies that a dialect's jobs have unless they say otherwise.
#[derive(Debug)]
pub(crate) struct Defaults {
    usual: Arc<Policy>,
    transient: Arc<Policy>,
    durable: Arc<Policy>,
}

impl Defaults {
    /// A dialect whose jobs are transient unless they say otherwise.
    pub(crate) fn transient(transient: Policy) -> Defaults {
        let transient = Arc::new(transient);
        Defaults { usual: transient.clone(), transient, durable: Arc::new(Policy::durable()) }
    }

    /// A dialect whose jobs are durable unless they say otherwise.
    pub(crate) fn durable(transient: Policy) -> Defaults {
        let durable = Arc::new(Policy::durable());
        Defaults { usual: durable.clone(), transient: Arc::new(transient), durable }
    }
}

/// An integer of at least `least`; too large ones count as the largest.
pub(crate) fn number(raw: Option<&str>, least: u64, name: &'static str) -> Result<Option<u64>, &'static str> {
    let Some(raw) = given(raw) else { return Ok(None) };
    if !json::is_integer_token(raw) || raw.starts_with('-') {
        return Err(name);
    }
    let number = raw.parse().unwrap_or(u64::MAX);
    if number < least { Err(name) } else { Ok(Some(number)) }
}

/// The end of time for what lies between it and the end of the last year that RFC 3339 can spell.
fn last_hours(text: &str) -> Result<Timestamp, ()> {
    let pieces = Pieces::parse(text).map_err(|_| ())?;
    let is_whole = pieces.time().is_some() && pieces.offset().is_some();
    if is_whole && pieces.date().year() == 9_999 { Ok(Timestamp::MAX) } else { Err(()) }
}

/// Whether a text has the form of an RFC 3339 time, which is but one of those that the library reads.
fn is_rfc_3339(text: &str) -> bool {
    let shape: String = text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    let Some(rest) = ["0000-00-00T00:00:00", "0000-00-00t00:00:00", "0000-00-00 00:00:00"]
        .into_iter()
        .find_map(|form| shape.strip_prefix(form))
    else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with('0') => fraction.trim_start_matches('0'),
        Some(_) => return false,
        None => rest,
    };
    matches!(offset, "Z" | "z" | "+00:00" | "-00:00")
}

/// How many milliseconds after `wall_ms` an RFC 3339 time is, rounded up; 0 where it has passed.
pub(crate) fn delay_until(raw: Option<&str>, wall_ms: impl FnOnce() -> u64) -> Result<u64, &'static str> {
    let Some(raw) = given(raw) else { return Ok(0) };
    let text = json::string(raw).filter(|text| is_rfc_3339(text)).ok_or("run_at")?;
    let at: Timestamp = text.parse().or_else(|_| last_hours(&text)).map_err(|_| "run_at")?;
    let at_ms = at.as_nanosecond().div_euclid(1_000_000) + i128::from(at.as_nanosecond().rem_euclid(1_000_000) > 0);
    Ok(u64::try_from(at_ms).unwrap_or(0).saturating_sub(wall_ms()))
}
