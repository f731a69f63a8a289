//! How a call comes in: whose it is, and what of it is taken off before anything looks at it.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::NewCall;
use super::customer::Customer;
use super::view::{Parties, Reading, text};
use crate::sip::digest::without_credentials;
use crate::sip::edit::{Edit, edited, without_claims};
use crate::sip::message::Message;
use crate::sip::uri::{Uri, unescaped};

/// A call whose customer is known.
pub(super) struct Entry {
    /// Without what was for this node alone, or must not be believed.
    pub(super) call: NewCall,
    /// Caller and callee as the record tells them.
    pub(super) received: Parties,
    /// What the call's message says of them, without a prefix.
    pub(super) reading: Reading,
    /// Whether what the caller says about who it is counts.
    pub(super) believed: bool,
}

impl Entry {
    /// `prefix`: how many characters of the dialled number are a tech prefix.
    pub(super) fn of(customer: &Customer, mut call: NewCall, prefix: usize) -> Self {
        // RFC 3325 section 5: what a sender that is not trusted asserts is shown to nobody.
        let believed = customer.trust.holds(call.source.ip());
        if !believed && let Some(bare) = without_claims(&call.message) {
            call.message = Arc::new(bare);
        }
        if let Some(digest) = &customer.digest
            && let Some(bare) = without_credentials(&call.message, &digest.realm)
        {
            call.message = Arc::new(bare);
        }
        let mut reading = Reading::of(&call.message);
        let received = reading.parties.clone();
        if prefix > 0
            && let Some(number) = dialled(&call.message).get(prefix..)
            && let Ok(bare) = edited(&call.message, &[Edit::CalleeNumber(number.to_owned())])
        {
            call.message = Arc::new(bare);
            reading = Reading::of(&call.message);
        }
        Self { call, received, reading, believed }
    }
}

/// The number in the Request-URI, whatever was dialled before it; empty where there is none.
pub(super) fn dialled(message: &Message) -> Cow<'_, str> {
    let name = Uri::parse(message.uri()).ok().and_then(|uri| uri.user_name());
    match name.map(|name| unescaped(name.of(message.uri()))) {
        Some(Cow::Borrowed(number)) => String::from_utf8_lossy(number),
        Some(Cow::Owned(number)) => Cow::Owned(text(&number)),
        None => Cow::Borrowed(""),
    }
}
