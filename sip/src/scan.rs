//! The few rules of RFC 3261 section 25.1 that every reader shares: white space, tokens, quoting, numbers.

/// Linear white space, the line ends inside a folded value included (section 25.1, LWS).
pub(super) const fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// A character of a token (section 25.1).
pub(super) const fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~')
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
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == wanted {
            return Some(at);
        }
        at += if byte == b'"' { quoted_len(bytes.get(at..).unwrap_or_default())? } else { 1 };
    }
    None
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
