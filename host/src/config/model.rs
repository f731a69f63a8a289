//! The configuration as it stands in the file: one struct per TOML table, nothing resolved, nothing checked but shapes.
//!
//! Unknown keys are refused. Durations are texts with units (`150ms`, `24h`), sizes too (`16MiB`). Relative paths
//! count from the file's folder. `${NAME}` in a string is the environment variable of that name.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::Deserialize;

use super::units::{self, Size, TimeSpan};

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
}

/// `[node]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Node {
    /// Stamps every record. Default: the host name.
    pub name: Option<String>,
    /// Worker threads; 0 = one per core.
    pub workers: usize,
    /// How long a stop waits for calls in progress to end by themselves. Default 30 s; 0 cuts them at once.
    pub drain: TimeSpan,
}

impl Default for Node {
    fn default() -> Self {
        Self { name: None, workers: 0, drain: TimeSpan::from_secs(30) }
    }
}

/// `[listen]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Listen {
    /// UDP sockets.
    #[serde(deserialize_with = "units::socket_addresses")]
    pub udp: Vec<SocketAddr>,
    /// The host, or host:port, written to Via and Record-Route. Default: the bound address; for a wildcard
    /// address, the one that the default route leaves by.
    pub advertise: Option<String>,
}

/// `[admin]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Admin {
    /// None: no HTTP API.
    pub bind: Option<SocketAddr>,
    /// Bearer token; required when `bind` is not a loopback address.
    pub token: Option<String>,
}

/// `[call]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Call {
    /// All stages together; beyond it, those whose failure refuses the call run on without waiting. Default 150 ms.
    pub setup_budget: TimeSpan,
    /// From an attempt's INVITE to its final response. Default 60 s.
    pub ring_timeout: TimeSpan,
    /// From an attempt's INVITE to its first provisional response. Default 4 s.
    pub attempt_timeout: TimeSpan,
    /// An answered call is ended with BYE to both sides after this. Default 4 h.
    pub max_duration: TimeSpan,
    /// Attempts per call. Default 8.
    pub max_attempts: usize,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            setup_budget: TimeSpan::from_millis(150),
            ring_timeout: TimeSpan::from_secs(60),
            attempt_timeout: TimeSpan::from_secs(4),
            max_duration: TimeSpan::from_secs(4 * 3600),
            max_attempts: 8,
        }
    }
}

/// `[timers]`: RFC 3261 section 17 and its table 4.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Timers {
    /// Round-trip estimate. Default 500 ms.
    pub t1: TimeSpan,
    /// Longest retransmission interval. Default 4 s.
    pub t2: TimeSpan,
    /// How long a message stays in the network. Default 5 s.
    pub t4: TimeSpan,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: TimeSpan::from_millis(500), t2: TimeSpan::from_secs(4), t4: TimeSpan::from_secs(5) }
    }
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// `tracing` filter, such as `info` or `trunkline=debug`. Default `info`; `TRUNKLINE_LOG` overrides it.
    pub filter: Option<String>,
    /// Write whole phone numbers in plugins' lines at info and above; else only their first digits.
    pub full_numbers: bool,
}

/// `[services.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Service {
    /// Base URL; a request's path is appended.
    pub url: String,
    /// Resolve, connect, head and body together. Default 50 ms.
    #[serde(default = "default_service_deadline")]
    pub deadline: TimeSpan,
    /// Sent with every request; for credentials.
    #[serde(default)]
    pub headers: Named<String>,
    /// Requests at once. Default 256; one more fails at once.
    #[serde(default = "default_concurrency")]
    pub max_concurrent: usize,
    /// Default: 5 failures within 10 s open it for 5 s.
    #[serde(default)]
    pub breaker: Breaker,
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

fn default_concurrency() -> usize {
    256
}

/// `[tables.NAME]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Table {
    /// Where rows come from.
    pub source: Source,
    /// HTTP: how long an answer is fresh. Default 1 h.
    #[serde(default = "default_ttl")]
    pub ttl: TimeSpan,
    /// HTTP: how long "there is none" is fresh. Default 60 s.
    #[serde(default = "default_negative_ttl")]
    pub negative_ttl: TimeSpan,
    /// HTTP: how long after its ttl an answer still serves while the source is down or is being asked. Default 0.
    #[serde(default)]
    pub stale: TimeSpan,
    /// HTTP: rows held. Default 100,000.
    #[serde(default = "default_capacity")]
    pub capacity: u64,
}

fn default_ttl() -> TimeSpan {
    TimeSpan::from_secs(3600)
}

fn default_negative_ttl() -> TimeSpan {
    TimeSpan::from_secs(60)
}

fn default_capacity() -> u64 {
    100_000
}

/// `source = { csv = { … } }` or `{ http = { … } }`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// A CSV file with a header line, held whole in memory.
    Csv(CsvSource),
    /// A request per key to a named service.
    Http(HttpSource),
}

/// A CSV file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CsvSource {
    /// The file.
    pub path: PathBuf,
    /// The column that is the key.
    pub key: String,
    /// How a key matches. Default `exact`.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// The columns to keep, with their types. Default: all, as text.
    #[serde(default)]
    pub fields: Named<FieldType>,
}

/// How a key matches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Match {
    /// The whole key.
    #[default]
    Exact,
    /// Keys are prefixes of the digits asked for; several rows may share one.
    Prefix,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldType {
    /// UTF-8 text.
    #[default]
    Text,
    /// 64 bits, signed.
    Integer,
    /// Exact decimal: money.
    Decimal,
    /// `true`/`false`, `1`/`0`, `yes`/`no`.
    Boolean,
}

/// One HTTP request per key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpSource {
    /// A name of `[services]`.
    pub service: String,
    /// Path and query; `{key}` is the key, percent-encoded.
    pub path: String,
    /// What the body is. 404 and 204 mean that there is no row.
    #[serde(default)]
    pub format: BodyFormat,
    /// `format = "text"`: the name of the one field that the body becomes. Default `value`.
    #[serde(default = "default_text_field")]
    pub field: String,
    /// `format = "json"`: field name to JSON pointer and type. Default: the members of the top object, as text.
    #[serde(default)]
    pub fields: Named<JsonField>,
}

fn default_text_field() -> String {
    "value".to_owned()
}

/// What the body of an answer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BodyFormat {
    /// One text; an empty one means that there is no row.
    #[default]
    Text,
    /// One JSON object.
    Json,
}

/// Where in the JSON a field is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JsonField {
    /// RFC 6901, such as `/caller/name`.
    pub pointer: String,
    /// Default text.
    #[serde(default, rename = "type")]
    pub kind: FieldType,
}

/// `[plugins.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plugin {
    /// One of the built-in five by name, or the path of a component. Default: the plugin's own name.
    pub component: Option<String>,
    /// Instructions per call. Default 2,000,000.
    #[serde(default = "default_fuel")]
    pub fuel: u64,
    /// Wall clock per call, host waits included. Default 30 ms.
    #[serde(default = "default_stage_deadline")]
    pub deadline: TimeSpan,
    /// Linear memory per instance. Default 16 MiB.
    #[serde(default = "default_memory")]
    pub memory: Size,
    /// What a failure does. Default: skip for `lrn` and `cnam`, else reject with 503.
    pub on_failure: Option<OnFailure>,
    /// Whether instances are reused. Default warm.
    #[serde(default)]
    pub isolation: Isolation,
    /// Calls at once in this stage, per worker. Default 256.
    #[serde(default = "default_concurrency")]
    pub max_concurrent: usize,
    /// Default: 50 failures within 10 s open it for 5 s.
    #[serde(default = "default_plugin_breaker")]
    pub breaker: Breaker,
    /// Handed to `configure` as JSON.
    #[serde(default)]
    pub config: toml::Table,
}

impl Plugin {
    /// What a failure of this plugin, so named, does: what only adds to a call is skipped; what decides about it fails
    /// closed.
    pub fn on_failure(&self, name: &str) -> OnFailure {
        let default = if matches!(name, "lrn" | "cnam") { OnFailure::Skip } else { OnFailure::Reject(503) };
        self.on_failure.unwrap_or(default)
    }
}

fn default_fuel() -> u64 {
    2_000_000
}

fn default_stage_deadline() -> TimeSpan {
    TimeSpan::from_millis(30)
}

fn default_memory() -> Size {
    Size::from_mib(16)
}

fn default_plugin_breaker() -> Breaker {
    Breaker { failures: 50, ..Breaker::default() }
}

/// What a failing stage does to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The call goes on without it.
    Skip,
    /// The call is refused with this code, 400 to 699.
    Reject(u16),
}

/// Whether a stage's instances live on between calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Reused: about 1 µs a call.
    #[default]
    Warm,
    /// A new instance for every call: about 30 µs.
    Fresh,
}

/// `[gateways.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Gateway {
    /// `sip:HOST[:PORT][;transport=udp]`
    pub uri: String,
    /// From an attempt's INVITE to its first provisional response. Default: `call.attempt-timeout`.
    pub attempt_timeout: Option<TimeSpan>,
    /// From an attempt's INVITE to its final response. Default: `call.ring-timeout`.
    pub ring_timeout: Option<TimeSpan>,
    /// What the Request-URI's host becomes. Default `gateway`.
    #[serde(default)]
    pub request_uri: RequestUriHost,
}

/// What happens to the host of the Request-URI towards a gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequestUriHost {
    /// It becomes the gateway's host and port.
    #[default]
    Gateway,
    /// It stays as received.
    Keep,
}

/// `[customers.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Customer {
    /// Addresses whose calls are this customer's. The longest match over all customers wins.
    #[serde(deserialize_with = "units::networks")]
    pub sources: Vec<IpNet>,
    /// A name of `[pipelines]`. Default `default`.
    #[serde(default = "default_pipeline")]
    pub pipeline: String,
    /// This customer's own component in place of a stage's: stage name to built-in name or path.
    #[serde(default)]
    pub plugins: Named<String>,
    /// Attributes that every call of this customer starts with.
    #[serde(default)]
    pub attributes: Named<String>,
    /// Digest credentials of this customer.
    pub digest: Option<Digest>,
}

fn default_pipeline() -> String {
    "default".to_owned()
}

/// `[customers.NAME.digest]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Digest {
    /// The protection realm.
    pub realm: String,
    /// User name to password.
    pub users: Named<String>,
}

/// `[cdr]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cdr {
    /// The journal's folder. Default `var/journal`.
    pub journal: PathBuf,
    /// Records are synced to disk at least this often. Default 10 ms.
    pub sync: TimeSpan,
    /// Records that may wait in memory while the journal's disk refuses them. Default 65,536, about 200 MB.
    pub queue: usize,
    /// Independent stores.
    pub stores: Named<Store>,
    /// The broker that fans records out.
    pub fanout: Option<Fanout>,
}

impl Default for Cdr {
    fn default() -> Self {
        Self {
            journal: PathBuf::from("var/journal"),
            sync: TimeSpan::from_millis(10),
            queue: 65_536,
            stores: Named::new(),
            fanout: None,
        }
    }
}

/// `[cdr.stores.NAME]`: exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Store {
    /// A SQL database.
    Sql(SqlStore),
    /// Files in a folder.
    Files(FileStore),
}

/// A SQL database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqlStore {
    /// `sqlite:PATH`.
    pub url: String,
}

/// Files in a folder.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FileStore {
    /// Made when missing.
    pub folder: PathBuf,
    /// Default `jsonl`: one JSON object a line.
    #[serde(default)]
    pub format: FileFormat,
    /// A new file begins after this many bytes. Default 64 MiB.
    #[serde(default = "default_rotate")]
    pub rotate: Size,
}

fn default_rotate() -> Size {
    Size::from_mib(64)
}

/// The format of record files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// One JSON object a line.
    #[default]
    Jsonl,
}

/// `[cdr.fanout]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Fanout {
    /// AMQP 0-9-1: RabbitMQ.
    Amqp(AmqpFanout),
}

/// A fanout exchange.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmqpFanout {
    /// `amqp://user:password@host:port/vhost`
    pub url: String,
    /// Declared durable, of type fanout.
    pub exchange: String,
    /// Declared durable and bound to the exchange. Default: none; consumers bind their own.
    #[serde(default)]
    pub queues: Vec<String>,
}
