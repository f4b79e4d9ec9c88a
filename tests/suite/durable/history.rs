//! What clients know of their jobs, and what must hold of it whatever happened to the server.
//!
//! Everything a client does or hears has its place in one order of events. A request that was sent after an event was heard
//! and acknowledged as on disk shows that the event is on disk too: commits go in order.

use super::*;
use std::collections::{HashMap, HashSet};

/// The moment of an event, by number.
type Event = u64;

/// Everything that clients know.
#[derive(Default)]
pub struct History {
    jobs: HashMap<String, Known>,
    /// Made in this order.
    order: Vec<String>,
    now: Event,
    /// What was heard up to here is on disk.
    safe: Event,
    /// How often a worker may not have heard what it was given: the server died, or the worker left.
    breaks: u64,
    /// Acknowledgements of all kinds.
    acknowledged: u64,
    /// Jobs that are known to have ended.
    ended: usize,
}

/// What is known of a job.
struct Known {
    body: String,
    priority: i64,
    /// On which connection it was submitted.
    by: u64,
    sent: Event,
    accepted: Option<Event>,
    seen: Option<Seen>,
    /// The last attempt that is on disk for certain.
    certain: u32,
    end: End,
}

/// A delivery.
#[derive(Clone, Copy)]
struct Seen {
    attempt: u32,
    at: Event,
    breaks: u64,
}

/// What is known of a job's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    No,
    Asked,
    Acknowledged,
}

impl History {
    /// A new job that is about to be submitted on this connection: its members as JSON.
    pub fn invent(&mut self, random: &mut Random, by: u64) -> (String, String) {
        let id = format!("{by}-{}", self.jobs.len());
        let body = body(&id, random);
        let priority = [0, 0, 0, 7, -7][random.below(5) as usize];
        let sent = self.event();
        let known = Known { body, priority, by, sent, accepted: None, seen: None, certain: 0, end: End::No };
        let members = members(&id, &known);
        self.order.push(id.clone());
        self.jobs.insert(id.clone(), known);
        (id, members)
    }

    /// A request that changes something is about to be sent.
    pub fn event(&mut self) -> Event {
        self.now += 1;
        self.now
    }

    /// The submit was acknowledged.
    pub fn accepted(&mut self, id: &str, sent: Event) {
        let now = self.acknowledge(sent);
        self.jobs.get_mut(id).expect("it was sent").accepted.get_or_insert(now);
    }

    /// A worker was given a job; gives its id.
    #[track_caller]
    pub fn delivered(&mut self, frame: &str) -> String {
        let (now, safe, breaks) = (self.event(), self.safe, self.breaks);
        let value = json(frame);
        let id = value["id"].as_str().unwrap_or_else(|| panic!("expected an id of ours, got {frame}")).to_owned();
        let attempt = value["attempt"].as_u64().unwrap_or_else(|| panic!("expected an attempt, got {frame}")) as u32;
        let known = self.jobs.get_mut(&id).unwrap_or_else(|| panic!("nobody submitted {frame}"));
        let body = frame.find(r#""body":"#).map(|at| &frame[at + 7..]);
        let body = body.and_then(|rest| Some(&rest[..rest.rfind(r#","attempt":"#)?]));
        assert_eq!(body, Some(&*known.body), "the body of {id}");
        assert_ne!(known.end, End::Acknowledged, "the end of {id} was acknowledged, and it runs again: {frame}");
        let seen = known.seen.unwrap_or(Seen { attempt: 0, at: 0, breaks: 0 });
        // Several in a row may be forgotten: a job that fails is handed out again before any of that is on disk.
        if seen.at <= safe || seen.breaks == breaks {
            known.certain = seen.attempt;
        }
        let least = known.certain + 1;
        // What is handed out in such a moment may be heard by nobody.
        let most = seen.attempt + 1 + (breaks - seen.breaks) as u32;
        assert!(
            (least..=most).contains(&attempt),
            "expected attempt {least} to {most} of {id}, whose attempt {} was seen, got {frame}",
            seen.attempt
        );
        known.seen = Some(Seen { attempt, at: now, breaks });
        id
    }

    /// A worker is about to say that the job has ended for good.
    pub fn ending(&mut self, id: &str) {
        self.jobs.get_mut(id).expect("it was delivered").end = End::Asked;
    }

    /// A worker's word was acknowledged; `ends` says which word it was, since another worker may have said more meanwhile.
    pub fn answered(&mut self, id: &str, sent: Event, ends: bool) {
        self.acknowledge(sent);
        let known = self.jobs.get_mut(id).expect("it was delivered");
        if ends && known.end == End::Asked {
            known.end = End::Acknowledged;
            self.ended += 1;
        }
    }

    /// The server died, or a worker left.
    pub fn broken_off(&mut self) {
        self.breaks += 1;
    }

    /// How often something was acknowledged.
    pub fn acknowledgements(&self) -> u64 {
        self.acknowledged
    }

    /// How many jobs have not ended, as far as is known.
    pub fn live(&self) -> usize {
        self.jobs.len() - self.ended
    }

    /// How many jobs are known to have ended.
    pub fn ended(&self) -> usize {
        self.ended
    }

    /// Everything that holds after a restart: nothing acknowledged is lost, nothing that ended runs, the line is in order, ids
    /// are taken. What was not known before is known then.
    #[track_caller]
    pub fn check(&mut self, server: &Server) {
        let mut worker = worker(server, 1_000);
        let line: Vec<String> = until_marker(&mut worker).iter().map(|job| self.delivered(job)).collect();
        drop(worker);
        for id in &line {
            // It is on disk, and what was said of it and not acknowledged is not.
            let now = self.event();
            let known = self.jobs.get_mut(id).expect("it was delivered");
            known.accepted.get_or_insert(now);
            known.end = End::No;
        }
        self.check_order(&line);
        let is_there: HashSet<&str> = line.iter().map(|id| &**id).collect();
        assert_eq!(is_there.len(), line.len(), "expected each job once, got {line:?}");
        let mut master = native(server);
        for place in 0..self.order.len() {
            let id = &self.order[place];
            let known = &self.jobs[id];
            if is_there.contains(&**id) || known.end == End::Acknowledged && place % 7 != 0 {
                continue;
            }
            // It may have been handed out before it was on disk.
            let was_on_disk = known.accepted.is_some() || known.seen.is_some_and(|seen| seen.at <= self.safe);
            assert!(!was_on_disk || known.end != End::No, "the job {id} was acknowledged and is lost");
            let reply = master.call(&format!(r#"{{"action":"submit",{}}}"#, members(id, known)));
            match known.end {
                _ if was_on_disk => assert_error(&reply, "id_exists"),
                End::No => assert_eq!(reply, accepted(id), "it was never acknowledged and is not there"),
                End::Asked | End::Acknowledged if reply == accepted(id) => {}
                End::Asked | End::Acknowledged => assert_error(&reply, "id_exists"),
            }
            let is_new = reply == accepted(id);
            let id = id.clone();
            let (sent, now) = (self.event(), self.event());
            let known = self.jobs.get_mut(&id).expect("it is known");
            if is_new {
                (known.sent, known.accepted, known.seen, known.end) = (sent, Some(now), None, End::No);
            } else if known.end == End::Asked {
                known.end = End::Acknowledged;
                self.ended += 1;
            }
        }
        for id in line.iter().step_by(5) {
            assert_error(
                &master.call(&format!(r#"{{"action":"submit","id":"{id}","type":"u","body":0}}"#)),
                "id_exists",
            );
        }
    }

    /// Larger priorities first; among equals whatever was accepted before the other was sent, and on one connection whatever
    /// was sent first.
    #[track_caller]
    fn check_order(&self, line: &[String]) {
        let mut before: Option<(&str, &Known)> = None;
        let mut latest_sent = 0;
        let mut latest_by: HashMap<u64, Event> = HashMap::new();
        for id in line {
            let known = &self.jobs[id];
            if let Some((other, earlier)) = before
                && earlier.priority != known.priority
            {
                let (a, b) = (earlier.priority, known.priority);
                assert!(a > b, "{other} of priority {a} came before {id} of priority {b}");
                latest_sent = 0;
                latest_by.clear();
            }
            let accepted = known.accepted.expect("it was delivered");
            assert!(accepted > latest_sent, "{id} was accepted before one was sent that came before it: {line:?}");
            latest_sent = latest_sent.max(known.sent);
            let previous = latest_by.insert(known.by, known.sent).unwrap_or(0);
            assert!(previous < known.sent, "{id} was sent before another on its connection that came first: {line:?}");
            before = Some((id, known));
        }
    }

    fn acknowledge(&mut self, sent: Event) -> Event {
        self.safe = self.safe.max(sent);
        self.acknowledged += 1;
        self.event()
    }
}

/// A job's members. It may be tried as often as servers die.
fn members(id: &str, Known { body, priority, .. }: &Known) -> String {
    format!(r#""id":"{id}","type":"t","body":{body},"priority":{priority},"max_attempts":100000,"backoff_ms":0"#)
}

/// A body with a spelling that no parser would give back; some are long.
fn body(id: &str, random: &mut Random) -> String {
    let pad = match random.below(20) {
        0 => 6_000 + random.below(3_000),
        1 => 0,
        _ => random.below(300),
    };
    format!(r#"{{"of" :"{id}","n":1.00e+0,"pad":"{}"}}"#, "\\u0041b".repeat(pad as usize / 7))
}
