//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::shape::Scale;

/// Measures whole round trips through procession, a floor, and other job servers, side by side.
#[derive(Parser)]
#[command(name = "cargo bench --bench server --", version)]
pub struct Arguments {
    /// Rounds; the tables show medians [default: 5, quick: 1]
    #[arg(long)]
    rounds: Option<u32>,

    /// Seconds per measurement [default: 2, quick: 0.1]
    #[arg(long)]
    seconds: Option<f64>,

    /// Only these shapes, by name, separated by commas
    #[arg(long, value_name = "SHAPE,…", value_delimiter = ',')]
    only: Vec<String>,

    /// Only these other servers beside procession and the floor, or `none`
    #[arg(long, value_name = "NAME,…|none", value_delimiter = ',')]
    peers: Option<Vec<String>>,

    /// Small numbers and short runs: shows that everything works, not how fast
    #[arg(long)]
    quick: bool,

    /// Let the scheduler choose the cores of server and load program
    #[arg(long)]
    pub unpinned: bool,

    /// Cargo passes this when it benchmarks, and not when it tests
    #[arg(long, hide = true)]
    bench: bool,

    /// Be the floor, and write the ports to this file
    #[arg(long, hide = true, value_name = "PORTS FILE")]
    pub floor: Option<PathBuf>,

    /// Be the floor of HTTP, and write the port to this file
    #[arg(long, hide = true, value_name = "PORTS FILE")]
    pub http_floor: Option<PathBuf>,

    /// As the floor, give each worker so many jobs
    #[arg(long, hide = true, default_value_t = 1)]
    pub floor_credit: u32,
}

impl Arguments {
    /// Short and small. `cargo test --benches` means it, too.
    pub fn quick(&self) -> bool {
        self.quick || !self.bench
    }

    /// How often everything is measured.
    pub fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick() { 1 } else { 5 }).max(1)
    }

    /// How long and how large.
    pub fn scale(&self) -> Scale {
        let seconds = self.seconds.unwrap_or(if self.quick() { 0.1 } else { 2.0 });
        let seconds = Duration::from_secs_f64(seconds.clamp(0.01, 600.0));
        if self.quick() { Scale::quick(seconds) } else { Scale::full(seconds) }
    }

    /// Whether this shape is measured.
    pub fn wants_shape(&self, shape: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == shape)
    }

    /// Whether this one of the other servers takes part.
    pub fn wants_peer(&self, peer: &str) -> bool {
        self.peers.as_ref().is_none_or(|peers| peers.iter().any(|wanted| wanted == peer))
    }

    /// Names that mean nothing, among those given.
    pub fn unknown(&self, shapes: &[&str], peers: &[&str]) -> Vec<String> {
        let shape = self.only.iter().filter(|name| !shapes.contains(&name.as_str()));
        let peer = self.peers.iter().flatten().filter(|name| *name != "none" && !peers.contains(&name.as_str()));
        shape.chain(peer).cloned().collect()
    }
}
