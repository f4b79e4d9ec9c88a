//! The core under faults: many sessions, several queues, the real router, and a ledger that sees every word.
//!
//! First everything goes wrong: workers and masters die, leases end, jobs are cancelled and retried, receipts are stolen.
//! Then nothing does, and all must come to its end in few steps. The laws are in [`ledger`], and they hold after every turn.
//!
//! A failure names its seed: `SIM_SEED=17 cargo test core::simulation -- --nocapture` tells that story aloud.
//! `SIM_SEEDS=100000` looks at more of them.
//!
//! | file | its noun |
//! |---|---|
//! | `world` | the server: peers, mail, the store, time |
//! | `turn` | the turn of a queue |
//! | `session` | what peers do |
//! | `ledger` | what was seen, and the laws |
//! | `crashes` | durable jobs over many lives of a server |
//! | `dice` | chance that can be repeated |

mod crashes;
mod dice;
mod ledger;
mod session;
mod turn;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use session::{Manners, kind};
use world::World;

use crate::core::{Body, Command, JobId, Moment, OnMasterGone, Peer, Policy, QueueNo, Submission};

/// How many seeds are looked at unless `SIM_SEEDS` says otherwise.
const SEEDS: u64 = 300;

#[test]
fn jobs_survive_faults_and_end_once() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().expect("a seed is a number"));
    let one = number("SIM_SEED");
    let seeds = one.map_or(0..number("SIM_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    for seed in seeds {
        let story = || live(seed, one.is_some());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(story)) {
            eprintln!("again: SIM_SEED={seed} cargo test core::simulation -- --nocapture");
            resume_unwind(panic);
        }
    }
}

fn live(seed: u64, loud: bool) {
    let mut world = World::new(seed, loud);
    for _ in 0..3 {
        arrive(&mut world);
    }
    for _ in 0..800 {
        misfortune(&mut world);
    }
    recover(&mut world);
    drain(&mut world);
    for session in world.sessions.values() {
        assert_eq!(session.told, world.ledger.endings_for(session.peer), "{:?} was told of every ending", session.peer);
    }
    outlive_every_record(&mut world);
}

/// Phase 1: one more step in a bad world.
fn misfortune(world: &mut World) {
    match world.dice.below(100) {
        0..15 => {
            let most = world.dice.below(4) as usize;
            world.route(most);
            world.commit(most);
        }
        15..50 => {
            if let Some(number) = world.dice.place(world.queues.len()) {
                let most = world.dice.below(4) as usize;
                world.turn(number as QueueNo, most);
            }
        }
        50..80 => {
            if let Some(peer) = anybody(world) {
                world.act(peer);
            }
        }
        80..90 => {
            let soon = world.now.at.after_ms(world.dice.below(10));
            let alarm = world.next_alarm().unwrap_or(soon);
            let at = [soon, Moment(alarm.0 - 1), alarm, Moment(alarm.0 + 1)];
            let at = world.dice.of(&at);
            // Some leases are too long to wait for.
            world.pass(if at.ms_since(world.now.at) < 10_000 { at } else { soon });
        }
        90..92 => {
            if let Some(peer) = anybody(world) {
                world.disconnect(peer);
            }
        }
        92..95 => arrive(world),
        95..97 => {
            if let Some(place) = world.dice.place(world.queues.len()) {
                let office = &mut world.queues[place];
                office.paused = !office.paused;
                office.queue.set_paused(office.paused)
            }
        }
        _ => world.nobody_waits_in_vain(),
    }
}

fn anybody(world: &mut World) -> Option<Peer> {
    let place = world.dice.place(world.sessions.len())?;
    world.sessions.keys().nth(place).copied()
}

/// A master, a worker of some types, or both.
fn arrive(world: &mut World) {
    let is_master = world.dice.percent(60);
    let credit = world.dice.below(4) as u32;
    let mut types: Vec<u64> = (0..world.manners.types).collect();
    types.retain(|_| world.dice.percent(60));
    world.connect(&types, credit, is_master);
}

/// Phase 2 begins: every type has a good worker, and nothing is paused.
fn recover(world: &mut World) {
    world.manners.wild = false;
    for office in &mut world.queues {
        office.paused = false;
        office.queue.set_paused(false);
    }
    let types: Vec<u64> = (0..world.manners.types).collect();
    world.connect(&types, 2, false);
}

/// All that lives comes to its end.
fn drain(world: &mut World) {
    let most = 100 + 10 * world.ledger.len();
    for _ in 0..most {
        world.nobody_waits_in_vain();
        let peers: Vec<Peer> = world.sessions.keys().copied().collect();
        let mut acted = false;
        for peer in peers {
            acted |= world.act(peer);
        }
        if acted {
            continue;
        }
        if world.queues.iter().all(|office| office.queue.census().live() == 0) {
            return;
        }
        let alarm = world.next_alarm().expect("what lives and is in no hand waits for a time");
        world.pass(alarm);
    }
    panic!("not drained after {most} rounds");
}

/// Then records go too, and nothing is left.
fn outlive_every_record(world: &mut World) {
    while let Some(alarm) = world.next_alarm() {
        world.pass(alarm);
        world.read_all_mail();
    }
    world.ledger.close();
    assert_eq!(world.router.load(), (0, 0), "ids and bytes that nobody holds");
}

/// However few hands a worker of several busy types has, all types get their share of them.
#[test]
fn no_type_of_a_worker_starves() {
    for (types, credit) in [(2, 1), (2, 2), (3, 1), (3, 2), (5, 1), (5, 3), (8, 13)] {
        let mut world = World::new(types, false);
        world.manners = Manners { wild: false, types, ids: 1 };
        let all: Vec<u64> = (0..types).collect();
        let master = world.connect(&[], 0, true);
        for number in 0..100 * types {
            world.send(master, vec![plain(number, number % types)]);
        }
        let worker = world.connect(&all, credit, false);
        let done =
            |world: &World| -> Vec<u64> { world.queues.iter().map(|office| office.queue.census().completed).collect() };
        for _ in 0..1_000 {
            world.act(worker);
            while world.turn_in_order() {}
            if done(&world).iter().sum::<u64>() >= 40 * types {
                break;
            }
        }
        let done = done(&world);
        assert!(done.iter().all(|done| *done > 30), "{types} types, {credit} hands: {done:?}");
    }
}

/// A job without wishes.
fn plain(number: u64, of: u64) -> Command {
    Command::Submit(Submission {
        request: number,
        id: JobId::from_text(&number.to_string()).expect("it is a name"),
        kind: kind(of),
        priority: 0,
        body: Body::from(&b"null"[..]),
        policy: Arc::new(Policy { lease_ms: Some(1_000_000), ..Policy::transient(OnMasterGone::Keep) }),
        delay_ms: 0,
        notify: false,
        watch: false,
        master: None,
        sequence: 0,
    })
}
