//! One stretch of calls through a peer, and what they cost it.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::Result;
use trunkline_tests::{Load, Sipp, Trace};

use crate::cpu;
use crate::peer::Peer;
use crate::report::{Row, share};

/// Every number of the pool once, so that what can be cached is cached before anything is measured.
const WARM_UP: Load = Load { calls: 10_000, rate: 1_000 };

/// Fills the peer's caches.
///
/// # Errors
/// When SIPp does not end.
pub fn warm(peer: &Peer) -> Result<()> {
    eprintln!("warming {} …", peer.name);
    place(peer, WARM_UP)?;
    Ok(())
}

/// Holds a rate and says what a call cost.
///
/// # Errors
/// When the peer is gone, or SIPp does not end.
pub fn measure(peer: &Peer, load: Load) -> Result<Row> {
    let before = (cpu::micros(peer.id)?, cpu::workers(peer.id));
    let trace = place(peer, load)?;
    let (used, workers) = (cpu::micros(peer.id)? - before.0, cpu::workers(peer.id));
    let mut delays: Vec<f64> = trace.answered.iter().map(|(_, delay)| *delay).collect();
    delays.sort_by(f64::total_cmp);
    let per_call = |micros: u64| micros / u64::from(load.calls.max(1));
    let row = Row {
        peer: peer.name,
        rate: load.rate,
        calls: load.calls,
        failed: trace.counts.failed,
        retransmissions: trace.counts.retransmissions,
        setup_millis: [500, 990].map(|of_thousand| share(&delays, of_thousand)),
        cpu_micros_per_call: per_call(used),
        worker_micros_per_call: workers.iter().zip(&before.1).map(|(now, then)| per_call(now - then)).collect(),
        pss_mib: cpu::pss_mib(peer.id),
    };
    eprintln!(
        "{} at {} calls/s: {} µs per call, 99 of 100 set up within {:.0} ms, {} failed, {} sent again",
        row.peer, row.rate, row.cpu_micros_per_call, row.setup_millis[1], row.failed, row.retransmissions
    );
    Ok(row)
}

fn place(peer: &Peer, load: Load) -> Result<Trace> {
    let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "1000")];
    Sipp::traced_caller(IpAddr::V4(Ipv4Addr::LOCALHOST), &words, peer.sip, load)?.trace()
}
