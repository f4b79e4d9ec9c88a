//! The rooms of the house and the doors between them: who may import whom, and what the pure rooms never mention.
//!
//! It reads the sources. Comments, strings and what is compiled for tests only do not count.

use crate::support::sources::{all_files, code_of, crate_paths, files_of, mentions, shown, source_folder};

/// A room, the rooms it may import beside itself, and words it never mentions.
struct Room {
    name: &'static str,
    may_import: &'static [&'static str],
    never_says: &'static [&'static str],
}

const OUTSIDE_WORLD: &[&str] = &[
    "actix",
    "actix_rt",
    "actix_web",
    "tokio",
    "socket2",
    "std::net",
    "std::fs",
    "std::thread",
    "Instant::now",
    "SystemTime::now",
    "log::",
    "env_logger",
];

const ROOMS: &[Room] = &[
    Room { name: "core", may_import: &[], never_says: OUTSIDE_WORLD },
    Room { name: "json", may_import: &["core"], never_says: OUTSIDE_WORLD },
    Room { name: "protocols", may_import: &["core", "json"], never_says: OUTSIDE_WORLD },
    Room { name: "store", may_import: &["core::record"], never_says: &["actix", "actix_rt", "actix_web"] },
    Room { name: "actors", may_import: &["core", "protocols", "store"], never_says: &["actix_web"] },
    Room { name: "web", may_import: &["core", "json", "actors"], never_says: &[] },
];

/// The rooms that any path can lead to; other modules of the crate (settings, the map) are not rooms.
fn is_room(name: &str) -> bool {
    ROOMS.iter().any(|room| room.name == name)
}

#[test]
fn each_module_imports_only_what_the_design_lets_it() {
    let mut breaks = Vec::new();
    for room in ROOMS {
        for file in files_of(room.name) {
            let code = code_of(&file);
            for (line, path) in crate_paths(&code) {
                let first = path.split("::").next().expect("a path has a first part");
                let allowed = first == room.name
                    || room.may_import.iter().any(|may| path == *may || path.starts_with(&format!("{may}::")));
                if !allowed && is_room(first) {
                    breaks.push(format!("{}:{line}: {} imports crate::{path}", shown(&file), room.name));
                }
                if !allowed && !is_room(first) && ["main", "config", "cli"].contains(&first) {
                    breaks.push(format!("{}:{line}: {} imports crate::{path}", shown(&file), room.name));
                }
            }
        }
    }
    assert!(breaks.is_empty(), "edges that DESIGN.md does not have:\n{}", breaks.join("\n"));
}

#[test]
fn the_pure_rooms_never_mention_the_outside_world() {
    let mut breaks = Vec::new();
    for room in ROOMS {
        for file in files_of(room.name) {
            let code = code_of(&file);
            for (number, line) in code.lines().enumerate() {
                for word in room.never_says {
                    if mentions(line, word) {
                        breaks.push(format!(
                            "{}:{}: {} says {word}: {}",
                            shown(&file),
                            number + 1,
                            room.name,
                            line.trim()
                        ));
                    }
                }
            }
        }
    }
    assert!(breaks.is_empty(), "what DESIGN.md keeps out:\n{}", breaks.join("\n"));
}

#[test]
fn no_source_uses_unsafe_code_or_leaves_unfinished_marks() {
    let mut breaks = Vec::new();
    for file in all_files(&source_folder()) {
        let code = code_of(&file);
        for (number, line) in code.lines().enumerate() {
            for word in ["unsafe", "todo!", "unimplemented!", "dbg!"] {
                if mentions(line, word) {
                    breaks.push(format!("{}:{}: {word}: {}", shown(&file), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(breaks.is_empty(), "expected none of these:\n{}", breaks.join("\n"));
}
