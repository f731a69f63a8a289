//! Services and tables: what stages can ask for.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::super::units::{Size, TimeSpan};
use super::sources::Source;
use super::{Named, PeerTls};

/// `[services.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// Base URL; a request's path is appended.
    pub url: String,
    /// The wait for a turn, resolve, connect, head and body together. Default 50 ms.
    #[serde(default = "default_service_deadline")]
    pub deadline: TimeSpan,
    /// Sent with every request; for credentials.
    #[serde(default)]
    pub headers: Named<String>,
    /// Requests at once. Default 256.
    #[serde(default = "default_concurrency")]
    pub max_concurrent: usize,
    /// Requests that wait for one of those to end, for half of the deadline at most. Default 10,000; one more fails at
    /// once.
    #[serde(default = "default_queued")]
    pub max_queued: usize,
    /// A table's request without an answer after this time is sent once more, and the first good answer counts.
    /// Default: never.
    pub hedge: Option<TimeSpan>,
    /// Redis by `rediss://`: certificates, where the system's are not enough.
    pub tls: Option<PeerTls>,
    /// HTTP/2 without TLS, by prior knowledge. With TLS the two sides agree on it by themselves. Default false.
    #[serde(default)]
    pub http2: bool,
    /// Default: 5 failures within 10 s, or half of the answers past the deadline, open it for 5 s.
    #[serde(default)]
    pub breaker: ServiceBreaker,
    /// Another service that is told when the breaker opens and closes.
    pub webhook: Option<Webhook>,
    /// The longest deadline of a table that asks it, where that is longer than its own: see [`Service::patience`].
    #[serde(skip)]
    pub longest: Option<TimeSpan>,
}

impl Service {
    /// How long any request to it may take.
    pub fn patience(&self) -> Duration {
        self.longest.map_or(self.deadline.get(), |longest| longest.get().max(self.deadline.get()))
    }
}

/// When a failing or slow service is flown past at once.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct ServiceBreaker {
    /// So many failures …
    pub failures: u32,
    /// … within this time …
    pub window: TimeSpan,
    /// … open it for this long; then one probe decides.
    pub open: TimeSpan,
    /// An answer that takes so long is slow. Default: the service's deadline.
    pub slow: Option<TimeSpan>,
    /// So many percent of slow answers within the window, of at least 20, open it too.
    pub slow_percent: u8,
}

impl Default for ServiceBreaker {
    fn default() -> Self {
        let Breaker { failures, window, open } = Breaker::default();
        Self { failures, window, open, slow: None, slow_percent: 50 }
    }
}

/// `webhook = { service = "…", path = "/…" }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Webhook {
    /// A name of `[services]`.
    pub service: String,
    /// Path and query that the event is posted to, as JSON.
    pub path: String,
}

/// When a failing dependency is flown past at once.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Breaker {
    /// So many failures …
    pub failures: u32,
    /// … within this time …
    pub window: TimeSpan,
    /// … open it for this long; then one probe decides.
    pub open: TimeSpan,
}

impl Default for Breaker {
    fn default() -> Self {
        Self { failures: 5, window: TimeSpan::from_secs(10), open: TimeSpan::from_secs(5) }
    }
}

fn default_service_deadline() -> TimeSpan {
    TimeSpan::from_millis(50)
}

pub(super) fn default_concurrency() -> usize {
    256
}

/// `[tables.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    /// Where rows come from.
    pub source: Source,
    /// How long a load may take, resolve to body. Default: the service's.
    pub deadline: Option<TimeSpan>,
    /// How long an answer is fresh. Default 1 h.
    #[serde(default = "default_ttl")]
    pub ttl: TimeSpan,
    /// How long "there is none" is fresh. Default 60 s.
    #[serde(default = "default_negative_ttl")]
    pub negative_ttl: TimeSpan,
    /// So long before its expiry a key in use is loaded again in the background. Default 0: never.
    #[serde(default)]
    pub refresh_ahead: TimeSpan,
    /// A key is in use when a call asked for it within this time. Default 24 h.
    #[serde(default = "default_refresh_used")]
    pub refresh_used: TimeSpan,
    /// Loads per second that no call asked for: refreshes ahead and the warming up. Default 200.
    #[serde(default = "default_background_rate")]
    pub background_rate: u32,
    /// How long after its ttl an answer still serves at once, while it is loaded again. Default 0.
    #[serde(default)]
    pub stale: TimeSpan,
    /// How long after its ttl an answer still serves where loading it again fails. Default: as `stale`.
    #[serde(default)]
    pub stale_if_error: TimeSpan,
    /// Rows held, or their bytes. Default 100,000.
    #[serde(default)]
    pub capacity: Capacity,
    /// A cache between the nodes and the source.
    pub shared: Option<Shared>,
    /// Keys that are loaded before the first call.
    pub warm: Option<Warm>,
}

/// `shared = { service = "…" }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Shared {
    /// A name of `[services]`, with the URL `redis://…`.
    pub service: String,
    /// Before the table's name in its keys there. Default `trunkline`.
    #[serde(default = "default_shared_prefix")]
    pub prefix: String,
}

fn default_shared_prefix() -> String {
    "trunkline".to_owned()
}

/// `warm = { keys = "…" }` or `{ last-run = true }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Warm {
    /// A file with a key in the first cell of each line.
    pub keys: Option<PathBuf>,
    /// The most used keys of the last run, kept at its end and every three minutes. Default false.
    #[serde(default)]
    pub last_run: bool,
    /// So many percent of the keys must be loaded before `/readyz` says so. Default 90.
    #[serde(default = "default_warm_share")]
    pub share: u8,
    /// It says so after this time in any case. Default 30 s.
    #[serde(default = "default_warm_within")]
    pub within: TimeSpan,
}

fn default_warm_share() -> u8 {
    90
}

fn default_warm_within() -> TimeSpan {
    TimeSpan::from_secs(30)
}

impl Table {
    /// Between two loads that no call asked for.
    pub fn beat(&self) -> Duration {
        Duration::from_secs(1) / self.background_rate.max(1)
    }
}

/// `capacity = 100_000` or `capacity = "512MiB"`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capacity {
    /// So many rows.
    Entries(u64),
    /// Rows of so many bytes, keys and bookkeeping included.
    Bytes(Size),
}

impl Default for Capacity {
    fn default() -> Self {
        Self::Entries(100_000)
    }
}

impl Capacity {
    /// Whether it holds nothing.
    pub fn is_zero(self) -> bool {
        matches!(self, Self::Entries(0)) || matches!(self, Self::Bytes(size) if size.bytes() == 0)
    }
}

impl<'de> Deserialize<'de> for Capacity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "a number of rows such as `100_000`, or a size such as `\"512MiB\"`")]
        enum Either {
            Entries(u64),
            Bytes(Size),
        }
        Either::deserialize(deserializer).map(|either| match either {
            Either::Entries(entries) => Self::Entries(entries),
            Either::Bytes(size) => Self::Bytes(size),
        })
    }
}

fn default_queued() -> usize {
    10_000
}

fn default_ttl() -> TimeSpan {
    TimeSpan::from_secs(3600)
}

fn default_negative_ttl() -> TimeSpan {
    TimeSpan::from_secs(60)
}

fn default_refresh_used() -> TimeSpan {
    TimeSpan::from_secs(86_400)
}

fn default_background_rate() -> u32 {
    200
}
