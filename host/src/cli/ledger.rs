//! `trunkline ledger`

use clap::{Args, Subcommand};

use super::ConfigFile;
use crate::ledger::{service, status};
use crate::log;

/// Rate call records after the call: from the broker to PostgreSQL.
///
/// Takes the records of one queue of the fanout, rates each call, and writes it with its sums by quarter hour, hour and
/// day, and the customers' balances. Start it twice with the same `ledger.name`: one process works, the other stands by
/// and takes over within seconds. SIGTERM ends it after the batches in hand; SIGHUP reads the rate decks again.
#[derive(Debug, Args)]
#[command(
    subcommand_negates_reqs = true,
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  trunkline ledger -c /etc/trunkline/ledger.toml
  trunkline ledger status -c /etc/trunkline/ledger.toml"
)]
pub struct Ledger {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    config: Option<ConfigFile>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Who writes, since when, and what has been written.
    Status {
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl Ledger {
    /// Runs until a signal ends it, or prints what was asked for.
    ///
    /// # Errors
    ///
    /// The configuration is wrong or has no `[ledger]`, or `status` cannot reach the database.
    pub fn execute(&self) -> anyhow::Result<()> {
        match (&self.command, &self.config) {
            (Some(Command::Status { config }), _) => {
                let loaded = config.load()?;
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                print!("{}", runtime.block_on(status::read(service::of(&loaded)?))?);
                Ok(())
            }
            (None, Some(config)) => {
                let loaded = config.load()?;
                let _last_lines = log::start(&loaded.config.log)?;
                service::serve(&loaded)
            }
            (None, None) => anyhow::bail!("name the configuration: `trunkline ledger -c FILE`"),
        }
    }
}
