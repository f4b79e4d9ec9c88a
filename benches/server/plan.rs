//! What is going to be measured: the shapes and peers that were asked for, are here, and fit this machine.

use std::time::Duration;

use crate::arguments::Arguments;
use crate::cores::Cores;
use crate::disk;
use crate::flaw::Flaw;
use crate::open_files;
use crate::peer::{self, OURS, Peer};
use crate::process::version;
use crate::shape::{self, Shape};

/// The work ahead.
pub struct Plan {
    pub rounds: u32,
    /// Of each measurement.
    pub seconds: Duration,
    pub shapes: Vec<Shape>,
    pub peers: Vec<Box<dyn Peer>>,
    pub cores: Cores,
    /// Where the stores lie.
    pub file_system: String,
    /// What will be missing, and why.
    pub notes: Vec<String>,
}

impl Plan {
    /// Reads the arguments and looks around. This may start the program again, with a higher limit of open files.
    pub fn new(arguments: &Arguments) -> Result<Plan, Flaw> {
        let scale = arguments.scale();
        let mut plan = Plan {
            rounds: arguments.rounds(),
            seconds: scale.seconds,
            shapes: shape::all(&scale),
            peers: peer::all(),
            cores: if arguments.unpinned { Cores::any() } else { Cores::find() },
            file_system: disk::file_system(&disk::folder()),
            notes: Vec::new(),
        };
        plan.refuse_unknown(arguments)?;
        plan.shapes.retain(|shape| arguments.wants_shape(shape.name));
        plan.peers.retain(|peer| OURS.contains(&peer.name()) || arguments.wants_peer(peer.name()));
        plan.drop_missing_peers();
        plan.drop_large_shapes()?;
        if plan.shapes.iter().any(|shape| shape.durable) && disk::is_memory(&plan.file_system) {
            plan.notes
                .push(format!("stores lie on {}: what is durable there is not, and costs nothing", plan.file_system));
        }
        if !plan.cores.chosen() {
            plan.notes.push("not pinned: the scheduler chose the cores, and ratios vary with its choice".into());
        }
        if arguments.quick() {
            plan.notes.push("quick: this shows that everything works; its figures mean little".into());
        }
        Ok(plan)
    }

    /// Who takes part in a shape, starting with another one each round.
    pub fn field<'a>(&'a self, shape: &'a Shape, round: u32) -> impl Iterator<Item = &'a dyn Peer> {
        let first = round as usize % self.peers.len();
        let turned = self.peers[first..].iter().chain(&self.peers[..first]).map(Box::as_ref);
        turned.filter(|peer| shape.field.contains(&peer.name()))
    }

    /// The peers' names, with the versions of other people's programs.
    pub fn labels(&self) -> Vec<(&'static str, String)> {
        let label = |peer: &dyn Peer| {
            let version = peer.version_flag().zip(peer.program()).and_then(|(flag, program)| version(&program, flag));
            version.map_or(peer.name().to_owned(), |version| format!("{} {version}", peer.name()))
        };
        self.peers.iter().map(|peer| (peer.name(), label(peer.as_ref()))).collect()
    }

    fn refuse_unknown(&self, arguments: &Arguments) -> Result<(), Flaw> {
        let shapes: Vec<&str> = self.shapes.iter().map(|shape| shape.name).collect();
        let peers: Vec<&str> = self.peers.iter().map(|peer| peer.name()).collect();
        let unknown = arguments.unknown(&shapes, &peers);
        if unknown.is_empty() {
            return Ok(());
        }
        let known = format!("shapes are {}; peers are {}", shapes.join(", "), peers.join(", "));
        Err(Flaw::Start(format!("unknown: {}; {known}", unknown.join(", "))))
    }

    fn drop_missing_peers(&mut self) {
        let notes = &mut self.notes;
        self.peers.retain(|peer| {
            let installed = peer.program().is_some();
            if !installed {
                notes.push(format!("skipped: {} is not installed", peer.name()));
            }
            installed
        });
    }

    fn drop_large_shapes(&mut self) -> Result<(), Flaw> {
        let allowed = open_files::allow()?;
        let notes = &mut self.notes;
        self.shapes.retain(|shape| {
            let needed = shape.connections();
            if needed > allowed {
                notes.push(format!("skipped: {} needs {needed} open files, {allowed} are allowed", shape.name));
            }
            needed <= allowed
        });
        Ok(())
    }
}
