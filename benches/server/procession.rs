//! The server under test and its floor: two programs, one dialect, one way to start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::gloom;
use crate::job::{Pattern, TypeName};
use crate::peer::{FLOOR, Line, Peer, SERVER};
use crate::process::{PORTS_FILE, Server};
use crate::shape::Shape;

/// procession, over gloom's two ports, keeping nothing on disk.
pub struct Procession;

/// This program again, as `floor.rs`.
pub struct Floor;

impl Peer for Procession {
    fn name(&self) -> &'static str {
        SERVER
    }

    fn program(&self) -> Option<PathBuf> {
        Some(PathBuf::from(env!("CARGO_BIN_EXE_procession")))
    }

    fn start(&self, _shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_procession"));
        for listener in ["--gloom-masters", "--gloom-workers", "--deputy"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        // Not a flag, which a server that is built without HTTP would refuse.
        command.env("PROCESSION_HTTP", "127.0.0.1:0");
        command.args(["--tcp", "off", "--store", "memory:"]);
        // The crowds are as large as the default limits, and the measured ones come on top.
        command.args(["--max-connections", "20000", "--max-types", "20000"]);
        command.arg("--ports-file").arg(folder.join(PORTS_FILE));
        Server::start_with_ports_file(command, folder)
    }

    fn master(&self, server: &Server, _number: u16, pattern: &Arc<Pattern>) -> Vec<Line> {
        master(server, pattern)
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, pattern: &Arc<Pattern>) -> Line {
        worker(server, kind, pattern)
    }
}

impl Peer for Floor {
    fn name(&self) -> &'static str {
        FLOOR
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    fn start(&self, _shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let program = std::env::current_exe().map_err(Flaw::system("find this program"))?;
        let mut command = Command::new(program);
        command.arg("--floor").arg(folder.join(PORTS_FILE));
        Server::start_with_ports_file(command, folder)
    }

    fn master(&self, server: &Server, _number: u16, pattern: &Arc<Pattern>) -> Vec<Line> {
        master(server, pattern)
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, pattern: &Arc<Pattern>) -> Line {
        worker(server, kind, pattern)
    }
}

fn master(server: &Server, pattern: &Arc<Pattern>) -> Vec<Line> {
    vec![Line { address: server.masters, session: Box::new(gloom::Master::new(pattern)) }]
}

fn worker(server: &Server, kind: TypeName, pattern: &Arc<Pattern>) -> Line {
    Line { address: server.workers, session: Box::new(gloom::Worker::new(pattern, kind)) }
}
