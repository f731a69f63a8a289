//! A SIP message: its bytes and an index of where the header fields are.
//!
//! The bytes stay as they came; what leaves is spliced from them (see [`edit`](super::edit)). Indexing is lenient, so
//! that a malformed request can still be answered; [`Message::check`] says what is wrong with one.

mod check;
mod head;
mod lines;
mod start;
#[cfg(test)]
mod tests;
mod top;

use std::fmt;

use bytes::Bytes;
use memchr::memchr;

pub use self::check::Fault;
pub use self::head::Head;
pub use self::lines::call_id_of;
pub use super::method::Method;
pub use super::name::Name;
pub use super::span::Span;

use self::lines::Lines;
use self::start::{Form, Start};
use super::header::{AddressSpans, Item, Items, NameAddr, Via, ViaSpans};
use super::scan;

/// The longest message in bytes: what a UDP datagram can carry.
pub const MAX_MESSAGE: usize = 65_535;
/// The most header fields of a message.
pub const MAX_HEADERS: usize = 512;

/// Why bytes are not a SIP message at all: there is nobody to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Nothing but line ends: a keep-alive (RFC 5626 section 4.4.1).
    #[error("no message, only line ends")]
    Empty,
    /// Longer than [`MAX_MESSAGE`].
    #[error("longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// The first line is no Request-Line of any SIP version.
    #[error("the first line is not `METHOD URI SIP/2.0`")]
    RequestLine,
    /// The first line begins as a Status-Line but has no status code from 100 to 699.
    #[error("the first line is not `SIP/2.0 CODE REASON`")]
    StatusLine,
    /// More than [`MAX_HEADERS`] header fields.
    #[error("more than {MAX_HEADERS} header fields")]
    TooManyHeaders,
}

/// Where a header field is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which one.
    pub name: Name,
    /// Whole, with its folds and its line end.
    pub line: Span,
    /// The name as written.
    pub name_span: Span,
    /// The value without the white space around it; may hold folds.
    pub value: Span,
}

/// A CSeq value (RFC 3261 section 20.16).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// The sequence number.
    pub number: u32,
    /// The method.
    pub method: Method,
    /// The method as written.
    pub method_bytes: &'a [u8],
}

/// A SIP message.
#[derive(Clone)]
pub struct Message {
    raw: Bytes,
    start: Start,
    form: Form,
    method: Method,
    headers: Vec<Header>,
    /// Index of the first field of each well-known name.
    firsts: [u16; Name::KNOWN],
    /// A bit for each well-known name that has more fields than one.
    repeated: u64,
    cseq: Option<(u32, Span)>,
    /// What is asked for many times is read once: the top Via, From and To with their tags.
    top_via: Option<ViaSpans>,
    parties: [Option<Party>; 2],
    headers_start: u32,
    head_end: u32,
    /// Whether the empty line was there and every header line is a name and a value.
    head_well_formed: bool,
    length: Length,
}

/// A From or a To.
#[derive(Debug, Clone, Copy)]
struct Party {
    address: AddressSpans,
    tag: Option<Span>,
}

/// What Content-Length says about the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Nothing: the body is the rest of the datagram (RFC 3261 section 18.3).
    Absent,
    /// As many bytes as there are, or fewer: the rest was discarded.
    Fits,
    /// More bytes than there are.
    Short,
    /// No number, or two that differ.
    Malformed,
}

const ABSENT: u16 = u16::MAX;

/// Of [`Message::repeated`].
const fn bit(name: Name) -> u64 {
    const { assert!(Name::KNOWN < 64) };
    1 << name as u64
}

impl Message {
    /// Index a message that fills a datagram or a frame. Line ends before it are skipped, and bytes behind the body that
    /// Content-Length announces are discarded (RFC 3261 sections 7.5 and 18.3): neither is in [`Message::raw`].
    pub fn parse(raw: Bytes) -> Result<Self, ParseError> {
        let skip = leading_line_ends(&raw);
        let mut raw = if skip == 0 { raw } else { raw.slice(skip..) };
        if raw.is_empty() {
            return Err(ParseError::Empty);
        }
        if raw.len() > MAX_MESSAGE {
            return Err(ParseError::TooLong);
        }
        let line_end = memchr(b'\n', &raw).unwrap_or(raw.len());
        let headers_start = (line_end + 1).min(raw.len());
        let first_line = raw[..line_end].strip_suffix(b"\r").map_or(line_end, <[u8]>::len);
        let (start, form) = start::read(&raw, Span::new(0, first_line))?;

        let (headers, firsts) = (Vec::with_capacity(24), [ABSENT; Name::KNOWN]);
        let mut index = Index { headers, firsts, repeated: 0, well_formed: true };
        let mut lines = Lines::new(&raw, headers_start);
        for line in &mut lines {
            index.add(&raw, &line)?;
        }
        let (head_end, complete) = (lines.at, lines.complete);

        let (length, body_end) = index.body_end(&raw, head_end);
        raw.truncate(body_end);
        let mut message = Self {
            raw,
            start,
            form,
            method: Method::Other,
            headers: index.headers,
            firsts: index.firsts,
            repeated: index.repeated,
            cseq: None,
            top_via: None,
            parties: [None; 2],
            headers_start: headers_start as u32,
            head_end: head_end as u32,
            head_well_formed: index.well_formed && complete,
            length,
        };
        message.cseq = message.first(Name::CSeq).and_then(|header| read_cseq(&message.raw, header.value));
        let top = message.items(Name::Via).next();
        message.top_via = top.and_then(|item| ViaSpans::read(&message.raw, item));
        message.parties = [Name::From, Name::To].map(|name| message.party(name));
        message.method = Method::of(message.method_bytes());
        Ok(message)
    }

    /// All its bytes.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Whether it is a request, not a response.
    pub const fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The method; for a response that of its CSeq.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The method as written; for a response that of its CSeq, empty where there is none.
    pub fn method_bytes(&self) -> &[u8] {
        match (self.start, self.cseq) {
            (Start::Request { method, .. }, _) | (Start::Response { .. }, Some((_, method))) => method.of(&self.raw),
            (Start::Response { .. }, None) => &[],
        }
    }

    /// The Request-URI as written; empty for a response.
    pub fn uri(&self) -> &[u8] {
        self.uri_span().of(&self.raw)
    }

    /// Where the Request-URI is; empty for a response.
    pub const fn uri_span(&self) -> Span {
        match self.start {
            Start::Request { uri, .. } => uri,
            Start::Response { .. } => Span { start: 0, end: 0 },
        }
    }

    /// The status code, 100 to 699; 0 for a request.
    pub const fn code(&self) -> u16 {
        match self.start {
            Start::Request { .. } => 0,
            Start::Response { code, .. } => code,
        }
    }

    /// The reason phrase; empty for a request.
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Request { .. } => &[],
            Start::Response { reason, .. } => reason.of(&self.raw),
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        self.raw.get(self.head_end()..).unwrap_or_default()
    }

    /// Offset just after the empty line.
    pub const fn head_end(&self) -> usize {
        self.head_end as usize
    }

    /// Offset just after the first line.
    pub const fn headers_start(&self) -> usize {
        self.headers_start as usize
    }

    /// Offset at which another header field can be added behind all others: before the empty line.
    pub fn headers_end(&self) -> usize {
        self.headers.last().map_or(self.headers_start(), |header| header.line.to())
    }

    /// All header fields in order.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// The first field of this name.
    pub fn first(&self, name: Name) -> Option<&Header> {
        match self.firsts.get(name as usize) {
            Some(&index) => self.headers.get(usize::from(index)),
            None => self.headers.iter().find(|header| header.name == name),
        }
    }

    /// All fields of this name in order. [`Name::Other`] gives every field that is not well known.
    pub fn all(&self, name: Name) -> impl Iterator<Item = &Header> {
        let within = match self.firsts.get(name as usize) {
            Some(&ABSENT) => 0..0,
            Some(&first) if self.repeated & bit(name) == 0 => usize::from(first)..usize::from(first) + 1,
            Some(&first) => usize::from(first)..self.headers.len(),
            None => 0..self.headers.len(),
        };
        self.headers.get(within).unwrap_or_default().iter().filter(move |header| header.name == name)
    }

    /// Whether there is more than one field of this well-known name.
    pub(super) const fn is_repeated(&self, name: Name) -> bool {
        self.repeated & bit(name) != 0
    }

    /// The value of a field of this message, with its folds.
    pub fn value(&self, header: &Header) -> &[u8] {
        header.value.of(&self.raw)
    }

    /// The value of the first field of this name, with its folds.
    pub fn get(&self, name: Name) -> Option<&[u8]> {
        self.first(name).map(|header| self.value(header))
    }

    /// The values of every field of this name, whatever its case and form: unfolded, not split at commas, with U+FFFD
    /// for what is not UTF-8. For plugins and logs; it allocates.
    pub fn values_of(&self, name: &str) -> Vec<String> {
        let known = Name::of(name.as_bytes());
        let same = |header: &&Header| {
            header.name == known
                && (known != Name::Other || header.name_span.of(&self.raw).eq_ignore_ascii_case(name.as_bytes()))
        };
        self.headers.iter().filter(same).map(|header| unfolded(self.value(header))).collect()
    }

    /// The Call-ID; empty where there is none.
    pub fn call_id(&self) -> &[u8] {
        self.get(Name::CallId).unwrap_or_default()
    }

    /// The CSeq, where there is one that can be read.
    pub fn cseq(&self) -> Option<CSeq<'_>> {
        let (number, method) = self.cseq?;
        let method_bytes = method.of(&self.raw);
        Some(CSeq { number, method: Method::of(method_bytes), method_bytes })
    }

    /// The From, where there is one that can be read.
    pub fn from(&self) -> Option<NameAddr<'_>> {
        self.parties[0].map(|from| from.address.of(&self.raw))
    }

    /// The To, where there is one that can be read.
    pub fn to(&self) -> Option<NameAddr<'_>> {
        self.parties[1].map(|to| to.address.of(&self.raw))
    }

    /// The `tag` parameter of the From.
    pub fn from_tag(&self) -> Option<&[u8]> {
        self.tag(0)
    }

    /// The `tag` parameter of the To.
    pub fn to_tag(&self) -> Option<&[u8]> {
        self.tag(1)
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<NameAddr<'_>> {
        self.contacts().next()
    }

    /// Max-Forwards; an error where it is no number or beyond `u32`.
    #[allow(clippy::result_unit_err, reason = "there is nothing to say but that it is no number")]
    pub fn max_forwards(&self) -> Option<Result<u32, ()>> {
        let value = self.get(Name::MaxForwards)?;
        Some(scan::number(value).and_then(|n| u32::try_from(n).ok()).ok_or(()))
    }

    /// The first Via, where it can be read.
    pub fn top_via(&self) -> Option<Via<'_>> {
        self.top_via.map(|via| via.of(&self.raw))
    }

    /// All Via values from top to bottom, those of comma lists included. What cannot be read is left out.
    pub fn vias(&self) -> impl Iterator<Item = Via<'_>> {
        let below = self.items(Name::Via).skip(1).filter_map(|item| ViaSpans::read(&self.raw, item));
        self.top_via.into_iter().chain(below).map(|via| via.of(&self.raw))
    }

    /// All Route values in order. What cannot be read is left out.
    pub fn routes(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.name_addrs(Name::Route)
    }

    /// All Record-Route values in order. What cannot be read is left out.
    pub fn record_routes(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.name_addrs(Name::RecordRoute)
    }

    /// All Contact values in order. What cannot be read is left out.
    pub fn contacts(&self) -> impl Iterator<Item = NameAddr<'_>> {
        self.name_addrs(Name::Contact)
    }

    /// The values of every field of this name as addresses, those of comma lists included.
    pub fn name_addrs(&self, name: Name) -> impl Iterator<Item = NameAddr<'_>> {
        self.items(name).filter_map(|item| NameAddr::read(&self.raw, item))
    }

    /// The values of every field of this name, those of comma lists included, unread.
    pub(super) fn items(&self, name: Name) -> impl Iterator<Item = Item> {
        self.all(name).flat_map(|header| Items::of(&self.raw, header))
    }

    /// A field that is no list: a comma belongs to its value.
    fn party(&self, name: Name) -> Option<Party> {
        let header = self.first(name)?;
        let address = AddressSpans::read(&self.raw, Item { span: header.value, cut: header.line })?;
        Some(Party { address, tag: address.of(&self.raw).params.find("tag").and_then(|tag| tag.value) })
    }

    fn tag(&self, party: usize) -> Option<&[u8]> {
        Some(scan::unquoted(self.parties[party]?.tag?.of(&self.raw)))
    }
}

impl fmt::Debug for Message {
    /// The kind and the length alone: a message holds people's numbers and may end up in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.start {
            Start::Request { .. } => write!(f, "Message({}, {} bytes)", self.method, self.raw.len()),
            Start::Response { code, .. } => write!(f, "Message({code} to {}, {} bytes)", self.method, self.raw.len()),
        }
    }
}

/// The index while it grows.
struct Index {
    headers: Vec<Header>,
    firsts: [u16; Name::KNOWN],
    repeated: u64,
    well_formed: bool,
}

impl Index {
    fn add(&mut self, raw: &[u8], line: &lines::Line) -> Result<(), ParseError> {
        if self.headers.len() == MAX_HEADERS {
            return Err(ParseError::TooManyHeaders);
        }
        let word = line.name.of(raw);
        let name = if line.divided { Name::of(word) } else { Name::Other };
        if name == Name::Other && !(line.divided && scan::is_token(word)) {
            self.well_formed = false;
        }
        match self.firsts.get_mut(name as usize) {
            Some(first @ &mut ABSENT) => *first = self.headers.len() as u16,
            Some(_) => self.repeated |= bit(name),
            None => {}
        }
        self.headers.push(Header { name, line: line.whole, name_span: line.name, value: line.value });
        Ok(())
    }

    /// What Content-Length says about the body, and where it ends.
    fn body_end(&self, raw: &[u8], head_end: usize) -> (Length, usize) {
        let from = self.headers.get(usize::from(self.firsts[Name::ContentLength as usize])..).unwrap_or_default();
        let mut lengths = from.iter().filter(|h| h.name == Name::ContentLength).map(|h| scan::number(h.value.of(raw)));
        let Some(first) = lengths.next() else { return (Length::Absent, raw.len()) };
        match first {
            Some(_) if lengths.any(|other| other != first) => (Length::Malformed, raw.len()),
            None => (Length::Malformed, raw.len()),
            Some(length) if length <= (raw.len() - head_end) as u64 => (Length::Fits, head_end + length as usize),
            Some(_) => (Length::Short, raw.len()),
        }
    }
}

/// `number LWS method`.
fn read_cseq(raw: &[u8], value: Span) -> Option<(u32, Span)> {
    let bytes = value.of(raw);
    let digits = bytes.iter().position(|&b| scan::is_lws(b))?;
    let number = u32::try_from(scan::number(&bytes[..digits])?).ok()?;
    let method = Span::new(value.from() + digits, value.to()).trimmed(raw);
    scan::is_token(method.of(raw)).then_some((number, method))
}

/// A value on one line: each fold becomes one space (RFC 3261 section 7.3.1).
fn unfolded(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    if !text.contains(['\r', '\n']) {
        return text.into_owned();
    }
    text.split(['\r', '\n'])
        .map(|line| line.trim_matches([' ', '\t']))
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// How many bytes of line ends stand before a message (RFC 3261 section 7.5).
fn leading_line_ends(raw: &[u8]) -> usize {
    raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len())
}
