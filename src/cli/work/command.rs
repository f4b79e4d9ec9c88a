//! One command: the body goes in, the result or the error comes out.

use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::value::RawValue;

use super::session::Job;

/// What became of a command.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It exited with 0; its stdout as JSON.
    Result(Box<RawValue>),
    /// It did not; its stderr, or what went wrong.
    Failed(String),
}

/// The processes of one command, to be signalled from another thread.
///
/// They are a process group of their own: a Ctrl-C at the terminal is for the worker, which lets them finish; and what
/// a shell has started is reached, too.
#[derive(Clone, Default)]
pub(super) struct Group(Arc<Mutex<GroupState>>);

#[derive(Clone, Copy, Default)]
enum GroupState {
    #[default]
    NotStarted,
    Started(u32),
    /// Asked to stop before it could start.
    Stopped,
    Ended,
}

impl Group {
    /// Sends a signal to all of them, if they are there.
    pub fn signal(&self, name: &str) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            GroupState::NotStarted => *state = GroupState::Stopped,
            GroupState::Started(pgid) => {
                // The shell's own `kill`: a system call of ours would need unsafe code. If it fails, they are gone.
                let kill = Command::new("/bin/sh")
                    .args(["-c", "kill -s \"$1\" -- \"-$2\"", "sh", name, &pgid.to_string()])
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .status();
                if let Err(error) = kill {
                    log::warn!(error:% = error; "cannot signal a command");
                }
            }
            GroupState::Stopped | GroupState::Ended => {}
        }
    }

    fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let GroupState::Stopped = *state {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "stopped before it started"));
        }
        let child = command.process_group(0).spawn()?;
        *state = GroupState::Started(child.id());
        Ok(child)
    }

    /// Its number may soon be somebody else's.
    fn ended(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = GroupState::Ended;
    }
}

/// Runs `sh -c EXEC` for a job and waits for its end.
pub(super) fn run(exec: &str, job: &Job, max_output: u64, group: &Group) -> Outcome {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", exec])
        .env("PROCESSION_JOB_ID", job.id_text())
        .env("PROCESSION_JOB_TYPE", &job.job_type)
        .env("PROCESSION_JOB_ATTEMPT", job.attempt.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match group.spawn(&mut command) {
        Ok(child) => child,
        Err(error) => return Outcome::Failed(format!("the worker cannot run /bin/sh: {error}")),
    };
    let output = communicate(&mut child, job.body.get().as_bytes(), max_output, group);
    let status = child.wait();
    group.ended();
    match (output, status) {
        (Ok(output), Ok(status)) => judge(output, status, max_output),
        (Err(error), _) | (_, Err(error)) => Outcome::Failed(format!("the worker lost its command: {error}")),
    }
}

struct Output {
    /// One byte more than allowed, if it is too long.
    stdout: Vec<u8>,
    /// Its end.
    stderr: Vec<u8>,
}

/// Three pipes at once: a command may write before it has read, and to stderr before it closes stdout.
fn communicate(child: &mut Child, body: &[u8], max_output: u64, group: &Group) -> io::Result<Output> {
    let (mut stdin, mut stdout, mut stderr) =
        (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    thread::scope(|scope| {
        // A command that does not read its body gets a closed pipe, which is its right.
        let writer = thread::Builder::new().spawn_scoped(scope, move || drop(stdin.write_all(body)));
        let reader = thread::Builder::new().spawn_scoped(scope, move || tail(&mut stderr));
        let mut output = Output { stdout: Vec::new(), stderr: Vec::new() };
        let read = (&mut stdout).take(max_output + 1).read_to_end(&mut output.stdout);
        if read.is_err() || writer.is_err() || output.stdout.len() as u64 > max_output {
            group.signal("KILL");
        }
        drop(stdout);
        if let Ok(stderr) = reader?.join() {
            output.stderr = stderr?;
        }
        writer?;
        read?;
        Ok(output)
    })
}

/// The last bytes of a stream, however long it is.
fn tail(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut block = [0; MAX_STDERR_BYTES];
    loop {
        match stream.read(&mut block) {
            Ok(0) => return Ok(kept),
            Ok(length) => kept.extend_from_slice(&block[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        let excess = kept.len().saturating_sub(MAX_STDERR_BYTES);
        kept.drain(..excess);
    }
}

fn judge(output: Output, status: ExitStatus, max_output: u64) -> Outcome {
    if output.stdout.len() as u64 > max_output {
        return Outcome::Failed(format!("the output of the command is larger than {max_output} bytes"));
    }
    if status.success() {
        return Outcome::Result(result(&output.stdout));
    }
    let error = String::from_utf8_lossy(&output.stderr);
    Outcome::Failed(match (error.trim_end(), status.code(), status.signal()) {
        ("", Some(code), _) => format!("the command exited with {code}"),
        ("", None, Some(signal)) => format!("the command was ended by signal {signal}"),
        ("", None, None) => "the command did not exit".to_owned(),
        (error, _, _) => error.to_owned(),
    })
}

/// JSON as it is spelled, or else a string without its last line break.
fn result(stdout: &[u8]) -> Box<RawValue> {
    serde_json::from_slice(stdout).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(stdout);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        serde_json::value::to_raw_value(text).expect("a string is JSON")
    })
}

const MAX_STDERR_BYTES: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn outcome(exec: &str, body: &str) -> Result<String, String> {
        match run(exec, &Job::for_test(body), 1000, &Group::default()) {
            Outcome::Result(json) => Ok(json.get().to_owned()),
            Outcome::Failed(error) => Err(error),
        }
    }

    #[test]
    fn stdout_is_the_result() {
        for (exec, expected) in [
            ("cat", r#"{"n": 1.0e2}"#),
            ("echo hello", r#""hello""#),
            ("printf 'a\\n\\n'", r#""a\n""#),
            ("true", r#""""#),
            ("printf '\\377'", "\"\u{fffd}\""),
            ("echo ' [1 ]'", "[1 ]"),
            ("echo $PROCESSION_JOB_ID $PROCESSION_JOB_TYPE $PROCESSION_JOB_ATTEMPT", r#""j1 t 2""#),
        ] {
            assert_eq!(outcome(exec, r#"{"n": 1.0e2}"#).as_deref(), Ok(expected), "{exec}");
        }
    }

    #[test]
    fn a_failure_is_explained() {
        for (exec, expected) in [
            ("echo no >&2; exit 3", "no"),
            ("exit 3", "the command exited with 3"),
            ("kill -9 $$", "the command was ended by signal 9"),
            ("yes", "the output of the command is larger than 1000 bytes"),
        ] {
            assert_eq!(outcome(exec, "1"), Err(expected.to_owned()), "{exec}");
        }
        let long = outcome("yes | head -c 100000 >&2; echo end >&2; exit 1", "1").unwrap_err();
        assert!(long.ends_with("end") && long.len() <= MAX_STDERR_BYTES, "{}", long.len());
    }

    #[test]
    fn a_large_body_meets_a_command_that_does_not_read() {
        let body = format!("\"{}\"", "x".repeat(1 << 20));
        assert_eq!(outcome("echo 1", &body).as_deref(), Ok("1"));
    }

    #[test]
    fn the_whole_group_is_stopped() {
        let group = Group::default();
        let (signalled, started) = (group.clone(), Instant::now());
        let killer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            signalled.signal("TERM");
        });
        let outcome = run("sleep 60; echo done", &Job::for_test("1"), 1000, &group);
        assert!(matches!(outcome, Outcome::Failed(error) if error == "the command was ended by signal 15"));
        assert!(started.elapsed() < Duration::from_secs(20));
        killer.join().unwrap();

        let group = Group::default();
        group.signal("TERM");
        let outcome = run("echo 1", &Job::for_test("1"), 1000, &group);
        assert!(matches!(outcome, Outcome::Failed(error) if error.contains("stopped before")));
    }
}
