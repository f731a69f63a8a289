//! The journal, the stores and the fanout of call records.

use std::path::PathBuf;

use serde::Deserialize;

use super::super::units::{Size, TimeSpan, always_or_span};
use super::{Named, PeerTls};

/// `[cdr]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Cdr {
    /// The journal's folder. Default `var/journal`.
    pub journal: PathBuf,
    /// Records are synced to disk at least this often; zero, written `always`: as soon as they come. Default 10 ms.
    #[serde(deserialize_with = "always_or_span")]
    pub sync: TimeSpan,
    /// Records that may wait in memory, about 1 kB each, while the journal's disk refuses them; at most 10,000,000. Default
    /// 65,536.
    pub queue: usize,
    /// What the journal may take of the disk; then the disk counts as full. Default 64 GiB.
    pub journal_limit: Size,
    /// What becomes of new calls while the journal's disk refuses records. Default: they are routed.
    pub on_journal_failure: OnJournalFailure,
    /// Records a second of calls of nobody's that were refused; more are counted only. Default 100.
    pub stranger_records: u32,
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
            journal_limit: Size::from_mib(64 << 10),
            on_journal_failure: OnJournalFailure::Route,
            stranger_records: 100,
            stores: Named::new(),
            fanout: None,
        }
    }
}

/// What becomes of new calls while the journal's disk refuses records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnJournalFailure {
    /// They are routed: their records wait in memory, as far as `queue` goes.
    #[default]
    Route,
    /// They get 503.
    Refuse,
}

/// `[cdr.stores.NAME]`: exactly one of these.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Store {
    /// A SQL database.
    Sql(SqlStore),
    /// Files in a folder.
    Files(FileStore),
    /// A webhook.
    Http(HttpStore),
}

/// A SQL database.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SqlStore {
    /// `sqlite:PATH` or `postgres://user:password@host:port/database`.
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
    /// A new file begins with the first call that ended in another such period, counted from midnight UTC. Default: by
    /// size alone.
    pub rotate_every: Option<TimeSpan>,
}

/// A webhook: batches of records by POST, signed.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpStore {
    /// `https://host/path`; `http` only to this machine.
    pub url: String,
    /// The key of the signature, shared with the receiver.
    pub secret: String,
    /// Further header fields, such as `authorization`.
    #[serde(default)]
    pub headers: Named<String>,
    /// Records in a request, at most. Default 500.
    #[serde(default = "default_batch")]
    pub batch: usize,
    /// For a request and its answer. Default 10 s.
    #[serde(default = "default_deadline")]
    pub deadline: TimeSpan,
}

fn default_batch() -> usize {
    500
}

fn default_deadline() -> TimeSpan {
    TimeSpan::from_millis(10_000)
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
    /// What kind of queues those are. Default `classic`.
    #[serde(default)]
    pub queue_type: QueueType,
    /// Records that may share a message, 1 to 1,000, as lines of JSON; nothing waits for a message to fill. Default 1: each
    /// record is a message of its own, as JSON.
    #[serde(default = "one")]
    pub records_per_message: usize,
    /// Where the records of calls go that nobody answered. Default: where all go.
    pub missed: Option<MissedFanout>,
    /// Certificates, for `amqps`.
    pub tls: Option<PeerTls>,
}

fn one() -> usize {
    1
}

/// An exchange for calls that nobody answered.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MissedFanout {
    /// Declared durable, of type fanout.
    pub exchange: String,
    /// Declared durable and bound to the exchange. Default: none.
    #[serde(default)]
    pub queues: Vec<String>,
}

/// The kind of the queues that are declared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueueType {
    /// On one node of the broker.
    #[default]
    Classic,
    /// On several, by Raft: what a cluster wants.
    Quorum,
}
