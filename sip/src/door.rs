//! What stands before the calls: who must not even begin one. The core asks, the routing side knows.

use std::fmt;

use crate::flow::Flow;
use crate::message::Message;

/// Looks at a new INVITE before anything is kept of it. Nothing here may wait.
pub trait Door: fmt::Debug {
    /// The failure that an INVITE of a stranger gets: it is answered once, by what it says itself (RFC 3261 section
    /// 8.2.7). `None`: it goes on.
    fn turns_away(&self, invite: &Message, flow: Flow) -> Option<Turned>;
}

/// An answer to a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Status code, 300 to 699.
    pub code: u16,
    /// Header fields to add.
    pub headers: Vec<(String, String)>,
}
