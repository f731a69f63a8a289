//! The broker's side: messages from one queue, acknowledged once they are in the database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::model::AmqpQueue;

/// Connecting and subscribing, all together; acknowledging; closing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds. The broker gives the messages of a consumer whose process is stopped to another after two of these.
const HEARTBEAT: u16 = 5;

/// One of the fanout's queues.
#[derive(Debug, Clone)]
pub struct Queue {
    uri: AMQPUri,
    /// `host:port/vhost`: the URL without its credentials.
    place: String,
    name: String,
    /// Messages that the broker hands over before the first of them is acknowledged.
    prefetch: u16,
}

/// A subscription.
pub struct Link {
    connection: Connection,
    channel: Channel,
    messages: Consumer,
}

impl Queue {
    /// Reads the URL.
    ///
    /// # Errors
    ///
    /// It is none. It is not repeated: it may hold a password.
    pub fn new(config: &AmqpQueue, batch: usize) -> anyhow::Result<Self> {
        let mut uri: AMQPUri = config.url.parse().map_err(|_| {
            anyhow!("is not an AMQP URL: write `amqp://USER:PASSWORD@HOST:PORT/VHOST`, the vhost `/` as `%2f`")
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let place = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        // One batch being written, one being gathered.
        let prefetch = u16::try_from(batch.saturating_mul(2)).unwrap_or(u16::MAX);
        Ok(Self { uri, place, name: config.queue.clone(), prefetch })
    }

    /// Subscribes.
    ///
    /// # Errors
    ///
    /// No answer within 10 s, the broker refuses, or there is no such queue.
    pub async fn connect(&self) -> anyhow::Result<Link> {
        let opened = timeout(PATIENCE, self.open()).await;
        opened
            .map_err(|_| anyhow!("no answer within {PATIENCE:?}"))
            .flatten()
            .with_context(|| format!("broker {}", self.place))
    }

    async fn open(&self) -> anyhow::Result<Link> {
        let properties = ConnectionProperties::default().with_connection_name("trunkline ledger".into());
        let connection = Connection::connect_uri(self.uri.clone(), properties).await?;
        let channel = connection.create_channel().await?;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(self.name.as_str().into(), passive, FieldTable::default()).await.with_context(|| {
            format!("there is no queue `{}`: name it in `cdr.fanout.amqp.queues`, and start a router", self.name)
        })?;
        channel.basic_qos(self.prefetch, BasicQosOptions::default()).await?;
        let messages = channel
            .basic_consume(self.name.as_str().into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await?;
        Ok(Link { connection, channel, messages })
    }
}

impl Link {
    /// Waits for a message, then gathers what comes within `linger`, at most `most`.
    ///
    /// # Errors
    ///
    /// The connection is gone: all that was not acknowledged comes again.
    pub async fn gather(&mut self, most: usize, linger: Duration) -> anyhow::Result<Vec<Delivery>> {
        let mut batch = Vec::with_capacity(most);
        batch.push(self.next().await?);
        let end = Instant::now() + linger;
        while batch.len() < most {
            match timeout_at(end, self.next()).await {
                Ok(message) => batch.push(message?),
                Err(_) => break,
            }
        }
        Ok(batch)
    }

    async fn next(&mut self) -> anyhow::Result<Delivery> {
        Ok(self.messages.next().await.context("the broker ended the subscription")??)
    }

    /// Everything up to this message is in the database.
    ///
    /// # Errors
    ///
    /// The connection is gone: it comes again, and is known then.
    pub async fn acknowledge(&self, tag: u64) -> anyhow::Result<()> {
        let acknowledged = timeout(PATIENCE, self.channel.basic_ack(tag, BasicAckOptions { multiple: true })).await;
        Ok(acknowledged.map_err(|_| anyhow!("no answer within {PATIENCE:?}"))??)
    }

    /// Gives back what was not acknowledged.
    pub async fn close(self) {
        let _ended = timeout(Duration::from_secs(1), self.connection.close(200, "".into())).await;
    }
}
