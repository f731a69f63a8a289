//! Anything at all, in any order: the core does not panic, and what it began it ends.

use std::time::Duration;

use bytes::Bytes;

use super::super::{Action, Core, Settings};
use super::rig::{CALLER, CARRIERS, URI, settings, target, tcp, udp};
use super::ua::{self, Dialog, parse};
use crate::decision::{Decision, RouteRequest};
use crate::flow::{Flow, Loss};
use crate::message::{Message, Name};
use crate::time::Time;

const SEEDS: u64 = if cfg!(debug_assertions) { 15 } else { 100 };
const STEPS: usize = 1_500;

struct Storm {
    core: Core<u32>,
    now: Time,
    rng: fastrand::Rng,
    /// What came and left lately: material for more.
    seen: Vec<Bytes>,
    /// The requests among it that the core sent.
    asked: Vec<Bytes>,
    branches: Vec<Vec<u8>>,
    waiting: Vec<RouteRequest>,
    routes: usize,
    records: usize,
    answered: usize,
}

impl Storm {
    fn new(seed: u64) -> Self {
        let settings = Settings { max_calls: 500, max_duration: Duration::from_mins(10), ..settings() };
        let (seen, asked, branches, waiting) = Default::default();
        let (now, rng) = (Time::from_micros(0), fastrand::Rng::with_seed(seed));
        Self {
            core: Core::new(settings, seed),
            now,
            rng,
            seen,
            asked,
            branches,
            waiting,
            routes: 0,
            records: 0,
            answered: 0,
        }
    }

    fn any<T: Clone>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.rng.usize(0..of.len())].clone())
    }

    fn flow(&mut self) -> Flow {
        let peers = [CALLER, CARRIERS[0], CARRIERS[1], "203.0.113.9:1", "[2001:db8::99]:5060"];
        let peer = self.any(&peers).unwrap_or(CALLER);
        if self.rng.u32(0..4) == 0 { tcp(peer) } else { udp(peer) }
    }

    fn step(&mut self) {
        match self.rng.u32(0..1_000) {
            0..100 => self.fresh_invite(),
            100..500 => self.answer(),
            500..620 => self.more(),
            620..740 => self.again(),
            740..840 => self.decide(),
            840..850 => {
                if let Some(branch) = self.any(&self.branches.clone()) {
                    let why = if self.rng.bool() { Loss::NoConnection } else { Loss::Other };
                    self.core.unreachable(self.now, &branch, why);
                }
            }
            850 => self.core.interrupt(self.now),
            _ => {
                let reach = 1 << self.rng.u32(1..26);
                self.now = self.now + Duration::from_micros(self.rng.u64(0..reach));
                self.core.tick(self.now);
            }
        }
        self.act();
    }

    fn fresh_invite(&mut self) {
        let name = format!("f{}", self.rng.u32(0..60));
        let invite = ua::invite(CALLER, &name, URI);
        self.give(invite.as_bytes());
    }

    /// A response to something that the core sent, or to anything else.
    fn answer(&mut self) {
        let asked = if self.rng.u32(0..8) == 0 { self.seen.clone() } else { self.asked.clone() };
        let Some(request) = self.any(&asked) else { return };
        let Ok(request) = Message::parse(request) else { return };
        let code = self.any(&[100, 180, 183, 200, 200, 202, 302, 404, 408, 481, 487, 503, 603]).unwrap_or(200);
        let tag = self.rng.u32(0..3);
        let mut out = format!("SIP/2.0 {code} Why Not\r\n").into_bytes();
        for header in request.headers() {
            let wanted =
                [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::RecordRoute].contains(&header.name);
            if wanted {
                out.extend_from_slice(header.name.as_str().as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(request.value(header));
                if header.name == Name::To && request.to_tag().is_none() {
                    out.extend_from_slice(format!(";tag=x{tag}").as_bytes());
                }
                out.extend_from_slice(b"\r\n");
            }
        }
        out.extend_from_slice(b"Contact: <sip:callee@198.51.100.1>\r\nContent-Length: 0\r\n\r\n");
        self.give(&out);
    }

    /// A request of a dialog that somebody answered, or the CANCEL or ACK of an INVITE.
    fn more(&mut self) {
        let Some(message) = self.any(&self.seen.clone()).and_then(|bytes| Message::parse(bytes).ok()) else { return };
        if message.check().is_err() || !message.raw().is_ascii() {
            return;
        }
        let method = self.any(&["BYE", "INVITE", "UPDATE", "ACK", "CANCEL", "PRACK", "NEW"]).unwrap_or("BYE");
        let request = if message.is_request() {
            ua::hop_by_hop(&message, method, None)
        } else {
            if message.contact().is_none() {
                return;
            }
            let invite = parse(ua::invite(CALLER, "f0", URI));
            let mut dialog = if self.rng.bool() {
                Dialog::caller(CALLER, &invite, &message)
            } else {
                Dialog::callee(CARRIERS[0], &invite, &message)
            };
            dialog.cseq = self.rng.u32(0..1 << 31);
            if self.rng.u32(0..4) == 0 {
                dialog.routes.clear();
                dialog.target = "sip:192.0.2.1".into();
            }
            dialog.request(method)
        };
        self.give(request.as_bytes());
    }

    fn again(&mut self) {
        if let Some(bytes) = self.any(&self.seen.clone()) {
            self.give(&bytes);
        }
    }

    /// Let the core have it, as it is or mutated.
    fn give(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if self.rng.u32(0..3) == 0 {
            for _ in 0..self.rng.u32(1..5) {
                self.mutate(&mut bytes);
            }
        }
        let flow = self.flow();
        let bytes = Bytes::from(bytes);
        self.core.receive(self.now, flow, bytes.clone());
        self.remember(bytes);
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let at = self.rng.usize(0..bytes.len());
        let to = (at + self.rng.usize(0..40)).min(bytes.len());
        match self.rng.u32(0..7) {
            0 => bytes[at] = self.rng.u8(..),
            1 => bytes[at] = b"\r\n ,;:<>\"@=\\"[self.rng.usize(0..12)],
            2 => drop(bytes.drain(at..to)),
            3 => {
                let piece = bytes[at..to].to_vec();
                bytes.splice(at..at, piece);
            }
            4 => {
                // Whole lines of another message.
                if let Some(other) = self.any(&self.seen.clone()) {
                    let lines: Vec<&[u8]> = other.split_inclusive(|&b| b == b'\n').collect();
                    if let Some(line) = self.any(&lines)
                        && let Some(end) = bytes.iter().skip(at).position(|&b| b == b'\n')
                    {
                        bytes.splice(at + end..at + end, line.iter().copied());
                    }
                }
            }
            5 => bytes.truncate(at),
            _ => {
                if let Some(digit) = bytes.iter().skip(at).position(u8::is_ascii_digit) {
                    bytes.splice(at + digit..=at + digit, *b"99999999999999999999");
                }
            }
        }
    }

    fn decide(&mut self) {
        let Some(request) = self.waiting.pop() else { return };
        let decision = if self.rng.u32(0..5) == 0 {
            Decision::Respond { code: self.rng.u16(..), reason: "\r\nX: y".into(), headers: Vec::new() }
        } else {
            let count = self.rng.usize(0..=4);
            Decision::Hunt {
                message: request.message.clone(),
                targets: CARRIERS[..count].iter().map(|c| target(c)).collect(),
                customer: "".into(),
                believed: self.rng.bool(),
                realm: self.rng.bool().then(|| "here".into()),
            }
        };
        self.core.decide(self.now, request.call, decision, 1);
    }

    fn remember(&mut self, bytes: Bytes) {
        if self.seen.len() < 200 {
            self.seen.push(bytes);
        } else {
            let at = self.rng.usize(0..self.seen.len());
            self.seen[at] = bytes;
        }
    }

    fn act(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send { bytes, .. } => {
                    let sent = Message::parse(bytes.clone()).expect("what leaves is a message");
                    if sent.is_request()
                        && let Some(branch) = sent.top_via().and_then(|via| via.branch)
                    {
                        self.branches.push(branch.to_vec());
                        if self.branches.len() > 50 {
                            self.branches.remove(0);
                        }
                        self.asked.push(bytes.clone());
                        if self.asked.len() > 20 {
                            self.asked.remove(0);
                        }
                    }
                    self.remember(bytes);
                }
                Action::Route(request) => {
                    self.routes += 1;
                    self.waiting.push(request);
                }
                Action::StopRouting(_)
                | Action::Started(_)
                | Action::Answered(_)
                | Action::Settled(_)
                | Action::Heard { .. }
                | Action::Attempted { .. }
                | Action::Locate { .. } => {}
                Action::Record(record) => {
                    self.records += 1;
                    self.answered += usize::from(record.answered.is_some());
                }
            }
        }
    }

    fn end(&mut self) {
        while !self.waiting.is_empty() {
            self.decide();
            self.act();
        }
        while let Some(due) = self.core.next_deadline() {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.act();
        }
        assert_eq!(self.core.held(), 0, "calls held");
        assert_eq!((self.core.dialogs(), self.core.transactions()), (0, 0), "dialogs and transactions left");
        assert_eq!(self.core.wheel.len(), 0, "timers");
        assert_eq!(self.routes, self.records, "a record for each call");
    }
}

#[test]
fn arbitrary_messages_in_arbitrary_order_never_panic_and_every_call_ends_with_one_record() {
    let mut calls = 0;
    let mut answered = 0;
    let seeds = super::sim::seeds(SEEDS);
    for seed in 0..seeds {
        let named = super::sim::Named::new(seed, "the storm");
        let mut storm = Storm::new(seed);
        for _ in 0..STEPS {
            storm.step();
        }
        storm.end();
        calls += storm.routes;
        answered += storm.answered;
        named.passed();
    }
    println!("{calls} calls, {answered} answered");
    assert!(calls as u64 > seeds * 20, "the storm reaches the core: {calls} calls");
    assert!(answered > calls / 20, "and its calls go far: {answered} of {calls} answered");
}
