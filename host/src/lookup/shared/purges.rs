//! How a node hears of what was purged on another.
//!
//! Purges go through a Redis stream, not through pub/sub: a node that lost its connection for a while reads on where it
//! stopped. Where it cannot know what it has missed (it had no connection when it began, or more was purged meanwhile than
//! the stream remembers), it forgets the whole table: that costs loads, and a purged row served for a day costs more.
//!
//! A connection that has died without a word is known by its silence: each wait ends after [`WAIT`].

use std::time::Duration;

use redis::AsyncCommands as _;
use redis::aio::MultiplexedConnection;
use redis::streams::{StreamRangeReply, StreamReadOptions, StreamReadReply};

use super::{Purge, REMEMBERED, STEP, Shared};

/// How long one wait for a purge lasts before it is asked for anew.
const WAIT: Duration = Duration::from_millis(500);
/// Then the connection is given up: no answer to a wait took so long.
const SILENCE: Duration = Duration::from_secs(1);
/// Between two attempts to hear of purges.
const RETRY: Duration = Duration::from_millis(200);

/// How far a node has heard.
#[derive(Debug, Default)]
struct Heard {
    /// The purge that was heard last; `None` before the first connection.
    last: Option<String>,
    /// Whether a connection has failed, so that something may have been purged unheard.
    cut: bool,
}

impl Shared {
    /// Hears of purges, this node's own among them, until `hear` says that nobody listens any more.
    pub(in crate::lookup) async fn listen(self, hear: impl Fn(&Purge) -> bool) {
        let mut heard = Heard::default();
        loop {
            match self.follow(&mut heard, &hear).await {
                Ok(()) => return,
                Err(why) => {
                    if !heard.cut {
                        tracing::warn!(table = &*self.table, "purges of other nodes are not heard: {why}");
                    }
                    heard.cut = true;
                    tokio::time::sleep(RETRY).await;
                    if !hear(&nothing()) {
                        return;
                    }
                }
            }
        }
    }

    async fn follow(&self, heard: &mut Heard, hear: &impl Fn(&Purge) -> bool) -> Result<(), String> {
        let stream = self.stream();
        let mut connection = self.redis().map_err(|error| error.to_string())?.apart(SILENCE).await?;
        let mut from = match &heard.last {
            Some(last) if !has_forgotten(&mut connection, &stream, last).await? => last.clone(),
            _ => {
                let newest = newest(&mut connection, &stream).await?;
                if heard.cut && !hear(&Purge::Prefix(String::new())) {
                    return Ok(());
                }
                newest
            }
        };
        loop {
            heard.last = Some(from.clone());
            let options = StreamReadOptions::default().block(WAIT.as_millis() as usize).count(STEP);
            let news: Option<StreamReadReply> =
                connection.xread_options(&[&stream], &[&from], &options).await.map_err(told)?;
            if std::mem::take(&mut heard.cut) {
                tracing::info!(table = &*self.table, "purges of other nodes are heard again");
            }
            for entry in news.into_iter().flat_map(|news| news.keys).flat_map(|stream| stream.ids) {
                let purge = match (entry.get::<String>("key"), entry.get::<String>("prefix")) {
                    (Some(key), _) => Purge::Key(key),
                    (None, Some(prefix)) => Purge::Prefix(prefix),
                    // A later Trunkline's word for something.
                    (None, None) => nothing(),
                };
                from = entry.id;
                if !hear(&purge) {
                    return Ok(());
                }
            }
            if !hear(&nothing()) {
                return Ok(());
            }
        }
    }
}

/// Asks whether anybody still listens: an empty key is nobody's.
fn nothing() -> Purge {
    Purge::Key(String::new())
}

/// Whether the stream may have dropped what came after `last`, or is another one: of a Redis that began anew.
async fn has_forgotten(connection: &mut MultiplexedConnection, stream: &str, last: &str) -> Result<bool, String> {
    let newest = newest(connection, stream).await?;
    if order(&newest) < order(last) {
        return Ok(true);
    }
    let length: usize = connection.xlen(stream).await.map_err(told)?;
    if length < REMEMBERED {
        return Ok(false);
    }
    let oldest: StreamRangeReply = connection.xrange_count(stream, "-", "+", 1).await.map_err(told)?;
    Ok(oldest.ids.first().is_some_and(|oldest| order(&oldest.id) > order(last)))
}

async fn newest(connection: &mut MultiplexedConnection, stream: &str) -> Result<String, String> {
    let newest: StreamRangeReply = connection.xrevrange_count(stream, "+", "-", 1).await.map_err(told)?;
    Ok(newest.ids.first().map_or_else(|| "0-0".to_owned(), |entry| entry.id.clone()))
}

/// Of an entry's id, `MILLIS-NUMBER`.
fn order(id: &str) -> (u64, u64) {
    let (millis, number) = id.split_once('-').unwrap_or((id, "0"));
    (millis.parse().unwrap_or(0), number.parse().unwrap_or(0))
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn told(error: redis::RedisError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_the_order_of_their_numbers_and_not_of_their_letters() {
        assert!(order("1700000000000-10") > order("1700000000000-9"));
        assert!(order("1700000000001-0") > order("1700000000000-99"));
        assert!(order("0-0") < order("999-0"));
    }
}
