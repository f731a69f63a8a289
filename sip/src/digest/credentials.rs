//! Reads `Digest username="…", …` as clients really write it.

use std::borrow::Cow;

use crate::scan;

/// Digest credentials. Values are without quotes; escapes stay, since the hash is over what was sent (RFC 7616
/// section 3.4.2, `unq`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Credentials<'a> {
    pub(super) username: &'a [u8],
    pub(super) realm: &'a [u8],
    pub(super) nonce: &'a [u8],
    pub(super) uri: &'a [u8],
    pub(super) response: &'a [u8],
    pub(super) algorithm: Option<&'a [u8]>,
    pub(super) cnonce: Option<&'a [u8]>,
    pub(super) qop: Option<&'a [u8]>,
    pub(super) nc: Option<&'a [u8]>,
}

impl<'a> Credentials<'a> {
    /// `None` where the scheme is not Digest or a part that every answer has is missing. Quotes around tokens, their
    /// absence around strings, folds, and any order are let pass.
    pub(super) fn read(value: &'a [u8]) -> Option<Self> {
        let mut found = Self::default();
        for (name, value) in params(value)? {
            match name.as_slice() {
                b"username" => found.username = value,
                b"realm" => found.realm = value,
                b"nonce" => found.nonce = value,
                b"uri" => found.uri = value,
                b"response" => found.response = value,
                b"algorithm" => found.algorithm = Some(value),
                b"cnonce" => found.cnonce = Some(value),
                b"qop" => found.qop = Some(value).filter(|qop| !qop.is_empty()),
                b"nc" => found.nc = Some(value),
                _ => {}
            }
        }
        let whole = !found.username.is_empty() && !found.nonce.is_empty() && !found.uri.is_empty();
        (whole && !found.response.is_empty()).then_some(found)
    }

    /// The nonce count, eight hexadecimal digits from 1 on (RFC 7616 section 3.4). Without a `qop` there is none: such an
    /// answer is good for one request. `None` where it is no count.
    pub(super) fn count(&self) -> Option<u32> {
        let Some(digits) = self.nc.filter(|_| self.qop.is_some()) else { return Some(1) };
        let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 8 && !digits.starts_with('+'))?;
        u32::from_str_radix(digits, 16).ok().filter(|count| *count > 0)
    }

    /// The user name as text; `None` where it is not UTF-8.
    pub(super) fn user(&self) -> Option<String> {
        String::from_utf8(plain(self.username).into_owned()).ok()
    }
}

/// The parameters of a Digest challenge or of credentials: names in lower case, values without their quotes. `None` for
/// another scheme.
pub(super) fn params(value: &[u8]) -> Option<impl Iterator<Item = (Vec<u8>, &[u8])>> {
    let (scheme, mut rest) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"Digest") || !rest.first().is_some_and(|&b| scan::is_lws(b)) {
        return None;
    }
    Some(std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = scan::find_unquoted(rest, b',').unwrap_or(rest.len());
            let (param, behind) = rest.split_at(end);
            rest = behind.get(1..).unwrap_or_default();
            let Some(equals) = memchr::memchr(b'=', param) else { continue };
            let name = param[..equals].trim_ascii().to_ascii_lowercase();
            return Some((name, scan::unquoted(param[equals + 1..].trim_ascii())));
        }
        None
    }))
}

/// The text of a quoted string's inside.
pub(super) fn plain(inside: &[u8]) -> Cow<'_, [u8]> {
    if !inside.contains(&b'\\') {
        return Cow::Borrowed(inside);
    }
    let mut out = Vec::with_capacity(inside.len());
    let mut bytes = inside.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'\\' { bytes.next().copied() } else { Some(byte) };
        out.extend(byte);
    }
    Cow::Owned(out)
}

/// The inside of a quoted string for this text; control characters, which no realm has, are left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
