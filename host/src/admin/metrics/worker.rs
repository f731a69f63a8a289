//! One worker's own handles to the counters: found once by name, then added to without a lock.

use std::sync::Arc;

use hashbrown::HashMap;
use prometheus_client::metrics::counter::Counter;

use super::bound::OTHER;
use super::{Histogram, Metrics};
use crate::cdr::record::{Attempt, AttemptOutcome, CallRecord, StageOutcome, StageRecord};

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
    /// By gateway, empty where none was tried, and code.
    calls: HashMap<String, HashMap<u16, Counter>>,
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
        let customer = self.customers.entry_ref(name).or_insert_with(|| {
            let label = [("customer", metrics.customer_names.label(name).to_owned())];
            CustomerMetrics {
                post_dial_delay: metrics.post_dial_delay.get_or_create_owned(&label),
                setup: metrics.setup.get_or_create_owned(&label),
                calls: HashMap::new(),
            }
        });
        let times = &record.times;
        if let Some(heard) = times.ringing.or(times.answered) {
            customer.post_dial_delay.observe(heard.saturating_sub(times.received));
        }
        if let Some(routed) = times.routed {
            customer.setup.observe(routed.saturating_sub(times.received));
        }
        let gateway = record.attempts.last().map_or("", |attempt| &*attempt.gateway);
        let counters = customer.calls.entry_ref(gateway).or_default();
        counters.entry(record.code).or_insert_with(|| metrics.calls_of(name, gateway, record.code)).inc();
    }

    fn count_attempt(&mut self, attempt: &Attempt) {
        let metrics = &self.metrics;
        let outcomes = self.attempts.entry_ref(&*attempt.gateway).or_insert_with(|| {
            let gateway = metrics.gateway_names.label(&attempt.gateway);
            // Those too that never happened: what has no first value has no growth that an alarm could see.
            let of = |outcome| {
                let labels = [("gateway", gateway.to_owned()), ("outcome", word(&outcome))];
                (outcome, metrics.attempts.get_or_create_owned(&labels))
            };
            AttemptOutcome::ALL.map(of).into_iter().collect()
        });
        if let Some(counter) = outcomes.get(&attempt.outcome) {
            counter.inc();
        }
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

impl Metrics {
    /// Codes are the gateways' own words: where they multiply with customers and gateways to too many series, calls are
    /// told apart by code alone.
    fn calls_of(&self, customer: &str, gateway: &str, code: u16) -> Counter {
        let mut names = [self.customer_names.label(customer), self.gateway_names.label(gateway)];
        if !self.call_series.admits(&format!("{}\n{}\n{code}", names[0], names[1])) {
            names = [OTHER; 2];
        }
        let [customer, gateway] = names.map(str::to_owned);
        let labels = [("customer", customer), ("gateway", gateway), ("code", code.to_string())];
        self.calls.get_or_create_owned(&labels)
    }
}

/// The word that stands for it in the records too.
fn word(outcome: &impl serde::Serialize) -> String {
    match serde_json::to_value(outcome) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}
