//! `trunkline plugin test`

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::bed::{Bed, Settings};
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
