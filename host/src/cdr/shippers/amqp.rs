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
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};
use tokio::time::timeout;

use super::Sink;
use crate::amqp::{Broker, BrokerError};
use crate::cdr::record::CallRecord;
use crate::config::model::{AmqpFanout, QueueType};

/// Connecting and declaring, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// From one confirm to the next, while the broker does not say that it blocks publishers.
const CONFIRM: Duration = Duration::from_secs(15);
/// Persistent: the broker confirms a message once it is on disk in every durable queue.
const PERSISTENT: u8 = 2;

/// Publishes with confirms.
pub(in crate::cdr) struct AmqpSink {
    broker: Broker,
    all: Tier,
    /// For calls that nobody answered, where they go elsewhere.
    missed: Option<Tier>,
    queue_type: QueueType,
    link: Option<Link>,
    unroutable: u64,
}

/// An exchange with the queues that are declared with it.
struct Tier {
    exchange: String,
    /// Without doubles.
    queues: BTreeSet<String>,
}

impl Tier {
    fn new(exchange: &str, queues: &[String]) -> Self {
        Self { exchange: exchange.to_owned(), queues: queues.iter().cloned().collect() }
    }
}

struct Link {
    connection: Connection,
    channel: Channel,
}

impl AmqpSink {
    pub(super) fn new(config: &AmqpFanout, base: &Path) -> Result<Self, BrokerError> {
        Ok(Self {
            broker: Broker::new(&config.url, config.tls.as_ref(), base)?,
            all: Tier::new(&config.exchange, &config.queues),
            missed: config.missed.as_ref().map(|missed| Tier::new(&missed.exchange, &missed.queues)),
            queue_type: config.queue_type,
            link: None,
            unroutable: 0,
        })
    }

    async fn connect(&self) -> anyhow::Result<Link> {
        let connection = self.broker.connect("trunkline cdr").await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        for tier in self.tiers() {
            self.declare(&channel, tier).await?;
        }
        tracing::info!(broker = self.broker.place(), exchange = %self.all.exchange, "connected");
        Ok(Link { connection, channel })
    }

    fn tiers(&self) -> impl Iterator<Item = &Tier> {
        std::iter::once(&self.all).chain(&self.missed)
    }

    /// For people.
    fn names(&self) -> String {
        self.tiers().map(|tier| tier.exchange.as_str()).collect::<Vec<_>>().join("` or `")
    }

    /// Where a record goes.
    fn tier(&self, record: &CallRecord) -> &Tier {
        self.missed.as_ref().filter(|_| record.times.answered.is_none()).unwrap_or(&self.all)
    }

    async fn declare(&self, channel: &Channel, Tier { exchange, queues }: &Tier) -> anyhow::Result<()> {
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, durable, FieldTable::default())
            .await
            .with_context(|| format!("cannot declare the exchange `{exchange}`"))?;
        for queue in queues {
            let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            let mut arguments = FieldTable::default();
            if self.queue_type == QueueType::Quorum {
                arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
            }
            channel
                .queue_declare(queue.as_str().into(), durable, arguments)
                .await
                .with_context(|| format!("cannot declare the queue `{queue}`"))?;
            channel
                .queue_bind(
                    queue.as_str().into(),
                    exchange.as_str().into(),
                    "".into(),
                    QueueBindOptions::default(),
                    FieldTable::default(),
                )
                .await
                .with_context(|| format!("cannot bind the queue `{queue}` to `{exchange}`"))?;
        }
        Ok(())
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
            let published = link.channel.basic_publish(
                self.tier(record).exchange.as_str().into(),
                "".into(),
                options,
                &json,
                properties,
            );
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
        for queue in self.tiers().flat_map(|tier| &tier.queues) {
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
        if returned > 0 && self.tiers().any(|tier| !tier.queues.is_empty()) {
            bail!("{returned} records came back: no queue is bound to `{}`", self.names());
        }
        if returned > 0 {
            tracing::error!(
                exchange = %self.names(), records = returned, all = self.unroutable,
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
