//! One worker's own handles to the counters: found once by name, then added to without a lock.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::HashMap;
use prometheus_client::metrics::counter::Counter;

use super::bound::OTHER;
use super::{Histogram, Metrics};
use crate::cdr::record::{AttemptOutcome, CallRecord, StageOutcome, StageRecord};

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

    /// What a call's stages came to. Once per call, when its pipeline has decided.
    pub fn staged(&mut self, stages: &[StageRecord]) {
        for stage in stages {
            self.count_stage(stage);
        }
    }

    /// The pipeline of a customer's call has decided, so long after the INVITE. Once per call.
    pub fn set_up(&mut self, customer: &str, after: Duration) {
        CustomerMetrics::of(&mut self.customers, &self.metrics, customer).setup.observe(micros(after));
    }

    /// A customer's caller hears something, so long after its INVITE. Once per call.
    pub fn heard(&mut self, customer: &str, after: Duration) {
        let customer = CustomerMetrics::of(&mut self.customers, &self.metrics, customer);
        customer.post_dial_delay.observe(micros(after));
    }

    /// An attempt at a gateway has ended. Once per attempt.
    pub fn attempted(&mut self, gateway: &str, outcome: AttemptOutcome) {
        let metrics = &self.metrics;
        let outcomes = self.attempts.entry_ref(gateway).or_insert_with(|| {
            let gateway = metrics.gateway_names.label(gateway);
            // Those too that never happened: what has no first value has no growth that an alarm could see.
            let of = |outcome: AttemptOutcome| {
                let labels = [("gateway", gateway.to_owned()), ("outcome", outcome.word().to_owned())];
                (outcome, metrics.attempts.get_or_create_owned(&labels))
            };
            AttemptOutcome::ALL.map(of).into_iter().collect()
        });
        if let Some(counter) = outcomes.get(&outcome) {
            counter.inc();
        }
    }

    /// A call is over: how it ended, of all that its record says. Once per call.
    pub fn ended(&mut self, record: &CallRecord) {
        let metrics = &self.metrics;
        let name = record.customer.as_str();
        let gateway = record.attempts.last().map_or("", |attempt| &*attempt.gateway);
        let customer = CustomerMetrics::of(&mut self.customers, metrics, name);
        let counters = customer.calls.entry_ref(gateway).or_default();
        counters.entry(record.code).or_insert_with(|| metrics.calls_of(name, gateway, record.code)).inc();
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
            let labels = [("stage", record.stage.to_string()), ("outcome", record.outcome.word().to_owned())];
            metrics.stages.get_or_create_owned(&labels)
        });
        counter.inc();
    }
}

impl CustomerMetrics {
    fn of<'a>(found: &'a mut HashMap<String, Self>, metrics: &Metrics, name: &str) -> &'a mut Self {
        found.entry_ref(name).or_insert_with(|| {
            let label = [("customer", metrics.customer_names.label(name).to_owned())];
            Self {
                post_dial_delay: metrics.post_dial_delay.get_or_create_owned(&label),
                setup: metrics.setup.get_or_create_owned(&label),
                calls: HashMap::new(),
            }
        })
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

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
