//! Which calls, and from where.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;

use crate::cdr::query::{Filter, Source};
use crate::cdr::record::{End, UnixMicros};
use crate::config;

/// Which calls.
#[derive(Debug, Args)]
pub(super) struct Selection {
    /// Of this customer.
    #[arg(long, value_name = "NAME")]
    customer: Option<String>,
    /// With these digits anywhere in the caller or the callee.
    #[arg(long, value_name = "DIGITS")]
    number: Option<String>,
    /// That were tried over this gateway.
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// With this final code.
    #[arg(long, value_name = "CODE")]
    code: Option<u16>,
    /// That ended so: caller-hung-up, callee-hung-up, failed, refused, cancelled, timed-out, interrupted …
    #[arg(long, value_name = "HOW", value_parser = end)]
    end: Option<End>,
    /// That were answered.
    #[arg(long, conflicts_with = "missed")]
    answered: bool,
    /// That were not answered.
    #[arg(long)]
    missed: bool,
    /// In which this stage failed or was skipped.
    #[arg(long, value_name = "STAGE")]
    skipped: Option<String>,
    /// Received at this time or later, such as 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Received before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
}

fn end(text: &str) -> Result<End, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// Microseconds since 1970.
pub(super) fn micros(time: &Timestamp) -> UnixMicros {
    u64::try_from(time.as_microsecond()).unwrap_or(0)
}

impl Selection {
    pub(super) fn filter(&self) -> Filter {
        Filter {
            customer: self.customer.clone(),
            number: self.number.clone(),
            gateway: self.gateway.clone(),
            code: self.code,
            end: self.end,
            answered: (self.answered || self.missed).then_some(self.answered),
            skipped: self.skipped.clone(),
            since: self.since.as_ref().map(micros),
            until: self.until.as_ref().map(micros),
            ..Filter::default()
        }
    }
}

/// Where the records are read from.
#[derive(Debug, Args)]
pub(super) struct From {
    /// The configuration file.
    #[arg(short = 'c', long = "config", value_name = "FILE", required_unless_present = "url")]
    config: Option<PathBuf>,
    /// A name of `[cdr.stores]`, `ledger`, or `journal`. Default: the first SQL store, else the journal.
    #[arg(long, value_name = "NAME", conflicts_with = "url")]
    store: Option<String>,
    /// Without a configuration: `postgres://…`, `sqlite:PATH`, `journal:FOLDER` or `files:FOLDER`.
    #[arg(long, value_name = "URL")]
    url: Option<Source>,
}

impl From {
    pub(super) fn source(&self) -> anyhow::Result<Source> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let file = self.config.as_ref().context("name the configuration: `-c FILE`")?;
        let loaded = config::load(file)?;
        match (self.store.as_deref(), &loaded.config.ledger) {
            (Some("ledger"), Some(ledger)) => Ok(Source::Postgres(ledger.sql.url.clone())),
            (store, _) => Source::of(&loaded.config.cdr, &loaded.folder, store),
        }
    }
}
