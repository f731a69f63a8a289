//! Call records and stages as text for people.

use std::fmt::Write;

use jiff::Timestamp;

use crate::cdr::record::{Attempt, CallRecord, StageRecord, UnixMicros};

/// One call on one line: when, who, to whom, what came of it.
pub fn line(record: &CallRecord) -> String {
    let gateway = record.attempts.last().map_or("-", |attempt| &*attempt.gateway);
    format!(
        "{}  {:<12} {:>15} → {:<15} {:<12} {:>3} {:<15} {:>8}  {}",
        time(record.times.received),
        or_dash(&record.customer),
        or_dash(&record.caller.received),
        or_dash(&record.callee.received),
        gateway,
        record.code,
        word(&record.end),
        length(record.duration_micros()),
        record.call_id,
    )
}

/// The whole story of a call, many lines.
pub fn story(record: &CallRecord) -> String {
    let mut text = String::new();
    let mut entry = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<12}{value}");
    };
    entry("call", &record.call_id);
    entry("record", &format!("{}/{}/{}", record.key.node, record.key.epoch, record.key.sequence));
    entry("customer", &format!("{} from {} over {}", or_dash(&record.customer), record.source, record.transport));
    entry("caller", &sides(&record.caller.received, &record.caller.sent));
    entry("callee", &sides(&record.callee.received, &record.callee.sent));
    entry("result", &format!("{} {}, {}", record.code, word(&record.end), length(record.duration_micros())));
    for (label, value) in moments(record) {
        entry(label, &value);
    }
    text.push_str("\nstages\n");
    text.push_str(&stages(&record.stages));
    text.push_str("\nattempts\n");
    if record.attempts.is_empty() {
        text.push_str("  none\n");
    }
    for attempt in &record.attempts {
        let _ = writeln!(text, "  {}", attempt_line(attempt));
    }
    text.push_str("\nattributes\n");
    text.push_str(&attributes(&record.attributes));
    text
}

/// One line for each stage: outcome, time, fuel, component, and why where it failed.
pub fn stages(stages: &[StageRecord]) -> String {
    if stages.is_empty() {
        return "  none\n".to_owned();
    }
    let mut text = format!("  {:<12} {:<10} {:>10} {:>12}  {:<16}\n", "stage", "outcome", "µs", "fuel", "component");
    for stage in stages {
        let outcome = word(&stage.outcome);
        let _ = write!(
            text,
            "  {:<12} {outcome:<10} {:>10} {:>12}  {:<16}",
            stage.stage, stage.micros, stage.fuel, stage.digest
        );
        if let Some(detail) = &stage.detail {
            let _ = write!(text, "  {}", printable(detail));
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    }
    text
}

/// One line for each attribute.
pub fn attributes(attributes: &[(String, String)]) -> String {
    if attributes.is_empty() {
        return "  none\n".to_owned();
    }
    let lines = attributes.iter().map(|(name, value)| format!("  {} = {}\n", printable(name), printable(value)));
    lines.collect()
}

fn moments(record: &CallRecord) -> Vec<(&'static str, String)> {
    let times = &record.times;
    let after = |moment: UnixMicros| {
        let micros = moment.saturating_sub(times.received);
        format!("{}  +{}.{:03} ms", time(moment), micros / 1_000, micros % 1_000)
    };
    let mut moments = vec![("received", time(times.received))];
    for (label, moment) in [("routed", times.routed), ("ringing", times.ringing), ("answered", times.answered)] {
        moments.extend(moment.map(|moment| (label, after(moment))));
    }
    moments.push(("ended", after(times.ended)));
    moments
}

fn attempt_line(attempt: &Attempt) -> String {
    let destination = attempt.destination.map_or_else(|| "no address".to_owned(), |address| address.to_string());
    let micros = attempt.ended.saturating_sub(attempt.started);
    let mut line = format!(
        "{:<12} {:<22} {:<16} {:>3} {:<12} {}.{:03} ms",
        attempt.gateway,
        destination,
        attempt.callee,
        attempt.code,
        word(&attempt.outcome),
        micros / 1_000,
        micros % 1_000
    );
    if attempt.released.is_some() {
        line += "  answered too late: hung up by us";
    }
    if let Some(cost) = &attempt.cost {
        let currency = attempt.currency.as_deref().unwrap_or("");
        let price = attempt.price.as_deref().map_or_else(String::new, |price| format!(", price {price}"));
        let _ = write!(line, "  cost {cost}{price} {currency}/min");
    }
    line
}

/// UTC, to the microsecond.
pub fn time(micros: UnixMicros) -> String {
    let timestamp = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    timestamp.map_or_else(|| "?".to_owned(), |timestamp| format!("{timestamp:.6}"))
}

/// `0.000 s` for a call that was not answered.
fn length(micros: u64) -> String {
    format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000)
}

fn sides(received: &str, sent: &str) -> String {
    match sent {
        "" => printable(received),
        sent if sent == received => printable(received),
        sent => format!("{} → {}", printable(received), printable(sent)),
    }
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { printable(text) }
}

/// What came from the network must not move the cursor of the terminal that it is shown on.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// The word that stands for it in the records.
pub fn word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "?".to_owned(),
    }
}
