//! Redirections that are followed (RFC 3261 sections 8.1.3.4 and 16.5).

use bytes::Bytes;
use smallvec::SmallVec;

use super::{Redirect, Step};
use crate::core::settings::Settings;
use crate::decision::Destination;
use crate::message::Message;
use crate::place::Whither;
use crate::uri::{Scheme, Uri};

/// Contacts of one 3xx that are followed.
const MAX_CONTACTS: usize = 8;

/// The attempts that a 3xx leads to, the highest `q` first. A Contact with a host name is called at the gateway that
/// gave it: no name is resolved on the way of a call.
pub(super) fn steps(response: &Message, target: usize, from: Option<Destination>, settings: &Settings) -> Vec<Step> {
    let mut contacts: SmallVec<[(u32, Redirect); 4]> = SmallVec::new();
    for contact in response.contacts().take(MAX_CONTACTS) {
        let Ok(uri) = Uri::parse(contact.uri) else { continue };
        let named = matches!(uri.scheme, Scheme::Sip | Scheme::Sips);
        // Back to us it would be the same call once more.
        if !named || settings.is_self(uri.host(), uri.port) {
            continue;
        }
        let destination = match Whither::of(&uri) {
            Some(Whither::At(destination)) => Some(destination),
            Some(Whither::Named(_)) => from,
            None => None,
        };
        let Some(destination) = destination else { continue };
        let q = contact.param("q").flatten().map_or(1_000, thousandths);
        contacts.push((
            q,
            Redirect {
                uri: Bytes::copy_from_slice(without_headers(contact.uri)),
                destination,
                own: Some(destination) == from,
            },
        ));
    }
    contacts.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    contacts.into_iter().map(|(_, redirect)| Step { redirect: Some(redirect), ..Step::to(target) }).collect()
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
