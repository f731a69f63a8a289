//! What the metrics page shows of the node's other parts: read at every scrape.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::plant::Layout;
use super::pulse::Pulse;
use super::swap::Turns;
use crate::admin::GatewayStatus;
use crate::admin::metrics::{
    BreakerSample, BreakerState, CountersSample, QueueSample, Samples, StoreSample, TableSample,
};
use crate::cdr::{Lag, Observer};
use crate::events;
use crate::guard::Guard;
use crate::locate::DnsCounts;
use crate::log;
use crate::lookup::{ServiceStats, Services, Tables};
use crate::plugin::{self, Limits};
use crate::routing::{Gateway, Seat, Snapshot};
use crate::sip::time::Time;
use crate::spans::Tracer;
use crate::transport::hep::Mirror;
use crate::transport::stream::Streams;
use crate::worker::Clock;

/// The parts that are asked.
pub(super) struct Sampler {
    pub(super) layout: Arc<ArcSwap<Layout>>,
    pub(super) records: Observer,
    pub(super) streams: Streams,
    pub(super) dns: Arc<DnsCounts>,
    pub(super) turns: Turns,
    pub(super) mirror: Option<Mirror>,
    pub(super) tracer: Option<Tracer>,
    pub(super) limits: Arc<Limits>,
    pub(super) guard: Guard,
    pub(super) pulse: Pulse,
    pub(super) clock: Clock,
}

impl Sampler {
    /// At this moment.
    pub(super) fn take(&self) -> Samples {
        let layout = self.layout.load();
        let journal = self.records.journal();
        let events = events::counts();
        let now = self.clock.now();
        Samples {
            node: self.pulse.sample(self.queues()),
            journal_failing: journal.failing.is_some(),
            journal_bytes: (journal.disk_use, journal.limit),
            journal_age: journal.age,
            notes_lost: journal.notes_lost,
            unguarded: journal.unguarded,
            events: (events.published, events.dropped),
            log_lines_dropped: log::dropped(),
            dns: self.dns.sample(),
            copies: self.mirror.as_ref().map(Mirror::counts),
            traces: self.tracer.as_ref().map(Tracer::counts),
            limits: self.limits.sharing(),
            guard: self.guard.sample(),
            streams: self.streams.sample(),
            gateways: layout.snapshot.gateways.iter().map(|gateway| gateway_status(gateway, now)).collect(),
            stores: self.records.lag().into_iter().map(store).collect(),
            tables: tables(&layout.tables),
            breakers: breakers(&layout.services, &layout.snapshot),
            turns: every_turn(&self.turns, &layout.snapshot),
            trials: layout
                .snapshot
                .seats()
                .flat_map(|seat| seat.trials().map(|trial| (seat.name.to_string(), trial.status())).collect::<Vec<_>>())
                .collect(),
            counters: layout.snapshot.seats().filter_map(counters).collect(),
            usage: layout
                .snapshot
                .customers()
                .map(|customer| (customer.name.to_string(), customer.account.usage()))
                .collect(),
        }
    }

    /// The bounded queues that are not the workers'.
    fn queues(&self) -> Vec<QueueSample> {
        let all = [
            ("journal", Some(self.records.journal().queue)),
            ("dialer", Some(self.streams.queue())),
            ("events", events::queue()),
            ("hep", self.mirror.as_ref().map(Mirror::queue)),
            ("traces", self.tracer.as_ref().map(Tracer::queue)),
        ];
        let known = all.into_iter().filter_map(|(name, queue)| Some((name, queue?)));
        known.map(|(name, (depth, limit))| QueueSample { name: name.to_owned(), depth, limit }).collect()
    }
}

/// Also what the admin API tells of a gateway.
pub(super) fn gateway_status(gateway: &Gateway, now: Time) -> GatewayStatus {
    let report = gateway.health.report(now);
    GatewayStatus {
        name: gateway.name.to_string(),
        state: report.condition.word(),
        destination: gateway.destinations().first().map(|destination| destination.address),
        calls: report.calls,
        passed_full: report.passed_full,
        passed_down: report.passed_down,
        probed: report.probed,
    }
}

fn store(lag: Lag) -> StoreSample {
    let Lag { store, behind, age, confirmed, failures, missing, unroutable, error, .. } = lag;
    StoreSample { name: store, behind, age, confirmed, failures, failing: error.is_some(), missing, unroutable }
}

fn tables(tables: &Tables) -> Vec<TableSample> {
    let samples = tables.iter().map(|table| {
        let stats = table.stats();
        TableSample {
            name: table.name().to_owned(),
            hits: stats.hits,
            misses: stats.misses,
            negative: stats.negative,
            stale: stats.stale,
            shared: stats.shared_hits,
            errors: stats.errors.iter().map(|(trouble, count)| (trouble.word(), *count)).collect(),
            load_time: stats.load_time,
            loads: stats.loads,
            entries: stats.entries,
            bytes: stats.bytes,
            age: stats.age.map(|age| age.as_secs_f64()),
        }
    });
    samples.collect()
}

fn breakers(services: &Services, snapshot: &Snapshot) -> Vec<BreakerSample> {
    let of_services = services.names().filter_map(|name| {
        let stats = services.stats(name)?;
        let (state, opened) = (service(stats), Some(stats.times_opened));
        Some(BreakerSample { kind: "service", name: name.to_owned(), state, opened })
    });
    let of_stages = snapshot.seats().filter_map(|seat| {
        let state = breaker(seat.stage.as_ref()?.breaker_state());
        Some(BreakerSample { kind: "plugin", name: seat.name.to_string(), state, opened: None })
    });
    of_services.chain(of_stages).collect()
}

fn counters(seat: &Arc<Seat>) -> Option<CountersSample> {
    let counters = &seat.stage.as_ref()?.counters;
    Some(CountersSample { plugin: seat.name.to_string(), values: counters.values(), dropped: counters.dropped() })
}

/// Those too that never came to a rollback: what has no first value has no growth that an alarm could see.
fn every_turn(turns: &Turns, snapshot: &Snapshot) -> Vec<(String, &'static str, u64)> {
    let mut all = turns.all();
    for seat in snapshot.seats() {
        let name = seat.name.to_string();
        if !all.iter().any(|(counted, event, _)| *counted == name && *event == "rolled-back") {
            all.push((name, "rolled-back", 0));
        }
    }
    all
}

pub(super) fn service(stats: ServiceStats) -> BreakerState {
    match stats {
        ServiceStats { open: true, .. } => BreakerState::Open,
        ServiceStats { half_open: true, .. } => BreakerState::HalfOpen,
        _ => BreakerState::Closed,
    }
}

pub(super) fn breaker(state: plugin::BreakerState) -> BreakerState {
    match state {
        plugin::BreakerState::Closed => BreakerState::Closed,
        plugin::BreakerState::Open => BreakerState::Open,
        plugin::BreakerState::HalfOpen => BreakerState::HalfOpen,
    }
}

pub(super) fn word(state: BreakerState) -> &'static str {
    match state {
        BreakerState::Closed => "closed",
        BreakerState::HalfOpen => "half-open",
        BreakerState::Open => "open",
    }
}
