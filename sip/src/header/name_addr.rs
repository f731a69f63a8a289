//! Addresses with a display name and parameters: From, To, Contact, Route, P-Asserted-Identity.

use memchr::memchr;

use super::{Item, Params};
use crate::scan;
use crate::span::Span;

/// A `name-addr` or `addr-spec` with header parameters (RFC 3261 section 20.10).
#[derive(Debug, Clone, Copy)]
pub struct NameAddr<'a> {
    /// The whole value.
    pub span: Span,
    /// What to remove to take this one value out of its field.
    pub cut: Span,
    /// The display name without its quotes, escapes left in; empty where there is none.
    pub display: &'a [u8],
    /// Where the display name is, quotes included; empty, just before the `<` or the URI, where there is none.
    pub display_span: Span,
    /// The URI.
    pub uri: &'a [u8],
    /// Where the URI is.
    pub uri_span: Span,
    /// Whether the URI stands in angle brackets. Without them, what follows a `;` belongs to the field, not to the URI.
    pub bracketed: bool,
    /// The parameters of the field.
    pub params: Params<'a>,
}

/// Where the parts of an address are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AddressSpans {
    item: Item,
    display: Span,
    uri: Span,
    bracketed: bool,
    params: Span,
}

impl AddressSpans {
    /// Reads a value. `None` where it is no address: no URI, white space or a control character in the URI, a quote or
    /// bracket that does not end, or text behind the bracket.
    pub(crate) fn read(raw: &[u8], item: Item) -> Option<Self> {
        let value = item.span.of(raw);
        let base = item.span.from();
        let quoted = if value.first() == Some(&b'"') { scan::quoted_len(value)? } else { 0 };
        let bracket = scan::find_unquoted(value, b'<');
        let (display_end, uri, params_start) = if let Some(open) = bracket {
            let close = open + memchr(b'>', &value[open..])?;
            (open, Span::new(base + open + 1, base + close), close + 1)
        } else {
            let end = memchr(b';', value).unwrap_or(value.len());
            (0, Span::new(base, base + end).trimmed(raw), end)
        };
        // `"Alice" sip:alice@example.com`: a display name needs the brackets. `"a" b <...>` is no display name.
        if quoted > 0 && (bracket.is_none() || quoted + scan::lws_len(&value[quoted..]) != display_end) {
            return None;
        }
        if uri.is_empty() || scan::has_space(uri.of(raw)) {
            return None;
        }
        let params = Span::new(base + params_start, item.span.to()).trimmed(raw);
        if !matches!(params.of(raw).first(), None | Some(b';')) {
            return None;
        }
        let display = Span::new(base, base + display_end).trimmed(raw);
        Some(Self { item, display, uri, bracketed: bracket.is_some(), params })
    }

    /// The same where all parts stand elsewhere.
    pub(crate) fn map(self, to: impl Fn(Span) -> Span) -> Self {
        let item = Item { span: to(self.item.span), cut: to(self.item.cut) };
        Self { item, display: to(self.display), uri: to(self.uri), params: to(self.params), ..self }
    }

    /// In the bytes that it was read from.
    pub(crate) fn of(self, raw: &[u8]) -> NameAddr<'_> {
        NameAddr {
            span: self.item.span,
            cut: self.item.cut,
            display: scan::unquoted(self.display.of(raw)),
            display_span: self.display,
            uri: self.uri.of(raw),
            uri_span: self.uri,
            bracketed: self.bracketed,
            params: Params::new(raw, self.params),
        }
    }
}

impl<'a> NameAddr<'a> {
    /// Reads a value; `None` where it is no address.
    pub(crate) fn read(raw: &'a [u8], item: Item) -> Option<Self> {
        AddressSpans::read(raw, item).map(|spans| spans.of(raw))
    }

    /// The value of a parameter of the field, without quotes; `Some(None)` where it has no value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.params.get(name)
    }
}
