//! `trunkline cdr`

use std::io::{self, Write};
use std::time::Duration;

use anyhow::ensure;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{ConfigFile, render};
use crate::cdr::journal::GapCause;
use crate::cdr::query::{Filter, Source, Tail};
use crate::cdr::record::CallRecord;

/// How often `tail` looks for new records: faster than a person reads.
const LOOK: Duration = Duration::from_millis(200);

/// Read the call records of this node.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline cdr list -c trunkline.toml --customer acme --limit 20
  trunkline cdr show -c trunkline.toml 'b7c1@192.0.2.10'
  trunkline cdr tail -c trunkline.toml --json | jq .code")]
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
}

/// Which calls.
#[derive(Debug, Args)]
struct Selection {
    /// Of this customer.
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// With these digits anywhere in the caller or the callee.
    #[arg(long, value_name = "DIGITS")]
    number: Option<String>,
    /// With this final code.
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    /// Received at this time or later, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Received before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl Selection {
    fn filter(&self) -> Filter {
        let micros = |time: &Timestamp| u64::try_from(time.as_microsecond()).unwrap_or(0);
        Filter {
            customer: self.customer.clone(),
            number: self.number.clone(),
            code: self.code,
            since: self.since.as_ref().map(micros),
            until: self.until.as_ref().map(micros),
            ..Filter::default()
        }
    }
}

/// Where the records are read from.
#[derive(Debug, Args)]
struct From {
    #[command(flatten)]
    config: ConfigFile,
    /// A name of `[cdr.stores]`, or `journal`. Default: the first SQL store, else the journal.
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

impl From {
    fn source(&self) -> anyhow::Result<Source> {
        let loaded = self.config.load()?;
        Source::of(&loaded.config.cdr, &loaded.folder, self.store.as_deref())
    }
}

impl Cdr {
    /// Prints the records asked for.
    ///
    /// # Errors
    ///
    /// The configuration is wrong, the store cannot be read, or `show` found no record.
    pub fn execute(&self) -> anyhow::Result<()> {
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
