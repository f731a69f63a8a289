//! The head of what may be a message, read without an index: for those who must know a little of it before it is worth
//! an index.

use memchr::memchr;

use super::leading_line_ends;
use super::lines::Lines;
use super::{Item, Method, Name};
use crate::header::NameAddr;
use crate::span::Span;

/// First line and header fields where [`Message::parse`](super::Message::parse) finds them: behind the line ends before
/// a message, each field with its folds, whatever form its name has.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    raw: &'a [u8],
    start: usize,
    /// Behind the first line.
    fields: usize,
}

impl<'a> Head<'a> {
    /// Of a datagram or a frame. Nothing is checked: what is no message has a head too.
    pub fn of(raw: &'a [u8]) -> Self {
        let start = leading_line_ends(raw);
        let fields = memchr(b'\n', &raw[start..]).map_or(raw.len(), |end| start + end + 1);
        Self { raw, start, fields }
    }

    /// Whether there is nothing but line ends and zeros: a keep-alive (RFC 5626 section 4.4.1).
    pub fn is_keep_alive(&self) -> bool {
        self.raw[self.start..].iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0))
    }

    /// Whether the first line begins as that of a response.
    pub fn is_response(&self) -> bool {
        self.raw[self.start..].get(..4).is_some_and(|word| word.eq_ignore_ascii_case(b"SIP/"))
    }

    /// The method of a request; of what is none, whatever its first word comes to.
    pub fn method(&self) -> Method {
        let line = &self.raw[self.start..self.fields];
        Method::of(&line[..memchr(b' ', line).unwrap_or(line.len())])
    }

    /// The values of the fields of this name in order, with their folds, not split at commas. [`Name::Other`] gives
    /// those that are not well known.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let raw = self.raw;
        self.spans(name).map(move |value| value.of(raw))
    }

    /// Whether its To has a tag, as that of a request within a dialog has. Where there are several, the first counts.
    pub fn has_to_tag(&self) -> bool {
        let value = self.spans(Name::To).next();
        let to = value.and_then(|value| NameAddr::read(self.raw, Item { span: value, cut: value }));
        to.is_some_and(|to| to.param("tag").flatten().is_some())
    }

    fn spans(&self, name: Name) -> impl Iterator<Item = Span> + use<'a> {
        let raw = self.raw;
        let lines = Lines::new(raw, self.fields).filter(|line| line.divided);
        lines.filter(move |line| Name::of(line.name.of(raw)) == name).map(|line| line.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(text: &str) -> Vec<&[u8]> {
        Head::of(text.as_bytes()).values(Name::UserAgent).collect()
    }

    #[test]
    fn fields_are_found_behind_line_ends_in_folds_and_in_any_case_and_never_in_the_body() {
        let text = "\r\n\n\r\nOPTIONS sip:a SIP/2.0\r\nX: 1\r\nuser-agent :\r\n\tone\r\n two\r\nUSER-AGENT: 3\r\n\r\nUser-Agent: 4\r\n";
        assert_eq!(agents(text), [&b"one\r\n two"[..], b"3"]);
        assert_eq!(agents("User-Agent: first line\r\nUser-Agent: 1"), [b"1"]);
        assert!(agents("").is_empty() && agents("\r\n\r\n").is_empty() && agents("OPTIONS").is_empty());
    }

    #[test]
    fn the_tag_is_that_which_an_index_of_the_message_finds() {
        for (to, tagged) in [
            ("To: <sip:a>;tag=x", true),
            ("t : <sip:a>\r\n ; TAG = x", true),
            ("To: sip:a;tag=x", true),
            ("To: \";tag=x\" <sip:a>", false),
            ("To: <sip:a;tag=x>", false),
            ("To: <sip:a>;tagged=x;tag", false),
            ("To: <sip:a>\r\nTo: <sip:a>;tag=x", false),
            ("From: <sip:a>;tag=x", false),
        ] {
            let text = format!("BYE sip:a SIP/2.0\r\n{to}\r\n\r\n");
            assert_eq!(Head::of(text.as_bytes()).has_to_tag(), tagged, "{to}");
            let message = super::super::Message::parse(text.into()).expect("a message");
            assert_eq!(message.to_tag().is_some(), tagged, "{to}");
        }
    }

    #[test]
    fn a_first_line_says_what_it_is() {
        let head = |text: &'static str| Head::of(text.as_bytes());
        assert!(head("\r\nsip/2.0 200 OK\r\n").is_response() && !head("SIPS: 1\r\n").is_response());
        assert_eq!(head("\nACK sip:a SIP/2.0\r\n").method(), Method::Ack);
        assert_eq!(head("ack sip:a SIP/2.0\r\n").method(), Method::Other);
        assert!(head("").is_keep_alive() && head("\r\n\0\0").is_keep_alive() && !head("\r\n ").is_keep_alive());
    }
}
