//! The second tier: what one node has loaded, all nodes read from a shared Redis; and what is purged on one node is
//! purged on all.

mod purges;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redis::streams::StreamMaxlen;
use redis::{Cmd, Pipeline, Value as Reply};

use super::client::RedisClient;
use super::error::{Problem, ServiceError};
use super::packed::{pack, pack_text, unpack_text, unpack_value};
use super::row::{Field, Row};
use super::service::{Client, Service};
use super::services::Services;
use crate::config::model;

/// The form of a value; another one is as good as none.
const FORM: u8 = 1;
/// Purges that the stream remembers, for nodes that were away.
const REMEMBERED: usize = 100_000;
/// Keys that one step of a walk through Redis looks at.
const STEP: usize = 1_000;

/// What to forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purge {
    /// This key.
    Key(String),
    /// Every key that begins so; the empty one is all.
    Prefix(String),
}

/// One table's part of the shared cache.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    service: Arc<Service>,
    table: Arc<str>,
    prefix: Arc<str>,
}

/// What another node has left.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) row: Option<Row>,
    /// Since the source gave it, by the clocks of two nodes: to their difference.
    pub(super) age: Duration,
}

impl Shared {
    /// `name` is the table's.
    pub(super) fn new(name: &str, config: &model::Shared, services: &Services) -> Result<Self, Vec<Problem>> {
        let place = format!("tables.{name}.shared");
        let Some(service) = services.get(&config.service).cloned() else {
            let message = format!("`{}` is not a usable service of `[services]`", config.service);
            return Err(vec![Problem::new(format!("{place}.service"), message)]);
        };
        match service.client() {
            Client::Redis(_) => Ok(Self { service, table: name.into(), prefix: config.prefix.as_str().into() }),
            other => Err(vec![other.is_not("Redis", &config.service, &place)]),
        }
    }

    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// What stands under a key; `None` where nothing does, or where the tier fails: then the source is asked. Takes no
    /// longer than this, nor than the tier's own deadline.
    pub(super) async fn get(&self, key: &str, longest: Duration) -> Option<Found> {
        let deadline = longest.min(self.service.gate().deadline());
        let bytes: Option<Vec<u8>> = self.ask_within(deadline, &Cmd::get(self.key(key))).await.ok()?;
        decode(&bytes?)
    }

    /// Leaves a row for the other nodes, for as long as it may be served.
    pub(super) async fn put(&self, key: &str, row: Option<&Row>, keep: Duration) {
        let millis = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 2);
        let mut command = redis::cmd("SET");
        command.arg(self.key(key)).arg(encode(row)).arg("PX").arg(millis);
        // A tier that fails is seen in its breaker and its service's metrics.
        let _: Result<Reply, _> = self.ask(&command).await;
    }

    /// Forgets it there, and tells all nodes.
    pub(super) async fn purge(&self, purge: &Purge) -> Result<(), ServiceError> {
        let redis = self.redis()?;
        let (kind, text) = match purge {
            Purge::Key(key) => {
                let _: Reply = self.ask(&Cmd::unlink(self.key(key))).await?;
                ("key", key)
            }
            Purge::Prefix(prefix) => {
                let forgotten = tokio::time::timeout(Duration::from_secs(30), self.unlink_all(redis, prefix)).await;
                forgotten
                    .unwrap_or_else(|_| Err("not walked through within 30 s".to_owned()))
                    .map_err(|why| self.service.failed(&why))?;
                ("prefix", prefix)
            }
        };
        let message = Cmd::xadd_maxlen(self.stream(), StreamMaxlen::Approx(REMEMBERED), "*", &[(kind, text)]);
        let _: Reply = self.ask(&message).await?;
        Ok(())
    }

    async fn unlink_all(&self, redis: &RedisClient, prefix: &str) -> Result<(), String> {
        let pattern = format!("{}*", escaped(&self.key(prefix)));
        let mut cursor = 0_u64;
        loop {
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let (next, keys): (u64, Vec<String>) = redis.ask(&command).await?;
            if !keys.is_empty() {
                let mut forget = Pipeline::new();
                for key in keys {
                    forget.cmd("UNLINK").arg(key).ignore();
                }
                let () = redis.ask_all(&forget).await?;
            }
            if next == 0 {
                return Ok(());
            }
            cursor = next;
        }
    }

    async fn ask<T: redis::FromRedisValue>(&self, command: &Cmd) -> Result<T, ServiceError> {
        self.ask_within(self.service.gate().deadline(), command).await
    }

    async fn ask_within<T: redis::FromRedisValue>(&self, deadline: Duration, command: &Cmd) -> Result<T, ServiceError> {
        let admission = self.service.gate().admit()?;
        let work = async {
            let answer = self.redis()?.ask(command).await.map_err(|why| self.service.failed(&why))?;
            Ok((true, answer))
        };
        self.service.gate().pass_within(Instant::now(), deadline, admission, work).await
    }

    fn redis(&self) -> Result<&RedisClient, ServiceError> {
        match self.service.client() {
            Client::Redis(redis) => Ok(redis),
            _ => Err(self.service.failed("is no Redis")),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("{}:{}:{key}", self.prefix, self.table)
    }

    fn stream(&self) -> String {
        format!("{}-purges:{}", self.prefix, self.table)
    }
}

/// A text that a pattern of Redis takes for itself.
fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '*' | '?' | '[' | ']' | '\\' | '^') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

fn encode(row: Option<&Row>) -> Vec<u8> {
    let mut bytes = vec![FORM];
    bytes.extend_from_slice(&micros().to_le_bytes());
    bytes.push(u8::from(row.is_some()));
    for field in row.map_or(&[][..], |row| &*row.fields) {
        pack_text(&field.name, &mut bytes);
        pack(Some(&field.value), &mut bytes);
    }
    bytes
}

fn decode(bytes: &[u8]) -> Option<Found> {
    let (form, bytes) = bytes.split_first()?;
    let (written, bytes) = bytes.split_first_chunk::<8>()?;
    let (present, mut bytes) = bytes.split_first()?;
    if *form != FORM {
        return None;
    }
    let age = Duration::from_micros(micros().saturating_sub(u64::from_le_bytes(*written)));
    if *present == 0 {
        return Some(Found { row: None, age });
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let name = std::str::from_utf8(unpack_text(&mut bytes)).ok()?.into();
        fields.push(Field { name, value: unpack_value(&mut bytes)? });
    }
    Some(Found { row: Some(Row { fields: fields.into() }), age })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lookup::row::{Decimal, Value};

    #[test]
    fn what_one_node_leaves_another_reads() {
        let field = |name: &str, value| Field { name: name.into(), value };
        let row = Row {
            fields: [
                field("lrn", Value::Text("12125550000".into())),
                field("cost", Value::Decimal(Decimal { digits: -345, scale: 5 })),
                field("ported", Value::Boolean(true)),
            ]
            .into(),
        };
        let found = decode(&encode(Some(&row))).unwrap();
        assert_eq!(found.row, Some(row));
        assert!(found.age < Duration::from_mins(1));
        assert_eq!(decode(&encode(None)).unwrap().row, None);
    }

    #[test]
    fn what_nobody_left_is_nothing() {
        for bytes in [&b""[..], b"\x01", b"\x02aaaaaaaa\x01", b"\x01aaaaaaaa\x01\x05ab", b"<html>"] {
            assert!(decode(bytes).is_none(), "{bytes:?}");
        }
    }

    #[test]
    fn a_key_is_no_pattern() {
        assert_eq!(escaped("a*b[c]?"), r"a\*b\[c\]\?");
    }
}
