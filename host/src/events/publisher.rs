//! Passes events on to a topic exchange.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use anyhow::{Context as _, bail};
use lapin::options::{BasicPublishOptions, ExchangeDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ExchangeKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{BUS, Message, open};
use crate::amqp::Broker;
use crate::cdr::Backoff;
use crate::config::model;

/// Connecting and declaring, all together; and one publish, which waits only for room in the socket.
const PATIENCE: Duration = Duration::from_secs(10);
/// Transient: an event that outlives the broker's restart is no news any more.
const TRANSIENT: u8 = 1;

/// Why events could not be started.
#[derive(Debug, thiserror::Error)]
#[error("`events.amqp.{key}`: {problem}")]
pub struct StartError {
    key: &'static str,
    problem: String,
}

/// The task behind the bus.
#[derive(Debug)]
pub struct Publisher {
    task: JoinHandle<()>,
}

impl Publisher {
    /// Opens the bus and publishes what comes, for ever. A broker that is down is no error: events are dropped and
    /// counted meanwhile.
    ///
    /// # Errors
    ///
    /// The URL or the certificates are wrong.
    pub fn start(config: &model::Events, node: &Arc<str>, base: &Path, office: &Handle) -> Result<Self, StartError> {
        let amqp = &config.amqp;
        let broker = Broker::new(&amqp.url, amqp.tls.as_ref(), base)
            .map_err(|error| StartError { key: error.key(), problem: error.to_string() })?;
        let (exchange, node) = (amqp.exchange.clone(), Arc::clone(node));
        let task = match open(config.queue) {
            Some(events) => office.spawn(run(events, broker, exchange, node)),
            // A second node in one process, as tests have it: the first one's bus carries both.
            None => office.spawn(std::future::ready(())),
        };
        Ok(Self { task })
    }

    /// Drops what still waits.
    pub fn stop(&self) {
        self.task.abort();
    }
}

async fn run(mut events: Receiver<Message>, broker: Broker, exchange: String, node: Arc<str>) {
    let mut backoff = Backoff::new();
    loop {
        let failure = match connect(&broker, &exchange).await {
            Ok((_connection, channel)) => {
                tracing::info!(broker = broker.place(), exchange, "events are published");
                backoff = Backoff::new();
                pass_on(&mut events, &channel, &exchange, &node).await
            }
            Err(error) => Err(error),
        };
        match failure {
            Ok(()) => return,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(broker = broker.place(), %error, "events are not published: they are dropped meanwhile");
            }
        }
        tokio::time::sleep(backoff.pause()).await;
    }
}

async fn connect(broker: &Broker, exchange: &str) -> anyhow::Result<(Connection, Channel)> {
    let linked = async {
        let connection = broker.connect("trunkline events").await?;
        let channel = connection.create_channel().await?;
        let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        channel
            .exchange_declare(exchange.into(), ExchangeKind::Topic, durable, FieldTable::default())
            .await
            .with_context(|| format!("cannot declare the exchange `{exchange}`"))?;
        anyhow::Ok((connection, channel))
    };
    timeout(PATIENCE, linked).await.with_context(|| format!("no answer within {PATIENCE:?}"))?
}

/// Returns when the bus is closed.
async fn pass_on(events: &mut Receiver<Message>, channel: &Channel, exchange: &str, node: &str) -> anyhow::Result<()> {
    while let Some(message) = events.recv().await {
        let properties = BasicProperties::default()
            .with_delivery_mode(TRANSIENT)
            .with_content_type("application/json".into())
            .with_app_id("trunkline".into());
        let (key, body) = (message.event.key(), message.json(node)?);
        let publish = channel.basic_publish(
            exchange.into(),
            key.as_str().into(),
            BasicPublishOptions::default(),
            &body,
            properties,
        );
        match timeout(PATIENCE, publish).await {
            Ok(Ok(_unconfirmed)) => BUS.published.fetch_add(1, Relaxed),
            failed => {
                BUS.dropped.fetch_add(1, Relaxed);
                failed.with_context(|| format!("not published within {PATIENCE:?}"))??;
                bail!("not published");
            }
        };
    }
    Ok(())
}
