//! Responses that this node makes itself.

mod reason;
#[cfg(test)]
mod tests;

pub use self::reason::standard_reason;

use super::message::{Header, Message, Name};
use super::scan;

/// A response to `request` without a body (RFC 3261 section 8.2.6.2).
///
/// `code` outside 100 to 699 becomes 500; an empty `reason` the standard one. `to_tag` is added where To has no tag yet.
/// `headers` whose name is no token, and those that the response has anyway, are left out; line ends inside any
/// value become spaces, so that no text from the network can add a line of its own.
pub fn reply(request: &Message, code: u16, reason: &str, to_tag: Option<&str>, headers: &[(&str, &str)]) -> Vec<u8> {
    let code = if (100..=699).contains(&code) { code } else { 500 };
    let reason = if reason.is_empty() { standard_reason(code) } else { reason };
    let mut out = Vec::with_capacity(request.head_end().min(1024) + 128);
    out.extend_from_slice(b"SIP/2.0 ");
    out.extend([code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8));
    out.push(b' ');
    push_text(&mut out, reason.as_bytes());
    out.extend_from_slice(b"\r\n");

    let copied = |header: &&Header| match header.name {
        Name::Via | Name::From | Name::CallId | Name::CSeq => true,
        Name::Timestamp => code == 100,
        _ => false,
    };
    for header in request.headers().iter().filter(copied) {
        push_header(&mut out, header.name.as_str().as_bytes(), request.value(header));
    }
    if let Some(to) = request.get(Name::To) {
        out.extend_from_slice(b"To: ");
        push_text(&mut out, to);
        if let Some(tag) = to_tag.filter(|_| request.to_tag().is_none()) {
            out.extend_from_slice(b";tag=");
            push_text(&mut out, tag.as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
    for (name, value) in headers.iter().filter(|(name, _)| is_free(name)) {
        push_header(&mut out, name.as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    out
}

/// Whether a field of this name may be added to a response.
fn is_free(name: &str) -> bool {
    scan::is_token(name.as_bytes())
        && !matches!(
            Name::of(name.as_bytes()),
            Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq | Name::ContentLength
        )
}

fn push_header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    push_text(out, value);
    out.extend_from_slice(b"\r\n");
}

/// Appends a text on one line: a CRLF that folds it, and every other byte that ends a line somewhere, becomes spaces.
fn push_text(out: &mut Vec<u8>, text: &[u8]) {
    out.extend(text.iter().map(|&b| if matches!(b, b'\r' | b'\n' | 0) { b' ' } else { b }));
}
