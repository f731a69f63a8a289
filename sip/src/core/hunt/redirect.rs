//! Redirections that are followed (RFC 3261 sections 8.1.3.4 and 16.5).

use std::time::Duration;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Hunt, Redirect, Step, To};
use crate::core::cx::Cx;
use crate::core::names::Found;
use crate::core::settings::Settings;
use crate::decision::{CallRef, Destination, Redirects};
use crate::message::Message;
use crate::place::Whither;
use crate::uri::{Scheme, Uri};

/// Contacts of one 3xx that are followed.
const MAX_CONTACTS: usize = 8;

/// Addresses of one name that are tried (RFC 3263 section 4.3).
const MAX_ADDRESSES: usize = 4;

/// Who has sent a 3xx.
pub(super) struct Giver {
    /// The target whose attempt it was.
    pub(super) target: usize,
    /// Where it was asked.
    pub(super) at: Destination,
    /// It is the target's gateway, and not whom that has led us to.
    pub(super) is_gateway: bool,
    /// What its 3xx mean.
    pub(super) redirects: Redirects,
}

/// The attempts that a 3xx leads to, the highest `q` first.
pub(super) fn steps(response: &Message, giver: &Giver, settings: &Settings) -> Vec<Step> {
    let mut contacts: SmallVec<[(u32, Redirect); 4]> = SmallVec::new();
    for contact in response.contacts().take(MAX_CONTACTS) {
        let Ok(uri) = Uri::parse(contact.uri) else { continue };
        let named = matches!(uri.scheme, Scheme::Sip | Scheme::Sips);
        // Back to us it would be the same call once more.
        if !named || settings.is_self(uri.host(), uri.port) {
            continue;
        }
        let to = match Whither::of(&uri) {
            Some(Whither::At(destination)) => To::At(destination),
            Some(Whither::Named(_)) if giver.redirects == Redirects::Stay => To::At(giver.at),
            Some(Whither::Named(place)) => To::Named(place),
            None => continue,
        };
        let q = contact.param("q").flatten().map_or(1_000, thousandths);
        let uri = Bytes::copy_from_slice(without_headers(contact.uri));
        contacts.push((q, Redirect { uri, to, by_gateway: giver.is_gateway }));
    }
    contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    contacts.into_iter().map(|(_, redirect)| Step { redirect: Some(redirect), ..Step::to(giver.target) }).collect()
}

/// Whether the next attempt leads to a name that is still being asked for, no longer than its gateway would have to answer.
/// Where it is known, or was long ago and no answer has come, the addresses that it has stand in the attempt's place.
pub(super) fn waits<F>(hunt: &mut Hunt, cx: &mut Cx<'_, F>, call: CallRef) -> bool {
    while let Some(Step { target, redirect: Some(Redirect { uri, to: To::Named(place), by_gateway }), .. }) =
        hunt.ahead.front()
    {
        let (target, uri, by_gateway) = (*target, uri.clone(), *by_gateway);
        let found = cx.find(place, call);
        if matches!(found, Found::Soon(_)) {
            let patience = hunt.targets.get(target).map_or(Duration::ZERO, |target| target.attempt_timeout);
            if cx.now < *hunt.waits_until.get_or_insert(cx.now + patience) {
                return true;
            }
        }
        hunt.waits_until = None;
        hunt.ahead.pop_front();
        let to = |to| Step { redirect: Some(Redirect { uri: uri.clone(), to, by_gateway }), ..Step::to(target) };
        match found {
            Found::At(destinations) | Found::Soon(destinations) if !destinations.is_empty() => {
                let others = destinations.iter().filter(|found| !cx.settings.is_at(found.address));
                let others: SmallVec<[Destination; MAX_ADDRESSES]> = others.take(MAX_ADDRESSES).copied().collect();
                others.into_iter().rev().for_each(|other| hunt.ahead.push_front(to(To::At(other))));
            }
            _ => hunt.ahead.push_front(to(To::Nowhere)),
        }
    }
    false
}

/// A Request-URI has no `?` part (RFC 3261 section 19.1.1).
fn without_headers(uri: &[u8]) -> &[u8] {
    &uri[..memchr::memchr(b'?', uri).unwrap_or(uri.len())]
}

/// A `q` value of `0.5` as 500; what is none counts as 1 (RFC 3261 section 20.10).
fn thousandths(q: &[u8]) -> u32 {
    let text = std::str::from_utf8(q).unwrap_or_default().trim();
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{part:0<3}");
    let part = digits.get(..3).and_then(|digits| digits.parse::<u32>().ok());
    match (whole, part) {
        ("0" | "", Some(part)) => part,
        _ => 1_000,
    }
}

#[cfg(test)]
mod tests {
    use super::thousandths;

    #[test]
    fn a_q_value_is_read_without_floats() {
        for (text, value) in [("0.5", 500), ("1.0", 1_000), ("0.123456", 123), ("0", 0), (".25", 250), ("many", 1_000)]
        {
            assert_eq!(thousandths(text.as_bytes()), value, "{text}");
        }
    }
}
