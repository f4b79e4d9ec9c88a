//! Clients that submit, work and write down what they heard, until their connections end.

use super::history::History;
use super::*;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// While so many jobs live, nothing more is submitted: a check looks at all of them at once.
const MOST_LIVE: usize = 300;

/// How long a client listens before it looks whether it should stop.
const A_BREATH: Duration = Duration::from_millis(20);

/// Clients at work.
pub struct Load {
    history: Arc<Mutex<History>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// A history that threads share.
pub fn history() -> Arc<Mutex<History>> {
    Arc::default()
}

impl Load {
    /// Clients of this server, of which some submit and some work.
    pub fn begin(server: &Server, history: &Arc<Mutex<History>>, random: &mut Random) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for number in 0..5 {
            let mut client =
                Client { address: server.tcp(), history: history.clone(), stop: stop.clone(), random: random.fork() };
            threads.push(std::thread::spawn(move || if number < 3 { client.submit() } else { client.work() }));
        }
        Load { history: history.clone(), stop, threads }
    }

    /// Waits until so much more was acknowledged, or the server has ended.
    #[track_caller]
    pub fn until(&self, more: u64, server: &mut Server) {
        let goal = known(&self.history).acknowledgements() + more;
        eventually_within(3 * PATIENCE, &format!("{more} acknowledgements"), || {
            let is_enough = known(&self.history).acknowledgements() >= goal;
            let has_failed = self.threads.iter().all(JoinHandle::is_finished);
            (is_enough || has_failed || !server.is_running()).then_some(())
        });
    }

    /// Waits for the end of all clients, whose server has ended or who are told to stop.
    #[track_caller]
    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// What is known. A thread that found something wrong has panicked, and its panic will be shown.
pub fn known(history: &Mutex<History>) -> MutexGuard<'_, History> {
    history.lock().unwrap_or_else(|poison| poison.into_inner())
}

struct Client {
    address: SocketAddr,
    history: Arc<Mutex<History>>,
    stop: Arc<AtomicBool>,
    random: Random,
}

impl Client {
    fn connect(&self) -> Option<Framed> {
        // The server may be dead already.
        let stream = TcpStream::connect(self.address).ok()?;
        stream.set_nodelay(true).ok()?;
        Some(Framed::on(stream))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Submits one by one and in batches, with up to three requests under way.
    fn submit(&mut self) {
        let Some(mut peer) = self.connect() else { return };
        let by = unique();
        let mut asked: VecDeque<(u64, Vec<String>, bool)> = VecDeque::new();
        loop {
            let may_more = !self.is_stopped() && known(&self.history).live() < MOST_LIVE;
            if may_more && asked.len() < 3 {
                let is_batch = self.random.one_in(2);
                let count = if is_batch { 1 + self.random.below(12) } else { 1 };
                let (jobs, sent) = {
                    let mut history = known(&self.history);
                    let jobs: Vec<_> = (0..count).map(|_| history.invent(&mut self.random, by)).collect();
                    (jobs, history.event())
                };
                let request = if is_batch {
                    let members: Vec<String> = jobs.iter().map(|(_, members)| format!("{{{members}}}")).collect();
                    format!(r#"{{"action":"submit","jobs":[{}]}}"#, members.join(","))
                } else {
                    format!(r#"{{"action":"submit",{}}}"#, jobs[0].1)
                };
                asked.push_back((sent, jobs.into_iter().map(|(id, _)| id).collect(), is_batch));
                if !peer.try_raw(crate::support::frame(request)) {
                    return;
                }
                if self.random.one_in(2) {
                    continue;
                }
            }
            if asked.is_empty() && self.is_stopped() {
                return;
            }
            let reply = match peer.listen(A_BREATH) {
                Heard::Message(reply) => json(&reply),
                Heard::Closed => return,
                Heard::Silence => continue,
            };
            let (sent, ids, is_batch) = asked.pop_front().expect("a reply has its request");
            let mut history = known(&self.history);
            for (place, id) in ids.iter().enumerate() {
                let answer = if is_batch { &reply["results"][place] } else { &reply };
                assert_eq!(answer["id"], **id, "got {reply}");
                if answer["error"] == "draining" {
                    self.stop.store(true, Ordering::Relaxed);
                } else {
                    assert!(answer["error"].is_null(), "got {reply}");
                    history.accepted(id, sent);
                }
            }
        }
    }

    /// Completes most jobs, fails some with and some without another try, and keeps a few in hand.
    fn work(&mut self) {
        let Some(mut peer) = self.connect() else { return };
        if !peer.try_raw(crate::support::frame(r#"{"action":"join","types":["t"],"credit":8}"#)) {
            return;
        }
        let mut hand: VecDeque<String> = VecDeque::new();
        // What was asked and is not answered yet; the first is the join.
        let mut said: VecDeque<Option<(String, u64, bool)>> = VecDeque::from([None]);
        loop {
            match peer.listen(A_BREATH) {
                Heard::Message(job) if job.starts_with(r#"{"action":"job""#) => {
                    hand.push_back(known(&self.history).delivered(&job));
                }
                Heard::Message(reply) => {
                    assert_eq!(reply, OK);
                    if let Some((id, sent, ends)) = said.pop_front().expect("a reply has its request") {
                        known(&self.history).answered(&id, sent, ends);
                    }
                }
                Heard::Closed => return,
                Heard::Silence if self.is_stopped() && said.is_empty() && hand.is_empty() => {
                    known(&self.history).broken_off();
                    return;
                }
                Heard::Silence => {}
            }
            let is_enough = hand.len() > 5 || self.is_stopped() || self.random.one_in(3);
            let Some(id) = hand.front().filter(|_| is_enough).cloned() else { continue };
            hand.pop_front();
            let word = {
                let mut history = known(&self.history);
                let sent = history.event();
                let chance = self.random.below(10);
                let word = match chance {
                    0 => format!(r#"{{"action":"fail","id":"{id}","error":"again","delay_ms":0}}"#),
                    1 => {
                        history.ending(&id);
                        format!(r#"{{"action":"fail","id":"{id}","error":"never","retry":false}}"#)
                    }
                    _ => {
                        history.ending(&id);
                        respond(&id)
                    }
                };
                said.push_back(Some((id, sent, chance > 0)));
                word
            };
            if !peer.try_raw(crate::support::frame(word)) {
                return;
            }
        }
    }
}
