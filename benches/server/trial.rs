//! One measurement: a fresh server, one shape, the figures.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::disk::Disk;
use crate::figure::{Figure, Figures};
use crate::flaw::Flaw;
use crate::job::{Pattern, TypeName};
use crate::ledger::{Ledger, Pace};
use crate::load::{Goal, Load};
use crate::peer::Peer;
use crate::process::{CpuTime, Memory, Server, machine_cpu};
use crate::shape::{Measure, Shape, Standing};

/// Starts the peer, measures the shape, and leaves nothing behind, whatever happens.
pub fn run(peer: &dyn Peer, shape: &Shape, seconds: Duration, cores: &Cores, folder: &Path) -> Result<Figures, Flaw> {
    fs::create_dir_all(folder).map_err(Flaw::system("make a folder for the server"))?;
    let figures = measure(peer, shape, seconds, cores, folder);
    // What cannot be removed is only a log, in the folder for temporary files.
    let _ = fs::remove_dir_all(folder);
    figures
}

fn measure(peer: &dyn Peer, shape: &Shape, seconds: Duration, cores: &Cores, folder: &Path) -> Result<Figures, Flaw> {
    let mut disk = shape.durable.then(|| Disk::new(folder)).transpose()?;
    disk.iter_mut().try_for_each(|disk| disk.measure(seconds / 4))?;
    cores.release()?;
    let server = peer.start(shape, folder)?;
    cores.place(server.id(), shape.place)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Flaw::system("start the runtime"))?;
    runtime.block_on(async {
        let load = Load::new(Ledger::new(shape.types));
        let pattern = Arc::new(Pattern::new(shape.body_bytes));
        let mut trial = Trial { peer, shape, seconds, cores, folder, server, pattern, load, workers: 0 };
        let mut figures = match shape.measure {
            Measure::Steady | Measure::Submits => trial.steady().await?,
            Measure::Backlog => trial.backlog().await?,
            Measure::Restart => trial.restart().await?,
        };
        if let Some(disk) = &mut disk {
            // Once more, as a disk that others use is not the same for long.
            disk.measure(seconds / 4)?;
            figures.extend(disk.figures());
        }
        if let Some((sync, p50)) = figures.get(&Figure::Sync).zip(figures.get(&Figure::P50)) {
            figures.insert(Figure::P50InSyncs, p50 / sync);
        }
        Ok(figures)
    })
}

struct Trial<'a> {
    peer: &'a dyn Peer,
    shape: &'a Shape,
    seconds: Duration,
    cores: &'a Cores,
    folder: &'a Path,
    server: Server,
    pattern: Arc<Pattern>,
    load: Load,
    /// Connected so far.
    workers: u32,
}

impl Trial<'_> {
    async fn steady(&mut self) -> Result<Figures, Flaw> {
        let outstanding = self.shape.outstanding;
        self.connect_masters(match self.shape.measure {
            Measure::Submits => Pace::Submits { outstanding },
            Measure::Steady | Measure::Backlog | Measure::Restart => Pace::Loop { outstanding },
        })?;
        self.load.reach(Goal::Ready, "greeting the masters", DEADLINE).await?;
        self.fill_standing().await?;
        // The measured jobs are in the queue before a worker could take one that should stay there.
        self.load.start_loops();
        self.connect_workers(self.shape.workers, |number| TypeName::numbered(number % self.shape.types)).await?;
        let mut figures = Figures::new();
        if self.shape.crowd > 0 {
            let alone = self.measure().await?;
            self.gather_crowd(&mut figures).await?;
            let crowded = self.measure().await?;
            figures.insert(Figure::P50Alone, alone[&Figure::P50]);
            figures.insert(Figure::P50Change, crowded[&Figure::P50] / alone[&Figure::P50]);
            figures.extend(crowded);
        } else {
            figures.extend(self.measure().await?);
        }
        self.load.reach(Goal::LoopsAtRest, "the last results", DEADLINE).await?;
        figures.insert(Figure::Peak, self.server.memory()?.peak);
        Ok(figures)
    }

    /// The steady state for `seconds`, after a warm-up of a quarter.
    async fn measure(&mut self) -> Result<Figures, Flaw> {
        self.load.start_loops();
        let warm = Instant::now() + self.seconds / 4;
        self.load.reach(Goal::Until(warm), "the warm-up", self.seconds / 4 + DEADLINE).await?;
        let answered = self.load.ledger().answered;
        self.load.ledger().start_clock();
        let start = Moment::now(&self.server)?;
        let end = Instant::now() + self.seconds;
        self.load.reach(Goal::Until(end), "the measurement", self.seconds + DEADLINE).await?;
        let spent = Moment::now(&self.server)?.since(&start);
        let ledger = self.load.ledger();
        let jobs = (ledger.answered - answered) as f64;
        let micros = |quantile| ledger.latency.value_at_quantile(quantile) as f64 / 1_000.0;
        let rate = match self.shape.measure {
            Measure::Submits => Figure::Submits,
            _ if self.shape.durable => Figure::Jobs,
            _ => Figure::Rate,
        };
        Ok(Figures::from([
            (rate, jobs / spent.seconds),
            (Figure::Written, spent.written / jobs),
            (Figure::Cpu, spent.server_micros / jobs),
            (Figure::P50, micros(0.5)),
            (Figure::P99, micros(0.99)),
            (Figure::P999, micros(0.999)),
            (Figure::Load, spent.load()),
            (Figure::Others, spent.others()),
        ]))
    }

    async fn gather_crowd(&mut self, figures: &mut Figures) -> Result<(), Flaw> {
        self.load.reach(Goal::LoopsAtRest, "a pause for the crowd", DEADLINE).await?;
        let before = self.server.memory()?.resident;
        self.connect_workers(self.shape.crowd, |_| TypeName::IDLE).await?;
        self.rest().await?;
        let after = self.server.memory()?.resident;
        figures.insert(Figure::ConnectionMemory, (after - before) / f64::from(self.shape.crowd));
        let start = Moment::now(&self.server)?;
        tokio::time::sleep(self.seconds).await;
        figures.insert(Figure::IdleCpu, Moment::now(&self.server)?.since(&start).server());
        Ok(())
    }

    /// Waits until the server has nothing to do any more.
    async fn rest(&mut self) -> Result<(), Flaw> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let start = Moment::now(&self.server)?;
            self.load.reach(Goal::Until(Instant::now() + A_MOMENT), "a moment's rest", DEADLINE).await?;
            if Moment::now(&self.server)?.since(&start).server() < AT_REST || Instant::now() > deadline {
                return Ok(());
            }
        }
    }

    async fn backlog(&mut self) -> Result<Figures, Flaw> {
        let jobs = f64::from(self.shape.outstanding) * f64::from(self.shape.masters);
        let Memory { resident: empty, .. } = self.server.memory()?;
        let start = Moment::now(&self.server)?;
        self.connect_masters(self.all_at_once())?;
        self.load.reach(Goal::Filled, "queueing", fill_deadline(jobs)).await?;
        let filled = Moment::now(&self.server)?;
        let Memory { resident: full, .. } = self.server.memory()?;
        let end = Instant::now() + self.seconds * DRAIN_SECONDS;
        self.connect_workers(self.shape.workers, |_| TypeName::numbered(0)).await?;
        self.load.reach(Goal::AtRestOr(end), "working off", self.seconds * DRAIN_SECONDS + DEADLINE).await?;
        let drained = Moment::now(&self.server)?;
        let (fill, drain) = (filled.since(&start), drained.since(&filled));
        let answered = self.load.ledger().answered as f64;
        Ok(Figures::from([
            (Figure::RateIn, jobs / fill.seconds),
            (Figure::RateOut, answered / drain.seconds),
            (Figure::CpuIn, fill.server_micros / jobs),
            (Figure::CpuOut, drain.server_micros / answered),
            (Figure::Others, fill.others().max(drain.others())),
            (Figure::JobMemory, (full - empty) / jobs - self.pattern.len() as f64),
            (Figure::Peak, self.server.memory()?.peak),
        ]))
    }

    async fn restart(&mut self) -> Result<Figures, Flaw> {
        let jobs = f64::from(self.shape.outstanding) * f64::from(self.shape.masters);
        let start = Moment::now(&self.server)?;
        self.connect_masters(self.all_at_once())?;
        self.load.reach(Goal::Filled, "queueing", fill_deadline(jobs)).await?;
        let fill = Moment::now(&self.server)?.since(&start);
        let Memory { resident, peak } = self.server.memory()?;
        let ledger = std::mem::replace(&mut self.load, Load::new(Ledger::new(self.shape.types))).leave();
        self.load = Load::new(ledger);
        self.cores.release()?;
        self.server.kill();
        let killed = Instant::now();
        self.server = self.peer.start(self.shape, self.folder)?;
        self.connect_workers(1, |_| TypeName::numbered(0)).await?;
        self.load.reach(Goal::Answered(1), "the first job after the restart", DEADLINE).await?;
        let first_job = killed.elapsed().as_secs_f64();
        self.cores.place(self.server.id(), self.shape.place)?;
        let restarted = Moment::now(&self.server)?;
        let answered = self.load.ledger().answered;
        let end = Instant::now() + self.seconds * DRAIN_SECONDS;
        self.connect_workers(self.shape.workers - 1, |_| TypeName::numbered(0)).await?;
        self.load.reach(Goal::AtRestOr(end), "working off", self.seconds * DRAIN_SECONDS + DEADLINE).await?;
        let drain = Moment::now(&self.server)?.since(&restarted);
        let answered = (self.load.ledger().answered - answered) as f64;
        Ok(Figures::from([
            (Figure::RateIn, jobs / fill.seconds),
            (Figure::CpuIn, fill.server_micros / jobs),
            (Figure::Written, fill.written / jobs),
            (Figure::Resident, resident),
            (Figure::FirstJob, first_job),
            (Figure::RateOut, answered / drain.seconds),
            (Figure::CpuOut, drain.server_micros / answered),
            (Figure::Others, fill.others().max(drain.others())),
            (Figure::Peak, peak.max(self.server.memory()?.peak)),
        ]))
    }

    /// Masters that only queue.
    fn all_at_once(&self) -> Pace {
        Pace::Fill { jobs: self.shape.outstanding, window: self.window(), aside: false, low: false }
    }

    fn window(&self) -> u32 {
        FILL_WINDOW.max(FILL_BATCHES * self.shape.batch)
    }

    fn connect_masters(&mut self, pace: Pace) -> Result<(), Flaw> {
        for _ in 0..self.shape.masters {
            self.connect_master(pace)?;
        }
        Ok(())
    }

    fn connect_master(&mut self, pace: Pace) -> Result<(), Flaw> {
        let (peer, server, shape, pattern) = (self.peer, &self.server, self.shape, &self.pattern);
        self.load.add_master(pace, shape.durable, |number| peer.master(server, number, shape, pattern))
    }

    /// In groups, so that no accept queue overflows.
    async fn connect_workers(&mut self, count: u32, kind: impl Fn(u32) -> TypeName) -> Result<(), Flaw> {
        for number in 0..count {
            let line = self.peer.worker(&self.server, self.workers, kind(number), self.shape, &self.pattern);
            self.load.add_worker(line)?;
            self.workers += 1;
            if (number + 1) % GROUP == 0 || number + 1 == count {
                self.load.reach(Goal::Ready, "greeting the workers", DEADLINE).await?;
            }
        }
        Ok(())
    }

    async fn fill_standing(&mut self) -> Result<(), Flaw> {
        let (jobs, aside) = match self.shape.standing {
            Standing::None => return Ok(()),
            Standing::Behind(jobs) => (jobs, false),
            Standing::Aside(jobs) => (jobs, true),
        };
        self.connect_master(Pace::Fill { jobs, window: self.window(), aside, low: !aside })?;
        self.load.reach(Goal::Filled, "queueing what stands by", fill_deadline(f64::from(jobs))).await
    }
}

/// The clocks at one moment.
struct Moment {
    time: Instant,
    server: CpuTime,
    load: CpuTime,
    machine: Duration,
    written: u64,
}

/// What passed between two moments.
struct Spent {
    seconds: f64,
    server_micros: f64,
    load_micros: f64,
    machine_micros: f64,
    /// By the server, bytes.
    written: f64,
}

impl Moment {
    fn now(server: &Server) -> Result<Moment, Flaw> {
        Ok(Moment {
            time: Instant::now(),
            server: server.cpu()?,
            load: CpuTime::own()?,
            machine: machine_cpu()?,
            written: server.written()?,
        })
    }

    fn since(&self, start: &Moment) -> Spent {
        Spent {
            seconds: (self.time - start.time).as_secs_f64(),
            server_micros: self.server.since(&start.server).as_secs_f64() * 1e6,
            load_micros: self.load.since(&start.load).as_secs_f64() * 1e6,
            machine_micros: self.machine.saturating_sub(start.machine).as_secs_f64() * 1e6,
            written: self.written.saturating_sub(start.written) as f64,
        }
    }
}

impl Spent {
    /// In cores.
    fn server(&self) -> f64 {
        self.server_micros / 1e6 / self.seconds
    }

    /// In cores.
    fn load(&self) -> f64 {
        self.load_micros / 1e6 / self.seconds
    }

    /// In cores. Never below 0, which the coarse clock of the machine could make it.
    fn others(&self) -> f64 {
        (self.machine_micros - self.server_micros - self.load_micros).max(0.0) / 1e6 / self.seconds
    }
}

/// Slower than the slowest peer on a busy machine.
fn fill_deadline(jobs: f64) -> Duration {
    DEADLINE + Duration::from_secs_f64(jobs / 5_000.0)
}

/// For everything that takes milliseconds when nothing is wrong.
const DEADLINE: Duration = Duration::from_secs(10);
/// A server that uses so little of a core …
const AT_REST: f64 = 0.01;
/// … for so long has nothing to do.
const A_MOMENT: Duration = Duration::from_millis(200);
/// Working off stops after so many times the seconds of a measurement: the rate is known by then.
const DRAIN_SECONDS: u32 = 8;
/// Submits of one filler that may wait for their ok: enough for large writes, below any server's limit …
const FILL_WINDOW: u32 = 512;
/// … or so many batches: while one is synced, the next ones are on their way.
const FILL_BATCHES: u32 = 4;
/// Below the shortest accept queue among the peers.
const GROUP: u32 = 25;
