//! `trunkline check`

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;

use super::ConfigFile;
use crate::config::{self, Loaded};
use crate::ledger::service::rules_of;
use crate::node;

/// Check a configuration and say everything that is wrong with it.
///
/// Reads the file as `run` would: syntax, keys, values, names that lead nowhere, files that are not there. Exits with
/// 1 when anything is wrong. Warnings are told and do not count as wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline check -c /etc/trunkline/trunkline.toml && systemctl reload trunkline")]
pub struct Check {
    #[command(flatten)]
    config: ConfigFile,
}

impl Check {
    /// Prints the problems to standard error, the summary of a right configuration to standard output.
    pub fn execute(&self) -> ExitCode {
        match config::load(&self.config.path) {
            Ok(loaded) => {
                for warning in &loaded.warnings {
                    eprintln!("{warning}");
                }
                if let Err(problems) = rehearse(&loaded) {
                    let count = problems.len();
                    eprintln!("{}\n{count} error{}", problems.join("\n"), if count == 1 { "" } else { "s" });
                    return ExitCode::FAILURE;
                }
                print!("{}", summary(&loaded));
                ExitCode::SUCCESS
            }
            Err(errors) => {
                eprintln!("{errors}");
                let count = errors.errors();
                eprintln!("{count} error{}", if count == 1 { "" } else { "s" });
                ExitCode::FAILURE
            }
        }
    }
}

/// Reads everything that the router and the ledger would read.
fn rehearse(loaded: &Loaded) -> Result<(), Vec<String>> {
    let mut problems = node::rehearse(loaded).err().unwrap_or_default();
    if loaded.config.ledger.is_some() {
        let rules = node::back_office().and_then(|office| office.block_on(rules_of(loaded)));
        problems.extend(rules.err().map(|error| format!("{error:#}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// What the configuration sets up, in a few lines.
fn summary(loaded: &Loaded) -> String {
    let config = &loaded.config;
    let names = |names: Vec<&str>| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let listen = &config.listen;
    let udp = listen.udp.iter().map(|address| format!("udp:{address}"));
    let tcp = listen.tcp.iter().map(|address| format!("tcp:{address}"));
    let tls = listen.tls.iter().map(|listener| format!("tls:{}", listener.bind));
    let listeners: Vec<String> = udp.chain(tcp).chain(tls).collect();
    let mut text = format!("{}: right\n", loaded.file.display());
    let mut line = |label: &str, value: String| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {label:<10}{value}");
    };
    line("listen", listeners.join(", "));
    if let Some(bind) = config.admin.bind {
        line("admin", format!("http://{bind}"));
    }
    for (name, stages) in &config.pipelines {
        line("pipeline", format!("{name}: {}", stages.join(" → ")));
    }
    for (name, customer) in &config.customers {
        let sources: Vec<String> = customer.sources.iter().map(ToString::to_string).collect();
        line("customer", format!("{name}: {} through {}", sources.join(", "), customer.pipeline));
    }
    line("gateways", names(config.gateways.keys().map(String::as_str).collect()));
    line("tables", names(config.tables.keys().map(String::as_str).collect()));
    let fanout = config.cdr.fanout.is_some().then_some("fanout");
    line("records", names(config.cdr.stores.keys().map(String::as_str).chain(fanout).collect()));
    if let Some(ledger) = &config.ledger {
        line("ledger", format!("{} from queue {}", ledger.name, ledger.amqp.queue));
    }
    text
}
