//! What callers notice while something that a call needs is down: how long they wait, before, meanwhile and afterwards.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use trunkline_tests::{Counts, Load, Sipp, Trace};

use crate::report::{keep, share};

/// How long the calls go on before, during and after the fault, and how many begin each second.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Before.
    pub healthy: Duration,
    /// During.
    pub failing: Duration,
    /// After.
    pub after: Duration,
    /// Calls per second.
    pub rate: u32,
}

/// One part of one run. Post-dial delay, from INVITE to 200 as the caller sees it, in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Who was asked.
    pub system: String,
    /// What was wrong.
    pub fault: String,
    /// `healthy`, `failing` or `after`: when the call began.
    pub phase: &'static str,
    /// Calls begun in it that were answered.
    pub answered: usize,
    /// Half of them had their answer by then.
    pub p50: f64,
    /// 99 of 100.
    pub p99: f64,
    /// 999 of 1,000.
    pub p99_9: f64,
    /// Calls that SIPp gave up in it, whenever they began.
    pub failed: u32,
    /// Messages that SIPp sent again in it.
    pub sent_again: u32,
    /// What `p99` is to be at most; only of Trunkline.
    pub bar: Option<f64>,
}

/// By how much a wait for something that fails may pass its deadline, in milliseconds.
const ABOVE_DEADLINE: f64 = 20.0;

/// SIPp looks at its clock each 4 ms: what is "as before" may be two of its ticks more.
const TICKS: f64 = 8.0;

/// Holds the phases of one run against the bar: while something fails, 99 of 100 callers wait no longer than the deadline
/// of what fails and 20 ms; afterwards as long as before.
pub fn judge(rows: &mut [Row], deadline: f64) {
    let healthy = rows.iter().find(|row| row.phase == "healthy").map_or(0.0, |row| row.p99);
    for row in rows {
        row.bar = match row.phase {
            "failing" => Some(deadline + ABOVE_DEADLINE),
            "after" => Some(healthy + TICKS),
            _ => None,
        };
    }
}

impl Row {
    /// Whether callers noticed more than they may; a call that failed is always more.
    pub fn is_missed(&self) -> bool {
        self.bar.is_some_and(|bar| self.p99 > bar || self.failed > 0)
    }
}

/// Callers who are placing calls while something happens.
#[derive(Debug)]
pub struct Callers(Sipp);

impl Callers {
    /// Begins: other numbers for each call, so that no cache has the answer.
    ///
    /// # Errors
    /// When SIPp does not start.
    pub fn begin(from: IpAddr, sip: SocketAddr, plan: Plan, rate: u32) -> Result<Self> {
        let seconds = (plan.healthy + plan.failing + plan.after).as_secs() as u32;
        let words = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "1000")];
        Ok(Self(Sipp::traced_caller(from, &words, sip, Load { calls: rate * seconds, rate })?))
    }

    /// Waits for the last call; the three phases, of which the middle one lasted from here to there.
    ///
    /// # Errors
    /// When SIPp does not end.
    pub fn end(self, system: &str, fault: &str, failing: (f64, f64)) -> Result<Vec<Row>> {
        let rows = rows(system, fault, &self.0.trace()?, failing);
        for row in &rows {
            eprintln!(
                "  {system}, {}: p50 {:.0} ms, p99 {:.0} ms, p99.9 {:.0} ms, {} failed, {} sent again",
                row.phase, row.p50, row.p99, row.p99_9, row.failed, row.sent_again
            );
        }
        Ok(rows)
    }
}

/// Lets time go by as planned, with the fault in the middle; when it began and when it ended.
///
/// # Errors
/// What the fault's own beginning or end says.
pub fn pass(plan: Plan, begin: impl FnOnce() -> Result<()>, end: impl FnOnce() -> Result<()>) -> Result<(f64, f64)> {
    std::thread::sleep(plan.healthy);
    let from = since_1970();
    begin()?;
    std::thread::sleep(plan.failing);
    let to = since_1970();
    end()?;
    Ok((from, to))
}

/// In milliseconds.
fn since_1970() -> f64 {
    UNIX_EPOCH.elapsed().map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

fn rows(system: &str, fault: &str, trace: &Trace, (from, to): (f64, f64)) -> Vec<Row> {
    let phases = [("healthy", f64::MIN, from), ("failing", from, to), ("after", to, f64::MAX)];
    phases
        .map(|(phase, begin, end)| {
            let own = trace.answered.iter().filter(|(began, _)| (begin..end).contains(began));
            let mut delays: Vec<f64> = own.map(|(_, delay)| *delay).collect();
            delays.sort_by(f64::total_cmp);
            let until = counted(trace, end);
            let before = counted(trace, begin);
            Row {
                system: system.to_owned(),
                fault: fault.to_owned(),
                phase,
                answered: delays.len(),
                p50: share(&delays, 500),
                p99: share(&delays, 990),
                p99_9: share(&delays, 999),
                failed: until.failed - before.failed,
                sent_again: until.retransmissions - before.retransmissions,
                bar: None,
            }
        })
        .into()
}

/// What SIPp had counted by then.
fn counted(trace: &Trace, when: f64) -> Counts {
    trace.seconds.iter().rfind(|(time, _)| *time < when).map(|(_, counts)| *counts).unwrap_or_default()
}

/// Writes `outage.json` and `outage.md` into a folder; returns the Markdown.
///
/// # Errors
/// When they cannot be written.
pub fn write(rows: &[Row], plan: Plan, folder: &Path) -> Result<String> {
    keep(folder, "outage", &serde_json::json!({ "rate": plan.rate, "rows": rows }), &markdown(rows, plan))
}

fn markdown(rows: &[Row], plan: Plan) -> String {
    let [healthy, failing, after] = [plan.healthy, plan.failing, plan.after].map(|span| span.as_secs());
    let mut text = format!(
        "{} calls a second, {healthy} s in health, {failing} s of the fault, {after} s after it; post-dial delay in ms.\n\n\
         | fault | system | phase | answered | p50 | p99 | of at most | p99.9 | failed | sent again |\n\
         |---|---|---|---:|---:|---:|---:|---:|---:|---:|\n",
        plan.rate
    );
    for row in rows {
        let bar = row.bar.map_or_else(String::new, |bar| format!("{bar:.0}"));
        let missed = if row.is_missed() { ": missed" } else { "" };
        let _infallible = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {:.0} | {bar}{missed} | {:.0} | {} | {} |",
            row.fault, row.system, row.phase, row.answered, row.p50, row.p99, row.p99_9, row.failed, row.sent_again
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_belong_to_the_phase_in_which_they_began_and_failures_to_that_in_which_they_were_counted() {
        let counts = |failed, retransmissions| Counts { successful: 0, failed, retransmissions };
        let trace = Trace {
            counts: counts(3, 9),
            answered: vec![(500.0, 1.0), (900.0, 3.0), (1_100.0, 50.0), (1_900.0, 7_000.0), (2_100.0, 2.0)],
            seconds: vec![(1_000.0, counts(0, 0)), (2_000.0, counts(1, 7)), (3_000.0, counts(3, 9))],
        };
        let rows = rows("a system", "a fault", &trace, (1_050.0, 2_050.0));
        let seen: Vec<_> =
            rows.iter().map(|row| (row.phase, row.answered, row.p99, row.failed, row.sent_again)).collect();
        assert_eq!(seen, [("healthy", 2, 3.0, 0, 0), ("failing", 2, 7_000.0, 1, 7), ("after", 1, 2.0, 2, 2)]);
    }

    #[test]
    fn a_run_is_held_against_the_deadline_while_something_fails_and_against_its_own_health_afterwards() {
        let row = |phase, p99, failed| Row {
            system: "a system".to_owned(),
            fault: "a fault".to_owned(),
            phase,
            answered: 1,
            p50: 1.0,
            p99,
            p99_9: p99,
            failed,
            sent_again: 0,
            bar: None,
        };
        let mut rows = [row("healthy", 12.0, 0), row("failing", 71.0, 0), row("after", 20.0, 0), row("after", 4.0, 1)];
        judge(&mut rows, 50.0);
        assert_eq!(rows.each_ref().map(|row| row.bar), [None, Some(70.0), Some(20.0), Some(20.0)]);
        assert_eq!(rows.each_ref().map(Row::is_missed), [false, true, false, true]);
    }
}
