//! A server as a process: started with a deadline, measured through `/proc`, killed when dropped.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::flaw::Flaw;

/// A running server.
pub struct Server {
    child: Child,
    /// Where masters connect.
    pub masters: SocketAddr,
    /// Where workers connect.
    pub workers: SocketAddr,
}

/// Processor time of a process, by thread.
pub struct CpuTime(HashMap<String, Duration>);

/// Memory of a process.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident now, bytes.
    pub resident: f64,
    /// The most that was ever resident, bytes.
    pub peak: f64,
}

impl Server {
    /// Starts a server of ours, which writes its ports to a file in `folder` when all of them listen. `names` are those
    /// of the ports for masters and for workers.
    pub fn start_with_ports_file(command: Command, folder: &Path, names: [&str; 2]) -> Result<Server, Flaw> {
        let file = folder.join(PORTS_FILE);
        // One that was killed left its own. Usually there is none.
        let _ = fs::remove_file(&file);
        Server::start(command, folder, || {
            // A file that is not written to its end is no JSON yet.
            let ports: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).ok()?).ok()?;
            let port = |name| ports.get(name)?.as_str()?.parse().ok();
            Some((port(names[0])?, port(names[1])?))
        })
    }

    /// Starts a server with one port, given beforehand: it is ready when it accepts.
    pub fn start_on(command: Command, folder: &Path, address: SocketAddr) -> Result<Server, Flaw> {
        Server::start(command, folder, || TcpStream::connect(address).ok().map(|_| (address, address)))
    }

    fn start(
        mut command: Command,
        folder: &Path,
        ports: impl Fn() -> Option<(SocketAddr, SocketAddr)>,
    ) -> Result<Server, Flaw> {
        let log = folder.join("log");
        let output = File::create(&log).map_err(Flaw::system("make a log file"))?;
        let errors = output.try_clone().map_err(Flaw::system("make a log file"))?;
        // The floor ends when its input does; nobody else looks at it.
        command.stdin(Stdio::piped()).stdout(output).stderr(errors).current_dir(folder);
        let child = command.spawn().map_err(Flaw::system("start a server"))?;
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        // From here on the process is killed on every way out.
        let mut server = Server { child, masters: nowhere, workers: nowhere };
        let deadline = Instant::now() + START_DEADLINE;
        let fail = |what: String| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let tail: Vec<&str> = said.lines().rev().take(3).collect();
            let program = Path::new(command.get_program()).display();
            Err(Flaw::Start(format!("{program} {what}; its last lines, last first: {tail:?}")))
        };
        loop {
            if let Ok(Some(status)) = server.child.try_wait() {
                return fail(format!("ended with {status}"));
            }
            if let Some((masters, workers)) = ports() {
                (server.masters, server.workers) = (masters, workers);
                return Ok(server);
            }
            if Instant::now() > deadline {
                return fail(format!("does not listen after {START_DEADLINE:?}"));
            }
            thread::sleep(START_POLL);
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What all its threads used so far.
    pub fn cpu(&self) -> Result<CpuTime, Flaw> {
        CpuTime::of(&self.child.id().to_string())
    }

    /// What it wrote to disk so far, bytes.
    pub fn written(&self) -> Result<u64, Flaw> {
        let io = fs::read_to_string(format!("/proc/{}/io", self.child.id()))
            .map_err(Flaw::system("read what the server wrote"))?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        written.ok_or_else(|| Flaw::Start("this kernel does not count what processes write".into()))
    }

    /// What it occupies.
    pub fn memory(&self) -> Result<Memory, Flaw> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .map_err(Flaw::system("read the server's memory"))?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
            Some(kibibytes * 1024.0)
        };
        match (bytes("VmRSS:"), bytes("VmHWM:")) {
            (Some(resident), Some(peak)) => Ok(Memory { resident, peak }),
            _ => Err(Flaw::Start("the server died".into())),
        }
    }
}

impl Server {
    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        // It may be gone already; there is nothing to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl CpuTime {
    /// What the load program itself used so far.
    pub fn own() -> Result<CpuTime, Flaw> {
        CpuTime::of("self")
    }

    /// The scheduler's own count, in nanoseconds; `stat` counts in steps of 10 ms.
    fn of(process: &str) -> Result<CpuTime, Flaw> {
        let threads = fs::read_dir(format!("/proc/{process}/task")).map_err(Flaw::system("list threads"))?;
        let mut times = HashMap::new();
        for thread in threads {
            let thread = thread.map_err(Flaw::system("list threads"))?;
            // A thread that ended meanwhile takes its count along. No peer ends threads under load.
            let Ok(stat) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let nanos = stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
            times.insert(thread.file_name().to_string_lossy().into_owned(), Duration::from_nanos(nanos));
        }
        if times.is_empty() {
            return Err(Flaw::Start("the server died, or this kernel keeps no schedstat".into()));
        }
        Ok(CpuTime(times))
    }

    /// What was used since.
    pub fn since(&self, start: &CpuTime) -> Duration {
        let before = |thread| start.0.get(thread).copied().unwrap_or_default();
        self.0.iter().map(|(thread, time)| time.saturating_sub(before(thread))).sum()
    }
}

/// What all processes of the machine used so far, in steps of 10 ms.
pub fn machine_cpu() -> Result<Duration, Flaw> {
    let stat = fs::read_to_string("/proc/stat").map_err(Flaw::system("read the machine's processor time"))?;
    // user nice system idle iowait irq softirq steal
    let ticks: Vec<u64> = stat.split_whitespace().skip(1).take(8).map(|field| field.parse().unwrap_or(0)).collect();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    Ok(TICK * u32::try_from(ticks.iter().sum::<u64>() - idle).unwrap_or(u32::MAX))
}

/// A port that is free, now.
pub fn free_port() -> Result<SocketAddr, Flaw> {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).map_err(Flaw::system("find a free port"))
}

/// Where a program is installed. Daemons live in folders that are not on everybody's path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let daemons = ["/usr/sbin", "/usr/local/sbin"];
    path.split(':').chain(daemons).map(|folder| Path::new(folder).join(name)).find(|program| program.is_file())
}

/// The first thing in a program's account of itself that looks like a version.
pub fn version(program: &Path, flag: &str) -> Option<String> {
    let said = Command::new(program).arg(flag).stdin(Stdio::null()).output().ok()?.stdout;
    let said = String::from_utf8(said).ok()?;
    let version =
        said.split_whitespace().find(|word| word.contains('.') && word.contains(|c: char| c.is_ascii_digit()))?;
    Some(version.trim_start_matches("v=").to_owned())
}

/// Progress, for whoever waits; the table alone goes to standard output.
pub fn progress(line: &str) {
    // Nobody listening is no reason to stop.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// What a server of ours calls its ports file.
pub const PORTS_FILE: &str = "ports.json";
/// For one that first has to read a million jobs.
const START_DEADLINE: Duration = Duration::from_secs(60);
/// The unit of `/proc/stat`.
const TICK: Duration = Duration::from_millis(10);
const START_POLL: Duration = Duration::from_millis(2);
