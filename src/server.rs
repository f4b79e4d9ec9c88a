//! The server as a whole: bind everything, start the actors, wait for a signal, drain.

use std::fmt::Display;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix::{Actor, Addr, AsyncContext, Recipient};
use actix_rt::Arbiter;
use log::{error, info, warn};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::actors::Close;
use crate::actors::clock::Clock;
use crate::actors::inbox::Inbox;
use crate::actors::keeper::{CloseStore, Keeper, WatchFigures};
use crate::actors::lifetime;
use crate::actors::listener::{Doorman, Endpoint, Listener};
use crate::actors::questions::PAUSED;
use crate::actors::statistics::{Reports, Statistics};
use crate::actors::supervisor::{CloseAll, Drain, Letter, Supervisor};
use crate::config::{Origin, SettingRow, Settings, StoreUrl};
use crate::core::{Body, Census, JobId, Limits, Peer, Queue, Recovery, Router, TypeName};
use crate::protocols::{Session, deputy, gloom, native};
use crate::store::sqlite::Options;
use crate::store::{Recalled, Sqlite, Store, StoreError};
use crate::web;
use crate::web::desk::Reach;
use crate::web::outside::{self, Beginning, Outside};
use crate::web::pages::system::SettingLine;
use crate::web::pages::vitals::About;
use crate::web::safety::Safety;

/// Why a server can't start: one line that says what, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address can't be had.
    #[error("can't listen on {address} ({what}): {why}")]
    Bind {
        /// What was to listen there: a setting's name.
        what: &'static str,
        /// Where.
        address: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A file can't be written.
    #[error("can't write {path} (ports-file): {why}")]
    PortsFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: io::Error,
    },
    /// The store can't be opened.
    #[error("can't open the store: {0}")]
    Store(#[from] StoreError),
    /// The system refuses something else.
    #[error("can't start: {0}")]
    System(#[from] io::Error),
}

/// After the drain, connections have this long to write what they still have.
const LAST_WRITES: Duration = Duration::from_secs(2);

/// How often deputy's verbose mode writes its metrics.
const VERBOSE_EVERY: Duration = Duration::from_secs(5);

/// Runs a server until a signal stops it.
///
/// # Errors
/// [`StartError`]: nothing was created or deleted then.
pub fn run(settings: Settings) -> Result<(), StartError> {
    // As a task of its own: the future that a system blocks on is polled whenever anything wakes.
    actix_rt::System::new().block_on(async {
        actix_rt::spawn(serve(settings)).await.map_err(|error| StartError::System(io::Error::other(error)))?
    })
}

async fn serve(settings: Settings) -> Result<(), StartError> {
    let settings = &settings;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let bound = Bound::all(settings)?;
    let clock = Clock::start();
    let limits = Arc::new(settings.limits.clone());
    let mut recovered = recover(settings, clock, &limits).inspect_err(|_| bound.remove_socket())?;
    if let Some(path) = &settings.ports_file {
        let written = bound.write_ports(path).inspect_err(|_| bound.remove_socket());
        written.map_err(|why| StartError::PortsFile { path: path.clone(), why })?;
    }
    bound.announce();
    let about = Arc::new(about(settings, &bound));

    // They are read over HTTP only.
    let past = recovered.past();
    let figures = bound.http.is_some().then(|| Statistics::on_its_own_thread(clock, past));
    let statistics = figures.as_ref().map(|(statistics, reports, _)| (statistics.clone(), reports.clone()));
    let notes = std::mem::take(&mut recovered.notes);
    let ended = recovered.ended;
    let (supervisor, letters, keeper) = start(clock, recovered, past, statistics);
    if let (Some((statistics, _, snapshots)), Some(keeper)) = (figures.clone(), keeper.clone()) {
        actix_rt::spawn(lifetime::keep(ended, supervisor.clone(), statistics, snapshots, keeper));
    }
    // One thread for everything is best on few cores (`benches/server`); more are for connections only.
    let threads: Vec<Arbiter> = (1..settings.threads).map(|_| Arbiter::new()).collect();
    let doorman = Doorman::new(limits.clone(), threads.iter().map(Arbiter::handle).collect());
    let metrics = deputy::Metrics::new(wall_ms());
    if settings.deputy_verbose {
        actix_rt::spawn(write_metrics(metrics.clone()));
    }
    let socket = bound.deputy_socket.as_ref().map(|(_, path)| path.clone());
    let token = settings.token.as_ref().map(|token| Arc::from(token.expose()));
    // Nobody can ask for an action without HTTP, but those of the last process go on.
    let outside = if bound.http.is_some() || !notes.is_empty() {
        let (supervisor, letters) = (supervisor.clone(), letters.clone());
        let reach = Reach { supervisor, letters, keeper: keeper.clone(), doorman: doorman.clone() };
        Outside::start(bound.beginning_outside(settings, reach, limits.clone(), notes)).await
    } else {
        None
    };
    let store = match keeper.as_ref().filter(|_| bound.http.is_some()) {
        // Whoever reads over HTTP reads this, and never waits for the store.
        Some(keeper) => keeper.send(WatchFigures).await.ok(),
        None => None,
    };
    let http = bound.http.zip(figures).zip(outside).map(|((listener, (statistics, _, snapshots)), outside)| {
        let names = settings.http_names.clone().into();
        let safety = Safety { token: token.clone(), names, address: listener.local_addr()?.ip() };
        let about = about.clone();
        let parts = web::Parts {
            supervisor: supervisor.clone(),
            letters: letters.clone(),
            keeper: keeper.clone(),
            statistics,
            snapshots,
            store,
            limits: limits.clone(),
            doorman: doorman.clone(),
            safety,
            about,
            outside,
        };
        web::serve(listener, parts)
    });
    let http = http.transpose()?;
    let listeners: Vec<Recipient<Close>> = [
        bound.gloom_masters.map(|on| listen::<gloom::Master>(on, &doorman, gloom::Shared::default(), &letters)),
        bound.gloom_workers.map(|on| listen::<gloom::Worker>(on, &doorman, (), &letters)),
        bound.deputy.map(|on| listen::<deputy::Session>(on, &doorman, metrics.clone(), &letters)),
        bound.deputy_socket.map(|(on, _)| listen::<deputy::Session>(on, &doorman, metrics, &letters)),
        bound
            .tcp
            .map(|on| listen::<native::Session>(on, &doorman, native::Shared::new(token, Arc::new(World)), &letters)),
    ]
    .into_iter()
    .flatten()
    .collect();

    tokio::select! {
        _ = terminate.recv() => info!("SIGTERM"),
        _ = interrupt.recv() => info!("SIGINT"),
    }
    if let Some(http) = &http {
        http.drain();
    }
    for listener in listeners {
        listener.do_send(Close { peer: Peer::NONE, is_the_end: true });
    }
    tokio::select! {
        () = drain(&supervisor, keeper.as_ref(), http, settings.drain) => {}
        _ = terminate.recv() => warn!("a second signal: stopping now"),
        _ = interrupt.recv() => warn!("a second signal: stopping now"),
    }
    if let Some(path) = socket {
        // It is ours; a failure leaves a stale one, which the next start replaces.
        let _ = std::fs::remove_file(path);
    }
    info!("stopped");
    Ok(())
}

/// What the pages for operators show of the server itself.
fn about(settings: &Settings, bound: &Bound) -> About {
    let line = |row: SettingRow| SettingLine {
        name: row.name.to_owned(),
        value: row.value,
        is_default: matches!(row.origin, Origin::Default(_)),
        origin: row.origin.to_string(),
    };
    let listeners = bound.addresses.iter().map(|(what, address)| ((*what).to_owned(), address.clone())).collect();
    About { settings: settings.table().into_iter().map(line).collect(), listeners }
}

fn listen<S: Session>(
    on: Endpoint,
    doorman: &Doorman,
    shared: S::Shared,
    letters: &Arc<Inbox<Letter>>,
) -> Recipient<Close> {
    Listener::<S>::new(on, doorman.clone(), shared, letters.clone()).start().recipient()
}

/// What a server begins with.
struct Recovered {
    router: Router,
    queues: Vec<Queue>,
    store: Option<Box<dyn Store>>,
    /// What the thread of outgoing calls has kept.
    notes: Vec<(Arc<str>, Body)>,
    /// What had become of jobs when that was kept last.
    ended: Census,
}

impl Recovered {
    /// What became of jobs of which nothing else is left.
    fn past(&self) -> Census {
        let mut shown = Census::default();
        self.queues.iter().for_each(|queue| shown += queue.census());
        self.ended.beyond(&shown)
    }
}

/// What the last process left, if it is kept at all.
fn recover(settings: &Settings, clock: Clock, limits: &Arc<Limits>) -> Result<Recovered, StartError> {
    let folder = match &settings.store {
        StoreUrl::Memory => {
            return Ok(Recovered {
                router: Router::new(limits.clone()),
                queues: Vec::new(),
                store: None,
                notes: Vec::new(),
                ended: Census::default(),
            });
        }
        StoreUrl::File(folder) => folder,
    };
    let mut store: Box<dyn Store> = Box::new(Sqlite::open(folder, Options::default())?);
    let (mut notes, mut ended) = (Vec::new(), Census::default());
    let mut recovery = Recovery::new(clock.now(), limits.clone());
    let found = store.recover(BODIES_UP_TO, &mut |recalled| match recalled {
        Recalled::Live { job, body_bytes } => recovery.live(*job, body_bytes),
        Recalled::Archived(archived) => {
            recovery.archived(&archived.id, archived.sequence, &archived.kind, archived.outcome);
        }
        Recalled::Note { key, value } if outside::is_ours(&key) => notes.push((key, value)),
        Recalled::Note { key, value } if *key == *lifetime::ENDED => {
            ended = Census::from_note(&value).unwrap_or_default();
        }
        Recalled::Note { key, .. } => {
            if let Some(kind) = key.strip_prefix(PAUSED).and_then(|kind| TypeName::from_text(kind).ok()) {
                recovery.paused(&kind);
            }
        }
    })?;
    if found.live + found.archived > 0 {
        info!(live = found.live, finished = found.archived; "jobs recovered");
    }
    if found.lost {
        error!(
            "the last commit before the end of the last process is not whole, though it was acknowledged: the disk lied, or somebody cut the file"
        );
    }
    let (router, queues, records) = recovery.finish(found.next_sequence);
    store.commit(&records)?;
    Ok(Recovered { router, queues, store: Some(store), notes, ended })
}

/// At start, longer bodies stay in the store until they are needed.
const BODIES_UP_TO: usize = 256;

/// The supervisor on this thread, and the keeper of the store on its own.
fn start(
    clock: Clock,
    recovered: Recovered,
    past: Census,
    statistics: Option<(Addr<Statistics>, Arc<Reports>)>,
) -> (Addr<Supervisor>, Arc<Inbox<Letter>>, Option<Addr<Keeper>>) {
    let Recovered { router, queues, store, .. } = recovered;
    let (mut keeper, mut letters) = (None, None);
    let supervisor = Supervisor::create(|ctx| {
        keeper = store.map(|store| {
            let supervisor = ctx.address();
            Keeper::start_in_arbiter(&Arbiter::new().handle(), move |_| Keeper::new(store, clock, supervisor))
        });
        let supervisor = Supervisor::new(clock, router, queues, keeper.clone()).after(past);
        let supervisor = match statistics {
            Some((statistics, reports)) => supervisor.reporting_to(statistics, reports),
            None => supervisor,
        };
        letters = Some(supervisor.inbox());
        supervisor
    });
    (supervisor, letters.expect("it was made with its supervisor"), keeper)
}

/// Lets running jobs answer, then lets connections write what they have, then stops HTTP, then closes the store.
async fn drain(
    supervisor: &Addr<Supervisor>,
    keeper: Option<&Addr<Keeper>>,
    http: Option<web::Front>,
    patience: Duration,
) {
    let (idle, is_idle) = oneshot::channel();
    supervisor.do_send(Drain { idle });
    if timeout(patience, is_idle).await.is_err() {
        warn!("jobs still run after the drain time (--drain): they end with their connections");
    }
    let (alone, is_alone) = oneshot::channel();
    supervisor.do_send(CloseAll { alone });
    if timeout(LAST_WRITES, is_alone).await.is_err() {
        warn!("some connections did not take what was written to them");
    }
    if let Some(http) = http {
        http.stop().await;
    }
    if let Some(keeper) = keeper {
        lifetime::keep_last(supervisor, keeper).await;
        if keeper.send(CloseStore).await.is_err() {
            warn!("the store was not closed in time; it is read more carefully at the next start");
        }
    }
}

async fn write_metrics(metrics: Arc<deputy::Metrics>) {
    let mut every = tokio::time::interval(VERBOSE_EVERY);
    every.tick().await;
    loop {
        every.tick().await;
        eprintln!("{}", metrics.to_json());
    }
}

/// What the sessions of the native protocol need of the world.
struct World;

impl native::World for World {
    fn new_id(&self) -> JobId {
        JobId::from_text(&uuid::Uuid::now_v7().to_string()).expect("a UUID is a good id")
    }

    fn wall_ms(&self) -> u64 {
        wall_ms()
    }
}

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// Everything that is bound; nothing is accepted yet.
struct Bound {
    http: Option<std::net::TcpListener>,
    tcp: Option<Endpoint>,
    gloom_masters: Option<Endpoint>,
    gloom_workers: Option<Endpoint>,
    deputy: Option<Endpoint>,
    deputy_socket: Option<(Endpoint, PathBuf)>,
    /// What listens where, in the order of the announcement.
    addresses: Vec<(&'static str, String)>,
}

impl Bound {
    fn all(settings: &Settings) -> Result<Bound, StartError> {
        let mut addresses = Vec::new();
        let mut tcp = |what: &'static str, address: Option<SocketAddr>| {
            address.map(|address| bind_tcp(what, address, &mut addresses)).transpose()
        };
        let http = tcp("http", settings.http.addr())?.map(TcpListener::into_std).transpose()?;
        let mut tcp = |what, address| Ok::<_, StartError>(tcp(what, address)?.map(Endpoint::Tcp));
        let gloom_masters = tcp("gloom-masters", settings.gloom_masters.addr())?;
        let gloom_workers = tcp("gloom-workers", settings.gloom_workers.addr())?;
        let deputy = tcp("deputy", settings.deputy.addr())?;
        let tcp = tcp("tcp", settings.tcp.addr())?;
        let deputy_socket =
            settings.deputy_socket.as_deref().map(|path| bind_unix(path, &mut addresses)).transpose()?;
        Ok(Bound { http, tcp, gloom_masters, gloom_workers, deputy, deputy_socket, addresses })
    }

    /// Leaves no socket behind where the start fails after all. A failure leaves a stale one, which the next start replaces.
    fn remove_socket(&self) {
        if let Some((_, path)) = &self.deputy_socket {
            let _ = std::fs::remove_file(path);
        }
    }

    fn announce(&self) {
        let mut lines = String::new();
        let (http, others): (Vec<_>, Vec<_>) = self.addresses.iter().partition(|(what, _)| *what == "http");
        for (what, address) in others {
            lines.push_str(&format!("{what:<14} {address}\n"));
        }
        // The last line is the one that people click on.
        for (what, address) in http {
            lines.push_str(&format!("{what:<14} http://{address}/\n"));
        }
        // Nobody may read them.
        let mut stdout = io::stdout().lock();
        let _ = stdout.write_all(lines.as_bytes()).and_then(|()| stdout.flush());
    }

    /// What the thread of outgoing calls begins with.
    fn beginning_outside(
        &self,
        settings: &Settings,
        reach: Reach,
        limits: Arc<Limits>,
        notes: Vec<(Arc<str>, Body)>,
    ) -> Beginning {
        let own: Vec<SocketAddr> = self.addresses.iter().filter_map(|(_, address)| address.parse().ok()).collect();
        let allowed = settings.outgoing_allow.ranges(own.iter().all(|own| own.ip().is_loopback()));
        Beginning { reach, limits, allowed, own, check_every: settings.health_interval, notes }
    }

    /// Under a name of its own first, so that whoever waits for the file finds it whole.
    fn write_ports(&self, path: &Path) -> io::Result<()> {
        let ports: serde_json::Map<String, serde_json::Value> =
            self.addresses.iter().map(|(what, address)| (what.replace('-', "_"), address.as_str().into())).collect();
        let unfinished = path.with_extension("unfinished");
        std::fs::write(&unfinished, serde_json::Value::Object(ports).to_string())?;
        std::fs::rename(&unfinished, path)
    }
}

fn bind_tcp(
    what: &'static str,
    address: SocketAddr,
    addresses: &mut Vec<(&'static str, String)>,
) -> Result<TcpListener, StartError> {
    let why = |error: io::Error| StartError::Bind { what, address: address.to_string(), why: explain(&error, what) };
    let socket = if address.is_ipv4() { tokio::net::TcpSocket::new_v4() } else { tokio::net::TcpSocket::new_v6() };
    let socket = socket.map_err(why)?;
    socket.set_reuseaddr(true).map_err(why)?;
    socket.bind(address).map_err(why)?;
    let listener: TcpListener = socket.listen(BACKLOG).map_err(why)?;
    addresses.push((what, listener.local_addr().map_err(why)?.to_string()));
    Ok(listener)
}

/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 4_096;

fn explain(error: &io::Error, what: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the address is in use: stop the program that has it, or choose another with --{what} IP:PORT")
        }
        io::ErrorKind::PermissionDenied => {
            format!("not permitted: choose a port above 1023 with --{what} IP:PORT")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address: choose another with --{what} IP:PORT")
        }
        _ => error.to_string(),
    }
}

/// A stale socket that nobody listens on is replaced; anything else at the path is left alone (`spec/deputy.md`).
fn bind_unix(path: &Path, addresses: &mut Vec<(&'static str, String)>) -> Result<(Endpoint, PathBuf), StartError> {
    let what = "deputy-socket";
    let shown = path.display().to_string();
    let failed = |why: &dyn Display| StartError::Bind { what, address: shown.clone(), why: why.to_string() };
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err(failed(&"there is something that is not a socket: it is left alone; choose another path"));
        }
        Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
            Ok(_) => return Err(failed(&"another server listens there: stop it, or choose another path")),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(|error| failed(&error))?;
            }
            Err(error) => return Err(failed(&error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    let listener = UnixListener::bind(path).map_err(|error| failed(&error))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(|error| failed(&error))?;
    addresses.push((what, shown.clone()));
    Ok((Endpoint::Unix(listener), path.to_owned()))
}
