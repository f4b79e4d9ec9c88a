//! What the languages cost: one job through each protocol's sessions, from bytes to commands and from notices to bytes.
//!
//! `cargo bench --bench codec`. The envelope scan stands beside serde_json on the same frame.

use std::hint::black_box;
use std::sync::Arc;

use bytes::BytesMut;
use criterion::{Criterion, criterion_group, criterion_main};
use procession::core::{Assignment, Body, Command, Demand, Ending, JobId, Limits, Notice, Receipt, Request, TypeName};
use procession::json;
use procession::protocols::{Session, Turn, deputy, gloom, native};
use serde::Deserialize;
use serde_json::value::RawValue;

const BODY: &str = "\"0123456789012345678901234567890123456789012345678901234567890\"";

fn framed(text: &str) -> Vec<u8> {
    let mut frame = (text.len() as u32).to_be_bytes().to_vec();
    frame.extend_from_slice(text.as_bytes());
    frame
}

fn assignment() -> Notice {
    Notice::Assigned(Box::new(Assignment {
        receipt: Receipt { queue: 0, key: 0, sequence: 1, delivery: 1 },
        id: JobId::from_text("m1-1234").expect("a good id"),
        kind: TypeName::from_text("echo").expect("a good type"),
        priority: 0,
        body: Body::from(BODY.as_bytes()),
        attempt: 1,
        max_attempts: 4,
        lease_ms: 1_000,
    }))
}

/// A session and what it said.
struct Rig<S> {
    session: S,
    out: BytesMut,
    commands: Vec<Command>,
}

impl<S: Session> Rig<S> {
    fn new(shared: &S::Shared) -> Rig<S> {
        let session = S::new(shared, &Arc::new(Limits::default()), &Arc::new(Demand::new(S::HANDS)));
        Rig { session, out: BytesMut::with_capacity(4_096), commands: Vec::with_capacity(16) }
    }

    fn read(&mut self, frame: &[u8]) {
        let mut turn = Turn { out: &mut self.out, commands: &mut self.commands };
        let read = self.session.read(black_box(frame), &mut turn);
        assert_eq!(read.consumed, frame.len());
    }

    fn hear(&mut self, notice: Notice) {
        self.session.hear(notice, &mut Turn { out: &mut self.out, commands: &mut self.commands });
    }

    /// Grants every request that was read, and forgets what was said.
    fn grant(&mut self) {
        let requests: Vec<Request> = self.commands.drain(..).filter_map(|command| request_of(&command)).collect();
        for request in requests {
            self.hear(Notice::Done { request, lease_ms: 0 });
        }
        self.out.clear();
    }
}

fn request_of(command: &Command) -> Option<Request> {
    match command {
        Command::Submit(submission) => Some(submission.request),
        Command::Join { request, .. } | Command::Answer { request, .. } | Command::Manage { request, .. } => {
            Some(*request)
        }
        Command::AnswerById { request, .. } | Command::Look { request, .. } | Command::Watch { request, .. } => {
            Some(*request)
        }
        Command::Leave { .. }
        | Command::Ready { .. }
        | Command::Forget { .. }
        | Command::Unwatch { .. }
        | Command::Name { .. } => None,
    }
}

/// A session that joined the type `echo`.
fn joined<S: Session>(shared: &S::Shared, join: &[u8]) -> Rig<S> {
    let mut rig = Rig::new(shared);
    rig.read(join);
    rig.grant();
    rig
}

fn round_trip<S: Session>(rig: &mut Rig<S>, submit: &[u8], answer: &[u8]) {
    if !submit.is_empty() {
        rig.read(submit);
        rig.grant();
        let id = JobId::from_text("m1-1234").expect("a good id");
        rig.hear(Notice::Ended { id, ending: Ending::Completed(Body::from(BODY.as_bytes())) });
    }
    if !answer.is_empty() {
        rig.hear(assignment());
        rig.read(answer);
        rig.grant();
    }
}

struct World;

impl native::World for World {
    fn new_id(&self) -> JobId {
        JobId::from_text("made").expect("a good id")
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}

fn protocols(criterion: &mut Criterion) {
    let submit = framed(&format!(r#"{{"action":"submit","id":"m1-1234","type":"echo","body":{BODY},"priority":5}}"#));
    let respond = framed(&format!(r#"{{"action":"respond","body":{BODY}}}"#));
    let mut master = Rig::<gloom::Master>::new(&gloom::Shared::default());
    criterion.bench_function("gloom master: submit, ok, result", |bencher| {
        bencher.iter(|| round_trip(&mut master, &submit, b""))
    });
    let mut worker = joined::<gloom::Worker>(&(), &framed(r#"{"action":"join","type":"echo"}"#));
    criterion.bench_function("gloom slave: job, respond, ok", |bencher| {
        bencher.iter(|| round_trip(&mut worker, b"", &respond))
    });

    let submit = format!("{{\"cmd\":\"do\",\"id\":\"m1-1234\",\"type\":\"echo\",\"arg\":{BODY}}}\n").into_bytes();
    let did = format!("{{\"cmd\":\"did\",\"id\":\"m1-1234\",\"res\":{BODY}}}\n").into_bytes();
    let metrics = deputy::Metrics::new(0);
    let mut client = joined::<deputy::Session>(&metrics, b"{\"cmd\":\"can_do\",\"types\":[\"echo\"]}\n");
    criterion
        .bench_function("deputy: do, do, did, did", |bencher| bencher.iter(|| round_trip(&mut client, &submit, &did)));

    let submit = framed(&format!(
        r#"{{"action":"submit","id":"m1-1234","type":"echo","body":{BODY},"durable":false,"notify":true}}"#
    ));
    let respond = framed(&format!(r#"{{"action":"respond","id":"m1-1234","body":{BODY}}}"#));
    let shared = native::Shared::new(None, Arc::new(World));
    let mut client = joined::<native::Session>(&shared, &framed(r#"{"action":"join","types":["echo"],"credit":4}"#));
    criterion.bench_function("native: submit, ok, job, respond, ok, result", |bencher| {
        bencher.iter(|| round_trip(&mut client, &submit, &respond))
    });
}

/// The same members for serde_json.
#[derive(Deserialize)]
struct Envelope<'a> {
    action: Option<&'a str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    priority: Option<i64>,
}

fn envelope(criterion: &mut Criterion) {
    let text = format!(r#"{{"action":"submit","id":"m1-1234","type":"echo","body":{BODY},"priority":5}}"#);
    let mut group = criterion.benchmark_group("a submit's envelope");
    group.bench_function("json::object", |bencher| {
        bencher.iter(|| json::object(black_box(text.as_bytes()), 128, &["action", "id", "type", "body", "priority"]))
    });
    group.bench_function("serde_json", |bencher| {
        bencher.iter(|| {
            let read: Envelope<'_> = serde_json::from_slice(black_box(text.as_bytes())).expect("it is JSON");
            black_box((read.action, read.id, read.kind, read.body, read.priority).0)
        })
    });
    group.finish();
}

criterion_group!(benches, protocols, envelope);
criterion_main!(benches);
