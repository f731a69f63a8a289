//! What there is to tell, and under which routing key.

use std::sync::Arc;

use serde::Serialize;

use crate::cdr::record::{End, UnixMicros};

/// Something that has happened. In JSON an object with `event`, `at`, `node`, and the fields of the variant.
///
/// The routing key is the name's words with dots, then who it is about: `call.started.CUSTOMER`,
/// `system.gateway-down.GATEWAY`. Characters of names that would mean something in a key are `_` there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A call has routes, and the first attempt is being made.
    CallStarted(CallBegun),
    /// It was answered.
    CallAnswered(CallBegun),
    /// It is over. Of calls that were refused this is the only event.
    CallEnded(CallOver),
    /// No calls are sent to this gateway any more.
    GatewayDown {
        /// Its name in the configuration.
        gateway: Arc<str>,
        /// For people.
        reason: String,
    },
    /// Calls are sent to it again.
    GatewayUp {
        /// Its name in the configuration.
        gateway: Arc<str>,
    },
    /// A breaker has opened: what it guards is not asked for a while.
    BreakerOpen {
        /// `service`, `plugin` or `table`.
        kind: &'static str,
        /// Its name in the configuration.
        name: Arc<str>,
    },
    /// It has closed again.
    BreakerClosed {
        /// `service`, `plugin` or `table`.
        kind: &'static str,
        /// Its name in the configuration.
        name: Arc<str>,
    },
    /// Call records are in danger, or lost.
    JournalAlarm {
        /// For people.
        problem: String,
    },
    /// They are safe again.
    JournalWell {},
    /// A store or the fanout does not take records: they wait in the journal.
    StoreFailing {
        /// `store NAME` or `fanout`.
        store: String,
        /// What it said.
        error: String,
    },
    /// It takes them again.
    StoreWell {
        /// `store NAME` or `fanout`.
        store: String,
    },
    /// A stage's versions have moved.
    PluginTurned {
        /// The stage's name; `STAGE of CUSTOMER` where it is a customer's own.
        plugin: String,
        /// `swapped`, `canary`, `shadow`, `promoted` or `rolled-back`.
        turn: &'static str,
    },
    /// A worker refuses new calls: the node holds as many as it may, or is asked for more than it can do.
    Overloaded {
        /// In the last second.
        refused: u64,
        /// `max-calls`, `busy`, `behind` or `queue`; `refusing` where it drains, or its journal fails.
        why: &'static str,
    },
    /// It has refused none for a second.
    OverloadOver {},
    /// The machine's clock was set: times of records from now on are by the new one.
    ClockStepped {
        /// Forward, or back where negative.
        micros: i64,
    },
    /// A source has sent too much, or too much that is no SIP: nothing is taken from it for `abuse.ban`.
    SourceBanned {
        /// An address, or a network of IPv6.
        source: Arc<str>,
        /// `rate` or `malformed`.
        reason: &'static str,
    },
    /// A configuration was taken over.
    Reloaded {},
}

/// A call that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallBegun {
    /// The Call-ID header field.
    pub call_id: String,
    /// The customer's name in the configuration.
    pub customer: String,
    /// The calling number as received.
    pub caller: String,
    /// The called number as received.
    pub callee: String,
    /// Of the attempt that was answered; of a call that starts the first one.
    pub gateway: Arc<str>,
    /// When the INVITE came.
    pub received: UnixMicros,
    /// When the answer came.
    pub answered: Option<UnixMicros>,
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallOver {
    /// What is known since its beginning; `gateway` is the last one tried.
    #[serde(flatten)]
    pub call: CallBegun,
    /// When it ended.
    pub ended: UnixMicros,
    /// The final status code.
    pub code: u16,
    /// How it ended.
    pub end: End,
    /// From answer to end, in microseconds.
    pub duration: u64,
}

/// An event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What.
    pub event: Event,
    /// When, in microseconds since 1970.
    pub at: UnixMicros,
}

#[derive(Serialize)]
struct Body<'a> {
    node: &'a str,
    at: UnixMicros,
    #[serde(flatten)]
    event: &'a Event,
}

impl Message {
    /// As it goes out.
    ///
    /// # Errors
    ///
    /// Never in practice: memory takes every text.
    pub fn json(&self, node: &str) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Body { node, at: self.at, event: &self.event })
    }
}

impl Event {
    /// The routing key.
    pub fn key(&self) -> String {
        let (name, about): (&str, &str) = match self {
            Self::CallStarted(call) => ("call.started", &call.customer),
            Self::CallAnswered(call) => ("call.answered", &call.customer),
            Self::CallEnded(over) => ("call.ended", &over.call.customer),
            Self::GatewayDown { gateway, .. } => ("system.gateway-down", gateway),
            Self::GatewayUp { gateway } => ("system.gateway-up", gateway),
            Self::BreakerOpen { name, .. } => ("system.breaker-open", name),
            Self::BreakerClosed { name, .. } => ("system.breaker-closed", name),
            Self::JournalAlarm { .. } => ("system.journal-alarm", "node"),
            Self::JournalWell {} => ("system.journal-well", "node"),
            Self::StoreFailing { store, .. } => ("system.store-failing", store),
            Self::StoreWell { store } => ("system.store-well", store),
            Self::PluginTurned { plugin, .. } => ("system.plugin-turned", plugin),
            Self::Overloaded { .. } => ("system.overloaded", "node"),
            Self::OverloadOver {} => ("system.overload-over", "node"),
            Self::ClockStepped { .. } => ("system.clock-stepped", "node"),
            Self::SourceBanned { source, .. } => ("system.source-banned", source),
            Self::Reloaded {} => ("system.reloaded", "node"),
        };
        let word = |letter: char| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '_' };
        // AMQP 0-9-1, short string: 255 bytes.
        let about: String = about.chars().take(200).map(word).collect();
        format!("{name}.{}", if about.is_empty() { "_" } else { &about })
    }
}
