//! Who is no stranger: the networks of customers and the addresses of gateways.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::customer::Sources;
use super::gateway::Gateways;

/// As one configuration says, with the gateways as they were found last.
#[derive(Debug, Clone, Default)]
pub struct Known {
    sources: Arc<Sources>,
    gateways: HashSet<IpAddr>,
}

impl Known {
    pub(super) fn new(sources: Arc<Sources>, gateways: &Gateways) -> Self {
        let found = gateways.iter().flat_map(|gateway| gateway.destinations());
        Self { sources, gateways: found.map(|destination| destination.address.ip().to_canonical()).collect() }
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
        Self { sources: Arc::new(sources), gateways: gateways.iter().copied().collect() }
    }
}
