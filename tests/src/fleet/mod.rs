//! A fleet of nodes behind a dispatcher, simulated by a seed: cores and journals are the real ones, network, callers and
//! carrier are not. What becomes of calls and records when a node dies.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the clock, the dispatcher, and what is counted |
//! | `node` | a core and its journal; how it dies and comes back |
//! | `call` | what caller and carrier do in one call |

mod call;
mod node;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use tempfile::TempDir;
use trunkline::sip::message::Message;
use trunkline::sip::time::Time;

use self::call::{Call, End, Plan};
use self::node::Node;
use crate::script::{self, Caller};

/// How long an INVITE may go unanswered before the dispatcher tries the next node.
const NEXT_NODE: Duration = Duration::from_secs(3);
/// How long the dispatcher takes to see that a node is dead: two probes, two seconds apart.
const NOTICED: Duration = Duration::from_secs(4);
/// From one side to the other, in ms.
const LATENCY: (u64, u64) = (2, 20);
/// RFC 3261 section 17.1.1.1.
const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// 64 × T1.
const TIMEOUT: Duration = Duration::from_secs(32);
/// From the end of a call to its record in a store: what waits is lost with the machine.
const SHIPPED: Duration = Duration::from_millis(500);

/// What befalls one node.
#[derive(Debug, Clone, Copy)]
pub struct Loss {
    /// Which.
    pub node: usize,
    /// When, from the beginning.
    pub at: Duration,
    /// After which time it is started again with its journal; `None`: the machine and its disk are gone.
    pub back: Option<Duration>,
}

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Nodes.
    pub nodes: usize,
    /// Calls in all.
    pub calls: u32,
    /// Calls begun each second.
    pub rate: u32,
    /// How long calls talk, on average.
    pub talk: Duration,
    /// What befalls them.
    pub losses: Vec<Loss>,
    /// The same seed gives the same figures.
    pub seed: u64,
}

/// What became of the calls and of their records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Calls that were begun.
    pub calls: u32,
    /// Answered: caller and carrier talked.
    pub answered: u32,
    /// Of these, those that came to another node after the one that did not answer.
    pub moved: u32,
    /// Never answered: the node died while the call was set up.
    pub lost_in_set_up: u32,
    /// Answered, and a BYE came through, whatever happened meanwhile.
    pub hung_up: u32,
    /// Of these, those whose node died between the answer and the answer to the BYE, and came back.
    pub survived: u32,
    /// Answered, and the BYE found nobody: media went on until the side that hung up stopped it.
    pub stranded: u32,
    /// Calls, as nodes had them, that were begun there and have a record.
    pub records: u32,
    /// Of these, those that were closed as interrupted.
    pub interrupted: u32,
    /// Calls that nodes had begun and that have no record in any store.
    pub records_lost: u32,
    /// Of these, those of answered calls: they cannot be billed.
    pub answered_lost: u32,
}

/// Runs a scene to its end.
///
/// # Errors
/// When something happens that must not: a call that neither ends nor fails, a record that is there twice.
pub fn run(scene: &Scene) -> Result<Outcome> {
    let folder = TempDir::with_prefix("trunkline-fleet-")?;
    let nodes = (0..scene.nodes).map(|index| Node::start(index, folder.path())).collect::<Result<_>>()?;
    let mut fleet = Fleet {
        rng: fastrand::Rng::with_seed(scene.seed),
        now: Time::from_micros(1_000_000),
        events: BinaryHeap::new(),
        planned: 0,
        nodes,
        believed: vec![true; scene.nodes],
        calls: HashMap::new(),
        outcome: Outcome { calls: scene.calls, ..Outcome::default() },
    };
    fleet.plan(scene);
    fleet.pass()?;
    fleet.count(folder)
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A call begins.
    Begin(u32, Plan),
    /// The caller's timer for what it has sent last; its `step` then.
    Caller(u32, u32),
    /// The carrier's timer of a call, by the same.
    Carrier(u32, u32),
    /// Bytes reach a node; from the carrier, or from the callers.
    ToNode(usize, bool, Bytes),
    /// Bytes reach the carrier, or the callers; from a node.
    FromNode(usize, bool, Bytes),
    Dies(usize, bool),
    /// The dispatcher has noticed whether a node is there.
    Noticed(usize, bool),
    Back(usize),
}

struct Fleet {
    rng: fastrand::Rng,
    now: Time,
    /// In order of time, then of planning.
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    planned: u64,
    nodes: Vec<Node>,
    /// What the dispatcher thinks of each.
    believed: Vec<bool>,
    calls: HashMap<u32, Call>,
    outcome: Outcome,
}

fn callers() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 5060))
}

fn carrier() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], 5060))
}

impl Fleet {
    fn plan(&mut self, scene: &Scene) {
        for call in 0..scene.calls {
            let at = Duration::from_secs_f64(f64::from(call) / f64::from(scene.rate));
            // Calls talk for a time that is distributed as that of people: many short ones, few long ones.
            let talk = scene.talk.mul_f64(-(1.0 - self.rng.f64()).ln());
            let plan = Plan {
                rings: Duration::from_millis(self.rng.u64(100..1_000)),
                answers: Duration::from_millis(self.rng.u64(1_000..8_000)),
                talks: talk.min(scene.talk * 6),
            };
            self.after(at, Event::Begin(call, plan));
        }
        for loss in &scene.losses {
            self.after(loss.at, Event::Dies(loss.node, loss.back.is_some()));
            self.after(loss.at + NOTICED, Event::Noticed(loss.node, false));
            if let Some(back) = loss.back {
                self.after(loss.at + back, Event::Back(loss.node));
                self.after(loss.at + back + NOTICED, Event::Noticed(loss.node, true));
            }
        }
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.planned += 1;
        self.events.push(Reverse((self.now + delay, self.planned, event)));
    }

    /// Until nothing happens any more.
    fn pass(&mut self) -> Result<()> {
        loop {
            let planned = self.events.peek().map(|Reverse((at, ..))| *at);
            let due = self.nodes.iter().filter_map(Node::next_deadline).min();
            match (due, planned) {
                (Some(due), planned) if planned.is_none_or(|planned| due < planned) => {
                    self.now = self.now.max(due);
                    for index in 0..self.nodes.len() {
                        self.nodes[index].tick(self.now);
                        self.deliver(index);
                    }
                }
                (_, Some(_)) => {
                    let Some(Reverse((at, _, event))) = self.events.pop() else { return Ok(()) };
                    self.now = self.now.max(at);
                    self.happen(event)?;
                }
                (_, None) => return Ok(()),
            }
        }
    }

    fn happen(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Begin(number, plan) => {
                let node = self.choose(None);
                self.calls.insert(number, Call::new(node, plan));
                self.invite(number);
            }
            Event::Caller(number, step) => self.on_caller_timer(number, step),
            Event::Carrier(number, step) => self.on_carrier_timer(number, step),
            Event::ToNode(node, from_carrier, bytes) => {
                let from = if from_carrier { carrier() } else { callers() };
                self.nodes[node].receive(self.now, from, bytes);
                self.deliver(node);
            }
            Event::FromNode(node, to_carrier, bytes) => {
                let message = Message::parse(bytes).ok().context("a node sent what is no message")?;
                let number = script::call_of(&message).context("of no call")?;
                if to_carrier {
                    self.on_carrier_message(number, node, &message);
                } else {
                    self.on_caller_message(number, node, &message);
                }
            }
            Event::Dies(node, comes_back) => self.nodes[node].die(self.now, comes_back)?,
            Event::Noticed(node, alive) => self.believed[node] = alive,
            Event::Back(node) => {
                self.nodes[node].come_back(self.now)?;
                self.deliver(node);
            }
        }
        Ok(())
    }

    /// A node that is believed to be there; where a call has tried one, another.
    fn choose(&mut self, not: Option<usize>) -> usize {
        let good: Vec<usize> =
            (0..self.nodes.len()).filter(|node| self.believed[*node] && Some(*node) != not).collect();
        good[self.rng.usize(..good.len())]
    }

    fn latency(&mut self) -> Duration {
        Duration::from_millis(self.rng.u64(LATENCY.0..=LATENCY.1))
    }

    /// What a node has to send is on its way.
    fn deliver(&mut self, node: usize) {
        for (to, bytes) in self.nodes[node].take_sent() {
            let latency = self.latency();
            self.after(latency, Event::FromNode(node, to == carrier(), bytes));
        }
    }

    fn send_to(&mut self, node: usize, from_carrier: bool, text: String) {
        let latency = self.latency();
        self.after(latency, Event::ToNode(node, from_carrier, Bytes::from(text)));
    }

    /// The callers, as this node knows them.
    fn caller(&self, node: usize) -> Caller {
        Caller { address: callers(), router: self.nodes[node].address(), carrier: carrier() }
    }

    /// All is over: what there is in the journals, beside what was begun.
    fn count(mut self, folder: TempDir) -> Result<Outcome> {
        let mut outcome = self.outcome;
        for (number, call) in &self.calls {
            match call.end() {
                End::LostInSetUp => outcome.lost_in_set_up += 1,
                End::HungUp => outcome.hung_up += 1,
                End::Stranded => outcome.stranded += 1,
                End::Open => anyhow::bail!("call {number} neither ended nor failed: {call:?}"),
            }
            outcome.answered += u32::from(call.is_answered());
            outcome.moved += u32::from(call.is_answered() && call.was_moved());
            let talked = call.answered_at().zip(call.hung_up_at());
            let survived = |(answered, hung_up)| self.nodes[call.node()].has_died_between(answered, hung_up);
            outcome.survived += u32::from(talked.is_some_and(survived));
        }
        for node in &mut self.nodes {
            let books = node.close()?;
            ensure!(books.twice == 0, "{} records are there twice", books.twice);
            outcome.records += books.records;
            outcome.interrupted += books.interrupted;
            outcome.records_lost += books.lost;
            outcome.answered_lost += books.answered_lost;
        }
        drop(folder);
        Ok(outcome)
    }
}
