//! Conversations between a worker and its server.

use super::*;

impl Job {
    pub(in crate::cli::work) fn for_test(body: &str) -> Self {
        Self { id: raw("\"j1\""), job_type: "t".to_owned(), body: raw(body), attempt: 2, lease: Duration::from_secs(3) }
    }
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn result(json: &str) -> Outcome {
    Outcome::Result(raw(json))
}

/// A session and a clock that only the test moves.
struct Talk {
    session: Session,
    now: Instant,
    runs: u64,
}

impl Talk {
    fn new(concurrency: usize, stale: usize) -> Self {
        let mut talk = Self { session: Session::new("t", concurrency, stale, 10_000), now: Instant::now(), runs: 0 };
        talk.session.waiting_since = talk.now;
        talk
    }

    /// Carries out and tells, one word per act.
    fn tell(&mut self, todo: Vec<Do>) -> Vec<String> {
        todo.into_iter()
            .map(|act| match act {
                Do::Send(frame) => String::from_utf8(frame[4..].to_vec()).unwrap(),
                Do::Start(job) => {
                    self.runs += 1;
                    self.session.started(&job, self.runs, self.now);
                    format!("start {} {} {} {}", job.id.get(), job.job_type, job.attempt, job.body.get())
                }
                Do::Stop(run) => format!("stop {run}"),
                Do::End(End::Left) => "left".to_owned(),
                Do::End(End::Lost(reason)) => format!("lost {reason}"),
                Do::End(End::Refused(reason)) => format!("refused {reason}"),
            })
            .collect()
    }

    fn begin(&mut self) -> Vec<String> {
        let todo = self.session.begin(self.now);
        self.tell(todo)
    }

    fn hear(&mut self, json: &str) -> Vec<String> {
        let todo = self.session.hear(serde_json::from_str(json).unwrap(), self.now);
        self.tell(todo)
    }

    fn done(&mut self, run: u64, outcome: Outcome) -> Vec<String> {
        let todo = self.session.done(run, outcome, self.now);
        self.tell(todo)
    }

    fn leave(&mut self) -> Vec<String> {
        let todo = self.session.leave(self.now);
        self.tell(todo)
    }

    fn tick(&mut self, later: Duration) -> Vec<String> {
        self.now += later;
        let todo = self.session.tick(self.now);
        self.tell(todo)
    }
}

const NOTHING: [&str; 0] = [];
const OK: &str = r#"{"ok":true}"#;
const JOB: &str = r#"{"action":"job","id":7,"type":"t","body":1.0,"attempt":1,"lease_ms":3000}"#;

#[test]
fn a_job_is_answered() {
    let mut talk = Talk::new(2, 0);
    assert_eq!(talk.begin(), [r#"{"action":"join","types":["t"],"credit":2}"#]);
    assert_eq!(talk.hear(OK), NOTHING);
    assert_eq!(talk.hear(JOB), ["start 7 t 1 1.0"]);
    assert_eq!(talk.done(1, result("[1.0 ]")), [r#"{"action":"respond","id":7,"body":[1.0 ]}"#]);
    assert_eq!(talk.hear(OK), NOTHING);
    assert_eq!(talk.hear(r#"{"action":"job","id":"s","body":null}"#), [r#"start "s" t 1 null"#]);
    assert_eq!(talk.done(2, Outcome::Failed("no".to_owned())), [r#"{"action":"fail","id":"s","error":"no"}"#]);
}

#[test]
fn a_lease_is_renewed_and_may_be_lost() {
    let mut talk = Talk::new(1, 0);
    talk.begin();
    talk.hear(OK);
    talk.hear(JOB);
    assert_eq!(talk.session.alarm(talk.now), talk.now + Duration::from_secs(1));
    assert_eq!(talk.tick(Duration::from_millis(999)), NOTHING);
    assert_eq!(talk.tick(Duration::from_millis(1)), [r#"{"action":"touch","id":7}"#]);
    assert_eq!(talk.hear(r#"{"ok":true,"lease_ms":6000}"#), NOTHING);
    assert_eq!(talk.tick(Duration::from_secs(1)), NOTHING);
    assert_eq!(talk.tick(Duration::from_secs(1)), [r#"{"action":"touch","id":7}"#]);
    assert_eq!(talk.hear(r#"{"error":"stale_receipt","reason":"x","id":7}"#), ["stop 1"]);
    assert_eq!(talk.done(1, result("1")), [r#"{"action":"release","id":7}"#]);
    assert_eq!(talk.hear(r#"{"error":"stale_receipt"}"#), NOTHING);
}

#[test]
fn a_cancelled_job_is_stopped_and_released() {
    let mut talk = Talk::new(1, 0);
    talk.begin();
    talk.hear(OK);
    talk.hear(JOB);
    assert_eq!(talk.hear(r#"{"action":"cancelled","id":7}"#), ["stop 1"]);
    assert_eq!(talk.hear(r#"{"action":"cancelled","id":7}"#), NOTHING);
    assert_eq!(talk.tick(Duration::from_secs(9)), NOTHING);
    let outcome = Outcome::Failed("ended by signal 15".to_owned());
    assert_eq!(talk.done(1, outcome), [r#"{"action":"release","id":7}"#]);
    assert_eq!(talk.hear(r#"{"error":"cancelled"}"#), NOTHING);
}

#[test]
fn a_newer_attempt_replaces_an_older_one() {
    let mut talk = Talk::new(2, 0);
    talk.begin();
    talk.hear(OK);
    talk.hear(JOB);
    assert_eq!(talk.hear(JOB), ["stop 1", "start 7 t 1 1.0"]);
    assert_eq!(talk.done(1, result("1")), NOTHING);
    assert_eq!(talk.done(2, result("2")), [r#"{"action":"respond","id":7,"body":2}"#]);
}

#[test]
fn a_result_that_is_refused_fails_the_attempt() {
    let mut talk = Talk::new(1, 0);
    talk.begin();
    talk.hear(OK);
    talk.hear(JOB);
    talk.done(1, result("[]"));
    assert_eq!(
        talk.hear(r#"{"error":"invalid_message","reason":"too_deep"}"#),
        [r#"{"action":"fail","id":7,"error":"the server did not take the result: invalid_message (too_deep)"}"#]
    );
    assert_eq!(talk.hear(r#"{"error":"stale_receipt"}"#), NOTHING);
    talk.hear(JOB);
    let large = format!("\"{}\"", "x".repeat(10_000));
    assert_eq!(
        talk.done(2, result(&large)),
        [r#"{"action":"fail","id":7,"error":"the result does not fit into the 10000 bytes that the server takes"}"#]
    );
}

#[test]
fn leaving_finishes_first() {
    let mut talk = Talk::new(2, 0);
    talk.begin();
    talk.hear(OK);
    talk.hear(JOB);
    assert_eq!(talk.leave(), [r#"{"action":"join","types":[]}"#]);
    assert_eq!(talk.hear(r#"{"action":"job","id":8,"body":1}"#), [r#"{"action":"release","id":8}"#]);
    assert_eq!(talk.hear(OK), NOTHING);
    assert_eq!(talk.hear(OK), NOTHING);
    assert_eq!(talk.done(1, result("1")), [r#"{"action":"respond","id":7,"body":1}"#]);
    assert_eq!(talk.hear(OK), ["left"]);

    let mut idle = Talk::new(1, 1);
    assert_eq!(idle.begin(), NOTHING);
    idle.leave();
    assert_eq!(idle.hear(OK), ["left"]);
}

#[test]
fn commands_of_an_earlier_connection_count() {
    let mut talk = Talk::new(2, 2);
    assert_eq!(talk.begin(), NOTHING);
    assert_eq!(talk.done(91, result("1")), [r#"{"action":"join","types":["t"],"credit":1}"#]);
    assert_eq!(talk.done(92, result("1")), [r#"{"action":"join","types":["t"],"credit":2}"#]);
}

#[test]
fn a_server_that_refuses_or_says_nothing() {
    let mut talk = Talk::new(1, 0);
    talk.begin();
    assert_eq!(talk.hear(r#"{"error":"draining"}"#), ["lost draining"]);
    let mut talk = Talk::new(1, 0);
    talk.begin();
    assert_eq!(talk.hear(r#"{"error":"invalid_type","reason":"types"}"#), ["refused invalid_type (types)"]);
    assert_eq!(talk.hear(r#"{"error":"invalid_json","reason":"x"}"#), ["lost the server complains: invalid_json (x)"]);
    let mut talk = Talk::new(1, 0);
    talk.begin();
    assert_eq!(talk.tick(REPLY_PATIENCE), ["lost the server does not answer"]);
}
