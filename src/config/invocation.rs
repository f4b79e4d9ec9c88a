//! What the command line asks for.

use std::net::SocketAddr;
use std::time::Duration;

use crate::logging::LogFormat;

use super::secret::Secret;
use super::settings::Settings;

/// One run of the program.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// Run a server.
    Serve(Box<Settings>),
    /// Show the settings.
    Check(Box<Settings>),
    /// Run a server that only speaks deputy, with deputy's own command line.
    Deputy(Box<Settings>),
    /// Submit a job.
    Submit {
        /// The server's native TCP listener.
        client: Client,
        /// The job.
        submission: Submission,
    },
    /// Work on jobs with a shell command.
    Work {
        /// The server's native TCP listener.
        client: Client,
        /// What to work on, and with what.
        work: Work,
    },
    /// Show the counters of a server.
    Stats {
        /// One of the server's listeners.
        client: Client,
        /// Which: HTTP, or deputy.
        door: Door,
    },
    /// See whether a server answers.
    Healthcheck {
        /// One of the server's listeners.
        client: Client,
        /// Which: HTTP, or native TCP.
        door: Door,
    },
    /// Print this to stdout: the help or the version.
    Print(String),
}

/// Which listener a question goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// HTTP, which knows most.
    Http,
    /// The other one: because the command line names it, or because HTTP is off.
    Other,
}

/// How a client command reaches the server.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where to connect to.
    pub addr: SocketAddr,
    /// What the server wants to know.
    pub token: Option<Secret>,
    /// The shape of log lines.
    pub log_format: LogFormat,
}

/// `submit TYPE BODY`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The type of the job.
    pub job_type: String,
    /// The body as given: JSON, or `-` for stdin.
    pub body: String,
    /// Wait for the result.
    pub wait: bool,
    /// The id; the server makes one if there is none.
    pub id: Option<String>,
    /// The priority; the server's default if there is none.
    pub priority: Option<i64>,
    /// How long to wait for the result.
    pub timeout: Option<Duration>,
}

/// `work TYPE --exec CMD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Work {
    /// The type to work on.
    pub job_type: String,
    /// What `sh -c` runs for each job.
    pub exec: String,
    /// How many at a time.
    pub concurrency: usize,
}
