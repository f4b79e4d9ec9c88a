//! The actors together, over real sockets: what becomes of the others when one of them dies.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, AsyncContext};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::clock::Clock;
use super::inbox::Inbox;
use super::keeper::{Dig, Discard, Keeper};
use super::listener::{Doorman, Endpoint, Listener};
use super::questions::SetPaused;
use super::statistics::{History, Snapshots, Statistics};
use super::supervisor::{KillQueue, Letter, Supervisor, Survey};
use crate::core::statistics::{Range, Snapshot};
use crate::core::{Census, Limits, Router, TypeName};
use crate::protocols::{Session, gloom};
use crate::store::{Memory, Query};

/// A server with gloom's two ports.
struct Server {
    supervisor: Addr<Supervisor>,
    keeper: Option<Addr<Keeper>>,
    masters: std::net::SocketAddr,
    workers: std::net::SocketAddr,
}

impl Server {
    async fn start(limits: Limits) -> Server {
        let limits = Arc::new(limits);
        let supervisor = Supervisor::new(Clock::start(), Router::new(limits.clone()), Vec::new(), None);
        let letters = supervisor.inbox();
        Server::listen(supervisor.start(), letters, None, limits).await
    }

    /// One whose durable jobs outlive their queue.
    async fn start_with_store() -> Server {
        Server::start_with_figures().await.0
    }

    /// The same, where its figures can be read too.
    async fn start_with_figures() -> (Server, Addr<Statistics>, Snapshots) {
        let (limits, clock) = (Arc::new(Limits::default()), Clock::start());
        let (statistics, reports, snapshots) = Statistics::on_its_own_thread(clock, Census::default());
        let router = Router::new(limits.clone());
        let (mut keeper, mut letters) = (None, None);
        let supervisor = Supervisor::create(|ctx| {
            keeper = Some(Keeper::new(Box::new(Memory::default()), clock, ctx.address()).start());
            let supervisor = Supervisor::new(clock, router, Vec::new(), keeper.clone());
            letters = Some(supervisor.inbox());
            supervisor.reporting_to(statistics.clone(), reports)
        });
        let letters = letters.expect("it was made with its supervisor");
        (Server::listen(supervisor, letters, keeper, limits).await, statistics, snapshots)
    }

    async fn listen(
        supervisor: Addr<Supervisor>,
        letters: Arc<Inbox<Letter>>,
        keeper: Option<Addr<Keeper>>,
        limits: Arc<Limits>,
    ) -> Server {
        let doorman = Doorman::new(limits, Vec::new());
        let masters = listen::<gloom::Master>(&letters, &doorman, gloom::Shared::default()).await;
        let workers = listen::<gloom::Worker>(&letters, &doorman, ()).await;
        Server { supervisor, keeper, masters, workers }
    }
}

async fn listen<S: Session>(
    letters: &Arc<Inbox<Letter>>,
    doorman: &Doorman,
    shared: S::Shared,
) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Listener::<S>::new(Endpoint::Tcp(listener), doorman.clone(), shared, letters.clone()).start();
    address
}

struct Client(TcpStream);

impl Client {
    async fn connect(to: std::net::SocketAddr) -> Client {
        Client(TcpStream::connect(to).await.unwrap())
    }

    async fn say(&mut self, text: &str) {
        let mut frame = (text.len() as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    async fn hear(&mut self) -> String {
        timeout(Duration::from_secs(5), async {
            let length = self.0.read_u32().await.unwrap();
            let mut payload = vec![0; length as usize];
            self.0.read_exact(&mut payload).await.unwrap();
            String::from_utf8(payload).unwrap()
        })
        .await
        .expect("an answer within 5 s")
    }

    async fn ask(&mut self, text: &str) -> String {
        self.say(text).await;
        self.hear().await
    }
}

const SUBMIT: &str = r#"{"action":"submit","id":"a","type":"t","body":1}"#;

/// The panic of a queue reaches its masters as `job_failed`, frees the ids, and the workers serve the queue that follows it.
#[actix::test]
async fn a_queue_that_dies_is_replaced_and_its_masters_are_told() {
    let server = Server::start(Limits::default()).await;
    let (mut master, mut worker) = (Client::connect(server.masters).await, Client::connect(server.workers).await);
    assert_eq!(worker.ask(r#"{"action":"join","type":"t"}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);
    assert_eq!(worker.hear().await, r#"{"action":"job","id":"a","type":"t","body":1}"#);

    server.supervisor.send(KillQueue(0)).await.unwrap();
    assert_eq!(master.hear().await, r#"{"error":"job_failed","reason":"a"}"#);
    assert_eq!(worker.ask(r#"{"action":"respond","body":2}"#).await, r#"{"error":"stale_receipt","reason":"a"}"#);

    assert_eq!(master.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);
    assert_eq!(worker.hear().await, r#"{"action":"job","id":"a","type":"t","body":1}"#);
    assert_eq!(worker.ask(r#"{"action":"respond","body":3}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.hear().await, r#"{"id":"a","body":3}"#);

    let census = server.supervisor.send(Survey).await.unwrap();
    assert!(census.is_balanced(), "{census:?}");
    assert_eq!((census.accepted, census.completed, census.failed), (2, 1, 1));
}

/// What the store has of a queue that dies lives on in the next one, and its master still hears the end.
#[actix::test]
async fn durable_jobs_outlive_their_queue() {
    let server = Server::start_with_store().await;
    let (mut master, mut worker) = (Client::connect(server.masters).await, Client::connect(server.workers).await);
    let durable = r#"{"action":"submit","id":"kept","type":"t","body":1,"durable":true}"#;
    assert_eq!(master.ask(durable).await, r#"{"ok":true,"id":"kept"}"#);
    assert_eq!(master.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);

    server.supervisor.send(KillQueue(0)).await.unwrap();
    assert_eq!(master.hear().await, r#"{"error":"job_failed","reason":"a"}"#);
    assert_eq!(master.ask(durable).await, r#"{"error":"id_exists","reason":"kept"}"#);
    assert_eq!(worker.ask(r#"{"action":"join","type":"t"}"#).await, r#"{"ok":true}"#);
    assert_eq!(worker.hear().await, r#"{"action":"job","id":"kept","type":"t","body":1}"#);
    assert_eq!(worker.ask(r#"{"action":"respond","body":2}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.hear().await, r#"{"id":"kept","body":2}"#);

    let census = server.supervisor.send(Survey).await.unwrap();
    assert!(census.is_balanced(), "{census:?}");
    assert_eq!((census.accepted, census.completed, census.failed), (2, 1, 1));
}

/// What an operator said of a type holds for the queue that follows, be it opened with jobs of the store or later.
#[actix::test]
async fn the_queue_after_a_paused_one_is_paused() {
    let (server, _statistics, mut snapshots) = Server::start_with_figures().await;
    let mut master = Client::connect(server.masters).await;
    master.ask(r#"{"action":"submit","id":"kept","type":"kept","body":1,"durable":true}"#).await;
    master.ask(SUBMIT).await;
    for kind in ["kept", "t"] {
        let kind = TypeName::from_text(kind).unwrap();
        assert!(server.supervisor.send(SetPaused { kind, paused: true }).await.unwrap());
    }
    server.supervisor.send(KillQueue(0)).await.unwrap();
    server.supervisor.send(KillQueue(1)).await.unwrap();
    assert_eq!(master.hear().await, r#"{"error":"job_failed","reason":"a"}"#);
    assert_eq!(master.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);
    let snapshot = figures(&mut snapshots, |snapshot| {
        snapshot.queues.len() == 2 && snapshot.queues.iter().all(|queue| queue.queue >= 2)
    });
    assert!(snapshot.await.queues.iter().all(|queue| queue.paused));
}

/// The record of a finished durable job keeps its id taken until it goes.
#[actix::test]
async fn a_discarded_record_frees_its_id() {
    let server = Server::start_with_store().await;
    let keeper = server.keeper.as_ref().unwrap();
    let (mut master, mut worker) = (Client::connect(server.masters).await, Client::connect(server.workers).await);
    let durable = r#"{"action":"submit","id":"kept","type":"t","body":1,"durable":true}"#;
    assert_eq!(worker.ask(r#"{"action":"join","type":"t"}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.ask(durable).await, r#"{"ok":true,"id":"kept"}"#);
    assert_eq!(worker.hear().await, r#"{"action":"job","id":"kept","type":"t","body":1}"#);
    assert_eq!(worker.ask(r#"{"action":"respond","body":2}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.hear().await, r#"{"id":"kept","body":2}"#);
    assert_eq!(master.ask(durable).await, r#"{"error":"id_exists","reason":"kept"}"#);

    let page = keeper.send(Dig { query: Query::default() }).await.unwrap();
    let jobs: Vec<_> = page.jobs.into_iter().map(|job| (job.id, job.sequence)).collect();
    assert_eq!(keeper.send(Discard { jobs }).await.unwrap(), Ok(1));
    assert_eq!(master.ask(durable).await, r#"{"ok":true,"id":"kept"}"#);
}

/// A job follows its worker's death to the next worker, whatever ended the connection.
#[actix::test]
async fn a_worker_that_dies_gives_its_job_back() {
    let server = Server::start(Limits::default()).await;
    let mut master = Client::connect(server.masters).await;
    assert_eq!(master.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);
    for _ in 0..3 {
        let mut worker = Client::connect(server.workers).await;
        assert_eq!(worker.ask(r#"{"action":"join","type":"t"}"#).await, r#"{"ok":true}"#);
        assert_eq!(worker.hear().await, r#"{"action":"job","id":"a","type":"t","body":1}"#);
    }
    let mut worker = Client::connect(server.workers).await;
    worker.ask(r#"{"action":"join","type":"t"}"#).await;
    worker.hear().await;
    assert_eq!(worker.ask(r#"{"action":"respond","body":true}"#).await, r#"{"ok":true}"#);
    assert_eq!(master.hear().await, r#"{"id":"a","body":true}"#);
}

/// Beyond the limit a connection is closed at once; a place that is given back is used again.
#[actix::test]
async fn places_are_limited_and_given_back() {
    let server = Server::start(Limits { max_connections: 1, ..Limits::default() }).await;
    let mut first = Client::connect(server.masters).await;
    assert_eq!(first.ask(SUBMIT).await, r#"{"ok":true,"id":"a"}"#);
    let mut second = Client::connect(server.masters).await;
    assert_eq!(second.0.read(&mut [0]).await.unwrap_or(0), 0);
    drop(first);
    for _ in 0..500 {
        let mut third = Client::connect(server.masters).await;
        third.0.write_all(&48u32.to_be_bytes()).await.unwrap();
        let _ = third.0.write_all(SUBMIT.as_bytes()).await;
        if third.0.read_u32().await.is_ok() {
            return;
        }
    }
    panic!("the place was never given back");
}

/// Waits until the figures are such; what they are meanwhile balances.
async fn figures(snapshots: &mut Snapshots, are_such: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    let such = |snapshot: &Arc<Snapshot>| {
        assert!(snapshot.total.census.is_balanced(), "{snapshot:?}");
        are_such(snapshot)
    };
    timeout(Duration::from_secs(10), snapshots.wait_for(such)).await.expect("such figures within 10 s").unwrap().clone()
}

/// What happens is in the figures soon, also what happened in a queue that died.
#[actix::test]
async fn figures_follow_what_happens() {
    let (server, statistics, mut snapshots) = Server::start_with_figures().await;
    let (mut master, mut worker) = (Client::connect(server.masters).await, Client::connect(server.workers).await);
    worker.ask(r#"{"action":"join","type":"t"}"#).await;
    let snapshot = figures(&mut snapshots, |snapshot| snapshot.queues.len() == 1).await;
    assert_eq!(
        (snapshot.queues[0].kind.text().as_ref(), snapshot.queues[0].workers, snapshot.queues[0].idle),
        ("t", 1, 1)
    );

    master.ask(SUBMIT).await;
    worker.hear().await;
    worker.ask(r#"{"action":"respond","body":2}"#).await;
    let census = Census { accepted: 1, completed: 1, ..Census::default() };
    let snapshot = figures(&mut snapshots, |snapshot| snapshot.total.census == census).await;
    let of_queue = &snapshot.queues[0].figures;
    assert_eq!((of_queue.census, of_queue.wait.count, of_queue.run.count), (census, 1, 1));
    figures(&mut snapshots, |snapshot| snapshot.total.rate_out == 0.1 && snapshot.total.spark.len() == 60).await;
    let kind = Some(snapshot.queues[0].kind.clone());
    let day = statistics.send(History { queue: kind, range: Range::Day }).await.unwrap();
    assert_eq!(day.iter().map(|point| point.ended).sum::<u32>(), 1);

    // Two in line, one of which the store has.
    drop(worker);
    figures(&mut snapshots, |snapshot| snapshot.queues[0].last_worker_left_ms.is_some()).await;
    master.ask(r#"{"action":"submit","id":"kept","type":"t","body":1,"durable":true}"#).await;
    master.ask(SUBMIT).await;
    figures(&mut snapshots, |snapshot| snapshot.total.census.queued == 2).await;
    server.supervisor.send(KillQueue(0)).await.unwrap();
    let census = Census { accepted: 3, completed: 1, failed: 1, queued: 1, ..Census::default() };
    let snapshot = figures(&mut snapshots, |snapshot| snapshot.total.census == census).await;
    let live: Vec<(u32, Census)> = snapshot.queues.iter().map(|queue| (queue.queue, queue.figures.census)).collect();
    assert_eq!(live, [(1, Census { accepted: 1, queued: 1, ..Census::default() })]);
    assert_eq!(server.supervisor.send(Survey).await.unwrap(), census);
}
