//! The command line: one file per command.
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | what was asked for failed: the configuration is wrong, the node could not start, a record was not found |
//! | 2 | the command line is wrong (from clap) |

pub mod cdr;
pub mod check;
pub mod demo;
mod differences;
pub mod explain;
pub mod ledger;
pub mod plugin;
pub mod render;
pub mod run;
pub mod top;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Loaded};

/// A SIP router whose routing stages are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "trunkline", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  trunkline check -c /etc/trunkline/trunkline.toml
  trunkline run -c /etc/trunkline/trunkline.toml
  trunkline explain -c trunkline.toml --source 192.0.2.10 --from 12125550100 --to 13105550199
  trunkline cdr tail -c trunkline.toml
  trunkline top -c trunkline.toml

Exit codes: 0 done, 1 what was asked for failed, 2 the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Explain(explain::Explain),
    Cdr(cdr::Cdr),
    Top(top::Top),
    Ledger(ledger::Ledger),
    Plugin(plugin::Plugin),
    Demo(demo::Args),
}

/// Every command that reads the configuration takes it so.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    path: PathBuf,
}

impl ConfigFile {
    /// The configuration in the file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        Ok(config::load(&self.path)?)
    }
}

/// Runs the command in `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command {
        Command::Run(command) => command.execute().map(|()| ExitCode::SUCCESS),
        Command::Check(command) => Ok(command.execute()),
        Command::Explain(command) => command.execute().map(|()| ExitCode::SUCCESS),
        Command::Cdr(command) => command.execute(),
        Command::Top(command) => command.execute().map(|()| ExitCode::SUCCESS),
        Command::Ledger(command) => command.execute().map(|()| ExitCode::SUCCESS),
        Command::Plugin(command) => command.execute(),
        Command::Demo(args) => demo::run(args),
    };
    done.unwrap_or_else(|error| {
        // A reader that has seen enough, such as `head`, is no failure.
        if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("{}", told(&error));
        ExitCode::FAILURE
    })
}

/// The error and its causes, on one line where each is one line.
fn told(error: &anyhow::Error) -> String {
    if error.is::<config::ConfigErrors>() {
        return error.to_string();
    }
    format!("trunkline: {error:#}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
