//! From the queue to the database: gather, rate, write, acknowledge. Nothing is acknowledged before it is committed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use arc_swap::ArcSwap;
use lapin::message::Delivery;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnection;
use tokio::sync::watch;
use tokio::time::timeout;

use super::counters::Counters;
use super::queue::{Gathered, Link, Queue, content_type};
use super::rating::{Clerk, Rules};
use super::store::batch::{self, Rated, Reject, WriteError, Written};
use super::store::lease::Lease;
use crate::cdr::record::CallRecord;
use crate::cdr::{Backoff, message};
use crate::postgres::Database;

/// One batch. The server gives up each statement before that: this is for one that is not there any more.
const WRITE: Duration = Duration::from_mins(2);

/// Why a consumer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Another process has taken over.
    Fenced,
}

/// What every consumer of a process shares.
#[derive(Debug, Clone)]
pub struct Shared {
    /// Where records come from.
    pub queue: Queue,
    /// Where they go.
    pub database: Database,
    /// How they are rated; a reload swaps it.
    pub rules: Arc<ArcSwap<Rules>>,
    /// What was done.
    pub counters: Arc<Counters>,
    /// Records in a transaction, at most.
    pub batch: usize,
    /// How long a transaction waits for more of them.
    pub linger: Duration,
    /// The lease's length.
    pub lease: Duration,
}

/// One of them, with connections of its own.
pub struct Consumer {
    shared: Shared,
    lease: Lease,
    stop: watch::Receiver<bool>,
    connection: Option<PgConnection>,
    /// Made for the first batch, and anew when the rules are.
    clerk: Option<Clerk>,
}

impl Consumer {
    /// Writes under this lease until told to stop.
    pub fn new(shared: Shared, lease: Lease, stop: watch::Receiver<bool>) -> Self {
        Self { shared, lease, stop, connection: None, clerk: None }
    }

    /// Returns when told to stop, or when another process has taken over.
    pub async fn run(mut self) -> Ended {
        let mut backoff = Backoff::new();
        loop {
            let mut stop = self.stop.clone();
            let connected = tokio::select! {
                connected = self.shared.queue.connect() => connected,
                _ = stop.wait_for(|stop| *stop) => return Ended::Stopped,
            };
            let error = match connected {
                Ok(mut link) => {
                    backoff = Backoff::new();
                    let ended = self.consume(&mut link).await;
                    link.close().await;
                    match ended {
                        Ok(ended) => return ended,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.shared.counters.broker_failed();
            tracing::error!(error = format!("{error:#}"), "records wait at the broker");
            if self.pause(backoff.pause()).await {
                return Ended::Stopped;
            }
        }
    }

    /// # Errors
    ///
    /// The connection to the broker is gone.
    async fn consume(&mut self, link: &mut Link) -> anyhow::Result<Ended> {
        loop {
            let mut stop = self.stop.clone();
            let gathered = tokio::select! {
                gathered = link.gather(self.shared.batch, self.shared.linger) => gathered?,
                _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
            };
            let Gathered { messages, records } = gathered;
            let (count, Some(last)) = (messages.len(), messages.last().map(|message| message.delivery_tag)) else {
                continue;
            };
            let (rated, rejects) = self.rate(messages, records).await;
            if let Err(ended) = self.settle(rated, rejects).await {
                return Ok(ended);
            }
            link.acknowledge(last).await?;
            link.adjust(count, records, self.shared.batch).await?;
        }
    }

    /// Reads and rates; what is no record goes beside.
    async fn rate(&mut self, messages: Vec<Delivery>, records: usize) -> (Vec<Rated>, Vec<Reject>) {
        let rules = self.shared.rules.load_full();
        let mut clerk = match self.clerk.take().filter(|clerk| clerk.is_of(&rules)) {
            Some(clerk) => clerk,
            None => Clerk::new(rules).await,
        };
        let (mut batch, mut rejects) = (Vec::with_capacity(records.min(self.shared.batch)), Vec::new());
        for message in messages {
            let form = content_type(&message);
            for body in message::records(form, &message.data) {
                match read(body) {
                    Ok((record, json)) => batch.push(Rated { charges: clerk.rate(&record).await, json, record }),
                    Err(reason) => rejects.push(Reject { id: name(&message, body), reason, body: body.to_vec() }),
                }
            }
        }
        self.clerk = Some(clerk);
        (batch, rejects)
    }

    /// Writes until all is written; what the database refuses for its content goes beside.
    async fn settle(&mut self, batch: Vec<Rated>, rejects: Vec<Reject>) -> Result<(), Ended> {
        let mut backoff = Backoff::new();
        let mut parts = vec![(batch, rejects)];
        while let Some((mut batch, mut rejects)) = parts.pop() {
            let error = match self.write(&batch, &rejects).await {
                Ok(written) => {
                    self.shared.counters.wrote(written, rejects.len());
                    if let Some(ended) = batch.iter().map(|rated| rated.record.times.ended).max() {
                        self.shared.counters.wrote_calls_of(ended);
                    }
                    continue;
                }
                Err(WriteError::Fenced) => return Err(Ended::Fenced),
                Err(error) => error,
            };
            self.shared.counters.database_failed();
            match (&error, batch.len()) {
                (WriteError::Conflict(_), _) => tracing::info!(%error, "the batch is written again"),
                (WriteError::Value(_), 1) => {
                    rejects.extend(batch.drain(..).map(|rated| refused(&rated, &error)));
                }
                (WriteError::Value(_), 2..) => {
                    // Halved until the one that is refused stands alone.
                    let rest = batch.split_off(batch.len() / 2);
                    parts.push((rest, Vec::new()));
                }
                _ => tracing::error!(%error, database = self.shared.database.place(), "records wait at the broker"),
            }
            parts.push((batch, rejects));
            let pause = if matches!(error, WriteError::Value(_)) { Duration::ZERO } else { backoff.pause() };
            if self.pause(pause).await {
                return Err(Ended::Stopped);
            }
        }
        Ok(())
    }

    async fn write(&mut self, batch: &[Rated], rejects: &[Reject]) -> Result<Written, WriteError> {
        // Taken out, so that a connection that failed is never used again.
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let opened = self.shared.database.connect(&self.lease.session(), self.shared.lease).await;
            opened.map_err(WriteError::Connect)?
        };
        let written = timeout(WRITE, batch::write(&mut connection, &self.lease, batch, rejects)).await;
        let written = written.map_err(|_| WriteError::Connect(anyhow!("no answer within {WRITE:?}")))??;
        self.connection = Some(connection);
        Ok(written)
    }

    /// True when it is time to stop.
    async fn pause(&self, pause: Duration) -> bool {
        let mut stop = self.stop.clone();
        timeout(pause, stop.wait_for(|stop| *stop)).await.is_ok()
    }
}

/// What a message that is no record, or a line of one, is known by.
fn name(message: &Delivery, body: &[u8]) -> String {
    // Which lines share a message is chance.
    let is_whole = body.len() == message.data.len();
    let id = message.properties.message_id().as_ref().filter(|_| is_whole).map(ToString::to_string);
    id.unwrap_or_else(|| fingerprint(body))
}

fn read(message: &[u8]) -> Result<(CallRecord, Arc<str>), String> {
    let json = std::str::from_utf8(message).map_err(|error| format!("is no UTF-8: {error}"))?;
    let record: CallRecord = serde_json::from_str(json).map_err(|error| format!("is no call record: {error}"))?;
    let key = &record.key;
    if i64::try_from(key.epoch.max(key.sequence)).is_err() {
        return Err(format!("is numbered {}/{}: the database holds no such numbers", key.epoch, key.sequence));
    }
    Ok((record, json.into()))
}

fn refused(rated: &Rated, error: &WriteError) -> Reject {
    let key = &rated.record.key;
    let id = format!("{}/{}/{}", key.node, key.epoch, key.sequence);
    Reject { id, reason: error.to_string(), body: rated.json.as_bytes().to_vec() }
}

/// A message without a name is known by what it holds.
fn fingerprint(message: &[u8]) -> String {
    let digest = Sha256::digest(message);
    format!("{:032x}", digest.iter().take(16).fold(0_u128, |number, byte| number << 8 | u128::from(*byte)))
}
