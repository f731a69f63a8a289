//! What a worker counts: calls as they go on and from their records; what no call tells, from the core's own counters.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use super::refused::Refused;
use super::strain::{Cause, Turn};
use crate::admin::Metrics;
use crate::admin::metrics::{Occupancy, WorkerMetrics};
use crate::events::{self, Event};
use crate::sip::core::{Core, Counters};

/// Datagrams of all sockets of a worker, since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Carried {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) unsent: u64,
}

/// One worker's counts, on their way to the metrics page.
pub(super) struct Stats {
    metrics: Arc<Metrics>,
    /// Calls, and what becomes of them.
    pub(super) calls: WorkerMetrics,
    /// As published last.
    active: i64,
    occupancy: Occupancy<i64>,
    counted: Counters,
    carried: Carried,
    overruns: Counter,
    received: Counter,
    sent: Counter,
    /// What the worker suffers from, or did last.
    strain: Option<Cause>,
    /// Calls were refused in the second before the last publishing.
    refusing: bool,
}

impl Stats {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        // Those too that never happened: what has no first value has no growth that an alarm could see.
        for cause in Cause::ALL {
            metrics.overloads(cause.word());
        }
        Self {
            calls: WorkerMetrics::new(Arc::clone(metrics)),
            active: 0,
            occupancy: Occupancy::default(),
            counted: Counters::default(),
            carried: Carried::default(),
            strain: None,
            refusing: false,
            overruns: metrics.drops("worker-overrun"),
            received: metrics.datagrams("received"),
            sent: metrics.datagrams("sent"),
            metrics: Arc::clone(metrics),
        }
    }

    /// The journal did not take its record.
    pub(super) fn record_lost(&self) {
        self.metrics.records_lost.inc();
    }

    /// A stranger's refused call beyond the ration: it has no record.
    pub(super) fn record_spared(&self) {
        self.metrics.records_spared.inc();
    }

    /// A name that a call has met is not asked for: too many are.
    pub(super) fn name_unasked(&self) {
        self.metrics.drops("name-unasked").inc();
    }

    /// Datagrams that another worker had no room for.
    pub(super) fn overrun(&self, datagrams: u64) {
        self.overruns.inc_by(datagrams);
    }

    /// The worker refuses new calls from now on, or takes them again. Takes locks.
    pub(super) fn turned(&mut self, turn: Turn) {
        match turn {
            Turn::Begins(cause) => {
                self.strain = Some(cause);
                tracing::warn!(cause = cause.word(), "a worker is overloaded: it refuses new calls");
                self.metrics.overloads(cause.word()).inc();
                self.metrics.overloaded.inc();
            }
            Turn::Ends => {
                tracing::info!("a worker takes new calls again");
                self.metrics.overloaded.dec();
            }
        }
    }

    /// Add what has happened since the last time to the page. Takes locks: once a second.
    pub(super) fn publish<F>(&mut self, core: &Core<F>, carried: Carried, waiting: usize) {
        let active = core.in_progress() as i64;
        self.metrics.active_calls.inc_by(active - self.active);
        self.active = active;
        let occupancy = Occupancy {
            dialogs: core.dialogs() as i64,
            held: core.held() as i64,
            transactions: core.transactions() as i64,
            waiting: waiting as i64,
        };
        let (page, before) = (&self.metrics.occupancy, self.occupancy);
        page.dialogs.inc_by(occupancy.dialogs - before.dialogs);
        page.held.inc_by(occupancy.held - before.held);
        page.transactions.inc_by(occupancy.transactions - before.transactions);
        page.waiting.inc_by(occupancy.waiting - before.waiting);
        self.occupancy = occupancy;
        self.received.inc_by(carried.received - self.carried.received);
        self.sent.inc_by(carried.sent - self.carried.sent);
        let (now, then) = (core.counters(), self.counted);
        // Those too that never happened: what has no first value has no growth that an alarm could see.
        for (reason, count) in [
            ("unreadable", now.unreadable - then.unreadable),
            ("malformed", now.malformed - then.malformed),
            ("stray", now.strays - then.strays),
            ("max-calls", now.full - then.full),
            ("overloaded", now.overloaded - then.overloaded),
            ("loop", now.loops - then.loops),
            ("declined", now.declined - then.declined),
            ("stranger", now.strangers - then.strangers),
            ("amplification", now.amplified - then.amplified),
            ("too-large", now.too_large - then.too_large),
            ("name-unasked", now.unasked - then.unasked),
            ("unsent", carried.unsent - self.carried.unsent),
        ] {
            self.metrics.drops(reason).inc_by(count);
        }
        for (event, count) in [
            ("retransmitted", now.retransmitted - then.retransmitted),
            ("absorbed", now.absorbed - then.absorbed),
            ("unacknowledged", now.unacknowledged - then.unacknowledged),
            ("released", now.released - then.released),
            ("by-connection", now.by_connection - then.by_connection),
            ("by-datagram", now.by_datagram - then.by_datagram),
        ] {
            self.metrics.transaction_events(event).inc_by(count);
        }
        let refused = Refused::between(&then, &now);
        if (refused.count() > 0) != self.refusing {
            self.refusing = refused.count() > 0;
            let event = Event::Overloaded { refused: refused.count(), why: refused.why(self.strain) };
            events::publish(if self.refusing { event } else { Event::OverloadOver {} });
        }
        self.counted = now;
        self.carried = carried;
    }
}
