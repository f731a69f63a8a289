//! The process itself on the metrics page: what it uses of the machine, and how full its queues are.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::samples::gauges;

/// A process at one moment.
#[derive(Debug, Clone, Default)]
pub struct NodeSample {
    /// The version of this binary.
    pub version: &'static str,
    /// New calls are taken.
    pub ready: bool,
    /// When the process began, in seconds since 1970.
    pub started: f64,
    /// Bytes in memory.
    pub memory: u64,
    /// Files, sockets and pipes that are open.
    pub files: u64,
    /// User and system time of all threads, in seconds.
    pub cpu: f64,
    /// Of each worker's thread, by its number, in seconds.
    pub worker_cpu: Vec<(String, f64)>,
    /// The bounded queues.
    pub queues: Vec<QueueSample>,
}

/// A bounded queue.
#[derive(Debug, Clone, Default)]
pub struct QueueSample {
    /// Whose: `worker-0`, `journal`, `events`, `hep`, `traces`, `dialer`.
    pub name: String,
    /// What waits in it.
    pub depth: u64,
    /// What may wait in it.
    pub limit: u64,
}

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>, node: &NodeSample) -> fmt::Result {
    let info = [([("version", node.version)], 1)];
    gauges(encoder, "build_info", "1; the label says what runs", info.into_iter())?;
    let bytes = Some(&Unit::Bytes);
    for (name, help, unit, value) in [
        ("ready", "1 while new calls are taken", None, u64::from(node.ready)),
        ("memory", "Memory that the process has, resident", bytes, node.memory),
        ("open_files", "Files, sockets and pipes that are open", None, node.files),
    ] {
        ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?)?;
    }
    let help = "When the process began, since 1970";
    let began = encoder.encode_descriptor("start_time", help, Some(&Unit::Seconds), MetricType::Gauge)?;
    ConstGauge::new(node.started).encode(began)?;
    let help = "Processor time of all threads";
    let cpu = encoder.encode_descriptor("cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
    ConstCounter::new(node.cpu).encode(cpu)?;
    let help = "Processor time of each worker";
    let mut workers = encoder.encode_descriptor("worker_cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
    for (worker, seconds) in &node.worker_cpu {
        ConstCounter::new(*seconds).encode(workers.encode_family(&[("worker", worker.as_str())])?)?;
    }
    let queues = &node.queues;
    let depths = queues.iter().map(|queue| ([("queue", queue.name.as_str())], queue.depth));
    gauges(encoder, "queue_depth", "What waits in a bounded queue", depths)?;
    let limits = queues.iter().map(|queue| ([("queue", queue.name.as_str())], queue.limit));
    gauges(encoder, "queue_limit", "What may wait in it; beyond, the newest are dropped and counted", limits)
}
