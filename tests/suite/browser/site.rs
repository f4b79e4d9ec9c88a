//! A server that has something of everything to show, and what a test does to it beside the browser.

use super::*;
use crate::support::{Framed, Http, Server, TempDir, eventually, gloom_master, gloom_worker, http, native};
use std::ops::{Deref, DerefMut};

/// The path of every page, but for those of one thing.
pub const PLACES: [&str; 9] =
    ["/", "/queues", "/jobs", "/failures", "/workers", "/masters", "/actions", "/system", "/docs"];

/// A server that stores in a folder of its own.
pub struct Site {
    /// The server.
    pub server: Server,
    /// A connection to its API.
    pub http: Http,
}

/// A server with queues, jobs in every state, workers and masters.
pub struct Everything {
    site: Site,
    // They are connected as long as they are here.
    _peers: Vec<Framed>,
    _poll: Http,
}

impl Site {
    /// One where nothing has happened.
    #[track_caller]
    pub fn new() -> Site {
        let server = Server::with_store(TempDir::new(), &[]);
        Site { http: http(&server), server }
    }

    /// The address of a page.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.http())
    }

    /// Submits a job that must be accepted. `more` begins with a comma.
    #[track_caller]
    pub fn submit(&mut self, id: &str, kind: &str, more: &str) {
        self.submit_body(id, kind, &value!({ "of": id }).to_string(), more);
    }

    /// As [`Site::submit`], with this body, which is JSON.
    #[track_caller]
    pub fn submit_body(&mut self, id: &str, kind: &str, body: &str, more: &str) {
        let job = format!(r#"{{"id":{},"type":{},"body":{body}{more}}}"#, value!(id), value!(kind));
        self.http.post("/jobs", job).expect(201);
    }

    /// Takes the next job of a type, which must be there: the assignment.
    #[track_caller]
    pub fn take(&mut self, kind: &str) -> Value {
        let path = format!("/assignments?type={}&wait=20&worker=anna", escaped(kind));
        self.http.get(&path).json(200)["jobs"][0].take()
    }

    /// Says something of an assignment. `more` begins with a comma.
    #[track_caller]
    pub fn say(&mut self, job: &Value, verb: &str, more: &str) {
        let id = escaped(job["id"].as_str().expect("a job has an id"));
        self.http.post(&format!("/jobs/{id}/{verb}"), format!(r#"{{"receipt":{}{more}}}"#, job["receipt"])).expect(200);
    }

    /// A job that has failed for good, with this error, which is JSON.
    #[track_caller]
    pub fn fail(&mut self, id: &str, kind: &str, error: &str) {
        self.submit(id, kind, r#","max_attempts":1"#);
        let job = self.take(kind);
        self.say(&job, "fail", &format!(r#","error":{error}"#));
    }

    /// The job, as the API shows it; nothing where it is unknown.
    #[track_caller]
    pub fn job(&mut self, id: &str) -> Option<Value> {
        let answer = self.http.get(&format!("/jobs/{}", escaped(id)));
        (answer.status != 404).then(|| answer.json(200))
    }

    /// The state of a job; `gone` where it is unknown.
    #[track_caller]
    pub fn state(&mut self, id: &str) -> String {
        self.job(id).map_or_else(|| "gone".to_owned(), |job| job["state"].as_str().expect("a state is text").to_owned())
    }

    /// These jobs are in this state.
    #[track_caller]
    pub fn expect_state(&mut self, ids: &[&str], state: &str) {
        for id in ids {
            let got = self.state(id);
            assert_eq!(got, state, "(left: got, right: expected) the state of {id}");
        }
    }

    /// The log tells of this deed.
    #[track_caller]
    pub fn expect_deed(&self, deed: &str, what: &str) {
        eventually(&format!("the deed {deed} of {what} in the log"), || {
            let log = self.server.process.stderr.text();
            log.lines().any(|line| line.contains(&format!("deed={deed}")) && line.contains(what)).then_some(())
        });
    }

    /// Waits until the figures of the pages, which are made once a second, have this text on the page of queues.
    #[track_caller]
    pub fn wait_for_queue(&mut self, kind: &str) {
        let marked = format!("value=\"{kind}\"");
        eventually(&format!("the queue {kind} on the page"), || {
            self.http.ask("GET", "/queues", &[], None).text().contains(&marked).then_some(())
        });
    }
}

impl Everything {
    /// All of it: what is named after its state is in that state.
    #[track_caller]
    pub fn new() -> Everything {
        let mut site = Site::new();
        let mut peers = vec![gloom_worker(&site.server, "image.resize")];
        let mut both = native(&site.server);
        both.call(r#"{"action":"join","types":["report","mail/weekly"],"credit":2}"#);
        peers.push(both);
        let mut master = gloom_master(&site.server);
        master.submit("\"by-gloom\"", "image.archive", "{\"size\":[640,480]}");
        peers.push(master);
        let mut poll = http(&site.server);
        poll.start_get("/assignments?type=never&wait=55&worker=patient");

        site.submit("running", "mail", "");
        let running = site.take("mail");
        site.say(&running, "touch", r#","progress":0.4,"note":"two of five""#);
        site.submit("completed", "mail", "");
        let completed = site.take("mail");
        site.say(&completed, "complete", r#","body":{"sent":true}"#);
        site.fail("failed", "mail", r#"{"type":"ValueError","message":"no user 17"}"#);
        site.fail("failed-alike", "mail", r#"{"type":"ValueError","message":"no user 18"}"#);
        site.submit("again", "mail", r#","backoff_ms":3600000"#);
        let again = site.take("mail");
        site.say(&again, "fail", r#","error":"the first attempt of it did not go well""#);
        site.submit("cancelled", "mail", "");
        site.http.post("/jobs/cancelled/cancel", "").expect(200);
        site.submit("expired", "mail", r#","ttl_ms":1"#);
        site.submit("queued", "mail", r#","priority":7"#);
        site.submit("scheduled", "mail", r#","delay_ms":3600000"#);
        site.submit("paused", "held back", "");
        site.http.post("/queues/held%20back/pause", "").expect(200);
        eventually("the job that expires", || (site.state("expired") == "expired").then_some(()));
        site.wait_for_queue("held back");
        Everything { site, _peers: peers, _poll: poll }
    }

    /// The address of every page, filters and questions included.
    pub fn addresses(&self) -> Vec<String> {
        let mut paths: Vec<String> = PLACES.iter().map(|path| (*path).to_owned()).collect();
        for job in ["running", "completed", "failed", "again", "cancelled", "expired", "queued", "scheduled", "paused"]
        {
            paths.push(format!("/jobs/{job}"));
        }
        let more = [
            "/queues/mail",
            "/queues/mail?range=day",
            "/queues/mail%2Fweekly",
            "/queues/held%20back",
            "/queues?show=paused&q=held&sort=type",
            "/queues?q=none-is-like-this",
            "/jobs?type=mail&state=failed&q=user",
            "/jobs?q=none-is-like-this",
            "/failures?type=mail",
            "/deeds?deed=delete&id=failed&id=failed-alike",
            "/deeds?deed=priority&id=queued",
            "/deeds?deed=purge&id=mail",
            "/deeds?deed=cancel&scope=match&type=mail&state=queued",
        ];
        paths.extend(more.into_iter().map(str::to_owned));
        paths
    }
}

impl Deref for Everything {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl DerefMut for Everything {
    fn deref_mut(&mut self) -> &mut Site {
        &mut self.site
    }
}
