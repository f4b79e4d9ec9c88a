//! How the process is: what pages show of it beside the figures of its queues.

use std::time::{Duration, Instant};

use actix::dev::ToEnvelope;
use actix::{Actor, Addr, Handler};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::timeout;

use super::server::{ProcessorFigures, ServerFigures};
use super::system::SettingLine;
use crate::actors::pulse::Pulse;
use crate::web::Site;
use crate::web::process::memory_bytes;
use crate::web::processors::ShowMeta;

/// What doesn't change while the server runs.
#[derive(Clone, Debug)]
pub struct About {
    /// The settings, each with where it came from.
    pub settings: Vec<SettingLine>,
    /// What listens where.
    pub listeners: Vec<(String, String)>,
}

/// What the manager of processors says of them: its `/meta`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Meta {
    processors: Vec<MetaOfProcessor>,
}

#[derive(Deserialize)]
struct MetaOfProcessor {
    id: String,
    name: String,
    url: String,
    state: String,
    cpu: Option<f64>,
    memory: Option<f64>,
    average_ms: Option<f64>,
    processed: u64,
    failed: u64,
    in_hand: u64,
    connected_on: Option<String>,
    last_seen: Option<String>,
}

/// How the server is, and its processors.
pub async fn vitals(site: &Site) -> (ServerFigures, Vec<ProcessorFigures>) {
    let json = site.outside.registry.send(ShowMeta).await.unwrap_or_default();
    let meta: Meta = serde_json::from_slice(&json).unwrap_or_default();
    let server = ServerFigures {
        version: env!("CARGO_PKG_VERSION"),
        uptime_ms: site.process.uptime().as_millis() as u64,
        memory_bytes: memory_bytes(),
        cpu: site.process.cpu_share(),
        connections: Some(site.doorman.open() as u64),
        draining: site.is_draining(),
        store: site.store.as_ref().map(|store| store.borrow().clone()),
    };
    (server, meta.processors.into_iter().map(MetaOfProcessor::figures).collect())
}

impl MetaOfProcessor {
    fn figures(self) -> ProcessorFigures {
        let moment = |text: Option<String>| {
            let moment: Option<Timestamp> = text.and_then(|text| text.parse().ok());
            moment.and_then(|moment| u64::try_from(moment.as_millisecond()).ok())
        };
        ProcessorFigures {
            id: self.id,
            name: self.name,
            url: self.url,
            is_up: self.state == "up",
            cpu: self.cpu,
            memory: self.memory.map(|bytes| bytes as u64),
            average_ms: self.average_ms,
            processed: self.processed,
            failed: self.failed,
            in_hand: self.in_hand,
            connected_ms: moment(self.connected_on).unwrap_or(0),
            last_seen_ms: moment(self.last_seen),
        }
    }
}

/// An actor that doesn't answer for so long is shown as one that doesn't.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long each actor takes to answer, in microseconds.
pub async fn answers(site: &Site) -> Vec<(&'static str, Option<u64>)> {
    let mut answers =
        vec![("Supervisor", answer(&site.supervisor).await), ("Statistics", answer(&site.statistics).await)];
    if let Some(keeper) = &site.keeper {
        answers.push(("Keeper of the store", answer(keeper).await));
    }
    answers
}

async fn answer<A>(actor: &Addr<A>) -> Option<u64>
where
    A: Actor + Handler<Pulse>,
    A::Context: ToEnvelope<A, Pulse>,
{
    let asked = Instant::now();
    let is_well = matches!(timeout(PATIENCE, actor.send(Pulse)).await, Ok(Ok(())));
    is_well.then(|| asked.elapsed().as_micros() as u64)
}
