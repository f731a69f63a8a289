//! Reading the call.

use crate::uri::{self, User};
use crate::{Attribute, Call};

impl Call {
    /// What an earlier stage or the customer's configuration left under a name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().rev().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }

    /// The call with an attribute more; for tests.
    #[must_use]
    pub fn with_attribute(mut self, name: &str, value: &str) -> Self {
        self.attributes.push(Attribute { name: name.to_owned(), value: value.to_owned() });
        self
    }

    /// True where the called number came with `+`, and so with its country code.
    pub fn callee_is_global(&self) -> bool {
        uri::is_global(&self.request_uri)
    }

    /// True where the calling number came with `+`. A caller from P-Asserted-Identity whose From differs counts as
    /// written without.
    pub fn caller_is_global(&self) -> bool {
        let number = || User::of(&self.from_uri).dialled();
        uri::is_global(&self.from_uri) && number().is_some_and(|number| number.trim_start_matches('+') == self.caller)
    }
}
