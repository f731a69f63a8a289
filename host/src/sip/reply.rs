//! Responses that this node makes itself.

use super::message::{Header, Message, Name};
use super::scan;

#[cfg(test)]
mod tests;

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
    out.extend_from_slice(code.to_string().as_bytes());
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

/// The reason phrase of RFC 3261 section 21 and its extensions; that of the class for other codes.
pub const fn standard_reason(code: u16) -> &'static str {
    match code {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity Info",
        437 => "Unsupported Credential",
        438 => "Invalid Identity Header",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        100..=199 => "Session Progress",
        200..=299 => "OK",
        300..=399 => "Multiple Choices",
        400..=499 => "Bad Request",
        500..=599 => "Server Internal Error",
        _ => "Global Failure",
    }
}
