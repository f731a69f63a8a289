//! Comma lists.

use crate::message::Header;
use crate::scan;
use crate::span::Span;

/// One value of a comma list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The value, trimmed.
    pub span: Span,
    /// What to remove to take this one value out: it with one comma, or the whole line where it is the only one.
    /// To take several values out of one field, use their spans.
    pub cut: Span,
}

/// Walks over the values of a field; a comma in quotes or angle brackets divides nothing (RFC 3261 section 7.3.1).
#[derive(Debug, Clone)]
pub struct Items<'a> {
    raw: &'a [u8],
    line: Span,
    rest: Span,
    comma: Option<usize>,
    done: bool,
}

impl<'a> Items<'a> {
    /// The values of this field of the message with these bytes.
    pub fn of(raw: &'a [u8], header: &Header) -> Self {
        Self { raw, line: header.line, rest: header.value, comma: None, done: false }
    }
}

impl Iterator for Items<'_> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if self.done {
            return None;
        }
        let previous = self.comma;
        let Some(length) = scan::find_comma(self.rest.of(self.raw)) else {
            self.done = true;
            let span = self.rest.trimmed(self.raw);
            let cut = previous.map_or(self.line, |comma| Span::new(comma, self.rest.to()));
            return Some(Item { span, cut });
        };
        let comma = self.rest.from() + length;
        let span = Span::new(self.rest.from(), comma).trimmed(self.raw);
        let behind = Span::new(comma + 1, self.rest.to());
        let next = comma + 1 + scan::lws_len(behind.of(self.raw));
        self.comma = Some(comma);
        self.rest = Span::new(next, self.rest.to());
        Some(Item { span, cut: Span::new(span.from(), next) })
    }
}
