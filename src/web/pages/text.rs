//! Text from elsewhere: shown as text, never as markup, and with nothing in it that could make a reader see another text.
//!
//! maud escapes what HTML would read. What it lets through, and what is made visible here, are characters that a reader
//! doesn't see and that reorder, hide or join others: controls, marks of direction, invisible spaces.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

/// A name or a line of text: every odd character is shown as its number, also line breaks.
pub fn line(text: &str) -> Markup {
    html! { bdi { (shown(text, false)) } }
}

/// Text that may have several lines, for a `pre`.
pub fn lines(text: &str) -> Markup {
    shown(text, true)
}

/// At most so many characters of a text, and an ellipsis where it goes on.
pub fn clipped(text: &str, characters: usize) -> Markup {
    match text.char_indices().nth(characters) {
        None => line(text),
        Some((at, _)) => html! { (line(&text[..at])) "…" },
    }
}

/// The same for attributes, which take no markup.
pub fn flat(text: &str) -> String {
    let mut flat = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_odd(letter, false) {
            flat.extend(letter.escape_unicode());
        } else {
            flat.push(letter);
        }
    }
    flat
}

fn shown(text: &str, several_lines: bool) -> Markup {
    let mut markup = String::with_capacity(text.len() + 16);
    let mut plain_from = 0;
    for (at, letter) in text.char_indices().filter(|(_, letter)| is_odd(*letter, several_lines)) {
        escape(&mut markup, &text[plain_from..at]);
        let number = u32::from(letter);
        write!(markup, "<span class=\"odd\" title=\"U+{number:04X}\">\\u{{{number:x}}}</span>")
            .expect("a string takes anything");
        plain_from = at + letter.len_utf8();
    }
    escape(&mut markup, &text[plain_from..]);
    PreEscaped(markup)
}

/// What HTML reads becomes what it shows.
fn escape(markup: &mut String, text: &str) {
    markup.push_str(&html! { (text) }.0);
}

/// Characters that a reader doesn't see, but that change what is seen. The joiner of emoji is not among them.
fn is_odd(letter: char, several_lines: bool) -> bool {
    match letter {
        '\n' | '\t' => !several_lines,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' | '\u{115f}' | '\u{1160}' | '\u{3164}' => true,
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' => true,
        _ => letter.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_stays_text() {
        assert_eq!(line("<b onclick=\"x\">&amp;").0, "<bdi>&lt;b onclick=&quot;x&quot;&gt;&amp;amp;</bdi>");
        assert_eq!(lines("a\n\tb").0, "a\n\tb");
    }

    #[test]
    fn odd_characters_are_seen() {
        let odd = "<span class=\"odd\" title=\"U+202E\">\\u{202e}</span>";
        assert_eq!(line("a\u{202e}b").0, format!("<bdi>a{odd}b</bdi>"));
        assert!(line("a\nb").0.contains("\\u{a}"));
        for letter in ['\0', '\u{1b}', '\u{9b}', '\u{200b}', '\u{feff}', '\u{2066}', '\u{e0041}'] {
            assert!(!lines(&letter.to_string()).0.contains(letter), "{letter:?}");
            assert!(!flat(&letter.to_string()).contains(letter), "{letter:?}");
        }
        assert_eq!(lines("👩‍👩‍👧 é العربية 漢字").0, "👩‍👩‍👧 é العربية 漢字");
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(clipped("äöü", 3).0, "<bdi>äöü</bdi>");
        assert_eq!(clipped("äöü", 2).0, "<bdi>äö</bdi>…");
    }
}
