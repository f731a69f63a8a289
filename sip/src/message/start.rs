//! The first line of a message.

use memchr::{memchr, memrchr};

use super::ParseError;
use crate::scan;
use crate::span::Span;

/// What the first line says.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// RFC 3261 section 7.1.
    Request { method: Span, uri: Span },
    /// RFC 3261 section 7.2.
    Response { code: u16, reason: Span },
}

/// What [`check`](super::Message::check) must know of the first line beside its parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// Whether the version is `SIP/2.0`.
    pub(super) version: bool,
    /// Whether no control character is in it.
    pub(super) text: bool,
    /// Whether single spaces divide it and none stands at its end (RFC 3261 section 7.1).
    pub(super) spacing: bool,
}

/// Reads the first line, given without its line end.
pub(super) fn read(raw: &[u8], line: Span) -> Result<(Start, Form), ParseError> {
    let bytes = line.of(raw);
    if bytes.get(..4).is_some_and(|b| b.eq_ignore_ascii_case(b"SIP/")) {
        return response(bytes, line).ok_or(ParseError::StatusLine);
    }
    request(bytes, line).ok_or(ParseError::RequestLine)
}

fn request(bytes: &[u8], line: Span) -> Option<(Start, Form)> {
    let words = bytes.trim_ascii_end();
    let method_end = memchr(b' ', words)?;
    let version_start = memrchr(b' ', words)? + 1;
    let (method, version) = (&words[..method_end], &words[version_start..]);
    if !scan::is_token(method) || !version.get(..4)?.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    let between = words.get(method_end + 1..version_start - 1).unwrap_or_default();
    let uri = between.trim_ascii();
    let at = line.from() + method_end + 1 + (between.len() - between.trim_ascii_start().len());
    let form = Form {
        version: version.eq_ignore_ascii_case(b"SIP/2.0"),
        text: !scan::has_control(bytes),
        spacing: words.len() == bytes.len() && uri.len() == between.len() && !uri.iter().any(|&b| scan::is_lws(b)),
    };
    let start =
        Start::Request { method: Span::new(line.from(), line.from() + method_end), uri: Span::new(at, at + uri.len()) };
    Some((start, form))
}

fn response(bytes: &[u8], line: Span) -> Option<(Start, Form)> {
    let version_end = memchr(b' ', bytes)?;
    let rest = &bytes[version_end + 1..];
    let code_end = memchr(b' ', rest).unwrap_or(rest.len());
    let code = scan::number(&rest[..code_end]).and_then(|n| u16::try_from(n).ok())?;
    if code_end != 3 || !(100..=699).contains(&code) {
        return None;
    }
    let reason = (version_end + 1 + code_end + 1).min(bytes.len());
    let version = bytes[..version_end].eq_ignore_ascii_case(b"SIP/2.0");
    let form = Form { version, text: !scan::has_control(bytes), spacing: true };
    Some((Start::Response { code, reason: Span::new(line.from() + reason, line.to()) }, form))
}
