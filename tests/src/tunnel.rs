//! TLS for a program that speaks TCP alone, as Debian's SIPp does: each connection goes on encrypted, or comes so.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::pki::{Certificate, Pki};
use crate::wire::trusting;

/// Ends when dropped, with all connections that go through it.
#[derive(Debug)]
pub(crate) struct Tunnel {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Tunnel {
    /// Takes TLS connections with this certificate on a port of its own, and passes what they carry on to a program that
    /// listens for TCP.
    ///
    /// # Errors
    /// No such certificate, or no port.
    pub(crate) fn before(program: SocketAddr, own: &Certificate) -> Result<Self> {
        let chain = vec![CertificateDer::from_pem_file(&own.certificate)?];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(&own.key)?)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |stream| {
            let acceptor = acceptor.clone();
            async move {
                let peer = acceptor.accept(stream).await?;
                carry(peer, TcpStream::connect(program).await?).await
            }
        })
    }

    /// Takes TCP connections on a port of its own, and carries each on by TLS to `server`, whose certificate must be of
    /// `pki` and hold its address.
    ///
    /// # Errors
    /// No port.
    pub(crate) fn towards(server: SocketAddr, pki: &Pki) -> Result<Self> {
        let connector = TlsConnector::from(Arc::new(trusting(pki)?.with_no_client_auth()));
        let name = ServerName::from(server.ip());
        Self::start(move |stream| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let peer = TcpStream::connect(server).await?;
                peer.set_nodelay(true)?;
                carry(connector.connect(name, peer).await?, stream).await
            }
        })
    }

    fn start<F>(each: impl Fn(TcpStream) -> F + Send + 'static) -> Result<Self>
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free TCP port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let listener = {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        drop(runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let carried = each(stream);
                drop(tokio::spawn(async move {
                    if let Err(error) = carried.await {
                        eprintln!("a connection through the TLS tunnel ended: {error}");
                    }
                }));
            }
        }));
        Ok(Self { address, _runtime: runtime })
    }

    /// Where it takes connections.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn carry(mut one: impl AsyncRead + AsyncWrite + Unpin, mut other: TcpStream) -> io::Result<()> {
    other.set_nodelay(true)?;
    copy_bidirectional(&mut one, &mut other).await.map(drop)
}
