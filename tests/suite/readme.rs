//! The README's commands work as they stand.
//!
//! Every fenced block whose info string is `sh test` is run by `bash -eu` in the root of the repository, with the built
//! `procession` first in the PATH, and every `python test` by `python3` with the Python client at hand. A server in memory
//! listens on the default ports meanwhile, because that is what a reader has; where they are taken, nothing is run, visibly. A
//! block `sh test alone` starts its own server. A block `text output` right behind one has lines that must appear in this
//! order in what it printed; `…` stands for anything.

use crate::support::server::{BINARY, command, has_http};
use crate::support::{Process, Server, TempDir, has_program, skipped};
use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// HTTP first, then those that every build has.
const DEFAULT_PORTS: [u16; 5] = [3000, 3001, 9998, 9999, 11746];

#[derive(Clone, Copy, PartialEq)]
enum Language {
    Shell,
    Python,
}

/// The language of a block that is to be run.
fn language(block: &Block) -> Option<Language> {
    match block.info.as_str() {
        "sh test" | "sh test alone" => Some(Language::Shell),
        "python test" => Some(Language::Python),
        _ => None,
    }
}

struct Block {
    line: usize,
    info: String,
    text: String,
}

fn blocks(markdown: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in markdown.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (open, fence) {
            (false, Some(info)) => {
                blocks.push(Block { line: number + 1, info: info.trim().to_owned(), text: String::new() });
                open = true;
            }
            (true, Some(_)) => open = false,
            (true, None) => {
                let block = blocks.last_mut().expect("an open block is the last one");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (false, None) => {}
        }
    }
    blocks
}

/// Whether nobody listens where everybody expects the server.
fn default_ports_are_free() -> bool {
    let wanted = if has_http() { &DEFAULT_PORTS[..] } else { &DEFAULT_PORTS[1..] };
    wanted.iter().all(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok())
}

/// A server where everybody expects it.
fn usual_server() -> Server {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    command.args(["--store", "memory:"]);
    Server::spawn(dir, &mut command)
}

/// The default ports are one set per machine: whoever holds this file's lock may use them.
fn take_turns() -> File {
    let path = std::env::temp_dir().join("procession-suite-default-ports.lock");
    let file = File::create(path).expect("the folder for temporary files is writable");
    file.lock().expect("a file can be locked");
    file
}

fn run_block(block: &Block) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binaries = Path::new(BINARY).parent().expect("a binary is in a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let (program, arguments) = match language(block) {
        Some(Language::Python) => ("python3", &["-c"][..]),
        _ => ("bash", &["-euo", "pipefail", "-c"][..]),
    };
    let mut process = Process::spawn(
        Command::new(program)
            .args(arguments)
            .arg(&block.text)
            .current_dir(root)
            .env("PYTHONPATH", root.join("examples/python"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PATH", format!("{binaries}:{path}"))
            .env("PROCESSION_STORE", "memory:"),
    );
    let status = process.wait(Duration::from_secs(60));
    let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
    assert!(
        status.success(),
        "expected the block at README.md:{} to succeed, got {status}\n{}\nstdout: {stdout}\nstderr: {stderr}",
        block.line,
        block.text
    );
    stdout
}

/// Each line of the expectation appears, in order; `…` stands for anything.
fn expect_output(block: &Block, printed: &str) {
    let mut lines = printed.lines();
    for expected in block.text.lines().filter(|line| !line.trim().is_empty()) {
        assert!(
            lines.any(|line| fits(line.trim_end(), expected.trim_end())),
            "README.md:{}: expected a line {expected:?}, got\n{printed}",
            block.line
        );
    }
}

fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().expect("a split has a first part");
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    let mut open_end = false;
    for part in parts {
        open_end = part.is_empty();
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty() || open_end
}

#[test]
fn every_marked_block_of_the_readme_runs() {
    let Ok(markdown) = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")) else {
        return skipped("readme", "there is no README.md");
    };
    let blocks = blocks(&markdown);
    assert!(
        blocks.iter().any(|block| language(block).is_some()),
        "expected README.md to have a block that is marked `sh test`"
    );
    let _turn = take_turns();
    if !default_ports_are_free() {
        return skipped("readme", "a default port is taken");
    }
    for (number, block) in blocks.iter().enumerate() {
        let interpreter = match language(block) {
            None => continue,
            Some(Language::Shell) => "bash",
            Some(Language::Python) => "python3",
        };
        if !has_program(interpreter) {
            skipped(&format!("README.md:{}", block.line), &format!("{interpreter} is missing"));
            continue;
        }
        let _server = (block.info != "sh test alone").then(usual_server);
        let printed = run_block(block);
        if let Some(output) = blocks.get(number + 1).filter(|next| next.info == "text output") {
            expect_output(output, &printed);
        }
    }
}

#[test]
fn the_reader_of_blocks_sees_what_it_should() {
    let markdown = "a\n```sh test\necho 1\n```\n```text output\n1\n```\n```\nplain\n```\n";
    let found: Vec<(usize, String, String)> =
        blocks(markdown).into_iter().map(|block| (block.line, block.info, block.text)).collect();
    let expected = [(2, "sh test", "echo 1\n"), (5, "text output", "1\n"), (8, "", "plain\n")];
    let expected: Vec<(usize, String, String)> =
        expected.iter().map(|&(line, info, text)| (line, info.to_owned(), text.to_owned())).collect();
    assert_eq!(found, expected);
    assert!(fits("job 12 is done", "job … is done") && fits("abc", "a…") && fits("abc", "abc"));
    assert!(!fits("job 12 is gone", "job … is done") && !fits("abcd", "abc") && !fits("xabc", "abc"));
}
