//! Addresses of one gateway that did not answer: tried last for a time (RFC 3263 section 4.3, RFC 3261 section 16.7).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::locate::Order;

/// Addresses at once: no call tries more.
const MOST: usize = 32;

/// Read by every call, written when an address stays silent.
#[derive(Debug, Default)]
pub(super) struct Aside(ArcSwap<Vec<(SocketAddr, Instant)>>);

impl Aside {
    /// It did not answer, or cannot be reached: for so long others come before it. True where that is news.
    pub(super) fn put(&self, address: SocketAddr, span: Duration) -> bool {
        let now = Instant::now();
        let before = self.0.rcu(|known| {
            let others = known.iter().filter(|(other, until)| *other != address && *until > now);
            let mut list: Vec<_> = others.copied().take(MOST - 1).collect();
            list.push((address, now + span));
            Arc::new(list)
        });
        !holds(&before, address, now)
    }

    /// The same addresses, those that are set aside behind the others.
    pub(super) fn last(&self, mut order: Order) -> Order {
        let known = self.0.load();
        if !known.is_empty() && order.len() > 1 {
            let now = Instant::now();
            // Stable: each part stays in its order.
            order.sort_by_key(|destination| holds(&known, destination.address, now));
        }
        order
    }
}

fn holds(known: &[(SocketAddr, Instant)], address: SocketAddr, now: Instant) -> bool {
    known.iter().any(|(other, until)| *other == address && *until > now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::decision::Destination;
    use crate::sip::flow::Transport;

    fn at(last: u8) -> Destination {
        Destination { transport: Transport::Udp, address: ([192, 0, 2, last], 5060).into() }
    }

    fn order(lasts: &[u8]) -> Order {
        lasts.iter().map(|last| at(*last)).collect()
    }

    #[test]
    fn what_did_not_answer_is_tried_last_until_its_time_is_over() {
        let aside = Aside::default();
        assert_eq!(aside.last(order(&[1, 2, 3])), order(&[1, 2, 3]));
        let long = Duration::from_hours(1);
        assert!(aside.put(at(1).address, long) && !aside.put(at(1).address, long), "told once");
        assert_eq!(aside.last(order(&[1, 2, 3])), order(&[2, 3, 1]));
        aside.put(at(2).address, long);
        assert_eq!(aside.last(order(&[1, 2, 3])), order(&[3, 1, 2]));
        aside.put(at(1).address, Duration::ZERO);
        assert_eq!(aside.last(order(&[1, 2, 3])), order(&[1, 3, 2]));
        assert_eq!(aside.last(order(&[2])), order(&[2]), "the only one there is");
    }

    #[test]
    fn no_more_addresses_are_remembered_than_a_call_can_try() {
        let aside = Aside::default();
        for last in 0..=u8::MAX {
            aside.put(at(last).address, Duration::from_hours(1));
        }
        assert_eq!(aside.0.load().len(), MOST);
    }
}
