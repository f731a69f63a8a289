//! RabbitMQ as a fanout: every record to one exchange, from there to every queue that is bound.
//!
//! lapin's own recovery gives up after some tries and turns pending confirms into errors, so it stays off: a link that
//! failed in any way is thrown away, and the next attempt builds a new one and sends the same batch again. Consumers
//! know a record by its message id.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, ExchangeKind};
use tokio::time::timeout;

use super::Sink;
use crate::cdr::journal::Entry;
use crate::config::model::AmqpFanout;

/// Connecting and declaring, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// From one confirm to the next, while the broker does not say that it blocks publishers.
const CONFIRM: Duration = Duration::from_secs(15);
/// Persistent: the broker confirms a message once it is on disk in every durable queue.
const PERSISTENT: u8 = 2;

/// Publishes with confirms.
pub(in crate::cdr) struct AmqpSink {
    uri: AMQPUri,
    /// `host:port/vhost`: the URL without its credentials.
    place: String,
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
    pub(super) fn new(config: &AmqpFanout) -> anyhow::Result<Self> {
        // Neither the URL nor the parser's words: both may hold the password.
        let uri: AMQPUri = config.url.parse().map_err(|_| {
            anyhow!("is not an AMQP URL: write `amqp://USER:PASSWORD@HOST:PORT/VHOST`, the vhost `/` as `%2f`")
        })?;
        let place = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        Ok(Self {
            uri,
            place,
            exchange: config.exchange.clone(),
            queues: config.queues.iter().cloned().collect(),
            link: None,
            unroutable: 0,
        })
    }

    async fn connect(&self) -> anyhow::Result<Link> {
        let properties = ConnectionProperties::default().with_connection_name("trunkline cdr".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
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
        tracing::info!(broker = %self.place, exchange = %self.exchange, "connected");
        Ok(Link { connection, channel })
    }

    /// Publishes a batch and waits for all of its confirms. How many of them no queue took.
    async fn publish(&self, link: &Link, batch: &[Entry]) -> anyhow::Result<u64> {
        let mut confirms = Vec::with_capacity(batch.len());
        for entry in batch {
            let key = &entry.key;
            let properties = BasicProperties::default()
                .with_delivery_mode(PERSISTENT)
                .with_content_type("application/json".into())
                .with_app_id("trunkline".into())
                .with_message_id(format!("{}/{}/{}", key.node, key.epoch, key.sequence).into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let published =
                link.channel.basic_publish(self.exchange.as_str().into(), "".into(), options, &entry.json, properties);
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

    async fn attempt(&mut self, batch: &[Entry]) -> anyhow::Result<()> {
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

    async fn deliver(&mut self, batch: &[Entry]) -> anyhow::Result<()> {
        let place = self.place.clone();
        self.attempt(batch).await.with_context(|| format!("broker {place}"))
    }

    fn unroutable(&self) -> u64 {
        self.unroutable
    }
}
