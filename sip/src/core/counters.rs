//! What no call tells.

/// What happened without a call to tell it; since the core began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that are no SIP message.
    pub unreadable: u64,
    /// Requests answered, and responses dropped, because they break RFC 3261.
    pub malformed: u64,
    /// Responses, ACKs and in-dialog requests that belong to no call.
    pub strays: u64,
    /// Messages that this node sent again because no answer came.
    pub retransmitted: u64,
    /// Requests that came again and were absorbed.
    pub absorbed: u64,
    /// Failure responses that were never acknowledged.
    pub unacknowledged: u64,
    /// Requests refused because the node drains, the journal fails, there is too much to do, or a call has too many of them.
    pub overloaded: u64,
    /// Of those, refused because the node drains or the journal fails.
    pub unwilling: u64,
    /// Of those, refused because a call has too many of them, or a Call-ID too many calls.
    pub crowded: u64,
    /// New calls refused because `max_calls` are held.
    pub full: u64,
    /// Requests that came back as they went (482).
    pub loops: u64,
    /// INVITEs of strangers, turned away.
    pub strangers: u64,
    /// Answers that were not sent since they would have been too large for what was asked.
    pub amplified: u64,
    /// Requests that may go no further: out of hops (483), or in need of what this node has not (420).
    pub declined: u64,
    /// Answers that came too late, and were acknowledged and hung up by us.
    pub released: u64,
    /// Requests that no transport carries with what a proxy must add: answered 513.
    pub too_large: u64,
    /// Requests that went by a connection for their size.
    pub by_connection: u64,
    /// Of these, those that went by datagram after all, since no connection came about.
    pub by_datagram: u64,
    /// Names that were not asked for, since too many are known already.
    pub unasked: u64,
}
