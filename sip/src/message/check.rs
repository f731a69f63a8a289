//! What is wrong with a message that could be indexed.

use memchr::memchr;

use super::{Length, Message, Name};
use crate::header::{Items, NameAddr, Via, ViaSpans};
use crate::scan;
use crate::uri::{Scheme, Uri};

/// Why a request is refused; for a response, why it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code} {reason}")]
pub struct Fault {
    /// The status code to answer with.
    pub code: u16,
    /// The reason phrase.
    pub reason: &'static str,
}

const fn bad(reason: &'static str) -> Fault {
    Fault { code: 400, reason }
}

/// A tag, branch or Call-ID is compared byte for byte, and must be the same on one line as folded: so no fold is in one.
fn is_identifier(text: &[u8]) -> bool {
    !text.iter().any(u8::is_ascii_control)
}

/// Whether a control character is in this value outside of quotes.
fn has_stray_control(mut value: &[u8]) -> bool {
    while let Some(quote) = memchr(b'"', value) {
        let (before, quoted) = value.split_at(quote);
        if scan::has_control(before) {
            return true;
        }
        value = scan::quoted_len(quoted).map_or(&[], |length| &quoted[length..]);
    }
    scan::has_control(value)
}

/// A CSeq number is less than this (RFC 3261 section 8.1.1.5).
const CSEQ_BOUND: u32 = 1 << 31;
/// The largest Max-Forwards (RFC 3261 section 20.22).
const MAX_FORWARDS_BOUND: u32 = 255;

impl Message {
    /// Whether a proxy may work with this message (RFC 3261 sections 8.2 and 16.3, RFC 4475).
    ///
    /// Only what the proxy itself acts on is read; the rest is the business of the user agents. Max-Forwards 0 and
    /// Proxy-Require are no faults of the message: the proxy decides on them.
    pub fn check(&self) -> Result<(), Fault> {
        if !self.form.text {
            return Err(bad("Control Character In First Line"));
        }
        if !self.form.version {
            return Err(Fault { code: 505, reason: "Version Not Supported" });
        }
        if !self.head_well_formed {
            return Err(bad("Malformed Header Field"));
        }
        if self.is_request() {
            self.check_request_line()?;
        }
        self.check_counts()?;
        self.check_copied()?;
        self.check_vias()?;
        self.check_addresses()?;
        self.check_cseq()?;
        if !matches!(self.max_forwards(), None | Some(Ok(0..=MAX_FORWARDS_BOUND))) {
            return Err(bad("Bad Max-Forwards"));
        }
        match self.length {
            Length::Absent | Length::Fits => Ok(()),
            Length::Short => Err(bad("Content-Length Beyond Message")),
            Length::Malformed => Err(bad("Bad Content-Length")),
        }
    }

    fn check_request_line(&self) -> Result<(), Fault> {
        if !self.form.spacing {
            return Err(bad("Malformed Request-Line"));
        }
        let uri = Uri::parse(self.uri()).map_err(|_| bad("Malformed Request-URI"))?;
        match uri.scheme {
            Scheme::Other => Err(Fault { code: 416, reason: "Unsupported URI Scheme" }),
            // RFC 3261 section 19.1.1: a Request-URI has no header component.
            _ if uri.headers.is_some() => Err(bad("Headers In Request-URI")),
            _ => Ok(()),
        }
    }

    /// What must be there, and what may be there once (RFC 3261 section 8.1.1).
    fn check_counts(&self) -> Result<(), Fault> {
        let once = [
            (Name::From, "Missing From", "Several From"),
            (Name::To, "Missing To", "Several To"),
            (Name::CallId, "Missing Call-ID", "Several Call-ID"),
            (Name::CSeq, "Missing CSeq", "Several CSeq"),
        ];
        for (name, missing, several) in once {
            if self.first(name).is_none_or(|field| field.value.is_empty()) {
                return Err(bad(missing));
            }
            if self.is_repeated(name) {
                return Err(bad(several));
            }
        }
        if self.is_repeated(Name::MaxForwards) {
            return Err(bad("Several Max-Forwards"));
        }
        Ok(())
    }

    /// What every answer repeats (RFC 3261 section 8.2.6.2), and what names a transaction and a dialog. A quoted name in
    /// From or To may hold any character behind a backslash (RFC 4475 section 3.1.1.2).
    fn check_copied(&self) -> Result<(), Fault> {
        let mut fields = [Name::Via, Name::CSeq].into_iter().flat_map(|name| self.all(name));
        let mut addresses = [Name::From, Name::To].into_iter().filter_map(|name| self.get(name));
        let mut names = [self.from_tag(), self.to_tag(), Some(self.call_id())].into_iter().flatten();
        if fields.any(|field| scan::has_control(self.value(field)))
            || addresses.any(|value| scan::has_control(value) && has_stray_control(value))
            || !names.all(is_identifier)
        {
            return Err(bad("Control Character In Header Field"));
        }
        Ok(())
    }

    fn check_vias(&self) -> Result<(), Fault> {
        if self.first(Name::Via).is_none() {
            return Err(bad("Missing Via"));
        }
        let sound = |via: Via<'_>| via.branch.is_none_or(is_identifier);
        // The topmost has been read.
        let mut below = self.items(Name::Via).skip(1).map(|item| ViaSpans::read(self.raw(), item));
        if !self.top_via().is_some_and(sound) || !below.all(|via| via.is_some_and(|via| sound(via.of(self.raw())))) {
            return Err(bad("Malformed Via"));
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), Fault> {
        if !self.from().is_some_and(|from| self.has_fit_display(&from)) {
            return Err(bad("Malformed From"));
        }
        if !self.to().is_some_and(|to| self.has_fit_display(&to)) {
            return Err(bad("Malformed To"));
        }
        for (name, reason) in [(Name::Route, "Malformed Route"), (Name::RecordRoute, "Malformed Record-Route")] {
            if self.items(name).any(|item| NameAddr::read(self.raw(), item).is_none()) {
                return Err(bad(reason));
            }
        }
        for header in self.all(Name::Contact).filter(|header| self.value(header) != b"*") {
            for item in Items::of(self.raw(), header) {
                // RFC 3261 section 20: a URI with a `?` needs the brackets, else its headers would be the field's.
                let fit = |contact: NameAddr<'_>| contact.bracketed || !contact.uri.contains(&b'?');
                if !NameAddr::read(self.raw(), item).is_some_and(fit) {
                    return Err(bad("Malformed Contact"));
                }
            }
        }
        Ok(())
    }

    /// A display name without quotes is tokens (RFC 3261 section 25.1). Bytes beyond ASCII are let pass: old switches
    /// send names in Latin-1.
    fn has_fit_display(&self, address: &NameAddr<'_>) -> bool {
        let display = address.display_span.of(self.raw());
        display.first() == Some(&b'"')
            || display.iter().all(|&b| scan::is_token_char(b) || scan::is_lws(b) || !b.is_ascii())
    }

    fn check_cseq(&self) -> Result<(), Fault> {
        let cseq = self.cseq().filter(|cseq| cseq.number < CSEQ_BOUND).ok_or(bad("Bad CSeq"))?;
        if self.is_request() && cseq.method_bytes != self.method_bytes() {
            return Err(bad("CSeq Method Differs"));
        }
        Ok(())
    }
}
