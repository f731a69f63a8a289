//! The way of records out of the process, on the metrics page: the journal, the stores behind it, and events.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::samples::{Samples, counters, gauges};

/// One record store, or the fanout. The counts only grow.
#[derive(Debug, Clone, Default)]
pub struct StoreSample {
    /// Its name.
    pub name: String,
    /// Records in the journal that it has not confirmed.
    pub behind: u64,
    /// How old the oldest of them is.
    pub age: Duration,
    /// Records that it has confirmed.
    pub confirmed: u64,
    /// Attempts that it refused.
    pub failures: u64,
    /// It refuses now.
    pub failing: bool,
    /// Records that it will never have: lost before the journal, or damaged in it.
    pub missing: u64,
    /// Records that the broker gave back, because no queue was bound.
    pub unroutable: u64,
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, samples: &Samples) -> fmt::Result {
    let (used, limit) = samples.journal_bytes;
    for (name, help, value) in [
        ("journal_failing", "1 while the disk refuses the journal", u64::from(samples.journal_failing)),
        ("journal_bytes", "Bytes of the journal on disk", used),
        ("journal_limit_bytes", "What the journal may take of the disk", limit),
    ] {
        ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
    }
    let age = "How long the oldest record or note waits for the disk";
    let gauge = encoder.encode_descriptor("journal_lag_seconds", age, None, MetricType::Gauge)?;
    ConstGauge::new(samples.journal_age.as_secs_f64()).encode(gauge)?;
    let (published, dropped) = samples.events;
    for (name, help, count) in [
        ("journal_unguarded", "Frames that shared memory had no room for", samples.unguarded),
        ("journal_notes_lost", "Starts and answers of calls that the journal did not take", samples.notes_lost),
        ("events_published", "Events handed to the broker", published),
        ("events_dropped", "Events dropped: the queue was full or the broker away", dropped),
    ] {
        ConstCounter::new(count).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }

    let stores = &samples.stores;
    let of =
        |read: fn(&StoreSample) -> u64| stores.iter().map(move |store| ([("store", store.name.as_str())], read(store)));
    let behind = "Records that a store or the fanout has not confirmed";
    gauges(encoder, "store_behind", behind, of(|store| store.behind))?;
    let age = "How old the oldest record is that it has not confirmed";
    let mut family = encoder.encode_descriptor("store_lag_seconds", age, None, MetricType::Gauge)?;
    for store in stores {
        ConstGauge::new(store.age.as_secs_f64()).encode(family.encode_family(&[("store", store.name.as_str())])?)?;
    }
    gauges(encoder, "store_failing", "1 while it refuses records", of(|store| u64::from(store.failing)))?;
    counters(encoder, "store_records", "Records that it has confirmed", of(|store| store.confirmed))?;
    counters(encoder, "store_failures", "Attempts that it refused", of(|store| store.failures))?;
    let missing = "Records that it will never have: lost before the journal, or damaged in it";
    counters(encoder, "store_missing", missing, of(|store| store.missing))?;
    let unroutable = "Records that the broker gave back, because no queue was bound";
    counters(encoder, "store_unroutable", unroutable, of(|store| store.unroutable))
}
