//! Requests that were written to a connection and wait for a response: when it breaks, their calls hear of it at once
//! instead of waiting for a timer (RFC 3261 section 18.4).

use std::collections::HashSet;

use bytes::Bytes;
use memchr::memmem;

/// The most that one connection remembers. Beyond, the requests' timers find out.
const MOST: usize = 8192;
/// What stands before the branch of the topmost Via, the first that a message of ours has.
const BRANCH: &[u8] = b"branch=";

/// By branch.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    branches: HashSet<Box<[u8]>>,
}

impl Outstanding {
    /// A message goes out.
    pub(super) fn sent(&mut self, message: &[u8]) {
        // An ACK has no response.
        if message.starts_with(b"SIP/") || message.starts_with(b"ACK ") || self.branches.len() >= MOST {
            return;
        }
        if let Some(branch) = branch(message) {
            self.branches.insert(branch.into());
        }
    }

    /// A message came in.
    pub(super) fn received(&mut self, message: &[u8]) {
        if !self.branches.is_empty()
            && message.starts_with(b"SIP/")
            && let Some(branch) = branch(message)
        {
            self.branches.remove(branch);
        }
    }

    /// What nobody will answer: each as the beginning of the request, as far as it names its branch.
    pub(super) fn lost(&mut self) -> impl Iterator<Item = Bytes> + '_ {
        self.branches.drain().map(|branch| [BRANCH, &branch].concat().into())
    }
}

/// The first branch in a message, up to what ends a parameter.
fn branch(message: &[u8]) -> Option<&[u8]> {
    let rest = &message[memmem::find(message, BRANCH)? + BRANCH.len()..];
    let end = rest.iter().position(|byte| matches!(byte, b';' | b',' | b'\r' | b'\n' | b' ' | b'\t'));
    Some(&rest[..end?])
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;rport;branch=z9hG4bK1;alias\r\n\r\n";
    const BYE: &[u8] = b"BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;rport;branch=z9hG4bK2;alias\r\n\r\n";
    const TRYING: &[u8] = b"SIP/2.0 100 Trying\r\nVia: SIP/2.0/TCP c;rport=1;branch=z9hG4bK1;alias\r\n\r\n";

    #[test]
    fn what_was_answered_at_all_is_not_lost_with_the_connection() {
        let mut outstanding = Outstanding::default();
        outstanding.sent(INVITE);
        outstanding.sent(BYE);
        outstanding.received(TRYING);
        assert_eq!(outstanding.lost().collect::<Vec<_>>(), ["branch=z9hG4bK2"]);
    }

    #[test]
    fn responses_and_acks_wait_for_nothing() {
        let mut outstanding = Outstanding::default();
        outstanding.sent(TRYING);
        outstanding.sent(b"ACK sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c;branch=z9hG4bK1\r\n\r\n");
        assert_eq!(outstanding.lost().count(), 0);
    }
}
