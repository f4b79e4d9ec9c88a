//! The server under test and its floors: two programs, and one way to start each.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crate::flaw::Flaw;
use crate::job::{Pattern, TypeName};
use crate::peer::{FILE, FLOOR, HTTP, HTTP_FLOOR, Line, NATIVE, POLLS, Peer, SERVER};
use crate::process::{PORTS_FILE, Server};
use crate::shape::Shape;
use crate::{gloom, http, native};

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
    Http,
    /// Native, but bystanders poll over HTTP.
    NativeBesidePolls,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    Never,
    Always,
    WhereDurable,
}

/// This program again, as `floor.rs`.
pub struct Floor;

/// This program again, as `http_floor.rs`.
pub struct HttpFloor;

/// procession in its ways.
pub fn all() -> [Procession; 5] {
    [
        Procession { name: SERVER, dialect: Dialect::Gloom, store: Store::Never },
        Procession { name: FILE, dialect: Dialect::Gloom, store: Store::Always },
        Procession { name: NATIVE, dialect: Dialect::Native, store: Store::WhereDurable },
        Procession { name: HTTP, dialect: Dialect::Http, store: Store::WhereDurable },
        Procession { name: POLLS, dialect: Dialect::NativeBesidePolls, store: Store::Never },
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
        for listener in ["--gloom-masters", "--gloom-workers", "--deputy", "--tcp", "--http"] {
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
            Dialect::Http => HTTP_PORTS,
            Dialect::NativeBesidePolls => ["tcp", "http"],
        };
        command.arg("--ports-file").arg(folder.join(PORTS_FILE));
        Server::start_with_ports_file(command, folder, ports)
    }

    fn master(&self, server: &Server, _number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        match self.dialect {
            Dialect::Gloom => master(server, pattern),
            Dialect::Native | Dialect::NativeBesidePolls => {
                vec![Line { address: server.masters, session: Box::new(native::Master::new(pattern, shape)) }]
            }
            Dialect::Http => http_master(server, shape, pattern),
        }
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        match self.dialect {
            Dialect::Gloom => worker(server, kind, 1, pattern),
            Dialect::Http => http_worker(server, kind, shape, pattern),
            Dialect::NativeBesidePolls if kind == TypeName::IDLE => http_worker(server, kind, shape, pattern),
            // One port for masters and workers.
            Dialect::Native | Dialect::NativeBesidePolls => {
                Line { address: server.masters, session: Box::new(native::Worker::new(pattern, kind, shape)) }
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

impl Peer for HttpFloor {
    fn name(&self) -> &'static str {
        HTTP_FLOOR
    }

    fn program(&self) -> Option<PathBuf> {
        std::env::current_exe().ok()
    }

    fn start(&self, _shape: &Shape, folder: &Path) -> Result<Server, Flaw> {
        let program = std::env::current_exe().map_err(Flaw::system("find this program"))?;
        let mut command = Command::new(program);
        command.arg("--http-floor").arg(folder.join(PORTS_FILE));
        Server::start_with_ports_file(command, folder, HTTP_PORTS)
    }

    fn master(&self, server: &Server, _number: u16, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
        http_master(server, shape, pattern)
    }

    fn worker(&self, server: &Server, _number: u32, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
        http_worker(server, kind, shape, pattern)
    }
}

fn master(server: &Server, pattern: &Arc<Pattern>) -> Vec<Line> {
    vec![Line { address: server.masters, session: Box::new(gloom::Master::new(pattern)) }]
}

fn worker(server: &Server, kind: TypeName, credit: u32, pattern: &Arc<Pattern>) -> Line {
    Line { address: server.workers, session: Box::new(gloom::Worker::new(pattern, kind, credit)) }
}

fn http_master(server: &Server, shape: &Shape, pattern: &Arc<Pattern>) -> Vec<Line> {
    vec![Line { address: server.masters, session: Box::new(http::Master::new(pattern, shape)) }]
}

fn http_worker(server: &Server, kind: TypeName, shape: &Shape, pattern: &Arc<Pattern>) -> Line {
    Line { address: server.workers, session: Box::new(http::Worker::new(pattern, kind, shape)) }
}

const HTTP_PORTS: [&str; 2] = ["http", "http"];
/// For masters and for workers.
const GLOOM_PORTS: [&str; 2] = ["gloom_masters", "gloom_workers"];
