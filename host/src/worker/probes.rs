//! Which gateways this worker probes, and when: each is one worker's, so that it is asked once.

use std::sync::Arc;
use std::time::Duration;

use super::mail::Outbox;
use crate::routing::{Gateway, RoutingFacts, Snapshot};
use crate::sip::core::{Core, Probe};
use crate::sip::time::Time;

/// The probes of one configuration.
#[derive(Default)]
pub(super) struct Prober {
    due: Vec<(Time, Arc<Gateway>)>,
}

impl Prober {
    /// Of the snapshot's gateways those that are worker `me`'s; all of them at once, since nothing is known of them.
    pub(super) fn of(snapshot: &Snapshot, (me, workers): (usize, usize), now: Time) -> Self {
        let gateways = snapshot.gateways.iter().enumerate();
        let own = gateways.filter(|(index, gateway)| index % workers.max(1) == me && gateway.probe.is_some());
        Self { due: own.map(|(_, gateway)| (now, Arc::clone(gateway))).collect() }
    }

    /// Begin those that are due. Called every second.
    pub(super) fn run(&mut self, now: Time, core: &mut Core<RoutingFacts>, outbox: &Outbox) {
        for (due, gateway) in self.due.iter_mut().filter(|(due, _)| *due <= now) {
            let Some((interval, timeout)) = gateway.probe else { continue };
            // A little uneven, so that many gateways are not asked in the same moment for ever.
            *due = now + interval.saturating_sub(Duration::from_millis(fastrand::u64(0..200)));
            let Some(destination) = gateway.destinations().first().copied() else { continue };
            let call_id = own_call_id(outbox);
            let gate = gateway.gate();
            core.probe(now, Probe { uri: gateway.uri.clone(), destination, call_id, timeout, gate });
        }
    }
}

/// One whose answer comes to this worker.
fn own_call_id(outbox: &Outbox) -> String {
    loop {
        let call_id = format!("probe-{:016x}", fastrand::u64(..));
        if outbox.owner(call_id.as_bytes()).is_none() {
            return call_id;
        }
    }
}
