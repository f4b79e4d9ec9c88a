//! The form that submits a job, and what it sends.

use maud::{Markup, html};

use super::link::Link;

/// What the form has in it. All of it is text: it is shown again as it was typed when it can't be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Form {
    /// JSON.
    pub body: String,
    /// Empty: the server makes one.
    pub id: String,
    /// An integer.
    pub priority: String,
    /// Seconds.
    pub delay: String,
    /// At least 1.
    pub max_attempts: String,
    /// On disk before it is acknowledged.
    pub durable: bool,
    /// Which field can't be taken, and why.
    pub flaw: Option<(&'static str, String)>,
}

impl Default for Form {
    fn default() -> Form {
        Form {
            body: "{\n  \"hello\": \"world\"\n}".to_owned(),
            id: String::new(),
            priority: "0".to_owned(),
            delay: "0".to_owned(),
            max_attempts: "4".to_owned(),
            durable: true,
            flaw: None,
        }
    }
}

impl Form {
    /// What was sent.
    pub fn read(sent: &Link) -> Form {
        let text = |name: &str| sent.values(name).next().unwrap_or("").to_owned();
        Form {
            body: text("body"),
            id: text("id"),
            priority: text("priority"),
            delay: text("delay"),
            max_attempts: text("max_attempts"),
            durable: !text("durable").is_empty(),
            flaw: None,
        }
    }

    /// The form, for jobs of this type.
    pub fn markup(&self, kind: &str) -> Markup {
        html! {
            form method="post" action="/submit" {
                input type="hidden" name="type" value=(kind);
                div.fields {
                    label.full {
                        "Body" (self.flaw_of("body"))
                        textarea name="body" rows="6" spellcheck="false" aria-label="Body, JSON" { "\n" (self.body) }
                        small { "Any JSON. It reaches the worker as it is written here." }
                    }
                    label { "Id" (self.flaw_of("id")) input name="id" value=(self.id) aria-label="Id" autocomplete="off" maxlength="255"; small { "Empty: one is made." } }
                    label { "Priority" (self.flaw_of("priority")) input name="priority" value=(self.priority) aria-label="Priority" inputmode="numeric"; small { "Larger goes first." } }
                    label { "Not before, in seconds" (self.flaw_of("delay")) input name="delay" value=(self.delay) aria-label="Not before, in seconds" inputmode="decimal"; small { "0: now." } }
                    label { "Attempts" (self.flaw_of("max_attempts")) input name="max_attempts" value=(self.max_attempts) aria-label="Attempts" inputmode="numeric"; small { "Deliveries in all." } }
                    label.row { input type="checkbox" name="durable" value="yes" checked[self.durable] aria-label="Durable"; "Durable: on disk before it is acknowledged" }
                    div.actions.full { button.main { "Submit job" } }
                }
            }
        }
    }

    fn flaw_of(&self, field: &str) -> Markup {
        html! {
            @if let Some((name, why)) = &self.flaw {
                @if *name == field { strong.bad-text role="alert" { (why) } }
            }
        }
    }
}
