//! ENUM: a number's domain, and the rules found under it (RFC 6116, RFC 3402, RFC 3403).

use regex_lite::{Regex, RegexBuilder};

/// Bytes of a rule's expression, compiled: one from outside must not take the memory.
const LARGEST: usize = 64 << 10;

/// One NAPTR record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) order: u16,
    pub(super) preference: u16,
    pub(super) flags: String,
    pub(super) services: String,
    pub(super) regexp: String,
}

/// Digits of E.164 with or without `+`.
pub(super) fn is_number(key: &str) -> bool {
    let digits = key.strip_prefix('+').unwrap_or(key);
    (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 6116 section 3.2: the digits in reverse, a dot between, under the suffix.
pub(super) fn domain(key: &str, suffix: &str) -> String {
    let mut name = String::with_capacity(2 * key.len() + suffix.len() + 1);
    for digit in key.chars().rev().filter(char::is_ascii_digit) {
        name.push(digit);
        name.push('.');
    }
    name + suffix + "."
}

impl Rule {
    /// Whether it is a terminal rule for this enumservice (`sip`): RFC 6116 section 3.4.3, `E2U+sip` or
    /// `E2U+voice:sip+sip`, without case.
    pub(super) fn serves(&self, enumservice: &str) -> bool {
        let mut parts = self.services.split('+');
        let is_enum = parts.next().is_some_and(|first| first.eq_ignore_ascii_case("E2U"));
        let mut named = parts.flat_map(|part| [Some(part), part.split(':').next()]).flatten();
        self.flags.eq_ignore_ascii_case("u") && is_enum && named.any(|part| part.eq_ignore_ascii_case(enumservice))
    }

    /// The URI for a number; `None` where the expression does not match it. The error says what is wrong with the
    /// record.
    pub(super) fn apply(&self, key: &str) -> Result<Option<String>, String> {
        let wrong = || format!("the NAPTR record's `{}` is no substitution", self.regexp);
        let delimiter = self.regexp.chars().next().ok_or_else(wrong)?;
        let mut parts = self.regexp[delimiter.len_utf8()..].split(delimiter);
        let (Some(expression), Some(replacement), Some(flags), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let expression: Regex = RegexBuilder::new(expression)
            .case_insensitive(flags.eq_ignore_ascii_case("i"))
            .size_limit(LARGEST)
            .build()
            .map_err(|_| wrong())?;
        // RFC 6116 section 3.1: the expression is matched against the whole number, with its `+`.
        let number = format!("+{}", key.trim_start_matches('+'));
        let Some(found) = expression.captures(&number) else { return Ok(None) };
        let mut uri = String::new();
        let mut letters = replacement.chars();
        while let Some(letter) = letters.next() {
            match (letter, letters.clone().next().and_then(|next| next.to_digit(10))) {
                ('\\', Some(group)) => {
                    letters.next();
                    uri.push_str(found.get(group as usize).map_or("", |part| part.as_str()));
                }
                ('\\', None) => uri.extend(letters.next()),
                (letter, _) => uri.push(letter),
            }
        }
        // What comes from outside goes into a row as one line of text, or not at all.
        if uri.is_empty() || uri.chars().any(char::is_control) { Err(wrong()) } else { Ok(Some(uri)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(services: &str, regexp: &str) -> Rule {
        Rule { order: 1, preference: 1, flags: "u".into(), services: services.into(), regexp: regexp.into() }
    }

    #[test]
    fn a_number_becomes_its_domain() {
        assert_eq!(domain("+12125550100", "e164.arpa"), "0.0.1.0.5.5.5.2.1.2.1.e164.arpa.");
        assert!(is_number("+12125550100") && is_number("44") && !is_number("") && !is_number("1212x"));
    }

    #[test]
    fn a_rule_makes_a_uri_of_the_number() {
        let uri = |regexp| rule("E2U+sip", regexp).apply("12125550100");
        assert_eq!(uri("!^.*$!sip:info@example.com!"), Ok(Some("sip:info@example.com".into())));
        assert_eq!(uri(r"!^\+1(.*)$!sip:\1@gw.example.com!"), Ok(Some("sip:2125550100@gw.example.com".into())));
        assert_eq!(uri(r"/^\+44/sip:x@y/"), Ok(None));
        for wrong in ["", "!", "!a", "!(!x!", "!.*!!", "!.*!a\nb!"] {
            assert!(uri(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_terminal_rules_for_the_service_count() {
        assert!(rule("E2U+sip", "").serves("sip"));
        assert!(rule("e2u+VOICE:sip+SIP", "").serves("sip"));
        assert!(rule("E2U+voice:tel", "").serves("voice:tel"));
        assert!(!rule("E2U+mailto", "").serves("sip"));
        assert!(!rule("SIP+D2U", "").serves("sip"));
        assert!(!Rule { flags: String::new(), ..rule("E2U+sip", "") }.serves("sip"));
    }
}
