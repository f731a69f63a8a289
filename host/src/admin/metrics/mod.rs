//! Every metric of a node, and the handles by which workers count.
//!
//! | family | labels | meaning |
//! |---|---|---|
//! | `trunkline_calls_total` | customer, gateway, code | ended calls; `gateway` is the last one tried, `code` the final one |
//! | `trunkline_active_calls` | | calls that have not ended |
//! | `trunkline_dialogs` | | those that were answered |
//! | `trunkline_held_calls` | | those that have ended and absorb retransmissions, too |
//! | `trunkline_transactions` | | transactions of calls, RFC 3261 section 17 |
//! | `trunkline_transaction_events_total` | event | messages `retransmitted` by us and `absorbed`, answers `unacknowledged`, late ones `released`; requests that went `by-connection` for their size, and of these `by-datagram` after all |
//! | `trunkline_waiting_pipelines` | | calls whose stages wait for a lookup |
//! | `trunkline_datagrams_total` | direction | UDP datagrams `received` and `sent` |
//! | `trunkline_post_dial_delay_seconds` | customer | from the INVITE to the first 18x, or to the 2xx where none came: counted then |
//! | `trunkline_setup_seconds` | customer | from the INVITE to the pipeline's decision: counted then |
//! | `trunkline_attempts_total` | gateway, outcome | INVITEs sent or given up, by how they ended, counted then; one that is answered after it was given up stays as given up |
//! | `trunkline_stages_total` | stage, outcome | stages run or skipped, by verdict or reason; counted when the pipeline has decided, as the next two are |
//! | `trunkline_stage_seconds` | stage | wall clock of a stage, waits included |
//! | `trunkline_stage_fuel_total` | stage | WebAssembly instructions |
//! | `trunkline_drops_total` | reason | messages dropped before they became a call's |
//! | `trunkline_overloaded` | | workers that refuse new calls now, since they have too much to do |
//! | `trunkline_overloads_total` | cause | times that one began to: `busy`, `behind`, `queue` |
//! | `trunkline_abuse_drops_total` | reason | messages dropped where they came in: strangers' that are `banned`, beyond the `rate`, `oversized`, a `scanner`'s or a `stranger`'s request, and those of a `customer` beyond its own |
//! | `trunkline_abuse_bans_begun_total` | reason | bans begun for `rate` or `malformed` |
//! | `trunkline_abuse_bans` | | sources from which nothing is taken now |
//! | `trunkline_dns_queries_total` | result | questions `asked`, of them `timeout` and `error`; `stale` answers served meanwhile |
//! | `trunkline_limits_shared_total` | result | exchanges of counts with other nodes: `exchanged`, `failed`; keys left out: `untold` |
//! | `trunkline_limits_nodes` | | other nodes whose counts are heard |
//! | `trunkline_hep_copies_total` | result | copies of messages for the HEP collector: `sent`, `dropped` |
//! | `trunkline_traces_total` | result | traces of calls: the collector has them, `exported`; it rejected spans of the request that they came in, `partial`; the queue was full, `dropped`; it refused them or was not there, `failed` |
//! | `trunkline_connections` | | TCP and TLS connections |
//! | `trunkline_messages_total` | transport, direction | messages `received` and `sent` |
//! | `trunkline_message_bytes_total` | transport, direction | their bytes |
//! | `trunkline_connections_closed_total` | reason | connections refused or ended: `peer`, `idle`, `unframed`, `slow-reader`, … |
//! | `trunkline_tls_handshakes_failed_total` | reason | `timeout`, `too-many`, `no-certificate`, `bad-certificate`, `refused`, … |
//! | `trunkline_stream_messages_unsent_total` | reason | messages that no connection took: `connect-failed`, `queue-full`, … |
//! | `trunkline_records_lost_total` | | records that no journal took: an alarm |
//! | `trunkline_records_spared_total` | | refused calls of strangers beyond `cdr.stranger-records`: they have no record |
//! | `trunkline_reloads_total` | result | `taken` or `refused` |
//! | `trunkline_journal_failing` | | 1 while the disk refuses the journal, else 0: an alarm |
//! | `trunkline_journal_bytes`, `trunkline_journal_limit_bytes` | | what the journal takes of the disk, and may take; above 80 % an alarm |
//! | `trunkline_journal_unguarded_total` | | records and notes that shared memory had no room for: a `kill -9` before the disk has them loses them |
//! | `trunkline_journal_notes_lost_total` | | starts and answers of calls that found the journal's queue full |
//! | `trunkline_events_published_total`, `trunkline_events_dropped_total` | | events handed to the broker, and not |
//! | `trunkline_log_lines_dropped_total` | | log lines dropped because standard error was not read |
//! | `trunkline_journal_lag_seconds` | | how long the oldest record or note waits for the journal's disk |
//! | `trunkline_store_behind` | store | records that a store or the fanout has not confirmed |
//! | `trunkline_store_lag_seconds` | store | how long ago the call of the oldest of them ended |
//! | `trunkline_store_failing` | store | 1 while it refuses records |
//! | `trunkline_store_records_total`, `trunkline_store_failures_total` | store | records confirmed, attempts refused |
//! | `trunkline_store_missing_total` | store | records that it will never have: an alarm |
//! | `trunkline_store_unroutable_total` | store | records that the broker gave back: no queue is bound |
//! | `trunkline_lookups_total` | table, result | `hit`, `miss`, `negative`, `stale`, `shared`, `error` |
//! | `trunkline_table_loads_total` | table | loads from the source |
//! | `trunkline_table_load_seconds` | table | how long the source took |
//! | `trunkline_table_errors_total` | table, kind | `deadline`, `failed`, `nonsense`, `breaker`, `busy`, `bad-key` |
//! | `trunkline_table_entries` | table | rows held |
//! | `trunkline_table_bytes` | table | bytes that they take, roughly |
//! | `trunkline_table_age_seconds` | table | since the source last gave something |
//! | `trunkline_breaker_state` | kind, name | 0 closed, 1 half-open, 2 open; kind `service` or `plugin` |
//! | `trunkline_plugin_turns_total` | plugin, event | versions `swapped`, `canary`, `shadow`, `promoted`, `rolled-back` |
//! | `trunkline_plugin_trial` | plugin, kind, result | of a trial: `same`, `different`, `failed`, `withheld`, `dropped` |
//! | `trunkline_plugin_counter_total` | plugin, name | what a plugin counts of its own, by its import `telemetry.metric`: 32 names each; no shadow does |
//! | `trunkline_plugin_telemetry_dropped_total` | plugin | log lines of a plugin beyond 16 in a call, and counts under ill-formed names or one too many |
//! | `trunkline_usage_…` | customer | calls, stages, fuel, microseconds, refused, memory and its peak: for the bill |
//! | `trunkline_breaker_opened_total` | kind, name | times that a service's breaker opened by itself |
//! | `trunkline_queue_depth`, `trunkline_queue_limit` | queue | what waits in a bounded queue, and what may: `worker-0` …, `journal`, `events`, `hep`, `traces`, `dialer` |
//! | `trunkline_memory_bytes`, `trunkline_open_files` | | what the process has |
//! | `trunkline_cpu_seconds_total`, `trunkline_worker_cpu_seconds_total` | , worker | processor time of the process, and of each worker |
//! | `trunkline_ready`, `trunkline_start_time_seconds` | | 1 while new calls are taken; when the process began |
//! | `trunkline_build_info` | version | 1 |
//! | `trunkline_series_folded_total` | label | names that found no series of their own left |
//!
//! A call is counted as it goes on: its stages and its set-up when the pipeline has decided, its post-dial delay when the
//! caller hears something, each attempt when it ends, and the call itself when it is over. So what fails shows at once, and
//! `trunkline_calls_total` knows nothing yet of the calls that still talk. Of a call that was taken up from a process that
//! has died, only its end is counted: the rest was that process's to count.
//!
//! Labels are names of the configuration and fixed words, and their number is bounded: 1,000 customers and 500 gateways
//! have series of their own, `trunkline_calls_total` has 20,000 at most, `trunkline_plugin_counter_total` 10,000; what is
//! beyond is counted together as `_other` (see `bound`). Tables, services, stores, plugins and pipelines are as many as the configuration names. A worker
//! holds its counters and touches no lock once it has seen a label.

mod bound;
mod node;
mod samples;
mod stores;
mod versions;
mod worker;

use bound::{CALLS, CUSTOMERS, GATEWAYS, Names};
pub use node::{NodeSample, QueueSample};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
pub use samples::{BreakerSample, BreakerState, CountersSample, Samples, TableSample};
pub use stores::StoreSample;
pub use worker::WorkerMetrics;

pub use super::histogram::Histogram;

/// Names and values of a metric's labels.
type Labels<const N: usize> = [(&'static str, String); N];

/// Post-dial delay and set-up, in microseconds.
const CALL_BOUNDS: &[u64] = &[
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

/// A stage: one microsecond when all is cached, the deadline when it is not.
const STAGE_BOUNDS: &[u64] =
    &[1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000];

type HistogramFamily<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// What a worker, or all of them, have in hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occupancy<N> {
    /// Answered and not over.
    pub dialogs: N,
    /// Calls that have ended and absorb retransmissions, too.
    pub held: N,
    /// Transactions of calls.
    pub transactions: N,
    /// Calls whose stages wait for a lookup.
    pub waiting: N,
}

/// The metrics of one node.
pub struct Metrics {
    registry: Registry,
    calls: Family<Labels<3>, Counter>,
    post_dial_delay: HistogramFamily<1>,
    setup: HistogramFamily<1>,
    attempts: Family<Labels<2>, Counter>,
    stages: Family<Labels<2>, Counter>,
    stage_time: HistogramFamily<1>,
    stage_fuel: Family<Labels<1>, Counter>,
    drops: Family<Labels<1>, Counter>,
    overloads: Family<Labels<1>, Counter>,
    reloads: Family<Labels<1>, Counter>,
    datagrams: Family<Labels<1>, Counter>,
    transaction_events: Family<Labels<1>, Counter>,
    folded: Family<Labels<1>, Counter>,
    customer_names: Names,
    gateway_names: Names,
    call_series: Names,
    /// Answered calls, those too that have ended, transactions, and pipelines that wait: as `active_calls`.
    pub occupancy: Occupancy<Gauge>,
    /// Calls that have not ended: add when one begins, subtract when it ends.
    pub active_calls: Gauge,
    /// Workers that refuse new calls, since they have too much to do.
    pub overloaded: Gauge,
    /// Records that no journal took.
    pub records_lost: Counter,
    /// Refused calls of strangers beyond `cdr.stranger-records`, which have no record.
    pub records_spared: Counter,
}

impl Metrics {
    /// Registers every family. `sample` is asked at every scrape for what other parts count themselves; it must not
    /// wait.
    pub fn new(sample: impl Fn() -> Samples + Send + Sync + 'static) -> Self {
        let folded = Family::<Labels<1>, Counter>::default();
        let names = |label: &str, limit| Names::new(limit, folded.get_or_create_owned(&[("label", label.to_owned())]));
        let (customer_names, gateway_names) = (names("customer", CUSTOMERS), names("gateway", GATEWAYS));
        let mut metrics = Self {
            customer_names,
            gateway_names,
            call_series: names("call", CALLS),
            folded,
            datagrams: Family::default(),
            transaction_events: Family::default(),
            occupancy: Occupancy::default(),
            registry: Registry::with_prefix("trunkline"),
            calls: Family::default(),
            post_dial_delay: Family::new_with_constructor(|| Histogram::new(CALL_BOUNDS)),
            setup: Family::new_with_constructor(|| Histogram::new(CALL_BOUNDS)),
            attempts: Family::default(),
            stages: Family::default(),
            stage_time: Family::new_with_constructor(|| Histogram::new(STAGE_BOUNDS)),
            stage_fuel: Family::default(),
            drops: Family::default(),
            overloads: Family::default(),
            overloaded: Gauge::default(),
            reloads: Family::default(),
            active_calls: Gauge::default(),
            records_lost: Counter::default(),
            records_spared: Counter::default(),
        };
        metrics.register();
        for result in ["taken", "refused"] {
            metrics.reloads.get_or_create_owned(&[("result", result.to_owned())]);
        }
        metrics.registry.register_collector(Box::new(samples::Sampler::new(sample)));
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("calls", "Ended calls by customer, last gateway tried and final code", self.calls.clone());
        r.register("active_calls", "Calls that have not ended", self.active_calls.clone());
        r.register_with_unit(
            "post_dial_delay",
            "From the INVITE to the first 18x, or to the 2xx where none came",
            Unit::Seconds,
            self.post_dial_delay.clone(),
        );
        r.register_with_unit("setup", "From the INVITE to the pipeline's decision", Unit::Seconds, self.setup.clone());
        r.register("attempts", "INVITEs to gateways by how they ended", self.attempts.clone());
        r.register("stages", "Stages run or skipped, by verdict or reason", self.stages.clone());
        r.register_with_unit("stage", "Wall clock of a stage, waits included", Unit::Seconds, self.stage_time.clone());
        r.register("stage_fuel", "WebAssembly instructions of a stage", self.stage_fuel.clone());
        r.register("drops", "Messages dropped before they became a call's", self.drops.clone());
        r.register("overloaded", "Workers that refuse new calls: they have too much to do", self.overloaded.clone());
        r.register("overloads", "Times that a worker began to refuse new calls, by cause", self.overloads.clone());
        r.register("records_lost", "Records that no journal took", self.records_lost.clone());
        r.register(
            "records_spared",
            "Refused calls of strangers beyond the ration, without a record",
            self.records_spared.clone(),
        );
        r.register("reloads", "Reloads of the configuration", self.reloads.clone());
        let Occupancy { dialogs, held, transactions, waiting } = &self.occupancy;
        r.register("dialogs", "Calls that were answered and have not ended", dialogs.clone());
        r.register("held_calls", "Calls in memory: those too that have ended and absorb retransmissions", held.clone());
        r.register("transactions", "Transactions of calls", transactions.clone());
        r.register("waiting_pipelines", "Calls whose stages wait for a lookup", waiting.clone());
        r.register("datagrams", "UDP datagrams by direction", self.datagrams.clone());
        r.register(
            "transaction_events",
            "Messages sent again by us or absorbed, answers without ACK or too late, requests by TCP for their size",
            self.transaction_events.clone(),
        );
        r.register("series_folded", "Names that share a series, since there were none left", self.folded.clone());
    }

    /// The page, as OpenMetrics text.
    ///
    /// # Errors
    ///
    /// Never in practice: a string takes every text.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::with_capacity(16 << 10);
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// Counts messages dropped for `reason`, a fixed word. Keep the counter: asking for it takes a lock.
    pub fn drops(&self, reason: &'static str) -> Counter {
        self.drops.get_or_create_owned(&[("reason", reason.to_owned())])
    }

    /// Counts how often a worker began to refuse new calls for this cause, a fixed word. Takes a lock.
    pub fn overloads(&self, cause: &'static str) -> Counter {
        self.overloads.get_or_create_owned(&[("cause", cause.to_owned())])
    }

    /// Counts datagrams `received` or `sent`. Keep the counter: asking for it takes a lock.
    pub fn datagrams(&self, direction: &'static str) -> Counter {
        self.datagrams.get_or_create_owned(&[("direction", direction.to_owned())])
    }

    /// Counts what befell transactions: `event` is a fixed word. Keep the counter: asking for it takes a lock.
    pub fn transaction_events(&self, event: &'static str) -> Counter {
        self.transaction_events.get_or_create_owned(&[("event", event.to_owned())])
    }

    /// Counts a reload.
    pub fn reloaded(&self, taken: bool) {
        let result = if taken { "taken" } else { "refused" };
        self.reloads.get_or_create_owned(&[("result", result.to_owned())]).inc();
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
