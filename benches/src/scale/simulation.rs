//! A million calls in one core: no socket, the clock by hand, every one of them through the five stages.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use trunkline::plugin::Cancel;
use trunkline::routing::{NewCall, Router, RoutingFacts};
use trunkline::sip::core::{Action, Core};
use trunkline::sip::decision::RouteRequest;
use trunkline::sip::flow::{Flow, Transport};
use trunkline::sip::message::Message;
use trunkline::sip::time::Time;
use trunkline_tests::script::{self, Caller};
use trunkline_tests::{Setup, plain};

use crate::inside::Inside;
use crate::{cpu, heap};

/// Calls that come at the same moment of the simulated clock.
const BATCH: u32 = 1_000;
/// Between two batches: 10,000 calls a second.
const PACE: Duration = Duration::from_millis(100);
/// Timers fire this late at most, as a worker's do.
const SLACK: Duration = Duration::from_millis(10);
/// A call's transactions are gone after 64 × T1 (RFC 3261 section 17); some more.
const SETTLED: Duration = Duration::from_secs(70);
/// Of the clock at rest.
const REST: Duration = Duration::from_mins(5);
/// Calls that are hung up at the end, to see what a message costs among all of them.
const HUNG_UP: u32 = 50_000;

/// What was seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Simulated {
    /// Calls at once.
    pub calls: u32,
    /// On the heap for each in its first half minute, while its transactions absorb retransmissions.
    pub young_bytes: u64,
    /// On the heap for each that stands: answered, without transactions.
    pub bytes_per_call: u64,
    /// Of the process, for each: what the allocator adds and keeps for the next calls is in it.
    pub resident_bytes_per_call: u64,
    /// Processor time of the core for a set-up (INVITE to ACK), without stages: of the first calls and of the last, in ns.
    pub set_up_nanos: (u64, u64),
    /// The same of a BYE and its answer among all calls, in ns.
    pub hang_up_nanos: u64,
    /// Processor time of all calls' timers at rest, in a thousandth of one core.
    pub rest_per_mille: f64,
    /// The same for a call and hour, in ns.
    pub timer_nanos_per_call_hour: u64,
}

/// Sets up so many calls, lets them stand, and hangs some of them up. Within a tokio runtime.
///
/// # Errors
/// When a call does not do as it should.
pub async fn simulate(calls: u32) -> Result<Simulated> {
    let carrier: SocketAddr = "127.0.0.1:5070".parse()?;
    let caller = Caller { address: "127.0.0.1:5062".parse()?, router: "127.0.0.1:5060".parse()?, carrier };
    let setup = Setup::new()?.carrier(carrier);
    let router = Inside::new(64)?.router(&setup).await?;
    let mut world = World::new(caller, router, calls);
    // Once round, so that what stays allocated is there before anything is counted.
    world.set_up(0..BATCH).await?;
    world.hang_up(0..BATCH)?;
    world.pass(SETTLED)?;
    ensure!(world.core.held() == 0 && world.records == BATCH, "the first calls have not ended");

    let before = (heap::held(), cpu::resident()?);
    let batches = calls.div_ceil(BATCH);
    let calls = batches * BATCH;
    let (mut young, mut spent) = (0, Vec::new());
    for batch in 0..batches {
        let begun = world.spent;
        world.set_up(batch * BATCH..(batch + 1) * BATCH).await?;
        spent.push(world.spent - begun);
        if world.core.transactions() == world.core.held() {
            young = (heap::held() - before.0) / u64::from((batch + 1) * BATCH);
        }
        world.pass(PACE)?;
        if (batch + 1) % 100 == 0 {
            eprintln!("{} calls stand", world.core.dialogs());
        }
    }
    world.pass(SETTLED)?;
    let stand = (world.core.held(), world.core.dialogs(), world.core.transactions());
    ensure!(stand == (calls as usize, calls as usize, 0), "held, dialogs, transactions: {stand:?}");
    let held = (heap::held() - before.0) / u64::from(calls);
    let resident = cpu::resident()?.saturating_sub(before.1) / u64::from(calls);

    world.spent = 0;
    world.pass(REST)?;
    let rest = world.spent;
    world.spent = 0;
    let last = HUNG_UP.min(calls);
    for batch in 0..last / BATCH {
        world.hang_up(batch * BATCH..(batch + 1) * BATCH)?;
    }
    ensure!(world.records == BATCH + last, "{} records of {} calls", world.records - BATCH, last);
    let edge = (spent.len() / 10).max(1);
    let mean = |part: &[u64]| part.iter().sum::<u64>() / part.len() as u64 / u64::from(BATCH);
    Ok(Simulated {
        calls,
        young_bytes: young,
        bytes_per_call: held,
        resident_bytes_per_call: resident,
        set_up_nanos: (mean(&spent[..edge]), mean(&spent[spent.len() - edge..])),
        hang_up_nanos: world.spent / u64::from(last.max(1)),
        rest_per_mille: rest as f64 / REST.as_nanos() as f64 * 1e3,
        timer_nanos_per_call_hour: rest * 3600 / REST.as_secs() / u64::from(calls),
    })
}

/// Callers, the core and a carrier on one clock.
struct World {
    core: Core<RoutingFacts>,
    router: Router,
    caller: Caller,
    now: Time,
    /// Processor time that the core has taken, in ns.
    spent: u64,
    /// What has left and was not taken up: whither, and the message.
    sent: Vec<(SocketAddr, Bytes)>,
    routes: Vec<RouteRequest>,
    records: u32,
}

impl World {
    fn new(caller: Caller, router: Router, calls: u32) -> Self {
        let settings = plain::settings(caller.router, calls as usize + 2 * BATCH as usize);
        let (sent, routes) = Default::default();
        let now = Time::from_micros(1_000_000);
        Self { core: Core::new(settings, 1), router, caller, now, spent: 0, sent, routes, records: 0 }
    }

    /// INVITE 100 180 200 ACK.
    async fn set_up(&mut self, calls: std::ops::Range<u32>) -> Result<()> {
        let caller = self.caller;
        self.receive(caller.address, calls.clone().map(|call| caller.invite(call)))?;
        let flow = Flow::to(0, Transport::Udp, caller.address);
        let mut decided = Vec::new();
        for request in std::mem::take(&mut self.routes) {
            let call = NewCall::received_now(Arc::clone(&request.message), flow);
            decided.push((request.call, self.router.route(call, Cancel::default()).await));
        }
        self.timed(|core, now| {
            for (call, routed) in decided {
                core.decide(now, call, routed.decision, routed.facts);
            }
        })?;
        let invites = self.taken(caller.carrier)?;
        ensure!(invites.len() == calls.len(), "{} of {} calls reached the carrier", invites.len(), calls.len());
        for code in [180, 200] {
            self.sent.clear();
            self.receive(caller.carrier, invites.iter().map(|invite| script::response(invite, code, caller.carrier)))?;
        }
        let answers = self.taken(caller.address)?;
        let ack = |answer: &Message| {
            let call = script::call_of(answer).unwrap_or_default();
            caller.within("ACK", call, &script::route_of(answer))
        };
        self.receive(caller.address, answers.iter().map(ack))?;
        let acks = self.taken(caller.carrier)?;
        ensure!(acks.len() == calls.len(), "{} of {} calls were acknowledged", acks.len(), calls.len());
        Ok(())
    }

    /// BYE 200. The first Record-Route would be the caller's to keep: without it the call is found by its tags.
    fn hang_up(&mut self, calls: std::ops::Range<u32>) -> Result<()> {
        let caller = self.caller;
        let route = format!("<sip:{};lr>", caller.router);
        self.receive(caller.address, calls.clone().map(|call| caller.within("BYE", call, &route)))?;
        let byes = self.taken(caller.carrier)?;
        self.receive(caller.carrier, byes.iter().map(|bye| script::response(bye, 200, caller.carrier)))?;
        let ended = self.taken(caller.address)?;
        ensure!(ended.len() == calls.len(), "{} of {} calls were hung up", ended.len(), calls.len());
        Ok(())
    }

    /// These messages come one after the other.
    fn receive(&mut self, from: SocketAddr, messages: impl Iterator<Item = String>) -> Result<()> {
        let messages: Vec<Bytes> = messages.map(Bytes::from).collect();
        let flow = Flow::to(0, Transport::Udp, from);
        self.timed(|core, now| messages.into_iter().for_each(|message| core.receive(now, flow, message)))
    }

    /// What has left to a peer; the rest is forgotten.
    fn taken(&mut self, to: SocketAddr) -> Result<Vec<Message>> {
        let sent = std::mem::take(&mut self.sent).into_iter().filter(|(whither, _)| *whither == to);
        sent.map(|(_, bytes)| Message::parse(bytes).ok().context("the core sent what is no message")).collect()
    }

    /// Time passes, with every timer when a worker would fire it.
    fn pass(&mut self, time: Duration) -> Result<()> {
        let end = self.now + time;
        self.timed(|core, now| {
            while let Some(due) = core.next_deadline().filter(|due| *due + SLACK <= end) {
                core.tick(now.max(due + SLACK));
            }
            core.tick(end);
        })?;
        self.now = end;
        Ok(())
    }

    /// What the core does now, and what it wants done.
    fn timed(&mut self, work: impl FnOnce(&mut Core<RoutingFacts>, Time)) -> Result<()> {
        let begin = cpu::of_this_thread()?;
        work(&mut self.core, self.now);
        let actions: Vec<_> = std::iter::from_fn(|| self.core.poll_action()).collect();
        self.spent += cpu::of_this_thread()? - begin;
        for action in actions {
            match action {
                Action::Send { flow, bytes, .. } => self.sent.push((flow.remote, bytes)),
                Action::Route(request) => self.routes.push(request),
                Action::Record(_) => self.records += 1,
                Action::Settled(call) => {
                    if let Some(facts) = self.core.facts_mut(call) {
                        facts.pack();
                    }
                }
                Action::StopRouting(_)
                | Action::Started(_)
                | Action::Answered(_)
                | Action::Heard { .. }
                | Action::Attempted { .. }
                | Action::Locate { .. } => {}
            }
        }
        Ok(())
    }
}
