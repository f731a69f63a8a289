//! The node itself: where it listens, its HTTP API, its log.

use std::net::SocketAddr;

use serde::Deserialize;

use super::super::units::{self, TimeSpan};
use super::streams::TlsListener;

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
    /// While many messages come, a worker lets them come together for as long: none is seen more than this later than it
    /// came. Default 4 ms; 0 has a worker woken for each of them.
    pub gather: TimeSpan,
}

impl Default for Node {
    fn default() -> Self {
        let (drain, gather) = (TimeSpan::from_secs(30), TimeSpan::from_millis(4));
        Self { name: None, workers: 0, drain, gather }
    }
}

/// `[listen]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Listen {
    /// UDP sockets.
    #[serde(deserialize_with = "units::socket_addresses")]
    pub udp: Vec<SocketAddr>,
    /// TCP sockets.
    #[serde(deserialize_with = "units::socket_addresses")]
    pub tcp: Vec<SocketAddr>,
    /// TLS sockets, each with its certificate.
    pub tls: Vec<TlsListener>,
    /// The host, or host:port, written to Via and Record-Route. Default: the bound address; for a wildcard
    /// address, the one that the default route leaves by.
    pub advertise: Option<String>,
}

/// `[hep]`: a copy of every message to a Homer collector.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Hep {
    /// `udp:HOST:PORT`
    pub collector: String,
    /// The capture agent's number.
    pub id: u32,
}

/// `[dns]`: how host names of gateways and of HTTP services are found.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Dns {
    /// Servers with ports, in place of the system's.
    #[serde(deserialize_with = "units::socket_addresses")]
    pub servers: Vec<SocketAddr>,
    /// For everything that is asked to find one host. Default 2 s; no call waits for it.
    pub deadline: TimeSpan,
}

impl Default for Dns {
    fn default() -> Self {
        Self { servers: Vec::new(), deadline: TimeSpan::from_secs(2) }
    }
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

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Log {
    /// `tracing` filter, such as `info` or `trunkline=debug`. Default `info`; `TRUNKLINE_LOG` overrides it.
    pub filter: Option<String>,
    /// Write whole phone numbers in plugins' lines at info and above; else only their first digits.
    pub full_numbers: bool,
}
