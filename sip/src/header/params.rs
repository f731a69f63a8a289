//! `;name=value` parameters.

use crate::scan;
use crate::span::Span;

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    /// From the first byte of the name to the last of the value.
    pub span: Span,
    /// The name as written; names are compared without case (RFC 3261 section 7.3.1).
    pub name: &'a [u8],
    /// The value as written, quotes included; `None` where there is no `=`.
    pub value: Option<Span>,
}

/// Walks over parameters. An empty one, as in `;;`, is left out.
#[derive(Debug, Clone, Copy)]
pub struct Params<'a> {
    raw: &'a [u8],
    rest: Span,
}

impl<'a> Params<'a> {
    /// The parameters in this span of `raw`, which is empty or begins with `;`.
    pub(super) const fn new(raw: &'a [u8], span: Span) -> Self {
        Self { raw, rest: span }
    }

    /// The value of the first parameter of this name, without quotes; `Some(None)` where it has no value.
    pub fn get(&self, name: &str) -> Option<Option<&'a [u8]>> {
        let raw = self.raw;
        self.find(name).map(|param| param.value.map(|value| scan::unquoted(value.of(raw))))
    }

    /// The first parameter of this name.
    pub fn find(&self, name: &str) -> Option<Param<'a>> {
        let mut params = *self;
        Iterator::find(&mut params, |param| param.name.eq_ignore_ascii_case(name.as_bytes()))
    }
}

#[allow(clippy::copy_iterator, reason = "a value is read by copies of this, each from the first parameter")]
impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        loop {
            let bytes = self.rest.of(self.raw);
            let begin = self.rest.from() + usize::from(*bytes.first()? == b';');
            let body = Span::new(begin, self.rest.to());
            let length = scan::find_unquoted(body.of(self.raw), b';').unwrap_or(body.len());
            self.rest = Span::new(begin + length, self.rest.to());
            let span = Span::new(begin, begin + length).trimmed(self.raw);
            if span.is_empty() {
                continue;
            }
            let text = span.of(self.raw);
            let Some(equals) = memchr::memchr(b'=', text) else {
                return Some(Param { span, name: text, value: None });
            };
            let name = Span::new(span.from(), span.from() + equals).trimmed(self.raw);
            let value = Span::new(span.from() + equals + 1, span.to()).trimmed(self.raw);
            return Some(Param { span, name: name.of(self.raw), value: Some(value) });
        }
    }
}
