//! Loop detection (RFC 3261 sections 16.3 item 4 and 16.6 item 8, RFC 5393).

use super::cx::read_branch;
use super::settings::Settings;
use crate::message::Message;

/// A hash of all that decides where a request goes: the Request-URI as it was received, the tags, the Call-ID, the CSeq
/// number and the routes. A second passage with the same is a loop, with another a spiral.
pub(super) fn loop_hash(message: &Message) -> u32 {
    let mut hash = 0_u32;
    let mut add = |bytes: &[u8]| hash = crc32c::crc32c_append(hash, bytes);
    add(message.uri());
    add(message.call_id());
    add(message.from_tag().unwrap_or_default());
    add(message.to_tag().unwrap_or_default());
    add(&message.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
    message.routes().for_each(|route| add(route.uri));
    hash
}

/// Whether this request passed here before just as it is: one of our Vias carries its hash.
pub(super) fn is_loop(request: &Message, settings: &Settings) -> bool {
    let mut own = request.vias().filter(|via| settings.is_self(via.host, via.port)).peekable();
    if own.peek().is_none() {
        return false;
    }
    let hash = loop_hash(request);
    own.any(|via| via.branch.and_then(read_branch).is_some_and(|(_, _, seen)| seen == hash))
}
