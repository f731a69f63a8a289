//! `trunkline cdr`

mod export;
mod reconcile;
mod selection;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Subcommand};

use self::export::{Format, export};
use self::reconcile::{CompareBill, Reconcile};
use self::selection::{From, Selection};
use super::{ConfigFile, render};
use crate::cdr::journal::GapCause;
use crate::cdr::query::Tail;
use crate::cdr::record::CallRecord;

/// How often `tail` looks for new records: faster than a person reads.
const LOOK: Duration = Duration::from_millis(200);

/// Read, compare and complete call records.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline cdr list -c trunkline.toml --customer acme --limit 20
  trunkline cdr show -c trunkline.toml 'b7c1@192.0.2.10'
  trunkline cdr tail -c trunkline.toml --json | jq .code
  trunkline cdr export --url postgres://cdr@db-a/cdr --since 2026-03-01T00:00:00Z > march.csv
  trunkline cdr reconcile --a postgres://cdr@db-a/cdr --b sqlite:var/cdr.db --fill")]
pub struct Cdr {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The latest calls, one a line, the newest last.
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        selection: Selection,
        /// At most so many.
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: usize,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// The whole story of one call: times, attempts, stages, attributes.
    Show {
        #[command(flatten)]
        from: From,
        /// Its Call-ID, or the key `node/epoch/sequence` of its record.
        call: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Each call as it ends, until Ctrl-C.
    Tail {
        #[command(flatten)]
        config: ConfigFile,
        #[command(flatten)]
        selection: Selection,
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
    },
    /// Every call that is asked for, to standard output.
    Export {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        selection: Selection,
        /// As what.
        #[arg(long, value_enum, default_value_t = Format::Csv)]
        format: Format,
    },
    Reconcile(Reconcile),
    CompareBill(CompareBill),
}

impl Cdr {
    /// Prints the records asked for.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, the store cannot be read, or `show` found no record.
    pub fn execute(&self) -> anyhow::Result<ExitCode> {
        match &self.command {
            Command::Reconcile(command) => return Ok(command.execute()),
            Command::CompareBill(command) => return Ok(command.execute()),
            _ => {}
        }
        self.read().map(|()| ExitCode::SUCCESS)
    }

    fn read(&self) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match &self.command {
            Command::List { from, selection, limit, json } => {
                let records = runtime.block_on(from.source()?.list(&selection.filter(), *limit))?;
                print(&records, *json)
            }
            Command::Show { from, call, json } => {
                let records = runtime.block_on(from.source()?.show(call))?;
                ensure!(!records.is_empty(), "there is no record of the call `{}`", render::printable(call));
                show(&records, *json)
            }
            Command::Tail { config, selection, json } => {
                let loaded = config.load()?;
                let journal = loaded.resolve(&loaded.config.cdr.journal);
                runtime.block_on(follow(Tail::from_end(&journal, selection.filter())?, *json))
            }
            Command::Export { from, selection, format } => {
                runtime.block_on(export(&from.source()?, &selection.filter(), *format))
            }
            Command::Reconcile(_) | Command::CompareBill(_) => Ok(()),
        }
    }
}

fn print(records: &[CallRecord], json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for record in records {
        if json {
            serde_json::to_writer(&mut out, record)?;
            writeln!(out)?;
        } else {
            writeln!(out, "{}", render::line(record))?;
        }
    }
    Ok(())
}

fn show(records: &[CallRecord], json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    for (index, record) in records.iter().enumerate() {
        if json {
            writeln!(out, "{}", serde_json::to_string_pretty(record)?)?;
        } else {
            write!(out, "{}{}", if index > 0 { "\n" } else { "" }, render::story(record))?;
        }
    }
    Ok(())
}

/// Prints what comes until Ctrl-C, or until nobody reads any more.
async fn follow(mut tail: Tail, json: bool) -> anyhow::Result<()> {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            stopped = tokio::signal::ctrl_c() => return Ok(stopped?),
            _ = look.tick() => {}
        }
        while let Some((records, gaps)) = tail.look()? {
            for gap in gaps {
                let cause = match gap.cause {
                    GapCause::NeverWritten => "the journal's queue was full",
                    GapCause::Damaged => "the journal was altered or cut",
                };
                eprintln!(
                    "trunkline: the records {}/{}/{} to {} are missing: {cause}",
                    gap.node, gap.epoch, gap.first, gap.last
                );
            }
            print(&records, json)?;
        }
    }
}
