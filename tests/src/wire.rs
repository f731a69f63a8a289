//! What carries a phone's messages: datagrams, a TCP connection, or TLS over one.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned};

use crate::pki::{Certificate, Pki};

/// One way to the router.
#[derive(Debug)]
pub(crate) enum Wire {
    /// Datagrams to and from anybody.
    Udp(UdpSocket),
    /// A connection; `listener` takes the next one when it ends, or the first.
    Tcp { stream: Option<TcpStream>, listener: Option<TcpListener>, buffer: Vec<u8> },
    /// A connection of ours.
    Tls { stream: RefCell<Box<StreamOwned<ClientConnection, TcpStream>>>, buffer: Vec<u8> },
}

impl Wire {
    /// As in Via.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Udp(_) => "UDP",
            Self::Tcp { .. } => "TCP",
            Self::Tls { .. } => "TLS",
        }
    }

    pub(crate) fn connect(router: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(router).with_context(|| format!("no connection to {router}"))?;
        Ok(Self::Tcp { stream: Some(stream), listener: None, buffer: Vec::new() })
    }

    pub(crate) fn listen(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address)?;
        Ok(Self::Tcp { stream: None, listener: Some(listener), buffer: Vec::new() })
    }

    /// The handshake is made here: its failure is an error.
    pub(crate) fn secure(router: SocketAddr, name: &str, pki: &Pki, own: Option<&Certificate>) -> Result<Self> {
        let builder = trusting(pki)?;
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain = vec![CertificateDer::from_pem_file(&own.certificate)?];
                builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_file(&own.key)?)?
            }
        };
        let tcp = TcpStream::connect(router)?;
        let session = ClientConnection::new(Arc::new(config), ServerName::try_from(name.to_owned())?)?;
        let mut stream = Box::new(StreamOwned::new(session, tcp));
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).context("handshake")?;
        }
        Ok(Self::Tls { stream: RefCell::new(stream), buffer: Vec::new() })
    }

    pub(crate) fn local(&self) -> Result<SocketAddr> {
        Ok(match self {
            Self::Udp(socket) => socket.local_addr()?,
            Self::Tcp { listener: Some(listener), .. } => listener.local_addr()?,
            Self::Tcp { stream, .. } => stream.as_ref().context("no connection")?.local_addr()?,
            Self::Tls { stream, .. } => stream.borrow().sock.local_addr()?,
        })
    }

    pub(crate) fn send(&self, bytes: &[u8], peer: SocketAddr) -> Result<()> {
        match self {
            Self::Udp(socket) => drop(socket.send_to(bytes, peer)?),
            Self::Tcp { stream, .. } => stream.as_ref().context("no connection")?.write_all(bytes)?,
            Self::Tls { stream, .. } => {
                let mut stream = stream.borrow_mut();
                stream.write_all(bytes)?;
                stream.flush()?;
            }
        }
        Ok(())
    }

    /// The next message and who sent it.
    pub(crate) fn receive(&mut self, deadline: Instant) -> Result<Option<(Vec<u8>, Option<SocketAddr>)>> {
        match self {
            Self::Udp(socket) => {
                let mut bytes = vec![0; 65_535];
                socket.set_read_timeout(Some(left(deadline)))?;
                Ok(timely(socket.recv_from(&mut bytes))?.map(|(length, peer)| {
                    bytes.truncate(length);
                    (bytes, Some(peer))
                }))
            }
            Self::Tcp { stream, listener, buffer } => loop {
                if stream.is_none() {
                    let Some(listener) = listener else { return Ok(None) };
                    let Some(accepted) = accept(listener, deadline)? else { return Ok(None) };
                    *stream = Some(accepted);
                }
                let Some(open) = stream else { return Ok(None) };
                open.set_read_timeout(Some(left(deadline)))?;
                match framed(open, buffer, deadline)? {
                    Framed::Message(message) => return Ok(Some((message, None))),
                    Framed::Nothing => return Ok(None),
                    Framed::End => {
                        *stream = None;
                        buffer.clear();
                    }
                }
            },
            Self::Tls { stream, buffer } => {
                let stream = stream.get_mut();
                stream.sock.set_read_timeout(Some(left(deadline)))?;
                match framed(stream.as_mut(), buffer, deadline)? {
                    Framed::Message(message) => Ok(Some((message, None))),
                    Framed::Nothing | Framed::End => Ok(None),
                }
            }
        }
    }

    /// Ends the connection as a crash would: what the peer sends next is refused.
    pub(crate) fn cut(&mut self) {
        if let Self::Tcp { stream, .. } = self {
            *stream = None;
        }
    }
}

/// A client that takes certificates of this authority alone.
pub(crate) fn trusting(pki: &Pki) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pki.authority())?)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots))
}

enum Framed {
    Message(Vec<u8>),
    Nothing,
    End,
}

/// Reads until a whole message is there, by its Content-Length.
fn framed(stream: &mut impl Read, buffer: &mut Vec<u8>, deadline: Instant) -> Result<Framed> {
    loop {
        let skip = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.drain(..skip);
        if let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&buffer[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            let end = head + 4 + length.unwrap_or(0_usize);
            if buffer.len() >= end {
                return Ok(Framed::Message(buffer.drain(..end).collect()));
            }
        }
        let mut piece = [0; 8192];
        match timely(stream.read(&mut piece)) {
            Ok(Some(0)) => return Ok(Framed::End),
            Ok(Some(count)) => buffer.extend_from_slice(&piece[..count]),
            Ok(None) => return Ok(Framed::Nothing),
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
                return Ok(Framed::End);
            }
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Ok(Framed::Nothing);
        }
    }
}

fn accept(listener: &TcpListener, deadline: Instant) -> Result<Option<TcpStream>> {
    listener.set_nonblocking(true)?;
    loop {
        match timely(listener.accept())? {
            Some((stream, _)) => {
                stream.set_nonblocking(false)?;
                return Ok(Some(stream));
            }
            None if Instant::now() >= deadline => return Ok(None),
            // A listener has no timeout of its own.
            None => std::thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// None where nothing came in time.
fn timely<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error),
    }
}
