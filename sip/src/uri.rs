//! SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966), read in place.

mod number;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::IpAddr;

use memchr::{memchr, memchr2, memrchr};

pub use self::number::Number;
use super::scan;
use super::span::Span;

/// Which kind of URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; nothing behind its colon is read.
    Other,
}

/// Why a text is no URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme with its colon.
    #[error("no scheme")]
    Scheme,
    /// A byte that no URI holds: white space, a control character, an angle bracket, a quote.
    #[error("a character that no URI may hold")]
    Character,
    /// A `%` without two hexadecimal digits.
    #[error("a broken %-escape")]
    Escape,
    /// An `@` with nothing before it, or no number in a tel URI.
    #[error("an empty user part")]
    User,
    /// No host, or one that is neither a name nor an address.
    #[error("a host that is neither name nor address")]
    Host,
    /// A port that is no number from 0 to 65535.
    #[error("a port that is none")]
    Port,
}

/// A URI. Spans are offsets into the text that was parsed.
#[derive(Debug, Clone, Copy)]
pub struct Uri<'a> {
    text: &'a [u8],
    /// Which kind.
    pub scheme: Scheme,
    /// The user part with its parameters, without the password; for tel all before the first `;`. As written.
    pub user: Option<Span>,
    /// What follows the `:` in the user part; RFC 3261 advises against it, and old phones send it.
    pub password: Option<Span>,
    /// A name, an IPv4 address, or an IPv6 address in brackets; empty for tel and others.
    pub host: Span,
    /// Host and port.
    pub host_port: Span,
    /// The port, where one is written.
    pub port: Option<u16>,
    /// The parameters with the `;` before each; empty where there are none.
    pub params: Span,
    /// What follows the `?`.
    pub headers: Option<Span>,
}

impl<'a> Uri<'a> {
    /// Reads a URI that stands alone: without angle brackets, without white space around it.
    pub fn parse(text: &'a [u8]) -> Result<Self, UriError> {
        let colon = memchr(b':', text).ok_or(UriError::Scheme)?;
        let scheme = scheme(&text[..colon]).ok_or(UriError::Scheme)?;
        check_characters(text)?;
        let rest = Span::new(colon + 1, text.len());
        match scheme {
            Scheme::Sip | Scheme::Sips => Self::sip(text, scheme, rest),
            Scheme::Tel => Self::tel(text, rest),
            Scheme::Other => Ok(Self::bare(text, scheme)),
        }
    }

    const fn bare(text: &'a [u8], scheme: Scheme) -> Self {
        let end = Span::new(text.len(), text.len());
        let (user, password, headers, port) = (None, None, None, None);
        Self { text, scheme, user, password, host: end, host_port: end, port, params: end, headers }
    }

    fn sip(text: &'a [u8], scheme: Scheme, rest: Span) -> Result<Self, UriError> {
        let mut uri = Self::bare(text, scheme);
        let mut host_start = rest.from();
        if let Some(at) = user_end(rest.of(text)) {
            let userinfo = Span::new(rest.from(), rest.from() + at);
            host_start = userinfo.to() + 1;
            let user_length = memchr(b':', userinfo.of(text)).unwrap_or(userinfo.len());
            if user_length == 0 {
                return Err(UriError::User);
            }
            uri.user = Some(Span::new(userinfo.from(), userinfo.from() + user_length));
            if user_length < userinfo.len() {
                uri.password = Some(Span::new(userinfo.from() + user_length + 1, userinfo.to()));
            }
        }
        let tail = &text[host_start..];
        let host_length = host_length(tail).ok_or(UriError::Host)?;
        uri.host = Span::new(host_start, host_start + host_length);
        let mut end = uri.host.to();
        if text.get(end) == Some(&b':') {
            let digits = &text[end + 1..];
            let length = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
            uri.port = Some(scan::port(&digits[..length]).ok_or(UriError::Port)?);
            end += 1 + length;
        }
        uri.host_port = Span::new(host_start, end);
        let params_end = memchr(b'?', &text[end..]).map_or(text.len(), |q| end + q);
        uri.params = Span::new(end, params_end);
        if !matches!(text.get(end), None | Some(b';' | b'?')) {
            return Err(if uri.port.is_some() { UriError::Port } else { UriError::Host });
        }
        if params_end < text.len() {
            uri.headers = Some(Span::new(params_end + 1, text.len()));
        }
        Ok(uri)
    }

    fn tel(text: &'a [u8], rest: Span) -> Result<Self, UriError> {
        let mut uri = Self::bare(text, Scheme::Tel);
        let length = memchr(b';', rest.of(text)).unwrap_or(rest.len());
        if length == 0 {
            return Err(UriError::User);
        }
        uri.user = Some(Span::new(rest.from(), rest.from() + length));
        uri.params = Span::new(rest.from() + length, rest.to());
        Ok(uri)
    }

    /// The host as written.
    pub fn host(&self) -> &'a [u8] {
        self.host.of(self.text)
    }

    /// The user part with its parameters, as written.
    pub fn user(&self) -> Option<&'a [u8]> {
        self.user.map(|user| user.of(self.text))
    }

    /// Where the user part without its parameters is: all before the first `;`.
    pub fn user_name(&self) -> Option<Span> {
        let user = self.user?;
        let length = memchr(b';', user.of(self.text)).unwrap_or(user.len());
        Some(Span::new(user.from(), user.from() + length))
    }

    /// A parameter of the URI; `Some(None)` where it has no value. Names are compared without case and unescaped.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        find_param(self.params.of(self.text), name)
    }

    /// A parameter of the user part, such as `rn` (RFC 4694). For tel URIs these are the URI's own.
    pub fn user_param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        match (self.scheme, self.user()) {
            (Scheme::Tel, _) => self.param(name),
            (_, Some(user)) => memchr(b';', user).and_then(|from| find_param(&user[from..], name)),
            (_, None) => None,
        }
    }

    /// The user part before its parameters as digits, without `+` and visual separators (RFC 3966 section 3); `None`
    /// where it holds anything else.
    pub fn user_number(&self) -> Option<Number> {
        if self.scheme == Scheme::Other {
            return None;
        }
        Number::read(self.user_name()?.of(self.text))
    }

    /// The host as an address, where it is one.
    pub fn ip_addr(&self) -> Option<IpAddr> {
        let host = self.host();
        let host = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host);
        std::str::from_utf8(host).ok()?.parse().ok()
    }
}

/// The text with its %-escapes undone (RFC 3261 section 19.1.2); a broken one stays as it is.
pub fn unescaped(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if let Some(escaped) = escape(text, at) {
            out.push(escaped);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// The byte that the escape at `at` stands for.
fn escape(text: &[u8], at: usize) -> Option<u8> {
    let &[b'%', high, low] = text.get(at..at + 3)? else { return None };
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    Some(digit(high)? << 4 | digit(low)?)
}

fn scheme(word: &[u8]) -> Option<Scheme> {
    if word == b"sip" {
        return Some(Scheme::Sip);
    }
    let (first, rest) = word.split_first()?;
    let fit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    if !first.is_ascii_alphabetic() || !rest.iter().all(fit) {
        return None;
    }
    Some(match word {
        w if w.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
        w if w.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
        w if w.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
        _ => Scheme::Other,
    })
}

/// Bytes beyond ASCII are let pass: they should be escaped, and some senders do not.
fn check_characters(text: &[u8]) -> Result<(), UriError> {
    if scan::has_no_uri_char(text) {
        return Err(UriError::Character);
    }
    let mut from = 0;
    while let Some(percent) = memchr(b'%', &text[from..]) {
        from += percent;
        escape(text, from).ok_or(UriError::Escape)?;
        from += 3;
    }
    Ok(())
}

/// Offset of the `@` that ends the user part: the last before the headers. A `?` in front of every `@` belongs to the
/// user part (RFC 3261 section 25.1, user-unreserved).
fn user_end(rest: &[u8]) -> Option<usize> {
    let first = memchr(b'@', rest)?;
    let headers = memchr(b'?', &rest[first..]).map_or(rest.len(), |q| first + q);
    memrchr(b'@', &rest[..headers])
}

fn host_length(tail: &[u8]) -> Option<usize> {
    if tail.first() == Some(&b'[') {
        let length = memchr(b']', tail)? + 1;
        let address = std::str::from_utf8(&tail[1..length - 1]).ok()?;
        return address.parse::<std::net::Ipv6Addr>().is_ok().then_some(length);
    }
    let end = memchr2(b':', b';', tail).unwrap_or(tail.len());
    let end = memchr(b'?', &tail[..end]).unwrap_or(end);
    (end > 0 && scan::is_host_name(&tail[..end])).then_some(end)
}

#[allow(clippy::option_option, reason = "a parameter is absent, without a value, or with one")]
fn find_param<'a>(params: &'a [u8], name: &str) -> Option<Option<&'a [u8]>> {
    params.split(|&b| b == b';').skip(1).find_map(|param| {
        let equals = memchr(b'=', param);
        let word = &param[..equals.unwrap_or(param.len())];
        unescaped(word).eq_ignore_ascii_case(name.as_bytes()).then(|| equals.map(|e| &param[e + 1..]))
    })
}
