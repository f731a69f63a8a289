//! `trunkline run`

use clap::Args;

use super::ConfigFile;
use crate::{log, node};

/// Run the router until SIGTERM or SIGINT.
///
/// SIGTERM drains: no new calls, calls in progress go on, records are shipped. SIGHUP, or `POST /v1/reload` of the
/// admin API, reads the configuration again; a wrong one changes nothing and is told in the log.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline run -c /etc/trunkline/trunkline.toml
  TRUNKLINE_LOG=trunkline=debug trunkline run -c trunkline.toml

Environment:
  TRUNKLINE_LOG      filter of the log, before log.filter: info, debug, trunkline::sip=trace
  TRUNKLINE_PLUGINS  folder of the built-in stages, where they are not beside the binary")]
pub struct Run {
    #[command(flatten)]
    config: ConfigFile,
}

impl Run {
    /// Returns when the node has stopped.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, or the node could not start.
    pub fn execute(&self) -> anyhow::Result<()> {
        let loaded = self.config.load()?;
        anyhow::ensure!(
            !loaded.config.is_ledger_alone(),
            "{} is for `trunkline ledger` alone: a router needs a listener, such as `listen.udp = [\"0.0.0.0:5060\"]`",
            loaded.file.display()
        );
        let _last_lines = log::start(&loaded.config.log)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        node::serve(&loaded)
    }
}
