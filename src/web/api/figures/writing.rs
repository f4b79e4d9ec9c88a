//! The words of figures. Times within are whole milliseconds, rounded up: what is told as 5 ms took 5 ms at most.

use crate::actors::keeper::StoreFigures;
use crate::core::Census;
use crate::core::statistics::{Percentiles, Point, QueueFigures, Range, Snapshot};
use crate::web::object::Object;

/// What there is to know of the server beside its queues.
#[derive(Clone, Default, Debug)]
pub struct Server {
    /// The wall's time, milliseconds since 1970.
    pub now_ms: u64,
    /// How long it has run, in milliseconds.
    pub uptime_ms: u64,
    /// What it has in memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// How many processors it uses: 1.0 is one of them wholly.
    pub cpu: Option<f64>,
    /// Open connections.
    pub connections: usize,
    /// It is about to stop.
    pub is_draining: bool,
    /// The store; none where only memory has the jobs.
    pub store: Option<StoreFigures>,
}

/// The members of a queue.
pub(super) fn queue(object: &mut Object<'_>, queue: &QueueFigures, now_ms: u64) {
    let figures = &queue.figures;
    let Census { accepted, completed, failed, cancelled, expired, dropped, scheduled, queued, running } =
        figures.census;
    object
        .text("type", &queue.kind.text())
        .flag("paused", queue.paused)
        .integer("queued", queued)
        .integer("scheduled", scheduled)
        .integer("running", running)
        .integer("failed", failed)
        .integer("workers", queue.workers)
        .integer("idle", queue.idle)
        .maybe_time("last_worker_left", queue.last_worker_left_ms)
        .integer("submitted", accepted)
        .integer("completed", completed)
        .integer("cancelled", cancelled)
        .integer("expired", expired)
        .integer("dropped", dropped);
    maybe_integer(object, "oldest_ms", figures.oldest_ms.map(|since_ms| now_ms.saturating_sub(since_ms)));
    object
        .maybe_number("rate_in", Some(figures.rate_in))
        .maybe_number("rate_out", Some(figures.rate_out))
        .maybe_number("rate_failed", Some(figures.rate_failed));
    percentiles(object, "wait_ms", &figures.wait);
    percentiles(object, "run_ms", &figures.run);
}

/// The members of the server.
pub(super) fn stats(object: &mut Object<'_>, snapshot: &Snapshot, server: &Server) {
    let total = &snapshot.total;
    object.maybe_time("at", Some(snapshot.at_ms)).text("version", env!("CARGO_PKG_VERSION"));
    object.object("jobs", |object| census(object, &total.census));
    object.object("rates", |object| {
        object
            .maybe_number("in", Some(total.rate_in))
            .maybe_number("out", Some(total.rate_out))
            .maybe_number("failed", Some(total.rate_failed));
    });
    percentiles(object, "wait_ms", &total.wait);
    percentiles(object, "run_ms", &total.run);
    maybe_integer(object, "oldest_ms", total.oldest_ms.map(|since_ms| server.now_ms.saturating_sub(since_ms)));
    object.integer("queues", snapshot.queues.len() as u64).integer("uptime_ms", server.uptime_ms);
    maybe_integer(object, "memory_bytes", server.memory_bytes);
    object
        .maybe_number("cpu", server.cpu)
        .integer("connections", server.connections as u64)
        .flag("draining", server.is_draining);
    object.object("store", |object| match &server.store {
        Some(figures) => store(object, figures),
        None => {
            object.text("kind", "memory");
        }
    });
}

/// The member `history`.
pub(super) fn history(object: &mut Object<'_>, range: Range, points: &[Point]) {
    object.object("history", |object| {
        object.text("range", range.as_str()).integer("step_ms", range.step_ms());
        object.array("points", points, |out, point| {
            let Point { at_ms, accepted, ended, failed, queued, running, wait_p95, run_p95 } = *point;
            let mut object = Object::begin(out);
            object
                .maybe_time("at", Some(at_ms))
                .integer("accepted", accepted)
                .integer("ended", ended)
                .integer("failed", failed)
                .integer("queued", queued)
                .integer("running", running);
            // 0: nothing was measured.
            let measured = |us: u64| Some(us).filter(|us| *us > 0).map(whole_ms);
            maybe_integer(&mut object, "wait_p95_ms", measured(wait_p95));
            maybe_integer(&mut object, "run_p95_ms", measured(run_p95));
            object.end();
        });
    });
}

fn census(object: &mut Object<'_>, census: &Census) {
    let Census { accepted, completed, failed, cancelled, expired, dropped, scheduled, queued, running } = *census;
    object
        .integer("accepted", accepted)
        .integer("completed", completed)
        .integer("failed", failed)
        .integer("cancelled", cancelled)
        .integer("expired", expired)
        .integer("dropped", dropped)
        .integer("scheduled", scheduled)
        .integer("queued", queued)
        .integer("running", running);
}

fn store(object: &mut Object<'_>, figures: &StoreFigures) {
    object.text("kind", "file").integer("bytes", figures.bytes);
    maybe_integer(object, "free_bytes", figures.free_bytes);
    object.flag("full", figures.is_full).integer("commits", figures.commits).integer("records", figures.records);
    percentiles(object, "commit_ms", &figures.commit);
}

fn percentiles(object: &mut Object<'_>, name: &str, percentiles: &Percentiles) {
    let Percentiles { p50, p95, p99, count: _ } = *percentiles;
    object.object(name, |object| {
        for (name, time) in [("p50", p50), ("p95", p95), ("p99", p99)] {
            maybe_integer(object, name, time.map(whole_ms));
        }
    });
}

fn whole_ms(us: u64) -> u64 {
    us.div_ceil(1_000)
}

fn maybe_integer(object: &mut Object<'_>, name: &str, value: Option<u64>) {
    match value {
        Some(value) => object.integer(name, value),
        None => object.raw(name, b"null"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::TypeName;
    use crate::core::statistics::Figures;
    use bytes::BytesMut;
    use serde_json::{Value, json};

    fn read(write: impl FnOnce(&mut Object<'_>)) -> Value {
        let mut out = BytesMut::new();
        let mut object = Object::begin(&mut out);
        write(&mut object);
        object.end();
        serde_json::from_slice(&out).unwrap()
    }

    fn figures() -> Figures {
        Figures {
            census: Census { accepted: 9, completed: 4, failed: 2, queued: 3, ..Census::default() },
            oldest_ms: Some(1_000),
            rate_in: 0.3,
            wait: Percentiles { p50: Some(1), p95: Some(1_000), p99: Some(1_001), count: 3 },
            ..Figures::default()
        }
    }

    #[test]
    fn a_queue_is_told_as_the_spec_says() {
        let figures = QueueFigures {
            queue: 3,
            kind: TypeName::from_text("a\"b").unwrap(),
            paused: true,
            workers: 2,
            idle: 1,
            last_worker_left_ms: None,
            figures: figures(),
        };
        let told = read(|object| queue(object, &figures, 6_000));
        let expected = json!({
            "type": "a\"b", "paused": true, "queued": 3, "scheduled": 0, "running": 0, "failed": 2, "workers": 2, "idle": 1,
            "last_worker_left": null, "submitted": 9, "completed": 4, "cancelled": 0, "expired": 0, "dropped": 0,
            "oldest_ms": 5_000, "rate_in": 0.3, "rate_out": 0, "rate_failed": 0,
            "wait_ms": {"p50": 1, "p95": 1, "p99": 2}, "run_ms": {"p50": null, "p95": null, "p99": null},
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn the_server_is_told_with_and_without_a_store() {
        let snapshot = Snapshot { at_ms: 1_767_225_600_000, total: figures(), ..Snapshot::default() };
        let server = Server { now_ms: 1_000, uptime_ms: 7, connections: 3, ..Server::default() };
        let told = read(|object| stats(object, &snapshot, &server));
        assert_eq!((&told["jobs"]["accepted"], &told["store"]), (&json!(9), &json!({"kind": "memory"})));
        assert_eq!(told["rates"], json!({"in": 0.3, "out": 0, "failed": 0}));
        assert_eq!((&told["at"], &told["memory_bytes"]), (&json!("2026-01-01T00:00:00.000Z"), &Value::Null));
        let store = StoreFigures { bytes: 5, commits: 2, records: 3, ..StoreFigures::default() };
        let server = Server { store: Some(store), memory_bytes: Some(4), ..server };
        let told = read(|object| stats(object, &snapshot, &server));
        let none = json!({"p50": null, "p95": null, "p99": null});
        let expected = json!({"kind": "file", "bytes": 5, "free_bytes": null, "full": false, "commits": 2, "records": 3, "commit_ms": none});
        assert_eq!((&told["store"], &told["memory_bytes"]), (&expected, &json!(4)));
    }

    #[test]
    fn a_history_is_told_point_by_point() {
        let point = Point { at_ms: 1_767_225_600_000, accepted: 1, queued: 5, wait_p95: 1_500, ..Point::default() };
        let told = read(|object| history(object, Range::Day, &[point]));
        let expected = json!({
            "at": "2026-01-01T00:00:00.000Z", "accepted": 1, "ended": 0, "failed": 0, "queued": 5, "running": 0,
            "wait_p95_ms": 2, "run_p95_ms": null,
        });
        assert_eq!(told, json!({"history": {"range": "24h", "step_ms": 60_000, "points": [expected]}}));
    }
}
