//! Peers that say anything at all, in all dialects at once, while jobs are cancelled, queues die and time goes by.
//!
//! Whatever they say: nothing panics, every request is answered, every frame of the server is one JSON object, and a peer
//! that behaves doesn't notice.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::rig::{House, Language};
use crate::core::{JobId, Limits, TypeName};
use crate::protocols::length_prefixed::{self, Next};

const LANGUAGES: [Language; 4] = [Language::GloomMaster, Language::GloomWorker, Language::Deputy, Language::Native];

/// What peers say, whether or not it is their dialect.
const REQUESTS: &[&str] = &[
    r#"{"action":"submit","id":ID,"type":"TYPE","body":[1,{}]}"#,
    r#"{"action":"submit","id":ID,"type":"TYPE","body":1,"notify":true,"ttl_ms":5,"keep_ms":3,"durable":true}"#,
    r#"{"action":"submit","id":ID,"type":"TYPE","body":1,"max_attempts":1,"lease_ms":2,"notify":true,"on_master_gone":"drop"}"#,
    r#"{"action":"submit","jobs":[{"id":ID,"type":"TYPE"},{"type":"TYPE","notify":true},{"id":ID},7]}"#,
    r#"{"action":"join","type":"TYPE","types":["TYPE","c"],"credit":2}"#,
    r#"{"action":"join","type":"TYPE","types":["TYPE"]}"#,
    r#"{"action":"join","type":"TYPE","types":[],"credit":3}"#,
    r#"{"action":"respond","id":ID,"body":"done"}"#,
    r#"{"action":"fail","id":ID,"error":"broken","delay_ms":1}"#,
    r#"{"action":"fail","id":ID,"retry":false}"#,
    r#"{"action":"touch","id":ID,"progress":0.5}"#,
    r#"{"action":"release","id":ID}"#,
    r#"{"action":"hello","name":"noise"}"#,
    r#"{"cmd":"can_do","types":["TYPE"]}"#,
    r#"{"cmd":"can_do","types":["TYPE","c"],"jobs":3}"#,
    r#"{"cmd":"can_do","types":[],"jobs":1}"#,
    r#"{"cmd":"do","id":ID,"type":"TYPE","arg":1,"ack":true}"#,
    r#"{"cmd":"do","id":ID,"type":"TYPE"}"#,
    r#"{"cmd":"did","id":ID,"res":1}"#,
    r#"{"cmd":"did","id":ID}"#,
    r#"{"cmd":"metrics"}"#,
    "{}",
    "[]",
];

#[derive(Clone, Debug)]
enum Noise {
    Says { peer: usize, frame: &'static str, id: u8, kind: &'static str, damage: Option<(Index, u8)> },
    Leaves { peer: usize },
    Cancels { id: u8 },
    Fails { kind: &'static str },
    Dies,
    Waits { ms: u64 },
    Silence,
    Speech { backwards: bool },
}

fn noise() -> impl Strategy<Value = Noise> {
    let damage = prop_oneof![9 => Just(None), 1 => any::<(Index, u8)>().prop_map(Some)];
    let kind = || select(vec!["a", "b", "c"]);
    prop_oneof![
        30 => (0..LANGUAGES.len(), select(REQUESTS), 0..4u8, kind(), damage)
            .prop_map(|(peer, frame, id, kind, damage)| Noise::Says { peer, frame, id, kind, damage }),
        1 => (0..LANGUAGES.len()).prop_map(|peer| Noise::Leaves { peer }),
        2 => (0..4u8).prop_map(|id| Noise::Cancels { id }),
        1 => kind().prop_map(|kind| Noise::Fails { kind }),
        2 => Just(Noise::Dies),
        3 => (1..10u64).prop_map(|ms| Noise::Waits { ms }),
        1 => Just(Noise::Silence),
        2 => any::<bool>().prop_map(|backwards| Noise::Speech { backwards }),
    ]
}

/// A peer that makes noise: connected again when its conversation is over.
struct Noisy {
    language: Language,
    visits: usize,
}

impl Noisy {
    fn name(&self) -> String {
        format!("{:?} {}", self.language, self.visits)
    }

    /// Its connection is gone, and it comes again.
    fn again(&mut self, house: &mut House) {
        house.leaves(&self.name());
        self.visits += 1;
        house.comes(&self.name(), self.language);
    }

    fn says(&mut self, house: &mut House, bytes: &[u8]) {
        house.says(&self.name(), bytes);
        if house.is_over(&self.name()) {
            expect_frames(self.language, &house.said(&self.name()));
            self.again(house);
        }
    }
}

fn expect_frames(language: Language, mut said: &[u8]) {
    let expect_object = |frame: &[u8]| {
        let value: serde_json::Value = serde_json::from_slice(frame).expect("the server says JSON");
        assert!(value.is_object());
    };
    if language == Language::Deputy {
        for line in said.split_inclusive(|byte| *byte == b'\n') {
            expect_object(line.strip_suffix(b"\r\n").expect("a whole line"));
        }
    } else {
        while !said.is_empty() {
            let Ok(Next::Frame { payload, consumed }) = length_prefixed::next(said, usize::MAX) else {
                panic!("the server says whole frames");
            };
            expect_object(payload);
            said = &said[consumed..];
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn noise_harms_nobody(noises in prop::collection::vec(noise(), 1..150), max_outstanding in 1..4usize) {
        let mut house = House::new(&Limits { max_outstanding, ..Limits::default() });
        let mut peers = LANGUAGES.map(|language| Noisy { language, visits: 0 });
        for peer in &peers {
            house.comes(&peer.name(), peer.language);
        }
        for noise in noises {
            match noise {
                Noise::Says { peer, frame, id, kind, damage } => {
                    let text = frame.replace("ID", &id.to_string()).replace("TYPE", kind);
                    let mut bytes = peers[peer].language.frame(text.as_bytes());
                    if let Some((place, byte)) = damage {
                        *place.get_mut(&mut bytes) = byte;
                    }
                    peers[peer].says(&mut house, &bytes);
                }
                Noise::Leaves { peer } => peers[peer].again(&mut house),
                Noise::Cancels { id } => house.cancels(&JobId::from_integer(&id.to_string()).unwrap()),
                Noise::Fails { kind } => house.fails(&TypeName::from_text(kind).unwrap()),
                Noise::Dies => house.failing_dies(),
                Noise::Waits { ms } => house.waits(ms),
                Noise::Silence => house.is_silent = true,
                Noise::Speech { backwards } => house.speech(backwards),
            }
        }
        house.failing_dies();
        house.speech(false);
        for peer in &mut peers {
            let name = peer.name();
            prop_assert!(house.is_over(&name) || house.outstanding(&name) == 0, "{name} waits for answers");
            expect_frames(peer.language, &house.said(&name));
            peer.again(&mut house);
        }
        // Somebody who behaves.
        house.comes("w", Language::GloomWorker);
        house.comes("m", Language::GloomMaster);
        let gloom = |text: &str| Language::GloomMaster.frame(text.as_bytes());
        house.says("w", &gloom(r#"{"action":"join","type":"quiet"}"#));
        house.hears(0, "w", &gloom(r#"{"ok":true}"#));
        house.says("m", &gloom(r#"{"action":"submit","id":"fine","type":"quiet","body":1}"#));
        house.hears(0, "m", &gloom(r#"{"ok":true,"id":"fine"}"#));
        house.hears(0, "w", &gloom(r#"{"action":"job","id":"fine","type":"quiet","body":1}"#));
        house.says("w", &gloom(r#"{"action":"respond","body":2}"#));
        house.hears(0, "w", &gloom(r#"{"ok":true}"#));
        house.hears(0, "m", &gloom(r#"{"id":"fine","body":2}"#));
    }
}
