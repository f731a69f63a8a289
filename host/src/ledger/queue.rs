//! The broker's side: messages from one queue, acknowledged once they are in the database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::AMQPUri;
use lapin::{Channel, Connection, ConnectionProperties, Consumer};
use tokio::time::{Instant, timeout, timeout_at};

use super::loan::Loan;
use crate::cdr::message;
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
}

/// A subscription.
pub struct Link {
    queue: Queue,
    connection: Connection,
    channel: Channel,
    messages: Consumer,
    loan: Loan,
}

/// What came of it together.
pub struct Gathered {
    /// Whole messages, the last of them behind all others.
    pub messages: Vec<Delivery>,
    /// Records in them.
    pub records: usize,
}

impl Queue {
    /// Reads the URL.
    ///
    /// # Errors
    ///
    /// It is none. It is not repeated: it may hold a password.
    pub fn new(config: &AmqpQueue) -> anyhow::Result<Self> {
        let mut uri: AMQPUri = config.url.parse().map_err(|_| {
            anyhow!("is not an AMQP URL: write `amqp://USER:PASSWORD@HOST:PORT/VHOST`, the vhost `/` as `%2f`")
        })?;
        uri.query.heartbeat.get_or_insert(HEARTBEAT);
        let place = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        Ok(Self { uri, place, name: config.queue.clone() })
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
        let loan = Loan::default();
        let messages = self.subscribe(&channel, loan).await?;
        Ok(Link { queue: self.clone(), connection, channel, messages, loan })
    }

    async fn subscribe(&self, channel: &Channel, loan: Loan) -> lapin::Result<Consumer> {
        channel.basic_qos(loan.messages, BasicQosOptions::default()).await?;
        let name = self.name.as_str().into();
        channel.basic_consume(name, "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
    }
}

impl Gathered {
    fn push(&mut self, message: Delivery) {
        self.records += message::count(content_type(&message), &message.data);
        self.messages.push(message);
    }
}

/// What a message says that it is.
pub fn content_type(message: &Delivery) -> Option<&str> {
    message.properties.content_type().as_ref().map(ShortString::as_str)
}

impl Link {
    /// Waits for a message, then gathers what comes within `linger`, until it has `most` records: the last message may bring
    /// some more.
    ///
    /// # Errors
    ///
    /// The connection is gone: all that was not acknowledged comes again.
    pub async fn gather(&mut self, most: usize, linger: Duration) -> anyhow::Result<Gathered> {
        let mut batch = Gathered { messages: Vec::new(), records: 0 };
        batch.push(self.next().await?);
        let end = Instant::now() + linger;
        while batch.records < most {
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

    /// Has the broker lend more messages, or fewer, where that fits better to what came. What it had lent comes again.
    ///
    /// # Errors
    ///
    /// The connection is gone.
    pub async fn adjust(&mut self, messages: usize, records: usize, batch: usize) -> anyhow::Result<()> {
        let Some(loan) = self.loan.after(messages, records, batch) else { return Ok(()) };
        let changed = timeout(PATIENCE, async {
            // A subscription keeps the loan that it began with, and a channel what it has lent.
            self.channel.close(200, "".into()).await?;
            self.channel = self.connection.create_channel().await?;
            self.messages = self.queue.subscribe(&self.channel, loan).await?;
            lapin::Result::Ok(())
        });
        changed.await.map_err(|_| anyhow!("no answer within {PATIENCE:?}"))??;
        tracing::debug!(queue = self.queue.name, messages = loan.messages, "the broker lends so many from now on");
        self.loan = loan;
        Ok(())
    }

    /// Gives back what was not acknowledged.
    pub async fn close(self) {
        let _ended = timeout(Duration::from_secs(1), self.connection.close(200, "".into())).await;
    }
}
