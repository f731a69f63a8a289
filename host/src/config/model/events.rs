//! Where events go, and how a broker is reached.

use std::path::PathBuf;

use serde::Deserialize;

/// `[events]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Events {
    /// The broker that passes them on.
    pub amqp: AmqpEvents,
    /// Events that may wait for the broker, at most 1,000,000; more are dropped and counted. Default 10,000.
    #[serde(default = "default_queue")]
    pub queue: usize,
}

fn default_queue() -> usize {
    10_000
}

/// A topic exchange.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AmqpEvents {
    /// `amqp://user:password@host:port/vhost`, or `amqps://`.
    pub url: String,
    /// Declared durable, of type topic. Default `trunkline.events`.
    #[serde(default = "default_exchange")]
    pub exchange: String,
    /// Certificates, for `amqps`.
    pub tls: Option<PeerTls>,
}

fn default_exchange() -> String {
    "trunkline.events".to_owned()
}

/// Certificates, as PEM files.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PeerTls {
    /// Who may have signed the server's certificate. Default: the system's authorities.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the server asks for one; `key` belongs to it.
    pub certificate: Option<PathBuf>,
    /// The key of `certificate`.
    pub key: Option<PathBuf>,
}
