//! The server as a process of its own: started in an empty folder on free ports, watched, and ended with the test.

use super::process::{Process, TempDir, unique};
use super::{Deputy, Framed, eventually, gloom_master, gloom_worker, json};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long a server may take until all its ports are open.
const START: Duration = Duration::from_secs(30);

/// The binary under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_procession");

/// The command of the binary under test, in this folder and with no setting of the environment it runs in.
pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(BINARY);
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PROCESSION_") {
            command.env_remove(name);
        }
    }
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// Runs the binary to its end: its exit code, stdout and stderr.
#[track_caller]
pub fn run(dir: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    run_command(command(dir).args(arguments))
}

/// Runs a command to its end: its exit code, stdout and stderr.
#[track_caller]
pub fn run_command(command: &mut Command) -> (Option<i32>, String, String) {
    let mut process = Process::spawn(command);
    let status = process.wait(Duration::from_secs(60));
    let (stdout, stderr) = (process.stdout.text(), process.stderr.text());
    assert!(!stderr.contains("panicked at"), "expected no panic of {command:?}, got {stderr}");
    (status.code(), stdout, stderr)
}

/// Every listener on a free port.
pub const FREE_PORTS: [&str; 8] = [
    "--tcp",
    "127.0.0.1:0",
    "--gloom-masters",
    "127.0.0.1:0",
    "--gloom-workers",
    "127.0.0.1:0",
    "--deputy",
    "127.0.0.1:0",
];

/// Whether this build has the HTTP listener: known by its flag in the help.
pub fn has_http() -> bool {
    static KNOWN: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *KNOWN.get_or_init(|| {
        let output = Command::new(BINARY).args(["serve", "--help"]).output();
        let help = output.map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&help).contains("--http")
    })
}

/// [`FREE_PORTS`], and one for HTTP if this build has it.
pub fn free_ports() -> Vec<&'static str> {
    let mut flags = FREE_PORTS.to_vec();
    if has_http() {
        flags.extend(["--http", "127.0.0.1:0"]);
    }
    flags
}

/// A running server.
pub struct Server {
    /// Its process.
    pub process: Process,
    /// Its working folder.
    pub dir: TempDir,
    ports: Value,
    expected_to_end: bool,
}

impl Server {
    /// In memory, on free ports, everything else at its default.
    #[track_caller]
    pub fn start() -> Server {
        Server::with(&[])
    }

    /// In memory, on free ports, with more flags.
    #[track_caller]
    pub fn with(flags: &[&str]) -> Server {
        let mut all = vec!["--store", "memory:"];
        all.extend(flags);
        Server::with_store(TempDir::new(), &all)
    }

    /// In this folder and on free ports; the flags say where it stores.
    #[track_caller]
    pub fn with_store(dir: TempDir, flags: &[&str]) -> Server {
        let mut command = command(dir.path());
        command.args(free_ports()).args(flags);
        Server::spawn(dir, &mut command)
    }

    /// With this command line, to which only `--ports-file` is added.
    #[track_caller]
    pub fn spawn(dir: TempDir, command: &mut Command) -> Server {
        Server::try_spawn(dir, command).unwrap_or_else(|mut process| {
            let status = process.wait(START);
            panic!("expected {command:?} to run, got {status}: {}", process.stderr.text())
        })
    }

    /// As [`Server::spawn`], but it may end before it listens: then its process.
    #[track_caller]
    pub fn try_spawn(dir: TempDir, command: &mut Command) -> Result<Server, Process> {
        let file = dir.join("ports.json");
        let _ = std::fs::remove_file(&file);
        command.arg("--ports-file").arg(&file);
        let mut process = Process::spawn(command);
        let start = Instant::now();
        let ports = loop {
            if let Some(ports) = read_ports(&file) {
                break ports;
            }
            if process.try_wait().is_some() {
                return Err(process);
            }
            assert!(
                start.elapsed() < START,
                "expected the ports file of {command:?} within {START:?}; stderr: {}",
                process.stderr.text()
            );
            std::thread::sleep(Duration::from_millis(2));
        };
        Ok(Server { process, dir, ports, expected_to_end: false })
    }

    /// What its ports file says.
    pub fn ports(&self) -> &Value {
        &self.ports
    }

    /// Where it listens, by the name in the ports file.
    #[track_caller]
    pub fn address(&self, name: &str) -> SocketAddr {
        self.ports[name]
            .as_str()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| panic!("expected the address of {name}, got {}", self.ports))
    }

    /// The native protocol.
    #[track_caller]
    pub fn tcp(&self) -> SocketAddr {
        self.address("tcp")
    }

    /// gloom's port for masters.
    #[track_caller]
    pub fn gloom_masters(&self) -> SocketAddr {
        self.address("gloom_masters")
    }

    /// gloom's port for workers.
    #[track_caller]
    pub fn gloom_workers(&self) -> SocketAddr {
        self.address("gloom_workers")
    }

    /// deputy's TCP port.
    #[track_caller]
    pub fn deputy(&self) -> SocketAddr {
        self.address("deputy")
    }

    /// The port for HTTP.
    #[track_caller]
    pub fn http(&self) -> SocketAddr {
        self.address("http")
    }

    /// A deputy client by TCP.
    #[track_caller]
    pub fn deputy_client(&self) -> Deputy {
        Deputy::connect(self.deputy())
    }

    /// Asks it to end.
    pub fn term(&mut self) {
        self.expected_to_end = true;
        self.process.signal("TERM");
    }

    /// Ends it without notice.
    pub fn kill9(&mut self) {
        self.expected_to_end = true;
        self.process.kill();
    }

    /// Ends it without notice and gives its folder, so that another server can start in it.
    pub fn kill9_keeping_its_folder(mut self) -> TempDir {
        self.kill9();
        self.check();
        std::mem::replace(&mut self.dir, TempDir::new())
    }

    /// Waits for its end, after [`Server::term`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.expected_to_end = true;
        self.process.wait(Duration::from_secs(40))
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().is_none()
    }

    /// The memory it holds, in bytes.
    #[track_caller]
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()))
            .expect("a running process has a status");
        let kib: u64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok())
            .expect("a running process has a resident size");
        kib * 1024
    }

    /// How many files and sockets it has open.
    #[track_caller]
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.process.pid())).expect("a running process has open files").count()
    }

    /// It comes back to at most this number of open files.
    #[track_caller]
    pub fn expect_open_files(&self, at_most: usize) {
        eventually(&format!("at most {at_most} open files"), || (self.open_files() <= at_most).then_some(()));
    }

    /// A new master and a new worker can do a job together.
    #[track_caller]
    pub fn expect_service(&self) {
        let number = unique();
        let (id, job_type) = (format!("\"probe-{number}\""), format!("probe-{number}"));
        let mut master = gloom_master(self);
        let mut worker = gloom_worker(self, &job_type);
        master.submit(&id, &job_type, "\"still there?\"");
        worker.expect_job(&id, &job_type, "\"still there?\"");
        worker.respond("\"yes\"");
        master.expect_result(&id, "\"yes\"");
    }

    /// What holds of every server at every end: it did not panic, and it did not end by itself.
    #[track_caller]
    fn check(&mut self) {
        let ended = self.process.try_wait();
        let stderr = self.process.stderr.text();
        assert!(!stderr.contains("panicked at"), "expected no panic of the server, its stderr: {stderr}");
        if let Some(status) = ended
            && !self.expected_to_end
        {
            panic!("expected the server to keep running, got {status}; its stderr: {stderr}");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let stderr = self.process.stderr.text();
            let tail: Vec<&str> = stderr.lines().rev().take(20).collect();
            println!("the end of the server's stderr:");
            for line in tail.iter().rev() {
                println!("  {line}");
            }
        } else {
            self.check();
        }
    }
}

/// Tells a master and a worker that their connections are of no more use; for readability in tests.
pub fn leave(connection: Framed) {
    drop(connection);
}

fn read_ports(file: &Path) -> Option<Value> {
    let text = std::fs::read_to_string(file).ok()?;
    // A file that is still being written is no JSON yet.
    serde_json::from_str(&text).ok().filter(|_| json(&text).is_object())
}
