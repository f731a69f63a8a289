//! `trunkline cdr reconcile` and `trunkline cdr compare-bill`

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use super::selection::micros;
use crate::cdr::bill::{self, Columns, Tolerance};
use crate::cdr::query::Source;
use crate::cdr::reconcile::{Filler, Stores, reconcile};
use crate::config;
use crate::ledger::money::Money;
use crate::ledger::rating::{RateBook, Rules};
use crate::ledger::service;

/// Differences are left.
const DIFFERENT: u8 = 1;
/// It could not be told.
const FAILED: u8 = 2;

/// Compare two stores record by record, and fill what one lacks and another has.
///
/// A store is `postgres://…` (of a router or of a ledger), `sqlite:PATH`, `files:FOLDER` or `journal:FOLDER`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  trunkline cdr reconcile --a postgres://cdr@db-a/cdr --b sqlite:var/cdr.db
  trunkline cdr reconcile --a postgres://cdr@db-a/cdr --b postgres://cdr@db-b/cdr --journal var/journal --fill

Exit codes: 0 the stores hold the same (after --fill: now), 1 differences are left, 2 it could not be told.")]
pub(super) struct Reconcile {
    /// The one store.
    #[arg(long, value_name = "URL")]
    a: Source,
    /// The other store.
    #[arg(long, value_name = "URL")]
    b: Source,
    /// The folder of the node's journal: knows records that neither store has yet.
    #[arg(long, value_name = "FOLDER")]
    journal: Option<PathBuf>,
    /// Compare and fill calls received at this time or later alone: since when neither store deletes old calls.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Received before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Give each store what it lacks and another has, then compare again.
    #[arg(long)]
    fill: bool,
    /// The ledger's configuration: needed to fill a ledger, whose calls have to be rated.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// All findings as one JSON object.
    #[arg(long)]
    json: bool,
}

impl Reconcile {
    /// Prints what is the same and what is not.
    pub(super) fn execute(&self) -> ExitCode {
        told(self.run())
    }

    fn run(&self) -> anyhow::Result<bool> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let journal = self.journal.clone().map(Source::Journal);
        let period = self.since.as_ref().map_or(0, micros)..self.until.as_ref().map_or(u64::MAX, micros);
        let stores = Stores { a: self.a.clone(), b: self.b.clone(), journal, period };
        let mut filled = [0, 0];
        if self.fill {
            filled = runtime.block_on(fill(&stores, self.config.as_ref()))?;
        }
        let report = runtime.block_on(reconcile(&stores, None))?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "filled": filled, "report": report }))?);
            return Ok(report.is_equal());
        }
        println!("A is {}\nB is {}\n", self.a, self.b);
        print!("{report}");
        if self.fill {
            println!("\nFilled: {} records into A, {} into B.", filled[0], filled[1]);
        }
        let equal = report.is_equal();
        println!("\n{}", if equal { "The two stores hold the same." } else { "Differences are left: see above." });
        Ok(equal)
    }
}

async fn fill(stores: &Stores, config: Option<&PathBuf>) -> anyhow::Result<[u64; 2]> {
    let rules: Option<Arc<Rules>> = match config {
        Some(file) => Some(service::rules_of(&config::load(file)?).await?),
        None => None,
    };
    let a = Filler::new(&stores.a, rules.as_ref()).await.context("A")?;
    let b = Filler::new(&stores.b, rules.as_ref()).await.context("B")?;
    Ok(reconcile(stores, Some([a, b])).await?.filled)
}

fn book(file: &Path) -> anyhow::Result<RateBook> {
    let loaded = config::load(file)?;
    RateBook::load(service::of(&loaded)?, &loaded.folder)
}

/// Compare a carrier's bill with the calls that went through its gateway.
///
/// A line and a record are the same call when the Call-ID says so, or else when the last nine digits of the called
/// number are the same and the times are near. The cost is the recorded one, or that of the decks of `-c FILE`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  trunkline cdr compare-bill --store postgres://cdr@db-a/cdr --gateway carrier-a --bill march.csv \\
    --since 2026-03-01T00:00:00Z --until 2026-04-01T00:00:00Z \\
    --map 'callee=Called Number,time=Start,duration=Seconds,rate=Rate,amount=Charge'

Exit codes: 0 the bill agrees with our records, 1 it does not, 2 it could not be told.")]
pub(super) struct CompareBill {
    /// Our records.
    #[arg(long, value_name = "URL")]
    store: Source,
    /// The bill: CSV with a header line.
    #[arg(long, value_name = "FILE")]
    bill: PathBuf,
    /// Its columns: callee, time and duration; where it has them rate, amount and call-id.
    #[arg(long, value_name = "WHAT=COLUMN,…", value_parser = |text: &str| text.parse::<Columns>().map_err(|error| format!("{error:#}")))]
    map: Columns,
    /// The carrier's gateway.
    #[arg(long, value_name = "NAME")]
    gateway: String,
    /// Of our calls, those answered at this time or later: what the bill is about.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Answered before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// How far the times of one call may be apart, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    window: u64,
    /// How far the durations of one call may be apart, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    tolerance: u64,
    /// How far the amounts of one call may be apart.
    #[arg(long, value_name = "AMOUNT", default_value = "0.0001", value_parser = |text: &str| text.parse::<Money>().map_err(|error| error.to_string()))]
    cents: Money,
    /// The ledger's configuration: what calls cost by its decks instead of the recorded rates.
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// All findings as one JSON object.
    #[arg(long)]
    json: bool,
}

impl CompareBill {
    /// Prints what agrees and what does not.
    pub(super) fn execute(&self) -> ExitCode {
        told(self.run())
    }

    fn run(&self) -> anyhow::Result<bool> {
        let book = match &self.config {
            Some(file) => book(file)?,
            None => RateBook { currency: "USD".into(), places: 6, ..RateBook::default() },
        };
        let bill = bill::read(&self.bill, &self.map)?;
        let period = self.since.as_ref().map_or(0, micros)..self.until.as_ref().map_or(u64::MAX, micros);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ours = runtime.block_on(bill::ours(&self.store, &self.gateway, period, &book))?;
        let span = |seconds: u64| u64::try_from(Duration::from_secs(seconds).as_micros()).unwrap_or(u64::MAX);
        let tolerance = Tolerance { time: span(self.window), duration: span(self.tolerance), amount: self.cents };
        let comparison = bill::compare(&ours, &bill, tolerance);
        if self.json {
            println!("{}", serde_json::to_string_pretty(&comparison)?);
        } else {
            print!("{comparison}");
        }
        Ok(comparison.is_equal())
    }
}

fn told(equal: anyhow::Result<bool>) -> ExitCode {
    match equal {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(DIFFERENT),
        Err(error) => {
            eprintln!("trunkline: {error:#}");
            ExitCode::from(FAILED)
        }
    }
}
