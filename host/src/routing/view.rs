//! A message as the stages see it.

use crate::plugin::{Headers, contract};
use crate::sip::flow::Transport;
use crate::sip::message::{Message, Name};
use crate::sip::uri::Uri;

impl Headers for Message {
    fn values(&self, name: &str) -> Vec<String> {
        self.values_of(name)
    }
}

/// What a record calls the caller and the callee: user parts, as written.
pub(super) struct Parties {
    pub(super) caller: String,
    pub(super) callee: String,
}

impl Parties {
    pub(super) fn of(message: &Message) -> Self {
        let asserted = message.name_addrs(Name::PAssertedIdentity).find_map(|identity| user(identity.uri));
        let caller = asserted.or_else(|| message.from().and_then(|from| user(from.uri))).unwrap_or_default();
        Self { caller, callee: user(message.uri()).unwrap_or_default() }
    }
}

/// Writes what the message says into the call that stages get.
pub(super) fn fill(call: &mut contract::Call, message: &Message) {
    call.caller = caller(message);
    call.callee = digits(message.uri());
    call.request_uri = text(message.uri());
    call.from_uri = message.from().map_or_else(String::new, |from| text(from.uri));
    call.to_uri = message.to().map_or_else(String::new, |to| text(to.uri));
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
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first asserted identity that is a number (RFC 3325 allows a SIP and a tel one), else From.
fn caller(message: &Message) -> String {
    let asserted = message.name_addrs(Name::PAssertedIdentity).map(|identity| digits(identity.uri));
    let asserted = asserted.into_iter().find(|digits| !digits.is_empty());
    asserted.or_else(|| message.from().map(|from| digits(from.uri))).unwrap_or_default()
}

fn digits(uri: &[u8]) -> String {
    let number = Uri::parse(uri).ok().and_then(|uri| uri.user_number());
    number.map_or_else(String::new, |number| number.as_str().to_owned())
}

fn user(uri: &[u8]) -> Option<String> {
    let span = Uri::parse(uri).ok()?.user_name()?;
    Some(text(span.of(uri)))
}
