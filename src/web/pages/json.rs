//! JSON from elsewhere, laid out to be read: every token as it was sent, so numbers are exact and duplicate keys are there.
//!
//! Only the white space between tokens changes. It never fails: what is not JSON is shown as it is.

use maud::{Markup, PreEscaped, html};

use super::text;

/// Longer bodies are cut here; the rest is at the API.
pub const SHOWN_BYTES: usize = 128 * 1024;
/// Laying out is for what people read; longer bodies are shown as they came.
const LAID_OUT_BYTES: usize = 32 * 1024;
/// Deeper levels are not indented any further: on a phone, nothing would be left of a line.
const DEEPEST: usize = 10;
/// A list or an object that fits in so many characters, without another one in it, stays on its line.
const INLINE: usize = 60;

/// A body, for a `pre`.
pub fn body(json: &[u8]) -> Markup {
    if json.len() <= LAID_OUT_BYTES
        && let Ok(text) = std::str::from_utf8(json)
    {
        return laid_out(text);
    }
    let shown = &json[..json.len().min(SHOWN_BYTES)];
    html! { (text::lines(&String::from_utf8_lossy(shown))) @if shown.len() < json.len() { "…" } }
}

/// An error, for a `pre`: the text of a string, with its lines; anything else as a body, but with its characters readable.
pub fn error(json: &[u8]) -> Markup {
    error_upto(json, SHOWN_BYTES)
}

/// The same, so many bytes of it at most.
pub fn error_upto(json: &[u8], bytes: usize) -> Markup {
    let mut end = json.len().min(bytes);
    // Not in the middle of a character.
    while json.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    let shown = &json[..end];
    let text = String::from_utf8_lossy(shown);
    html! {
        @match begun(&text) { Some(text) => (text::lines(&text)), None => (body(readable(&text).as_bytes())) }
        @if shown.len() < json.len() { "…" }
    }
}

/// A body in a line: so many characters of it. A string is shown without its quotes.
pub fn line(json: &[u8], characters: usize) -> Markup {
    // No character is longer than two escapes; what is cut inside of one is cut there.
    let start = String::from_utf8_lossy(&json[..json.len().min(characters * 12 + 12)]);
    let text = begun(&start).unwrap_or_else(|| readable(&start));
    text::clipped(&text.replace(['\n', '\r', '\t'], " "), characters)
}

/// The text of a JSON string, or of its beginning where the rest was cut off; none where it isn't a string.
pub fn begun(json: &str) -> Option<String> {
    let mut rest = json.trim_start().strip_prefix('"')?;
    let mut text = String::with_capacity(rest.len());
    loop {
        let plain = rest.find(['"', '\\']).unwrap_or(rest.len());
        text.push_str(&rest[..plain]);
        rest = &rest[plain..];
        let Some((letter, length)) = escape(rest) else { return Some(text) };
        text.push(letter);
        rest = &rest[length..];
    }
}

/// JSON with the characters that its escapes stand for, where they are beyond ASCII: some languages write all of them so.
pub fn readable(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        match escape(rest) {
            Some((letter, length)) if !letter.is_ascii() => {
                text.push(letter);
                rest = &rest[length..];
            }
            // An escaped backslash escapes nothing more.
            Some(_) | None => {
                let length = rest.chars().take(2).map(char::len_utf8).sum();
                text.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    text + rest
}

/// What the escape at the start stands for, and how long it is; none where there is no whole one.
fn escape(rest: &str) -> Option<(char, usize)> {
    let unit = |at: usize| u16::from_str_radix(rest.get(at..)?.strip_prefix("\\u")?.get(..4)?, 16).ok();
    let letter = match rest.strip_prefix('\\')?.chars().next()? {
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let units = [unit(0)?, unit(6).unwrap_or(0)];
            let letter = char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER);
            return Some((letter, 6 * letter.len_utf16()));
        }
        other => other,
    };
    Some((letter, 1 + letter.len_utf8()))
}

fn laid_out(json: &str) -> Markup {
    let mut markup = String::with_capacity(json.len() * 2);
    let mut rest = json.trim();
    let mut depth = 0;
    // Whether the innermost list or object stays on its line.
    let mut inline = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' | '[' => {
                markup.push(first);
                depth += 1;
                let is_inline = is_short(rest);
                inline.push(is_inline);
                rest = rest[1..].trim_start();
                let is_empty = rest.starts_with(['}', ']']);
                if !is_inline && !is_empty {
                    break_line(&mut markup, depth);
                }
                continue;
            }
            '}' | ']' => {
                depth = usize::saturating_sub(depth, 1);
                let was_inline = inline.pop().unwrap_or(true);
                if !was_inline && !markup.ends_with(['{', '[']) {
                    break_line(&mut markup, depth);
                }
                markup.push(first);
                1
            }
            ',' => {
                markup.push(',');
                match inline.last() {
                    Some(false) => break_line(&mut markup, depth),
                    Some(true) | None => markup.push(' '),
                }
                1
            }
            ':' => {
                markup.push_str(": ");
                1
            }
            '"' => string(&mut markup, rest),
            _ => word(&mut markup, rest),
        };
        rest = rest[length..].trim_start();
    }
    PreEscaped(markup)
}

fn string(markup: &mut String, rest: &str) -> usize {
    let length = string_length(rest);
    let is_key = rest[length..].trim_start().starts_with(':');
    colored(markup, if is_key { "j-key" } else { "j-text" }, &rest[..length]);
    length
}

fn word(markup: &mut String, rest: &str) -> usize {
    let length = rest.find(|letter: char| letter.is_whitespace() || ",:]}".contains(letter)).unwrap_or(rest.len());
    let length = length.max(rest.chars().next().map_or(1, char::len_utf8));
    let class = if rest.starts_with(|letter: char| letter.is_ascii_alphabetic()) { "j-word" } else { "j-number" };
    colored(markup, class, &rest[..length]);
    length
}

fn colored(markup: &mut String, class: &str, token: &str) {
    if class == "j-number" {
        markup.push_str(&text::lines(token).0);
    } else {
        markup.push_str(&html! { span class=(class) { (text::lines(token)) } }.0);
    }
}

/// The bytes of the string at the start, quotes included; all of it where it doesn't end.
fn string_length(rest: &str) -> usize {
    let mut is_escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Whether the list or object at the start is short and has no other one in it.
fn is_short(rest: &str) -> bool {
    let mut is_string = false;
    let mut is_escaped = false;
    for byte in rest.bytes().skip(1).take(INLINE) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            b'{' | b'[' if !is_string => return false,
            b'}' | b']' if !is_string => return true,
            _ => {}
        }
    }
    false
}

fn break_line(markup: &mut String, depth: usize) {
    markup.push('\n');
    for _ in 0..depth.min(DEEPEST) {
        markup.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text of markup without its spans.
    fn text_of(markup: &Markup) -> String {
        let mut text = String::new();
        for part in markup.0.split('<') {
            text.push_str(part.split_once('>').map_or(part, |(_, text)| text));
        }
        text.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    }

    #[test]
    fn every_token_is_as_it_was_sent() {
        let json = r#"{"a":1.0,"a":1e400,"n":123456789012345678901234567890,"s":"<b>\u0041\"&","l":[1,2],"o":{"deep":{"er":[[]]}},"t":true,"z":null,"e":{}}"#;
        let shown = text_of(&body(json.as_bytes()));
        let tight: String =
            shown.split('\n').map(str::trim_start).collect::<String>().replace(": ", ":").replace(", ", ",");
        assert_eq!(tight, json);
        assert!(shown.contains("\n  \"a\": 1e400,\n"), "{shown}");
        assert!(shown.contains("\"l\": [1, 2]"), "{shown}");
    }

    #[test]
    fn what_is_not_json_is_shown_as_it_is() {
        for odd in ["", "{", "]]]", "\"open", "{\"a\":", "nul", "::,,", "é", "{\"a\\"] {
            let shown = text_of(&body(odd.as_bytes()));
            assert_eq!(shown.split_whitespace().collect::<String>(), odd, "{odd}");
        }
        assert!(body(b"\"\xff\"").0.contains('\u{fffd}'));
    }

    #[test]
    fn long_and_deep_bodies_stay_bounded() {
        let deep = format!("{}{}{}", "[".repeat(128), "1,".repeat(10_000) + "1", "]".repeat(128));
        assert!(body(deep.as_bytes()).0.len() < 700_000, "{}", body(deep.as_bytes()).0.len());
        let long = format!("\"{}\"", "a".repeat(10_000_000));
        assert!(body(long.as_bytes()).0.len() < SHOWN_BYTES + 100);
    }

    #[test]
    fn an_error_is_its_text_however_long_or_broken() {
        assert_eq!(error(b"\"a\\n\\tb \\ud83d\\ude00\"").0, "a\n\tb 😀");
        assert_eq!(text_of(&error(br#"{"m":"\u00fc \u0022"}"#)), r#"{"m": "ü \u0022"}"#);
        for (cut, shown) in
            [("\"a\\", "a"), ("\"a\\u00", "a"), ("\"\\ud83d", "\u{fffd}"), ("\"\\ud83d\\u0041", "\u{fffd}A")]
        {
            assert_eq!(begun(cut).as_deref(), Some(shown), "{cut}");
        }
        assert_eq!(readable("\\"), "\\");
        let long = format!("\"{}\"", "é".repeat(SHOWN_BYTES));
        assert!(error(long.as_bytes()).0.ends_with("…"));
    }

    #[test]
    fn a_line_is_cut_and_a_string_is_its_text() {
        assert_eq!(
            line(b"\"time\\nout\\u0000\"", 20).0,
            "<bdi>time out<span class=\"odd\" title=\"U+0000\">\\u{0}</span></bdi>"
        );
        assert_eq!(line("\"ääää\"".as_bytes(), 3).0, "<bdi>äää</bdi>…");
        let long = format!("\"line 1\\nline 2 \\ud83d\\ude00 {}\"", "\\u00e9".repeat(10_000));
        assert_eq!(line(long.as_bytes(), 18).0, "<bdi>line 1 line 2 😀 éé</bdi>…");
        assert_eq!(
            line(br#"{"m":"\u00e9\\u00e9\u0041"}"#, 60).0,
            "<bdi>{&quot;m&quot;:&quot;é\\\\u00e9\\u0041&quot;}</bdi>"
        );
        assert_eq!(line(b"{\"a\":1}", 30).0, "<bdi>{&quot;a&quot;:1}</bdi>");
    }
}
