//! Tells the other nodes what this one counts, and hears what they count: in the background, so that no call waits.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tokio::time::MissedTickBehavior;

use super::Limits;
use super::others::{Hearing, Others, words};
use crate::config::model::SharedLimits;
use crate::lookup::Board;

/// Runs until it is dropped.
pub async fn share(limits: Arc<Limits>, board: Board, config: SharedLimits) {
    let (interval, lease) = (config.interval.get(), config.lease.get());
    let mut beat = tokio::time::interval(interval);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hearing = Hearing::default();
    let mut heard_at = Instant::now();
    let mut well = true;
    loop {
        beat.tick().await;
        let own = words(limits.counted(&config.keys, Instant::now()));
        match board.exchange(&own, lease).await {
            Ok(written) => {
                let others = hearing.hear(written, Instant::now());
                if !well {
                    tracing::info!(nodes = others.nodes(), "limits are shared again");
                }
                (well, heard_at) = (true, Instant::now());
                limits.sharing.exchanges.fetch_add(1, Relaxed);
                limits.others.store(Arc::new(others));
            }
            Err(why) => {
                limits.sharing.failures.fetch_add(1, Relaxed);
                if well {
                    tracing::warn!(%why, "limits are not shared: this node counts for itself when its lease of the others' counts is over");
                }
                well = false;
                if heard_at.elapsed() >= lease {
                    hearing = Hearing::default();
                    limits.others.store(Arc::new(Others::default()));
                }
            }
        }
    }
}
