//! What other parts of the node count themselves, read at every scrape.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{bound, node, stores, versions};
use crate::plugin::SharingStats;
use crate::plugin::account::Usage;
use crate::plugin::trial::TrialStatus;
use prometheus_client::registry::Unit;

use super::Histogram;
use super::node::NodeSample;
use super::stores::StoreSample;
use crate::admin::GatewayStatus;
use crate::guard::GuardSample;
use crate::spans::Tally;

use crate::transport::stream::{Event, StreamSample};

/// Counts and states at one moment.
#[derive(Debug, Clone, Default)]
pub struct Samples {
    /// The process itself.
    pub node: NodeSample,
    /// The disk refuses the journal.
    pub journal_failing: bool,
    /// Bytes of the journal on disk, and what they may be.
    pub journal_bytes: (u64, u64),
    /// How long the oldest record or note waits for the journal's disk.
    pub journal_age: Duration,
    /// Starts and answers of calls that the journal did not take.
    pub notes_lost: u64,
    /// Records and notes that no shared memory had room for.
    pub unguarded: u64,
    /// Events published and dropped since the start.
    pub events: (u64, u64),
    /// Log lines dropped since the start.
    pub log_lines_dropped: u64,
    /// Questions to the DNS by what became of them.
    pub dns: [(&'static str, u64); 4],
    /// Copies of messages sent to the collector, and dropped; none where there is no collector.
    pub copies: Option<(u64, u64)>,
    /// Traces of calls, where they are exported.
    pub traces: Option<Tally>,
    /// How limits are shared with other nodes.
    pub limits: SharingStats,
    /// What was kept off.
    pub guard: GuardSample,
    /// Connections.
    pub streams: StreamSample,
    /// The gateways.
    pub gateways: Vec<GatewayStatus>,
    /// The record stores and the fanout.
    pub stores: Vec<StoreSample>,
    /// The tables.
    pub tables: Vec<TableSample>,
    /// The breakers of services and plugins.
    pub breakers: Vec<BreakerSample>,
    /// Versions that came in, were promoted or taken back: place, event, count.
    pub turns: Vec<(String, &'static str, u64)>,
    /// Trials that go on, by place.
    pub trials: Vec<(String, TrialStatus)>,
    /// What plugins count of their own.
    pub counters: Vec<CountersSample>,
    /// By customer.
    pub usage: Vec<(String, Usage)>,
}

/// One table. The counts only grow.
#[derive(Debug, Clone, Default)]
pub struct TableSample {
    /// Its name.
    pub name: String,
    /// Answered from memory.
    pub hits: u64,
    /// Not in memory.
    pub misses: u64,
    /// Answered from memory: there is no row.
    pub negative: u64,
    /// Answered from memory, past the ttl.
    pub stale: u64,
    /// Not in memory, and answered by the second tier.
    pub shared: u64,
    /// Not answered, or not loaded, by what was wrong.
    pub errors: Vec<(&'static str, u64)>,
    /// How long the source took.
    pub load_time: Option<Histogram>,
    /// Asked of the source.
    pub loads: u64,
    /// Rows held.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Seconds since the source last gave something.
    pub age: Option<f64>,
}

/// What one plugin counts of its own. The counts only grow.
#[derive(Debug, Clone, Default)]
pub struct CountersSample {
    /// Its place.
    pub plugin: String,
    /// By name.
    pub values: Vec<(Box<str>, u64)>,
    /// Log lines and updates of counters that were not taken.
    pub dropped: u64,
}

/// One breaker.
#[derive(Debug, Clone)]
pub struct BreakerSample {
    /// `service` or `plugin`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: BreakerState,
    /// How often it opened by itself; `None` where that is not counted.
    pub opened: Option<u64>,
}

/// The state of a breaker, with its number on the metrics page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests pass.
    Closed = 0,
    /// One probe decides.
    HalfOpen = 1,
    /// Requests fail at once.
    Open = 2,
}

pub(super) struct Sampler(Box<dyn Fn() -> Samples + Send + Sync>);

impl Sampler {
    pub(super) fn new(sample: impl Fn() -> Samples + Send + Sync + 'static) -> Self {
        Self(Box::new(sample))
    }
}

impl fmt::Debug for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sampler")
    }
}

impl Collector for Sampler {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = (self.0)();
        node::encode(&mut encoder, &samples.node)?;
        stores::encode(&mut encoder, &samples)?;
        let dropped = ConstCounter::new(samples.log_lines_dropped);
        dropped.encode(encoder.encode_descriptor(
            "log_lines_dropped",
            "Log lines dropped because standard error was not read",
            None,
            MetricType::Counter,
        )?)?;

        streams(&mut encoder, &samples.streams)?;
        guard(&mut encoder, &samples.guard)?;
        let traces = samples.traces.into_iter().flat_map(|traces| {
            let Tally { exported, partial, dropped, failed } = traces;
            [("exported", exported), ("partial", partial), ("dropped", dropped), ("failed", failed)]
        });
        let traces = traces.map(|(result, count)| ([("result", result)], count));
        counters(&mut encoder, "traces", "Traces of calls for the OpenTelemetry collector", traces)?;
        let copies = samples.copies.into_iter().flat_map(|(sent, dropped)| [("sent", sent), ("dropped", dropped)]);
        let copies = copies.map(|(result, count)| ([("result", result)], count));
        counters(&mut encoder, "hep_copies", "Copies of messages for the HEP collector", copies)?;
        let SharingStats { nodes, exchanges, failures, untold } = samples.limits;
        let shared = [("exchanged", exchanges), ("failed", failures), ("untold", untold)];
        let shared = shared.map(|(result, count)| ([("result", result)], count));
        counters(
            &mut encoder,
            "limits_shared",
            "Exchanges of counts with other nodes, and keys left out",
            shared.into_iter(),
        )?;
        let heard =
            encoder.encode_descriptor("limits_nodes", "Other nodes whose counts are heard", None, MetricType::Gauge)?;
        ConstGauge::new(nodes as u64).encode(heard)?;
        let dns = samples.dns.iter().filter(|(result, _)| !result.is_empty());
        let dns = dns.map(|(result, count)| ([("result", *result)], *count));
        counters(&mut encoder, "dns_queries", "Questions to the DNS, and those that went wrong", dns)?;

        let tables = &samples.tables;
        let lookups = tables.iter().flat_map(|table| {
            let results = [
                ("hit", table.hits),
                ("miss", table.misses),
                ("negative", table.negative),
                ("stale", table.stale),
                ("shared", table.shared),
                ("error", table.errors.iter().map(|(_, count)| count).sum()),
            ];
            results.map(|(result, count)| ([("table", table.name.as_str()), ("result", result)], count))
        });
        counters(&mut encoder, "lookups", "Lookups by table and where the answer came from", lookups)?;
        let loads = tables.iter().map(|table| ([("table", table.name.as_str())], table.loads));
        counters(&mut encoder, "table_loads", "Loads of a table's rows from its source", loads)?;
        let errors = tables.iter().flat_map(|table| {
            let kinds = table.errors.iter();
            kinds.map(|(kind, count)| ([("table", table.name.as_str()), ("kind", *kind)], *count))
        });
        counters(&mut encoder, "table_errors", "Look-ups refused and loads that failed, by what was wrong", errors)?;
        load_times(&mut encoder, tables)?;
        let entries = tables.iter().map(|table| ([("table", table.name.as_str())], table.entries));
        gauges(&mut encoder, "table_entries", "Rows of a table in memory", entries)?;
        let bytes = tables.iter().map(|table| ([("table", table.name.as_str())], table.bytes));
        gauges(&mut encoder, "table_bytes", "Bytes of a table's rows in memory, roughly", bytes)?;
        ages(&mut encoder, tables)?;

        gateways(&mut encoder, &samples.gateways)?;
        let breakers = samples
            .breakers
            .iter()
            .map(|breaker| ([("kind", breaker.kind), ("name", breaker.name.as_str())], breaker.state as u64));
        gauges(&mut encoder, "breaker_state", "0 closed, 1 half-open, 2 open", breakers)?;
        versions::encode(&mut encoder, &samples)?;
        let opened = samples
            .breakers
            .iter()
            .filter_map(|breaker| Some(([("kind", breaker.kind), ("name", breaker.name.as_str())], breaker.opened?)));
        counters(&mut encoder, "breaker_opened", "Times that a breaker opened by itself", opened)
    }
}

fn gateways(encoder: &mut DescriptorEncoder<'_>, all: &[GatewayStatus]) -> fmt::Result {
    const STATES: [&str; 4] = ["up", "aside", "down", "disabled"];
    let rows = all.iter().map(|gateway| {
        let [up, aside, down, disabled] = STATES.map(|state| u64::from(gateway.state == state));
        let GatewayStatus { calls, passed_full, passed_down, .. } = *gateway;
        (gateway.name.as_str(), [up, aside, down, disabled, u64::from(calls), passed_full, passed_down])
    });
    let rows = bound::fold(rows, bound::GATEWAYS, bound::OTHER);
    let states = rows.iter().flat_map(|(name, values)| {
        STATES.into_iter().zip(values).map(|(state, count)| ([("gateway", *name), ("state", state)], *count))
    });
    gauges(encoder, "gateway_state", "1 for the state that a gateway is in", states)?;
    let calls = rows.iter().map(|(name, values)| ([("gateway", *name)], values[4]));
    gauges(encoder, "gateway_calls", "Calls that a gateway has", calls)?;
    let passed = rows.iter().flat_map(|(name, values)| {
        [("full", values[5]), ("down", values[6])]
            .map(|(reason, count)| ([("gateway", *name), ("reason", reason)], count))
    });
    counters(encoder, "gateway_passed", "Calls that went past a gateway without asking it", passed)
}

fn guard(encoder: &mut DescriptorEncoder<'_>, sample: &GuardSample) -> fmt::Result {
    let dropped = sample.dropped.iter().map(|(reason, count)| ([("reason", *reason)], *count));
    counters(encoder, "abuse_drops", "Messages dropped where they came in, without an answer, by reason", dropped)?;
    let begun = sample.begun.iter().map(|(reason, count)| ([("reason", *reason)], *count));
    counters(encoder, "abuse_bans_begun", "Bans begun, by what led to them", begun)?;
    let help = "Sources from which nothing is taken now";
    ConstGauge::new(sample.holding as u64).encode(encoder.encode_descriptor(
        "abuse_bans",
        help,
        None,
        MetricType::Gauge,
    )?)
}

fn load_times(encoder: &mut DescriptorEncoder<'_>, tables: &[TableSample]) -> fmt::Result {
    let help = "How long a table's source took";
    let mut family = encoder.encode_descriptor("table_load", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for table in tables {
        if let Some(times) = &table.load_time {
            times.encode(family.encode_family(&[("table", table.name.as_str())])?)?;
        }
    }
    Ok(())
}

fn ages(encoder: &mut DescriptorEncoder<'_>, tables: &[TableSample]) -> fmt::Result {
    let help = "Since a table's source last gave something";
    let mut family = encoder.encode_descriptor("table_age", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for table in tables {
        if let Some(age) = table.age {
            ConstGauge::new(age).encode(family.encode_family(&[("table", table.name.as_str())])?)?;
        }
    }
    Ok(())
}

fn streams(encoder: &mut DescriptorEncoder<'_>, sample: &StreamSample) -> fmt::Result {
    let open = ConstGauge::new(sample.connections);
    open.encode(encoder.encode_descriptor("connections", "TCP and TLS connections", None, MetricType::Gauge)?)?;
    let labels = |transport, direction| [("transport", transport), ("direction", direction)];
    let traffic = &sample.traffic;
    let messages = traffic.iter().map(|(transport, direction, count, _)| (labels(*transport, *direction), *count));
    counters(encoder, "messages", "Messages by transport and direction", messages)?;
    let bytes = traffic.iter().map(|(transport, direction, _, bytes)| (labels(*transport, *direction), *bytes));
    counters(encoder, "message_bytes", "Bytes of messages by transport and direction", bytes)?;
    for event in [Event::Closed, Event::Handshake, Event::Unsent] {
        let (family, help) = event.family();
        let reasons = sample.events.iter().filter(|(of, _, _)| *of == event);
        counters(encoder, family, help, reasons.map(|(_, reason, count)| ([("reason", *reason)], *count)))?;
    }
    Ok(())
}

pub(super) fn counters<'s, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = ([(&'static str, &'s str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in samples {
        ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

pub(super) fn gauges<'s, const N: usize>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    samples: impl Iterator<Item = ([(&'static str, &'s str); N], u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in samples {
        ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
