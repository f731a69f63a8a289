//! A call in progress as it can be written down, and taken up again by another core after this one has died.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::call::{Call, Phase};
use super::dialog;
use super::party::Party;
use super::report::AttemptReport;
use super::session::Session;
use super::settings::Settings;
use super::{Action, Core, Slot};
use crate::decision::{CallRef, Destination, NextHop};
use crate::end::{AttemptOutcome, End};
use crate::flow::{Flow, Transport};
use crate::time::Time;

/// What must be known of a call to close its record, and once it is answered to route requests within it. Times are
/// those of the core that wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenCall {
    /// Names the call in our Record-Route; and in the journal.
    pub cookie: u64,
    /// The Call-ID header field.
    #[serde(with = "octets")]
    pub call_id: Box<[u8]>,
    /// Where the INVITE came from.
    pub source: Way,
    /// Of the INVITE: tells a loop from a spiral.
    pub loop_hash: u32,
    /// Who calls.
    pub caller: Leg,
    /// The From that the callee knows, where the stages made it another than the caller's.
    pub shown: Option<Octets>,
    /// Whether what the caller says about who it is counts (RFC 3325).
    pub believed: bool,
    /// Who has answered; none while the call is being set up.
    pub callees: Vec<Leg>,
    /// When the INVITE came.
    pub received: Time,
    /// When the decision was there.
    pub routed: Time,
    /// When the first 18x came back.
    pub ringing: Option<Time>,
    /// When the 2xx came back.
    pub answered: Option<Time>,
    /// In order.
    pub attempts: Vec<AttemptReport>,
}

/// One side of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leg {
    /// Its From or To, with tag.
    #[serde(with = "octets")]
    pub party: Box<[u8]>,
    /// Its tag.
    #[serde(with = "octets")]
    pub tag: Box<[u8]>,
    /// The URI of its last Contact.
    #[serde(with = "octets")]
    pub contact: Box<[u8]>,
    /// The URIs of the proxies between us and it, nearest first.
    pub routes: Vec<Octets>,
    /// Where its messages came from.
    pub way: Way,
    /// The highest CSeq number it has used.
    pub cseq: u32,
    /// It has hung up.
    pub over: bool,
    /// A callee: what the CSeq numbers that it gets are ahead of the caller's.
    pub shift: u32,
}

/// Bytes off the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Octets(#[serde(with = "octets")] pub Box<[u8]>);

/// A flow that means the same to a core with other listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The protocol, as 0 for UDP, 1 for TCP, 2 for TLS.
    pub transport: u8,
    /// The address that the listener is bound to.
    pub local: Option<SocketAddr>,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// What a call that is taken up goes on by, beside what was written down of it: as the configuration has it now.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// As in [`Decision::Hunt`](crate::decision::Decision::Hunt).
    pub realm: Option<Arc<str>>,
    /// The gateway that has answered, as [`OpenCall::hop`] finds it. None: it is trusted with nothing.
    pub hop: Option<Arc<NextHop>>,
}

impl OpenCall {
    /// How the side that has answered is dealt with; `gateway` finds a target's by its index, with the addresses that it
    /// has now: its name may be another carrier's meanwhile. Whoever is at none of them is not that gateway, nor who may have
    /// been named by such a one.
    pub fn hop(&self, gateway: impl FnOnce(usize) -> Option<(Arc<NextHop>, Vec<Destination>)>) -> Option<Arc<NextHop>> {
        let won = |attempt: &AttemptReport| matches!(attempt.ended, Some((_, 200..300, AttemptOutcome::Response)));
        let last = self.attempts.iter().position(won)?;
        let target = self.attempts[last].target;
        let (hop, addresses) = gateway(target)?;
        let is_there = |at: SocketAddr| addresses.iter().any(|own| own.address == at);
        let mut asked = self.attempts[..=last].iter().filter(|attempt| attempt.target == target);
        let itself = asked.all(|attempt| attempt.destination.is_none_or(is_there));
        Some(if itself { hop } else { hop.elsewhere() })
    }

    /// Bring all times to another clock.
    pub fn shift(&mut self, by: impl Fn(Time) -> Time) {
        let Self { received, routed, ringing, answered, attempts, .. } = self;
        let ends = attempts.iter_mut().flat_map(|attempt| {
            let ended = attempt.ended.as_mut().map(|(time, ..)| time);
            [Some(&mut attempt.started), attempt.ringing.as_mut(), ended]
        });
        let times = [Some(received), Some(routed), ringing.as_mut(), answered.as_mut()];
        for time in times.into_iter().chain(ends).flatten() {
            *time = by(*time);
        }
    }
}

impl Way {
    fn of(flow: Flow, settings: &Settings) -> Self {
        let transport = match flow.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
        };
        Self { transport, local: settings.listener(flow).map(|listener| listener.bound), remote: flow.remote }
    }

    /// By the same listener, or else by the first of its protocol and address family; `None` where there is none.
    fn flow(self, settings: &Settings) -> Option<Flow> {
        let transport = match self.transport {
            0 => Transport::Udp,
            1 => Transport::Tcp,
            2 => Transport::Tls,
            _ => return None,
        };
        let same = |listener: &super::Listener| listener.transport == transport && Some(listener.bound) == self.local;
        let listener = settings.listeners.iter().position(same).unwrap_or(usize::from(u16::MAX)) as u16;
        let known = Flow::to(listener, transport, self.remote);
        settings.flow_to(Destination { transport, address: self.remote }, known)
    }
}

impl Leg {
    fn of(leg: &dialog::Leg, settings: &Settings) -> Self {
        Self {
            party: leg.party.field().into(),
            tag: leg.party.tag().into(),
            contact: leg.party.contact().into(),
            routes: leg.routes.iter().cloned().map(Octets).collect(),
            way: Way::of(leg.flow, settings),
            cseq: leg.cseq,
            over: leg.over,
            shift: leg.shift,
        }
    }

    fn restored(self, settings: &Settings) -> Option<dialog::Leg> {
        let flow = self.way.flow(settings)?;
        let Self { party, tag, contact, routes, cseq, over, shift, way: _ } = self;
        let party = Party::of(Some(&party), Some(&contact), Some(&tag));
        let routes = routes.into_iter().map(|octets| octets.0).collect();
        let (attempt, invite_shift, credentials) = (0, shift, None);
        Some(dialog::Leg { party, routes, flow, cseq, over, attempt, shift, invite_shift, credentials })
    }
}

impl<F> Core<F> {
    /// What to write down of a call that has routes and has not ended; with what the routing side knows of it.
    pub fn open_call(&self, id: CallRef) -> Option<(OpenCall, &F)> {
        let slot = self.calls.get(id.slot as usize).filter(|slot| slot.generation == id.generation)?;
        let call = slot.call.as_deref().filter(|call| matches!(call.phase, Phase::Hunting | Phase::Answered))?;
        let settings = &self.settings;
        let callees = call.callee.iter().chain(&call.forks).map(|leg| Leg::of(leg, settings)).collect();
        let open = OpenCall {
            cookie: call.cookie,
            call_id: call.call_id.clone(),
            source: Way::of(call.flow, settings),
            loop_hash: call.loop_hash,
            caller: Leg::of(&call.caller, settings),
            shown: call.shown.clone().map(Octets),
            believed: call.believed,
            callees,
            received: call.received,
            routed: call.routed?,
            ringing: call.ringing,
            answered: call.answered,
            attempts: call.attempts.to_vec(),
        };
        Some((open, call.facts.as_ref()?))
    }

    /// Take up a call that another core has written down, its times made those of this one. An answered call goes on:
    /// requests within it are routed, its limit holds. Any other is closed as interrupted, as of `died`, the last moment
    /// at which the other core is known to have been at work.
    ///
    /// True where it goes on.
    pub fn restore(&mut self, now: Time, open: OpenCall, facts: F, terms: Terms, died: Time) -> bool {
        let Terms { realm, hop } = terms;
        let settings = &self.settings;
        let flow = open.source.flow(settings);
        let caller = open.caller.restored(settings);
        let callees: Option<Vec<_>> = open.callees.into_iter().map(|leg| leg.restored(settings)).collect();
        let (goes_on, caller, mut callees) = match (flow, caller, callees) {
            (Some(_), Some(caller), Some(callees)) if !callees.is_empty() && self.held < settings.max_calls => {
                (true, caller, callees)
            }
            _ => (false, dialog::Leg::nobody(open.source.remote), Vec::new()),
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Slot { generation: 0, call: None });
            (self.calls.len() - 1) as u32
        });
        let hash = self.hash_of(&open.call_id);
        let id = CallRef { slot, generation: self.calls[slot as usize].generation };
        let callee = (!callees.is_empty()).then(|| callees.remove(0));
        let call = Call {
            id,
            hash,
            call_id: open.call_id,
            cookie: open.cookie,
            loop_hash: open.loop_hash,
            flow: flow.unwrap_or(caller.flow),
            caller,
            shown: open.shown.map(|octets| octets.0),
            believed: open.believed,
            realm,
            early: Vec::new(),
            callee,
            forks: callees,
            phase: if open.answered.is_some() { Phase::Answered } else { Phase::Hunting },
            hunt: None,
            transactions: SmallVec::new(),
            received: open.received,
            routed: Some(open.routed),
            ringing: open.ringing,
            answered: open.answered,
            attempts: open.attempts.into(),
            facts: Some(facts),
            session: Session::default(),
            pass: None,
            login: hop.as_ref().and_then(|hop| hop.login.clone()),
            tcp_above: hop.as_ref().and_then(|hop| hop.tcp_above),
            // Whom it has reached is not known any more, where that is no gateway of the configuration.
            confides: hop.is_some_and(|hop| hop.trusted),
            hung_up: None,
            ended: None,
            wake: None,
        };
        self.admit(id, hash, Box::new(call));
        if goes_on {
            self.actions.push_back(Action::Settled(id));
        }
        self.with(now, id, |call, cx| {
            for leg in std::iter::once(&call.caller).chain(&call.callee).chain(&call.forks) {
                leg.seek(cx);
            }
            if !goes_on {
                let code = if call.answered.is_some() { 200 } else { 503 };
                let last = [call.answered, call.ringing, call.routed].into_iter().flatten().max();
                call.end_at(died.max(last.unwrap_or(died)).min(cx.now), code, End::Interrupted);
            }
        });
        goes_on
    }
}

/// Bytes as bytes: a sequence of numbers would be read and written one by one.
mod octets {
    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[u8]>, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Box<[u8]>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
