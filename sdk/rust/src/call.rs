//! Reading the call.

use crate::uri::User;
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
        User::of(&self.request_uri).is_global()
    }

    /// True where the calling number came with `+`. A caller from P-Asserted-Identity whose From differs counts as
    /// written without.
    pub fn caller_is_global(&self) -> bool {
        let from = User::of(&self.from_uri);
        from.is_global() && from.dialled().is_some_and(|number| number.trim_start_matches('+') == self.caller)
    }
}
