//! Conversations in length-prefixed JSON: frames in, flaws out. What gloom and the native protocol have in common.
//!
//! Never here: an action, a member of a request.

use std::borrow::Cow;

use bytes::BytesMut;

use super::length_prefixed::{self, Next};
use super::replies::Replies;
use super::{Patience, Read, Turn, excerpt};
use crate::core::{JobId, Limits};
use crate::json::{self, Flaw, fields};

/// The reading side of a session, and its answers.
#[derive(Debug)]
pub(super) struct Line<A> {
    pub(super) replies: Replies<A>,
    pub(super) patience: Patience,
    max_body: usize,
    max_outstanding: usize,
}

impl<A> Line<A> {
    pub(super) fn new(limits: &Limits) -> Line<A> {
        Line {
            replies: Replies::default(),
            patience: Patience::default(),
            max_body: limits.max_body,
            max_outstanding: limits.max_outstanding,
        }
    }

    /// The next payload and the place behind it, as long as there is room for its answer.
    pub(super) fn next<'a>(&mut self, input: &'a [u8], read: &mut Read, turn: &mut Turn<'_>) -> Option<&'a [u8]> {
        if self.patience.over || self.replies.awaited() >= self.max_outstanding {
            return None;
        }
        match length_prefixed::next(&input[read.consumed..], self.max_body) {
            Ok(Next::Frame { payload, consumed }) => {
                read.consumed += consumed;
                Some(payload)
            }
            Ok(Next::Incomplete { needed }) => {
                read.needed = needed;
                None
            }
            Err(_) => {
                self.patience.end();
                self.replies.say(turn.out, |out| error(out, "size_error", "\"length too large\"", None));
                None
            }
        }
    }

    /// Tells what is wrong with a payload. One that isn't even JSON ends the conversation.
    pub(super) fn flaw(&mut self, flaw: Flaw, payload: &[u8], turn: &mut Turn<'_>) {
        if let Flaw::Syntax { .. } = flaw {
            self.patience.end();
        }
        self.refuse(&Refused::flaw(flaw, payload), turn);
    }

    /// Tells what is wrong with a request.
    pub(super) fn refuse(&mut self, refused: &Refused, turn: &mut Turn<'_>) {
        self.patience.flawed();
        self.replies.say(turn.out, |out| error(out, refused.code, &quoted(&refused.reason), refused.id.as_ref()));
    }
}

/// What is wrong with one request: a code, a detail, and the job it was about where the dialect names it. Usually made of
/// nothing but constants: it is often made in vain.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: &'static str,
    pub(super) reason: Cow<'static, str>,
    pub(super) id: Option<JobId>,
}

impl Refused {
    pub(super) fn because(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Refused {
        Refused { code, reason: detail.into(), id: None }
    }

    /// A member of a wrong kind.
    pub(super) fn wrong(member: &'static str) -> Refused {
        Refused::because("invalid_type", member)
    }

    pub(super) fn missing(member: &'static str) -> Refused {
        Refused::because("missing_field", member)
    }

    /// An action that isn't known here.
    pub(super) fn unknown(code: &'static str, raw_action: &str) -> Refused {
        Refused::because(code, excerpt(&json::string(raw_action).unwrap_or(raw_action.into())).to_owned())
    }

    /// With the id that the request names, where it names one.
    pub(super) fn about(self, raw_id: Option<&str>) -> Refused {
        Refused { id: raw_id.and_then(|raw| fields::id(raw).ok()), ..self }
    }

    /// A text that isn't the object it should be.
    pub(super) fn flaw(flaw: Flaw, text: &[u8]) -> Refused {
        match flaw {
            Flaw::Syntax { .. } => Refused::because("invalid_json", flaw.describe(text)),
            Flaw::TooDeep => Refused::because("invalid_message", "too_deep"),
            Flaw::NotAnObject => Refused::because("invalid_message", "not_an_object"),
            Flaw::DuplicateMember { name, .. } => Refused::because("invalid_message", format!("duplicate_{name}")),
        }
    }
}

/// Says `{"error":CODE,"reason":DETAIL}`, and the id where there is one; the detail is JSON already.
pub(super) fn error(out: &mut BytesMut, code: &str, reason: &str, id: Option<&JobId>) {
    let mark = length_prefixed::begin(out);
    out.extend_from_slice(b"{\"error\":\"");
    out.extend_from_slice(code.as_bytes());
    out.extend_from_slice(b"\",\"reason\":");
    out.extend_from_slice(reason.as_bytes());
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.token().as_bytes());
    }
    out.extend_from_slice(b"}");
    length_prefixed::finish(out, mark);
}

/// `text` as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut token = BytesMut::new();
    json::write_string(&mut token, text);
    String::from_utf8_lossy(&token).into_owned()
}
