//! Where calls can go. Addresses are known before a call asks for them: the call path resolves nothing.

mod address;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;

use self::address::Address;
use crate::config::model::{self, RequestUriHost};
use crate::sip::codes::CodeSet;
use crate::sip::decision::{Destination, NextHop};
use crate::sip::flow::Transport;

/// One gateway, by its name in the configuration.
#[derive(Debug)]
pub struct Gateway {
    /// In records.
    pub name: Arc<str>,
    /// As configured.
    pub uri: String,
    /// By which protocol.
    pub transport: Transport,
    /// What the Request-URI's host and port become; `None` leaves them.
    pub request_host: Option<Arc<str>>,
    /// From an attempt's INVITE to its first provisional response.
    pub attempt_timeout: Duration,
    /// From an attempt's INVITE to its final response.
    pub ring_timeout: Duration,
    /// How it is dealt with, on the side of the calls.
    pub hop: Arc<NextHop>,
    address: Address,
    known: ArcSwapOption<SocketAddr>,
}

impl Gateway {
    pub(super) fn of(name: &str, config: &model::Gateway, call: &model::Call) -> Result<Self, String> {
        let (address, transport, host_port) = address::read(&config.uri)?;
        let known = match address {
            Address::Literal(address) => Some(Arc::new(address)),
            Address::Name { .. } => None,
        };
        Ok(Self {
            name: name.into(),
            uri: config.uri.clone(),
            transport,
            request_host: (config.request_uri == RequestUriHost::Gateway).then(|| host_port.into()),
            attempt_timeout: config.attempt_timeout.unwrap_or(call.attempt_timeout).get(),
            ring_timeout: config.ring_timeout.unwrap_or(call.ring_timeout).get(),
            hop: Arc::new(NextHop {
                continues: CodeSet::of(&call.continue_on),
                follows_redirects: false,
                login: None,
                gate: None,
            }),
            address,
            known: ArcSwapOption::new(known),
        })
    }

    /// Where it is, as far as it is known: the last answer that name resolution gave.
    pub fn destination(&self) -> Option<Destination> {
        let address = **self.known.load().as_ref()?;
        Some(Destination { transport: self.transport, address })
    }

    /// The name that its URI gives it, where that is no address.
    pub fn host_name(&self) -> Option<&str> {
        match &self.address {
            Address::Literal(_) => None,
            Address::Name { host, .. } => Some(host),
        }
    }

    /// Asks for its address again; the last one stays where there is no answer.
    async fn resolve(&self) {
        let Address::Name { host, port } = &self.address else { return };
        match address::resolve(host, *port).await {
            Ok(address) => {
                let before = self.known.swap(Some(Arc::new(address)));
                if before.as_deref() != Some(&address) {
                    tracing::info!(gateway = &*self.name, %address, "gateway resolved");
                }
            }
            Err(error) => {
                let known = self.known.load().as_deref().copied();
                tracing::warn!(gateway = &*self.name, host, ?known, "gateway not resolved: {error}");
            }
        }
    }
}

/// All gateways of a configuration.
#[derive(Debug, Default)]
pub struct Gateways(BTreeMap<String, Arc<Gateway>>);

impl Gateways {
    pub(super) fn insert(&mut self, gateway: Gateway) {
        self.0.insert(gateway.name.to_string(), Arc::new(gateway));
    }

    /// The gateway of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Gateway>> {
        self.0.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.0.values()
    }

    /// Takes over the addresses that are not known here and were there, under the same URI: a reload while names do not
    /// resolve must not lose the gateways that calls can still reach.
    pub fn remember(&self, before: &Self) {
        for gateway in self.iter().filter(|gateway| gateway.known.load().is_none()) {
            if let Some(before) = before.get(&gateway.name).filter(|before| before.uri == gateway.uri) {
                gateway.known.store(before.known.load_full());
            }
        }
    }

    /// Asks for all addresses at once, and waits for the answers or their deadline.
    pub async fn resolve(&self) {
        join_all(self.iter().map(|gateway| gateway.resolve())).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(uri: &str) -> Result<Gateway, String> {
        let config = model::Gateway {
            uri: uri.to_owned(),
            attempt_timeout: None,
            ring_timeout: None,
            request_uri: RequestUriHost::Gateway,
        };
        Gateway::of("carrier", &config, &model::Call::default())
    }

    #[test]
    fn a_literal_address_is_known_at_once() {
        let cases = [
            ("sip:192.0.2.1", Transport::Udp, "192.0.2.1:5060", "192.0.2.1"),
            ("sip:192.0.2.1:5070;transport=udp", Transport::Udp, "192.0.2.1:5070", "192.0.2.1:5070"),
            ("sip:[2001:db8::1]:5070;transport=TCP", Transport::Tcp, "[2001:db8::1]:5070", "[2001:db8::1]:5070"),
            ("sips:192.0.2.1", Transport::Tls, "192.0.2.1:5061", "192.0.2.1"),
            ("sip:192.0.2.1;transport=tls", Transport::Tls, "192.0.2.1:5061", "192.0.2.1"),
        ];
        for (uri, transport, address, request_host) in cases {
            let gateway = gateway(uri).unwrap();
            let destination = Destination { transport, address: address.parse().unwrap() };
            assert_eq!(gateway.destination(), Some(destination), "{uri}");
            assert_eq!(gateway.request_host.as_deref(), Some(request_host), "{uri}");
        }
    }

    #[test]
    fn a_uri_that_names_no_place_is_told_with_what_would_be_right() {
        for uri in ["", "192.0.2.1:5060", "tel:+12125550100", "sip:", "sip:192.0.2.1;transport=sctp", "sip:a b"] {
            let error = gateway(uri).unwrap_err();
            assert!(error.contains("sip:HOST"), "{uri}: {error}");
        }
    }

    #[tokio::test]
    async fn a_name_is_unknown_until_it_is_resolved_and_then_stays_known() {
        let mut gateways = Gateways::default();
        gateways.insert(gateway("sip:localhost:5070").unwrap());
        assert_eq!(gateways.get("carrier").unwrap().destination(), None);
        gateways.resolve().await;
        let found = gateways.get("carrier").unwrap().destination().unwrap();
        assert!(found.address.ip().is_loopback());
        assert_eq!(found.address.port(), 5070);
    }

    #[test]
    fn a_reload_remembers_the_address_of_a_name_that_does_not_resolve_now() {
        let with = |uri: &str| {
            let mut gateways = Gateways::default();
            gateways.insert(gateway(uri).unwrap());
            gateways
        };
        let (before, last) = (with("sip:gw.example.invalid"), "192.0.2.9:5060".parse().unwrap());
        before.get("carrier").unwrap().known.store(Some(Arc::new(last)));
        let after = |uri: &str| {
            let gateways = with(uri);
            gateways.remember(&before);
            gateways.get("carrier").unwrap().destination().map(|destination| destination.address)
        };
        assert_eq!(after("sip:gw.example.invalid"), Some(last));
        assert_eq!(after("sip:other.example.invalid"), None, "another place");
        assert_eq!(after("sip:192.0.2.1"), Some("192.0.2.1:5060".parse().unwrap()));
    }

    #[tokio::test]
    async fn a_name_that_stops_resolving_keeps_its_last_address() {
        let gateway = gateway("sip:no-such-host.invalid").unwrap();
        let last: SocketAddr = "192.0.2.9:5060".parse().unwrap();
        gateway.known.store(Some(Arc::new(last)));
        gateway.resolve().await;
        assert_eq!(gateway.destination().unwrap().address, last);
    }
}
