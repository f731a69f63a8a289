//! Whose call it is: by a name in the caller's certificate, or else the longest network that holds the source address.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};

use super::digest::DigestRealm;
use super::owners::Owners;
use super::pipeline::Step;
use crate::config::model::TrustIdentity;
use crate::plugin::account::Account;
use crate::plugin::contract::Attribute;

/// One customer, resolved.
#[derive(Debug, Clone)]
pub struct Customer {
    /// By its name in the configuration.
    pub name: Arc<str>,
    /// The stages of its calls, in order.
    pub pipeline: Vec<Step>,
    /// What its calls start with.
    pub(super) attributes: Vec<Attribute>,
    /// Its digest credentials.
    pub digest: Option<DigestRealm>,
    /// What its dialled numbers begin with; empty for nothing.
    pub(super) tech_prefix: Box<str>,
    /// Whether it is believed who calls.
    pub(super) trust: TrustIdentity,
    /// What it may send in a second.
    pub(super) messages_per_second: Option<u32>,
    /// Its place in the snapshot's list.
    pub(super) index: usize,
    /// What its calls take of the node.
    pub account: Arc<Account>,
}

/// Networks and names in certificates, and whose they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Sources {
    /// Names in lower case.
    by_identity: HashMap<Box<str>, Owners>,
    by_network: HashMap<IpNet, Owners>,
    /// The lengths that occur, so that a look-up asks for those alone.
    v4_lengths: BTreeSet<u8>,
    v6_lengths: BTreeSet<u8>,
}

impl Sources {
    /// Adds a network, for numbers with this tech prefix; the owner of an equal one, where there is one, stays.
    pub(super) fn add(&mut self, network: IpNet, prefix: &str, owner: usize) -> Result<(), usize> {
        let network = canonical(network);
        let lengths = if network.addr().is_ipv4() { &mut self.v4_lengths } else { &mut self.v6_lengths };
        lengths.insert(network.prefix_len());
        self.by_network.entry(network).or_default().add(prefix, owner)
    }

    /// Adds a name in a certificate, as [`Self::add`] does a network.
    pub(super) fn add_identity(&mut self, identity: &str, prefix: &str, owner: usize) -> Result<(), usize> {
        self.by_identity.entry(identity.to_ascii_lowercase().into()).or_default().add(prefix, owner)
    }

    /// Whether a network holds the address that is not the whole world.
    pub(super) fn are_naming(&self, address: IpAddr) -> bool {
        self.find_within(address, 1).is_some()
    }

    /// Whose this may be: the owners of the first name that is known, or else of the longest network that holds the
    /// address.
    pub(super) fn owners(&self, address: IpAddr, identities: Option<&[Box<str>]>) -> Option<&Owners> {
        let named = identities.unwrap_or_default().iter().find_map(|identity| self.by_identity.get(identity));
        named.or_else(|| self.find_within(address, 0))
    }

    fn find_within(&self, address: IpAddr, least: u8) -> Option<&Owners> {
        let address = address.to_canonical();
        let lengths = if address.is_ipv4() { &self.v4_lengths } else { &self.v6_lengths };
        lengths.range(least..).rev().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.by_network.get(&network)
        })
    }
}

/// Without host bits, and an IPv4-mapped IPv6 network (RFC 4291 section 2.5.5.2) as the IPv4 network that it is: a
/// dual-stack socket shows IPv4 peers in mapped form.
fn canonical(network: IpNet) -> IpNet {
    let network = network.trunc();
    if let IpNet::V6(v6) = network
        && let (Some(address), Some(length)) = (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96))
        && let Ok(v4) = Ipv4Net::new(address, length)
    {
        return IpNet::V4(v4);
    }
    network
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(networks: &[&str]) -> Sources {
        let mut sources = Sources::default();
        for (owner, network) in networks.iter().enumerate() {
            sources.add(network.parse().unwrap(), "", owner).unwrap();
        }
        sources
    }

    fn found(sources: &Sources, address: &str) -> Option<usize> {
        sources.owners(address.parse().unwrap(), None)?.of("1").map(|owner| owner.customer)
    }

    #[test]
    fn the_longest_network_wins() {
        let sources = sources(&["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "0.0.0.0/0"]);
        for (address, owner) in [("10.9.9.9", 0), ("10.1.9.9", 1), ("10.1.2.3", 2), ("192.0.2.1", 3)] {
            assert_eq!(found(&sources, address), Some(owner), "{address}");
        }
    }

    #[test]
    fn an_ipv4_peer_of_a_dual_stack_socket_is_found_under_its_ipv4_network() {
        let sources = sources(&["192.0.2.0/24", "2001:db8::/32"]);
        assert_eq!(found(&sources, "::ffff:192.0.2.7"), Some(0));
        assert_eq!(found(&sources, "2001:db8::7"), Some(1));
        assert_eq!(found(&sources, "2001:db9::7"), None);
    }

    #[test]
    fn a_network_written_in_mapped_form_is_the_ipv4_network() {
        let sources = sources(&["::ffff:192.0.2.0/120"]);
        assert_eq!(found(&sources, "192.0.2.200"), Some(0));
        assert_eq!(found(&sources, "192.0.3.1"), None);
    }

    #[test]
    fn host_bits_do_not_hide_a_network_and_two_owners_of_one_are_told() {
        let mut sources = sources(&["10.1.2.3/8"]);
        assert_eq!(found(&sources, "10.200.0.1"), Some(0));
        assert_eq!(sources.add("10.0.0.0/8".parse().unwrap(), "", 1), Err(0));
    }
}
