//! The configuration as it stands in the file: one struct per TOML table, nothing resolved, nothing checked but shapes.
//!
//! Unknown keys are refused. Durations are texts with units (`150ms`, `24h`), sizes too (`16MiB`). Relative paths
//! count from the file's folder. `${NAME}` in a string is the environment variable of that name.

mod abuse;
mod call;
mod events;
mod ledger;
mod limits;
mod lookups;
mod md5;
mod node;
mod overload;
mod own_plugin;
mod plugins;
mod records;
mod routing;
mod sources;
mod streams;
mod tracing;
mod trials;
mod trust;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use self::abuse::{Abuse, UnknownSources};
pub use self::call::{Call, SessionExpired, Timers};
pub use self::events::{AmqpEvents, Events, PeerTls};
pub use self::ledger::{AmqpQueue, Deck, DeckVersion, Ledger, Moment, Rater};
pub use self::limits::{Limits, SharedLimits};
pub use self::lookups::{Breaker, Capacity, Service, ServiceBreaker, Shared, Table, Warm, Webhook};
pub use self::node::{Admin, Dns, Hep, Listen, Log, Node};
pub use self::overload::Overload;
pub use self::own_plugin::{CustomerLimits, Overrides, OwnPlugin};
pub use self::plugins::{Compile, Isolation, OnFailure, Plugin};
pub use self::records::{
    AmqpFanout, Cdr, Fanout, FileFormat, FileStore, HttpStore, MissedFanout, OnJournalFailure, QueueType, SqlStore,
    Store,
};
pub use self::routing::{Customer, Digest, Failures, Gateway, GatewayLogin, OnRedirect, RequestUriHost};
pub use self::sources::{
    BodyFormat, CsvSource, DnsRecord, DnsSource, EnumSource, FieldType, HttpSource, JsonField, JsonSource, Match,
    MemcachedSource, RedisFormat, RedisSource, Source, SqlSource,
};
pub use self::streams::{Streams, Tls, TlsListener};
pub use self::tracing::Tracing;
pub use self::trials::{Canary, Probation, Ratio, RollBack, Shadow, Share};
pub use self::trust::TrustIdentity;

/// Tables keep their names in order, so that messages and metrics come out the same every time.
pub type Named<T> = BTreeMap<String, T>;

/// The whole file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Config {
    /// This node.
    pub node: Node,
    /// Where SIP comes in.
    pub listen: Listen,
    /// What bounds TCP and TLS connections.
    pub streams: Streams,
    /// What strangers may send.
    pub abuse: Abuse,
    /// When new calls are refused because there is too much to do.
    pub overload: Overload,
    /// TLS towards gateways.
    pub tls: Tls,
    /// How host names of gateways and of HTTP services are found.
    pub dns: Dns,
    /// Where copies of messages go; nowhere by default.
    pub hep: Option<Hep>,
    /// The HTTP API.
    pub admin: Admin,
    /// Limits on every call.
    pub call: Call,
    /// SIP timers.
    pub timers: Timers,
    /// Logging.
    pub log: Log,
    /// Named HTTP services.
    pub services: Named<Service>,
    /// Cached lookups.
    pub tables: Named<Table>,
    /// Counters for limits.
    pub limits: Limits,
    /// Stages.
    pub plugins: Named<Plugin>,
    /// Orders of stages: names of `plugins`.
    pub pipelines: Named<Vec<String>>,
    /// Where calls can go.
    pub gateways: Named<Gateway>,
    /// Whose calls they are.
    pub customers: Named<Customer>,
    /// Call records.
    pub cdr: Cdr,
    /// What becomes of them: `trunkline ledger`.
    pub ledger: Option<Ledger>,
    /// Where events are published; nowhere by default.
    pub events: Option<Events>,
    /// Where traces of calls go; nowhere by default.
    pub tracing: Option<Tracing>,
}

impl Config {
    /// Whether the file is for `trunkline ledger` and sets up no router.
    pub fn is_ledger_alone(&self) -> bool {
        self.ledger.is_some() && self.listen == Listen::default()
    }
}
