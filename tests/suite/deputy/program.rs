//! The socket file, and the original's command line.

use super::*;

#[test]
fn the_socket_has_mode_0660_and_goes_with_the_server() {
    let mut doors = Doors::open();
    let mode = std::fs::metadata(&doors.socket).expect("the socket exists").permissions().mode();
    assert_eq!(mode & 0o777, 0o660, "expected mode 0660, got {:o}", mode & 0o777);
    doors.server.term();
    assert_eq!(doors.server.wait().code(), Some(0));
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let dir = TempDir::new();
    let socket = dir.join("deputy.sock");
    drop(UnixListener::bind(&socket).expect("a socket can be made"));
    assert!(socket.exists(), "a dropped listener leaves its file");
    let path = socket.to_str().expect("a temporary path is UTF-8").to_owned();
    let server = Server::with_store(dir, &["--store", "memory:", "--deputy-socket", &path]);
    counters(&Deputy::connect_unix(&socket).metrics());
    // And a server that was killed leaves one.
    let dir = server.kill9_keeping_its_folder();
    assert!(socket.exists(), "a killed server leaves its file");
    let server = Server::with_store(dir, &["--store", "memory:", "--deputy-socket", &path]);
    counters(&Deputy::connect_unix(&socket).metrics());
    drop(server);
}

#[track_caller]
fn expect_refused_socket(dir: &TempDir, path: &str) {
    let mut command = command(dir.path());
    command.args(free_ports()).args(["--store", "memory:", "--deputy-socket", path]);
    let (code, _, stderr) = run_command(&mut command);
    assert_eq!(code, Some(2), "expected exit code 2, stderr: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "expected one line, got {stderr}");
}

#[test]
fn a_start_that_fails_leaves_no_socket_behind() {
    let dir = TempDir::new();
    for more in [["--ports-file", "no/such/folder/ports"], ["--store", "file:/dev/null/data"]] {
        let mut command = command(dir.path());
        command.args(free_ports()).args(["--store", "memory:", "--deputy-socket", "deputy.sock"]).args(more);
        let (code, _, stderr) = run_command(&mut command);
        assert_eq!(code, Some(2), "expected exit code 2, stderr: {stderr}");
        assert!(!dir.join("deputy.sock").exists(), "expected no socket, stderr: {stderr}");
    }
}

#[test]
fn anything_else_at_the_sockets_path_is_left_alone_and_refused() {
    let dir = TempDir::new();
    // A regular file.
    let file = dir.join("file");
    std::fs::write(&file, "precious").expect("a file can be written");
    expect_refused_socket(&dir, "file");
    assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), "precious");
    // A folder.
    std::fs::create_dir(dir.join("folder")).expect("a folder can be made");
    expect_refused_socket(&dir, "folder");
    assert!(dir.join("folder").is_dir());
    // A dangling link.
    std::os::unix::fs::symlink("nowhere", dir.join("link")).expect("a link can be made");
    expect_refused_socket(&dir, "link");
    assert!(dir.join("link").is_symlink(), "expected the link to be left alone");
    assert!(!dir.join("nowhere").exists(), "expected nothing to be made behind the link");
    // A live server's socket.
    let socket = dir.join("live.sock");
    let live = UnixListener::bind(&socket).expect("a socket can be made");
    let inode = std::fs::metadata(&socket).expect("it exists").ino();
    expect_refused_socket(&dir, "live.sock");
    assert_eq!(std::fs::metadata(&socket).expect("it exists").ino(), inode);
    drop(live);
    // Places where nothing can be made.
    expect_refused_socket(&dir, "no/such/folder.sock");
    expect_refused_socket(&dir, &"x".repeat(200));
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("a listener has an address").port()
}

#[test]
fn the_originals_command_line_starts_a_deputy() {
    let dir = TempDir::new();
    let port = free_port();
    let mut command = command(dir.path());
    command.args(["deputy", "-h", "127.0.0.1", "-p", &port.to_string(), "-s", "d.sock", "-v"]);
    let process = Process::spawn(&mut command);
    let socket = dir.join("d.sock");
    // It is there a moment before anybody listens on it.
    eventually("the socket to be open", || std::os::unix::net::UnixStream::connect(&socket).ok());
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    eventually("the port to be open", || std::net::TcpStream::connect(address).ok());
    let mut worker = Deputy::connect_unix(&socket);
    worker.send(r#"{"cmd":"can_do","types":["t"]}"#);
    let mut client = Deputy::connect(address);
    client.send(r#"{"cmd":"do","id":1,"type":"t","arg":"x"}"#);
    worker.expect(r#"{"cmd":"do","id":1,"type":"t","arg":"x"}"#);
    worker.send(r#"{"cmd":"did","id":1,"res":"y"}"#);
    client.expect(r#"{"cmd":"did","id":1,"res":"y"}"#);
    // Verbose: the metrics as a JSON line on stderr, every five seconds.
    let line = eventually("the metrics on stderr", || {
        let stderr = process.stderr.text();
        let line = stderr.lines().find(|line| line.starts_with(r#"{"up_since":"#));
        line.map(str::to_owned)
    });
    let metrics = json(&line);
    assert_eq!(metrics["jobs_done"], 1, "expected the metrics object, got {line}");
    let order =
        ["up_since", "connections", "workers_added", "jobs_added", "jobs_dispatched", "jobs_done", "jobs_reassigned"];
    let places: Vec<usize> = order.iter().filter_map(|key| line.find(&format!("\"{key}\":"))).collect();
    assert!(places.len() == order.len() && places.is_sorted(), "expected {order:?} in order, got {line}");
    assert!(!process.stderr.text().contains("panicked at"));
    process.signal("TERM");
}

#[test]
fn without_verbose_a_deputy_is_quiet_about_its_metrics() {
    let dir = TempDir::new();
    let port = free_port().to_string();
    let mut command = command(dir.path());
    command.args(["deputy", "-p", &port, "-s", "d.sock"]);
    let process = Process::spawn(&mut command);
    let socket = dir.join("d.sock");
    eventually("the socket to be there", || socket.exists().then_some(()));
    let mut client = Deputy::connect_unix(&socket);
    counters(&client.metrics());
    let heard = client.listen(Duration::from_millis(5500));
    assert_eq!(heard, Heard::Silence);
    let stderr = process.stderr.text();
    assert!(!stderr.contains("up_since"), "expected no metrics, got {stderr}");
    process.signal("TERM");
}
