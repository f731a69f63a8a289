//! `trunkline plugin test`

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::bed::{Bed, Settings};
use super::thousands;
use crate::cli::differences::{differences, parts};
use crate::cli::render::printable;
use crate::plugin::recorded::{self, RecordedCall, Rehearsed};

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

/// Questions without an answer that are told of one call.
const QUESTIONS: usize = 8;

impl Test {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        let calls = recorded::read(&self.calls).map_err(anyhow::Error::msg)?;
        let bed = Bed::new(&self.file)?;
        let stage = bed.stage(&self.settings)?;
        let done = bed.block_on(recorded::rehearse(&stage, &calls)).map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let mut out = io::stdout().lock();
        for (place, (call, done)) in calls.iter().zip(&done).enumerate() {
            show(&mut out, place + 1, call, done)?;
        }
        let differ = done.iter().filter(|call| !call.met).count();
        let legend = if differ == 0 { "" } else { " (- what was expected, + what it answered instead)" };
        writeln!(out, "{} of {} calls as expected{legend}", done.len() - differ, done.len())?;
        Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn show(out: &mut impl Write, place: usize, call: &RecordedCall, done: &Rehearsed) -> io::Result<()> {
    let name = if call.name.is_empty() { format!("call {place}") } else { printable(&call.name) };
    let micros = done.time.as_micros();
    writeln!(
        out,
        "{}  {name}   {} fuel, {micros} µs",
        if done.met { "ok    " } else { "DIFFER" },
        thousands(done.fuel)
    )?;
    if done.met {
        return Ok(());
    }
    for (sign, lines) in differences(&parts(&call.expect), &parts(&done.answered)) {
        writeln!(out, "        {sign} {}", printable(&lines))?;
    }
    for question in done.withheld.iter().take(QUESTIONS) {
        let question = serde_json::to_string(question).unwrap_or_else(|error| error.to_string());
        writeln!(out, "          asked, and not in the recording: {}", printable(&question))?;
    }
    if done.withheld.len() > QUESTIONS {
        writeln!(out, "          and {} more questions", done.withheld.len() - QUESTIONS)?;
    }
    Ok(())
}
