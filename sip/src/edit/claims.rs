//! What a sender says about who it is (RFC 3325): taken out where nobody vouches for the sender.

use super::Splices;
use crate::message::{Message, Name};

/// P-Asserted-Identity is believed by whoever gets it from us. P-Preferred-Identity goes no further than its first proxy
/// (RFC 3325 section 6). Remote-Party-ID is how switches older than that RFC say the same.
const CLAIMS: [Name; 3] = [Name::PAssertedIdentity, Name::PPreferredIdentity, Name::RemotePartyId];

/// The message without what its sender claims to be, every other byte as it was; `None` where it claims nothing.
pub fn without_claims(message: &Message) -> Option<Message> {
    let mut splices = Splices::new();
    for field in CLAIMS.into_iter().flat_map(|name| message.all(name)) {
        splices.remove(field.line);
    }
    splices.applied_to(message)
}

/// The message as those may have it whom nobody trusts with who calls: without what it claims, where its Privacy says
/// `id` (RFC 3325 section 7). `None` where it may be had as it is.
pub fn withheld(message: &Message) -> Option<Message> {
    let asks =
        |value: &[u8]| value.split(|byte| *byte == b';').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"id"));
    let private = message.all(Name::Privacy).any(|field| asks(message.value(field)));
    if private { without_claims(message) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(fields: &str) -> Message {
        let text = format!("INVITE sip:1@a SIP/2.0\r\nCSeq: 1 INVITE\r\n{fields}From: <sip:2@b>;tag=c\r\n\r\nv=0\r\n");
        Message::parse(text.into()).expect("a message")
    }

    #[test]
    fn every_claim_goes_with_its_folds_and_nothing_else_does() {
        let claims = "p-asserted-identity: \"A\" <sip:911@x>,\r\n <tel:+1911>\r\nX-Kept: 1\r\n\
            P-Preferred-Identity: <sip:911@x>\r\nP-Asserted-Identity: <tel:+1>\r\nRemote-Party-ID: <sip:911@x>;screen=yes\r\n";
        let left = without_claims(&message(claims)).expect("something to take out");
        assert_eq!(left.raw(), message("X-Kept: 1\r\n").raw());
    }

    #[test]
    fn what_is_private_is_withheld_and_all_else_is_not() {
        let claim = "P-Asserted-Identity: <tel:+1911>\r\n";
        for privacy in ["Privacy: id\r\n", "privacy: user; ID;critical\r\n", "Privacy: user\r\nPrivacy:\r\n id\r\n"] {
            let left = withheld(&message(&format!("{claim}{privacy}"))).expect("something to take out");
            assert_eq!(left.raw(), message(privacy).raw(), "{privacy}");
        }
        for privacy in ["", "Privacy: none\r\n", "Privacy: user;header\r\n", "Privacy: idle\r\n"] {
            assert!(withheld(&message(&format!("{claim}{privacy}"))).is_none(), "{privacy}");
        }
    }

    #[test]
    fn a_message_that_claims_nothing_is_left_alone() {
        assert!(without_claims(&message("P-Charging-Vector: icid-value=1\r\nPrivacy: id\r\n")).is_none());
    }
}
