//! Where calls can go. Addresses are known before a call asks for them: the call path resolves nothing.

mod address;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use self::address::Whereabouts;
use crate::config::model::{self, RequestUriHost};
use crate::locate::{Locator, Order};
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
    whereabouts: Whereabouts,
}

impl Gateway {
    pub(super) fn of(name: &str, config: &model::Gateway, call: &model::Call) -> Result<Self, String> {
        let (whereabouts, transport, host_port) = address::read(&config.uri)?;
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
            whereabouts,
        })
    }

    /// Where one call tries it, in order: the last answer that name resolution gave, by priority and weight. Empty where
    /// there was none yet.
    pub fn order(&self) -> Order {
        self.whereabouts.order()
    }

    /// Every address that it is known by.
    pub fn destinations(&self) -> Vec<Destination> {
        self.whereabouts.all()
    }

    /// The name that its URI gives it, where that is no address.
    pub fn host_name(&self) -> Option<&str> {
        self.whereabouts.host_name()
    }
}

/// All gateways of a configuration.
#[derive(Debug, Default)]
pub struct Gateways {
    by_name: BTreeMap<String, Arc<Gateway>>,
    /// Who is asked for their names; nobody: only addresses are known.
    locator: Option<Arc<Locator>>,
}

impl Gateways {
    /// None yet; their names will be asked for here.
    pub(super) fn new(locator: Option<Arc<Locator>>) -> Self {
        Self { by_name: BTreeMap::new(), locator }
    }

    pub(super) fn insert(&mut self, gateway: Gateway) {
        self.by_name.insert(gateway.name.to_string(), Arc::new(gateway));
    }

    /// The gateway of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<Gateway>> {
        self.by_name.get(name)
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Gateway>> {
        self.by_name.values()
    }

    /// Takes over the addresses that are not known here and were there, under the same URI: a reload while names do not
    /// resolve must not lose the gateways that calls can still reach.
    pub fn remember(&self, before: &Self) {
        for gateway in self.iter() {
            if let Some(before) = before.get(&gateway.name).filter(|before| before.uri == gateway.uri) {
                gateway.whereabouts.remember(&before.whereabouts);
            }
        }
    }

    /// Asks for all addresses whose time is over at once, and waits for the answers or their deadline.
    pub async fn resolve(&self) {
        if let Some(locator) = &self.locator {
            join_all(self.iter().map(|gateway| gateway.whereabouts.refresh(&gateway.name, locator))).await;
        }
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
            assert_eq!(gateway.order().as_slice(), [destination], "{uri}");
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

    #[test]
    fn a_reload_remembers_the_address_of_a_name_that_does_not_resolve_now() {
        let with = |uri: &str| {
            let mut gateways = Gateways::default();
            gateways.insert(gateway(uri).unwrap());
            gateways
        };
        let last = "192.0.2.9:5060".parse().unwrap();
        let before = with("sip:gw.example.invalid");
        before.get("carrier").unwrap().whereabouts.know(Destination { transport: Transport::Udp, address: last });
        let after = |uri: &str| {
            let gateways = with(uri);
            gateways.remember(&before);
            gateways.get("carrier").unwrap().order().first().map(|destination| destination.address)
        };
        assert_eq!(after("sip:gw.example.invalid"), Some(last));
        assert_eq!(after("sip:other.example.invalid"), None, "another place");
        assert_eq!(after("sip:192.0.2.1"), Some("192.0.2.1:5060".parse().unwrap()));
    }
}
