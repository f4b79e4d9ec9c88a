//! Conversations, byte for byte: sessions of all dialects around a real router and real queues.
//!
//! A transcript names its peers, and then reads like what happened:
//!
//! ```text
//! m is gloom-master             a peer comes
//! m → {"action":…}              it says a frame; lines in a row are one segment on the wire
//! m →x \xff                     the same with escapes: \r \n \t \\ \xNN
//! m →| GET / HTTP/1.1\r\n       bytes without framing, with escapes
//! m ← {"ok":true}               it hears exactly this frame, and nothing else before it speaks again
//! m is over                     the server closes the conversation
//! m leaves                      the connection is gone
//! silence                       what queues say doesn't arrive from here on,
//! speech                        and now it does
//! speech backwards              or, of several queues, that of the latest first
//! 250 ms                        time goes by
//! cancel "a"                    somebody cancels a job by its id
//! t fails                       what the queue of this type is asked from here on is lost,
//! t dies                        and now it dies
//! drain                         the server is about to stop
//! # a remark
//! ```
//!
//! Every transcript is played whole, byte by byte, and with each segment split at every byte: the outcome must be the same.

mod deputy;
mod gloom;
mod native;
mod noise;
mod rig;
mod script;

use crate::core::Limits;
use script::Script;

/// Plays a transcript in every cut, with the usual limits.
fn play(text: &str) {
    play_within(Limits::default(), text);
}

/// Plays a transcript in every cut.
fn play_within(limits: Limits, text: &str) {
    let script = Script::read(text);
    script.play(&limits, |segment| vec![segment]);
    script.play(&limits, |segment| segment.chunks(1).collect());
    for place in 1..script.longest() {
        script.play(&limits, move |segment| {
            let (before, behind) = segment.split_at(place.min(segment.len()));
            vec![before, behind]
        });
    }
}

/// Plays a transcript as it is cut.
fn play_whole(limits: Limits, text: &str) {
    Script::read(text).play(&limits, |segment| vec![segment]);
}
