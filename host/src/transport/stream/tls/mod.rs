//! TLS: rustls with ring. Certificates are files that a reload reads again; connections keep the ones they began with.

mod der;
mod failure;
mod files;
mod identity;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

pub(super) use self::failure::{is_tls, reason};
pub use self::files::Certificates;

/// Whom a certificate names.
type Identities = Option<Arc<[Box<str>]>>;

/// What connections are made with.
#[derive(Debug)]
pub struct Tls {
    certificates: ArcSwap<Certificates>,
    /// The names that the gateways' certificates must hold, by the addresses that they were found at.
    names: ArcSwap<HashMap<SocketAddr, Box<str>>>,
}

impl Tls {
    /// With these certificates.
    pub fn new(certificates: Certificates) -> Self {
        Self { certificates: ArcSwap::from_pointee(certificates), names: ArcSwap::default() }
    }

    /// From now on, new connections use these.
    pub fn renew(&self, certificates: Certificates) {
        self.certificates.store(Arc::new(certificates));
    }

    /// Who is expected at which address: a certificate for any other name is refused. At an address that is not listed,
    /// the certificate must name the address.
    pub fn expect(&self, names: HashMap<SocketAddr, Box<str>>) {
        self.names.store(Arc::new(names));
    }

    pub(super) async fn accept(
        &self,
        index: usize,
        io: TcpStream,
    ) -> io::Result<(server::TlsStream<TcpStream>, Identities)> {
        let config: Option<Arc<ServerConfig>> = self.certificates.load().servers.get(index).cloned();
        let config = config.ok_or_else(|| io::Error::other("this listener has no certificate"))?;
        let io = TlsAcceptor::from(config).accept(io).await?;
        let identities = identity::of(io.get_ref().1.peer_certificates());
        Ok((io, identities))
    }

    pub(super) async fn connect(
        &self,
        remote: SocketAddr,
        io: TcpStream,
    ) -> io::Result<(impl AsyncRead + AsyncWrite + Send + use<>, Identities)> {
        let config: Option<Arc<ClientConfig>> = self.certificates.load().client.clone();
        let config = config.ok_or_else(|| io::Error::other("this node has no TLS listener"))?;
        let named = self.names.load().get(&remote).map(|name| ServerName::try_from(name.to_string()));
        let name = match named {
            Some(name) => name.map_err(io::Error::other)?,
            None => ServerName::IpAddress(remote.ip().to_canonical().into()),
        };
        let io: client::TlsStream<TcpStream> = TlsConnector::from(config).connect(name, io).await?;
        let identities = identity::of(io.get_ref().1.peer_certificates());
        Ok((io, identities))
    }
}
