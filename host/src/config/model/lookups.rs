//! Services and tables: what stages can ask for.

use std::path::PathBuf;

use serde::Deserialize;

use super::super::units::TimeSpan;
use super::Named;

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

pub(super) fn default_concurrency() -> usize {
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
