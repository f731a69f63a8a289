//! Who is no stranger: the networks of customers and the addresses of gateways. And how much each customer may send.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::customer::Sources;
use super::gateway::Gateways;
use super::owners::Owners;

/// As one configuration says, with the gateways as they were found last.
#[derive(Debug, Clone, Default)]
pub struct Known {
    sources: Arc<Sources>,
    gateways: HashSet<IpAddr>,
    /// Messages a second, by customer.
    rates: Vec<Option<u32>>,
}

impl Known {
    pub(super) fn new(sources: Arc<Sources>, gateways: &Gateways, rates: Vec<Option<u32>>) -> Self {
        let found = gateways.iter().flat_map(|gateway| gateway.destinations());
        let gateways = found.map(|destination| destination.address.ip().to_canonical()).collect();
        Self { sources, gateways, rates }
    }

    /// What each customer may send in a second; `None` for one without a limit.
    pub fn rates(&self) -> &[Option<u32>] {
        &self.rates
    }

    /// The customers whose this may be: by a name in the sender's certificate, or else by its address.
    pub fn customers(&self, source: IpAddr, identities: Option<&[Box<str>]>) -> impl Iterator<Item = usize> {
        self.sources.owners(source, identities).into_iter().flat_map(Owners::all)
    }

    /// Whether this is a customer's or a gateway's. A customer whose network is the whole world has told nobody apart.
    pub fn holds(&self, address: IpAddr) -> bool {
        self.gateways.contains(&address.to_canonical()) || self.sources.are_naming(address)
    }

    #[cfg(test)]
    pub(crate) fn of(networks: &[ipnet::IpNet], gateways: &[IpAddr]) -> Self {
        let mut sources = Sources::default();
        for network in networks {
            let _ = sources.add(*network, "", 0);
        }
        let gateways = gateways.iter().copied().collect();
        Self { sources: Arc::new(sources), gateways, ..Self::default() }
    }

    /// The same, where the first network's customer may send so many messages a second.
    #[cfg(test)]
    pub(crate) fn with_rate(self, rate: u32) -> Self {
        Self { rates: vec![Some(rate)], ..self }
    }
}
