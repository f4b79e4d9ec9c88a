//! Processes whose outputs are collected, and folders that go with their owner.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number that nothing else in this run has.
pub fn unique() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An empty folder that goes with its owner.
pub struct TempDir {
    path: PathBuf,
}

impl TempDir {
    /// Makes one.
    pub fn new() -> TempDir {
        let number = unique();
        let name = format!("procession-suite-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("the folder for temporary files is writable");
        TempDir { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// What a process writes to one of its outputs, collected while it runs.
#[derive(Clone, Default)]
pub struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    /// Everything so far.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().expect("no reader of an output panics");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn collect(&self, mut source: impl Read + Send + 'static) -> JoinHandle<()> {
        let sink = self.0.clone();
        std::thread::spawn(move || {
            let mut block = [0; 8192];
            while let Ok(count) = source.read(&mut block) {
                if count == 0 {
                    return;
                }
                let mut bytes = sink.lock().expect("no reader of an output panics");
                bytes.extend_from_slice(&block[..count]);
            }
        })
    }
}

/// A process whose outputs are collected. It is killed when dropped.
pub struct Process {
    child: Child,
    /// What it printed.
    pub stdout: Output,
    /// What it complained about.
    pub stderr: Output,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts it.
    #[track_caller]
    pub fn spawn(command: &mut Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (stdout, stderr) = (Output::default(), Output::default());
        let out = child.stdout.take().expect("stdout is piped");
        let err = child.stderr.take().expect("stderr is piped");
        let readers = vec![stdout.collect(out), stderr.collect(err)];
        Process { child, stdout, stderr, readers, status: None }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, once it has ended.
    pub fn try_wait(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().expect("a child can be waited for");
        }
        self.status
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.try_wait() {
                // Whatever it started may still hold its outputs open, so the readers are not waited for without end.
                let deadline = Instant::now() + Duration::from_secs(2);
                while self.readers.iter().any(|reader| !reader.is_finished()) && Instant::now() < deadline {
                    std::thread::sleep(Duration::from_millis(1));
                }
                return status;
            }
            assert!(
                start.elapsed() < patience,
                "expected the process to end within {patience:?}; stdout: {} stderr: {}",
                self.stdout.text(),
                self.stderr.text()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by name, as `kill` does.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status()
            .expect("kill is installed");
        assert!(status.success(), "expected to be able to signal the process");
    }

    /// Ends it without notice.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.status = self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.try_wait().is_none() {
            self.kill();
        }
    }
}
