//! The parts of a `sip:`, `sips:` or `tel:` URI that routing looks at.

/// The user part of a URI split at its parameters: for `sip:+12025550123;npdi;rn=+12025550000@host;user=phone` the
/// user is `+12025550123` with the parameters `npdi` and `rn` (RFC 4694; RFC 3261 section 19.1.6). For `tel:` URIs
/// the parameters are the URI's own (RFC 3966).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User<'a> {
    /// As it stands, escapes and separators included.
    pub name: &'a str,
    parameters: &'a str,
}

impl<'a> User<'a> {
    /// The user part of a URI; empty where it has none.
    pub fn of(uri: &'a str) -> Self {
        let (scheme, rest) = cut(uri, b':').unwrap_or(("", uri));
        let user = if scheme.eq_ignore_ascii_case("tel") {
            rest
        } else {
            let user = rest.bytes().rposition(|byte| byte == b'@').map_or("", |at| &rest[..at]);
            // A password (RFC 3261 section 19.1.1) is no part of the number.
            cut(user, b':').map_or(user, |(user, _)| user)
        };
        let (name, parameters) = cut(user, b';').unwrap_or((user, ""));
        Self { name, parameters }
    }

    /// The value of a parameter: `Some("")` where it stands without one. Names have no case.
    pub fn parameter(&self, name: &str) -> Option<&'a str> {
        if self.parameters.is_empty() {
            return None;
        }
        self.parameters.split(';').find_map(|parameter| {
            let (known, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// True where the number is written with `+`, and so with its country code.
    pub fn is_global(&self) -> bool {
        begins_with_plus(self.name)
    }

    /// The name with its escapes resolved, where they are characters of a dialled number: `1234%23` is `1234#`.
    /// `None` where it is no dialled number: digits, `*`, `#`, with `+` before and separators between them.
    pub fn dialled(&self) -> Option<String> {
        let mut number = String::with_capacity(self.name.len());
        let mut rest = self.name.as_bytes();
        while let [first, after @ ..] = rest {
            let (character, after) = match (first, after) {
                (b'%', [b'2', b'3', after @ ..]) => (b'#', after),
                (b'%', [b'2', b'B' | b'b', after @ ..]) => (b'+', after),
                (b'%', [b'2', b'A' | b'a', after @ ..]) => (b'*', after),
                _ => (*first, after),
            };
            match character {
                b'0'..=b'9' | b'*' | b'#' => number.push(char::from(character)),
                b'+' if number.is_empty() => number.push('+'),
                b'-' | b'.' | b'(' | b')' => {}
                _ => return None,
            }
            rest = after;
        }
        (!number.is_empty() && number != "+").then_some(number)
    }
}

/// As [`User::is_global`] of the URI's user; reads no further than it must.
pub(crate) fn is_global(uri: &str) -> bool {
    let rest = cut(uri, b':').map_or(uri, |(_, rest)| rest);
    begins_with_plus(rest) && User::of(uri).is_global()
}

fn begins_with_plus(number: &str) -> bool {
    matches!(number.as_bytes(), [b'+', ..] | [b'%', b'2', b'B' | b'b', ..])
}

/// The text before the first of these, an ASCII character, and after it. For short texts cheaper than `str::split_once`.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_portability_parameters_are_found_in_sip_and_tel() {
        for uri in
            ["sip:+12025550123;npdi;rn=+1-202-555-0000@host;user=phone", "tel:+12025550123;NPDI;RN=+1-202-555-0000"]
        {
            let user = User::of(uri);
            assert_eq!(user.name, "+12025550123");
            assert!(user.is_global());
            assert_eq!(user.parameter("npdi"), Some(""));
            assert_eq!(user.parameter("rn"), Some("+1-202-555-0000"));
        }
    }

    #[test]
    fn a_plus_counts_in_the_user_alone() {
        for (uri, global) in [
            ("sip:+12025550123@host", true),
            ("sip:%2b12025550123@host", true),
            ("tel:+12025550123", true),
            ("sip:12025550123@host", false),
            ("sip:+host", false),
            ("", false),
        ] {
            assert_eq!((is_global(uri), User::of(uri).is_global()), (global, global), "{uri}");
        }
    }

    #[test]
    fn parameters_of_the_uri_are_not_those_of_the_user() {
        let user = User::of("sip:2025550123@host;npdi;rn=2025550000");
        assert_eq!((user.parameter("npdi"), user.parameter("rn"), user.is_global()), (None, None, false));
        assert_eq!(User::of("sip:host;rn=1").name, "");
    }

    #[test]
    fn a_password_is_no_part_of_the_number() {
        assert_eq!(User::of("sip:100:secret@host").name, "100");
    }

    #[test]
    fn a_dialled_number_may_hold_star_and_escaped_hash() {
        assert_eq!(User::of("sip:1234%2312025550123@h").dialled().as_deref(), Some("1234#12025550123"));
        assert_eq!(User::of("sip:+1-202-555-0123@h").dialled().as_deref(), Some("+12025550123"));
        assert_eq!(User::of("sip:alice@h").dialled(), None);
        assert_eq!(User::of("sip:h").dialled(), None);
    }
}
