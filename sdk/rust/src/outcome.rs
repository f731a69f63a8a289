//! Building the answer.

use crate::{Attribute, Edit, Header, Outcome, Rejection, Route, Verdict};

impl Outcome {
    /// Go on with the next stage.
    pub fn proceed() -> Self {
        Self::new(Verdict::Proceed)
    }

    /// Refuse the call with this final response, 300 to 699; an empty reason is the standard one.
    pub fn reject(code: u16, reason: impl Into<String>) -> Self {
        Self::new(Verdict::Reject(Rejection { code, reason: reason.into(), headers: Vec::new() }))
    }

    /// Ask for digest credentials in this realm.
    pub fn challenge(realm: impl Into<String>) -> Self {
        Self::new(Verdict::Challenge(realm.into()))
    }

    /// Answer 302 with these Contact URIs, in order.
    pub fn redirect(contacts: Vec<String>) -> Self {
        Self::new(Verdict::Redirect(contacts))
    }

    /// Hunt these gateways in order, at most 32.
    pub fn route(routes: Vec<Route>) -> Self {
        Self::new(Verdict::Route(routes))
    }

    fn new(verdict: Verdict) -> Self {
        Self { verdict, edits: Vec::new(), attributes: Vec::new() }
    }

    /// Leave a text for later stages and the call record.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push(Attribute { name: name.into(), value: value.into() });
        self
    }

    /// Change the request.
    #[must_use]
    pub fn edit(mut self, edit: Edit) -> Self {
        self.edits.push(edit);
        self
    }

    /// Set the display name in From and P-Asserted-Identity.
    #[must_use]
    pub fn caller_name(self, name: impl Into<String>) -> Self {
        self.edit(Edit::CallerName(name.into()))
    }

    /// Set the number in From and P-Asserted-Identity.
    #[must_use]
    pub fn caller_number(self, number: impl Into<String>) -> Self {
        self.edit(Edit::CallerNumber(number.into()))
    }

    /// Set the number in the Request-URI.
    #[must_use]
    pub fn callee_number(self, number: impl Into<String>) -> Self {
        self.edit(Edit::CalleeNumber(number.into()))
    }

    /// Set a parameter in the user part of the Request-URI; an empty value makes one without value.
    #[must_use]
    pub fn user_parameter(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(Edit::UserParameter(Header { name: name.into(), value: value.into() }))
    }

    /// Replace every header field of this name by one.
    #[must_use]
    pub fn set_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(Edit::SetHeader(Header { name: name.into(), value: value.into() }))
    }

    /// Add a header field after those of the same name.
    #[must_use]
    pub fn add_header(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.edit(Edit::AddHeader(Header { name: name.into(), value: value.into() }))
    }

    /// Remove every header field of this name.
    #[must_use]
    pub fn remove_header(self, name: impl Into<String>) -> Self {
        self.edit(Edit::RemoveHeader(name.into()))
    }

    /// The value that this outcome leaves under a name, for tests and for plugins that build on others.
    pub fn attribute_value(&self, name: &str) -> Option<&str> {
        self.attributes.iter().rev().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }
}

impl Route {
    /// A gateway with the call's numbers, no rate and the configuration's timeouts.
    pub fn to(gateway: impl Into<String>) -> Self {
        Self {
            gateway: gateway.into(),
            callee: None,
            caller: None,
            rate: None,
            attempt_timeout: None,
            ring_timeout: None,
            headers: Vec::new(),
            parallel: false,
        }
    }

    /// Rung at the same time as the route before it.
    #[must_use]
    pub fn in_parallel(mut self) -> Self {
        self.parallel = true;
        self
    }
}
