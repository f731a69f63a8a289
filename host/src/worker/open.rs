//! Calls in progress as the journal keeps them, so that the next process can go on with them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::cdr::record::UnixMicros;
use crate::routing::{RoutingFacts, Snapshot};
use crate::sip::core::{OpenCall, Terms};
use crate::sip::time::Time;

/// Of what follows. A call that was written in another form cannot be gone on with.
const VERSION: u8 = 2;

#[derive(Serialize)]
struct Written<'a> {
    /// The wall's time at the beginning of the writer's clock.
    began: UnixMicros,
    call: &'a OpenCall,
    facts: &'a RoutingFacts,
}

/// A call of a process that is gone.
#[derive(Debug, Deserialize)]
pub struct LeftOpen {
    began: UnixMicros,
    call: OpenCall,
    facts: RoutingFacts,
}

/// What the journal is to keep of a call.
pub(super) fn encode(call: &OpenCall, facts: &RoutingFacts, clock: &Clock) -> Vec<u8> {
    let written = Written { began: clock.on_wall(Time::default()), call, facts };
    let mut out = Vec::with_capacity(1024);
    out.push(VERSION);
    // Memory takes every call.
    postcard::to_extend(&written, out).unwrap_or_default()
}

/// What the configuration says now of a call that is taken up: by the names of its customer and of the gateway that has
/// answered, where that is at the same address still.
pub(super) fn terms(snapshot: &Snapshot, call: &OpenCall, facts: &RoutingFacts) -> Terms {
    let gateway = |target: usize| {
        let gateway = snapshot.gateways.get(&facts.targets.get(target)?.gateway)?;
        Some((Arc::clone(&gateway.hop), gateway.destinations()))
    };
    Terms { realm: snapshot.realm_of(&facts.customer), hop: call.hop(gateway) }
}

impl LeftOpen {
    /// What the journal kept; `None` where another version wrote it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        postcard::from_bytes(bytes.strip_prefix(&[VERSION])?).ok()
    }

    /// Names the worker that owns it.
    pub fn call_id(&self) -> &[u8] {
        &self.call.call_id
    }

    /// With its times as `clock` has them: never later than `now`, whatever was done to the wall's clock meanwhile.
    pub(super) fn by(self, clock: &Clock, now: Time) -> (OpenCall, RoutingFacts) {
        let mut call = self.call;
        call.shift(|time| clock.of_wall(self.began.saturating_add(time.micros())).min(now));
        (call, self.facts)
    }
}
