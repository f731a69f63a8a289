//! Gives a store what it lacks.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::postgres::PgConnection;

use crate::cdr::query::Source;
use crate::cdr::record::CallRecord;
use crate::cdr::shippers::{Sink, SqlSink};
use crate::ledger::rating::{Clerk, Rules};
use crate::ledger::store::batch::{self, Rated};
use crate::ledger::store::lease::Lease;
use crate::postgres::Database;

/// A transaction that waits longer for this process is given up.
const LEASE: Duration = Duration::from_secs(30);

/// Writes into one store, as its own writer would.
pub struct Filler(Kind);

enum Kind {
    /// A store that a router ships to.
    Store(Box<SqlSink>),
    /// A ledger: what it lacks has to be rated, too.
    Ledger(Box<LedgerFiller>),
    /// Files and journals are what their node made of them.
    Refused(String),
}

/// Writes beside a ledger that runs: the rows know each other by their keys.
struct LedgerFiller {
    connection: PgConnection,
    lease: Lease,
    clerk: Clerk,
}

impl Filler {
    /// For a store; a ledger's needs the decks by which it rates.
    ///
    /// # Errors
    ///
    /// The database does not answer, or it is a ledger's and there are no `rules`.
    pub async fn new(source: &Source, rules: Option<&Arc<Rules>>) -> anyhow::Result<Self> {
        let kind = match source {
            Source::Sqlite(path) => {
                let url = format!("sqlite:{}", path.display());
                Kind::Store(Box::new(SqlSink::new(&url, Path::new(""))?))
            }
            Source::Postgres(url) if source.is_ledger().await? => {
                let rules =
                    rules.context("this is a ledger: `-c FILE` must name the configuration that it rates by")?;
                let mut connection = Database::new(url)?.connect("trunkline-cdr-reconcile", LEASE).await?;
                let lease = Lease::take(&mut connection, "reconcile", "trunkline cdr reconcile", LEASE).await?;
                let clerk = Clerk::new(Arc::clone(rules)).await;
                let lease = lease.context("another `trunkline cdr reconcile --fill` is at work")?;
                Kind::Ledger(Box::new(LedgerFiller { connection, lease, clerk }))
            }
            Source::Postgres(url) => Kind::Store(Box::new(SqlSink::new(url, Path::new(""))?)),
            Source::Journal(_) | Source::Files(_) => {
                Kind::Refused(format!("{source} cannot be filled: only databases can"))
            }
        };
        Ok(Self(kind))
    }

    /// # Errors
    ///
    /// The store does not take them.
    pub(super) async fn insert(&mut self, records: &[CallRecord]) -> anyhow::Result<()> {
        match &mut self.0 {
            Kind::Store(sink) => sink.deliver(records).await,
            Kind::Ledger(ledger) => ledger.insert(records).await,
            Kind::Refused(why) => bail!("{why}"),
        }
    }

    /// Lets another fill.
    ///
    /// # Errors
    ///
    /// The database does not answer: then others wait for half a minute.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        if let Kind::Ledger(mut ledger) = self.0 {
            ledger.lease.release(&mut ledger.connection).await?;
        }
        Ok(())
    }
}

impl LedgerFiller {
    async fn insert(&mut self, records: &[CallRecord]) -> anyhow::Result<()> {
        let mut rated = Vec::with_capacity(records.len());
        for record in records {
            let json = serde_json::to_string(record)?.into();
            rated.push(Rated { record: record.clone(), json, charges: self.clerk.rate(record).await });
        }
        self.lease.renew(&mut self.connection).await?;
        batch::write(&mut self.connection, &self.lease, &rated, &[]).await?;
        Ok(())
    }
}
