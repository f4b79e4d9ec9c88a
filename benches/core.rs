//! What the core costs by itself: no sockets, no actors, no clock. `cargo bench --bench core`.
//!
//! | name | one iteration |
//! |---|---|
//! | `job/N` | one job is submitted, the oldest of N is handed out, another is completed |
//! | `turn/64` | the same for 64 jobs in one turn |
//! | `touch/N` | one of N leases starts anew, and the next alarm is looked up |
//! | `lease over/N` | N leases end, and N jobs, each with a long history, are handed out again |
//! | `types/N` | a worker with one hand and N busy types completes a job and gets the next |
//! | `idle types/N` | the same where only one of the types has jobs |
//! | `master gone/N` | a master with N waiting jobs leaves, among 10,000 jobs of others |
//! | `route/64` | the router sends 64 submits on their way, and hears that their ids are free again |

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use procession::core::router::{Router, Routes};
use procession::core::{
    Answer, Batch, Body, Command, Demand, IdEvent, Introduction, JobId, Limits, Notice, Now, OnMasterGone, Outbox,
    Peer, Policy, Queue, QueueNo, Receipt, Submission, TypeName,
};

const MASTER: Peer = Peer(1);
const WORKER: Peer = Peer(2);

/// A line of jobs and one worker, in one or several queues.
struct Scene {
    queues: Vec<Queue>,
    now: Now,
    out: Outbox,
    worker: Introduction,
    policy: Arc<Policy>,
    body: Body,
    sequence: u64,
    /// What the worker has in hand.
    hand: Vec<Receipt>,
}

impl Scene {
    fn new(types: u32, hands: u32) -> Scene {
        let worker =
            Introduction { name: "w".into(), demand: Arc::new(Demand::new(hands)), lease_ms: 60_000, outlives: false };
        let queues = (0..types).map(|number| Queue::new(number, TypeName::unnamed(), false)).collect();
        Scene {
            queues,
            now: Now::default(),
            out: Outbox::default(),
            worker,
            policy: Arc::new(Policy::transient(OnMasterGone::Drop)),
            body: Body::from(&b"{\"text\":\"some work\"}"[..]),
            sequence: 0,
            hand: Vec::new(),
        }
    }

    fn submit(&mut self, queue: QueueNo, master: Peer) {
        self.sequence += 1;
        let submission = submission(self.sequence, &self.body, &self.policy);
        self.say(queue, master, Command::Submit(submission));
    }

    fn join(&mut self) {
        for queue in 0..self.queues.len() as QueueNo {
            self.say(queue, WORKER, Command::Join { request: 0, types: Vec::new() });
        }
    }

    fn say(&mut self, queue: QueueNo, peer: Peer, command: Command) {
        self.queues[queue as usize].apply(self.now, peer, &self.worker, command, &mut self.out);
    }

    /// The end of a turn of this queue.
    fn settle(&mut self, queue: QueueNo) {
        self.now.at.0 += 1;
        self.queues[queue as usize].settle(self.now, &mut self.out);
        for (_, notice) in self.out.notices.drain(..) {
            if let Notice::Assigned(assignment) = notice {
                self.hand.push(assignment.receipt);
            }
        }
        self.out.ids.clear();
    }

    /// Hands of the worker are free; gives the queues that heard of it.
    fn free(&mut self, hands: u32, answered: Option<QueueNo>) -> Vec<QueueNo> {
        let (mut commands, mut queues) = (Vec::new(), Vec::new());
        self.worker.demand.free(hands, answered, &mut commands);
        for command in commands {
            if let Command::Ready { queue } = command {
                self.say(queue, WORKER, command);
                queues.push(queue);
            }
        }
        queues
    }

    /// The worker completes a job; gives the queues that heard of its free hand.
    fn complete(&mut self) -> Vec<QueueNo> {
        let receipt = self.hand.pop().expect("the worker has a job");
        let mut queues = self.free(1, Some(receipt.queue));
        let answer = Answer::Complete(self.body.clone());
        self.say(receipt.queue, WORKER, Command::Answer { request: 0, receipt, answer });
        queues.push(receipt.queue);
        queues
    }
}

fn submission(sequence: u64, body: &Body, policy: &Arc<Policy>) -> Submission {
    Submission {
        request: sequence,
        id: JobId::from_integer(&sequence.to_string()).expect("it is an integer"),
        kind: TypeName::unnamed(),
        priority: 0,
        body: body.clone(),
        policy: policy.clone(),
        delay_ms: 0,
        notify: true,
        watch: false,
        master: None,
        sequence,
    }
}

fn job(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("job");
    group.throughput(Throughput::Elements(1));
    for depth in [10, 1_000_000] {
        let mut scene = Scene::new(1, 1);
        scene.join();
        (0..depth).for_each(|_| scene.submit(0, MASTER));
        scene.settle(0);
        group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
            bencher.iter(|| {
                scene.submit(0, MASTER);
                scene.complete();
                scene.settle(0);
            });
        });
    }
    group.finish();
}

fn turn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("turn");
    let jobs = 64;
    group.throughput(Throughput::Elements(jobs));
    let mut scene = Scene::new(1, jobs as u32);
    scene.join();
    (0..1_000).for_each(|_| scene.submit(0, MASTER));
    scene.settle(0);
    group.bench_function(BenchmarkId::from_parameter(jobs), |bencher| {
        bencher.iter(|| {
            for _ in 0..jobs {
                scene.submit(0, MASTER);
                scene.complete();
            }
            scene.settle(0);
        });
    });
    group.finish();
}

fn touch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("touch");
    group.throughput(Throughput::Elements(1));
    for leases in [1, 10_000] {
        let mut scene = Scene::new(1, leases);
        scene.join();
        (0..leases).for_each(|_| scene.submit(0, MASTER));
        scene.settle(0);
        let mut turns = 0;
        group.bench_function(BenchmarkId::from_parameter(leases), |bencher| {
            bencher.iter(|| {
                turns += 1;
                let receipt = scene.hand[turns % scene.hand.len()];
                let answer = Answer::Touch { lease_ms: None, progress: Some(0.5), note: None };
                scene.say(0, WORKER, Command::Answer { request: 0, receipt, answer });
                scene.settle(0);
                scene.queues[0].next_alarm()
            });
        });
    }
    group.finish();
}

fn lease_over(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("lease over");
    let leases = 1_000;
    group.throughput(Throughput::Elements(leases));
    let mut scene = Scene::new(1, leases as u32);
    scene.policy = Arc::new(Policy { max_attempts: u32::MAX, ..Policy::transient(OnMasterGone::Keep) });
    scene.join();
    (0..leases).for_each(|_| scene.submit(0, MASTER));
    scene.settle(0);
    group.bench_function(BenchmarkId::from_parameter(leases), |bencher| {
        bencher.iter(|| {
            let alarm = scene.queues[0].next_alarm().expect("leases end");
            scene.now.at = alarm;
            scene.queues[0].tick(scene.now, &mut scene.out);
            scene.hand.clear();
            scene.free(leases as u32, None);
            scene.settle(0);
        });
    });
    group.finish();
}

fn types(criterion: &mut Criterion) {
    for (name, all_are_busy) in [("types", true), ("idle types", false)] {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        for types in [1, 100] {
            let mut scene = Scene::new(types, 1);
            scene.join();
            let busy: Vec<QueueNo> = (0..types).filter(|queue| all_are_busy || *queue == 0).collect();
            for queue in &busy {
                (0..10).for_each(|_| scene.submit(*queue, MASTER));
                scene.settle(*queue);
            }
            group.bench_function(BenchmarkId::from_parameter(types), |bencher| {
                bencher.iter(|| {
                    let served = scene.hand.last().expect("the worker has a job").queue;
                    scene.submit(served, MASTER);
                    for queue in scene.complete() {
                        scene.settle(queue);
                    }
                });
            });
        }
        group.finish();
    }
}

fn master_gone(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("master gone");
    let jobs = 1_000;
    group.throughput(Throughput::Elements(jobs));
    let mut scene = Scene::new(1, 0);
    (0..10_000).for_each(|_| scene.submit(0, MASTER));
    let mut leaving = Peer(100);
    group.bench_function(BenchmarkId::from_parameter(jobs), |bencher| {
        bencher.iter_custom(|iterations| {
            let mut elapsed = Duration::ZERO;
            for _ in 0..iterations {
                leaving.0 += 1;
                (0..jobs).for_each(|_| scene.submit(0, leaving));
                scene.settle(0);
                let start = Instant::now();
                scene.queues[0].peer_gone(scene.now, leaving, &mut scene.out);
                scene.settle(0);
                elapsed += start.elapsed();
            }
            elapsed
        });
    });
    group.finish();
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    let jobs = 64;
    group.throughput(Throughput::Elements(jobs));
    let mut router = Router::new(Arc::new(Limits::default()));
    let (body, policy) = (Body::from(&b"null"[..]), Arc::new(Policy::transient(OnMasterGone::Drop)));
    let mut sequence = 0;
    let mut routes = Routes::default();
    group.bench_function(BenchmarkId::from_parameter(jobs), |bencher| {
        bencher.iter(|| {
            let submissions = (0..jobs).map(|number| submission(sequence + number + 1, &body, &policy));
            let commands = submissions.map(Command::Submit).collect();
            router.route(Batch { peer: MASTER, commands }, &mut routes);
            for (queue, batch) in routes.batches.drain(..) {
                for command in batch.commands {
                    let Command::Submit(job) = command else { unreachable!("only submits were routed") };
                    let bytes = job.weight();
                    router.hear(queue, IdEvent::Freed { id: job.id, sequence: job.sequence, bytes });
                }
            }
            sequence += jobs;
        });
    });
    group.finish();
}

criterion_group! {
    name = core;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    targets = job, turn, touch, lease_over, types, master_gone, route
}
criterion_main!(core);
