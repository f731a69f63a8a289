//! Texts that plugins hand to the host, and which of them may go into a message.

/// Header fields that the response or the proxy itself makes: a plugin that set them could break the transaction.
const OWNED: &[&str] = &[
    "via",
    "v",
    "from",
    "f",
    "to",
    "t",
    "call-id",
    "i",
    "cseq",
    "content-length",
    "l",
    "record-route",
    "route",
    "max-forwards",
    "contact",
    "m",
    "proxy-authenticate",
    "content-type",
    "c",
    "content-encoding",
    "e",
];

/// Checks a header field for a response. RFC 3261 section 25.1.
pub(super) fn check_response_header(name: &str, value: &str) -> Result<(), String> {
    if !is_token(name) {
        return Err(format!("`{}` is no header field name", name.escape_debug()));
    }
    if OWNED.iter().any(|owned| owned.eq_ignore_ascii_case(name)) {
        return Err(format!("the header field {name} is the host's own"));
    }
    if !is_line(value) {
        return Err(format!("the value of {name} has a control character"));
    }
    Ok(())
}

/// RFC 3261 section 25.1: `token`.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b))
}

/// Nothing that ends a line or hides text.
pub(super) fn is_line(text: &str) -> bool {
    text.bytes().all(|b| b == b'\t' || (b >= b' ' && b != 0x7f))
}
