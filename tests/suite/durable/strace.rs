//! System calls that are slow, fail, or end the process: a server under `strace`.

use super::*;
use std::sync::OnceLock;

/// Everything that makes bytes last.
pub const SYNCS: &str = "fsync,fdatasync";

/// Whether servers can't be run under strace here, which is said for all to see.
pub fn is_missing(test: &str) -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    let works = *WORKS.get_or_init(|| {
        let mut command = Command::new("strace");
        command.args([
            "-D",
            "-f",
            "--seccomp-bpf",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync",
            "-e",
            "inject=fsync:error=EIO",
        ]);
        has_program("strace") && command.arg("true").output().is_ok_and(|output| output.status.success())
    });
    if !works {
        skipped(test, "strace is missing or not permitted");
    }
    !works
}

/// The same command under strace: what happens to some system calls of it, in strace's words, and where the `trace` of others
/// is written. The process is the server's, not strace's.
pub fn traced(command: &Command, inject: &str, trace: &str, log: &Path) -> Command {
    let mut traced = Command::new("strace");
    traced.args(["-D", "-f", "-qq", "-s", "400", "-o"]).arg(log);
    // Quicker, but then no signals are injected.
    if !inject.contains(":signal=") {
        traced.arg("--seccomp-bpf");
    }
    let (calls, _) = inject.split_once(':').expect("an injection says what happens");
    traced.args(["-e", &format!("trace={calls},{trace}"), "-e", &format!("inject={inject}"), "--"]);
    traced.arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        traced.current_dir(dir);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => traced.env(name, value),
            None => traced.env_remove(name),
        };
    }
    traced
}

/// A server of which some system calls are injected, unless it ends before it listens.
#[track_caller]
pub fn start(home: &Home, inject: &str) -> Result<Server, Process> {
    let dir = TempDir::new();
    let mut command = traced(&home.command(dir.path()), inject, "exit_group", Path::new("/dev/null"));
    Server::try_spawn(dir, &mut command)
}

/// kill -9 for a server that strace holds in the middle of a call: strace would let go of it only when its time is over.
#[track_caller]
pub fn kill9_held(mut server: Server) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process.pid())).expect("it runs");
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("it is traced").trim();
    server.process.signal("KILL");
    let _ = Command::new("kill").args(["-KILL", tracer]).status();
    server.kill9();
}
