//! RabbitMQ as a fanout: every record to one exchange, from there to every queue that is bound.
//!
//! A message is one record, or as many of those that wait as the operator lets share one. The broker confirms all of it or
//! none, and so the cursor is past all of its records or none.
//!
//! lapin's own recovery gives up after some tries and turns pending confirms into errors, so it stays off: a link that
//! failed in any way is thrown away, and the next attempt builds a new one and sends the same batch again. Consumers
//! know a record by its key.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ExchangeKind};
use tokio::time::timeout;

use super::Sink;
use crate::amqp::{Broker, BrokerError};
use crate::cdr::message::{Message, Packer};
use crate::cdr::record::CallRecord;
use crate::config::model::{AmqpFanout, QueueType};

/// Connecting and declaring, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// From one confirm to the next, while the broker does not say that it blocks publishers.
const CONFIRM: Duration = Duration::from_secs(15);
const BLOCKED: &str = "the broker blocks publishers: it is short of memory or disk";
/// How soon a broker that blocks publishers is told.
const LOOK: Duration = Duration::from_secs(1);
/// Messages that were published and are not confirmed yet. The broker confirms many at once, after its disk has them.
const AHEAD: usize = 2_000;
/// Persistent: the broker confirms a message once it is on disk in every durable queue.
const PERSISTENT: u8 = 2;

/// Publishes with confirms.
pub(in crate::cdr) struct AmqpSink {
    broker: Broker,
    all: Tier,
    /// For calls that nobody answered, where they go elsewhere.
    missed: Option<Tier>,
    queue_type: QueueType,
    /// Records in a message, at most.
    most: usize,
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
            most: config.records_per_message,
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

    /// The records that go to each tier, the same ones at every attempt.
    fn parts<'a>(&self, batch: &'a [CallRecord]) -> Vec<(&Tier, Vec<&'a CallRecord>)> {
        let (missed, all): (Vec<_>, Vec<_>) =
            batch.iter().partition(|record| self.missed.is_some() && record.times.answered.is_none());
        std::iter::once((&self.all, all)).chain(self.missed.as_ref().map(|tier| (tier, missed))).collect()
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

    /// Publishes a batch and waits for all of its confirms. How many of its records no queue took.
    async fn publish(&self, link: &Link, batch: &[CallRecord]) -> anyhow::Result<u64> {
        let mut returned = 0;
        for (tier, records) in self.parts(batch) {
            let messages = stream::iter(Packer::new(records, self.most));
            let mut confirms =
                messages.map(|message| self.publish_one(&link.channel, tier, message)).buffer_unordered(AHEAD);
            while let Some(confirm) = link.patiently(confirms.next()).await? {
                match confirm? {
                    (Confirmation::Ack(None), _) => {}
                    (Confirmation::Ack(Some(_)), records) => returned += u64::from(records),
                    (Confirmation::Nack(_), _) => bail!("the broker refused a message (basic.nack)"),
                    (Confirmation::NotRequested, _) => bail!("the channel lost its confirm mode"),
                }
            }
        }
        Ok(returned)
    }

    /// What the broker says to a message, and of how many records it says that.
    async fn publish_one(
        &self,
        channel: &Channel,
        tier: &Tier,
        message: serde_json::Result<Message>,
    ) -> anyhow::Result<(Confirmation, u32)> {
        let message = message?;
        let (exchange, options) = (tier.exchange.as_str().into(), mandatory());
        // lapin answers once the message is in the socket: one at a time would cost a switch of threads each.
        let confirm = channel.basic_publish(exchange, "".into(), options, &message.body, properties(&message)).await?;
        Ok((confirm.await?, message.records))
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
                .await?
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
            bail!(BLOCKED);
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

fn mandatory() -> BasicPublishOptions {
    BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() }
}

fn properties(message: &Message) -> BasicProperties {
    let mut headers = FieldTable::default();
    headers.insert("records".into(), AMQPValue::LongUInt(message.records));
    for (name, sequence) in [("first", message.first.sequence), ("last", message.last)] {
        headers.insert(name.into(), AMQPValue::LongLongInt(sequence as i64));
    }
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type(message.content_type.into())
        .with_headers(headers)
        .with_app_id("trunkline".into())
        .with_message_id(message.id().into())
}

impl Link {
    /// Waits for the broker, longer only while it says that it blocks publishers.
    async fn patiently<T>(&self, answer: impl Future<Output = T>) -> anyhow::Result<T> {
        let mut answer = std::pin::pin!(answer);
        let (mut waited, mut told) = (Duration::ZERO, false);
        while waited < CONFIRM {
            if let Ok(answer) = timeout(LOOK, &mut answer).await {
                return Ok(answer);
            }
            waited += LOOK;
            if self.connection.status().blocked() {
                waited = Duration::ZERO;
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("{BLOCKED}: records wait until it has room again");
                }
            }
        }
        bail!("no confirm within {CONFIRM:?}")
    }
}

impl Sink for AmqpSink {
    const BATCH: usize = 4_000;
    const LINGER: Duration = Duration::from_millis(20);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let attempt = self.attempt(batch).await;
        attempt.with_context(|| format!("broker {}", self.broker.place()))
    }

    fn unroutable(&self) -> u64 {
        self.unroutable
    }
}
