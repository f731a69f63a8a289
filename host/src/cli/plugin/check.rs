//! `trunkline plugin check`

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use trunkline_plugin_kit::component::Border;

use super::bed::{Bed, Settings};
use super::thousands;
use crate::cli::render::printable;
use crate::plugin::{CONTRACT_VERSION, LoadError};

/// Say what a component is, what it may reach, and whether a router would load it.
///
/// Exits with 1 when no router would. That it refuses the configuration given here is told, and does not count.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline plugin check vip.wasm --config '{\"table\": \"vips\"}'")]
pub(super) struct Check {
    /// The component.
    file: PathBuf,
    #[command(flatten)]
    settings: Settings,
}

impl Check {
    pub(super) fn execute(&self) -> anyhow::Result<ExitCode> {
        let bytes = std::fs::read(&self.file).with_context(|| self.file.display().to_string())?;
        let mut out = io::stdout().lock();
        writeln!(out, "{}", self.file.display())?;
        let mut line = |label: &str, text: &str| writeln!(out, "  {label:<10}{}", printable(text));
        line("size", &format!("{} bytes", thousands(bytes.len() as u64)))?;
        let bed = match Bed::new(&self.file) {
            Ok(bed) => bed,
            Err(error) => {
                line("loads", &format!("no: {error:#}"))?;
                return Ok(ExitCode::FAILURE);
            }
        };
        line("digest", &format!("sha256:{}, in call records {}", bed.component.digest, bed.component.short_digest()))?;
        let border = Border::of(&bytes)?;
        line("contract", &format!("{}; this router has {CONTRACT_VERSION}", versions(&border)))?;
        line("exports", &names(&border.exports))?;
        line("imports", &names(&border.imports))?;
        let mut label = "may reach";
        for (interface, _) in border.own() {
            line(label, reach(interface))?;
            label = "";
        }
        if border.imports.is_empty() {
            line(label, "nothing: it sees the call, and answers")?;
        }
        let loads = bed.stage(&self.settings);
        let took = format!("{:.0} ms", bed.took.as_secs_f64() * 1e3);
        line("compiled", &if bed.known { format!("before; read in {took}") } else { format!("in {took}") })?;
        Ok(match loads {
            Ok(_) => {
                line("loads", "yes")?;
                ExitCode::SUCCESS
            }
            Err(LoadError::Refused(why)) => {
                line("loads", &format!("yes; it refuses this configuration: {why}"))?;
                ExitCode::SUCCESS
            }
            Err(error) => {
                line("loads", &format!("no: {error}"))?;
                ExitCode::FAILURE
            }
        })
    }
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// Those of the contract that it is built against.
fn versions(border: &Border) -> String {
    let mut versions: Vec<&str> = border.own().map(|(_, version)| version).collect();
    versions.sort_unstable();
    versions.dedup();
    if versions.is_empty() { "none named".to_owned() } else { format!("trunkline:routing@{}", versions.join(", ")) }
}

/// What an interface of the contract opens, for people.
fn reach(interface: &str) -> &'static str {
    match interface {
        "lookups" => "the tables of the configuration (lookups)",
        "services" => "the HTTP services that the configuration names, and no other address (services)",
        "message" => "the request's header fields (message)",
        "limits" => "counters of rates and of calls at once (limits)",
        "telemetry" => "the router's log and metrics, to write to (telemetry)",
        "clock" => "the time of the call (clock)",
        _ => "an interface that this router does not know",
    }
}
