//! The program: its command line, its settings, how it starts, how it ends, and its client commands.

mod commands;
mod ending;
mod starting;

use crate::support::server::{command, free_ports, has_http, run, run_command};
use crate::support::{
    Framed, Heard, PATIENCE, Process, Server, TempDir, assert_error, eventually, frame, gloom_master, gloom_worker,
    json, native,
};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

/// What is in a folder, by name.
fn contents(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("a folder can be listed");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("a folder can be listed").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// One clear line, exit code 2, in no time, and nothing created or deleted.
#[track_caller]
fn expect_refusal_of(dir: &Path, command: &mut std::process::Command, says: &[&str]) {
    let before = contents(dir);
    let start = Instant::now();
    let (code, stdout, stderr) = run_command(command);
    assert_eq!(code, Some(2), "expected exit code 2 from {command:?}, stdout: {stdout} stderr: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "expected one line from {command:?}, got {stderr}");
    for word in says {
        assert!(stderr.contains(word), "expected {word:?} in the line of {command:?}, got {stderr}");
    }
    let took = start.elapsed();
    assert!(took < Duration::from_secs(10), "expected the end at once, it took {took:?}");
    assert_eq!(contents(dir), before, "expected nothing to be created or deleted by {command:?}");
}

#[track_caller]
fn expect_refusal(dir: &Path, flags: &[&str], says: &[&str]) {
    expect_refusal_of(dir, command(dir).args(free_ports()).args(flags), says);
}
