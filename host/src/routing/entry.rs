//! How a call comes in: whose it is, and what of it is taken off before anything looks at it.

use std::sync::Arc;

use super::call::NewCall;
use super::customer::Customer;
use super::view::{Parties, text};
use crate::sip::edit::{Edit, edited, without_claims};
use crate::sip::message::Message;
use crate::sip::uri::{Uri, unescaped};

/// A call whose customer is known.
pub(super) struct Entry {
    /// Without what was for this node alone, or must not be believed.
    pub(super) call: NewCall,
    /// Caller and callee as the record tells them.
    pub(super) received: Parties,
    /// Whether a prefix was taken off the dialled number.
    pub(super) shortened: bool,
}

impl Entry {
    /// `prefix`: how many characters of the dialled number are a tech prefix.
    pub(super) fn of(customer: &Customer, mut call: NewCall, prefix: usize) -> Self {
        let dialled = Parties::of(&call.message).callee;
        // RFC 3325 section 5: what a sender that is not trusted asserts is shown to nobody.
        if !customer.trust.holds(call.source.ip())
            && let Some(bare) = without_claims(&call.message)
        {
            call.message = Arc::new(bare);
        }
        let mut shortened = false;
        if let Some(number) = self::dialled(&call.message).get(prefix..).filter(|_| prefix > 0)
            && let Ok(bare) = edited(&call.message, &[Edit::CalleeNumber(number.to_owned())])
        {
            call.message = Arc::new(bare);
            shortened = true;
        }
        let received = Parties { callee: dialled, ..Parties::of(&call.message) };
        Self { call, received, shortened }
    }
}

/// The number in the Request-URI, whatever was dialled before it; empty where there is none.
pub(super) fn dialled(message: &Message) -> String {
    let name = Uri::parse(message.uri()).ok().and_then(|uri| uri.user_name());
    name.map_or_else(String::new, |name| text(&unescaped(name.of(message.uri()))))
}
