//! `trunkline plugin test`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::bed::{Bed, Settings};
use crate::cli::render::printable;
use crate::plugin::recorded::{self, Answered, RecordedCall, Rehearsed};

/// Run recorded calls through a component and compare what it answers with what is expected.
///
/// A file of recorded calls has one call per line, as JSON: what the stage was given, what it asked and was told, and
/// what it answers; `trunkline explain --record` writes one. No table and no service is asked. Exits with 1 when an
/// answer differs.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline plugin test vip.wasm calls.jsonl --config '{\"table\": \"vips\"}'")]
pub(super) struct Test {
    /// The component.
    file: PathBuf,
    /// The recorded calls.
    calls: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Test {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        let calls = recorded::read(&self.calls).map_err(anyhow::Error::msg)?;
        let bed = Bed::new(&self.file)?;
        let stage = bed.stage(&self.settings)?;
        let done = bed.block_on(recorded::rehearse(&stage, &calls)).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        for (place, (call, done)) in calls.iter().zip(&done).enumerate() {
            show(place + 1, call, done);
        }
        let differ = done.iter().filter(|call| !call.met).count();
        println!("{} of {} calls as expected", done.len() - differ, done.len());
        Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn show(place: usize, call: &RecordedCall, done: &Rehearsed) {
    let name = if call.name.is_empty() { format!("call {place}") } else { printable(&call.name) };
    let micros = done.time.as_micros();
    println!("{}  {name}   {} fuel, {micros} µs", if done.met { "ok    " } else { "DIFFER" }, done.fuel);
    if done.met {
        return;
    }
    for (sign, lines) in differences(&parts(&call.expect), &parts(&done.answered)) {
        println!("        {sign} {}", printable(&lines));
    }
    if done.withheld > 0 {
        println!("          it asked {} times what the recording has no answer to", done.withheld);
    }
}

/// An answer in pieces that can be compared one by one.
fn parts(answered: &Answered) -> Vec<String> {
    match answered {
        Answered::Error { error } => vec![format!("error {error}")],
        Answered::Outcome(outcome) => {
            let json = |value: serde_json::Result<String>| value.unwrap_or_else(|error| error.to_string());
            let mut parts = vec![format!("verdict {}", json(serde_json::to_string(&outcome.verdict)))];
            parts.extend(outcome.edits.iter().map(|edit| format!("edit {}", json(serde_json::to_string(edit)))));
            parts.extend(outcome.attributes.iter().map(|(name, value)| format!("attribute {name} = {value}")));
            parts
        }
    }
}

/// What only the one or only the other has: `-` was expected, `+` was answered. What both have is left out, unless it
/// is only the order that differs.
fn differences(expected: &[String], answered: &[String]) -> Vec<(char, String)> {
    let only = |these: &[String], those: &[String], sign| {
        these.iter().filter(|part| !those.contains(part)).map(|part| (sign, part.clone())).collect::<Vec<_>>()
    };
    let mut found = only(expected, answered, '-');
    found.extend(only(answered, expected, '+'));
    if found.is_empty() {
        found.extend(expected.iter().map(|part| ('-', part.clone())));
        found.extend(answered.iter().map(|part| ('+', part.clone())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(json: &str) -> Vec<String> {
        parts(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn only_what_differs_is_shown() {
        let expected = answered(r#"{"verdict": "proceed", "attributes": [["vip", "gold"], ["a", "b"]]}"#);
        let other = answered(r#"{"verdict": "proceed", "attributes": [["vip", "silver"], ["a", "b"]]}"#);
        let lines = [('-', "attribute vip = gold".to_owned()), ('+', "attribute vip = silver".to_owned())];
        assert_eq!(differences(&expected, &other), lines);
    }

    #[test]
    fn a_failure_stands_beside_the_outcome_that_was_expected() {
        let expected = answered(r#"{"verdict": {"reject": {"code": 603}}}"#);
        let failed = answered(r#"{"error": "trap: unreachable"}"#);
        let lines = [('-', r#"verdict {"reject":{"code":603,"reason":""}}"#), ('+', "error trap: unreachable")];
        assert_eq!(differences(&expected, &failed), lines.map(|(sign, text)| (sign, text.to_owned())));
    }

    #[test]
    fn another_order_is_a_difference_that_is_shown_whole() {
        let one = answered(r#"{"verdict": "proceed", "attributes": [["a", "1"], ["b", "2"]]}"#);
        let other = answered(r#"{"verdict": "proceed", "attributes": [["b", "2"], ["a", "1"]]}"#);
        assert_eq!(differences(&one, &other).len(), 6);
    }
}
