//! Probes: OPTIONS of our own to gateways, outside of any call (RFC 3261 section 11).

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::client::{Client, Patience, Received};
use super::cx::Cx;
use super::size::Outgoing;
use crate::decision::{CallRef, Destination};
use crate::gate::Gate;
use crate::message::Message;
use crate::time::Time;

/// What to ask, and who wants to know.
#[derive(Debug, Clone)]
pub struct Probe {
    /// The Request-URI, and the To.
    pub uri: String,
    /// Where it goes.
    pub destination: Destination,
    /// The Call-ID; its answer must come back to this worker.
    pub call_id: String,
    /// How long to wait for a final response; at most 64 × T1.
    pub timeout: Duration,
    /// Told how it ended.
    pub gate: Arc<dyn Gate>,
}

/// The slot in the branches of probes: no call has it.
const SLOT: u32 = u32::MAX;

/// Probes under way: one of each gateway at most.
#[derive(Debug, Default)]
pub(super) struct Probes {
    running: Vec<Running>,
    begun: u32,
}

#[derive(Debug)]
struct Running {
    client: Client,
    call_id: String,
    gate: Arc<dyn Gate>,
}

impl Probes {
    /// Whether a branch is of a probe.
    pub(super) const fn are_named(call: CallRef) -> bool {
        call.slot == SLOT
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        self.running.iter().filter_map(|probe| probe.client.next_timer()).min()
    }

    pub(super) fn begin<F>(&mut self, cx: &mut Cx<'_, F>, probe: Probe) {
        // One that still waits is not asked twice.
        if self.running.iter().any(|running| Arc::ptr_eq(&running.gate, &probe.gate)) {
            return;
        }
        let Probe { uri, destination, call_id, timeout, gate } = probe;
        let ways = cx.settings.any_flow_to(destination);
        let Some((flow, via)) = ways.and_then(|flow| Some((flow, cx.settings.listener(flow)?))) else {
            gate.probed(cx.now, None);
            return;
        };
        let (transport, host, port) = (via.transport.via(), via.host.clone(), via.port);
        self.begun = self.begun.wrapping_add(1);
        let branch = cx.branch(CallRef { slot: SLOT, generation: self.begun }, 0);
        let tag = cx.rng.u64(..);
        let mut text = String::with_capacity(512);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "OPTIONS {uri} SIP/2.0\r\nVia: SIP/2.0/{transport} {host}:{port};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{host}:{port}>;tag=p{tag:016x}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 OPTIONS\r\nContact: <sip:{host}:{port}>\r\nAccept: application/sdp\r\nContent-Length: 0\r\n\r\n"
        );
        let patience = Patience { first: timeout, last: timeout, renewed: false };
        let client = Client::start(cx, branch, Outgoing::small(flow, text.into()), false, patience);
        self.running.push(Running { client, call_id, gate });
    }

    /// A response with a probe's branch. False where nobody waits for it any more.
    pub(super) fn on_response<F>(&mut self, cx: &mut Cx<'_, F>, branch: &[u8], response: &Message) -> bool {
        let is_it = |probe: &Running| {
            probe.client.branch.as_bytes() == branch && probe.call_id.as_bytes() == response.call_id()
        };
        let Some(index) = self.running.iter().position(is_it) else { return false };
        let probe = &mut self.running[index];
        let fresh = probe.client.on_response(cx, response) == Received::Fresh;
        if fresh && response.code() >= 200 {
            let probe = self.running.swap_remove(index);
            probe.gate.probed(cx.now, Some(response.code()));
        }
        true
    }

    /// The next hop of a probe cannot be reached.
    pub(super) fn unreachable(&mut self, now: Time, branch: &[u8]) {
        if let Some(index) = self.running.iter().position(|probe| probe.client.branch.as_bytes() == branch) {
            self.running.swap_remove(index).gate.probed(now, None);
        }
    }

    pub(super) fn on_timer<F>(&mut self, cx: &mut Cx<'_, F>) {
        self.running.retain_mut(|probe| {
            let silent = probe.client.on_timer(cx);
            if silent {
                probe.gate.probed(cx.now, None);
            }
            !silent
        });
    }
}

impl<F> Core<F> {
    /// Ask a gateway how it is; its gate hears of the answer, or of its absence.
    pub fn probe(&mut self, now: Time, probe: Probe) {
        self.probes.begin(&mut cx!(self, now), probe);
    }

    pub(super) fn on_probe_response(&mut self, now: Time, branch: &[u8], response: &Message) -> bool {
        self.probes.on_response(&mut cx!(self, now), branch, response)
    }

    pub(super) fn tick_probes(&mut self, now: Time) {
        if self.probes.next_timer().is_some_and(|due| due <= now) {
            self.probes.on_timer(&mut cx!(self, now));
        }
    }
}
