//! What a place resolved to, and the order in which one call tries it (RFC 2782).

use smallvec::SmallVec;

use crate::sip::decision::Destination;

/// The most addresses that one call tries of one place.
const MOST: usize = 8;

/// One server: SRV priority and weight, and its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranked {
    /// Lower first.
    pub priority: u16,
    /// Chance among those of the same priority.
    pub weight: u16,
    /// Its addresses in order; not empty.
    pub addresses: SmallVec<[Destination; 2]>,
}

/// The addresses that one call tries, in order.
pub type Order = SmallVec<[Destination; 4]>;

/// All servers of a place, lowest priority first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets(Box<[Ranked]>);

impl Targets {
    /// In any order.
    pub fn new(mut ranked: Vec<Ranked>) -> Self {
        // Those without weight first within a priority, as RFC 2782 wants them for its draw.
        ranked.sort_by_key(|server| (server.priority, server.weight > 0));
        Self(ranked.into())
    }

    /// One address.
    pub fn one(destination: Destination) -> Self {
        Self::new(vec![Ranked { priority: 0, weight: 0, addresses: SmallVec::from_slice(&[destination]) }])
    }

    /// Every address.
    pub fn all(&self) -> impl Iterator<Item = Destination> {
        self.0.iter().flat_map(|server| server.addresses.iter().copied())
    }

    /// An order for one call: by priority, and within it by chance and weight. `draw` gives a number of 0 to its
    /// argument, that included.
    pub fn order(&self, mut draw: impl FnMut(u32) -> u32) -> Order {
        let mut order = Order::new();
        for group in self.0.chunk_by(|a, b| a.priority == b.priority) {
            let mut left: SmallVec<[&Ranked; 8]> = group.iter().collect();
            while !left.is_empty() && order.len() < MOST {
                let total: u32 = left.iter().map(|server| u32::from(server.weight)).sum();
                let drawn = if left.len() > 1 { draw(total) } else { 0 };
                let mut running = 0;
                let chosen = left.iter().position(|server| {
                    running += u32::from(server.weight);
                    running >= drawn
                });
                order.extend(left.remove(chosen.unwrap_or_default()).addresses.iter().copied());
            }
        }
        order.truncate(MOST);
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::flow::Transport;

    fn server(priority: u16, weight: u16, last: u8) -> Ranked {
        let address = (std::net::Ipv4Addr::new(192, 0, 2, last), 5060).into();
        let destination = Destination { transport: Transport::Udp, address };
        Ranked { priority, weight, addresses: SmallVec::from_slice(&[destination]) }
    }

    fn lasts(order: &Order) -> Vec<u8> {
        let last = |destination: &Destination| match destination.address.ip() {
            std::net::IpAddr::V4(ip) => ip.octets()[3],
            std::net::IpAddr::V6(_) => 0,
        };
        order.iter().map(last).collect()
    }

    #[test]
    fn a_lower_priority_comes_first_whatever_the_weights() {
        let targets = Targets::new(vec![server(20, 100, 3), server(10, 1, 1), server(10, 0, 2)]);
        for drawn in 0..2 {
            let order = lasts(&targets.order(|most| drawn.min(most)));
            assert_eq!(order.last(), Some(&3), "{order:?}");
        }
    }

    #[test]
    fn the_first_place_falls_to_each_by_its_weight() {
        let targets = Targets::new(vec![server(0, 60, 1), server(0, 20, 2), server(0, 20, 3)]);
        let mut rng = fastrand::Rng::with_seed(1);
        let mut firsts = [0_u32; 4];
        for _ in 0..10_000 {
            firsts[usize::from(lasts(&targets.order(|most| rng.u32(0..=most)))[0])] += 1;
        }
        for (last, share) in [(1, 6_000), (2, 2_000), (3, 2_000)] {
            assert!(firsts[last].abs_diff(share) < 300, "{firsts:?}");
        }
    }

    #[test]
    fn every_server_has_its_turn_once_and_no_call_tries_more_than_eight() {
        let targets = Targets::new((0..20).map(|last| server(u16::from(last / 7), u16::from(last), last)).collect());
        let mut rng = fastrand::Rng::with_seed(2);
        let mut order = lasts(&targets.order(|most| rng.u32(0..=most)));
        assert_eq!(order.len(), 8);
        order.sort_unstable();
        order.dedup();
        assert_eq!(order.len(), 8);
    }
}
