//! Cuts the head of a message into header lines.

use memchr::memchr;

use crate::name::Name;
use crate::span::Span;

/// One header field with its folds, before its name is known.
pub(super) struct Line {
    /// Whole, with line end and folds.
    pub(super) whole: Span,
    /// The name without white space; everything where there is no colon.
    pub(super) name: Span,
    /// The value, trimmed; empty where there is no colon.
    pub(super) value: Span,
    /// Whether a colon divides it.
    pub(super) divided: bool,
}

/// Walks over header lines up to the empty line.
pub(super) struct Lines<'a> {
    raw: &'a [u8],
    /// Where the next line begins; after the empty line once [`Lines::complete`].
    pub(super) at: usize,
    /// Whether the empty line was there.
    pub(super) complete: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(raw: &'a [u8], at: usize) -> Self {
        Self { raw, at, complete: false }
    }

    /// Where the line that begins at `start` ends, its folds (RFC 3261 section 7.3.1) included.
    fn end_of_line(&self, start: usize) -> usize {
        let mut end = start;
        loop {
            match memchr(b'\n', &self.raw[end..]) {
                None => return self.raw.len(),
                Some(length) => end += length + 1,
            }
            if !matches!(self.raw.get(end), Some(b' ' | b'\t')) {
                return end;
            }
        }
    }
}

impl Iterator for Lines<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.complete {
            return None;
        }
        let rest = self.raw.get(self.at..)?;
        let empty_line = match rest {
            [] => return None,
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => 1,
            _ => 0,
        };
        if empty_line > 0 {
            self.at += empty_line;
            self.complete = true;
            return None;
        }
        let start = self.at;
        let end = self.end_of_line(start);
        self.at = end;
        let whole = Span::new(start, end);
        let Some(colon) = memchr(b':', &self.raw[start..end]) else {
            let value = Span::new(end, end);
            return Some(Line { whole, name: whole.trimmed(self.raw), value, divided: false });
        };
        let colon = start + colon;
        let name_end = self.raw[start..colon].iter().rposition(|&b| !matches!(b, b' ' | b'\t'));
        let name = Span::new(start, name_end.map_or(start, |last| start + last + 1));
        let value = Span::new(colon + 1, end).trimmed(self.raw);
        Some(Line { whole, name, value, divided: true })
    }
}

/// The value of the first Call-ID of a message, without an index of the rest.
///
/// The transport picks a call's worker by it, before the message is parsed. The answer is that of
/// [`Message::call_id`](super::Message::call_id) for the same bytes; `None` where there is no Call-ID.
pub fn call_id_of(datagram: &[u8]) -> Option<&[u8]> {
    let start = super::leading_line_ends(datagram);
    let first_line = memchr(b'\n', datagram.get(start..)?)?;
    let line = Lines::new(datagram, start + first_line + 1).find(|line| {
        line.divided
            && matches!(datagram[line.whole.from()], b'c' | b'C' | b'i' | b'I')
            && Name::of(line.name.of(datagram)) == Name::CallId
    })?;
    Some(line.value.of(datagram))
}
