//! How it starts: listeners, ports file, settings from all sources, refusals.

use super::*;

#[test]
fn no_arguments_are_enough_and_each_listener_has_its_line() {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    let mut names = vec!["TCP", "GLOOM_MASTERS", "GLOOM_WORKERS", "DEPUTY"];
    if has_http() {
        names.push("HTTP");
    }
    for name in &names {
        command.env(format!("PROCESSION_{name}"), "127.0.0.1:0");
    }
    command.env("PROCESSION_PORTS_FILE", "ports.json");
    let mut process = Process::spawn(&mut command);
    let ports = eventually("the ports file", || {
        let text = std::fs::read_to_string(dir.join("ports.json")).ok()?;
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    let ports = ports.as_object().expect("the ports file is an object");
    assert_eq!(ports.len(), names.len(), "expected all listeners, got {ports:?}");
    for address in ports.values() {
        let address = address.as_str().expect("an address is a string");
        eventually(&format!("a line with {address}"), || {
            let stdout = process.stdout.text();
            (stdout.lines().filter(|line| line.contains(address)).count() == 1).then_some(())
        });
        TcpStream::connect(address).expect("it listens there");
    }
    let stdout = process.stdout.text();
    if has_http() {
        let last = stdout.lines().last().unwrap_or_default();
        let http = ports["http"].as_str().expect("an address is a string");
        assert!(last.contains(http), "expected the address of the UI last, got {stdout}");
    }
    assert!(dir.join("procession-data").is_dir(), "expected the data in ./procession-data");
    process.signal("TERM");
    assert_eq!(process.wait(PATIENCE).code(), Some(0));
}

#[test]
fn the_ports_file_names_every_listener_with_the_port_it_got() {
    let server = Server::start();
    let mut names = vec!["tcp", "gloom_masters", "gloom_workers", "deputy"];
    if has_http() {
        names.push("http");
    }
    for name in names {
        let address = server.address(name);
        assert!(address.ip().is_loopback() && address.port() != 0, "got {}", server.ports());
        TcpStream::connect(address).expect("it listens there");
    }
}

#[test]
fn a_listener_may_be_off_or_have_only_a_port() {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    command.args([
        "--store",
        "memory:",
        "--tcp",
        "0",
        "--gloom-masters",
        "off",
        "--gloom-workers",
        "off",
        "--deputy",
        "off",
    ]);
    if has_http() {
        command.args(["--http", "off"]);
    }
    let server = Server::spawn(dir, &mut command);
    assert!(server.tcp().ip().is_loopback());
    assert!(native(&server).call(r#"{"action":"hello"}"#).starts_with(r#"{"ok":true"#));
    assert!(server.ports()["deputy"].is_null(), "got {}", server.ports());
}

#[test]
fn memory_keeps_nothing_on_disk() {
    let server = Server::start();
    native(&server).call(r#"{"action":"submit","id":1,"type":"t","body":0}"#);
    assert_eq!(contents(server.dir.path()), ["ports.json"]);
}

/// The line of a setting in what `check` prints.
#[track_caller]
fn checked(command: &mut std::process::Command, name: &str) -> String {
    let (code, stdout, stderr) = run_command(command);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    let line = stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.unwrap_or_else(|| panic!("expected a line for {name}, got {stdout}")).to_owned()
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default() {
    let dir = TempDir::new();
    std::fs::write(dir.join("p.toml"), "max-depth = 77\nstore = \"memory:\"\n").expect("a file can be written");
    let line = checked(command(dir.path()).arg("check"), "max-depth");
    assert!(line.contains("128") && line.contains("default"), "got {line}");
    let line = checked(command(dir.path()).args(["check", "--config", "p.toml"]), "max-depth");
    assert!(line.contains("77") && line.contains("p.toml"), "got {line}");
    let by_variable = checked(command(dir.path()).arg("check").env("PROCESSION_CONFIG", "p.toml"), "max-depth");
    assert!(by_variable.contains("77"), "got {by_variable}");
    let mut with_environment = command(dir.path());
    with_environment.args(["check", "--config", "p.toml"]).env("PROCESSION_MAX_DEPTH", "66");
    let line = checked(&mut with_environment, "max-depth");
    assert!(line.contains("66") && line.contains("PROCESSION_MAX_DEPTH"), "got {line}");
    let line = checked(with_environment.args(["--max-depth", "55"]), "max-depth");
    assert!(line.contains("55") && line.contains("--max-depth"), "got {line}");
    let line = checked(&mut with_environment, "store");
    assert!(line.contains("memory:") && line.contains("p.toml"), "got {line}");
    assert_eq!(contents(dir.path()), ["p.toml"], "expected check to create nothing");
}

#[test]
fn settings_take_effect_wherever_they_come_from() {
    for source in ["flag", "environment", "file"] {
        let dir = TempDir::new();
        std::fs::write(dir.join("p.toml"), "max-depth = 10\n").expect("a file can be written");
        let mut command = command(dir.path());
        command.args(free_ports()).args(["--store", "memory:"]);
        match source {
            "flag" => command.args(["--max-depth", "10"]),
            "environment" => command.env("PROCESSION_MAX_DEPTH", "10"),
            _ => command.args(["--config", "p.toml"]),
        };
        let server = Server::spawn(dir, &mut command);
        let mut master = gloom_master(&server);
        master.submit("1", "t", "[[[[[[[[1]]]]]]]]");
        master.ask(
            r#"{"action":"submit","id":2,"body":[[[[[[[[[[[1]]]]]]]]]]]}"#,
            r#"{"error":"invalid_message","reason":"too_deep"}"#,
        );
    }
}

#[test]
fn check_shows_every_setting_of_the_text() {
    let dir = TempDir::new();
    let (code, stdout, stderr) = run(dir.path(), &["check"]);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    let mut names = vec![
        "tcp",
        "gloom-masters",
        "gloom-workers",
        "deputy",
        "deputy-socket",
        "store",
        "ports-file",
        "threads",
        "drain",
        "log-format",
        "max-body",
        "max-depth",
        "max-connections",
        "max-types",
        "max-jobs",
        "max-bytes",
        "max-outstanding",
        "frame-timeout",
        "write-timeout",
        "keepalive",
    ];
    if has_http() {
        names.push("http");
    }
    let (_, help, _) = run(dir.path(), &["--help"]);
    for name in names {
        assert!(
            stdout.lines().any(|line| line.split_whitespace().next() == Some(name)),
            "expected a line for {name}, got {stdout}"
        );
        assert!(help.contains(&format!("--{name} ")), "expected --{name} in the help, got {help}");
    }
    for default in ["127.0.0.1:3001", "127.0.0.1:9998", "127.0.0.1:9999", "127.0.0.1:11746", "file:procession-data"] {
        assert!(stdout.contains(default), "expected the default {default}, got {stdout}");
    }
}

#[test]
fn tokens_are_never_shown() {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    command.arg("check").env("PROCESSION_TOKEN", "a-very-secret-token-0123456789");
    let (code, stdout, stderr) = run_command(&mut command);
    assert_eq!(code, Some(0), "stderr: {stderr}");
    assert!(!format!("{stdout}{stderr}").contains("a-very-secret"), "got {stdout}{stderr}");
}

#[test]
fn what_is_wrong_with_a_setting_is_one_line_and_exit_code_2() {
    let dir = TempDir::new();
    for (name, text) in [
        ("unknown.toml", "max-dept = 5\n"),
        ("broken.toml", "max-depth = \n"),
        ("value.toml", "max-depth = \"deep\"\n"),
    ] {
        std::fs::write(dir.join(name), text).expect("a file can be written");
    }
    std::fs::write(dir.join("latin.toml"), b"store = \"\xe9\"\n").expect("a file can be written");
    std::fs::write(dir.join("a-file"), "precious").expect("a file can be written");
    let path = dir.path();
    // Values.
    expect_refusal(path, &["--max-depth", "deep"], &["max-depth", "deep"]);
    expect_refusal(path, &["--max-depth", "0"], &["max-depth"]);
    expect_refusal(path, &["--max-body", "1TiB"], &["max-body"]);
    expect_refusal(path, &["--max-jobs", "-1"], &["max-jobs"]);
    expect_refusal(path, &["--frame-timeout", "soon"], &["frame-timeout", "soon"]);
    expect_refusal(path, &["--log-format", "xml"], &["log-format", "xml"]);
    expect_refusal(path, &["--store", "redis:"], &["store"]);
    expect_refusal(path, &["--store", "a\nb"], &["store"]);
    for address in ["1.2.3.4", "127.0.0.1:65536", "localhost", "", "-1"] {
        expect_refusal_of(path, command(path).args(["--tcp", address]), &["tcp"]);
    }
    expect_refusal_of(path, command(path).env("PROCESSION_MAX_DEPTH", "deep"), &["PROCESSION_MAX_DEPTH", "deep"]);
    // Files.
    expect_refusal(path, &["--config", "unknown.toml"], &["unknown.toml", "max-dept"]);
    expect_refusal(path, &["--config", "broken.toml"], &["broken.toml"]);
    expect_refusal(path, &["--config", "value.toml"], &["value.toml", "max-depth", "deep"]);
    expect_refusal(path, &["--config", "latin.toml"], &["latin.toml"]);
    expect_refusal(path, &["--config", "missing.toml"], &["missing.toml"]);
    // The command line itself.
    expect_refusal_of(path, command(path).arg("--no-such-flag"), &["--no-such-flag"]);
    expect_refusal_of(path, command(path).arg("no-such-command"), &["no-such-command"]);
    expect_refusal_of(path, command(path).arg("--max-depth"), &["--max-depth"]);
    expect_refusal_of(path, command(path).arg("submit"), &[]);
    expect_refusal_of(path, command(path).args(["submit", "t", "{not json"]), &["JSON"]);
    // Places.
    expect_refusal(path, &["--store", "file:a-file"], &["a-file"]);
    expect_refusal(path, &["--store", "file:a-file/below"], &["a-file"]);
    assert_eq!(std::fs::read_to_string(dir.join("a-file")).expect("it is still there"), "precious");
}

#[test]
fn a_port_in_use_is_one_line_and_exit_code_2() {
    let dir = TempDir::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = holder.local_addr().expect("a listener has an address").to_string();
    let mut listeners = vec!["--tcp", "--gloom-masters", "--gloom-workers", "--deputy"];
    if has_http() {
        listeners.push("--http");
    }
    for listener in listeners {
        let mut flags = free_ports();
        let place = flags.iter().position(|flag| *flag == listener).expect("every listener has its flag");
        flags[place + 1] = &address;
        expect_refusal_of(dir.path(), command(dir.path()).args(&flags), &[&address]);
    }
}

#[test]
fn two_listeners_on_one_address_are_refused() {
    let dir = TempDir::new();
    let holder = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let address = holder.local_addr().expect("a listener has an address").to_string();
    drop(holder);
    let mut flags = free_ports();
    flags[1] = &address;
    flags[3] = &address;
    expect_refusal_of(dir.path(), command(dir.path()).args(&flags), &[&address]);
}

#[test]
fn an_address_that_is_not_loopback_needs_a_token_or_consent() {
    let dir = TempDir::new();
    let path = dir.path();
    let exposed = |more: &[&str]| {
        let mut flags = free_ports();
        flags[1] = "0.0.0.0:0";
        let mut command = command(path);
        command.args(&flags).args(["--store", "memory:"]).args(more);
        command
    };
    expect_refusal_of(path, &mut exposed(&[]), &["0.0.0.0:0", "insecure-no-auth", "token"]);
    expect_refusal_of(path, command(path).args(["deputy", "-h", "0.0.0.0", "-p", "0"]), &["insecure-no-auth"]);
    let server = Server::spawn(TempDir::new(), &mut exposed(&["--insecure-no-auth"]));
    server.expect_service();
    drop(server);
    let server = Server::spawn(TempDir::new(), exposed(&[]).env("PROCESSION_TOKEN", "a-very-secret-token-0123456789"));
    assert!(server.tcp().ip().is_unspecified(), "got {}", server.ports());
}

#[test]
fn a_data_folder_in_use_is_refused_and_left_alone() {
    let server = Server::with_store(TempDir::new(), &["--store", "file:data"]);
    let mut peer = native(&server);
    peer.ask(r#"{"action":"submit","id":1,"type":"t","body":0}"#, r#"{"ok":true,"id":1}"#);
    let path = server.dir.path();
    expect_refusal(path, &["--store", "file:data"], &["data"]);
    peer.ask(r#"{"action":"submit","id":2,"type":"t","body":0}"#, r#"{"ok":true,"id":2}"#);
    // When it is given up, even by kill -9, the next may have it.
    let dir = server.kill9_keeping_its_folder();
    let server = Server::with_store(dir, &["--store", "file:data"]);
    assert_error(&native(&server).call(r#"{"action":"submit","id":2,"type":"t","body":0}"#), "id_exists");
}

#[test]
fn with_a_token_a_native_peer_has_to_know_it() {
    let dir = TempDir::new();
    let mut command = command(dir.path());
    command.args(free_ports()).args(["--store", "memory:"]).env("PROCESSION_TOKEN", "a-very-secret-token-0123456789");
    let server = Server::spawn(dir, &mut command);
    let submit = r#"{"action":"submit","id":1,"type":"t","body":0}"#;
    for hello in [
        r#"{"action":"hello"}"#,
        r#"{"action":"hello","token":"wrong"}"#,
        r#"{"action":"hello","token":"a-very-secret-token-012345678"}"#,
        r#"{"action":"hello","token":5}"#,
        submit,
        r#"{"action":"join","types":["t"]}"#,
    ] {
        let mut peer = native(&server);
        let reply = peer.call(hello);
        assert!(reply.starts_with(r#"{"error":""#), "expected {hello} to be refused, got {reply}");
        if !hello.contains("token\":5") {
            assert_error(&reply, "unauthorized");
        }
    }
    let mut peer = native(&server);
    let reply = peer.call(r#"{"action":"hello","token":"a-very-secret-token-0123456789"}"#);
    assert!(reply.starts_with(r#"{"ok":true"#), "got {reply}");
    peer.ask(submit, r#"{"ok":true,"id":1}"#);
}
