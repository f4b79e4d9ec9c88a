//! The examples work against the real server.
//!
//! The Rust ones are run where `cargo test` has built them. An example that wants its server on the default ports is run
//! when they are free. What cannot run here says so.

use crate::support::server::BINARY;
use crate::support::{Process, Server, eventually, has_program, skipped};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A script of ours, if it is there and its interpreter too.
fn script(interpreter: &str, path: &str) -> Option<Command> {
    let file = root().join("examples").join(path);
    if !file.exists() {
        skipped(&format!("examples/{path}"), "it is not there");
        return None;
    }
    if !has_program(interpreter) {
        skipped(&format!("examples/{path}"), &format!("{interpreter} is missing"));
        return None;
    }
    let mut command = Command::new(interpreter);
    command.arg(file).current_dir(root());
    Some(command)
}

/// A Rust example that `cargo test` has built.
fn built(name: &str) -> Option<PathBuf> {
    let file = Path::new(BINARY).parent().expect("a binary is in a folder").join("examples").join(name);
    if file.exists() {
        return Some(file);
    }
    skipped(&format!("examples/{name}"), "it is not built (cargo test --test suite alone builds no examples)");
    None
}

#[track_caller]
fn expect_success(name: &str, mut process: Process) -> String {
    let status = process.wait(Duration::from_secs(60));
    let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
    assert!(status.success(), "expected {name} to succeed, got {status}\nstdout: {stdout}\nstderr: {stderr}");
    stdout
}

#[test]
fn the_rust_worker_and_master_do_ten_jobs_together() {
    let (Some(worker), Some(master)) = (built("worker"), built("master")) else { return };
    let server = Server::start();
    let worker = Process::spawn(Command::new(worker).args([&server.gloom_workers().to_string(), "echo"]));
    let master = Process::spawn(Command::new(master).args([&server.gloom_masters().to_string(), "echo", "10"]));
    let printed = expect_success("master", master);
    for number in 0..10 {
        let hello = format!("hello {number}");
        assert!(printed.contains(&hello), "expected the result {hello}, got {printed}");
    }
    eventually("the worker to have shown its jobs", || worker.stdout.text().contains("hello 9").then_some(()));
}

#[test]
fn the_rust_deputy_works_on_its_own_jobs() {
    let Some(example) = built("deputy") else { return };
    let server = Server::start();
    let process = Process::spawn(Command::new(example).args([&server.deputy().to_string(), "10"]));
    expect_success("deputy", process);
    let metrics = server.deputy_client().metrics();
    assert!(metrics.contains(r#""jobs_done":10,"#), "expected ten jobs, got {metrics}");
}

#[test]
fn the_rust_native_client_does_a_batch() {
    let Some(example) = built("native") else { return };
    let server = Server::start();
    let process = Process::spawn(Command::new(example).args([&server.tcp().to_string(), "25"]));
    let printed = expect_success("native", process);
    assert!(printed.lines().count() >= 25, "expected a line per job, got {printed}");
}

#[test]
fn the_python_quickstart_counts_the_files_over_every_protocol() {
    let server = Server::start();
    let folder = server.dir.join("files");
    std::fs::create_dir(&folder).expect("a folder can be made");
    for number in 0..50 {
        let text = format!("line {number}\n").repeat(number * 7 + 1);
        std::fs::write(folder.join(format!("file-{number}.txt")), text).expect("a file can be written");
    }
    let ports = [
        vec!["--masters".to_owned(), server.gloom_masters().port().to_string()],
        vec!["--workers".to_owned(), server.gloom_workers().port().to_string()],
    ]
    .concat();
    let url = vec!["--url".to_owned(), format!("tcp://{}", server.tcp())];
    let http = vec!["--url".to_owned(), format!("http://{}", server.address("http"))];
    for arguments in [ports, url, http] {
        let Some(mut command) = script("python3", "python/quickstart.py") else { return };
        command.args(&arguments).arg("--folder").arg(&folder).env("PYTHONDONTWRITEBYTECODE", "1");
        let printed = expect_success("quickstart.py", Process::spawn(&mut command));
        assert!(printed.contains("50 jobs in") && printed.contains("the plain loop finds the same"), "got {printed}");
    }
}

#[test]
fn the_shell_worker_does_what_its_command_says() {
    if !has_program("curl") {
        return skipped("examples/shell/worker.sh", "curl is missing");
    }
    let server = Server::start();
    let url = format!("http://{}", server.address("http"));
    let workers = [("count", "wc -w"), ("echo", "cat"), ("broken", "echo 'no \"such\" file' >&2; exit 3")];
    let _workers = workers.map(|(kind, work)| {
        let mut command = Command::new("sh");
        Process::spawn(command.arg(root().join("examples/shell/worker.sh")).args([kind, work, &url]))
    });
    for (job, expected) in [
        (r#"{"id":"a/b \"c\"","type":"count","body":"three little words"}"#, r#""result":3,"#),
        ("{\"type\":\"echo\",\"body\":{\"body\":1.0,\n\"x\":\"\\\",\"}}", r#""result":{"body":1.0, "x":"\","},"#),
        (r#"{"type":"broken","max_attempts":1}"#, r#""error":"no \"such\" file ","#),
    ] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-H", "Content-Type: application/json", "-d", job, &format!("{url}/api/v1/jobs?wait=25")]);
        let ended = expect_success("curl", Process::spawn(&mut curl));
        assert!(ended.contains(expected), "expected {expected} of {job}, got {ended}");
    }
}

#[test]
fn the_node_deputy_works_on_tcp_and_on_the_socket() {
    let dir = crate::support::TempDir::new();
    let socket = dir.join("deputy.sock").display().to_string();
    let server = Server::with_store(dir, &["--store", "memory:", "--deputy-socket", &socket]);
    for address in [server.deputy().to_string(), socket] {
        let Some(mut command) = script("node", "node/deputy.js") else { return };
        expect_success("deputy.js", Process::spawn(command.arg(&address)));
    }
    let metrics = server.deputy_client().metrics();
    assert!(!metrics.contains(r#""jobs_done":0,"#), "expected jobs to be done, got {metrics}");
}

#[test]
fn the_pipeline_over_processors_and_a_slave_is_right() {
    let Some(mut pipeline) = script("python3", "python/pipeline.py") else { return };
    let server = Server::start();
    let manager = format!("http://{}", server.address("http"));
    let gloom = server.gloom_workers().to_string();
    pipeline.args(["--manager", &manager, "--gloom", &gloom, "--most", "10"]);
    let printed = expect_success("the pipeline", Process::spawn(&mut pipeline));
    assert!(printed.contains("10 files, 30 steps, 0 wrong"), "{printed}");
    for step in ["extract", "count", "rank"] {
        let lines = printed.lines().filter(|line| line.trim_start().starts_with(step)).count();
        assert_eq!(lines, 10, "each step is printed as it happens: {printed}");
    }
}

#[test]
fn the_processors_work_on_actions() {
    let server = Server::start();
    let manager = format!("http://{}", server.address("http"));
    let mut processors = Vec::new();
    let mut steps = Vec::new();
    if let Some(example) = built("processor") {
        processors.push(Process::spawn(Command::new(example).args([&manager, "capitals"])));
        steps.push("capitals");
    }
    if let Some(mut python) = script("python3", "python/processor.py") {
        processors.push(Process::spawn(python.args(["reverse", "--manager", &manager])));
        steps.push("reverse");
    }
    for processor in &processors {
        eventually("the processor to have registered", || {
            processor.stdout.text().contains(" at http://").then_some(())
        });
    }
    if steps.is_empty() {
        return;
    }
    let action = server.reduce(&serde_json::json!({"processors": steps, "data": "abc"}));
    let expected = match steps.as_slice() {
        ["capitals"] => "ABC",
        ["reverse"] => "cba",
        _ => "CBA",
    };
    assert_eq!(action["data"], expected, "{action}");
}
