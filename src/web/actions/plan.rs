//! What an action is to do: as it is asked for, and as it is kept over restarts.

use actix_web::http::StatusCode;
use bytes::BytesMut;

use crate::core::action::{Carried, OnFailure};
use crate::core::{Body, JobId, TypeName};
use crate::json::{self, fields};
use crate::web::outgoing::Url;
use crate::web::problem::Problem;
use crate::web::processors::invalid_url;

/// An action as it was asked for.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// Its id.
    pub id: JobId,
    /// Whom each step names: a processor's id or name, or any type.
    pub steps: Vec<TypeName>,
    /// Who is told of its end.
    pub response_url: Option<Url>,
    /// The priority of its steps.
    pub priority: i64,
    /// What a failed step means.
    pub on_failure: OnFailure,
    /// How long it stays readable after its end, in milliseconds; none: as long as a durable job.
    pub keep_ms: Option<u64>,
    /// When it was accepted, in milliseconds since 1970.
    pub created_ms: u64,
}

/// The most steps of an action.
pub const MAX_STEPS: usize = 1_000;

/// The longest id of an action: the ids of its steps' jobs are it, a slash and a number.
const MAX_ID: usize = 250;

impl Plan {
    /// Reads a request for an action, and the data that it begins with.
    ///
    /// # Errors
    /// A problem that says what is wrong with it.
    pub fn parse(
        text: &[u8],
        max_depth: usize,
        now_ms: u64,
        new_id: impl FnOnce() -> JobId,
    ) -> Result<(Plan, Body), Problem> {
        let [steps, data, response_url, id, priority, on_failure, keep_ms] = json::object(
            text,
            max_depth,
            &["processors", "data", "response_url", "id", "priority", "on_failure", "keep_ms"],
        )
        .map_err(|flaw| Problem::flaw(flaw, text))?;
        let plan = Plan {
            steps: read_steps(steps)?,
            id: fields::given(id).map_or_else(|| Ok(new_id()), read_id)?,
            response_url: fields::given(response_url).map(read_url).transpose()?,
            priority: fields::priority(fields::given(priority))
                .map_err(|name| Problem::invalid_field(name, "expected an integer of 64 bits"))?,
            on_failure: fields::given(on_failure).map_or(Ok(OnFailure::Fail), read_on_failure)?,
            keep_ms: fields::number(keep_ms, 0, "keep_ms")
                .map_err(|name| Problem::invalid_field(name, "expected milliseconds"))?,
            created_ms: now_ms,
        };
        Ok((plan, Body::from(data.unwrap_or("null").as_bytes())))
    }

    /// The id of a step's job: the same whenever it is asked for, so that no step is submitted twice.
    pub fn job_of(&self, step: usize) -> JobId {
        JobId::from_text(&format!("{}/{step}", self.id.text())).expect("there is room for a step behind an action's id")
    }

    /// Roughly what it takes of memory.
    pub fn weight(&self) -> usize {
        let steps: usize = self.steps.iter().map(|step| size_of::<TypeName>() + step.token().len()).sum();
        size_of::<Plan>() + self.id.token().len() + steps
    }

    /// As it is written into the store.
    pub fn to_note(&self) -> Body {
        let Plan { id, steps, response_url, priority, on_failure, keep_ms, created_ms } = self;
        let mut out = BytesMut::new();
        out.extend_from_slice(b"{\"processors\":[");
        for (place, step) in steps.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b"," } else { b"" });
            out.extend_from_slice(step.token().as_bytes());
        }
        out.extend_from_slice(b"]");
        if let Some(url) = response_url {
            out.extend_from_slice(b",\"response_url\":");
            json::write_string(&mut out, &url.to_string());
        }
        if let Some(keep_ms) = keep_ms {
            out.extend_from_slice(format!(",\"keep_ms\":{keep_ms}").as_bytes());
        }
        let rest = format!(
            ",\"id\":{},\"priority\":{priority},\"on_failure\":\"{}\",\"created_ms\":{created_ms}}}",
            id.token(),
            on_failure.as_str()
        );
        out.extend_from_slice(rest.as_bytes());
        Body::from(&*out)
    }

    /// As it was written; none where it can't have been this.
    pub fn from_note(note: &[u8]) -> Option<Plan> {
        let [created_ms, id] = json::object(note, 2, &["created_ms", "id"]).ok()?;
        let created_ms = fields::number(created_ms, 0, "created_ms").ok()??;
        let id = fields::id(id?).ok()?;
        Plan::parse(note, 2, created_ms, || id).ok().map(|(plan, _)| plan)
    }
}

fn read_steps(raw: Option<&str>) -> Result<Vec<TypeName>, Problem> {
    let wrong = || Problem::invalid_field("processors", "expected a list of ids, names or types");
    let elements = json::elements(fields::given(raw).ok_or_else(wrong)?).ok_or_else(wrong)?;
    let mut steps = Vec::new();
    for element in elements {
        if steps.len() == MAX_STEPS {
            return Err(Problem::invalid_field("processors", "an action has at most 1000 steps"));
        }
        let step = fields::type_name(element)
            .map_err(|bad| Problem::invalid_field("processors", format!("the name of step {} {bad}", steps.len())))?;
        steps.push(step);
    }
    if steps.is_empty() {
        let detail = "an action needs at least one step";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "empty_action", detail).with("field", "processors"));
    }
    Ok(steps)
}

fn read_id(raw: &str) -> Result<JobId, Problem> {
    let id = fields::id(raw).map_err(|bad| Problem::invalid_field("id", format!("the id {bad}")))?;
    if id.text().len() > MAX_ID {
        return Err(Problem::invalid_field("id", "an action's id has at most 250 bytes"));
    }
    Ok(id)
}

fn read_url(raw: &str) -> Result<Url, Problem> {
    let text = json::string(raw).ok_or_else(|| Problem::invalid_field("response_url", "expected a URL"))?;
    Url::parse(&text).map_err(|bad| invalid_url("response_url", &bad.to_string()))
}

fn read_on_failure(raw: &str) -> Result<OnFailure, Problem> {
    json::string(raw)
        .and_then(|name| OnFailure::parse(&name))
        .ok_or_else(|| Problem::invalid_field("on_failure", "expected \"fail\" or \"skip\""))
}

/// How an action ended, as it is kept over restarts.
#[derive(Clone, PartialEq, Debug)]
pub struct End {
    /// How.
    pub how: How,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// Whether its `response_url` has taken it.
    pub is_delivered: bool,
}

/// How an action ended.
#[derive(Clone, PartialEq, Debug)]
pub enum How {
    /// With this data.
    Completed {
        /// Whose result it is.
        data: Carried,
    },
    /// At this step.
    Failed {
        /// Which.
        step: usize,
        /// Why, where the step's job can't tell it. JSON.
        error: Option<Body>,
    },
}

impl End {
    /// Its state, for people and programs.
    pub fn state(&self) -> &'static str {
        match self.how {
            How::Completed { .. } => "completed",
            How::Failed { .. } => "failed",
        }
    }

    /// As it is written into the store.
    pub fn to_note(&self) -> Body {
        let mut out = match &self.how {
            How::Completed { data: Carried::Input } => "{\"completed\":true".to_owned(),
            How::Completed { data: Carried::ResultOf(step) } => format!("{{\"completed\":true,\"step\":{step}"),
            How::Failed { step, .. } => format!("{{\"completed\":false,\"step\":{step}"),
        };
        out.push_str(&format!(",\"at_ms\":{},\"delivered\":{}", self.at_ms, self.is_delivered));
        let mut out = out.into_bytes();
        if let How::Failed { error: Some(error), .. } = &self.how {
            out.extend_from_slice(b",\"error\":");
            out.extend_from_slice(error);
        }
        out.push(b'}');
        Body::from(out)
    }

    /// As it was written; none where it can't have been this.
    pub fn from_note(note: &[u8]) -> Option<End> {
        let [completed, step, at_ms, delivered, error] =
            json::object(note, json::MAX_DEPTH, &["completed", "step", "at_ms", "delivered", "error"]).ok()?;
        let step = fields::number(step, 0, "step").ok()?.map(|step| step as usize);
        let how = if fields::flag(completed, false, "completed").ok()? {
            How::Completed { data: step.map_or(Carried::Input, Carried::ResultOf) }
        } else {
            How::Failed { step: step?, error: error.map(|error| Body::from(error.as_bytes())) }
        };
        Some(End {
            how,
            at_ms: fields::number(at_ms, 0, "at_ms").ok()??,
            is_delivered: fields::flag(delivered, false, "delivered").ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Plan, Body), String> {
        let new_id = || JobId::from_text("made").unwrap();
        Plan::parse(text.as_bytes(), 16, 9, new_id).map_err(|problem| problem.code().to_owned())
    }

    #[test]
    fn a_plan_has_defaults() {
        let (plan, data) = parse(r#"{"processors":["a","b"],"data":{"n":1.0}}"#).unwrap();
        assert_eq!(&*plan.id.text(), "made");
        assert_eq!(plan.steps.iter().map(|step| step.text()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((plan.priority, plan.on_failure, plan.created_ms), (0, OnFailure::Fail, 9));
        assert_eq!(&*data, br#"{"n":1.0}"#);
        assert_eq!(&*parse(r#"{"processors":["a"]}"#).unwrap().1, b"null");
        assert_eq!(&*plan.job_of(1).text(), "made/1");
    }

    #[test]
    fn bad_plans_are_refused() {
        let many = format!(r#"{{"processors":[{}"a"]}}"#, r#""a","#.repeat(MAX_STEPS));
        let long = format!(r#"{{"processors":["a"],"id":"{}"}}"#, "x".repeat(251));
        for (text, code) in [
            ("7", "invalid_message"),
            ("{", "invalid_json"),
            ("{}", "invalid_field"),
            (r#"{"processors":"a"}"#, "invalid_field"),
            (r#"{"processors":[]}"#, "empty_action"),
            (r#"{"processors":[1]}"#, "invalid_field"),
            (r#"{"processors":[""]}"#, "invalid_field"),
            (&many, "invalid_field"),
            (&long, "invalid_field"),
            (r#"{"processors":["a"],"id":"a\nb"}"#, "invalid_field"),
            (r#"{"processors":["a"],"priority":"high"}"#, "invalid_field"),
            (r#"{"processors":["a"],"on_failure":"cry"}"#, "invalid_field"),
            (r#"{"processors":["a"],"response_url":"ftp://a"}"#, "invalid_url"),
            (r#"{"processors":["a"],"response_url":7}"#, "invalid_field"),
            (r#"{"processors":["a"],"keep_ms":-1}"#, "invalid_field"),
            (r#"{"processors":["a"],"data":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}"#, "too_deep"),
        ] {
            assert_eq!(parse(text), Err(code.to_owned()), "{text}");
        }
        assert!(parse(&many.replacen(r#""a","#, "", 1)).is_ok(), "as many as allowed");
    }

    #[test]
    fn plans_and_ends_come_back_from_their_notes() {
        let full = r#"{"processors":["a\"","é"],"id":"x/end","priority":-5,"on_failure":"skip","response_url":"http://h:1/p?q","keep_ms":8}"#;
        for text in [full, r#"{"processors":["a"],"id":7}"#] {
            let (plan, _) = parse(text).unwrap();
            assert_eq!(Plan::from_note(&plan.to_note()), Some(plan));
        }
        for how in [
            How::Completed { data: Carried::Input },
            How::Completed { data: Carried::ResultOf(3) },
            How::Failed { step: 0, error: None },
            How::Failed { step: 9, error: Some(Body::from(&b"{\"a\":[1.0]}"[..])) },
        ] {
            for is_delivered in [false, true] {
                let end = End { how: how.clone(), at_ms: 5, is_delivered };
                assert_eq!(End::from_note(&end.to_note()), Some(end));
            }
        }
        assert_eq!((Plan::from_note(b"{}"), End::from_note(b"[]")), (None, None));
    }
}
