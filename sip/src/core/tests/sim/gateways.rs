//! The gateways as the routing side knows them: their places, their logins, and who asks after them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::super::rig::hop;
use super::network::Network;
use crate::core::Probe;
use crate::decision::{Destination, NextHop, Redirects};
use crate::digest::Login;
use crate::gate::{Closed, Gate, Sign};
use crate::time::Time;

/// Calls that a gateway takes at once: few enough that some are full now and then.
const PLACES: i64 = 15;

/// One gateway's places, and the probes of it.
#[derive(Debug, Default)]
pub(in super::super) struct Counting {
    inside: AtomicI64,
    passed: AtomicU64,
    refused: AtomicU64,
    /// Probes that were begun, that ended, and that ended with an answer.
    probes: [AtomicU64; 3],
}

impl Counting {
    /// Calls that it has now.
    pub(in super::super) fn calls(&self) -> i64 {
        self.inside.load(Relaxed)
    }

    /// Attempts that it has let through.
    pub(in super::super) fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }
}

impl Gate for Counting {
    fn enter(&self, _now: Time, _resort: bool) -> Result<(), Closed> {
        if self.inside.load(Relaxed) >= PLACES {
            self.refused.fetch_add(1, Relaxed);
            return Err(Closed::Full);
        }
        self.passed.fetch_add(1, Relaxed);
        self.inside.fetch_add(1, Relaxed);
        Ok(())
    }

    fn leave(&self) {
        assert!(self.inside.fetch_sub(1, Relaxed) > 0, "a place is given back once");
    }

    fn showed(&self, _now: Time, _sign: Sign) {}

    fn silent(&self, _: SocketAddr) {}

    fn set_aside(&self, _now: Time, _span: Duration) {}

    fn probed(&self, _now: Time, code: Option<u16>) {
        self.probes[1].fetch_add(1, Relaxed);
        self.probes[2].fetch_add(code.is_some().into(), Relaxed);
        assert!(self.probes[1].load(Relaxed) <= self.probes[0].load(Relaxed), "a probe ends once");
    }
}

pub(super) struct Gateways(Vec<Arc<Counting>>);

impl Gateways {
    pub(super) fn new(count: usize) -> Self {
        Self((0..count).map(|_| Arc::default()).collect())
    }

    /// How a route goes through this gateway: some have a login, of some redirections are followed. What is told of its
    /// attempts has the call's name.
    pub(super) fn hop(&self, net: &mut Network, gateway: usize, call_id: &str) -> Arc<NextHop> {
        let login = Login { user: "trunk".into(), password: "secret".into() };
        Arc::new(NextHop {
            name: call_id.into(),
            redirects: if net.chance(0.5) { Redirects::Stay } else { Redirects::Pass },
            login: net.chance(0.7).then(|| Arc::new(login)),
            // All requests are larger than this.
            tcp_above: net.chance(0.3).then_some(200),
            gate: Some(Arc::clone(&self.0[gateway]) as Arc<dyn Gate>),
            ..(*hop()).clone()
        })
    }

    /// The next probe of this gateway. The one before has ended.
    pub(super) fn probe(&self, gateway: usize, destination: Destination) -> Probe {
        let gate = &self.0[gateway];
        let number = gate.probes[0].fetch_add(1, Relaxed);
        Probe {
            uri: format!("sip:{}", destination.address),
            destination,
            call_id: format!("probe-{gateway}-{number}"),
            timeout: Duration::from_secs(2),
            gate: Arc::clone(gate) as Arc<dyn Gate>,
        }
    }

    /// Every place was given back, every probe has ended; `dead` answered none of them.
    pub(super) fn must_be_over(&self, dead: usize, loss: f64) {
        for (index, gate) in self.0.iter().enumerate() {
            assert_eq!(gate.inside.load(Relaxed), 0, "places at gateway {index}");
            let [begun, ended, answered] = gate.probes.each_ref().map(|count| count.load(Relaxed));
            assert!(begun > 0 && begun == ended, "{ended} of {begun} probes of gateway {index} ended");
            assert!(if index == dead { answered == 0 } else { answered > 0 }, "{answered} of {begun} were answered");
            assert!(loss > 0.0 || index == dead || answered == begun, "none of them was lost");
        }
    }

    /// How often a gateway was full, all together.
    pub(super) fn refused(&self) -> u64 {
        self.0.iter().map(|gate| gate.refused.load(Relaxed)).sum()
    }
}
