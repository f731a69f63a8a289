//! A core between one caller and four carriers, driven by hand.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::super::{Action, CallReport, Core, Listener, OpenCall, Settings, Terms};
use super::ua::{self, Dialog, parse, text};
use crate::codes::{CodeSet, Pattern};
use crate::decision::{Decision, Destination, NextHop, Redirects, RouteRequest, Target};
use crate::end::{AttemptOutcome, End};
use crate::flow::{Flow, Loss, Transport};
use crate::message::Message;
use crate::place::Place;
use crate::time::Time;

pub(super) const US: &str = "192.0.2.1:5060";
pub(super) const CALLER: &str = "192.0.2.10:5062";
/// Two by two in order of preference.
pub(super) const CARRIERS: [&str; 4] =
    ["198.51.100.1:5060", "198.51.100.2:5060", "198.51.100.3:5060", "198.51.100.4:5060"];
pub(super) const URI: &str = "sip:+12125559999@192.0.2.1";
/// Whose calls these are.
pub(super) const CUSTOMER: &str = "acme";

/// The longest call, and the tick by which the timer may be late.
pub(super) const LONGEST: Duration = Duration::from_millis(4 * 3_600_000 + 2);

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(super) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(super) fn listener(transport: Transport, bound: &str) -> Listener {
    let bound: SocketAddr = bound.parse().expect("an address");
    let host = if bound.is_ipv6() { format!("[{}]", bound.ip()) } else { bound.ip().to_string() };
    Listener { transport, bound, host: host.into(), port: bound.port() }
}

pub(super) fn settings() -> Settings {
    Settings {
        worker: 0,
        listeners: vec![
            listener(Transport::Udp, US),
            listener(Transport::Tcp, US),
            listener(Transport::Udp, "[2001:db8::1]:5060"),
            listener(Transport::Udp, "203.0.113.1:5060"),
        ],
        t1: ms(500),
        t2: secs(4),
        t4: secs(5),
        max_duration: secs(4 * 3600),
        late_answers: secs(5),
        hang_up_expired: false,
        max_attempts: 10,
        max_calls: 100_000,
    }
}

pub(super) fn udp(remote: &str) -> Flow {
    let remote: SocketAddr = remote.parse().expect("an address");
    Flow::to(if remote.is_ipv6() { 2 } else { 0 }, Transport::Udp, remote)
}

pub(super) fn tcp(remote: &str) -> Flow {
    Flow { listener: 1, transport: Transport::Tcp, ..udp(remote) }
}

pub(super) fn target(address: &str) -> Target {
    Target {
        destination: Some(Destination { transport: Transport::Udp, address: address.parse().expect("an address") }),
        request_host: Some(address.into()),
        edits: Vec::new(),
        attempt_timeout: secs(3),
        ring_timeout: secs(60),
        parallel: false,
        hop: hop(),
    }
}

/// A gateway without limits, health and login.
pub(super) fn hop() -> Arc<NextHop> {
    let continues = CodeSet::of(&[Pattern::Code(408), Pattern::Class(5)]);
    Arc::new(NextHop {
        name: "carrier".into(),
        continues,
        redirects: Redirects::Pass,
        login: None,
        tcp_above: None,
        trusted: true,
        gate: None,
    })
}

/// A message that left.
#[derive(Debug, Clone)]
pub(super) struct Sent {
    pub(super) flow: Flow,
    pub(super) message: Message,
    /// How long its connection is waited for, where it need not come about.
    pub(super) within: Option<Duration>,
}

impl Sent {
    /// `INVITE`, or the status code and the method that it answers.
    fn name(&self) -> String {
        let method = text(self.message.method_bytes());
        match self.message.code() {
            0 => method.to_owned(),
            code => format!("{code} {method}"),
        }
    }
}

/// What was told of a call while it went on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// Whose caller hears something, and after what time.
    Heard(String, Duration),
    /// How an attempt at which next hop has ended.
    Attempted(String, AttemptOutcome),
}

pub(super) struct Rig {
    pub(super) core: Core<u32>,
    pub(super) now: Time,
    pub(super) sent: VecDeque<Sent>,
    pub(super) routes: VecDeque<RouteRequest>,
    pub(super) records: Vec<CallReport<u32>>,
    pub(super) told: Vec<Told>,
    /// Names that the core wants to have found.
    pub(super) sought: Vec<Place>,
    /// How many of these a call waits for.
    pub(super) awaited: usize,
    /// What a journal would know of calls in progress.
    pub(super) noted: HashMap<u64, (OpenCall, u32)>,
}

impl Rig {
    pub(super) fn new() -> Self {
        Self::with(settings())
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self {
            core: Core::new(settings, 1),
            now: Time::from_micros(1_000_000_000),
            sent: VecDeque::new(),
            routes: VecDeque::new(),
            records: Vec::new(),
            told: Vec::new(),
            sought: Vec::new(),
            awaited: 0,
            noted: HashMap::new(),
        }
    }

    fn collect(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send { flow, bytes, within } => {
                    self.sent.push_back(Sent { flow, message: parse(bytes), within });
                }
                Action::Route(request) => self.routes.push_back(request),
                Action::Record(record) => {
                    self.noted.remove(&record.cookie);
                    self.records.push(*record);
                }
                // The routing side of these tests decides late or never by itself.
                Action::StopRouting(_) | Action::Settled(_) => {}
                Action::Locate { place, awaited } => {
                    self.awaited += usize::from(awaited);
                    self.sought.push(place);
                }
                Action::Heard { customer, after } => self.told.push(Told::Heard(customer.to_string(), after)),
                Action::Attempted { gateway, outcome } => {
                    self.told.push(Told::Attempted(gateway.to_string(), outcome));
                }
                Action::Started(call) | Action::Answered(call) => {
                    if let Some((open, facts)) = self.core.open_call(call) {
                        self.noted.insert(open.cookie, (open, *facts));
                    }
                }
            }
        }
    }

    /// The process dies, and another one with these settings takes up what was noted. It passes through bytes, as a
    /// journal's notes do.
    pub(super) fn dies_and_is_succeeded_by(&mut self, settings: Settings) {
        self.dies_and_goes_on(settings, |_| Terms::default());
    }

    /// The same, where these terms hold for the calls.
    pub(super) fn dies_and_goes_on(&mut self, settings: Settings, terms: impl Fn(&OpenCall) -> Terms) {
        let died = self.now;
        self.now = self.now + Duration::from_secs(2);
        self.core = Core::new(settings, 2);
        self.core.tick(self.now);
        for (_, (open, facts)) in std::mem::take(&mut self.noted) {
            let bytes = postcard::to_stdvec(&open).expect("a call is encoded");
            let open = postcard::from_bytes(&bytes).expect("and decoded");
            let terms = terms(&open);
            self.core.restore(self.now, open, facts, terms, died);
        }
        self.collect();
    }

    pub(super) fn receive_on(&mut self, flow: Flow, message: impl AsRef<[u8]>) {
        self.core.receive(self.now, flow, Bytes::copy_from_slice(message.as_ref()));
        self.collect();
    }

    /// A datagram comes from `remote`.
    pub(super) fn receive(&mut self, remote: &str, message: impl AsRef<[u8]>) {
        self.receive_on(udp(remote), message);
    }

    /// The next message that left, which goes to `remote` and is named `name`.
    #[track_caller]
    pub(super) fn next(&mut self, remote: &str, name: &str) -> Message {
        let sent = self.sent.pop_front().unwrap_or_else(|| panic!("nothing was sent, {name} to {remote} expected"));
        assert_eq!((sent.flow.remote.to_string().as_str(), sent.name().as_str()), (remote, name));
        sent.message
    }

    /// Nothing more has left.
    #[track_caller]
    pub(super) fn silence(&self) {
        let names: Vec<String> =
            self.sent.iter().map(|sent| format!("{} to {}", sent.name(), sent.flow.remote)).collect();
        assert!(names.is_empty(), "also sent: {names:?}");
    }

    pub(super) fn decide(&mut self, decision: Decision) {
        let request = self.routes.pop_front().expect("a call wants routes");
        self.core.decide(self.now, request.call, decision, 7);
        self.collect();
    }

    /// The pipeline found these carriers.
    pub(super) fn hunt(&mut self, targets: Vec<Target>) {
        let message = self.routes.front().expect("a call wants routes").message.clone();
        self.decide(Decision::Hunt { message, targets, customer: CUSTOMER.into(), believed: true, realm: None });
    }

    pub(super) fn hunt_carriers(&mut self, count: usize) {
        self.hunt(CARRIERS[..count].iter().map(|carrier| target(carrier)).collect());
    }

    /// Time passes, with every timer at its time.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.core.next_deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.core.tick(self.now);
            self.collect();
        }
        self.now = end;
        self.core.tick(self.now);
        self.collect();
    }

    /// The times, in milliseconds from now, at which messages named `name` leave to `remote` within `time`.
    pub(super) fn times(&mut self, remote: &str, name: &str, time: Duration) -> Vec<u64> {
        let begin = self.now;
        let end = begin + time;
        let mut times = Vec::new();
        loop {
            let due = self.core.next_deadline().filter(|due| *due <= end);
            self.now = self.now.max(due.unwrap_or(end));
            self.core.tick(self.now);
            self.collect();
            for sent in self.sent.drain(..) {
                if sent.flow.remote.to_string() == remote && sent.name() == name {
                    times.push(self.now.since(begin).as_millis() as u64);
                }
            }
            if due.is_none() {
                return times;
            }
        }
    }

    /// What came of a question for a name.
    pub(super) fn located(&mut self, place: &Place, found: Option<(Box<[Destination]>, Duration)>) {
        self.core.located(self.now, place, found);
        self.collect();
    }

    /// The question for a name could not be asked.
    pub(super) fn unasked(&mut self, place: &Place, awaited: bool) {
        self.core.unasked(self.now, place, awaited);
        self.collect();
    }

    /// A request went astray.
    pub(super) fn unreachable(&mut self, sent: &Message) {
        self.lost(sent, Loss::Other);
    }

    pub(super) fn lost(&mut self, sent: &Message, why: Loss) {
        let branch = sent.top_via().and_then(|via| via.branch).expect("a branch").to_vec();
        self.core.unreachable(self.now, &branch, why);
        self.collect();
    }

    /// The only record, taken out. It may have waited for answers of attempts that were given up.
    #[track_caller]
    pub(super) fn record(&mut self) -> CallReport<u32> {
        if self.records.is_empty() {
            self.pass(ms(5_010));
        }
        assert_eq!(self.records.len(), 1, "records");
        self.records.remove(0)
    }

    /// Let all timers run out: then nothing of any call is left.
    #[track_caller]
    pub(super) fn ends_clean(&mut self) {
        self.pass(secs(400));
        assert_eq!(self.core.held(), 0, "calls left");
        assert_eq!(self.core.next_deadline(), None, "timers left");
        assert!(self.routes.is_empty(), "a call still wants routes");
    }
}

/// A call of the caller that stands at some point of its way.
pub(super) struct Placed {
    pub(super) rig: Rig,
    /// As the caller sent it.
    pub(super) invite: Message,
    /// As the carrier got it.
    pub(super) forwarded: Message,
}

impl Placed {
    /// The INVITE is at the first of `carriers`.
    pub(super) fn at_carrier(carriers: usize) -> Self {
        let mut rig = Rig::new();
        let invite = parse(ua::invite(CALLER, "a", URI));
        rig.receive(CALLER, invite.raw());
        rig.next(CALLER, "100 INVITE");
        rig.hunt_carriers(carriers);
        let forwarded = rig.next(CARRIERS[0], "INVITE");
        rig.silence();
        Self { rig, invite, forwarded }
    }

    /// The first carrier answers the INVITE that it got.
    pub(super) fn carrier_says(&mut self, code: u16) {
        let forwarded = self.forwarded.clone();
        self.answer(0, &forwarded, code);
    }

    /// A carrier answers a request that it got.
    pub(super) fn answer(&mut self, carrier: usize, request: &Message, code: u16) {
        let tag = format!("to-{carrier}");
        self.rig.receive(CARRIERS[carrier], ua::response(request, code, &tag, CARRIERS[carrier]));
    }

    /// The caller acknowledges a failure.
    pub(super) fn ack_failure(&mut self, failure: &Message) {
        let ack = ua::hop_by_hop(&self.invite, "ACK", Some(failure));
        self.rig.receive(CALLER, ack);
        self.rig.silence();
    }

    pub(super) fn cancel(&mut self) {
        let cancel = ua::hop_by_hop(&self.invite, "CANCEL", None);
        self.rig.receive(CALLER, cancel);
    }
}

/// An answered and acknowledged call.
pub(super) struct Answered {
    pub(super) rig: Rig,
    pub(super) caller: Dialog,
    pub(super) callee: Dialog,
}

impl Answered {
    pub(super) fn new() -> Self {
        Self::from(Placed::at_carrier(1))
    }

    /// The first carrier answers, the caller acknowledges.
    pub(super) fn from(mut call: Placed) -> Self {
        call.rig.pass(ms(400));
        call.carrier_says(180);
        call.rig.next(CALLER, "180 INVITE");
        call.rig.pass(secs(2));
        let answer = parse(ua::response(&call.forwarded, 200, "to-0", CARRIERS[0]));
        call.rig.receive(CARRIERS[0], answer.raw());
        let received = call.rig.next(CALLER, "200 INVITE");
        let mut caller = Dialog::caller(CALLER, &call.invite, &received);
        let callee = Dialog::callee(CARRIERS[0], &call.forwarded, &answer);
        call.rig.receive(CALLER, caller.request("ACK"));
        call.rig.next(CARRIERS[0], "ACK");
        call.rig.silence();
        Self { rig: call.rig, caller, callee }
    }

    /// The caller sends a request, which arrives at the callee.
    #[track_caller]
    pub(super) fn caller_sends(&mut self, method: &str) -> Message {
        let request = self.caller.request(method);
        self.rig.receive(CALLER, request);
        if method == "INVITE" {
            self.rig.next(CALLER, "100 INVITE");
        }
        let arrived = self.rig.next(CARRIERS[0], method);
        self.rig.silence();
        arrived
    }

    /// The callee sends a request, which arrives at the caller.
    #[track_caller]
    pub(super) fn callee_sends(&mut self, method: &str) -> Message {
        let request = self.callee.request(method);
        self.rig.receive(CARRIERS[0], request);
        if method == "INVITE" {
            self.rig.next(CARRIERS[0], "100 INVITE");
        }
        let arrived = self.rig.next(CALLER, method);
        self.rig.silence();
        arrived
    }

    /// The callee answers a request of the caller.
    #[track_caller]
    pub(super) fn callee_says(&mut self, request: &Message, code: u16) -> Message {
        self.rig.receive(CARRIERS[0], ua::response(request, code, "unused", CARRIERS[0]));
        let name = format!("{code} {}", text(request.method_bytes()));
        let message = self.rig.next(CALLER, &name);
        self.rig.silence();
        message
    }

    /// The caller answers a request of the callee.
    #[track_caller]
    pub(super) fn caller_says(&mut self, request: &Message, code: u16) -> Message {
        self.rig.receive(CALLER, ua::response(request, code, "unused", CALLER));
        let name = format!("{code} {}", text(request.method_bytes()));
        let message = self.rig.next(CARRIERS[0], &name);
        self.rig.silence();
        message
    }
}

/// How each attempt of a record ended.
pub(super) fn outcomes(record: &CallReport<u32>) -> Vec<(usize, u16, AttemptOutcome)> {
    record
        .attempts
        .iter()
        .map(|a| a.ended.map_or((a.target, 0, AttemptOutcome::Response), |e| (a.target, e.1, e.2)))
        .collect()
}

/// The parts of a record that most scenarios ask for.
pub(super) fn verdict(record: &CallReport<u32>) -> (u16, End) {
    (record.code, record.end)
}
