//! A gateway's URI as an address, or as a name to be asked for.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use crate::sip::flow::Transport;
use crate::sip::uri::{Scheme, Uri};

/// How long one resolution may take. Off the call path.
const DEADLINE: Duration = Duration::from_secs(3);

/// How a gateway is addressed.
#[derive(Debug)]
pub(super) enum Address {
    /// It is written in the URI.
    Literal(SocketAddr),
    /// It is to be asked for.
    Name { host: String, port: u16 },
}

/// The address, the protocol, and host with port as written. RFC 3261 section 19.1.2 has the default ports.
pub(super) fn read(text: &str) -> Result<(Address, Transport, String), String> {
    let wrong = |why: &str| format!("`{text}` {why}; write `sip:HOST[:PORT][;transport=udp]`");
    let uri = Uri::parse(text.as_bytes()).map_err(|error| wrong(&format!("is no URI: {error}")))?;
    if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
        return Err(wrong("is no SIP URI"));
    }
    let transport = transport(&uri).ok_or_else(|| wrong("names a transport other than udp, tcp and tls"))?;
    let port = uri.port.unwrap_or(if transport == Transport::Tls { 5061 } else { 5060 });
    let address = match uri.ip_addr() {
        Some(ip) => Address::Literal(SocketAddr::new(ip, port)),
        None => Address::Name { host: String::from_utf8_lossy(uri.host()).into_owned(), port },
    };
    let host_port = String::from_utf8_lossy(uri.host_port.of(text.as_bytes())).into_owned();
    Ok((address, transport, host_port))
}

fn transport(uri: &Uri<'_>) -> Option<Transport> {
    let named = uri.param("transport").flatten();
    match named {
        None if uri.scheme == Scheme::Sips => Some(Transport::Tls),
        None => Some(Transport::Udp),
        Some(name) => [Transport::Udp, Transport::Tcp, Transport::Tls]
            .into_iter()
            .find(|transport| name.eq_ignore_ascii_case(transport.param().as_bytes())),
    }
}

/// The system's first answer.
pub(super) async fn resolve(host: &str, port: u16) -> Result<SocketAddr, String> {
    let question = (host.to_owned(), port);
    // The system's resolver blocks; a hung one holds a thread of the pool, and nothing else.
    let asked = tokio::task::spawn_blocking(move || question.to_socket_addrs().map(|mut found| found.next()));
    match tokio::time::timeout(DEADLINE, asked).await {
        Ok(Ok(Ok(Some(address)))) => Ok(address),
        Ok(Ok(Ok(None))) => Err("the name has no address".to_owned()),
        Ok(Ok(Err(error))) => Err(error.to_string()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", DEADLINE.as_secs())),
    }
}
