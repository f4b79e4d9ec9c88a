//! What it logs, and its client commands.

use super::*;

#[test]
fn logs_have_no_bodies_no_tokens_and_one_line_per_event() {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    command
        .args(free_ports())
        .args(["--store", "memory:", "--log-format", "json"])
        .env("RUST_LOG", "trace")
        .env("PROCESSION_TOKEN", "a-very-secret-token-0123456789");
    let mut server = Server::spawn(dir, &mut command);
    let mut peer = native(&server);
    peer.call(r#"{"action":"hello","name":"line\nbreak\u001b[31m","token":"a-very-secret-token-0123456789"}"#);
    peer.call(r#"{"action":"submit","id":1,"type":"t","body":"confidential-body","notify":true}"#);
    peer.call(r#"{"action":"nonsense\nINFO forged line"}"#);
    peer.send(r#"{"action":"join","types":["t"],"credit":1}"#);
    peer.receive();
    peer.receive();
    peer.send(r#"{"action":"respond","id":1,"body":"confidential-result"}"#);
    peer.receive();
    let mut broken = native(&server);
    broken.send("{\"confidential-garbage");
    broken.until_closed();
    server.term();
    server.wait();
    let stderr = server.process.stderr.text();
    for secret in ["a-very-secret", "confidential-body", "confidential-result"] {
        assert!(!stderr.contains(secret), "expected no {secret} in the log, got {stderr}");
    }
    for line in stderr.lines() {
        let event: Result<serde_json::Value, _> = serde_json::from_str(line);
        assert!(event.is_ok_and(|event| event.is_object()), "expected a JSON object per line, got {line:?}");
    }
}

#[test]
fn version_and_help_are_printed() {
    let dir = TempDir::new();
    let (code, stdout, _) = run(dir.path(), &["--version"]);
    assert_eq!((code, stdout.trim()), (Some(0), concat!("procession ", env!("CARGO_PKG_VERSION"))));
    let (code, stdout, _) = run(dir.path(), &["--help"]);
    assert_eq!(code, Some(0));
    for name in ["serve", "check", "submit", "work", "stats", "healthcheck", "deputy"] {
        assert!(stdout.contains(name), "expected {name} in the help, got {stdout}");
        let (code, stdout, _) = run(dir.path(), &[name, "--help"]);
        assert!(code == Some(0) && stdout.contains("Usage"), "expected the help of {name}, got {stdout}");
    }
    assert!(contents(dir.path()).is_empty());
}

#[test]
fn submit_prints_the_id_and_with_wait_the_result() {
    let server = Server::start();
    let tcp = server.tcp().to_string();
    let dir = server.dir.path();
    let (code, stdout, stderr) = run(dir, &["submit", "t", r#"{"n":1.0}"#, "--tcp", &tcp]);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    let id = stdout.trim().trim_matches('"').to_owned();
    let mut worker = gloom_worker(&server, "t");
    worker.expect_job(&format!("\"{id}\""), "t", r#"{"n":1.0}"#);
    worker.respond("0");
    let mut process = Process::spawn(command(dir).args(["submit", "t", "[1]", "--wait", "--tcp", &tcp]));
    let job = json(&worker.receive());
    assert_eq!(job["body"], json("[1]"));
    assert!(process.try_wait().is_none(), "expected submit --wait to wait");
    worker.respond(r#"{"sum":1.0}"#);
    assert_eq!(process.wait(PATIENCE).code(), Some(0), "stderr: {}", process.stderr.text());
    assert_eq!(process.stdout.text().trim(), r#"{"sum":1.0}"#);
}

#[test]
fn submit_with_wait_fails_when_the_job_fails() {
    let server = Server::start();
    let tcp = server.tcp().to_string();
    let mut worker = native(&server);
    worker.ask(r#"{"action":"join","types":["t"]}"#, r#"{"ok":true}"#);
    let mut process = Process::spawn(command(server.dir.path()).args(["submit", "t", "1", "--wait", "--tcp", &tcp]));
    let job = json(&worker.receive());
    worker.ask(
        &format!(r#"{{"action":"fail","id":{},"error":"out of paper","retry":false}}"#, job["id"]),
        r#"{"ok":true}"#,
    );
    let status = process.wait(PATIENCE);
    assert!(!status.success(), "expected a failure, stdout: {}", process.stdout.text());
    assert!(process.stderr.text().contains("out of paper"), "got {}", process.stderr.text());
}

/// A worker that runs a command, and a peer to give it jobs.
fn with_exec(exec: &str, conversation: impl FnOnce(&mut Framed)) {
    let server = Server::start();
    let tcp = server.tcp().to_string();
    let worker = Process::spawn(command(server.dir.path()).args(["work", "t", "--exec", exec, "--tcp", &tcp]));
    let mut peer = native(&server);
    conversation(&mut peer);
    let stderr = worker.stderr.text();
    assert!(!stderr.contains("panicked at"), "expected no panic of the worker, got {stderr}");
}

#[track_caller]
fn submit_once(peer: &mut Framed, id: u32, body: &str) {
    peer.ask(
        &format!(r#"{{"action":"submit","id":{id},"type":"t","body":{body},"max_attempts":1,"notify":true}}"#),
        &format!(r#"{{"ok":true,"id":{id}}}"#),
    );
}

#[test]
fn work_gives_the_body_to_a_command_and_its_output_is_the_result() {
    with_exec("cat", |peer| {
        for (id, body) in [(1, r#"{"n":1.0,"s":"\u00e9"}"#), (2, "[1, 2]"), (3, "\"text\""), (4, "null")] {
            submit_once(peer, id, body);
            peer.expect(&format!(r#"{{"action":"result","id":{id},"body":{body}}}"#));
        }
    });
}

#[test]
fn work_takes_output_that_is_not_json_as_a_string() {
    with_exec("echo 'hello \"world\"'", |peer| {
        submit_once(peer, 1, "0");
        peer.expect(r#"{"action":"result","id":1,"body":"hello \"world\""}"#);
    });
}

#[test]
fn work_fails_the_attempt_when_the_command_fails() {
    with_exec("echo ignored; echo 'no such printer' >&2; exit 3", |peer| {
        submit_once(peer, 1, "0");
        let told = peer.receive();
        assert!(told.starts_with(r#"{"action":"failed","id":1,"error":"#), "got {told}");
        assert!(told.contains("no such printer"), "expected stderr as the error, got {told}");
    });
}

#[test]
fn work_goes_on_after_a_failure_and_stops_on_sigterm() {
    let server = Server::start();
    let tcp = server.tcp().to_string();
    let exec = r#"read n; test "$n" -gt 0 && echo "$n""#;
    let mut worker = Process::spawn(command(server.dir.path()).args(["work", "t", "--exec", exec, "--tcp", &tcp]));
    let mut peer = native(&server);
    submit_once(&mut peer, 1, "0");
    assert!(peer.receive().starts_with(r#"{"action":"failed","id":1,"#));
    submit_once(&mut peer, 2, "5");
    peer.expect(r#"{"action":"result","id":2,"body":5}"#);
    worker.signal("TERM");
    worker.wait(PATIENCE);
    submit_once(&mut peer, 3, "5");
    peer.expect_silence();
}

#[test]
fn stats_show_the_counters() {
    let server = Server::start();
    let mut client = server.deputy_client();
    client.send(r#"{"cmd":"do","id":1,"type":"t"}"#);
    client.expect_all_accepted();
    let (code, stdout, stderr) = run(server.dir.path(), &["stats", "--deputy", &server.deputy().to_string()]);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    assert!(stdout.contains("jobs_added"), "expected the counters, got {stdout}");
}

#[test]
fn healthcheck_tells_whether_a_server_answers() {
    let mut server = Server::start();
    let tcp = server.tcp().to_string();
    let dir = TempDir::new();
    let (code, _, stderr) = run(dir.path(), &["healthcheck", "--tcp", &tcp]);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    server.kill9();
    let (code, _, stderr) = run(dir.path(), &["healthcheck", "--tcp", &tcp]);
    assert_eq!(code, Some(1), "stderr: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "expected one line, got {stderr}");
    for command in [&["submit", "t", "1"][..], &["submit", "t", "1", "--wait"]] {
        let (code, _, stderr) = run(dir.path(), &[command, &["--tcp", &tcp]].concat());
        assert!(code.is_some_and(|code| code != 0), "expected {command:?} to fail");
        assert_eq!(stderr.lines().count(), 1, "expected one line, got {stderr}");
    }
}
