//! The server under test and its floor: two programs, and one way to start each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{Pattern, TypeName};
use crate::peer::{FILE, FLOOR, Line, NATIVE, Peer, SERVER};
use crate::process::{PORTS_FILE, Server};
use crate::shape::Shape;
use crate::{gloom, native};

/// procession.
pub struct Procession {
    name: &'static str,
    dialect: Dialect,
    store: Store,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Gloom,
    Native,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Never,
    Always,
    WhereDurable,
}

/// This program again, as `floor.rs`.
pub struct Floor;

/// procession in its ways.
pub fn all() -> [Procession; 3] {
    [
        Procession { name: SERVER, dialect: Dialect::Gloom, store: Store::Never },
        Procession { name: FILE, dialect: Dialect::Gloom, store: Store::Always },
        Procession { name: NATIVE, dialect: Dialect::Native, store: Store::WhereDurable },
    ]
}

impl Peer for Procession {
    fn name(&self) -> &'static str {
        self.name
    }

    fn program(&self) -> Option<PathBuf> {
        Some(PathBuf::from(env!("CARGO_BIN_EXE_procession")))
    }

    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_procession"));
        for listener in ["--gloom-masters", "--gloom-workers", "--deputy", "--tcp"] {
            command.args([listener, "127.0.0.1:0"]);
        }
        let is_kept = match self.store {
            Store::Never => false,
            Store::Always => true,
            Store::WhereDurable => shape.durable,
        };
        let store = if is_kept { format!("file:{}", folder.join("store").display()) } else { "memory:".to_owned() };
        command.args(["--store", &store]);
        // The crowds are as large as the default limits, and the measured ones come on top.
        command.args(["--max-connections", "20000", "--max-types", "20000"]);
        let ports = match self.dialect {
            Dialect::Gloom => GLOOM_PORTS,
            Dialect::Native => ["tcp", "tcp"],
        };
        command.arg("--ports-file").arg(folder.join(PORTS_FILE));
        Server::start_with_ports_file(command, folder, ports)
    }

    fn master(&self, server: &Server, _number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        match self.dialect {
            Dialect::Gloom => master(server, pattern),
            Dialect::Native => {
                vec![Line { address: server.masters, session: Box::new(native::Master::new(pattern, shape)) }]
            }
        }
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        match self.dialect {
            Dialect::Gloom => worker(server, kind, 1, pattern),
            Dialect::Native => {
                Line { address: server.workers, session: Box::new(native::Worker::new(pattern, kind, shape)) }
            }
        }
    }
}

impl Peer for Floor {
    fn name(&self) -> &'static str {
        FLOOR
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    fn start(&self, shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let program = std::env::current_exe().map_err(Flaw::system("find this program"))?;
        let mut command = Command::new(program);
        command.arg("--floor").arg(folder.join(PORTS_FILE)).args(["--floor-credit", &shape.credit.to_string()]);
        Server::start_with_ports_file(command, folder, GLOOM_PORTS)
    }

    fn master(&self, server: &Server, _number: u16, _shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        master(server, pattern)
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        worker(server, kind, shape.credit, pattern)
    }
}

fn master(server: &Server, pattern: &Arc<Pattern>) -> Vec<Line> {
    vec![Line { address: server.masters, session: Box::new(gloom::Master::new(pattern)) }]
}

fn worker(server: &Server, kind: TypeName, credit: u32, pattern: &Arc<Pattern>) -> Line {
    Line { address: server.workers, session: Box::new(gloom::Worker::new(pattern, kind, credit)) }
}

/// For masters and for workers.
const GLOOM_PORTS: [&str; 2] = ["gloom_masters", "gloom_workers"];
