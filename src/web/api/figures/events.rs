//! The figures of the server as Server-Sent Events: one when a stream begins, then one for each snapshot.
//!
//! Nothing is queued for whoever reads slowly: who comes back late gets the newest figures, and memory stays flat.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use tokio::time::{Instant, sleep_until, timeout};

use super::{server, stats_text};
use crate::actors::statistics::Snapshots;
use crate::core::statistics::book::PUBLISH_EVERY_MS;
use crate::web::Site;
use crate::web::problem::Problem;

/// So many streams are open at a time, for each thread.
const MOST_STREAMS: usize = 256;

/// A stream that has nothing to say says that, so that both sides know of each other.
const SILENCE: Duration = Duration::from_secs(15);

/// The streams of this thread: each holds a clone.
#[derive(Clone, Default, Debug)]
pub struct Streams(Rc<Cell<usize>>);

/// A stream's place; given back when it is dropped.
struct Place(Streams);

impl Streams {
    fn place(&self) -> Option<Place> {
        let open = self.0.get();
        (open < MOST_STREAMS).then(|| {
            self.0.set(open + 1);
            Place(self.clone())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Streams(open) = &self.0;
        open.set(open.get() - 1);
    }
}

/// The figures of the server, as they change.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "operators",
    responses((
        status = 200, content_type = "text/event-stream", body = String,
        description = "Server-Sent Events: `stats`, once a second at most, with what `/api/v1/stats` says"
    ))
)]
pub async fn events(site: web::Data<Site>) -> Result<HttpResponse, Problem> {
    let Some(place) = site.streams.place() else {
        let detail = "too many streams are open; /api/v1/stats says the same once";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail));
    };
    let site_of_end = site.clone();
    let ended = Box::pin(async move { site_of_end.drained().await });
    let mut snapshots = site.snapshots.clone();
    snapshots.mark_changed();
    let reader = Reader { site, snapshots, not_before: Instant::now(), _place: place };
    let events = stream::unfold((reader, ended), |(mut reader, mut ended)| async move {
        let event = tokio::select! {
            event = reader.next() => event,
            () = &mut ended => None,
        };
        event.map(|event| (Ok::<Bytes, Infallible>(event), (reader, ended)))
    });
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(events))
}

/// Who reads a stream.
struct Reader {
    site: web::Data<Site>,
    snapshots: Snapshots,
    /// One may begin to read just before the next snapshot.
    not_before: Instant,
    _place: Place,
}

impl Reader {
    /// The next event; none when nobody publishes any more.
    async fn next(&mut self) -> Option<Bytes> {
        match timeout(SILENCE, self.snapshots.changed()).await {
            Err(_) => return Some(Bytes::from_static(b": nothing new\n\n")),
            Ok(Err(_)) => return None,
            Ok(Ok(())) => sleep_until(self.not_before).await,
        }
        self.not_before = Instant::now() + Duration::from_millis(PUBLISH_EVERY_MS);
        let snapshot = self.snapshots.borrow_and_update().clone();
        let stats = stats_text(&snapshot, &server(&self.site));
        let mut event = BytesMut::with_capacity(stats.len() + 64);
        event.put_slice(format!("event: stats\nid: {}\ndata: ", snapshot.version).as_bytes());
        event.put_slice(&stats);
        event.put_slice(b"\n\n");
        Some(event.freeze())
    }
}
