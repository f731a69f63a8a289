//! A message as the stages see it.

use std::net::IpAddr;

use crate::plugin::{Headers, contract};
use crate::sip::edit::Edit;
use crate::sip::flow::Transport;
use crate::sip::message::{Message, Name};
use crate::sip::uri::{Number, Uri};

impl Headers for Message {
    fn values(&self, name: &str) -> Vec<String> {
        self.values_of(name)
    }
}

/// What a record calls the caller and the callee: user parts, as written.
#[derive(Debug, Clone)]
pub(super) struct Parties {
    pub(super) caller: String,
    pub(super) callee: String,
}

/// Who calls whom, as a message says it. Each of its URIs is parsed once for all that is asked of it.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) parties: Parties,
    caller: Option<Number>,
    callee: Option<Number>,
}

/// The user part of a URI, as written and as a number.
#[derive(Default)]
struct User {
    name: Option<String>,
    number: Option<Number>,
}

impl Reading {
    /// The caller is the first asserted identity that has what is asked (RFC 3325 allows a SIP and a tel one), else From.
    pub(super) fn of(message: &Message) -> Self {
        let identities = message.name_addrs(Name::PAssertedIdentity);
        let caller = identities.fold(User::default(), |user, identity| user.or(identity.uri));
        let caller = match message.from() {
            Some(from) => caller.or(from.uri),
            None => caller,
        };
        let callee = User::default().or(message.uri());
        let name = Option::unwrap_or_default;
        let parties = Parties { caller: name(caller.name), callee: name(callee.name) };
        Self { parties, caller: caller.number, callee: callee.number }
    }

    /// Whether a message may read otherwise once this is made: From can be edited as the caller alone, To not at all.
    pub(super) fn is_changed_by(edit: &Edit) -> bool {
        match edit {
            Edit::CallerName(_) => false,
            Edit::CallerNumber(_) | Edit::CalleeNumber(_) | Edit::UserParameter { .. } => true,
            Edit::SetHeader { name, .. } | Edit::AddHeader { name, .. } | Edit::RemoveHeader(name) => {
                Name::of(name.as_bytes()) == Name::PAssertedIdentity
            }
        }
    }

    /// Writes it into the call that stages get, with the URIs of the message that was read.
    pub(super) fn tell(&self, call: &mut contract::Call, message: &Message) {
        let digits = |number: Option<Number>| number.map_or_else(String::new, |number| number.as_str().to_owned());
        call.caller = digits(self.caller);
        call.callee = digits(self.callee);
        call.request_uri = text(message.uri());
        call.from_uri = message.from().map_or_else(String::new, |from| text(from.uri));
        call.to_uri = message.to().map_or_else(String::new, |to| text(to.uri));
    }
}

impl User {
    /// With what this URI has of what is missing.
    fn or(self, uri: &[u8]) -> Self {
        if self.name.is_some() && self.number.is_some() {
            return self;
        }
        let Ok(parsed) = Uri::parse(uri) else { return self };
        let name = self.name.or_else(|| parsed.user_name().map(|span| text(span.of(uri))));
        Self { name, number: self.number.or_else(|| parsed.user_number()) }
    }
}

/// An address as the contract writes it. An IPv4 one without the formatter, for which this would be a large part of what a
/// short pipeline costs.
pub(super) fn address(address: IpAddr) -> String {
    let IpAddr::V4(address) = address.to_canonical() else { return address.to_canonical().to_string() };
    let mut text = String::with_capacity("255.255.255.255".len());
    for (place, octet) in address.octets().into_iter().enumerate() {
        if place > 0 {
            text.push('.');
        }
        for (power, digit) in [(100, octet / 100), (10, octet / 10 % 10), (1, octet % 10)] {
            if octet >= power || power == 1 {
                text.push(char::from(b'0' + digit));
            }
        }
    }
    text
}

/// The contract's name of a transport.
pub(super) fn transport(transport: Transport) -> contract::Transport {
    match transport {
        Transport::Udp => contract::Transport::Udp,
        Transport::Tcp => contract::Transport::Tcp,
        Transport::Tls => contract::Transport::Tls,
    }
}

/// Bytes of a message as text; what is not UTF-8 becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::edit::edited;

    #[test]
    fn an_address_is_written_as_everywhere_else() {
        for text in ["0.0.0.0", "10.20.30.40", "192.0.2.1", "100.101.109.110", "255.255.255.255", "::1", "2001:db8::a"]
        {
            assert_eq!(address(text.parse().unwrap()), text);
        }
        assert_eq!(address("::ffff:192.0.2.7".parse::<IpAddr>().unwrap()), "192.0.2.7");
    }

    /// Every kind of edit, on a request with a display name and an identity, and on one with neither.
    #[test]
    fn what_is_said_to_change_nothing_leaves_a_message_reading_as_it_did() {
        let invite = |from: &str, more: &str| {
            let text = format!(
                "INVITE sip:19195550123@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: {from};tag=1\r\n\
                 To: <sip:19195550123@h>\r\nCall-ID: 1@h\r\nCSeq: 1 INVITE\r\n{more}Content-Length: 0\r\n\r\n"
            );
            Message::parse(text.into()).unwrap()
        };
        let named = |name: &str| (name.to_owned(), "<sip:12025550177@h>".to_owned());
        let mut edits = vec![
            Edit::CallerName("Alice".to_owned()),
            Edit::CallerName(String::new()),
            Edit::CallerNumber("12125550111".to_owned()),
            Edit::CalleeNumber("18005550100".to_owned()),
            Edit::UserParameter { name: "rn".to_owned(), value: "+12125550000".to_owned() },
        ];
        for field in ["P-LRN", "Diversion", "p-asserted-identity", "Remote-Party-ID"] {
            let (name, value) = named(field);
            edits.push(Edit::SetHeader { name: name.clone(), value: value.clone() });
            edits.push(Edit::AddHeader { name: name.clone(), value });
            edits.push(Edit::RemoveHeader(name));
        }
        let read = |message: &Message| {
            let reading = Reading::of(message);
            let uris = [Some(message.uri()), message.from().map(|from| from.uri), message.to().map(|to| to.uri)];
            format!("{reading:?} {uris:?}")
        };
        for message in [
            invite("sip:12125550100@h", ""),
            invite(
                "\"Bob\" <sip:12125550100@h>",
                "P-Asserted-Identity: \"B\" <sip:+12125550199@h>, <tel:+12125550188>\r\n",
            ),
        ] {
            for edit in &edits {
                let after = edited(&message, std::slice::from_ref(edit)).unwrap();
                assert!(Reading::is_changed_by(edit) || read(&after) == read(&message), "{edit:?}");
            }
        }
        let unread = edits.iter().filter(|edit| !Reading::is_changed_by(edit)).count();
        assert_eq!(unread, 11, "the display name, and header fields that are no identity");
    }
}
