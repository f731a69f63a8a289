//! The way to a RabbitMQ: its URL, its certificates, a connection.
//!
//! Errors name neither the URL nor the library's words about it: both may hold the password.

use std::path::{Path, PathBuf};

use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties};

use crate::config::model;

/// A broker that can be connected to, again and again.
#[derive(Debug)]
pub struct Broker {
    uri: AMQPUri,
    place: String,
    /// PEM: who may have signed the broker's certificate; the system's certificates where none.
    authorities: Option<String>,
    /// PEM: our certificate and its key.
    identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// Why a broker cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The URL.
    #[error("is not an AMQP URL: write `amqp://USER:PASSWORD@HOST:PORT/VHOST`, the vhost `/` as `%2f`")]
    Url,
    /// A certificate or key.
    #[error("cannot read {}: {source}", .path.display())]
    File {
        /// Under `tls`.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl BrokerError {
    /// The key in the configuration, beside `exchange`.
    pub fn key(&self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::File { key, .. } => key,
        }
    }
}

impl Broker {
    /// Of a URL. Certificates are read now; relative paths count from `base`.
    ///
    /// # Errors
    ///
    /// The URL is none, or a file cannot be read.
    pub fn new(url: &str, tls: Option<&model::PeerTls>, base: &Path) -> Result<Self, BrokerError> {
        let uri: AMQPUri = url.parse().map_err(|_| BrokerError::Url)?;
        let place = format!("{}:{}/{}", uri.authority.host, uri.authority.port, uri.vhost.trim_start_matches('/'));
        let read = |key, path: &Path| {
            let path = base.join(path);
            std::fs::read(&path).map_err(|source| BrokerError::File { key, path, source })
        };
        let mut broker = Self { uri, place, authorities: None, identity: None };
        if let Some(tls) = tls {
            if let Some(ca) = &tls.ca {
                broker.authorities = Some(String::from_utf8_lossy(&read("tls.ca", ca)?).into_owned());
            }
            if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
                broker.identity = Some((read("tls.certificate", certificate)?, read("tls.key", key)?));
            }
        }
        Ok(broker)
    }

    /// `host:port/vhost`: the URL without its credentials.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Connects under a name that the broker's operator sees. Has no deadline of its own.
    ///
    /// # Errors
    ///
    /// Whatever the broker or the network say.
    pub async fn connect(&self, name: &str) -> lapin::Result<Connection> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let identity = self.identity.clone().map(|(pem, key)| OwnedIdentity::PKCS8 { pem, key });
        let tls = OwnedTLSConfig { identity, cert_chain: self.authorities.clone() };
        let runtime = lapin::runtime::default_runtime()?;
        Connection::connect_uri_with_config(self.uri.clone(), properties, tls, runtime).await
    }
}
