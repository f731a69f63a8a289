//! Where calls can go. Addresses are known before a call asks for them: the call path resolves nothing.

mod address;
mod aside;
mod health;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;

use self::address::Whereabouts;
pub use self::health::{Condition, Health};
use crate::config::model::{self, OnRedirect, RequestUriHost};
use crate::locate::{Locator, Order};
use crate::sip::codes::CodeSet;
use crate::sip::decision::{Destination, NextHop, Redirects};
use crate::sip::digest::Login;
use crate::sip::flow::Transport;
use crate::sip::gate::Gate;

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
    /// Its limits, and how it is.
    pub health: Arc<Health>,
    /// How often it is probed, and how long an answer may take; `None`: never.
    pub probe: Option<(Duration, Duration)>,
    whereabouts: Whereabouts,
}

impl Gateway {
    pub(super) fn of(name: &str, config: &model::Gateway, call: &model::Call) -> Result<Self, String> {
        let (whereabouts, transport, host_port) = address::read(&config.uri)?;
        let name: Arc<str> = name.into();
        let health = Arc::new(Health::of(&name, config));
        let login = config.digest.as_ref();
        Ok(Self {
            name: Arc::clone(&name),
            uri: config.uri.clone(),
            transport,
            request_host: (config.request_uri == RequestUriHost::Gateway).then(|| host_port.into()),
            attempt_timeout: config.attempt_timeout.unwrap_or(call.attempt_timeout).get(),
            ring_timeout: config.ring_timeout.unwrap_or(call.ring_timeout).get(),
            hop: Arc::new(NextHop {
                name,
                continues: CodeSet::of(&call.continue_on).changed(&config.continue_on, &config.stop_on),
                redirects: match config.redirect {
                    OnRedirect::Pass => Redirects::Pass,
                    OnRedirect::Follow => Redirects::Follow,
                    OnRedirect::Stay => Redirects::Stay,
                },
                login: login
                    .map(|login| Arc::new(Login { user: login.user.clone(), password: login.password.clone() })),
                trusted: config.trust_identity,
                tcp_above: config.tcp_above.map(|size| size.bytes() as usize),
                gate: Some(Arc::clone(&health) as Arc<dyn Gate>),
            }),
            health,
            probe: config.probe.map(|interval| (interval.get(), config.probe_timeout.get())),
            whereabouts,
        })
    }

    /// Where one call tries it, in order: the last answer that name resolution gave, by priority and weight, and addresses
    /// that did not answer of late behind the others. Empty where there was none yet.
    pub fn order(&self) -> Order {
        self.health.silent_last(self.whereabouts.order())
    }

    /// Every address that it is known by.
    pub fn destinations(&self) -> Vec<Destination> {
        self.whereabouts.all()
    }

    /// Who lets its calls through.
    pub fn gate(&self) -> Arc<dyn Gate> {
        Arc::clone(&self.health) as Arc<dyn Gate>
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
    ///
    /// What the gateways have shown, the calls that they have, and who is switched off are the same here and there from then
    /// on.
    pub fn remember(&self, before: &Self) {
        for gateway in self.iter() {
            if let Some(before) = before.get(&gateway.name).filter(|before| before.uri == gateway.uri) {
                gateway.whereabouts.remember(&before.whereabouts);
                gateway.health.go_on_from(&before.health);
            }
        }
    }

    /// Calls go by these from now on. Those that were down and are not probed any more are up.
    pub fn begin(&self) {
        self.iter().filter(|gateway| gateway.probe.is_none()).for_each(|gateway| gateway.health.forget_probes());
    }

    /// Who is asked for names; `None` where nobody is.
    pub fn locator(&self) -> Option<&Arc<Locator>> {
        self.locator.as_ref()
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
    use crate::sip::time::Time;

    fn gateway(uri: &str) -> Result<Gateway, String> {
        let config = toml::from_str(&format!("uri = {uri:?}")).expect("a gateway");
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
    fn a_gateway_that_is_probed_no_more_is_up_from_when_calls_go_by_that_and_not_while_it_may_still_be_refused() {
        let with = |keys: &str| {
            let config = toml::from_str(&format!("uri = 'sip:192.0.2.1'\ndown-after = 1\n{keys}")).expect("a gateway");
            let mut gateways = Gateways::default();
            gateways.insert(Gateway::of("carrier", &config, &model::Call::default()).unwrap());
            gateways
        };
        let (before, after) = (with("probe = '1s'"), with("probe = 'off'"));
        let condition = |gateways: &Gateways| gateways.get("carrier").unwrap().health.report(Time::default()).condition;
        before.get("carrier").unwrap().health.probed(Time::default(), None);
        after.remember(&before);
        assert_eq!((condition(&before), condition(&after)), (Condition::Down, Condition::Down));
        before.begin();
        assert_eq!(condition(&before), Condition::Down, "it is probed");
        after.begin();
        assert_eq!(condition(&after), Condition::Up);
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
