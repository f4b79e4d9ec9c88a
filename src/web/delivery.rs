//! The answer that hands out jobs, written piece by piece: if its reader goes before the last piece, the jobs go back at once.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context as Wake, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use super::desk::Desk;
use crate::core::{Answer, JobId, Ticket};

/// The bytes of an answer, and the jobs in them.
pub struct Delivery {
    rest: Bytes,
    desk: Desk,
    /// What goes back if the rest is never asked for; empty once it was.
    given: Vec<(Ticket, JobId)>,
}

/// What is written at a time: a connection copies it into its own buffer.
const PIECE: usize = 64 * 1024;

impl Delivery {
    /// The answer `text`, which hands out `given`.
    pub fn new(text: Bytes, desk: Desk, given: Vec<(Ticket, JobId)>) -> Delivery {
        Delivery { rest: text, desk, given }
    }
}

impl MessageBody for Delivery {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.rest.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Wake<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        if self.rest.is_empty() {
            self.given.clear();
        }
        Poll::Ready((length > 0).then_some(Ok(piece)))
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        for (ticket, id) in std::mem::take(&mut self.given) {
            let desk = self.desk.clone();
            actix_rt::spawn(async move {
                // Its lease may have ended meanwhile: then it has gone back already.
                let _ = desk.answer(id, ticket, Answer::Release { delay_ms: 0 }).await;
            });
        }
    }
}
