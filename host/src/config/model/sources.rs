//! Where a table's rows come from.

use std::path::PathBuf;

use serde::Deserialize;

use super::super::units::TimeSpan;
use super::Named;

/// `source = { csv = { … } }`, and so on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Source {
    /// A CSV file with a header line, held whole in memory.
    Csv(CsvSource),
    /// A JSON file, held whole in memory.
    Json(JsonSource),
    /// A request per key to a named HTTP service.
    Http(HttpSource),
    /// A key of a Redis.
    Redis(RedisSource),
    /// A key of a Memcached.
    Memcached(MemcachedSource),
    /// A query per key, or one for the whole table.
    Sql(SqlSource),
    /// RFC 6116.
    Enum(EnumSource),
    /// Records of a name with the key in it.
    Dns(DnsSource),
}

impl Source {
    /// Whether the table is held whole, and not asked key by key.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Csv(_) | Self::Json(_) => true,
            Self::Sql(sql) => sql.key.is_some(),
            _ => false,
        }
    }

    /// The service that it is asked by; `None` of a file.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::Csv(_) | Self::Json(_) => None,
            Self::Http(http) => Some(&http.service),
            Self::Redis(redis) => Some(&redis.service),
            Self::Memcached(memcached) => Some(&memcached.service),
            Self::Sql(sql) => Some(&sql.service),
            Self::Enum(of) => Some(&of.service),
            Self::Dns(dns) => Some(&dns.service),
        }
    }
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
    /// How often the file is looked at for a change. Default 2 s; 0 for never.
    #[serde(default = "default_watch")]
    pub watch: TimeSpan,
}

fn default_watch() -> TimeSpan {
    TimeSpan::from_secs(2)
}

/// A JSON file: an array of objects, or an object whose members are the rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JsonSource {
    /// The file.
    pub path: PathBuf,
    /// An array: the member of each object that is its key. An object: none, its members' names are the keys.
    pub key: Option<String>,
    /// How a key matches. Default `exact`.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// Field name to JSON pointer within the row, and type.
    pub fields: Named<JsonField>,
    /// How often the file is looked at for a change. Default 2 s; 0 for never.
    #[serde(default = "default_watch")]
    pub watch: TimeSpan,
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

/// A key of a Redis.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RedisSource {
    /// A name of `[services]`, with the URL `redis://…`.
    pub service: String,
    /// Its key there, with `{key}` in it. Default `{key}`.
    #[serde(default = "default_key")]
    pub key: String,
    /// What stands under it. Default `text`.
    #[serde(default)]
    pub format: RedisFormat,
    /// `format = "text"`: the name of the one field that the value becomes. Default `value`.
    #[serde(default = "default_text_field")]
    pub field: String,
    /// `format = "json"` or `"hash"`: as for HTTP; a field of a hash is `/NAME`.
    #[serde(default)]
    pub fields: Named<JsonField>,
}

fn default_key() -> String {
    "{key}".to_owned()
}

/// What stands under a key of a Redis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedisFormat {
    /// One text.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// A hash.
    Hash,
}

/// A key of a Memcached.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MemcachedSource {
    /// A name of `[services]`, with the URL `memcached://…`.
    pub service: String,
    /// Its key there, with `{key}` in it. Default `{key}`.
    #[serde(default = "default_key")]
    pub key: String,
    /// What stands under it. Default `text`.
    #[serde(default)]
    pub format: BodyFormat,
    /// `format = "text"`: the name of the one field that the value becomes. Default `value`.
    #[serde(default = "default_text_field")]
    pub field: String,
    /// `format = "json"`: as for HTTP.
    #[serde(default)]
    pub fields: Named<JsonField>,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqlSource {
    /// A name of `[services]`, with the URL `postgres://…` or `sqlite:…`.
    pub service: String,
    /// One `select`. Key by key: `$1` is the key, as text, and the first row counts. Whole: without parameters.
    pub query: String,
    /// The columns to keep, with their types.
    pub fields: Named<FieldType>,
    /// The column that is the key: the table is then held whole in memory. Default: it is asked key by key.
    pub key: Option<String>,
    /// Whole: how a key matches. Default `exact`.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// Whole: how often the query is asked again. Default: never.
    pub refresh: Option<TimeSpan>,
    /// Whole, PostgreSQL: the channel of `NOTIFY` on which the database says that the table has changed.
    pub listen: Option<String>,
    /// Whole: how long reading all rows may take. Default 60 s.
    #[serde(default = "default_load_deadline")]
    pub load_deadline: TimeSpan,
}

fn default_load_deadline() -> TimeSpan {
    TimeSpan::from_secs(60)
}

/// ENUM, RFC 6116: fields `uri` and `service`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EnumSource {
    /// A name of `[services]`, with the URL `dns:` or `dns://ADDRESS:PORT`.
    pub service: String,
    /// Default `e164.arpa`.
    #[serde(default = "default_suffix")]
    pub suffix: String,
    /// Default `sip`.
    #[serde(default = "default_enumservice")]
    pub enumservice: String,
}

fn default_suffix() -> String {
    "e164.arpa".to_owned()
}

fn default_enumservice() -> String {
    "sip".to_owned()
}

/// Records of a name with the key in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DnsSource {
    /// A name of `[services]`, with the URL `dns:` or `dns://ADDRESS:PORT`.
    pub service: String,
    /// The name that is asked for, with `{key}` in it.
    pub name: String,
    /// The type of the record. Default `txt`.
    #[serde(default)]
    pub record: DnsRecord,
    /// The name of the one field that the first record becomes. Default `value`.
    #[serde(default = "default_text_field")]
    pub field: String,
}

/// The type of a DNS record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsRecord {
    /// Its text.
    #[default]
    Txt,
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
}
