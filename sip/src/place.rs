//! Where a URI says that its host is: at an address, or where a name leads (RFC 3263 section 4).

use crate::decision::Destination;
use crate::flow::Transport;
use crate::uri::{Scheme, Uri};

/// What a URI says of a host that is a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The name.
    pub host: String,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The transport, where one is asked for.
    pub transport: Option<Transport>,
    /// Whether the URI is `sips`.
    pub secure: bool,
}

/// What a URI leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whither {
    /// An address.
    At(Destination),
    /// A name that must be asked for.
    Named(Place),
}

impl Whither {
    /// `None` for what is no SIP URI, and for a transport that there is not.
    pub fn of(uri: &Uri<'_>) -> Option<Self> {
        if !matches!(uri.scheme, Scheme::Sip | Scheme::Sips) {
            return None;
        }
        let secure = uri.scheme == Scheme::Sips;
        let asked = match uri.param("transport").flatten() {
            None => None,
            Some(name) => Some(named(name)?),
        };
        let transport = match asked {
            // `sips` over a stream is TLS over that stream (RFC 3261 section 26.2.2), and over a datagram there is none.
            _ if secure => Some(Transport::Tls),
            asked => asked,
        };
        let Some(ip) = uri.ip_addr() else {
            let host = String::from_utf8_lossy(uri.host()).to_ascii_lowercase();
            return Some(Self::Named(Place { host, port: uri.port, transport, secure }));
        };
        let transport = transport.unwrap_or(Transport::Udp);
        let port = uri.port.unwrap_or(transport.default_port());
        Some(Self::At(Destination { transport, address: (ip, port).into() }))
    }
}

fn named(transport: &[u8]) -> Option<Transport> {
    [Transport::Udp, Transport::Tcp, Transport::Tls]
        .into_iter()
        .find(|known| transport.eq_ignore_ascii_case(known.param().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whither(uri: &str) -> Option<Whither> {
        Whither::of(&Uri::parse(uri.as_bytes()).expect("a URI"))
    }

    #[test]
    fn an_address_says_where_it_is_and_what_it_does_not_say_has_its_default() {
        for (uri, transport, address) in [
            ("sip:a@192.0.2.1", Transport::Udp, "192.0.2.1:5060"),
            ("sip:192.0.2.1:5070;transport=TCP", Transport::Tcp, "192.0.2.1:5070"),
            ("sip:[2001:db8::1];transport=tls", Transport::Tls, "[2001:db8::1]:5061"),
            ("sips:192.0.2.1", Transport::Tls, "192.0.2.1:5061"),
            ("sips:192.0.2.1;transport=tcp", Transport::Tls, "192.0.2.1:5061"),
        ] {
            let destination = Destination { transport, address: address.parse().expect("an address") };
            assert_eq!(whither(uri), Some(Whither::At(destination)), "{uri}");
        }
    }

    #[test]
    fn a_name_is_the_same_in_any_case_and_what_leads_nowhere_is_none() {
        let place = |transport, secure| Place { host: "gw.example".into(), port: None, transport, secure };
        assert_eq!(whither("sip:a@GW.example;lr"), Some(Whither::Named(place(None, false))));
        assert_eq!(whither("sips:gw.example"), Some(Whither::Named(place(Some(Transport::Tls), true))));
        assert_eq!(whither("tel:+12125550100"), None);
        assert_eq!(whither("sip:gw.example;transport=sctp"), None);
    }
}
