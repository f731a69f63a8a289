//! A core, the messages that came and left, and the routing side's answers.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use trunkline_sip::codes::{CodeSet, Pattern};
use trunkline_sip::core::{Action, Core, Listener, OpenCall, Probe, Settings, Terms};
use trunkline_sip::decision::{Decision, Destination, NextHop, Redirects, RouteRequest, Target};
use trunkline_sip::digest::Login;
use trunkline_sip::door::Dismissal;
use trunkline_sip::edit::Edit;
use trunkline_sip::flow::{Flow, Loss, Transport};
use trunkline_sip::gate::{Closed, Gate, Sign};
use trunkline_sip::message::Message;
use trunkline_sip::time::Time;

use super::script::Script;
use super::words::{self, PEERS};

/// Messages that are kept as material for more.
const MOST_KEPT: usize = 32;

/// A gateway that takes three calls, and counts them.
#[derive(Debug, Default)]
struct Counting {
    inside: AtomicI64,
    asked: AtomicU32,
}

impl Gate for Counting {
    fn enter(&self, _now: Time, resort: bool) -> Result<(), Closed> {
        let turn = self.asked.fetch_add(1, Relaxed);
        if self.inside.load(Relaxed) >= 3 {
            return Err(Closed::Full);
        }
        if turn % 7 == 5 && !resort {
            return Err(Closed::Down);
        }
        self.inside.fetch_add(1, Relaxed);
        Ok(())
    }

    fn leave(&self) {
        assert!(self.inside.fetch_sub(1, Relaxed) > 0, "a place is given back once");
    }

    fn showed(&self, _now: Time, _sign: Sign) {}

    fn silent(&self, _: SocketAddr) {}

    fn set_aside(&self, _now: Time, _span: Duration) {}

    fn probed(&self, _now: Time, _code: Option<u16>) {}
}

pub(super) struct World {
    core: Core<u32>,
    now: Time,
    gate: Arc<Counting>,
    seen: Vec<Bytes>,
    branches: Vec<Vec<u8>>,
    waiting: Vec<RouteRequest>,
    noted: HashMap<u64, (OpenCall, u32)>,
    /// Which process it is: each names its calls differently.
    epoch: u64,
    routes: usize,
    records: usize,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            core: Core::new(settings(), 1),
            now: Time::from_micros(1_000_000),
            gate: Arc::default(),
            seen: Vec::new(),
            branches: Vec::new(),
            waiting: Vec::new(),
            noted: HashMap::new(),
            epoch: 1,
            routes: 0,
            records: 0,
        }
    }

    pub(super) fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 | 1 => {
                let bytes = words::fresh(script);
                self.give(script, bytes);
            }
            2..=5 => {
                if let Some(request) = self.one_seen(script) {
                    let bytes = words::response(script, &request);
                    self.give(script, bytes);
                }
            }
            6 | 7 => {
                if let Some(message) = self.one_seen(script) {
                    let bytes = words::following(script, &message);
                    self.give(script, bytes);
                }
            }
            8 => {
                if let Some(bytes) = script.any(&self.seen) {
                    self.give(script, bytes.to_vec());
                }
            }
            9 => self.mutated(script),
            10 => {
                let bytes = script.bytes(2_000).to_vec();
                self.give(script, bytes);
            }
            11 | 12 => self.decide(script),
            13 => {
                self.now = self.now + Duration::from_micros(1 << script.below(27));
                self.core.tick(self.now);
            }
            14 => {
                if let Some(branch) = script.any(&self.branches) {
                    let why = if script.chance(2) { Loss::NoConnection } else { Loss::Other };
                    self.core.unreachable(self.now, &branch, why);
                }
            }
            _ => self.rarely(script),
        }
        self.act();
    }

    fn rarely(&mut self, script: &mut Script<'_>) {
        match script.below(5) {
            0 => self.core.interrupt(self.now),
            1 => self.core.refuse_new(script.chance(2)),
            2 => self.dies(),
            3 => {
                let gate: Arc<dyn Gate> = Arc::clone(&self.gate) as Arc<dyn Gate>;
                let (uri, call_id) = ("sip:198.51.100.1".into(), "probe@us".into());
                let timeout = Duration::from_secs(2);
                self.core.probe(self.now, Probe { uri, destination: destination(1), call_id, timeout, gate });
            }
            _ => {
                let raw = script.bytes(200);
                self.core.unreachable(self.now, raw, Loss::Other);
            }
        }
    }

    /// The process dies, and another one takes up what was noted. Calls without routes die with it, unrecorded.
    fn dies(&mut self) {
        self.act();
        self.routes -= self.waiting.drain(..).count();
        let died = self.now;
        self.now = self.now + Duration::from_secs(2);
        self.epoch += 1;
        self.core = Core::new(settings(), self.epoch);
        // A note lives until its call's record: it may be needed again.
        for (open, facts) in self.noted.values() {
            self.core.restore(self.now, open.clone(), *facts, Terms::default(), died);
        }
    }

    fn one_seen(&self, script: &mut Script<'_>) -> Option<Message> {
        Message::parse(script.any(&self.seen)?).ok()
    }

    /// What was seen, with some bytes in the place of others.
    fn mutated(&mut self, script: &mut Script<'_>) {
        let Some(bytes) = script.any(&self.seen) else { return };
        let mut bytes = bytes.to_vec();
        let from = (script.below(256) << 8 | script.below(256)) % (bytes.len() + 1);
        let to = (from + script.below(40)).min(bytes.len());
        let put = script.bytes(40);
        bytes.splice(from..to, put.iter().copied());
        self.give(script, bytes);
    }

    fn give(&mut self, script: &mut Script<'_>, bytes: Vec<u8>) {
        let peer = script.any(&PEERS).unwrap_or(PEERS[0]).parse().expect("an address");
        let (listener, transport) = if script.chance(4) { (1, Transport::Tcp) } else { (0, Transport::Udp) };
        let bytes = Bytes::from(bytes);
        self.core.receive(self.now, Flow::to(listener, transport, peer), bytes.clone());
        self.remember(bytes);
    }

    fn decide(&mut self, script: &mut Script<'_>) {
        let Some(request) = self.waiting.pop() else { return };
        let decision = match script.below(8) {
            0 => Decision::Respond {
                code: 200 + u16::from(script.byte()) * 2,
                reason: "\r\nX: y".into(),
                headers: Vec::new(),
            },
            1 => Decision::Dismiss(Dismissal::with(403)),
            _ => {
                let count = script.below(5);
                let targets = (0..count).map(|_| self.target(script)).collect();
                Decision::Hunt {
                    message: request.message.clone(),
                    targets,
                    customer: "".into(),
                    believed: script.chance(2),
                    realm: script.chance(2).then(|| "here".into()),
                }
            }
        };
        self.core.decide(self.now, request.call, decision, 1);
    }

    fn target(&self, script: &mut Script<'_>) -> Target {
        let choices = script.byte();
        let is = |bit: u32| choices >> bit & 1 == 1;
        let peer = 1 + usize::from(is(0));
        let login = is(1).then(|| Arc::new(Login { user: "u".into(), password: "p".into() }));
        let gate = is(2).then(|| Arc::clone(&self.gate) as Arc<dyn Gate>);
        let edits = [Edit::CalleeNumber("19195550000".into()), Edit::CallerName("x".into())];
        Target {
            destination: (!is(3) || is(4)).then(|| destination(peer)),
            request_host: is(5).then(|| PEERS[peer].into()),
            edits: if is(6) { edits.into() } else { Vec::new() },
            attempt_timeout: Duration::from_secs(3),
            ring_timeout: Duration::from_secs(30),
            parallel: is(7),
            hop: Arc::new(NextHop {
                name: "".into(),
                continues: CodeSet::of(&[Pattern::Code(408), Pattern::Class(5)]),
                redirects: match (is(4), is(1)) {
                    (false, _) => Redirects::Pass,
                    (true, false) => Redirects::Follow,
                    (true, true) => Redirects::Stay,
                },
                login,
                tcp_above: (is(0) && is(6)).then_some(600),
                trusted: !is(5),
                gate,
            }),
        }
    }

    fn remember(&mut self, bytes: Bytes) {
        if self.seen.len() == MOST_KEPT {
            self.seen.remove(0);
        }
        self.seen.push(bytes);
    }

    fn act(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send { bytes, .. } => {
                    let sent = Message::parse(bytes.clone()).expect("what leaves is a message");
                    if let Some(branch) = sent.top_via().and_then(|via| via.branch).filter(|_| sent.is_request()) {
                        self.branches.push(branch.to_vec());
                        if self.branches.len() > MOST_KEPT {
                            self.branches.remove(0);
                        }
                    }
                    self.remember(bytes);
                }
                Action::Route(request) => {
                    self.routes += 1;
                    self.waiting.push(request);
                }
                Action::Started(call) | Action::Answered(call) => {
                    if let Some((open, facts)) = self.core.open_call(call) {
                        self.noted.insert(open.cookie, (open, *facts));
                    }
                }
                Action::StopRouting(_) | Action::Settled(_) | Action::Heard { .. } | Action::Attempted { .. } => {}
                // Of some names nothing is ever heard, and some cannot be asked for.
                Action::Locate { place, .. } if place.secure => {}
                Action::Locate { place, awaited } if place.transport.is_some() => {
                    self.core.unasked(self.now, &place, awaited);
                }
                Action::Locate { place, .. } => {
                    let found =
                        Some(([destination(1)].into(), Duration::from_secs(5))).filter(|_| place.port.is_none());
                    self.core.located(self.now, &place, found);
                }
                Action::Record(record) => {
                    self.records += 1;
                    self.noted.remove(&record.cookie);
                    assert!(record.received <= record.ended && (200..700).contains(&record.code), "{record:?}");
                }
            }
        }
    }

    /// Every call ends, with one record, and gives back its place.
    pub(super) fn end(&mut self) {
        while !self.waiting.is_empty() {
            self.decide(&mut Script::new(&[]));
            self.act();
        }
        let mut turns = 0;
        while let Some(due) = self.core.next_deadline() {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.act();
            turns += 1;
            assert!(turns < 100_000, "it never ends");
        }
        assert_eq!(self.core.held(), 0, "calls held");
        assert_eq!((self.core.dialogs(), self.core.transactions()), (0, 0), "dialogs and transactions left");
        assert_eq!(self.routes, self.records, "one record for each call that wanted routes");
        assert_eq!(self.gate.inside.load(Relaxed), 0, "places at the gateway");
    }
}

fn destination(peer: usize) -> Destination {
    Destination { transport: Transport::Udp, address: PEERS[peer].parse().expect("an address") }
}

fn settings() -> Settings {
    let listener = |transport| Listener {
        transport,
        bound: "192.0.2.1:5060".parse().expect("an address"),
        host: "192.0.2.1".into(),
        port: 5060,
    };
    Settings {
        worker: 0,
        listeners: vec![listener(Transport::Udp), listener(Transport::Tcp)],
        t1: Duration::from_millis(500),
        t2: Duration::from_secs(4),
        t4: Duration::from_secs(5),
        max_duration: Duration::from_mins(10),
        late_answers: Duration::from_secs(5),
        hang_up_expired: true,
        max_attempts: 6,
        max_calls: 12,
    }
}
