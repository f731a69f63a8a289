//! What a broker takes and gives by itself: the ceiling of whoever ships records to it or reads them from it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::{StreamExt as _, stream};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};

/// Messages that were published and are not confirmed yet.
const AHEAD: usize = 2_000;
/// Messages that are handed over before the first of them is acknowledged, and those acknowledged at once.
const PREFETCH: u16 = 4_000;
const TOGETHER: u64 = 1_000;

async fn open(url: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// Publishes so many persistent messages, ready-made, to a fanout exchange with these durable queues: how long until all
/// are confirmed.
///
/// # Errors
/// Whatever the broker says.
pub async fn publish(
    url: &str,
    exchange: &str,
    queues: &[&str],
    content_type: &'static str,
    bodies: &[String],
    count: u64,
) -> Result<Duration> {
    let (_connection, channel) = open(url).await?;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await?;
    for &queue in queues {
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.into(), exchange.into(), "".into(), bind, FieldTable::default()).await?;
    }
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let begin = Instant::now();
    let mut confirms = stream::iter(bodies.iter().cycle().take(count as usize))
        .map(|body| async {
            let persistent = BasicProperties::default().with_delivery_mode(2).with_content_type(content_type.into());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            channel.basic_publish(exchange.into(), "".into(), options, body.as_bytes(), persistent).await?.await
        })
        .buffer_unordered(AHEAD);
    while let Some(confirm) = confirms.next().await {
        confirm?;
    }
    Ok(begin.elapsed())
}

/// Takes so many messages from a queue and does nothing with them: how long that took.
///
/// # Errors
/// Whatever the broker says.
pub async fn drain(url: &str, queue: &str, count: u64) -> Result<Duration> {
    let (_connection, channel) = open(url).await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let begin = Instant::now();
    let consume = channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), FieldTable::default());
    let mut messages = consume.await?;
    for number in 1..=count {
        let message = messages.next().await.context("the broker ended the subscription")??;
        if number % TOGETHER == 0 || number == count {
            message.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    Ok(begin.elapsed())
}
