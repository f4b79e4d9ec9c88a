//! The README's commands work as they stand.
//!
//! Every fenced block whose info string is `sh test` is run by `bash -eu` in the root of the repository, with the built
//! `procession` first in the PATH. A server in memory listens on the default ports meanwhile; where they are taken, one on
//! free ports is used and the numbers in the block are replaced. A block `sh test alone` starts its own server. A block
//! `text output` right behind it has lines that must appear in this order in what it printed; `…` stands for anything.
//! A block `python test` is run by `python3` with the Python client at hand.

use crate::support::server::{BINARY, command, has_http};
use crate::support::{Process, Server, TempDir, has_program, skipped};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

/// The default ports are one per machine: tests that want them take turns.
static DEFAULT_PORTS: Mutex<()> = Mutex::new(());

const DEFAULTS: [(&str, &str); 5] =
    [("http", "3000"), ("tcp", "3001"), ("gloom_masters", "9998"), ("gloom_workers", "9999"), ("deputy", "11746")];

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

/// A server on the default ports if they are free, else on others.
pub fn usual_server() -> Server {
    let dir = TempDir::new();
    let mut usual = command(dir.path());
    usual.args(["--store", "memory:"]);
    let free = DEFAULTS
        .iter()
        .filter(|(name, _)| *name != "http" || has_http())
        .all(|(_, port)| std::net::TcpListener::bind(format!("127.0.0.1:{port}")).is_ok());
    if free { Server::spawn(dir, &mut usual) } else { Server::start() }
}

/// Whether a server listens where everybody expects it.
pub fn is_usual(server: &Server) -> bool {
    server.tcp().port() == 3001
}

/// The text with the default ports replaced by the server's.
fn with_ports(text: &str, server: &Server) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let length = rest[start..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - start);
        let (number, after) = rest[start..].split_at(length);
        out.push_str(&rest[..start]);
        let port =
            DEFAULTS.iter().find(|(_, port)| *port == number).filter(|(name, _)| !server.ports()[*name].is_null());
        match port {
            Some((name, _)) => out.push_str(&server.address(name).port().to_string()),
            None => out.push_str(number),
        }
        rest = after;
    }
    out + rest
}

fn run_block(block: &Block, server: Option<&Server>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = match server {
        Some(server) if !is_usual(server) => with_ports(&block.text, server),
        _ => block.text.clone(),
    };
    let binaries = Path::new(BINARY).parent().expect("a binary is in a folder").display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    let (program, arguments) = match language(block) {
        Some(Language::Python) => ("python3", &["-c"][..]),
        _ => ("bash", &["-euo", "pipefail", "-c"][..]),
    };
    let mut process = Process::spawn(
        Command::new(program)
            .args(arguments)
            .arg(&script)
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
    let _turn = DEFAULT_PORTS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
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
        let alone = block.info == "sh test alone";
        let server = if alone { None } else { Some(usual_server()) };
        if alone && DEFAULTS.iter().any(|(_, port)| std::net::TcpListener::bind(format!("127.0.0.1:{port}")).is_err()) {
            skipped(&format!("README.md:{}", block.line), "a default port is taken");
            continue;
        }
        let printed = run_block(block, server.as_ref());
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
