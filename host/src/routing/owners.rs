//! Customers that share a way in, told apart by tech prefixes: digits that the carrier of the customer dials before the
//! called number.

use crate::sip::edit::is_callee_number;

/// Whose calls come by one network or certificate: the customer's with the longest prefix that the dialled number begins
/// with, else of the one that has none.
#[derive(Debug, Clone, Default)]
pub(super) struct Owners(Vec<(Box<str>, usize)>);

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    /// Its place in the snapshot's list.
    pub(super) customer: usize,
    /// How many characters at the beginning of the dialled number are its tech prefix.
    pub(super) prefix: usize,
}

impl Owners {
    /// Adds a customer; the owner of the same prefix, where there is one, stays.
    pub(super) fn add(&mut self, prefix: &str, customer: usize) -> Result<(), usize> {
        if let Some((_, first)) = self.0.iter().find(|(known, _)| **known == *prefix) {
            return if *first == customer { Ok(()) } else { Err(*first) };
        }
        self.0.push((prefix.into(), customer));
        self.0.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        Ok(())
    }

    /// Every customer.
    pub(super) fn all(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|(_, customer)| *customer)
    }

    pub(super) fn of(&self, dialled: &str) -> Option<Owner> {
        let owner = self.0.iter().find(|(prefix, _)| is_before_number(prefix, dialled));
        owner.map(|(prefix, customer)| Owner { customer: *customer, prefix: prefix.len() })
    }
}

/// Whether a tech prefix stands before what can be called; an empty one stands before everything.
pub(super) fn is_before_number(prefix: &str, dialled: &str) -> bool {
    prefix.is_empty() || dialled.strip_prefix(prefix).is_some_and(is_callee_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_that_leaves_a_number_wins_and_who_has_none_takes_the_rest() {
        let mut owners = Owners::default();
        for (prefix, customer) in [("777", 1), ("", 0), ("7778", 2), ("99#", 3)] {
            owners.add(prefix, customer).unwrap();
        }
        for (dialled, customer, prefix) in [
            ("12125550100", 0, 0),
            ("77712125550100", 1, 3),
            ("777812125550100", 2, 4),
            ("7778", 1, 3),
            ("777", 0, 0),
            ("99#+12125550100", 3, 3),
            ("777alice", 0, 0),
            ("", 0, 0),
        ] {
            assert_eq!(owners.of(dialled), Some(Owner { customer, prefix }), "{dialled}");
        }
        assert_eq!(owners.add("777", 9), Err(1));
        assert_eq!(owners.add("777", 1), Ok(()));
    }

    #[test]
    fn where_all_have_a_prefix_a_number_without_one_is_nobodys() {
        let mut owners = Owners::default();
        owners.add("777", 1).unwrap();
        assert_eq!(owners.of("12125550100"), None);
    }
}
