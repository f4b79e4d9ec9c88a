//! Reading `/metrics`, strictly.

use super::*;
use std::collections::{BTreeMap, BTreeSet};

/// A sample: name, labels, value.
pub type Sample = (String, BTreeMap<String, String>, f64);

/// What a scrape says.
pub struct Scrape {
    /// The type of each family.
    pub kinds: BTreeMap<String, String>,
    /// The samples.
    pub samples: Vec<Sample>,
}

/// Reads a scrape strictly.
#[track_caller]
pub fn scrape(http: &mut Http) -> Scrape {
    let answer = http.ask("GET", "/metrics", &[], None).expect(200);
    let kind = answer.header("content-type").expect("a scrape has a type").to_owned();
    assert!(
        kind.starts_with("text/plain; version=0.0.4") || kind.starts_with("application/openmetrics-text"),
        "got {kind}"
    );
    let text = answer.text();
    assert!(text.ends_with('\n'));
    let mut scrape = Scrape { kinds: BTreeMap::new(), samples: Vec::new() };
    let mut seen = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a type");
            assert!(scrape.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "expected one type of {name}");
        } else if line.starts_with('#') {
            assert!(line.starts_with("# HELP ") || line.starts_with("# UNIT ") || line == "# EOF", "got {line}");
        } else {
            let sample = sample(line);
            assert!(seen.insert((sample.0.clone(), sample.1.clone())), "expected each sample once, got {line}");
            scrape.samples.push(sample);
        }
    }
    scrape
}

#[track_caller]
fn sample(line: &str) -> Sample {
    let name_length = line.find(['{', ' ']).unwrap_or_else(|| panic!("expected a sample, got {line:?}"));
    let (name, mut rest) = line.split_at(name_length);
    assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'), "got {line:?}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("expected a label in {line:?}"));
            let label = label.trim_start_matches(',').to_owned();
            let (mut text, mut letters) = (String::new(), value.char_indices());
            let end = loop {
                match letters.next().unwrap_or_else(|| panic!("expected the end of a label in {line:?}")) {
                    (at, '"') => break at,
                    (_, '\\') => match letters.next().map(|(_, letter)| letter) {
                        Some('n') => text.push('\n'),
                        Some(letter @ ('"' | '\\')) => text.push(letter),
                        other => panic!("expected an escape, got {other:?} in {line:?}"),
                    },
                    (_, letter) => text.push(letter),
                }
            };
            assert!(labels.insert(label, text).is_none(), "expected each label once in {line:?}");
            rest = &value[end + 1..];
        }
        rest = &rest[1..];
    }
    let value = rest.trim_start().split(' ').next().unwrap_or_default();
    let value = match value {
        "+Inf" => f64::INFINITY,
        number => number.parse().unwrap_or_else(|error| panic!("expected a value in {line:?}: {error}")),
    };
    (name.to_owned(), labels, value)
}

impl Scrape {
    /// The sum of the samples of this name that have this label.
    pub fn sum(&self, name: &str, label: Option<(&str, &str)>) -> u64 {
        let has = |labels: &BTreeMap<String, String>| {
            label.is_none_or(|(label, value)| labels.get(label).is_some_and(|known| known == value))
        };
        let found = self.samples.iter().filter(|(known, labels, _)| known == name && has(labels));
        found.map(|(_, _, value)| *value).sum::<f64>() as u64
    }
}
