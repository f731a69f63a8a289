//! Via values and where a response goes by them.

use std::net::{IpAddr, SocketAddr};

use memchr::memchr;

use super::{Item, Params};
use crate::edit::Splices;
use crate::message::Message;
use crate::scan;
use crate::span::Span;

/// The `rport` parameter (RFC 3581).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rport {
    /// Not there, or with a value that is no port.
    Absent,
    /// Without a value: the word, so that `=5060` can be spliced behind it.
    Empty(Span),
    /// With a port.
    Port(u16),
}

/// A Via value (RFC 3261 section 20.42).
#[derive(Debug, Clone, Copy)]
pub struct Via<'a> {
    /// The whole value.
    pub span: Span,
    /// What to remove to take this one value out of its field.
    pub cut: Span,
    /// The transport as written, such as `UDP`.
    pub transport: &'a [u8],
    /// The host of sent-by: a name, an IPv4 address, or an IPv6 address in brackets.
    pub host: &'a [u8],
    /// The port of sent-by.
    pub port: Option<u16>,
    /// The `branch` parameter.
    pub branch: Option<&'a [u8]>,
    /// The `received` parameter as written; RFC 5118 section 4.5 has senders that put an IPv6 address in brackets.
    pub received: Option<&'a [u8]>,
    /// The `rport` parameter.
    pub rport: Rport,
    /// The `maddr` parameter.
    pub maddr: Option<&'a [u8]>,
    /// All parameters.
    pub params: Params<'a>,
}

/// Where the parts of a Via value are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ViaSpans {
    span: Span,
    cut: Span,
    transport: Span,
    host: Span,
    port: Option<u16>,
    branch: Option<Span>,
    received: Option<Span>,
    rport: Rport,
    maddr: Option<Span>,
    params: Span,
}

impl ViaSpans {
    /// Reads a value; `None` where it has no transport and host or a port that is none.
    pub(crate) fn read(raw: &[u8], item: Item) -> Option<Self> {
        let mut at = Cursor { rest: item.span.of(raw), end: item.span.to() };
        let protocol = at.word()?;
        at.slash()?;
        let version = at.word()?;
        at.slash()?;
        let transport = at.word()?;
        let host = at.host()?;
        let port = at.port(raw)?;
        if !protocol.of(raw).eq_ignore_ascii_case(b"SIP")
            || version.of(raw) != b"2.0"
            || !matches!(at.rest.first(), None | Some(b';'))
        {
            return None;
        }
        let params = Span::new(at.offset(), item.span.to());
        let (branch, received, maddr, rport) = (None, None, None, Rport::Absent);
        let mut via =
            Self { span: item.span, cut: item.cut, transport, host, port, branch, received, rport, maddr, params };
        for param in Params::new(raw, params) {
            match param.name {
                b if b.eq_ignore_ascii_case(b"branch") => via.branch = via.branch.or(param.value),
                b if b.eq_ignore_ascii_case(b"received") => via.received = via.received.or(param.value),
                b if b.eq_ignore_ascii_case(b"maddr") => via.maddr = via.maddr.or(param.value),
                b if b.eq_ignore_ascii_case(b"rport") && via.rport == Rport::Absent => {
                    via.rport = match param.value.map(|value| value.of(raw)) {
                        None | Some(b"") => Rport::Empty(param.span),
                        Some(value) => scan::port(value).map_or(Rport::Absent, Rport::Port),
                    }
                }
                _ => {}
            }
        }
        Some(via)
    }

    /// In the bytes that it was read from.
    pub(crate) fn of(self, raw: &[u8]) -> Via<'_> {
        Via {
            span: self.span,
            cut: self.cut,
            transport: self.transport.of(raw),
            host: self.host.of(raw),
            port: self.port,
            branch: self.branch.map(|branch| branch.of(raw)),
            received: self.received.map(|received| received.of(raw)),
            rport: self.rport,
            maddr: self.maddr.map(|maddr| maddr.of(raw)),
            params: Params::new(raw, self.params),
        }
    }
}

impl<'a> Via<'a> {
    /// The host of sent-by as an address, where it is one.
    pub fn ip_addr(&self) -> Option<IpAddr> {
        ip_addr(self.host)
    }

    /// The `received` parameter as an address, with or without brackets.
    pub fn received_addr(&self) -> Option<IpAddr> {
        self.received.and_then(ip_addr)
    }

    /// The value of a parameter, without quotes; `Some(None)` where it has no value.
    pub fn param(&self, name: &str) -> Option<Option<&'a [u8]>> {
        self.params.get(name)
    }
}

/// What must be spliced into the value of the top Via of a request that came from `source`, so that its response finds the way back
/// (RFC 3261 section 18.2.1, RFC 3581 section 4); `None` where it is right as it is, or there is no Via that can be read.
///
/// `received` is set where sent-by is not the source's address, and wherever `rport` is asked for. Values that the
/// sender wrote itself are replaced by the true ones: nobody can point a response at somebody else.
pub fn via_fixup(message: &Message, source: &SocketAddr) -> Option<Splices> {
    let via = message.top_via()?;
    let address = source.ip().to_canonical();
    let mut splices = Splices::new();

    let received = via.params.find("received");
    let wanted = via.rport != Rport::Absent || received.is_some() || via.ip_addr() != Some(address);
    if wanted && via.received_addr() != Some(address) {
        match received {
            Some(param) => splices.replace_with(param.span, |text| text.put(format_args!("received={address}"))),
            None => splices.insert_with(via.span.to(), |text| text.put(format_args!(";received={address}"))),
        }
    }
    match via.params.find("rport") {
        Some(param) if via.rport != Rport::Port(source.port()) => {
            splices.replace_with(param.span, |text| text.put(format_args!("rport={}", source.port())));
        }
        _ => {}
    }
    (!splices.is_empty()).then_some(splices)
}

fn ip_addr(host: &[u8]) -> Option<IpAddr> {
    let host = host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host);
    Some(std::str::from_utf8(host).ok()?.parse::<IpAddr>().ok()?.to_canonical())
}

/// Reads `SIP / 2.0 / UDP host : port`, in which white space may stand anywhere.
struct Cursor<'a> {
    rest: &'a [u8],
    /// Offset behind the last byte of `rest`.
    end: usize,
}

impl Cursor<'_> {
    fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    fn take(&mut self, length: usize) -> Span {
        let from = self.offset();
        let rest = self.rest.get(length..).unwrap_or_default();
        let taken = Span::new(from, self.end - rest.len());
        self.rest = &rest[scan::lws_len(rest)..];
        taken
    }

    fn word(&mut self) -> Option<Span> {
        let length = self.rest.iter().position(|&b| !scan::is_token_char(b)).unwrap_or(self.rest.len());
        (length > 0).then(|| self.take(length))
    }

    fn slash(&mut self) -> Option<()> {
        (self.rest.first() == Some(&b'/')).then(|| {
            self.take(1);
        })
    }

    fn host(&mut self) -> Option<Span> {
        let length = if self.rest.first() == Some(&b'[') {
            memchr(b']', self.rest)? + 1
        } else {
            self.rest.iter().position(|&b| scan::is_lws(b) || matches!(b, b':' | b';')).unwrap_or(self.rest.len())
        };
        (length > 0).then(|| self.take(length))
    }

    /// `Some(None)` where there is no port, `None` where there is one that is none.
    #[allow(clippy::option_option, reason = "three answers, and `?` ends the reading on one of them")]
    fn port(&mut self, raw: &[u8]) -> Option<Option<u16>> {
        if self.rest.first() != Some(&b':') {
            return Some(None);
        }
        self.take(1);
        let length = self.rest.iter().position(|b| !b.is_ascii_digit()).unwrap_or(self.rest.len());
        scan::port(self.take(length).of(raw)).map(Some)
    }
}
