//! What the demo prints: the way of each call through the stages, and its record.

use std::fmt::Write;
use std::time::Duration;

use super::caller::Heard;
use super::calls::{Check, Play};
use crate::cdr::record::{Attempt, CallRecord, StageRecord};

/// One call with its checks, as a block of text.
pub(super) fn call(number: usize, play: &Play, heard: &Heard, record: &CallRecord, checks: &[Check]) -> String {
    let mut out = format!(
        "\n{number}. {}\n   {} → {}   customer {}   from {}\n\n",
        play.title, play.dial.caller, play.dial.callee, record.customer, record.source
    );
    let _infallible = writeln!(out, "   {:<11} {:<10} {:>9} {:>9}", "stage", "outcome", "µs", "fuel");
    for stage in &record.stages {
        out.push_str(&stage_line(stage));
    }
    for attempt in &record.attempts {
        out.push_str(&attempt_line(attempt, record.times.received));
    }
    out.push_str(&record_lines(heard, record));
    for check in checks {
        let _infallible = if check.holds {
            writeln!(out, "   ✓ {}", check.says)
        } else {
            writeln!(out, "   ✗ {}: seen {}", check.says, check.seen)
        };
    }
    out
}

fn stage_line(stage: &StageRecord) -> String {
    let detail = stage.detail.as_deref().and_then(|detail| detail.lines().next()).unwrap_or_default();
    let outcome = word(stage.outcome);
    let line = format!(
        "   {:<11} {outcome:<10} {:>9} {:>9}   {detail}",
        stage.stage,
        grouped(stage.micros),
        grouped(stage.fuel)
    );
    line.trim_end().to_owned() + "\n"
}

fn attempt_line(attempt: &Attempt, received: u64) -> String {
    let destination = attempt.destination.map_or_else(|| "no address".to_owned(), |address| address.to_string());
    let cost = match (&attempt.cost, &attempt.currency) {
        (Some(cost), Some(currency)) => format!("   costs {cost} {currency} a minute"),
        _ => String::new(),
    };
    format!(
        "   → {:<14} {destination}: {} {}, sent at +{} µs, over at +{} µs{cost}\n",
        attempt.gateway,
        attempt.code,
        word(attempt.outcome),
        grouped(attempt.started.saturating_sub(received)),
        grouped(attempt.ended.saturating_sub(received)),
    )
}

fn record_lines(heard: &Heard, record: &CallRecord) -> String {
    let heard: Vec<String> =
        heard.responses.iter().map(|(code, after)| format!("{code} after {}", millis(*after))).collect();
    let attributes: Vec<String> = record.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "\n   caller heard  {}\n   record        {}/{}/{}: {} {}, talked {}\n                 as sent: {} → {}\n                 {}\n\n",
        heard.join(", "),
        record.key.node,
        record.key.epoch,
        record.key.sequence,
        record.code,
        word(record.end),
        millis(Duration::from_micros(record.duration_micros())),
        or_dash(&record.caller.sent),
        or_dash(&record.callee.sent),
        or_dash(&attributes.join(" ")),
    )
}

/// A record's word for one of its enumerations, as it stands in every store.
fn word(value: impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "–" } else { text }
}

fn millis(span: Duration) -> String {
    format!("{:.1} ms", span.as_secs_f64() * 1000.0)
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_stand_in_groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
