//! The ledger: what `trunkline ledger` reads; the router itself does not.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};

use super::super::units::{Size, TimeSpan};
use super::{Named, SqlStore};
use crate::cdr::record::UnixMicros;
use crate::ledger::money::Rounding;
use crate::ledger::rating::increment::Increment;

/// `[ledger]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ledger {
    /// Of processes with one name and one database, one works and the others stand by. Default `main`.
    #[serde(default = "default_name")]
    pub name: String,
    /// Where records come from.
    pub amqp: AmqpQueue,
    /// Where they go: `postgres://…`.
    pub sql: SqlStore,
    /// Where `GET /metrics` and `GET /healthz` are answered, such as `127.0.0.1:9061`. Default: nowhere.
    pub admin: Option<SocketAddr>,
    /// How long after the last sign of life of the one that works another takes over. Default 3 s.
    #[serde(default = "default_lease")]
    pub lease: TimeSpan,
    /// Consumers in the one that works, each with a connection of its own. Default 2.
    #[serde(default = "default_consumers")]
    pub consumers: usize,
    /// Records in a transaction, at most, and the rest of the last message. Default 5,000.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// How long a transaction waits for more records. Default 100 ms.
    #[serde(default = "default_linger")]
    pub linger: TimeSpan,
    /// Of rates that name none. Default `1/1`.
    #[serde(default)]
    pub increment: Increment,
    /// Of deck rows that name none, ISO 4217. Default `USD`.
    #[serde(default = "default_currency")]
    pub currency: String,
    /// Places after the point of a charge, at most 9. Default 6.
    #[serde(default = "default_places")]
    pub places: u8,
    /// What becomes of the rest. Default `half-even`.
    #[serde(default)]
    pub rounding: Rounding,
    /// Components that rate in place of the decks.
    #[serde(default)]
    pub raters: Named<Rater>,
    /// Rate decks.
    #[serde(default)]
    pub decks: Named<Deck>,
    /// Customer to deck; `*` for those not named. Default: the price that the router recorded.
    #[serde(default)]
    pub prices: Named<String>,
    /// Gateway to deck; `*` for those not named. Default: the cost that the router recorded.
    #[serde(default)]
    pub costs: Named<String>,
}

fn default_name() -> String {
    "main".to_owned()
}

fn default_lease() -> TimeSpan {
    TimeSpan::from_secs(3)
}

fn default_consumers() -> usize {
    2
}

fn default_batch() -> usize {
    5_000
}

fn default_linger() -> TimeSpan {
    TimeSpan::from_millis(100)
}

fn default_currency() -> String {
    "USD".to_owned()
}

fn default_places() -> u8 {
    6
}

/// `ledger.amqp`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmqpQueue {
    /// `amqp://user:password@host:port/vhost`
    pub url: String,
    /// One of the fanout's queues; must be there.
    pub queue: String,
}

/// `[ledger.raters.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rater {
    /// The path of a component, or its name beside the built-in ones.
    pub component: String,
    /// Whose calls it rates.
    pub customers: Vec<String>,
    /// Instructions per call. Default 10,000,000.
    #[serde(default = "default_fuel")]
    pub fuel: u64,
    /// Wall clock per call. Default 1 s.
    #[serde(default = "default_deadline")]
    pub deadline: TimeSpan,
    /// Linear memory. Default 64 MiB.
    #[serde(default = "default_memory")]
    pub memory: Size,
    /// Handed to `configure` as JSON.
    #[serde(default)]
    pub config: toml::Table,
}

fn default_fuel() -> u64 {
    10_000_000
}

fn default_deadline() -> TimeSpan {
    TimeSpan::from_secs(1)
}

fn default_memory() -> Size {
    Size::from_mib(64)
}

/// `[ledger.decks.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Deck {
    /// Whole decks, each from its moment to the next one's.
    pub versions: Vec<DeckVersion>,
}

/// One version of a deck.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeckVersion {
    /// Calls received at this moment or later: `2026-01-31T00:00:00Z`.
    pub from: Moment,
    /// A CSV file with a header line.
    pub csv: PathBuf,
}

/// A moment, written as `2026-01-31T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub UnixMicros);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment =
            text.parse::<jiff::Timestamp>().ok().and_then(|moment| u64::try_from(moment.as_microsecond()).ok());
        moment.map(Self).ok_or_else(|| {
            let wanted = "a moment with its offset from UTC, such as `2026-01-31T00:00:00Z`";
            serde::de::Error::invalid_value(serde::de::Unexpected::Str(&text), &wanted)
        })
    }
}
