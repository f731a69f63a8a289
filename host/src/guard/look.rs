//! As much of a message as must be read to know what a stranger wants: a walk over the lines of its head.

use memchr::{memchr, memmem};

/// More of a User-Agent is not looked at.
const LONGEST_AGENT: usize = 256;

/// What was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Look<'a> {
    /// The value of User-Agent.
    pub(super) agent: Option<&'a [u8]>,
    /// It is a request that belongs to nothing that there is: no To tag, and neither ACK nor CANCEL.
    pub(super) begins: bool,
}

impl<'a> Look<'a> {
    pub(super) fn at(message: &'a [u8]) -> Self {
        let mut look = Self { agent: None, begins: !belongs(message) };
        let mut rest = message;
        while let Some(end) = memchr(b'\n', rest) {
            rest = &rest[end + 1..];
            let line = &rest[..memchr(b'\n', rest).unwrap_or(rest.len())];
            if line.trim_ascii().is_empty() {
                break;
            }
            let Some(colon) = memchr(b':', line) else { continue };
            let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
            if name.eq_ignore_ascii_case(b"User-Agent") {
                look.agent = Some(&value[..value.len().min(LONGEST_AGENT)]);
            } else if name.eq_ignore_ascii_case(b"To") || name.eq_ignore_ascii_case(b"t") {
                look.begins &= memmem::find(&value.to_ascii_lowercase(), b";tag=").is_none();
            }
        }
        look
    }
}

/// A response, or a request that never begins anything. Line ends alone keep a NAT open.
fn belongs(message: &[u8]) -> bool {
    let start = message.trim_ascii_start();
    start.is_empty() || [&b"SIP/"[..], b"ACK ", b"CANCEL "].iter().any(|word| start.starts_with(word))
}
