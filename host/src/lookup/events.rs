//! What operators are told at once: a breaker opened or closed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::broadcast;

use crate::events;

/// Events that a slow listener may lag behind before it loses some.
const BACKLOG: usize = 256;

/// A breaker has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BreakerEvent {
    /// Always `breaker`.
    pub event: &'static str,
    /// The service's name in the configuration.
    pub service: Arc<str>,
    /// `open` or `closed`.
    pub state: &'static str,
    /// Why, in words.
    pub why: String,
    /// Microseconds since 1970-01-01 00:00 UTC.
    pub at: u64,
}

/// Where breakers tell. A clone tells to the same listeners.
#[derive(Debug, Clone)]
pub struct Events(broadcast::Sender<BreakerEvent>);

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Events {
    /// Everything from now on. A listener that lags behind by more than 256 events loses the oldest.
    pub fn listen(&self) -> broadcast::Receiver<BreakerEvent> {
        self.0.subscribe()
    }

    pub(super) fn tell(&self, service: &Arc<str>, state: &'static str, why: String) {
        if state == "open" {
            tracing::warn!(%service, why, "breaker opened");
        } else {
            tracing::info!(%service, why, "breaker closed");
        }
        let (kind, name) = ("service", Arc::clone(service));
        events::publish(if state == "open" {
            events::Event::BreakerOpen { kind, name }
        } else {
            events::Event::BreakerClosed { kind, name }
        });
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        // Nobody may be listening.
        let _ = self.0.send(BreakerEvent { event: "breaker", service: Arc::clone(service), state, why, at });
    }
}
