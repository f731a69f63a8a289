//! A histogram of times that workers fill without a lock; prometheus-client's own takes one for every observation.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// Times in fixed buckets. Clones count into the same ones.
#[derive(Debug, Clone)]
pub struct Histogram {
    /// Upper bounds, inclusive, in microseconds, ascending.
    bounds: &'static [u64],
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// One for each bound, and the last for everything above.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Buckets up to each of `bounds`, in microseconds, ascending.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, shared: Arc::new(Shared { counts, sum: AtomicU64::new(0) }) }
    }

    /// Counts one time, in microseconds: two relaxed additions.
    pub fn observe(&self, micros: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < micros);
        if let Some(count) = self.shared.counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.shared.sum.fetch_add(micros, Ordering::Relaxed);
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let bounds = self.bounds.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        let counts = self.shared.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let buckets: Vec<(f64, u64)> = bounds.zip(counts).collect();
        // From the buckets, not from a counter of its own: a page must not contradict itself.
        let count = buckets.iter().map(|(_, count)| count).sum();
        let sum = seconds(self.shared.sum.load(Ordering::Relaxed));
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
