//! What stands before the calls: who must not even begin one. The core asks, the routing side knows.

use std::fmt;

use crate::flow::Flow;
use crate::message::Message;

/// Looks at a new INVITE before anything is kept of it. Nothing here may wait.
pub trait Door: fmt::Debug {
    /// The failure that an INVITE of a stranger gets: it is answered once, by what it says itself (RFC 3261 section
    /// 8.2.7). `None`: it goes on.
    fn turns_away(&self, invite: &Message, flow: Flow) -> Option<Dismissal>;
}

/// The answer to an INVITE of nobody's. It is given once, and the request forgotten: nothing is sent again, so that a
/// forged source address turns no storm of requests into a larger one on its victim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dismissal {
    /// Status code, 300 to 699.
    pub code: u16,
    /// Header fields to add.
    pub headers: Vec<(String, String)>,
}

impl Dismissal {
    /// With this code alone.
    pub const fn with(code: u16) -> Self {
        Self { code, headers: Vec::new() }
    }

    /// The header fields, as responses take them.
    pub(crate) fn fields(&self) -> Vec<(&str, &str)> {
        self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
