//! Callers, the core and carriers on one clock.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::super::super::{Action, Core, Settings};
use super::super::rig::{settings, udp};
use super::super::ua::{self, text};
use super::agent::Agent;
use super::gateways::Gateways;
use super::network::{Event, Network, Weather};
use super::script::Timer;
use super::watch::Watch;
use crate::decision::{Decision, Destination, RouteRequest, Target};
use crate::flow::{Flow, Loss, Transport};
use crate::message::{Method, Name};

const CALLERS: usize = 4;
const CARRIERS: usize = 5;
/// The last carrier's machine is off: what is sent there comes back as an ICMP error.
const DEAD: usize = CALLERS + CARRIERS - 1;

pub(super) struct World {
    core: Core<u32>,
    net: Network,
    agents: Vec<Agent>,
    gateways: Gateways,
    flows: Vec<Flow>,
    by_address: HashMap<SocketAddr, usize>,
    watch: Watch,
    calls: usize,
    /// What of a Call-ID is to be printed.
    trace: Option<String>,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let hosts = (0..CALLERS + CARRIERS).map(|index| format!("10.0.0.{}:5060", index + 1));
        let agents: Vec<Agent> = hosts.enumerate().map(|(index, host)| Agent::new(index, host)).collect();
        let flows: Vec<Flow> = agents.iter().map(|agent| udp(&agent.host)).collect();
        Self {
            core: Core::new(Settings { max_duration: Duration::from_secs(100), ..settings() }, seed),
            net: Network::new(seed, weather),
            by_address: flows.iter().enumerate().map(|(index, flow)| (flow.remote, index)).collect(),
            agents,
            gateways: Gateways::new(CARRIERS),
            flows,
            watch: Watch::default(),
            calls: 0,
            trace: std::env::var("SIM_CALL").ok(),
        }
    }

    pub(super) fn records(&self) -> usize {
        self.watch.records.len()
    }

    /// Challenges, requests with a login, redirections, calls for which a gateway was full, requests by a connection for
    /// their size, and those that went by datagram after all.
    pub(super) fn seen(&self) -> [u64; 6] {
        let sum = |of: fn(&Agent) -> u64| self.agents.iter().map(of).sum();
        let counters = self.core.counters();
        [
            sum(|agent| agent.challenges),
            sum(|agent| agent.logins),
            sum(|agent| agent.redirections),
            self.gateways.refused(),
            counters.by_connection,
            counters.by_datagram,
        ]
    }

    /// Place so many calls within half a minute, and let the clock run until nothing happens any more.
    pub(super) fn run(&mut self, calls: usize) {
        self.calls = calls;
        for number in 0..calls {
            let caller = self.net.rng.usize(0..CALLERS);
            let delay = self.net.between(0, 30_000);
            self.net.after_ms(delay, Event::Timer(caller, Timer::Call(number)));
        }
        for (gateway, at) in (0..CARRIERS).flat_map(|gateway| (0..12).map(move |at| (gateway, at * 5_000))) {
            let delay = at + self.net.between(0, 1_000);
            self.net.after_ms(delay, Event::Probe(gateway));
        }
        let mut steps = 0;
        loop {
            let due = self.core.next_deadline();
            let planned = self.net.next_time();
            match (due, planned) {
                (Some(due), planned) if planned.is_none_or(|planned| due <= planned) => {
                    self.net.now = self.net.now.max(due);
                    self.core.tick(self.net.now);
                }
                (_, Some(_)) => self.step(),
                _ => return,
            }
            self.act();
            steps += 1;
            assert!(steps < calls * 2_000, "it never ends");
        }
    }

    fn step(&mut self) {
        let now = |net: &Network| net.now;
        match self.net.next() {
            Some(Event::ToCore(from, bytes)) => {
                self.print(from, "->", &bytes);
                self.core.receive(now(&self.net), self.flows[from], bytes);
            }
            Some(Event::ToAgent(to, bytes)) => self.agents[to].on_message(&mut self.net, &ua::parse(bytes)),
            Some(Event::Timer(agent, timer)) => self.agents[agent].on_timer(&mut self.net, timer),
            Some(Event::Decide(request)) => {
                let decision = self.decision(&request);
                self.core.decide(now(&self.net), request.call, decision, 0);
            }
            Some(Event::Probe(gateway)) => {
                let address = self.flows[CALLERS + gateway].remote;
                let destination = Destination { transport: Transport::Udp, address };
                self.core.probe(now(&self.net), self.gateways.probe(gateway, destination));
            }
            Some(Event::Unreachable(branch, why)) => self.core.unreachable(now(&self.net), &branch, why),
            None => {}
        }
    }

    fn print(&self, agent: usize, arrow: &str, bytes: &[u8]) {
        if let Some(wanted) = &self.trace
            && text(bytes).contains(wanted)
        {
            let message = ua::parse(bytes.to_vec());
            let start = text(bytes).lines().next().unwrap_or_default().to_owned();
            let tags = [message.from_tag(), message.to_tag()].map(|tag| text(tag.unwrap_or(b"-")).to_owned());
            let branch = text(message.top_via().and_then(|via| via.branch).unwrap_or_default());
            let cseq = text(message.get(Name::CSeq).unwrap_or_default());
            println!("{:>12} {agent} {arrow} core  {start}  {tags:?} {cseq} {branch}", self.net.now.micros());
        }
    }

    /// Do what the core says.
    fn act(&mut self) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Send { flow, bytes, .. } => {
                    let message = ua::parse(bytes.clone());
                    if !message.is_request() {
                        self.watch.on_response(&message);
                    }
                    let to = self.by_address[&flow.remote];
                    self.print(to, "<-", &bytes);
                    let refused = flow.transport.is_reliable() && to >= CALLERS && (to - CALLERS) % 2 == 1;
                    if to == DEAD || refused {
                        let branch = message.top_via().and_then(|via| via.branch).expect("ours").to_vec();
                        if flow.transport.is_reliable() {
                            self.net.after_ms(1, Event::Unreachable(branch, Loss::NoConnection));
                        } else {
                            self.net.carry(|| Event::Unreachable(branch.clone(), Loss::Other));
                        }
                    } else if flow.transport.is_reliable() {
                        let latency = self.net.between(self.net.weather.latency.0, self.net.weather.latency.1);
                        self.net.after_ms(latency, Event::ToAgent(to, bytes));
                    } else {
                        self.net.carry(|| Event::ToAgent(to, bytes.clone()));
                    }
                }
                Action::Route(request) => {
                    self.watch.on_route(request.message.call_id());
                    let delay = self.net.between(0, 150);
                    self.net.after_ms(delay, Event::Decide(request));
                }
                Action::StopRouting(_)
                | Action::Started(_)
                | Action::Answered(_)
                | Action::Settled(_)
                | Action::Locate { .. } => {}
                Action::Heard { customer, .. } => self.watch.on_heard(&customer),
                Action::Attempted { gateway, .. } => self.watch.on_attempted(&gateway),
                Action::Record(record) => self.watch.on_record(&record),
            }
        }
    }

    fn decision(&mut self, request: &RouteRequest) -> Decision {
        if self.net.chance(0.1) {
            let code = [403, 404, 407, 503, 603][self.net.rng.usize(0..5)];
            return Decision::Respond { code, reason: String::new(), headers: Vec::new() };
        }
        let count = self.net.rng.usize(1..=4);
        let targets = (0..count).map(|_| self.target(text(request.message.call_id()))).collect();
        // The call itself, so that what is told of it can be held against its record.
        let customer = text(request.message.call_id()).into();
        Decision::Hunt { message: request.message.clone(), targets, customer, believed: true, realm: None }
    }

    fn target(&mut self, call_id: &str) -> Target {
        let carrier = CALLERS + self.net.rng.usize(0..CARRIERS);
        let address = self.flows[carrier].remote;
        let known = self.net.chance(0.95);
        // Quick peers are given the time that a datagram takes.
        let first = self.net.between(600, 4_000);
        let last = self.net.between(5_000, 40_000);
        Target {
            destination: known.then_some(Destination { transport: Transport::Udp, address }),
            request_host: Some(address.to_string().into()),
            edits: Vec::new(),
            attempt_timeout: Duration::from_millis(first),
            ring_timeout: Duration::from_millis(last),
            parallel: self.net.chance(0.3),
            hop: self.gateways.hop(&mut self.net, carrier - CALLERS, call_id),
        }
    }

    /// Every call has ended, on all sides, and nothing of it is left.
    pub(super) fn must_be_over(&self) {
        let weather = self.net.weather;
        assert_eq!(self.core.held(), 0, "calls held");
        assert_eq!(self.core.in_progress(), 0);
        assert_eq!((self.core.dialogs(), self.core.transactions()), (0, 0), "dialogs and transactions left");
        assert_eq!(self.core.next_deadline(), None);
        assert_eq!(self.core.wheel.len(), 0, "timers");
        assert!(self.core.index.is_empty(), "the index");
        assert_eq!(self.core.free.len(), self.core.calls.len());
        self.watch.must_match();
        self.gateways.must_be_over(DEAD - CALLERS, weather.loss);
        for agent in &self.agents {
            for (name, client) in &agent.clients {
                // A 2xx is sent again by the callee alone: where a third of all datagrams is lost, all of them may be.
                let unlucky = weather.loss > 0.2 && client.request.method() == Method::Invite;
                assert!(client.code.is_some() || unlucky, "{} {name} has no final response", client.request.method());
                let lost = client.code == Some(408) && !client.heard;
                assert!(weather.loss > 0.0 || !lost, "{} {name} was lost", client.request.method());
            }
            for (name, talk) in &agent.talks {
                assert!(talk.over, "{name} is still talking");
            }
        }
        let counters = self.core.counters();
        assert_eq!((counters.unreadable, counters.malformed, counters.overloaded), (0, 0, 0));
        if weather.loss == 0.0 {
            assert_eq!(self.watch.routes.len(), self.calls);
        }
        if weather.quick_peers {
            let opened = self.agents.iter().flat_map(|agent| agent.clients.values());
            assert!(opened.filter(|client| client.request.method() == Method::Invite).count() >= self.calls);
            assert_eq!((counters.retransmitted, counters.absorbed, counters.unacknowledged), (0, 0, 0));
        }
    }
}
