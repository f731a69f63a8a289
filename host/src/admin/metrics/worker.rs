//! One worker's own handles to the counters: found once by name, then added to without a lock.

use std::sync::Arc;

use hashbrown::HashMap;
use prometheus_client::metrics::counter::Counter;

use super::{Histogram, Metrics};
use crate::cdr::record::{Attempt, AttemptOutcome, CallRecord, StageOutcome, StageRecord};

/// Classes of final codes: 2xx to 6xx.
const CLASSES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "6xx"];

/// How a worker counts. Not shared: each worker has its own.
#[derive(Debug)]
pub struct WorkerMetrics {
    metrics: Arc<Metrics>,
    customers: HashMap<String, CustomerMetrics>,
    stages: HashMap<String, StageMetrics>,
    attempts: HashMap<String, HashMap<AttemptOutcome, Counter>>,
}

#[derive(Debug)]
struct CustomerMetrics {
    post_dial_delay: Histogram,
    setup: Histogram,
    /// By gateway, empty where none was tried.
    calls: HashMap<String, [Option<Counter>; CLASSES.len()]>,
}

#[derive(Debug)]
struct StageMetrics {
    outcomes: HashMap<StageOutcome, Counter>,
    time: Histogram,
    fuel: Counter,
}

impl WorkerMetrics {
    /// Handles to `metrics`, none found yet.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, customers: HashMap::new(), stages: HashMap::new(), attempts: HashMap::new() }
    }

    /// Counts all that a call's record says. Call it once per call, when it has ended.
    pub fn count(&mut self, record: &CallRecord) {
        self.count_call(record);
        for attempt in &record.attempts {
            self.count_attempt(attempt);
        }
        for stage in &record.stages {
            self.count_stage(stage);
        }
    }

    fn count_call(&mut self, record: &CallRecord) {
        let metrics = &self.metrics;
        let name = record.customer.as_str();
        let customer = self.customers.entry_ref(name).or_insert_with(|| CustomerMetrics {
            post_dial_delay: metrics.post_dial_delay.get_or_create_owned(&[("customer", name.to_owned())]),
            setup: metrics.setup.get_or_create_owned(&[("customer", name.to_owned())]),
            calls: HashMap::new(),
        });
        let times = &record.times;
        if let Some(heard) = times.ringing.or(times.answered) {
            customer.post_dial_delay.observe(heard.saturating_sub(times.received));
        }
        if let Some(routed) = times.routed {
            customer.setup.observe(routed.saturating_sub(times.received));
        }
        let class = usize::from(record.code / 100).clamp(2, 6) - 2;
        let gateway = record.attempts.last().map_or("", |attempt| &*attempt.gateway);
        let counters = customer.calls.entry_ref(gateway).or_default();
        if let Some(counter) = counters.get_mut(class) {
            let labels = || {
                [("customer", name.to_owned()), ("gateway", gateway.to_owned()), ("class", CLASSES[class].to_owned())]
            };
            counter.get_or_insert_with(|| metrics.calls.get_or_create_owned(&labels())).inc();
        }
    }

    fn count_attempt(&mut self, attempt: &Attempt) {
        let metrics = &self.metrics;
        let outcomes = self.attempts.entry_ref(&*attempt.gateway).or_default();
        let counter = outcomes.entry(attempt.outcome).or_insert_with(|| {
            let labels = [("gateway", attempt.gateway.to_string()), ("outcome", word(&attempt.outcome))];
            metrics.attempts.get_or_create_owned(&labels)
        });
        counter.inc();
    }

    fn count_stage(&mut self, record: &StageRecord) {
        let metrics = &self.metrics;
        let label = || [("stage", record.stage.to_string())];
        let stage = self.stages.entry_ref(&*record.stage).or_insert_with(|| StageMetrics {
            outcomes: HashMap::new(),
            time: metrics.stage_time.get_or_create_owned(&label()),
            fuel: metrics.stage_fuel.get_or_create_owned(&label()),
        });
        stage.time.observe(record.micros);
        stage.fuel.inc_by(record.fuel);
        let counter = stage.outcomes.entry(record.outcome).or_insert_with(|| {
            let labels = [("stage", record.stage.to_string()), ("outcome", word(&record.outcome))];
            metrics.stages.get_or_create_owned(&labels)
        });
        counter.inc();
    }
}

/// The word that stands for it in the records too.
fn word(outcome: &impl serde::Serialize) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
