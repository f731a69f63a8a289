//! What two pages say of a node.

use super::Look;
use super::page::{Page, quantile};

/// Outcomes of a stage that are verdicts; the others are reasons why it was flown past.
const VERDICTS: [&str; 5] = ["proceed", "reject", "challenge", "redirect", "route"];

/// A node in an interval.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) version: String,
    pub(super) ready: bool,
    /// Seconds since the node began, by this machine's clock.
    pub(super) uptime: u64,
    /// Ended calls a second, and those of them that were answered.
    pub(super) calls: (f64, f64),
    pub(super) active: f64,
    pub(super) dialogs: f64,
    pub(super) transactions: f64,
    pub(super) post_dial: Times,
    pub(super) setup: Times,
    pub(super) stages: Vec<Stage>,
    pub(super) tables: Vec<Table>,
    pub(super) gateways: Vec<Gateway>,
    pub(super) breakers: Vec<Breaker>,
    pub(super) stores: Vec<Store>,
    /// Of each worker, 0 to 1.
    pub(super) workers: Vec<f64>,
    pub(super) memory: f64,
    /// The fullest queue: its name, what waits, what may.
    pub(super) queue: Option<(String, f64, f64)>,
    /// Dropped messages a second.
    pub(super) drops: f64,
    pub(super) records_lost: f64,
    /// Why there is nothing newer.
    pub(super) trouble: Option<String>,
}

/// Two quantiles, in seconds.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Times {
    pub(super) p50: Option<f64>,
    pub(super) p99: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) rate: f64,
    pub(super) times: Times,
    /// Of one call.
    pub(super) fuel: f64,
    /// Flown past a second, by reason.
    pub(super) skips: Vec<(String, f64)>,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) rate: f64,
    /// Answered from memory, 0 to 1.
    pub(super) hits: Option<f64>,
    pub(super) stale: f64,
    pub(super) errors: f64,
    pub(super) rows: f64,
    pub(super) source: Times,
}

#[derive(Debug)]
pub(super) struct Gateway {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) calls: f64,
    pub(super) attempts: f64,
    /// Attempts without an answer, a second.
    pub(super) silent: f64,
    /// Went past it because it was full or down, a second.
    pub(super) passed: f64,
}

#[derive(Debug)]
pub(super) struct Breaker {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) state: &'static str,
}

#[derive(Debug)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) behind: f64,
    /// Of the oldest record that it lacks, in seconds.
    pub(super) age: f64,
    pub(super) rate: f64,
    pub(super) failing: bool,
}

/// Two pages and the time between them.
struct Interval<'p> {
    before: &'p Page,
    now: &'p Page,
    seconds: f64,
}

impl Interval<'_> {
    /// How fast a counter grows. One that is smaller than before has begun anew with its process.
    fn rate(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let (before, now) = (self.before.sum(name, labels), self.now.sum(name, labels));
        if self.seconds <= 0.0 { 0.0 } else { (if now < before { now } else { now - before }) / self.seconds }
    }

    /// Of what came in the interval; since the start where nothing came.
    fn times(&self, name: &str, labels: &[(&str, &str)]) -> Times {
        let now = self.now.buckets(name, labels);
        let before = self.before.buckets(name, labels);
        let grown: Vec<(f64, f64)> = now
            .iter()
            .enumerate()
            .map(|(place, (bound, count))| (*bound, count - before.get(place).map_or(0.0, |(_, count)| *count)))
            .collect();
        let came = grown.last().is_some_and(|(_, count)| *count > 0.0);
        let buckets = if came { grown } else { now };
        Times { p50: quantile(0.5, &buckets), p99: quantile(0.99, &buckets) }
    }
}

impl View {
    /// What happened between two looks.
    pub(super) fn between(before: &Look, after: &Look) -> Self {
        let seconds = after.at.saturating_duration_since(before.at).as_secs_f64();
        let over = Interval { before: &before.page, now: &after.page, seconds };
        let now = over.now;
        let began = now.sum("start_time_seconds", &[]);
        let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let answered =
            now.all("calls_total").iter().map(|series| series.label("code")).filter(|code| code.starts_with('2'));
        let mut codes: Vec<&str> = answered.collect();
        codes.sort_unstable();
        codes.dedup();
        Self {
            version: now.values("build_info", "version").pop().unwrap_or_default(),
            ready: now.sum("ready", &[]) > 0.0,
            uptime: wall.map_or(0, |wall| (wall.as_secs_f64() - began).max(0.0) as u64),
            calls: (
                over.rate("calls_total", &[]),
                codes.into_iter().fold(0.0, |sum, code| sum + over.rate("calls_total", &[("code", code)])),
            ),
            active: now.sum("active_calls", &[]),
            dialogs: now.sum("dialogs", &[]),
            transactions: now.sum("transactions", &[]),
            post_dial: over.times("post_dial_delay_seconds", &[]),
            setup: over.times("setup_seconds", &[]),
            stages: now.values("stages_total", "stage").into_iter().map(|name| stage(&over, name)).collect(),
            tables: now.values("lookups_total", "table").into_iter().map(|name| table(&over, name)).collect(),
            gateways: now.values("gateway_calls", "gateway").into_iter().map(|name| gateway(&over, name)).collect(),
            breakers: breakers(now),
            stores: now.values("store_behind", "store").into_iter().map(|name| store(&over, name)).collect(),
            workers: workers(&over),
            memory: now.sum("memory_bytes", &[]),
            queue: fullest(now),
            drops: over.rate("drops_total", &[]),
            records_lost: now.sum("records_lost_total", &[]),
            trouble: None,
        }
    }
}

fn stage(over: &Interval<'_>, name: String) -> Stage {
    let labels = [("stage", name.as_str())];
    let outcomes = over.now.all("stages_total").iter().filter(|series| series.label("stage") == name);
    let reasons = outcomes.map(|series| series.label("outcome")).filter(|outcome| !VERDICTS.contains(outcome));
    let skips = reasons
        .map(|reason| (reason.to_owned(), over.rate("stages_total", &[("stage", name.as_str()), ("outcome", reason)])));
    let ran = over.now.sum("stages_total", &labels).max(1.0);
    Stage {
        rate: over.rate("stages_total", &labels),
        times: over.times("stage_seconds", &labels),
        fuel: over.now.sum("stage_fuel_total", &labels) / ran,
        skips: skips.filter(|(_, rate)| *rate > 0.0).collect(),
        name,
    }
}

fn table(over: &Interval<'_>, name: String) -> Table {
    let result = |word| over.rate("lookups_total", &[("table", name.as_str()), ("result", word)]);
    let (memory, missed) = (result("hit") + result("negative"), result("miss"));
    let asked = memory + missed;
    Table {
        rate: asked,
        hits: (asked > 0.0).then(|| memory / asked),
        stale: result("stale"),
        errors: result("error"),
        rows: over.now.sum("table_entries", &[("table", name.as_str())]),
        source: over.times("table_load_seconds", &[("table", name.as_str())]),
        name,
    }
}

fn gateway(over: &Interval<'_>, name: String) -> Gateway {
    let attempts = |outcome| over.rate("attempts_total", &[("gateway", name.as_str()), ("outcome", outcome)]);
    let states = over.now.all("gateway_state").iter();
    let state = states.filter(|series| series.label("gateway") == name).find(|series| series.value > 0.0);
    Gateway {
        state: state.map_or("", |series| series.label("state")).to_owned(),
        calls: over.now.sum("gateway_calls", &[("gateway", name.as_str())]),
        attempts: over.rate("attempts_total", &[("gateway", name.as_str())]),
        silent: attempts("timeout") + attempts("unreachable"),
        passed: over.rate("gateway_passed_total", &[("gateway", name.as_str())]),
        name,
    }
}

fn breakers(now: &Page) -> Vec<Breaker> {
    let all = now.all("breaker_state").iter().map(|series| Breaker {
        kind: series.label("kind").to_owned(),
        name: series.label("name").to_owned(),
        state: match series.value as u8 {
            0 => "closed",
            1 => "half-open",
            _ => "open",
        },
    });
    all.collect()
}

fn store(over: &Interval<'_>, name: String) -> Store {
    let labels = [("store", name.as_str())];
    Store {
        behind: over.now.sum("store_behind", &labels),
        age: over.now.sum("store_lag_seconds", &labels),
        rate: over.rate("store_records_total", &labels),
        failing: over.now.sum("store_failing", &labels) > 0.0,
        name,
    }
}

fn workers(over: &Interval<'_>) -> Vec<f64> {
    let workers = over.now.all("worker_cpu_seconds_total").iter();
    workers.map(|series| over.rate("worker_cpu_seconds_total", &[("worker", series.label("worker"))])).collect()
}

fn fullest(now: &Page) -> Option<(String, f64, f64)> {
    let queues = now.all("queue_depth").iter().map(|series| {
        let name = series.label("queue");
        (name.to_owned(), series.value, now.sum("queue_limit", &[("queue", name)]).max(1.0))
    });
    queues.max_by(|a, b| (a.1 / a.2).total_cmp(&(b.1 / b.2)))
}
