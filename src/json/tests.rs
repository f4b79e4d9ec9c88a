//! The scan against tables of right and wrong texts, and against serde_json.

use super::*;
use proptest::prelude::*;
use serde_json::value::RawValue;

const NAMES: [&str; 4] = ["action", "id", "body", "priority"];

fn read(text: &str) -> Result<[Option<&str>; 4], Flaw> {
    object(text.as_bytes(), 128, &NAMES)
}

#[test]
fn members_come_in_the_order_of_the_names_whatever_the_order_in_the_text() {
    let expected = [Some("\"submit\""), Some("7"), Some("{\"a\": [1, 2]}"), None];
    for text in [
        r#"{"action":"submit","id":7,"body":{"a": [1, 2]}}"#,
        r#"{"body":{"a": [1, 2]},"id":7,"action":"submit"}"#,
        r#"{"x":[{}],"id":7,"actions":1,"action":"submit","x":1,"body":{"a": [1, 2]},"bod":{"id":1}}"#,
        " \t\r\n{ \"id\"\n: 7 , \"action\" :\"submit\"\t,\"body\":\r{\"a\": [1, 2]} } ",
    ] {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
    assert_eq!(read("{}"), Ok([None; 4]));
    assert_eq!(read(" { } "), Ok([None; 4]));
    assert_eq!(object(b"{\"\":1}", 0, &[""]), Ok([Some("1")]));
}

#[test]
fn a_name_may_be_spelled_with_escapes() {
    let text =
        r#"{"\u0061ction":1,"i\u0064":2,"\u0062\u006f\u0064\u0079":3,"prior\ud800ity":4,"\\id":5,"\u0069\u0064s":6}"#;
    assert_eq!(read(text), Ok([Some("1"), Some("2"), Some("3"), None]));
    assert_eq!(object(br#"{"a\/\n\ud83d\ude00":1}"#, 0, &["a/\n😀"]), Ok([Some("1")]));
    let twice = read(r#"{"id":1,"\u0069d":2}"#);
    assert_eq!(twice, Err(Flaw::DuplicateMember { at: 8, name: "id" }));
}

#[test]
fn a_name_is_compared_to_its_last_byte() {
    const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";
    let near =
        |key: &str, name| object(format!("{{\"{key}\":1}}").as_bytes(), 0, &[name]).map(|[found]| found.is_some());
    for length in 0..ALPHABET.len() {
        let name = &ALPHABET[..length];
        assert_eq!(near(name, name), Ok(true));
        assert_eq!(near(&format!("{name}!"), name), Ok(false));
        for place in 0..length {
            let mut other = name.to_owned();
            other.replace_range(place..=place, "!");
            assert_eq!(near(&other, name), Ok(false));
            other.replace_range(place..=place, "");
            assert_eq!(near(&other, name), Ok(false));
        }
    }
}

#[test]
fn of_several_duplicates_the_first_is_told() {
    let text = r#"{"body":1,"id":2,"x":0,"x":0,"id":3,"body":4}"#;
    assert_eq!(read(text), Err(Flaw::DuplicateMember { at: 29, name: "id" }));
}

#[test]
fn a_body_passes_byte_for_byte() {
    for body in [
        "1.0",
        "1e400",
        "-0",
        "12345678901234567890123",
        "0.1e-999",
        r#"{"a":1,"a":2}"#,
        r#""\u0000\ud800 \/ \udc00\ud800""#,
        "\"\u{2028}\u{7f} é 😀\"",
        "[ 1 ,\n\t2 ]",
    ] {
        assert_eq!(read(&format!("{{\"id\": \n{body}\t}}")), Ok([None, Some(body), None, None]));
    }
}

#[test]
fn what_is_not_json_is_told_with_its_place() {
    for (text, at, what) in [
        ("", 0, "unexpected end"),
        (" \n", 2, "unexpected end"),
        ("\u{feff}{}", 0, "byte order mark"),
        ("nul", 0, "expected a value"),
        ("NaN", 0, "expected a value"),
        ("POST / HTTP/1.1\r\n", 0, "expected a value"),
        ("'a'", 0, "expected a value"),
        ("\0{}", 0, "expected a value"),
        ("// no\n{}", 0, "expected a value"),
        ("[1,]", 3, "expected a value"),
        ("[1 2]", 3, "expected ',' or ']'"),
        ("[1}", 2, "expected ',' or ']'"),
        ("[", 1, "unexpected end"),
        ("[1", 2, "unexpected end"),
        ("[] []", 3, "bytes after the value"),
        ("5\0", 1, "bytes after the value"),
        ("{", 1, "unexpected end"),
        ("{a:1}", 1, "expected a member name"),
        ("{,}", 1, "expected a member name"),
        (r#"{xaction":1}"#, 1, "expected a member name"),
        (r#"{"action:1}"#, 11, "unfinished string"),
        (r#"{"a" 1}"#, 5, "expected ':'"),
        (r#"{"a""#, 4, "unexpected end"),
        (r#"{"a":"#, 5, "unexpected end"),
        (r#"{"a":}"#, 5, "expected a value"),
        (r#"{"a":1"#, 6, "unexpected end"),
        (r#"{"a":1]"#, 6, "expected ',' or '}'"),
        (r#"{"a":1,}"#, 7, "expected a member name"),
        (r#"{"a":1 "b":2}"#, 7, "expected ',' or '}'"),
        (r#"{"a":{"b":1]}"#, 11, "expected ',' or '}'"),
        (r#"{"a":{"b"}}"#, 9, "expected ':'"),
        (r#"{"a":{1}}"#, 6, "expected a member name"),
        (r#"{"a":01}"#, 6, "expected ',' or '}'"),
        (r#"{"a":-}"#, 6, "expected a digit"),
        (r#"{"a":1.}"#, 7, "expected a digit"),
        (r#"{"a":1e+}"#, 8, "expected a digit"),
        (r#"{"a":+1}"#, 5, "expected a value"),
        (r#"{"a":.5}"#, 5, "expected a value"),
        (r#"{"a":0x1}"#, 6, "expected ',' or '}'"),
        (r#"{"a":truth}"#, 5, "expected a value"),
        (r#"{"a":-Infinity}"#, 6, "expected a digit"),
        (r#"{"a":"b}"#, 8, "unfinished string"),
        (r#"{"a":"\"#, 6, "invalid escape"),
        (r#"{"a":"\x41"}"#, 6, "invalid escape"),
        (r#"{"a":"\u12g4"}"#, 6, "invalid escape"),
        (r#"{"a":"\u+123"}"#, 6, "invalid escape"),
        (r#"{"a":"\u12"}"#, 6, "invalid escape"),
        ("{\"a\":\"tab\there\"}", 9, "control character in a string"),
        ("{\"a\n\":1}", 3, "control character in a string"),
        ("{}{}", 2, "bytes after the value"),
        ("{} x", 3, "bytes after the value"),
        ("{\u{a0}}", 1, "expected a member name"),
        (r#"{"id":1,"id":2"#, 14, "unexpected end"),
    ] {
        assert_eq!(read(text), Err(Flaw::Syntax { at, what }), "{text:?}");
    }
    let invalid = object(b"{\"a\":\"\xff\"}", 128, &NAMES);
    assert_eq!(invalid, Err(Flaw::Syntax { at: 6, what: "invalid utf-8" }));
}

#[test]
fn json_that_is_no_object_is_told_apart() {
    for text in ["[]", "\"x\"", "5", "null", " true ", "[[{\"a\":1}]]", "-0.5e+7"] {
        assert_eq!(read(text), Err(Flaw::NotAnObject), "{text}");
    }
}

#[test]
fn nesting_is_counted_for_each_value() {
    let arrays = |depth: usize| match depth {
        0 => "0".to_owned(),
        _ => format!("{}{}", "[".repeat(depth), "]".repeat(depth)),
    };
    let objects = |depth: usize| format!("{}null{}", "{\"\":".repeat(depth), "}".repeat(depth));
    for limit in [0, 1, 2, 63, 64, 65, 128, 129, MAX_DEPTH] {
        for value in [&arrays as &dyn Fn(usize) -> String, &objects] {
            for member in ["body", "unknown"] {
                let read = |value: String| {
                    let text = format!("{{\"id\":0,\"{member}\":{value}}}");
                    object(text.as_bytes(), limit, &["id"]).map(|_| ())
                };
                assert_eq!(read(value(limit)), Ok(()));
                assert_eq!(read(value(limit + 1)), Err(Flaw::TooDeep));
            }
            assert!(!deeper_than(&value(limit), limit));
            assert!(deeper_than(&value(limit + 1), limit));
        }
        assert_eq!(object(arrays(limit + 1).as_bytes(), limit, &["id"]), Err(Flaw::TooDeep));
    }
    assert_eq!(object(arrays(MAX_DEPTH + 1).as_bytes(), usize::MAX, &["id"]), Err(Flaw::TooDeep));
    assert_eq!(object(arrays(5_000_000).as_bytes(), 128, &["id"]), Err(Flaw::TooDeep));
    // What isn't JSON isn't, however deep: and that is told first.
    let cut = |text: String| matches!(object(text.as_bytes(), 128, &["id"]), Err(Flaw::Syntax { .. }));
    assert!(cut("[".repeat(5_000_000)) && cut(arrays(1_000) + "]") && cut(arrays(1_000).replace("[]", "[}")));
    assert!(cut(format!("{{\"id\":{}", "{\"a\":".repeat(1_000_000))));
    assert!(cut(format!("{{\"id\":{}}}", objects(1_000).replace("null", "nul"))));
    let text = format!("{{\"body\":{},\"id\":[{}],\"x\":{}}}", arrays(1_000), objects(200), objects(2_000));
    assert_eq!(object(text.as_bytes(), 128, &["id"]), Err(Flaw::TooDeep));
    assert_eq!(member_of_deep(text.as_bytes(), "id"), Some(&*format!("[{}]", objects(200))));
    let wide = format!("[{}[]]", "[[]],{\"a\":{}},".repeat(1_000));
    assert_eq!(object(format!("{{\"id\":{wide}}}").as_bytes(), 3, &["id"]), Ok([Some(wide.as_str())]));
}

#[test]
fn every_byte_of_a_string_is_looked_at() {
    for length in 0..100 {
        for place in 0..length {
            for special in ['"', '\\', '\0', '\u{1f}'] {
                let mut text = "x".repeat(length);
                text.replace_range(place..=place, special.encode_utf8(&mut [0; 4]));
                assert_eq!(plain(text.as_bytes()), place);
            }
        }
        let harmless = "\u{20}\u{21}\u{23}\u{5b}\u{5d}\u{7f}é\u{ffff}".repeat(length);
        assert_eq!(plain(harmless.as_bytes()), harmless.len());
    }
}

#[test]
fn a_description_shows_the_place_and_at_most_64_bytes() {
    let say = |text: &[u8]| object(text, 128, &NAMES).unwrap_err().describe(text);
    assert_eq!(say(b"{\"id\" 7}"), "expected ':' at byte 6, near {\"id\" 7}");
    assert_eq!(say(b""), "unexpected end at byte 0");
    assert_eq!(say(b"\x16\x03\\\xff"), "invalid utf-8 at byte 3, near \\x16\\x03\\\\\\xff");
    assert_eq!(say(b"{\"id\":1,\"id\":2}"), "duplicate member id at byte 8, near {\"id\":1,\"id\":2}");
    assert_eq!(say(b"[]"), "not an object");
    let long = format!("{{\"id\":\"{}\" !{}", "x".repeat(1_000), "y".repeat(1_000));
    let near = format!("{}\" !{}", "x".repeat(30), "y".repeat(31));
    assert_eq!(say(long.as_bytes()), format!("expected ',' or '}}' at byte 1009, near {near}"));
    assert_eq!(Flaw::Syntax { at: 99, what: "elsewhere" }.describe(b"ab"), "elsewhere at byte 99, near ab");
}

#[test]
fn elements_of_an_array() {
    let list = |raw| elements(raw).map(Iterator::collect::<Vec<_>>);
    assert_eq!(list("[]"), Some(vec![]));
    assert_eq!(list("[ \n]"), Some(vec![]));
    assert_eq!(list("[ 1 ,\"a,]\", [2,[3]] ,{\"b\":[]}\n]"), Some(vec!["1", "\"a,]\"", "[2,[3]]", "{\"b\":[]}"]));
    for other in ["{}", "1", "", "\"[]\""] {
        assert_eq!(list(other), None);
    }
    for broken in ["[", "[1", "[1,", "[1 2]", "[x]"] {
        assert!(list(broken).unwrap().len() <= 2);
    }
}

#[test]
fn kinds() {
    for (raw, expected) in [
        ("\"\"", Kind::String),
        ("-1", Kind::Number),
        ("0.5", Kind::Number),
        ("{}", Kind::Object),
        ("[]", Kind::Array),
        ("true", Kind::Bool),
        ("false", Kind::Bool),
        ("null", Kind::Null),
    ] {
        assert_eq!(kind(raw), expected);
        assert_eq!(boolean(raw), raw.parse().ok());
    }
}

#[test]
fn strings() {
    assert!(matches!(string("\"é\""), Some(Cow::Borrowed("é"))));
    let all = r#""\"\\\/\b\f\n\r\t\u0000\u00e9\uD83D\uDE00.""#;
    assert_eq!(string(all).as_deref(), Some("\"\\/\u{8}\u{c}\n\r\t\0é😀."));
    for half in [r#""\ud800""#, r#""\udc00""#, r#""\ud83d\n""#, r#""\ud83d\ud83d\ude00""#, r#""\ud83dx\ude00""#] {
        assert_eq!(string(half), None);
    }
    for other in ["1", "null", "[\"a\"]", "", "\"", r#""\""#, r#""\u""#, r#""\u12é""#] {
        assert_eq!(string(other), None);
    }
}

#[test]
fn integers() {
    for (raw, expected) in [
        ("0", Some(0)),
        ("-0", Some(0)),
        ("9223372036854775807", Some(i64::MAX)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("9223372036854775808", None),
        ("-9223372036854775809", None),
    ] {
        assert_eq!(integer(raw), expected);
        assert!(is_integer_token(raw));
    }
    for raw in ["5.0", "1e2", "\"5\"", "true", "null", "", "-", "+5", "01", "-01", "1 ", "[1]"] {
        assert_eq!(integer(raw), None);
        assert!(!is_integer_token(raw), "{raw}");
    }
}

#[test]
fn numbers() {
    assert_eq!(number("0.5"), Some(0.5));
    assert_eq!(number("-1e2"), Some(-100.0));
    assert_eq!(number("1e-999"), Some(0.0));
    for raw in ["1e400", "\"1\"", "null", "", "-", "-inf", "nan", "+1", ".5", "5.", "01"] {
        assert_eq!(number(raw), None);
    }
}

#[test]
fn a_value_on_one_line() {
    let mut out = BytesMut::from("before\n");
    write_single_line(&mut out, b"{\"a\":\r\n[\"\\n\"\t,1]\n}");
    assert_eq!(out, "before\n{\"a\":  [\"\\n\"\t,1] }");
}

/// JSON of all kinds, with whitespace, escapes and numbers as people never write them.
fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof!["null|true|false", r"-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?", text(),];
    leaf.prop_recursive(6, 40, 5, |inner| {
        let spaced =
            (space(), inner, space()).prop_map(|(before, value, after)| format!("{before}{value}{after}")).boxed();
        let member = (space(), text(), space(), spaced.clone())
            .prop_map(|(before, key, after, value)| format!("{before}{key}{after}:{value}"));
        prop_oneof![
            (space(), prop::collection::vec(spaced, 0..5)).prop_map(|(blank, all)| wrap('[', &blank, &all, ']')),
            (space(), prop::collection::vec(member, 0..5)).prop_map(|(blank, all)| wrap('{', &blank, &all, '}')),
        ]
    })
}

fn wrap(open: char, space: &str, all: &[String], close: char) -> String {
    format!("{open}{}{close}", if all.is_empty() { space.to_owned() } else { all.join(",") })
}

/// A raw string.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        r#"[ !#-\[\]-~]{0,40}"#,
        r#"\\["\\/bfnrt]"#,
        r"\\u[0-9a-fA-F]{4}",
        r"\\ud83[cd]\\ude[0-9a-f]{2}",
        "[é\u{7f}\u{2028}\u{ffff}😀]{1,9}",
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| format!("\"{}\"", pieces.concat()))
}

fn space() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \n\r\t]{1,3}"]
}

/// The names that the oracle test asks for, and one that it doesn't.
fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["action", "id", "body", "priority", "extra", r"\u0069d", r"bod\u0079"])
}

/// Small damage: at a place, some bytes go and others come.
fn damage() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let byte = prop::sample::select(b"\"\\{}[]:,0-9e.+tfnu/ \n\t\0\x1f\x7f\x80\xc3\xa9\xff".to_vec());
    (any::<prop::sample::Index>(), 0..3_usize, prop::collection::vec(byte, 0..3))
}

proptest! {
    #[test]
    fn the_members_are_those_that_serde_json_finds(
        members in prop::collection::vec((key(), value(), space(), space()), 0..6),
    ) {
        let all: Vec<_> = members.iter().map(|(key, value, a, b)| format!("{a}\"{key}\"{b}:{a}{value}{b}")).collect();
        let text = format!(" {} ", wrap('{', "\n", &all, '}'));
        prop_assert!(serde_json::from_str::<&RawValue>(&text).is_ok());
        let plain = |key: &str| serde_json::from_str::<String>(&format!("\"{key}\"")).unwrap();
        let mut expected = [None; 4];
        let mut duplicate = false;
        for (key, value, ..) in &members {
            if let Some(found) = NAMES.iter().position(|name| *name == plain(key)) {
                duplicate |= expected[found].replace(value.as_str()).is_some();
            }
        }
        match read(&text) {
            Err(Flaw::DuplicateMember { name, .. }) => prop_assert!(duplicate && NAMES.contains(&name)),
            found => prop_assert_eq!(found, Ok(expected)),
        }
    }

    #[test]
    fn damaged_texts_are_judged_as_serde_json_judges_them(
        value in value(), damages in prop::collection::vec(damage(), 0..4), whole in any::<bool>(),
    ) {
        let mut text = if whole { value } else { format!("{{\"id\":{value}}}") }.into_bytes();
        for (place, gone, come) in damages {
            let start = place.index(text.len() + 1);
            text.splice(start..text.len().min(start + gone), come);
        }
        let is_json = serde_json::from_slice::<&RawValue>(&text).is_ok();
        let is_object = text.trim_ascii_start().first() == Some(&b'{');
        match object(&text, 128, &["id"]) {
            Ok([id]) => {
                prop_assert!(is_json && is_object);
                prop_assert!(id.is_none_or(|id| serde_json::from_str::<&RawValue>(id).unwrap().get() == id));
            }
            Err(Flaw::NotAnObject) => prop_assert!(is_json && !is_object),
            Err(Flaw::DuplicateMember { .. }) => prop_assert!(is_json),
            Err(Flaw::TooDeep) => prop_assert!(false),
            Err(flaw @ Flaw::Syntax { at, .. }) => {
                prop_assert!(!is_json && at <= text.len());
                prop_assert!(flaw.describe(&text).bytes().all(|byte| matches!(byte, b' '..=b'~')));
            }
        }
    }

    #[test]
    fn brackets_are_matched_at_any_depth(brackets in "[\\[\\{]{0,200}", damages in prop::collection::vec(damage(), 0..2)) {
        let mut text: Vec<u8> = brackets.replace('{', "{\"\":").into_bytes();
        text.push(b'0');
        text.extend(brackets.bytes().rev().map(|byte| byte + 2));
        for (place, gone, come) in damages {
            let start = place.index(text.len() + 1);
            text.splice(start..text.len().min(start + gone), come);
        }
        let is_json = serde_json::from_slice::<&RawValue>(&text).is_ok();
        let syntax = matches!(object(&text, MAX_DEPTH, &["id"]), Err(Flaw::Syntax { .. }));
        prop_assert_eq!(is_json, !syntax);
    }

    #[test]
    fn any_bytes_are_answered(text in prop::collection::vec(any::<u8>(), 0..200), raw in any::<String>()) {
        let flaw = object(&text, 128, &NAMES).map(|_| ());
        prop_assert!(flaw.map_or_else(|flaw| flaw.describe(&text), |()| String::new()).is_ascii());
        // Whatever they say of a text that is no raw value, they say something.
        let _ = (kind(&raw), string(&raw), integer(&raw), is_integer_token(&raw), number(&raw), boolean(&raw));
        let _ = (deeper_than(&raw, 1), elements(&format!("[{raw}")).map(Iterator::count));
        let _ = string(&format!("\"\\u{raw}\""));
    }

    #[test]
    fn the_elements_of_an_array_are_its_values(all in prop::collection::vec((space(), value(), space()), 0..6)) {
        let spaced: Vec<_> = all.iter().map(|(before, value, after)| format!("{before}{value}{after}")).collect();
        let raw = wrap('[', " ", &spaced, ']');
        let expected: Vec<_> = all.iter().map(|(_, value, _)| value.as_str()).collect();
        prop_assert_eq!(elements(&raw).unwrap().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_string_means_what_serde_json_says(raw in text()) {
        prop_assert_eq!(string(&raw).map(Cow::into_owned), serde_json::from_str::<String>(&raw).ok());
    }

    #[test]
    fn an_integer_is_what_serde_json_says(raw in r"-?(0|[1-9][0-9]{0,20})") {
        // "-0" is an integer here and a float there.
        prop_assert_eq!(integer(&raw), serde_json::from_str(&raw).ok().or((raw == "-0").then_some(0)));
    }

    #[test]
    fn a_written_integer_is_what_serde_json_writes(number in any::<u64>(), shift in 0..64_u32) {
        for number in [number >> shift, 0, u64::MAX] {
            let mut out = BytesMut::new();
            write_integer(&mut out, number);
            prop_assert_eq!(&out[..], serde_json::to_vec(&number).unwrap());
        }
    }

    #[test]
    fn a_written_string_is_what_serde_json_writes(text in any::<String>(), controls in "[\\x00-\\x7f]{0,40}") {
        for text in [format!("{text}{controls}"), text, controls] {
            let mut out = BytesMut::new();
            write_string(&mut out, &text);
            prop_assert_eq!(&out[..], serde_json::to_vec(&text).unwrap());
            let raw = std::str::from_utf8(&out).unwrap();
            prop_assert_eq!(string(raw), Some(Cow::Owned(text)));
        }
    }

    #[test]
    fn a_value_on_one_line_means_the_same(raw in value()) {
        let mut out = BytesMut::new();
        write_single_line(&mut out, raw.as_bytes());
        prop_assert!(!out.contains(&b'\n') && !out.contains(&b'\r'));
        prop_assert_eq!(out.len(), raw.len());
        let unspaced = |text: &[u8]| text.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect::<Vec<_>>();
        prop_assert_eq!(unspaced(&out), unspaced(raw.as_bytes()));
    }
}
