//! The form that submits a job, and what it sends.

use maud::{Markup, html};
use serde_json::Value;
use serde_json::value::RawValue;

use super::icons::icon;
use super::link::Link;
use super::state::capital;
use crate::core::job::or_null;
use crate::core::record::StoredJob;

/// A longer body is not shown in a form.
const LONGEST_BODY: usize = 64 * 1024;
/// A year, in seconds.
const LONGEST_DELAY: f64 = 365.0 * 24.0 * 3_600.0;

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

    /// The body and the priority of a job that is to be submitted again. A long body is not for a form.
    pub fn again(job: &StoredJob) -> Form {
        let text = std::str::from_utf8(or_null(&job.body)).ok().filter(|text| text.len() <= LONGEST_BODY);
        Form {
            body: text.unwrap_or("").to_owned(),
            priority: job.priority.to_string(),
            max_attempts: job.policy.max_attempts.to_string(),
            durable: job.policy.durable,
            ..Form::default()
        }
    }

    /// The form as the API takes it.
    ///
    /// # Errors
    /// Which field can't be taken, and why.
    pub fn to_json(&self, kind: &str) -> Result<String, (&'static str, String)> {
        // A form ends its lines with two characters; a body has no need of the first.
        let body = self.body.replace("\r\n", "\n");
        let body: &RawValue =
            serde_json::from_str(body.trim()).map_err(|error| ("body", format!("This is not JSON: {error}.")))?;
        let priority: i64 =
            self.priority.trim().parse().map_err(|_| ("priority", "An integer is needed.".to_owned()))?;
        let delay: f64 =
            self.delay.trim().parse().map_err(|_| ("delay", "A number of seconds is needed.".to_owned()))?;
        if !(0.0..=LONGEST_DELAY).contains(&delay) {
            return Err(("delay", "Between 0 and 31,536,000 seconds, please.".to_owned()));
        }
        let attempts: u32 = self
            .max_attempts
            .trim()
            .parse()
            .ok()
            .filter(|attempts| *attempts > 0)
            .ok_or_else(|| ("max_attempts", "An integer of at least 1 is needed.".to_owned()))?;
        let mut text = format!(
            "{{\"type\":{},\"priority\":{priority},\"delay_ms\":{},\"max_attempts\":{attempts},\"durable\":{}",
            Value::from(kind),
            (delay * 1e3) as u64,
            self.durable,
        );
        if !self.id.trim().is_empty() {
            text.push_str(&format!(",\"id\":{}", Value::from(self.id.trim())));
        }
        text.push_str(&format!(",\"body\":{}}}", body.get()));
        Ok(text)
    }

    /// The field of the form that a field of the API is.
    pub fn field_of(field: Option<&str>) -> &'static str {
        match field {
            Some("id") => "id",
            Some("priority") => "priority",
            Some("delay_ms") => "delay",
            Some("max_attempts") => "max_attempts",
            _ => "body",
        }
    }

    /// The form, for jobs of this type.
    pub fn markup(&self, kind: &str) -> Markup {
        html! {
            @let is_wrong = |field: &str| self.flaw.as_ref().is_some_and(|(wrong, _)| *wrong == field);
            form method="post" action="/submit" {
                input type="hidden" name="type" value=(kind);
                div.fields {
                    label.full {
                        "Body" (self.flaw_of("body"))
                        textarea id="field-body" name="body" autofocus[is_wrong("body")] rows="6" spellcheck="false" aria-label="Body, JSON" { "\n" (self.body) }
                        small { "Any JSON. It reaches the worker as it is written here." }
                    }
                    label { "Id" (self.flaw_of("id")) input id="field-id" name="id" autofocus[is_wrong("id")] value=(self.id) aria-label="Id" autocomplete="off" maxlength="255"; small { "Empty: one is made." } }
                    label { "Priority" (self.flaw_of("priority")) input id="field-priority" name="priority" autofocus[is_wrong("priority")] value=(self.priority) aria-label="Priority" inputmode="numeric"; small { "Larger goes first." } }
                    label { "Not before, in seconds" (self.flaw_of("delay")) input id="field-delay" name="delay" autofocus[is_wrong("delay")] value=(self.delay) aria-label="Not before, in seconds" inputmode="decimal"; small { "0: now." } }
                    label { "Attempts" (self.flaw_of("max_attempts")) input id="field-max_attempts" name="max_attempts" autofocus[is_wrong("max_attempts")] value=(self.max_attempts) aria-label="Attempts" inputmode="numeric"; small { "Deliveries in all." } }
                    label.row { input type="checkbox" name="durable" value="yes" checked[self.durable] aria-label="Durable"; "Durable: on disk before it is acknowledged" }
                    div.actions.full { button.main { "Submit job" } }
                }
            }
        }
    }

    /// What is wrong, for the top of a page, and the way to it.
    pub fn note(&self) -> Markup {
        html! {
            @if let Some((field, why)) = &self.flaw {
                p.note.bad role="alert" {
                    (icon("failed"))
                    span { "The job was not submitted. " a href={ "#field-" (field) } { (capital(&field.replace('_', " "))) } ": " (why) }
                }
            }
        }
    }

    fn flaw_of(&self, field: &str) -> Markup {
        html! {
            @if let Some((name, why)) = &self.flaw {
                @if *name == field { strong.bad-text { (why) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_sent_as_it_was_written() {
        let form =
            Form { body: " {\r\n \"a\": 1.0,\"a\":1e400}\r\n".to_owned(), delay: "1.5".to_owned(), ..Form::default() };
        assert_eq!(
            form.to_json("a\"b").unwrap(),
            "{\"type\":\"a\\\"b\",\"priority\":0,\"delay_ms\":1500,\"max_attempts\":4,\"durable\":true,\"body\":{\n \"a\": 1.0,\"a\":1e400}}"
        );
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let field = |form: Form| form.to_json("t").unwrap_err().0;
        assert_eq!(field(Form { body: "{".to_owned(), ..Form::default() }), "body");
        assert_eq!(field(Form { body: "1,\"priority\":9".to_owned(), ..Form::default() }), "body");
        assert_eq!(field(Form { priority: "high".to_owned(), ..Form::default() }), "priority");
        assert_eq!(field(Form { delay: "-1".to_owned(), ..Form::default() }), "delay");
        assert_eq!(field(Form { delay: "NaN".to_owned(), ..Form::default() }), "delay");
        assert_eq!(field(Form { max_attempts: "0".to_owned(), ..Form::default() }), "max_attempts");
    }
}
