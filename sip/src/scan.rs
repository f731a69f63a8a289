//! The few rules of RFC 3261 section 25.1 that every reader shares: white space, tokens, quoting, numbers.
//!
//! Every byte of a head is looked at several times, by one rule after the other. What a byte may be is therefore read from
//! a table, and what a rule looks for is found by vector instructions.

use memchr::{memchr, memchr2, memchr3};

const LWS: u8 = 1;
const TOKEN: u8 = 2;
const SPACE: u8 = 4;
const NO_URI: u8 = 8;
const HOST_NAME: u8 = 16;

/// What each byte may be.
static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    loop {
        if matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
            classes[byte as usize] |= LWS;
        }
        if byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
        {
            classes[byte as usize] |= TOKEN;
        }
        if byte == b' ' || byte.is_ascii_control() {
            classes[byte as usize] |= SPACE | NO_URI;
        }
        if matches!(byte, b'<' | b'>' | b'"') {
            classes[byte as usize] |= NO_URI;
        }
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            classes[byte as usize] |= HOST_NAME;
        }
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
};

/// Linear white space, the line ends inside a folded value included (section 25.1, LWS).
pub(super) const fn is_lws(byte: u8) -> bool {
    CLASSES[byte as usize] & LWS != 0
}

/// A character of a token (section 25.1).
pub(super) const fn is_token_char(byte: u8) -> bool {
    CLASSES[byte as usize] & TOKEN != 0
}

/// Whether this is a token: not empty, token characters alone.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_token_char(b))
}

/// Whether a control character is in it that belongs to no white space. An answer could not repeat such a value as it is.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    // Without a branch for each byte: nearly every value of every message has none.
    let any = bytes.iter().fold(false, |any, byte| any | byte.is_ascii_control());
    any && bytes.iter().enumerate().any(|(at, byte)| match byte {
        b'\t' => false,
        b'\r' => bytes.get(at + 1) != Some(&b'\n'),
        b'\n' => !matches!(bytes.get(at + 1), Some(b' ' | b'\t')),
        _ => byte.is_ascii_control(),
    })
}

/// Whether a space or a control character is in it.
pub(super) fn has_space(bytes: &[u8]) -> bool {
    bytes.iter().any(|&b| CLASSES[b as usize] & SPACE != 0)
}

/// Whether a byte is in it that no URI holds: a space, a control character, an angle bracket, a quote.
pub(super) fn has_no_uri_char(bytes: &[u8]) -> bool {
    bytes.iter().any(|&b| CLASSES[b as usize] & NO_URI != 0)
}

/// Whether these are characters of a host name alone. Underscores are no part of one, yet they are found in private zones.
pub(super) fn is_host_name(bytes: &[u8]) -> bool {
    bytes.iter().all(|&b| CLASSES[b as usize] & HOST_NAME != 0)
}

/// Decimal digits alone, as a number; `None` for anything else and beyond `u64`.
pub(super) fn number(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |sum, &b| {
        let digit = b.is_ascii_digit().then(|| u64::from(b - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

/// Decimal digits alone, as a port.
pub(super) fn port(bytes: &[u8]) -> Option<u16> {
    number(bytes).and_then(|n| u16::try_from(n).ok())
}

/// Offset of the first `wanted` byte that stands in no quoted string (section 25.1: a backslash escapes in there).
pub(super) fn find_unquoted(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let found = memchr2(wanted, b'"', rest)?;
        if rest[found] == wanted {
            return Some(from + found);
        }
        from += found + quoted_len(&rest[found..])?;
    }
}

/// Offset of the first comma that divides a list: one in quotes or angle brackets divides nothing (section 7.3.1).
pub(super) fn find_comma(bytes: &[u8]) -> Option<usize> {
    // Most values hold no comma at all.
    memchr(b',', bytes)?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let found = memchr3(b',', b'"', b'<', rest)?;
        match rest[found] {
            b',' => return Some(from + found),
            b'"' => from += found + quoted_len(&rest[found..])?,
            _ => from += found + memchr(b'>', &rest[found..])? + 1,
        }
    }
}

/// Length of the quoted string that begins here, both quotes included; `None` where it does not end.
pub(super) fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Without the quotes around it, where it has both. Escapes stay.
pub(super) fn unquoted(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\"").and_then(|b| b.strip_suffix(b"\"")).unwrap_or(bytes)
}

/// Length of the white space that begins here.
pub(super) fn lws_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|&b| !is_lws(b)).unwrap_or(bytes.len())
}
