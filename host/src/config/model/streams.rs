//! Connections: TCP and TLS listeners, certificates, what bounds them.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::super::units::{Size, TimeSpan};

/// An entry of `listen.tls`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TlsListener {
    /// The address.
    pub bind: SocketAddr,
    /// PEM file: this node's certificate, and those that lead from it to its authority.
    pub certificate: PathBuf,
    /// PEM file: the certificate's private key.
    pub key: PathBuf,
    /// PEM file: the authorities of peers. With it, a peer must show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// `[tls]`: connections that this node opens.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Tls {
    /// PEM file: the authorities of gateways. Default: those that the system trusts.
    pub ca: Option<PathBuf>,
    /// PEM file: the certificate shown to a gateway that asks for one. Default: none.
    pub certificate: Option<PathBuf>,
    /// PEM file: its private key.
    pub key: Option<PathBuf>,
}

/// `[streams]`: what bounds TCP and TLS connections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Streams {
    /// Connections at once, of either direction. Default 16,384.
    pub max_connections: usize,
    /// Of these, from one address. Default 1,024.
    pub max_per_source: usize,
    /// TLS handshakes of peers at once. Default 256.
    pub max_handshakes: usize,
    /// Of these, from one address. Default 32.
    pub max_handshakes_per_source: usize,
    /// For a TLS handshake of a peer. Default 5 s.
    pub handshake_timeout: TimeSpan,
    /// For a connection to a peer, its handshake included. Default 2 s.
    pub connect_timeout: TimeSpan,
    /// Without a message or a ping for so long, a connection is closed. Default 30 min.
    pub idle: TimeSpan,
    /// For a message that has begun to come whole, and for the peer to read what is written. Default 5 s.
    pub stall: TimeSpan,
    /// Bytes that wait to be written to one connection. Default 1 MiB.
    pub queue: Size,
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            max_connections: 16_384,
            max_per_source: 1_024,
            max_handshakes: 256,
            max_handshakes_per_source: 32,
            handshake_timeout: TimeSpan::from_secs(5),
            connect_timeout: TimeSpan::from_secs(2),
            idle: TimeSpan::from_secs(1_800),
            stall: TimeSpan::from_secs(5),
            queue: Size::from_mib(1),
        }
    }
}
