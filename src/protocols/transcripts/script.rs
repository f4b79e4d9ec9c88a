//! A transcript, read and played.

use super::rig::{House, Language};
use crate::core::{JobId, Limits, TypeName};
use crate::json::fields;

/// The steps of a transcript, each with its line number.
pub(super) struct Script<'a> {
    steps: Vec<(usize, Step<'a>)>,
}

enum Step<'a> {
    Comes(&'a str, Language),
    /// A segment on the wire.
    Says(&'a str, Vec<u8>),
    Hears(&'a str, Vec<u8>),
    IsOver(&'a str),
    Leaves(&'a str),
    Silence,
    Speech {
        backwards: bool,
    },
    Waits(u64),
    Cancels(JobId),
    Fails(TypeName),
    Dies(TypeName),
    Drains,
}

impl<'a> Script<'a> {
    pub(super) fn read(text: &'a str) -> Script<'a> {
        let mut languages: Vec<(&str, Language)> = Vec::new();
        let mut steps: Vec<(usize, Step)> = Vec::new();
        for (number, line) in text.lines().enumerate().map(|(place, line)| (place + 1, line.trim_start())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let step =
                read_step(line, &mut languages).unwrap_or_else(|| panic!("line {number} of a transcript: {line}"));
            if let Step::Says(who, bytes) = &step
                && let Some((_, Step::Says(before, segment))) = steps.last_mut()
                && before == who
            {
                segment.extend_from_slice(bytes);
                continue;
            }
            steps.push((number, step));
        }
        Script { steps }
    }

    /// The length of the longest segment.
    pub(super) fn longest(&self) -> usize {
        let lengths =
            self.steps.iter().map(|(_, step)| if let Step::Says(_, segment) = step { segment.len() } else { 0 });
        lengths.max().unwrap_or(0)
    }

    /// Plays it, each segment cut by `cut`.
    pub(super) fn play(&self, limits: &Limits, cut: impl Fn(&[u8]) -> Vec<&[u8]>) {
        let mut house = House::new(limits);
        for (number, step) in &self.steps {
            if !matches!(step, Step::Hears(..)) {
                house.expect_silence(*number);
            }
            match step {
                Step::Comes(who, language) => house.comes(who, *language),
                Step::Says(who, segment) => cut(segment).into_iter().for_each(|bytes| house.says(who, bytes)),
                Step::Hears(who, frame) => house.hears(*number, who, frame),
                Step::IsOver(who) => assert!(house.is_over(who), "line {number}: {who} is not over"),
                Step::Leaves(who) => house.leaves(who),
                Step::Silence => house.is_silent = true,
                Step::Speech { backwards } => house.speech(*backwards),
                Step::Waits(ms) => house.waits(*ms),
                Step::Cancels(id) => house.cancels(id),
                Step::Fails(kind) => house.fails(kind),
                Step::Dies(kind) => house.dies(kind),
                Step::Drains => house.drains(),
            }
        }
        house.expect_silence(usize::MAX);
    }
}

fn read_step<'a>(line: &'a str, languages: &mut Vec<(&'a str, Language)>) -> Option<Step<'a>> {
    let (who, rest) = line.split_once(' ').unwrap_or((line, ""));
    let language = |who: &str| languages.iter().find(|(name, _)| *name == who).map(|(_, language)| *language);
    Some(match (who, rest) {
        ("silence", "") => Step::Silence,
        ("speech", "") => Step::Speech { backwards: false },
        ("speech", "backwards") => Step::Speech { backwards: true },
        ("drain", "") => Step::Drains,
        ("cancel", id) => Step::Cancels(fields::id(id).ok()?),
        (kind, "fails") => Step::Fails(TypeName::from_text(kind).ok()?),
        (kind, "dies") => Step::Dies(TypeName::from_text(kind).ok()?),
        (ms, "ms") => Step::Waits(ms.parse().ok()?),
        (who, "is over") => Step::IsOver(who),
        (who, "leaves") => Step::Leaves(who),
        (who, rest) => match rest.split_once(' ').unwrap_or((rest, "")) {
            ("is", name) => {
                let language = Language::named(name)?;
                languages.push((who, language));
                Step::Comes(who, language)
            }
            ("→", text) => Step::Says(who, language(who)?.frame(text.as_bytes())),
            ("→x", text) => Step::Says(who, language(who)?.frame(&unescaped(text))),
            ("→|", text) => Step::Says(who, unescaped(text)),
            ("←", text) => Step::Hears(who, language(who)?.frame(text.as_bytes())),
            _ => return None,
        },
    })
}

fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next().expect("an escape has a letter") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'\\' => b'\\',
                b'x' => {
                    let hex: String = rest.by_ref().take(2).map(char::from).collect();
                    u8::from_str_radix(&hex, 16).expect("two hexadecimal digits")
                }
                other => panic!("no escape: {}", char::from(other)),
            },
            plain => plain,
        });
    }
    bytes
}
