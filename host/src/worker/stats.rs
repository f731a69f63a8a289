//! What a worker counts. Calls are counted from their records; what has no record, from the core's own counters.

use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use crate::admin::Metrics;
use crate::admin::metrics::WorkerMetrics;
use crate::cdr::record::CallRecord;
use crate::sip::core::{Core, Counters};

/// One worker's counts, on their way to the metrics page.
pub(super) struct Stats {
    metrics: Arc<Metrics>,
    calls: WorkerMetrics,
    /// As published last.
    active: i64,
    counted: Counters,
    unsent: u64,
    overruns: Counter,
}

impl Stats {
    pub(super) fn new(metrics: &Arc<Metrics>) -> Self {
        Self {
            calls: WorkerMetrics::new(Arc::clone(metrics)),
            active: 0,
            counted: Counters::default(),
            unsent: 0,
            overruns: metrics.drops("worker-overrun"),
            metrics: Arc::clone(metrics),
        }
    }

    /// A call is over.
    pub(super) fn ended(&mut self, record: &CallRecord) {
        self.calls.count(record);
    }

    /// The journal did not take its record.
    pub(super) fn record_lost(&self) {
        self.metrics.records_lost.inc();
    }

    /// A stranger's refused call beyond the ration: it has no record.
    pub(super) fn record_spared(&self) {
        self.metrics.records_spared.inc();
    }

    /// Datagrams that another worker had no room for.
    pub(super) fn overrun(&self, datagrams: u64) {
        self.overruns.inc_by(datagrams);
    }

    /// Add what has happened since the last time to the page. Takes locks: once a second.
    pub(super) fn publish<F>(&mut self, core: &Core<F>, unsent: u64) {
        let active = core.in_progress() as i64;
        self.metrics.active_calls.inc_by(active - self.active);
        self.active = active;
        let (now, then) = (core.counters(), self.counted);
        for (reason, count) in [
            ("unreadable", now.unreadable - then.unreadable),
            ("malformed", now.malformed - then.malformed),
            ("stray", now.strays - then.strays),
            ("max-calls", now.full - then.full),
            ("overloaded", now.overloaded - then.overloaded),
            ("loop", now.loops - then.loops),
            ("declined", now.declined - then.declined),
            ("unsent", unsent - self.unsent),
        ] {
            if count > 0 {
                self.metrics.drops(reason).inc_by(count);
            }
        }
        self.counted = now;
        self.unsent = unsent;
    }
}
