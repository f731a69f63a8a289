//! RabbitMQ as a fanout: every record to one exchange, from there to every queue that is bound.
//!
//! lapin's own recovery gives up after some tries and turns pending confirms into errors, so it stays off: a link that
//! failed in any way is thrown away, and the next attempt builds a new one and sends the same batch again. Consumers
//! know a record by its message id.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};
use tokio::time::timeout;

use super::Sink;
use crate::amqp::{Broker, BrokerError};
use crate::cdr::record::CallRecord;
use crate::config::model::AmqpFanout;

/// Connecting and declaring, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// From one confirm to the next, while the broker does not say that it blocks publishers.
const CONFIRM: Duration = Duration::from_secs(15);
/// Persistent: the broker confirms a message once it is on disk in every durable queue.
const PERSISTENT: u8 = 2;

/// Publishes with confirms.
pub(in crate::cdr) struct AmqpSink {
    broker: Broker,
    exchange: String,
    /// Without doubles.
    queues: BTreeSet<String>,
    link: Option<Link>,
    unroutable: u64,
}

struct Link {
    connection: Connection,
    channel: Channel,
}

impl AmqpSink {
    pub(super) fn new(config: &AmqpFanout, base: &Path) -> Result<Self, BrokerError> {
        Ok(Self {
            broker: Broker::new(&config.url, config.tls.as_ref(), base)?,
            exchange: config.exchange.clone(),
            queues: config.queues.iter().cloned().collect(),
            link: None,
            unroutable: 0,
        })
    }

    async fn connect(&self) -> anyhow::Result<Link> {
        let connection = self.broker.connect("trunkline cdr").await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(self.exchange.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default())
            .await
            .with_context(|| format!("cannot declare the exchange `{}`", self.exchange))?;
        for queue in &self.queues {
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel
                .queue_declare(queue.as_str().into(), durable, FieldTable::default())
                .await
                .with_context(|| format!("cannot declare the queue `{queue}`"))?;
            channel
                .queue_bind(
                    queue.as_str().into(),
                    self.exchange.as_str().into(),
                    "".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .with_context(|| format!("cannot bind the queue `{queue}` to `{}`", self.exchange))?;
        }
        tracing::info!(broker = self.broker.place(), exchange = %self.exchange, "connected");
        Ok(Link { connection, channel })
    }

    /// Publishes a batch and waits for all of its confirms. How many of them no queue took.
    async fn publish(&self, link: &Link, batch: &[CallRecord]) -> anyhow::Result<u64> {
        let mut confirms = Vec::with_capacity(batch.len());
        for record in batch {
            let key = &record.key;
            let json = serde_json::to_vec(record)?;
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_content_type("application/json".into())
                .with_app_id("trunkline".into())
                .with_message_id(format!("{}/{}/{}", key.node, key.epoch, key.sequence).into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let published =
                link.channel.basic_publish(self.exchange.as_str().into(), "".into(), options, &json, properties);
            confirms.push(link.patiently(published).await?);
        }
        let mut returned = 0;
        for confirm in confirms {
            match link.patiently(confirm).await? {
                Confirmation::Ack(None) => {}
                Confirmation::Ack(Some(_)) => returned += 1,
                Confirmation::Nack(_) => bail!("the broker refused a record (basic.nack)"),
                Confirmation::NotRequested => bail!("the channel lost its confirm mode"),
            }
        }
        Ok(returned)
    }

    /// Whether every configured queue is still there.
    ///
    /// A fanout exchange returns a message only when no queue at all took it. One queue of two that somebody deleted
    /// would go without records unnoticed; as the check follows the confirms, the batch is sent again when it fails.
    async fn check_queues(&self, link: &Link) -> anyhow::Result<()> {
        for queue in &self.queues {
            let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
            let declared = link.channel.queue_declare(queue.as_str().into(), passive, FieldTable::default());
            link.patiently(declared)
                .await
                .with_context(|| format!("cannot see whether the queue `{queue}` is there"))?;
        }
        Ok(())
    }

    async fn attempt(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        // Taken out, so that a link that failed or was given up half-way is never used again.
        let link = match self.link.take().filter(|link| link.connection.status().connected()) {
            Some(link) => link,
            None => {
                timeout(CONNECT, self.connect()).await.with_context(|| format!("no answer within {CONNECT:?}"))??
            }
        };
        if link.connection.status().blocked() {
            self.link = Some(link);
            bail!("the broker blocks publishers: it is short of memory or disk");
        }
        let returned = self.publish(&link, batch).await?;
        self.unroutable += returned;
        if returned > 0 && !self.queues.is_empty() {
            bail!("{returned} records came back: no queue is bound to `{}`", self.exchange);
        }
        if returned > 0 {
            tracing::error!(
                exchange = %self.exchange, records = returned, all = self.unroutable,
                "no queue is bound to the exchange: these records went to no consumer"
            );
        }
        self.check_queues(&link).await?;
        self.link = Some(link);
        Ok(())
    }
}

impl Link {
    /// Waits for the broker, longer only while it says that it blocks publishers.
    async fn patiently<T>(&self, answer: impl Future<Output = lapin::Result<T>>) -> anyhow::Result<T> {
        let mut answer = std::pin::pin!(answer);
        loop {
            match timeout(CONFIRM, &mut answer).await {
                Ok(answer) => return Ok(answer?),
                Err(_) if self.connection.status().blocked() => {
                    tracing::warn!("the broker blocks publishers: it is short of memory or disk");
                }
                Err(_) => bail!("no confirm within {CONFIRM:?}"),
            }
        }
    }
}

impl Sink for AmqpSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(20);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let attempt = self.attempt(batch).await;
        attempt.with_context(|| format!("broker {}", self.broker.place()))
    }

    fn unroutable(&self) -> u64 {
        self.unroutable
    }
}
