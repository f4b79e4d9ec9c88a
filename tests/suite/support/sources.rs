//! Reading Rust sources well enough to know which paths they name, without comments, strings and tests.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the sources are.
pub fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// A file's path as people know it.
pub fn shown(file: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

/// The sources of a room, without the files that are modules of tests.
pub fn files_of(room: &str) -> Vec<PathBuf> {
    let folder = source_folder();
    let mut files = all_files(&folder.join(room));
    let single = folder.join(format!("{room}.rs"));
    if single.exists() {
        files.push(single);
    }
    let hidden = test_modules(&files);
    files.retain(|file| !hidden.iter().any(|test| file.starts_with(test) || file.with_extension("") == *test));
    files
}

/// All Rust files of a folder.
pub fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            files.extend(all_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Where the modules live that are declared as `#[cfg(test)] mod name;`, without their extension.
fn test_modules(files: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for file in files {
        let text = blank_comments_and_strings(&fs::read_to_string(file).expect("a source can be read"));
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let folder = if ["mod", "lib", "main"].contains(&stem.as_str()) {
            file.parent().expect("a file has a folder").to_owned()
        } else {
            file.with_extension("")
        };
        for item in test_items(&text) {
            let item = &text[item];
            let words: Vec<&str> = item.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
            if let Some(at) = words.iter().position(|word| *word == "mod")
                && item.trim_end().ends_with(';')
                && let Some(name) = words.get(at + 1)
            {
                found.push(folder.join(name));
            }
        }
    }
    found
}

/// What counts of a file: the same lines, with comments, strings and test items blanked.
pub fn code_of(file: &Path) -> String {
    visible(&fs::read_to_string(file).expect("a source can be read"))
}

fn visible(source: &str) -> String {
    let mut text = blank_comments_and_strings(source).into_bytes();
    let items = test_items(std::str::from_utf8(&text).expect("blanking keeps UTF-8"));
    for item in items {
        for byte in &mut text[item] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// Comments, strings and characters become spaces; everything stays in its place.
fn blank_comments_and_strings(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let before = if at == 0 { b' ' } else { bytes[at - 1] };
        let in_a_word = before.is_ascii_alphanumeric() || before == b'_';
        let length = if rest.starts_with(b"//") {
            rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len())
        } else if rest.starts_with(b"/*") {
            block_comment(rest)
        } else if rest[0] == b'"' {
            quoted(rest)
        } else if !in_a_word && let Some(length) = raw_string(rest) {
            length
        } else if rest[0] == b'\''
            && let Some(length) = character(rest)
        {
            length
        } else {
            at += 1;
            continue;
        };
        for byte in &mut out[at..at + length] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at += length;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn block_comment(rest: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> Option<usize> {
    let prefix = if rest.starts_with(b"br") {
        2
    } else if rest[0] == b'r' {
        1
    } else {
        return None;
    };
    let hashes = rest[prefix..].iter().take_while(|&&byte| byte == b'#').count();
    if rest.get(prefix + hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let start = prefix + hashes + 1;
    let found = rest[start..].windows(end.len()).position(|window| window == end)?;
    Some(start + found + end.len())
}

/// A character literal; a lifetime is none.
fn character(rest: &[u8]) -> Option<usize> {
    if rest.get(1) == Some(&b'\\') {
        let end = rest.iter().skip(3).position(|&byte| byte == b'\'')?;
        return Some(end + 4);
    }
    let text = std::str::from_utf8(&rest[1..rest.len().min(6)]);
    let first = match text {
        Ok(text) => text.chars().next()?,
        Err(error) => std::str::from_utf8(&rest[1..1 + error.valid_up_to()]).ok()?.chars().next()?,
    };
    (rest.get(1 + first.len_utf8()) == Some(&b'\'')).then_some(first.len_utf8() + 2)
}

/// The items under a `#[cfg(test)]`, each from its attribute to its end.
fn test_items(text: &str) -> Vec<std::ops::Range<usize>> {
    let bytes = text.as_bytes();
    let mut items = Vec::new();
    let mut from = 0;
    while let Some(found) = text[from..].find("#[cfg(") {
        let start = from + found;
        let end_of_attribute = start + text[start..].find(']').unwrap_or(text.len() - start - 1) + 1;
        let attribute = &text[start..end_of_attribute];
        from = end_of_attribute;
        if !mentions(attribute, "test") || attribute.contains("not(test") {
            continue;
        }
        let (mut depth, mut at) = (0, end_of_attribute);
        while at < bytes.len() {
            match bytes[at] {
                b'{' | b'(' | b'[' => depth += 1,
                b')' | b']' => depth -= 1,
                b'}' => {
                    depth -= 1;
                    let is_import = text[end_of_attribute..at].trim_start().starts_with("use ");
                    if depth == 0 && !is_import {
                        at += 1;
                        break;
                    }
                }
                b';' | b',' if depth == 0 => {
                    at += 1;
                    break;
                }
                _ => {}
            }
            at += 1;
        }
        items.push(start..at);
        from = at;
    }
    items
}

/// Every path that starts with `crate::`, with braces expanded, and its line.
pub fn crate_paths(code: &str) -> Vec<(usize, String)> {
    let mut paths = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        if before.is_alphanumeric() || before == '_' || before == '$' {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let mut found = Vec::new();
        expand(&code[at + "crate::".len()..], "", &mut found);
        paths.extend(found.into_iter().map(|path| (line, path)));
    }
    paths
}

/// Reads one path, or a group of paths in braces, and tells how far it went.
fn expand(text: &str, prefix: &str, found: &mut Vec<String>) -> usize {
    let trimmed = text.trim_start();
    let mut at = text.len() - trimmed.len();
    if trimmed.starts_with('{') {
        at += 1;
        loop {
            at += expand(&text[at..], prefix, found);
            let rest = text[at..].trim_start();
            at = text.len() - rest.len();
            match rest.chars().next() {
                Some(',') => at += 1,
                Some('}') => return at + 1,
                _ => return text.len(),
            }
            if text[at..].trim_start().starts_with('}') {
                continue;
            }
        }
    }
    if trimmed.starts_with('}') {
        return at;
    }
    let word: String = trimmed.chars().take_while(|&c| c.is_alphanumeric() || c == '_' || c == '*').collect();
    at += word.len();
    let path = if prefix.is_empty() { word } else { format!("{prefix}::{word}") };
    if let Some(rest) = text[at..].strip_prefix("::") {
        let rest_at = at + 2;
        if rest.starts_with('<') {
            found.push(path);
            return rest_at;
        }
        return rest_at + expand(rest, &path, found);
    }
    if let Some(rest) = text[at..].strip_prefix(" as ") {
        let alias = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').count();
        at += 4 + alias;
    }
    found.push(path);
    at
}

/// Whether a line has this word as a word.
pub fn mentions(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().unwrap_or(' ');
        let after = line[at + word.len()..].chars().next().unwrap_or(' ');
        let ends_as_word = word.ends_with(':') || !(after.is_alphanumeric() || after == '_');
        !(before.is_alphanumeric() || before == '_') && ends_as_word
    })
}

#[test]
fn the_reader_of_sources_sees_what_it_should() {
    let source = r##"
use crate::core::job::{Id, Job};
use crate::{actors, store::Log};
// use crate::web::Nothing;
/* crate::web::Nothing /* nested */ */
const TEXT: &str = "crate::web \" // not a comment";
const RAW: &str = r#"crate::web "quoted" "#;
const LETTER: char = '"';
fn life<'a>(text: &'a str) -> char { '\'' }
pub(crate) fn inside() { crate::protocols::json::scan(); }
#[cfg(test)]
mod tests {
    use crate::web::Page;
    fn brace() -> char { '}' }
}
#[cfg(test)]
use crate::web::Other;
#[cfg(all(test, unix))]
fn only() { crate::web::x() }
fn after() { crate::store::y() }
"##;
    let code = visible(source);
    let mut paths: Vec<(usize, String)> = crate_paths(&code);
    paths.sort();
    let expected = [
        (2, "core::job::Id"),
        (2, "core::job::Job"),
        (3, "actors"),
        (3, "store::Log"),
        (10, "protocols::json::scan"),
        (20, "store::y"),
    ];
    let expected: Vec<(usize, String)> = expected.iter().map(|&(line, path)| (line, path.to_owned())).collect();
    assert_eq!(paths, expected);
    assert!(mentions("use tokio::net;", "tokio") && !mentions("let tokiox = 1;", "tokio"));
    assert!(mentions("log::info!(1)", "log::") && !mentions("catalog::x", "log::"));
}
