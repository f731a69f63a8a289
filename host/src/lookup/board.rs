//! A board in Redis: every node writes what the others shall know, and reads what they wrote. What a node has not written
//! anew in time is gone, and so is what a dead node wrote.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline};

use super::client::RedisClient;
use super::error::{Problem, ServiceError};
use super::service::{Client, Service};
use super::services::Services;

/// Nodes on one board; those beyond are not heard.
const MOST_NODES: isize = 256;

/// One node's place on a board.
#[derive(Debug, Clone)]
pub struct Board {
    service: Arc<Service>,
    /// A sorted set of all places.
    index: String,
    own: String,
}

/// What another node wrote: its place, which names this run of it, and the text.
pub type Written = (String, Vec<u8>);

impl Services {
    /// A place on the board `name`, behind one of these services; `node` must be another for each node and each run.
    ///
    /// # Errors
    /// The service is not there, or is no Redis.
    pub fn board(&self, service: &str, name: &str, node: &str) -> Result<Board, Problem> {
        let place = "limits.shared";
        let Some(service) = self.get(service).cloned() else {
            return Err(Problem::new(format!("{place}.service"), format!("`{service}` is not a usable service")));
        };
        match service.client() {
            Client::Redis(_) => Ok(Board { service, index: name.to_owned(), own: format!("{name}:{node}") }),
            other => Err(other.is_not("Redis", service.name(), place)),
        }
    }
}

impl Board {
    /// Writes the own text, for so long, and reads those of all others. Within the service's deadline, behind its breaker.
    pub async fn exchange(&self, text: &[u8], keep: Duration) -> Result<Vec<Written>, ServiceError> {
        let admission = self.service.gate().admit()?;
        let work = async {
            let Client::Redis(redis) = self.service.client() else { return Err(self.service.failed("is no Redis")) };
            let others = self.others(redis, text, keep).await.map_err(|why| self.service.failed(&why))?;
            Ok((true, others))
        };
        self.service.gate().pass(admission, work).await
    }

    async fn others(&self, redis: &RedisClient, text: &[u8], keep: Duration) -> Result<Vec<Written>, String> {
        let millis = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX).clamp(1, i64::MAX as u64 / 2);
        let mut write = Pipeline::new();
        write.cmd("SET").arg(&self.own).arg(text).arg("PX").arg(millis).ignore();
        write.cmd("ZADD").arg(&self.index).arg(0).arg(&self.own).ignore();
        write.cmd("ZRANGE").arg(&self.index).arg(0).arg(MOST_NODES - 1);
        let (mut places,): (Vec<String>,) = redis.ask_all(&write).await?;
        places.retain(|place| *place != self.own);
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<Option<Vec<u8>>> = redis.ask(redis::cmd("MGET").arg(&places)).await?;
        let (mut written, mut left) = (Vec::new(), Vec::new());
        for (place, text) in places.into_iter().zip(texts) {
            match text {
                Some(text) => written.push((place, text)),
                None => left.push(place),
            }
        }
        if !left.is_empty() {
            // One that was only slow comes back with its next exchange.
            let _: u64 = redis.ask(&Cmd::zrem(&self.index, left)).await?;
        }
        Ok(written)
    }
}
